#include <stdlib.h>

#include "../../common/mem.h"
#include "once.h"

/* What a node at twice its bounds has (once.c, trim). */
#define ENTRIES_MAX (2 * ONCE_LIMITS.clients)
#define ROWS_MAX (2 * ONCE_LIMITS.rows)

struct once_share *once_share_new(struct arc arc)
{
	struct once_share *s = xcalloc(1, sizeof(*s));

	s->arc = arc;
	once_share_empty(s);
	return s;
}

void once_share_empty(struct once_share *s)
{
	horizon_init(&s->horizon, HORIZON_PIECES, HORIZON_UNKNOWN);
	horizon_init(&s->mark, HORIZON_PIECES, HORIZON_UNKNOWN);
	s->entry_count = s->row_count = 0;
}

void once_share_free(struct once_share *s)
{
	if (!s)
		return;
	free(s->entries);
	free(s->rows);
	free(s);
}

static void *room_for(void *items, uint32_t count, uint32_t *room, size_t size)
{
	if (count < *room)
		return items;
	*room = *room ? *room * 2 : 64;
	return xrealloc(items, *room * size);
}

bool once_share_entry(struct once_share *s, const struct once_entry *entry)
{
	if (s->entry_count == ENTRIES_MAX)
		return false;
	s->entries = room_for(s->entries, s->entry_count, &s->entry_room, sizeof(*s->entries));
	s->entries[s->entry_count++] = *entry;
	return true;
}

/* A number that a client can have open. */
static bool is_open(const struct once_entry *e, uint64_t number)
{
	return number && number >= e->first && number - e->first < ONCE_LIMITS.window;
}

bool once_share_row(struct once_share *s, const struct once_row *row)
{
	if (s->row_count == ROWS_MAX || row->entry >= s->entry_count || !ring_contains(s->arc, row->id) ||
	    !is_open(&s->entries[row->entry], row->number))
		return false;
	s->rows = room_for(s->rows, s->row_count, &s->row_room, sizeof(*s->rows));
	s->rows[s->row_count++] = *row;
	return true;
}

bool once_share_add(struct once_share *s, const struct once_share *other)
{
	uint32_t before = s->entry_count;

	for (uint32_t i = 0; i < other->entry_count; i++)
		if (!once_share_entry(s, &other->entries[i]))
			return false;
	for (uint32_t i = 0; i < other->row_count; i++) {
		struct once_row row = other->rows[i];

		row.entry += before;
		if (!once_share_row(s, &row))
			return false;
	}
	return true;
}
