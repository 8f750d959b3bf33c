/* EVENT frames and places in a stream: there and back, and nothing else is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../common/watched.h"

static void there_and_back(void **state)
{
	struct page_entry changes[] = {
		{.key = key_number(7), .version = {1, 2}, .value = (const uint8_t *)"v", .value_len = 1},
		{.key = key_named((const uint8_t *)"n", 1), .version = {3, 4}},
		{.key = key_number(0), .version = {5, 6}, .life = 9, .value = (const uint8_t *)"", .value_len = 0},
	};
	struct watched_frame f = {.owner = 0x3fa01234,
				  .stream = UINT64_MAX,
				  .number = 1,
				  .changes = changes,
				  .count = 3},
			     g;
	static struct page_entry got[WATCHED_CHANGES];
	size_t len;
	uint8_t *bytes = watched_encode(&f, &len);

	(void)state;
	assert_null(watched_decode(&g, got, bytes, len));
	assert_int_equal(g.owner, f.owner);
	assert_true(g.stream == f.stream && g.number == f.number && g.count == f.count);
	for (size_t i = 0; i < f.count; i++) {
		assert_true(key_equal(&g.changes[i].key, &changes[i].key));
		assert_true(version_equal(g.changes[i].version, changes[i].version));
		assert_int_equal(g.changes[i].life, changes[i].life);
		assert_int_equal(g.changes[i].value != NULL, changes[i].value != NULL);
		assert_int_equal(g.changes[i].value_len, changes[i].value_len);
	}
	for (size_t cut = 0; cut < len; cut++)
		assert_non_null(watched_decode(&g, got, bytes, cut));
	free(bytes);
}

#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1
#define HEAD "\x00\x01\x01\x18\x1f\x18\x1e\x07" /* version, type, owner */

static void refusals(void **state)
{
	static const struct {
		const uint8_t *p;
		size_t len;
		const char *why;
	} rows[] = {
		{BYTES("\xa6" HEAD "\x18\x20\x01\x18\x21\x01\x18\x22\x80"), NULL},
		{BYTES("\xa7" HEAD "\x18\x20\x01\x18\x21\x01\x18\x22\x80\x18\x63\x01"), NULL},
		{BYTES("\xa5" HEAD "\x18\x20\x01\x18\x21\x01"), "a field too few"},
		{BYTES("\xa6" HEAD "\x18\x20\x00\x18\x21\x01\x18\x22\x80"), "a number that is 0"},
		{BYTES("\xa6" HEAD "\x18\x20\x01\x18\x21\x00\x18\x22\x80"), NULL},
		{BYTES("\xa6" HEAD "\x18\x20\x01\x18\x21\x00\x18\x22\x81\x85\x01\x02\x03\x04\xf6"),
		 "changes without a number"},
		{BYTES("\xa6" HEAD "\x18\x20\x01\x18\x20\x01\x18\x22\x80"), "a key twice"},
		{BYTES("\xa6\x00\x02\x01\x18\x1f"), "version 2"},
		{BYTES("\xa6\x00\x01\x01\x01"), "another type"},
		{BYTES("\xa6" HEAD "\x18\x20\x01\x18\x21\x01\x18\x22\x99\x02\x01"), "an array too long"},
		{BYTES("\xa6" HEAD "\x18\x20\x01\x18\x21\x01\x18\x22\x81\x84\x01\x02\x03\x04"), "an array too short"},
		{BYTES("\xa6" HEAD "\x18\x20\x01\x18\x21\x01\x18\x22\x80\x00"), "bytes behind the frame"},
	};
	static struct page_entry got[WATCHED_CHANGES];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct watched_frame f;
		const char *why = watched_decode(&f, got, rows[i].p, rows[i].len);

		if (!why != !rows[i].why || (why && strcmp(why, rows[i].why) != 0))
			fail_msg("row %zu: \"%s\" instead of \"%s\"", i, why ? why : "",
				 rows[i].why ? rows[i].why : "");
	}
}

static void places(void **state)
{
	const struct watched_place all[] = {{1, 0}, {UINT64_MAX, UINT64_MAX}};
	struct watched_place got;
	uint8_t bytes[WATCHED_PLACE_MAX];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		size_t len = watched_put_place(bytes, &all[i]);

		assert_true(watched_take_place(&got, bytes, len));
		assert_true(got.stream == all[i].stream && got.number == all[i].number);
		assert_false(watched_take_place(&got, bytes, len - 1));
	}
	assert_false(watched_take_place(&got, BYTES("\x82\x00\x01")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(refusals),
		cmocka_unit_test(places),
	};

	return cmocka_run_group_tests_name("watched", tests, NULL, NULL);
}
