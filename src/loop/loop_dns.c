#include <event2/dns.h>
#include <event2/event_struct.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop_int.h"
#include "tt_err.h"

#define RESOLVE_MAX 16
#define RESOLVE_TIMEOUT_S "3"   /* for each try, where resolv.conf does not say otherwise */
#define RESOLVE_ATTEMPTS "2"    /* together less than the 15 s that a channel has to open */
#define RESOLVE_INFLIGHT "1024" /* questions; evdns asks no more than 64 at once otherwise */
#define HOST_MAX 255            /* RFC 1035 section 2.3.4 */

/*
 * A lookup outlives its handle when it is cancelled: evdns calls back later, once, with
 * EVUTIL_EAI_CANCEL, and that frees it.
 */
struct lookup {
	struct loop_resolve *r; /* NULL: cancelled */
	struct evdns_getaddrinfo_request *req;
};

struct loop_resolve {
	struct loop *loop;
	struct lookup *lookup;
	struct event answer; /* made active when there is one, so that `done` runs from the loop */
	struct tt_addr addrs[RESOLVE_MAX];
	size_t n;
	const char *error;
	void (*done)(void *user, const struct tt_addr *addrs, size_t n, const char *error);
	void *user;
};

void loop_dns_init(struct loop *loop)
{
	loop_dns_files(loop, "/etc/resolv.conf", "/etc/hosts");
}

void loop_dns_files(struct loop *loop, const char *resolv_conf, const char *hosts)
{
	snprintf(loop->resolv_conf.path, sizeof(loop->resolv_conf.path), "%s", resolv_conf);
	snprintf(loop->hosts.path, sizeof(loop->hosts.path), "%s", hosts);
}

void loop_dns_free(struct loop *loop)
{
	if (loop->dns)
		evdns_base_free(loop->dns, 1);
	loop->dns = NULL;
}

/* True when the file is another one than was read; a file that is missing has all zeroes. */
static bool file_changed(struct loop_file *f)
{
	struct stat st;
	if (stat(f->path, &st) != 0)
		memset(&st, 0, sizeof(st));
	bool same = f->read && f->ino == st.st_ino && f->mtime.tv_sec == st.st_mtim.tv_sec &&
		    f->mtime.tv_nsec == st.st_mtim.tv_nsec;
	f->ino = st.st_ino;
	f->mtime = st.st_mtim;
	f->read = true;
	return !same;
}

/* Opens evdns, and reads its two files again when they changed: a laptop changes networks. */
static int dns_ready(struct loop *loop)
{
	if (!loop->dns) {
		loop->dns = evdns_base_new(loop->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
		if (!loop->dns)
			return TT_ENOMEM;
	}
	if (file_changed(&loop->resolv_conf)) {
		evdns_base_clear_nameservers_and_suspend(loop->dns);
		evdns_base_search_clear(loop->dns);
		evdns_base_set_option(loop->dns, "timeout:", RESOLVE_TIMEOUT_S);
		evdns_base_set_option(loop->dns, "attempts:", RESOLVE_ATTEMPTS);
		evdns_base_set_option(loop->dns, "max-inflight:", RESOLVE_INFLIGHT);
		evdns_base_resolv_conf_parse(loop->dns,
			DNS_OPTION_SEARCH | DNS_OPTION_NAMESERVERS | DNS_OPTION_MISC |
				DNS_OPTION_NAMESERVERS_NO_DEFAULT,
			loop->resolv_conf.path);
		evdns_base_resume(loop->dns);
		tt_debug(loop->log, "dns: %d nameservers in %s",
			evdns_base_count_nameservers(loop->dns), loop->resolv_conf.path);
	}
	if (file_changed(&loop->hosts)) {
		evdns_base_clear_host_addresses(loop->dns);
		evdns_base_load_hosts(loop->dns, loop->hosts.path);
	}
	return TT_OK;
}

static void on_answer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct loop_resolve *r = arg;
	loop_woken(r->loop);
	r->done(r->user, r->addrs, r->n, r->n > 0 ? NULL : r->error);
}

