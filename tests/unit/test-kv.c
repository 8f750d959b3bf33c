/* The client's half of section 11, driven by hand: what goes out when, and what an answer ends. */
#include "kv-fixture.h"

/* ---- what goes out ---- */

static void test_subscribes_first(void **state)
{
	struct scene *s = *state;
	struct kv_update u;
	struct kv *kv = kv_new(&s->config);

	assert_int_equal(s->subscribed, 1);
	assert_string_equal(kv_topic(kv), REPLY);
	kv_begin(kv, &(struct operation){.kind = OPERATION_GET, .key = key_number(1)}, 500);
	kv_tick(kv, 0, &u);
	assert_int_equal(u.count, 0);
	assert_int_equal(u.deadline, 500); /* no need before it ends */
	kv_connected(kv, 1, &u);
	assert_int_equal(u.count, 1);
	assert_int_equal(u.effects[0].type, KV_SUBSCRIBE);
	kv_tick(kv, 2, &u);
	assert_int_equal(u.count, 0);
	kv_subscribed(kv, 3, &u);
	assert_int_equal(u.count, 1);
	assert_int_equal(u.effects[0].type, KV_PUBLISH);
	kv_free(kv);
}

static void test_groups_by_cell(void **state)
{
	struct scene *s = *state;

	get(s, 0x12340001);
	get(s, 0x12350001);
	get(s, 0x1234ffff);
	assert_int_equal(s->sent_count, 0); /* all that is to go out now, together */
	tick(s, 0);
	assert_string_equal(sent(s, 2, 0)->topic, "op/1/2/3/4");
	assert_string_equal(sent(s, 2, 1)->topic, "op/1/2/3/5");
	assert_int_equal(s->sent[0]->rq.count, 2);
	assert_int_equal(s->sent[0]->rq.base, 1);
	assert_int_equal(s->sent[0]->rq.operations[1].offset, 2);
	assert_int_equal(s->sent[0]->rq.operations[1].key.id, 0x1234ffff);
	assert_int_equal(s->sent[1]->rq.base, 2);
}

static void test_groups_by_owner(void **state)
{
	struct scene *s = *state;
	uint32_t owner;

	assert_false(kv_owner(s->kv, 5, &owner));
	learn(s, 1);
	assert_true(kv_owner(s->kv, 5, &owner));
	assert_int_equal(owner, 7);
	get(s, 0x12340001);
	begin(s, OPERATION_PUT, 0x99990001);
	get(s, 0xfffffff0);
	tick(s, 0);
	assert_string_equal(sent(s, 1, 0)->topic, "ask/00000007");
	assert_int_equal(s->sent[0]->rq.count, 3);
	assert_int_equal(s->sent[0]->rq.token.counter, 1);
}

static void test_frames_are_bounded(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 0; i <= OPERATION_COUNT_MAX; i++)
		get(s, 5);
	tick(s, 0);
	assert_int_equal(sent(s, 2, 0)->rq.count, OPERATION_COUNT_MAX);
	assert_int_equal(s->sent[1]->rq.count, 1);
	forget(s);
	learn(s, 1);
	for (unsigned i = 0; i < 3; i++) {
		struct operation op = {.kind = OPERATION_PUT, .key = key_number(6 + i)};

		op.value_len = s->config.frame_bytes / 2;
		op.value = xcalloc(1, op.value_len);
		kv_begin(s->kv, &op, FOREVER);
		free((void *)(uintptr_t)op.value);
	}
	tick(s, 0);
	assert_int_equal(s->sent_count, 3); /* two of them are more than a frame */
}

/* ---- tokens ---- */

static void test_writes_share_a_token(void **state)
{
	struct scene *s = *state;
	uint64_t read, first, second;

	learn(s, 1);
	first = begin(s, OPERATION_PUT, 5);
	tick(s, 0);
	assert_int_equal(sent(s, 1, 0)->rq.token.counter, 1);
	forget(s);
	read = get(s, 6);
	tick(s, 0);
	answer(s, TOKEN(9), read, ANSWER_ABSENT);
	forget(s);
	/* The first keeps its own; the second has the latest; a read goes with either. */
	second = begin(s, OPERATION_PUT, 6);
	get(s, 7);
	tick(s, 100);
	assert_int_equal(sent(s, 1, 0)->rq.base, second);
	assert_int_equal(s->sent[0]->rq.count, 2);
	assert_int_equal(s->sent[0]->rq.token.counter, 9);
	forget(s);
	tick(s, 230); /* the first's pause is over, at the latest; the second's not */
	assert_int_equal(sent(s, 1, 0)->rq.base, first);
	assert_int_equal(s->sent[0]->rq.token.counter, 1);
	forget(s);
	/* When both go to one cell they need a frame each. */
	kv_disconnected(s->kv);
	connected(s);
	subscribed(s);
	assert_int_equal(s->sent_count, 2);
}

