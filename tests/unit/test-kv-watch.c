/* Watching by played owners: what is told is handed on once, and a gap is told if something may have been missed and only
 * then. */
#include "watch-play.h"

/* Each story with a play of its own, of everything. */
#define STORY(title)                              \
	static void title##_play(struct play *p); \
	static void title(void **state)           \
	{                                         \
		struct play p;                    \
		(void)state;                      \
		open_play(&p, NULL, "");          \
		begin(&p);                        \
		title##_play(&p);                 \
		kv_watch_free(p.w);               \
	}                                         \
	static void title##_play(struct play *p)

STORY(it_asks_arc_behind_arc_and_again_in_time)
{
	struct operation op;

	assert_int_equal(kv_watch_deadline(p->w), 1000 + 20000);
	p->now += 19999;
	assert_int_equal(answers(p), 0);
	p->now += 1;
	assert_int_equal(answers(p), PLAYERS);
	p->now += 20000;
	assert_true(kv_watch_ask(p->w, p->now, &op));
	assert_true(op.value_len == 1 && op.key.id == 0 && !op.key.name_len);
	assert_false(kv_watch_ask(p->w, p->now, &op)); /* one at a time */
	assert_int_equal(kv_watch_deadline(p->w), UINT64_MAX);
}

STORY(what_is_told_is_handed_on_once)
{
	assert_int_equal(tell(p, 0, "a"), 1);
	assert_int_equal(tell(p, 3, "b"), 1);
	assert_int_equal(frame(p, 0, p->players[0].number, "a"), -1);
	assert_int_equal(frame(p, 0, 1, "a"), -1);
	assert_false(gap(p));
}

STORY(a_number_left_out)
{
	p->players[1].number++;
	assert_int_equal(tell(p, 1, "a"), 1);
	assert_true(gap(p));
	assert_int_equal(tell(p, 1, "a"), 1);
	assert_false(gap(p));
}

/* It is promised by a place, and has not come a round later. */
STORY(the_last_of_a_stream_is_lost)
{
	p->players[1].number++;
	p->now += 20000;
	assert_false(gap(p)); /* it may be on its way yet */
	p->now += 20000;
	assert_true(gap(p));
	p->now += 20000;
	assert_false(gap(p));
	assert_int_equal(tell(p, 1, "a"), 1);
	assert_false(gap(p));
}

STORY(a_place_that_is_ahead_of_its_event)
{
	p->players[1].number++;
	p->now += 20000;
	(void)answers(p);
	assert_int_equal(frame(p, 1, p->players[1].number, "a"), 1);
	p->now += 20000;
	assert_false(gap(p));
}

STORY(another_stream)
{
	p->players[2].stream = 7;
	p->players[2].number = 0;
	assert_int_equal(tell(p, 2, "a"), 1);
	assert_true(gap(p));
	p->players[2].stream = 8; /* and nothing has come of it */
	p->now += 20000;
	assert_true(gap(p));
}

STORY(a_node_joins)
{
	p->players[1].there = false;
	p->now += 20000;
	(void)answers(p);
	status(p, 1, NODE_LEFT);
	(void)gap(p);
	p->players[1] = (struct player){p->players[1].id, true, 9, 0};
	status(p, 1, NODE_JOINING);
	assert_int_equal(tell(p, 1, "a"), 1); /* to those who watched what it has got */
	status(p, 1, NODE_ACTIVE);
	assert_int_equal(answers(p), PLAYERS);
	assert_false(gap(p));
	status(p, 1, NODE_ACTIVE); /* it says so again */
	assert_int_equal(answers(p), 0);
}

STORY(a_node_leaves)
{
	status(p, 1, NODE_LEAVING);
	assert_int_equal(tell(p, 1, "a"), 1);
	p->players[1].there = false;
	assert_int_equal(tell(p, 2, "b"), 1);
	clear(p, 1);
	assert_false(gap(p));
	status(p, 1, NODE_GONE); /* as others may say of it later */
	assert_false(gap(p));
}

STORY(a_node_that_said_something_before_we_heard_it)
{
	p->players[1].stream = 9;
	status(p, 1, NODE_LEFT);
	(void)gap(p);
	p->players[1].number = 3;
	p->now += 20000;
	assert_false(gap(p));
	p->players[2].stream = 10;
	p->players[2].number = 3;
	status(p, 2, NODE_LEFT);
	assert_int_equal(tell(p, 2, "a"), 1);
	assert_true(gap(p));
}

STORY(what_changes_during_a_round_makes_another)
{
	p->now += 20000;
	assert_true(answer(p));
	status(p, 1, NODE_LEAVING);
	assert_int_equal(answers(p), PLAYERS - 1 + PLAYERS);
}

/* Statuses of so many cannot be kept: it begins anew. */
STORY(more_owners_than_any_ring_has)
{
	struct player *o = &p->players[0];

	for (o->id = 1; o->id < 5000; o->id++)
		status(p, 0, NODE_JOINING);
	assert_true(gap(p));
}

STORY(an_arc_through_0)
{
	p->players[3].id = 0xf0000000;
	p->now += 20000;
	assert_int_equal(answers(p), PLAYERS + 1);
	p->players[3].there = false;
	p->players[2].there = false;
	p->players[1].there = false; /* one for all */
	p->now += 20000;
	assert_int_equal(answers(p), 2);
}

