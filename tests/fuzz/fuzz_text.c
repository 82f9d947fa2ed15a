/* Short texts from users, peers and web pages: the input's first byte says which parser gets the
 * rest. What is taken makes sense and reads the same once it was written out. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "reason.h"
#include "tt_addr.h"
#include "tt_err.h"
#include "tt_key.h"
#include "tt_mode.h"
#include "tt_rule.h"
#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void addr(const char *text)
{
	char again[TT_ADDR_TEXT_MAX];
	struct tt_addr a, b;

	if (tt_addr_parse(text, &a) != TT_OK)
		return;
	must(a.family == 4 || a.family == 6);
	must(tt_addr_parse(tt_addr_format(&a, again), &b) == TT_OK && tt_addr_equal(&a, &b));
	must(tt_addr_in_net(&a, &b, a.family == 4 ? 32 : 128));
}

static void port(const char *text)
{
	uint16_t p = 0;
	must(tt_port_parse(text, 1, &p) != TT_OK || p > 0);
}

static void rule(const char *text)
{
	struct tt_rule r;
	const char *why = NULL;
	struct tt_addr four = {4, {10, 0, 0, 1}}, six = {6, {0x20, 1}};

	if (tt_rule_parse(text, &r, &why) != TT_OK) {
		must(why && why[0]);
		return;
	}
	must(r.port_first >= 1 && r.port_first <= r.port_last);
	must(!tt_rule_match(&r, NULL, &four, (uint16_t)(r.port_first - 1)));
	if (r.kind == TT_RULE_NET) {
		must(r.prefix <= (r.net.family == 4 ? 32u : 128u));
		must(tt_rule_match(&r, NULL, &r.net, r.port_last));
		must(!tt_rule_match(&r, NULL, r.net.family == 4 ? &six : &four, r.port_last));
	} else if (r.kind == TT_RULE_NAME) {
		must(r.name[0] && tt_rule_match(&r, r.name, &four, r.port_first));
		must(tt_rule_may_match_name(&r, r.name, r.port_first));
		must(!tt_rule_match(&r, NULL, &four, r.port_first));
	} else {
		must(tt_rule_match(&r, "any.test", &six, r.port_first));
	}
}

static void key(const char *text)
{
	struct tt_peer_id id;
	char hex[TT_TOXID_HEX + 1];

	if (tt_peer_id_parse(text, &id) != TT_OK)
		return;
	if (id.has_toxid)
		tt_hex_encode(id.toxid, TT_TOXID_LEN, hex);
	else
		tt_hex_encode(id.key, TT_KEY_LEN, hex);
	must(strcasecmp(hex, text) == 0);
}

static void names(const char *text)
{
	enum tt_mode mode;
	enum close_reason why = reason_parse(text);

	must(why > REASON_NONE && why < REASON_COUNT && reason_text(why)[0]);
	must(why == REASON_RESET || strcmp(reason_name(why), text) == 0);
	if (tt_mode_parse(text, &mode) == TT_OK)
		must(strcmp(tt_mode_name(mode), text) == 0);
}

/* Whatever a machine calls itself can be said in a hello. */
static void hello_name(const char *text)
{
	struct wire_msg m = {.type = WIRE_HELLO, .hello = {.version = 1, .packet_max = 1373}}, back;
	uint8_t buf[WIRE_MESSAGE_MAX];

	wire_text_copy(m.hello.name, sizeof(m.hello.name), text);
	int n = wire_encode(&m, buf, sizeof(buf));
	must(n > 0 && wire_decode(buf, (size_t)n, &back) == n);
	must(strcmp(back.hello.name, m.hello.name) == 0);
}

static void http_host(const char *text)
{
	if (!tt_addr_host_is_loopback(text))
		return;
	must(strncasecmp(text, "localhost", 9) == 0 || strncmp(text, "127.", 4) == 0 ||
		strchr(text, ':'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(const char *) = {
		addr, port, rule, key, names, hello_name, http_host};
	char *text;

	if (size == 0 || !(text = malloc(size)))
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	parsers[data[0] % (sizeof(parsers) / sizeof(parsers[0]))](text);
	free(text);
	return 0;
}