static void test_token_on_request(void **state)
{
	struct scene *s = *state;
	uint64_t number = begin(s, OPERATION_PUT, 5);

	tick(s, 0);
	assert_int_equal(sent(s, 1, 0)->rq.token.number, 0);
	assert_int_equal(s->sent[0]->rq.operations[0].value_len, 5); /* it is short */
	forget(s);
	answer(s, TOKEN(3), number, ANSWER_TOKEN);
	assert_int_equal(s->deadline, 0);
	tick(s, 1);
	assert_int_equal(sent(s, 1, 0)->rq.token.counter, 3);
	forget(s);
	/* Said to the sending before, and come late. */
	answer(s, TOKEN(4), number, ANSWER_TOKEN);
	tick(s, 1);
	assert_int_equal(s->sent_count, 0);
	/* It is kept, whatever is learnt meanwhile. */
	for (unsigned i = 0; i < 4; i++) {
		tick(s, 2500);
		assert_int_equal(sent(s, 1, 0)->rq.token.counter, 3);
		forget(s);
	}
	answer(s, TOKEN(4), number, ANSWER_DONE);
	expect_end(s, number, KV_DONE);
}

static void test_long_values_wait_for_a_token(void **state)
{
	struct scene *s = *state;
	struct operation op = {.kind = OPERATION_PUT, .key = key_number(5)};
	uint64_t number;

	op.value_len = s->config.long_value + 1;
	op.value = xcalloc(1, op.value_len);
	number = kv_begin(s->kv, &op, FOREVER);
	tick(s, 0);
	assert_int_equal(sent(s, 1, 0)->rq.operations[0].value_len, 0);
	forget(s);
	answer(s, TOKEN(3), number, ANSWER_TOKEN);
	tick(s, 0);
	assert_int_equal(sent(s, 1, 0)->rq.operations[0].value_len, op.value_len);
	free((void *)(uintptr_t)op.value);
}

static void test_old_tokens_begin_no_write(void **state)
{
	struct scene *s = *state;

	learn(s, 1);
	s->now += s->config.token_age;
	begin(s, OPERATION_PUT, 5);
	tick(s, 0);
	assert_int_equal(sent(s, 1, 0)->rq.token.counter, 1);
	forget(s);
	begin(s, OPERATION_PUT, 6);
	tick(s, 1);
	assert_int_equal(sent(s, 1, 0)->rq.token.number, 0);
}

/* ... counted from when that was asked, first. */
static void test_tokens_age_from_the_question(void **state)
{
	struct scene *s = *state;
	uint64_t number = get(s, 1);

	tick(s, 0);
	tick(s, 400); /* asked again */
	assert_int_equal(s->sent_count, 2);
	s->now += s->config.token_age - 399;
	answer(s, TOKEN(1), number, ANSWER_ABSENT);
	forget(s);
	begin(s, OPERATION_PUT, 5);
	tick(s, 0);
	assert_int_equal(sent(s, 1, 0)->rq.token.number, 0);
}

/* However well the owner and a later token of its are known. */
static void test_a_token_is_kept(void **state)
{
	struct scene *s = *state;
	uint64_t read;

	learn(s, 1);
	begin(s, OPERATION_PUT, 5);
	read = get(s, 6);
	tick(s, 0);
	answer(s, TOKEN(9), read, ANSWER_ABSENT);
	forget(s);
	kv_disconnected(s->kv);
	connected(s);
	subscribed(s);
	assert_string_equal(sent(s, 1, 0)->topic, "ask/00000007");
	assert_int_equal(s->sent[0]->rq.token.counter, 1);
}

/* ---- retries ---- */

static void test_retries(void **state)
{
	struct scene *s = *state;
	static const uint64_t pauses[] = {250, 500, 1000, 2000, 2000, 2000};

	learn(s, 1);
	get(s, 0x12340000);
	tick(s, 0);
	assert_string_equal(sent(s, 1, 0)->topic, "ask/00000007");
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		uint64_t before = s->now;

		forget(s);
		while (s->sent_count == 0)
			tick(s, s->deadline - s->now);
		assert_in_range(s->now - before, pauses[i], pauses[i] + pauses[i] / 4);
		/* Whoever says nothing may be gone. */
		assert_string_equal(sent(s, 1, 0)->topic, "op/1/2/3/4");
		assert_int_equal(s->sent[0]->rq.base, 2);
	}
}