/* Told when somebody else answers for it, and once, whoever says so. */
STORY(a_node_dies)
{
	p->players[1].there = false;
	status(p, 1, NODE_GONE);
	assert_false(kv_watch_gap(p->w));
	assert_true(answer(p));
	assert_false(kv_watch_gap(p->w));
	status(p, 1, NODE_GONE);
	assert_true(gap(p));
	status(p, 1, NODE_GONE);
	assert_false(gap(p));
	p->players[1] = (struct player){p->players[1].id, true, 9, 0}; /* back again */
	status(p, 1, NODE_ACTIVE);
	assert_int_equal(tell(p, 1, "a"), 1);
	assert_false(gap(p));
}

/* Of whom nobody knows what it had. */
STORY(a_stranger_dies)
{
	p->players[1].there = false;
	status(p, 1, NODE_LEFT);
	(void)gap(p);
	p->players[1].id = 77;
	status(p, 1, NODE_GONE);
	assert_true(gap(p));
}

STORY(a_doubt_that_ends_well_and_one_that_does_not)
{
	status(p, 1, NODE_SUSPECT);
	assert_false(gap(p));
	status(p, 1, NODE_ACTIVE);
	assert_false(gap(p));
	status(p, 1, NODE_SUSPECT);
	p->players[1].there = false; /* its arc is another's now */
	assert_true(gap(p));
}

STORY(nobody_answers)
{
	struct operation op;

	p->now += 20000;
	assert_true(kv_watch_ask(p->w, p->now, &op));
	p->now += 5000;
	assert_non_null(kv_watch_answer(p->w, p->now, NULL, 0, NULL));
	assert_false(kv_watch_gap(p->w));
	assert_true(gap(p));
}

/* An owner tells unasked for a minute, and no longer. */
STORY(asked_too_late)
{
	p->now += 59999;
	assert_false(gap(p));
	p->now += 60000;
	assert_true(gap(p));
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
	assert_int_equal(answers(p), PLAYERS);
	assert_true(kv_watch_gap(p->w));
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
	open_play(&p, NULL, "");
	assert_int_equal(frame(&p, 0, 3, "a"), 1);
	begin(&p);
	assert_int_equal(frame(&p, 0, 5, "a"), -1);
	assert_int_equal(tell(&p, 0, "a"), 1);
	assert_false(gap(&p));
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
	struct page_entry change = {.key = name("a")};
	struct watched_frame f = {.owner = 5, .stream = 1, .number = 1, .changes = &change, .count = 1};
	const struct page_entry *changes;
	size_t count, len;
	struct play p;
	uint8_t *bytes = watched_encode(&f, &len);

	(void)state;
	open_play(&p, NULL, "");
	begin(&p);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *why = kv_watch_message(p.w, rows[i].topic, (const uint8_t *)rows[i].bytes,
						   strlen(rows[i].bytes), &changes, &count);

		assert_non_null(why);
		if (rows[i].why)
			assert_string_equal(why, rows[i].why);
		assert_int_equal(count, 0);
	}
	assert_string_equal(kv_watch_message(p.w, "ev/00000006", bytes, len, &changes, &count), "another's stream");
	assert_false(gap(&p));
	free(bytes);
	kv_watch_free(p.w);
}

static void names_that_begin_so(void **state)
{
	struct play p;

	(void)state;
	open_play(&p, NULL, "light/");
	begin(&p);
	assert_int_equal(tell(&p, 0, "light/1"), 1);
	assert_int_equal(tell(&p, 0, "light/"), 1);
	assert_int_equal(tell(&p, 0, "light"), 0);
	assert_int_equal(tell(&p, 0, "dark/light/"), 0);
	kv_watch_free(p.w);
}

/* Others' streams and deaths are no matter of one key. */
static void one_key(void **state)
{
	struct key key = name("a"); /* 550d7456: the second player's */
	struct operation op;
	struct play p;

	(void)state;
	open_play(&p, &key, "");
	begin(&p);
	assert_int_equal(tell(&p, 1, "a"), 1);
	assert_int_equal(tell(&p, 1, "b"), 0);
	p.now += 20000;
	assert_true(kv_watch_ask(p.w, p.now, &op));
	assert_true(key_equal(&op.key, &key) && !op.value_len);
	assert_non_null(kv_watch_answer(p.w, p.now, NULL, 0, NULL));
	assert_true(gap(&p));
	p.players[3].number = 50; /* heard first with this number */
	assert_int_equal(tell(&p, 3, "b"), 0);
	p.players[0].there = false;
	status(&p, 0, NODE_GONE);
	assert_false(gap(&p));
	assert_int_equal(tell(&p, 2, "b"), 0);
	p.players[1].there = false; /* it leaves: the third has it */
	assert_int_equal(tell(&p, 2, "a"), 1);
	for (unsigned round = 0; round < 3; round++) {
		p.now += 20000;
		assert_false(gap(&p));
	}
	status(&p, 1, NODE_GONE); /* what it had is safe with another since long */
	assert_false(gap(&p));
	p.players[2].there = false;
	status(&p, 2, NODE_GONE);
	assert_true(gap(&p));
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
		cmocka_unit_test(what_others_wanted_before),
		cmocka_unit_test(a_node_dies),
		cmocka_unit_test(a_stranger_dies),
		cmocka_unit_test(a_doubt_that_ends_well_and_one_that_does_not),
		cmocka_unit_test(nobody_answers),
		cmocka_unit_test(asked_too_late),
		cmocka_unit_test(the_connection_is_lost),
		cmocka_unit_test(answers_that_are_none),
		cmocka_unit_test(messages_that_are_none),
		cmocka_unit_test(names_that_begin_so),
		cmocka_unit_test(one_key),
		cmocka_unit_test(its_filters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
