/*
 * chatter NODE_HOST:PORT:KEY TOXID DATA_DIR UDP_PORT
 *
 * A person with a Tox client, and none of toxtun's own protocol: asks TOXID to be a friend, says
 * each line of stdin once it is online, and prints "online", "offline" and, for what it is told,
 * "message " and the text in hex. Ends with stdin.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "toxnet.h"
#include "tt_err.h"

#define REQUEST "it is me, from my phone"

struct chatter {
	struct toxnet *tn;
	uint32_t friend_number;
	bool online, over;
	char line[TOXNET_MESSAGE_MAX + 1]; /* of stdin, without its end */
	size_t len;
	bool whole; /* waits to be said */
};

static void die(const char *what)
{
	fprintf(stderr, "chatter: %s\n", what);
	exit(1);
}

static tt_time now_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return TT_S((tt_time)ts.tv_sec) + (tt_time)ts.tv_nsec / 1000;
}

static void start(struct chatter *c, char **argv)
{
	char host[64], key_hex[TT_KEY_HEX + 1], why[512] = "";
	uint8_t key[TT_KEY_LEN];
	uint16_t port, own_port;
	struct tt_addr addr;
	struct tt_peer_id id;

	if (sscanf(argv[1], "%63[^:]:%" SCNu16 ":%64s", host, &port, key_hex) != 3 ||
		tt_addr_parse(host, &addr) != TT_OK ||
		tt_hex_decode(key_hex, strlen(key_hex), key, TT_KEY_LEN) != TT_OK ||
		tt_peer_id_parse(argv[2], &id) != TT_OK ||
		sscanf(argv[4], "%" SCNu16, &own_port) != 1)
		die("an argument cannot be read");
	struct toxnet_config cfg = {.data_dir = argv[3],
		.udp = true,
		.udp_port_first = own_port,
		.udp_port_last = own_port,
		.fast_start = true};
	if (toxnet_new(&c->tn, &cfg, now_us(), why, sizeof(why)) != TT_OK)
		die(why);
	if (toxnet_node_add(c->tn, &addr, port, (const uint16_t[4]){0}, key) != TT_OK)
		die("the bootstrap node cannot be used");
	if (toxnet_friend_add(c->tn, &id, (const uint8_t *)REQUEST, sizeof(REQUEST) - 1,
		    &c->friend_number) != TT_OK)
		die("the friend cannot be asked");
}

/* One byte, so that no other line is taken before this one was said. */
static void read_stdin(struct chatter *c)
{
	char ch;

	if (read(STDIN_FILENO, &ch, 1) != 1)
		c->over = true;
	else if (ch == '\n')
		c->whole = true;
	else if (c->len < TOXNET_MESSAGE_MAX)
		c->line[c->len++] = ch;
}

static void say(struct chatter *c)
{
	uint32_t receipt;

	if (toxnet_message_send(
		    c->tn, c->friend_number, (const uint8_t *)c->line, c->len, &receipt) != TT_OK)
		return; /* once more in the next round */
	c->len = 0;
	c->whole = false;
}

static void print_message(const uint8_t *data, size_t len)
{
	printf("message ");
	for (size_t i = 0; i < len; i++)
		printf("%02x", data[i]);
	printf("\n");
}

static void take_events(struct chatter *c)
{
	struct toxnet_event ev;

	while (toxnet_event_next(c->tn, &ev)) {
		if (ev.type == TOXNET_EV_MESSAGE) {
			print_message(ev.data, ev.len);
		} else if (ev.type == TOXNET_EV_FRIEND) {
			c->online = ev.path != TOXNET_PATH_NONE;
			printf(c->online ? "online\n" : "offline\n");
		}
	}
}

/* Waits a millisecond for anything; of stdin only its end counts while there is a line to be said.
 */
static void serve(struct chatter *c)
{
	struct pollfd p[2] = {{.fd = STDIN_FILENO, .events = c->whole ? 0 : POLLIN},
		{.fd = -1, .events = POLLIN}};
	struct toxnet_fd fd;

	if (toxnet_fds(c->tn, &fd, 1) > 0)
		p[1].fd = fd.fd;
	poll(p, 2, 1);
	if (p[0].revents & POLLIN)
		read_stdin(c);
	else if (p[0].revents)
		c->over = true;
	toxnet_iterate(c->tn, now_us());
	take_events(c);
	if (c->online && c->whole)
		say(c);
	toxnet_flush(c->tn);
}

int main(int argc, char **argv)
{
	struct chatter c = {.tn = NULL};

	if (argc != 5)
		die("usage: chatter HOST:PORT:KEY TOXID DIR UDP_PORT");
	setvbuf(stdout, NULL, _IOLBF, 0);
	start(&c, argv);
	while (!c.over)
		serve(&c);
	toxnet_free(c.tn);
	return 0;
}
