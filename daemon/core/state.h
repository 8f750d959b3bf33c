/* What a node knows: the views it is named in, the change under way, the streams, the fences, and the rest of its state.
 * Only the files of the core look inside; the one writer of each part is the file of that name. */
#ifndef DHT_CORE_STATE_H
#define DHT_CORE_STATE_H

#include "../../common/cover.h"
#include "../../common/mem.h"
#include "../../common/operation.h"
#include "../../common/reference.h"
#include "key-list.h"
#include "node.h"
#include "once.h"
#include "state-copies.h"
#include "state-handover.h"
#include "store.h"

#define ENTRY_MAX 16   /* views a node is named in: its own, its predecessor's, and a few on the way */
#define PARTY_MAX 12   /* members of a view, its base and its attempts */
#define FENCE_MAX 8    /* neighbours fenced at once */
#define WAITING_MAX 64 /* seekers remembered while busy */
#define PAST_MAX 64    /* arcs remembered that moved on */
#define WATCH_MAX 24   /* statuses subscribed */
#define RIVALS 4
#define ANSWERS_MAX 16 /* clients answered at once, before any of it is sent */
#define OFFERED_MAX 8  /* who is remembered that offered records; the latest */
#define RECENT_MAX 128 /* HELLOs remembered, to tell the reference's joins from ours */

#define KEYS_AT_ONCE 4096 /* records looked at in one step: of a million it would take seconds */

#define NEVER UINT64_MAX
#define SETTLE 500      /* ms in which those may speak who know better */
#define FIND_AGAIN 1000 /* ms: between two FINDs about one arc */
#define FIND_ECHO 2500  /* ms: that nobody answers means something only while our own FIND comes back */

/* A view this node is named in, and what it knows of the other member. */
struct entry {
	bool used;
	bool mine;      /* I am the owner; else I guard it */
	bool held;      /* I know that it holds */
	bool confirmed; /* the other member has confirmed it on this connection of mine */
	bool sealed;    /* guarded, and its records are still here: the taker has not said ACTIVE */
	bool absent;    /* the other member has said that it holds no such view */
	bool voided;    /* it stands under the other member's name that something was taken from it */
	struct conn
		stands; /* the connection that its status was last of: it may be back on it while it is being fenced */
	struct view v;
	struct view prev;     /* the view it replaced here; number 0: none */
	struct view other;    /* amid a split: the joiner's view, whose storing decides with mine; number 0: none */
	struct member peer;   /* the other member, with the newest connection known; memory 0: none */
	uint32_t minor;       /* its version */
	uint64_t heard;       /* when it last spoke of this very view: whoever gave it up may speak on */
	uint64_t asked;       /* when it was last asked; 0: never */
	uint64_t silent;      /* since when questions are unanswered; 0: none are */
	uint64_t gone;        /* when its end was seen (will); 0: not */
	uint64_t doubt;       /* since when everybody is asked (FIND); 0: not */
	bool cleared;         /* a roll has been called for it since */
	uint64_t contested;   /* when somebody last claimed it under a lower name; 0: nobody does */
	uint64_t awaited;     /* since when who offered records of it is waited for, besides; 0: nobody is */
	uint64_t orphan;      /* since when nobody sees to it that it holds; 0: somebody does */
	uint64_t found;       /* when FIND was last sent */
	uint64_t other_asked; /* since when the joiner of `other` is asked; 0: not */
	uint64_t inherits;    /* guarded: bytes that would come here if its owner were gone, by his last word */
};

enum change_kind {
	CHANGE_NONE,
	CHANGE_BACKUP, /* another backup, or none */
	CHANGE_MERGE,  /* two own arcs become one */
	CHANGE_SPLIT,  /* an own arc around one's own id becomes two */
	CHANGE_GIVE,   /* the views of a handover */
	CHANGE_UNDO,   /* the taker is out: the arc as it was */
	CHANGE_SHRINK, /* the near part goes to a node of the reference */
};

struct party {
	struct member m;
	bool stored;
	bool out;        /* fenced, or has no such view */
	uint64_t waited; /* since when its answer is awaited */
};

/* The one change this node is making (PROTOCOL.md section 5, rule 1). */
struct change {
	enum change_kind kind;
	struct view base[2]; /* what it starts from; name.number 0: unused */
	struct view made[2];
	unsigned made_count;
	struct member backup; /* CHANGE_BACKUP: the wanted one; memory 0: none */
	struct party party[PARTY_MAX];
	unsigned party_count;
	uint32_t conn;  /* of ours (its count), on which whoever is silent may be fenced */
	uint64_t doubt; /* since when everybody is asked, on a later one; 0: not */
	bool doubted;   /* a doubt has ended in silence: others may have come to the same */
	uint64_t found; /* when FIND was last sent */
	uint64_t sent;
};

