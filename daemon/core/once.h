/* Which writes have been executed, and what they were answered, so that none is executed twice (PROTOCOL.md section 11,
 * "Exactly once").
 *
 * What must hold: if a write was executed by whoever owned its id then, no later owner's table says ONCE_NEW of it.  Each
 * way in which its row can go leaves something behind that says so:
 *   - `first` has passed it: the client's entry ignores it;
 *   - the client was silent and went: the horizon of each arc rises to a token of after its last write;
 *   - there were too many even so: nothing is known of any id, that is, the horizons rise to the present tokens;
 *   - the arc was handed over: its row, the entry and the horizon are with the taker, and here nothing is known of the arc;
 *   - the table is lost, or a new one: nothing is known of any id, and whoever takes over says from where on it knows.
 * A horizon comes down only to the present token of who serves the arc, below which all that was executed there lies.
 *
 * No clock, no random numbers, no look at what a write does: the node asks (once_look), executes, and tells (once_done), in
 * one step.  Order and content of what is told here do not depend on the secret. */
#ifndef DHT_CORE_ONCE_H
#define DHT_CORE_ONCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../common/ring.h"
#include "horizon.h"
#include "store.h"

#define ONCE_CLIENT 16 /* bytes of a client's name */

/* The bounds; tests and simulations take tighter ones. */
struct once_limits {
	uint32_t clients;
	uint32_t rows;
	uint32_t window;  /* numbers that a client may keep open, from `first` on */
	uint32_t pieces;  /* of the horizon */
	uint64_t silence; /* ms after which a client may be forgotten */
};

#define ONCE_LIMITS ((struct once_limits){32768, 65536, 8192, HORIZON_PIECES, 5000})

struct once;

/* An arc and its present token without the ring: the number of the view it is owned by, and the counter of the version
 * last given out (which all versions given out in the arc are not above). */
struct once_arc {
	struct arc arc;
	struct version token;
};

enum once_bears {
	ONCE_BEARS_NONE,
	ONCE_BEARS_OURS,
	ONCE_BEARS_ANOTHER, /* of another ring */
};

struct once_write {
	const uint8_t *client; /* ONCE_CLIENT bytes */
	uint64_t number;
	uint64_t first; /* of its frame */
	uint32_t id;
	enum once_bears bears;
	struct version token; /* if ours */
};

/* What is the table's to remember, and the caller's to understand. */
struct once_answer {
	struct version version;
	int64_t result;
	uint8_t status;
	bool has_result;
};

enum once_verdict {
	ONCE_NEW,     /* to be executed, and followed by once_done */
	ONCE_KNOWN,   /* executed, and answered so */
	ONCE_IGNORED, /* below `first`: it wants no answer; or beyond its window */
	ONCE_TOKEN,   /* it bears none: not executed by this sending */
	ONCE_UNKNOWN, /* perhaps executed */
	ONCE_FULL,    /* no room to remember it, so it is not executed; it will come again */
};

/* secret keys the hashes; limits: NULL for ONCE_LIMITS. */
struct once *once_new(uint64_t secret, const struct once_limits *limits);
void once_free(struct once *o);

/* From here on `changed` is told of each row (number) and each client's entry (number 0) that comes, changes or goes; what
 * there is by then it asks for, later.  To keep a picture of it elsewhere. */
void once_watch(struct once *o, void (*changed)(void *arg, const uint8_t *client, uint64_t number), void *arg);
/* False: there is none (any more). */
bool once_entry_get(const struct once *o, const uint8_t *client, uint64_t *first);
bool once_row_get(struct once *o, const uint8_t *client, uint64_t number, uint32_t *id, struct once_answer *answer);
const struct horizon *once_horizons(const struct once *o);
/* Out of such a picture, into an empty table; an entry before its rows, and these by ascending number.  False: there is one. */
bool once_restore_entry(struct once *o, const uint8_t *client, uint64_t first);
bool once_restore_row(struct once *o, const uint8_t *client, uint64_t number, uint32_t id,
		      const struct once_answer *answer);
void once_restore_horizon(struct once *o, const struct horizon *h);

/* Whoever gives its views up, or comes into another ring, knows nothing. */
void once_clear(struct once *o);

/* What is to be done with a write whose id lies in an arc that is served here, with its token of right now. */
enum once_verdict once_look(struct once *o, const struct once_write *w, const struct once_arc *here,
			    struct once_answer *answer);

/* It has been executed.  Only behind ONCE_NEW: a stranger who executes nothing takes no room. */
void once_done(struct once *o, const struct once_write *w, const struct once_answer *answer);

/* Clients that are silent from a mark on may be forgotten once it is old enough; without marks nobody is.  A mark names all
 * arcs that rows may lie here of: what is owned, and what is given until the taker has said ACTIVE; in an arc that is not
 * named, whatever is forgotten makes the horizon rise to the present token.  To be made before a write is looked at, when it
 * is due. */
bool once_mark_due(const struct once *o, uint64_t now);
void once_mark(struct once *o, uint64_t now, const struct once_arc *arcs, size_t count);

/* Rule 7, in the step in which the arc comes to be owned: of what was executed in it before its view nothing is known. */
void once_own(struct once *o, const struct once_arc *here);

/* The arc has been handed over, and nothing is known of it here; entries stay. */
void once_forget(struct once *o, struct arc arc);

struct version once_horizon(const struct once *o, uint32_t id);

struct once_count {
	uint32_t clients, rows; /* now */
	uint64_t forgotten;     /* clients that had been silent */
	uint64_t crowded_out;   /* clients that had not, but for which there was no room behind a handover */
};

struct once_count once_count(const struct once *o);
size_t once_bytes(const struct once *o);

/* What moves with an arc: the picture that the giver takes at the cut (rule 6), sent in as many frames as it likes, built
 * again by the taker and taken in one step when it owns the arc. */
struct once_entry {
	uint8_t client[ONCE_CLIENT];
	uint64_t first;
	bool silent; /* since before the giver's mark */
};

struct once_row {
	uint32_t entry; /* whose it is: an index */
	uint32_t id;
	uint64_t number;
	struct once_answer answer;
};

struct once_share {
	struct arc arc;
	struct horizon horizon; /* outside the arc nothing is known; */
	struct horizon mark;    /* and of silent clients' writes in the arc, none was above this */
	struct once_entry *entries;
	struct once_row *rows;
	uint32_t entry_count, row_count, entry_room, row_room;
};

/* here: with the token of when the arc is served no more. */
struct once_share *once_give(const struct once *o, const struct once_arc *here);
void once_take(struct once *o, const struct once_share *s);

/* Of an arc that is kept for another (copy.c): what its owner has remembered since.  Horizons stay. */
void once_follow(struct once *o, const struct once_share *s);

/* An empty one of which nothing is known, to be filled from frames: horizon and mark by horizon_set, the rest by these, in
 * the order in which it stands in the giver's.  False: more than any node sends. */
struct once_share *once_share_new(struct arc arc);
void once_share_free(struct once_share *s);
/* As new, of the same arc, but with its room. */
void once_share_empty(struct once_share *s);
bool once_share_entry(struct once_share *s, const struct once_entry *entry);
bool once_share_row(struct once_share *s, const struct once_row *row);
/* All that is in the other one, too.  False: it does not fit. */
bool once_share_add(struct once_share *s, const struct once_share *other);

#endif
