/* REQUEST and ANSWER: what we write is read back, its bytes stay what they are, and nothing senseless is written. */
#define _POSIX_C_SOURCE 200809L /* fork */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "operation-check.h"

#define NAME(literal)                                                               \
	{                                                                           \
		.name = (const uint8_t *)(literal), .name_len = sizeof(literal) - 1 \
	}
#define NUMBER UINT64_C(0x700000000)
#define TOKEN                          \
	{                              \
		NUMBER, 42, 0xdeadbeef \
	}

/* The wire itself: whoever changes one of these bytes speaks another version. */
static void golden_request(void **state)
{
	static const uint8_t golden[] = "\xa7\x00\x01\x01\x18\x1d"
					"\x18\x18\x50\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
					"\x18\x19\x1a\x07\x5b\xcd\x15"
					"\x18\x1a\x19\x01\x00"
					"\x18\x1b\x83\x1b\x00\x00\x00\x07\x00\x00\x00\x00\x18\x2a\x1a\xde\xad\xbe\xef"
					"\x18\x1c\x87"
					"\x83\x00\x01\x18\x2a"
					"\x83\x01\x02\x41\x6b"
					"\x84\x02\x03\x41\x6e\x42\x00\xff"
					"\x85\x03\x03\x1a\xff\xff\xff\xff\x40\x00"
					"\x85\x18\x18\x04\x00\xf6\x82\x1b\x00\x00\x00\x07\x00\x00\x00\x00\x05"
					"\x86\x19\x01\x00\x05\x00\x01\xf6\x19\xea\x60"
					"\x86\x19\xff\xff\x06\x00\x1b\xff\xff\xff\xff\xff\xff\xff\xff\x00\x01";
	struct operation operations[] = {
		{.offset = 0, .kind = OPERATION_GET, .key = {.id = 42}},
		{.offset = 1, .kind = OPERATION_LOOK, .key = NAME("k")},
		{.offset = 2,
		 .kind = OPERATION_PUT,
		 .key = NAME("n"),
		 .value = (const uint8_t *)"\x00\xff",
		 .value_len = 2},
		{.offset = 3, .kind = OPERATION_PUT, .key = {.id = UINT32_MAX}, .condition = CONDITION_ABSENT},
		{.offset = 24, .kind = OPERATION_DELETE, .condition = CONDITION_VERSION, .version = {NUMBER, 5}},
		{.offset = 256, .kind = OPERATION_ADD, .amount = 1, .life = 60000},
		{.offset = 65535,
		 .kind = OPERATION_SUB,
		 .amount = UINT64_MAX,
		 .condition = CONDITION_ABSENT,
		 .life = 1},
	};
	struct operation_request r = {.client = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
				      .base = 123456789,
				      .first = 256,
				      .token = TOKEN,
				      .operations = operations,
				      .count = sizeof(operations) / sizeof(operations[0])};
	size_t len;
	uint8_t *bytes = operation_encode_request(&r, &len);

	(void)state;
	assert_int_equal(len, sizeof(golden) - 1);
	assert_memory_equal(bytes, golden, len);
	assert_request_round_trip(&r);
	free(bytes);
}

