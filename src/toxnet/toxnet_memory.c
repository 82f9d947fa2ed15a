/*
 * Secrets and the disk. toxcore's own locking of each scratch buffer is replaced (see
 * toxnet_symbols.c) by locking the process once.
 */
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "toxnet.h"

#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4 /* Linux 4.4: pages are locked when they are used, not all at once */
#endif

static bool lock_all(void)
{
	return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
}

void toxnet_protect_process(void)
{
	struct rlimit none = {0, 0};

	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
}

bool toxnet_protect_memory(const struct tt_log *log)
{
	struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY}, now = {0};

	toxnet_protect_process();
	/* With a limit, locking what is yet to come would make later allocations fail. */
	setrlimit(RLIMIT_MEMLOCK, &all);
	if (getrlimit(RLIMIT_MEMLOCK, &now) != 0 || now.rlim_cur != RLIM_INFINITY) {
		tt_info(log,
			"memory is not locked: the limit is %llu kB (ulimit -l, LimitMEMLOCK=); "
			"keys could "
			"reach the swap space",
			(unsigned long long)now.rlim_cur / 1024);
		return false;
	}
	if (!lock_all()) {
		tt_info(log, "memory is not locked: %s; keys could reach the swap space",
			strerror(errno));
		return false;
	}
	return true;
}

bool toxnet_trim_memory(bool locked)
{
	if (locked)
		munlockall();
	malloc_trim(0);
	return locked && lock_all();
}
