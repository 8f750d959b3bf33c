/* Keys as people type them and read them: a decimal number is the raw id, anything else a name.  Pure. */
#ifndef DHT_KEY_TEXT_H
#define DHT_KEY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../common/key.h"

/* NULL and *key, whose name borrows from text; or what is wrong, as the end of "invalid key '...': " (static).
 * What looks like a number and is none (4294967296, -1, 007) is nearly always a mistake: it is a name only with `named`. */
const char *key_text_parse(const uint8_t *text, size_t len, bool named, struct key *key);

/* The same of what output_key has written, which is changed: whether it is a number is seen ahead of the escapes, so
 * that 42 is one and \x342 a name. */
const char *key_text_parse_field(uint8_t *text, size_t len, bool named, struct key *key);

/* Digits, perhaps behind a sign, perhaps between blanks: what is no name unless somebody says so. */
bool key_text_is_digits(const uint8_t *text, size_t len);

#define KEY_LABEL_MAX 64

/* For lines to people: 5, or 'kitchen', the long ones cut.  Returns out. */
const char *key_text_label(const struct key *key, char out[KEY_LABEL_MAX]);
/* The same of any bytes, in quotes. */
const char *key_text_quote(const uint8_t *text, size_t len, char out[KEY_LABEL_MAX]);

#endif
