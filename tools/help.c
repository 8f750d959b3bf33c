/* --help, and what is said to somebody who comes for the first time. */
#include "help.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fold.h"
#include "../common/mem.h"
#include "census.h"
#include "client.h"
#include "commands.h"
#include "output.h"
#include "pager.h"

#define HELP_COLUMN 29 /* where a command's summary begins */

static void help_commands(FILE *out)
{
	char usage[64];

	for (size_t i = 0; commands_at(i) != NULL; i++) {
		const struct command *command = commands_at(i);

		snprintf(usage, sizeof(usage), "  %s %s", command->name, command->arguments);
		fold_beside(out, usage, HELP_COLUMN, command->summary);
	}
	fold_beside(out, "  " HELP_USAGE, HELP_COLUMN, HELP_SUMMARY);
}

static void help_options(FILE *out, const struct command *command)
{
	struct option_row rows[OPTION_ROWS_MAX];
	struct option_table shown = {"dhtctl", rows, commands_rows(command, COMMANDS_ALL, rows)};

	option_help(out, &shown);
}

static void help_exits(FILE *out)
{
	size_t count;
	const struct option_exit *exits = commands_exits(&count);

	option_help_exits(out, exits, count);
}

static void help_command(FILE *out, const struct command *command)
{
	char head[400];

	/* as a sentence: in lists it stands behind the command's name */
	snprintf(head, sizeof(head), "usage: dhtctl [OPTIONS] %s%s%s\n\n%c%s.\n", command->name,
		 command->arguments[0] ? " " : "", command->arguments, toupper((unsigned char)command->summary[0]),
		 command->summary + 1);
	fold_text(out, head);
	fold_text(out, command->details);
	fputs("\noptions:\n", out);
}

static void help_write(FILE *out, const struct command *command)
{
	if (command != NULL) {
		help_command(out, command);
	} else {
		fold_text(out, "usage: dhtctl [OPTIONS] COMMAND [ARGUMENTS]\n\n"
			       "Stores, finds and shows what a ring of dht-nodes holds, through the MQTT broker they "
			       "share.\n\ncommands:\n");
		help_commands(out);
		fold_text(out, "\noptions (anywhere; '--' ends them; 'dhtctl COMMAND --help' has those of a "
			       "command):\n");
	}
	help_options(out, command);
	help_exits(out);
}

void help_print(const struct command *command, bool pages)
{
	size_t size = 0;
	char *text = NULL;
	FILE *out = xcheck(open_memstream(&text, &size));

	help_write(out, command);
	(void)fclose(out);
	pager_show(xcheck(text), pages);
	free(text);
}

#define OVERVIEW_COLUMN 27
#define OVERVIEW_COMMANDS "commands:"

static void overview_commands(void)
{
	size_t size = 0;
	char *text = NULL;
	FILE *out = xcheck(open_memstream(&text, &size));

	for (size_t i = 0; commands_at(i) != NULL; i++)
		fprintf(out, "%s ", commands_at(i)->name);
	(void)fclose(out);
	fold_beside(stdout, OVERVIEW_COMMANDS, sizeof(OVERVIEW_COMMANDS), xcheck(text));
	free(text);
}

static void overview_examples(void)
{
	static const char *const examples[][2] = {
		{"  dhtctl put door open", "store a value under a key, a name or a number"},
		{"  dhtctl get door", "print it"},
		{"  dhtctl watch 'light/*'", "see what becomes of keys, as it happens"},
		{"  dhtctl status", "tell whether all is well"},
		{"  dhtctl demo", "put, get and compare 100 random keys"},
	};

	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
		fold_beside(stdout, examples[i][0], OVERVIEW_COLUMN, examples[i][1]);
}

/* For the first minute: what this is, and whether anything is there to talk to. */
enum exit_code help_overview(const struct settings *settings)
{
	struct settings brief = *settings;
	struct client *client;
	struct census census = {0};

	fold_text(stdout, "dhtctl stores, finds and shows what a ring of dht-nodes holds.\n\n");
	overview_examples();
	putchar('\n');
	overview_commands();
	fold_text(stdout, "more: dhtctl --help, dhtctl COMMAND --help\n\n");
	fflush(stdout);
	brief.timeout = settings->timeout < 1000 ? settings->timeout : 1000;
	if (client_open(&brief, &client) != RC_OK)
		return RC_OK; /* the error line says it all, and nothing was asked for */
	if (census_take(client, settings, &census) == RC_TIMEOUT)
		printf("broker %s: no ring answers (" CLIENT_START_NODE ")\n", settings->ring_shown);
	else if (census.count > 0)
		printf("broker %s: %zu node%s, %s\n", settings->broker_shown, census.count,
		       census.count == 1 ? "" : "s",
		       census.problem_count ? "not healthy: see 'dhtctl ring'" : "healthy");
	census_free(&census);
	client_close(client);
	return RC_OK;
}
