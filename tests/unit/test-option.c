/* Options: parsing, defaults, environment, precedence, error lines, --help, and passwords that leave argv. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../common/log.h"
#include "../../common/option.h"

struct target {
	bool loud, help;
	char *name, *broker;
	uint32_t id, wait;
	enum log_level level;
	char *mood;
};

#define FIELD(member) offsetof(struct target, member)

static const struct option_row rows[] = {
	{"loud", 'l', OPTION_FLAG, FIELD(loud), NULL, "T_LOUD", NULL, "say more", 0, 0},
	{"name", 'n', OPTION_TEXT, FIELD(name), NULL, "T_NAME", "NAME", "who", 1, 8},
	{"broker", 'b', OPTION_URL, FIELD(broker), "mqtt://h", "T_BROKER", "URL", "where", 0, 0},
	{"id", 0, OPTION_UNSIGNED, FIELD(id), NULL, "T_ID", "N", "which", 0, 0},
	{"wait", 'w', OPTION_DURATION, FIELD(wait), "5s", "T_WAIT", "DURATION", "how long", 10, 3600000},
	{"level", 0, OPTION_LEVEL, FIELD(level), "info", "T_LEVEL", "LEVEL", "how much", 0, 0},
	{"mood", 0, OPTION_CHOICE, FIELD(mood), NULL, NULL, "good|fair|bad", "how it is", 0, 0},
	{"help", 'h', OPTION_STOP, FIELD(help), NULL, NULL, NULL, "this", 0, 0},
};

static const struct option_table table = {"tool", rows, sizeof(rows) / sizeof(rows[0])};

/* One run: the words are split at spaces, as no shell would. */
struct run {
	struct target target;
	struct option_result result;
	char error[OPTION_ERROR_MAX];
	char words[512];
	char *argv[32];
	int argc;
	bool ok;
};

static void run_free(struct run *run)
{
	option_free(&table, &run->target);
	assert_null(run->target.name);
}

static void run_parse(struct run *run, const char *line)
{
	char *rest = run->words, *word;

	memset(run, 0, sizeof(*run));
	run->target.id = 77;
	snprintf(run->words, sizeof(run->words), "tool %s", line);
	while ((word = strsep(&rest, " ")) != NULL)
		run->argv[run->argc++] = word;
	if (line[0] == '\0')
		run->argc = 1;
	run->ok = option_parse(&table, &run->target, run->argc, run->argv, &run->result, run->error);
}

static void parse_ok(struct run *run, const char *line)
{
	run_parse(run, line);
	if (!run->ok)
		fail_msg("'%s' refused: %s", line, run->error);
}

static int clear_environment(void **state)
{
	(void)state;
	for (size_t i = 0; i < table.count; i++) {
		if (rows[i].env != NULL)
			unsetenv(rows[i].env);
	}
	return 0;
}

static void defaults(void **state)
{
	struct run run;
	char origin[OPTION_ORIGIN_MAX];

	(void)state;
	parse_ok(&run, "");
	assert_int_equal(run.result.arg_count, 0);
	assert_false(run.target.loud);
	assert_null(run.target.name);
	assert_string_equal(run.target.broker, "mqtt://h");
	assert_int_equal(run.target.id, 77); /* no default: left as it was */
	assert_int_equal(run.target.wait, 5000);
	assert_int_equal(run.target.level, LOG_INFO_LEVEL);
	assert_int_equal(option_source(&table, &run.result, "wait"), OPTION_DEFAULT);
	assert_string_equal(option_origin(&table, &run.result, "wait", origin), "default");
	run_free(&run);
}

static void every_way_to_write_an_option(void **state)
{
	static const char *const lines[] = {
		"--name x --wait 2m --loud --id 4294967295 --level debug",
		"--name=x --wait=2m --loud --id=4294967295 --level=DEBUG",
		"-n x -w 120s -l --id 4294967295 --level debug",
		"-nx -w120000ms -l --id 4294967295 --level debug",
		"-lnx -lw2m --id=4294967295 --level debug",
		"--name y --name x --wait 1s --wait 2m --loud --id 4294967295 --level debug", /* the last one counts */
		"--wait 0.5s --wait 2.000m --name x --loud --id 4294967295 --level debug",
	};
	struct run run;
	char origin[OPTION_ORIGIN_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		parse_ok(&run, lines[i]);
		assert_string_equal(run.target.name, "x");
		assert_int_equal(run.target.wait, 120000);
		assert_true(run.target.loud);
		assert_int_equal(run.target.id, UINT32_MAX);
		assert_int_equal(run.target.level, LOG_DEBUG_LEVEL);
		assert_int_equal(run.result.arg_count, 0);
		assert_string_equal(option_origin(&table, &run.result, "wait", origin), "--wait");
		run_free(&run);
	}
}

