#include "toxnet.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "toxnet_int.h"
#include "toxnet_symbols.h"
#include "tt_err.h"

#define SAVE_EVERY TT_S(300) /* the list of known DHT nodes grows old */
#define SAVE_RETRY TT_S(60)
#define SAVE_LOG_INTERVAL TT_S(600) /* a full disk stays full for a while */

/*
 * Datagrams for one iteration: the program answers (acknowledges, above all) before it takes more.
 */
#define RECEIVE_BUDGET 128

/* While TCP carries data: what a relay's socket had no room for is sent with the next iteration. */
#define POLL_TCP TT_MS(5)
#define POLL_QUEUE_FULL TT_MS(10)

/* The port range that toxcore uses when it is told none (TOX_PORTRANGE_FROM, _TO in network.h). */
#define PORT_FIRST 33445u
#define PORT_LAST 33545u
/*
 * Where we start to look in it. Other nodes remember for two minutes which DHT key had an address
 * and port, and a new process has a new key: one that takes the port of its predecessor is not
 * reached directly for that long. So a start is at a random place, with room for a few neighbours.
 */
#define PORT_STARTS 90u

#define say(...) snprintf(why, cap, __VA_ARGS__)

static void on_log(Tox *tox, TOX_LOG_LEVEL level, const char *file, uint32_t line, const char *func,
	const char *message, void *user)
{
	(void)tox;
	(void)func;
	/* What toxcore calls an error is mostly the state of somebody else's network. */
	enum tt_log_level at = level >= TOX_LOG_LEVEL_WARNING ? TT_LOG_DEBUG : TT_LOG_TRACE;
	tt_log_at((const struct tt_log *)user, at, "toxcore: %s:%u %s", file, (unsigned)line,
		message);
}

static void options_set(struct Tox_Options *o, const struct toxnet_config *cfg,
	const struct toxnet_blob *save, bool ipv6)
{
	static const Tox_Proxy_Type proxies[] = {[TOXNET_PROXY_NONE] = TOX_PROXY_TYPE_NONE,
		[TOXNET_PROXY_SOCKS5] = TOX_PROXY_TYPE_SOCKS5,
		[TOXNET_PROXY_HTTP] = TOX_PROXY_TYPE_HTTP};
	bool proxy = cfg->proxy_type != TOXNET_PROXY_NONE;

	tox_options_set_ipv6_enabled(o, ipv6);
	tox_options_set_udp_enabled(o, cfg->udp && !proxy);
	tox_options_set_local_discovery_enabled(o, cfg->lan && cfg->udp && !proxy);
	tox_options_set_hole_punching_enabled(o, true);
	tox_options_set_start_port(o, cfg->udp_port_first);
	tox_options_set_end_port(o, cfg->udp_port_last);
	tox_options_set_tcp_port(o, cfg->relay_port);
	if (proxy) {
		tox_options_set_proxy_type(o, proxies[cfg->proxy_type]);
		tox_options_set_proxy_host(o, cfg->proxy_host);
		tox_options_set_proxy_port(o, cfg->proxy_port);
	}
	if (save->data) {
		tox_options_set_savedata_type(o, TOX_SAVEDATA_TYPE_TOX_SAVE);
		tox_options_set_savedata_data(o, save->data, save->len);
	}
	if (cfg->log) {
		tox_options_set_log_callback(o, on_log);
		tox_options_set_log_user_data(o, (void *)(uintptr_t)cfg->log);
	}
}

static int new_error(Tox_Err_New err, const struct toxnet_config *cfg, char *why, size_t cap)
{
	unsigned first = cfg->udp_port_first, last = cfg->udp_port_last;

	switch (err) {
	case TOX_ERR_NEW_PORT_ALLOC:
		if (cfg->udp && cfg->relay_port)
			say("cannot bind a UDP port of %u to %u, or the relay port %u: in use or "
			    "not "
			    "permitted",
				first, last, cfg->relay_port);
		else if (cfg->relay_port)
			say("cannot bind the relay port %u: in use or not permitted",
				cfg->relay_port);
		else
			say("cannot bind a UDP port of %u to %u: in use or not permitted", first,
				last);
		return TT_EINVAL;
	case TOX_ERR_NEW_PROXY_BAD_TYPE:
	case TOX_ERR_NEW_PROXY_BAD_HOST:
	case TOX_ERR_NEW_PROXY_BAD_PORT:
	case TOX_ERR_NEW_PROXY_NOT_FOUND:
		say("the proxy %s port %u cannot be used",
			cfg->proxy_host ? cfg->proxy_host : "(none)", cfg->proxy_port);
		return TT_EINVAL;
	case TOX_ERR_NEW_LOAD_BAD_FORMAT:
		say("the identity is damaged; it was left alone, restore it from a copy or remove "
		    "it to start with a new one");
		return TT_EPROTO;
	case TOX_ERR_NEW_MALLOC:
		say("out of memory");
		return TT_ENOMEM;
	default:
		say("toxcore cannot start (error %d)", (int)err);
		return TT_EIO;
	}
}

