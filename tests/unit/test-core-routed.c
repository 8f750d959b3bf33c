/* Operations of clients of ours: answered by the owner and nobody else, once for their number, wherever the arc goes. */
#include "core-fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/core/core.h"

/* The arc (LOW, MOVING] moves, or is there from the beginning. */
#define LOW 0x10000000u
#define MOVING 0x77359400u
#define HIGH 0xb0000000u
#define ID 0x40000000u /* in the arc that moves */
#define REPLY "to/01010101010101010101010101010101"

/* What has been answered to one number. */
struct told {
	unsigned count; /* answers that say what came of it, or that nobody knows */
	unsigned moved, tokens;
	int from; /* the last of them */
	bool arc_set;
	struct arc arc;
	struct operation_token token;
	struct operation_result result;
};

static const char *cell(uint32_t id)
{
	static char topic[TOPIC_MAX];

	topic_format(topic, "", TOPIC_CELL, id, NULL);
	return topic;
}

static const char *inbox(uint32_t node)
{
	static char topic[TOPIC_MAX];

	topic_format(topic, "", TOPIC_ASK, node, NULL);
	return topic;
}

static uint8_t *request_of(uint64_t number, uint64_t first, struct operation_token token, struct operation op,
			   size_t *len)
{
	struct operation_request rq = {.base = number, .first = first, .token = token, .operations = &op, .count = 1};

	memset(rq.client, 1, sizeof(rq.client));
	return operation_encode_request(&rq, len);
}

static void ask(struct core *c, const char *topic, uint64_t number, struct operation_token token, struct operation op)
{
	size_t len;
	uint8_t *bytes = request_of(number, number > 100 ? number : 1, token, op, &len);

	core_publish_bytes(c, topic, bytes, len);
	free(bytes);
}

static struct operation add(uint32_t id)
{
	return (struct operation){.kind = OPERATION_ADD, .key = key_number(id), .amount = 1};
}

static struct operation get(uint32_t id)
{
	return (struct operation){.kind = OPERATION_GET, .key = key_number(id)};
}

static void hear(struct told *t, const struct operation_answer *a, const struct operation_result *r, int from)
{
	t->moved += r->status == ANSWER_MOVED;
	t->tokens += r->status == ANSWER_TOKEN;
	t->count += r->status != ANSWER_MOVED && r->status != ANSWER_TOKEN;
	t->from = from;
	t->arc_set = a->arc_set;
	t->arc = a->arc;
	t->token = a->token;
	t->result = *r;
}

static struct told told(const struct core *c, uint64_t number)
{
	static struct operation_room room;
	struct told t = {.from = CORE_ANY};

	for (size_t i = 0; i < c->line_count; i++) {
		struct operation_answer a;

		if (strcmp(c->lines[i].topic, REPLY) != 0)
			continue;
		assert_null(operation_decode_answer(&a, &room, (const uint8_t *)c->lines[i].payload, c->lines[i].len));
		for (size_t j = 0; j < a.count; j++)
			if (a.base + a.results[j].offset == number)
				hear(&t, &a, &a.results[j], c->lines[i].from);
	}
	return t;
}

/* A token of whoever owns the id now. */
static struct operation_token token_of(struct core *c, uint32_t id)
{
	static uint64_t number = 1000000;

	ask(c, cell(id), ++number, (struct operation_token){0}, get(id));
	core_run(c, 100);
	assert_int_equal(told(c, number).count, 1);
	return told(c, number).token;
}

/* LOW, MOVING and HIGH. */
static struct core *three(void **state)
{
	struct core *c = *state;

	core_add(c, HIGH);
	core_add(c, LOW);
	core_add(c, MOVING);
	core_whole(c, 3, 10000);
	return c;
}

static void expect_record(struct core *c, uint32_t id, const char *value)
{
	static uint64_t number = 2000000;
	struct told t;

	ask(c, cell(id), ++number, (struct operation_token){0}, get(id));
	core_run(c, 100);
	t = told(c, number);
	assert_int_equal(t.result.status, value ? ANSWER_DONE : ANSWER_ABSENT);
	if (!value)
		return;
	assert_int_equal(t.result.value_len, strlen(value));
	assert_memory_equal(t.result.value, value, strlen(value));
}

/* ---- who answers ---- */

