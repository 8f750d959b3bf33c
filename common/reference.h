/* The reference's text payloads <-> bounded structs.  Pure.
 *
 * Parsers take bytes of strangers: not NUL-terminated, any content, any length.  Numbers are decimal, without sign or
 * space, 0 to 2^32-1; anything else is refused, also what the reference itself would take ("common/PROTOCOL.md",
 * "The reference's topics"). */
#ifndef DHT_REFERENCE_H
#define DHT_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each parser returns NULL on success, else why not, as a static text fit for "dropped: %s". */

/* `join <id>`; also what `get <key>` carries. */
const char *reference_parse_id(const uint8_t *p, size_t len, uint32_t *id);

enum reference_side { REFERENCE_SUCCESSOR, REFERENCE_PREDECESSOR };

/* `ack-join <src>/<dst>/sucessor|antecessor`: src is dst's successor or predecessor. */
struct reference_ack_join {
	uint32_t src, dst;
	enum reference_side side;
};
const char *reference_parse_ack_join(const uint8_t *p, size_t len, struct reference_ack_join *out);

/* `put <client>/<key> <value>`: value is everything behind the first space.  A client name is UTF-8 without control
 * characters, space and slash: its `ack-put` would kill every client of the reference that hears it.  It may be empty.
 * client and value are borrowed from p.  Redistribution comes in the same form, with client = the giver's id or
 * `None`. */
#define REFERENCE_CLIENT_MAX 256
struct reference_put {
	const uint8_t *client;
	size_t client_len; /* 0 to REFERENCE_CLIENT_MAX */
	uint32_t key;
	const uint8_t *value;
	size_t value_len;
};
const char *reference_parse_put(const uint8_t *p, size_t len, struct reference_put *out);

/* `leave <id>/<successor>/<predecessor>`, either may be `None`. */
struct reference_leave {
	uint32_t id, successor, predecessor;
	bool has_successor, has_predecessor;
};
const char *reference_parse_leave(const uint8_t *p, size_t len, struct reference_leave *out);

/* `ack-leave <leaver>/<acker>`. */
const char *reference_parse_ack_leave(const uint8_t *p, size_t len, uint32_t *leaver, uint32_t *acker);

/* `ack-put <client>/<node>`: client borrowed. */
const char *reference_parse_ack_put(const uint8_t *p, size_t len, const uint8_t **client, size_t *client_len,
				    uint32_t *node);

/* `res-get <key>/<value>`: value borrowed. */
const char *reference_parse_res_get(const uint8_t *p, size_t len, uint32_t *key, const uint8_t **value,
				    size_t *value_len);

/* Writers: into out (size bytes), NUL-terminated; return the length without the NUL.  A size of REFERENCE_TEXT_MAX is
 * always enough. */
#define REFERENCE_TEXT_MAX 320
size_t reference_format_id(char *out, size_t size, uint32_t id);
size_t reference_format_ack_join(char *out, size_t size, const struct reference_ack_join *a);
size_t reference_format_ack_put(char *out, size_t size, const uint8_t *client, size_t client_len, uint32_t node);
size_t reference_format_leave(char *out, size_t size, const struct reference_leave *l);
size_t reference_format_ack_leave(char *out, size_t size, uint32_t leaver, uint32_t acker);

/* Writers of payloads that hold a value: allocated, caller frees, *len bytes. */
uint8_t *reference_format_put(const uint8_t *client, size_t client_len, uint32_t key, const uint8_t *value,
			      size_t value_len, size_t *len);
uint8_t *reference_format_res_get(uint32_t key, const uint8_t *value, size_t value_len, size_t *len);

/* Escapes bytes of a stranger for a log line: printable ASCII stays, the rest becomes \xHH, cut after about
 * size/4 bytes with "..."; always NUL-terminated.  Returns out. */
char *reference_escape(char *out, size_t size, const uint8_t *p, size_t len);

#endif
