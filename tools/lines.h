/* Lines of standard input, as they come: never waits for the next one.
 *
 * In a line, a backslash, a tab and a newline of a key or value are written \\ \t \n, and any byte may be \xHH, so that
 * what output_field writes is read back byte for byte. */
#ifndef DHT_LINES_H
#define DHT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lines_state {
	LINES_ONE,
	LINES_LATER, /* nothing there yet: ask again when the descriptor is readable */
	LINES_END,
	LINES_FAILED, /* errno says why; EMSGSIZE: a line that no key and value make */
};

struct lines {
	int fd;
	uint8_t *bytes;
	size_t start, end, room; /* what has been read and not given out */
	size_t scanned;          /* of it, what holds no newline */
	size_t number;           /* of the last line, from 1 */
	uint64_t given;          /* bytes that have been given out */
	bool over;
};

void lines_init(struct lines *lines, int fd);
void lines_free(struct lines *lines);

/* What some editors put ahead of a text, which is no part of it. */
#define LINES_BOM "\xef\xbb\xbf"
#define LINES_BOM_LEN 3

/* LINES_ONE: *line without its newline; it may be written to, until the next call.  Empty lines are counted and passed
 * over, and a byte order mark ahead of the first is. */
enum lines_state lines_next(struct lines *lines, uint8_t **line, size_t *len);

/* For records of another kind than lines.  LINES_ONE: there are more bytes than before, or `over` is set; and gives out
 * the first len, and steps over `skip` more, which are there. */
enum lines_state lines_more(struct lines *lines);
enum lines_state lines_give(struct lines *lines, size_t len, size_t skip, uint8_t **line, size_t *out);

/* Undoes the escapes in place.  NULL, or what is wrong (static). */
const char *lines_unescape(uint8_t *text, size_t *len);

#endif
