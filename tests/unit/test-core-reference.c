/* Beside a scripted node of the reference: public payloads alone, and exactly what PROTOCOL.md section 10 promises.
 *
 * THEIRS is never a process: the test says what it would say.  An operation of its arc it "answers" by publishing the
 * answer; the fixture counts those like any other. */
#include "core-theirs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

/* One of ours that sleeps has said what a reference says when it admits, and its OFFER is lost, and the register: its status
 * tells that it is ours.  But that of who is long gone, whose id a reference has taken, does not stand for ever. */
static void one_of_ours_is_no_reference(void **state)
{
	struct core *c = *state;
	int sleeper = core_add(c, THEIRS), n;

	core_whole(c, 1, 3000);
	core_pause(c, sleeper);
	say(c, "founder", "");
	n = core_add(c, OURS);
	core_run(c, 100);
	assert_int_equal(said(c, 0, n, "join", NULL) > 0, 1);
	for (unsigned s = 0; s < 8; s++) {
		say(c, "ack-join", "1000000000/3000000000/sucessor");
		say(c, "ack-join", "1000000000/3000000000/antecessor");
		core_run(c, 1100);
		assert_int_equal(core_state(c, n), NODE_JOINING);
	}
	assert_int_equal(said(c, 0, n, "ack-join", NULL), 0);
	core_resume(c, sleeper);
	core_whole(c, 2, 10000);
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
		core_test(a_reference_leaves),
		core_test(a_leaver_still_answers),
		core_test(redistribution_never_overwrites),
		core_test(ours_joins_at_a_reference),
		core_test(one_of_ours_is_no_reference),
		core_test(ours_is_handed_records),
		core_test(ours_leaves_to_a_reference),
		core_test(what_is_put_just_ahead_of_our_leave),
		core_test(a_put_ahead_of_our_record),
		core_test(leaving_to_a_dead_one),
		core_test(never_a_word_that_kills),
	};

	return cmocka_run_group_tests_name("core-reference", tests, NULL, NULL);
}
