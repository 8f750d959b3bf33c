/* What export writes and import reads, one record after another.
 *
 *   json  an object a line: "key" (a number), or "name" or "name_base64"; "value" or "value_base64"; "life" in
 *         milliseconds, but of what is for ever; "version", as `ls -l` has it.  What `get --json` and `ls --json` print is read, too: "key" may be a
 *         string, then it is a name, or "key_base64"; fields that are not known are stepped over.
 *   cbor  a sequence (RFC 8742) of [key, value, life, version]: an uint or bytes, bytes, an uint (0: for ever), [number,
 *         counter]; of the last two each may be null, or left out */
#ifndef DHT_DUMP_H
#define DHT_DUMP_H

#include <stdio.h>

#include "../common/operation.h"
#include "../common/page.h"
#include "lines.h"

struct dump_format {
	const char *name;
	const char *unit; /* "line": what a number in an error line counts */
	/* As lines_next: one record's bytes.  What is no record any more is given out whole, as the last. */
	enum lines_state (*next)(struct lines *lines, uint8_t **record, size_t *len);
	/* The record's key, value and life, its key and value allocated, and its version (number 0: it has none); NULL, or
	 * the mistake in it.  It is written to. */
	const char *(*read)(uint8_t *record, size_t len, struct operation *op, struct version *version);
	void (*write)(FILE *out, const struct page_entry *entry);
};

/* NULL: there is none of that name. */
const struct dump_format *dump_format_find(const char *name);

#endif
