/* doc/protocol.md is the specification: its examples are what the program reads and writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tt_err.h"
#include "tt_key.h"
#include "wire.h"
#include "wire_bench.h"
#include "wire_dgram.h"

#define EXAMPLE_MAX 256

struct example {
	uint8_t bytes[EXAMPLE_MAX];
	size_t len;
	cJSON *json;
};

/** The page, found from the source directory that meson names. */
static char *read_page(void)
{
	const char *root = getenv("TT_SOURCE_ROOT");
	char path[4096];
	snprintf(path, sizeof(path), "%s/doc/protocol.md", root ? root : ".");
	FILE *f = fopen(path, "rb");
	if (!f)
		fail_msg("%s cannot be read; set TT_SOURCE_ROOT to the source directory", path);
	char *text = calloc(1, 1 << 17);
	assert_non_null(text);
	assert_in_range(fread(text, 1, (1 << 17) - 1, f), 1000, (1 << 17) - 2);
	fclose(f);
	return text;
}

/** Reads the block "```KIND-example" at or after *at: lines of hex, then one of JSON. */
static bool next_example(const char **at, const char *kind, struct example *ex)
{
	char fence[32];
	snprintf(fence, sizeof(fence), "\n```%s-example\n", kind);
	const char *p = strstr(*at, fence);
	if (!p)
		return false;
	p += strlen(fence);
	ex->len = 0;
	for (; *p != '{'; p++) {
		size_t digits = strcspn(p, "\n");
		assert_in_range(ex->len + digits / 2, 1, EXAMPLE_MAX);
		assert_int_equal(tt_hex_decode(p, digits, ex->bytes + ex->len, digits / 2), TT_OK);
		ex->len += digits / 2;
		p += digits;
	}
	ex->json = cJSON_ParseWithOpts(p, at, 0);
	assert_non_null(ex->json);
	assert_memory_equal(*at, "\n```\n", 5);
	return true;
}

static const char *text_of(const cJSON *json, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(json, key);
	return cJSON_IsString(v) ? v->valuestring : "";
}

static uint64_t number_of(const cJSON *json, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(json, key);
	return cJSON_IsNumber(v) ? (uint64_t)v->valuedouble : 0;
}

static bool bool_of(const cJSON *json, const char *key)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, key));
}

static void copy(char *dst, size_t cap, const char *src)
{
	assert_in_range(snprintf(dst, cap, "%s", src), 0, cap - 1);
}

static uint32_t cap_of(const char *name)
{
	static const char *const names[] = {"fast_open", "sack", "bench", "udp", "listen"};
	static const uint32_t bits[] = {
		WIRE_CAP_FAST_OPEN, WIRE_CAP_SACK, WIRE_CAP_BENCH, WIRE_CAP_UDP, WIRE_CAP_LISTEN};

	for (size_t i = 0; i < 5; i++)
		if (strcmp(names[i], name) == 0)
			return bits[i];
	fail_msg("the page has a capability %s, which is not known", name);
	return 0;
}

static void hello_of(const cJSON *json, struct wire_hello *h)
{
	const char *inst = text_of(json, "inst");
	const cJSON *cap;
	h->version = (uint32_t)number_of(json, "ver");
	assert_int_equal(tt_hex_decode(inst, strlen(inst), h->inst, WIRE_INST_LEN), TT_OK);
	cJSON_ArrayForEach(cap, cJSON_GetObjectItemCaseSensitive(json, "caps"))
	{
		h->caps |= cap_of(cap->valuestring);
	}
	h->packet_max = (uint32_t)number_of(json, "max");
	copy(h->name, sizeof(h->name), text_of(json, "name"));
}

static void syn_of(const cJSON *json, struct wire_syn *s)
{
	s->version = (uint32_t)number_of(json, "ver");
	s->ccid = (uint32_t)number_of(json, "ccid");
	s->conv = (uint32_t)number_of(json, "conv");
	for (enum wire_proto p = WIRE_TCP; p <= WIRE_REVERSE; p++)
		if (strcmp(wire_proto_name(p), text_of(json, "proto")) == 0)
			s->proto = p;
	copy(s->host, sizeof(s->host), text_of(json, "host"));
	s->port = (uint16_t)number_of(json, "port");
	s->lid = (uint32_t)number_of(json, "lid");
	copy(s->tunnel, sizeof(s->tunnel), text_of(json, "tunnel"));
}

