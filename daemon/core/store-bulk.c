/* Many records at once: a table that an arc holds all of goes in one step, whatever is in it (store.h). */
#include <stdlib.h>

#include "store-inside.h"

/* NOLINTBEGIN(clang-analyzer-unix.Malloc): that HASH_DEL takes a record out of the table is beyond the analyzer. */

static bool may_go_whole(const struct store *s, struct arc arc, unsigned table)
{
	return is_whole(arc, table) && !s->sum.on;
}

/* Its part of what is counted. */
static void table_counted(struct store *s, const struct table *t, bool in)
{
	size_t sign = in ? 1 : (size_t)-1;

	s->count += sign * HASH_COUNT(t->records);
	s->buried += sign * t->buried;
	s->bytes += sign * t->bytes;
	s->buried_bytes += sign * t->buried_bytes;
}

static void table_left(struct store *s, struct table *t)
{
	for (struct record *r = s->changed ? t->records : NULL; r; r = r->hh.next)
		store_tell(s, r);
	ends_leave(s, t);
	table_counted(s, t, false);
}

static void table_came(struct store *s, struct table *t)
{
	for (struct record *r = s->changed ? t->records : NULL; r; r = r->hh.next)
		store_tell(s, r);
	ends_come(s, t);
	table_counted(s, t, true);
}

/* ---- purged ---- */

/* Returns how many values there were. */
static size_t table_purge(struct store *s, unsigned table)
{
	struct table *t = &s->tables[table];
	struct record *first = t->records;
	size_t purged = HASH_COUNT(first) - t->buried;

	if (!first)
		return 0;
	table_left(s, t);
	s->dust_bytes += t->bytes;
	HASH_CLEAR(hh, t->records);
	ends_free(t);
	*t = (struct table){0};
	if (s->dust_count == s->dust_room) {
		s->dust_room = s->dust_room ? 2 * s->dust_room : 64;
		s->dust = xrealloc(s->dust, s->dust_room * sizeof(*s->dust)); /* NOLINT(bugprone-sizeof-expression) */
	}
	s->dust[s->dust_count++] = first;
	return purged;
}

bool store_sweep(struct store *s, size_t most)
{
	while (s->dust_count && most) {
		struct record *r = s->dust[s->dust_count - 1];

		for (; r && most; most--) {
			struct record *next = r->hh.next;

			s->dust_bytes -= bytes_of(r);
			free(r);
			r = next;
		}
		s->dust[s->dust_count - 1] = r;
		s->dust_count -= !r;
	}
	return !s->dust_count;
}

size_t store_purge(struct store *s, struct arc arc)
{
	size_t purged = 0;

	order_forget(&s->order); /* many at once: what is kept is made anew sooner */
	for (struct tables near = tables_near(arc); near.left; tables_next(&near)) {
		struct walk w = walk_table(s, near.table);

		if (may_go_whole(s, arc, near.table)) {
			purged += table_purge(s, near.table);
			continue;
		}
		for (struct record *r; (r = walk_next(&w)) != NULL;) {
			if (!ring_contains(arc, r->id))
				continue;
			purged += !r->deleted;
			store_take_out(s, r);
			free(r);
		}
	}
	return purged;
}

/* ---- moved ---- */

static void move_one(struct store *to, struct store *from, struct record *r)
{
	struct key key = key_of(r);
	struct record *old = store_find(to, &key);
	struct store_item one = item_of(r), other = old ? item_of(old) : one;

	store_take_out(from, r);
	if (old && !store_beats(&one, &other)) {
		free(r);
		return;
	}
	if (old) {
		store_take_out(to, old);
		free(old);
	}
	store_add(to, r);
}

static void table_move(struct store *to, struct store *from, unsigned table)
{
	struct table *t = &from->tables[table];

	if (!t->records)
		return;
	table_left(from, t);
	ends_free(&to->tables[table]); /* room, if it had something before */
	to->tables[table] = *t;
	*t = (struct table){0};
	table_came(to, &to->tables[table]);
}

size_t store_move(struct store *to, struct store *from, struct arc arc)
{
	size_t count = 0;

	order_forget(&to->order);
	order_forget(&from->order);
	for (struct tables near = tables_near(arc); near.left; tables_next(&near)) {
		unsigned table = near.table;
		struct walk w = walk_table(from, table);

		if (!to->tables[table].records && to->secret == from->secret && may_go_whole(from, arc, table) &&
		    !to->sum.on) {
			count += HASH_COUNT(from->tables[table].records);
			table_move(to, from, table);
			continue;
		}
		for (struct record *r; (r = walk_next(&w)) != NULL;) {
			if (!ring_contains(arc, r->id))
				continue;
			count++;
			move_one(to, from, r);
		}
	}
	return count;
}

void store_merge(struct store *to, struct store *from)
{
	(void)store_move(to, from, (struct arc){0, 0});
}

void store_demote(struct store *s)
{
	struct walk w = walk_all(s);

	for (struct record *r; (r = walk_next(&w)) != NULL;) {
		store_summed(s, r, false);
		r->version.number &= UINT32_MAX;
		store_summed(s, r, true);
		store_tell(s, r);
	}
}

/* NOLINTEND(clang-analyzer-unix.Malloc) */

/* ---- summed ---- */

void store_sum_begin(struct store *s, struct arc arc)
{
	s->sum = (struct store_sum){.on = true, .done = {arc.lo, arc.lo}};
}

void store_sum_on(struct store *s, uint32_t hi)
{
	struct arc piece = {s->sum.done.hi, hi};
	uint64_t count, hash;

	store_digest(s, piece, &count, &hash);
	s->sum.count += count;
	s->sum.hash += hash;
	s->sum.done.hi = hi;
	s->sum.begun = true;
}

void store_sum_end(struct store *s, uint64_t *count, uint64_t *hash)
{
	*count = s->sum.count;
	*hash = s->sum.hash;
	s->sum = (struct store_sum){.on = false};
}
