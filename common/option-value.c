/* A value's text and what it is: each kind of an option's row read, and what was expected instead in words (option.h). */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "log.h"
#include "mem.h"
#include "option-internal.h"
#include "url.h"

static uint64_t option_max(const struct option_row *row)
{
	return row->max ? row->max : UINT32_MAX;
}

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
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
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
			snprintf(expected, OPTION_ERROR_MAX, "expected a duration in ms, s, m, h or d, such as 5s");
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
