/* Topics and their meanings: the reference's and ours, under an optional prefix.  Pure.
 *
 * Portable levels only ([0-9a-z_-], never empty), far below every broker's limits (common/PROTOCOL.md, "Topics"). */
#ifndef DHT_TOPIC_H
#define DHT_TOPIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cover.h"

enum topic_kind {
	TOPIC_UNKNOWN,
	/* the reference's, text */
	TOPIC_JOIN,
	TOPIC_HAS_STARTED,
	TOPIC_ACK_JOIN,
	TOPIC_PUT,
	TOPIC_ACK_PUT,
	TOPIC_GET,
	TOPIC_RES_GET,
	TOPIC_LEAVE,
	TOPIC_ACK_LEAVE,
	/* ours, frames */
	TOPIC_RING,    /* ring            every node: hello, who, find, merge */
	TOPIC_FOUNDER, /* founder         the retained register: which ring there is */
	TOPIC_INBOX,   /* in/<id>         one node */
	TOPIC_CUT,     /* cut/<id>        that giver and its taker: the cut */
	TOPIC_NODE,    /* node/<id>       retained status, overwritten by the will */
	TOPIC_REPLY,   /* to/<client>, to/<user>/<client>     one tool, one client */
	TOPIC_ASK,     /* ask/<id>, ask/<id>/<user>           one node: operations */
	TOPIC_EVENT,   /* ev/<id>         who watches what that node owns */
	TOPIC_CELL,    /* op/<h>/<h>/<h>/<h>, the same/<user>  who owns ids of that cell: operations */
	TOPIC_KINDS,
};

#define TOPIC_PREFIX_MAX 63
#define TOPIC_MAX 128

/* The name by which the broker knows a client.  An access list can bind a level of a topic to it, and then it is the
 * broker's word that whoever asks there is called so, and nobody else hears what is answered. */
#define TOPIC_USER_MAX 27 /* so that the longest topic stays below TOPIC_MAX */

/* What a client calls itself (128 bits, the last level of its reply topic) has exactly so many hex digits; a
 * connection's text, which names a tool, has fewer characters. */
#define TOPIC_CLIENT_DIGITS 32

/* Writes the topic, returns its length.  prefix: "" or levels without a slash at either end; id is used by INBOX, CUT,
 * NODE, ASK and EVENT (8 hex digits) and by CELL (the first 4 of them), client by REPLY (a connection's text or a client's
 * digits, behind "<user>/" or not), both else ignored. */
size_t topic_format(char out[TOPIC_MAX], const char *prefix, enum topic_kind kind, uint32_t id, const char *client);

/* What a received topic means; *id is set for INBOX, CUT, NODE, ASK and EVENT, and for CELL to the first id of the cell.
 * TOPIC_UNKNOWN if it is not ours, or a filter. */
enum topic_kind topic_parse(const char *topic, const char *prefix, uint32_t *id);

/* Puts a user's level where it belongs in a topic of the kinds REPLY, ASK and CELL; "": leaves it as it is; "+": makes it the
 * filter of all users. */
void topic_add_user(char topic[TOPIC_MAX], enum topic_kind kind, const char *user);

/* As topic_parse; and who has said it, "" if the topic does not tell. */
enum topic_kind topic_parse_from(const char *topic, const char *prefix, uint32_t *id, char user[TOPIC_USER_MAX + 1]);

/* True if the name can be a level: 1 to TOPIC_USER_MAX letters, digits, '-' and '_'. */
bool topic_user_valid(const char *user);

/* Writes the filter that hears those cells (`op/#`, `op/3/#`, ... and the cell's topic), returns its length. */
size_t topic_format_cell_filter(char out[TOPIC_MAX], const char *prefix, struct cell cell);

/* True and *cell filled if the text is exactly what topic_format_cell_filter makes of a cell. */
bool topic_parse_cell_filter(const char *filter, const char *prefix, struct cell *cell);

/* True if the text can be a prefix: at most TOPIC_PREFIX_MAX bytes, portable non-empty levels. */
bool topic_prefix_valid(const char *prefix);

/* True if the text is a reply topic under that prefix and therefore safe to publish to: no wildcard, nobody's but a
 * tool's or client's, shorter than TOPIC_MAX. */
bool topic_is_reply(const char *topic, const char *prefix);

#endif
