/* A disk that is full, the owner's or its keeper's: what is asked to be written is answered so, and stays so (PROTOCOL.md
 * section 7, No room). */
#include "copies-fixture.h"

#define KEPT (ID + 1)

static void room(struct core *c, int n, bool there)
{
	core_step(c, n, (struct event){.type = EVENT_ROOM, .granted = there});
	core_run(c, 100);
}

static struct operation put(uint32_t id)
{
	return (struct operation){
		.kind = OPERATION_PUT, .key = key_number(id), .value = (const uint8_t *)"v", .value_len = 1};
}

static struct operation del(uint32_t id)
{
	return (struct operation){.kind = OPERATION_DELETE, .key = key_number(id)};
}

static enum operation_status asked(struct core *c, uint64_t number, struct operation_token token, struct operation op)
{
	routed_ask(c, routed_cell(op.key.id), number, token, op);
	core_run(c, 500);
	assert_int_equal(routed_told(c, number).count, 1);
	return routed_told(c, number).result.status;
}

/* `n`'s disk is full, and what lies at ID is not written; nor what is asked again when there is room. */
static void refused_as_long_as_that_one_is_full(struct core *c, int n)
{
	struct operation_token token = routed_token(c, ID);

	assert_int_equal(asked(c, 1, token, put(KEPT)), ANSWER_DONE);
	room(c, n, false);
	assert_int_equal(asked(c, 2, token, put(ID)), ANSWER_FULL);
	assert_int_equal(asked(c, 3, token, routed_add(ID)), ANSWER_FULL);
	assert_int_equal(asked(c, 4, token, routed_get(KEPT)), ANSWER_DONE);
	assert_int_equal(asked(c, 5, token, put(KEPT)), ANSWER_FULL);
	assert_int_equal(routed_told(c, 5).result.version.counter, routed_told(c, 1).result.version.counter);
	core_put(c, "reference", ID, "x");
	core_run(c, 500);
	assert_int_equal(core_acked(c, "reference"), 0);
	assert_int_equal(asked(c, 6, token, del(KEPT)), ANSWER_DONE);
	routed_expect(c, KEPT, NULL);
	room(c, n, true);
	routed_ask(c, routed_cell(ID), 2, token, put(ID)); /* a late one of before */
	core_run(c, 500);
	assert_int_equal(routed_told(c, 2).count, 2);
	assert_int_equal(routed_told(c, 2).result.status, ANSWER_FULL);
	routed_expect(c, ID, NULL);
	assert_int_equal(asked(c, 7, token, put(ID)), ANSWER_DONE);
	routed_expect(c, ID, "v");
}

static void an_owner_that_is_full(void **state)
{
	struct core *c = copies_ring(state, 3);

	refused_as_long_as_that_one_is_full(c, 1);
	assert_int_equal(core_count_logs(c, 1, "has no room"), 0);
}

static void a_keeper_that_is_full(void **state)
{
	struct core *c = copies_ring(state, 3);

	refused_as_long_as_that_one_is_full(c, 2);
	assert_int_equal(core_count_logs(c, 1, "has no room"), 1);
	assert_int_equal(core_count_logs(c, 1, "has room again"), 1);
}

/* Who keeps nothing of the arc does not matter. */
static void somebody_else_that_is_full(void **state)
{
	struct core *c = copies_ring(state, 3);

	room(c, 0, false);
	assert_int_equal(asked(c, 1, routed_token(c, ID), put(ID)), ANSWER_DONE);
}

/* That the keeper has room was lost on its way: it is asked. */
static void room_that_was_not_heard_of(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct operation_token token = routed_token(c, ID);

	assert_int_equal(asked(c, 9, token, put(KEPT)), ANSWER_DONE); /* the stream begins with it */
	room(c, 2, false);
	assert_int_equal(asked(c, 1, token, put(ID)), ANSWER_FULL);
	core_step(c, 2, (struct event){.type = EVENT_ROOM, .granted = true});
	copies_deaf(c, FRAME_COPIED, 1, 100);
	assert_int_equal(asked(c, 2, token, put(ID)), ANSWER_FULL);
	core_run(c, 2 * c->config.ping);
	assert_int_equal(asked(c, 3, routed_token(c, ID), put(ID)), ANSWER_DONE);
}

/* An arc that has moved takes the refusal along; a node that is full goes on giving and taking. */
static void a_refusal_moves_with_the_arc(void **state)
{
	struct core *c = copies_pair(state);
	struct operation_token token = routed_token(c, ID);

	assert_int_equal(asked(c, 1, token, put(KEPT)), ANSWER_DONE);
	room(c, 1, false);
	assert_int_equal(asked(c, 2, token, put(ID)), ANSWER_FULL);
	core_add(c, MOVING);
	core_whole(c, 3, 20000);
	routed_ask(c, routed_cell(ID), 2, token, put(ID));
	core_run(c, 500);
	assert_int_equal(routed_told(c, 2).result.status, ANSWER_FULL);
	assert_int_equal(routed_told(c, 2).from, 2);
	routed_expect(c, KEPT, "v");
}

/* With one node of two left nothing is written, not even a delete; and again when there are two copies. */
static void fewer_copies_than_there_are_to_be(void **state)
{
	struct core *c = *state;
	struct operation_token token;

	c->config.min_copies = 2;
	copies_ring(state, 2);
	token = routed_token(c, ID);
	assert_int_equal(asked(c, 1, token, put(ID)), ANSWER_DONE);
	core_kill(c, 0);
	core_whole(c, 1, 20000);
	core_run(c, 3000);
	token = routed_token(c, ID);
	assert_int_equal(asked(c, 2, token, put(ID)), ANSWER_FEW);
	assert_int_equal(asked(c, 3, token, routed_add(KEPT)), ANSWER_FEW);
	assert_int_equal(asked(c, 4, token, del(ID)), ANSWER_FEW);
	assert_int_equal(asked(c, 5, token, routed_get(ID)), ANSWER_DONE);
	core_put(c, "reference", KEPT, "x");
	core_run(c, 500);
	assert_int_equal(core_acked(c, "reference"), 0);
	core_add(c, HIGH);
	core_whole(c, 2, 20000);
	core_run(c, 3000);
	token = routed_token(c, ID);
	routed_ask(c, routed_cell(ID), 2, token, put(ID)); /* a late one of before */
	core_run(c, 500);
	assert_int_equal(routed_told(c, 2).result.status, ANSWER_FEW);
	assert_int_equal(asked(c, 6, token, del(ID)), ANSWER_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		core_test(an_owner_that_is_full),        core_test(a_keeper_that_is_full),
		core_test(somebody_else_that_is_full),   core_test(room_that_was_not_heard_of),
		core_test(a_refusal_moves_with_the_arc), core_test(fewer_copies_than_there_are_to_be),
	};

	return cmocka_run_group_tests_name("core-room", tests, NULL, NULL);
}
