/* What strangers say to who keeps copies, and to who has some kept: frames of the past, of others, and such as cannot be
 * (PROTOCOL.md section 7, rules 1 and 2). */
#include "copies-fixture.h"
#include "random.h"

/* ---- of the past ---- */

/* Its copy is said to be lost, so that 1 begins anew. */
static uint64_t begun_anew(struct core *c)
{
	struct frame f = copies_frame(c, 2, FRAME_COPIED);

	f.attempt = copies_last(c, 0, FRAME_COPY, 1, 2)->attempt;
	f.hash = c->nodes[1].node->self.memory;
	f.reason = REASON_ABSENT;
	copies_say(c, &f, 1);
	core_run(c, 1000);
	return copies_last(c, 0, FRAME_COPY, 1, 2)->attempt;
}

static void forgotten_by_a_stranger(struct core *c, uint64_t attempt)
{
	struct frame f = copies_frame(c, 1, FRAME_FORGET);

	f.attempt = attempt;
	f.hash = c->nodes[2].node->self.memory;
	copies_say(c, &f, 2);
	core_deliver_all(c);
}

/* Two streams that are over, said again, each frame of them: of the copy that is alive nothing goes. */
static void a_stream_that_has_ended(void **state)
{
	struct core *c = copies_ring(state, 3);
	uint64_t attempts[3];
	size_t end, since;

	core_put(c, "writer", ID, "kept");
	core_run(c, 100);
	attempts[0] = copies_last(c, 0, FRAME_COPY, 1, 2)->attempt;
	attempts[1] = begun_anew(c);
	attempts[2] = begun_anew(c);
	assert_true(attempts[0] < attempts[1] && attempts[1] < attempts[2]);
	assert_true(copies_has(c, 2, ID));
	core_put(c, "writer", ID + 1, "kept later");
	core_run(c, 100);
	since = end = c->line_count;
	for (size_t i = 0; i < end; i++) {
		if (c->lines[i].frame != FRAME_COPY || c->lines[i].from != 1 ||
		    copies_read(c, i)->attempt == attempts[2])
			continue;
		core_publish_bytes(c, c->lines[i].topic, c->lines[i].payload, c->lines[i].len);
		core_deliver_all(c);
		assert_true(copies_has(c, 2, ID) && copies_has(c, 2, ID + 1));
	}
	assert_int_equal(copies_count(c, since, FRAME_COPIED, 2, 1), 0);
	forgotten_by_a_stranger(c, attempts[0]);
	forgotten_by_a_stranger(c, attempts[1]);
	forgotten_by_a_stranger(c, 0);
	core_run(c, 20000);
	assert_int_equal(copies_last(c, 0, FRAME_COPY, 1, 2)->attempt, attempts[2]);
	core_kill(c, 1);
	core_whole(c, 2, 20000);
	core_expect(c, ID, "kept");
	core_expect(c, ID + 1, "kept later");
}

/* The very frames of the stream that is alive: each is taken in once, so an older value replaces none. */
static void what_is_in_already(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct version before, after;
	struct key key = key_number(ID);
	size_t end;

	for (unsigned i = 0; i < 5; i++) {
		core_put(c, "writer", ID, "kept");
		core_run(c, 100);
	}
	assert_true(node_version(c->nodes[2].node, &key, &before));
	end = c->line_count;
	for (size_t i = 0; i < end; i++)
		if (c->lines[i].frame == FRAME_COPY && c->lines[i].from == 1) {
			core_publish_bytes(c, c->lines[i].topic, c->lines[i].payload, c->lines[i].len);
			core_deliver_all(c);
			assert_true(node_version(c->nodes[2].node, &key, &after));
			assert_true(version_equal(before, after));
		}
	assert_int_equal(copies_last(c, end, FRAME_COPIED, 2, 1)->seq, copies_last(c, 0, FRAME_COPY, 1, 2)->seq);
}

/* In their order, whatever got lost: behind a gap nothing is taken in. */
static void a_frame_ahead_of_its_turn(void **state)
{
	struct core *c = copies_ring(state, 3);

	core_put(c, "before", ID + 2, "kept");
	core_run(c, 100);
	core_put(c, "first", ID, "kept");
	assert_true(core_until(c, FRAME_COPY, 2));
	core_drop(c);
	core_put(c, "second", ID + 1, "kept");
	core_deliver_all(c);
	assert_false(copies_has(c, 2, ID) || copies_has(c, 2, ID + 1));
	assert_int_equal(core_acked(c, "first") + core_acked(c, "second"), 0);
	core_run(c, 1000);
	assert_true(copies_has(c, 2, ID) && copies_has(c, 2, ID + 1));
	core_all_answered(c);
}

