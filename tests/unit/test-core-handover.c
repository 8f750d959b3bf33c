/* An arc changes hands: whatever happens at whatever place in the order, one owner, and every operation answered once. */
#include "core-fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/core/core.h"

/* All of it happens in (1000, 2000000000], which moves. */
#define LOW 1000
#define MOVING 2000000000
#define HIGH 3000000000
#define KEYS 20
#define KEY(i) (5000 + (uint32_t)(i)*90000001)

enum story {
	JOIN_LONE,  /* MOVING joins at HIGH, which is alone */
	JOIN,       /* MOVING joins at HIGH, guarded by LOW */
	LEAVE_LAST, /* MOVING leaves to HIGH, which stays alone */
	LEAVE,      /* MOVING leaves to HIGH; LOW stays too */
	STORIES,
};
static const char *const story_names[] = {"join at a lone node", "join", "leave to the last", "leave"};

struct scene {
	struct core *c;
	int giver, taker;
	int count; /* who is in the ring at its end */
};

static void fill(struct core *c)
{
	char client[16];

	for (int i = 0; i < KEYS; i++) {
		snprintf(client, sizeof(client), "old%d", i);
		core_put(c, client, KEY(i), client);
	}
	core_deliver_all(c);
	core_all_answered(c);
}

static struct scene scene_new(enum story story)
{
	struct scene s = {.c = core_new()};
	int high = core_add(s.c, HIGH), moving;
	int count = 1;

	if (story == JOIN || story == LEAVE) {
		core_add(s.c, LOW);
		count++;
	}
	if (story == LEAVE || story == LEAVE_LAST) {
		moving = core_add(s.c, MOVING);
		core_whole(s.c, count + 1, 10000);
		fill(s.c);
		core_stop(s.c, moving);
		s = (struct scene){s.c, .giver = moving, .taker = high, .count = count};
	} else {
		core_whole(s.c, count, 10000);
		fill(s.c);
		moving = core_add(s.c, MOVING);
		s = (struct scene){s.c, .giver = high, .taker = moving, .count = count + 1};
	}
	return s;
}

/* So many deliveries and moments on; false: the handover was over before. */
static bool scene_to(struct scene *s, unsigned places)
{
	bool active = false;

	for (unsigned i = 0; i < places; i++) {
		const struct core_delivery *d = core_next(s->c);

		active |= d && d->frame == FRAME_ACTIVE;
		if (active && (!d || d->frame != FRAME_ACTIVE))
			return false;
		core_advance(s->c, CORE_NEVER);
	}
	return true;
}

static const char *scene_place(struct scene *s)
{
	const struct core_delivery *d = core_next(s->c);

	return !d ? "nothing" : d->frame ? frame_type_name(d->frame) : d->event.topic ? d->event.topic : "an event";
}

static bool granted(const struct scene *s)
{
	return core_count_frames(s->c, 0, FRAME_ACTIVE, s->taker) > 0;
}

/* Every record is there with its last acknowledged value. */
static void check_records(struct core *c, const char *prefix)
{
	size_t since;
	char text[40];

	core_run(c, 2000);
	since = c->line_count;
	for (int i = 0; i < KEYS; i++)
		core_get(c, KEY(i));
	core_run(c, 3000);
	for (int i = 0; i < KEYS; i++) {
		snprintf(text, sizeof(text), "%u/%s%d", KEY(i), prefix, i);
		if (core_count(c, since, "res-get", text) != 1)
			fail_msg("get of %u is not answered with %s", KEY(i), text);
	}
}

/* The ring that is left takes and tells. */
static void check_works(struct core *c)
{
	char client[16];

	for (int i = 0; i < KEYS; i++) {
		snprintf(client, sizeof(client), "new%d", i);
		core_put(c, client, KEY(i), client);
	}
	core_run(c, 3000);
	for (int i = 0; i < KEYS; i++) {
		snprintf(client, sizeof(client), "new%d", i);
		assert_int_equal(core_acked(c, client), 1);
	}
	check_records(c, "new");
}

#define OTHER(i) (KEY(i) + 1) /* no record of fill() */

