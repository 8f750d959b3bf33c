#include "option.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "option-internal.h"
#include "url.h"

void *option_member(const struct option_row *row, void *target)
{
	return (char *)target + row->offset;
}

static bool option_is_flag(const struct option_row *row)
{
	return row->kind == OPTION_FLAG || row->kind == OPTION_STOP;
}

/* Arguments ---------------------------------------------------------------------------------------------------- */

struct option_scan {
	const struct option_table *table;
	void *target;
	struct option_result *result;
	char *error; /* the first mistake, "" = none */
	int argc, next;
	char **argv;
	bool stopped;
};

static void option_fail_value(struct option_scan *scan, const struct option_row *row, const char *origin,
			      const char *text, const char *expected)
{
	char shown[OPTION_SHOWN_MAX];

	if (scan->error[0] == '\0')
		snprintf(scan->error, OPTION_ERROR_MAX, "invalid %s '%s': %.150s", origin,
			 option_quote(row, text, shown), expected);
}

static void option_fail_unknown(struct option_scan *scan, const char *word)
{
	const struct option_table *table = scan->table;
	size_t len = strcspn(word, "=");
	char name[64], guess[80] = "";
	unsigned best;

	if (scan->error[0] != '\0')
		return;
	snprintf(name, sizeof(name), "%.*s", (int)(len < 60 ? len : 60), word);
	best = option_guess_limit(name + strspn(name, "-")) + 1;
	for (size_t i = 0; strncmp(name, "--", 2) == 0 && i < table->count; i++) {
		unsigned distance = option_distance(name + 2, table->rows[i].name);

		if (distance < best) {
			best = distance;
			snprintf(guess, sizeof(guess), "; did you mean '--%s'?", table->rows[i].name);
		}
	}
	snprintf(scan->error, OPTION_ERROR_MAX, "unknown option '%s'%s see '%s --help'", name, guess[0] ? guess : ";",
		 table->program);
}

/* value: what stood behind '=' or the letter, or NULL. */
static void option_take(struct option_scan *scan, const struct option_row *row, char *value)
{
	char expected[OPTION_ERROR_MAX], origin[64];

	if (option_is_flag(row)) {
		if (value != NULL && scan->error[0] == '\0')
			snprintf(scan->error, OPTION_ERROR_MAX, "option '--%s' takes no value", row->name);
		*(bool *)option_member(row, scan->target) = true;
		scan->stopped = scan->stopped || row->kind == OPTION_STOP;
	} else {
		if (value == NULL && scan->next < scan->argc)
			value = scan->argv[scan->next++];
		if (value == NULL) {
			if (scan->error[0] == '\0')
				snprintf(scan->error, OPTION_ERROR_MAX, "option '--%s' needs a value (%s)", row->name,
					 row->argument ? row->argument : "TEXT");
			return;
		}
		snprintf(origin, sizeof(origin), "--%s", row->name);
		if (!option_set(row, scan->target, value, expected))
			option_fail_value(scan, row, origin, value, expected);
		if (row->kind == OPTION_URL)
			url_mask(value); /* it stands in argv, where every user of the machine can read it */
	}
	scan->result->sources[row - scan->table->rows] = OPTION_GIVEN;
}

const struct option_row *option_find(const struct option_table *table, const char *name, size_t len)
{
	for (size_t i = 0; i < table->count; i++) {
		if (strlen(table->rows[i].name) == len && memcmp(table->rows[i].name, name, len) == 0)
			return &table->rows[i];
	}
	return NULL;
}

static const struct option_row *option_find_letter(const struct option_table *table, char letter)
{
	for (size_t i = 0; i < table->count; i++) {
		if (table->rows[i].letter != 0 && table->rows[i].letter == letter)
			return &table->rows[i];
	}
	return NULL;
}

static void option_scan_long(struct option_scan *scan, char *word)
{
	size_t len = strcspn(word + 2, "=");
	const struct option_row *row = option_find(scan->table, word + 2, len);

	if (row == NULL)
		option_fail_unknown(scan, word);
	else
		option_take(scan, row, word[2 + len] == '=' ? word + 3 + len : NULL);
}

static void option_scan_letters(struct option_scan *scan, char *word)
{
	for (char *c = word + 1; *c != '\0'; c++) {
		const struct option_row *row = option_find_letter(scan->table, *c);

		if (row == NULL) {
			option_fail_unknown(scan, word);
			return;
		}
		if (!option_is_flag(row)) {
			option_take(scan, row, c[1] ? c + 1 : NULL);
			return;
		}
		option_take(scan, row, NULL);
	}
}

