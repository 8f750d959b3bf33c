/* Prints what the table of options says of files of settings: dht-node.conf(5) or, with --file, such a file for the nodes of
 * a machine, in which everything is a comment.  Runs at build time. */
#include <stdio.h>
#include <string.h>

#include "../common/roff.h"
#include "configure.h"

#define COLUMNS 100

/* ---- the manual page ---- */

static void manual_head(void)
{
	roff_page(stdout, "dht-node.conf", 5, "File Formats");
	roff_section(stdout, "NAME");
	puts("dht\\-node.conf \\- settings of dht\\-nodes");
	roff_section(stdout, "SYNOPSIS");
	puts(".B " CONFIGURE_FILE "\n.br\n.BI " CONFIGURE_FOLDER "/ INSTANCE .conf");
	roff_section(stdout, "DESCRIPTION");
	roff_text(stdout,
		  "The first file is for all nodes of a machine, the second for the node of that --instance; what it "
		  "says\n"
		  "is stronger. Both may be absent. A node needs none of the settings but the broker's URL, and that "
		  "only\n"
		  "if the broker is not on the same machine.\n"
		  "\n"
		  "INSTANCE is what stands behind the '@' of the unit's name, as systemctl shows it. From there the\n"
		  "node has its name, too, unless 'name' is set; where systemd has written \\xNN for a byte that no\n"
		  "unit's name can have, the name has that byte.\n"
		  "\n"
		  "A line is NAME = VALUE. An empty line says nothing, nor does what stands behind a '#' at a line's\n"
		  "beginning or behind a blank. A name that is not known, or stands there twice, and a value that is "
		  "out of\n"
		  "bounds are errors with file and line, and the node does not start. 'dht-node --check-config' prints "
		  "all\n"
		  "settings and where each comes from, or the error.\n"
		  "\n"
		  "What an option or a variable of the environment says is stronger than a file.\n");
}

static void manual_rest(void)
{
	roff_section(stdout, "SETTINGS");
	roff_settings(stdout, &node_options);
	fputs(".PP\n", stdout);
	roff_text(
		stdout,
		"A duration is a number with its unit: 200ms, 5s, 2m, 1h, 1d. A size is a number of bytes, or of K, M, "
		"G or T: 512M.\n"
		"How to give a password, and who may read "
		"its\n"
		"file, stands in dht-node(8).\n"
		"\n"
		"At 'systemctl reload' (SIGHUP) a node reads its files anew: the log's level and max-memory count at "
		"once, and its\n"
		"log says which others have changed and wait for a restart. If they are wrong everything stays as it\n"
		"was.\n");
	roff_section(stdout, "EXAMPLES");
	roff_text(stdout, "For all nodes of a machine whose broker is another, in " CONFIGURE_FILE ":\n"
			  "\n"
			  "  broker = mqtt://kitchen@broker.example\n"
			  "  password-file = " CONFIGURE_FOLDER "/password\n"
			  "\n"
			  "For the node dht-node@oven alone, in " CONFIGURE_FOLDER "/oven.conf:\n"
			  "\n"
			  "  log-level = debug  # until Friday\n"
			  "\n"
			  "For one that is to forget everything when it ends, in its file:\n"
			  "\n"
			  "  data-dir = none\n");
	roff_section(stdout, "SEE ALSO");
	puts(".BR dht\\-node (8),\n.BR systemctl (1)");
}

/* ---- the file ---- */

static void print_folded(const char *text)
{
	int column = 1;

	putchar('#');
	while (*text) {
		int len = (int)strcspn(text, " ");

		if (column + 1 + len > COLUMNS) {
			fputs("\n#", stdout);
			column = 1;
		}
		column += printf(" %.*s", len, text);
		text += len;
		text += *text == ' ';
	}
	putchar('\n');
}

/* There cannot be two nodes that have the same. */
static bool belongs_to_one_node(const struct option_row *row)
{
	return !strcmp(row->name, "id") || !strcmp(row->name, "name");
}

static void print_setting(const struct option_row *row)
{
	bool initial = row->initial && row->initial[0];
	char text[400], bounds[70];

	option_bounds(row, bounds, sizeof(bounds));
	(void)snprintf(text, sizeof(text), "%s%s%s%s", row->help, bounds[0] ? " (" : "", bounds, bounds[0] ? ")" : "");
	putchar('\n');
	print_folded(text);
	printf("#%s = %s\n", row->name, initial ? row->initial : row->argument ? row->argument : "no");
}

static void file(void)
{
	print_folded(
		"Settings of all dht-nodes of this machine; dht-node.conf(5) explains them. A file INSTANCE.conf "
		"beside "
		"this one is for dht-node@INSTANCE alone, and is stronger. What stands here behind a '#' is what holds "
		"without it, or of what kind it is.");
	for (size_t i = 0; i < node_options.count; i++)
		if (node_options.rows[i].env && !belongs_to_one_node(&node_options.rows[i]))
			print_setting(&node_options.rows[i]);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--file")) {
		file();
	} else {
		manual_head();
		manual_rest();
	}
	return fflush(stdout) != 0;
}