static void ask(struct core *c, const char *client, int i)
{
	core_put(c, client, OTHER(i), client);
	core_get(c, OTHER(i + 1));
}

/* An operation at whatever place in the order of a handover is answered, once, and nothing is lost. */
static void an_operation_at_every_place(void **state)
{
	for (enum story story = 0; story < STORIES; story++)
		for (unsigned place = 0;; place++) {
			struct scene s = scene_new(story);
			bool within = scene_to(&s, place);

			ask(s.c, "c", 3);
			core_get(s.c, KEY(1));
			core_whole(s.c, s.count, 10000);
			check_records(s.c, "old");
			core_all_answered(s.c);
			assert_int_equal(core_count_logs(s.c, CORE_ANY, "fencing"), 0);
			core_free(s.c);
			if (!within)
				break;
		}
	(void)state;
}

/* Identical puts and gets, at every place of one handover, are answered as often as they were asked. */
static void identical_operations(void **state)
{
	for (enum story story = 0; story < STORIES; story++) {
		struct scene s = scene_new(story);
		unsigned count = 0;

		while (scene_to(&s, 1)) {
			core_put(s.c, "same", KEY(7), "old7");
			core_get(s.c, KEY(7));
			if (++count == 400)
				break; /* each brings deliveries of its own */
		}
		core_whole(s.c, s.count, 10000);
		core_run(s.c, 1000);
		core_all_answered(s.c);
		assert_int_equal(core_acked(s.c, "same"), count);
		check_records(s.c, "old");
		core_free(s.c);
	}
	(void)state;
}

/* A side killed at whatever place: one owner, nothing answered twice; the taker's death before ACTIVE costs nothing. */
static void kill_at_every_place(enum story story, bool taker)
{
	for (unsigned place = 0;; place++) {
		struct scene s = scene_new(story);
		bool within = scene_to(&s, place), harmless = taker && !granted(&s);
		int victim = taker ? s.taker : s.giver;
		int count = s.count;

		if (core_state(s.c, victim) == NODE_LEFT) {
			core_free(s.c);
			break;
		}
		if (taker || story == JOIN || story == JOIN_LONE)
			count--;
		if (s.c->trace)
			fprintf(stderr, "# %s: %s killed at place %u, before %s\n", story_names[story],
				taker ? "taker" : "giver", place, scene_place(&s));
		ask(s.c, "before", 3);
		core_kill(s.c, victim);
		ask(s.c, "behind", 6);
		core_whole(s.c, count, 60000);
		core_run(s.c, 1000);
		if (harmless) {
			core_all_answered(s.c);
			check_records(s.c, "old");
		}
		check_works(s.c);
		core_free(s.c);
		if (!within)
			break;
	}
}

static void the_taker_is_killed(void **state)
{
	kill_at_every_place(JOIN_LONE, true);
	kill_at_every_place(JOIN, true);
	kill_at_every_place(LEAVE, true);
	(void)state;
}

static void the_giver_is_killed(void **state)
{
	for (enum story story = 0; story < STORIES; story++)
		kill_at_every_place(story, false);
	(void)state;
}

/* A side that loses its connection at whatever place comes back: no record is lost, nothing is answered twice. */
static void cut_at_every_place(enum story story, bool taker, uint64_t away)
{
	for (unsigned place = 0;; place++) {
		struct scene s = scene_new(story);
		bool within = scene_to(&s, place);
		int victim = taker ? s.taker : s.giver;

		if (core_state(s.c, victim) == NODE_LEFT || !s.c->nodes[victim].live) {
			core_free(s.c);
			break;
		}
		if (s.c->trace)
			fprintf(stderr, "# %s: %s cut at place %u, before %s\n", story_names[story],
				taker ? "taker" : "giver", place, scene_place(&s));
		ask(s.c, "before", 3);
		core_cut_for(s.c, victim, away);
		ask(s.c, "behind", 6);
		core_whole(s.c, s.count, 60000);
		check_records(s.c, "old");
		check_works(s.c);
		core_free(s.c);
		if (!within)
			break;
	}
}

static void the_taker_is_cut_off(void **state)
{
	for (enum story story = 0; story < STORIES; story++)
		cut_at_every_place(story, true, 50);
	(void)state;
}

