/* Operations of clients of ours while their arc moves: answered once for their number, wherever it goes. */
#include "routed-fixture.h"

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
	*token = routed_token(c, ID);
	core_add(c, MOVING);
	return c;
}

/* Held or not, by giver or taker: the answer is the sender's. */
static void test_a_user_at_each_place(void **state)
{
	unsigned places = 0;
	bool going = true;

	(void)state;
	while (going) {
		struct operation_token token;
		struct core *c = joining(&token);
		char asked[TOPIC_MAX];
		size_t since;

		going = to_place(c, places++);
		since = c->line_count;
		(void)snprintf(asked, sizeof(asked), "%s/alice", routed_cell(ID));
		routed_ask(c, asked, 1, (struct operation_token){0}, routed_get(ID));
		core_whole(c, 3, 10000);
		core_run(c, 1000);
		assert_int_equal(core_count(c, since, "to/alice/01010101010101010101010101010101", NULL), 1);
		assert_int_equal(core_count(c, since, REPLY, NULL), 0);
		core_free(c);
	}
	assert_true(places > 20);
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
		routed_ask(c, routed_cell(ID), 1, token, routed_add(ID));
		core_whole(c, 3, 10000);
		core_run(c, 1000);
		first = routed_told(c, 1);
		if (first.count != 1 || first.result.status != ANSWER_DONE)
			fail_msg("place %u: answered %u times, status %d", places, first.count,
				 (int)first.result.status);
		by_giver += first.from == 0;
		by_taker += first.from == 2;
		routed_ask(c, routed_cell(ID), 1, token, routed_add(ID));
		core_run(c, 1000);
		again = routed_told(c, 1);
		assert_int_equal(again.count, 2);
		assert_int_equal(again.from, 2);
		assert_int_equal(again.result.status, ANSWER_DONE);
		assert_int_equal(again.result.amount, 1);
		assert_true(version_equal(again.result.version, first.result.version));
		routed_expect(c, ID, "1");
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
		routed_ask(c, routed_inbox(HIGH), 1, token, routed_add(ID));
		core_whole(c, 3, 10000);
		core_run(c, 1000);
		t = routed_told(c, 1);
		if (t.count + t.moved != 1)
			fail_msg("place %u: answered %u times, and %u times that it has moved", places, t.count,
				 t.moved);
		moved += t.moved;
		done += t.count;
		routed_ask(c, routed_cell(ID), 1, token, routed_add(ID));
		core_run(c, 1000);
		t = routed_told(c, 1);
		assert_int_equal(t.result.status, ANSWER_DONE);
		assert_int_equal(t.result.amount, 1);
		routed_expect(c, ID, "1");
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
		routed_ask(c, routed_cell(id), id, token, put);
	}
	core_run(c, 10);
	assert_true(store_get(store, key_number(ID), &item));
	assert_false(item.deleted);
	routed_ask(c, routed_cell(ID), 2000001, token, routed_get(ID));
	core_get(c, ID + 1);
	core_deliver_all(c);
	assert_int_equal(routed_told(c, 2000001).result.status, ANSWER_ABSENT);
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
	routed_ask(c, routed_cell(ID), 101, token, routed_add(ID));
	routed_ask(c, routed_cell(ID), 102, token, routed_add(ID));
	core_whole(c, 3, 10000);
	core_run(c, 100);
	assert_int_equal(routed_told(c, 102).result.amount, 2);
	routed_ask(c, routed_cell(ID), 101, token, routed_add(ID));
	core_run(c, 100);
	assert_int_equal(routed_told(c, 101).count, 1);
	routed_expect(c, ID, "2");
	core_free(c);
}

/* The taker dies ahead of its ACTIVE, and the giver, who has cut, knows all that was answered: old tokens still do.  Not so if
 * the handover under way is another one by then: the copy has outlived its own, and others may have answered. */
static void test_taken_back(void **state)
{
	(void)state;
	for (unsigned other = 0; other < 2; other++) {
		struct operation_token token;
		struct core *c = joining(&token);
		struct node *giver = c->nodes[0].node;

		assert_true(core_until(c, FRAME_HOLDS, 2));
		core_kill(c, 2);
		assert_int_equal(giver->give.phase, GIVE_SEALED);
		if (other)
			giver->give.arc = (struct arc){MOVING, HIGH};
		while (!core_serves(c, 0, ID))
			assert_true(core_advance(c, c->now + 10000));
		routed_ask(c, routed_cell(ID), 1, token, routed_add(ID));
		core_run(c, 100);
		assert_int_equal(routed_told(c, 1).result.status, other ? ANSWER_UNKNOWN : ANSWER_DONE);
		core_free(c);
	}
}

/* Whoever has given an arc away does not hear it any more, and who owns one hears nothing else. */
static void test_cells_follow(void **state)
{
	struct core *c = routed_three(state);
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

int main(void)
{
	static const struct CMUnitTest tests[] = {
		core_test(test_a_user_at_each_place),
		core_test(test_at_each_place_of_a_handover),
		core_test(test_asked_at_each_place_of_a_handover),
		core_test(test_buried_before_told),
		core_test(test_first_moves),
		core_test(test_taken_back),
		core_test(test_cells_follow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
