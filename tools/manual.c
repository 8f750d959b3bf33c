/* Prints dhtctl(1), from the table that dhtctl itself reads.  Runs at build time. */
#include <stdio.h>

#include "../common/roff.h"
#include "commands.h"
#include "help.h"
#include "settings.h"

static void manual_head(void)
{
	roff_page(stdout, "dhtctl", 1, "User Commands");
	roff_section(stdout, "NAME");
	puts("dhtctl \\- store, find and show what a ring of dht\\-nodes holds");
	roff_section(stdout, "SYNOPSIS");
	puts(".B dhtctl\n.RI [ OPTIONS ]\n.I COMMAND\n.RI [ ARGUMENTS ]");
	roff_section(stdout, "DESCRIPTION");
	roff_text(
		stdout,
		"dhtctl puts, gets and watches the keys of a ring of dht-nodes, and shows and tends the ring itself,\n"
		"through the MQTT broker that all of them share. Options may stand anywhere; '--' ends them.\n"
		"\n"
		"What it prints for people may change; with --json it is one object a line, whose fields keep their\n"
		"names and only ever become more. A key or value of bytes that are no UTF-8 has the name of its field\n"
		"followed by _base64. Errors are one line on standard error. Where nothing can be told but an error "
		"(no\n"
		"broker, or no ring) there is no object, but of 'status' and 'check', of 'export' to a FILE, and where "
		"the\n"
		"broker answers of 'import' and of each KEY that was asked for.\n");
}

static void manual_command(const struct command *command)
{
	struct option_row rows[OPTION_ROWS_MAX];
	struct option_table own = {"dhtctl", rows, commands_rows(command, COMMANDS_OWN, rows)};
	char title[100];

	snprintf(title, sizeof(title), "%s %s", command->name, command->arguments);
	roff_subsection(stdout, command->arguments[0] ? title : command->name);
	roff_text(stdout, command->summary);
	fputs(".PP\n", stdout);
	roff_text(stdout, command->details);
	roff_options(stdout, &own);
}

static void manual_commands(void)
{
	struct option_row rows[OPTION_ROWS_MAX];
	struct option_table general = {"dhtctl", rows, commands_rows(NULL, COMMANDS_GENERAL, rows)};

	roff_section(stdout, "COMMANDS");
	for (size_t i = 0; commands_at(i) != NULL; i++)
		manual_command(commands_at(i));
	roff_subsection(stdout, HELP_USAGE);
	roff_text(stdout, "print what dhtctl knows, or what a command does: as --help");
	roff_section(stdout, "OPTIONS");
	roff_options(stdout, &general);
}

static void manual_exits(void)
{
	size_t count;
	const struct option_exit *exits = commands_exits(&count);
	char code[12];

	roff_section(stdout, "EXIT STATUS");
	for (size_t i = 0; i < count; i++) {
		snprintf(code, sizeof(code), "%d", exits[i].code);
		roff_term(stdout, code, exits[i].meaning);
	}
	fputs(".PP\n", stdout);
	roff_text(stdout,
		  "Of a write that ends with 5, the error line says whether it may have been done. Where the arc of\n"
		  "its key is in doubt, as nodes wait for one that may have what nobody else has, the line names\n"
		  "that one and says what to do; --json has it as \"doubt\", as 'dhtctl ring --json' has it. Whoever\n"
		  "may not ask who is in the ring (a client behind an access list) is not told.");
}

static void manual_surroundings(void)
{
	roff_section(stdout, "ENVIRONMENT");
	roff_text(stdout, "An option is stronger than the variable, and the variable than a file.");
	roff_variables(stdout, commands_options(NULL));
	roff_term(stdout, "DHT_CONFIG",
		  "files to read instead of those below, divided by ':', the strongest first; empty: none");
	roff_term(
		stdout, "DHT_PAGER",
		"through which help goes that is longer than the terminal, else PAGER, else less; empty, or cat: none");
	roff_term(stdout, "NO_COLOR", "if it is set and not empty: no colors, unless --color asks for them");
	roff_term(stdout, "TERM", "if it is dumb, empty or not set: no colors, no progress, --watch as in a pipe");
	roff_section(stdout, "FILES");
	roff_term(stdout, "$XDG_CONFIG_HOME/dhtctl, or ~/.config/dhtctl", "settings of the user");
	roff_term(stdout, SETTINGS_SYSTEM_FILE, "settings of the machine, which those of the user override");
	fputs(".PP\n", stdout);
	roff_text(stdout, "Lines NAME = VALUE, with the names of the options that have a variable; '#' begins a\n"
			  "comment, at a line's beginning or behind a blank. A password has a file of its own, which\n"
			  "password-file names: one line, not for all users to read and for nobody else to write.\n"
			  "'dhtctl config' prints all settings, and where each comes from:\n"
			  "\n"
			  "  # the house\n"
			  "  broker = mqtt://me@broker.example\n"
			  "  password-file = /home/me/.config/dht-password\n"
			  "  topic-prefix = house\n"
			  "  timeout = 10s\n");
}

static void manual_examples(void)
{
	static const struct {
		const char *command, *what;
	} examples[] = {
		{"dhtctl put door open", "stores a value under a name."},
		{"dhtctl get door", "prints it; exit status 1 if there is none."},
		{"dhtctl put --ttl 30s here yes", "is absent again after half a minute."},
		{"dhtctl cas --version 7/12 door shut", "stores only if nobody has since 'get --meta' said 7/12."},
		{"dhtctl incr visits", "counts; however often it is sent again, once."},
		{"dhtctl ls light/", "lists the names that begin so."},
		{"dhtctl watch 'light/*' --json", "tells what becomes of them, an object a line."},
		{"dhtctl watch door -- sh -c 'logger \"door is $DHT_VALUE\"'", "runs a command for each change."},
		{"dhtctl bench --duration 10s --csv", "tells how fast operations are, for a table."},
		{"dhtctl export ring.json", "writes all records; 'dhtctl import ring.json' stores them again."},
		{"dhtctl check --quiet || echo 'the ring is not well'", "for a monitor."},
		{"dhtctl ping --times 10", "how long nodes take to answer."},
		{"dhtctl ring --watch", "shows nodes come and go."},
		{"dhtctl log --since 1h", "tells what happened to the nodes of this machine."},
	};

	roff_section(stdout, "EXAMPLES");
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
		roff_example(stdout, examples[i].what, examples[i].command);
}

int main(void)
{
	manual_head();
	manual_commands();
	manual_exits();
	manual_surroundings();
	manual_examples();
	roff_section(stdout, "SEE ALSO");
	puts(".BR dht\\-node (8),\n.BR dht\\-node.catalog (7),\n.BR journalctl (1),\n.BR mosquitto (8)");
	return fflush(stdout) != 0;
}
