/* Options from a file, and options as text again. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "option-internal.h"
#include "url.h"

struct option_reading {
	const struct option_table *table;
	void *target;
	struct option_result *result;
	const char *path;
	unsigned line;
	unsigned seen[OPTION_ROWS_MAX]; /* the line that has it; 0: none */
	char *error;
};

/* Only what stands in the environment, too, is a setting; the rest are a command's options. */
static const struct option_row *option_find_setting(const struct option_table *table, const char *name)
{
	const struct option_row *row = option_find(table, name, strlen(name));

	return row != NULL && row->env != NULL ? row : NULL;
}

static void option_refuse_name(const struct option_reading *r, const char *name)
{
	unsigned best = option_guess_limit(name) + 1;
	const char *guess = NULL;
	size_t used;

	for (size_t i = 0; i < r->table->count; i++) {
		const struct option_row *row = &r->table->rows[i];
		unsigned distance = row->env ? option_distance(name, row->name) : best;

		/* who knows the environment's names */
		if (row->env && strcmp(name, row->env) == 0)
			distance = 0;

		if (distance < best) {
			best = distance;
			guess = row->name;
		}
	}
	used = (size_t)snprintf(r->error, OPTION_ERROR_MAX, "%.200s:%u: unknown setting '%.40s'", r->path, r->line,
				name);
	if (guess != NULL) {
		snprintf(r->error + used, OPTION_ERROR_MAX - used, "; did you mean '%s'?", guess);
		return;
	}
	used += (size_t)snprintf(r->error + used, OPTION_ERROR_MAX - used, "; there are:");
	for (size_t i = 0; i < r->table->count && used < OPTION_ERROR_MAX; i++) {
		if (r->table->rows[i].env != NULL)
			used += (size_t)snprintf(r->error + used, OPTION_ERROR_MAX - used, " %s",
						 r->table->rows[i].name);
	}
}

static bool option_read_setting(struct option_reading *r, const char *name, char *value)
{
	const struct option_row *row = option_find_setting(r->table, name);
	size_t i = row ? (size_t)(row - r->table->rows) : 0;
	char expected[OPTION_ERROR_MAX], shown[OPTION_SHOWN_MAX];

	if (row == NULL) {
		option_refuse_name(r, name);
		return false;
	}
	if (r->seen[i] != 0) {
		snprintf(r->error, OPTION_ERROR_MAX, "%.200s:%u: '%s' stands in line %u already", r->path, r->line,
			 name, r->seen[i]);
		return false;
	}
	r->seen[i] = r->line;
	if (r->result->sources[i] != OPTION_DEFAULT)
		return true;
	r->result->sources[i] = OPTION_FILE;
	r->result->places[i] = (struct option_place){.file = r->path, .line = r->line};
	if (option_set(row, r->target, value, expected))
		return true;
	snprintf(r->error, OPTION_ERROR_MAX, "%.200s:%u: invalid %s '%s': %.150s", r->path, r->line, name,
		 option_quote(row, value, shown), expected);
	return false;
}

static char *option_trim(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	for (len = strlen(text); len > 0 && isspace((unsigned char)text[len - 1]);)
		text[--len] = '\0';
	return text;
}

/* As a shell has it: a '#' within a word is a part of it. */
static char *option_cut_comment(char *value)
{
	for (char *c = value; (c = strchr(c, '#')) != NULL; c++) {
		if (c == value || c[-1] == ' ' || c[-1] == '\t') {
			*c = '\0';
			break;
		}
	}
	return value;
}

/* The line may hold a password: what is no setting is not quoted. */
static bool option_read_line(struct option_reading *r, char *line, size_t len)
{
	bool whole = memchr(line, '\0', len) == NULL;
	char *name = option_trim(line), *equals = strchr(name, '=');

	if (whole && (name[0] == '\0' || name[0] == '#'))
		return true;
	if (!whole || equals == NULL) {
		snprintf(r->error, OPTION_ERROR_MAX, "%.200s:%u: expected NAME = VALUE", r->path, r->line);
		return false;
	}
	*equals = '\0';
	return option_read_setting(r, option_trim(name), option_trim(option_cut_comment(equals + 1)));
}

