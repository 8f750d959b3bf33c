/* Nodes of other versions in one ring with ours: nothing is lost, nothing goes in a circle, and who must be upgraded is
 * named (PROTOCOL.md section 3). */
#include "core-fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/core/core.h"

#define LOW 1000
#define HIGH 3000000000
#define LATER_FOUND "\xa3\x00\x02\x01\x15\x04\x82\x07\x08"
#define LATER_STATUS "\xa3\x00\x02\x01\x18\x1a\x0d\x61x"

static void play(struct core *c, const char *topic, struct frame *f)
{
	size_t len;
	uint8_t *bytes = frame_encode(f, &len);

	core_publish_bytes(c, topic, bytes, len);
	free(bytes);
}

static struct frame hello(uint32_t id, uint32_t minor)
{
	struct frame f = {.type = FRAME_HELLO, .minor = minor, .from = {id, 77, {78, 1}}};

	snprintf(f.name, sizeof(f.name), "played");
	return f;
}

/* It waits outside, asks seldom, and is in as soon as it is upgraded. */
static void an_earlier_version_is_not_admitted(void **state)
{
	struct core *c = *state;
	int first = core_add(c, LOW), second;
	size_t since;

	core_whole(c, 1, 5000);
	core_put(c, "c", HIGH - 1, "kept");
	core_run(c, 100);
	c->older = second = core_add(c, HIGH);
	core_run(c, 1000);
	since = c->line_count;
	core_run(c, 120000);
	assert_int_equal(core_state(c, second), NODE_JOINING);
	assert_in_range(core_count_frames(c, since, FRAME_HELLO, second), 10, 25);
	assert_int_equal(core_count_frames(c, 0, FRAME_OFFER, first), 0);
	assert_in_range(core_count_logs(c, first, "an earlier version of the protocol: it is not admitted here"), 2, 3);
	core_expect(c, HIGH - 1, "kept");
	core_kill(c, second);
	core_add(c, HIGH);
	core_whole(c, 2, 10000);
	core_expect(c, HIGH - 1, "kept");
}

/* Whatever it says afterwards: records go to nobody who accepts as version 1.0 does. */
static void what_is_accepted_as_earlier_is_not_given(void **state)
{
	struct core *c = *state;
	struct frame f = hello(HIGH, FRAME_MINOR);
	int first = core_add(c, LOW);
	size_t since;

	core_whole(c, 1, 5000);
	core_put(c, "c", HIGH - 1, "kept");
	play(c, "ring", &f);
	core_run(c, 10);
	assert_int_equal(core_count_frames(c, 0, FRAME_OFFER, first), 1);
	since = c->line_count;
	f.type = FRAME_ACCEPT;
	f.minor = 0;
	f.attempt = 1;
	play(c, "in/000003e8", &f);
	core_run(c, 5000);
	assert_int_equal(core_count_frames(c, since, FRAME_RECORDS, first), 0);
	assert_int_equal(core_count_frames(c, since, FRAME_CUT, first), 0);
	assert_int_equal(core_count_frames(c, since, FRAME_VOID, first), 1);
	assert_int_equal(core_count_logs(c, first, "cannot take over what lies here"), 1);
	core_expect(c, HIGH - 1, "kept");
}

/* Who leaves stays with its records while its successor is of an earlier version, and goes when that one speaks as we do. */
static void a_leaver_waits_for_its_successor(void **state)
{
	struct core *c = *state;
	int leaver = core_add(c, LOW);
	size_t since;

	core_add(c, HIGH);
	core_whole(c, 2, 10000);
	core_put(c, "c", 5, "kept");
	core_run(c, 100);
	c->older = 1;
	since = c->line_count;
	core_stop(c, leaver);
	core_run(c, 60000);
	assert_int_equal(c->nodes[leaver].exit_code, -1);
	assert_in_range(core_count_frames(c, since, FRAME_ASK, leaver), 5, 15);
	assert_int_equal(core_count_logs(c, leaver, "fencing"), 0);
	assert_in_range(core_count_logs(c, leaver, "stays until it can -> upgrade it"), 1, 2);
	core_expect(c, 5, "kept");
	c->older = -1;
	core_run(c, 10000);
	assert_int_equal(c->nodes[leaver].exit_code, 0);
	assert_true(core_is_whole(c, 1));
	core_expect(c, 5, "kept");
}

/* What it gives is taken.  Of what was written there before nothing is known, but from there on everything is. */
static void what_an_earlier_version_gives_is_taken(void **state)
{
	struct core *c = *state;
	struct version horizon;
	int taker;

	c->older = core_add(c, LOW);
	core_whole(c, 1, 5000);
	core_put(c, "c", HIGH - 1, "kept");
	core_run(c, 100);
	taker = core_add(c, HIGH);
	core_whole(c, 2, 10000);
	core_expect(c, HIGH - 1, "kept");
	horizon = once_horizon(c->nodes[taker].node->once, HIGH - 1);
	assert_int_equal(horizon.number >> 32, 1); /* a view's of the first ring */
	assert_int_equal(horizon.counter, 0);
	core_stop(c, c->older);
	core_whole(c, 1, 10000);
	horizon = once_horizon(c->nodes[taker].node->once, 5);
	assert_int_equal(horizon.number >> 32, 1);
}