enum fence_state { FENCE_FREE, FENCE_CONNECT, FENCE_RETRY, FENCE_TRIP, FENCE_DONE };

struct fence {
	enum fence_state state;
	bool roll; /* wanted by the roll, whose fences count for nothing else: it is done when all of them are */
	struct member m;
	uint64_t seq;  /* of the TRIP */
	uint64_t when; /* of the last step */
};

/* Of the round trips that tell whether one's own line delivers while others are silent. */
struct line {
	bool wanted;     /* somebody is waited for, in this step */
	uint64_t seq;    /* of the TRIP that is awaited; 0: none is */
	uint64_t sent;   /* when that went */
	uint64_t said;   /* when the last one did, for the first time or again */
	uint64_t proved; /* when the last that came back had gone */
	uint64_t usual;  /* ms that one takes */
};

struct seek {
	bool active;
	unsigned count;    /* attempts whose own echo is back */
	bool echoed;       /* the last one's is */
	bool heard;        /* one's is, on this connection */
	uint64_t last;     /* when the last was made */
	unsigned interval; /* until the next */
	uint64_t next;     /* not before this */
	uint64_t since;    /* the last sign of a ring */
	bool told;         /* in the log, that it is waited for */
	enum { SEEK_ASK, SEEK_STATUSES, SEEK_FENCES, SEEK_PROPOSED } stage;
	uint64_t refused_until; /* it founds none before, for that reason; it goes on asking */
	uint64_t trip;
	uint64_t stage_since;
	uint64_t beside; /* since when a status stands under the id of who admits as a reference does; 0: none */
};

#define ROLL_MAX 4096

struct roll_name {
	struct member m;
	bool gone;  /* by somebody's word: there is nothing to fence */
	bool heard; /* it is there, and does not claim what is to be taken */
};

struct roll {
	enum {
		ROLL_CLOSED,
		ROLL_FOUNDING,
		ROLL_LIST,
		ROLL_VOID,
		ROLL_FENCE
	} stage;        /* open: every status is subscribed */
	struct arc arc; /* what is to be taken; not at a founding */
	bool present;   /* somebody is in a ring, by his own status */
	bool too_many;  /* more than can be listed */
	bool denied;    /* the statuses may not be read */
	bool foreign;   /* one of them is of another major version */
	struct roll_name *names;
	size_t count, next;
	uint64_t trip;
	bool back;      /* the round trip is */
	uint64_t find;  /* the number of its FIND */
	bool asked;     /* that is back */
	uint64_t since; /* when it was begun, less the time slept */
	uint64_t used;  /* when somebody last needed it */
};

struct held {
	struct held *next;
	enum topic_kind kind;
	uint32_t key;
	bool early; /* before the joiner of the reference is known to have subscribed */
	char user[TOPIC_USER_MAX + 1];
	size_t len;
	uint8_t payload[];
};

/* An arc that a view of ours covered once: so that "I hold no view of it" is never said of an arc that moved on. */
struct past {
	struct arc arc;
	struct view_name name, base;
};

struct waiting {
	struct member m;
	uint64_t when;
};

struct recent {
	uint32_t id;
	uint64_t memory;
	uint64_t when;
};

enum echo_kind { ECHO_INBOX, ECHO_RING, ECHO_FOUNDER, ECHO_NODE, ECHO_CUT, ECHO_ASK, ECHO_CELL, ECHO_KINDS };

struct echo {
	uint64_t asked; /* an empty word was said last; 0: others come by themselves */
	uint64_t since; /* the first word that is not back; 0: none is awaited */
	uint64_t next;  /* it is not said again before */
	unsigned said;
};

struct cell_list {
	struct cell *cells;
	size_t count;
};

/* The cells subscribed, on this connection. */
struct cells {
	struct arc arcs[ENTRY_MAX + 1]; /* which they were last worked out for */
	size_t arc_count;
	struct cell_list heard; /* granted, and not given back */
	struct cell_list asked; /* on its way; none: no request is */
	bool settled;           /* what those arcs need is heard, and nothing else */
	bool refused;           /* the broker has said no */
};

/* What is to be said to one client, at the end of the turn. */
struct answers {
	uint8_t client[OPERATION_CLIENT_LEN];
	char user[TOPIC_USER_MAX + 1];
	uint64_t base;
	bool owned; /* arc and token are there */
	struct arc arc;
	struct operation_token token;
	struct operation_result *results; /* their values, but for the last: NULL, in `values` one behind the other */
	size_t count, room, bytes;
	uint8_t *values;
	size_t used, values_room;
};

