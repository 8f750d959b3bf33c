/* What is kept for others: until when, and what becomes of it (PROTOCOL.md section 7, rules 3 and 6). */
#include "copies-fixture.h"

/* ---- a view is stored by who has what it names ---- */

static unsigned stored(const struct core *c, size_t since)
{
	return core_count_frames(c, since, FRAME_STORED, 2);
}

static void a_newcomer_without_the_copy(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct frame store = played_store(c, 0), f;
	size_t since = c->line_count;

	store.flag = true;
	store.attempt = 9;
	store.seq = 2;
	copies_say(c, &store, 2);
	core_run(c, 100);
	assert_int_equal(stored(c, since), 0);
	assert_int_equal(played_told(c, since, 0)->attempt, 9);
	assert_int_equal(played_told(c, since, 0)->reason, REASON_ABSENT);
	/* Not all of it yet. */
	f = played_copy(c, 0, 9, 1);
	f.arc = played_arc(0);
	f.arc_set = true;
	copies_say(c, &f, 2);
	core_deliver_all(c);
	since = c->line_count;
	copies_say(c, &store, 2);
	core_run(c, 100);
	assert_int_equal(stored(c, since), 0);
	assert_null(played_told(c, since, 0));
	copies_say_record(c, played_copy(c, 0, 9, 2), 2, PLAYED);
	copies_say(c, &store, 2);
	core_deliver_all(c);
	assert_int_equal(stored(c, since), 1);
	/* More than was told of, and from the past: by a stream that is none. */
	store = played_store(c, 3);
	store.flag = true;
	store.attempt = 4;
	store.seq = 2;
	played_fill(c, 3, 4);
	since = c->line_count;
	store.views[0].arc.lo--;
	copies_say(c, &store, 2);
	core_run(c, 100);
	assert_int_equal(stored(c, since), 0);
	assert_int_equal(played_told(c, since, 3)->reason, REASON_ABSENT);
}

/* ---- of whom it is kept, and of whom it was ---- */

static enum frame_reason begins(struct core *c, unsigned owner, uint64_t attempt, uint64_t number)
{
	struct frame f = played_copy(c, owner, attempt, 1);
	size_t since = c->line_count;

	f.arc = played_arc(0);
	f.arc_set = true;
	f.epoch += number;
	copies_say(c, &f, 2);
	core_run(c, 100);
	return played_told(c, since, owner)->reason;
}

/* The rule of section 7, 2, which seeds of the simulator hardly show: the present owner has told of the arc by a later view,
 * so what the one before said of it, and says again late, is refused. */
static void filled_by_who_gave_it_away(void **state)
{
	struct core *c = copies_ring(state, 3);

	assert_int_equal(begins(c, 0, 1, 1), REASON_NONE);
	copies_say_record(c, played_copy(c, 0, 1, 2), 2, PLAYED);
	assert_int_equal(begins(c, 1, 4, 0), REASON_ABSENT);
	assert_true(copies_has(c, 2, PLAYED));
	/* Of the present owner the number counts on, and of who comes after him. */
	assert_int_equal(begins(c, 0, 2, 0), REASON_NONE);
	assert_int_equal(begins(c, 1, 5, 2), REASON_NONE);
}

/* The rule of section 7, 3, likewise: what the taker of a handover kept for its giver besides is another thing than what it
 * takes; the giver would make other views without it, and it gives way to them with all it owns. */
static void absent_of_a_taker(void **state)
{
	struct core *c = copies_pair(state);
	int taker = core_add(c, MOVING);
	struct node *giver = c->nodes[1].node;
	struct member m;
	struct frame f;
	uint64_t seq;

	assert_true(core_until(c, FRAME_GRANT, taker));
	m = c->nodes[taker].node->self;
	assert_int_equal(giver->change.kind, CHANGE_GIVE);
	(void)follow_want(giver, &m, entry_main(giver));
	f = copies_frame(c, taker, FRAME_COPIED);
	f.hash = giver->self.memory;
	f.attempt = follow_attempt(giver, &m, &seq);
	f.reason = REASON_ABSENT;
	copies_say(c, &f, 1);
	core_run(c, 3000);
	assert_int_equal(core_count_logs(c, 1, "has no copy of what it was sent"), 1);
	assert_int_equal(core_count_logs(c, 1, "the change goes on without it"), 0);
	assert_true(core_is_whole(c, 3));
}

/* Who is being filled, and says nothing, holds up nobody: no answer waits for him. */
static void filled_and_silent(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct operation_token token = routed_token(c, ID);
	struct node *owner = c->nodes[1].node;
	struct member m = c->nodes[0].node->self;

	core_pause(c, 0);
	(void)follow_want(owner, &m, entry_main(owner));
	for (uint64_t number = 1; number <= 3; number++) {
		routed_ask(c, routed_cell(ID), number, token, routed_add(ID));
		core_deliver_all(c);
		assert_int_equal(routed_told(c, number).count, 1);
	}
}