/* A later minor version has added a key, and is one of us. */
static void a_later_minor_version_is_admitted(void **state)
{
	struct core *c = *state;
	struct frame f = hello(HIGH, FRAME_MINOR + 1);
	int first = core_add(c, LOW);
	uint8_t *bytes, more[300] = {0};
	size_t len;

	core_whole(c, 1, 5000);
	bytes = frame_encode(&f, &len);
	memcpy(more, bytes, len);
	more[0]++; /* one pair more */
	memcpy(more + len, "\x18\x64\x82\x01\x61x", 6);
	free(bytes);
	core_publish_bytes(c, "ring", more, len + 6);
	core_run(c, 10);
	assert_int_equal(core_count_frames(c, 0, FRAME_OFFER, first), 1);
}

/* Its ring has told it so. */
static void who_is_too_old_goes(void **state)
{
	struct core *c = *state;
	struct frame f = {.type = FRAME_REFUSE, .reason = REASON_VERSION, .from = {5, 5, {5, 5}}};
	int n;

	core_add(c, LOW);
	core_whole(c, 1, 5000);
	play(c, "in/000003e8", &f); /* to a member: nothing */
	core_run(c, 100);
	assert_true(core_is_whole(c, 1));
	n = core_add(c, HIGH);
	c->denied = "in/b2d05e00"; /* before it is admitted */
	core_run(c, 20);
	f.minor = FRAME_MINOR + 1;
	play(c, "in/b2d05e00", &f);
	core_run(c, 1000);
	assert_int_equal(c->nodes[n].exit_code, 77);
	assert_int_equal(core_count_logs(c, n, "speaks a later version of the protocol -> upgrade this one"), 1);
}

/* A ring of another major version is registered: none is founded over it, nobody is asked, and it is said what to do. */
static void a_later_register_is_left_alone(void **state)
{
	struct core *c = *state;
	int n;

	core_publish_as(c, CORE_CLIENT, "founder", LATER_FOUND, sizeof(LATER_FOUND) - 1, true);
	n = core_add(c, LOW);
	core_run(c, 100000);
	assert_int_equal(core_state(c, n), NODE_JOINING);
	assert_int_equal(core_count(c, 0, "join", NULL) + core_count_frames(c, 0, FRAME_HELLO, n) +
				 core_count_frames(c, 0, FRAME_FOUND, n),
			 0);
	assert_int_equal(core_count_logs(c, n, "a ring of protocol version 2 is registered here"), 2);
	core_publish_as(c, CORE_CLIENT, "founder", "", 0, true);
	core_whole(c, 1, 70000);
}

/* Said, but not written there: it is read again. */
static void a_later_register_that_is_said_only(void **state)
{
	struct core *c = *state;
	int n = core_add(c, LOW);

	core_run(c, 100);
	core_publish_as(c, CORE_CLIENT, "founder", LATER_FOUND, sizeof(LATER_FOUND) - 1, false);
	core_whole(c, 1, 20000);
	assert_int_equal(core_count_logs(c, n, "a ring of protocol version 2 is registered here"), 0);
}

/* A member that hears it there knows better, and says so once. */
static void a_later_register_over_ours_is_put_right(void **state)
{
	struct core *c = *state;
	size_t since;

	core_add(c, LOW);
	core_add(c, HIGH);
	core_whole(c, 2, 10000);
	since = c->line_count;
	core_publish_as(c, CORE_CLIENT, "founder", LATER_FOUND, sizeof(LATER_FOUND) - 1, true);
	core_run(c, 20000);
	assert_in_range(core_count_frames(c, since, FRAME_FOUND, CORE_ANY), 1, 2);
	core_add(c, 2000000000);
	core_whole(c, 3, 10000);
}

/* The register is lost, but somebody's status of a later version stands: who cannot be fenced is not founded against. */
static void a_later_status_is_left_alone(void **state)
{
	struct core *c = *state;
	int n;

	core_publish_as(c, CORE_CLIENT, "node/b2d05e00", LATER_STATUS, sizeof(LATER_STATUS) - 1, true);
	n = core_add(c, LOW);
	core_run(c, 200000);
	assert_int_equal(core_state(c, n), NODE_JOINING);
	assert_int_equal(core_count_frames(c, 0, FRAME_FOUND, n), 0);
	assert_in_range(core_count_logs(c, n, "names nodes of a later version of the protocol"), 1, 5);
	core_publish_as(c, CORE_CLIENT, "node/b2d05e00", "", 0, true);
	core_whole(c, 1, 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		core_test(an_earlier_version_is_not_admitted), core_test(what_is_accepted_as_earlier_is_not_given),
		core_test(a_leaver_waits_for_its_successor),   core_test(what_an_earlier_version_gives_is_taken),
		core_test(a_later_minor_version_is_admitted),  core_test(who_is_too_old_goes),
		core_test(a_later_register_is_left_alone),     core_test(a_later_register_over_ours_is_put_right),
		core_test(a_later_status_is_left_alone),       core_test(a_later_register_that_is_said_only),
	};

	return cmocka_run_group_tests_name("core-version", tests, NULL, NULL);
}