/** What the JSON line of an example says, as the program would hold it. */
static void message_of(const cJSON *json, struct wire_msg *m)
{
	uint32_t ccid = (uint32_t)number_of(json, "ccid");
	uint32_t lid = (uint32_t)number_of(json, "lid");
	bool opener = bool_of(json, "o");

	memset(m, 0, sizeof(*m));
	for (enum wire_type t = WIRE_HELLO; t < WIRE_UNKNOWN; t++)
		if (strcmp(wire_type_name(t), text_of(json, "t")) == 0)
			m->type = t;
	m->n = (uint32_t)number_of(json, "n");
	if (m->type == WIRE_HELLO) {
		hello_of(json, &m->hello);
	} else if (m->type == WIRE_SYN) {
		syn_of(json, &m->syn);
	} else if (m->type == WIRE_ACK) {
		m->ack.ccid = ccid;
		m->ack.scid = (uint32_t)number_of(json, "scid");
		m->ack.conv = (uint32_t)number_of(json, "conv");
	} else if (m->type == WIRE_RST) {
		m->rst.ccid = ccid;
		m->rst.opener = opener;
		copy(m->rst.reason, sizeof(m->rst.reason), text_of(json, "reason"));
		copy(m->rst.text, sizeof(m->rst.text), text_of(json, "text"));
	} else if (m->type == WIRE_FIN) {
		m->fin.ccid = ccid;
		m->fin.opener = opener;
		m->fin.bytes = number_of(json, "bytes");
		m->fin.seen = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "seen"));
	} else if (m->type == WIRE_LISTEN) {
		m->listen.lid = lid;
		m->listen.path = bool_of(json, "path");
		m->listen.port = (uint16_t)number_of(json, "port");
		copy(m->listen.host, sizeof(m->listen.host), text_of(json, "host"));
		copy(m->listen.tunnel, sizeof(m->listen.tunnel), text_of(json, "tunnel"));
	} else if (m->type == WIRE_LISTENING) {
		m->listening.lid = lid;
		m->listening.port = (uint16_t)number_of(json, "port");
	} else if (m->type == WIRE_UNLISTEN) {
		m->unlisten.lid = lid;
		m->unlisten.asker = opener;
		copy(m->unlisten.reason, sizeof(m->unlisten.reason), text_of(json, "reason"));
		copy(m->unlisten.text, sizeof(m->unlisten.text), text_of(json, "text"));
	} else {
		assert_int_equal(m->type, WIRE_END);
		m->end.ccid = ccid;
		m->end.opener = opener;
	}
}

static void control_examples_are_what_is_read_and_written(void **state)
{
	(void)state;
	char *page = read_page();
	const char *at = page;
	struct example ex;
	unsigned types = 0;

	while (next_example(&at, "wire", &ex)) {
		struct wire_msg want, got;
		uint8_t again[EXAMPLE_MAX];
		message_of(ex.json, &want);
		assert_int_equal(wire_decode(ex.bytes, ex.len, &got), (int)ex.len);
		assert_memory_equal(&got, &want, sizeof(want));
		assert_int_equal(wire_encode(&want, again, sizeof(again)), (int)ex.len);
		assert_memory_equal(again, ex.bytes, ex.len);
		types |= 1u << want.type;
		cJSON_Delete(ex.json);
	}
	for (enum wire_type t = WIRE_HELLO; t < WIRE_UNKNOWN; t++)
		if (!(types & 1u << t))
			fail_msg("the page has no example of %s", wire_type_name(t));
	free(page);
}

/**
 * Compares the bytes with the JSON by the table under the heading, whose rows start with
 * "| OFFSET | SIZE | `FIELD` |". Returns how many bytes the table describes.
 */
static size_t check_by_table(const char *page, const char *heading, const struct example *ex)
{
	const char *p = strstr(page, heading);
	size_t end = 0;
	assert_non_null(p);
	p = strstr(p, "\n|---|");
	assert_non_null(p);
	while ((p = strchr(p + 1, '\n')) && p[1] == '|') {
		unsigned offset, size;
		char field[32];
		uint64_t v = 0;
		assert_int_equal(
			sscanf(p + 1, "| %u | %u | `%31[a-z]` |", &offset, &size, field), 3);
		assert_int_equal(offset, end); /* no hole, no overlap */
		end += size;
		assert_in_range(end, 1, ex->len);
		for (unsigned i = size; i > 0; i--)
			v = v << 8 | ex->bytes[offset + i - 1];
		assert_non_null(cJSON_GetObjectItemCaseSensitive(ex->json, field));
		assert_true(v == number_of(ex->json, field));
	}
	return end;
}

static void segment_examples_agree_with_their_table(void **state)
{
	(void)state;
	char *page = read_page();
	const char *at = page;
	struct example ex;
	int count = 0;

	for (; next_example(&at, "kcp", &ex); count++) {
		assert_int_equal(check_by_table(page, "\n## KCP segments\n", &ex), 24);
		assert_int_equal(ex.len, 24 + number_of(ex.json, "len"));
		cJSON_Delete(ex.json);
	}
	assert_int_equal(count, 3);
	free(page);
}

