/* A node's life as a value and one function: an event and the time in, effects out.
 *
 * The core does no I/O, reads no clock and draws no random number that was not seeded from outside; it links with
 * nothing but the C library, uthash (header only) and the pure parts of common/.  The daemon's shell and the simulator
 * are two users of the same interface (common/PROTOCOL.md has the rules; this header only the plumbing).
 *
 * Ownership: what an event points at is borrowed for the call and copied if kept; effects and what they point at are
 * valid until the next call for the same node.  Memory that cannot be had ends the process. */
#ifndef DHT_NODE_H
#define DHT_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../common/frame.h"
#include "../../common/note.h"
#include "../../common/peer.h"
#include "../../common/topic.h"
#include "../../common/version.h"

struct node;
struct once_limits;

#define REPLICAS_MAX 5

/* Times are milliseconds.  node_config_init fills the defaults named here. */
struct node_config {
	uint32_t id;
	char name[NAME_MAX_LEN + 1]; /* "" = the id in decimal */
	char topic_prefix[TOPIC_PREFIX_MAX + 1];
	char software[32];
	uint64_t memory; /* this process's memory incarnation: random, not 0 */
	uint64_t seed;   /* of the core's own random numbers (jitter); never used where a stranger must not guess */
	uint64_t secret; /* keys the table of records, whose ids strangers choose; never told, and decides nothing */
	unsigned join_interval; /* 10: between attempts to join */
	unsigned join_attempts; /* 100: counted attempts before founding */
	unsigned resend;        /* 200: an unanswered frame is sent again */
	unsigned silence;       /* 1500: a party to a change that has not answered for so long is fenced */
	unsigned grace;         /* 2000: how long a node whose will was seen may come back with its records */
	unsigned ping;          /* 1500: between two looks at one's neighbours */
	unsigned recover;    /* 10000: how long an arc nobody answers for stays in doubt before it is served as empty */
	bool never;          /* ... or until an operator says RECOVER, as who is away may have what nobody else has */
	unsigned tombstone;  /* 3600000: how long a deletion is remembered against older copies of what it deleted */
	unsigned tombstones; /* 65536: ... and how many at most; the earliest go first */
	unsigned min_copies; /* 1: nothing is written while there are fewer; at most replicas */
	unsigned scrub;      /* 0: how often all copies of an arc are compared; 0: when a tool says so alone */
	unsigned replicas;   /* 2: who has what is written in an arc of ours, this node among them; 1 to REPLICAS_MAX */
	/* Each step tells what is to be kept (update.writes), and the process that comes after this one goes on with it. */
	bool durable;
	size_t burst; /* 8 MiB: whoever publishes more bytes than that in one step is told by EVENT_DRAINED when to go on */
	size_t held_max;     /* 16 MiB: operations held during a handover, in bytes */
	uint64_t max_memory; /* bytes that it may hold (memory.c), 0: no limit; writers may fill three quarters */
	const struct once_limits *once; /* NULL: those of once.h; tests take tighter ones; read by node_new only */
};
void node_config_init(struct node_config *config);

enum event_type {
	EVENT_START,        /* first event */
	EVENT_CONNECTED,    /* CONNACK 0 on the connection announced by node_identify */
	EVENT_DISCONNECTED, /* that connection is gone */
	EVENT_SUBSCRIBED,   /* the broker answered EFFECT_SUBSCRIBE (topic: its first filter; granted: all of them) */
	EVENT_MESSAGE,      /* a message (topic, payload, len, retained) */
	EVENT_FENCED,       /* the fence of EFFECT_FENCE has ended (conn, granted = fenced) */
	EVENT_DRAINED,      /* the transport's outbox has room again; follows each step of more than config.burst */
	EVENT_TURN,         /* all that had arrived has been told; asked for by update.turn */
	EVENT_TIMER,        /* the deadline of the last update has come */
	EVENT_STOP,         /* SIGTERM, SIGINT: leave in good order */
	EVENT_ROOM,         /* the disk is full, or has room again (granted) */
	EVENT_LIMIT,        /* config.max_memory is another from here on (limit) */
	EVENT_TYPES,
};

struct event {
	enum event_type type;
	uint64_t now;  /* monotonic, never goes back */
	uint64_t wall; /* the time of day, ms since any fixed moment; read by durable nodes only */
	const char *topic;
	const uint8_t *payload;
	size_t len;
	bool retained;
	bool granted;
	uint64_t limit;
	struct conn conn;
};

enum effect_type {
	EFFECT_SUBSCRIBE,   /* filters, in one packet; EVENT_SUBSCRIBED names the first */
	EFFECT_UNSUBSCRIBE, /* filters, in one packet */
	EFFECT_PUBLISH,     /* topic, payload, len, retain */
	EFFECT_FENCE, /* conn: connect once with this client id; EVENT_FENCED follows unless the connection is lost */
	EFFECT_LOG,   /* note, about, text */
	EFFECT_STATE, /* state: it has changed; READY=1 when first ACTIVE */
	EFFECT_PROGRESS, /* a handover advances, or records are offered, while starting or stopping: extend the time-out */
	EFFECT_EXIT,     /* code (sysexits), after everything published so far is written */
};

