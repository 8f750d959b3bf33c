/* Watching by played owners that die, or do not answer, and over a connection that is lost: what may have been missed by
 * that is told as a gap, once. */
#include "watch-fixture.h"

/* Told when somebody else answers for it, and once, whoever says so. */
STORY(a_node_dies)
{
	p->players[1].there = false;
	play_status(p, 1, NODE_GONE);
	assert_false(kv_watch_gap(p->w));
	assert_true(play_answer(p));
	assert_false(kv_watch_gap(p->w));
	play_status(p, 1, NODE_GONE);
	assert_true(play_gap(p));
	play_status(p, 1, NODE_GONE);
	assert_false(play_gap(p));
	p->players[1] = (struct player){p->players[1].id, true, 9, 0}; /* back again */
	play_status(p, 1, NODE_ACTIVE);
	assert_int_equal(play_tell(p, 1, "a"), 1);
	assert_false(play_gap(p));
}

/* The same to who may not read statuses: others say that its stream is over. */
STORY(a_node_dies_and_no_status_says_so)
{
	assert_int_equal(play_tell(p, 1, "a"), 1);
	p->players[1].there = false;
	assert_int_equal(play_frame(p, 1, 0, NULL), 0);
	assert_true(play_gap(p));
	assert_int_equal(play_frame(p, 1, 0, NULL), 0);
	assert_false(play_gap(p));
	for (unsigned again = 0; again < 2; again++) {
		p->players[1] = (struct player){p->players[1].id, true, 9 + again, 0}; /* back */
		assert_int_equal(play_tell(p, 1, "a"), 1);
		assert_false(play_gap(p));
		p->players[1].there = false;
		assert_int_equal(play_frame(p, 1, 0, NULL), 0);
		assert_true(play_gap(p));
	}
}

/* Of whom nobody knows what it had. */
STORY(a_stranger_dies)
{
	p->players[1].there = false;
	play_status(p, 1, NODE_LEFT);
	(void)play_gap(p);
	p->players[1].id = 77;
	play_status(p, 1, NODE_GONE);
	assert_true(play_gap(p));
}

STORY(a_doubt_that_ends_well_and_one_that_does_not)
{
	play_status(p, 1, NODE_SUSPECT);
	assert_false(play_gap(p));
	play_status(p, 1, NODE_ACTIVE);
	assert_false(play_gap(p));
	play_status(p, 1, NODE_SUSPECT);
	p->players[1].there = false; /* its arc is another's now */
	assert_true(play_gap(p));
}

STORY(nobody_answers)
{
	struct operation op;

	p->now += 20000;
	assert_true(kv_watch_ask(p->w, p->now, &op));
	p->now += 5000;
	assert_non_null(kv_watch_answer(p->w, p->now, NULL, 0, NULL));
	assert_false(kv_watch_gap(p->w));
	assert_true(play_gap(p));
}

/* An owner tells unasked for a minute, and no longer. */
STORY(asked_too_late)
{
	p->now += 59999;
	assert_false(play_gap(p));
	p->now += 60000;
	assert_true(play_gap(p));
}

STORY(the_connection_is_lost)
{
	struct operation op;

	p->now += 20000;
	assert_true(kv_watch_ask(p->w, p->now, &op)); /* and will be answered on the next connection */
	kv_watch_lost(p->w);
	assert_false(kv_watch_whole(p->w));
	assert_int_equal(kv_watch_deadline(p->w), UINT64_MAX);
	kv_watch_granted(p->w, p->now);
	assert_null(kv_watch_answer(p->w, p->now, NULL, 0, NULL));
	assert_false(kv_watch_whole(p->w));
	assert_int_equal(play_answers(p), PLAYERS);
	assert_true(kv_watch_gap(p->w));
}

/* Others' streams and deaths are no matter of one key. */
static void one_key(void **state)
{
	struct key key = play_key("a"); /* 550d7456: the second player's */
	struct operation op;
	struct play p;

	(void)state;
	play_open(&p, &key, "");
	play_begin(&p);
	assert_int_equal(play_tell(&p, 1, "a"), 1);
	assert_int_equal(play_tell(&p, 1, "b"), 0);
	p.now += 20000;
	assert_true(kv_watch_ask(p.w, p.now, &op));
	assert_true(key_equal(&op.key, &key) && !op.value_len);
	assert_non_null(kv_watch_answer(p.w, p.now, NULL, 0, NULL));
	assert_true(play_gap(&p));
	p.players[3].number = 50; /* heard first with this number */
	assert_int_equal(play_tell(&p, 3, "b"), 0);
	p.players[0].there = false;
	play_status(&p, 0, NODE_GONE);
	assert_false(play_gap(&p));
	assert_int_equal(play_tell(&p, 2, "b"), 0);
	p.players[1].there = false; /* it leaves: the third has it */
	assert_int_equal(play_tell(&p, 2, "a"), 1);
	for (unsigned round = 0; round < 3; round++) {
		p.now += 20000;
		assert_false(play_gap(&p));
	}
	play_status(&p, 1, NODE_GONE); /* what it had is safe with another since long */
	assert_false(play_gap(&p));
	p.players[2].there = false;
	play_status(&p, 2, NODE_GONE);
	assert_true(play_gap(&p));
	kv_watch_free(p.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_dies),
		cmocka_unit_test(a_node_dies_and_no_status_says_so),
		cmocka_unit_test(a_stranger_dies),
		cmocka_unit_test(a_doubt_that_ends_well_and_one_that_does_not),
		cmocka_unit_test(nobody_answers),
		cmocka_unit_test(asked_too_late),
		cmocka_unit_test(the_connection_is_lost),
		cmocka_unit_test(one_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