/* What somebody wants to be told of. */
struct watched {
	struct watched_piece pieces[WATCHED_MAX];
	unsigned count;
	uint64_t stream, number; /* of this connection, 0: none yet; of the last frame in it */
	struct key_list changed; /* since the last frame */
};

#define ACCEPTED_MAX 8

/* What an operator has given up (recover.c). */
struct accepted {
	struct arc arc;
	uint64_t until; /* the word counts; 0: none */
};

/* What of it has been said (memory.c). */
struct memory {
	uint64_t empty; /* what an empty node counts */
	bool full;      /* writers have filled what they may */
	bool over;      /* it holds more than it may, */
	bool cramped;   /* ... or would if the node ahead of it were gone */
	uint64_t unfit; /* when it was last said that an arc is too large to begin with; 0: never */
};

struct told;
struct durable;
struct reference_peer;

/* Who said MERGE about what is not served here. */
struct offered {
	uint64_t memory, when; /* the last time */
	uint64_t parts;        /* in which 64ths of the ring */
	bool awaited;          /* an arc was taken since in which there is some of it, and nothing was heard of him */
};

struct node {
	struct node_config config;
	struct member self; /* conn: of the present connection, count 0 when there is none */
	uint64_t rng;
	uint64_t now;
	uint64_t fenced_at; /* when a fence of ours was last proven */
	uint64_t due;       /* the last deadline asked for */

	/* the connection */
	struct conn next_conn;
	bool connected;
	unsigned subscribed; /* bits of base_topics granted */
	bool tripped;        /* the first round trip on it is done: the register has been seen */
	uint64_t trip;       /* its number */
	uint64_t trip_sent;
	bool announced;        /* our status of it has come back: nothing stands there that voids what we own */
	bool restate;          /* something else stands there */
	bool told;             /* a status of ours was ever published */
	uint64_t announced_at; /* when it was last published */
	bool proving;          /* our ring has been put back into the register: its echo is awaited */
	uint64_t connected_at;
	uint64_t heard_at; /* anything */
	uint64_t away;     /* when it was noticed that nothing had been for long; 0: settled since */
	uint64_t trips;    /* numbers used */
	struct line line;
	char identity_client[CONN_TEXT];
	char identity_topic[TOPIC_MAX];
	uint8_t *identity_will;

	/* the ring */
	struct ring_id ring;
	struct ring_id seen; /* the register's value */
	struct member seen_by;
	uint64_t repair_at;   /* the register is to be set right then; NEVER */
	uint64_t register_at; /* when it was last read again; 0: never */
	struct seek seek;
	struct roll roll;
	uint64_t denied_at;                          /* when it was last said that the statuses may not be read */
	struct entry entries[ENTRY_MAX], *entry_end; /* no used one from there on: mostly there are two */
	struct change change;
	struct give give;
	struct take take;
	unsigned slow_times; /* offers in a row that found no answer */
	uint64_t foreign;    /* the major version of the ring that is registered, if not ours; 0: it is, or none is */
	uint64_t foreign_said;
	bool foreign_heard;  /* that was said, and not read in the register */
	uint64_t later_at;   /* when somebody of a later major version spoke on `ring` */
	struct member older; /* speaks an earlier version, so it takes nothing from us; */
	uint64_t older_at;   /* when that was found, and when it was last said */
	uint64_t older_said;
	struct {
		uint64_t attempt;
		struct member from;
		struct view views[2];
		uint8_t view_count;
	} last_taken; /* ACTIVE is said again when the giver has missed it */
	struct past past[PAST_MAX];
	unsigned past_next;
	struct fence fences[FENCE_MAX], *fence_end; /* no used one from there on: mostly there are none */
	struct waiting waiting[WAITING_MAX];
	unsigned waiting_count;
	struct recent recent[RECENT_MAX];
	unsigned recent_next;
	struct member candidate; /* who NOTIFYed as my successor */
	uint64_t candidate_at, candidate_number;
	uint32_t candidate_minor;
	struct member twin; /* says NOTIFY under our backup's id; since when, and when last */
	uint64_t twin_since, twin_heard;
	uint32_t heir_lo;      /* where its own arc begins */
	struct member heir;    /* the owner behind an arc of mine that is not in its place */
	uint64_t notify_at;    /* when to NOTIFY my predecessor next */
	uint64_t notify_since; /* since when it does not answer; 0 */
	uint64_t hole_since;   /* since when everybody is asked about the hole behind me; 0 */
	uint64_t hole_sent;
	uint32_t hole_near;   /* nearest member known behind the hole */
	uint64_t finds;       /* FINDs said: each has its number */
	uint64_t find_echo;   /* when that was: only then is silence an answer */
	uint64_t alone_since; /* no arc of mine ends here, and nobody owns one that does end at itself; 0: not so */
	uint64_t alone_sent;
	uint32_t alone_near; /* the end of the nearest arc behind me */
	bool hole_answered;
	uint32_t watched[WATCH_MAX];
	unsigned watched_count;
	uint64_t attempts;  /* numbers used */
	uint64_t number;    /* greatest view number known */
	uint64_t counter;   /* of versions */
	uint32_t shrink_to; /* where a shrunk arc begins */
	uint64_t busy_at;   /* when one of ours last answered our HELLO */
	uint64_t retry_at;  /* a refused or failed change is not begun again before */