static void test_moved(void **state)
{
	struct scene *s = *state;
	uint64_t number, other;
	uint32_t owner;

	learn(s, 1);
	number = get(s, 0x12340000);
	other = get(s, 5);
	tick(s, 0);
	forget(s);
	answer(s, (struct operation_token){0}, number, ANSWER_MOVED);
	assert_int_equal(s->ended_count, 0);
	assert_false(kv_owner(s->kv, 0x12340000, &owner));
	tick(s, 0);
	assert_string_equal(sent(s, 1, 0)->topic, "op/1/2/3/4");
	forget(s);
	/* Said again before it goes out: once is enough. */
	answer(s, (struct operation_token){0}, number, ANSWER_MOVED);
	answer(s, (struct operation_token){0}, number, ANSWER_MOVED);
	/* Somebody's word that it is his, from before that. */
	answer(s, TOKEN(1), other, ANSWER_ABSENT);
	forget(s);
	tick(s, 0);
	assert_string_equal(sent(s, 1, 0)->topic, "op/1/2/3/4");
	answer(s, TOKEN(2), number, ANSWER_ABSENT);
	expect_end(s, number, KV_DONE);
}

/* ---- answers ---- */

static void test_answers(void **state)
{
	struct scene *s = *state;
	uint64_t one = get(s, 1), two = get(s, 2);
	struct operation_result r = {.status = ANSWER_DONE,
				     .has_version = true,
				     .version = {5, 8},
				     .value = (const uint8_t *)"found",
				     .value_len = 5};

	tick(s, 0);
	answer_from(s, WHOLE, TOKEN(8), two, r);
	expect_end(s, two, KV_DONE);
	assert_string_equal(s->ended[0].value, "found");
	assert_int_equal(s->ended[0].result.version.counter, 8);
	assert_int_equal(kv_open(s->kv), 1);
	/* Again: nothing; and numbers that were never begun, near and far. */
	forget(s);
	answer_from(s, WHOLE, TOKEN(8), two, r);
	answer_from(s, WHOLE, TOKEN(8), two + 1, r);
	answer_from(s, WHOLE, TOKEN(8), one + KV_OPEN_MAX, r);
	assert_int_equal(s->ended_count, 0);
	answer_from(s, WHOLE, TOKEN(8), one, r);
	expect_end(s, one, KV_DONE);
	assert_int_equal(kv_open(s->kv), 0);
}

static void test_unknown(void **state)
{
	struct scene *s = *state;
	uint64_t bare = begin(s, OPERATION_PUT, 5), number;

	tick(s, 0);
	/* Without a token nothing can have been done, whatever is said. */
	answer(s, TOKEN(1), bare, ANSWER_UNKNOWN);
	answer(s, TOKEN(1), bare, ANSWER_DONE);
	assert_int_equal(s->ended_count, 0);
	answer(s, TOKEN(1), bare, ANSWER_TOKEN);
	tick(s, 0);
	number = begin(s, OPERATION_ADD, 6);
	tick(s, 0);
	answer(s, TOKEN(2), number, ANSWER_UNKNOWN);
	expect_end(s, number, KV_UNKNOWN);
	forget(s);
	answer(s, TOKEN(2), bare, ANSWER_UNKNOWN);
	expect_end(s, bare, KV_UNKNOWN);
}

static void test_strange_answers(void **state)
{
	struct scene *s = *state;
	struct kv_update u;
	uint32_t owner;

	assert_non_null(kv_message(s->kv, s->now, (const uint8_t *)"\xff", 1, &u));
	assert_int_equal(u.count, 0);
	/* To nothing that was asked: it teaches nothing either. */
	answer(s, TOKEN(1), 77, ANSWER_ABSENT);
	assert_false(kv_owner(s->kv, 5, &owner));
	/* Begun, and not sent. */
	answer(s, TOKEN(1), get(s, 5), ANSWER_ABSENT);
	assert_int_equal(s->ended_count, 0);
	assert_false(kv_owner(s->kv, 5, &owner));
}

/* ---- ends ---- */

static uint64_t begin_until(struct scene *s, enum operation_kind kind, uint64_t ms)
{
	struct operation op = {.kind = kind, .key = key_number(5)};

	return kv_begin(s->kv, &op, s->now + ms);
}

