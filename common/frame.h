/* Frames: the bytes that nodes and tools exchange on our topics <-> one bounded struct.
 *
 * A frame is a CBOR map (RFC 8949) with small unsigned keys; the keys, types and bounds stand in one table in
 * frame.c, the meaning of each message in common/PROTOCOL.md.  Unknown keys are skipped, so that a later minor version may
 * add some; a frame of another major version is refused (PROTOCOL.md, "Versions").  Pure: no protocol rule looks at raw bytes, no byte of a
 * stranger gets past frame_decode without being bounded. */
#ifndef DHT_FRAME_H
#define DHT_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "key.h"
#include "peer.h"
#include "ring.h"

#define FRAME_VERSION 1 /* major */
#define FRAME_MINOR 2   /* 1: kept no copies; 0: knew neither names, lives and tombstones, nor who has written what */

enum frame_type {
	FRAME_NONE,
	FRAME_HELLO,   /* a seeker asks for admission                                   ring */
	FRAME_REFUSE,  /* the id or name is in use                                      inbox */
	FRAME_BUSY,    /* not now; ask again after `wait`                               inbox */
	FRAME_OFFER,   /* the owner of the position offers the sub-arc                  inbox */
	FRAME_ASK,     /* a leaver asks its successor to take its arc                   inbox */
	FRAME_ACCEPT,  /* the taker is ready, its subscriptions granted                 inbox */
	FRAME_RECORDS, /* records ahead of, or behind, the cut                          inbox */
	FRAME_RACK,    /* all RECORDS up to `seq` are here                              inbox */
	FRAME_CUT,     /* the cut                                                       cut/<giver> */
	FRAME_GRANT,   /* the new views, and how many records make the copy whole       inbox */
	FRAME_VOID,    /* the handover `attempt` is off                                 inbox */
	FRAME_STORE,   /* maker -> members and leavers: store these views               inbox */
	FRAME_STORED,  /* ... they are stored                                           inbox */
	FRAME_REFUSED, /* ... never: here is mine                                       inbox */
	FRAME_HOLDS,   /* maker -> members and leavers: all have stored it              inbox */
	FRAME_ACTIVE,  /* the taker serves: the giver forgets                           inbox */
	FRAME_SYNC,    /* is this view your newest, and is this connection yours?       inbox */
	FRAME_CONFIRM, /* yes (or: mine is newer, see views)                            inbox */
	FRAME_NOTIFY,  /* my arc begins at you: I am your successor                     inbox */
	FRAME_FIND,    /* who knows anything about this arc?                            ring */
	FRAME_FOUND,   /* the register: this ring exists                                founder, retained */
	FRAME_TRIP,    /* to oneself: is this connection whole?                         inbox */
	FRAME_MERGE,   /* records of an arc that moved on: put if newer                 ring */
	FRAME_MERGED,  /* ... these keys are safe                                       inbox */
	FRAME_WHO,     /* a tool asks for every node's status                           ring */
	FRAME_STATUS,  /* a node's status                                               node/<id> retained, reply */
	FRAME_LEAVE,   /* a tool asks a node to leave                                   inbox */
	FRAME_REPLY,   /* ... what came of it, or of RECOVER                            reply */
	FRAME_REQUEST, /* a client asks: operation.h reads it, not frame_decode         op/..., inbox */
	FRAME_ANSWER,  /* ... what came of it, likewise                                 to/<client> */
	FRAME_EVENT,   /* an owner tells watchers: watched.h reads it                   ev/<id> */
	FRAME_COPY,    /* owner -> who keeps a copy: what was written, or is there      inbox */
	FRAME_COPIED,  /* ... all COPY up to `seq` are here                             inbox */
	FRAME_FORGET,  /* owner -> who was to keep a copy: not any more                 inbox */
	FRAME_RECOVER, /* a tool: an operator gives up what a doubt waits for           inbox */
	FRAME_SCRUB,   /* a tool: compare all copies of your arc, or how far is that?   inbox */
	FRAME_TYPES,
};

enum frame_reason {
	REASON_NONE,
	REASON_ID_IN_USE,
	REASON_NAME_IN_USE,
	REASON_LEAVING,    /* REPLY: the node has begun to leave */
	REASON_NOT_ACTIVE, /* REPLY: it is not active, so it can't leave in order */
	REASON_ABSENT,     /* CONFIRM: I hold no such view, and never shall; REPLY: I am in no such doubt */
	REASON_VERSION,    /* REFUSE: the owner of the position speaks a later version */
	FRAME_REASONS,
};

