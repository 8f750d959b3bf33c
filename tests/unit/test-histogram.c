/* Times in a histogram: never told too short, and at most 1/128 too long, whatever they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../tools/histogram.h"

static void one_time_of_any_size(void **state)
{
	struct histogram *h = calloc(1, sizeof(*h));

	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		for (uint64_t off = 0; off < 400; off++) {
			uint64_t value = (UINT64_C(1) << bit) + off * (UINT64_C(1) << bit) / 400, told;

			memset(h, 0, sizeof(*h));
			histogram_add(h, value);
			histogram_add(h, UINT64_MAX); /* or the greatest would be told exactly */
			told = histogram_at(h, 50000);
			assert_true(told >= value);
			assert_true(told - value <= value / 128);
			assert_true(h->min == value && h->max == UINT64_MAX && h->count == 2);
		}
	}
	free(h);
}

static void percentiles(void **state)
{
	static const struct {
		uint32_t of_100000;
		uint64_t least;
	} rows[] = {{1, 1}, {50000, 5000}, {95000, 9500}, {99000, 9900}, {99900, 9990}, {100000, 10000}};
	struct histogram *h = calloc(1, sizeof(*h)), *both = calloc(1, sizeof(*both));

	(void)state;
	assert_int_equal(histogram_at(h, 50000), 0);
	for (uint64_t i = 1; i <= 10000; i++)
		histogram_add(h, i);
	histogram_merge(both, h);
	histogram_merge(both, h);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t told = histogram_at(h, rows[i].of_100000);

		assert_in_range(told, rows[i].least, rows[i].least + rows[i].least / 128);
		assert_int_equal(histogram_at(both, rows[i].of_100000), told);
	}
	assert_int_equal(histogram_at(h, 100000), 10000);
	assert_int_equal(both->count, 20000);
	assert_int_equal(both->sum, 2 * 50005000);
	assert_int_equal(both->min, 1);
	free(h);
	free(both);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_time_of_any_size),
		cmocka_unit_test(percentiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
