/* Of a node's state: who keeps copies of what it owns, and what it keeps for others (PROTOCOL.md section 7). */
#ifndef DHT_CORE_STATE_COPIES_H
#define DHT_CORE_STATE_COPIES_H

#include "../../common/frame.h"
#include "../../common/peer.h"
#include "arcs.h"
#include "key-list.h"
#include "once.h"
#include "store.h"

struct share_place { /* how much of a share has been told */
	bool begun;
	uint32_t clients, rows;
};

#define FOLLOWERS_MAX 8

struct sent_copy {
	uint64_t seq, written;
	uint8_t *bytes;
	size_t len;
	bool fill;
	uint64_t safe; /* up to that counter all is told with this one; 0: of that it says nothing */
	bool low;      /* some of it has versions that tell nothing */
};

/* Who keeps a copy of arcs of ours, and how far it is told (follow.c). */
struct follower {
	bool used;
	struct member m;
	uint64_t attempt;    /* names the stream */
	struct arcs whole;   /* of these it has all, but for what is on its way */
	bool filling, ended; /* the last frame of it is out */
	struct arc fill;     /* of this it is told what there is: */
	struct key *keys;    /* the records, from key_next on; */
	size_t key_count, key_next;
	struct store_rest rest;     /* ... then those of it, */
	uint64_t above;             /* ... whose versions are above that counter */
	struct once_share *picture; /* the rows */
	struct share_place pictured;
	struct key_list changed; /* since the last frame */
	struct once_share *rows; /* done since then */
	struct sent_copy *window;
	size_t window_count, window_room, window_bytes;
	unsigned fill_frames; /* of the window */
	uint64_t seq;
	uint64_t flushed, reached; /* n->written when it was last told all, and up to where it has it */
	bool owed;                 /* it has lost some of what a view takes it to have */
	uint64_t had;              /* ... up to there it had it */
	bool again;                /* ... it may still have most of what it had, */
	struct arcs back;          /* ... which was of these; it is told what there is above: */
	uint64_t safe, safe_told;  /* up to that counter of versions it has all; as last written to the disk */
	bool low;                  /* something whose version tells nothing is to be told; */
	unsigned lows;             /* ... or is told, in so many frames, and not acknowledged */
	bool full;                 /* its disk is */
	uint64_t check_seq;        /* the frame whose pieces it is to compare; 0: it has (scrub.c) */
	uint64_t wanted;           /* as somebody to be filled */
	bool extra;                /* no view names it, and answers wait for it: keepers.c */
	uint64_t extra_from;       /* ... n->written when they began to: it counts when it has all of before */
	bool prove;                /* ... as far as is known: it is to be asked, */
	uint64_t prove_seq;        /* ... or was, by this frame */
	uint64_t sent, progress;
	uint64_t named;  /* when it was last told of what it is to keep something */
	uint64_t resent; /* up to there it was sent again, and then the transport took no more; 0: it did */
};

/* Who is to keep copies beside the backup (keepers.c). */
struct keepers {
	struct member by;                   /* the backup, which has told who comes behind it: */
	struct member next[FRAME_NEXT_MAX]; /* the nearest first */
	unsigned count;
	bool around;    /* that is everybody */
	uint64_t asked; /* when it was asked for more */
	struct shunned {
		struct member m;
		uint64_t until;
	} shunned[FRAME_NEXT_MAX]; /* who did not answer, or keeps nothing for us */
};

/* The records of one frame. */
struct copy_part {
	struct store_item *items;
	size_t count;
	uint8_t *bytes; /* names and values */
};

#define COPIES_MAX 16

/* What is kept here for an owner of arcs (copy.c). */
struct copy {
	bool used;
	struct member owner;
	uint64_t attempt, seq; /* of its stream; 0: what was kept at a handover, and no stream yet */
	uint64_t counter;      /* of versions: the greatest that it has told */
	struct arcs arcs;
	bool filling;    /* not all is here of: */
	struct arc fill; /* the last arc to be filled */
	struct once_share *picture;
	uint64_t forgotten;      /* clients, when that began */
	struct copy_part *parts; /* of a turn, until all of it is here: frames of records, */
	size_t part_count, part_bytes;
	struct once_share *part_rows; /* ... and rows; NULL: amid no turn */
	uint64_t heard;
	bool old;           /* it was not heard yet by this process */
	uint64_t whole_seq; /* up to there it holds whole turns: what is acknowledged where a disk is to have it */
	bool again;         /* broken, but what is in `arcs` is whole */
	bool going;         /* it is told what it may have missed: all of that at once, when it is here */
	uint64_t idle;      /* since when some of it is guarded for nobody; 0: it is */
	uint64_t checked;   /* the frame whose pieces were last compared, */
	struct arc differs[FRAME_CHECKS_MAX]; /* ... and which of these are not the same here */
	uint8_t differ_count;
	bool anew; /* what is told in this turn is all that there is of: */
	struct arc anew_arc;
	bool broken; /* a view names us that takes more for kept than is: its owner is to begin anew */
};

#define STREAMS_MAX 32

/* The last stream that an owner has begun here: strangers may say an earlier one again. */
struct stream {
	uint64_t memory, attempt;
};

#define SCRUB_FINER 512

/* All copies of our arc compared (scrub.c). */
struct scrub {
	bool on;
	uint64_t tool; /* the attempt by which a tool asked for it; 0: by itself */
	uint64_t due;  /* when the next round by itself is to begin; 0: not known yet */
	struct arc arc;
	uint64_t done;                 /* of its ids */
	struct arc finer[SCRUB_FINER]; /* cut out of those, to be looked at again */
	unsigned finer_count;
	struct frame_check asked[FRAME_CHECKS_MAX]; /* on their way to whoever keeps copies */
	unsigned asked_count;
	bool little[FRAME_CHECKS_MAX], cut[FRAME_CHECKS_MAX]; /* may be told anew in one turn; is cut finer already */
	uint64_t next;
	uint64_t told[SCRUB_NUMBERS];
};

#define DAMAGED_MAX 16

/* A record of ours whose bytes are not what was put (damage.c). */
struct damaged {
	bool used, lost;
	struct key key;
	struct version version;
	uint64_t asked;
	unsigned open; /* a bit for each of the followers that has not answered */
};

#define FILLED_MAX 32

/* Which arcs were told to be kept here, last, and by which view (copy-stream.c). */
struct filled {
	struct arc arc;
	struct ring_id ring; /* in which the numbers of views are counted */
	uint64_t memory, epoch;
};

#define LEFT_MAX 8

/* Kept until the view holds that leaves us out. */
struct left {
	struct view_name name;
	struct member owner; /* whose copy it was, */
	uint64_t attempt;    /* by which stream */
	struct arcs arcs;
	bool asked; /* somebody else looks for it */
	bool old;   /* it was left before this process began */
	uint64_t since;
};

#endif
