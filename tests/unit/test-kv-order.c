/* Operations on one key: they take effect in the order in which they were begun. */
#include "kv-fixture.h"

/* ---- one behind the other ---- */

/* An earlier put, sent before the owner was known, must not come behind a later one that bears a token at once. */
static void test_a_write_waits_for_the_one_ahead(void **state)
{
	struct scene *s = *state;
	uint64_t first = scene_begin(s, OPERATION_PUT, 5), other = scene_begin(s, OPERATION_PUT, 6), second;

	scene_tick(s, 0);
	scene_answer(s, TOKEN(10), other, ANSWER_TOKEN);
	second = scene_begin(s, OPERATION_PUT, 5);
	scene_forget(s);
	scene_tick(s, 1);
	assert_int_equal(scene_sent(s, 1, 0)->rq.count, 1);
	assert_int_equal(s->sent[0]->rq.base, other);
	scene_forget(s);
	scene_answer(s, TOKEN(11), first, ANSWER_TOKEN);
	scene_tick(s, 1);
	assert_int_equal(scene_sent(s, 1, 0)->rq.count, 1);
	assert_int_equal(s->sent[0]->rq.base, first);
	scene_forget(s);
	scene_answer(s, TOKEN(12), first, ANSWER_DONE);
	assert_int_equal(s->deadline, 0);
	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 1, 0)->rq.count, 1);
	assert_int_equal(s->sent[0]->rq.base, second);
	scene_answer(s, TOKEN(13), second, ANSWER_DONE);
	assert_int_equal(kv_open(s->kv), 1);
}

/* What waits is sent by nothing else: not by a pause, not by a connection. */
static void test_it_waits_through_retries_and_connections(void **state)
{
	struct scene *s = *state;
	uint64_t first, second;
	uint32_t owner;

	scene_learn(s, 1);
	first = scene_begin(s, OPERATION_PUT, 5);
	second = scene_begin(s, OPERATION_PUT, 5);
	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 1, 0)->rq.count, 1);
	scene_forget(s);
	scene_tick(s, 100);
	assert_int_equal(s->sent_count, 0);
	assert_true(kv_owner(s->kv, 5, &owner));
	scene_tick(s, 300);
	assert_int_equal(scene_sent(s, 1, 0)->rq.count, 1);
	assert_int_equal(s->sent[0]->rq.base, first);
	scene_forget(s);
	kv_disconnected(s->kv);
	scene_connected(s);
	scene_subscribed(s);
	assert_int_equal(scene_sent(s, 1, 0)->rq.count, 1);
	/* It was never asked. */
	scene_answer(s, TOKEN(2), second, ANSWER_DONE);
	assert_int_equal(s->ended_count, 0);
	scene_answer(s, TOKEN(2), first, ANSWER_DONE);
	scene_expect_end(s, first, KV_DONE);
}

/* Reads need no order among themselves: but a write waits for all of them, and what follows it for the write. */
static void test_reads_go_together(void **state)
{
	struct scene *s = *state;
	uint64_t one, two, write, three;

	scene_learn(s, 1);
	one = scene_get(s, 5);
	two = scene_get(s, 5);
	write = scene_begin(s, OPERATION_PUT, 5);
	three = scene_get(s, 5);
	scene_get(s, 5);
	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 1, 0)->rq.count, 2);
	assert_int_equal(s->sent[0]->rq.base, one);
	scene_answer(s, TOKEN(2), two, ANSWER_ABSENT);
	scene_forget(s);
	scene_tick(s, 0);
	assert_int_equal(s->sent_count, 0);
	scene_answer(s, TOKEN(2), one, ANSWER_ABSENT);
	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 1, 0)->rq.count, 1);
	assert_int_equal(s->sent[0]->rq.base, write);
	scene_forget(s);
	scene_answer(s, TOKEN(3), write, ANSWER_DONE);
	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 1, 0)->rq.count, 2);
	assert_int_equal(s->sent[0]->rq.base, three);
}