/* One try of tox_new. A Tox that could not load all of its save is not one to go on with. */
static Tox *tox_open(const struct toxnet *tn, const struct toxnet_blob *save,
	const uint8_t *dht_secret, bool ipv6, Tox_Err_New *err)
{
	struct Tox_Options *o = tox_options_new(NULL);
	if (!o) {
		*err = TOX_ERR_NEW_MALLOC;
		return NULL;
	}
	options_set(o, &tn->cfg, save, ipv6);
	if (dht_secret)
		toxnet_symbols_keypair_set(dht_secret);
	Tox *tox = tox_new(o, err);
	if (!toxnet_symbols_keypair_clear() && dht_secret)
		tt_warn(tn->cfg.log, "tox: the node key is not used, bootstrap lines will change");
	tox_options_free(o);
	if (tox && *err != TOX_ERR_NEW_OK) {
		tox_kill(tox);
		tox = NULL;
	}
	return tox;
}

static void io_attach(struct toxnet *tn)
{
	if (tn->udp_fd < 0)
		return;
	if (toxnet_io_new(&tn->io, tn->udp_fd, tn->cfg.io_level, tn->cfg.log) != TT_OK) {
		tt_warn(tn->cfg.log, "tox: no memory for packets in batches");
		return;
	}
	toxnet_symbols_io_set(tn->udp_fd, tn->io);
	tt_debug(tn->cfg.log, "tox: UDP packets by %s",
		toxnet_io_level_name(toxnet_io_level(tn->io)));
}

/* What toxcore sends from now on goes straight to the socket, which it is about to close. */
static void io_detach(struct toxnet *tn)
{
	if (!tn->io)
		return;
	toxnet_symbols_io_set(tn->udp_fd, NULL);
	toxnet_io_free(tn->io);
	tn->io = NULL;
}

static int tox_start(struct toxnet *tn, const struct toxnet_blob *save, const uint8_t *dht_secret,
	char *why, size_t cap)
{
	static const uint8_t name[] = "toxtun";
	struct toxnet_fd_set before = {0};
	Tox_Err_New err;

	int rc = toxnet_fd_snapshot(&before);
	if (rc != TT_OK) {
		say("out of memory");
		goto out;
	}
	tn->tox = tox_open(tn, save, dht_secret, true, &err);
	if (!tn->tox && (err == TOX_ERR_NEW_PORT_ALLOC || err == TOX_ERR_NEW_MALLOC)) {
		/* Also what a kernel without IPv6 looks like. */
		Tox_Err_New err4;
		tn->tox = tox_open(tn, save, dht_secret, false, &err4);
		if (tn->tox)
			tt_info(tn->cfg.log, "tox: without IPv6");
	}
	if (!tn->tox) {
		rc = new_error(err, &tn->cfg, why, cap);
		goto out;
	}
	tn->udp_port = tox_self_get_udp_port(tn->tox, NULL);
	tn->udp_fd = toxnet_fd_find_udp(&before, tn->udp_port);
	if (tn->udp_port != 0 && tn->udp_fd < 0)
		tt_warn(tn->cfg.log, "tox: UDP socket not found, packets wait up to 50 ms");
	io_attach(tn);
	toxnet_callbacks_set(tn->tox);
	tox_self_set_name(tn->tox, name, sizeof(name) - 1, NULL);
	tox_self_set_status_message(tn->tox, name, sizeof(name) - 1, NULL);
out:
	toxnet_fd_clear(&before);
	return rc;
}

int toxnet_new(
	struct toxnet **out, const struct toxnet_config *cfg, tt_time now, char *why, size_t cap)
{
	uint8_t secret[TT_KEY_LEN];
	const uint8_t *dht_secret = NULL;
	struct toxnet_blob save = {0};
	int rc = TT_ENOMEM;

