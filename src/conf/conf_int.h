/** What the files of this directory share. */
#ifndef CONF_INT_H
#define CONF_INT_H

#include "conf.h"

#define CONF_QUOTE_MAX 100

/** What every parsing function gets: where results, diagnostics and their origin go. */
struct conf_ctx {
	struct conf *c;
	struct conf_diag *d;
	const char *origin; /* of what is being read now */
	size_t errors;      /* d->errors at the start */
	bool no_memory;
};

/* ---- conf.c ---- */

void conf_ctx_init(struct conf_ctx *x, struct conf *c, struct conf_diag *d, const char *origin);

/** TT_OK, TT_EINVAL when there was a diagnostic since conf_ctx_init, or TT_ENOMEM. */
int conf_ctx_result(const struct conf_ctx *x);

/** Reports one mistake; it ends the reading of that item, not of the rest. */
void conf_fail(struct conf_ctx *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** The user's text as it can stand in a message: printable, cut. Returns dst. */
const char *conf_quote(char dst[CONF_QUOTE_MAX], const char *text);

/** Appends room for one zeroed element of `size` bytes; NULL (and noted) without memory. */
void *conf_push(struct conf_ctx *x, void *array, size_t *n, size_t size);

/** A copy of the first len bytes; NULL (and noted) without memory. */
char *conf_strndup(struct conf_ctx *x, const char *text, size_t len);

/* ---- conf_text.c ---- */

/** Cuts white space off both ends, in place; returns the new start. */
char *conf_trim(char *s);

/** Takes the next item of a list separated by commas and white space, in place; NULL at its end. */
char *conf_item(char **rest);

/**
 * Splits at the colons outside of brackets, in place, into at most max trimmed fields. Returns how
 * many there are, max + 1 for more.
 */
size_t conf_split(char *s, char **fields, size_t max);

/** The name that the word was probably meant to be, NULL when none is near. */
const char *conf_near(const char *word, const char *const *names, size_t n);

/** True for what a server, a peer or an entry may be called; no key is a name. */
bool conf_name_ok(const char *name);
#define CONF_NAME_RULE "1 to 63 characters, no blanks and none of , : ; [ ] ="

/** Decimal number min..max, digits only; false without a diagnostic. */
bool conf_number(const char *text, uint32_t min, uint32_t max, uint32_t *out);

/** A port of min..65535; `what` ("the listening port") names it in the diagnostic. */
bool conf_port(struct conf_ctx *x, const char *text, uint16_t min, const char *what, uint16_t *out);

/** A name or numeric address, IPv6 in brackets, to dst without them. */
bool conf_host(struct conf_ctx *x, const char *text, char dst[TT_HOST_MAX + 1]);

/** A peer by Tox ID, public key or the name of a [peer] section that was read already. */
bool conf_peer_ref(struct conf_ctx *x, const char *text, struct tt_peer_id *out);

/**
 * The servers of one entry: adds all peers of the list, which is cut up, to ids
 * (CONF_FORWARD_PEERS_MAX). False after a mistake.
 */
bool conf_peer_list(struct conf_ctx *x, char *list, struct tt_peer_id *ids, size_t *n);

/** The servers of the command line, in place of those before. */
bool conf_servers(struct conf_ctx *x, const char *text);

/** `allow`: adds all peers of the list. */
void conf_allow(struct conf_ctx *x, const char *text);

/** The same for `admin`. */
void conf_admin(struct conf_ctx *x, const char *text);

/** Adds all rules of the list; returns how many items it has. */
size_t conf_rules(struct conf_ctx *x, const char *text, struct tt_rule **rules, size_t *n);
/** The same for `targets`, which must not be empty. */
void conf_targets(struct conf_ctx *x, const char *text, struct tt_rule **rules, size_t *n);

/** Adds all rules of the list `listens`, which may be empty. */
void conf_listens(struct conf_ctx *x, const char *text, struct tt_rule **rules, size_t *n);

/* ---- conf_forward.c ---- */

#define SOCKS_PREFIX "socks:"

/** An entry of [client], or of [reverse]. */
void conf_forward_entry(struct conf_ctx *x, const char *name, const char *value, bool reverse);
/** The value of -L, or of -R; its peer is filled in by conf_finish. */
void conf_forward_option(struct conf_ctx *x, const char *value, bool reverse);
/** The value of -D. */
void conf_forward_dynamic(struct conf_ctx *x, const char *value);
/** The value of -W. */
void conf_forward_stdio(struct conf_ctx *x, const char *value);

/* ---- conf_forward_check.c ---- */

/** Forwards that cannot be used, or not together. */
void conf_forward_check(struct conf_ctx *x);

/* ---- conf_nodes.c, and the table that tools/gen-nodes.py writes ---- */

/** HOST:PORT:PUBKEY. */
void conf_node_add(struct conf_ctx *x, const char *text);

extern const struct conf_node conf_builtin_table[];
extern const size_t conf_builtin_table_len;

/* ---- conf_options.c ---- */

enum {
	CONF_OPT_FLAG = 1,   /* takes no value on the command line, yes or no in a file */
	CONF_OPT_REPEAT = 2, /* may be given again to add to it */
	CONF_OPT_ARGS = 4,   /* on the command line only */
};

struct conf_option {
	char letter; /* 0: none */
	const char *name;
	unsigned flags;
	void (*set)(struct conf_ctx *x, const struct conf_option *o, const char *value);
	size_t offset; /* of the field that `set` sets */
};

const struct conf_option *conf_option_by_name(const char *name, size_t len);
const struct conf_option *conf_option_by_letter(char letter);
/** The long option that the word was probably meant to be, NULL when none is near. */
const char *conf_option_near(const char *word, bool in_file);

#endif