static void arguments_stand_anywhere(void **state)
{
	static const char *const expected[] = {"put", "-1", "-", "--loud", "-x"};
	struct run run;

	(void)state;
	parse_ok(&run, "put --loud -1 -w 1s - -- --loud -x");
	assert_int_equal(run.result.arg_count, 5);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(run.result.args[i], expected[i]);
	assert_int_equal(run.result.ahead, 3);
	assert_int_equal(run.target.wait, 1000);
	run_free(&run);
	parse_ok(&run, "put -1 --loud"); /* all, as there is no -- */
	assert_int_equal(run.result.ahead, 2);
	run_free(&run);
	parse_ok(&run, "-- put -- -1"); /* the first one counts */
	assert_true(run.result.ahead == 0 && run.result.arg_count == 3);
	run_free(&run);
}

static void option_over_environment_over_default(void **state)
{
	struct run run;
	char origin[OPTION_ORIGIN_MAX];

	(void)state;
	setenv("T_WAIT", "200ms", 1);
	setenv("T_NAME", "env", 1);
	setenv("T_LOUD", "yes", 1);
	setenv("T_ID", "", 1); /* as EnvironmentFile= leaves it: not set */
	parse_ok(&run, "--name x");
	assert_int_equal(run.target.wait, 200);
	assert_true(run.target.loud);
	assert_string_equal(run.target.name, "x");
	assert_int_equal(run.target.id, 77);
	assert_int_equal(option_source(&table, &run.result, "wait"), OPTION_ENVIRONMENT);
	assert_int_equal(option_source(&table, &run.result, "name"), OPTION_GIVEN);
	assert_int_equal(option_source(&table, &run.result, "id"), OPTION_DEFAULT);
	assert_string_equal(option_origin(&table, &run.result, "wait", origin), "T_WAIT");
	run_free(&run);
	setenv("T_NAME", "far too long for it", 1); /* an option overrides also what would be an error */
	parse_ok(&run, "--name x");
	run_free(&run);
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *line, *error;
	} wrong[] = {
		{"--bogus", "unknown option '--bogus'; see 'tool --help'"},
		{"--bogus=x", "unknown option '--bogus'; see 'tool --help'"},
		{"--brokr x", "unknown option '--brokr'; did you mean '--broker'? see 'tool --help'"},
		{"--lodu", "unknown option '--lodu'; did you mean '--loud'? see 'tool --help'"},
		{"-x", "unknown option '-x'; see 'tool --help'"},
		{"-lx", "unknown option '-lx'; see 'tool --help'"},
		{"--name", "option '--name' needs a value (NAME)"},
		{"-n", "option '--name' needs a value (NAME)"},
		{"--loud=1", "option '--loud' takes no value"},
		{"--name=", "invalid --name '': it must not be empty"},
		{"--name 123456789", "invalid --name '123456789': at most 8 bytes"},
		{"--id 4294967296", "invalid --id '4294967296': expected a number from 0 to 4294967295"},
		{"--id 99999999999999999999",
		 "invalid --id '99999999999999999999': expected a number from 0 to 4294967295"},
		{"--id -1", "invalid --id '-1': expected a number from 0 to 4294967295"},
		{"--id=", "invalid --id '': expected a number from 0 to 4294967295"},
		{"--id 0x10", "invalid --id '0x10': expected a number from 0 to 4294967295"},
		{"--wait 5", "invalid --wait '5': expected a duration in ms, s, m, h or d, such as 5s"},
		{"--wait 1.s", "invalid --wait '1.s': expected a duration in ms, s, m, h or d, such as 5s"},
		{"--wait .5s", "invalid --wait '.5s': expected a duration in ms, s, m, h or d, such as 5s"},
		{"--wait -5s", "invalid --wait '-5s': expected a duration in ms, s, m, h or d, such as 5s"},
		{"--wait 5sec", "invalid --wait '5sec': expected a duration in ms, s, m, h or d, such as 5s"},
		{"--wait 9ms", "invalid --wait '9ms': expected 10ms to 60m"},
		{"--wait 99999999999999s",
		 "invalid --wait '99999999999999s': expected a duration in ms, s, m, h or d, such as 5s"},
		{"--wait 9999999999h", "invalid --wait '9999999999h': expected 10ms to 60m"},
		{"--wait 1d", "invalid --wait '1d': expected 10ms to 60m"},
		{"--wait 1w", "invalid --wait '1w': expected a duration in ms, s, m, h or d, such as 5s"},
		/* 2^64 ms and 3 s more */
		{"--wait 5124095576.031h", "invalid --wait '5124095576.031h': expected 10ms to 60m"},
		{"--level loud", "invalid --level 'loud': expected error, warn, info or debug"},
		{"--mood goo", "invalid --mood 'goo': expected good, fair or bad"},
		{"--mood good|fair", "invalid --mood 'good|fair': expected good, fair or bad"},
		{"--mood=", "invalid --mood '': expected good, fair or bad"},
		{"--bogus --id x", "unknown option '--bogus'; see 'tool --help'"}, /* the first mistake */
	};
	struct run run;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		run_parse(&run, wrong[i].line);
		if (run.ok)
			fail_msg("'%s' was taken", wrong[i].line);
		assert_string_equal(run.error, wrong[i].error);
		run_free(&run);
	}
}