	say("out of memory");
	struct toxnet *tn = sodium_init() >= 0 ? calloc(1, sizeof(*tn)) : NULL;
	if (!tn)
		goto out;
	tn->cfg = *cfg;
	if (tn->cfg.udp_port_first == 0) {
		tn->cfg.udp_port_first = (uint16_t)(PORT_FIRST + randombytes_uniform(PORT_STARTS));
		tn->cfg.udp_port_last = PORT_LAST;
	}
	tn->dir_fd = tn->lock_fd = tn->udp_fd = -1;
	tn->now = now;
	tn->save_at = now + SAVE_EVERY;
	tn->save_log = (struct tt_ratelimit){.burst = 1, .interval_us = SAVE_LOG_INTERVAL};
	toxnet_symbols_init();
	toxnet_queue_init(&tn->queue);
	toxnet_boot_init(&tn->boot);

	rc = TT_OK;
	if (cfg->data_dir) {
		rc = toxnet_dir_open(tn, cfg->data_dir, true, why, cap);
		if (rc == TT_OK)
			rc = toxnet_identity_load(tn, &save, why, cap);
		if (rc == TT_OK && cfg->keep_dht_key) {
			rc = toxnet_node_key(tn, secret, why, cap);
			dht_secret = secret;
		}
	}
	if (rc == TT_OK)
		rc = tox_start(tn, &save, dht_secret, why, cap);
	if (rc != TT_OK)
		goto out;
	if (!save.data && tn->dir) {
		/* on the disk before anybody is told of it */
		rc = toxnet_identity_save(tn, why, cap);
		if (rc != TT_OK)
			goto out;
		tt_info(tn->cfg.log, "made a new identity in %s", tn->dir);
	}
	tn->cfg.data_dir = tn->cfg.proxy_host = NULL;
	toxnet_haste_start(tn);
	*out = tn;
	tn = NULL;
out:
	sodium_memzero(secret, sizeof(secret));
	toxnet_blob_clear(&save);
	toxnet_free(tn);
	return rc;
}

void toxnet_free(struct toxnet *tn)
{
	if (!tn)
		return;
	if (tn->tox) {
		if (tn->stats.iterations > 0)
			tn->save_due = true; /* the DHT nodes that it knows by now */
		tn->save_log.used = 0;       /* the last try is worth a line */
		toxnet_save(tn);
		io_detach(tn);
		toxnet_haste_stop(tn);
		tox_kill(tn->tox); /* tells the friends, who see us go at once */
	}
	tox_pass_key_free(tn->pass_key);
	toxnet_dir_close(tn);
	toxnet_boot_clear(&tn->boot);
	toxnet_queue_clear(&tn->queue);
	free(tn);
}

/* The save of a directory that another process has locked, read as it is. */
static int identity_peek(
	const struct toxnet_config *cfg, uint8_t id[TT_TOXID_LEN], char *why, size_t cap)
{
	struct toxnet tn = {.cfg = *cfg, .dir_fd = -1, .lock_fd = -1};
	struct toxnet_blob save = {0};
	Tox_Err_New err = TOX_ERR_NEW_OK;

	int rc = toxnet_dir_open(&tn, cfg->data_dir, false, why, cap);
	if (rc == TT_OK)
		rc = toxnet_identity_load(&tn, &save, why, cap);
	if (rc == TT_OK && !save.data) {
		say("the other toxtun has not made its identity yet; try again");
		rc = TT_EBUSY;
	}
	if (rc == TT_OK) {
		tn.tox = tox_open(&tn, &save, NULL, false, &err);
		rc = tn.tox ? TT_OK : new_error(err, cfg, why, cap);
	}
	if (tn.tox) {
		tox_self_get_address(tn.tox, id);
		tox_kill(tn.tox);
	}
	tox_pass_key_free(tn.pass_key);
	toxnet_blob_clear(&save);
	toxnet_dir_close(&tn);
	return rc;
}

int toxnet_identity(
	const struct toxnet_config *cfg, uint8_t id[TT_TOXID_LEN], char *why, size_t cap)
{
	struct toxnet_config offline = {
		.data_dir = cfg->data_dir, .passphrase = cfg->passphrase, .log = cfg->log};
	struct toxnet *tn;

	int rc = toxnet_new(&tn, &offline, 0, why, cap);
	if (rc == TT_EBUSY)
		return identity_peek(&offline, id, why, cap);
	if (rc == TT_OK) {
		toxnet_self_id(tn, id);
		toxnet_free(tn);
	}
	return rc;
}