static void golden_answer(void **state)
{
	static const uint8_t golden[] = "\xa7\x00\x01\x01\x18\x1e"
					"\x0b\x82\x01\x1a\x40\x00\x00\x00"
					"\x18\x19\x1a\x07\x5b\xcd\x15"
					"\x18\x1b\x83\x1b\x00\x00\x00\x07\x00\x00\x00\x00\x18\x2a\x1a\xde\xad\xbe\xef"
					"\x18\x1d\x8b"
					"\x83\x00\x01\x18\x2a"
					"\x84\x01\x01\x01\x42\x68\x69"
					"\x84\x02\x01\x05\x20"
					"\x84\x03\x01\x82\x1b\x00\x00\x00\x06\x00\x00\x00\x00\x07\x0a"
					"\x82\x04\x02"
					"\x83\x05\x03\x82\x00\x09"
					"\x82\x06\x04"
					"\x82\x07\x05"
					"\x82\x08\x06"
					"\x82\x18\x18\x07"
					"\x84\x19\xff\xff\x01\x01\x40"
					"\x18\x1e\x1a\x3f\xa0\x12\x34";
	struct operation_result results[] = {
		{.offset = 0, .status = ANSWER_DONE, .has_version = true, .version = {NUMBER, 42}},
		{.offset = 1,
		 .status = ANSWER_DONE,
		 .has_version = true,
		 .version = {NUMBER, 1},
		 .value = (const uint8_t *)"hi",
		 .value_len = 2},
		{.offset = 2,
		 .status = ANSWER_DONE,
		 .has_version = true,
		 .version = {NUMBER, 5},
		 .has_amount = true,
		 .amount = -1},
		{.offset = 3,
		 .status = ANSWER_DONE,
		 .has_version = true,
		 .version = {UINT64_C(0x600000000), 7},
		 .has_amount = true,
		 .amount = 10},
		{.offset = 4, .status = ANSWER_ABSENT},
		{.offset = 5, .status = ANSWER_FAILED, .has_version = true, .version = {0, 9}},
		{.offset = 6, .status = ANSWER_WRONG},
		{.offset = 7, .status = ANSWER_TOKEN},
		{.offset = 8, .status = ANSWER_UNKNOWN},
		{.offset = 24, .status = ANSWER_MOVED},
		{.offset = 65535,
		 .status = ANSWER_DONE,
		 .has_version = true,
		 .version = {NUMBER, 1},
		 .value = (const uint8_t *)""},
	};
	struct operation_answer a = {.owner = 0x3fa01234,
				     .arc_set = true,
				     .arc = {1, 0x40000000},
				     .base = 123456789,
				     .token = TOKEN,
				     .results = results,
				     .count = sizeof(results) / sizeof(results[0])};
	size_t len;
	uint8_t *bytes = operation_encode_answer(&a, &len);

	(void)state;
	assert_int_equal(len, sizeof(golden) - 1);
	assert_memory_equal(bytes, golden, len);
	assert_answer_round_trip(&a);
	free(bytes);
}

/* What is zero or empty is left out. */
static void golden_least(void **state)
{
	static const uint8_t request[] =
		"\xa4\x00\x01\x01\x18\x1d\x18\x18\x50\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x18\x19\x01";
	static const uint8_t answer[] = "\xa4\x00\x01\x01\x18\x1e\x18\x19\x01\x18\x1e\x00";
	struct operation_request r = {.base = 1};
	struct operation_answer a = {.base = 1};
	size_t len;
	uint8_t *bytes = operation_encode_request(&r, &len);

	(void)state;
	assert_int_equal(len, sizeof(request) - 1);
	assert_memory_equal(bytes, request, len);
	free(bytes);
	bytes = operation_encode_answer(&a, &len);
	assert_int_equal(len, sizeof(answer) - 1);
	assert_memory_equal(bytes, answer, len);
	free(bytes);
}

static void random_frames(void **state)
{
	struct operation_room *room = operations_rooms(1);
	struct random r = random_new();
	uint8_t *pool = operations_pool(&r);

	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct operation_request request = operations_request(&r, room, pool);
		struct operation_answer answer;

		assert_request_round_trip(&request);
		answer = operations_answer(&r, room, pool);
		assert_answer_round_trip(&answer);
	}
	free(pool);
	free(room);
}

