/* The client's half of section 11, driven by hand: with which token a write goes out, and when again. */
#include "kv-fixture.h"

#include "../../common/mem.h"

/* ---- tokens ---- */

static void test_writes_share_a_token(void **state)
{
	struct scene *s = *state;
	uint64_t read, first, second;

	scene_learn(s, 1);
	first = scene_begin(s, OPERATION_PUT, 5);
	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 1, 0)->rq.token.counter, 1);
	scene_forget(s);
	read = scene_get(s, 6);
	scene_tick(s, 0);
	scene_answer(s, TOKEN(9), read, ANSWER_ABSENT);
	scene_forget(s);
	/* The first keeps its own; the second has the latest; a read goes with either. */
	second = scene_begin(s, OPERATION_PUT, 6);
	scene_get(s, 7);
	scene_tick(s, 100);
	assert_int_equal(scene_sent(s, 1, 0)->rq.base, second);
	assert_int_equal(s->sent[0]->rq.count, 2);
	assert_int_equal(s->sent[0]->rq.token.counter, 9);
	scene_forget(s);
	scene_tick(s, 230); /* the first's pause is over, at the latest; the second's not */
	assert_int_equal(scene_sent(s, 1, 0)->rq.base, first);
	assert_int_equal(s->sent[0]->rq.token.counter, 1);
	scene_forget(s);
	/* When both go to one cell they need a frame each. */
	kv_disconnected(s->kv);
	scene_connected(s);
	scene_subscribed(s);
	assert_int_equal(s->sent_count, 2);
}

static void test_token_on_request(void **state)
{
	struct scene *s = *state;
	uint64_t number = scene_begin(s, OPERATION_PUT, 5);

	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 1, 0)->rq.token.number, 0);
	assert_int_equal(s->sent[0]->rq.operations[0].value_len, 5); /* it is short */
	scene_forget(s);
	scene_answer(s, TOKEN(3), number, ANSWER_TOKEN);
	assert_int_equal(s->deadline, 0);
	scene_tick(s, 1);
	assert_int_equal(scene_sent(s, 1, 0)->rq.token.counter, 3);
	scene_forget(s);
	/* Said to the sending before, and come late. */
	scene_answer(s, TOKEN(4), number, ANSWER_TOKEN);
	scene_tick(s, 1);
	assert_int_equal(s->sent_count, 0);
	/* It is kept, whatever is learnt meanwhile. */
	for (unsigned i = 0; i < 4; i++) {
		scene_tick(s, 2500);
		assert_int_equal(scene_sent(s, 1, 0)->rq.token.counter, 3);
		scene_forget(s);
	}
	scene_answer(s, TOKEN(4), number, ANSWER_DONE);
	scene_expect_end(s, number, KV_DONE);
}

static void test_long_values_wait_for_a_token(void **state)
{
	struct scene *s = *state;
	struct operation op = {.kind = OPERATION_PUT, .key = key_number(5)};
	uint64_t number;

	op.value_len = s->config.long_value + 1;
	op.value = xcalloc(1, op.value_len);
	number = kv_begin(s->kv, &op, FOREVER);
	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 1, 0)->rq.operations[0].value_len, 0);
	scene_forget(s);
	scene_answer(s, TOKEN(3), number, ANSWER_TOKEN);
	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 1, 0)->rq.operations[0].value_len, op.value_len);
	free((void *)(uintptr_t)op.value);
}

static void test_old_tokens_begin_no_write(void **state)
{
	struct scene *s = *state;

	scene_learn(s, 1);
	s->now += s->config.token_age;
	scene_begin(s, OPERATION_PUT, 5);
	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 1, 0)->rq.token.counter, 1);
	scene_forget(s);
	scene_begin(s, OPERATION_PUT, 6);
	scene_tick(s, 1);
	assert_int_equal(scene_sent(s, 1, 0)->rq.token.number, 0);
}

/* ... counted from when that was asked, first. */
static void test_tokens_age_from_the_question(void **state)
{
	struct scene *s = *state;
	uint64_t number = scene_get(s, 1);

	scene_tick(s, 0);
	scene_tick(s, 400); /* asked again */
	assert_int_equal(s->sent_count, 2);
	s->now += s->config.token_age - 399;
	scene_answer(s, TOKEN(1), number, ANSWER_ABSENT);
	scene_forget(s);
	scene_begin(s, OPERATION_PUT, 5);
	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 1, 0)->rq.token.number, 0);
}

