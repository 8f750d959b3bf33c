/* The search for a linearization: histories with known verdicts, and the traps that checkers have fallen into. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "../sim/linear.h"
#include "../sim/random.h"

#define BOUND 100000
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define PUT(from, to, v)                                                      \
	{                                                                     \
		.kind = LINEAR_PUT, .call = (from), .ret = (to), .value = (v) \
	}
#define PUT_MAYBE(from, v)                                                                \
	{                                                                                 \
		.kind = LINEAR_PUT, .outcome = LINEAR_MAYBE, .call = (from), .value = (v) \
	}
#define GET(from, to, v)                                                      \
	{                                                                     \
		.kind = LINEAR_GET, .call = (from), .ret = (to), .value = (v) \
	}
#define DELETE(from, to)                                           \
	{                                                          \
		.kind = LINEAR_DELETE, .call = (from), .ret = (to) \
	}
#define DELETE_MAYBE(from)                                                     \
	{                                                                      \
		.kind = LINEAR_DELETE, .outcome = LINEAR_MAYBE, .call = (from) \
	}
#define CAS(from, to, e, v)                                                                    \
	{                                                                                      \
		.kind = LINEAR_CAS, .call = (from), .ret = (to), .expected = (e), .value = (v) \
	}

static void expect(enum linear_verdict verdict, const struct linear_op *ops, size_t count)
{
	assert_string_equal(linear_verdict_name(linear_check(ops, count, BOUND)), linear_verdict_name(verdict));
}
#define YES(...) EXPECT(LINEAR_YES, __VA_ARGS__)
#define NO(...) EXPECT(LINEAR_NO, __VA_ARGS__)
#define EXPECT(verdict, ...)                                  \
	do {                                                  \
		const struct linear_op ops[] = {__VA_ARGS__}; \
		expect(verdict, ops, COUNT(ops));             \
	} while (0)

static void test_registers(void **state)
{
	(void)state;
	expect(LINEAR_YES, NULL, 0);
	YES(GET(1, 2, LINEAR_ABSENT), PUT(3, 4, 7), GET(5, 6, 7));
	NO(PUT(3, 4, 7), GET(5, 6, LINEAR_ABSENT));
	NO(GET(1, 2, 7), PUT(3, 4, 7));
	YES(PUT(1, 10, 7), GET(2, 3, LINEAR_ABSENT), GET(4, 5, 7));
	/* Once the new value has been read, the old one is gone, though the put is still under way. */
	NO(PUT(1, 10, 7), GET(2, 3, 7), GET(4, 5, LINEAR_ABSENT));
	YES(PUT(1, 2, 7), PUT(3, 10, 8), GET(4, 5, 7), GET(6, 7, 8));
	NO(PUT(1, 2, 7), PUT(3, 10, 8), GET(4, 5, 8), GET(6, 7, 7));
	/* A value that nobody wrote. */
	NO(PUT(1, 2, 7), GET(3, 4, 8));
	/* Two puts at one time, in either order, but in one. */
	YES(PUT(1, 4, 7), PUT(1, 4, 8), GET(5, 6, 7), GET(7, 8, 7));
	NO(PUT(1, 4, 7), PUT(1, 4, 8), GET(5, 6, 7), GET(7, 8, 8));
	/* One value written twice, as by a client that says everything twice. */
	YES(PUT(1, 2, 7), PUT(3, 4, 8), PUT(5, 6, 7), GET(7, 8, 7));
	YES(PUT(1, 9, 7), PUT(2, 8, 7), PUT(3, 4, 8), GET(5, 6, 7), GET(10, 11, 7));
}

/* Keys are registers of their own. */
static void test_keys(void **state)
{
	struct linear_op ops[] = {PUT(1, 2, 7), GET(3, 4, LINEAR_ABSENT)};

	(void)state;
	expect(LINEAR_NO, ops, COUNT(ops));
	ops[1].key = 5;
	expect(LINEAR_YES, ops, COUNT(ops));
}

