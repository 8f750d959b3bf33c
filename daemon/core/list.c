/* list and dump: a page of what there is in an arc, from a key on (PROTOCOL.md section 11).  A page costs a pass over the
 * part of the store in which it begins, or next to nothing where that is kept in order; where such passes would take more
 * than their share of the time it is not answered, and asked for again. */
#include <stdlib.h>
#include <string.h>

#include "../../common/page.h"
#include "core.h"

#define PARTS_MAX 64     /* looked at for one page: empty ones are many */
#define LOOK_PAGE 100000 /* records looked at, behind which a page goes into no further part */
#define LOOK_MOST 300000 /* records looked at in too short a time, behind which no page is begun */
#define LOOK_RATE 1500   /* of them that may be looked at in a millisecond: at 200 ns each, a third of it */
#define LISTED_FOR 5000  /* ms, behind which nobody is listing any more */

struct listing {
	struct node *n;
	const struct operation *op;
	struct store_range range;
	uint32_t last; /* id */
	struct store_item items[STORE_PART_MAX];
	struct page_entry entries[PAGE_ENTRIES];
	size_t count, bytes, looked;
	bool full, over;
	bool waits; /* for a record that is being fetched anew */
};

/* Whoever is told the page is told that it is absent. */
static void bury(struct node *n, const struct store_item *item)
{
	struct key key = key_copy(&item->key);
	struct store_item buried;

	(void)record_answered(n, &key, &buried);
	key_free(&key);
}

static void add(struct listing *l, const struct store_item *item)
{
	struct page_entry e = {.key = item->key, .version = item->version};

	if (item->expires)
		e.life = item->expires - l->n->now;
	e.damaged = l->op->kind == OPERATION_DUMP && !store_sound(item);
	if (l->op->kind == OPERATION_DUMP && !e.damaged) {
		e.value = item->value;
		e.value_len = item->len;
	}
	l->full = l->count == PAGE_ENTRIES || (l->count && l->bytes + page_entry_size(&e) > PAGE_BYTES);
	if (l->full)
		return;
	l->bytes += page_entry_size(&e);
	l->entries[l->count++] = e;
}

static void go_on_at(struct listing *l, uint32_t after)
{
	l->over = after == l->last;
	if (!l->over)
		l->range.from = key_number(after + 1);
}

/* The record may be buried ahead of the next pass. */
static void go_on_behind(struct listing *l, const struct key *key)
{
	if (!key->name_len) {
		go_on_at(l, key->id);
		return;
	}
	l->range.from = *key;
	l->range.from.name = out_own(l->n, xmemdup(key->name, key->name_len));
}

/* What is left of the part in which it goes on. */
static void part(struct listing *l)
{
	uint32_t end = store_part_end(l->range.from.id);
	size_t count, i;
	bool all;

	l->range.to = end < l->last ? end : l->last;
	count = store_part(l->n->store, &l->range, l->items, STORE_PART_MAX, &all, &l->looked);
	for (i = 0; i < count; i++) {
		const struct store_item *item = &l->items[i];

		if (item->expires && item->expires <= l->n->now)
			continue;
		l->waits = l->op->kind == OPERATION_DUMP && !store_sound(item) && !damage_lost(l->n, item);
		if (l->waits)
			break;
		add(l, item);
		if (l->full)
			break;
	}
	if (i == count && all)
		go_on_at(l, l->range.to);
	else if (i)
		go_on_behind(l, &l->items[i - 1].key);
	while (i-- > 0)
		if (l->items[i].expires && l->items[i].expires <= l->n->now)
			bury(l->n, &l->items[i]);
}

/* Records looked at count until the time that they may take has passed.  A page is begun while they are few: so the one that
 * takes the longest is answered too, and the next one waits for it. */
static bool may_look(struct node *n)
{
	uint64_t worked_off = (n->now - n->listed_at) * LOOK_RATE;

	n->listed = n->listed > worked_off ? n->listed - worked_off : 0;
	n->listed_at = n->now;
	return n->listed < LOOK_MOST;
}

/* To the end of the arc, or of the ids where that is in it: listings go upwards. */
void list_page(struct node *n, const struct entry *e, const struct operation *op, struct operation_result *r)
{
	struct page_next next;
	struct listing *l;
	size_t len;

	if (!may_look(n))
		return;
	l = xcalloc(1, sizeof(*l));
	l->n = n;
	l->op = op;
	l->last = e->v.arc.hi >= op->key.id ? e->v.arc.hi : UINT32_MAX;
	l->range = (struct store_range){.from = op->key, .prefix = op->value, .prefix_len = op->value_len};
	for (unsigned parts = 0; !l->full && !l->over && !l->waits && parts < PARTS_MAX && l->looked < LOOK_PAGE;
	     parts++)
		part(l);
	n->listed += l->looked;
	n->listing = true;
	if (l->waits && !l->count) {
		free(l);
		return; /* asked for again */
	}
	next = (struct page_next){.end = l->over, .key = l->range.from};
	r->status = ANSWER_DONE;
	r->version = (struct version){e->v.name.number, n->counter};
	r->has_version = true;
	r->value = out_own(n, page_encode(l->entries, l->count, &next, &len));
	r->value_len = len;
	free(l);
}

void list_tick(struct node *n, uint64_t *next)
{
	if (!n->listing)
		return;
	if (n->now - n->listed_at < LISTED_FOR) {
		soonest(next, n->listed_at + LISTED_FOR);
		return;
	}
	store_unlisted(n->store);
	n->listing = false;
}