/* ---- of others ---- */

/* Of another attempt, of another node, of less than was sent, or told to who had our id before (sim: seed 100095943). */
static void copied_of_something_else(void **state)
{
	struct core *c = copies_ring(state, 3);
	uint64_t attempt, seq;

	core_put(c, "before", ID, "kept");
	core_run(c, 100);
	core_put(c, "writer", ID, "not yet");
	assert_true(core_until(c, FRAME_COPY, 2));
	attempt = copies_last(c, 0, FRAME_COPY, 1, 2)->attempt;
	seq = copies_last(c, 0, FRAME_COPY, 1, 2)->seq;
	for (unsigned i = 0; i < 13; i++) {
		struct frame f = copies_frame(c, i == 4 ? 0 : 2, FRAME_COPIED);

		f.hash = c->nodes[1].node->self.memory + (i == 12);
		f.attempt = i == 0 ? 0 : attempt + (i == 1) - (i == 2);
		f.seq = i == 3 ? seq - 1 : seq;
		if (i == 5)
			f.from.memory++;
		/* Nor is that a reason to begin anew. */
		if (i >= 6 && i < 12) {
			f.attempt = attempt - (i - 6);
			f.reason = REASON_ABSENT;
		}
		if (i != 6)
			copies_say(c, &f, 1);
	}
	copies_deaf(c, FRAME_COPY, 2, 100);
	assert_int_equal(core_acked(c, "writer"), 0);
	core_run(c, 500);
	assert_int_equal(core_acked(c, "writer"), 1);
	assert_int_equal(copies_last(c, 0, FRAME_COPY, 1, 2)->attempt, attempt);
}

/* The id was another's when it was said. */
static void another_memory_of_the_id(void **state)
{
	struct core *c = copies_ring(state, 3);
	size_t since = c->line_count;
	struct frame f = played_copy(c, 0, 5, 1);

	f.arc = played_arc(0);
	f.arc_set = true;
	f.hash--;
	copies_say_record(c, f, 2, PLAYED);
	assert_null(played_told(c, since, 0));
	assert_false(copies_has(c, 2, PLAYED));
	f.hash++;
	copies_say_record(c, f, 2, PLAYED);
	assert_int_equal(played_told(c, since, 0)->seq, 1);
	assert_true(copies_has(c, 2, PLAYED));
	f.type = FRAME_FORGET;
	f.arc_set = false;
	f.hash--;
	copies_say(c, &f, 2);
	core_deliver_all(c);
	assert_true(copies_has(c, 2, PLAYED));
	f.hash++;
	copies_say(c, &f, 2);
	core_deliver_all(c);
	assert_false(copies_has(c, 2, PLAYED));
}

/* It is the keeper's own, or that of whom it guards: nothing is said, and nothing goes. */
static void what_belongs_to_others(void **state)
{
	static const struct arc arcs[] = {{MOVING, HIGH}, {HIGH - 1, HIGH}, {LOW, MOVING},     {ID - 1, ID},
					  {5, 5},         {PLAYED, MOVING}, {HIGH - 1, PLAYED}};
	struct core *c = copies_ring(state, 3);
	size_t since;

	core_put(c, "writer", ID, "kept");
	core_put(c, "writer", HIGH, "owned");
	core_run(c, 100);
	since = c->line_count;
	for (unsigned i = 0; i < sizeof(arcs) / sizeof(arcs[0]); i++) {
		struct frame f = played_copy(c, i, 1, 1);

		f.arc = arcs[i];
		f.arc_set = true;
		copies_say_record(c, f, 2, arcs[i].hi);
		assert_null(played_told(c, since, i));
	}
	core_run(c, 20000);
	core_expect(c, HIGH, "owned");
	core_expect(c, HIGH - 1, "");
	core_kill(c, 1);
	core_whole(c, 2, 20000);
	core_expect(c, ID, "kept");
	core_expect(c, MOVING, "");
}

/* ---- such as cannot be ---- */

/* Taken for kept, and not kept: all is told anew, which is said aloud. */
static void outside_of_what_is_kept(void **state)
{
	struct core *c = copies_ring(state, 3);
	const struct frame *last;
	struct frame f;
	size_t since;

	core_put(c, "writer", ID, "kept");
	core_run(c, 100);
	last = copies_last(c, 0, FRAME_COPY, 1, 2);
	f = copies_frame(c, 1, FRAME_COPY);
	f.attempt = last->attempt;
	f.seq = last->seq + 1;
	f.hash = last->hash;
	since = c->line_count;
	copies_say_record(c, f, 2, PLAYED);
	assert_false(copies_has(c, 2, PLAYED));
	while (c->lines[since].frame != FRAME_COPIED)
		since++;
	assert_int_equal(copies_read(c, since)->attempt, f.attempt);
	assert_int_equal(copies_read(c, since)->reason, REASON_ABSENT);
	assert_int_equal(core_count_logs(c, 1, "has no copy of what it was sent"), 1);
	core_run(c, 1000);
	assert_true(copies_last(c, 0, FRAME_COPY, 1, 2)->attempt > f.attempt);
	core_put(c, "writer", ID + 1, "kept too");
	core_run(c, 1000);
	core_all_answered(c);
	core_kill(c, 1);
	core_whole(c, 2, 20000);
	core_expect(c, ID, "kept");
	core_expect(c, ID + 1, "kept too");
}