/* No answer: at any time from the call on, or never; neither dropped nor taken for a failure. */
static void test_unknown_outcomes(void **state)
{
	(void)state;
	YES(PUT_MAYBE(1, 7), GET(2, 3, LINEAR_ABSENT), GET(4, 5, LINEAR_ABSENT));
	YES(PUT_MAYBE(1, 7), GET(2, 3, LINEAR_ABSENT), PUT(4, 5, 8), GET(6, 7, 8), GET(100, 101, 7));
	NO(PUT_MAYBE(1, 7), GET(2, 3, 7), GET(4, 5, LINEAR_ABSENT));
	/* Not before its call, and once only. */
	NO(GET(1, 2, 7), PUT_MAYBE(3, 7));
	NO(PUT_MAYBE(1, 7), GET(2, 3, 7), PUT(4, 5, 8), GET(6, 7, 8), GET(8, 9, 7));
	YES(PUT(1, 2, 7), DELETE_MAYBE(3), GET(4, 5, 7), GET(6, 7, LINEAR_ABSENT));
	NO(PUT(1, 2, 7), DELETE_MAYBE(3), GET(4, 5, LINEAR_ABSENT), GET(6, 7, 7));
	/* A compare-and-set without an answer may have been one that compared well. */
	YES({.kind = LINEAR_PUT, .call = 1, .ret = 2, .value = 7, .version = 3},
	    {.kind = LINEAR_CAS, .outcome = LINEAR_MAYBE, .call = 3, .expected = 3, .value = 8}, GET(5, 6, 8));
	NO({.kind = LINEAR_PUT, .call = 1, .ret = 2, .value = 7, .version = 3},
	   {.kind = LINEAR_CAS, .outcome = LINEAR_MAYBE, .call = 3, .expected = 2, .value = 8}, GET(5, 6, 8));
}

#define ADD(from, to, n, sum)                                                                    \
	{                                                                                        \
		.kind = LINEAR_ADD, .call = (from), .ret = (to), .value = (n), .expected = (sum) \
	}
#define ADD_MAYBE(from, n)                                                                \
	{                                                                                 \
		.kind = LINEAR_ADD, .outcome = LINEAR_MAYBE, .call = (from), .value = (n) \
	}

static void test_adds(void **state)
{
	(void)state;
	YES(ADD(1, 2, 1, 1), ADD(3, 4, 1, 2), GET(5, 6, 2));
	YES(PUT(1, 2, 1000), ADD(3, 9, 1, 1002), ADD(3, 9, 1, 1001), GET(10, 11, 1002));
	/* Done twice; not done; one lost beside another; both before the put. */
	NO(ADD(1, 2, 1, 1), ADD(3, 4, 1, 3));
	NO(ADD(1, 2, 1, 1), ADD(3, 4, 1, 2), GET(5, 6, 3));
	NO(ADD(1, 2, 1, 1), GET(3, 4, LINEAR_ABSENT));
	NO(ADD(1, 9, 1, 1), ADD(1, 9, 1, 1));
	NO(PUT(1, 2, 1000), ADD(3, 4, 1, 1));
	YES(PUT(1, 2, 1000), DELETE(3, 5), ADD(4, 6, 1, 1));
	/* Without an answer: once, or never. */
	YES(ADD(1, 2, 1, 1), ADD_MAYBE(3, 1), GET(4, 5, 1), GET(6, 7, 2));
	NO(ADD(1, 2, 1, 1), ADD_MAYBE(3, 1), GET(4, 5, 2), GET(6, 7, 3));
	/* Of a put without an answer only what was added to it is seen. */
	YES(PUT_MAYBE(1, 1000), ADD(2, 3, 1, 1001));
	NO(PUT_MAYBE(4, 1000), ADD(2, 3, 1, 1001));
}

/* At one time calls come before returns: who touches, overlaps. */
static void test_closed_intervals(void **state)
{
	(void)state;
	YES(PUT(1, 4, 7), GET(4, 5, LINEAR_ABSENT));
	NO(PUT(1, 3, 7), GET(4, 5, LINEAR_ABSENT));
}

#define PUT_UNTIL(from, to, v, until)                                                         \
	{                                                                                     \
		.kind = LINEAR_PUT, .call = (from), .ret = (to), .value = (v), .end = (until) \
	}

