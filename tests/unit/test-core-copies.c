/* Two copies of what is written: nobody is told of anything that only one node has, and whoever takes over has it all
 * (PROTOCOL.md section 7). */
#include "../../common/watched.h"
#include "copies-fixture.h"

/* ---- answers wait ---- */

static void answered_when_it_is_kept(void **state)
{
	struct core *c = copies_ring(state, 3);

	core_put(c, "writer", ID, "kept");
	assert_true(core_until(c, FRAME_COPY, 2));
	core_drop(c);
	core_get(c, ID);
	core_run(c, 150);
	assert_int_equal(core_acked(c, "writer") + core_told(c, ID), 0);
	assert_false(copies_has(c, 2, ID));
	/* It is said again; what says that it is there gets lost, which is no answer either. */
	assert_true(core_until(c, FRAME_COPIED, 1));
	assert_true(copies_has(c, 2, ID));
	core_drop(c);
	core_run(c, 150);
	assert_int_equal(core_acked(c, "writer") + core_told(c, ID), 0);
	assert_true(core_until(c, FRAME_COPIED, 1));
	core_deliver(c);
	assert_int_equal(core_acked(c, "writer"), 1);
	assert_int_equal(core_told(c, ID), 1);
	core_run(c, 1000);
	core_all_answered(c);
}

/* Neither does a read that finds what is older: what waits leaves in the order in which it was asked. */
static void everything_behind_it_waits(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct operation_token token = routed_token(c, ID);
	size_t since;

	core_put(c, "before", ID + 1, "old");
	core_run(c, 100);
	since = c->line_count;
	routed_ask(c, routed_cell(ID), 1, token, routed_add(ID));
	routed_ask(c, routed_cell(ID), 2, token, routed_get(ID));
	routed_ask(c, routed_cell(ID), 3, token, routed_add(ID + 2));
	core_get(c, ID + 1);
	copies_deaf(c, FRAME_COPY, 2, 1000);
	for (uint64_t number = 1; number <= 3; number++)
		assert_int_equal(routed_told(c, number).count, 0);
	assert_int_equal(core_count(c, since, "res-get", NULL), 0);
	core_run(c, 500);
	assert_int_equal(routed_told(c, 1).result.amount, 1);
	assert_int_equal(routed_told(c, 2).result.status, ANSWER_DONE);
	assert_int_equal(routed_told(c, 3).count, 1);
	core_all_answered(c);
	/* Another owner's operations wait for their own keeper alone. */
	routed_ask(c, routed_cell(ID), 4, token, routed_add(ID));
	core_get(c, MOVING + 1);
	copies_deaf(c, FRAME_COPY, 2, 100);
	assert_int_equal(core_told(c, MOVING + 1), 1);
	assert_int_equal(routed_told(c, 4).count, 0);
}

static void so_do_events(void **state)
{
	struct core *c = copies_ring(state, 3);
	char topic[TOPIC_MAX];
	size_t since;

	topic_format(topic, "", TOPIC_EVENT, MOVING, NULL);
	watched_add(c->nodes[1].node, (struct arc){ID - 1, ID}, 60000);
	since = c->line_count;
	core_put(c, "writer", ID, "told");
	copies_deaf(c, FRAME_COPY, 2, 1000);
	assert_int_equal(core_count(c, since, topic, NULL), 0);
	core_run(c, 20000);
	assert_int_equal(core_count(c, since, topic, NULL), 1);
}

/* A copy that comes too late for its answer was made all the same, and is done once. */
static void nothing_is_said_on_the_next_connection(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct operation_token token = routed_token(c, ID);
	uint64_t attempt;
	struct told t;
	size_t since;

	core_put(c, "writer", ID + 1, "kept");
	routed_ask(c, routed_cell(ID), 1, token, routed_add(ID));
	assert_true(core_until(c, FRAME_COPY, 2));
	attempt = copies_last(c, 0, FRAME_COPY, 1, 2)->attempt;
	copies_deaf(c, FRAME_COPY, 2, 50);
	core_cut(c, 1);
	since = c->line_count;
	core_run(c, 5000);
	assert_int_equal(core_acked(c, "writer") + routed_told(c, 1).count, 0);
	/* The stream goes on there. */
	assert_true(copies_has(c, 2, ID) && copies_has(c, 2, ID + 1));
	assert_int_equal(copies_last(c, since, FRAME_COPY, 1, 2)->attempt, attempt);
	routed_ask(c, routed_cell(ID), 1, token, routed_add(ID));
	core_run(c, 500);
	t = routed_told(c, 1);
	assert_int_equal(t.count, 1);
	assert_int_equal(t.result.amount, 1);
	core_expect(c, ID + 1, "kept");
}

