/* What one operation on one record comes to: conditions, numbers at their edges, ends, tombstones. */
#include "core-fixture.h"

#include <stdio.h>
#include <string.h>

#include "../../daemon/core/core.h"

#define ID 77

struct bench {
	struct node *n;
	uint64_t counter;
	struct operation_result r;
};

static int setup(void **state)
{
	static struct bench b;
	struct node_config config;

	node_config_init(&config);
	config.id = 5;
	config.memory = 9;
	b = (struct bench){.n = node_new(&config)};
	b.n->now = 100000;
	*state = &b;
	return 0;
}

static int teardown(void **state)
{
	node_free(((struct bench *)*state)->n);
	return 0;
}

static enum operation_status write_op(struct bench *b, struct operation op)
{
	op.key = key_number(ID);
	b->r = (struct operation_result){0};
	operate_write(b->n, &op, (struct version){3, ++b->counter}, &b->r);
	return b->r.status;
}

static enum operation_status put(struct bench *b, const char *value, uint64_t life)
{
	return write_op(b, (struct operation){.kind = OPERATION_PUT,
					      .value = (const uint8_t *)value,
					      .value_len = strlen(value),
					      .life = life});
}

static enum operation_status add(struct bench *b, uint64_t amount)
{
	return write_op(b, (struct operation){.kind = OPERATION_ADD, .amount = amount});
}

static enum operation_status sub(struct bench *b, uint64_t amount)
{
	return write_op(b, (struct operation){.kind = OPERATION_SUB, .amount = amount});
}

static enum operation_status delete_it(struct bench *b)
{
	return write_op(b, (struct operation){.kind = OPERATION_DELETE});
}

static enum operation_status conditional(struct bench *b, enum operation_kind kind, enum operation_condition condition,
					 struct version version)
{
	return write_op(b, (struct operation){.kind = kind, .condition = condition, .version = version, .amount = 1});
}

static void expect(struct bench *b, const char *value)
{
	struct operation get = {.kind = OPERATION_GET, .key = key_number(ID)};
	struct operation_result r = {0};

	operate_read(b->n, &get, &r);
	assert_int_equal(r.status, value ? ANSWER_DONE : ANSWER_ABSENT);
	assert_int_equal(r.has_version, value != NULL);
	if (!value)
		return;
	assert_int_equal(r.value_len, strlen(value));
	assert_memory_equal(r.value, value, r.value_len);
	get.kind = OPERATION_LOOK;
	r = (struct operation_result){0};
	operate_read(b->n, &get, &r);
	assert_int_equal(r.status, ANSWER_DONE);
	assert_true(r.has_version);
	assert_null(r.value);
}

/* What a look tells of its life; 0: nothing. */
static int64_t left(struct bench *b)
{
	struct operation look = {.kind = OPERATION_LOOK, .key = key_number(ID)};
	struct operation_result r = {0};

	operate_read(b->n, &look, &r);
	assert_int_equal(r.status, ANSWER_DONE);
	assert_int_equal(r.has_amount, r.amount != 0);
	return r.amount;
}

static bool is_tombstone(struct bench *b, struct store_item *item)
{
	return store_get(b->n->store, key_number(ID), item) && item->deleted;
}

static void test_put_and_delete(void **state)
{
	struct bench *b = *state;
	struct store_item item;

	expect(b, NULL);
	assert_int_equal(put(b, "one", 0), ANSWER_DONE);
	assert_int_equal(b->r.version.counter, 1);
	assert_false(b->r.has_amount);
	expect(b, "one");
	assert_int_equal(put(b, "", 0), ANSWER_DONE);
	expect(b, "");
	assert_int_equal(delete_it(b), ANSWER_DONE);
	assert_int_equal(b->r.version.counter, 3);
	expect(b, NULL);
	assert_true(is_tombstone(b, &item));
	assert_int_equal(item.version.counter, 3);
	assert_int_equal(item.expires, b->n->now + b->n->config.tombstone);
	/* Of what is absent: it leaves a tombstone as well, later than the one before. */
	assert_int_equal(delete_it(b), ANSWER_ABSENT);
	assert_false(b->r.has_version);
	assert_true(is_tombstone(b, &item));
	assert_int_equal(item.version.counter, 4);
	assert_int_equal(put(b, "two", 0), ANSWER_DONE);
	expect(b, "two");
}

