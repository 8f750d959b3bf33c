/* Watching by played owners: what is told is handed on once, and a gap is told if something may have been missed and only
 * then. */
#include "watch-fixture.h"

STORY(it_asks_arc_behind_arc_and_again_in_time)
{
	struct operation op;

	assert_int_equal(kv_watch_deadline(p->w), 1000 + 20000);
	p->now += 19999;
	assert_int_equal(play_answers(p), 0);
	p->now += 1;
	assert_int_equal(play_answers(p), PLAYERS);
	p->now += 20000;
	assert_true(kv_watch_ask(p->w, p->now, &op));
	assert_true(op.value_len == 1 && op.key.id == 0 && !op.key.name_len);
	assert_false(kv_watch_ask(p->w, p->now, &op)); /* one at a time */
	assert_int_equal(kv_watch_deadline(p->w), UINT64_MAX);
}

STORY(what_is_told_is_handed_on_once)
{
	assert_int_equal(play_tell(p, 0, "a"), 1);
	assert_int_equal(play_tell(p, 3, "b"), 1);
	assert_int_equal(play_frame(p, 0, p->players[0].number, "a"), -1);
	assert_int_equal(play_frame(p, 0, 1, "a"), -1);
	assert_false(play_gap(p));
}

STORY(a_number_left_out)
{
	p->players[1].number++;
	assert_int_equal(play_tell(p, 1, "a"), 1);
	assert_true(play_gap(p));
	assert_int_equal(play_tell(p, 1, "a"), 1);
	assert_false(play_gap(p));
}

/* It is promised by a place, and has not come a round later. */
STORY(the_last_of_a_stream_is_lost)
{
	p->players[1].number++;
	p->now += 20000;
	assert_false(play_gap(p)); /* it may be on its way yet */
	p->now += 20000;
	assert_true(play_gap(p));
	p->now += 20000;
	assert_false(play_gap(p));
	assert_int_equal(play_tell(p, 1, "a"), 1);
	assert_false(play_gap(p));
}

STORY(a_place_that_is_ahead_of_its_event)
{
	p->players[1].number++;
	p->now += 20000;
	(void)play_answers(p);
	assert_int_equal(play_frame(p, 1, p->players[1].number, "a"), 1);
	p->now += 20000;
	assert_false(play_gap(p));
}

STORY(another_stream)
{
	p->players[2].stream = 7;
	p->players[2].number = 0;
	assert_int_equal(play_tell(p, 2, "a"), 1);
	assert_true(play_gap(p));
	p->players[2].stream = 8; /* and nothing has come of it */
	p->now += 20000;
	assert_true(play_gap(p));
}

STORY(a_node_joins)
{
	p->players[1].there = false;
	p->now += 20000;
	(void)play_answers(p);
	play_status(p, 1, NODE_LEFT);
	(void)play_gap(p);
	p->players[1] = (struct player){p->players[1].id, true, 9, 0};
	play_status(p, 1, NODE_JOINING);
	assert_int_equal(play_tell(p, 1, "a"), 1); /* to those who watched what it has got */
	play_status(p, 1, NODE_ACTIVE);
	assert_int_equal(play_answers(p), PLAYERS);
	assert_false(play_gap(p));
	play_status(p, 1, NODE_ACTIVE); /* it says so again */
	assert_int_equal(play_answers(p), 0);
}

STORY(a_node_leaves)
{
	play_status(p, 1, NODE_LEAVING);
	assert_int_equal(play_tell(p, 1, "a"), 1);
	p->players[1].there = false;
	assert_int_equal(play_tell(p, 2, "b"), 1);
	play_clear(p, 1);
	assert_false(play_gap(p));
	play_status(p, 1, NODE_GONE); /* as others may say of it later */
	assert_false(play_gap(p));
}

STORY(a_node_that_said_something_before_we_heard_it)
{
	p->players[1].stream = 9;
	play_status(p, 1, NODE_LEFT);
	(void)play_gap(p);
	p->players[1].number = 3;
	p->now += 20000;
	assert_false(play_gap(p));
	p->players[2].stream = 10;
	p->players[2].number = 3;
	play_status(p, 2, NODE_LEFT);
	assert_int_equal(play_tell(p, 2, "a"), 1);
	assert_true(play_gap(p));
}

STORY(what_changes_during_a_round_makes_another)
{
	p->now += 20000;
	assert_true(play_answer(p));
	play_status(p, 1, NODE_LEAVING);
	assert_int_equal(play_answers(p), PLAYERS - 1 + PLAYERS);
}

/* Statuses of so many cannot be kept: it begins anew. */
STORY(more_owners_than_any_ring_has)
{
	struct player *o = &p->players[0];

	for (o->id = 1; o->id < 5000; o->id++)
		play_status(p, 0, NODE_JOINING);
	assert_true(play_gap(p));
}

