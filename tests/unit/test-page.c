/* Pages of a listing: there and back, in order, and nothing else is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../common/page.h"

static struct key name(const char *text)
{
	return key_named((const uint8_t *)text, strlen(text));
}

/* Of one id its names, as bytes, then its number. */
static void the_order(void **state)
{
	struct key a = name("a"), same = {.id = a.id, .name = (const uint8_t *)"ab", .name_len = 2};
	const struct key sorted[] = {key_number(0), key_number(a.id - 1), a,
				     same,          key_number(a.id),     key_number(a.id + 1)};

	(void)state;
	for (size_t i = 0; i < sizeof(sorted) / sizeof(sorted[0]); i++)
		for (size_t j = 0; j < sizeof(sorted) / sizeof(sorted[0]); j++)
			assert_int_equal(page_before(&sorted[i], &sorted[j]), i < j);
}

static void there_and_back(void **state)
{
	const struct page_entry entries[] = {
		{.key = key_number(7), .version = {1, 2}},
		{.key = name("n"), .version = {UINT64_MAX, UINT64_MAX}, .life = 5},
		{.key = name("empty"), .version = {3, 4}, .value = (const uint8_t *)"", .value_len = 0},
		{.key = key_number(UINT32_MAX), .life = UINT64_MAX, .value = (const uint8_t *)"\0v", .value_len = 2},
	};
	const struct page_next nexts[] = {{.end = true}, {.key = key_number(9)}, {.key = name("x")}};
	struct page_entry *got = calloc(PAGE_ENTRIES, sizeof(*got));

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct page_next next;
		size_t len, count;
		uint8_t *bytes = page_encode(entries, 4, &nexts[i], &len);

		assert_null(page_decode(got, &count, &next, bytes, len));
		assert_int_equal(count, 4);
		assert_int_equal(next.end, nexts[i].end);
		assert_true(next.end || key_equal(&next.key, &nexts[i].key));
		for (size_t j = 0; j < 4; j++) {
			assert_true(key_equal(&got[j].key, &entries[j].key));
			assert_true(version_equal(got[j].version, entries[j].version));
			assert_int_equal(got[j].life, entries[j].life);
			assert_int_equal(got[j].value != NULL, entries[j].value != NULL);
			assert_int_equal(got[j].value_len, entries[j].value_len);
			if (got[j].value_len)
				assert_memory_equal(got[j].value, entries[j].value, got[j].value_len);
			assert_true(page_entry_size(&entries[j]) <= len);
		}
		for (size_t cut = 0; cut < len; cut++)
			assert_non_null(page_decode(got, &count, &next, bytes, cut));
		free(bytes);
	}
	free(got);
}

#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

static void refusals(void **state)
{
	static const struct {
		const uint8_t *p;
		size_t len;
		const char *why;
	} rows[] = {
		{BYTES("\x81\xf6"), "an array too short"},
		{BYTES("\x82\xf6\x80\x00"), "bytes behind the page"},
		{BYTES("\x82\x40\x80"), "a name of no length, or too long"},
		{BYTES("\x82\x20\x80"), "a field of the wrong type"},
		{BYTES("\x82\xf6\x19\x04\x01"), "a field of the wrong type"},
		{BYTES("\x82\xf6\x99\x04\x01"), "an array too long"},
		{BYTES("\x82\xf6\x81\x82\x07\x01"), "an array too short"},
		{BYTES("\x82\xf6\x81\x85\x07\x01\x02\x00\xf5"), "a field of the wrong type"},
	};
	struct page_entry *got = calloc(PAGE_ENTRIES, sizeof(*got));

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct page_next next;
		size_t count;
		const char *why = page_decode(got, &count, &next, rows[i].p, rows[i].len);

		assert_non_null(why);
		if (strcmp(why, rows[i].why) != 0)
			fail_msg("row %zu: \"%s\" instead of \"%s\"", i, why, rows[i].why);
	}
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_order),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