/* A value at its end may be gone, and then is; not before. */
static void test_ends(void **state)
{
	(void)state;
	YES(PUT_UNTIL(1, 2, 7, 10), GET(3, 4, 7), GET(11, 12, LINEAR_ABSENT), GET(13, 14, LINEAR_ABSENT));
	YES(PUT_UNTIL(1, 2, 7, 10), GET(11, 12, 7), GET(13, 14, LINEAR_ABSENT));
	NO(PUT_UNTIL(1, 2, 7, 10), GET(3, 4, LINEAR_ABSENT));
	NO(PUT_UNTIL(1, 2, 7, 10), GET(11, 12, LINEAR_ABSENT), GET(13, 14, 7));
	/* What comes in its place has an end of its own, or none. */
	NO(PUT_UNTIL(1, 2, 7, 10), PUT(3, 4, 8), GET(11, 12, LINEAR_ABSENT));
	YES(PUT_UNTIL(1, 2, 7, 10), PUT_UNTIL(3, 4, 8, 20), GET(11, 12, 8), GET(21, 22, LINEAR_ABSENT));
	/* Who finds nothing there may put if there is nothing. */
	YES(PUT_UNTIL(1, 2, 7, 10), CAS(11, 12, 0, 8), GET(13, 14, 8));
	NO(PUT_UNTIL(1, 2, 7, 10), CAS(3, 4, 0, 8), GET(13, 14, 8));
	/* One that may never have been done ends as well. */
	YES({.kind = LINEAR_PUT, .outcome = LINEAR_MAYBE, .call = 1, .value = 7, .end = 10}, GET(2, 3, 7),
	    GET(11, 12, LINEAR_ABSENT));
	NO({.kind = LINEAR_PUT, .outcome = LINEAR_MAYBE, .call = 1, .value = 7, .end = 10}, GET(2, 3, 7),
	   GET(11, 12, LINEAR_ABSENT), GET(13, 14, 7));
	/* It may be seen by nothing but that. */
	YES(PUT(1, 2, 8), {.kind = LINEAR_PUT, .outcome = LINEAR_MAYBE, .call = 3, .value = 7, .end = 10},
	    GET(11, 12, LINEAR_ABSENT));
	NO(PUT(1, 2, 8), {.kind = LINEAR_PUT, .outcome = LINEAR_MAYBE, .call = 3, .value = 7, .end = 10},
	   GET(4, 5, LINEAR_ABSENT));
}

#define DELETE_TOLD(from, to, what)                                                    \
	{                                                                              \
		.kind = LINEAR_DELETE, .call = (from), .ret = (to), .expected = (what) \
	}

/* Whoever deletes is told whether there was something. */
static void test_deletes_told(void **state)
{
	(void)state;
	YES(DELETE_TOLD(1, 2, 2), PUT(3, 4, 7), DELETE_TOLD(5, 6, 1), DELETE_TOLD(7, 8, 2));
	NO(DELETE_TOLD(1, 2, 1));
	NO(PUT(1, 2, 7), DELETE_TOLD(3, 4, 2));
	NO(PUT(1, 2, 7), DELETE_TOLD(3, 4, 1), DELETE_TOLD(5, 6, 1));
	YES(PUT_UNTIL(1, 2, 7, 10), DELETE_TOLD(11, 12, 2));
	YES(PUT_UNTIL(1, 2, 7, 10), DELETE_TOLD(11, 12, 1));
	NO(PUT_UNTIL(1, 2, 7, 10), DELETE_TOLD(3, 4, 2));
	/* A put of which nobody has heard is told of by who deletes. */
	YES(PUT_MAYBE(1, 7), DELETE_TOLD(2, 3, 1));
	YES(PUT_MAYBE(1, 7), DELETE_TOLD(2, 3, 2));
}

static void test_deletes(void **state)
{
	(void)state;
	YES(PUT(1, 2, 7), DELETE(3, 4), GET(5, 6, LINEAR_ABSENT));
	NO(PUT(1, 2, 7), DELETE(3, 4), GET(5, 6, 7));
	YES(DELETE(1, 2), GET(3, 4, LINEAR_ABSENT));
}

/* Versions name what was written, and only grow. */
static void test_versions(void **state)
{
	(void)state;
	YES({.kind = LINEAR_PUT, .call = 1, .ret = 2, .value = 7, .version = 3},
	    {.kind = LINEAR_GET, .call = 3, .ret = 4, .value = 7, .version = 3});
	NO({.kind = LINEAR_PUT, .call = 1, .ret = 2, .value = 7, .version = 3},
	   {.kind = LINEAR_GET, .call = 3, .ret = 4, .value = 7, .version = 4});
	NO({.kind = LINEAR_PUT, .call = 1, .ret = 2, .value = 7, .version = 3},
	   {.kind = LINEAR_PUT, .call = 3, .ret = 4, .value = 8, .version = 3});
	/* After a delete they do not begin again. */
	NO({.kind = LINEAR_PUT, .call = 1, .ret = 2, .value = 7, .version = 3},
	   {.kind = LINEAR_DELETE, .call = 3, .ret = 4, .version = 4},
	   {.kind = LINEAR_PUT, .call = 5, .ret = 6, .value = 8, .version = 1});
	/* A version not told is one and the same for all who are told it later. */
	YES(PUT(1, 2, 7), {.kind = LINEAR_GET, .call = 3, .ret = 4, .value = 7, .version = 5},
	    {.kind = LINEAR_GET, .call = 5, .ret = 6, .value = 7, .version = 5});
	NO(PUT(1, 2, 7), {.kind = LINEAR_GET, .call = 3, .ret = 4, .value = 7, .version = 5},
	   {.kind = LINEAR_GET, .call = 5, .ret = 6, .value = 7, .version = 6});
}

