/* Options, as people see them: --help, and what they may have meant. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fold.h"
#include "mem.h"
#include "option-internal.h"

#define OPTION_HELP_COLUMN 28

const char *option_bounds(const struct option_row *row, char *out, size_t size)
{
	char low[32], high[32];

	out[0] = '\0';
	if (row->max == 0)
		return out;
	if (row->kind == OPTION_DURATION) {
		option_format_duration(low, sizeof(low), row->min);
		option_format_duration(high, sizeof(high), row->max);
		snprintf(out, size, "%s to %s", low, high);
	} else if (row->kind == OPTION_SIZE) {
		option_format_size(low, sizeof(low), row->min);
		option_format_size(high, sizeof(high), row->max);
		snprintf(out, size, "%s to %s, or 0", low, high);
	} else if (row->kind == OPTION_UNSIGNED) {
		snprintf(out, size, "%llu to %llu", (unsigned long long)row->min, (unsigned long long)row->max);
	}
	return out;
}

static void option_help_row(FILE *out, const struct option_row *row)
{
	bool initial = row->initial != NULL && row->initial[0] != '\0';
	char left[64], text[300], bounds[70], remarks[200] = "";

	if (row->letter)
		snprintf(left, sizeof(left), "  -%c, --%s %s", row->letter, row->name,
			 row->argument ? row->argument : "");
	else
		snprintf(left, sizeof(left), "      --%s %s", row->name, row->argument ? row->argument : "");
	option_bounds(row, bounds, sizeof(bounds));
	snprintf(remarks, sizeof(remarks), "%s%s%s%s%s%s", bounds[0] ? "; " : "", bounds, initial ? "; default " : "",
		 initial ? row->initial : "", row->env ? "; " : "", row->env ? row->env : "");
	snprintf(text, sizeof(text), "%s%s%s%s", row->help, remarks[0] ? " (" : "", remarks[0] ? remarks + 2 : "",
		 remarks[0] ? ")" : "");
	fold_beside(out, left, OPTION_HELP_COLUMN, text);
}

void option_help(FILE *out, const struct option_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		option_help_row(out, &table->rows[i]);
}

#define OPTION_WORD_MAX 40

/* Optimal string alignment: Levenshtein with swaps of neighbours. */
unsigned option_distance(const char *a, const char *b)
{
	size_t alen = strnlen(a, OPTION_WORD_MAX), blen = strnlen(b, OPTION_WORD_MAX);
	unsigned d[OPTION_WORD_MAX + 1][OPTION_WORD_MAX + 1];

	for (size_t i = 0; i <= alen; i++) {
		for (size_t j = 0; j <= blen; j++) {
			unsigned best;

			if (i == 0 || j == 0) {
				d[i][j] = (unsigned)(i + j);
				continue;
			}
			best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			best = d[i - 1][j] + 1 < best ? d[i - 1][j] + 1 : best;
			best = d[i][j - 1] + 1 < best ? d[i][j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[alen][blen];
}

unsigned option_guess_limit(const char *word)
{
	size_t len = strlen(word);

	return len < 4 ? 1 : len < 6 ? 2 : 3;
}

#define OPTION_EXITS "exit codes:"

void option_help_exits(FILE *out, const struct option_exit *exits, size_t count)
{
	char *text = NULL;
	size_t size = 0;
	FILE *all = xcheck(open_memstream(&text, &size));

	for (size_t i = 0; i < count; i++)
		fprintf(all, "%d %s%s", exits[i].code, exits[i].meaning, i + 1 < count ? "; " : "");
	(void)fclose(all);
	fputc('\n', out);
	fold_beside(out, OPTION_EXITS, sizeof(OPTION_EXITS), xcheck(text));
	free(text);
}
