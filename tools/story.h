/* One thing that happened, of the story of all nodes: what an entry of the journal is for people and for programs. */
#ifndef DHT_STORY_H
#define DHT_STORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../common/ring.h"
#include "journal.h"

#define STORY_NODE_MAX 256 /* as long as a unit's name can be */

struct story {
	const struct journal_entry *entry;
	bool systemd;              /* it is the service manager who says it */
	const char *unit;          /* whose node it is about, within the entry; NULL: the entry names the node itself */
	char node[STORY_NODE_MAX]; /* its name; if the entry does not say it: as the unit would have it */
	const char *text;          /* within the entry, any bytes */
	size_t text_len;
	int priority; /* syslog's */
	bool has_id, has_peer, has_arc;
	uint32_t id, peer;
	struct arc arc;
	uint64_t epoch; /* 0: none */
};

/* False: it is no part of the story.  Of what systemd says that is all that a node says better itself: that a unit starts
 * and stops.  entry is borrowed for as long as story is used. */
bool story_from(struct story *story, const struct journal_entry *entry);

/* The node has that name, which may be story->node. */
void story_rename(struct story *story, const char *name);

/* "3fa01234": an id as nodes write it. */
bool story_id(const char *text, uint32_t *id);

/* A line: local time (or, with a Z, UTC), node (so wide), arc, text.  peer_name: of the node that it is about; NULL: not
 * known. */
void story_line(FILE *out, const struct story *story, const char *peer_name, int width, bool utc);
/* An object in a line. */
void story_json(FILE *out, const struct story *story, const char *peer_name);

#endif