static void test_compare_and_set(void **state)
{
	(void)state;
	YES(CAS(1, 2, 0, 7), GET(3, 4, 7));
	NO(PUT(1, 2, 7), CAS(3, 4, 0, 8));
	YES({.kind = LINEAR_PUT, .call = 1, .ret = 2, .value = 7, .version = 3}, CAS(3, 4, 3, 8), GET(5, 6, 8));
	NO({.kind = LINEAR_PUT, .call = 1, .ret = 2, .value = 7, .version = 3}, CAS(3, 4, 2, 8));
	/* Of two at one time one wins. */
	NO({.kind = LINEAR_PUT, .call = 1, .ret = 2, .value = 7, .version = 3}, CAS(3, 9, 3, 8), CAS(4, 8, 3, 9));
	YES({.kind = LINEAR_PUT, .call = 1, .ret = 2, .value = 7, .version = 3}, CAS(3, 9, 3, 8),
	    {.kind = LINEAR_CAS, .outcome = LINEAR_DIFFERS, .call = 4, .ret = 8, .expected = 3, .value = 9});
	/* "It differs" is an answer that must be true as well. */
	NO({.kind = LINEAR_PUT, .call = 1, .ret = 2, .value = 7, .version = 3},
	   {.kind = LINEAR_CAS, .outcome = LINEAR_DIFFERS, .call = 4, .ret = 8, .expected = 3, .value = 9});
	NO({.kind = LINEAR_CAS, .outcome = LINEAR_DIFFERS, .call = 4, .ret = 8, .expected = 0, .value = 9});
	/* A write of which nobody knows can be the reason of a difference. */
	YES({.kind = LINEAR_PUT, .call = 1, .ret = 2, .value = 7, .version = 3}, PUT_MAYBE(3, 5),
	    {.kind = LINEAR_CAS,
	     .outcome = LINEAR_DIFFERS,
	     .call = 4,
	     .ret = 8,
	     .expected = 3,
	     .value = 9,
	     .version = 4});
}

/* The only copy is lost: nothing, or what was known before; until somebody writes again. */
static void test_loss(void **state)
{
	const struct linear_op loss = {.kind = LINEAR_LOSS, .call = 10, .ret = 20};

	(void)state;
	YES(PUT(1, 2, 7), loss, GET(30, 31, LINEAR_ABSENT), GET(32, 33, LINEAR_ABSENT));
	NO(PUT(1, 2, 7), loss, GET(5, 6, LINEAR_ABSENT));
	YES(PUT(1, 2, 7), PUT(3, 4, 8), loss, {.kind = LINEAR_GET, .call = 30, .ret = 31, .value = 7, .known = 2});
	NO(PUT(1, 2, 7), loss, PUT(22, 23, 8), GET(30, 31, LINEAR_ABSENT));
	NO(PUT(1, 2, 7), loss, PUT(22, 23, 8), {.kind = LINEAR_GET, .call = 30, .ret = 31, .value = 7, .known = 2});
	NO(loss, {.kind = LINEAR_GET, .call = 30, .ret = 31, .value = 9, .known = 30}, PUT(40, 41, 9));
	/* What nobody knew may have come through it all the same, and nobody overwrote it before. */
	YES(PUT(1, 2, 7), loss, PUT(11, 50, 8), {.kind = LINEAR_GET, .call = 30, .ret = 31, .value = 7, .known = 20});
}

/* More than it may look at is not "yes". */
static void test_bounds(void **state)
{
	struct linear_op ops[LINEAR_OPS_MAX + 1];

	(void)state;
	for (size_t i = 0; i < COUNT(ops); i++)
		ops[i] = (struct linear_op)PUT(1, 1000, i + 1);
	assert_int_equal(linear_check(ops, COUNT(ops), BOUND), LINEAR_UNKNOWN);
	assert_int_equal(linear_check(ops, 100, BOUND), LINEAR_YES);
	/* Twenty writes at one time and a version that cannot be: every order would have to be tried. */
	ops[20] = (struct linear_op)GET(2000, 2001, 7);
	ops[20].version = 1;
	ops[21] = (struct linear_op)GET(2002, 2003, 7);
	ops[21].version = 2;
	assert_int_equal(linear_check(ops, 22, 1000), LINEAR_UNKNOWN);
}

#define PUTS 32
#define FEW 2000 /* configurations */

/* A server was away and does at last what had piled up: puts said twice, done the youngest first, each found by a get,
 * while others are never answered.  What can be is found soon, and what cannot be refused soon. */
