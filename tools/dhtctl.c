/* dhtctl: finds the command, nothing else. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/kv.h"
#include "../common/option.h"
#include "../common/topic.h"
#include "bench.h"
#include "census.h"
#include "client.h"
#include "command.h"
#include "output.h"

#ifndef DHT_VERSION
#define DHT_VERSION "unknown"
#endif

#define FIELD(member) offsetof(struct settings, member)

static const struct option_row option_rows[] = {
	/* cas alone has this one, in the place of the other of that name: see choose_table */
	{"version", 0, OPTION_TEXT, FIELD(expected), NULL, NULL, "N/C", "store only if the key has this version", 0,
	 60},
	{"broker", 'b', OPTION_URL, FIELD(broker), URL_DEFAULT, "DHT_BROKER", "URL",
	 "mqtt://[user[:password]@]host[:port] or unix:///path", 0, 1000},
	{"topic-prefix", 0, OPTION_TEXT, FIELD(topic_prefix), "", "DHT_TOPIC_PREFIX", "PREFIX",
	 "the ring's topics stand below this", 0, TOPIC_PREFIX_MAX},
	{"timeout", 't', OPTION_DURATION, FIELD(timeout), "5s", "DHT_TIMEOUT", "DURATION",
	 "bounds the whole command; of demo, ls, export and import each of its steps", 10, 3600000},
	{"json", 0, OPTION_FLAG, FIELD(json), NULL, NULL, NULL, "results as JSON, one object a line", 0, 0},
	{"quiet", 'q', OPTION_FLAG, FIELD(quiet), NULL, NULL, NULL, "no progress, no notes, no drawing", 0, 0},
	{"name", 0, OPTION_FLAG, FIELD(name), NULL, NULL, NULL, "every KEY is a name, also one of digits", 0, 0},
	{"ttl", 0, OPTION_DURATION, FIELD(ttl), NULL, NULL, "DURATION", "the key is absent again after so long", 1, 0},
	{"if-absent", 0, OPTION_FLAG, FIELD(if_absent), NULL, NULL, NULL, "store only if there is no such key", 0, 0},
	{"absent", 0, OPTION_FLAG, FIELD(absent), NULL, NULL, NULL, "store only if there is no such key", 0, 0},
	{"file", 0, OPTION_TEXT, FIELD(file), NULL, NULL, "FILE", "the value is what this file holds", 1, 0},
	{"meta", 0, OPTION_FLAG, FIELD(meta), NULL, NULL, NULL, "version and owner instead of the value", 0, 0},
	{"long", 'l', OPTION_FLAG, FIELD(columns), NULL, NULL, NULL, "version, life and owner ahead of each key", 0, 0},
	{"limit", 0, OPTION_UNSIGNED, FIELD(limit), NULL, NULL, "N", "no more than so many", 1, 0},
	{"format", 0, OPTION_TEXT, FIELD(format), "json", NULL, "json|cbor", "how the records stand in FILE", 1, 20},
	{"resume", 0, OPTION_FLAG, FIELD(resume), NULL, NULL, NULL, "only what is not there yet", 0, 0},
	{"initial", 0, OPTION_FLAG, FIELD(initial), NULL, NULL, NULL, "what is there first, as if put now", 0, 0},
	{"count", 'C', OPTION_UNSIGNED, FIELD(count), NULL, NULL, "N", "end after so many events", 1, 0},
	{"idle", 0, OPTION_DURATION, FIELD(idle), NULL, NULL, "DURATION", "end when nothing has happened for so long",
	 1, 0},
	{"keys", 0, OPTION_UNSIGNED, FIELD(keys), NULL, NULL, "N", "how many keys (without it demo 100, bench 10000)",
	 1, 100000000},
	{"value-size", 0, OPTION_UNSIGNED, FIELD(value_size), "32", NULL, "BYTES", "how long each value is",
	 BENCH_VALUE_MIN, COMMAND_VALUE_MAX},
	{"clients", 0, OPTION_UNSIGNED, FIELD(clients), "1", NULL, "N", "connections", 1, 1000},
	{"inflight", 0, OPTION_UNSIGNED, FIELD(inflight), "128", NULL, "N",
	 "operations of a connection that are on their way", 1, KV_OPEN_MAX},
	{"batch", 0, OPTION_UNSIGNED, FIELD(batch), NULL, NULL, "N", "operations that begin together", 1, KV_OPEN_MAX},
	{"mix", 0, OPTION_TEXT, FIELD(mix), "1:1", NULL, "PUTS:GETS", "how many of each", 1, 0},
	{"ops", 0, OPTION_UNSIGNED, FIELD(operations), "100000", NULL, "N", "operations that are timed", 1, 0},
	{"rate", 0, OPTION_UNSIGNED, FIELD(rate), NULL, NULL, "N",
	 "operations that begin in a second (without it as many as go)", 1, 10000000},
	{"warmup", 0, OPTION_UNSIGNED, FIELD(warmup), "1000", NULL, "N", "operations ahead of these", 0, 0},
	{"seed", 0, OPTION_UNSIGNED, FIELD(seed), NULL, NULL, "N",
	 "the same names in the same order each time (else others)", 1, 0},
	{"numbers", 0, OPTION_FLAG, FIELD(numbers), NULL, NULL, NULL, "keys are numbers, whatever these hold", 0, 0},
	{"no-preload", 0, OPTION_FLAG, FIELD(no_preload), NULL, NULL, NULL, "do not put all keys first", 0, 0},
	{"keep", 0, OPTION_FLAG, FIELD(keep), NULL, NULL, NULL, "do not delete the keys at the end", 0, 0},
	{"help", 'h', OPTION_STOP, FIELD(help), NULL, NULL, NULL, "this text, or that of a command", 0, 0},
	{"version", 'V', OPTION_STOP, FIELD(version), NULL, NULL, NULL, "the version", 0, 0},
	/* ls alone has this one: elsewhere -0 may be a value */
	{"null", '0', OPTION_FLAG, FIELD(nul), NULL, NULL, NULL, "a NUL behind each key, not a newline", 0, 0},
};
#define ROW_COUNT (sizeof(option_rows) / sizeof(option_rows[0]))

