/* Which bytes of strangers may stand where people, terminals and other programs expect text.  Pure. */
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

#endif
