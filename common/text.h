/* Which bytes of strangers may stand where people, terminals and other programs expect text; and the writing of topics,
 * names and payloads.  Pure. */
#ifndef DHT_TEXT_H
#define DHT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The UTF-8 character at p (len > 0) and how many bytes it takes; -1 if there is none (RFC 3629: no overlong forms, no
 * surrogates). */
int32_t text_next(const uint8_t *p, size_t len, size_t *used);

/* True if the bytes are UTF-8 (RFC 3629: no overlong forms, no surrogates) without control characters (U+0000 to U+001F,
 * U+007F to U+009F).  The empty text is. */
bool text_is_clean(const uint8_t *p, size_t len);

/* A text in the making, always NUL-terminated.  What does not fit ends the process: its size is a bug of ours.  (Every
 * message takes a few of these, and snprintf takes ten times as long.) */
struct text {
	char *start, *to, *end; /* *end is kept for the NUL */
};

/* Begins in out, of size bytes, size > 0. */
struct text text_in(char *out, size_t size);
void text_add(struct text *t, const void *p, size_t len);
void text_add_string(struct text *t, const char *string);
void text_add_char(struct text *t, char c);
void text_add_hex(struct text *t, uint64_t n, size_t digits); /* the last so many, lower case */
void text_add_decimal(struct text *t, uint32_t n);
size_t text_length(const struct text *t);

#endif
