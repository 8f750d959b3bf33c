/* Beside a scripted node of the reference: public payloads alone, and exactly what PROTOCOL.md section 10 promises.
 *
 * THEIRS is never a process: the test says what it would say.  An operation of its arc it "answers" by publishing the
 * answer; the fixture counts those like any other. */
#include "core-fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define OURS 3000000000u
#define THEIRS 1000000000u
#define IN_THEIRS 500000000u /* in (OURS, THEIRS] */
#define IN_OURS 2000000000u

static unsigned said(const struct core *c, size_t since, int n, const char *topic, const char *payload)
{
	unsigned count = 0;

	for (size_t i = since; i < c->line_count; i++)
		count += c->lines[i].from == n && !strcmp(c->lines[i].topic, topic) &&
			 (!payload || !strcmp(c->lines[i].payload, payload));
	return count;
}

static void say(struct core *c, const char *topic, const char *payload)
{
	core_publish(c, topic, payload);
	core_deliver_all(c);
}

/* Ours alone, with two records in what will be their arc and one in its own. */
static int ours_alone(struct core *c)
{
	int n = core_add(c, OURS);

	core_whole(c, 1, 3000);
	core_put(c, "a", IN_THEIRS, "one");
	core_put(c, "b", IN_THEIRS + 1, "two");
	core_put(c, "c", IN_OURS, "three");
	core_run(c, 10);
	return n;
}

static void they_ask(struct core *c)
{
	say(c, "join", "1000000000");
	core_run(c, 10);
	core_publish(c, "join", "1000000000");
}

static void they_are_in(struct core *c)
{
	they_ask(c);
	core_run(c, 100);
	say(c, "ack-join", "1000000000/3000000000/antecessor");
	say(c, "ack-put", "None/1000000000");
	say(c, "ack-put", "None/1000000000");
	core_run(c, 500);
}

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
	say(c, "ack-join", "1000000000/3000000000/antecessor");
	assert_int_equal(said(c, since, n, "put", NULL), 2);
	assert_int_equal(said(c, since, n, "put", "None/500000000 one"), 1);
	assert_int_equal(said(c, since, n, "put", "None/500000001 two"), 1);
	assert_int_equal(node_record_count(c->nodes[n].node), 3);
	say(c, "ack-put", "None/1000000000");
	assert_int_equal(node_record_count(c->nodes[n].node), 3);
	say(c, "ack-put", "None/1000000000");
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
	say(c, "ack-join", "1000000000/3000000000/antecessor");
	say(c, "put", "late/500000004 w");
	core_run(c, 50);
	assert_int_equal(said(c, since, n, "ack-put", "early/3000000000"), 0);
	assert_int_equal(said(c, since, n, "res-get", NULL), 0);
	say(c, "put", "slow/500000005 v");    /* it hears that one too, and will answer */
	say(c, "ack-put", "late/1000000000"); /* it hears since its confirmation */
	for (int i = 0; i < 3; i++)
		say(c, "ack-put", "None/1000000000");
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
	say(c, "ack-join", "1000000000/3000000000/antecessor");
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
	say(c, "ack-join", "1000000000/3000000000/antecessor");
	assert_int_equal(said(c, since, n, "put", NULL), 2);
	say(c, "ack-put", "None/1000000000");
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
	say(c, "ack-put", "None/1000000000");
	core_run(c, 10);
	assert_int_equal(node_record_count(c->nodes[n].node), 1);
	assert_int_equal(core_count_logs(c, n, "has joined with 2 records"), 1);
}

/* The same before its confirmation was heard. */
static void a_connection_lost_ahead_of_the_confirmation(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);
	size_t since = c->line_count;

	they_ask(c);
	core_run(c, 100);
	assert_int_equal(said(c, since, n, "ack-join", NULL), 2);
	core_cut(c, n);
	say(c, "ack-join", "1000000000/3000000000/antecessor");
	core_run(c, 1000);
	assert_int_equal(said(c, since, n, "put", NULL), 2);
	say(c, "ack-put", "None/1000000000");
	say(c, "ack-put", "None/1000000000");
	core_run(c, 10);
	assert_int_equal(node_record_count(c->nodes[n].node), 1);
}

/* A reference leaves to ours: acknowledged on both sides, its records taken and acknowledged, all of them served. */
static void a_reference_leaves(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);
	size_t since;

	they_are_in(c);
	since = c->line_count;
	say(c, "leave", "1000000000/3000000000/3000000000");
	assert_int_equal(said(c, since, n, "ack-leave", "1000000000/3000000000"), 2);
	say(c, "put", "1000000000/500000000 one");
	say(c, "put", "1000000000/500000001 two");
	assert_int_equal(said(c, since, n, "ack-put", "1000000000/3000000000"), 2);
	core_whole(c, 1, 3000);
	core_expect(c, IN_THEIRS, "one");
	core_expect(c, IN_THEIRS + 1, "two");
	core_expect(c, IN_OURS, "three");
	assert_int_equal(node_record_count(c->nodes[n].node), 3);
}

