/* What strangers say to giver and taker: frames of another attempt, of others, said again, late, and such as lie
 * (PROTOCOL.md section 6).  The arc moves all the same, with all that is in it, or not at all. */
#include "core-fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/core/core.h"

/* All of it happens in (1000, 2000000000], which MOVING takes from HIGH. */
#define LOW 1000
#define MOVING 2000000000
#define HIGH 3000000000
#define GIVER 0 /* as they are added */
#define TAKER 2
#define KEYS 300
#define KEY(i) (5000 + (uint32_t)(i)*6000001)
#define VALUE 300 /* bytes: their records fill several frames */

static const char *value_of(int i)
{
	static char value[VALUE + 1];

	memset(value, 'a' + i % 26, VALUE);
	return value;
}

static void fill(struct core *c)
{
	char client[16];

	for (int i = 0; i < KEYS; i++) {
		(void)snprintf(client, sizeof(client), "k%d", i);
		core_put(c, client, KEY(i), value_of(i));
	}
	core_deliver_all(c);
	core_all_answered(c);
}

/* A ring of two with records, and a joiner that has asked. */
static struct core *joining(void **state)
{
	struct core *c = *state;

	core_add(c, HIGH);
	core_add(c, LOW);
	core_whole(c, 2, 10000);
	fill(c);
	assert_int_equal(core_add(c, MOVING), TAKER);
	return c;
}

/* Three nodes, and the new one has everything that was put. */
static void moved(struct core *c)
{
	core_whole(c, 3, 30000);
	core_run(c, 1000);
	assert_true(core_serves(c, TAKER, KEY(0)));
	for (int i = 0; i < KEYS; i++)
		core_expect(c, KEY(i), value_of(i));
	core_all_answered(c);
}

static bool is_of_handover(enum frame_type type)
{
	return type == FRAME_OFFER || type == FRAME_ACCEPT || type == FRAME_RECORDS || type == FRAME_RACK ||
	       type == FRAME_GRANT || type == FRAME_STORE || type == FRAME_STORED || type == FRAME_HOLDS ||
	       type == FRAME_ACTIVE || type == FRAME_VOID;
}

static void say_again(struct core *c, size_t line)
{
	core_publish_bytes(c, c->lines[line].topic, c->lines[line].payload, c->lines[line].len);
}

/* Of the two, from that line on; said in their order. */
static void say_all_again(struct core *c, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (is_of_handover(c->lines[i].frame) && c->lines[i].from != CORE_CLIENT)
			say_again(c, i);
}

static unsigned called_off(const struct core *c)
{
	unsigned count = 0;

	for (size_t i = 0; i < c->log_count; i++)
		count += c->logs[i].note == NOTE_CALLED_OFF;
	return count;
}

/* ---- said again ---- */

static void each_frame_twice(void **state)
{
	struct core *c = joining(state);
	size_t said = c->line_count;

	for (unsigned i = 0; i < 100000 && !core_is_whole(c, 3); i++) {
		size_t end = c->line_count;

		say_all_again(c, said, end);
		said = c->line_count; /* but not for ever */
		core_advance(c, CORE_NEVER);
	}
	moved(c);
	assert_int_equal(called_off(c), 0);
}

/* The giver is cut off behind so many frames of records, and all that was said until then is said again, amid the next
 * attempt, at each of its places. */
static void of_an_earlier_attempt(void **state)
{
	static const enum frame_type places[] = {FRAME_ACCEPT, FRAME_RECORDS, FRAME_RACK, FRAME_CUT, FRAME_GRANT};

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		for (int granted = 0; granted < 2; granted++) {
			struct core *c = core_new();
			void *own = c;
			size_t begin, end;
			unsigned before;

			(void)joining(&own);
			begin = c->line_count;
			assert_true(core_until(c, granted ? FRAME_GRANT : FRAME_RACK, CORE_ANY));
			end = c->line_count;
			/* Whatever the taker has not heard of it is lost, so that it is asked anew. */
			if (granted)
				core_drop(c);
			core_cut(c, granted ? TAKER : GIVER);
			core_run(c, 20);
			assert_true(core_until(c, places[i], CORE_ANY) || core_is_whole(c, 3));
			before = called_off(c);
			say_all_again(c, begin, end);
			moved(c);
			assert_int_equal(called_off(c), before);
			core_free(c);
		}
}

