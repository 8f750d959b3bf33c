/* Commands for changes: what waits for one that does not end is bounded, and what is dropped for that is told as a gap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../../tools/program.h"
#include "../../tools/runner.h"

#define VALUE_LEN (1u << 20)

static uint8_t value[VALUE_LEN];

#define WHOLE 77 /* the key whose value is written */

static void input_cb(void *arg, FILE *out, const struct page_entry *entry)
{
	(void)arg;
	if (entry && entry->key.id == WHOLE)
		fwrite(entry->value, 1, entry->value_len, out);
	else
		fputs(entry ? "value" : "list", out);
}

static bool add(struct runner *r, uint32_t id)
{
	struct page_entry entry = {.key = key_number(id), .value = value, .value_len = sizeof(value)};

	return runner_add(r, &entry);
}

/* How many there is room for. */
static uint32_t fill(struct runner *r)
{
	uint32_t taken = 0;

	while (add(r, taken))
		taken++;
	return taken;
}

/* Until nothing runs and nothing waits. */
static void run_all(struct runner *r, struct event_base *base, bool *wake)
{
	while (!runner_is_idle(r)) {
		(void)runner_step(r);
		while (!*wake && !runner_is_idle(r))
			event_base_loop(base, EVLOOP_ONCE);
		*wake = false;
	}
}

/* "put 0 value", "gap list": what the commands wrote, a line each. */
struct story {
	char path[32], shell[4], option[4], script[64];
	char *command[4];
	struct event_base *base;
	struct runner *runner;
	bool wake;
};

static void story_begin(struct story *s)
{
	int fd;

	*s = (struct story){.path = "/tmp/test-runner.XXXXXX",
			    .shell = "sh",
			    .option = "-c",
			    .script = "echo $DHT_EVENT $DHT_KEY $(cat) >>$STORY",
			    .base = event_base_new()};
	s->command[0] = s->shell;
	s->command[1] = s->option;
	s->command[2] = s->script;
	fd = mkstemp(s->path);
	assert_true(fd >= 0);
	close(fd);
	setenv("STORY", s->path, 1);
	s->runner = runner_new(s->command, input_cb, NULL);
	assert_non_null(s->runner);
	runner_attach(s->runner, s->base, &s->wake);
}

static void story_expect(struct story *s, uint32_t puts_ahead, const char *rest)
{
	FILE *in = fopen(s->path, "r");
	char line[64], expected[64];

	assert_non_null(in);
	for (uint32_t id = 0; id < puts_ahead; id++) {
		snprintf(expected, sizeof(expected), "put %u value\n", id);
		assert_non_null(fgets(line, sizeof(line), in));
		assert_string_equal(line, expected);
	}
	for (; *rest != '\0'; rest += strlen(line)) {
		assert_non_null(fgets(line, sizeof(line), in));
		assert_memory_equal(line, rest, strlen(line));
	}
	assert_null(fgets(line, sizeof(line), in));
	fclose(in);
}

static void story_end(struct story *s)
{
	runner_free(s->runner);
	event_base_free(s->base);
	unlink(s->path);
}

static void what_is_too_much_becomes_one_gap(void **state)
{
	struct story s;
	uint32_t taken;

	(void)state;
	story_begin(&s);
	taken = fill(s.runner);
	assert_int_equal(taken, RUNNER_WAITING_MAX / VALUE_LEN - 1); /* and what it takes beside the values */
	assert_false(runner_has_room(s.runner));
	for (uint32_t i = 0; i < 100; i++)
		assert_false(add(s.runner, 1000));
	run_all(s.runner, s.base, &s.wake);
	assert_true(runner_has_room(s.runner) && runner_failed(s.runner) == 0);
	assert_true(add(s.runner, 7));
	run_all(s.runner, s.base, &s.wake);
	story_expect(&s, taken, "gap list\nput 7 value\n");
	story_end(&s);
}

/* What was dropped ahead of a change that found room again happened ahead of it: each has a gap of its own behind it. */
static void a_gap_stands_where_something_was_dropped(void **state)
{
	struct story s;
	uint32_t taken;

	(void)state;
	story_begin(&s);
	taken = fill(s.runner);
	(void)runner_step(s.runner); /* the first is no longer in the queue: room for one */
	assert_true(add(s.runner, 5000));
	assert_false(add(s.runner, 5001));
	run_all(s.runner, s.base, &s.wake);
	story_expect(&s, taken, "gap list\nput 5000 value\ngap list\n");
	story_end(&s);
}

/* The longest there are, however little room there is: or it would never be told. */
static void one_alone_is_never_too_long(void **state)
{
	const size_t len = RUNNER_WAITING_MAX + 1;
	struct page_entry entry = {.value = calloc(1, len), .value_len = len};
	struct story s;

	(void)state;
	story_begin(&s);
	assert_true(runner_add(s.runner, &entry));
	assert_false(add(s.runner, 1));
	run_all(s.runner, s.base, &s.wake);
	story_expect(&s, 1, "gap list\n");
	story_end(&s);
	free((void *)entry.value);
}

/* A part of a value would be another value. */
static void what_cannot_be_written_whole_is_not_run(void **state)
{
	struct rlimit before, small;
	struct story s;

	(void)state;
	story_begin(&s);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = (struct rlimit){.rlim_cur = 65536, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_true(add(s.runner, WHOLE) && add(s.runner, 0));
	run_all(s.runner, s.base, &s.wake);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(runner_failed(s.runner), 1);
	story_expect(&s, 1, "");
	story_end(&s);
}

static void who_is_stopped_begins_nothing(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	assert_true(add(s.runner, 0) && add(s.runner, 1));
	(void)runner_step(s.runner);
	runner_stop(s.runner, 0);
	assert_false(add(s.runner, 2) || runner_add(s.runner, NULL));
	run_all(s.runner, s.base, &s.wake);
	story_expect(&s, 1, "");
	story_end(&s);
}

static void programs_are_found_as_a_shell_does(void **state)
{
	(void)state;
	assert_true(program_is_there("sh") && program_is_there("/bin/sh"));
	setenv("PATH", "/nowhere::/bin", 1);
	assert_true(program_is_there("sh"));
	setenv("PATH", "/bin/", 1);
	assert_true(program_is_there("sh"));
	unsetenv("PATH");
	assert_true(program_is_there("sh"));
	setenv("PATH", "/nowhere", 1);
	assert_false(program_is_there("sh") || program_is_there("") || program_is_there("/bin") ||
		     program_is_there("/etc/passwd") || program_is_there("./sh"));
	assert_int_equal(chdir("/bin"), 0);
	assert_true(program_is_there("./sh"));
	setenv("PATH", "", 1); /* where we are */
	assert_true(program_is_there("sh"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_too_much_becomes_one_gap),
		cmocka_unit_test(a_gap_stands_where_something_was_dropped),
		cmocka_unit_test(one_alone_is_never_too_long),
		cmocka_unit_test(what_cannot_be_written_whole_is_not_run),
		cmocka_unit_test(who_is_stopped_begins_nothing),
		cmocka_unit_test(programs_are_found_as_a_shell_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