static void mistakes_of_the_environment_name_the_variable(void **state)
{
	struct run run;

	(void)state;
	setenv("T_LOUD", "perhaps", 1);
	run_parse(&run, "");
	assert_false(run.ok);
	assert_string_equal(run.error, "invalid T_LOUD 'perhaps': expected yes or no");
	run_free(&run);
}

/* Where the next file goes. */
static const char *file_of(const char *text)
{
	static char path[64];
	int fd;

	snprintf(path, sizeof(path), "/tmp/test-option-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return path;
}

static enum option_file read_text(struct run *run, const char *text)
{
	const char *path = file_of(text);
	enum option_file outcome = option_read_file(&table, &run->target, path, &run->result, run->error);

	unlink(path);
	return outcome;
}

static void a_file_gives_what_nothing_else_has(void **state)
{
	struct run run;
	char origin[OPTION_ORIGIN_MAX], shown[40];
	const char *line;

	(void)state;
	setenv("T_WAIT", "200ms", 1);
	parse_ok(&run, "--id 5");
	assert_int_equal(read_text(&run, "# all\n\n id=6\nwait = 9s\n\tname =  a b \t\nloud = yes"), OPTION_FILE_READ);
	assert_int_equal(run.target.id, 5);
	assert_int_equal(run.target.wait, 200);
	assert_string_equal(run.target.name, "a b");
	assert_true(run.target.loud);
	assert_int_equal(option_source(&table, &run.result, "name"), OPTION_FILE);
	line = strrchr(option_origin(&table, &run.result, "name", origin), ':');
	assert_string_equal(line, ":5");
	/* the first file wins */
	assert_int_equal(read_text(&run, "name = other\nbroker = mqtt://me:secret@h"), OPTION_FILE_READ);
	assert_string_equal(run.target.name, "a b");
	assert_string_equal(option_show(&rows[2], &run.target, shown, sizeof(shown)), "mqtt://me:***@h:1883");
	assert_string_equal(option_show(&rows[4], &run.target, shown, sizeof(shown)), "200ms");
	assert_string_equal(option_show(&rows[5], &run.target, shown, sizeof(shown)), "info");
	run_free(&run);
}

static void a_comment_may_stand_behind_a_value(void **state)
{
	struct run run;

	(void)state;
	parse_ok(&run, "");
	assert_int_equal(read_text(&run, "id = 7  # seven\nwait =\t9s\t#\nname = a#b # c #d"), OPTION_FILE_READ);
	assert_int_equal(run.target.id, 7);
	assert_int_equal(run.target.wait, 9000);
	assert_string_equal(run.target.name, "a#b"); /* within a word it is none */
	run_free(&run);
	parse_ok(&run, "");
	assert_int_equal(read_text(&run, "wait = # 9s"), OPTION_FILE_WRONG);
	assert_non_null(strstr(run.error, ":1: invalid wait ''"));
	run_free(&run);
}

static void a_file_with_mistakes_is_refused(void **state)
{
	static const struct {
		const char *text, *error;
	} wrong[] = {
		{"nmae = x", ":1: unknown setting 'nmae'; did you mean 'name'?"},
		{"\nmood = good", ":2: unknown setting 'mood'"}, /* no variable: not a setting */
		{"help = yes", ":1: unknown setting 'help'"},
		{"name", ":1: expected NAME = VALUE"},
		{"id = 1\nid = 1", ":2: 'id' stands in line 1 already"},
		{"wait = 5", ":1: invalid wait '5': expected a duration"},
	};
	struct run run;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		parse_ok(&run, "");
		assert_int_equal(read_text(&run, wrong[i].text), OPTION_FILE_WRONG);
		if (strstr(run.error, wrong[i].error) == NULL)
			fail_msg("'%s' lacks '%s'", run.error, wrong[i].error);
		run_free(&run);
	}
	parse_ok(&run, "");
	assert_int_equal(option_read_file(&table, &run.target, "/nowhere/file", &run.result, run.error),
			 OPTION_FILE_ABSENT);
	assert_int_equal(option_read_file(&table, &run.target, "/tmp", &run.result, run.error), OPTION_FILE_UNREADABLE);
	run_free(&run);
}

