/* The recording of a real session of the reference (tests/data), replayed against cores with the recorded ids.
 *
 * Once all three nodes are ours; and once for each of the three it alone is ours, and every line of the others is said
 * as it was recorded.  What a node of ours publishes on the reference's topics is compared byte for byte.  In order:
 * what one publisher says on the way of one join, and each operation with its answer.  As sets: the two halves of
 * ack-join and of ack-leave, which come from two publishers, and the records that a leaver hands over, which the
 * reference says in the order in which it got them.  `join` and `has_started` repeat; of them only the text counts. */
#include "core-fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST 966639858u
#define SECOND 534618657u
#define THIRD 1017606077u

#define LINES 64
#define PUTS 5

struct recording {
	char topic[LINES][16];
	char payload[LINES][64];
	int count;
	int joined; /* the line of the first put: everybody is in */
	int left;   /* the line of `leave` */
};

static struct recording read_recording(void)
{
	struct recording r = {.count = 0};
	char path[500], line[200];
	FILE *file;

	assert_non_null(getenv("TEST_DATA"));
	snprintf(path, sizeof(path), "%s/reference-session.txt", getenv("TEST_DATA"));
	file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || !line[0])
			continue;
		assert_true(r.count < LINES);
		assert_int_equal(sscanf(line, "%15s %63[^\n]", r.topic[r.count], r.payload[r.count]), 2);
		if (!r.joined && !strcmp(r.topic[r.count], "put"))
			r.joined = r.count;
		if (!strcmp(r.topic[r.count], "leave"))
			r.left = r.count;
		r.count++;
	}
	fclose(file);
	assert_int_equal(r.count, 51);
	return r;
}

/* How often that node said this. */
static unsigned said(const struct core *c, size_t since, int n, const char *topic, const char *payload)
{
	unsigned count = 0;

	for (size_t i = since; i < c->line_count; i++)
		count += c->lines[i].from == n && !strcmp(c->lines[i].topic, topic) &&
			 (!payload || !strcmp(c->lines[i].payload, payload));
	return count;
}

/* The place of its first saying; fails if it was not said exactly once. */
static size_t once(const struct core *c, size_t since, int n, const char *topic, const char *payload)
{
	if (said(c, since, n, topic, payload) != 1)
		fail_msg("node %d says %s %s %u times", n, topic, payload, said(c, since, n, topic, payload));
	for (size_t i = since;; i++)
		if (c->lines[i].from == n && !strcmp(c->lines[i].topic, topic) && !strcmp(c->lines[i].payload, payload))
			return i;
}

/* Nothing else on that topic. */
static void no_more(const struct core *c, size_t since, int n, const char *topic, unsigned count)
{
	if (said(c, since, n, topic, NULL) != count)
		fail_msg("node %d says %s %u times", n, topic, said(c, since, n, topic, NULL));
}

/* A reference's joins: enough of them to be told from a HELLO that was missed. */
static void join(struct core *c, const char *id)
{
	for (int i = 0; i < 3; i++) {
		core_publish(c, "join", id);
		core_run(c, 10);
	}
	core_run(c, 100);
}

/* The recorded operation, and its answer right behind it. */
static void operations_are_answered(struct core *c, const struct recording *r, int n)
{
	for (int i = r->joined; i < r->left; i += 2) {
		size_t since = c->line_count;

		core_publish(c, r->topic[i], r->payload[i]);
		core_run(c, 5);
		once(c, since, n, r->topic[i + 1], r->payload[i + 1]);
		no_more(c, since, n, "ack-put", !strcmp(r->topic[i], "put"));
		no_more(c, since, n, "res-get", !strcmp(r->topic[i], "get"));
	}
}

