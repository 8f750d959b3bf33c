/* JSON (RFC 8259) as lines of ours hold it: one object of strings, numbers, true, false and null, read in place.
 *
 * Objects and arrays within it are refused: nothing of ours has them.  Pure; allocates nothing. */
#ifndef DHT_JSON_H
#define DHT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_kind { JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL };

struct json_field {
	const uint8_t *name; /* UTF-8; may hold a NUL */
	size_t name_len;
	enum json_kind kind;
	uint8_t *text; /* STRING: its characters, valid UTF-8; NUMBER: as it stands there */
	size_t len;
};

struct json {
	uint8_t *p, *end;
	bool begun, over;
	const char *error; /* static; NULL: none so far */
};

/* The line is written to. */
void json_init(struct json *j, uint8_t *line, size_t len);

/* The next field; false: there is none, at the end of the line, or the error says why. */
bool json_next(struct json *j, struct json_field *field);

bool json_is(const struct json_field *field, const char *name);

/* A number without sign, fraction or exponent, up to most. */
bool json_uint(const struct json_field *field, uint64_t most, uint64_t *number);

/* A string of base64 (RFC 4648, with its padding) becomes the bytes, in place. */
bool json_base64(struct json_field *field);

#endif
