/* The handshake of SOCKS5 and HTTP CONNECT. Every exchange is tried in pieces of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "proxy.h"
#include "proxy_udp.h"
#include "tt_err.h"

#define BYTES(text) text, sizeof(text) - 1
#define GREETING "\x05\x01\x00"

/* What came of an exchange. */
struct outcome {
	enum proxy_state state;
	size_t taken;
	char host[256];
	uint16_t port;
	uint8_t said[2048];
	size_t n_said;
};

static void collect(struct proxy *p, struct outcome *o)
{
	uint8_t out[PROXY_OUTPUT_MAX];
	size_t n = proxy_output(p, out);

	assert_true(o->n_said + n <= sizeof(o->said));
	memcpy(o->said + o->n_said, out, n);
	o->n_said += n;
}

/* Hands it in `piece` bytes at a time, and answers a request with `why`. */
static struct outcome talk(
	const char *login, const char *text, size_t len, size_t piece, enum close_reason why)
{
	struct outcome o = {.state = PROXY_MORE};
	struct proxy *p;

	assert_int_equal(proxy_new(&p, login), TT_OK);
	while (o.taken < len && proxy_state(p) == PROXY_MORE) {
		size_t n = len - o.taken < piece ? len - o.taken : piece;
		o.taken += proxy_input(p, (const uint8_t *)text + o.taken, n);
		collect(p, &o);
	}
	o.state = proxy_state(p);
	if (o.state == PROXY_REQUEST) {
		snprintf(o.host, sizeof(o.host), "%s", proxy_target(p, &o.port));
		proxy_answer(p, why);
		assert_int_equal(proxy_state(p), PROXY_OVER);
		collect(p, &o);
	}
	proxy_free(p);
	return o;
}

/* The same outcome for pieces of every size. */
static struct outcome exchange(
	const char *login, const char *text, size_t len, enum close_reason why)
{
	struct outcome whole = talk(login, text, len, len, why);

	for (size_t piece = 1; piece < len; piece += 1 + piece / 64) {
		struct outcome o = talk(login, text, len, piece, why);
		assert_int_equal(o.state, whole.state);
		assert_int_equal(o.taken, whole.taken);
		assert_string_equal(o.host, whole.host);
		assert_int_equal(o.port, whole.port);
		assert_int_equal(o.n_said, whole.n_said);
		assert_memory_equal(o.said, whole.said, o.n_said);
	}
	return whole;
}

static void asks_for(const char *text, size_t len, size_t rest, const char *host, uint16_t port)
{
	struct outcome o = exchange(NULL, text, len, REASON_NONE);

	assert_int_equal(o.state, PROXY_REQUEST);
	assert_int_equal(o.taken, len - rest);
	assert_string_equal(o.host, host);
	assert_int_equal(o.port, port);
}

static void says(const char *login, const char *text, size_t len, const char *want, size_t n)
{
	struct outcome o = exchange(login, text, len, REASON_NONE);

	assert_int_equal(o.n_said, n);
	assert_memory_equal(o.said, want, n);
}

static void socks_takes_names_and_both_kinds_of_addresses(void **state)
{
	(void)state;
	asks_for(BYTES(GREETING "\x05\x01\x00\x03\x07"
				"a-b.org\x01\xbb"),
		0, "a-b.org", 443);
	asks_for(BYTES(GREETING "\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x50"), 0, "10.0.0.1", 80);
	asks_for(BYTES(GREETING "\x05\x01\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00"
				"\x00\x00\x00\x00\x00\x00\x00\x01\x00\x16"),
		0, "::1", 22);
	/* addresses that come as names, as some programs send them */
	asks_for(BYTES(GREETING "\x05\x01\x00\x03\x05[::1]\x00\x16"), 0, "::1", 22);
	says(NULL,
		BYTES(GREETING "\x05\x01\x00\x03\x01"
			       "a\x00\x50"),
		BYTES("\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"));
}

static void not_a_byte_behind_the_handshake_is_taken(void **state)
{
	(void)state;
	asks_for(BYTES(GREETING "\x05\x01\x00\x03\x01"
				"a\x00\x50\x05\x01\x00"),
		3, "a", 80);
	asks_for(BYTES("CONNECT a:80 HTTP/1.1\r\n\r\n\r\nrest"), 6, "a", 80);
	/* nor behind a handshake that has failed */
	struct outcome o = exchange(NULL, BYTES("\x05\x01\x02rest"), REASON_NONE);
	assert_int_equal(o.state, PROXY_OVER);
	assert_int_equal(o.taken, 3);
}