/* Three nodes of ours say what the three of the reference said, and the client hears every answer in its place. */
static void all_are_ours(void **state)
{
	struct core *c = *state;
	struct recording r = read_recording();
	size_t since, confirm;
	int first, second, third;

	first = core_add(c, FIRST);
	core_whole(c, 1, 3000);
	assert_true(said(c, 0, first, "join", r.payload[0]) > 3);
	no_more(c, 0, first, "ack-join", 0);

	since = c->line_count;
	second = core_add(c, SECOND);
	core_whole(c, 2, 3000);
	assert_true(said(c, since, second, "join", "534618657") > 0);
	confirm = once(c, since, second, "ack-join", "534618657/966639858/antecessor");
	assert_true(once(c, since, first, "ack-join", "966639858/534618657/sucessor") < confirm);
	assert_true(once(c, since, first, "ack-join", "966639858/534618657/antecessor") < confirm);
	no_more(c, since, first, "ack-join", 2);
	no_more(c, since, second, "ack-join", 1);

	since = c->line_count;
	third = core_add(c, THIRD);
	core_whole(c, 3, 3000);
	assert_true(said(c, since, third, "join", "1017606077") > 0);
	confirm = once(c, since, third, "ack-join", "1017606077/534618657/antecessor");
	once(c, since, first, "ack-join", "966639858/1017606077/antecessor");
	assert_true(once(c, since, second, "ack-join", "534618657/1017606077/sucessor") < confirm);
	for (int n = first; n <= third; n++)
		no_more(c, since, n, "ack-join", 1);

	operations_are_answered(c, &r, second);

	since = c->line_count;
	core_stop(c, second);
	core_whole(c, 2, 10000);
	assert_int_equal(c->nodes[second].exit_code, 0);
	confirm = once(c, since, second, "leave", r.payload[r.left]);
	assert_true(once(c, since, first, "ack-leave", "534618657/966639858") > confirm);
	assert_true(once(c, since, third, "ack-leave", "534618657/1017606077") > confirm);
	no_more(c, since, first, "ack-leave", 1);
	no_more(c, since, third, "ack-leave", 1);
	/* Its records went by the handover, not as puts; they are where the reference put them. */
	no_more(c, since, second, "put", 0);
	for (int i = r.joined; i < r.left; i += 2)
		if (!strcmp(r.topic[i], "get")) {
			since = c->line_count;
			core_publish(c, "get", r.payload[i]);
			core_run(c, 5);
			once(c, since, first, "res-get", r.payload[i + 1]);
		}
	core_all_answered(c);
}

/* Ours is the first, which founds: it admits the second, tells the third who stands before it, and takes the leaver's arc. */
static void the_first_is_ours(void **state)
{
	struct core *c = *state;
	struct recording r = read_recording();
	size_t since;
	int n = core_add(c, FIRST), puts = 0;

	core_whole(c, 1, 3000);
	since = c->line_count;
	join(c, "534618657");
	assert_true(said(c, since, n, "has_started", "yes") > 0);
	assert_true(once(c, since, n, "ack-join", "966639858/534618657/sucessor") <
		    once(c, since, n, "ack-join", "966639858/534618657/antecessor"));
	core_publish(c, "ack-join", "534618657/966639858/antecessor");
	core_run(c, 500);
	no_more(c, since, n, "ack-join", 2);

	since = c->line_count;
	join(c, "1017606077");
	assert_true(said(c, since, n, "has_started", "yes") > 0);
	core_publish(c, "ack-join", "534618657/1017606077/sucessor");
	core_run(c, 10);
	once(c, since, n, "ack-join", "966639858/1017606077/antecessor");
	core_publish(c, "ack-join", "1017606077/534618657/antecessor");
	core_run(c, 500);
	no_more(c, since, n, "ack-join", 1);

	since = c->line_count;
	for (int i = r.joined; i < r.left; i++)
		core_publish(c, r.topic[i], r.payload[i]);
	core_run(c, 100);
	no_more(c, since, n, "ack-put", 0);
	no_more(c, since, n, "res-get", 0);

	since = c->line_count;
	core_publish(c, "leave", r.payload[r.left]);
	core_deliver_all(c);
	once(c, since, n, "ack-leave", "534618657/966639858");
	core_publish(c, "ack-leave", "534618657/1017606077");
	for (int i = r.left; i < r.count; i++)
		if (!strcmp(r.topic[i], "put")) {
			core_publish(c, "put", r.payload[i]);
			core_deliver_all(c);
			assert_int_equal(said(c, since, n, "ack-put", "534618657/966639858"), ++puts);
		}
	assert_int_equal(puts, PUTS);
	core_run(c, 1000);
	for (int i = r.joined; i < r.left; i += 2)
		if (!strcmp(r.topic[i], "get")) {
			since = c->line_count;
			core_publish(c, "get", r.payload[i]);
			core_run(c, 5);
			once(c, since, n, "res-get", r.payload[i + 1]);
		}
}

