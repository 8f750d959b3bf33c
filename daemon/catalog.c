/* Prints what the table of kinds (common/note.c) says, for the journal's catalog (journalctl --catalog) or, with --manual, as
 * dht-node.catalog(7).  Runs at build time. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "../common/note.h"
#include "../common/roff.h"

static const char *const levels[] = {[3] = "error", [4] = "warning", [6] = "info", [7] = "debug"};

/* "taken-over" -> "taken over" */
static void title(const char *name, char *out, size_t size)
{
	snprintf(out, size, "%s", name);
	for (char *c = out; *c; c++)
		if (*c == '-')
			*c = ' ';
}

#define ADVICE_MAX 1024

static void advice(const struct note_row *row, char out[ADVICE_MAX])
{
	snprintf(out, ADVICE_MAX, "To do: %c%s", tolower((unsigned char)row->advice[0]), row->advice + 1);
}

/* journalctl indents each line by three. */
static void paragraph(const char *text)
{
	int column = 0;

	while (*text) {
		int len = (int)strcspn(text, " ");

		if (column && column + 1 + len > 76) {
			putchar('\n');
			column = 0;
		}
		column += printf("%s%.*s", column ? " " : "", len, text);
		text += len;
		text += *text == ' ';
	}
	putchar('\n');
}

static void catalog(void)
{
	char subject[64], text[ADVICE_MAX];

	puts("# What dht-node says in the journal.  Printed from its table of kinds; dht-node.catalog(7) is another "
	     "print.");
	for (int i = 0; i < NOTE_COUNT; i++) {
		const struct note_row *row = &note_rows[i];

		title(row->name, subject, sizeof(subject));
		printf("\n-- %s\nSubject: Node @DHT_NODE@: %s\nDefined-By: dht-node\n"
		       "Documentation: man:dht-node.catalog(7)\n\n",
		       row->id, subject);
		paragraph(row->means);
		putchar('\n');
		advice(row, text);
		paragraph(text);
	}
}

/* Fields as words: "node @DHT_PEER@" is a node, and which one stands in the entry. */
static void prose(const char *text)
{
	char plain[1024], *to = plain;

	for (; *text && to < plain + sizeof(plain) - 1; text++)
		if (*text != '@')
			*to++ = *text;
	*to = '\0';
	roff_text(stdout, plain);
}

static void manual_entry(const struct note_row *row)
{
	char head[100], text[ADVICE_MAX];

	snprintf(head, sizeof(head), "%s (%s)", row->name, levels[row->level]);
	roff_subsection(stdout, head);
	prose(row->means);
	fputs(".PP\n", stdout);
	advice(row, text);
	prose(text);
	fputs(".PP\n", stdout);
	snprintf(head, sizeof(head), "MESSAGE_ID=%s", row->id);
	roff_text(stdout, head);
}

static void manual(void)
{
	static const struct {
		const char *field, *what;
	} fields[] = {
		{"MESSAGE, PRIORITY, MESSAGE_ID", "the text, its level, and the kind of entry (below)"},
		{"DHT_NODE", "the node's name"},
		{"DHT_ID", "its id, 8 hexadecimal digits, as it stands in the texts"},
		{"DHT_STATE", "its state: connecting, joining, active, suspect, leaving, left"},
		{"DHT_PEER", "the id of the other node that the entry is about"},
		{"DHT_ARC", "the arc that it is about, as (LOW, HIGH]: without LOW, with HIGH"},
		{"DHT_EPOCH", "the number of the view of that arc"},
		{"DHT_REASON", "why, in a few words"},
	};

	roff_page(stdout, "dht-node.catalog", 7, "Miscellaneous");
	roff_section(stdout, "NAME");
	puts("dht\\-node.catalog \\- what dht\\-node says in the journal, what it means, and what to do");
	roff_section(stdout, "DESCRIPTION");
	roff_text(
		stdout,
		"Where dht-node's standard error is the journal, each thing that it says is an entry with fields;\n"
		"elsewhere the same text is a line on standard error. 'journalctl -x -u dht-node@NAME' shows behind\n"
		"each entry what stands here of its kind. 'journalctl DHT_ID=3fa01234' tells the life of one node, "
		"and\n"
		"'journalctl DHT_PEER=3fa01234' what others say of it. Of one kind at most 100 entries are written in\n"
		"10 seconds. What clients store is never among it.\n");
	roff_section(stdout, "FIELDS");
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		roff_term(stdout, fields[i].field, fields[i].what);
	roff_section(stdout, "KINDS");
	for (int i = 0; i < NOTE_COUNT; i++)
		manual_entry(&note_rows[i]);
	roff_section(stdout, "SEE ALSO");
	puts(".BR dht\\-node (8),\n.BR dhtctl (1),\n.BR journalctl (1)");
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--manual"))
		manual();
	else
		catalog();
	return fflush(stdout) != 0;
}
