/* When records end: each table has its own in order, and the store its tables by what ends first in each.  So a table goes
 * whole, whatever ends in it. */
#include "store-inside.h"

static void record_moved(void *owner, uint32_t place)
{
	struct record *r = owner;
	struct mortal m = mortal_of(r);

	m.place = place;
	memcpy(r->value + r->len, &m, sizeof(m));
}

static void table_moved(void *owner, uint32_t place)
{
	((struct table *)owner)->place[MORTAL_RECORD] = place + 1;
}

static void table_of_graves_moved(void *owner, uint32_t place)
{
	((struct table *)owner)->place[MORTAL_GRAVE] = place + 1;
}

static enum mortal_kind kind_of(const struct record *r)
{
	return r->deleted ? MORTAL_GRAVE : MORTAL_RECORD;
}

void ends_init(struct store *s)
{
	s->mortal[MORTAL_RECORD].moved = table_moved;
	s->mortal[MORTAL_GRAVE].moved = table_of_graves_moved;
}

/* What ends first in it may be another now. */
static void place(struct store *s, struct table *t, enum mortal_kind kind)
{
	const struct heap *h = &t->mortal[kind];
	struct heap *tables = &s->mortal[kind];

	if (t->place[kind]) {
		if (h->count && tables->entries[t->place[kind] - 1].at == h->entries[0].at)
			return;
		heap_remove(tables, t->place[kind] - 1);
		t->place[kind] = 0;
	}
	if (h->count)
		heap_add(tables, h->entries[0].at, t);
}

void ends_add(struct store *s, struct record *r)
{
	enum mortal_kind kind = kind_of(r);
	struct table *t = &s->tables[table_of(r->id)];

	t->mortal[kind].moved = record_moved;
	heap_add(&t->mortal[kind], mortal_of(r).at, r);
	s->graves += kind == MORTAL_GRAVE;
	place(s, t, kind);
}

void ends_remove(struct store *s, const struct record *r)
{
	enum mortal_kind kind = kind_of(r);
	struct table *t = &s->tables[table_of(r->id)];

	heap_remove(&t->mortal[kind], mortal_of(r).place);
	s->graves -= kind == MORTAL_GRAVE;
	place(s, t, kind);
}

void ends_leave(struct store *s, struct table *t)
{
	for (enum mortal_kind kind = MORTAL_RECORD; kind < MORTAL_KINDS; kind++) {
		if (t->place[kind])
			heap_remove(&s->mortal[kind], t->place[kind] - 1);
		t->place[kind] = 0;
	}
	s->graves -= t->mortal[MORTAL_GRAVE].count;
}

void ends_come(struct store *s, struct table *t)
{
	for (enum mortal_kind kind = MORTAL_RECORD; kind < MORTAL_KINDS; kind++)
		place(s, t, kind);
	s->graves += t->mortal[MORTAL_GRAVE].count;
}

void ends_free(struct table *t)
{
	for (enum mortal_kind kind = MORTAL_RECORD; kind < MORTAL_KINDS; kind++)
		heap_free(&t->mortal[kind]);
}

struct record *ends_first(const struct store *s, enum mortal_kind kind)
{
	const struct heap *tables = &s->mortal[kind];
	const struct table *t = tables->count ? tables->entries[0].owner : NULL;

	return t ? t->mortal[kind].entries[0].owner : NULL;
}
