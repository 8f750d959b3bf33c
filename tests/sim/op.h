/* Clients, and what they ask for: the operations that the judges look at. */
#ifndef SIM_OP_H
#define SIM_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../common/kv.h"
#include "random.h"

#define OURS_ANSWERS_MAX 16

enum op_kind { OP_PUT, OP_GET, OP_DELETE, OP_CAS, OP_ADD };

/* An operation, by its places in the broker's order; 0 = not yet. */
struct op {
	enum op_kind kind;
	uint32_t client, key; /* key: index */
	uint64_t placed, answered;
	uint64_t sent_at, answered_at; /* virtual time */
	uint32_t value; /* PUT: its own index + 1; GET: index + 1 of the put whose value came back; 0 absent */
	bool excused;   /* issued while something was broken: it may stay unanswered */
	bool quiet;
	uint64_t number;              /* of a client of ours; 0: a reference's */
	struct version expected;      /* CAS; number 0: if there is no record */
	enum operation_status status; /* of ours: as answered */
	struct version version;
	int64_t amount;                  /* of a counter */
	uint64_t life;                   /* ms until what was put expires, 0: never */
	uint64_t placed_at;              /* virtual time */
	uint32_t moves;                  /* of its key, when it was answered */
	bool bears;                      /* it came with a token, once */
	bool ended;                      /* for its client */
	bool undone;                     /* ... who was told that nothing was done */
	uint64_t said[OURS_ANSWERS_MAX]; /* hashes of all that has been answered */
	unsigned said_count;
	uint32_t again;        /* PUT: the next one that says the same, byte for byte, index + 1 */
	struct version copied; /* PUT of a reference's: as copies of it were told by the node of that index last, */
	uint32_t copier;
};

struct client {
	uint32_t index, link;
	bool connected;
	unsigned subscribed;
	uint32_t op; /* in flight, NONE */
	uint32_t gen;
	unsigned left;  /* operations still to do */
	unsigned final; /* quiet phase: next key to look at */
	unsigned backoff;
	unsigned connections, turns; /* so far */
	struct kv *kv;               /* of ours; NULL: of the reference's */
	uint32_t *numbers;           /* its operations, by number - 1 */
	size_t number_count, number_room;
	uint64_t kv_at;
	uint32_t kv_gen;
	uint64_t expires; /* when what it put last there does; 0: nothing */
	unsigned expiring;
	struct rng rng;
};

#endif
