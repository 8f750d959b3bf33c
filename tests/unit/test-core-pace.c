/* No step says more than the transport takes: answers to what was held, and records for a node of the reference, go out a
 * burst at a time, in order, each exactly once. */
#include "core-fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

#define BURST 2000
#define VALUE 300                /* bytes, about */
#define STEP (BURST + 2 * VALUE) /* a burst is over with the message that fills it; some small words may follow */

#define LOW 1000u
#define HIGH 3000000000u
#define KEY 2000000000u

static const char *value(int i)
{
	static char text[VALUE];

	snprintf(text, sizeof(text), "%d-%0*d", i, VALUE - 20, 0);
	return text;
}

static void drained(struct core *c, int n)
{
	c->most = 0;
	core_step(c, n, (struct event){.type = EVENT_DRAINED});
	assert_in_range(c->most, 0, STEP);
	core_run(c, 1);
}

/* ---- what is held ---- */

#define PAIRS 100

static void ask(struct core *c, uint32_t key, int from, int to)
{
	for (int i = from; i < to; i++) {
		char client[16];

		snprintf(client, sizeof(client), "c%d", i);
		core_put(c, client, key, value(i));
		core_get(c, key);
	}
}

/* A joiner gets the arc, and behind the cut this many operations. */
static int taker_with_much_to_answer(struct core *c)
{
	int n;

	c->config.burst = BURST;
	core_add(c, LOW);
	core_whole(c, 1, 3000);
	n = core_add(c, HIGH);
	assert_true(core_until(c, FRAME_CUT, CORE_ANY));
	ask(c, KEY, 0, PAIRS);
	c->full = true;
	c->most = 0;
	core_whole(c, 2, 3000);
	assert_in_range(c->most, BURST, STEP);
	assert_in_range(core_told(c, KEY), 1, PAIRS / 2);
	return n;
}

/* Each get was answered with the put just before it. */
static void in_order(const struct core *c, int count)
{
	int next = 0;

	for (size_t i = 0; i < c->line_count; i++)
		if (!strcmp(c->lines[i].topic, "res-get"))
			assert_int_equal(strtol(strchr(c->lines[i].payload, '/') + 1, NULL, 10), next++);
	assert_int_equal(next, count);
}

/* In turns, and what is asked meanwhile waits for its own. */
static void held_operations_are_answered_in_turns(void **state)
{
	struct core *c = *state;
	int n = taker_with_much_to_answer(c), turns = 0;
	unsigned told = core_told(c, KEY);

	core_run(c, 5000);
	assert_int_equal(core_told(c, KEY), told);
	ask(c, KEY, PAIRS, PAIRS + 5);
	core_run(c, 100);
	assert_int_equal(core_told(c, KEY), told);
	for (; core_told(c, KEY) < PAIRS + 5; turns++) {
		told = core_told(c, KEY);
		drained(c, n);
		assert_true(core_told(c, KEY) > told);
	}
	assert_in_range(turns, PAIRS * VALUE / STEP, PAIRS * VALUE / BURST + 2);
	in_order(c, PAIRS + 5);
	core_all_answered(c);
	/* From here at once again. */
	ask(c, KEY, PAIRS + 5, PAIRS + 6);
	core_run(c, 1);
	in_order(c, PAIRS + 6);
}

/* The arc is not handed on before all is answered that was asked of its owner. */
static void nobody_leaves_with_a_backlog(void **state)
{
	struct core *c = *state;
	int n = taker_with_much_to_answer(c);

	core_stop(c, n);
	core_run(c, 5000);
	assert_int_equal(c->nodes[n].exit_code, -1);
	assert_true(core_serves(c, n, KEY));
	while (core_told(c, KEY) < PAIRS)
		drained(c, n);
	core_run(c, 3000);
	assert_int_equal(c->nodes[n].exit_code, 0);
	in_order(c, PAIRS);
	core_all_answered(c);
	core_expect(c, KEY, value(PAIRS - 1));
}