void toxnet_self_id(const struct toxnet *tn, uint8_t id[TT_TOXID_LEN])
{
	tox_self_get_address(tn->tox, id);
}

void toxnet_self_key(const struct toxnet *tn, uint8_t key[TT_KEY_LEN])
{
	tox_self_get_public_key(tn->tox, key);
}

void toxnet_dht_key(const struct toxnet *tn, uint8_t key[TT_KEY_LEN])
{
	tox_self_get_dht_id(tn->tox, key);
}

uint16_t toxnet_udp_port(const struct toxnet *tn)
{
	return tn->udp_port;
}

enum toxnet_path toxnet_self_path(const struct toxnet *tn)
{
	return tn->self_path;
}

unsigned toxnet_fds_generation(const struct toxnet *tn)
{
	(void)tn;
	return toxnet_symbols_tcp_generation();
}

size_t toxnet_fds(const struct toxnet *tn, struct toxnet_fd *fds, size_t cap)
{
	size_t n_tcp, n = 0;
	const struct toxnet_tcp_fd *tcp = toxnet_symbols_tcp_fds(&n_tcp);

	if (tn->udp_fd >= 0 && n++ < cap)
		fds[0] = (struct toxnet_fd){.fd = tn->udp_fd};
	for (size_t i = 0; i < n_tcp; i++) {
		if (n++ < cap)
			fds[n - 1] = (struct toxnet_fd){.fd = tcp[i].fd,
				.serial = tcp[i].serial,
				.stream = true,
				.accepted = tcp[i].accepted};
	}
	return n;
}

/* Asks only after a friend's path has changed: a server may have hundreds of friends. */
static bool any_friend_by_tcp(struct toxnet *tn)
{
	if (!tn->paths_changed)
		return tn->any_by_tcp;
	tn->paths_changed = false;
	tn->any_by_tcp = false;
	size_t count = toxnet_friend_count(tn);
	for (uint32_t i = 0, seen = 0; seen < count; i++) {
		if (!tox_friend_exists(tn->tox, i))
			continue;
		seen++;
		if (toxnet_friend_path(tn, i) == TOXNET_PATH_TCP)
			tn->any_by_tcp = true;
	}
	return tn->any_by_tcp;
}

static tt_time poll_interval(struct toxnet *tn)
{
	tt_time t = TT_MS((tt_time)tox_iteration_interval(tn->tox));
	if (t == 0)
		t = TT_MS(1);
	t = toxnet_haste_run(tn, t);
	return any_friend_by_tcp(tn) ? tt_time_min(t, POLL_TCP) : t;
}

tt_time toxnet_iterate(struct toxnet *tn, tt_time now)
{
	tn->now = now;
	toxnet_queue_release(&tn->queue);
	if (toxnet_queue_full(&tn->queue))
		return now + POLL_QUEUE_FULL;
	toxnet_boot_run(tn);
	if (tn->io)
		toxnet_io_budget(tn->io, RECEIVE_BUDGET);
	tox_iterate(tn->tox, tn);
	toxnet_doubt_run(tn);
	toxnet_flush(tn);
	tn->stats.iterations++;
	if (now >= tn->save_at) {
		tn->save_due = true;
		tn->save_at = now + (toxnet_save(tn) == TT_OK ? SAVE_EVERY : SAVE_RETRY);
	}
	tt_time interval = poll_interval(tn);
	if (tn->io && toxnet_io_pending(tn->io))
		return now;
	tt_time next = tt_time_min(now + interval, tn->save_at);
	tt_time boot = tn->boot.at > now ? tn->boot.at : now + TT_MS(1);
	return tt_time_min(next, tn->boot.n > 0 ? boot : TT_TIME_NEVER);
}

void toxnet_stats(const struct toxnet *tn, struct toxnet_stats *out)
{
	*out = tn->stats;
	if (tn->io) {
		out->io_level = toxnet_io_level(tn->io);
		toxnet_io_stats(tn->io, out);
	}
}

void toxnet_flush(struct toxnet *tn)
{
	if (tn->io)
		toxnet_io_flush(tn->io);
}

const char *toxnet_io_level_name(enum toxnet_io_level level)
{
	return level == TOXNET_IO_GSO ? "gso" : level == TOXNET_IO_MMSG ? "mmsg" : "plain";
}
