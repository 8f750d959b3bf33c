/* Two copies of what is written: whoever takes over has it all, and who is named as having it (PROTOCOL.md section 7). */
#include "../../daemon/core/reference_peer.h"
#include "copies-fixture.h"

/* ---- takeover ---- */

/* Asked again, it is answered as it was; and what is known there goes on. */
static void answered_the_same_by_the_next(struct core *c, uint64_t number, struct operation_token token, int by)
{
	struct told first = routed_told(c, number), again;

	routed_ask(c, routed_cell(ID), number, token, routed_add(ID));
	core_run(c, 1000);
	again = routed_told(c, number);
	assert_int_equal(again.count, first.count + 1);
	assert_int_equal(again.from, by);
	assert_int_equal(again.result.status, ANSWER_DONE);
	assert_int_equal(again.result.amount, first.result.amount);
	assert_true(version_equal(again.result.version, first.result.version));
}

static void taken_over_with_what_was_done(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct operation_token token = routed_token(c, ID);

	core_put(c, "writer", ID + 1, "kept");
	routed_ask(c, routed_cell(ID), 1, token, routed_add(ID));
	core_run(c, 100);
	core_kill(c, 1);
	core_whole(c, 2, 20000);
	core_run(c, 3000);
	answered_the_same_by_the_next(c, 1, token, 2);
	/* What was not done before is: its token is of then. */
	routed_ask(c, routed_cell(ID), 2, token, routed_add(ID));
	core_expect(c, ID + 1, "kept");
	assert_int_equal(routed_told(c, 2).result.amount, 2);
	assert_true(version_newer(routed_told(c, 2).result.version, routed_told(c, 1).result.version));
	/* It has a keeper again, with all of that. */
	assert_int_equal(copies_keeper(c, 2, ID), 0);
	assert_true(copies_has(c, 0, ID) && copies_has(c, 0, ID + 1));
	core_kill(c, 2);
	core_whole(c, 1, 20000);
	core_run(c, 3000);
	answered_the_same_by_the_next(c, 1, token, 0);
	answered_the_same_by_the_next(c, 2, token, 0);
	core_expect(c, ID + 1, "kept");
	assert_int_equal(core_count_logs(c, CORE_ANY, "records are lost"), 0);
}

/* Who seeks a place again, and asks nodes of the reference as well, holds what one of those may come to give him; but not what
 * the owner hears whose guard he is: he would answer it a second time as he takes over. */
static void a_guard_who_seeks_leaves_it_to_the_owner(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct node *guard = c->nodes[2].node;
	size_t since = c->line_count;

	guard->seek.active = reference_peer(guard)->holding = true;
	core_put(c, "writer", ID + 1, "once");
	core_run(c, 100);
	assert_int_equal(core_count(c, since, "ack-put", NULL), 1);
	assert_int_equal(node_held_bytes(guard), 0);
	core_kill(c, 1);
	core_whole(c, 2, 20000);
	core_run(c, 3000);
	assert_int_equal(core_count(c, since, "ack-put", NULL), 1);
	core_expect(c, ID + 1, "once");
}

#define BATCH 300 /* more rows than one frame tells */

static void add_often(struct core *c, struct operation_token token)
{
	struct operation_request rq = {.base = 1, .first = 1, .token = token, .count = BATCH};
	struct operation operations[BATCH];
	uint8_t *bytes;
	size_t len;

	for (uint32_t i = 0; i < BATCH; i++) {
		operations[i] = routed_add(ID);
		operations[i].offset = i;
	}
	memset(rq.client, 1, sizeof(rq.client));
	rq.operations = operations;
	bytes = operation_encode_request(&rq, &len);
	core_publish_bytes(c, routed_cell(ID), bytes, len);
	free(bytes);
}

/* Its owner dies between the frames of one turn, all of them on their way but the last. */
static void a_turn_of_which_the_end_is_lost(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct operation_token token = routed_token(c, ID);

	add_often(c, token);
	assert_true(core_until(c, FRAME_COPY, 2));
	core_deliver(c);
	assert_true(core_until(c, FRAME_COPY, 2));
	core_drop(c);
	core_kill(c, 1);
	core_whole(c, 2, 20000);
	core_run(c, 3000);
	/* Nobody was answered, so none of them need be done; each is done once by now. */
	assert_false(copies_has(c, 2, ID));
	add_often(c, token);
	core_run(c, 1000);
	core_expect(c, ID, "300");
}