static void the_giver_is_cut_off(void **state)
{
	for (enum story story = 0; story < STORIES; story++)
		cut_at_every_place(story, false, 50);
	(void)state;
}

/* Any one frame of a handover lost to any one node: it is said again, or the handover is; nothing else comes of it. */
static void each_frame_is_lost_once(void **state)
{
	for (enum story story = 0; story < STORIES; story++)
		for (unsigned place = 0;; place++) {
			struct scene s = scene_new(story);
			bool within = scene_to(&s, place);

			while (within && (!core_next(s.c) || !core_next(s.c)->frame))
				within = scene_to(&s, 1) && ++place;
			if (!within) {
				core_free(s.c);
				break;
			}
			if (s.c->trace)
				fprintf(stderr, "# %s: lost at place %u: %s\n", story_names[story], place,
					scene_place(&s));
			ask(s.c, "before", 3);
			core_drop(s.c);
			core_run(s.c, 400);
			ask(s.c, "behind", 6);
			core_whole(s.c, s.count, 60000);
			check_records(s.c, "old");
			core_all_answered(s.c);
			core_free(s.c);
		}
	(void)state;
}

/* Behind GRANT the giver never goes on by a timer: a taker that is paused for 10 s is fenced first, and then serves nothing. */
static void the_taker_sleeps_behind_the_grant(void **state)
{
	static const enum story stories[] = {JOIN_LONE, JOIN,
					     LEAVE}; /* a leaver that fences the only other is the last */

	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		struct scene s = scene_new(stories[i]);

		assert_true(core_until(s.c, FRAME_GRANT, s.taker));
		core_pause(s.c, s.taker);
		ask(s.c, "asleep", 3);
		core_run(s.c, 10000);
		assert_int_equal(core_acked(s.c, "asleep"), 1);
		assert_int_equal(core_told(s.c, OTHER(4)), 1);
		assert_false(s.c->nodes[s.taker].live); /* fenced: nothing of it was read by the broker since */
		core_resume(s.c, s.taker);
		assert_false(core_serves(s.c, s.taker, KEY(3)) && s.c->nodes[s.taker].live);
		core_whole(s.c, s.count, 60000);
		check_records(s.c, "old");
		core_all_answered(s.c);
		core_free(s.c);
	}
	(void)state;
}

/* A taker that has stored the views and then sleeps has answered nobody: the arc is the giver's again, with every record. */
static void the_taker_sleeps_behind_stored(void **state)
{
	struct scene s = scene_new(JOIN);

	assert_true(core_until(s.c, FRAME_HOLDS, s.taker));
	core_pause(s.c, s.taker);
	ask(s.c, "asleep", 3);
	core_run(s.c, 20000);
	assert_int_equal(core_acked(s.c, "asleep"), 1);
	assert_true(core_serves(s.c, s.giver, KEY(3)));
	check_records(s.c, "old");
	core_resume(s.c, s.taker);
	core_whole(s.c, 3, 60000);
	check_records(s.c, "old");
	core_all_answered(s.c);
	core_free(s.c);
	(void)state;
}

/* A taker that has not seen the cut refuses the copy, for operations placed before it may be missing there. */
static void a_taker_without_the_cut_refuses(void **state)
{
	struct scene s = scene_new(JOIN);

	assert_true(core_until(s.c, FRAME_CUT, s.taker));
	core_drop(s.c);
	ask(s.c, "c", 3);
	core_whole(s.c, 3, 20000);
	assert_int_equal(core_count_logs(s.c, s.taker, "the cut was not seen"), 1);
	check_records(s.c, "old");
	core_all_answered(s.c);
	core_free(s.c);
	(void)state;
}

/* Where the arc begins dies between the grant and its storing, and comes back under its id at once: one ring all the same. */
static void the_node_before_dies(void **state)
{
	for (int back = 0; back < 2; back++) {
		struct scene s = scene_new(JOIN);

		assert_true(core_until(s.c, FRAME_STORED, s.giver));
		core_kill(s.c, 1); /* LOW: where the arc begins, and the giver's backup */
		if (back)
			core_add(s.c, LOW);
		ask(s.c, "c", 3);
		core_whole(s.c, 2 + back, 60000);
		check_records(s.c, "old");
		core_all_answered(s.c);
		core_free(s.c);
	}
	(void)state;
}