static void socks_refuses_what_it_cannot_do(void **state)
{
	static const char reply[] = "\x05\x00\x05?\x00\x01\x00\x00\x00\x00\x00";
	static const struct {
		const char *request;
		size_t len;
		char code;
	} cases[] = {
		{BYTES("\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50"), 7}, /* BIND */
		{BYTES("\x05\x01\x00\x02\x00"), 8},                     /* an unknown address */
		{BYTES("\x04\x01\x00\x01\x7f\x00\x00\x01\x00\x50"), 1}, /* another version */
		{BYTES("\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x00"), 1}, /* port 0 */
		{BYTES("\x05\x01\x00\x03\x00\x00\x50"), 1},             /* no name */
		{BYTES("\x05\x01\x00\x03\x03"
		       "a\x00z\x00\x50"),
			1},
		{BYTES("\x05\x01\x00\x03\x03"
		       "a\r\n\x00\x50"),
			1},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[64] = GREETING, want[sizeof(reply)];
		memcpy(text + 3, cases[i].request, cases[i].len);
		memcpy(want, reply, sizeof(reply));
		want[3] = cases[i].code;
		says(NULL, text, 3 + cases[i].len, want, 12);
	}
}

/* ---- datagrams ---- */

#define ASSOCIATE(address) GREETING "\x05\x03\x00" address
#define V4_HERE "\x01\x7f\x00\x00\x01"

/* The port that an application at 127.0.0.1 must send from after this request. */
static void port_is(const char *text, size_t len, uint16_t want)
{
	static const struct tt_addr client = {.family = 4, .bytes = {127, 0, 0, 1}};
	uint8_t out[PROXY_OUTPUT_MAX];
	struct proxy *p;

	assert_int_equal(proxy_new(&p, NULL), TT_OK);
	assert_int_equal(proxy_input(p, (const uint8_t *)text, len), len);
	assert_int_equal(proxy_state(p), PROXY_ASSOCIATE);
	assert_int_equal(proxy_source_port(p, &client), want);
	assert_int_equal(proxy_output(p, out), 2);
	proxy_associated(p, &client, 0x1234);
	assert_int_equal(proxy_state(p), PROXY_OVER);
	assert_int_equal(proxy_output(p, out), 10);
	assert_memory_equal(out, "\x05\x00\x00" V4_HERE "\x12\x34", 10);
	proxy_free(p);
}

static void association_binds_the_port_that_an_application_says_of_itself(void **state)
{
	(void)state;
	port_is(BYTES(ASSOCIATE("\x01\x00\x00\x00\x00\x00\x00")), 0);
	port_is(BYTES(ASSOCIATE("\x01\x00\x00\x00\x00\x00\x50")), 80);
	port_is(BYTES(ASSOCIATE(V4_HERE "\x00\x50")), 80);
	port_is(BYTES(ASSOCIATE("\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x01\x00\x50")), 80);
	port_is(BYTES(ASSOCIATE("\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x00\x50")), 80);
	/* the address of a target, or one before a NAT */
	port_is(BYTES(ASSOCIATE("\x01\x08\x08\x08\x08\x00\x35")), 0);
	port_is(BYTES(ASSOCIATE("\x03\x01"
				"a\x00\x35")),
		0);
	port_is(BYTES(ASSOCIATE("\x03\x00\x00\x35")), 0);
}

static void association_is_told_an_address_of_either_kind(void **state)
{
	static const struct tt_addr v6 = {.family = 6, .bytes = {[15] = 1}};
	uint8_t out[PROXY_OUTPUT_MAX];
	struct proxy *p;
	(void)state;
	assert_int_equal(proxy_new(&p, NULL), TT_OK);
	proxy_input(p, (const uint8_t *)ASSOCIATE(V4_HERE "\x00\x50"), 13);
	proxy_output(p, out);
	proxy_associated(p, &v6, 0x1234);
	assert_int_equal(proxy_output(p, out), 22);
	assert_memory_equal(out, "\x05\x00\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x12\x34", 22);
	proxy_free(p);
}

