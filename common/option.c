#include "option.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "log.h"
#include "mem.h"
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

static uint64_t option_max(const struct option_row *row)
{
	return row->max ? row->max : UINT32_MAX;
}

/* Values ------------------------------------------------------------------------------------------------------- */

/* Each sets the member, or says what was expected instead. */

static bool option_set_flag(void *member, const char *text, char *expected)
{
	static const char *const yes[] = {"1", "yes", "true", "on"}, *const no[] = {"0", "no", "false", "off"};

	for (size_t i = 0; i < 4; i++) {
		if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
			*(bool *)member = strcasecmp(text, yes[i]) == 0;
			return true;
		}
	}
	snprintf(expected, OPTION_ERROR_MAX, "expected yes or no");
	return false;
}

static bool option_set_text(const struct option_row *row, void *member, const char *text, char *expected)
{
	char **slot = member;
	size_t len = strlen(text);

	if (len < row->min) {
		snprintf(expected, OPTION_ERROR_MAX, "it must not be %s", len == 0 ? "empty" : "so short");
		return false;
	}
	if (row->max > 0 && len > row->max) {
		snprintf(expected, OPTION_ERROR_MAX, "at most %llu bytes", (unsigned long long)row->max);
		return false;
	}
	free(*slot);
	*slot = xstrdup(text);
	return true;
}

static bool option_set_unsigned(const struct option_row *row, void *member, const char *text, char *expected)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t value = 0;

	for (size_t i = 0; i < digits && value <= UINT32_MAX; i++)
		value = value * 10 + (uint64_t)(text[i] - '0');
	if (digits == 0 || text[digits] != '\0' || value < row->min || value > option_max(row)) {
		snprintf(expected, OPTION_ERROR_MAX, "expected a number from %llu to %llu",
			 (unsigned long long)row->min, (unsigned long long)option_max(row));
		return false;
	}
	*(uint32_t *)member = (uint32_t)value;
	return true;
}

void option_format_duration(char *out, size_t size, uint64_t ms)
{
	if (ms > 0 && ms % 60000 == 0)
		snprintf(out, size, "%llum", (unsigned long long)ms / 60000);
	else if (ms > 0 && ms % 1000 == 0)
		snprintf(out, size, "%llus", (unsigned long long)ms / 1000);
	else
		snprintf(out, size, "%llums", (unsigned long long)ms);
}

/* Milliseconds of "1.5s", UINT64_MAX - 1 if they are too many, or UINT64_MAX if it is no duration.  Integers only: no
 * locale, no rounding. */
static uint64_t option_parse_duration(const char *text)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	size_t whole = strspn(text, "0123456789"), part = 0;
	uint64_t value = 0, scale = 1;

	if (whole == 0 || whole > 10)
		return UINT64_MAX;
	for (size_t i = 0; i < whole; i++)
		value = value * 10 + (uint64_t)(text[i] - '0');
	text += whole;
	if (*text == '.') {
		part = strspn(++text, "0123456789");
		if (part == 0 || part > 3)
			return UINT64_MAX;
	}
	for (size_t i = 0; i < part; i++, scale *= 10)
		value = value * 10 + (uint64_t)(text[i] - '0');
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text + part, units[i].unit) == 0)
			return __builtin_mul_overflow(value, units[i].ms, &value) ? UINT64_MAX - 1 : value / scale;
	}
	return UINT64_MAX;
}

static bool option_set_duration(const struct option_row *row, void *member, const char *text, char *expected)
{
	uint64_t ms = option_parse_duration(text);
	char low[32], high[32];

	if (ms < row->min || ms > option_max(row)) {
		option_format_duration(low, sizeof(low), row->min);
		option_format_duration(high, sizeof(high), option_max(row));
		if (ms == UINT64_MAX)
			snprintf(expected, OPTION_ERROR_MAX, "expected a duration in ms, s, m or h, such as 5s");
		else if (row->max > 0)
			snprintf(expected, OPTION_ERROR_MAX, "expected %s to %s", low, high);
		else
			snprintf(expected, OPTION_ERROR_MAX, "expected %s or more, at most 49 days", low);
		return false;
	}
	*(uint32_t *)member = (uint32_t)ms;
	return true;
}

static const char option_units[] = "KMGT";

