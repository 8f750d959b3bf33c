/* The client's half of section 11, driven by hand: what goes out when, and what an answer ends. */
#include "kv-fixture.h"

#include "../../common/kv-internal.h"
#include "../../common/mem.h"

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

	scene_get(s, 0x12340001);
	scene_get(s, 0x12350001);
	scene_get(s, 0x1234ffff);
	assert_int_equal(s->sent_count, 0); /* all that is to go out now, together */
	scene_tick(s, 0);
	assert_string_equal(scene_sent(s, 2, 0)->topic, "op/1/2/3/4");
	assert_string_equal(scene_sent(s, 2, 1)->topic, "op/1/2/3/5");
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
	scene_learn(s, 1);
	assert_true(kv_owner(s->kv, 5, &owner));
	assert_int_equal(owner, 7);
	scene_get(s, 0x12340001);
	scene_begin(s, OPERATION_PUT, 0x99990001);
	scene_get(s, 0xfffffff0);
	scene_tick(s, 0);
	assert_string_equal(scene_sent(s, 1, 0)->topic, "ask/00000007");
	assert_int_equal(s->sent[0]->rq.count, 3);
	assert_int_equal(s->sent[0]->rq.token.counter, 1);
}

static void test_frames_are_bounded(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 0; i <= OPERATION_COUNT_MAX; i++)
		scene_get(s, 5);
	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 2, 0)->rq.count, OPERATION_COUNT_MAX);
	assert_int_equal(s->sent[1]->rq.count, 1);
	scene_forget(s);
	scene_learn(s, 1);
	for (unsigned i = 0; i < 3; i++) {
		struct operation op = {.kind = OPERATION_PUT, .key = key_number(6 + i)};

		op.value_len = s->config.frame_bytes / 2;
		op.value = xcalloc(1, op.value_len);
		kv_begin(s->kv, &op, FOREVER);
		free((void *)(uintptr_t)op.value);
	}
	scene_tick(s, 0);
	assert_int_equal(s->sent_count, 3); /* two of them are more than a frame */
}

/* ---- answers ---- */

static void test_answers(void **state)
{
	struct scene *s = *state;
	uint64_t one = scene_get(s, 1), two = scene_get(s, 2);
	struct operation_result r = {.status = ANSWER_DONE,
				     .has_version = true,
				     .version = {5, 8},
				     .value = (const uint8_t *)"found",
				     .value_len = 5};

	scene_tick(s, 0);
	scene_answer_from(s, WHOLE, TOKEN(8), two, r);
	scene_expect_end(s, two, KV_DONE);
	assert_string_equal(s->ended[0].value, "found");
	assert_int_equal(s->ended[0].result.version.counter, 8);
	assert_int_equal(kv_open(s->kv), 1);
	/* Again: nothing; and numbers that were never begun, near and far. */
	scene_forget(s);
	scene_answer_from(s, WHOLE, TOKEN(8), two, r);
	scene_answer_from(s, WHOLE, TOKEN(8), two + 1, r);
	scene_answer_from(s, WHOLE, TOKEN(8), one + KV_OPEN_MAX, r);
	assert_int_equal(s->ended_count, 0);
	scene_answer_from(s, WHOLE, TOKEN(8), one, r);
	scene_expect_end(s, one, KV_DONE);
	assert_int_equal(kv_open(s->kv), 0);
}

static void test_unknown(void **state)
{
	struct scene *s = *state;
	uint64_t bare = scene_begin(s, OPERATION_PUT, 5), number;

	scene_tick(s, 0);
	/* Without a token nothing can have been done, whatever is said. */
	scene_answer(s, TOKEN(1), bare, ANSWER_UNKNOWN);
	scene_answer(s, TOKEN(1), bare, ANSWER_DONE);
	assert_int_equal(s->ended_count, 0);
	scene_answer(s, TOKEN(1), bare, ANSWER_TOKEN);
	scene_tick(s, 0);
	number = scene_begin(s, OPERATION_ADD, 6);
	scene_tick(s, 0);
	scene_answer(s, TOKEN(2), number, ANSWER_UNKNOWN);
	scene_expect_end(s, number, KV_UNKNOWN);
	scene_forget(s);
	scene_answer(s, TOKEN(2), bare, ANSWER_UNKNOWN);
	scene_expect_end(s, bare, KV_UNKNOWN);
}