static void test_time_outs(void **state)
{
	struct scene *s = *state;
	uint64_t read = begin_until(s, OPERATION_GET, 100), bare = begin_until(s, OPERATION_PUT, 110), write;

	tick(s, 0);
	assert_int_equal(s->deadline, BEGIN + 100);
	tick(s, 99);
	assert_int_equal(s->ended_count, 0);
	tick(s, 1);
	expect_end(s, read, KV_TIMEOUT);
	forget(s);
	tick(s, 10);
	expect_end(s, bare, KV_TIMEOUT);
	learn(s, 1);
	write = begin_until(s, OPERATION_PUT, 100);
	tick(s, 0);
	tick(s, 100);
	expect_end(s, write, KV_UNKNOWN);
	forget(s);
	/* Its answer comes late. */
	answer(s, TOKEN(2), write, ANSWER_DONE);
	assert_int_equal(s->ended_count, 0);
}

static void test_time_outs_without_connection(void **state)
{
	struct scene *s = *state;
	uint64_t number = begin_until(s, OPERATION_GET, 100);

	kv_disconnected(s->kv);
	tick(s, 50);
	assert_int_equal(s->sent_count, 0);
	assert_int_equal(s->deadline, BEGIN + 100);
	tick(s, 50);
	expect_end(s, number, KV_TIMEOUT);
}

static void test_reconnection(void **state)
{
	struct scene *s = *state;
	uint64_t read = get(s, 5), done = get(s, 6), write;

	tick(s, 0);
	answer(s, TOKEN(1), done, ANSWER_ABSENT);
	write = begin(s, OPERATION_PUT, 6);
	tick(s, 0);
	forget(s);
	kv_disconnected(s->kv);
	tick(s, 5000);
	connected(s);
	assert_int_equal(s->subscribed, 2);
	tick(s, 5000);
	assert_int_equal(s->sent_count, 0);
	subscribed(s);
	assert_int_equal(s->sent_count, 1); /* to the owner that was known */
	assert_int_equal(s->sent[0]->rq.count, 2);
	assert_int_equal(s->sent[0]->rq.base, read);
	assert_int_equal(s->sent[0]->rq.operations[1].offset, write - read);
	assert_int_equal(s->sent[0]->rq.token.counter, 1);
}

/* ---- numbers ---- */

static void test_numbers_and_first(void **state)
{
	struct scene *s = *state;
	uint64_t one = get(s, 1), two = get(s, 2), three = get(s, 3);

	assert_int_equal(one, 1);
	assert_int_equal(two, 2);
	tick(s, 0);
	assert_int_equal(sent(s, 1, 0)->rq.first, 1);
	answer(s, TOKEN(1), two, ANSWER_ABSENT);
	answer(s, TOKEN(1), three, ANSWER_ABSENT);
	forget(s);
	assert_int_equal(get(s, 4), 4);
	tick(s, 0);
	assert_int_equal(sent(s, 1, 0)->rq.first, 1); /* that is open */
	answer(s, TOKEN(1), one, ANSWER_ABSENT);
	forget(s);
	get(s, 5);
	tick(s, 0);
	assert_int_equal(sent(s, 1, 0)->rq.first, 4);
}

static void test_open_max(void **state)
{
	struct scene *s = *state;

	for (uint64_t i = 1; i <= KV_OPEN_MAX; i++) {
		assert_false(kv_full(s->kv));
		assert_int_equal(get(s, 5), i);
	}
	assert_true(kv_full(s->kv));
	assert_int_equal(get(s, 5), 0);
	tick(s, 0);
	forget(s);
	/* Any but the lowest makes no room: nodes listen to so many from that on. */
	answer(s, TOKEN(1), KV_OPEN_MAX, ANSWER_ABSENT);
	assert_true(kv_full(s->kv));
	answer(s, TOKEN(1), 1, ANSWER_ABSENT);
	assert_false(kv_full(s->kv));
	assert_int_equal(get(s, 5), KV_OPEN_MAX + 1);
	assert_int_equal(kv_open(s->kv), KV_OPEN_MAX - 1);
	assert_true(kv_full(s->kv));
}

/* Without owners each cell is a frame of its own: not thousands at once, but some ahead, from whose answers the others
 * know where to go; and if there are none as many more each time. */