static const struct option_table table_of_cas = {"dhtctl", option_rows, ROW_COUNT - 1};
static const struct option_table table_of_ls = {"dhtctl", option_rows + 1, ROW_COUNT - 1};
static const struct option_table table_of_others = {"dhtctl", option_rows + 1, ROW_COUNT - 2};

static const struct command *const commands[] = {
	&command_put,    &command_get,   &command_del,  &command_cas,   &command_incr, &command_ls,   &command_export,
	&command_import, &command_watch, &command_ring, &command_leave, &command_demo, &command_bench};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

/* Options may stand ahead of the command, so which it is can only be known once they have been read. */
static const struct option_table *choose_table(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], command_cas.name) == 0)
			return &table_of_cas;
		if (strcmp(argv[i], command_ls.name) == 0)
			return &table_of_ls;
	}
	return &table_of_others;
}

static bool command_has(const struct command *command, const char *option)
{
	for (size_t i = 0; i < COMMAND_OPTIONS_MAX && command->options[i] != NULL; i++) {
		if (strcmp(command->options[i], option) == 0)
			return true;
	}
	return false;
}

/* Those that not every command has. */
static bool option_is_special(const struct option_row *row)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (row->kind != OPTION_STOP && command_has(commands[i], row->name))
			return true;
	}
	return false;
}

static const struct command *find_command(const char *name)
{
	const struct command *nearest = NULL;
	unsigned best = option_guess_limit(name) + 1;

	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		unsigned distance = option_distance(name, commands[i]->name);

		if (distance == 0 && strcmp(name, commands[i]->name) == 0)
			return commands[i];
		if (distance < best) {
			best = distance;
			nearest = commands[i];
		}
	}
	if (nearest != NULL)
		output_error("unknown command '%.40s'; did you mean '%s'? see 'dhtctl --help'", name, nearest->name);
	else
		output_error("unknown command '%.40s'; see 'dhtctl --help'", name);
	return NULL;
}

static void print_commands(void)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		char usage[64];

		snprintf(usage, sizeof(usage), "%s %s", commands[i]->name, commands[i]->arguments);
		printf("  %-20s %s\n", usage, commands[i]->summary);
	}
}

/* Those of all, and those of this command. */
static void print_options(const struct option_table *table, const struct command *command)
{
	struct option_row rows[ROW_COUNT];
	struct option_table shown = {table->program, rows, 0};

	for (size_t i = 0; i < table->count; i++) {
		const struct option_row *row = &table->rows[i];

		if (option_is_special(row) ? command != NULL && command_has(command, row->name) : true)
			rows[shown.count++] = *row;
	}
	option_help(stdout, &shown);
}

static void print_help(const struct option_table *table, const struct command *command)
{
	if (command != NULL) {
		printf("usage: dhtctl [OPTIONS] %s%s%s\n\n%s.\n%s\noptions:\n", command->name,
		       command->arguments[0] ? " " : "", command->arguments, command->summary, command->details);
	} else {
		printf("usage: dhtctl [OPTIONS] COMMAND [ARGUMENTS]\n\n"
		       "Stores, finds and shows what a ring of dht-nodes holds, through the MQTT broker they share.\n\n"
		       "commands:\n");
		print_commands();
		printf("\noptions (anywhere; '--' ends them; 'dhtctl COMMAND --help' has those of a command):\n");
	}
	print_options(table, command);
	printf("\nexit codes: 0 done; 1 the answer is no (absent, exists, another version); 2 usage; 3 broker\n"
	       "            unreachable; 4 refused; 5 no answer in time; 6 of several, some done; 7 a local file or\n"
	       "            the output failed; 8 the ring cannot do it (not a number)\n");
}