static void help_wins_over_mistakes(void **state)
{
	struct run run;

	(void)state;
	setenv("T_WAIT", "nonsense", 1);
	parse_ok(&run, "get --bogus -h --id");
	assert_true(run.target.help);
	assert_int_equal(run.result.arg_count, 1);
	assert_string_equal(run.result.args[0], "get");
	run_free(&run);
}

static void passwords_leave_argv(void **state)
{
	static const char *const lines[] = {"--broker mqtt://me:secret@h", "--broker=mqtt://me:secret@h",
					    "-b mqtt://me:secret@h", "-bmqtt://me:secret@h"};
	struct run run;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		parse_ok(&run, lines[i]);
		assert_string_equal(run.target.broker, "mqtt://me:secret@h");
		for (size_t at = 0; at + 6 <= sizeof(run.words); at++)
			assert_memory_not_equal(run.words + at, "secret", 6);
		assert_non_null(strstr(run.argv[run.argc - 1], "mqtt://me:******@h"));
		run_free(&run);
	}
}

static void guesses_count_single_changes(void **state)
{
	(void)state;
	assert_int_equal(option_distance("broker", "broker"), 0);
	assert_int_equal(option_distance("", "abc"), 3);
	assert_int_equal(option_distance("gte", "get"), 1); /* a swap is one */
	assert_int_equal(option_distance("brokr", "broker"), 1);
	assert_int_equal(option_distance("brooker", "broker"), 1);
	assert_int_equal(option_distance("kitten", "sitting"), 3);
}

static void help_shows_every_row(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	option_help(out, &table);
	fclose(out);
	for (size_t i = 0; i < table.count; i++) {
		assert_non_null(strstr(text, rows[i].name));
		assert_non_null(strstr(text, rows[i].help));
	}
	assert_non_null(strstr(text, "  -w, --wait DURATION"));
	assert_non_null(strstr(text, "(10ms to 60m; default 5s; T_WAIT)"));
	for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;)
		assert_true(strlen(line) <= 100);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(defaults, clear_environment),
		cmocka_unit_test_setup(every_way_to_write_an_option, clear_environment),
		cmocka_unit_test_setup(arguments_stand_anywhere, clear_environment),
		cmocka_unit_test_setup(option_over_environment_over_default, clear_environment),
		cmocka_unit_test_setup(mistakes_are_named, clear_environment),
		cmocka_unit_test_setup(mistakes_of_the_environment_name_the_variable, clear_environment),
		cmocka_unit_test_setup(a_file_gives_what_nothing_else_has, clear_environment),
		cmocka_unit_test_setup(a_comment_may_stand_behind_a_value, clear_environment),
		cmocka_unit_test_setup(a_file_with_mistakes_is_refused, clear_environment),
		cmocka_unit_test_setup(help_wins_over_mistakes, clear_environment),
		cmocka_unit_test_setup(passwords_leave_argv, clear_environment),
		cmocka_unit_test_setup(guesses_count_single_changes, clear_environment),
		cmocka_unit_test_setup(help_shows_every_row, clear_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