static enum option_file option_refuse_file(const struct option_reading *r)
{
	char *why = r->error;
	size_t used = (size_t)snprintf(why, OPTION_ERROR_MAX, "cannot read the settings in %.200s: ", r->path);

	snprintf(why + used, OPTION_ERROR_MAX - used, "%s", strerror(errno));
	why[used] = (char)tolower((unsigned char)why[used]); /* within a line */
	return OPTION_FILE_UNREADABLE;
}

static enum option_file option_read_lines(struct option_reading *r, FILE *file)
{
	enum option_file outcome = OPTION_FILE_READ;
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	while (outcome == OPTION_FILE_READ && (len = getline(&line, &room, file)) >= 0) {
		r->line++;
		if (len > 0 && line[len - 1] == '\n')
			line[--len] = '\0';
		if (!option_read_line(r, line, (size_t)len))
			outcome = OPTION_FILE_WRONG;
	}
	if (outcome == OPTION_FILE_READ && ferror(file))
		outcome = option_refuse_file(r);
	free(line);
	return outcome;
}

enum option_file option_read_file(const struct option_table *table, void *target, const char *path,
				  struct option_result *result, char error[OPTION_ERROR_MAX])
{
	struct option_reading r = {.table = table, .target = target, .result = result, .path = path, .error = error};
	/* what waits for a writer is not waited for */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
	enum option_file outcome;

	error[0] = '\0';
	if (file == NULL && (errno == ENOENT || errno == ENOTDIR))
		return OPTION_FILE_ABSENT;
	if (file == NULL) {
		outcome = option_refuse_file(&r);
		if (fd >= 0)
			(void)close(fd);
		return outcome;
	}
	outcome = option_read_lines(&r, file);
	(void)fclose(file);
	return outcome;
}

/* A password's length is nobody's business either. */
static void option_show_text(const struct option_row *row, const char *text, char *out, size_t size)
{
	struct url url;
	char error[200];

	snprintf(out, size, "%s", text ? text : "");
	if (row->kind != OPTION_URL || text == NULL)
		return;
	if (url_parse(&url, text, error, sizeof(error)) == NULL)
		url_format(out, size, &url);
	else
		url_show(out, size, text);
}

bool option_same(const struct option_row *row, const void *a, const void *b)
{
	const char *left = (const char *)a + row->offset, *right = (const char *)b + row->offset;

	switch (row->kind) {
	case OPTION_TEXT:
	case OPTION_URL:
	case OPTION_CHOICE: {
		const char *one = *(char *const *)(const void *)left, *other = *(char *const *)(const void *)right;

		return one == other || (one != NULL && other != NULL && strcmp(one, other) == 0);
	}
	case OPTION_FLAG:
	case OPTION_STOP:
		return *(const bool *)left == *(const bool *)right;
	case OPTION_LEVEL:
		return memcmp(left, right, sizeof(enum log_level)) == 0;
	case OPTION_UNSIGNED:
	case OPTION_DURATION:
		return memcmp(left, right, sizeof(uint32_t)) == 0;
	case OPTION_SIZE:
		return memcmp(left, right, sizeof(uint64_t)) == 0;
	}
	return false;
}

const char *option_show(const struct option_row *row, const void *target, char *out, size_t size)
{
	static const char *const levels[] = {[LOG_ERROR_LEVEL] = "error",
					     [LOG_WARN_LEVEL] = "warn",
					     [LOG_INFO_LEVEL] = "info",
					     [LOG_DEBUG_LEVEL] = "debug"};
	const void *member = (const char *)target + row->offset;

	switch (row->kind) {
	case OPTION_FLAG:
	case OPTION_STOP:
		snprintf(out, size, "%s", *(const bool *)member ? "yes" : "no");
		break;
	case OPTION_TEXT:
	case OPTION_URL:
	case OPTION_CHOICE:
		option_show_text(row, *(char *const *)member, out, size);
		break;
	case OPTION_UNSIGNED:
		snprintf(out, size, "%u", *(const uint32_t *)member);
		break;
	case OPTION_DURATION:
		option_format_duration(out, size, *(const uint32_t *)member);
		break;
	case OPTION_SIZE:
		option_format_size(out, size, *(const uint64_t *)member);
		break;
	case OPTION_LEVEL:
		snprintf(out, size, "%s", levels[*(const enum log_level *)member]);
		break;
	}
	return out;
}