static void test_owner_only(void **state)
{
	struct core *c = three(state);
	struct told t;

	ask(c, cell(ID), 1, (struct operation_token){0}, get(ID));
	core_run(c, 1000);
	t = told(c, 1);
	assert_int_equal(t.count, 1);
	assert_int_equal(t.from, 2);
	assert_int_equal(t.result.status, ANSWER_ABSENT);
	assert_true(t.arc_set);
	assert_int_equal(t.arc.lo, LOW);
	assert_int_equal(t.arc.hi, MOVING);
	assert_true(t.token.number != 0);
	/* The two at the ends of one cell: each has its own ids of it. */
	ask(c, cell(MOVING), 2, (struct operation_token){0}, get(MOVING));
	ask(c, cell(MOVING + 1), 3, (struct operation_token){0}, get(MOVING + 1));
	core_run(c, 1000);
	assert_int_equal(told(c, 2).count, 1);
	assert_int_equal(told(c, 2).from, 2);
	assert_int_equal(told(c, 3).count, 1);
	assert_int_equal(told(c, 3).from, 0);
}

static void test_asked_of_the_wrong_one(void **state)
{
	struct core *c = three(state);
	struct told t;

	ask(c, inbox(LOW), 1, (struct operation_token){0}, get(ID));
	core_run(c, 1000);
	t = told(c, 1);
	assert_int_equal(t.moved, 1);
	assert_int_equal(t.count, 0);
	assert_int_equal(t.from, 1);
	assert_false(t.arc_set);
	assert_int_equal(t.token.number, 0);
	ask(c, inbox(MOVING), 1, (struct operation_token){0}, get(ID));
	core_run(c, 1000);
	assert_int_equal(told(c, 1).count, 1);
}

static void test_one_turn_one_frame(void **state)
{
	struct core *c = three(state);
	size_t since = c->line_count;

	for (uint64_t i = 1; i <= 5; i++)
		ask(c, cell(ID), i, (struct operation_token){0}, get(ID + (uint32_t)i));
	core_run(c, 1000);
	for (uint64_t i = 1; i <= 5; i++)
		assert_int_equal(told(c, i).count, 1);
	assert_int_equal(core_count(c, since, REPLY, NULL), 1);
}

/* What is retained would be done again at each reconnection. */
static void test_retained(void **state)
{
	struct core *c = three(state);
	struct operation_token token = token_of(c, ID);
	size_t len;
	uint8_t *bytes = request_of(1, 1, token, add(ID), &len);

	core_step(c, 2,
		  (struct event){
			  .type = EVENT_MESSAGE, .topic = cell(ID), .payload = bytes, .len = len, .retained = true});
	free(bytes);
	core_run(c, 1000);
	assert_int_equal(told(c, 1).count, 0);
	expect_record(c, ID, NULL);
}

/* ---- once ---- */

static void test_once(void **state)
{
	struct core *c = three(state);
	struct operation_token token;
	struct told first, again;

	ask(c, cell(ID), 1, (struct operation_token){0}, add(ID));
	core_run(c, 100);
	assert_int_equal(told(c, 1).tokens, 1);
	assert_int_equal(told(c, 1).count, 0);
	expect_record(c, ID, NULL);
	token = told(c, 1).token;
	ask(c, cell(ID), 1, token, add(ID));
	core_run(c, 100);
	first = told(c, 1);
	assert_int_equal(first.result.status, ANSWER_DONE);
	assert_int_equal(first.result.amount, 1);
	/* By cell, of the owner, with another token and with none. */
	ask(c, cell(ID), 1, token, add(ID));
	ask(c, inbox(MOVING), 1, token_of(c, ID), add(ID));
	ask(c, inbox(MOVING), 1, (struct operation_token){0}, add(ID));
	core_run(c, 100);
	again = told(c, 1);
	assert_int_equal(again.count, 4);
	assert_int_equal(again.result.status, ANSWER_DONE);
	assert_int_equal(again.result.amount, 1);
	assert_true(version_equal(again.result.version, first.result.version));
	expect_record(c, ID, "1");
	/* What changes nothing is remembered as well. */
	struct operation put = {.kind = OPERATION_PUT, .key = key_number(ID), .condition = CONDITION_ABSENT};
	ask(c, cell(ID), 2, token, put);
	ask(c, cell(ID), 3, token, (struct operation){.kind = OPERATION_DELETE, .key = key_number(ID)});
	ask(c, cell(ID), 2, token, put);
	core_run(c, 100);
	assert_int_equal(told(c, 2).count, 2);
	assert_int_equal(told(c, 2).result.status, ANSWER_FAILED);
	expect_record(c, ID, NULL);
}