struct effect {
	enum effect_type type;
	const char *topic;
	const char *const *filters;
	size_t filter_count;
	const uint8_t *payload;
	size_t len;
	bool retain;
	struct conn conn;
	enum note_kind note;
	const struct about *about; /* never NULL */
	const char *text;
	enum node_state state;
	int code;
};

/* What a directory holds, space by space, in the order in which it is read back.  The names are for ever. */
enum node_space { SPACE_STATE, SPACE_RECORDS, SPACE_COPIES, SPACE_TAKEN, SPACE_ROWS, SPACE_COPIED_ROWS, SPACE_COUNT };
extern const char *const node_space_names[SPACE_COUNT];

struct node_write {
	enum node_space space;
	const uint8_t *key, *value;
	size_t key_len, len;
	bool remove;
};

struct update {
	/* To be kept, all or none of it, in the order of the steps; of several for one key the last counts. Whatever the
	 * effects of this step and of all later ones make leave the process (publish, subscribe, unsubscribe, fence, exit)
	 * leaves, in its order, when this is kept for good; not on another connection than was there at the step; and not at
	 * all if this process ends before.  Logs and states wait for nothing. */
	const struct node_write *writes;
	size_t write_count;
	const struct effect *effects;
	size_t count;
	bool turn;         /* something waits to be said with what is still to come: send EVENT_TURN soon */
	uint64_t deadline; /* send EVENT_TIMER at this time, unless another event comes first; UINT64_MAX: none */
};

struct node *node_new(const struct node_config *config);
void node_free(struct node *node);

/* The time of day (ms since 1970) that was noted last in what node_restore() has read, or since; a running node notes it once
 * a day at least.  0: never. */
uint64_t node_noted(const struct node *node);

/* Of a durable node, before its first event: all that its directory holds, by ascending space and key.  Of `at` now and wall
 * are read.  NULL, or what cannot be read; then the node is good for nothing. */
const char *node_restore(struct node *node, const struct event *at, enum node_space space, const uint8_t *key,
			 size_t key_len, const uint8_t *value, size_t len);
uint64_t node_memory(const struct node *node); /* the directory's, if there is one */

/* One event.  All effects must be carried out, in order, before the next event. */
void node_step(struct node *node, const struct event *event, struct update *update);

/* Who the next connection is: called before each attempt to connect, with fresh unguessable random bits.  The texts are
 * valid until the next call. */
struct node_identity {
	struct conn conn;
	const char *client_id;
	const char *will_topic; /* not to be retained: it would hide another process of that id */
	const uint8_t *will_payload;
	size_t will_len;
};
/* Of a durable node, no more often than this behind the last step whose writes are kept for good: what a step reserves. */
#define NODE_IDENTITIES 8
void node_identify(struct node *node, uint64_t nonce, struct node_identity *identity);

/* What the world may see, for judges and tests; valid until the next step. */
enum node_state node_get_state(const struct node *node);
/* True if the node would answer an operation on this id now. */
bool node_serves(const struct node *node, uint32_t id);
size_t node_record_count(const struct node *node);
size_t node_held_bytes(const struct node *node);    /* of operations held, bounded by held_max */
uint64_t node_memory_held(const struct node *node); /* bytes, as config.max_memory counts them */
bool node_has_room(const struct node *node);        /* its disk is not full, and writers have not filled its memory */
/* Clients whose writes it remembers no more, as there was no room. */
uint64_t node_forgotten(const struct node *node);
/* The newest version that it has of a key, owned or kept, a deletion among them; false: none. */
bool node_version(const struct node *node, const struct key *key, struct version *version);
/* What it is and has, in a sentence for people. */
void node_describe(const struct node *node, char *out, size_t size);
/* The value of a record it holds (served or not, and not what it keeps for others), NULL if none. */
const uint8_t *node_record(const struct node *node, const struct key *key, size_t *len);
/* The ring it belongs to; term 0: none yet. */
struct ring_id node_get_ring(const struct node *node);
/* Who keeps a copy of the arc in which it owns an id, or has lost the one that it kept; false: nobody. */
bool node_get_backup(const struct node *node, uint32_t id, struct member *backup, bool *lost);
/* Who else has all of the arc of the id, and is waited for: REPLICAS_MAX - 2 at most; returns how many. */
unsigned node_get_keepers(const struct node *node, uint32_t id, struct member *keepers);
/* By what a copy came. */
struct copy_stream {
	struct member owner;
	uint64_t attempt; /* tells it from earlier ones of that owner */
	uint64_t silence; /* ms, by the keeper's clock, since anything came */
};
/* Does it keep records for somebody by whose view it is not the backup, and of whose stream `except` does not say true? */
bool node_loose(const struct node *node, bool (*except)(void *arg, const struct copy_stream *by), void *arg);
/* Does it tell that one in that stream what is written in its arc? */
bool node_tells(const struct node *node, const struct member *keeper, uint64_t attempt);
/* Its arc (the union of what it owns), if it owns any. */
bool node_get_arc(const struct node *node, struct arc *arc);

#endif
