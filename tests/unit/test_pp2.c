/* The PROXY header, byte for byte as its specification has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "wire_pp2.h"

static struct wire_pp2 sample(void)
{
	static const uint8_t loopback[4] = {127, 0, 0, 1};
	struct wire_pp2 h = {.name = "laptop",
		.id = "0B925BE7-7",
		.number = 7,
		.target = tt_addr_v4(loopback),
		.port = 8080};
	for (size_t i = 0; i < TT_KEY_LEN; i++)
		h.key[i] = (uint8_t)(i * 7 + 1);
	return h;
}

static void header_of_an_ipv4_target_is_exact(void **state)
{
	static const uint8_t want[] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49,
		0x54, 0x0a,                                  /* signature */
		0x21, 0x21, 0, 36 + 3 + 10 + 3 + 64 + 3 + 6, /* PROXY, TCP over IPv6, length */
		0xfd, 1, 8, 15, 22, 29, 36, 43, 50, 57, 64, 71, 78, 85, 92,
		99, /* the key's start */
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1, 0, 7, 0x1f, 0x90, /* 8080 */
		0x05, 0, 10, '0', 'B', '9', '2', '5', 'B', 'E', '7', '-', '7', 0xe0, 0, 64, '0',
		'1', '0', '8', '0', 'F', '1', '6', '1', 'D', '2', '4', '2', 'B', '3', '2', '3', '9',
		'4', '0', '4', '7', '4', 'E', '5', '5', '5', 'C', '6', '3', '6', 'A', '7', '1', '7',
		'8', '7', 'F', '8', '6', '8', 'D', '9', '4', '9', 'B', 'A', '2', 'A', '9', 'B', '0',
		'B', '7', 'B', 'E', 'C', '5', 'C', 'C', 'D', '3', 'D', 'A', 0xe1, 0, 6, 'l', 'a',
		'p', 't', 'o', 'p'};
	struct wire_pp2 h = sample();
	uint8_t got[WIRE_PP2_MAX];
	(void)state;
	assert_int_equal(wire_pp2_encode(&h, got), sizeof(want));
	assert_memory_equal(got, want, sizeof(want));
}

static void ipv6_target_stands_as_it_is(void **state)
{
	static const uint8_t one[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
	struct wire_pp2 h = sample();
	uint8_t got[WIRE_PP2_MAX];
	(void)state;
	h.target = tt_addr_v6(one);
	wire_pp2_encode(&h, got);
	assert_memory_equal(got + 32, one, 16);
}

static void peer_without_a_name_has_no_field_for_it(void **state)
{
	struct wire_pp2 h = sample();
	uint8_t got[WIRE_PP2_MAX];
	(void)state;
	h.name = "";
	assert_int_equal(wire_pp2_encode(&h, got), 16 + 36 + 13 + 67);
	assert_int_equal(got[15], 36 + 13 + 67);
}

static void texts_are_cut_at_what_the_buffer_holds(void **state)
{
	char longest[300];
	struct wire_pp2 h = sample();
	uint8_t got[WIRE_PP2_MAX + 1];
	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	h.name = h.id = longest;
	got[WIRE_PP2_MAX] = 0x5a;
	assert_int_equal(wire_pp2_encode(&h, got), WIRE_PP2_MAX);
	assert_int_equal(got[WIRE_PP2_MAX], 0x5a);
	assert_int_equal(got[14] << 8 | got[15], WIRE_PP2_MAX - 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_of_an_ipv4_target_is_exact),
		cmocka_unit_test(ipv6_target_stands_as_it_is),
		cmocka_unit_test(peer_without_a_name_has_no_field_for_it),
		cmocka_unit_test(texts_are_cut_at_what_the_buffer_holds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