/* Every count and number at its bound: what the encoder measures must be enough, and is what operation_size says. */
static void the_largest_frames(void **state)
{
	const struct version version = {UINT64_MAX, UINT64_MAX};
	const struct operation_token token = {UINT64_MAX - 1, UINT64_MAX, UINT32_MAX};
	struct operation_room *room = operations_rooms(1);
	struct operation_request r = {.base = OPERATION_BASE_MAX,
				      .first = UINT64_MAX,
				      .token = token,
				      .operations = room->operations,
				      .count = OPERATION_COUNT_MAX};
	struct operation_answer a = {.owner = UINT32_MAX,
				     .arc_set = true,
				     .arc = {UINT32_MAX, UINT32_MAX},
				     .base = OPERATION_BASE_MAX,
				     .token = token,
				     .results = room->results,
				     .count = OPERATION_COUNT_MAX};
	size_t len;

	(void)state;
	for (size_t i = 0; i < OPERATION_COUNT_MAX; i++)
		room->operations[i] = (struct operation){.key = {.id = UINT32_MAX},
							 .amount = UINT64_MAX,
							 .version = version,
							 .life = UINT64_MAX,
							 .offset = OPERATION_OFFSET_MAX,
							 .sum = UINT32_MAX,
							 .kind = OPERATION_ADD,
							 .condition = CONDITION_VERSION};
	assert_request_round_trip(&r);
	free(operation_encode_request(&r, &len));
	/* and no more than is needed */
	assert_in_range(len, OPERATION_COUNT_MAX * operation_size(room->operations), SIZE_MAX);
	for (size_t i = 0; i < OPERATION_COUNT_MAX; i++)
		room->results[i] = (struct operation_result){.amount = INT64_MIN,
							     .version = version,
							     .sum = UINT32_MAX,
							     .offset = OPERATION_OFFSET_MAX,
							     .status = ANSWER_DONE,
							     .has_version = true,
							     .has_amount = true};
	assert_answer_round_trip(&a);
	free(operation_encode_answer(&a, &len));
	assert_in_range(len, OPERATION_COUNT_MAX * operation_result_size(room->results), SIZE_MAX);
	free(room);
}

static void the_largest_strings(void **state)
{
	uint8_t *value = calloc(1, OPERATION_VALUE_MAX);
	struct operation op = {.kind = OPERATION_PUT,
			       .key = key_named(value, KEY_NAME_MAX),
			       .value = value,
			       .value_len = OPERATION_VALUE_MAX};
	struct operation_request r = {.base = 1, .operations = &op, .count = 1};
	struct operation_result result = {
		.status = ANSWER_DONE, .has_version = true, .value = value, .value_len = OPERATION_VALUE_MAX};
	struct operation_answer a = {.base = 1, .results = &result, .count = 1};

	(void)state;
	assert_non_null(value);
	memset(value, 0xa5, OPERATION_VALUE_MAX);
	assert_request_round_trip(&r);
	assert_answer_round_trip(&a);
	free(value);
}

