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
	((struct ends *)owner)->place = place + 1;
}

static enum mortal_kind kind_of(const struct record *r)
{
	return r->deleted ? MORTAL_GRAVE : MORTAL_RECORD;
}

void ends_init(struct store *s)
{
	for (enum mortal_kind kind = MORTAL_RECORD; kind < MORTAL_KINDS; kind++)
		s->ends[kind].moved = table_moved;
}

static void leave(struct heap *tables, struct ends *e)
{
	if (e->place)
		heap_remove(tables, e->place - 1);
	e->place = 0;
}

/* What ends first in it may be another now. */
static void place(struct heap *tables, struct ends *e)
{
	uint64_t first = e->records.count ? e->records.entries[0].at : 0;

	if (e->place && e->records.count && tables->entries[e->place - 1].at == first)
		return;
	leave(tables, e);
	if (e->records.count)
		heap_add(tables, first, e);
}

void ends_add(struct store *s, struct record *r)
{
	enum mortal_kind kind = kind_of(r);
	struct ends *e = &s->tables[table_of(r->id)].ends[kind];

	e->records.moved = record_moved;
	heap_add(&e->records, mortal_of(r).at, r);
	s->graves += kind == MORTAL_GRAVE;
	place(&s->ends[kind], e);
}

void ends_remove(struct store *s, const struct record *r)
{
	enum mortal_kind kind = kind_of(r);
	struct ends *e = &s->tables[table_of(r->id)].ends[kind];

	heap_remove(&e->records, mortal_of(r).place);
	s->graves -= kind == MORTAL_GRAVE;
	place(&s->ends[kind], e);
}

void ends_leave(struct store *s, struct table *t)
{
	for (enum mortal_kind kind = MORTAL_RECORD; kind < MORTAL_KINDS; kind++)
		leave(&s->ends[kind], &t->ends[kind]);
	s->graves -= t->ends[MORTAL_GRAVE].records.count;
}

void ends_come(struct store *s, struct table *t)
{
	for (enum mortal_kind kind = MORTAL_RECORD; kind < MORTAL_KINDS; kind++)
		place(&s->ends[kind], &t->ends[kind]);
	s->graves += t->ends[MORTAL_GRAVE].records.count;
}

void ends_free(struct table *t)
{
	for (enum mortal_kind kind = MORTAL_RECORD; kind < MORTAL_KINDS; kind++)
		heap_free(&t->ends[kind].records);
}

struct record *ends_first(const struct store *s, enum mortal_kind kind)
{
	const struct heap *tables = &s->ends[kind];

	return tables->count ? ((const struct ends *)tables->entries[0].owner)->records.entries[0].owner : NULL;
}
