/* `toxtun node`: a bootstrap node and TCP relay for a network of one's own. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "config.h"
#include "control.h"
#include "net.h"
#include "service.h"

static void print_line(const struct tt_addr *addr, uint16_t port, const char *key)
{
	char text[TT_ADDR_TEXT_MAX];
	bool v6 = addr->family == 6;
	printf("node: %s%s%s:%u:%s\n", v6 ? "[" : "", tt_addr_format(addr, text), v6 ? "]" : "",
		port, key);
}

/* One line for each address that others may use; link-local ones name no machine. */
static void print_lines(const struct app *app)
{
	uint8_t raw[TT_KEY_LEN];
	char key[TT_KEY_HEX + 1];
	struct ifaddrs *list = NULL;
	uint16_t udp = toxnet_udp_port(app->tn);
	uint16_t port = udp ? udp : app->conf->relay_port;

	toxnet_dht_key(app->tn, raw);
	tt_hex_encode(raw, TT_KEY_LEN, key);
	if (getifaddrs(&list) != 0)
		tt_warn(app->log, "the machine's addresses cannot be listed: %s", strerror(errno));
	for (int loopback = 0; loopback < 2; loopback++) {
		for (struct ifaddrs *i = list; i; i = i->ifa_next) {
			uint16_t unused;
			if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) ||
				((i->ifa_flags & IFF_LOOPBACK) != 0) != (loopback != 0))
				continue;
			struct sockaddr_storage ss = {0};
			memcpy(&ss, i->ifa_addr,
				i->ifa_addr->sa_family == AF_INET    ? sizeof(struct sockaddr_in)
				: i->ifa_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
								     : sizeof(ss.ss_family));
			struct tt_addr addr = net_addr_of(&ss, &unused);
			bool link_local = addr.family == 6 && addr.bytes[0] == 0xfe &&
					  (addr.bytes[1] & 0xc0) == 0x80;
			if (addr.family && !link_local)
				print_line(&addr, port, key);
		}
	}
	freeifaddrs(list);
}

int cli_node(struct conf *conf, const struct tt_log *log)
{
	struct app *app = NULL;
	char *dir = config_data_dir(conf);

	if (!dir)
		return EXIT_USAGE;
	int rc = logsink_to_file(logsink_of(log), conf->log_file) ? app_new(&app, conf, log, dir)
								  : EXIT_FAILED;
	if (rc == EXIT_OK) {
		print_lines(app);
		control_start(app, dir);
		tt_info(log, "a bootstrap node on UDP port %u, a relay on TCP port %u%s",
			toxnet_udp_port(app->tn), conf->relay_port,
			conf->relay_port ? "" : " (off)");
		rc = cli_flush(log) ? service_start(app) : EXIT_FAILED;
	}
	if (rc == EXIT_OK) {
		service_ready(app); /* it is the network */
		rc = app_run(app);
	}
	app_free(app);
	free(dir);
	return rc;
}