/* Nor to one who joins: what was asked before the cut is the giver's. */
static void nobody_joins_at_a_backlog(void **state)
{
	struct core *c = *state;
	int n = taker_with_much_to_answer(c);

	core_add(c, KEY + 1);
	core_run(c, 2000);
	assert_true(core_serves(c, n, KEY));
	while (core_told(c, KEY) < PAIRS)
		drained(c, n);
	core_whole(c, 3, 5000);
	assert_false(core_serves(c, n, KEY));
	in_order(c, PAIRS);
	core_all_answered(c);
	core_expect(c, KEY, value(PAIRS - 1));
}

/* The last node of a ring answers what it holds before it takes everything with it. */
static void the_last_node_answers_first(void **state)
{
	struct core *c = *state;
	const uint32_t key = 500;
	int low, high;

	c->config.burst = BURST;
	low = core_add(c, LOW);
	high = core_add(c, HIGH);
	core_whole(c, 2, 5000);
	core_stop(c, low);
	assert_true(core_until(c, FRAME_CUT, CORE_ANY));
	ask(c, key, 0, PAIRS);
	c->full = true;
	core_run(c, 3000);
	assert_int_equal(c->nodes[low].exit_code, 0);
	core_stop(c, high);
	core_run(c, 3000);
	assert_int_equal(c->nodes[high].exit_code, -1);
	while (core_told(c, key) < PAIRS) {
		assert_non_null(c->nodes[high].node);
		core_step(c, high, (struct event){.type = EVENT_DRAINED});
	}
	core_run(c, 1000);
	assert_int_equal(c->nodes[high].exit_code, 0);
	in_order(c, PAIRS);
	core_all_answered(c);
}

/* A record that fills the outbox is not sent again into it while it waits there. */
static void what_waits_is_not_sent_again(void **state)
{
	struct core *c = *state;
	char text[2 * BURST];
	int giver;

	snprintf(text, sizeof(text), "c/%u %0*d", KEY, 2 * BURST - 20, 0);
	c->config.burst = BURST;
	giver = core_add(c, LOW);
	core_whole(c, 1, 3000);
	core_publish(c, "put", text);
	core_run(c, 10);
	c->full = true;
	(void)core_add(c, HIGH);
	assert_true(core_until(c, FRAME_RECORDS, 1));
	core_pause(c, 1);
	core_run(c, 1000);
	assert_int_equal(core_count_frames(c, 0, FRAME_RECORDS, giver), 2); /* and what is known of writes */
	core_step(c, giver, (struct event){.type = EVENT_DRAINED});
	core_run(c, 300);
	assert_in_range(core_count_frames(c, 0, FRAME_RECORDS, giver), 4, 6);
}

/* Nothing heard on one connection is answered on the next, neither in turns. */
static void a_lost_connection_ends_the_turns(void **state)
{
	struct core *c = *state;
	int n = taker_with_much_to_answer(c);
	unsigned told = core_told(c, KEY);

	core_cut(c, n);
	core_whole(c, 2, 5000);
	drained(c, n);
	core_run(c, 1000);
	assert_int_equal(core_told(c, KEY), told);
	ask(c, KEY, PAIRS, PAIRS + 1);
	core_run(c, 1);
	assert_int_equal(core_told(c, KEY), told + 1);
}

/* ---- records for the reference ---- */

#define OURS HIGH
#define THEIRS 1000000000u
#define RECORDS 60

static unsigned said(const struct core *c, size_t since, int n, const char *topic, const char *begin)
{
	unsigned count = 0;

	for (size_t i = since; i < c->line_count; i++)
		count += c->lines[i].from == n && !strcmp(c->lines[i].topic, topic) &&
			 !strncmp(c->lines[i].payload, begin, strlen(begin));
	return count;
}

static void say(struct core *c, const char *topic, const char *payload)
{
	core_publish(c, topic, payload);
	core_deliver_all(c);
}

static int ours_with_records(struct core *c, uint32_t first)
{
	int n;

	c->config.burst = BURST;
	n = core_add(c, OURS);
	core_whole(c, 1, 3000);
	for (uint32_t i = 0; i < RECORDS; i++)
		core_put(c, "filler", first + i, value((int)i));
	core_run(c, 10);
	return n;
}