/* The vectors are XXH32's own. */
static void ids(void **state)
{
	static const struct {
		const char *name;
		uint32_t id;
	} rows[] = {
		{"a", 0x550d7456},
		{"abc", 0x32d153ff},
		{"Nobody inspects the spammish repetition", 0xe2293b2f},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(key_named((const uint8_t *)rows[i].name, strlen(rows[i].name)).id, rows[i].id);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(operation_kind_name(OPERATION_GET), "get");
	assert_string_equal(operation_kind_name(OPERATION_SUB), "sub");
	assert_string_equal(operation_kind_name(OPERATION_KINDS), "unknown");
	assert_string_equal(operation_status_name(ANSWER_DONE), "done");
	assert_string_equal(operation_status_name(ANSWER_MOVED), "moved");
	assert_string_equal(operation_status_name(ANSWER_STATUSES), "not a status");
	for (int kind = OPERATION_NONE; kind < OPERATION_KINDS; kind++)
		assert_non_null(operation_kind_name((enum operation_kind)kind));
	for (int status = ANSWER_NONE; status < ANSWER_STATUSES; status++)
		assert_non_null(operation_status_name((enum operation_status)status));
}

/* Whether a child that writes that ends by abort. */
static bool dies(const struct operation_request *r, const struct operation_answer *a)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		size_t len;

		if (!freopen("/dev/null", "w", stderr))
			_exit(2);
		free(r ? operation_encode_request(r, &len) : operation_encode_answer(a, &len));
		_exit(0);
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void senseless_operations_are_not_written(void **state)
{
	static uint8_t value[1];
	struct operation rows[] = {
		{.kind = OPERATION_PUT, .value = value, .value_len = 1}, /* this one is */
		{.kind = OPERATION_NONE},
		{.kind = OPERATION_KINDS},
		{.kind = OPERATION_GET, .offset = OPERATION_OFFSET_MAX + 1},
		{.kind = OPERATION_GET, .value = value},
		{.kind = OPERATION_GET, .amount = 1},
		{.kind = OPERATION_LOOK, .condition = CONDITION_ABSENT},
		{.kind = OPERATION_GET, .life = 1},
		{.kind = OPERATION_DELETE, .life = 1},
		{.kind = OPERATION_PUT, .amount = 1},
		{.kind = OPERATION_ADD, .value = value},
		{.kind = OPERATION_DELETE, .condition = (enum operation_condition)(CONDITION_VERSION + 1)},
		{.kind = OPERATION_GET, .key = {.name = value, .name_len = KEY_NAME_MAX + 1}},
		{.kind = OPERATION_PUT, .value = value, .value_len = OPERATION_VALUE_MAX + 1},
	};
	struct operation_request r = {.base = 1, .count = 1};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		r.operations = &rows[i];
		if (dies(&r, NULL) != (i > 0))
			fail_msg("operation %zu", i);
	}
	r = (struct operation_request){.base = 0};
	assert_true(dies(&r, NULL));
	r.base = OPERATION_BASE_MAX + 1;
	assert_true(dies(&r, NULL));
	r = (struct operation_request){.base = 1, .operations = rows, .count = OPERATION_COUNT_MAX + 1};
	assert_true(dies(&r, NULL));
}

static void senseless_answers_are_not_written(void **state)
{
	static uint8_t value[1];
	struct operation_result rows[] = {
		{.status = ANSWER_DONE, .has_version = true, .value = value, .value_len = 1}, /* this one is */
		{.status = ANSWER_NONE},
		{.status = ANSWER_STATUSES},
		{.status = ANSWER_DONE},
		{.status = ANSWER_DONE, .has_version = true, .value = value, .has_amount = true},
		{.status = ANSWER_DONE, .has_version = true, .value = value, .value_len = OPERATION_FOUND_MAX + 1},
		{.status = ANSWER_ABSENT, .offset = OPERATION_OFFSET_MAX + 1},
		{.status = ANSWER_FAILED, .value = value},
		{.status = ANSWER_WRONG, .has_amount = true},
		{.status = ANSWER_TOKEN, .has_version = true},
		{.status = ANSWER_UNKNOWN, .has_version = true},
		{.status = ANSWER_MOVED, .has_version = true},
	};
	struct operation_answer a = {.base = 1, .count = 1};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		a.results = &rows[i];
		if (dies(NULL, &a) != (i > 0))
			fail_msg("answer %zu", i);
	}
	a = (struct operation_answer){.base = 0};
	assert_true(dies(NULL, &a));
	a = (struct operation_answer){.base = 1, .token = TOKEN};
	assert_true(dies(NULL, &a));
	a = (struct operation_answer){.base = 1, .results = rows, .count = OPERATION_COUNT_MAX + 1};
	assert_true(dies(NULL, &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_request),
		cmocka_unit_test(golden_answer),
		cmocka_unit_test(golden_least),
		cmocka_unit_test(random_frames),
		cmocka_unit_test(the_largest_frames),
		cmocka_unit_test(the_largest_strings),
		cmocka_unit_test(ids),
		cmocka_unit_test(names),
		cmocka_unit_test(senseless_operations_are_not_written),
		cmocka_unit_test(senseless_answers_are_not_written),
	};

	return cmocka_run_group_tests_name("operation", tests, NULL, NULL);
}