static void test_strange_answers(void **state)
{
	struct scene *s = *state;
	struct kv_update u;
	uint32_t owner;

	assert_non_null(kv_message(s->kv, s->now, (const uint8_t *)"\xff", 1, &u));
	assert_int_equal(u.count, 0);
	/* To nothing that was asked: it teaches nothing either. */
	scene_answer(s, TOKEN(1), 77, ANSWER_ABSENT);
	assert_false(kv_owner(s->kv, 5, &owner));
	/* Begun, and not sent. */
	scene_answer(s, TOKEN(1), scene_get(s, 5), ANSWER_ABSENT);
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

	scene_tick(s, 0);
	assert_int_equal(s->deadline, BEGIN + 100);
	scene_tick(s, 99);
	assert_int_equal(s->ended_count, 0);
	scene_tick(s, 1);
	scene_expect_end(s, read, KV_TIMEOUT);
	scene_forget(s);
	scene_tick(s, 10);
	scene_expect_end(s, bare, KV_TIMEOUT);
	scene_learn(s, 1);
	write = begin_until(s, OPERATION_PUT, 100);
	scene_tick(s, 0);
	scene_tick(s, 100);
	scene_expect_end(s, write, KV_UNKNOWN);
	scene_forget(s);
	/* Its answer comes late. */
	scene_answer(s, TOKEN(2), write, ANSWER_DONE);
	assert_int_equal(s->ended_count, 0);
}

static void test_time_outs_without_connection(void **state)
{
	struct scene *s = *state;
	uint64_t number = begin_until(s, OPERATION_GET, 100);

	kv_disconnected(s->kv);
	scene_tick(s, 50);
	assert_int_equal(s->sent_count, 0);
	assert_int_equal(s->deadline, BEGIN + 100);
	scene_tick(s, 50);
	scene_expect_end(s, number, KV_TIMEOUT);
}

/* However many end meanwhile, it keeps no trace of them. */
static void test_many_time_outs_without_connection(void **state)
{
	struct scene *s = *state;
	uint64_t last = 0;

	kv_disconnected(s->kv);
	for (unsigned i = 0; i < 10; i++) {
		for (uint32_t id = 0; id < KV_OPEN_MAX; id++)
			(void)kv_begin(s->kv, &(struct operation){.kind = OPERATION_GET, .key = key_number(id)},
				       s->now + 1);
		scene_tick(s, 1);
		assert_int_equal(s->ended_count, KV_OPEN_MAX);
		assert_in_range(s->kv->due_room, 1, 2 * KV_OPEN_MAX);
		scene_forget(s);
	}
	last = scene_get(s, 5);
	scene_connected(s);
	scene_subscribed(s);
	assert_int_equal(scene_sent(s, 1, 0)->rq.count, 1);
	assert_int_equal(s->sent[0]->rq.base, last);
}

static void test_reconnection(void **state)
{
	struct scene *s = *state;
	uint64_t read = scene_get(s, 5), done = scene_get(s, 6), write;

	scene_tick(s, 0);
	scene_answer(s, TOKEN(1), done, ANSWER_ABSENT);
	write = scene_begin(s, OPERATION_PUT, 6);
	scene_tick(s, 0);
	scene_forget(s);
	kv_disconnected(s->kv);
	scene_tick(s, 5000);
	scene_connected(s);
	assert_int_equal(s->subscribed, 2);
	scene_tick(s, 5000);
	assert_int_equal(s->sent_count, 0);
	scene_subscribed(s);
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
	uint64_t one = scene_get(s, 1), two = scene_get(s, 2), three = scene_get(s, 3);

	assert_int_equal(one, 1);
	assert_int_equal(two, 2);
	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 1, 0)->rq.first, 1);
	scene_answer(s, TOKEN(1), two, ANSWER_ABSENT);
	scene_answer(s, TOKEN(1), three, ANSWER_ABSENT);
	scene_forget(s);
	assert_int_equal(scene_get(s, 4), 4);
	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 1, 0)->rq.first, 1); /* that is open */
	scene_answer(s, TOKEN(1), one, ANSWER_ABSENT);
	scene_forget(s);
	scene_get(s, 5);
	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 1, 0)->rq.first, 4);
}

static void test_open_max(void **state)
{
	struct scene *s = *state;

	for (uint64_t i = 1; i <= KV_OPEN_MAX; i++) {
		assert_false(kv_full(s->kv));
		assert_int_equal(scene_get(s, 5), i);
	}
	assert_true(kv_full(s->kv));
	assert_int_equal(scene_get(s, 5), 0);
	scene_tick(s, 0);
	scene_forget(s);
	/* Any but the lowest makes no room: nodes listen to so many from that on. */
	scene_answer(s, TOKEN(1), KV_OPEN_MAX, ANSWER_ABSENT);
	assert_true(kv_full(s->kv));
	scene_answer(s, TOKEN(1), 1, ANSWER_ABSENT);
	assert_false(kv_full(s->kv));
	assert_int_equal(scene_get(s, 5), KV_OPEN_MAX + 1);
	assert_int_equal(kv_open(s->kv), KV_OPEN_MAX - 1);
	assert_true(kv_full(s->kv));
}