/* ... and so it is if it was acknowledged between the two. */
static void copied_counts_on_any_connection(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct frame copied;

	core_put(c, "writer", ID, "kept");
	assert_true(core_until(c, FRAME_COPIED, 1));
	copied = *copies_last(c, 0, FRAME_COPIED, 2, 1);
	core_drop(c);
	core_cut(c, 1);
	copies_deaf(c, FRAME_COPY, 2, 5000);
	core_get(c, ID);
	copies_deaf(c, FRAME_COPY, 2, 1000);
	assert_int_equal(core_told(c, ID), 0);
	copies_say(c, &copied, 1);
	copies_deaf(c, FRAME_COPY, 2, 100);
	assert_int_equal(core_told(c, ID), 1);
	assert_int_equal(core_acked(c, "writer"), 0);
}

/* The first frame of a stream is lost, so that the next one finds none: it begins anew, and what waits goes on waiting. */
static void what_waits_outlives_the_stream(void **state)
{
	struct core *c = copies_ring(state, 3);

	core_put(c, "first", ID, "kept");
	assert_true(core_until(c, FRAME_COPY, 2));
	core_drop(c);
	core_put(c, "second", ID + 1, "kept");
	assert_true(core_until(c, FRAME_COPIED, 1));
	core_deliver(c);
	assert_false(copies_has(c, 2, ID));
	assert_int_equal(core_acked(c, "first") + core_acked(c, "second"), 0);
	core_run(c, 1000);
	core_all_answered(c);
}

/* On a quiet node too: nothing else wakes it. */
static void said_again_in_time(void **state)
{
	struct core *c = copies_ring(state, 3);

	core_put(c, "writer", ID, "kept");
	assert_true(core_until(c, FRAME_COPY, 2));
	core_drop(c);
	core_run(c, 2 * c->config.resend);
	assert_int_equal(core_acked(c, "writer"), 1);
}

/* What comes behind it meanwhile is told and answered as one turn, but what is worth a packet of its own. */
static void a_turn_grows_behind_another(void **state)
{
	static const uint8_t value[8192];
	struct core *c = copies_ring(state, 3);
	struct operation_token token = routed_token(c, ID);
	struct operation large = {
		.kind = OPERATION_PUT, .key = key_number(ID), .value = value, .value_len = sizeof(value)};
	size_t since = c->line_count;

	routed_ask(c, routed_cell(ID), 1, token, routed_add(ID));
	assert_true(core_until(c, FRAME_COPY, 2));
	core_drop(c);
	for (uint64_t number = 2; number <= 4; number++) {
		routed_ask(c, routed_cell(ID), number, token, routed_add(ID - (uint32_t)number));
		core_deliver_all(c);
	}
	assert_int_equal(copies_count(c, since, FRAME_COPY, 1, 2), 1);
	core_run(c, c->config.resend + 50);
	assert_int_equal(copies_last(c, since, FRAME_COPY, 1, 2)->record_count, 3);
	assert_int_equal(copies_count(c, since, FRAME_COPY, 1, 2), 3); /* the first of them twice */
	for (uint64_t number = 1; number <= 4; number++)
		assert_int_equal(routed_told(c, number).count, 1);
	assert_int_equal(core_count(c, since, REPLY, NULL), 2);
	core_all_answered(c);

	routed_ask(c, routed_cell(ID), 5, token, routed_add(ID));
	assert_true(core_until(c, FRAME_COPY, 2));
	core_drop(c);
	since = c->line_count;
	routed_ask(c, routed_cell(ID), 6, token, large);
	core_deliver_all(c);
	assert_int_equal(copies_count(c, since, FRAME_COPY, 1, 2), 1);
}

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
		core_test(answered_when_it_is_kept),
		core_test(everything_behind_it_waits),
		core_test(so_do_events),
		core_test(nothing_is_said_on_the_next_connection),
		core_test(copied_counts_on_any_connection),
		core_test(what_waits_outlives_the_stream),
		core_test(said_again_in_time),
		core_test(a_turn_grows_behind_another),
		core_test(taken_over_with_what_was_done),
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