static void probe_examples_agree_with_their_table(void **state)
{
	(void)state;
	char *page = read_page();
	const char *at = page;
	struct example ex;
	int count = 0;

	for (; next_example(&at, "probe", &ex); count++) {
		assert_int_equal(check_by_table(page, "\n## Probe packets\n", &ex), ex.len);
		assert_int_equal(number_of(ex.json, "id"), WIRE_ID_PROBE);
		assert_int_equal(number_of(ex.json, "kind"), count);
		cJSON_Delete(ex.json);
	}
	assert_int_equal(count, 2);
	free(page);
}

static void datagram_examples_are_what_is_read_and_written(void **state)
{
	(void)state;
	char *page = read_page();
	const char *at = page;
	struct example ex;
	int count = 0;

	for (; next_example(&at, "dgram", &ex); count++) {
		struct wire_dgram d;
		uint8_t again[WIRE_DGRAM_HEADER];
		assert_int_equal(check_by_table(page, "\n## Datagrams\n", &ex), WIRE_DGRAM_HEADER);
		assert_int_equal(wire_dgram_decode(ex.bytes, ex.len, &d), (int)ex.len);
		assert_int_equal(d.conv, number_of(ex.json, "conv"));
		assert_int_equal(d.id, number_of(ex.json, "id"));
		assert_int_equal(d.size, number_of(ex.json, "size"));
		assert_int_equal(d.index, number_of(ex.json, "index"));
		assert_int_equal(d.count, number_of(ex.json, "count"));
		wire_dgram_encode(&d, again);
		assert_memory_equal(again, ex.bytes, sizeof(again));
		cJSON_Delete(ex.json);
	}
	assert_int_equal(count, 2);
	free(page);
}

static void pattern_examples_are_what_is_sent(void **state)
{
	(void)state;
	char *page = read_page();
	const char *at = page;
	struct example ex;
	int count = 0;

	for (; next_example(&at, "pattern", &ex); count++) {
		uint64_t seed = wire_bench_seed(
			(uint32_t)number_of(ex.json, "ccid"), bool_of(ex.json, "opener"));
		assert_true(seed == number_of(ex.json, "seed"));
		uint8_t want[EXAMPLE_MAX];
		wire_bench_fill(seed, number_of(ex.json, "offset"), want, ex.len);
		assert_memory_equal(ex.bytes, want, ex.len);
		cJSON_Delete(ex.json);
	}
	assert_int_equal(count, 2);
	free(page);
}

static void report_example_agrees_with_its_table(void **state)
{
	(void)state;
	char *page = read_page();
	const char *at = page;
	struct example ex;
	struct wire_bench_report r;

	assert_true(next_example(&at, "report", &ex));
	assert_int_equal(ex.len, WIRE_BENCH_REPORT_LEN);
	assert_int_equal(check_by_table(page, "\n### Reports\n", &ex), ex.len);
	wire_bench_report_decode(&r, ex.bytes);
	assert_true(r.elapsed_us == number_of(ex.json, "elapsed"));
	assert_true(r.bytes == number_of(ex.json, "bytes"));
	assert_true(r.wrong == number_of(ex.json, "wrong"));
	assert_true(r.segs_sent == number_of(ex.json, "segments"));
	assert_true(r.segs_repeated == number_of(ex.json, "repeats"));
	assert_true(r.bytes_sent == number_of(ex.json, "network"));
	assert_true(r.payload_sent == number_of(ex.json, "payload"));
	cJSON_Delete(ex.json);
	free(page);
}

static void packet_ids_of_the_page_are_the_ones_in_use(void **state)
{
	(void)state;
	char *page = read_page();
	char row[32];
	static const struct {
		int id;
		const char *what;
	} ids[] = {{WIRE_ID_KCP, "KCP"}, {WIRE_ID_DGRAM, "UDP"}, {WIRE_ID_PROBE, "a probe"}};

	for (size_t i = 0; i < 3; i++) {
		snprintf(row, sizeof(row), "\n| %d | %s", ids[i].id, ids[i].what);
		assert_non_null(strstr(page, row));
	}
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_examples_are_what_is_read_and_written),
		cmocka_unit_test(segment_examples_agree_with_their_table),
		cmocka_unit_test(probe_examples_agree_with_their_table),
		cmocka_unit_test(datagram_examples_are_what_is_read_and_written),
		cmocka_unit_test(pattern_examples_are_what_is_sent),
		cmocka_unit_test(report_example_agrees_with_its_table),
		cmocka_unit_test(packet_ids_of_the_page_are_the_ones_in_use),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