static void test_conditions(void **state)
{
	struct bench *b = *state;
	struct version none = {0}, first, now;

	/* There is nothing: whoever wants a version finds none, and is told none. */
	assert_int_equal(conditional(b, OPERATION_PUT, CONDITION_VERSION, (struct version){3, 1}), ANSWER_FAILED);
	assert_false(b->r.has_version);
	assert_int_equal(conditional(b, OPERATION_DELETE, CONDITION_VERSION, (struct version){3, 1}), ANSWER_FAILED);
	assert_int_equal(conditional(b, OPERATION_ADD, CONDITION_VERSION, (struct version){3, 1}), ANSWER_FAILED);
	expect(b, NULL);
	assert_int_equal(conditional(b, OPERATION_ADD, CONDITION_ABSENT, none), ANSWER_DONE);
	first = b->r.version;
	expect(b, "1");
	assert_int_equal(conditional(b, OPERATION_ADD, CONDITION_ABSENT, none), ANSWER_FAILED);
	assert_true(b->r.has_version);
	assert_true(version_equal(b->r.version, first)); /* the present one, not the one that it took */
	assert_false(b->r.has_amount);
	assert_int_equal(conditional(b, OPERATION_DELETE, CONDITION_ABSENT, none), ANSWER_FAILED);
	expect(b, "1");
	assert_int_equal(conditional(b, OPERATION_ADD, CONDITION_VERSION, first), ANSWER_DONE);
	now = b->r.version;
	expect(b, "2");
	assert_int_equal(conditional(b, OPERATION_ADD, CONDITION_VERSION, first), ANSWER_FAILED);
	assert_true(version_equal(b->r.version, now));
	assert_int_equal(
		conditional(b, OPERATION_ADD, CONDITION_VERSION, (struct version){now.number + 1, now.counter}),
		ANSWER_FAILED);
	assert_int_equal(conditional(b, OPERATION_DELETE, CONDITION_VERSION, now), ANSWER_DONE);
	/* A tombstone is nothing, whatever version it has. */
	assert_int_equal(conditional(b, OPERATION_PUT, CONDITION_VERSION, b->r.version), ANSWER_FAILED);
	assert_false(b->r.has_version);
	assert_int_equal(conditional(b, OPERATION_PUT, CONDITION_ABSENT, none), ANSWER_DONE);
}

static void test_sums(void **state)
{
	struct bench *b = *state;

	assert_int_equal(add(b, 5), ANSWER_DONE); /* to nothing: to 0 */
	assert_true(b->r.has_amount);
	assert_int_equal(b->r.amount, 5);
	assert_int_equal(sub(b, 7), ANSWER_DONE);
	assert_int_equal(b->r.amount, -2);
	expect(b, "-2");
	assert_int_equal(add(b, 0), ANSWER_DONE);
	expect(b, "-2");
	delete_it(b);
	assert_int_equal(sub(b, 1), ANSWER_DONE);
	expect(b, "-1");
}

static void test_sums_at_the_edges(void **state)
{
	struct bench *b = *state;

	put(b, "9223372036854775806", 0);
	assert_int_equal(add(b, 1), ANSWER_DONE);
	expect(b, "9223372036854775807");
	assert_int_equal(add(b, 1), ANSWER_WRONG);
	assert_true(b->r.has_version); /* of what stands */
	assert_int_equal(b->r.version.counter, 2);
	assert_false(b->r.has_amount);
	expect(b, "9223372036854775807");
	/* What is added has no sign: twice as far, from one edge to the other. */
	assert_int_equal(sub(b, UINT64_MAX), ANSWER_DONE);
	expect(b, "-9223372036854775808");
	assert_int_equal(b->r.amount, INT64_MIN);
	assert_int_equal(sub(b, 1), ANSWER_WRONG);
	assert_int_equal(sub(b, UINT64_MAX), ANSWER_WRONG);
	assert_int_equal(add(b, UINT64_MAX), ANSWER_DONE);
	expect(b, "9223372036854775807");
	put(b, "-1", 0);
	assert_int_equal(sub(b, INT64_MAX), ANSWER_DONE);
	expect(b, "-9223372036854775808");
	put(b, "1", 0);
	assert_int_equal(add(b, UINT64_MAX), ANSWER_WRONG);
	assert_int_equal(sub(b, (uint64_t)1 << 63), ANSWER_DONE);
	expect(b, "-9223372036854775807");
	delete_it(b);
	assert_int_equal(sub(b, ((uint64_t)1 << 63) + 1), ANSWER_WRONG); /* there is one more below 0, and no two */
	assert_int_equal(add(b, (uint64_t)1 << 63), ANSWER_WRONG);
	expect(b, NULL);
	assert_int_equal(sub(b, (uint64_t)1 << 63), ANSWER_DONE);
	expect(b, "-9223372036854775808");
}

