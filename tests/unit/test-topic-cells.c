/* Filters of cells: what a node subscribes for its arc, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../common/topic.h"
#include "random.h"

#define PREFIX_63 "abcdefghijklmnopqrstuvwxyz0123456789_-/abcdefghijklmnopqrstuvwx"

static void cell_filters_written_by_hand(void **state)
{
	static const struct {
		struct cell cell;
		const char *prefix, *filter;
	} good[] = {
		{{0, 0}, "", "op/#"},
		{{0x3000, 1}, "", "op/3/#"},
		{{0x3f00, 2}, "", "op/3/f/#"},
		{{0x3fa0, 3}, "", "op/3/f/a/#"},
		{{0x3fa0, 4}, "", "op/3/f/a/0"},
		{{0, 1}, "", "op/0/#"},
		{{0, 4}, "", "op/0/0/0/0"},
		{{0xffff, 4}, "", "op/f/f/f/f"},
		{{0, 0}, "lab/ring_1", "lab/ring_1/op/#"},
		{{0x3f00, 2}, "op", "op/op/3/f/#"},
		{{0x3fa0, 4}, PREFIX_63, PREFIX_63 "/op/3/f/a/0"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char filter[TOPIC_MAX];
		struct cell cell = {7, 7};

		assert_int_equal(topic_format_cell_filter(filter, good[i].prefix, good[i].cell),
				 strlen(good[i].filter));
		assert_string_equal(filter, good[i].filter);
		assert_true(topic_parse_cell_filter(filter, good[i].prefix, &cell));
		assert_int_equal(cell.digits, good[i].cell.digits);
		assert_int_equal(cell.depth, good[i].cell.depth);
		assert_false(topic_parse_cell_filter(filter, "other", &cell));
	}
}

/* All 69,905: there and back, and a topic only where it names one cell. */
static void every_cell_filter(void **state)
{
	(void)state;
	for (uint32_t depth = 0; depth <= CELL_DIGITS; depth++) {
		uint32_t size = 65536u >> 4 * depth;

		for (uint32_t digits = 0; digits < 65536; digits += size) {
			char filter[TOPIC_MAX];
			struct cell cell = {7, 7};
			uint32_t id = 7;

			topic_format_cell_filter(filter, "lab", (struct cell){(uint16_t)digits, (uint8_t)depth});
			assert_true(topic_parse_cell_filter(filter, "lab", &cell));
			assert_int_equal(cell.digits, digits);
			assert_int_equal(cell.depth, depth);
			assert_int_equal(topic_parse(filter, "lab", &id), size == 1 ? TOPIC_CELL : TOPIC_UNKNOWN);
			assert_int_equal(id, size == 1 ? digits << 16 : 7);
		}
	}
}

static void what_is_no_cell_filter(void **state)
{
	static const char *const filters[] = {
		"",           "#",           "op",           "op/",          "op#",         "op/+",       "op/3",
		"op/3/",      "op/3#",       "op/3/+",       "op/+/#",       "op/#/",       "op/#/3",     "op/##",
		"op//#",      "op/g/#",      "op/F/#",       "op/3f/#",      "op/3/f/a",    "op/3/f/a/+", "op/3/f/a/0/",
		"op/3/f/a/g", "op/3/f/a/00", "op/3/f/a/0/#", "op/3/f/a/0/1", "op/ /#",      "op/-/#",     "/op/3/#",
		"ops/3/#",    "op-3/#",      "o/3/#",        "in/3fa01234",  "to/3/#",      "lab/op/3/#", "op/3/#\xff",
		"op/3/\xff",  "op/3/f/#0",   "Op/3/#",       "op/3/f/a/#/#", "op/3/f/a/0 ", "in/3/f/a/0", "put",
		"node/+",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		struct cell cell = {7, 7};

		if (topic_parse_cell_filter(filters[i], "", &cell))
			fail_msg("\"%s\" was taken", filters[i]);
		assert_true(cell.digits == 7 && cell.depth == 7);
	}
}

static void a_cell_filter_stands_under_its_prefix(void **state)
{
	struct cell cell;

	(void)state;
	assert_true(topic_parse_cell_filter("lab/op/3/#", "lab", &cell));
	assert_false(topic_parse_cell_filter("lab/op/3/#", "", &cell));
	assert_false(topic_parse_cell_filter("op/3/#", "lab", &cell));
	assert_false(topic_parse_cell_filter("labs/op/3/#", "lab", &cell));
	assert_false(topic_parse_cell_filter("lab-op/3/#", "lab", &cell));
	assert_false(topic_parse_cell_filter("lab/lab/op/3/#", "lab", &cell));
	assert_false(topic_parse_cell_filter("lab", "lab", &cell));
	assert_false(topic_parse_cell_filter("lab/", "lab", &cell));
	assert_false(topic_parse_cell_filter("la", "lab", &cell));
}

static void mutated_cell_filters(void **state)
{
	static const char alphabet[] = "/#0123456789abcdef+gGop \x80";
	struct random r = random_new();
	size_t taken = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		char filter[TOPIC_MAX], again[TOPIC_MAX];
		uint8_t depth = (uint8_t)random_below(&r, CELL_DIGITS + 1);
		uint16_t digits = (uint16_t)(random_below(&r, 1u << 4 * depth) << 4 * (CELL_DIGITS - depth));
		size_t len = topic_format_cell_filter(filter, "", (struct cell){digits, depth});
		struct cell cell;

		for (uint64_t n = random_below(&r, 3); n > 0; n--)
			filter[random_below(&r, len)] = alphabet[random_below(&r, sizeof(alphabet) - 1)];
		if (random_below(&r, 4) == 0)
			filter[random_below(&r, len)] = '\0';
		if (!topic_parse_cell_filter(filter, "", &cell))
			continue;
		topic_format_cell_filter(again, "", cell);
		assert_string_equal(again, filter);
		taken++;
	}
	assert_true(taken > 200000 / 4); /* what was not changed, at least */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cell_filters_written_by_hand), cmocka_unit_test(every_cell_filter),
		cmocka_unit_test(what_is_no_cell_filter),       cmocka_unit_test(a_cell_filter_stands_under_its_prefix),
		cmocka_unit_test(mutated_cell_filters),
	};

	return cmocka_run_group_tests_name("topic-cells", tests, NULL, NULL);
}