/* Several joiners in one arc, of whom one is killed at any moment, all find their place, and no operation is lost. */
static void several_join_in_one_arc(void **state)
{
	for (unsigned moment = 0; moment < 300; moment += 20) {
		struct core *c = core_new();
		int first;

		core_add(c, HIGH);
		core_whole(c, 1, 5000);
		fill(c);
		first = core_add(c, 500000000);
		core_add(c, 900000000);
		core_add(c, 1300000000);
		core_add(c, MOVING);
		for (unsigned i = 0; i < moment; i++) {
			core_advance(c, CORE_NEVER);
			if (i % 10 == 0)
				core_get(c, KEY(i % KEYS));
		}
		if (moment % 40 == 0) {
			core_whole(c, 5, 30000);
			check_records(c, "old");
			core_all_answered(c);
		} else {
			core_kill(c, first);
			core_whole(c, 4, 60000);
			check_works(c);
		}
		core_free(c);
	}
	(void)state;
}

/* Neighbours that leave together, and a node that joins into the arc of a leaver: every record stays in the ring. */
static void neighbours_leave_together(void **state)
{
	for (unsigned chain = 1; chain < 8; chain++)
		for (int joiner = 0; joiner < 2; joiner++) {
			struct core *c = core_new();

			for (uint32_t i = 0; i < 5; i++)
				core_add(c, i * 500000000 + 400000000);
			core_whole(c, 5, 10000);
			fill(c);
			for (int n = 0; n < 3; n++)
				if (chain >> n & 1)
					core_stop(c, n + 1);
			if (joiner)
				core_add(c, 1000000000);
			for (int i = 0; i < KEYS; i++) {
				core_get(c, KEY(i));
				core_run(c, 3);
			}
			core_whole(c, 5 + joiner - (int)((chain & 1) + (chain >> 1 & 1) + (chain >> 2)), 60000);
			check_records(c, "old");
			core_all_answered(c);
			for (int n = 0; n < 3; n++)
				if (chain >> n & 1)
					assert_int_equal(c->nodes[n + 1].exit_code, 0);
			core_free(c);
		}
	(void)state;
}

/* The giver has missed its own cut, and a stranger says it again: between the two places the giver has answered what the
 * taker holds. */
static void a_cut_said_again(void **state)
{
	struct scene s = scene_new(JOIN);
	size_t i;

	(void)state;
	assert_true(core_until(s.c, FRAME_CUT, s.giver));
	core_drop(s.c);
	core_deliver_all(s.c);
	core_put(s.c, "between", KEY(3), "x");
	core_deliver_all(s.c);
	assert_int_equal(core_acked(s.c, "between"), 1);
	i = s.c->line_count - 1;
	while (s.c->lines[i].frame != FRAME_CUT)
		i--;
	core_publish_bytes(s.c, s.c->lines[i].topic, s.c->lines[i].payload, s.c->lines[i].len);
	core_whole(s.c, s.count, 20000);
	core_run(s.c, 1000);
	core_all_answered(s.c);
	core_expect(s.c, KEY(3), "x");
	core_free(s.c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_operation_at_every_place),
		cmocka_unit_test(identical_operations),
		cmocka_unit_test(the_taker_is_killed),
		cmocka_unit_test(the_giver_is_killed),
		cmocka_unit_test(the_taker_is_cut_off),
		cmocka_unit_test(the_giver_is_cut_off),
		cmocka_unit_test(each_frame_is_lost_once),
		cmocka_unit_test(the_taker_sleeps_behind_the_grant),
		cmocka_unit_test(the_taker_sleeps_behind_stored),
		cmocka_unit_test(a_taker_without_the_cut_refuses),
		cmocka_unit_test(the_node_before_dies),
		cmocka_unit_test(several_join_in_one_arc),
		cmocka_unit_test(neighbours_leave_together),
		cmocka_unit_test(a_cut_said_again),
	};

	return cmocka_run_group_tests_name("core-handover", tests, NULL, NULL);
}
