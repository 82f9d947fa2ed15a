/**
 * One checked configuration out of an ini file and the command line. Reads no file, environment or
 * network: texts are handed in. Every mistake becomes a diagnostic with its origin ("file:line" or
 * the option) and says what to do; parsing goes on after it, so that one run shows them all.
 */
#ifndef CONF_H
#define CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tt_addr.h"
#include "tt_key.h"
#include "tt_log.h"
#include "tt_mode.h"
#include "tt_rule.h"

#define CONF_NAME_MAX 63
#define CONF_STATS_PORT 9981
#define CONF_DRAIN_SECONDS 5 /* below TimeoutStopSec of dist/ and well below its default */
#define CONF_NODE_PORT 33445
#define CONF_FORWARD_PEERS_MAX 16
#define CONF_RANGE_MAX 1024 /* ports; no more than SESSION_LISTENS_MAX of src/tunnel */
#define CONF_BENCH_SECONDS 5
#define CONF_CONNECTIONS_MAX 65536 /* as many as the process has for all peers */
#define CONF_BENCH_SECONDS_MAX 60  /* below SESSION_BENCH_TIME of src/tunnel */

enum conf_command {
	CONF_CMD_NONE,
	CONF_CMD_SERVER,
	CONF_CMD_CLIENT,
	CONF_CMD_STDIO, /* client with -W */
	CONF_CMD_NODE,
	CONF_CMD_ID,
	CONF_CMD_PING,
	CONF_CMD_NETCHECK,
	CONF_CMD_BENCH,
	CONF_CMD_CHECK,
	CONF_CMD_STATUS, /* these six ask the running process */
	CONF_CMD_TOP,
	CONF_CMD_RELOAD,
	CONF_CMD_FORWARD,
	CONF_CMD_CANCEL,
	CONF_CMD_STOP,
	CONF_CMD_HELP,    /* -h */
	CONF_CMD_VERSION, /* -V */
};

enum conf_proto { CONF_TCP, CONF_UDP };

/** How the connections of a forward go to its servers. */
enum conf_strategy {
	CONF_FAILOVER, /* to the first that is there */
	CONF_SPREAD,   /* to each in turn */
};

/** A bootstrap node and TCP relay. */
struct conf_node {
	char host[TT_HOST_MAX + 1]; /* name or numeric address, no brackets */
	uint16_t port;              /* UDP; 0: a relay only */
	uint16_t tcp_ports[4];      /* where it relays, 0-terminated when there are fewer */
	uint8_t key[TT_KEY_LEN];
};

/**
 * Listen here, connect there: one entry of [client], one -L or one -D. Reverse, of [reverse] or -R:
 * listen there, connect here. A range of ports is as many of them.
 */
struct conf_forward {
	char name[CONF_NAME_MAX + 1]; /* the entry's key; for -L and -R the text, cut */
	bool reverse;
	char origin[128]; /* "toxtun.ini:12" or "-L 8080:localhost:80" */
	enum conf_proto proto;
	bool socks; /* a proxy: each connection says where to, and there is no host and no port */
	bool listen_any;                   /* every address ("*"), IPv6 and IPv4 */
	struct tt_addr listen_addr;        /* loopback unless said otherwise */
	bool listen_loopback;              /* no address was given: 127.0.0.1 and ::1 */
	uint16_t listen_port;              /* reverse: 0: the server chooses */
	char listen_path[TT_PATH_MAX + 1]; /* listen at this unix socket; "": at the above */
	char host[TT_HOST_MAX + 1];        /* target as its side will resolve it, no brackets */
	uint16_t port;
	bool target_path;                                /* host is the path of a unix socket */
	struct tt_peer_id peers[CONF_FORWARD_PEERS_MAX]; /* in order of preference, at least one */
	size_t n_peers;
};

