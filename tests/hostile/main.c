/*
 * hostile NODE_HOST:PORT:KEY VICTIM_TOXID DATA_DIR PORT BLACK_HOLE_PORT
 *
 * Becomes the victim's friend and then does what it reads from stdin, a line "ATTACK SECONDS" each:
 * runs that attack for so long and says in a line of JSON what it did. "quit" or the end of stdin
 * ends it. Ports are those of targets at the victim, on 127.0.0.1, one that answers and one that
 * does not.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hostile.h"
#include "tt_addr.h"
#include "tt_err.h"

#define ONLINE_WAIT TT_S(120)
#define HELLO_WAIT TT_S(60)
#define HELLO_AGAIN TT_S(2)

static const struct attack *attack_by_name(const char *name)
{
	const struct attack *lists[] = {control_attacks, stream_attacks, identity_attacks};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (const struct attack *a = lists[i]; a->name; a++) {
			if (strcmp(a->name, name) == 0)
				return a;
		}
	}
	return NULL;
}

static bool wait_for(struct hostile *h, bool (*done)(const struct hostile *h), tt_time limit)
{
	tt_time end = hostile_now() + limit;

	while (!done(h) && hostile_now() < end)
		hostile_serve(h);
	return done(h);
}

static bool greeted(const struct hostile *h)
{
	return h->greeted;
}

/* A clean sheet: the victim has closed what the attack before had open. */
static bool prepare(struct hostile *h)
{
	tt_time end = hostile_now() + HELLO_WAIT;

	if (!wait_for(h, hostile_online, ONLINE_WAIT))
		return false;
	while (!h->greeted && hostile_now() < end) {
		hostile_renew(h);
		wait_for(h, greeted, HELLO_AGAIN);
	}
	return h->greeted;
}

static bool run(struct hostile *h, const struct attack *a, double seconds)
{
	h->greeted = false;
	if (!a->alone && !prepare(h))
		return false;
	h->messages = h->packets = h->full = h->packets_in = h->acks_in = h->rsts_in = 0;
	h->step = 0;
	h->attack = a;
	if (a->begin)
		a->begin(h);
	tt_time end = hostile_now() + (tt_time)(seconds * 1e6);
	while (hostile_now() < end) {
		a->tick(h);
		h->step++;
		hostile_flush(h);
		hostile_serve(h);
	}
	if (a->end)
		a->end(h);
	h->attack = NULL;
	printf("{\"attack\":\"%s\",\"messages\":%" PRIu64 ",\"packets\":%" PRIu64
	       ",\"full\":%" PRIu64 ",\"packets_in\":%" PRIu64 ",\"acks_in\":%" PRIu64
	       ",\"rsts_in\":%" PRIu64 "}\n",
		a->name, h->messages, h->packets, h->full, h->packets_in, h->acks_in, h->rsts_in);
	return true;
}

static bool parse(struct hostile *h, char **argv)
{
	char host[64], key[TT_KEY_HEX + 1];

	h->data_dir = argv[3];
	return sscanf(argv[1], "%63[^:]:%" SCNu16 ":%64s", host, &h->node_port, key) == 3 &&
	       tt_addr_parse(host, &h->node_addr) == TT_OK &&
	       tt_hex_decode(key, strlen(key), h->node_key, TT_KEY_LEN) == TT_OK &&
	       tt_peer_id_parse(argv[2], &h->victim) == TT_OK &&
	       sscanf(argv[4], "%" SCNu16, &h->port) == 1 &&
	       sscanf(argv[5], "%" SCNu16, &h->black_hole) == 1;
}

/* The next line of stdin; the node is served meanwhile. */
static bool next_line(struct hostile *h, char *line, int cap)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

	while (poll(&in, 1, 0) == 0)
		hostile_serve(h);
	return fgets(line, cap, stdin) != NULL;
}

int main(int argc, char **argv)
{
	char line[128], name[32];
	double seconds;
	int code = 0;
	struct hostile *h = calloc(1, sizeof(*h));

	if (!h || argc != 6 || !parse(h, argv)) {
		fprintf(stderr, "usage: hostile HOST:PORT:KEY TOXID DIR PORT BLACK_HOLE_PORT\n");
		return 2;
	}
	h->rng = hostile_now() | 1;
	setvbuf(stdin, NULL, _IONBF, 0); /* poll must see what fgets would have taken */
	setvbuf(stdout, NULL, _IOLBF, 0);
	hostile_start(h);
	while (code == 0 && next_line(h, line, sizeof(line))) {
		const struct attack *a = NULL;
		if (strcmp(line, "quit\n") == 0)
			break;
		if (sscanf(line, "%31s %lf", name, &seconds) == 2)
			a = attack_by_name(name);
		if (!a || !run(h, a, seconds)) {
			fprintf(stderr, "hostile: %s: %s\n", line,
				a ? "the victim does not answer" : "no such attack");
			code = 1;
		}
	}
	hostile_stop(h);
	free(h);
	return code;
}