/* What was done before the keeper came goes with the fill; deletions too. */
static void with_what_was_done_before_it_came(void **state)
{
	struct core *c = *state;
	struct operation_token token;
	struct operation remove = {.kind = OPERATION_DELETE, .key = key_number(ID + 1)};

	c->config.replicas = 2;
	core_add(c, MOVING);
	core_whole(c, 1, 20000);
	core_run(c, 1000);
	token = routed_token(c, ID);
	core_put(c, "writer", ID + 1, "deleted");
	routed_ask(c, routed_cell(ID), 1, token, routed_add(ID));
	routed_ask(c, routed_cell(ID), 2, token, remove);
	core_run(c, 100);
	assert_int_equal(routed_told(c, 2).result.status, ANSWER_DONE);
	core_add(c, HIGH);
	core_whole(c, 2, 20000);
	core_run(c, 3000);
	assert_int_equal(copies_keeper(c, 0, ID), 1);
	assert_true(copies_has(c, 1, ID + 1));
	core_kill(c, 0);
	core_whole(c, 1, 20000);
	core_run(c, 3000);
	answered_the_same_by_the_next(c, 1, token, 1);
	core_expect(c, ID + 1, "");
}

/* A joiner's giver keeps what it gave, rows and all, and nothing is sent for that. */
static void what_was_given_is_kept(void **state)
{
	struct core *c = copies_pair(state);
	struct operation_token token;
	size_t since;

	token = routed_token(c, ID);
	routed_ask(c, routed_cell(ID), 1, token, routed_add(ID));
	core_put(c, "writer", ID + 1, "kept");
	core_run(c, 100);
	core_add(c, MOVING);
	since = c->line_count;
	assert_true(core_until(c, FRAME_ACTIVE, 1));
	core_deliver(c);
	assert_int_equal(copies_keeper(c, 2, ID), 1);
	assert_int_equal(copies_count(c, since, FRAME_COPY, 2, 1), 0);
	assert_true(copies_has(c, 1, ID) && copies_has(c, 1, ID + 1));
	routed_ask(c, routed_cell(ID), 2, token, routed_add(ID));
	core_run(c, 10);
	core_kill(c, 2);
	core_whole(c, 2, 20000);
	core_run(c, 3000);
	answered_the_same_by_the_next(c, 1, token, 1);
	answered_the_same_by_the_next(c, 2, token, 1);
	core_expect(c, ID + 1, "kept");
}

/* ---- who is named ---- */

static bool is_named(const struct core *c, size_t since, int owner, int backup)
{
	const struct node *o = c->nodes[owner].node, *b = c->nodes[backup].node;

	for (size_t i = since; i < c->line_count; i++) {
		const struct frame *f = c->lines[i].frame == FRAME_STORE ? copies_read(c, i) : NULL;

		for (unsigned k = 0; f && k < f->view_count; k++)
			if (f->views[k].owner.memory == o->self.memory && f->views[k].backup.memory == b->self.memory)
				return true;
	}
	return false;
}

/* Until it has everything the old one stays, also if that takes long; what is written meanwhile goes to both. */
static void named_when_it_has_everything(void **state)
{
	struct core *c = copies_pair(state);
	size_t since;

	for (uint32_t i = 0; i < 500; i++)
		core_put(c, "writer", LOW - i, "there");
	core_run(c, 500);
	since = c->line_count;
	core_add(c, MOVING);
	copies_deaf(c, FRAME_COPY, 2, 8000);
	assert_true(core_is_whole(c, 3));
	assert_true(copies_count(c, since, FRAME_COPY, 0, 2) > 0);
	assert_false(is_named(c, since, 0, 2));
	assert_int_equal(copies_keeper(c, 0, LOW), 1);
	/* What is written now waits for the old one alone. */
	core_put(c, "meanwhile", LOW - 1000, "new");
	copies_deaf(c, FRAME_COPY, 2, 100);
	assert_int_equal(core_acked(c, "meanwhile"), 1);
	assert_true(copies_has(c, 1, LOW - 1000));
	while (!copies_count(c, since, FRAME_STORED, 2, 0))
		core_advance(c, CORE_NEVER);
	assert_true(is_named(c, since, 0, 2));
	for (uint32_t i = 0; i < 500; i++)
		assert_true(copies_has(c, 2, LOW - i));
	assert_true(copies_has(c, 2, LOW - 1000));
	core_run(c, 3000);
	assert_int_equal(copies_keeper(c, 0, LOW), 2);
	/* Who is left out forgets it. */
	assert_false(copies_has(c, 1, LOW) || copies_has(c, 1, LOW - 1000));
	core_kill(c, 0);
	core_whole(c, 2, 20000);
	core_expect(c, LOW - 499, "there");
	core_expect(c, LOW - 1000, "new");
}

