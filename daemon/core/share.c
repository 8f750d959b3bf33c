/* What is known of an arc's writes, on its way with it (PROTOCOL.md section 11, rule 6): the picture that once.h takes, as
 * the bytes of a RECORDS frame's `table`, CBOR:
 *
 *   table = [horizon, mark, clients, rows, watched]  each an array, of pieces, pieces, clients, rows and watched
 *   piece = [lo, hi, number, counter]
 *   client = [name, first, silent]          16 bytes, 2^64-1, bool
 *   row   = [client, id, number, number and counter of the version told, status, result]
 *           client: its place among all clients told; result: a signed number, or null
 *   watched = [lo, hi, milliseconds left]
 */
#include <stdlib.h>
#include <string.h>

#include "../../common/wire.h"
#include "core.h"

#define PIECES_MAX (HORIZON_PIECES + 1)
#define CLIENTS_AT_ONCE 512
#define ROWS_AT_ONCE 400

/* What they take at most. */
enum {
	PIECE_MAX = 1 + 5 + 5 + 9 + 9,
	CLIENT_MAX = 1 + 1 + ONCE_CLIENT + 9 + 1,
	ROW_MAX = 1 + 5 + 5 + 9 + 9 + 9 + 2 + 9,
	WATCHED_PIECE_MAX = 1 + 5 + 5 + 9,
	HEAD_MAX = 1 + 5 * 3,
	BEGIN_MAX = WATCHED_MAX * WATCHED_PIECE_MAX + 2 * PIECES_MAX * PIECE_MAX,
};

/* ---- writing ---- */

static void put_pieces(struct wire *w, const struct horizon *h, struct arc arc, bool some)
{
	struct horizon_piece pieces[PIECES_MAX];
	unsigned count = some ? horizon_pieces(h, arc, pieces) : 0;

	wire_put_array(w, count);
	for (unsigned i = 0; i < count; i++) {
		wire_put_array(w, 4);
		wire_put_uint(w, pieces[i].arc.lo);
		wire_put_uint(w, pieces[i].arc.hi);
		wire_put_uint(w, pieces[i].version.number);
		wire_put_uint(w, pieces[i].version.counter);
	}
}

static void put_clients(struct wire *w, const struct once_share *s, uint32_t from, uint32_t count)
{
	wire_put_array(w, count);
	for (uint32_t i = from; i < from + count; i++) {
		wire_put_array(w, 3);
		wire_put_bytes(w, s->entries[i].client, ONCE_CLIENT);
		wire_put_uint(w, s->entries[i].first);
		wire_put_bool(w, s->entries[i].silent);
	}
}

static void put_rows(struct wire *w, const struct once_share *s, uint32_t from, uint32_t count)
{
	wire_put_array(w, count);
	for (uint32_t i = from; i < from + count; i++) {
		const struct once_row *r = &s->rows[i];

		wire_put_array(w, 7);
		wire_put_uint(w, r->entry);
		wire_put_uint(w, r->id);
		wire_put_uint(w, r->number);
		wire_put_uint(w, r->answer.version.number);
		wire_put_uint(w, r->answer.version.counter);
		wire_put_uint(w, r->answer.status);
		if (r->answer.has_result)
			wire_put_int(w, r->answer.result);
		else
			wire_put_null(w);
	}
}

bool share_told(const struct once_share *s, const struct share_place *at)
{
	return at->begun && at->clients == s->entry_count && at->rows == s->row_count;
}

/* With what is left of their time. */
static void put_watched(struct wire *w, const struct node *n, struct arc arc, bool some)
{
	unsigned count = 0;

	for (unsigned i = 0; some && i < n->watch.count; i++)
		count += n->watch.pieces[i].until > n->now && arc_overlap(n->watch.pieces[i].arc, arc);
	wire_put_array(w, count);
	for (unsigned i = 0; some && i < n->watch.count; i++) {
		const struct watched_piece *p = &n->watch.pieces[i];

		if (p->until <= n->now || !arc_overlap(p->arc, arc))
			continue;
		wire_put_array(w, 3);
		wire_put_uint(w, p->arc.lo);
		wire_put_uint(w, p->arc.hi);
		wire_put_uint(w, p->until - n->now);
	}
}