/* The state of a node as STATUS tells it. */
enum node_state {
	NODE_GONE, /* what the will says */
	NODE_CONNECTING,
	NODE_JOINING,
	NODE_ACTIVE,
	NODE_SUSPECT,
	NODE_LEAVING,
	NODE_LEFT,
	NODE_STATES,
};
const char *node_state_name(enum node_state state);

/* The identity of a ring: which founding it comes from.  Higher terms win (PROTOCOL.md, "Founding"). */
struct ring_id {
	uint32_t term; /* 0 = none */
	uint64_t nonce;
};

struct view_name {
	uint64_t number; /* the arc's epoch; 0 = no view */
	uint32_t maker;  /* the low half of its memory */
};

#define FRAME_VIEWS_MAX 4
#define FRAME_NEXT_MAX 3

/* A view of an arc (design, "Views").  backup.memory == 0: there is none. */
struct view {
	struct view_name name;
	struct view_name base;     /* what it replaces; of two arcs merged: the near one's, up to split */
	struct view_name far_base; /* ... and the far one's, behind split; number 0: not a merge */
	uint32_t split;
	struct arc arc; /* arc.hi is not always owner.id: a taken-over arc keeps its end until it is merged */
	struct member owner;
	struct member backup;
};

#define FRAME_DOUBTS_MAX 8

/* An arc that nobody is answered for: who says so waits for somebody (PROTOCOL.md section 7, With a disk). */
struct frame_doubt {
	struct arc arc;
	struct view_name name; /* tells this doubt from later ones */
	uint32_t waits;        /* the id of who is waited for, if waits_known */
	bool waits_known;
	bool copy; /* who says so has all of the arc, as far as he knows */
};

#define FRAME_CHECKS_MAX 16

/* What there is of records with a value in an arc, by its owner. */
struct frame_check {
	struct arc arc;
	uint64_t count, hash;
};

/* REPLY to SCRUB: what came of it so far, in this order. */
enum scrub_number {
	SCRUB_DONE,     /* of the arc, in thousandths */
	SCRUB_RECORDS,  /* looked at here */
	SCRUB_BYTES,    /* names and values of these */
	SCRUB_COPIES,   /* beside this node's, that they were compared with */
	SCRUB_DIFFERED, /* pieces of the arc of which a copy was another */
	SCRUB_SENT,     /* records that were told anew there */
	SCRUB_DAMAGED,  /* records whose bytes here were not what was put */
	SCRUB_HEALED,   /* ... fetched anew from another copy */
	SCRUB_LOST,     /* ... of which no copy was sound */
	SCRUB_NUMBERS,
};

/* A record on the wire.  Name and value are borrowed from the frame's bytes (decode) or the caller (encode). */
struct frame_record {
	struct key key;
	uint64_t number; /* version: (view number, counter) */
	uint64_t counter;
	const uint8_t *value;
	size_t value_len;
	uint64_t life; /* milliseconds that it has left; 0: for ever */
	bool deleted;  /* a tombstone: no value */
	uint32_t sum;  /* key_sum() as whoever put it told it; 0: none is told */
};

#define FRAME_RECORDS_MAX 512
#define FRAME_VALUE_MAX (16u << 20)
#define FRAME_KEYS_MAX 512