STORY(an_arc_through_0)
{
	p->players[3].id = 0xf0000000;
	p->now += 20000;
	assert_int_equal(play_answers(p), PLAYERS + 1);
	p->players[3].there = false;
	p->players[2].there = false;
	p->players[1].there = false; /* one for all */
	p->now += 20000;
	assert_int_equal(play_answers(p), 2);
}

STORY(answers_that_are_none)
{
	const struct arc other = {8, 9};
	uint8_t place[WATCHED_PLACE_MAX];
	struct operation_result result = {.status = ANSWER_ABSENT};
	struct operation op;

	p->now += 20000;
	for (unsigned i = 0; i < 4; i++) {
		assert_true(kv_watch_ask(p->w, p->now, &op));
		assert_int_equal(op.key.id, 0); /* asked again */
		assert_non_null(kv_watch_answer(p->w, p->now, &result, 1, i == 3 ? &other : NULL));
		result.status = ANSWER_DONE;
		if (i == 0)
			continue;
		result.value = place;
		result.value_len = watched_put_place(place, &(struct watched_place){1, 1});
	}
}

/* Streams are older than our watch. */
static void what_others_wanted_before(void **state)
{
	struct play p;

	(void)state;
	play_open(&p, NULL, "");
	assert_int_equal(play_frame(&p, 0, 3, "a"), 1);
	play_begin(&p);
	assert_int_equal(play_frame(&p, 0, 5, "a"), -1);
	assert_int_equal(play_tell(&p, 0, "a"), 1);
	assert_false(play_gap(&p));
	kv_watch_free(p.w);
}

static void messages_that_are_none(void **state)
{
	static const struct {
		const char *topic, *bytes, *why;
	} rows[] = {
		{"ev/40000000", "", "truncated"},  {"ev/40000000", "\xff", NULL},
		{"node/40000000", "\xff", NULL},   {"in/40000000", "", "another topic"},
		{"nonsense", "", "another topic"},
	};
	struct page_entry change = {.key = play_key("a")};
	struct watched_frame f = {.owner = 5, .stream = 1, .number = 1, .changes = &change, .count = 1};
	const struct page_entry *changes;
	size_t count, len;
	struct play p;
	uint8_t *bytes = watched_encode(&f, &len);

	(void)state;
	play_open(&p, NULL, "");
	play_begin(&p);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *why = kv_watch_message(p.w, rows[i].topic, (const uint8_t *)rows[i].bytes,
						   strlen(rows[i].bytes), &changes, &count);

		assert_non_null(why);
		if (rows[i].why)
			assert_string_equal(why, rows[i].why);
		assert_int_equal(count, 0);
	}
	assert_string_equal(kv_watch_message(p.w, "ev/00000006", bytes, len, &changes, &count), "another's stream");
	assert_false(play_gap(&p));
	free(bytes);
	kv_watch_free(p.w);
}

static void names_that_begin_so(void **state)
{
	struct play p;

	(void)state;
	play_open(&p, NULL, "light/");
	play_begin(&p);
	assert_int_equal(play_tell(&p, 0, "light/1"), 1);
	assert_int_equal(play_tell(&p, 0, "light/"), 1);
	assert_int_equal(play_tell(&p, 0, "light"), 0);
	assert_int_equal(play_tell(&p, 0, "dark/light/"), 0);
	kv_watch_free(p.w);
}

static void its_filters(void **state)
{
	struct kv_watch_config config;
	struct kv_watch *w;

	(void)state;
	kv_watch_config_init(&config);
	strcpy(config.topic_prefix, "house/one");
	w = kv_watch_new(&config);
	assert_string_equal(kv_watch_filters(w)[0], "house/one/ev/+");
	assert_string_equal(kv_watch_filters(w)[1], "house/one/node/+");
	kv_watch_free(w);
	kv_watch_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_asks_arc_behind_arc_and_again_in_time),
		cmocka_unit_test(what_is_told_is_handed_on_once),
		cmocka_unit_test(a_number_left_out),
		cmocka_unit_test(the_last_of_a_stream_is_lost),
		cmocka_unit_test(a_place_that_is_ahead_of_its_event),
		cmocka_unit_test(another_stream),
		cmocka_unit_test(a_node_joins),
		cmocka_unit_test(a_node_leaves),
		cmocka_unit_test(a_node_that_said_something_before_we_heard_it),
		cmocka_unit_test(what_changes_during_a_round_makes_another),
		cmocka_unit_test(more_owners_than_any_ring_has),
		cmocka_unit_test(an_arc_through_0),
		cmocka_unit_test(answers_that_are_none),
		cmocka_unit_test(what_others_wanted_before),
		cmocka_unit_test(messages_that_are_none),
		cmocka_unit_test(names_that_begin_so),
		cmocka_unit_test(its_filters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
