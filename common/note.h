/* What a node says: one kind for each sort of fact, and one table of them all, from which the journal's catalog
 * (MESSAGE_ID) and dht-node.catalog(7) are printed.  The text of each line stands where it is said; what it means and what
 * to do about it stands here.  Pure. */
#ifndef DHT_NOTE_H
#define DHT_NOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "ring.h"

enum note_kind {
	/* what becomes of the node */
	NOTE_STARTED,
	NOTE_STATE,
	NOTE_SUSPECT,
	NOTE_PROPOSING,
	NOTE_PROPOSING_AGAIN,
	NOTE_FOUNDED,
	NOTE_LEAVING,
	NOTE_LEFT,
	NOTE_LAST_LEFT,
	NOTE_RECORDS_LOST,
	NOTE_REFUSED,
	NOTE_REJOIN,
	NOTE_OUSTED,
	NOTE_RETURNED,
	NOTE_LAST_KEPT,
	NOTE_LEFT_ALONE,

	/* its neighbours */
	NOTE_NODE_LOST,
	NOTE_FENCING,
	NOTE_CHANGE_WITHOUT,
	NOTE_UNGUARDED,
	NOTE_LEFT_OUT,
	NOTE_RING_SILENT,
	NOTE_RING_WAITED,
	NOTE_ACCEPTED,
	NOTE_VERSION_LATER,
	NOTE_VERSION_EARLIER,
	NOTE_PEER_WRONG,

	/* arcs, and who owns them */
	NOTE_VIEW,
	NOTE_OFFERED,
	NOTE_OWNER,
	NOTE_HANDED_OVER,
	NOTE_RECEIVED,
	NOTE_CALLED_OFF,
	NOTE_TAKEN_OVER,
	NOTE_TAKEN_BACK,
	NOTE_TAKEN_EMPTY,
	NOTE_HOLE_TAKEN,
	NOTE_HOLE_EMPTY,
	NOTE_GUARD_ENDS,
	NOTE_ARC_DOUBT,
	NOTE_DOUBT,
	NOTE_CONTESTED,

	/* copies and records */
	NOTE_COPY_ANEW,
	NOTE_COPY_RETURNS,
	NOTE_KEEPER_LOST,
	NOTE_MERGING,
	NOTE_MERGED,
	NOTE_DROPPED,

	/* the broker */
	NOTE_CONNECTED,
	NOTE_BROKER_LOST,
	NOTE_BROKER_AWAY,
	NOTE_BROKER_AGAIN,
	NOTE_BROKER_HUNG,
	NOTE_ACCESS_REFUSED,
	NOTE_ACCESS_SILENT,
	NOTE_ACCESS_BACK,

	/* the data directory */
	NOTE_DISK_REFUSED,
	NOTE_DISK_FULL,
	NOTE_DISK_ROOM,
	NOTE_DISK_FAILED,
	NOTE_PEER_FULL,
	NOTE_PEER_ROOM,

	/* what is not as it was put */
	NOTE_DAMAGED,
	NOTE_HEALED,
	NOTE_DAMAGED_LOST,
	NOTE_COPY_DIFFERS,
	NOTE_SCRUBBED,

	/* memory */
	NOTE_MEMORY_FULL,
	NOTE_MEMORY_ROOM,
	NOTE_MEMORY_SHORT,
	NOTE_MEMORY_OVER,
	NOTE_MEMORY_UNFIT,

	/* bounds */
	NOTE_TOO_MANY_VIEWS,
	NOTE_TOO_MANY_NODES,
	NOTE_HUSHED,

	/* beside nodes of the reference */
	NOTE_REFERENCE_JOIN,
	NOTE_REFERENCE_ADMITTED,
	NOTE_REFERENCE_LEFT,
	NOTE_REFERENCE_HANDOVER,
	NOTE_REFERENCE_NAMES,
	NOTE_REFERENCE_SILENT,
	NOTE_REFERENCE_DEAD,

	/* the process */
	NOTE_PAUSE,
	NOTE_SIGNAL,
	NOTE_SIGNAL_AGAIN,
	NOTE_SETTINGS,
	NOTE_RELOADED,
	NOTE_RELOAD_WRONG,
	NOTE_LIBRARY,
	NOTE_MANAGER,

	NOTE_COUNT
};

struct note_row {
	const char *name; /* lower case, with dashes */
	const char *id;   /* MESSAGE_ID: 32 hexadecimal digits, of this kind for ever */
	int level;        /* syslog's: 3 error, 4 warning, 6 info, 7 debug */
	/* For people.  @FIELD@ is a field of the entry, which every entry of that kind has then. */
	const char *means;
	const char *advice;
};

extern const struct note_row note_rows[NOTE_COUNT];

/* That of a MESSAGE_ID; NULL: of no kind known here. */
const struct note_row *note_find(const char *id);

/* What an entry is about: the journal's fields DHT_PEER, DHT_ARC, DHT_EPOCH and DHT_REASON. */
struct about {
	bool has_peer, has_arc;
	uint32_t peer; /* another node's id */
	struct arc arc;
	uint64_t epoch;     /* a view's number; 0: none */
	const char *reason; /* NULL: none; never what a client has stored */
};

/* Has an entry all fields that the texts of its kind name?  For tests. */
bool note_complete(enum note_kind note, const struct about *about);

/* ABOUT(OF_PEER(id), OF_REASON("silent")): a pointer to one, for the length of the call. */
#define ABOUT(...) (&(const struct about){__VA_ARGS__})
#define OF_PEER(id) .has_peer = true, .peer = (id)
#define OF_ARC(of) .has_arc = true, .arc = (of)
#define OF_EPOCH(number) .epoch = (number)
#define OF_REASON(text) .reason = (text)

#endif