/* While a leaver may still answer, operations wait; what it answers is not answered again, and its put is kept. */
static void a_leaver_still_answers(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);
	size_t since;

	they_are_in(c);
	since = c->line_count;
	say(c, "leave", "1000000000/3000000000/3000000000");
	say(c, "put", "theirs/500000005 kept"); /* it is heard by both; the leaver answers first */
	say(c, "put", "nobodys/500000006 ours");
	core_run(c, 100);
	assert_int_equal(said(c, since, n, "ack-put", NULL), 0);
	say(c, "ack-put", "theirs/1000000000");
	core_run(c, 1000);
	assert_int_equal(said(c, since, n, "ack-put", "theirs/3000000000"), 0);
	assert_int_equal(said(c, since, n, "ack-put", "nobodys/3000000000"), 1);
	core_expect(c, 500000005, "kept");
	core_expect(c, 500000006, "ours");
}

/* A record that a leaver hands over never overwrites what a client has put since. */
static void redistribution_never_overwrites(void **state)
{
	struct core *c = *state;

	ours_alone(c);
	they_are_in(c);
	say(c, "leave", "1000000000/3000000000/3000000000");
	say(c, "put", "client/500000000 newer");
	say(c, "put", "1000000000/500000000 one");
	core_run(c, 1000);
	core_expect(c, IN_THEIRS, "newer");
	core_all_answered(c);
}

static int ours_joins(struct core *c)
{
	int n = core_add(c, OURS);

	while (!core_count(c, 0, "join", "3000000000"))
		core_advance(c, CORE_NEVER);
	core_deliver_all(c);
	return n;
}

/* Ours joins at a reference: from the echo of its own first `join` it holds, and answers when it is admitted, once. */
static void ours_joins_at_a_reference(void **state)
{
	struct core *c = *state;
	int n = ours_joins(c);

	say(c, "put", "early/2000000001 x");
	say(c, "ack-join", "1000000000/3000000000/sucessor");
	say(c, "ack-join", "1000000000/3000000000/antecessor");
	say(c, "put", "later/2000000002 y");
	core_run(c, 1000);
	assert_int_equal(core_state(c, n), NODE_ACTIVE);
	assert_int_equal(said(c, 0, n, "ack-join", "3000000000/1000000000/antecessor"), 1);
	assert_int_equal(said(c, 0, n, "ack-put", "early/3000000000"), 1);
	assert_int_equal(said(c, 0, n, "ack-put", "later/3000000000"), 1);
	/* Their arc stays theirs. */
	say(c, "put", "theirs/500000000 z");
	core_run(c, 100);
	assert_int_equal(said(c, 0, n, "ack-put", NULL), 2);
	core_expect(c, 2000000001, "x");
}

/* What a reference hands to ours is acknowledged, never overwrites, and a get of a key not yet here waits for it. */
static void ours_is_handed_records(void **state)
{
	struct core *c = *state;
	int n = ours_joins(c);
	size_t since;

	say(c, "put", "client/2000000001 newer");
	say(c, "ack-join", "1000000000/3000000000/sucessor");
	say(c, "ack-join", "1000000000/3000000000/antecessor");
	core_run(c, 120); /* it has confirmed */
	assert_int_equal(core_state(c, n), NODE_ACTIVE);
	since = c->line_count;
	say(c, "get", "2000000002");
	say(c, "get", "2000000003");
	say(c, "put", "None/2000000001 older");
	core_run(c, 100);
	say(c, "put", "None/2000000002 handed");
	core_run(c, 100);
	assert_int_equal(said(c, since, n, "ack-put", "None/3000000000"), 2);
	assert_int_equal(said(c, since, n, "res-get", "2000000002/handed"), 1);
	assert_int_equal(said(c, since, n, "res-get", "2000000003/"), 0);
	core_run(c, 400);
	assert_int_equal(said(c, since, n, "res-get", "2000000003/"), 1);
	core_expect(c, 2000000001, "newer");
	core_all_answered(c);
}

/* The value that stands last in the order is what they keep. */
static void last_word(const struct core *c, size_t since, const char *key, const char *value)
{
	for (size_t i = c->line_count; i-- > since;)
		if (!strcmp(c->lines[i].topic, "put") && strstr(c->lines[i].payload, key)) {
			assert_string_equal(strchr(c->lines[i].payload, ' ') + 1, value);
			return;
		}
	fail_msg("nothing is handed over for %s", key);
}