/* Without owners each cell is a frame of its own: not thousands at once, but some ahead, from whose answers the others
 * know where to go; and if there are none as many more each time. */
static void test_few_go_by_their_cells(void **state)
{
	struct scene *s = *state;

	for (uint32_t i = 0; i < 1000; i++)
		scene_get(s, i << 16);
	scene_tick(s, 0);
	assert_int_equal(s->sent_count, 64);
	scene_tick(s, 1);
	assert_int_equal(s->sent_count, 64);
	scene_tick(s, 4);
	assert_int_equal(s->sent_count, 128);
	scene_forget(s);
	scene_answer(s, TOKEN(1), 3, ANSWER_ABSENT);
	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 2, 0)->rq.count, 512);
	assert_int_equal(scene_sent(s, 2, 1)->rq.count, 1000 - 128 - 512);
	assert_int_equal(kv_open(s->kv), 999);
}

/* Where answers take long nothing is asked again before they can be there, but within retry_max. */
static void test_retries_wait_for_a_slow_broker(void **state)
{
	struct scene *s = *state;
	uint64_t number;

	for (unsigned i = 0; i < 40; i++) {
		number = scene_get(s, 1);
		scene_tick(s, 0);
		scene_tick(s, 200);
		scene_answer(s, TOKEN(1), number, ANSWER_ABSENT);
	}
	scene_get(s, 1);
	scene_tick(s, 0);
	scene_forget(s);
	scene_tick(s, 700);
	assert_int_equal(s->sent_count, 0);
	scene_tick(s, 400);
	assert_int_equal(s->sent_count, 1);
}

/* While what was published waits for our own line nothing is asked again; when that is over the pause begins. */
static void test_no_pause_counts_while_the_line_is_busy(void **state)
{
	struct scene *s = *state;
	uint64_t late;

	scene_get(s, 1);
	scene_tick(s, 0);
	scene_forget(s);
	for (unsigned i = 0; i < 40; i++) {
		kv_busy(s->kv, s->now + 100);
		scene_tick(s, 100);
	}
	assert_int_equal(s->sent_count, 0);
	late = scene_begin(s, OPERATION_GET, 2);
	scene_tick(s, 0);
	assert_int_equal(scene_sent(s, 1, 0)->rq.base, late); /* what is new goes out */
	scene_forget(s);
	scene_tick(s, 249);
	assert_int_equal(s->sent_count, 0);
	while (s->sent_count == 0)
		scene_tick(s, s->deadline - s->now);
	assert_in_range(s->now, BEGIN + 4000 + 250, BEGIN + 4000 + 313);
	/* A time-out is one all the same. */
	late = kv_begin(s->kv, &(struct operation){.kind = OPERATION_GET, .key = key_number(3)}, s->now + 100);
	scene_tick(s, 0);
	kv_busy(s->kv, s->now + 100);
	scene_tick(s, 100);
	scene_expect_end(s, late, KV_TIMEOUT);
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
	scene_tick(s, 0);
	got = &scene_sent(s, 1, 0)->rq.operations[0];
	assert_int_equal(got->key.name_len, 4);
	assert_memory_equal(got->key.name, "name", 4);
	assert_memory_equal(got->value, "value", 5);
	assert_int_equal(got->life, 300);
	assert_int_equal(got->condition, CONDITION_VERSION);
	assert_int_equal(got->version.counter, 9);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SCENE_TEST(test_subscribes_first),
		SCENE_TEST(test_groups_by_cell),
		SCENE_TEST(test_groups_by_owner),
		SCENE_TEST(test_frames_are_bounded),
		SCENE_TEST(test_answers),
		SCENE_TEST(test_unknown),
		SCENE_TEST(test_strange_answers),
		SCENE_TEST(test_time_outs),
		SCENE_TEST(test_time_outs_without_connection),
		SCENE_TEST(test_many_time_outs_without_connection),
		SCENE_TEST(test_reconnection),
		SCENE_TEST(test_numbers_and_first),
		SCENE_TEST(test_open_max),
		SCENE_TEST(test_few_go_by_their_cells),
		SCENE_TEST(test_retries_wait_for_a_slow_broker),
		SCENE_TEST(test_no_pause_counts_while_the_line_is_busy),
		SCENE_TEST(test_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