struct frame {
	enum frame_type type;
	uint32_t minor;      /* the sender's version, of nodes; tools say none */
	struct member from;  /* memory 0: a tool */
	struct conn to;      /* the connection meant; count 0: whoever has the inbox */
	struct ring_id ring; /* the sender's ring; term 0: none yet */
	uint64_t attempt;    /* names one handover of its giver */
	uint64_t seq;        /* RECORDS, RACK, TRIP: a number; HELLO: counted attempts; GRANT: the last RECORDS;
				* CONFIRM in answer to FIND, STATUS: the greatest view number known */
	uint64_t count;      /* GRANT: records in all; STATUS: records held */
	uint64_t hash; /* GRANT: sum of the record hashes; COPY, FORGET, COPIED: the memory of the one it is for */
	uint32_t wait; /* BUSY: milliseconds */
	enum frame_reason reason;
	struct arc arc; /* OFFER, ASK, FIND, STATUS; arc_set tells whether it was there */
	bool arc_set;
	bool flag;      /* SYNC: answer wanted; CONFIRM: the view asked about is my newest; STATUS: see PROTOCOL.md */
	bool last;      /* COPY: of the rows that a fill begins with; SYNC: ACTIVE may have been lost */
	bool more;      /* COPY: the next one belongs to it */
	uint64_t epoch; /* STATUS, COPY: of the arc: the number of its view */
	uint32_t copies, wanted;         /* STATUS: of the arc: there are so many, and are to be; 0: it does not say */
	uint64_t behind;                 /* STATUS: records that are still to be told to who is to have the next copy */
	enum node_state state;           /* STATUS */
	uint64_t since;                  /* STATUS: milliseconds in this state; REFUSE: as a member */
	uint32_t predecessor, successor; /* STATUS */
	struct conn peer;                /* SYNC, CONFIRM: the connection of the addressee as the sender knows it */
	char name[NAME_MAX_LEN + 1];     /* HELLO, REFUSE, STATUS: the node's name */
	char software[32];               /* STATUS: version of the software */
	char reply[128];                 /* WHO, LEAVE, RECOVER: topic for the answer */
	struct view views[FRAME_VIEWS_MAX];
	uint8_t view_count;
	struct member next[FRAME_NEXT_MAX]; /* CONFIRM: who comes behind its sender on the ring, the nearest first */
	uint8_t next_count;
	bool full; /* COPIED, CONFIRM, SYNC, STATUS: there is no room, on its disk or in its memory */
	uint64_t
		bytes; /* of memory: STATUS: held; OFFER, ASK: what is offered takes; SYNC: what its backup would inherit */
	uint64_t limit; /* STATUS: it may hold so much; 0: no limit */
	uint64_t need;  /* STATUS: it would come to hold so much, at most, if the node ahead of it were gone */
	struct frame_doubt doubts[FRAME_DOUBTS_MAX]; /* STATUS in answer to WHO; RECOVER: the one meant */
	uint8_t doubt_count;
	struct frame_check checks[FRAME_CHECKS_MAX]; /* COPY: to be compared, as of this place in the stream */
	uint8_t check_count;
	uint64_t checked;                     /* COPIED: those of the COPY of that `seq` have been; */
	struct arc differs[FRAME_CHECKS_MAX]; /* ... and of these there is something else there */
	uint8_t differ_count;
	bool anew;                     /* COPY: what this turn tells is all that there is of the arc */
	uint64_t scrub[SCRUB_NUMBERS]; /* REPLY to SCRUB */
	uint8_t scrub_count;
	struct frame_record *records; /* decode: points into the caller's array */
	size_t record_count;
	const uint8_t *sums; /* decode only: the records' as they came; borrowed */
	size_t sums_len;
	const uint8_t *table; /* RECORDS: of the writes done in the arc (daemon/core/share.c); borrowed, NULL: none */
	size_t table_len;
	struct key *
		keys; /* MERGED; COPY: wanted; COPIED: not there, or damaged as well; decode: points into the caller's array */
	size_t key_count;
};

/* Room for what a decoded frame points at; one is enough for a process that decodes one frame at a time. */
struct frame_room {
	struct frame_record records[FRAME_RECORDS_MAX];
	struct key keys[FRAME_KEYS_MAX];
};

/* Appends nothing, allocates once: returns the encoded bytes (caller frees), *len their number.  Ends the process when
 * memory is exhausted; aborts on a frame that breaks the bounds above (a bug of ours). */
uint8_t *frame_encode(const struct frame *f, size_t *len);

/* Decodes untrusted bytes.  Returns NULL on success, or why not as a static text ("truncated", "version 7", ...).  *f
 * borrows from bytes and room; every count is within its bound, every text NUL-terminated and free of NULs inside,
 * every enum in range, and the type is known. */
const char *frame_decode(struct frame *f, struct frame_room *room, const uint8_t *bytes, size_t len);

/* The type that the bytes name, whichever key it stands behind; FRAME_NONE if they name none of ours.  Nothing else is
 * looked at: it only tells which decoder is to judge them.  Some nanoseconds where the type is the second key, as we
 * write it; else what is before it is stepped over. */
enum frame_type frame_type_of(const uint8_t *bytes, size_t len);

/* The major version that the bytes name, if they are a map that begins with it, as all of ours do; 0: they are none.
 * Whatever version it is, that stands at the same place. */
uint64_t frame_major(const uint8_t *bytes, size_t len);

/* How many bytes a record takes in a frame, at most; to fill frames to a size. */
size_t frame_record_size(const struct frame_record *r);

const char *frame_type_name(enum frame_type type);

#endif
