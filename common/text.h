/* Which bytes of strangers may stand where people, terminals and other programs expect text.  Pure. */
#ifndef DHT_TEXT_H
#define DHT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True if the bytes are UTF-8 (RFC 3629: no overlong forms, no surrogates) without control characters (U+0000 to U+001F,
 * U+007F to U+009F).  The empty text is. */
bool text_is_clean(const uint8_t *p, size_t len);

#endif
