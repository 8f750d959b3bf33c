/* What kv.c, which keeps the operations that are open, and kv-send.c, which makes frames of them, share. */
#ifndef DHT_KV_INTERNAL_H
#define DHT_KV_INTERNAL_H

#include "kv-owners.h"
#include "kv.h"

#define KV_NEVER UINT64_MAX
#define KV_BUCKETS_LOG 13 /* as many as may be open */
#define KV_GROUPS_MAX 64  /* frames filled at once */

/* An operation that has not ended. */
struct open_op {
	struct operation op; /* its name and value are ours */
	uint64_t number;
	uint64_t until;
	uint64_t first_sent, next; /* 0: never; when it goes out (again), NEVER: it waits to be sent now */
	unsigned pause;            /* the next one; and the present, with its jitter */
	unsigned wait;
	struct operation_token token;      /* number 0: none yet */
	uint64_t token_at;                 /* when it was asked for, or came in answer to this one */
	bool bore;                         /* it has been sent with it, and keeps it */
	bool by_cell;                      /* the owner that was known has moved, or says nothing */
	bool waits;                        /* for what is ahead of it */
	struct open_op *prev, *next_of_id; /* the open ones of its id, as utlist.h has it */
	struct open_op *other;             /* of the first of these: the first of another id, in the same bucket */
};

/* Operations that go out together. */
struct group {
	bool to_owner;
	uint32_t to;                  /* the owner, or any id of the cell */
	struct operation_token token; /* of its writes; reads need none */
	bool writes;
	size_t bytes, count;
	struct open_op *ops[OPERATION_COUNT_MAX];
};

struct kv {
	struct kv_config config;
	char topic[TOPIC_MAX];
	uint64_t rng;
	bool connected, ready;
	uint64_t first, following; /* the lowest open number; the next to be given */
	size_t count;              /* open */
	size_t written;            /* writes begun since owners were last told that no answer is wanted again */
	struct open_op **open;     /* by number, modulo KV_OPEN_MAX */
	struct open_op **buckets;  /* of ids: the first operations of those that have any */
	uint64_t *due;             /* numbers to be sent now, in order */
	size_t due_count, due_room;
	uint64_t due_at;   /* when to look at them; 0: now */
	uint64_t cells_at; /* when CELLS_MAX more may go by their cells */
	unsigned cells;    /* frames that went to them meanwhile, less two for each answer */
	uint64_t delay;    /* of answers, in eighths of a millisecond: an average of the latest */
	uint64_t busy_at;  /* when the line last was */
	size_t allowed;    /* bytes that may go out now */
	uint64_t look_at;  /* when retries and time-outs are to be looked for */
	struct kv_owners owners;
	struct group *groups;
	size_t group_count;
	struct operation_room room;

	struct kv_effect *effects;
	size_t effect_count, effect_room;
	void **owned;
	size_t owned_count, owned_room;
};

/* ---- kv.c ---- */
void *kv_own(struct kv *kv, void *p); /* freed at the next call from outside */
struct kv_effect *kv_effect_new(struct kv *kv, enum kv_effect_type type);
struct open_op *kv_open_at(const struct kv *kv, uint64_t number); /* NULL: it has ended */
uint32_t kv_random_below(struct kv *kv, uint32_t below);

/* ---- kv-send.c ---- */
void kv_send_due(struct kv *kv, uint64_t now); /* all that may go out now */
void kv_send_leave(struct kv *kv);             /* to each owner: all numbers so far are done with */

#endif