/* Until somebody else has its arc as well. */
static void a_leaver_stays_as_long_as_it_takes(void **state)
{
	struct core *c = copies_ring(state, 3);

	core_put(c, "writer", ID, "kept");
	core_run(c, 100);
	core_stop(c, 1);
	copies_deaf(c, FRAME_COPIED, 2, 8000);
	assert_true(core_serves(c, 2, ID));
	assert_int_equal(c->nodes[1].exit_code, -1);
	assert_false(copies_has(c, 0, ID) && copies_keeper(c, 2, ID) == 0);
	/* It is the only other one that has it. */
	assert_true(copies_has(c, 1, ID));
	core_run(c, 5000);
	assert_int_equal(c->nodes[1].exit_code, 0);
	assert_int_equal(copies_keeper(c, 2, ID), 0);
	core_kill(c, 2);
	core_whole(c, 1, 20000);
	core_expect(c, ID, "kept");
}

/* Who is left alone keeps none, answers at once, and has everything. */
static void the_last_one_waits_for_nobody(void **state)
{
	struct core *c = copies_ring(state, 2);

	core_put(c, "writer", ID, "kept");
	core_put(c, "other", LOW, "kept as well");
	core_run(c, 100);
	core_kill(c, 1);
	core_whole(c, 1, 20000);
	core_run(c, 3000);
	core_put(c, "later", ID + 1, "at once");
	core_deliver_all(c);
	assert_int_equal(core_acked(c, "later"), 1);
	core_expect(c, ID, "kept");
	core_expect(c, LOW, "kept as well");
}

/* ---- who keeps none ---- */

/* It is each owner's choice. */
static void one_replica_is_kept_nowhere(void **state)
{
	struct core *c = *state;
	int counts[] = {2, 1, 2};

	for (int i = 0; i < 3; i++) {
		c->config.replicas = (unsigned)counts[i];
		core_add(c, copies_ids[i]);
	}
	core_whole(c, 3, 20000);
	core_run(c, 3000);
	core_put(c, "one", ID, "lost");
	core_put(c, "two", MOVING + 1, "kept");
	core_run(c, 1000);
	assert_int_equal(core_count_frames(c, 0, FRAME_COPY, 1), 0);
	assert_false(copies_has(c, 2, ID));
	assert_true(copies_has(c, 0, MOVING + 1));
	/* ... and it keeps what others want kept. */
	assert_int_equal(copies_keeper(c, 0, LOW), 1);
	core_kill(c, 1);
	core_whole(c, 2, 20000);
	core_run(c, 3000);
	core_expect(c, ID, "");
	core_expect(c, MOVING + 1, "kept");
}

static void who_is_of_1_1_only_guards(void **state)
{
	struct core *c = *state;

	c->older_minor = 1;
	c->config.replicas = 1;
	c->older = core_add(c, LOW);
	core_whole(c, 1, 20000);
	c->config.replicas = 2;
	core_add(c, HIGH);
	core_whole(c, 2, 20000);
	core_run(c, 3000);
	core_put(c, "writer", ID, "only here");
	core_deliver_all(c);
	assert_int_equal(core_acked(c, "writer"), 1);
	core_run(c, 5000);
	assert_int_equal(core_count_frames(c, 0, FRAME_COPY, CORE_ANY), 0);
	assert_false(copies_has(c, 0, ID));
	/* It guards the arc. */
	core_kill(c, 1);
	core_whole(c, 1, 20000);
	core_run(c, 3000);
	core_expect(c, ID, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		core_test(taken_over_with_what_was_done),
		core_test(a_guard_who_seeks_leaves_it_to_the_owner),
		core_test(a_turn_of_which_the_end_is_lost),
		core_test(with_what_was_done_before_it_came),
		core_test(what_was_given_is_kept),
		core_test(named_when_it_has_everything),
		core_test(a_leaver_stays_as_long_as_it_takes),
		core_test(the_last_one_waits_for_nobody),
		core_test(one_replica_is_kept_nowhere),
		core_test(who_is_of_1_1_only_guards),
	};

	return cmocka_run_group_tests_name("copies", tests, NULL, NULL);
}
