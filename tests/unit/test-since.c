/* A moment as people type it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "../../tools/since.h"

#define SECOND 1000000ull
#define NOW (1795698336 * SECOND) /* 2026-11-26 13:05:36 UTC, 14:05:36 in Berlin */
#define MIDNIGHT (NOW - 14 * 3600 * SECOND - 5 * 60 * SECOND - 36 * SECOND)

static uint64_t parsed(const char *text)
{
	uint64_t since = 1;

	if (!since_parse(text, NOW, &since)) {
		print_message("'%s'\n", text);
		fail();
	}
	return since;
}

static void refused(const char *text)
{
	uint64_t since;

	if (since_parse(text, NOW, &since)) {
		print_message("'%s'\n", text);
		fail();
	}
}

static void so_long_ago(void **state)
{
	(void)state;
	assert_int_equal(parsed("0s"), NOW);
	assert_int_equal(parsed("90s"), NOW - 90 * SECOND);
	assert_int_equal(parsed("10m"), NOW - 600 * SECOND);
	assert_int_equal(parsed("10min"), NOW - 600 * SECOND);
	assert_int_equal(parsed("2h"), NOW - 7200 * SECOND);
	assert_int_equal(parsed("3d"), NOW - 3 * 86400 * SECOND);
	assert_int_equal(parsed("999999d"), 0); /* before 1970 */
}

static void a_time_of_day_is_the_last_such_one(void **state)
{
	(void)state;
	assert_int_equal(parsed("14:05"), NOW - 36 * SECOND);
	assert_int_equal(parsed("14:05:36"), NOW);
	assert_int_equal(parsed("14:05:35.75"), NOW - SECOND / 4);
	assert_int_equal(parsed("14:05:37"), NOW + SECOND - 86400 * SECOND);
	assert_int_equal(parsed("14:06"), NOW + 24 * SECOND - 86400 * SECOND);
	assert_int_equal(parsed("00:00"), MIDNIGHT);
}

static void days(void **state)
{
	(void)state;
	assert_int_equal(parsed("today"), MIDNIGHT);
	assert_int_equal(parsed("yesterday"), MIDNIGHT - 86400 * SECOND);
	assert_int_equal(parsed("2026-11-26"), MIDNIGHT);
	assert_int_equal(parsed("2026-11-25"), MIDNIGHT - 86400 * SECOND);
	/* an hour less in winter */
	assert_int_equal(parsed("2026-06-26 14:05:36"), NOW - (153 * 86400 + 3600) * SECOND);
}

static void dates(void **state)
{
	(void)state;
	assert_int_equal(parsed("2026-11-26 14:05"), NOW - 36 * SECOND);
	assert_int_equal(parsed("2026-11-26 14:05:36"), NOW);
	assert_int_equal(parsed("2026-11-26 14:05:36.123"), NOW + 123000);
	assert_int_equal(parsed("2026-11-26T14:05:36"), NOW);
	assert_int_equal(parsed("2026-11-26T13:05:36Z"), NOW);
	assert_int_equal(parsed("2026-11-26T13:05:36.123456Z"), NOW + 123456);
	assert_int_equal(parsed("2026-11-26T13:05:36.1234567Z"), NOW + 123456);
	assert_int_equal(parsed("2027-01-01"), MIDNIGHT + 36 * 86400 * SECOND); /* to come: nothing is said then */
	assert_int_equal(parsed("2024-02-29T00:00Z"), 1709164800 * SECOND);
}

static void what_is_no_moment(void **state)
{
	static const char *const texts[] = {"",
					    " ",
					    "10",
					    "m",
					    "10 m",
					    "10x",
					    "-10m",
					    "1.5h",
					    "1000000d",
					    "99999999999999999999999d",
					    "10mm",
					    "tomorrow",
					    "Today",
					    "24:00",
					    "12:60",
					    "12:00:60",
					    "1:00",
					    "12",
					    "12:",
					    "12:00:",
					    "12:00:5",
					    "12:00.5",
					    "12:00:00.",
					    "2026",
					    "2026-11",
					    "2026-11-31",
					    "2026-02-29",
					    "2026-00-01",
					    "2026-13-01",
					    "2026-01-00",
					    "26-11-26",
					    "1969-12-30",
					    "2026-11-26 ",
					    "2026-11-26T",
					    "2026-11-26 24:00",
					    "2026-11-26 13:05Z",
					    "2026-11-26Z",
					    "2026-11-26T13:05:36+01",
					    "2026-11-26T13:05:36ZZ",
					    "2026-11-26  13:05",
					    "@1795698336"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		refused(texts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_long_ago),
		cmocka_unit_test(a_time_of_day_is_the_last_such_one),
		cmocka_unit_test(days),
		cmocka_unit_test(dates),
		cmocka_unit_test(what_is_no_moment),
	};

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	return cmocka_run_group_tests_name("since", tests, NULL, NULL);
}
