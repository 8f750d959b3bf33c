/* dhtctl: reads the settings and finds the command, nothing else. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "complete.h"
#include "help.h"
#include "output.h"
#include "settings.h"

#ifndef DHT_VERSION
#define DHT_VERSION "unknown"
#endif

/* With an error line if there is none. */
static const struct command *find_command(const char *name)
{
	const struct command *command = commands_find(name), *guess = command ? NULL : commands_guess(name);

	if (command == NULL && strcmp(name, "version") == 0)
		output_error("unknown command 'version'; did you mean '--version'? see 'dhtctl --help'");
	else if (guess != NULL)
		output_error("unknown command '%.40s'; did you mean '%s'? see 'dhtctl --help'", name, guess->name);
	else if (command == NULL)
		output_error("unknown command '%.40s'; see 'dhtctl --help'", name);
	return command;
}

/* '' is what a variable of a shell leaves behind that is not set; it would be found out when all else is done. */
static bool check_file(const struct command *command, char **args, size_t count)
{
	const char *form = command->arguments;

	if (count == 0 || args[0][0] != '\0' || (strcmp(form, "[FILE]") != 0 && strcmp(form, "[DIR]") != 0))
		return true;
	output_error("invalid %.*s '': it must not be empty", (int)strcspn(form + 1, "]"), form + 1);
	return false;
}

static bool check_arguments(const struct command *command, const struct option_table *table,
			    const struct option_result *given, size_t count)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct option_row *row = &table->rows[i];

		if (given->sources[i] == OPTION_GIVEN && commands_special(row) && !command_has(command, row->name)) {
			output_error("'dhtctl %s' has no option '--%s'; see 'dhtctl %s --help'", command->name,
				     row->name, command->name);
			return false;
		}
	}
	if (count >= command->min && count <= command->max)
		return check_file(command, given->args + 1, count);
	output_error("%s arguments: usage is 'dhtctl %s%s%s'; see 'dhtctl %s --help'",
		     count < command->min ? "too few" : "too many", command->name, command->arguments[0] ? " " : "",
		     command->arguments, command->name);
	return false;
}

static enum exit_code run_command(struct settings *settings, const struct option_table *table,
				  struct option_result *given, const struct command *command)
{
	bool bare = command != NULL && command->bare;
	size_t count = command != NULL ? commands_words(command, given, &settings->run) - 1 : 0;
	enum exit_code code = bare ? RC_OK : settings_read_files(settings, table, given);

	if (code != RC_OK)
		return code;
	if (!bare && (command == NULL || !command->local))
		code = settings_check(settings, table, given);
	if (code != RC_OK)
		return code;
	if (command != NULL && !check_arguments(command, table, given, count))
		return RC_USAGE;
	output_colors(settings->no_color ? "never" : settings->color);
	settings->options = table;
	settings->given = given;
	settings->remedy = "is mosquitto running? set --broker or DHT_BROKER";
	if (command == NULL)
		return help_overview(settings);
	if (command->remedy != NULL)
		settings->remedy = command->remedy;
	return command->exec(settings, given->args + 1, count);
}

static bool is_help(const struct option_result *given)
{
	return given->arg_count > 0 && strcmp(given->args[0], "help") == 0;
}

static enum exit_code run(struct settings *settings, const struct option_table *table, struct option_result *given)
{
	const struct command *command = NULL;

	if (is_help(given)) {
		settings->help = true;
		given->args++;
		given->arg_count--;
		if (given->arg_count > 1) {
			output_error("too many arguments: usage is 'dhtctl " HELP_USAGE "'; see 'dhtctl --help'");
			return RC_USAGE;
		}
		if (is_help(given)) /* 'help help': the text that has a line about it */
			given->arg_count = 0;
	}
	if (settings->version && given->arg_count <= 1) {
		printf("dhtctl %s\n", DHT_VERSION);
		return RC_OK;
	}
	if (given->arg_count > 0) {
		command = find_command(given->args[0]);
		if (command == NULL)
			return RC_USAGE;
	}
	/* whoever means cas's option is not to believe that something was done */
	if (settings->version && !settings->help) {
		output_error(
			"'dhtctl %s' has no option '--version'; 'dhtctl cas' has, and 'dhtctl --version' stands alone",
			command->name);
		return RC_USAGE;
	}
	if (!settings->help)
		return run_command(settings, table, given, command);
	help_print(command, !settings->no_pager);
	return RC_OK;
}

/* Whoever starts us with one of the three closed would have the broker's socket in its place.  Opened the wrong way
 * round, so that using it fails. */
static void hold_standard_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
	}
}

#define PROGRAM "dhtctl"
#define PROGRAM_MAX 40

/* The table of the command that is meant, and its name, for where an error line says to look: the general help has not the
 * options of each. */
static struct option_table choose_table(int argc, char **argv, char program[PROGRAM_MAX])
{
	struct option_table table = *commands_choose(argc, argv);
	const char *word = option_first_argument(&table, argc, argv);
	bool known = word != NULL && commands_find(word) != NULL;

	snprintf(program, PROGRAM_MAX, PROGRAM "%s%s", known ? " " : "", known ? word : "");
	table.program = program;
	return table;
}

int main(int argc, char **argv)
{
	char program[PROGRAM_MAX];
	const struct option_table chosen = choose_table(argc, argv, program), *table = &chosen;
	struct settings settings = {0};
	struct option_result given;
	char error[OPTION_ERROR_MAX];
	enum exit_code code = RC_USAGE;

	hold_standard_streams();
	if (argc > 1 && strcmp(argv[1], COMPLETE_WORD) == 0)
		return complete(argc - 1, argv + 1);
	if (option_parse(table, &settings, argc, argv, &given, error))
		code = run(&settings, table, &given);
	else
		output_error("%s", error);
	option_free(table, &settings);
	settings_free(&settings);
	if (!output_finish() && code == RC_OK)
		code = RC_LOCAL;
	return (int)code;
}