static void they_are_admitted(struct core *c)
{
	say(c, "join", "1000000000");
	core_run(c, 10);
	say(c, "join", "1000000000");
	core_run(c, 100);
	c->most = 0;
	say(c, "ack-join", "1000000000/3000000000/antecessor");
}

static void acknowledge(struct core *c, const char *client, unsigned count)
{
	char text[40];

	snprintf(text, sizeof(text), "%s/1000000000", client);
	for (unsigned i = 0; i < count; i++)
		say(c, "ack-put", text);
}

/* However long the transport takes nobody is taken for dead: the acknowledgements are not read meanwhile. */
static void records_for_a_joiner_go_in_bursts(void **state)
{
	struct core *c = *state;
	int n = ours_with_records(c, THEIRS - RECORDS);
	size_t since = c->line_count;
	unsigned count;

	c->full = true;
	they_are_admitted(c);
	assert_in_range(c->most, BURST, STEP);
	count = said(c, since, n, "put", "None/");
	assert_in_range(count, BURST / VALUE, BURST / VALUE + 2);
	core_run(c, 10000);
	assert_int_equal(said(c, since, n, "put", "None/"), count);
	assert_int_equal(core_count_logs(c, n, "taking its arc back"), 0);
	while (count < RECORDS) {
		drained(c, n);
		assert_true(said(c, since, n, "put", "None/") > count);
		count = said(c, since, n, "put", "None/");
	}
	assert_int_equal(count, RECORDS);
	assert_int_equal(node_record_count(c->nodes[n].node), RECORDS);
	acknowledge(c, "None", RECORDS - 1);
	assert_int_equal(node_record_count(c->nodes[n].node), RECORDS);
	acknowledge(c, "None", 1);
	core_run(c, 10);
	assert_int_equal(node_record_count(c->nodes[n].node), 0);
}

/* What has all been said and is not acknowledged for 2 s, is ours again. */
static void a_joiner_that_dies_amid_the_bursts(void **state)
{
	struct core *c = *state;
	int n = ours_with_records(c, THEIRS - RECORDS);

	they_are_admitted(c);
	acknowledge(c, "None", 30);
	core_run(c, 3000);
	assert_int_equal(core_count_logs(c, n, "taking its arc back"), 1);
	core_whole(c, 1, 100);
	for (uint32_t i = 0; i < RECORDS; i++)
		core_expect(c, THEIRS - RECORDS + i, value((int)i));
}

/* As a reference hears it: everybody's puts from our `leave` on, in the one order. */
struct hearing {
	size_t line;
	bool left;
	unsigned operations;
	int theirs[RECORDS], wanted[RECORDS]; /* which value */
};

static void hear(struct core *c, int n, struct hearing *h)
{
	for (; h->line < c->line_count; h->line++) {
		const struct core_line l = c->lines[h->line];
		bool ours = !strncmp(l.payload, "3000000000/", 11);
		uint32_t key;
		char text[60];

		if (l.from == n && !strcmp(l.topic, "leave")) {
			h->left = true;
			core_publish(c, "ack-leave", "3000000000/1000000000");
			core_publish(c, "ack-leave", "3000000000/1000000000");
		}
		if (strcmp(l.topic, "put") != 0)
			continue;
		key = (uint32_t)strtoul(strchr(l.payload, '/') + 1, NULL, 10) - KEY;
		assert_in_range(key, 0, RECORDS - 1);
		if (!ours)
			h->wanted[key] = (int)strtol(strchr(l.payload, ' ') + 1, NULL, 10);
		if (!h->left)
			continue;
		h->theirs[key] = (int)strtol(strchr(l.payload, ' ') + 1, NULL, 10);
		snprintf(text, sizeof(text), "%.*s/1000000000", (int)strcspn(l.payload, "/"), l.payload);
		core_publish(c, "ack-put", text);
	}
}

/* Whatever clients put around our `leave` and the bursts behind it, to the same keys again and again, the last of each is
 * what the reference has in the end. */
