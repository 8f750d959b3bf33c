/* What is waited for as it may have what nobody else has, and an operator's word that gives it up. */
#include "core-fixture.h"

#include <stdlib.h>
#include <string.h>

#define REPLY "d0000000000000001000001"

static const uint32_t ids[] = {1000000000, 2000000000, 3000000000, 4000000000};

static struct core *ring(void **state, int count, unsigned replicas)
{
	struct core *c = *state;

	c->config.never = true;
	c->config.replicas = replicas;
	for (int i = 0; i < count; i++)
		core_add(c, ids[i]);
	core_whole(c, count, 20000);
	core_run(c, 3000);
	return c;
}

static void say(struct core *c, enum topic_kind kind, uint32_t id, struct frame *f)
{
	char topic[TOPIC_MAX];
	uint8_t *bytes;
	size_t len;

	topic_format(f->reply, "", TOPIC_REPLY, 0, REPLY);
	topic_format(topic, "", kind, id, NULL);
	bytes = frame_encode(f, &len);
	core_publish_bytes(c, topic, bytes, len);
	free(bytes);
	core_run(c, 10);
}

/* The last such frame that this node has said to the tool. */
static const struct frame *told(struct core *c, size_t since, enum frame_type type, int from)
{
	static struct frame_room room;
	static struct frame f;

	for (size_t i = c->line_count; i-- > since;) {
		const struct core_line *line = &c->lines[i];

		if (line->from == from && !strncmp(line->topic, "to/", 3) &&
		    !frame_decode(&f, &room, (const uint8_t *)line->payload, line->len) && f.type == type)
			return &f;
	}
	return NULL;
}

static struct frame status(struct core *c, int n)
{
	size_t since = c->line_count;
	const struct frame *f;

	say(c, TOPIC_RING, 0, &(struct frame){.type = FRAME_WHO});
	f = told(c, since, FRAME_STATUS, n);
	assert_non_null(f);
	return *f;
}

/* Of that arc, by its end. */
static struct frame_doubt doubt(struct core *c, int n, uint32_t hi)
{
	struct frame f = status(c, n);

	for (unsigned i = 0; i < f.doubt_count; i++)
		if (f.doubts[i].arc.hi == hi)
			return f.doubts[i];
	fail_msg("node %d is in no doubt about what ends at %u", n, hi);
	return (struct frame_doubt){.copy = false};
}

/* Its answer; FRAME_REASONS: none. */
static enum frame_reason word(struct core *c, int n, struct conn to, struct frame_doubt d)
{
	struct frame f = {.type = FRAME_RECOVER, .to = to, .doubts = {d}, .doubt_count = 1};
	size_t since = c->line_count;
	const struct frame *r;

	say(c, TOPIC_INBOX, c->nodes[n].id, &f);
	r = told(c, since, FRAME_REPLY, n);
	return r ? r->reason : FRAME_REASONS;
}

/* A guard without a copy waits for the owner, for ever, and says so; the word names the doubt and the connection. */
static void who_has_all_is_waited_for(void **state)
{
	struct core *c = ring(state, 3, 1);
	struct frame f = status(c, 2);
	struct frame_doubt d, other;

	assert_int_equal(f.doubt_count, 0);
	core_kill(c, 1);
	core_run(c, 120000);
	assert_false(core_is_whole(c, 2));
	f = status(c, 2);
	assert_true(f.flag);
	d = doubt(c, 2, ids[1]);
	assert_true(d.arc.lo == ids[0] && d.waits_known && d.waits == ids[1] && !d.copy);
	other = d;
	other.name.number--;
	assert_int_equal(word(c, 2, f.from.conn, other), REASON_ABSENT);
	other = d;
	other.arc.lo--;
	assert_int_equal(word(c, 2, f.from.conn, other), REASON_ABSENT);
	assert_int_equal(word(c, 2, (struct conn){0}, d), REASON_ABSENT);
	assert_int_equal(word(c, 2, (struct conn){f.from.conn.nonce + 1, f.from.conn.count}, d), FRAME_REASONS);
	core_run(c, 60000);
	assert_false(core_is_whole(c, 2));
	assert_int_equal(word(c, 2, f.from.conn, d), REASON_NONE);
	core_whole(c, 2, 20000);
	assert_int_equal(core_count_logs(c, 2, "an operator gives up"), 1);
	/* Said again, by whomever, it means nothing. */
	assert_int_equal(word(c, 2, f.from.conn, d), REASON_ABSENT);
	assert_int_equal(status(c, 2).doubt_count, 0);
}