void option_format_size(char *out, size_t size, uint64_t bytes)
{
	size_t unit = 0;

	while (bytes && bytes % 1024 == 0 && option_units[unit]) {
		bytes /= 1024;
		unit++;
	}
	snprintf(out, size, "%llu%.*s", (unsigned long long)bytes, unit ? 1 : 0, unit ? &option_units[unit - 1] : "");
}

/* UINT64_MAX - 1 if they are too many, UINT64_MAX if it is no size. */
static uint64_t option_parse_size(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	const char *unit = text[digits] ? strchr(option_units, toupper((unsigned char)text[digits])) : NULL;
	uint64_t value = 0;
	bool over = false;

	if (digits == 0 || (text[digits] && (!unit || text[digits + 1])))
		return UINT64_MAX;
	for (size_t i = 0; i < digits; i++)
		over |= __builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value);
	if (unit)
		over |= __builtin_mul_overflow(value, UINT64_C(1024) << 10 * (unit - option_units), &value);
	return over || value >= UINT64_MAX - 1 ? UINT64_MAX - 1 : value;
}

static bool option_set_size(const struct option_row *row, void *member, const char *text, char *expected)
{
	uint64_t most = row->max ? row->max : OPTION_SIZE_MAX, bytes = option_parse_size(text);
	char low[32], high[32];

	if (bytes != 0 && (bytes < row->min || bytes > most)) {
		option_format_size(low, sizeof(low), row->min);
		option_format_size(high, sizeof(high), most);
		if (bytes == UINT64_MAX)
			snprintf(expected, OPTION_ERROR_MAX, "expected a size in bytes, K, M, G or T, such as 512M");
		else
			snprintf(expected, OPTION_ERROR_MAX, "expected %s to %s, or 0", low, high);
		return false;
	}
	*(uint64_t *)member = bytes;
	return true;
}

static bool option_set_level(void *member, const char *text, char *expected)
{
	static const struct {
		const char *name;
		enum log_level level;
	} levels[] = {{"error", LOG_ERROR_LEVEL},
		      {"warn", LOG_WARN_LEVEL},
		      {"info", LOG_INFO_LEVEL},
		      {"debug", LOG_DEBUG_LEVEL}};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcasecmp(text, levels[i].name) == 0) {
			*(enum log_level *)member = levels[i].level;
			return true;
		}
	}
	snprintf(expected, OPTION_ERROR_MAX, "expected error, warn, info or debug");
	return false;
}

/* "auto, always or never" of "auto|always|never". */
static bool option_set_choice(const struct option_row *row, char **slot, const char *text, char *expected)
{
	size_t used = (size_t)snprintf(expected, OPTION_ERROR_MAX, "expected ");

	for (const char *word = row->argument; *word != '\0';) {
		size_t len = strcspn(word, "|");
		const char *next = word + len + (word[len] == '|');
		const char *end = *next == '\0' ? "" : strchr(next, '|') ? ", " : " or ";

		if (strlen(text) == len && memcmp(word, text, len) == 0) {
			free(*slot);
			*slot = xstrdup(text);
			return true;
		}
		used += (size_t)snprintf(expected + used, OPTION_ERROR_MAX - used, "%.*s%s", (int)len, word, end);
		word = next;
	}
	return false;
}

bool option_set(const struct option_row *row, void *target, const char *text, char expected[OPTION_ERROR_MAX])
{
	void *member = option_member(row, target);

	switch (row->kind) {
	case OPTION_FLAG:
	case OPTION_STOP:
		return option_set_flag(member, text, expected);
	case OPTION_TEXT:
	case OPTION_URL:
		return option_set_text(row, member, text, expected);
	case OPTION_UNSIGNED:
		return option_set_unsigned(row, member, text, expected);
	case OPTION_DURATION:
		return option_set_duration(row, member, text, expected);
	case OPTION_SIZE:
		return option_set_size(row, member, text, expected);
	case OPTION_LEVEL:
		return option_set_level(member, text, expected);
	case OPTION_CHOICE:
		return option_set_choice(row, member, text, expected);
	}
	abort();
}

const char *option_quote(const struct option_row *row, const char *text, char out[OPTION_SHOWN_MAX])
{
	if (row->kind == OPTION_URL)
		return url_show(out, OPTION_SHOWN_MAX, text);
	snprintf(out, OPTION_SHOWN_MAX, "%s", text);
	return out;
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