static void leaving_in_bursts_keeps_the_last_word(void **state)
{
	for (uint64_t seed = 1; seed <= 1000; seed++) {
		struct core *c = core_new();
		struct random r = {seed};
		int n = ours_with_records(c, KEY), next = RECORDS, end = next + (int)random_below(&r, 40);
		struct hearing h = {0};

		for (int i = 0; i < RECORDS; i++)
			h.theirs[i] = -1, h.wanted[i] = i;
		they_are_admitted(c);
		core_run(c, 500);
		h.line = c->line_count;
		c->most = 0;
		c->full = seed & 1; /* then the outbox drains when it likes, before our words are back or long after */
		/* Three are on their way when it is asked to leave. */
		for (bool stopped = false; c->nodes[n].exit_code < 0;) {
			if (!stopped && next == RECORDS + 3) {
				core_stop(c, n);
				stopped = true;
			}
			if (!stopped || (next < end && !random_below(&r, 1 + seed % 7))) {
				char client[16];

				snprintf(client, sizeof(client), "c%d", next);
				/* early ones, and those that are said last */
				core_put(c, client,
					 KEY + (uint32_t)(random_below(&r, 4) == 0
								  ? random_below(&r, 4)
								  : RECORDS - 1 - random_below(&r, 1 + seed % 4)),
					 value(next));
				next++;
			}
			if (!stopped)
				continue;
			hear(c, n, &h);
			(void)core_advance(c, c->now + 20);
			if (c->full && c->nodes[n].node && !random_below(&r, 6))
				core_step(c, n, (struct event){.type = EVENT_DRAINED});
		}
		hear(c, n, &h);
		assert_in_range(c->most, BURST, STEP);
		for (int i = 0; i < RECORDS; i++)
			if (h.theirs[i] != h.wanted[i])
				fail_msg("seed %d: key %d: they have %d, the last put was %d", (int)seed, i,
					 h.theirs[i], h.wanted[i]);
		core_all_answered(c);
		core_free(c);
	}
	(void)state;
}

static int ours_leaves_by_a_full_line(struct core *c)
{
	int n = ours_with_records(c, KEY);

	they_are_admitted(c);
	core_run(c, 500);
	c->full = true;
	core_stop(c, n);
	return n;
}

/* A reference that does not take them all: whatever the bursts had come to, the arc is kept whole. */
static void leaving_in_bursts_to_a_dead_one(void **state)
{
	struct core *c = *state;
	int n = ours_leaves_by_a_full_line(c);

	core_run(c, 5000);
	drained(c, n);
	drained(c, n);
	assert_in_range(said(c, 0, n, "put", "3000000000/"), 3, RECORDS - 1);
	c->full = false;
	drained(c, n);
	core_run(c, 1500);
	assert_int_equal(said(c, 0, n, "put", "3000000000/"), RECORDS);
	core_run(c, 1000);
	assert_int_equal(core_count_logs(c, n, "does not take the records -> keeping the arc"), 1);
	assert_int_equal(node_record_count(c->nodes[n].node), RECORDS);
}

/* What was said on a connection that is lost is not known to have arrived. */
static void leaving_in_bursts_and_cut_off(void **state)
{
	struct core *c = *state;
	int n = ours_leaves_by_a_full_line(c);

	core_run(c, 100);
	say(c, "ack-leave", "3000000000/1000000000");
	assert_in_range(said(c, 0, n, "put", "3000000000/"), 1, RECORDS - 1);
	acknowledge(c, "3000000000", said(c, 0, n, "put", "3000000000/"));
	core_cut(c, n);
	core_run(c, 3000);
	assert_int_equal(core_count_logs(c, n, "does not take the records -> keeping the arc"), 1);
	assert_int_equal(node_record_count(c->nodes[n].node), RECORDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		core_test(held_operations_are_answered_in_turns),
		core_test(nobody_leaves_with_a_backlog),
		core_test(nobody_joins_at_a_backlog),
		core_test(the_last_node_answers_first),
		core_test(what_waits_is_not_sent_again),
		core_test(a_lost_connection_ends_the_turns),
		core_test(records_for_a_joiner_go_in_bursts),
		core_test(a_joiner_that_dies_amid_the_bursts),
		core_test(leaving_in_bursts_keeps_the_last_word),
		core_test(leaving_in_bursts_to_a_dead_one),
		core_test(leaving_in_bursts_and_cut_off),
	};

	return cmocka_run_group_tests_name("core-pace", tests, NULL, NULL);
}
