#include "order.h"

#include <stdlib.h>
#include <string.h>

#include "../../common/mem.h"
#include "../../common/page.h"

bool order_behind(const struct key *position, const struct key *key)
{
	if (key->id != position->id)
		return key->id > position->id;
	return !position->name_len || page_before(position, key);
}

static bool before(const struct order_entry *a, const struct order_entry *b)
{
	struct key x, y;

	if (a->id != b->id)
		return a->id < b->id;
	x = order_key(a->record);
	y = order_key(b->record);
	return page_before(&x, &y);
}

/* ---- the smallest of many: a heap with the greatest of them on top ---- */

static void rise(struct order_entry *heap, size_t at, struct order_entry e)
{
	for (; at && before(&heap[(at - 1) / 2], &e); at = (at - 1) / 2)
		heap[at] = heap[(at - 1) / 2];
	heap[at] = e;
}

static void sink(struct order_entry *heap, size_t count, struct order_entry e)
{
	size_t at = 0;

	for (size_t child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && before(&heap[child], &heap[child + 1]))
			child++;
		if (!before(&e, &heap[child]))
			break;
		heap[at] = heap[child];
	}
	heap[at] = e;
}

void order_offer(struct order_pick *p, struct record *r)
{
	struct order_entry e = {order_key(r).id, r};

	if (p->count < p->most) {
		rise(p->entries, p->count++, e);
		return;
	}
	p->left = true;
	if (before(&e, &p->entries[0]))
		sink(p->entries, p->count, e);
}

void order_sort(struct order_pick *p)
{
	for (size_t left = p->count; left > 1; left--) {
		struct order_entry greatest = p->entries[0];

		sink(p->entries, left - 1, p->entries[left - 1]);
		p->entries[left - 1] = greatest;
	}
}

/* ---- what is kept ---- */

static void drop(struct order *o, unsigned i)
{
	key_free(&o->stretches[i].from);
	free(o->stretches[i].entries);
	o->stretches[i] = o->stretches[--o->count];
}

void order_forget(struct order *o)
{
	while (o->count)
		drop(o, o->count - 1);
}

static size_t first_behind(const struct stretch *s, const struct key *position)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct key key = order_key(s->entries[middle].record);

		if (order_behind(position, &key))
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Is a position at another or further? */
static bool not_ahead(const struct key *position, const struct key *than)
{
	if (position->id != than->id || !than->name_len)
		return position->id >= than->id;
	return position->name_len && !page_before(position, than);
}

struct stretch *order_find(struct order *o, const struct key *position, size_t *at)
{
	for (unsigned i = 0; i < o->count; i++) {
		struct stretch *s = &o->stretches[i];

		if (position->id > s->end || !not_ahead(position, &s->from))
			continue;
		*at = first_behind(s, position);
		if (*at == s->count && !s->whole)
			continue;
		s->used = ++o->uses;
		return s;
	}
	return NULL;
}

struct stretch *order_keep(struct order *o, const struct key *position, uint32_t end, const struct order_pick *p)
{
	unsigned oldest = 0;

	for (unsigned i = 1; i < o->count; i++)
		if (o->stretches[i].used < o->stretches[oldest].used)
			oldest = i;
	if (o->count == ORDER_STRETCHES)
		drop(o, oldest);
	o->stretches[o->count] = (struct stretch){.entries = p->entries,
						  .count = p->count,
						  .from = key_copy(position),
						  .end = end,
						  .whole = !p->left,
						  .used = ++o->uses};
	return &o->stretches[o->count++];
}

static size_t place_of(const struct stretch *s, const struct order_entry *e)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (before(&s->entries[middle], e))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void insert(struct stretch *s, const struct order_entry *e)
{
	size_t at = place_of(s, e);

	if (at == s->count && !s->whole)
		return;
	if (s->count == ORDER_KEPT) {
		s->whole = false;
		if (at == s->count)
			return;
		s->count--;
	}
	memmove(&s->entries[at + 1], &s->entries[at], (s->count - at) * sizeof(*s->entries));
	s->entries[at] = *e;
	s->count++;
}

void order_added(struct order *o, struct record *r)
{
	struct key key = order_key(r);

	for (unsigned i = 0; i < o->count; i++)
		if (key.id <= o->stretches[i].end && order_behind(&o->stretches[i].from, &key))
			insert(&o->stretches[i], &(struct order_entry){key.id, r});
}

void order_removed(struct order *o, struct record *r)
{
	struct key key = order_key(r);

	for (unsigned i = o->count; i-- > 0;) {
		struct stretch *s = &o->stretches[i];
		struct order_entry e = {key.id, r};
		size_t at = place_of(s, &e);

		if (key.id > s->end || at == s->count || s->entries[at].record != r)
			continue;
		memmove(&s->entries[at], &s->entries[at + 1], (--s->count - at) * sizeof(*s->entries));
		if (!s->count && !s->whole)
			drop(o, i); /* it reaches nowhere any more */
	}
}
