/* Starts that come to nothing make the next one wait; those that are not the node's fault do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../daemon/backoff.h"

static char folder[] = "/tmp/test-backoff-XXXXXX";
static char path[64];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/starts", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static void each_waits_for_longer(void **state)
{
	static const unsigned waits[] = {0, 1, 2, 4, 8, 16, 32, 60, 60, 60};
	struct backoff b;

	(void)state;
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		backoff_begin(&b, folder);
		assert_int_equal(backoff_wait_s(&b), waits[i]);
		assert_int_equal(b.again, i > 0);
	}
	b.starts = 1000000;
	assert_int_equal(backoff_wait_s(&b), BACKOFF_MAX_S);
	backoff_over(&b);
	backoff_begin(&b, folder);
	assert_int_equal(backoff_wait_s(&b), 0);
	assert_false(b.again);
	backoff_over(&b);
}

static void who_waits_for_a_broker_need_not(void **state)
{
	struct backoff b;

	(void)state;
	for (int i = 0; i < 5; i++)
		backoff_begin(&b, folder);
	backoff_excuse(&b);
	backoff_begin(&b, folder);
	assert_int_equal(backoff_wait_s(&b), 0);
	assert_true(b.again);
	backoff_over(&b);
}

static void a_file_of_somebody_else(void **state)
{
	static const char *const texts[] = {"", "x", "-1", "99999999999999999999", "\n\n"};
	struct backoff b;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		FILE *file = fopen(path, "w");

		assert_non_null(file);
		fputs(texts[i], file);
		fclose(file);
		backoff_begin(&b, folder);
		assert_in_range(backoff_wait_s(&b), 0, BACKOFF_MAX_S);
	}
	backoff_over(&b);
}

static void without_a_folder_nothing_is_counted(void **state)
{
	static const char *const folders[] = {NULL, "", "relative", "/nowhere/at/all"};
	struct backoff b;

	(void)state;
	for (int i = 0; i < 8; i++) {
		backoff_begin(&b, folders[i % 4]);
		assert_int_equal(backoff_wait_s(&b), 0);
		assert_false(b.again);
		backoff_excuse(&b);
		backoff_over(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_waits_for_longer),
		cmocka_unit_test(who_waits_for_a_broker_need_not),
		cmocka_unit_test(a_file_of_somebody_else),
		cmocka_unit_test(without_a_folder_nothing_is_counted),
	};

	return cmocka_run_group_tests_name("backoff", tests, setup, teardown);
}
