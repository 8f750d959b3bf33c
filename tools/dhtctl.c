/* dhtctl: finds the command, nothing else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/option.h"
#include "../common/topic.h"
#include "census.h"
#include "client.h"
#include "command.h"
#include "output.h"

#ifndef DHT_VERSION
#define DHT_VERSION "unknown"
#endif

#define FIELD(member) offsetof(struct settings, member)

static const struct option_row option_rows[] = {
	{"broker", 'b', OPTION_URL, FIELD(broker), URL_DEFAULT, "DHT_BROKER", "URL",
	 "mqtt://[user[:password]@]host[:port] or unix:///path", 0, 1000},
	{"topic-prefix", 0, OPTION_TEXT, FIELD(topic_prefix), "", "DHT_TOPIC_PREFIX", "PREFIX",
	 "the ring's topics stand below this", 0, TOPIC_PREFIX_MAX},
	{"timeout", 't', OPTION_DURATION, FIELD(timeout), "5s", "DHT_TIMEOUT", "DURATION",
	 "bounds the whole command; of demo, each of its steps", 10, 3600000},
	{"json", 0, OPTION_FLAG, FIELD(json), NULL, NULL, NULL, "results as one JSON object", 0, 0},
	{"quiet", 'q', OPTION_FLAG, FIELD(quiet), NULL, NULL, NULL, "no progress, no notes, no drawing", 0, 0},
	{"keys", 0, OPTION_UNSIGNED, FIELD(keys), "100", NULL, "N", "demo: how many keys", 1, 100000},
	{"help", 'h', OPTION_STOP, FIELD(help), NULL, NULL, NULL, "this text, or that of a command", 0, 0},
	{"version", 'V', OPTION_STOP, FIELD(version), NULL, NULL, NULL, "the version", 0, 0},
};

static const struct option_table option_table = {"dhtctl", option_rows, sizeof(option_rows) / sizeof(option_rows[0])};

static const struct command *const commands[] = {&command_put, &command_get, &command_ring, &command_leave,
						 &command_demo};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

bool command_parse_key(const char *text, uint32_t *key)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t value = 0;

	for (size_t i = 0; i < digits && value <= UINT32_MAX; i++)
		value = value * 10 + (uint64_t)(text[i] - '0');
	if (digits == 0 || text[digits] != '\0' || value > UINT32_MAX) {
		output_error("invalid key '%.40s': a key is a decimal number from 0 to 4294967295", text);
		return false;
	}
	*key = (uint32_t)value;
	return true;
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
		printf("  %-18s %s\n", usage, commands[i]->summary);
	}
}

static void print_help(const struct command *command)
{
	if (command != NULL) {
		printf("usage: dhtctl [OPTIONS] %s%s%s\n\n%s.\n%s\noptions:\n", command->name,
		       command->arguments[0] ? " " : "", command->arguments, command->summary, command->details);
	} else {
		printf("usage: dhtctl [OPTIONS] COMMAND [ARGUMENTS]\n\n"
		       "Stores, finds and shows what a ring of dht-nodes holds, through the MQTT broker they share.\n\n"
		       "commands:\n");
		print_commands();
		printf("\noptions (anywhere; '--' ends them):\n");
	}
	option_help(stdout, &option_table);
	printf("\nexit codes: 0 done; 1 the answer is no (absent); 2 usage; 3 broker unreachable; 4 refused;\n"
	       "            5 no answer in time; 7 a local file or the output failed\n");
}

/* For the first minute: what this is, and whether anything is there to talk to. */
static enum exit_code print_overview(const struct settings *settings)
{
	struct settings brief = *settings;
	struct client *client;
	struct census census = {0};

	printf("dhtctl stores, finds and shows what a ring of dht-nodes holds.\n\n"
	       "  dhtctl put 42 hello      store a value under a key (0 to 4294967295)\n"
	       "  dhtctl get 42            print it\n"
	       "  dhtctl ring              show the nodes and what each owns\n"
	       "  dhtctl demo              put, get and compare 100 random keys\n\n"
	       "commands:\n");
	print_commands();
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
static bool check_settings(struct settings *settings, const struct option_result *given)
{
	char problem[200], origin[64], shown[400], masked[256];
	const char *wrong = url_parse(&settings->url, settings->broker, problem, sizeof(problem));

	option_origin(&option_table, given, "broker", origin);
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
			     settings->topic_prefix, option_origin(&option_table, given, "topic-prefix", origin));
		return false;
	}
	return true;
}

static bool check_arguments(const struct command *command, const struct option_result *given)
{
	size_t count = given->arg_count - 1;

	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		const char *option = commands[i]->option;

		if (option == NULL || commands[i] == command)
			continue;
		if (option_source(&option_table, given, option) == OPTION_GIVEN) {
			output_error("option '--%s' belongs to 'dhtctl %s'", option, commands[i]->name);
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

static enum exit_code run(struct settings *settings, struct option_result *given)
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
		print_help(command);
		return RC_OK;
	}
	if (!check_settings(settings, given) || (command != NULL && !check_arguments(command, given)))
		return RC_USAGE;
	settings->remedy = "is mosquitto running? set --broker or DHT_BROKER";
	if (command == NULL)
		return print_overview(settings);
	if (command->remedy != NULL)
		settings->remedy = command->remedy;
	return command->exec(settings, given->args + 1, given->arg_count - 1);
}

int main(int argc, char **argv)
{
	struct settings settings = {0};
	struct option_result given;
	char error[OPTION_ERROR_MAX];
	enum exit_code code = RC_USAGE;

	if (option_parse(&option_table, &settings, argc, argv, &given, error))
		code = run(&settings, &given);
	else
		output_error("%s", error);
	option_free(&option_table, &settings);
	if (!output_finish() && code == RC_OK)
		code = RC_LOCAL;
	return (int)code;
}
