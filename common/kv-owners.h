/* What a client has learnt of who owns what: the latest word for each id, from answers.  Of kv.c. */
#ifndef DHT_KV_OWNERS_H
#define DHT_KV_OWNERS_H

#include <stdint.h>

#include "operation.h"

#define KV_OWNERS_MAX 4096

struct kv_owner {
	struct arc arc;
	uint32_t id;
	struct operation_token token;
	uint64_t asked; /* the answer was to something first asked then */
};

/* Arcs that do not overlap, sorted by their ends. */
struct kv_owners {
	struct kv_owner *list;
	size_t count, room;
};

/* NULL: nobody has told. */
const struct kv_owner *kv_owners_find(const struct kv_owners *owners, uint32_t id);
/* In the place of all that overlaps with it; an older word of the same arc and owner changes nothing. */
void kv_owners_learn(struct kv_owners *owners, const struct kv_owner *owner);
/* Whoever was said to own that id. */
void kv_owners_forget(struct kv_owners *owners, uint32_t id);
void kv_owners_free(struct kv_owners *owners);

#endif