static void test_piled_up(void **state)
{
	struct linear_op ops[PUTS * 5 + 5];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < PUTS; i++) {
		uint64_t end = 2000 - 10 * i;

		ops[n++] = (struct linear_op)PUT(1 + i, end, i + 1);
		ops[n++] = (struct linear_op)PUT(1 + i, end + 1, i + 1);
		ops[n++] = (struct linear_op)GET(100 + i, end + 2, i + 1);
		ops[n++] = (struct linear_op)GET(200 + i, end + 3, i + 1);
		if (i % 4 == 0)
			ops[n++] = (struct linear_op)PUT_MAYBE(1 + i, i + 2);
	}
	assert_int_equal(linear_check(ops, n, FEW), LINEAR_YES);
	/* Two values in turn, each twice, but not three times. */
	for (size_t i = 0; i < 5; i++) {
		ops[n++] = (struct linear_op)GET(1500 + 2 * i, 1501 + 2 * i, PUTS - i % 2);
		assert_int_equal(linear_check(ops, n, FEW), i < 4 ? LINEAR_YES : LINEAR_NO);
	}
}

/* So with few values, each said many times. */
static void test_many_times(void **state)
{
	struct linear_op ops[49];
	size_t n = 0;

	(void)state;
	while (n < 24) {
		ops[n] = (struct linear_op)PUT(1 + n, 2000 - n, 1 + n % 4);
		n++;
	}
	/* Each value in turn six times, and once too often. */
	for (size_t i = 0; i < 25; i++)
		ops[n + i] = (struct linear_op)GET(100 + 2 * i, 101 + 2 * i, 1 + i % 4);
	assert_int_equal(linear_check(ops, n + 24, BOUND), LINEAR_YES);
	assert_int_equal(linear_check(ops, n + 25, BOUND), LINEAR_NO);
}

/* ---- against a register that is simply simulated ---- */

#define CLIENTS 4
#define OPS 24

/* Operations take effect one after the other at a moment between call and return. */
static size_t play(struct rng *r, struct linear_op *ops)
{
	uint64_t value = 0, version = 0, time[CLIENTS] = {0}, now = 0;
	size_t count = 0;

	while (count < OPS) {
		struct linear_op *op = &ops[count];
		uint64_t c = rng_below(r, CLIENTS);

		now += 10;
		*op = (struct linear_op){.call = time[c] + 1 + rng_below(r, now - time[c]),
					 .ret = now + rng_below(r, 30)};
		time[c] = op->ret;
		if (time[c] > now)
			now = time[c];
		op->kind = (enum linear_kind)rng_below(r, 4);
		op->value = rng_below(r, 3) + 1;
		op->expected = op->kind == LINEAR_CAS ? version - rng_below(r, 2) * (version > 1) : 0;
		if (op->kind == LINEAR_CAS && (op->expected ? value == 0 || op->expected != version : value != 0)) {
			op->outcome = LINEAR_DIFFERS;
			op->version = version;
		} else if (op->kind == LINEAR_GET) {
			op->value = value;
			op->version = version;
		} else {
			op->version = ++version;
			value = op->kind == LINEAR_DELETE ? 0 : op->value;
		}
		if (rng_below(r, 10) == 0 && op->kind != LINEAR_GET && op->outcome == LINEAR_DONE) {
			op->outcome = LINEAR_MAYBE;
			op->version = 0;
		}
		count++;
	}
	return count;
}

static void test_random_histories(void **state)
{
	struct linear_op ops[OPS];
	unsigned refused = 0;
	struct rng r;

	(void)state;
	for (uint64_t seed = 0; seed < 2000; seed++) {
		size_t count, at;

		rng_seed(&r, seed, 1);
		count = play(&r, ops);
		if (linear_check(ops, count, BOUND) != LINEAR_YES)
			fail_msg("seed %u: a right history is %s", (unsigned)seed,
				 linear_verdict_name(linear_check(ops, count, BOUND)));
		/* With a version from nowhere no get is right. */
		for (at = 0; at < count && ops[at].kind != LINEAR_GET; at++)
			;
		if (at == count)
			continue;
		ops[at].version += 1000;
		assert_int_equal(linear_check(ops, count, BOUND), LINEAR_NO);
		refused++;
	}
	assert_true(refused > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_unknown_outcomes),
		cmocka_unit_test(test_adds),
		cmocka_unit_test(test_closed_intervals),
		cmocka_unit_test(test_deletes),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_deletes_told),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_compare_and_set),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_piled_up),
		cmocka_unit_test(test_many_times),
		cmocka_unit_test(test_random_histories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