static uint64_t begin_until(struct scene *s, enum operation_kind kind, uint64_t ms)
{
	return kv_begin(s->kv, &(struct operation){.kind = kind, .key = key_number(5)}, s->now + ms);
}

/* Its time runs all the same, and what is behind it moves up, over reads that have had their turn too. */
static void test_what_waits_has_a_time_out(void **state)
{
	struct scene *s = *state;
	uint64_t write, last;

	scene_learn(s, 1);
	scene_get(s, 5);
	write = begin_until(s, OPERATION_PUT, 100);
	last = scene_get(s, 5);
	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 1, 0)->rq.count, 1);
	assert_int_equal(s->deadline, BEGIN + 100);
	scene_forget(s);
	scene_tick(s, 100);
	scene_expect_end(s, write, KV_TIMEOUT);
	assert_int_equal(scene_sent(s, 1, 0)->rq.count, 1);
	assert_int_equal(s->sent[0]->rq.base, last);
	/* The one ahead ends by its own. */
	scene_answer(s, TOKEN(2), last, ANSWER_ABSENT);
	scene_answer(s, TOKEN(2), last - 2, ANSWER_ABSENT);
	write = begin_until(s, OPERATION_PUT, 100);
	last = scene_begin(s, OPERATION_PUT, 5);
	scene_tick(s, 0);
	scene_forget(s);
	scene_tick(s, 100);
	scene_expect_end(s, write, KV_UNKNOWN);
	assert_int_equal(scene_sent(s, 1, 0)->rq.base, last);
	assert_int_equal(s->sent[0]->rq.count, 1);
}

/* Others are not held up: 4,000 of one key, and as many that are alone. */
static void test_others_go_on(void **state)
{
	struct scene *s = *state;
	uint64_t at = 0, alone = 0;

	scene_learn(s, 1);
	for (uint32_t i = 0; i < 4000; i++) {
		(void)scene_begin(s, OPERATION_PUT, 5);
		(void)scene_begin(s, OPERATION_PUT, 6 + i);
	}
	scene_tick(s, 0);
	for (size_t i = 0; i < s->sent_count; i++)
		alone += s->sent[i]->rq.count;
	assert_int_equal(alone, 4001);
	scene_forget(s);
	for (at = 2; at < 100; at += 2) {
		scene_answer(s, TOKEN(at), at, ANSWER_DONE);
		scene_expect_end(s, at, KV_DONE);
		scene_forget(s);
		scene_tick(s, 0);
		assert_int_equal(scene_sent(s, 1, 0)->rq.base, at + 2);
		scene_forget(s);
	}
}

/* ---- tokens that are not sent ---- */

/* One that came in answer, and grew old before its write could bear it, begins it as little as any other. */
static void test_a_token_grows_old_unsent(void **state)
{
	struct scene *s = *state;
	uint64_t number = scene_begin(s, OPERATION_PUT, 5);

	scene_tick(s, 0);
	scene_tick(s, 90);
	scene_answer(s, TOKEN(10), number, ANSWER_TOKEN);
	kv_disconnected(s->kv);
	scene_forget(s);
	s->now += s->config.token_age + 1;
	scene_connected(s);
	scene_subscribed(s);
	assert_int_equal(scene_sent(s, 1, 0)->rq.token.number, 0);
	scene_forget(s);
	scene_answer(s, TOKEN(11), number, ANSWER_TOKEN);
	kv_disconnected(s->kv);
	s->now += s->config.token_age;
	scene_connected(s);
	scene_subscribed(s);
	assert_int_equal(scene_sent(s, 1, 0)->rq.token.counter, 11);
	/* Now it is settled. */
	scene_forget(s);
	kv_disconnected(s->kv);
	s->now += 10 * s->config.token_age;
	scene_connected(s);
	scene_subscribed(s);
	assert_int_equal(scene_sent(s, 1, 0)->rq.token.counter, 11);
}

