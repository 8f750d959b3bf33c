/* Operations of clients of ours: answered by the owner and nobody else, once for their number. */
#include "routed-fixture.h"

#include "../../daemon/core/state.h"
#include "../../daemon/core/store.h"

/* ---- who answers ---- */

static void test_owner_only(void **state)
{
	struct core *c = routed_three(state);
	struct told t;

	routed_ask(c, routed_cell(ID), 1, (struct operation_token){0}, routed_get(ID));
	core_run(c, 1000);
	t = routed_told(c, 1);
	assert_int_equal(t.count, 1);
	assert_int_equal(t.from, 2);
	assert_int_equal(t.result.status, ANSWER_ABSENT);
	assert_true(t.arc_set);
	assert_int_equal(t.arc.lo, LOW);
	assert_int_equal(t.arc.hi, MOVING);
	assert_true(t.token.number != 0);
	/* The two at the ends of one cell: each has its own ids of it. */
	routed_ask(c, routed_cell(MOVING), 2, (struct operation_token){0}, routed_get(MOVING));
	routed_ask(c, routed_cell(MOVING + 1), 3, (struct operation_token){0}, routed_get(MOVING + 1));
	core_run(c, 1000);
	assert_int_equal(routed_told(c, 2).count, 1);
	assert_int_equal(routed_told(c, 2).from, 2);
	assert_int_equal(routed_told(c, 3).count, 1);
	assert_int_equal(routed_told(c, 3).from, 0);
}

static void test_asked_of_the_wrong_one(void **state)
{
	struct core *c = routed_three(state);
	struct told t;

	routed_ask(c, routed_inbox(LOW), 1, (struct operation_token){0}, routed_get(ID));
	core_run(c, 1000);
	t = routed_told(c, 1);
	assert_int_equal(t.moved, 1);
	assert_int_equal(t.count, 0);
	assert_int_equal(t.from, 1);
	assert_false(t.arc_set);
	assert_int_equal(t.token.number, 0);
	routed_ask(c, routed_inbox(MOVING), 1, (struct operation_token){0}, routed_get(ID));
	core_run(c, 1000);
	assert_int_equal(routed_told(c, 1).count, 1);
}

static void test_one_turn_one_frame(void **state)
{
	struct core *c = routed_three(state);
	size_t since = c->line_count;

	for (uint64_t i = 1; i <= 5; i++)
		routed_ask(c, routed_cell(ID), i, (struct operation_token){0}, routed_get(ID + (uint32_t)i));
	core_run(c, 1000);
	for (uint64_t i = 1; i <= 5; i++)
		assert_int_equal(routed_told(c, i).count, 1);
	assert_int_equal(core_count(c, since, REPLY, NULL), 1);
}

static unsigned heard_by(const struct core *c, const char *user)
{
	char topic[TOPIC_MAX] = REPLY;

	topic_add_user(topic, TOPIC_REPLY, user);
	return core_count(c, 0, topic, NULL);
}

static void ask_as(struct core *c, const char *topic, const char *user, uint64_t number, uint32_t id)
{
	char asked[TOPIC_MAX];

	(void)snprintf(asked, sizeof(asked), "%s/%s", topic, user);
	routed_ask(c, asked, number, (struct operation_token){0}, routed_get(id));
}

/* The answer goes to whose level stood in the topic, which is the broker's word, whatever client the request names: also
 * of one client's name in one turn; by cell, of the owner, and moved. */
static void test_users(void **state)
{
	struct core *c = routed_three(state);

	ask_as(c, routed_cell(ID), "alice", 1, ID);
	ask_as(c, routed_cell(ID), "mallory", 2, ID);
	core_run(c, 100);
	assert_int_equal(heard_by(c, "alice"), 1);
	assert_int_equal(heard_by(c, "mallory"), 1);
	ask_as(c, routed_inbox(MOVING), "alice", 3, ID);
	ask_as(c, routed_inbox(LOW), "alice", 4, ID); /* moved */
	core_run(c, 100);
	assert_int_equal(heard_by(c, "alice"), 3);
	assert_int_equal(core_count(c, 0, REPLY, NULL), 0);
}