/* For the first minute: what this is, and whether anything is there to talk to. */
static enum exit_code print_overview(const struct settings *settings)
{
	struct settings brief = *settings;
	struct client *client;
	struct census census = {0};

	printf("dhtctl stores, finds and shows what a ring of dht-nodes holds.\n\n"
	       "  dhtctl put door open     store a value under a key, a name or a number\n"
	       "  dhtctl get door          print it\n"
	       "  dhtctl ring              show the nodes and what each owns\n"
	       "  dhtctl demo              put, get and compare 100 random keys\n\n"
	       "commands:");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		printf(" %s", commands[i]->name);
	printf("\nmore: dhtctl --help, dhtctl COMMAND --help\n");
	fflush(stdout);
	brief.timeout = settings->timeout < 1000 ? settings->timeout : 1000;
	if (client_open(&brief, &client) != RC_OK)
		return RC_OK; /* the error line says it all, and nothing was asked for */
	if (census_take(client, settings, &census) == RC_TIMEOUT)
		printf("broker %s: no ring answers (tools/run-nodes starts one)\n", settings->broker_shown);
	else if (census.count > 0)
		printf("broker %s: %zu node%s, %s\n", settings->broker_shown, census.count,
		       census.count == 1 ? "" : "s",
		       census.problem_count ? "not healthy: see 'dhtctl ring'" : "healthy");
	census_free(&census);
	client_close(client);
	return RC_OK;
}

/* What the table cannot check. */
static bool check_settings(struct settings *settings, const struct option_table *table,
			   const struct option_result *given)
{
	char problem[200], origin[64], shown[400], masked[256];
	const char *wrong = url_parse(&settings->url, settings->broker, problem, sizeof(problem));

	option_origin(table, given, "broker", origin);
	if (wrong != NULL) {
		snprintf(masked, sizeof(masked), "%s", settings->broker);
		url_mask(masked);
		output_error("invalid broker URL '%s' (%s): %s", masked, origin, wrong);
		return false;
	}
	url_format(shown, sizeof(shown), &settings->url);
	snprintf(settings->broker_shown, sizeof(settings->broker_shown), "%s (%s)", shown, origin);
	if (!topic_prefix_valid(settings->topic_prefix)) {
		output_error("invalid topic prefix '%s' (%s): levels of [0-9a-z_-] divided by '/', none empty",
			     settings->topic_prefix, option_origin(table, given, "topic-prefix", origin));
		return false;
	}
	return true;
}

static bool check_arguments(const struct command *command, const struct option_table *table,
			    const struct option_result *given)
{
	size_t count = given->arg_count - 1;

	for (size_t i = 0; i < table->count; i++) {
		const struct option_row *row = &table->rows[i];

		if (given->sources[i] == OPTION_GIVEN && option_is_special(row) && !command_has(command, row->name)) {
			output_error("'dhtctl %s' has no option '--%s'; see 'dhtctl %s --help'", command->name,
				     row->name, command->name);
			return false;
		}
	}
	if (count >= command->min && count <= command->max)
		return true;
	output_error("%s arguments: usage is 'dhtctl %s%s%s'; see 'dhtctl %s --help'",
		     count < command->min ? "too few" : "too many", command->name, command->arguments[0] ? " " : "",
		     command->arguments, command->name);
	return false;
}

static enum exit_code run(struct settings *settings, const struct option_table *table, struct option_result *given)
{
	const struct command *command = NULL;

	if (given->arg_count > 0 && strcmp(given->args[0], "help") == 0) {
		settings->help = true;
		given->args++;
		given->arg_count--;
	}

	if (settings->version) {
		printf("dhtctl %s\n", DHT_VERSION);
		return RC_OK;
	}
	if (given->arg_count > 0) {
		command = find_command(given->args[0]);
		if (command == NULL)
			return RC_USAGE;
	}
	if (settings->help) {
		print_help(table, command);
		return RC_OK;
	}
	if (!check_settings(settings, table, given) || (command != NULL && !check_arguments(command, table, given)))
		return RC_USAGE;
	settings->remedy = "is mosquitto running? set --broker or DHT_BROKER";
	if (command == NULL)
		return print_overview(settings);
	if (command->remedy != NULL)
		settings->remedy = command->remedy;
	return command->exec(settings, given->args + 1, given->arg_count - 1);
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

int main(int argc, char **argv)
{
	const struct option_table *table = choose_table(argc, argv);
	struct settings settings = {0};
	struct option_result given;
	char error[OPTION_ERROR_MAX];
	enum exit_code code = RC_USAGE;

	hold_standard_streams();
	if (option_parse(table, &settings, argc, argv, &given, error))
		code = run(&settings, table, &given);
	else
		output_error("%s", error);
	option_free(table, &settings);
	if (!output_finish() && code == RC_OK)
		code = RC_LOCAL;
	return (int)code;
}