/* ---- out of order ---- */

/* The first frame of records comes behind all others. */
static void records_out_of_order(void **state)
{
	struct core *c = joining(state);
	struct core_line first = {.topic = NULL};

	assert_true(core_until(c, FRAME_RECORDS, TAKER));
	for (size_t i = c->line_count; i-- > 0;)
		if (c->lines[i].frame == FRAME_RECORDS)
			first = c->lines[i];
	core_drop(c);
	while (core_next(c) && core_next(c)->frame == FRAME_RECORDS)
		core_deliver(c);
	core_publish_bytes(c, first.topic, first.payload, first.len);
	moved(c);
	assert_int_equal(called_off(c), 0);
}

/* ---- lies ---- */

static struct frame_room lie_room;

/* The next such frame, to be changed and said in its place. */
static struct frame take_out(struct core *c, enum frame_type type, int to)
{
	struct frame f;

	assert_true(core_until(c, type, to));
	assert_null(frame_decode(&f, &lie_room, core_next(c)->event.payload, core_next(c)->event.len));
	return f;
}

static void say_instead(struct core *c, const struct frame *f, int to)
{
	char topic[TOPIC_MAX];
	size_t len;
	uint8_t *bytes = frame_encode(f, &len);

	core_drop(c);
	topic_format(topic, "", TOPIC_INBOX, c->nodes[to].id, NULL);
	core_publish_bytes(c, topic, bytes, len);
	free(bytes);
}

/* A grant whose count, hash or number of frames is another: the copy is refused, and the arc moves by the next one. */
static void a_grant_that_lies(void **state)
{
	(void)state;
	for (int lie = 0; lie < 4; lie++) {
		struct core *c = core_new();
		void *own = c;
		struct frame f;

		(void)joining(&own);
		f = take_out(c, FRAME_GRANT, TAKER);
		f.count += lie == 0;
		f.count -= lie == 1;
		f.hash ^= lie == 2;
		f.seq -= lie == 3; /* fewer frames of records than there are: what they hold is not what is told */
		say_instead(c, &f, TAKER);
		core_deliver_all(c);
		if (lie < 3)
			assert_int_equal(core_count_logs(c, TAKER, "refused: the copy is not whole"), 1);
		assert_false(core_serves(c, TAKER, KEY(0)) && lie < 3);
		moved(c);
		core_free(c);
	}
}

/* The true one of that attempt, late, amid the next one: it is of another copy, whose cut was elsewhere. */
static void a_grant_of_an_earlier_attempt(void **state)
{
	static const enum frame_type places[] = {FRAME_RECORDS, FRAME_CUT, FRAME_GRANT};

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct core *c = core_new();
		void *own = c;
		struct frame f;
		size_t line;

		(void)joining(&own);
		f = take_out(c, FRAME_GRANT, TAKER);
		for (line = c->line_count; c->lines[line - 1].frame != FRAME_GRANT;)
			line--;
		f.hash++;
		say_instead(c, &f, TAKER);
		core_run(c, 10);
		assert_int_equal(called_off(c), 1);
		for (int k = 0; k < KEYS; k++) /* it grows: what was all then is not all now */
			core_put(c, "more", KEY(k) + 1, value_of(k));
		assert_true(core_until(c, places[i], TAKER));
		if (i > 0)
			core_deliver(c);
		say_again(c, line - 1);
		core_deliver_all(c);
		moved(c);
		assert_int_equal(called_off(c), 1);
		core_free(c);
	}
}

/* Acknowledged is more than was sent, of a frame that is lost.  By the taker: nothing moves until it has it.  By a word of
 * an earlier attempt: it comes again at once. */
