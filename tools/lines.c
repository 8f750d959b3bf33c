#include "lines.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/key.h"
#include "../common/mem.h"
#include "command.h"

#define LINES_STEP 65536
/* Every byte of both as \u00HH, JSON's longest, and some words around them. */
#define LINES_MAX (6 * ((size_t)KEY_NAME_MAX + COMMAND_VALUE_MAX) + 1024)

void lines_init(struct lines *lines, int fd)
{
	*lines = (struct lines){.fd = fd, .bytes = xmalloc(LINES_STEP), .room = LINES_STEP};
}

void lines_free(struct lines *lines)
{
	free(lines->bytes);
	lines->bytes = NULL;
}

static void lines_make_room(struct lines *lines)
{
	if (lines->start > 0) {
		memmove(lines->bytes, lines->bytes + lines->start, lines->end - lines->start);
		lines->end -= lines->start;
		lines->start = 0;
	}
	if (lines->room - lines->end < LINES_STEP) {
		lines->room = 2 * (lines->end + LINES_STEP);
		lines->bytes = xrealloc(lines->bytes, lines->room);
	}
}

enum lines_state lines_more(struct lines *lines)
{
	struct pollfd ready = {.fd = lines->fd, .events = POLLIN};
	ssize_t n;

	if (lines->end - lines->start > LINES_MAX) {
		errno = EMSGSIZE;
		return LINES_FAILED;
	}
	/* A file is always ready, and must be: the loop cannot wait for one. */
	do
		n = poll(&ready, 1, 0);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return LINES_LATER;
	lines_make_room(lines);
	do
		n = read(lines->fd, lines->bytes + lines->end, LINES_STEP);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? LINES_LATER : LINES_FAILED;
	lines->over = n == 0;
	lines->end += (size_t)n;
	return LINES_ONE;
}

enum lines_state lines_give(struct lines *lines, size_t len, size_t skip, uint8_t **line, size_t *out)
{
	*line = lines->bytes + lines->start;
	*out = len;
	lines->start += len + skip;
	lines->scanned = 0;
	lines->given += len + skip;
	lines->number++;
	return LINES_ONE;
}

/* The next line, empty or not. */
static enum lines_state lines_any(struct lines *lines, uint8_t **line, size_t *len)
{
	for (;;) {
		size_t there = lines->end - lines->start;
		uint8_t *from = lines->bytes + lines->start;
		uint8_t *newline = memchr(from + lines->scanned, '\n', there - lines->scanned);
		enum lines_state state;

		if (newline != NULL)
			return lines_give(lines, (size_t)(newline - from), 1, line, len);
		lines->scanned = there;
		if (lines->over)
			return there > 0 ? lines_give(lines, there, 0, line, len) : LINES_END;
		state = lines_more(lines);
		if (state != LINES_ONE)
			return state;
	}
}

enum lines_state lines_next(struct lines *lines, uint8_t **line, size_t *len)
{
	for (;;) {
		enum lines_state state = lines_any(lines, line, len);

		if (state != LINES_ONE)
			return state;
		if (lines->number == 1 && *len >= LINES_BOM_LEN && memcmp(*line, LINES_BOM, LINES_BOM_LEN) == 0) {
			*line += LINES_BOM_LEN;
			*len -= LINES_BOM_LEN;
		}
		if (*len > 0)
			return LINES_ONE;
	}
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

const char *lines_unescape(uint8_t *text, size_t *len)
{
	const uint8_t *from = memchr(text, '\\', *len), *end = text + *len;
	uint8_t *to = text + (from ? from - text : 0);

	if (from == NULL)
		return NULL;
	while (from < end) {
		if (*from != '\\') {
			*to++ = *from++;
			continue;
		}
		from++;
		if (from < end && strchr("\\tn", *from) && *from != '\0') {
			*to++ = *from == 't' ? '\t' : *from == 'n' ? '\n' : '\\';
			from++;
		} else if (end - from >= 3 && *from == 'x' && hex_digit(from[1]) >= 0 && hex_digit(from[2]) >= 0) {
			*to++ = (uint8_t)(hex_digit(from[1]) << 4 | hex_digit(from[2]));
			from += 3;
		} else {
			return "a backslash that begins none of \\\\ \\t \\n \\xHH";
		}
	}
	*len = (size_t)(to - text);
	return NULL;
}
