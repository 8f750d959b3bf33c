/* A node of the reference joins at ours: exactly what PROTOCOL.md section 10 promises it. */
#include "core-theirs.h"

/* A reference joins at ours: its acks, at its confirmation the records as puts of None, and they go once it has them. */
static void a_reference_joins(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);
	size_t since = c->line_count;

	they_ask(c);
	core_run(c, 100);
	assert_int_equal(said(c, since, n, "ack-join", "3000000000/1000000000/sucessor"), 1);
	assert_int_equal(said(c, since, n, "ack-join", "3000000000/1000000000/antecessor"), 1);
	assert_int_equal(said(c, since, n, "put", NULL), 0);
	they_confirm(c);
	assert_int_equal(said(c, since, n, "put", NULL), 2);
	assert_int_equal(said(c, since, n, "put", "None/500000000 one"), 1);
	assert_int_equal(said(c, since, n, "put", "None/500000001 two"), 1);
	assert_int_equal(node_record_count(c->nodes[n].node), 3);
	they_acknowledge(c, 1);
	assert_int_equal(node_record_count(c->nodes[n].node), 3);
	they_acknowledge(c, 1);
	core_run(c, 10);
	assert_int_equal(node_record_count(c->nodes[n].node), 1);
	/* From here their arc is theirs, and the rest is ours. */
	since = c->line_count;
	say(c, "put", "d/500000000 theirs");
	say(c, "put", "e/2000000000 ours");
	assert_int_equal(said(c, since, n, "ack-put", NULL), 1);
	assert_int_equal(said(c, since, n, "ack-put", "e/3000000000"), 1);
}

/* One `join` without a HELLO may be one of ours whose HELLO was missed: nothing is said to it; a second one is the reference's. */
static void one_join_is_nobodys(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);
	size_t since = c->line_count;

	say(c, "join", "1000000000");
	core_run(c, 500);
	assert_int_equal(c->line_count, since + 1);
	say(c, "join", "1000000000");
	assert_int_equal(said(c, since, n, "has_started", "yes"), 1);
}

/* Before the place of our `ack-join` the arc is ours; behind it held; what they cannot have heard is said again verbatim. */
static void what_is_held_is_forwarded(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);
	size_t since = c->line_count;

	say(c, "put", "before/500000002 x");
	assert_int_equal(said(c, since, n, "ack-put", "before/3000000000"), 1);
	they_ask(c);
	core_run(c, 50);
	say(c, "put", "early/500000003 y z");
	say(c, "get", "500000000");
	they_confirm(c);
	say(c, "put", "late/500000004 w");
	core_run(c, 50);
	assert_int_equal(said(c, since, n, "ack-put", "early/3000000000"), 0);
	assert_int_equal(said(c, since, n, "res-get", NULL), 0);
	say(c, "put", "slow/500000005 v");    /* it hears that one too, and will answer */
	say(c, "ack-put", "late/1000000000"); /* it hears since its confirmation */
	they_acknowledge(c, 3);
	core_run(c, 500);
	assert_int_equal(said(c, since, n, "put", "early/500000003 y z"), 1);
	assert_int_equal(said(c, since, n, "get", "500000000"), 1);
	assert_int_equal(said(c, since, n, "put", "late/500000004 w"), 0);
	assert_int_equal(said(c, since, n, "ack-put", "late/3000000000"), 0);
	assert_int_equal(said(c, since, n, "put", "slow/500000005 v"), 0);
}

/* A joiner that confirms and then acknowledges nothing for 2 s is dead: the arc comes back, what was held is answered. */
static void a_joiner_dies_of_a_get(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);
	size_t since;

	they_ask(c);
	core_run(c, 50);
	they_confirm(c);
	since = c->line_count;
	say(c, "put", "held/500000003 y");
	core_run(c, 1900);
	assert_int_equal(said(c, since, n, "ack-put", NULL), 0);
	core_run(c, 1000);
	assert_int_equal(said(c, since, n, "ack-put", "held/3000000000"), 1);
	core_whole(c, 1, 5000);
	core_expect(c, IN_THEIRS, "one");
	core_expect(c, IN_THEIRS + 1, "two");
	core_expect(c, IN_THEIRS + 3, "y");
}

/* Our connection is lost amid the records: the arc is not taken back, what it has not acknowledged is said again, and is
 * forgotten only once that is acknowledged and has come back. */
static void a_connection_lost_amid_the_records(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);
	size_t since;

	they_ask(c);
	core_run(c, 100);
	since = c->line_count;
	they_confirm(c);
	assert_int_equal(said(c, since, n, "put", NULL), 2);
	they_acknowledge(c, 1);
	for (int lost = 0; lost < 2; lost++) {
		since = c->line_count;
		core_cut(c, n);
		core_run(c, 1000);
		assert_int_equal(core_state(c, n), NODE_ACTIVE);
		assert_int_equal(said(c, since, n, "put", NULL), 1);
		assert_int_equal(node_record_count(c->nodes[n].node), 3);
		say(c, "put", "d/500000002 theirs");
		say(c, "put", "e/2000000000 ours");
		assert_int_equal(said(c, since, n, "ack-put", NULL), 1);
	}
	they_acknowledge(c, 1);
	core_run(c, 10);
	assert_int_equal(node_record_count(c->nodes[n].node), 1);
	assert_int_equal(core_count_logs(c, n, "has joined with 2 records"), 1);
}