/* It is for that arc. */
static void a_word_is_for_one_arc(void **state)
{
	struct core *c = ring(state, 4, 1);

	core_kill(c, 0);
	core_kill(c, 2);
	core_run(c, 60000);
	assert_int_equal(word(c, 3, status(c, 3).from.conn, doubt(c, 3, ids[2])), REASON_NONE);
	core_run(c, 60000);
	assert_true(core_serves(c, 3, ids[2]));
	assert_false(core_serves(c, 1, ids[0]));
	assert_int_equal(word(c, 1, status(c, 1).from.conn, doubt(c, 1, ids[0])), REASON_NONE);
	core_whole(c, 2, 60000);
}

/* Nor does it outlive the connection, or the time in which what it is for can be done. */
static void a_word_does_not_last(void **state)
{
	struct core *c = ring(state, 3, 1);

	core_kill(c, 1);
	core_cut_for(c, 2, 1); /* who is confirmed on a connection asks nobody first */
	core_run(c, 60000);
	assert_int_equal(word(c, 2, status(c, 2).from.conn, doubt(c, 2, ids[1])), REASON_NONE);
	core_cut_for(c, 2, 1);
	core_run(c, 60000);
	assert_false(core_is_whole(c, 2));
	c->denied = "ring"; /* the roll waits for its FIND */
	assert_int_equal(word(c, 2, status(c, 2).from.conn, doubt(c, 2, ids[1])), REASON_NONE);
	core_run(c, 2 * c->config.recover + 1);
	c->denied = NULL;
	core_run(c, 60000);
	assert_false(core_is_whole(c, 2));
	assert_int_equal(word(c, 2, status(c, 2).from.conn, doubt(c, 2, ids[1])), REASON_NONE);
	core_whole(c, 2, 20000);
}

/* Owner and backup are away: a hole, of which nobody has anything. */
static void a_hole_is_waited_for(void **state)
{
	struct core *c = ring(state, 4, 2);
	struct frame_doubt d;

	core_kill(c, 0);
	core_kill(c, 1);
	core_run(c, 120000);
	assert_false(core_is_whole(c, 2));
	d = doubt(c, 2, ids[0]);
	assert_true(!d.copy && d.waits == ids[0]);
	for (int i = 0; i < 4 && !core_is_whole(c, 2); i++) {
		for (int n = 2; n < 4; n++) {
			struct frame f = status(c, n);

			for (unsigned k = 0; k < f.doubt_count; k++)
				assert_int_equal(word(c, n, f.from.conn, f.doubts[k]), REASON_NONE);
		}
		core_run(c, 30000);
	}
	core_whole(c, 2, 1);
}

/* All of a ring is away: nobody founds another beside it. */
static void a_ring_is_waited_for(void **state)
{
	struct core *c = ring(state, 2, 2);
	struct frame_doubt d;
	int n;

	core_kill(c, 0);
	core_kill(c, 1);
	n = core_add(c, ids[2]);
	core_run(c, 120000);
	assert_int_equal(core_state(c, n), NODE_JOINING);
	d = doubt(c, n, 0);
	assert_true(d.arc.lo == 0 && !d.waits_known && !d.copy);
	assert_int_equal(word(c, n, status(c, n).from.conn, d), REASON_NONE);
	core_whole(c, 1, 20000);
}

/* Who waits for a set time alone is in doubt as well, and says that it ends by itself. */
static void some_doubts_end_by_themselves(void **state)
{
	struct core *c = ring(state, 2, 1);
	struct frame f;

	c->config.never = false;
	core_add(c, ids[2]);
	core_whole(c, 3, 20000);
	core_pause(c, 1);
	core_cut_for(c, 2, 1); /* nothing is confirmed on the next connection */
	core_run(c, c->config.silence + c->config.grace + 1000);
	f = status(c, 2);
	assert_true(!f.flag && f.doubt_count == 1 && f.doubts[0].waits == ids[1]);
	core_run(c, 60000);
	assert_int_equal(status(c, 2).doubt_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		core_test(who_has_all_is_waited_for), core_test(a_word_is_for_one_arc),
		core_test(a_word_does_not_last),      core_test(a_hole_is_waited_for),
		core_test(a_ring_is_waited_for),      core_test(some_doubts_end_by_themselves),
	};

	return cmocka_run_group_tests_name("core-recover", tests, NULL, NULL);
}