/* Whether the word is an argument and no option: - is one, and -5 unless the digit is a letter of ours. */
static bool option_is_argument(const struct option_table *table, const char *word)
{
	return word[0] != '-' || word[1] == '\0' ||
	       (isdigit((unsigned char)word[1]) && option_find_letter(table, word[1]) == NULL);
}

/* Whether the option's value is the next word. */
static bool option_takes_next(const struct option_table *table, const char *word)
{
	const struct option_row *row;

	if (word[1] == '-') {
		row = option_find(table, word + 2, strlen(word + 2)); /* none of a name with '=' */
		return row != NULL && !option_is_flag(row);
	}
	for (const char *c = word + 1; *c != '\0'; c++) {
		row = option_find_letter(table, *c);
		if (row == NULL || !option_is_flag(row))
			return row != NULL && c[1] == '\0';
	}
	return false;
}

const char *option_first_argument(const struct option_table *table, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0)
			return i + 1 < argc ? argv[i + 1] : NULL;
		if (option_is_argument(table, argv[i]))
			return argv[i];
		i += option_takes_next(table, argv[i]);
	}
	return NULL;
}

static void option_scan_words(struct option_scan *scan)
{
	struct option_result *result = scan->result;

	while (scan->next < scan->argc) {
		char *word = scan->argv[scan->next++];

		if (strcmp(word, "--") == 0)
			break;
		if (strncmp(word, "--", 2) == 0)
			option_scan_long(scan, word);
		else if (option_is_argument(scan->table, word))
			result->args[result->arg_count++] = word;
		else
			option_scan_letters(scan, word);
	}
	result->ahead = result->arg_count;
	while (scan->next < scan->argc)
		result->args[result->arg_count++] = scan->argv[scan->next++];
}

static void option_read_environment(struct option_scan *scan)
{
	char expected[OPTION_ERROR_MAX];

	for (size_t i = 0; i < scan->table->count; i++) {
		const struct option_row *row = &scan->table->rows[i];
		const char *value = row->env ? getenv(row->env) : NULL;

		if (scan->result->sources[i] != OPTION_DEFAULT || value == NULL || value[0] == '\0')
			continue;
		scan->result->sources[i] = OPTION_ENVIRONMENT;
		if (!option_set(row, scan->target, value, expected))
			option_fail_value(scan, row, row->env, value, expected);
	}
}

bool option_parse(const struct option_table *table, void *target, int argc, char **argv, struct option_result *result,
		  char error[OPTION_ERROR_MAX])
{
	struct option_scan scan = {.table = table,
				   .target = target,
				   .result = result,
				   .error = error,
				   .argc = argc,
				   .next = 1,
				   .argv = argv};

	assert(table->count <= OPTION_ROWS_MAX);
	memset(result, 0, sizeof(*result));
	result->args = argc > 0 ? argv + 1 : argv;
	for (size_t i = 0; i < table->count; i++) {
		/* a default that does not pass its own row is a mistake of ours */
		if (table->rows[i].initial != NULL &&
		    !option_set(&table->rows[i], target, table->rows[i].initial, error))
			abort();
	}
	error[0] = '\0';
	option_scan_words(&scan);
	if (scan.stopped)
		error[0] = '\0';
	else
		option_read_environment(&scan);
	return error[0] == '\0';
}

void option_free(const struct option_table *table, void *target)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct option_row *row = &table->rows[i];

		if (row->kind == OPTION_TEXT || row->kind == OPTION_URL || row->kind == OPTION_CHOICE) {
			char **slot = option_member(row, target);

			free(*slot);
			*slot = NULL;
		}
	}
}

enum option_source option_source(const struct option_table *table, const struct option_result *result, const char *name)
{
	const struct option_row *row = option_find(table, name, strlen(name));

	assert(row != NULL);
	return result->sources[row - table->rows];
}

const char *option_origin(const struct option_table *table, const struct option_result *result, const char *name,
			  char out[OPTION_ORIGIN_MAX])
{
	const struct option_row *row = option_find(table, name, strlen(name));
	const struct option_place *place = &result->places[row - table->rows];

	switch (option_source(table, result, name)) {
	case OPTION_GIVEN:
		snprintf(out, OPTION_ORIGIN_MAX, "--%s", name);
		break;
	case OPTION_ENVIRONMENT:
		snprintf(out, OPTION_ORIGIN_MAX, "%s", row->env);
		break;
	case OPTION_FILE:
		snprintf(out, OPTION_ORIGIN_MAX, "%s:%u", place->file, place->line);
		break;
	case OPTION_DEFAULT:
		snprintf(out, OPTION_ORIGIN_MAX, "default");
		break;
	}
	return out;
}