static void numbers_that_cannot_be(void **state)
{
	static const uint64_t seqs[] = {0, 2, 4, 5, 1000, UINT64_MAX};
	struct core *c = copies_ring(state, 3);
	size_t since = c->line_count;
	struct frame f = played_copy(c, 0, 7, 3);

	/* No stream, or no name of one. */
	copies_say_record(c, f, 2, PLAYED);
	assert_int_equal(played_told(c, since, 0)->reason, REASON_ABSENT);
	f.seq = 1;
	copies_say_record(c, f, 2, PLAYED);
	assert_int_equal(played_told(c, since, 0)->reason, REASON_ABSENT);
	f.arc = played_arc(0);
	f.arc_set = true;
	f.attempt = 0;
	since = c->line_count;
	copies_say_record(c, f, 2, PLAYED);
	assert_null(played_told(c, since, 0));
	assert_false(copies_has(c, 2, PLAYED));
	/* What is in is said, and no more than that is. */
	played_fill(c, 0, 7);
	for (unsigned i = 0; i < sizeof(seqs) / sizeof(seqs[0]); i++) {
		since = c->line_count;
		copies_say_record(c, played_copy(c, 0, 7, seqs[i]), 2, PLAYED - 1);
		assert_int_equal(played_told(c, since, 0)->seq, 2);
		assert_int_equal(played_told(c, since, 0)->reason, REASON_NONE);
		assert_false(copies_has(c, 2, PLAYED - 1));
	}
	copies_say_record(c, played_copy(c, 0, 7, 3), 2, PLAYED - 1);
	assert_int_equal(played_told(c, since, 0)->seq, 3);
	assert_true(copies_has(c, 2, PLAYED - 1));
}

/* Of those writes nothing would be known: its owner is to begin anew. */
static void tables_of_garbage(void **state)
{
	static const uint8_t garbage[] = {0x85, 0x81, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0};
	struct core *c = copies_ring(state, 3);
	uint64_t attempt = 7;

	for (size_t len = 1; len <= sizeof(garbage); len++)
		for (unsigned i = 0; i < 8; i++) {
			struct frame f = played_copy(c, 0, ++attempt, 3);

			played_fill(c, 0, attempt);
			f.table = garbage;
			f.table_len = len;
			f.flag = i & 1;
			f.last = i & 2;
			f.more = i & 4;
			f.arc = played_arc(0);
			f.arc_set = len == 5 && i == 3;
			copies_say_record(c, f, 2, PLAYED - 3);
			assert_int_equal(played_told(c, 0, 0)->attempt, attempt);
			assert_int_equal(played_told(c, 0, 0)->reason, REASON_ABSENT);
			f = played_frame(c, 0, FRAME_FORGET);
			f.attempt = attempt;
			f.hash = c->nodes[2].node->self.memory;
			copies_say(c, &f, 2);
			core_run(c, 100);
		}
	assert_true(core_count_logs(c, 2, "what it tells of writes done") > 80);
	assert_true(core_is_whole(c, 3));
}

/* All of it or nothing; and whoever begins a turn and never ends it costs nobody anything. */
static void a_turn_of_several_frames(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct frame f;

	played_fill(c, 0, 7);
	for (uint64_t seq = 3; seq < 6; seq++) {
		f = played_copy(c, 0, 7, seq);
		f.more = true;
		copies_say_record(c, f, 2, PLAYED - (uint32_t)seq);
		assert_int_equal(played_told(c, 0, 0)->seq, seq);
		assert_false(copies_has(c, 2, PLAYED - (uint32_t)seq));
	}
	f = played_copy(c, 0, 7, 6);
	copies_say(c, &f, 2);
	core_deliver_all(c);
	for (uint32_t i = 3; i < 6; i++)
		assert_true(copies_has(c, 2, PLAYED - i));
	f = played_copy(c, 0, 7, 7);
	f.more = true;
	copies_say_record(c, f, 2, PLAYED - 7);
	core_run(c, 60000); /* its owner is not there */
	assert_false(copies_has(c, 2, PLAYED - 7));
	/* Amid it nothing goes on, and nothing is told anew. */
	for (uint64_t attempt = 8; attempt < 10; attempt++) {
		played_fill(c, 0, attempt);
		f = played_copy(c, 0, attempt, 3);
		f.more = true;
		copies_say_record(c, f, 2, PLAYED - 7);
		f = played_copy(c, 0, attempt, 4);
		f.arc = played_arc(0);
		f.arc_set = true;
		f.flag = attempt == 8;
		f.anew = attempt == 9;
		copies_say_record(c, f, 2, PLAYED - 8);
		assert_int_equal(played_told(c, 0, 0)->attempt, attempt);
		assert_int_equal(played_told(c, 0, 0)->reason, REASON_ABSENT);
	}
	assert_true(core_is_whole(c, 3));
}