static void test_tokens(void **state)
{
	struct core *c = three(state);
	struct operation_token token = token_of(c, ID), other = token;

	other.counter += 1;
	ask(c, cell(ID), 1, other, add(ID)); /* above */
	other = token;
	other.number += 1;
	ask(c, cell(ID), 2, other, add(ID));
	other = token;
	other.ring ^= 1;
	ask(c, cell(ID), 3, other, add(ID));
	other = token;
	other.number = 1; /* below the horizon */
	ask(c, cell(ID), 4, other, add(ID));
	core_run(c, 100);
	for (uint64_t i = 1; i <= 4; i++) {
		assert_int_equal(told(c, i).count, 1);
		assert_int_equal(told(c, i).result.status, ANSWER_UNKNOWN);
	}
	expect_record(c, ID, NULL);
	ask(c, cell(ID), 5, token, add(ID));
	core_run(c, 100);
	assert_int_equal(told(c, 5).result.status, ANSWER_DONE);
}

/* ---- an arc that moves ---- */

/* MOVING joins at HIGH; so many deliveries and moments on.  False: it was over before. */
static bool to_place(struct core *c, unsigned places)
{
	for (unsigned i = 0; i < places; i++) {
		if (!core_next(c) && core_is_whole(c, 3))
			return false;
		core_advance(c, CORE_NEVER);
	}
	return true;
}

static struct core *joining(struct operation_token *token)
{
	struct core *c = core_new();

	core_add(c, HIGH);
	core_add(c, LOW);
	core_whole(c, 2, 10000);
	*token = token_of(c, ID);
	core_add(c, MOVING);
	return c;
}

/* Whoever ends up owning answers it, once; said again behind the handover it is answered as the first time. */
static void test_at_each_place_of_a_handover(void **state)
{
	unsigned places = 0, by_taker = 0, by_giver = 0;
	bool going = true;

	(void)state;
	while (going) {
		struct operation_token token;
		struct core *c = joining(&token);
		struct told first, again;

		going = to_place(c, places++);
		ask(c, cell(ID), 1, token, add(ID));
		core_whole(c, 3, 10000);
		core_run(c, 1000);
		first = told(c, 1);
		if (first.count != 1 || first.result.status != ANSWER_DONE)
			fail_msg("place %u: answered %u times, status %d", places, first.count,
				 (int)first.result.status);
		by_giver += first.from == 0;
		by_taker += first.from == 2;
		ask(c, cell(ID), 1, token, add(ID));
		core_run(c, 1000);
		again = told(c, 1);
		assert_int_equal(again.count, 2);
		assert_int_equal(again.from, 2);
		assert_int_equal(again.result.status, ANSWER_DONE);
		assert_int_equal(again.result.amount, 1);
		assert_true(version_equal(again.result.version, first.result.version));
		expect_record(c, ID, "1");
		core_free(c);
	}
	assert_true(by_giver > 0 && by_taker > 0);
}

/* Asked of the giver: it answers, or says that the arc has moved; and then the client turns to the cell. */
static void test_asked_at_each_place_of_a_handover(void **state)
{
	unsigned places = 0, moved = 0, done = 0;
	bool going = true;

	(void)state;
	while (going) {
		struct operation_token token;
		struct core *c = joining(&token);
		struct told t;

		going = to_place(c, places++);
		ask(c, inbox(HIGH), 1, token, add(ID));
		core_whole(c, 3, 10000);
		core_run(c, 1000);
		t = told(c, 1);
		if (t.count + t.moved != 1)
			fail_msg("place %u: answered %u times, and %u times that it has moved", places, t.count,
				 t.moved);
		moved += t.moved;
		done += t.count;
		ask(c, cell(ID), 1, token, add(ID));
		core_run(c, 1000);
		t = told(c, 1);
		assert_int_equal(t.result.status, ANSWER_DONE);
		assert_int_equal(t.result.amount, 1);
		expect_record(c, ID, "1");
		core_free(c);
	}
	assert_true(moved > 0 && done > 0);
}

/* What is being handed over is not swept; but a record at its end is buried before anybody is told that it is absent, on the
 * reference's topics too: the copy that the taker has, or will have, may have some of its time left. */