static void association_that_cannot_be_is_refused_with_a_code(void **state)
{
	struct outcome o = {0};
	struct proxy *p;
	(void)state;
	assert_int_equal(proxy_new(&p, NULL), TT_OK);
	proxy_input(p, (const uint8_t *)ASSOCIATE(V4_HERE "\x00\x50"), 13);
	proxy_answer(p, REASON_LIMIT);
	collect(p, &o);
	assert_int_equal(o.n_said, 12);
	assert_int_equal(o.said[3], 1);
	assert_int_equal(proxy_state(p), PROXY_OVER);
	proxy_free(p);
}

static void associations_need_the_login_too(void **state)
{
	static const char bad[] = "\x05\x01\x02\x01\x04user\x04worx\x05\x03\x00\x01";
	(void)state;
	says("user:word", BYTES(ASSOCIATE(V4_HERE "\x00\x50")), BYTES("\x05\xff"));
	says("user:word", BYTES(bad), BYTES("\x05\x02\x01\x01"));
	assert_int_equal(talk("user:word",
				 BYTES("\x05\x01\x02\x01\x04user\x04word"
				       "\x05\x03\x00" V4_HERE "\x00\x50"),
				 100, REASON_NONE)
				 .state,
		PROXY_ASSOCIATE);
}

static void datagram_goes_to(const char *text, size_t len, const char *host, size_t header)
{
	struct proxy_udp dg;

	assert_int_equal(proxy_udp_parse((const uint8_t *)text, len, &dg), TT_OK);
	assert_string_equal(dg.host, host);
	assert_int_equal(dg.port, 0x0135);
	/* what an answer repeats */
	assert_ptr_equal(dg.address, text + PROXY_UDP_PREFIX);
	assert_int_equal(dg.address_len, header - PROXY_UDP_PREFIX);
	assert_ptr_equal(dg.data, text + header);
	assert_int_equal(dg.data_len, len - header);
}

static void datagram_header_takes_names_and_both_kinds_of_addresses(void **state)
{
	(void)state;
	datagram_goes_to(BYTES("\0\0\0" V4_HERE "\x01\x35"
			       "data"),
		"127.0.0.1", 10);
	datagram_goes_to(BYTES("\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x01\x35"
			       "data"),
		"::1", 22);
	datagram_goes_to(BYTES("\0\0\0\x03\x05"
			       "a.org\x01\x35"
			       "data"),
		"a.org", 12);
	/* a datagram may be empty, and reserved bytes mean nothing */
	datagram_goes_to(BYTES("\x01\x02\0" V4_HERE "\x01\x35"), "127.0.0.1", 10);
}

static void datagram_without_a_header_or_in_pieces_is_not_taken(void **state)
{
	static const char whole[] = "\0\0\0\x03\x05"
				    "a.org\x01\x35";
	static const struct {
		const char *text;
		size_t len;
		int rc;
	} cases[] = {
		{BYTES("\0\0\x01" V4_HERE "\x01\x35"), TT_ENOTSUP},
		{BYTES("\0\0\x80" V4_HERE "\x01\x35"), TT_ENOTSUP},
		{BYTES("\0\0\0" V4_HERE "\x00\x00"), TT_EPROTO}, /* port 0 */
		{BYTES("\0\0\0\x02\x7f\0\0\x01\x01\x35"), TT_EPROTO},
		{BYTES("\0\0\0\x03\x00\x01\x35"), TT_EPROTO}, /* no name */
		{BYTES("\0\0\0\x03\x03"
		       "a b\x01\x35"),
			TT_EPROTO},
	};
	struct proxy_udp dg;
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(proxy_udp_parse((const uint8_t *)cases[i].text, cases[i].len, &dg),
			cases[i].rc);
	for (size_t n = 0; n < sizeof(whole) - 1; n++)
		assert_int_equal(proxy_udp_parse((const uint8_t *)whole, n, &dg), TT_EPROTO);
}

