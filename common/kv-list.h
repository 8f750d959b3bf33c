/* A listing: what there is in the ring, page by page, ascending by id, over all who own something (PROTOCOL.md
 * section 11, "Listing").
 *
 * It knows where the listing has got to, and no more: which operation asks for the next page, and what is behind the
 * page that came.  Whoever has a kv.h asks and waits, so that retries and moving arcs are no matter of this module.
 * What is there from before the first question until behind the last answer is listed once.  One page is asked for at a
 * time; the next may be asked for as soon as one has been taken, while its entries are still in use.  Pure. */
#ifndef DHT_KV_LIST_H
#define DHT_KV_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "operation.h"
#include "page.h"

struct kv_list;

/* With values or without; prefix (copied): only names that begin so; without one, numbers too. */
struct kv_list *kv_list_new(bool values, const uint8_t *prefix, size_t prefix_len);
void kv_list_free(struct kv_list *l); /* NULL is fine */

/* The operation that asks for the next page, borrowed until kv_list_take; false: the listing is at its end. */
bool kv_list_ask(const struct kv_list *l, struct operation *op);

/* ANSWER_DONE to that operation, and the arc of whoever said so (NULL: not told).  NULL, and the entries, which borrow
 * from the result's value and live until the next call; or why this is no such page (static): then the listing is where
 * it was. */
const char *kv_list_take(struct kv_list *l, const struct operation_result *result, const struct arc *arc,
			 const struct page_entry **entries, size_t *count);

#endif