static void test_buried_before_told(void **state)
{
	struct operation_token token;
	struct core *c = joining(&token);
	struct operation put = {.kind = OPERATION_PUT, .life = 10};
	const struct store *store = c->nodes[0].node->store;
	struct store_item item;

	(void)state;
	assert_true(core_until(c, FRAME_ACCEPT, 0));
	core_drop(c);
	for (uint32_t id = ID; id < ID + 2; id++) {
		put.key = key_number(id);
		ask(c, cell(id), id, token, put);
	}
	core_run(c, 10);
	assert_true(store_get(store, key_number(ID), &item));
	assert_false(item.deleted);
	ask(c, cell(ID), 2000001, token, get(ID));
	core_get(c, ID + 1);
	core_deliver_all(c);
	assert_int_equal(told(c, 2000001).result.status, ANSWER_ABSENT);
	assert_int_equal(core_told(c, ID + 1), 1);
	for (uint32_t id = ID; id < ID + 2; id++) {
		assert_true(store_get(store, key_number(id), &item));
		assert_true(item.deleted);
	}
	core_free(c);
}

/* `first` moves along: an old copy of what the client is through with is not done behind the handover. */
static void test_first_moves(void **state)
{
	struct operation_token token;
	struct core *c = joining(&token);

	(void)state;
	ask(c, cell(ID), 101, token, add(ID));
	ask(c, cell(ID), 102, token, add(ID));
	core_whole(c, 3, 10000);
	core_run(c, 100);
	assert_int_equal(told(c, 102).result.amount, 2);
	ask(c, cell(ID), 101, token, add(ID));
	core_run(c, 100);
	assert_int_equal(told(c, 101).count, 1);
	expect_record(c, ID, "2");
	core_free(c);
}

/* Whoever has given an arc away does not hear it any more, and who owns one hears nothing else. */
static void test_cells_follow(void **state)
{
	struct core *c = three(state);
	bool heard[3] = {false};

	core_run(c, 1000);
	for (int n = 0; n < 3; n++)
		for (size_t i = 0; i < c->nodes[n].filter_count; i++) {
			const char *f = c->nodes[n].filters[i];

			heard[n] |= !strcmp(f, "op/4/#") || !strcmp(f, "op/#");
		}
	assert_false(heard[0]);
	assert_false(heard[1]);
	assert_true(heard[2]);
}

/* ---- an owner that dies ---- */

static void test_unknown_after_a_crash(void **state)
{
	struct core *c = three(state);
	struct operation_token token = token_of(c, ID);
	struct told t;

	ask(c, cell(ID), 1, token, add(ID));
	core_run(c, 100);
	assert_int_equal(told(c, 1).result.status, ANSWER_DONE);
	core_kill(c, 2);
	ask(c, cell(ID), 1, token, add(ID)); /* held by the guard, or heard by nobody */
	core_whole(c, 2, 60000);
	ask(c, cell(ID), 1, token, add(ID));
	ask(c, cell(ID), 2, token, add(ID)); /* never done: he cannot know */
	core_run(c, 1000);
	t = told(c, 1);
	assert_int_equal(t.result.status, ANSWER_UNKNOWN);
	assert_int_equal(told(c, 2).result.status, ANSWER_UNKNOWN);
	expect_record(c, ID, NULL);
	ask(c, cell(ID), 3, token_of(c, ID), add(ID));
	core_run(c, 100);
	assert_int_equal(told(c, 3).result.status, ANSWER_DONE);
	assert_int_equal(told(c, 3).result.amount, 1);
}

/* After a lost connection it is the same table. */
static void test_known_after_a_cut(void **state)
{
	struct core *c = three(state);
	struct operation_token token = token_of(c, ID);

	ask(c, cell(ID), 1, token, add(ID));
	core_run(c, 100);
	core_cut(c, 2);
	core_run(c, 1000);
	core_whole(c, 3, 10000);
	ask(c, cell(ID), 1, token, add(ID));
	core_run(c, 1000);
	assert_int_equal(told(c, 1).count, 2);
	assert_int_equal(told(c, 1).result.status, ANSWER_DONE);
	assert_int_equal(told(c, 1).result.amount, 1);
	expect_record(c, ID, "1");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		core_test(test_owner_only),
		core_test(test_asked_of_the_wrong_one),
		core_test(test_one_turn_one_frame),
		core_test(test_retained),
		core_test(test_once),
		core_test(test_tokens),
		core_test(test_at_each_place_of_a_handover),
		core_test(test_asked_at_each_place_of_a_handover),
		core_test(test_first_moves),
		core_test(test_buried_before_told),
		core_test(test_cells_follow),
		core_test(test_unknown_after_a_crash),
		core_test(test_known_after_a_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
