#include "roff.h"

#include <ctype.h>
#include <string.h>

/* Of one line.  A hyphen is what people copy into a shell, and '.' or ''' at the beginning would be a request. */
static void roff_characters(FILE *out, const char *text, size_t len)
{
	if (len > 0 && (text[0] == '.' || text[0] == '\''))
		fputs("\\&", out);
	for (size_t i = 0; i < len; i++) {
		switch (text[i]) {
		case '\\':
			fputs("\\e", out);
			break;
		case '-':
			fputs("\\-", out);
			break;
		case '\'':
			fputs("\\(aq", out);
			break;
		case '^':
			fputs("\\(ha", out);
			break;
		case '~':
			fputs("\\(ti", out);
			break;
		default:
			fputc(text[i], out);
			if (text[i] == ',' && i + 1 < len && text[i + 1] != ' ')
				fputs("\\:", out); /* a line may end here */
		}
	}
}

/* As the argument of a macro: in quotes. */
static void roff_macro(FILE *out, const char *macro, const char *text)
{
	fprintf(out, "%s \"", macro);
	for (size_t len; *text != '\0'; text += len + (text[len] == '"')) {
		len = strcspn(text, "\"");
		roff_characters(out, text, len);
		if (text[len] == '"')
			fputs("\\(dq", out);
	}
	fputs("\"\n", out);
}

void roff_page(FILE *out, const char *name, int section, const char *manual)
{
	fputs(".TH ", out);
	for (const char *c = name; *c != '\0'; c++)
		fprintf(out, *c == '-' ? "\\-" : "%c", toupper((unsigned char)*c));
	fprintf(out, " %d %s \"dht %s\" \"%s\"\n", section, DHT_DATE, DHT_VERSION, manual);
	fputs(".ad l\n.nh\n", out); /* field names in braces are long words, and no syllables */
}

void roff_section(FILE *out, const char *title)
{
	roff_macro(out, ".SH", title);
}

void roff_subsection(FILE *out, const char *title)
{
	roff_macro(out, ".SS", title);
}

void roff_text(FILE *out, const char *text)
{
	bool fixed = false, broken = false, begun = false;

	for (size_t len; *text != '\0'; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		if (len == 0) {
			broken = begun;
			continue;
		}
		if (fixed && strncmp(text, "  ", 2) != 0) {
			fputs(".EE\n", out);
			fixed = false;
		}
		if (broken || (begun && !fixed && strncmp(text, "  ", 2) == 0))
			fputs(".PP\n", out);
		broken = false;
		if (!fixed && strncmp(text, "  ", 2) == 0) {
			fputs(".EX\n", out);
			fixed = true;
		}
		begun = true;
		roff_characters(out, text, len);
		fputc('\n', out);
	}
	if (fixed)
		fputs(".EE\n", out);
}

void roff_term(FILE *out, const char *term, const char *meaning)
{
	fputs(".TP\n", out);
	roff_macro(out, ".B", term);
	roff_text(out, meaning);
}

void roff_example(FILE *out, const char *what, const char *command)
{
	fputs(".TP\n", out);
	roff_macro(out, ".B", command);
	roff_text(out, what);
}

/* --help's words. */
static void roff_row(FILE *out, const char *term, const struct option_row *row)
{
	bool initial = row->initial != NULL && row->initial[0] != '\0';
	char meaning[300], bounds[70];

	option_bounds(row, bounds, sizeof(bounds));
	snprintf(meaning, sizeof(meaning), "%s%s%s%s%s%s%s", row->help, bounds[0] || initial ? " (" : "", bounds,
		 bounds[0] && initial ? "; " : "", initial ? "default " : "", initial ? row->initial : "",
		 bounds[0] || initial ? ")" : "");
	roff_term(out, term, meaning);
}

void roff_options(FILE *out, const struct option_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct option_row *row = &table->rows[i];
		char term[120];
		size_t used = 0;

		if (row->letter)
			used = (size_t)snprintf(term, sizeof(term), "-%c, ", row->letter);
		snprintf(term + used, sizeof(term) - used, "--%s%s%s", row->name, row->argument ? " " : "",
			 row->argument ? row->argument : "");
		roff_row(out, term, row);
	}
}

void roff_settings(FILE *out, const struct option_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct option_row *row = &table->rows[i];
		char term[120];

		if (row->env == NULL)
			continue;
		snprintf(term, sizeof(term), "%s = %s", row->name, row->argument ? row->argument : "yes|no");
		roff_row(out, term, row);
	}
}

void roff_variables(FILE *out, const struct option_table *table)
{
	char meaning[120];

	for (size_t i = 0; i < table->count; i++) {
		const struct option_row *row = &table->rows[i];

		if (row->env == NULL)
			continue;
		snprintf(meaning, sizeof(meaning), "%s --%s", row->argument ? "the value of" : "yes or no: as",
			 row->name);
		roff_term(out, row->env, meaning);
	}
}