/** A [peer NAME] section. */
struct conf_peer {
	char name[CONF_NAME_MAX + 1];
	char origin[128];
	struct tt_peer_id id;
	struct tt_rule *targets; /* own rules; has_targets false: those of [server] */
	size_t n_targets;
	bool has_targets;
	struct tt_rule *listens; /* as targets */
	size_t n_listens;
	bool has_listens;
	char *secret_file; /* NULL: none of its own */
};

struct conf {
	enum conf_command command;
	bool serve;   /* accept peers: `server`, or a file with [server] */
	bool connect; /* open forwards: `client`, or a file with [client] */

	/* [server] */
	char name[CONF_NAME_MAX + 1];
	struct tt_peer_id *allow; /* resolved names, keys, Tox IDs */
	size_t n_allow;
	bool has_allow;            /* false: whoever holds the Tox ID */
	struct tt_peer_id *admins; /* owners, who may ask by chat; as allow */
	size_t n_admins;
	struct tt_rule *introduced; /* targets that get the PROXY header */
	size_t n_introduced;
	struct tt_rule *targets; /* default 127.0.0.0/8:* and [::1]:* when none is given */
	size_t n_targets;
	struct tt_rule *listens; /* where peers may listen here; default nowhere */
	size_t n_listens;

	struct conf_forward *forwards;
	size_t n_forwards;
	struct conf_peer *peers;
	size_t n_peers;

	/* nodes given by -b, bootstrap =, --nodes; the built-in list is conf_builtin_nodes() */
	struct conf_node *nodes;
	size_t n_nodes;
	bool default_nodes;

	/* options; paths NULL when not given */
	char *config_file, *data_dir, *nodes_file, *id_file, *secret_file, *passphrase_file;
	char *socks_login_file, *log_file;
	enum tt_mode mode;
	bool udp, relay, lan;
	bool fast_start; /* toxcore's timers pass faster while we wait for somebody */
	uint16_t udp_port_first, udp_port_last; /* 0: toxcore's own range 33445..33545 */
	uint16_t relay_port;                    /* 0: no TCP relay here; `node` uses its UDP port */
	bool has_relay_port;
	enum { CONF_PROXY_NONE, CONF_PROXY_SOCKS5, CONF_PROXY_HTTP } proxy_type;
	char proxy_host[TT_HOST_MAX + 1];
	uint16_t proxy_port;
	bool stats_on, stats_fixed; /* fixed: a port was given, do not try the next ones */
	struct tt_addr stats_addr;
	uint16_t stats_port;
	uint32_t connect_timeout_s, idle_timeout_s, resume_timeout_s; /* idle 0: never */
	uint32_t drain_timeout_s; /* 0: connections end at once */
	uint32_t max_connections; /* with one peer at once */
	uint32_t udp_timeout_s;
	bool exit_on_failure;
	enum conf_strategy strategy;
	bool bench; /* peers that may reach anything may measure the path */
	enum tt_log_level log_level;
	bool log_json;
	bool qr;                                /* id --qr */
	bool set_passphrase, remove_passphrase; /* id, not both */
	char *new_passphrase_file;              /* id --set-passphrase; NULL: ask */
	uint32_t ping_count;                    /* ping -n, default 4 */
	bool json;                              /* bench --json, status --json */
	uint32_t bench_seconds;                 /* bench --seconds, default CONF_BENCH_SECONDS */
	struct tt_peer_id target; /* positional TOXID or --to, the first of the list */
	bool has_target;
	struct conf_forward stdio; /* -W: where standard input and output go */
	bool has_stdio;
	struct tt_peer_id servers[CONF_FORWARD_PEERS_MAX]; /* all of the list */
	size_t n_servers;
	char *spec;        /* forward SPEC, cancel SPEC, as written */
	bool spec_reverse; /* it is one of -R */
	char *spec_peer;   /* forward SPEC TOXID: for the running process, which knows its names */

	/* The command line that conf_parse_args read, borrowed: for reading everything again. */
	int argc;
	char *const *argv;
};