/* Own cells only: those of others are not subscribed, with a user's level or without. */
static void test_users_of_one_cell(void **state)
{
	struct core *c = *state;
	uint32_t near = MOVING - 5; /* its arc is less than a cell */

	core_add(c, MOVING);
	core_add(c, near);
	core_add(c, HIGH);
	core_whole(c, 3, 10000);
	core_run(c, 1000);
	routed_ask(c, routed_cell(MOVING), 1, (struct operation_token){0}, routed_get(MOVING));
	core_run(c, 100);
	assert_int_equal(routed_told(c, 1).count, 1);
	ask_as(c, routed_cell(MOVING), "alice", 2, MOVING);
	core_run(c, 100);
	assert_int_equal(heard_by(c, "alice"), 1);
}

/* What is retained would be done again at each reconnection. */
static void test_retained(void **state)
{
	struct core *c = routed_three(state);
	struct operation_token token = routed_token(c, ID);
	size_t len;
	uint8_t *bytes = routed_request(1, 1, token, routed_add(ID), &len);

	core_step(c, 2,
		  (struct event){.type = EVENT_MESSAGE,
				 .topic = routed_cell(ID),
				 .payload = bytes,
				 .len = len,
				 .retained = true});
	free(bytes);
	core_run(c, 1000);
	assert_int_equal(routed_told(c, 1).count, 0);
	routed_expect(c, ID, NULL);
}

/* ---- once ---- */

static void test_once(void **state)
{
	struct core *c = routed_three(state);
	struct operation_token token;
	struct told first, again;

	routed_ask(c, routed_cell(ID), 1, (struct operation_token){0}, routed_add(ID));
	core_run(c, 100);
	assert_int_equal(routed_told(c, 1).tokens, 1);
	assert_int_equal(routed_told(c, 1).count, 0);
	routed_expect(c, ID, NULL);
	token = routed_told(c, 1).token;
	routed_ask(c, routed_cell(ID), 1, token, routed_add(ID));
	core_run(c, 100);
	first = routed_told(c, 1);
	assert_int_equal(first.result.status, ANSWER_DONE);
	assert_int_equal(first.result.amount, 1);
	/* By cell, of the owner, with another token and with none. */
	routed_ask(c, routed_cell(ID), 1, token, routed_add(ID));
	routed_ask(c, routed_inbox(MOVING), 1, routed_token(c, ID), routed_add(ID));
	routed_ask(c, routed_inbox(MOVING), 1, (struct operation_token){0}, routed_add(ID));
	core_run(c, 100);
	again = routed_told(c, 1);
	assert_int_equal(again.count, 4);
	assert_int_equal(again.result.status, ANSWER_DONE);
	assert_int_equal(again.result.amount, 1);
	assert_true(version_equal(again.result.version, first.result.version));
	routed_expect(c, ID, "1");
	/* What changes nothing is remembered as well. */
	struct operation put = {.kind = OPERATION_PUT, .key = key_number(ID), .condition = CONDITION_ABSENT};
	routed_ask(c, routed_cell(ID), 2, token, put);
	routed_ask(c, routed_cell(ID), 3, token, (struct operation){.kind = OPERATION_DELETE, .key = key_number(ID)});
	routed_ask(c, routed_cell(ID), 2, token, put);
	core_run(c, 100);
	assert_int_equal(routed_told(c, 2).count, 2);
	assert_int_equal(routed_told(c, 2).result.status, ANSWER_FAILED);
	routed_expect(c, ID, NULL);
}

