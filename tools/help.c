/* --help, and what is said to somebody who comes for the first time. */
#include "help.h"

#include <stdio.h>
#include <string.h>

#include "census.h"
#include "client.h"
#include "commands.h"
#include "output.h"

static void help_commands(void)
{
	for (size_t i = 0; commands_at(i) != NULL; i++) {
		const struct command *command = commands_at(i);
		char usage[64];

		snprintf(usage, sizeof(usage), "%s %s", command->name, command->arguments);
		printf("  %-26s %s\n", usage, command->summary);
	}
	printf("  %-26s %s\n", HELP_USAGE, HELP_SUMMARY);
}

static void help_options(const struct command *command)
{
	struct option_row rows[OPTION_ROWS_MAX];
	struct option_table shown = {"dhtctl", rows, commands_rows(command, COMMANDS_ALL, rows)};

	option_help(stdout, &shown);
}

#define HELP_INDENT 11
#define HELP_WIDTH 100

static void help_exits(void)
{
	size_t count, column = HELP_INDENT;
	const struct command_exit *exits = commands_exits(&count);

	printf("\n%-*s", HELP_INDENT, "exit codes:");
	for (size_t i = 0; i < count; i++) {
		char text[120];
		size_t len = (size_t)snprintf(text, sizeof(text), " %d %s%s", exits[i].code, exits[i].meaning,
					      i + 1 < count ? ";" : "");

		if (column + len > HELP_WIDTH) {
			printf("\n%*s", HELP_INDENT, "");
			column = HELP_INDENT;
		}
		fputs(text, stdout);
		column += len;
	}
	putchar('\n');
}

void help_print(const struct command *command)
{
	if (command != NULL) {
		printf("usage: dhtctl [OPTIONS] %s%s%s\n\n%s.\n%s\noptions:\n", command->name,
		       command->arguments[0] ? " " : "", command->arguments, command->summary, command->details);
	} else {
		printf("usage: dhtctl [OPTIONS] COMMAND [ARGUMENTS]\n\n"
		       "Stores, finds and shows what a ring of dht-nodes holds, through the MQTT broker they share.\n\n"
		       "commands:\n");
		help_commands();
		printf("\noptions (anywhere; '--' ends them; 'dhtctl COMMAND --help' has those of a command):\n");
	}
	help_options(command);
	help_exits();
}

/* For the first minute: what this is, and whether anything is there to talk to. */
enum exit_code help_overview(const struct settings *settings)
{
	struct settings brief = *settings;
	struct client *client;
	struct census census = {0};

	printf("dhtctl stores, finds and shows what a ring of dht-nodes holds.\n\n"
	       "  dhtctl put door open     store a value under a key, a name or a number\n"
	       "  dhtctl get door          print it\n"
	       "  dhtctl watch 'light/*'   see what becomes of keys, as it happens\n"
	       "  dhtctl status            tell whether all is well\n"
	       "  dhtctl demo              put, get and compare 100 random keys\n\n"
	       "commands:");
	for (size_t i = 0; commands_at(i) != NULL; i++)
		printf(" %s", commands_at(i)->name);
	printf("\nmore: dhtctl --help, dhtctl COMMAND --help\n\n");
	fflush(stdout);
	brief.timeout = settings->timeout < 1000 ? settings->timeout : 1000;
	if (client_open(&brief, &client) != RC_OK)
		return RC_OK; /* the error line says it all, and nothing was asked for */
	if (census_take(client, settings, &census) == RC_TIMEOUT)
		printf("broker %s: no ring answers (tools/run-nodes starts one)\n", settings->ring_shown);
	else if (census.count > 0)
		printf("broker %s: %zu node%s, %s\n", settings->broker_shown, census.count,
		       census.count == 1 ? "" : "s",
		       census.problem_count ? "not healthy: see 'dhtctl ring'" : "healthy");
	census_free(&census);
	client_close(client);
	return RC_OK;
}