static void test_numbers(void **state)
{
	static const char *const numbers[] = {"0",
					      "-0",
					      "007",
					      "0000000000000000007",
					      "-0000000000000000007",
					      "9223372036854775806",
					      "-9223372036854775808"};
	static const char *const others[] = {"",
					     "-",
					     "+1",
					     "1 ",
					     " 1",
					     "1.0",
					     "0x1",
					     "--1",
					     "1-",
					     "1/",
					     "1:",
					     "00000000000000000007", /* 20 digits */
					     "9223372036854775808",
					     "-9223372036854775809",
					     "9999999999999999999",
					     "nought"};
	struct bench *b = *state;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		put(b, numbers[i], 0);
		if (add(b, 1) != ANSWER_DONE)
			fail_msg("'%s' is no number", numbers[i]);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		put(b, others[i], 0);
		if (add(b, 1) != ANSWER_WRONG)
			fail_msg("'%s' is a number", others[i]);
		assert_true(b->r.has_version);
		expect(b, others[i]);
	}
	write_op(b, (struct operation){.kind = OPERATION_PUT, .value = (const uint8_t *)"1\0", .value_len = 2});
	assert_int_equal(add(b, 1), ANSWER_WRONG);
}

/* ---- ends ---- */

static void test_life(void **state)
{
	struct bench *b = *state;
	struct store_item item;

	put(b, "one", 10);
	assert_int_equal(left(b), 10);
	b->n->now += 9;
	assert_int_equal(left(b), 1);
	expect(b, "one");
	b->n->now += 1;
	expect(b, NULL);
	/* Buried before anybody was told, with its own version: what comes later is later, and an old copy is not. */
	assert_true(is_tombstone(b, &item));
	assert_int_equal(item.version.counter, 1);
	assert_int_equal(item.expires, b->n->now + b->n->config.tombstone);
	assert_int_equal(put(b, "two", 0), ANSWER_DONE);
	b->n->now += 1000000;
	expect(b, "two");
	assert_int_equal(left(b), 0);
	/* A put without one is for ever, whatever was there. */
	put(b, "three", 10);
	put(b, "four", 0);
	b->n->now += 10;
	expect(b, "four");
}

/* For whoever writes it is gone at its end as well. */
static void test_life_of_others(void **state)
{
	struct bench *b = *state;

	put(b, "5", 10);
	b->n->now += 10;
	assert_int_equal(conditional(b, OPERATION_PUT, CONDITION_VERSION, (struct version){3, 1}), ANSWER_FAILED);
	assert_false(b->r.has_version);
	put(b, "5", 10);
	b->n->now += 10;
	assert_int_equal(delete_it(b), ANSWER_ABSENT);
	put(b, "5", 10);
	b->n->now += 10;
	assert_int_equal(add(b, 1), ANSWER_DONE);
	assert_int_equal(b->r.amount, 1);
	b->n->now += 10;
	expect(b, "1"); /* which has none */
	delete_it(b);
	put(b, "5", 10);
	b->n->now += 10;
	assert_int_equal(conditional(b, OPERATION_ADD, CONDITION_ABSENT, (struct version){0}), ANSWER_DONE);
}

/* An add without a life leaves it as it is. */
static void test_life_of_sums(void **state)
{
	struct bench *b = *state;

	put(b, "5", 10);
	b->n->now += 5;
	add(b, 1);
	b->n->now += 4;
	expect(b, "6");
	b->n->now += 1;
	expect(b, NULL);
	put(b, "6", 10);
	write_op(b, (struct operation){.kind = OPERATION_ADD, .amount = 1, .life = 20});
	b->n->now += 19;
	expect(b, "7");
	b->n->now += 1;
	expect(b, NULL);
}

static void test_life_beyond_all_clocks(void **state)
{
	struct bench *b = *state;
	struct store_item item;

	put(b, "one", UINT64_MAX);
	assert_true(store_get(b->n->store, key_number(ID), &item));
	assert_int_equal(item.expires, 0);
	put(b, "one", UINT64_MAX - b->n->now);
	expect(b, "one");
	put(b, "one", UINT64_MAX - b->n->now + 1);
	expect(b, "one");
}

/* Names and numbers of one id are records of their own. */
static void test_names(void **state)
{
	struct bench *b = *state;
	struct key name = key_named((const uint8_t *)"name", 4);
	struct operation op = {.kind = OPERATION_PUT, .key = name, .value = (const uint8_t *)"named", .value_len = 5};
	struct operation_result r = {0};

	operate_write(b->n, &op, (struct version){3, 1}, &r);
	op = (struct operation){.kind = OPERATION_GET, .key = key_number(name.id)};
	operate_read(b->n, &op, &r);
	assert_int_equal(r.status, ANSWER_ABSENT);
	op.key = name;
	operate_read(b->n, &op, &r);
	assert_int_equal(r.status, ANSWER_DONE);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_put_and_delete),
		TEST(test_conditions),
		TEST(test_sums),
		TEST(test_sums_at_the_edges),
		TEST(test_numbers),
		TEST(test_life),
		TEST(test_life_of_others),
		TEST(test_life_of_sums),
		TEST(test_life_beyond_all_clocks),
		TEST(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
