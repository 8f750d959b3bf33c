/* Ids and names in use: who is refused, who stays. */
#include "core-fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The second node with an id in use is refused with exit code 77, and the first is not disturbed. */
static void a_second_id_is_refused(void **state)
{
	struct core *c = *state;
	int first = core_add(c, 100), second;
	size_t since;

	core_whole(c, 1, 3000);
	core_put(c, "c", 1, "v");
	since = c->line_count;
	second = core_add_named(c, 100, "other");
	core_run(c, 3000);
	assert_int_equal(c->nodes[second].exit_code, 77);
	assert_int_equal(core_count_logs(c, second, "the id 100 is in use"), 1);
	assert_true(core_is_whole(c, 1));
	assert_int_equal(core_count_frames(c, since, FRAME_STATUS, first), 0);
	assert_int_equal(core_count_logs(c, first, "lost"), 0);
	core_expect(c, 1, "v");
}

/* The second node with a name in use is refused with exit code 77, wherever in the ring the first is. */
static void a_second_name_is_refused(void **state)
{
	struct core *c = *state;
	int second;

	core_add_named(c, 100, "anna");
	core_add_named(c, 3000000000, "berta");
	core_whole(c, 2, 5000);
	second = core_add_named(c, 50, "berta");
	core_run(c, 3000);
	assert_int_equal(c->nodes[second].exit_code, 77);
	assert_int_equal(core_count_logs(c, second, "the name \"berta\" is in use"), 1);
	assert_true(core_is_whole(c, 2));
}

/* A ring of three, one of them of the name that will be wanted twice. */
static int berta_of_three(struct core *c)
{
	int first;

	core_add_named(c, 100, "anna");
	core_add_named(c, 1000000000, "carla");
	first = core_add_named(c, 3000000000, "berta");
	core_whole(c, 3, 5000);
	return first;
}

/* The first with a name hears of the second only when others have admitted that: the second leaves in good order. */
static void a_name_refused_too_late(void **state)
{
	struct core *c = *state;
	int first, second;

	first = berta_of_three(c);
	core_pause(c, first);
	second = core_add_named(c, 50, "berta");
	core_run(c, 200);
	assert_int_equal(core_state(c, second), NODE_ACTIVE);
	core_put(c, "c", 20, "v");
	core_resume(c, first);
	core_run(c, 3000);
	assert_int_equal(c->nodes[second].exit_code, 77);
	assert_int_equal(core_count_logs(c, second, "the name \"berta\" is in use"), 1);
	assert_int_equal(core_count_logs(c, second, "in good order"), 1);
	assert_true(core_is_whole(c, 3));
	core_expect(c, 20, "v");
}

static void say_again(struct core *c, enum frame_type type, int from)
{
	for (size_t i = c->line_count; i-- > 0;)
		if (c->lines[i].frame == type && c->lines[i].from == from) {
			core_publish_bytes(c, c->lines[i].topic, c->lines[i].payload, c->lines[i].len);
			core_run(c, 3000);
			return;
		}
	fail_msg("node %d has said no %s", from, frame_type_name(type));
}

/* Two of one name that do not know of each other: what the first asked long ago a stranger says again, and then what the
 * second answered to that.  The first was in before, and stays. */
static void a_stranger_repeats_a_refusal(void **state)
{
	struct core *c = *state;
	int first, second;

	first = berta_of_three(c);
	core_cut_for(c, first, 500);
	core_run(c, 100);
	second = core_add_named(c, 50, "berta");
	core_whole(c, 4, 5000);
	say_again(c, FRAME_HELLO, first);
	say_again(c, FRAME_REFUSE, second);
	assert_int_equal(c->nodes[first].exit_code, -1);
	assert_int_equal(core_state(c, first), NODE_ACTIVE);
	assert_int_equal(c->nodes[second].exit_code, -1);
}

/* Of two with one name that start at once one stays, also when both are in before they hear of each other. */
static void of_two_names_one_stays(void **state)
{
	for (unsigned late = 0; late < 30; late += 3) {
		struct core *c = core_new();
		int pair[2];

		core_add(c, 2000000000);
		core_whole(c, 1, 5000);
		pair[0] = core_add_named(c, 50, "twin");
		core_run(c, late);
		pair[1] = core_add_named(c, 3000000000, "twin");
		core_whole(c, 2, 5000);
		assert_int_equal(c->nodes[pair[0]].exit_code + c->nodes[pair[1]].exit_code, 77 - 1);
		core_free(c);
	}
	(void)state;
}

static size_t retained(const struct core *c, const char *topic)
{
	for (size_t i = 0; i < c->retained_count; i++)
		if (!strcmp(c->retained[i].topic, topic))
			return c->retained[i].len;
	return 0;
}

static void refuse_name(struct core *c, int n, const char *name)
{
	struct frame f = {.type = FRAME_REFUSE, .reason = REASON_NAME_IN_USE, .from = {5, 5, {5, 5}}};
	uint8_t *bytes;
	size_t len;

	snprintf(f.name, sizeof(f.name), "%s", name);
	bytes = frame_encode(&f, &len);
	core_step(c, n, (struct event){.type = EVENT_MESSAGE, .topic = "in/9502f900", .payload = bytes, .len = len});
	free(bytes);
}

/* A joiner that had told of the arc it takes, and whose giver and guard died, is refused: nothing stays retained of it. */
static void a_refused_joiner_leaves_no_status(void **state)
{
	struct core *c = *state;
	int joiner;

	core_add(c, 1000000000);
	core_add(c, 2000000000);
	core_add(c, 3000000000);
	core_add(c, 4000000000);
	core_whole(c, 4, 10000);
	joiner = core_add_named(c, 2500000000, "twin");
	assert_true(core_until(c, FRAME_STORED, 2));
	assert_int_not_equal(retained(c, "node/9502f900"), 0);
	core_kill(c, 2);
	core_kill(c, 3);
	for (int i = 0; i < 300 && !core_count_logs(c, joiner, "giving up every view"); i++)
		core_run(c, 100);
	refuse_name(c, joiner, "twin");
	core_run(c, 1000);
	assert_int_equal(c->nodes[joiner].exit_code, 77);
	assert_int_equal(retained(c, "node/9502f900"), 0);
}

/* Of two seekers with one id the one with the lower memory stays. */
static void of_two_seekers_one_stays(void **state)
{
	struct core *c = *state;
	int low = core_add(c, 100), high = core_add_named(c, 100, "other");

	core_whole(c, 1, 5000);
	assert_int_equal(c->nodes[high].exit_code, 77);
	assert_int_equal(core_state(c, low), NODE_ACTIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		core_test(a_stranger_repeats_a_refusal),
		core_test(a_second_id_is_refused),
		core_test(a_second_name_is_refused),
		core_test(a_name_refused_too_late),
		core_test(of_two_names_one_stays),
		core_test(of_two_seekers_one_stays),
		core_test(a_refused_joiner_leaves_no_status),
	};

	return cmocka_run_group_tests_name("core-refuse", tests, NULL, NULL);
}