static void test_few_go_by_their_cells(void **state)
{
	struct scene *s = *state;

	for (uint32_t i = 0; i < 1000; i++)
		get(s, i << 16);
	tick(s, 0);
	assert_int_equal(s->sent_count, 64);
	tick(s, 1);
	assert_int_equal(s->sent_count, 64);
	tick(s, 4);
	assert_int_equal(s->sent_count, 128);
	forget(s);
	answer(s, TOKEN(1), 3, ANSWER_ABSENT);
	tick(s, 0);
	assert_int_equal(sent(s, 2, 0)->rq.count, 512);
	assert_int_equal(sent(s, 2, 1)->rq.count, 1000 - 128 - 512);
	assert_int_equal(kv_open(s->kv), 999);
}

/* Where answers take long nothing is asked again before they can be there, but within retry_max. */
static void test_retries_wait_for_a_slow_broker(void **state)
{
	struct scene *s = *state;
	uint64_t number;

	for (unsigned i = 0; i < 40; i++) {
		number = get(s, 1);
		tick(s, 0);
		tick(s, 200);
		answer(s, TOKEN(1), number, ANSWER_ABSENT);
	}
	get(s, 1);
	tick(s, 0);
	forget(s);
	tick(s, 700);
	assert_int_equal(s->sent_count, 0);
	tick(s, 400);
	assert_int_equal(s->sent_count, 1);
}

/* While what was published waits for our own line nothing is asked again; when that is over the pause begins. */
static void test_no_pause_counts_while_the_line_is_busy(void **state)
{
	struct scene *s = *state;
	uint64_t late;

	get(s, 1);
	tick(s, 0);
	forget(s);
	for (unsigned i = 0; i < 40; i++) {
		kv_busy(s->kv, s->now + 100);
		tick(s, 100);
	}
	assert_int_equal(s->sent_count, 0);
	late = begin(s, OPERATION_GET, 2);
	tick(s, 0);
	assert_int_equal(sent(s, 1, 0)->rq.base, late); /* what is new goes out */
	forget(s);
	tick(s, 249);
	assert_int_equal(s->sent_count, 0);
	while (s->sent_count == 0)
		tick(s, s->deadline - s->now);
	assert_in_range(s->now, BEGIN + 4000 + 250, BEGIN + 4000 + 313);
	/* A time-out is one all the same. */
	late = kv_begin(s->kv, &(struct operation){.kind = OPERATION_GET, .key = key_number(3)}, s->now + 100);
	tick(s, 0);
	kv_busy(s->kv, s->now + 100);
	tick(s, 100);
	expect_end(s, late, KV_TIMEOUT);
}

/* What is asked for is the caller's to change, or to free. */
static void test_copies(void **state)
{
	struct scene *s = *state;
	char name[] = "name", value[] = "value";
	struct operation op = {.kind = OPERATION_PUT,
			       .key = key_named((const uint8_t *)name, 4),
			       .value = (const uint8_t *)value,
			       .value_len = 5,
			       .life = 300,
			       .condition = CONDITION_VERSION,
			       .version = {8, 9}};
	const struct operation *got;

	kv_begin(s->kv, &op, FOREVER);
	memset(name, 'x', 4);
	memset(value, 'x', 5);
	tick(s, 0);
	got = &sent(s, 1, 0)->rq.operations[0];
	assert_int_equal(got->key.name_len, 4);
	assert_memory_equal(got->key.name, "name", 4);
	assert_memory_equal(got->value, "value", 5);
	assert_int_equal(got->life, 300);
	assert_int_equal(got->condition, CONDITION_VERSION);
	assert_int_equal(got->version.counter, 9);
}

static const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	TEST(test_subscribes_first),
	TEST(test_groups_by_cell),
	TEST(test_groups_by_owner),
	TEST(test_frames_are_bounded),
	TEST(test_writes_share_a_token),
	TEST(test_token_on_request),
	TEST(test_long_values_wait_for_a_token),
	TEST(test_old_tokens_begin_no_write),
	TEST(test_tokens_age_from_the_question),
	TEST(test_a_token_is_kept),
	TEST(test_retries),
	TEST(test_moved),
	TEST(test_answers),
	TEST(test_unknown),
	TEST(test_strange_answers),
	TEST(test_time_outs),
	TEST(test_time_outs_without_connection),
	TEST(test_reconnection),
	TEST(test_numbers_and_first),
	TEST(test_open_max),
	TEST(test_few_go_by_their_cells),
	TEST(test_retries_wait_for_a_slow_broker),
	TEST(test_no_pause_counts_while_the_line_is_busy),
	TEST(test_copies),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