/* Ours leaves to a reference: `leave` and the records in one burst; it goes when they are acknowledged. */
static void ours_leaves_to_a_reference(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);
	size_t since;

	they_are_in(c);
	since = c->line_count;
	core_stop(c, n);
	while (!said(c, since, n, "leave", NULL))
		assert_true(core_advance(c, CORE_NEVER));
	assert_int_equal(said(c, since, n, "leave", "3000000000/1000000000/1000000000"), 1);
	assert_int_equal(said(c, since, n, "put", "3000000000/2000000000 three"), 1);
	core_deliver_all(c);
	/* Behind it an operation is theirs. */
	say(c, "put", "behind/2000000002 theirs");
	core_run(c, 10);
	assert_int_equal(said(c, since, n, "ack-put", "behind/3000000000"), 0);
	say(c, "ack-leave", "3000000000/1000000000");
	say(c, "ack-leave", "3000000000/1000000000");
	core_run(c, 1000);
	assert_int_equal(c->nodes[n].exit_code, -1);
	say(c, "ack-put", "3000000000/1000000000");
	core_run(c, 1000);
	assert_int_equal(c->nodes[n].exit_code, 0);
	assert_int_equal(core_count_logs(c, n, "lost"), 0);
}

/* What is put ahead of our `leave` in the order is ours to acknowledge, and handed over like the rest. */
static void what_is_put_just_ahead_of_our_leave(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);
	size_t since;

	they_are_in(c);
	since = c->line_count;
	core_put(c, "new", IN_OURS + 1, "first"); /* under way when the word and the burst are published */
	core_put(c, "again", IN_OURS, "newer");
	core_stop(c, n);
	core_run(c, 300);
	assert_int_equal(said(c, since, n, "ack-put", "new/3000000000"), 1);
	assert_int_equal(said(c, since, n, "ack-put", "again/3000000000"), 1);
	since += 2;
	last_word(c, since, "/2000000001 ", "first");
	last_word(c, since, "/2000000000 ", "newer");
}

/* A client's put between our `leave` and our record of that key is said again behind it, or the old value would win. */
static void a_put_ahead_of_our_record(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);
	size_t since;

	they_are_in(c);
	since = c->line_count;
	core_stop(c, n);
	/* `leave` is published; the client's put stands right behind it, ahead of the record. */
	while (!said(c, since, n, "leave", NULL))
		assert_true(core_advance(c, CORE_NEVER));
	core_publish(c, "put", "client/2000000000 newer");
	core_run(c, 300);
	assert_int_equal(said(c, since, n, "ack-put", NULL), 0);
	last_word(c, since, "/2000000000 ", "newer");
}

/* A reference that acknowledges nothing of what we hand over is dead: the leaver keeps its records until one of ours has them. */
static void leaving_to_a_dead_one(void **state)
{
	struct core *c = *state;
	int other = core_add(c, 100), n = core_add(c, OURS);

	core_whole(c, 2, 5000);
	core_put(c, "a", IN_OURS, "kept");
	for (int i = 0; i < 3; i++) {
		say(c, "join", "3500000000");
		core_run(c, 10);
	}
	core_run(c, 100);
	assert_int_equal(said(c, 0, other, "ack-join", "100/3500000000/sucessor"), 1);
	assert_int_equal(said(c, 0, n, "ack-join", "3000000000/3500000000/antecessor"), 1);
	say(c, "ack-join", "3500000000/100/antecessor");
	core_run(c, 500);
	core_stop(c, n);
	core_run(c, 1900);
	assert_int_equal(said(c, 0, n, "leave", "3000000000/3500000000/100"), 1);
	assert_int_equal(c->nodes[n].exit_code, -1);
	core_run(c, 60000);
	assert_int_equal(c->nodes[n].exit_code, 0);
	core_whole(c, 1, 1000);
	core_expect(c, IN_OURS, "kept");
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

/* Never a word that makes references take themselves for alone, or unsubscribe, and never a marker in their topics. */
static void never_a_word_that_kills(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);

	they_are_in(c);
	say(c, "get", "500000000"); /* it does not answer any more: it is asked, and taken over */
	core_run(c, 60000);
	assert_true(core_serves(c, n, IN_THEIRS));
	for (size_t i = 0; i < c->line_count; i++) {
		const struct core_line *l = &c->lines[i];

		if (l->from != n)
			continue;
		assert_null(strstr(l->payload, "None/None"));
		if (!strcmp(l->topic, "ack-leave")) /* of a living reference: it would go deaf */
			assert_null(strstr(l->payload, "1000000000/"));
		if (!strcmp(l->topic, "put") || !strcmp(l->topic, "get"))
			assert_null(strstr(l->payload, "-"));
	}
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
		core_test(a_reference_leaves),
		core_test(a_leaver_still_answers),
		core_test(redistribution_never_overwrites),
		core_test(ours_joins_at_a_reference),
		core_test(ours_is_handed_records),
		core_test(ours_leaves_to_a_reference),
		core_test(what_is_put_just_ahead_of_our_leave),
		core_test(a_put_ahead_of_our_record),
		core_test(leaving_to_a_dead_one),
		core_test(two_references_at_once),
		core_test(never_a_word_that_kills),
	};

	return cmocka_run_group_tests_name("core-reference", tests, NULL, NULL);
}
