/* Two copies: what clients are told waits until the backup has what was written before it, and leaves in order (PROTOCOL.md
 * section 7, rules 1 and 4). */
#include "../../common/watched.h"
#include "copies-fixture.h"

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
	};

	return cmocka_run_group_tests_name("copy-waits", tests, NULL, NULL);
}
