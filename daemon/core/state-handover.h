/* What a node knows of the handovers under way: part of its state (state.h). */
#ifndef DHT_CORE_STATE_HANDOVER_H
#define DHT_CORE_STATE_HANDOVER_H

#include "../../common/peer.h"
#include "once.h"
#include "state-copies.h"
#include "store.h"

#define WATCHED_MAX 64 /* pieces of arcs watched apart */

enum give_phase { GIVE_NONE, GIVE_OFFERED, GIVE_STREAM, GIVE_CUT, GIVE_TAIL, GIVE_GRANTED, GIVE_SEALED };
enum take_phase { TAKE_NONE, TAKE_SUBSCRIBE, TAKE_STREAM, TAKE_STORED };

struct sent_frame {
	uint64_t seq;
	uint8_t *bytes;
	size_t len;
};

#define WINDOW 32 /* RECORDS frames unacknowledged at once */

/* The one handover this node gives. */
struct give {
	enum give_phase phase;
	bool leave; /* the whole of an own arc to its successor; else the near part of it to a joiner */
	uint64_t attempt;
	struct member taker;
	struct arc arc;
	uint32_t conn;    /* of ours (its count), in whose order the cut stands: only there are operations held */
	struct key *keys; /* still to be sent, from next on; */
	size_t key_count, next, key_room;
	struct store_rest rest;   /* ... then those of it */
	struct once_share *share; /* of the writes done, as of the cut */
	struct share_place shared;
	struct sent_frame window[WINDOW];
	unsigned window_count;
	uint64_t seq;         /* of the last RECORDS */
	uint64_t count, hash; /* of the whole copy */
	uint64_t written;     /* n->written at the cut: what was answered before it waits for backups to have that */
	uint64_t progress;    /* when the taker last moved */
	uint64_t sent;
};

struct watched_piece {
	struct arc arc;
	uint64_t until;
};

/* The one handover this node takes. */
struct take {
	enum take_phase phase;
	bool leave;
	bool cut;         /* seen: from here operations are held */
	bool cut_granted; /* the subscription is */
	bool granted;     /* GRANT is here */
	uint64_t attempt;
	struct member giver;
	struct arc arc;
	uint64_t seq; /* RECORDS up to here are in */
	uint64_t grant_seq, grant_count, grant_hash;
	struct conn conn; /* of ours, on which it was accepted */
	struct ring_id ring;
	bool reference_behind; /* whoever the arc begins at is the reference's */
	uint32_t minor;        /* the giver's version */
	struct view views[2];
	uint8_t view_count;
	struct store *staging;
	struct once_share *share;
	struct watched_piece watched[WATCHED_MAX]; /* until: what is left */
	unsigned watched_count;
	bool cleared; /* it holds, as nobody is left who could say otherwise */
	bool shared;  /* the giver has told what was written in it, and by whom */
	uint64_t progress;
	uint64_t sent;
};

#endif
