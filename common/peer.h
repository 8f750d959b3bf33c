/* Who speaks: ids, memory incarnations and connection ids of nodes.
 *
 * A node is named by its 32-bit id for ever, by its memory incarnation for as long as it remembers anything, and by
 * its connection id for as long as one connection to the broker lasts.  Rules about safety name incarnations and
 * connections, never ids alone (common/PROTOCOL.md, "Names").  Pure; never does I/O. */
#ifndef DHT_PEER_H
#define DHT_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A connection id: an unguessable nonce and the process's connection counter (1, 2, ...).  count 0 = none. */
struct conn {
	uint64_t nonce;
	uint32_t count; /* below CONN_COUNT_MAX */
};

#define CONN_COUNT_MAX 0xffffffu

/* The MQTT client id of a connection: "d", 16 hex digits, 6 hex digits; 23 characters [0-9a-z], the longest that every
 * broker must accept (MQTT 3.1.1 [MQTT-3.1.3-5]). */
#define CONN_TEXT 24
void conn_format(const struct conn *c, char text[CONN_TEXT]);

/* True and *c filled if text is exactly what conn_format makes of a connection with count > 0. */
bool conn_parse(const char *text, struct conn *c);

static inline bool conn_equal(const struct conn *a, const struct conn *b)
{
	return a->nonce == b->nonce && a->count == b->count;
}

/* A node as the views name it. */
struct member {
	uint32_t id;
	uint64_t memory; /* fresh at every start without a disk; 0 = nobody */
	struct conn conn;
};

static inline bool member_same(const struct member *a, const struct member *b)
{
	return a->id == b->id && a->memory == b->memory;
}

/* A node's name: 1 to NAME_MAX_LEN bytes of clean text (text.h); frames with another are refused. */
#define NAME_MAX_LEN 63

#endif