/* The same before its confirmation was heard: our word is said again, and after a while the joiner taken to be in. */
static void a_connection_lost_ahead_of_the_confirmation(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);
	size_t since;

	they_ask(c);
	core_run(c, 100);
	core_cut(c, n);
	they_confirm(c);
	since = c->line_count;
	core_run(c, 1500);
	assert_int_equal(said(c, since, n, "ack-join", "3000000000/1000000000/sucessor"), 1);
	assert_int_equal(said(c, since, n, "put", NULL), 2);
	they_acknowledge(c, 2);
	core_run(c, 10);
	assert_int_equal(node_record_count(c->nodes[n].node), 1);
}

/* The same before our own word was heard: the joiner may be in all the same, and what it answers is not ours. */
static void a_connection_lost_behind_our_word(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);
	size_t since;

	they_ask(c);
	while (!said(c, 0, n, "ack-join", NULL))
		assert_true(core_deliver(c));
	core_cut(c, n);
	since = c->line_count;
	core_run(c, 200); /* connected, and not sure of its own arc yet */
	say(c, "put", "d/500000002 theirs");
	say(c, "ack-put", "d/1000000000");
	say(c, "put", "f/500000003 unheard");
	assert_int_equal(said(c, since, n, "ack-join", NULL), 0);
	core_run(c, 900);
	assert_int_equal(said(c, since, n, "ack-join", "3000000000/1000000000/sucessor"), 1);
	core_run(c, 1000);
	assert_int_equal(said(c, since, n, "put", NULL), 2);
	they_acknowledge(c, 2);
	core_run(c, 10);
	assert_int_equal(said(c, since, n, "ack-put", NULL), 0);
	assert_int_equal(said(c, since, n, "put", NULL), 3);
	assert_int_equal(said(c, since, n, "put", "f/500000003 unheard"), 1);
	assert_int_equal(node_record_count(c->nodes[n].node), 1);
}

/* Acknowledgements may be late ones, of what the last connection carried: what has not come back is not done with. */
static void late_acknowledgements(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);
	size_t since;

	they_ask(c);
	core_run(c, 100);
	they_confirm(c);
	core_cut(c, n);
	since = c->line_count;
	while (said(c, since, n, "put", NULL) < 2)
		if (!core_deliver(c))
			assert_true(core_advance(c, c->now + 1000));
	while (core_next(c))
		core_drop(c);
	they_acknowledge(c, 2);
	core_run(c, 100);
	assert_int_equal(node_record_count(c->nodes[n].node), 3);
	core_run(c, 2000); /* nor does a word of ours that got lost make two owners */
	assert_int_equal(node_record_count(c->nodes[n].node), 1);
	assert_int_equal(core_count_logs(c, n, "taking its arc back"), 0);
}

/* The joiner leaves before it has everything: its arc is ours again, once. */
static void a_joiner_leaves_at_once(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);

	they_ask(c);
	core_run(c, 100);
	they_confirm(c);
	they_acknowledge(c, 1);
	say(c, "leave", "1000000000/3000000000/3000000000");
	core_run(c, 3000);
	assert_int_equal(core_count_logs(c, n, "taking its arc back"), 0);
	core_whole(c, 1, 1000);
	core_expect(c, IN_THEIRS, "one");
	core_expect(c, IN_THEIRS + 1, "two");
}

/* Who is asked to stop amid an admission ends that first: nobody else has the records. */
static void stopped_amid_the_records(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);
	size_t since;

	they_ask(c);
	core_run(c, 100);
	they_confirm(c);
	since = c->line_count;
	core_stop(c, n);
	core_run(c, 1000);
	assert_int_equal(said(c, since, n, "leave", NULL), 0);
	they_acknowledge(c, 2);
	core_run(c, 100);
	assert_int_equal(said(c, since, n, "leave", "3000000000/1000000000/1000000000"), 1);
	assert_int_equal(said(c, since, n, "put", "3000000000/2000000000 three"), 1);
}

/* Two of the reference start at one moment: each `join` is answered, so that they ask on instead of founding. */
static void two_references_at_once(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);
	size_t since = c->line_count;

	for (int i = 0; i < 50; i++) {
		say(c, "join", "1000000000");
		say(c, "join", "1500000000");
		core_run(c, 10);
	}
	assert_in_range(said(c, since, n, "has_started", "yes"), 90, 100);
	assert_int_equal(said(c, since, n, "ack-join", "3000000000/1000000000/sucessor") +
				 said(c, since, n, "ack-join", "3000000000/1500000000/sucessor"),
			 1); /* one by one */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		core_test(a_reference_joins),
		core_test(one_join_is_nobodys),
		core_test(what_is_held_is_forwarded),
		core_test(a_joiner_dies_of_a_get),
		core_test(a_connection_lost_amid_the_records),
		core_test(a_connection_lost_ahead_of_the_confirmation),
		core_test(a_connection_lost_behind_our_word),
		core_test(late_acknowledgements),
		core_test(a_joiner_leaves_at_once),
		core_test(stopped_amid_the_records),
		core_test(two_references_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