	/* records and operations */
	struct store *store;
	struct once *once;
	uint64_t written; /* changes of what is owned, so far */
	struct follower followers[FOLLOWERS_MAX], *follower_end;
	struct keepers keepers;
	struct scrub scrub;
	struct damaged damaged[DAMAGED_MAX];
	struct store *copied;   /* records of others */
	struct store *replaced; /* ... as former owners told them, until the present one has (copy.c) */
	struct once *copied_once;
	struct once_share *told_rows; /* of one frame, while it is written or read */
	struct copy copies[COPIES_MAX];
	struct left left[LEFT_MAX];
	unsigned left_next;
	struct stream streams[STREAMS_MAX];
	unsigned stream_next;
	struct filled filled[FILLED_MAX];
	unsigned filled_next;
	struct told *told_first, **told_last; /* to clients, once it is safe to say */
	size_t told_bytes;
	struct cells cells;
	struct answers answers[ANSWERS_MAX];
	size_t answering;   /* answers in them */
	size_t asked_bytes; /* of what was asked since they were last said, and copies told */
	struct watched watch;
	uint64_t listed;    /* records looked at for listings, less what was worked off */
	uint64_t listed_at; /* by then: the last listing */
	bool listing;       /* since then something may be kept in order for the next */
	struct held *held_first, **held_last;
	size_t held_bytes;
	bool recheck; /* ownership may have changed: look at what is held */
	bool backlog; /* of what is held some is to be answered, once the transport has drained */
	enum frame_reason
		refused; /* the id or name is somebody else's, or the ring's version later: only to merge the records (section 8) and go */
	unsigned refused_times; /* in a row, and asked again after each */
	uint64_t merged_at;     /* when somebody last took records of ours, or we began to wait for it */
	uint64_t merge_asked;   /* when somebody last asked about an arc of which some lie here; a leaver's; 0: never */
	struct offered offered[OFFERED_MAX];
	bool stash;                /* records may lie here that belong to others */
	bool names_stay;           /* ... names of an arc that a node of the reference has taken */
	unsigned merge_tries;      /* offered in vain so often in a row */
	struct ring_id stash_ring; /* the last ring that was given up: theirs */
	size_t merging;            /* records of the last burst that are not answered */
	uint64_t stash_at;
	uint32_t merge_at;     /* the first id of the part with which the next burst begins */
	uint32_t merge_rounds; /* how often all ids have been gone through; at any time, and when we began to leave */
	uint32_t merge_stopped;

	/* life */
	enum node_state state;
	uint64_t state_since;
	bool been_active;
	bool stopping, leave_said, exiting;
	uint64_t in_since;            /* when its search last came to its end */
	struct member rivals[RIVALS]; /* the last that have asked for admission under our name */
	unsigned rival_next;
	struct conn asked_on[2]; /* of ours, on which we have asked for it last */
	int exit_code;
	uint64_t leave_since;
	unsigned leave_acks;
	uint32_t left_successor, left_predecessor;
	uint64_t drop_window; /* rate limit of complaints about strangers' input */
	unsigned drop_count, drop_hidden;
	struct durable *durable; /* NULL: nothing is kept */
	bool disk_full;
	struct memory memory;
	struct accepted accepted[ACCEPTED_MAX];
	struct reference_peer *reference;
	struct echo echo[ECHO_KINDS];

	/* out */
	size_t step_bytes; /* published in this step */
	bool full;         /* more than a burst in one step: streams wait for EVENT_DRAINED */
	struct effect *effects;
	size_t effect_count, effect_room;
	void **owned;
	size_t owned_count, owned_room;
	struct frame_room *room;
	struct operation_room *operations;
};

#endif