static void test_tokens(void **state)
{
	struct core *c = routed_three(state);
	struct operation_token token = routed_token(c, ID), other = token;

	other.counter += 1;
	routed_ask(c, routed_cell(ID), 1, other, routed_add(ID)); /* above */
	other = token;
	other.number += 1;
	routed_ask(c, routed_cell(ID), 2, other, routed_add(ID));
	other = token;
	other.ring ^= 1;
	routed_ask(c, routed_cell(ID), 3, other, routed_add(ID));
	other = token;
	other.number = 1; /* below the horizon */
	routed_ask(c, routed_cell(ID), 4, other, routed_add(ID));
	core_run(c, 100);
	for (uint64_t i = 1; i <= 4; i++) {
		assert_int_equal(routed_told(c, i).count, 1);
		assert_int_equal(routed_told(c, i).result.status, ANSWER_UNKNOWN);
	}
	routed_expect(c, ID, NULL);
	routed_ask(c, routed_cell(ID), 5, token, routed_add(ID));
	core_run(c, 100);
	assert_int_equal(routed_told(c, 5).result.status, ANSWER_DONE);
}

/* ---- an owner that dies ---- */

static void test_unknown_after_a_crash(void **state)
{
	struct core *c = routed_three(state);
	struct operation_token token = routed_token(c, ID);
	struct told t;

	routed_ask(c, routed_cell(ID), 1, token, routed_add(ID));
	core_run(c, 100);
	assert_int_equal(routed_told(c, 1).result.status, ANSWER_DONE);
	core_kill(c, 2);
	routed_ask(c, routed_cell(ID), 1, token, routed_add(ID)); /* held by the guard, or heard by nobody */
	core_whole(c, 2, 60000);
	routed_ask(c, routed_cell(ID), 1, token, routed_add(ID));
	routed_ask(c, routed_cell(ID), 2, token, routed_add(ID)); /* never done: he cannot know */
	core_run(c, 1000);
	t = routed_told(c, 1);
	assert_int_equal(t.result.status, ANSWER_UNKNOWN);
	assert_int_equal(routed_told(c, 2).result.status, ANSWER_UNKNOWN);
	routed_expect(c, ID, NULL);
	routed_ask(c, routed_cell(ID), 3, routed_token(c, ID), routed_add(ID));
	core_run(c, 100);
	assert_int_equal(routed_told(c, 3).result.status, ANSWER_DONE);
	assert_int_equal(routed_told(c, 3).result.amount, 1);
}

/* After a lost connection it is the same table. */
static void test_known_after_a_cut(void **state)
{
	struct core *c = routed_three(state);
	struct operation_token token = routed_token(c, ID);

	routed_ask(c, routed_cell(ID), 1, token, routed_add(ID));
	core_run(c, 100);
	core_cut(c, 2);
	core_run(c, 1000);
	core_whole(c, 3, 10000);
	routed_ask(c, routed_cell(ID), 1, token, routed_add(ID));
	core_run(c, 1000);
	assert_int_equal(routed_told(c, 1).count, 2);
	assert_int_equal(routed_told(c, 1).result.status, ANSWER_DONE);
	assert_int_equal(routed_told(c, 1).result.amount, 1);
	routed_expect(c, ID, "1");
}

/* A stranger that deletes without end, even what is not there, costs so many tombstones and no more. */
static void test_tombstones_bounded(void **state)
{
	struct operation delete = {.kind = OPERATION_DELETE};
	struct core *c = *state;
	const struct store *store;
	struct operation_token token;

	c->config.tombstones = 20;
	(void)routed_three(state);
	token = routed_token(c, ID);
	store = c->nodes[2].node->store;
	for (uint32_t i = 0; i < 100; i++) {
		delete.key = key_number(ID + i);
		routed_ask(c, routed_cell(ID), 200 + i, token, delete);
		core_run(c, 10);
	}
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(store_get(store, key_number(ID + i), NULL), i >= 80);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		core_test(test_owner_only),
		core_test(test_asked_of_the_wrong_one),
		core_test(test_one_turn_one_frame),
		core_test(test_users),
		core_test(test_users_of_one_cell),
		core_test(test_retained),
		core_test(test_once),
		core_test(test_tokens),
		core_test(test_unknown_after_a_crash),
		core_test(test_known_after_a_cut),
		core_test(test_tombstones_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
