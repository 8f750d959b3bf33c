/* What travels between nodes, clients and the broker, and what happens when. */
#ifndef SIM_QUEUE_H
#define SIM_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../common/frame.h"

/* ---- what travels ---- */

enum packet_type {
	PACKET_CONNECT,
	PACKET_CONNACK,
	PACKET_SUBSCRIBE,
	PACKET_UNSUBSCRIBE,
	PACKET_SUBACK,
	PACKET_PUBLISH,
	PACKET_DISCONNECT,
	PACKET_CLOSED,  /* the end of a connection, as its owner sees it */
	PACKET_FENCE,   /* CONNECT of a fence, and its answer */
	PACKET_DRAINED, /* the outbox has room again */
};

struct packet {
	enum packet_type type;
	uint32_t refs;
	uint32_t topic; /* index, NONE */
	bool retain;
	bool granted;
	struct conn conn;
	uint32_t op;    /* of a client's operation: its index + 1 */
	uint32_t story; /* of a published one: its message's index + 1 */
	uint32_t from;  /* link of its publisher; NONE: the broker itself */
	uint64_t hash;
	size_t len;
	uint8_t bytes[];
};

struct packet *packet_new(enum packet_type type, uint32_t topic, const void *bytes, size_t len);
struct packet *packet_ref(struct packet *p);
void packet_unref(struct packet *p);
/* The type of the core's frame in it, not judged any further; FRAME_NONE: none. */
enum frame_type packet_frame(const struct packet *p);

/* ---- the queue ---- */

enum entry_type {
	ENTRY_BROKER,    /* link, packet: reaches the broker */
	ENTRY_DELIVER,   /* link, packet: reaches the owner of the connection */
	ENTRY_LINK_DEAD, /* link: the broker notices that it is dead */
	ENTRY_FENCE,     /* proc, link, packet: the CONNECT of a fence reaches the broker */
	ENTRY_FENCED,    /* proc, link, packet: its CONNACK, or the time-out */
	ENTRY_CONNECT,   /* proc or client: attempt to connect */
	ENTRY_TIMER,     /* proc, generation */
	ENTRY_RESUME,    /* proc: SIGCONT */
	ENTRY_START,     /* identity: a process starts */
	ENTRY_STOP,      /* identity: SIGTERM */
	ENTRY_BROKER_UP,
	ENTRY_FENCE_VAIN,   /* as ENTRY_FENCED, if the broker still hangs */
	ENTRY_CONNECT_VAIN, /* link: its owner gives the attempt up, if the broker still hangs */
	ENTRY_UNHANG,       /* the broker goes on, or is killed and away for so long (a) */
	ENTRY_WILL,         /* packet: a will that comes late */
	ENTRY_SUBACK,       /* link, packet: a SUBACK that comes late */
	ENTRY_SUBSCRIBE,    /* link, packet: a subscription that acts late */
	ENTRY_CLIENT,       /* client, generation: next operation or time-out */
	ENTRY_KV,           /* client, generation: one of ours wants to be woken */
	ENTRY_TURN,         /* proc: all that had arrived has been read */
	ENTRY_DISK,         /* proc, generation: a commit is done */
	ENTRY_ROOM,         /* proc: its disk has some again */
	ENTRY_UNLIMIT,      /* proc: its memory has no limit any more */
	ENTRY_DIES,         /* proc: amid a commit */
	ENTRY_FAULT,        /* fault kind */
	ENTRY_CHECK,        /* the quiet phase begins, or looks round */
	ENTRY_LOOK,         /* so does the first one */
	ENTRY_SWEEP,        /* the change begins whose steps are aimed at */
};

struct entry {
	uint64_t at;
	struct packet *packet;
	uint32_t a, b;
	uint32_t next; /* in its slot's list, NONE; or in the list of the free ones */
	enum entry_type type;
};

#define WHEEL_BITS 6 /* so that a level's slots are the bits of one word */
#define WHEEL_SLOTS (1u << WHEEL_BITS)
#define WHEEL_LEVELS 7 /* 2^42 us: fifty days */

/* What is not in the past, in the order of time and, within one time, of arrival. */
struct queue {
	struct entry *entries;
	size_t count, used, room; /* in the queue, ever, and allocated */
	uint32_t free;
	uint64_t now; /* of the last one popped */
	struct {
		uint32_t first, last;
	} slots[WHEEL_LEVELS][WHEEL_SLOTS]; /* only those taken hold anything */
	uint64_t taken[WHEEL_LEVELS];
	uint32_t levels; /* those with a slot taken */
};

void queue_push(struct queue *q, uint64_t at, enum entry_type type, uint32_t a, uint32_t b, struct packet *packet);
bool queue_pop(struct queue *q, struct entry *out);
void queue_free(struct queue *q);

#endif
