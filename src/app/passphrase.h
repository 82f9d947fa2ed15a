/** Where the passphrase of the identity comes from: a file, systemd, or the terminal. */
#ifndef PASSPHRASE_H
#define PASSPHRASE_H

#include "conf.h"
#include "toxnet.h"

struct passphrase {
	const struct conf *conf;
	const struct tt_log *log;
	const char *dir; /* data directory, for the prompt */
	bool asked;      /* for one that we have without asking the user */
};

/** What toxnet_config wants; p, and what it borrows, must outlive its use. */
struct toxnet_passphrase passphrase_source(struct passphrase *p, const struct conf *conf,
	const struct tt_log *log, const char *data_dir);

/** After the identity was loaded: says so when there is a passphrase that it did not need. */
void passphrase_warn_unused(const struct passphrase *p);

#endif
