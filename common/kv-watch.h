/* Watching: what becomes of a key, of names that begin alike, or of everything (PROTOCOL.md section 11, "Watching").
 *
 * It asks whoever owns something to tell, and again every 20 s; it reads what they tell, and knows when something may
 * have been missed, and when not: while nodes join and leave in good order, who watches moves with the arcs, and nothing
 * is.  It may have been where a stream leaves out a number or gives way to another, where an owner's will came or the
 * owner doubted and is not there any more, where nobody answered, or the connection was lost.  That is told (as a gap)
 * when all is watched again, so that what is listed then is the whole truth.
 *
 * It hears all owners (ev/+ and node/+) also for one key: who subscribed its owner alone would miss what a new one says
 * until it has been asked.  Pure: who has a connection and a kv.h subscribes, begins what is to be asked, and hands in
 * what comes. */
#ifndef DHT_KV_WATCH_H
#define DHT_KV_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kv.h"
#include "watched.h"

struct kv_watch_config {
	char topic_prefix[TOPIC_PREFIX_MAX + 1];
	const struct key *key; /* copied; NULL: everything */
	const uint8_t *prefix; /* copied; of everything, only names that begin so */
	size_t prefix_len;
	unsigned again; /* 20000 ms: when it asks again */
	unsigned lapse; /* 60000 ms: so long an owner tells unasked */
};
void kv_watch_config_init(struct kv_watch_config *config);

struct kv_watch;
struct kv_watch *kv_watch_new(const struct kv_watch_config *config);
void kv_watch_free(struct kv_watch *w); /* NULL is fine */

/* What is to be subscribed, on each connection anew; and what became of it. */
#define KV_WATCH_FILTERS 2
const char *const *kv_watch_filters(const struct kv_watch *w);
void kv_watch_granted(struct kv_watch *w, uint64_t now);
void kv_watch_lost(struct kv_watch *w);

/* The operation to be begun now (borrowed until its answer); false: none is, before the deadline. */
bool kv_watch_ask(struct kv_watch *w, uint64_t now, struct operation *op);
uint64_t kv_watch_deadline(const struct kv_watch *w);
/* How it ended: the result (NULL but for KV_DONE), its owner and that one's arc (NULL: not told).  NULL, or what is wrong
 * with it (static), or that there was none: then it is asked again. */
const char *kv_watch_answer(struct kv_watch *w, uint64_t now, const struct operation_result *result, uint32_t owner,
			    const struct arc *arc);

/* A message that was not retained.  NULL, or why it was dropped (static); *count changes of what is watched, which live
 * until the next call. */
const char *kv_watch_message(struct kv_watch *w, const char *topic, const uint8_t *payload, size_t len,
			     const struct page_entry **changes, size_t *count);

/* Is all of it watched, by whoever owns it? */
bool kv_watch_whole(const struct kv_watch *w);
/* True once for each time that all is watched again, and something may have been missed. */
bool kv_watch_gap(struct kv_watch *w);

#endif