static void records_acknowledged_that_are_lost(void **state)
{
	(void)state;
	for (int earlier = 0; earlier < 2; earlier++) {
		struct core *c = core_new();
		void *own = c;
		struct frame f, lie = {.type = FRAME_RACK, .minor = FRAME_MINOR, .seq = UINT64_MAX};
		char topic[TOPIC_MAX];
		uint8_t *bytes;
		size_t len;

		(void)joining(&own);
		f = take_out(c, FRAME_RECORDS, TAKER);
		lie.from = c->nodes[TAKER].node->self;
		lie.attempt = f.attempt - (uint64_t)earlier;
		bytes = frame_encode(&lie, &len);
		core_drop(c);
		topic_format(topic, "", TOPIC_INBOX, HIGH, NULL);
		/* ahead of what the taker says of the others */
		core_step(c, GIVER,
			  (struct event){.type = EVENT_MESSAGE, .topic = topic, .payload = bytes, .len = len});
		free(bytes);
		moved(c);
		if (earlier)
			assert_int_equal(core_count_logs(c, CORE_ANY, "fencing"), 0);
		core_free(c);
	}
}

/* ---- of others ---- */

/* What the giver says, said by somebody else of another id, memory or connection: the taker takes nothing of it. */
static void records_of_a_stranger(void **state)
{
	(void)state;
	for (int who = 0; who < 2; who++) {
		struct core *c = core_new();
		void *own = c;
		struct frame_record r = {.key = key_number(KEY(1)), .number = UINT64_MAX / 2, .counter = 9};
		struct frame f;
		char topic[TOPIC_MAX];
		size_t len;
		uint8_t *bytes;

		(void)joining(&own);
		f = take_out(c, FRAME_RECORDS, TAKER);
		r.value = (const uint8_t *)"forged";
		r.value_len = 6;
		f.records = &r;
		f.record_count = 1;
		f.from.id += who == 0;
		f.from.memory += who == 1;
		bytes = frame_encode(&f, &len);
		topic_format(topic, "", TOPIC_INBOX, MOVING, NULL);
		/* ahead of the true one */
		core_step(c, TAKER,
			  (struct event){.type = EVENT_MESSAGE, .topic = topic, .payload = bytes, .len = len});
		free(bytes);
		moved(c);
		assert_int_equal(called_off(c), 0);
		core_free(c);
	}
}

/* Nobody has offered it anything: a grant out of the blue makes no owner. */
static void a_grant_of_nothing(void **state)
{
	struct core *c = joining(state);
	struct frame f = take_out(c, FRAME_GRANT, TAKER);
	struct arc whole = {LOW, LOW};

	core_deliver(c);
	moved(c);
	f.attempt += 100;
	for (unsigned i = 0; i < f.view_count; i++) {
		f.views[i].arc = whole;
		f.views[i].name.number += 1000;
		f.views[i].owner = c->nodes[1].node->self;
	}
	f.to = c->nodes[1].node->self.conn;
	{
		char topic[TOPIC_MAX];
		size_t len;
		uint8_t *bytes = frame_encode(&f, &len);

		topic_format(topic, "", TOPIC_INBOX, LOW, NULL);
		core_publish_bytes(c, topic, bytes, len);
		free(bytes);
	}
	core_deliver_all(c);
	moved(c);
	assert_false(core_serves(c, 1, KEY(0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		core_test(each_frame_twice),
		cmocka_unit_test(of_an_earlier_attempt),
		core_test(records_out_of_order),
		cmocka_unit_test(a_grant_that_lies),
		cmocka_unit_test(a_grant_of_an_earlier_attempt),
		cmocka_unit_test(records_acknowledged_that_are_lost),
		cmocka_unit_test(records_of_a_stranger),
		core_test(a_grant_of_nothing),
	};

	return cmocka_run_group_tests_name("core-handover-frames", tests, NULL, NULL);
}