static void answer(struct loop_resolve *r, const char *error)
{
	r->error = error;
	event_active(&r->answer, EV_TIMEOUT, 1);
}

static void take_address(struct loop_resolve *r, const struct sockaddr *sa)
{
	struct tt_addr a;
	if (sa->sa_family == AF_INET) {
		a = tt_addr_v4(
			(const uint8_t *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr);
	} else if (sa->sa_family == AF_INET6) {
		a = tt_addr_v6((const uint8_t *)&((const struct sockaddr_in6 *)(const void *)sa)
				       ->sin6_addr);
	} else {
		return;
	}
	for (size_t i = 0; i < r->n; i++) {
		if (tt_addr_equal(&r->addrs[i], &a))
			return;
	}
	if (r->n < RESOLVE_MAX)
		r->addrs[r->n++] = a;
}

static const char *resolve_error(int err)
{
	switch (err) {
	case EVUTIL_EAI_NONAME:
	case EVUTIL_EAI_NODATA:
		return "no such name";
	case EVUTIL_EAI_FAIL: /* evdns has no code of its own for a time-out */
		return "the name server does not answer";
	case EVUTIL_EAI_MEMORY:
		return "out of memory";
	case EVUTIL_EAI_CANCEL:
		return "the name was not resolved in time";
	default:
		return "the name server could not answer";
	}
}

static void on_lookup(int err, struct evutil_addrinfo *res, void *arg)
{
	struct lookup *l = arg;
	struct loop_resolve *r = l->r;

	if (r) {
		for (const struct evutil_addrinfo *ai = res; ai && err == 0; ai = ai->ai_next)
			take_address(r, ai->ai_addr);
		r->lookup = NULL;
		answer(r, err ? resolve_error(err) : "the name has no address");
	}
	if (res)
		evutil_freeaddrinfo(res);
	free(l);
}

static void lookup_cancel(struct lookup *l)
{
	l->r = NULL;
	evdns_getaddrinfo_cancel(l->req);
}

/* Starts evdns; a host of the hosts file is answered before evdns_getaddrinfo returns. */
static void lookup_start(struct loop_resolve *r, const char *host)
{
	struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct lookup *l = calloc(1, sizeof(*l));

	if (!l || dns_ready(r->loop) != TT_OK) {
		free(l);
		answer(r, "out of memory");
		return;
	}
	l->r = r;
	r->lookup = l;
	struct evdns_getaddrinfo_request *req =
		evdns_getaddrinfo(r->loop->dns, host, NULL, &hints, on_lookup, l);
	if (!req) /* on_lookup has run and freed l */
		return;
	l->req = req;
	if (evdns_base_count_nameservers(r->loop->dns) == 0) { /* evdns would wait for one */
		r->lookup = NULL;
		lookup_cancel(l);
		answer(r, "not in the hosts file, and no name server is configured");
	}
}

int loop_resolve_new(struct loop_resolve **out, struct loop *loop, const char *host,
	void (*done)(void *user, const struct tt_addr *addrs, size_t n, const char *error),
	void *user)
{
	struct loop_resolve *r = calloc(1, sizeof(*r));
	if (!r)
		return TT_ENOMEM;
	r->loop = loop;
	r->done = done;
	r->user = user;
	event_assign(&r->answer, loop->base, -1, 0, on_answer, r);
	size_t len = strlen(host);
	if (tt_addr_parse(host, &r->addrs[0]) == TT_OK) {
		r->n = 1;
		answer(r, NULL);
	} else if (len == 0 || len > HOST_MAX) {
		answer(r, "not a host name");
	} else {
		lookup_start(r, host);
	}
	*out = r;
	return TT_OK;
}

void loop_resolve_free(struct loop_resolve *r)
{
	if (!r)
		return;
	event_del(&r->answer);
	if (r->lookup)
		lookup_cancel(r->lookup);
	free(r);
}