/* ... and if no frame bears it before the time is up nothing has been done. */
static void test_a_token_that_no_frame_bore(void **state)
{
	struct scene *s = *state;
	uint64_t number = begin_until(s, OPERATION_PUT, 3000);

	scene_tick(s, 0);
	scene_tick(s, 90);
	scene_answer(s, TOKEN(10), number, ANSWER_TOKEN);
	scene_answer(s, TOKEN(10), number, ANSWER_UNKNOWN);
	scene_answer(s, TOKEN(10), number, ANSWER_DONE);
	assert_int_equal(s->ended_count, 0);
	kv_disconnected(s->kv);
	scene_tick(s, 3000);
	scene_expect_end(s, number, KV_TIMEOUT);
}

/* ... nor if no more may go out: it waits until some may, with a token that is not old by then. */
static void test_a_token_for_want_of_room(void **state)
{
	struct scene *s = *state;
	uint64_t first, number, last;

	scene_learn(s, 1);
	kv_allow(s->kv, 1); /* the first that goes uses it up */
	first = begin_until(s, OPERATION_PUT, 3000);
	number = kv_begin(s->kv, &(struct operation){.kind = OPERATION_PUT, .key = key_number(6)}, s->now + 1000);
	last = scene_begin(s, OPERATION_PUT, 7);
	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 1, 0)->rq.count, 1);
	assert_int_equal(s->sent[0]->rq.base, first);
	assert_true(s->deadline <= s->now + 5);
	while (s->now < BEGIN + 1000)
		scene_tick(s, s->deadline - s->now);
	assert_int_equal(s->sent_count, 1);
	scene_expect_end(s, number, KV_TIMEOUT);
	scene_answer(s, TOKEN(2), last, ANSWER_DONE);
	assert_int_equal(s->ended_count, 1);
	scene_answer(s, TOKEN(2), first, ANSWER_DONE);
	scene_forget(s);
	s->now += s->config.token_age + 1; /* that of the latest answer */
	kv_allow(s->kv, 1000);
	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 1, 0)->rq.base, last);
	assert_int_equal(s->sent[0]->rq.token.number, 0);
	assert_int_equal(s->sent[0]->rq.count, 1);
}

/* A long value that is left out for want of a token uses nothing up. */
static void test_long_values_that_are_left_out_need_no_room(void **state)
{
	struct scene *s = *state;
	struct operation op = {.kind = OPERATION_PUT, .value_len = 100000};

	op.value = calloc(1, op.value_len);
	kv_allow(s->kv, 1000);
	for (op.key.id = 1; op.key.id < 5; op.key.id++)
		kv_begin(s->kv, &op, FOREVER);
	free((void *)(uintptr_t)op.value);
	scene_tick(s, 0);
	assert_int_equal(s->sent_count, 4);
}

/* "It needs a token", and none in that answer: asked again when its pause is over, not for ever at once. */
static void test_a_token_that_is_none(void **state)
{
	struct scene *s = *state;
	uint64_t number = scene_begin(s, OPERATION_PUT, 5);

	scene_tick(s, 0);
	scene_forget(s);
	scene_answer(s, (struct operation_token){0}, number, ANSWER_TOKEN);
	scene_tick(s, 200);
	assert_int_equal(s->sent_count, 0);
	scene_tick(s, 200);
	assert_int_equal(scene_sent(s, 1, 0)->rq.base, number);
	scene_answer(s, TOKEN(1), number, ANSWER_TOKEN);
	scene_forget(s);
	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 1, 0)->rq.token.counter, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCENE_TEST(test_a_write_waits_for_the_one_ahead),
		SCENE_TEST(test_it_waits_through_retries_and_connections),
		SCENE_TEST(test_reads_go_together),
		SCENE_TEST(test_what_waits_has_a_time_out),
		SCENE_TEST(test_others_go_on),
		SCENE_TEST(test_a_token_grows_old_unsent),
		SCENE_TEST(test_a_token_that_no_frame_bore),
		SCENE_TEST(test_a_token_for_want_of_room),
		SCENE_TEST(test_long_values_that_are_left_out_need_no_room),
		SCENE_TEST(test_a_token_that_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