static void until_it_joins(struct core *c, const char *id)
{
	while (!core_count(c, 0, "join", id))
		core_advance(c, CORE_NEVER);
	core_publish(c, "has_started", "yes");
	core_run(c, 5);
}

/* Ours is the second: it joins at a reference, admits one, answers all ten operations, and leaves with its records. */
static void the_second_is_ours(void **state)
{
	struct core *c = *state;
	struct recording r = read_recording();
	size_t since = 0, leave;
	int n = core_add(c, SECOND);

	until_it_joins(c, "534618657");
	core_publish(c, "ack-join", "966639858/534618657/sucessor");
	core_publish(c, "ack-join", "966639858/534618657/antecessor");
	core_run(c, 1000);
	once(c, since, n, "ack-join", "534618657/966639858/antecessor");

	join(c, "1017606077");
	assert_true(said(c, since, n, "has_started", "yes") > 0);
	core_publish(c, "ack-join", "966639858/1017606077/antecessor");
	once(c, since, n, "ack-join", "534618657/1017606077/sucessor");
	core_publish(c, "ack-join", "1017606077/534618657/antecessor");
	core_run(c, 1000);
	no_more(c, since, n, "ack-join", 2);

	operations_are_answered(c, &r, n);

	since = c->line_count;
	core_stop(c, n);
	core_run(c, 100);
	leave = once(c, since, n, "leave", r.payload[r.left]);
	for (int i = r.left; i < r.count; i++)
		if (!strcmp(r.topic[i], "put"))
			assert_true(once(c, since, n, "put", r.payload[i]) > leave);
	no_more(c, since, n, "put", PUTS);
	for (int i = r.left + 1; i < r.count; i++)
		if (!strcmp(r.topic[i], "ack-leave") || !strcmp(r.topic[i], "ack-put"))
			core_publish(c, r.topic[i], r.payload[i]);
	core_run(c, 3000);
	assert_int_equal(c->nodes[n].exit_code, 0);
	no_more(c, since, n, "leave", 1);
}

/* Ours is the third: it joins between two references, answers nothing that is not its own, and sees the second leave. */
static void the_third_is_ours(void **state)
{
	struct core *c = *state;
	struct recording r = read_recording();
	size_t since = 0;
	int n = core_add(c, THIRD);

	until_it_joins(c, "1017606077");
	core_publish(c, "ack-join", "966639858/1017606077/antecessor");
	core_publish(c, "ack-join", "534618657/1017606077/sucessor");
	core_run(c, 1000);
	once(c, since, n, "ack-join", "1017606077/534618657/antecessor");
	no_more(c, since, n, "ack-join", 1);
	since = c->line_count;
	for (int i = r.joined; i < r.left; i++)
		core_publish(c, r.topic[i], r.payload[i]);
	core_publish(c, "leave", r.payload[r.left]);
	core_publish(c, "ack-leave", "534618657/966639858");
	core_run(c, 10);
	once(c, since, n, "ack-leave", "534618657/1017606077");
	for (int i = r.left; i < r.count; i++)
		if (!strcmp(r.topic[i], "put") || !strcmp(r.topic[i], "ack-put"))
			core_publish(c, r.topic[i], r.payload[i]);
	core_run(c, 1000);
	no_more(c, since, n, "ack-leave", 1);
	no_more(c, since, n, "ack-put", 0);
	no_more(c, since, n, "res-get", 0);
	assert_int_equal(core_state(c, n), NODE_ACTIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		core_test(all_are_ours),
		core_test(the_first_is_ours),
		core_test(the_second_is_ours),
		core_test(the_third_is_ours),
	};

	return cmocka_run_group_tests_name("core-recording", tests, NULL, NULL);
}
