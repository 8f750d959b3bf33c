/* list and dump: a page of what there is in an arc, from a key on (PROTOCOL.md section 11).  Each part of the store is
 * looked at for itself, so that a page costs what a part holds, not what there is in all. */
#include <stdlib.h>
#include <string.h>

#include "../../common/page.h"
#include "core.h"

#define PARTS_MAX 64 /* looked at for one page: empty ones are many */

struct listing {
	const struct node *n;
	const struct operation *op;
	struct page_entry entries[PAGE_ENTRIES];
	size_t count, bytes;
	struct page_next next;
	bool full;
};

static int compare(const void *a, const void *b)
{
	const struct store_item *x = a, *y = b;

	return page_before(&y->key, &x->key) - page_before(&x->key, &y->key);
}

/* Behind the key that it is to begin at, alive, and what it was asked for. */
static bool wanted(const struct listing *l, const struct store_item *item)
{
	const struct operation *op = l->op;

	if (item->expires && item->expires <= l->n->now)
		return false;
	if (op->key.name_len && item->key.id == op->key.id && !page_before(&op->key, &item->key))
		return false;
	return !op->value_len ||
	       (item->key.name_len >= op->value_len && memcmp(item->key.name, op->value, op->value_len) == 0);
}

static void add(struct listing *l, const struct store_item *item)
{
	struct page_entry e = {.key = item->key, .version = item->version};

	if (item->expires)
		e.life = item->expires - l->n->now;
	if (l->op->kind == OPERATION_DUMP) {
		e.value = item->value;
		e.value_len = item->len;
	}
	l->full = l->count == PAGE_ENTRIES || (l->count && l->bytes + page_entry_size(&e) > PAGE_BYTES);
	if (l->full)
		return;
	l->bytes += page_entry_size(&e);
	l->entries[l->count++] = e;
}

/* Behind the last entry. */
static struct key behind(const struct key *last)
{
	return last->name_len ? *last : key_number(last->id + 1);
}

static void part(struct listing *l, uint32_t from, uint32_t to)
{
	size_t count;
	struct store_item *items = store_part(l->n->store, from, to, &count);

	if (count)
		qsort(items, count, sizeof(*items), compare);
	for (size_t i = 0; i < count && !l->full; i++)
		if (wanted(l, &items[i]))
			add(l, &items[i]);
	free(items);
}

/* To the end of the arc, or of the ids where that is in it: listings go upwards. */
void list_page(struct node *n, const struct entry *e, const struct operation *op, struct operation_result *r)
{
	struct listing *l = xcalloc(1, sizeof(*l));
	uint32_t from = op->key.id, last = e->v.arc.hi >= from ? e->v.arc.hi : UINT32_MAX;
	size_t len;

	l->n = n;
	l->op = op;
	for (unsigned parts = 0;; parts++) {
		uint32_t to = store_part_end(from) < last ? store_part_end(from) : last;

		if (l->full || parts == PARTS_MAX) {
			l->next.key = l->full ? behind(&l->entries[l->count - 1].key) : key_number(from);
			break;
		}
		part(l, from, to);
		if (!l->full && to == last) {
			l->next.end = true;
			break;
		}
		if (!l->full)
			from = to + 1;
	}
	r->status = ANSWER_DONE;
	r->version = (struct version){e->v.name.number, n->counter};
	r->has_version = true;
	r->value = out_own(n, page_encode(l->entries, l->count, &l->next, &len));
	r->value_len = len;
	free(l);
}