static void who_speaks_something_else_is_let_go(void **state)
{
	(void)state;
	says(NULL, BYTES("\x05\x01\x02"), BYTES("\x05\xff"));
	says(NULL, BYTES("\x05\x00"), BYTES("\x05\xff"));
	says(NULL, BYTES("\x04\x01\x00\x50\x7f\x00\x00\x01\x00"), BYTES("\x00\x5b\0\0\0\0\0\0"));
	says(NULL, BYTES("\x16\x03\x01\x02\x00"), "", 0); /* TLS */
	says(NULL, BYTES("\x00"), "", 0);
	assert_int_equal(exchange(NULL, BYTES("\x16\x03"), REASON_NONE).state, PROXY_OVER);
}

static void socks_login_is_compared_whole(void **state)
{
	static const char *const bad[] = {"\x05\x01\x02\x01\x04user\x04worx",
		"\x05\x01\x02\x01\x04user\x03wor", "\x05\x01\x02\x01\x03use\x04word",
		"\x05\x01\x02\x01\x04user\x05words", "\x05\x01\x02\x02\x04user\x04word"};
	(void)state;
	says("user:word",
		BYTES("\x05\x02\x00\x02\x01\x04user\x04word"
		      "\x05\x01\x00\x03\x01"
		      "a\x00\x50"),
		BYTES("\x05\x02\x01\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		says("user:word", bad[i], strlen(bad[i]), BYTES("\x05\x02\x01\x01"));
	says("user:word", BYTES(GREETING), BYTES("\x05\xff")); /* without it nobody is served */
}

static void http_status(const char *login, const char *text, const char *status)
{
	struct outcome o = exchange(login, text, strlen(text), REASON_NONE);

	assert_true(o.n_said > 12 && o.n_said < sizeof(o.said));
	o.said[o.n_said] = '\0';
	if (memcmp(o.said, "HTTP/1.1 ", 9) != 0 || memcmp(o.said + 9, status, 3) != 0)
		fail_msg("%s\nis answered:\n%s", text, (char *)o.said);
	/* an answer is whole: what it says of its length is true */
	const char *body = strstr((char *)o.said, "\r\n\r\n");
	const char *length = strstr((char *)o.said, "Content-Length: ");
	size_t n = 0;
	assert_non_null(body);
	if (length)
		assert_int_equal(sscanf(length, "Content-Length: %zu", &n), 1);
	assert_int_equal(strlen(body + 4), n);
}

static void http_serves_connect_only(void **state)
{
	(void)state;
	asks_for(BYTES("CONNECT a.org:443 HTTP/1.1\r\nHost: a.org:443\r\n\r\n"), 0, "a.org", 443);
	asks_for(BYTES("CONNECT [::1]:443 HTTP/1.0\n\n"), 0, "::1", 443);
	http_status(NULL, "CONNECT a:1 HTTP/1.1\r\n\r\n", "200");
	static const char *const methods[] = {
		"GET http://127.0.0.1/", "POST /", "OPTIONS *", "connect a:1", "G", "CONNECTX a:1"};
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		char text[100];
		snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: x\r\n\r\n", methods[i]);
		http_status(NULL, text, "405");
	}
	static const char *const bad[] = {"CONNECT", "CONNECT a:1", "CONNECT a HTTP/1.1",
		"CONNECT a:0 HTTP/1.1", "CONNECT a:x HTTP/1.1", "CONNECT :1 HTTP/1.1",
		"CONNECT ::1:1 HTTP/1.1", "CONNECT a:1 HTTP/2", "CONNECT [a:1 HTTP/1.1",
		"CONNECT http://a:1 HTTP/1.1"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[100];
		snprintf(text, sizeof(text), "%s\r\n\r\n", bad[i]);
		http_status(NULL, text, "400");
	}
}

static void http_head_is_bounded(void **state)
{
	static char text[PROXY_HEAD_MAX + 100];
	(void)state;
	/* a long line is passed over, and does not hide the lines behind it */
	memset(text, 'x', sizeof(text));
	memcpy(text, "CONNECT a:1 HTTP/1.1\r\n", 22);
	memcpy(text + 5000, "\r\n\r\n", 5);
	http_status(NULL, text, "200");
	memset(text + 5000, 'x', 5);
	text[sizeof(text) - 1] = '\0';
	struct outcome o = talk(NULL, text, sizeof(text) - 1, 1000, REASON_NONE);
	assert_int_equal(o.taken, PROXY_HEAD_MAX + 1);
	assert_memory_equal(o.said, "HTTP/1.1 431 ", 13);
}

static void http_login_is_compared_whole(void **state)
{
#define WITH(field) "CONNECT a:1 HTTP/1.1\r\n" field "\r\n\r\n"
	static const char *const bad[] = {WITH("Host: x"),
		WITH("Proxy-Authorization: Basic dXNlcjp3b3J"),
		WITH("Proxy-Authorization: Basic dXNlcjp3b3JkAA=="),
		WITH("Proxy-Authorization: Digest dXNlcjp3b3Jk"), WITH("Proxy-Authorization:"),
		WITH("Authorization: Basic dXNlcjp3b3Jk")};
	(void)state;
	http_status("user:word", WITH("Proxy-Authorization: Basic dXNlcjp3b3Jk"), "200");
	http_status("user:word", WITH("proxy-authorization:\tbasic dXNlcjp3b3Jk "), "200");
	http_status("a:bcd", WITH("Proxy-Authorization: Basic YTpiY2Q="), "200");
	http_status("a:bc", WITH("Proxy-Authorization: Basic YTpiYw=="), "200");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		http_status("user:word", bad[i], "407");
}

static void every_reason_has_its_codes(void **state)
{
	static const struct {
		enum close_reason why;
		uint8_t socks;
		const char *http;
	} cases[] = {
		{REASON_NONE, 0, "200"},
		{REASON_NOT_ALLOWED, 2, "403"},
		{REASON_REFUSED_BY_TARGET, 5, "502"},
		{REASON_NO_SUCH_HOST, 4, "502"},
		{REASON_TARGET_UNREACHABLE, 3, "502"},
		{REASON_TARGET_TIMEOUT, 6, "504"},
		{REASON_CONNECT_TIMEOUT, 6, "504"},
		{REASON_RESUME_TIMEOUT, 3, "503"},
		{REASON_LIMIT, 1, "503"},
		{REASON_UNSUPPORTED, 7, "501"},
		{REASON_SHUTDOWN, 1, "503"},
		{REASON_RESET, 1, "502"},
		{REASON_PEER_RESTARTED, 1, "502"},
		{REASON_PROTOCOL_ERROR, 1, "502"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outcome o = talk(NULL,
			BYTES(GREETING "\x05\x01\x00\x03\x01"
				       "a\x00\x50"),
			100, cases[i].why);
		assert_int_equal(o.n_said, 12);
		assert_int_equal(o.said[3], cases[i].socks);
		o = talk(NULL, BYTES("CONNECT a:1 HTTP/1.1\r\n\r\n"), 100, cases[i].why);
		assert_memory_equal(o.said + 9, cases[i].http, 3);
	}
}

static void longest_login_fits_and_no_longer_one(void **state)
{
	char login[PROXY_LOGIN_MAX + 2];
	struct proxy *p;
	(void)state;
	memset(login, 'x', sizeof(login));
	login[PROXY_LOGIN_MAX + 1] = '\0';
	assert_int_equal(proxy_new(&p, login), TT_EINVAL);
	login[PROXY_LOGIN_MAX] = '\0';
	http_status(
		login, "CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Basic eHh4\r\n\r\n", "407");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(socks_takes_names_and_both_kinds_of_addresses),
		cmocka_unit_test(not_a_byte_behind_the_handshake_is_taken),
		cmocka_unit_test(socks_refuses_what_it_cannot_do),
		cmocka_unit_test(association_binds_the_port_that_an_application_says_of_itself),
		cmocka_unit_test(association_is_told_an_address_of_either_kind),
		cmocka_unit_test(association_that_cannot_be_is_refused_with_a_code),
		cmocka_unit_test(associations_need_the_login_too),
		cmocka_unit_test(datagram_header_takes_names_and_both_kinds_of_addresses),
		cmocka_unit_test(datagram_without_a_header_or_in_pieces_is_not_taken),
		cmocka_unit_test(who_speaks_something_else_is_let_go),
		cmocka_unit_test(socks_login_is_compared_whole),
		cmocka_unit_test(http_serves_connect_only),
		cmocka_unit_test(http_head_is_bounded),
		cmocka_unit_test(http_login_is_compared_whole),
		cmocka_unit_test(every_reason_has_its_codes),
		cmocka_unit_test(longest_login_fits_and_no_longer_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