/* However well the owner and a later token of its are known. */
static void test_a_token_is_kept(void **state)
{
	struct scene *s = *state;
	uint64_t read;

	scene_learn(s, 1);
	scene_begin(s, OPERATION_PUT, 5);
	read = scene_get(s, 6);
	scene_tick(s, 0);
	scene_answer(s, TOKEN(9), read, ANSWER_ABSENT);
	scene_forget(s);
	kv_disconnected(s->kv);
	scene_connected(s);
	scene_subscribed(s);
	assert_string_equal(scene_sent(s, 1, 0)->topic, "ask/00000007");
	assert_int_equal(s->sent[0]->rq.token.counter, 1);
}

/* ---- retries ---- */

static void test_retries(void **state)
{
	struct scene *s = *state;
	static const uint64_t pauses[] = {250, 500, 1000, 2000, 2000, 2000};

	scene_learn(s, 1);
	scene_get(s, 0x12340000);
	scene_tick(s, 0);
	assert_string_equal(scene_sent(s, 1, 0)->topic, "ask/00000007");
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		uint64_t before = s->now;

		scene_forget(s);
		while (s->sent_count == 0)
			scene_tick(s, s->deadline - s->now);
		assert_in_range(s->now - before, pauses[i], pauses[i] + pauses[i] / 4);
		/* Whoever says nothing may be gone. */
		assert_string_equal(scene_sent(s, 1, 0)->topic, "op/1/2/3/4");
		assert_int_equal(s->sent[0]->rq.base, 2);
	}
}

static void test_moved(void **state)
{
	struct scene *s = *state;
	uint64_t number, other;
	uint32_t owner;

	scene_learn(s, 1);
	number = scene_get(s, 0x12340000);
	other = scene_get(s, 5);
	scene_tick(s, 0);
	scene_forget(s);
	scene_answer(s, (struct operation_token){0}, number, ANSWER_MOVED);
	assert_int_equal(s->ended_count, 0);
	assert_false(kv_owner(s->kv, 0x12340000, &owner));
	scene_tick(s, 0);
	assert_string_equal(scene_sent(s, 1, 0)->topic, "op/1/2/3/4");
	scene_forget(s);
	/* Said again before it goes out: once is enough. */
	scene_answer(s, (struct operation_token){0}, number, ANSWER_MOVED);
	scene_answer(s, (struct operation_token){0}, number, ANSWER_MOVED);
	/* Somebody's word that it is his, from before that. */
	scene_answer(s, TOKEN(1), other, ANSWER_ABSENT);
	scene_forget(s);
	scene_tick(s, 0);
	assert_string_equal(scene_sent(s, 1, 0)->topic, "op/1/2/3/4");
	scene_answer(s, TOKEN(2), number, ANSWER_ABSENT);
	scene_expect_end(s, number, KV_DONE);
}

/* Who goes says that all its numbers are done with: to each owner, and by what nobody executes. */
static void test_leave(void **state)
{
	static struct operation_room room;
	struct scene *s = *state;
	struct operation_request rq;
	struct kv_update u;
	uint64_t number;

	scene_learn(s, 1);
	for (unsigned i = 0; i < 32; i++) {
		kv_leave(s->kv, &u);
		assert_int_equal(u.count, 0); /* too few to matter */
		number = scene_begin(s, OPERATION_ADD, 5);
		scene_tick(s, 0);
		kv_leave(s->kv, &u);
		assert_int_equal(u.count, 0); /* one is open */
		scene_answer(s, TOKEN(1), number, ANSWER_DONE);
	}
	kv_disconnected(s->kv);
	kv_leave(s->kv, &u);
	assert_int_equal(u.count, 0);
	scene_connected(s);
	scene_subscribed(s);
	kv_leave(s->kv, &u);
	assert_int_equal(u.count, 1);
	assert_string_equal(u.effects[0].topic, "ask/00000007");
	assert_null(operation_decode_request(&rq, &room, u.effects[0].payload, u.effects[0].len));
	assert_int_equal(rq.count, 1);
	assert_true(operation_writes(rq.operations[0].kind));
	assert_int_equal(rq.token.number, 0);
	assert_int_equal(rq.base + rq.operations[0].offset, 1);
	assert_int_equal(rq.first, number + 1);
	kv_leave(s->kv, &u);
	assert_int_equal(u.count, 0); /* once is enough */
	scene_forget(s);
	number = scene_begin(s, OPERATION_ADD, 5);
	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 1, 0)->rq.first, number);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCENE_TEST(test_writes_share_a_token),
		SCENE_TEST(test_token_on_request),
		SCENE_TEST(test_long_values_wait_for_a_token),
		SCENE_TEST(test_old_tokens_begin_no_write),
		SCENE_TEST(test_tokens_age_from_the_question),
		SCENE_TEST(test_a_token_is_kept),
		SCENE_TEST(test_retries),
		SCENE_TEST(test_moved),
		SCENE_TEST(test_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