/**
 * Receives diagnostics. `origin` is "file:line", or the option as the user wrote it but without its
 * value; empty for what concerns the whole. No secret gets into either text.
 */
struct conf_diag {
	void (*report)(void *user, const char *origin, const char *message);
	void *user;
	size_t errors; /* counted by the parser */
};

/** A configuration of defaults. TT_OK or TT_ENOMEM. */
int conf_new(struct conf **out);

/** c may be NULL. */
void conf_free(struct conf *c);

/**
 * Finds -c/--config in argv without judging the rest, so that the file can be read before the
 * options, which override it. Returns its value (borrowed from argv) or NULL.
 */
const char *conf_find_config_option(int argc, char *const argv[]);

/**
 * Reads an ini text (see toxtun.ini(5)). `file` is the name for diagnostics. TT_OK, TT_EINVAL when
 * at least one diagnostic was reported, TT_ENOMEM. Lines have no length limit.
 */
int conf_parse_ini(
	struct conf *c, const char *text, size_t len, const char *file, struct conf_diag *d);

/**
 * Reads the command line, argv[0] being the program, after the file, whose [peer] sections it may
 * name. Values override the file's, lists grow. As above; stops at -h and -V.
 */
int conf_parse_args(struct conf *c, int argc, char *const argv[], struct conf_diag *d);

/** Reads a node list in the format of nodes.tox.chat/json and adds its nodes. As above. */
int conf_parse_nodes_json(
	struct conf *c, const char *text, size_t len, const char *file, struct conf_diag *d);

/**
 * Checks what concerns the whole once file and options are in: every forward has a server, no two
 * want the same socket. Fills in what was left open: the target of -L, the default targets, serve
 * and connect, the command from the file's sections when none was given, no UDP where there is a
 * proxy, and the ports of a node. As above; does nothing for -h and -V.
 */
int conf_finish(struct conf *c, struct conf_diag *d);

/**
 * Reads a SPEC, as of -L or -R, or "socks:" and that of -D, without a server: *out gets *n
 * forwards, which the caller frees with tt_free. TT_OK; TT_EINVAL, reported; TT_ENOMEM.
 */
int conf_forward_spec(
	const char *spec, bool reverse, struct conf_forward **out, size_t *n, struct conf_diag *d);

/**
 * Completes what conf_forward_spec read: their servers are those of the list `peer`, Tox IDs or
 * names of [peer] sections of c, and for NULL those of c's command line. As above, also for a
 * forward that cannot be used.
 */
int conf_forward_server(const struct conf *c, const char *peer, struct conf_forward *f, size_t n,
	struct conf_diag *d);

#define CONF_PLACE_MAX (TT_HOST_MAX + 16)

/** Where it listens, and its target, for people: "localhost:80", "[::1]:80", a path. Returns dst.
 */
const char *conf_forward_place(const struct conf_forward *f, char dst[CONF_PLACE_MAX]);
const char *conf_forward_target(const struct conf_forward *f, char dst[CONF_PLACE_MAX]);

/** Reads HOST:PORT, as of -W, into a forward that listens nowhere. As above. */
int conf_forward_stream(const char *target, struct conf_forward *out, struct conf_diag *d);

/** True where both listen at the same place for the same target. */
bool conf_forward_same_spec(const struct conf_forward *a, const struct conf_forward *b);

/** True where they differ in nothing but name and origin. */
bool conf_forward_equal(const struct conf_forward *a, const struct conf_forward *b);

/** True where the system would refuse the second of their sockets. */
bool conf_forward_collide(const struct conf_forward *a, const struct conf_forward *b);

/** The built-in list of public nodes, generated at build time from data/nodes.json. */
const struct conf_node *conf_builtin_nodes(size_t *count);

/** The text of -h, from the same table that parses the options. Static storage. */
const char *conf_usage(void);

#endif