uint8_t *share_encode(const struct node *n, const struct once_share *s, struct share_place *at, size_t *len)
{
	uint32_t clients = s->entry_count - at->clients, rows;
	struct wire w = {.size = HEAD_MAX};

	if (share_told(s, at))
		return NULL;
	clients = clients < CLIENTS_AT_ONCE ? clients : CLIENTS_AT_ONCE;
	/* All clients ahead of the rows that name them. */
	rows = at->clients + clients < s->entry_count ? 0 : s->row_count - at->rows;
	rows = rows < ROWS_AT_ONCE ? rows : ROWS_AT_ONCE;
	/* A turn's few rows are told thousands of times a second. */
	w.size += (at->begun ? 0 : (size_t)BEGIN_MAX) + (size_t)clients * CLIENT_MAX + (size_t)rows * ROW_MAX;
	w.p = xmalloc(w.size);
	wire_put_array(&w, 5);
	put_pieces(&w, &s->horizon, s->arc, !at->begun);
	put_pieces(&w, &s->mark, s->arc, !at->begun);
	put_clients(&w, s, at->clients, clients);
	put_rows(&w, s, at->rows, rows);
	put_watched(&w, n, s->arc, !at->begun);
	at->begun = true;
	at->clients += clients;
	at->rows += rows;
	*len = w.used;
	return w.p;
}

/* ---- reading ---- */

static bool take_pieces(struct cursor *c, struct horizon *h)
{
	size_t count;

	if (!wire_take_array(c, PIECES_MAX, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		struct version v;
		struct arc arc;

		if (!wire_take_tuple(c, 4) || !wire_take_u32(c, &arc.lo) || !wire_take_u32(c, &arc.hi) ||
		    !wire_take_uint(c, UINT64_MAX, &v.number) || !wire_take_uint(c, UINT64_MAX, &v.counter))
			return false;
		horizon_set(h, arc, v);
	}
	return true;
}

static bool take_clients(struct cursor *c, struct once_share *s)
{
	size_t count;

	if (!wire_take_array(c, CLIENTS_AT_ONCE, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		struct once_entry e = {.first = 0};
		const uint8_t *name;
		size_t len;

		if (!wire_take_tuple(c, 3) || !wire_take_bytes(c, &name, &len) ||
		    !wire_take_uint(c, UINT64_MAX, &e.first) || !wire_take_bool(c, &e.silent))
			return false;
		if (len != ONCE_CLIENT)
			return cursor_fail(c, "a client's name of another length");
		memcpy(e.client, name, ONCE_CLIENT);
		if (!once_share_entry(s, &e))
			return cursor_fail(c, "too many clients");
	}
	return true;
}

static bool take_result(struct cursor *c, struct once_answer *a)
{
	if (wire_take_null(c))
		return true;
	a->has_result = true;
	return wire_take_int(c, &a->result);
}

/* What a write that was executed can have been answered (operate.c); the rest is said of those that were not. */
static bool can_be(const struct once_answer *a)
{
	switch (a->status) {
	case ANSWER_DONE:
		return a->version.number; /* its own */
	case ANSWER_ABSENT:
		return !a->version.number && !a->version.counter && !a->has_result;
	case ANSWER_FAILED:
	case ANSWER_WRONG:
	case ANSWER_FULL:
	case ANSWER_DAMAGED:
	case ANSWER_FEW:
		return !a->has_result;
	default:
		return false;
	}
}

static bool take_rows(struct cursor *c, struct once_share *s)
{
	size_t count;

	if (!wire_take_array(c, ROWS_AT_ONCE, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		struct once_row r = {.id = 0};
		uint64_t status = 0;

		if (!wire_take_tuple(c, 7) || !wire_take_u32(c, &r.entry) || !wire_take_u32(c, &r.id) ||
		    !wire_take_uint(c, UINT64_MAX, &r.number) ||
		    !wire_take_uint(c, UINT64_MAX, &r.answer.version.number) ||
		    !wire_take_uint(c, UINT64_MAX, &r.answer.version.counter) ||
		    !wire_take_uint(c, ANSWER_STATUSES - 1, &status) || !take_result(c, &r.answer))
			return false;
		r.answer.status = (uint8_t)status;
		if (!can_be(&r.answer))
			return cursor_fail(c, "a row of what no write is answered");
		if (!once_share_row(s, &r))
			return cursor_fail(c, "too many rows, or one that its client cannot have");
	}
	return true;
}

static bool take_watched(struct cursor *c, struct watched_piece *watched, unsigned *told)
{
	size_t count;

	if (!wire_take_array(c, WATCHED_MAX - *told, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		struct watched_piece *p = &watched[(*told)++];

		if (!wire_take_tuple(c, 3) || !wire_take_u32(c, &p->arc.lo) || !wire_take_u32(c, &p->arc.hi) ||
		    !wire_take_uint(c, UINT64_MAX, &p->until))
			return false;
	}
	return true;
}

const char *share_decode(struct once_share *s, struct watched_piece watched[WATCHED_MAX], unsigned *told,
			 const uint8_t *bytes, size_t len)
{
	struct cursor c = {bytes, bytes + len, NULL};

	if (!wire_take_tuple(&c, 5) || !take_pieces(&c, &s->horizon) || !take_pieces(&c, &s->mark) ||
	    !take_clients(&c, s) || !take_rows(&c, s) || !take_watched(&c, watched, told))
		return c.error;
	return c.p == c.end ? NULL : "bytes behind the table";
}