/* ---- what is kept for nobody ---- */

static bool merged(const struct core *c, uint32_t id)
{
	return copies_has(c, 0, id) && !copies_has(c, 2, id);
}

/* Filled, and never named: whoever owns the arc is told of it, if nobody comes back. */
static void never_named(void **state)
{
	struct core *c = copies_ring(state, 3);

	played_fill(c, 0, 1);
	core_run(c, c->config.recover);
	assert_true(copies_has(c, 2, PLAYED) && !copies_has(c, 0, PLAYED));
	core_run(c, 10000);
	assert_true(merged(c, PLAYED));
}

/* There is room for some; who has been silent for longest gives way, and nothing of his is lost. */
static void more_owners_than_there_is_room_for(void **state)
{
	struct core *c = copies_ring(state, 3);
	unsigned kept = 0, count = 2 * COPIES_MAX;

	core_put(c, "writer", ID, "kept");
	core_run(c, 100);
	for (unsigned i = 0; i < count; i++) {
		played_fill(c, i, 1);
		core_run(c, 100);
	}
	core_run(c, 1000);
	for (unsigned i = 0; i < count; i++) {
		bool here = copies_has(c, 2, played_arc(i).hi);

		kept += here;
		assert_true(here || copies_has(c, 0, played_arc(i).hi));
		assert_int_equal(here, i >= count - (COPIES_MAX - 1));
	}
	/* Whom it guards is not among them. */
	assert_int_equal(kept, COPIES_MAX - 1);
	core_run(c, 30000);
	for (unsigned i = 0; i < count; i++)
		assert_true(merged(c, played_arc(i).hi));
	core_kill(c, 1);
	core_whole(c, 2, 20000);
	core_expect(c, ID, "kept");
}

/* A view without it: what it has of that arc stays until that holds, and goes then. */
static void left_out(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct frame stores[2 * LEFT_MAX];
	unsigned count = 2 * LEFT_MAX - 1;

	for (unsigned i = 0; i < count; i++) {
		played_fill(c, i, 1);
		stores[i] = played_store(c, i);
		copies_say(c, &stores[i], 2);
		stores[i].views[0].base = stores[i].views[0].name;
		stores[i].views[0].name.number++;
		stores[i].views[0].backup = (struct member){0};
		copies_say(c, &stores[i], 2);
		core_deliver_all(c);
	}
	/* More than there is room for: the first of them are merged. */
	core_run(c, 1000);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(merged(c, played_arc(i).hi), i < count - LEFT_MAX);
	/* Of these half hold, and half do not. */
	for (unsigned i = count - LEFT_MAX; i < count; i += 2) {
		stores[i].type = FRAME_HOLDS;
		copies_say(c, &stores[i], 2);
	}
	core_run(c, 100);
	for (unsigned i = count - LEFT_MAX; i < count; i++)
		assert_int_equal(copies_has(c, 2, played_arc(i).hi), (i - (count - LEFT_MAX)) % 2);
	core_run(c, 30000);
	for (unsigned i = count - LEFT_MAX; i < count; i++) {
		assert_false(copies_has(c, 2, played_arc(i).hi));
		assert_int_equal(copies_has(c, 0, played_arc(i).hi), (i - (count - LEFT_MAX)) % 2);
	}
	assert_true(core_is_whole(c, 3));
}

/* Left for a later attempt of its maker, when the earlier one holds: it is guarded here again, and kept. */
static void left_and_taken_up_again(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct frame first, second, find;
	uint8_t *bytes;
	size_t len;

	played_fill(c, 0, 1);
	first = second = played_store(c, 0);
	second.views[0].name.number++;
	second.views[0].backup = (struct member){0};
	copies_say(c, &first, 2);
	copies_say(c, &second, 2);
	first.type = FRAME_HOLDS;
	copies_say(c, &first, 2);
	core_deliver_all(c);
	/* Whoever looks for it would be told of what had only been left. */
	find = copies_frame(c, 0, FRAME_FIND);
	find.arc = played_arc(0);
	find.arc_set = find.flag = true;
	bytes = frame_encode(&find, &len);
	core_publish_bytes(c, "ring", bytes, len);
	free(bytes);
	core_run(c, 1000);
	assert_true(copies_has(c, 2, PLAYED));
	assert_int_equal(core_count_logs(c, 2, "its copy is nobody's any more"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		core_test(a_newcomer_without_the_copy),
		core_test(filled_by_who_gave_it_away),
		core_test(absent_of_a_taker),
		core_test(filled_and_silent),
		core_test(never_named),
		core_test(more_owners_than_there_is_room_for),
		core_test(left_out),
		core_test(left_and_taken_up_again),
	};

	return cmocka_run_group_tests_name("copy-kept", tests, NULL, NULL);
}
