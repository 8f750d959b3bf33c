/* One operation and one answer, to and from CBOR: what wire.h is to frame.c this is to operation.c, at whose head the
 * table stands.  Pure; reading allocates nothing. */
#ifndef DHT_OPERATION_WIRE_H
#define DHT_OPERATION_WIRE_H

#include <stdbool.h>

#include "cursor.h"
#include "operation.h"
#include "wire.h"

/* What they take at most, but for names and values: heads of 1 to 5 bytes, numbers of up to 3, 5 or 9. */
enum {
	OPERATION_VERSION_WIRE_MAX = 1 + 9 + 9,
	OPERATION_WIRE_MAX = 1 + 3 + 1 + 5 + 9 + OPERATION_VERSION_WIRE_MAX + 9 + WIRE_SUM,
	OPERATION_RESULT_WIRE_MAX = 1 + 3 + 1 + OPERATION_VERSION_WIRE_MAX + 9 + WIRE_SUM,
};

/* False, and the cursor says why, on anything but one within its bounds that has the fields of its kind. */
bool operation_take(struct cursor *c, struct operation *op);
/* *bare: of the version only the counter was there, and its number is that of the frame's token. */
bool operation_result_take(struct cursor *c, struct operation_result *result, bool *bare);

/* Such a one, or the process ends. */
void operation_put(struct wire *w, const struct operation *op);
void operation_result_put(struct wire *w, const struct operation_result *result, const struct operation_token *token);

#endif