/* No later one than there has been: that of an owner's own next stream nobody knows. */
static uint64_t random_attempt(struct random *r, const struct core *c, int from, int to)
{
	const struct frame *last = copies_last(c, 0, FRAME_COPY, from, to);
	uint64_t live = last ? last->attempt : 1;

	return live - random_below(r, random_below(r, 2) ? 1 : live + 1);
}

/* From any of them, or from nobody, to any of them. */
static void anything(struct random *r, struct core *c)
{
	static const enum frame_type types[] = {FRAME_COPY, FRAME_COPY, FRAME_COPIED, FRAME_FORGET};
	int from = (int)random_below(r, 3), to = (int)random_below(r, 3);
	struct frame f = copies_frame(c, from, types[random_below(r, 4)]);
	struct frame_record record = {.key = key_number((uint32_t)random_next(r) | 1), .number = 1, .counter = 1};
	uint8_t table[16];

	f.attempt = random_attempt(r, c, from, to);
	if (!random_below(r, 4))
		f.from = played_frame(c, (unsigned)random_below(r, 50), FRAME_COPY).from;
	f.seq = random_below(r, 4) ? random_below(r, 20) : random_sized(r);
	f.count = random_sized(r);
	f.hash = random_below(r, 8) ? c->nodes[to].node->self.memory : random_sized(r);
	f.arc = random_below(r, 2) ? played_arc((unsigned)random_below(r, 50))
				   : (struct arc){(uint32_t)random_sized(r), (uint32_t)random_sized(r)};
	f.arc_set = random_below(r, 2);
	f.flag = random_below(r, 2);
	f.last = random_below(r, 2);
	f.more = !random_below(r, 4);
	f.anew = !random_below(r, 8);
	f.reason = random_below(r, 4) ? REASON_NONE : REASON_ABSENT;
	f.records = &record;
	f.record_count = random_below(r, 2);
	for (size_t i = 0; i < sizeof(table); i++)
		table[i] = (uint8_t)random_next(r);
	f.table = table;
	f.table_len = random_below(r, 2) ? random_below(r, sizeof(table)) : 0;
	copies_say(c, &f, to);
}

static bool nobody(void *arg, const struct copy_stream *by)
{
	(void)arg;
	(void)by;
	return false;
}

/* It may cost the copy of an arc, as the keeper is told lies; but the ring is there, with all that is owned, and in the end
 * everything is kept again. */
static void anything_at_all(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct random r = random_new();

	for (int n = 0; n < 3; n++)
		core_put(c, "writer", c->nodes[n].id, "owned");
	for (unsigned i = 0; i < 3000; i++) {
		anything(&r, c);
		if (!random_below(&r, 4))
			core_run(c, random_below(&r, 100));
	}
	core_run(c, 60000);
	core_whole(c, 3, 1);
	for (int n = 0; n < 3; n++)
		core_put(c, "again", c->nodes[n].id - 2, "owned");
	core_run(c, 15000);
	core_all_answered(c);
	for (int n = 0; n < 3; n++) {
		assert_int_equal(copies_keeper(c, n, c->nodes[n].id), (n + 1) % 3);
		assert_false(node_loose(c->nodes[n].node, nobody, NULL));
		core_expect(c, c->nodes[n].id, "owned");
		core_expect(c, c->nodes[n].id - 2, "owned");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		core_test(a_stream_that_has_ended),   core_test(what_is_in_already),
		core_test(a_frame_ahead_of_its_turn), core_test(copied_of_something_else),
		core_test(another_memory_of_the_id),  core_test(what_belongs_to_others),
		core_test(outside_of_what_is_kept),   core_test(numbers_that_cannot_be),
		core_test(a_turn_of_several_frames),  core_test(tables_of_garbage),
		core_test(anything_at_all),
	};

	return cmocka_run_group_tests_name("copy-frames", tests, NULL, NULL);
}
