/* What is kept on a disk besides records and rows: one description of each item, by which it is written and read. What is
 * missing here is missing on purpose: it counts on one connection alone, or is asked for again. */
#include <string.h>

#include "core.h"
#include "durable.h"

const char *const durable_keys[DURABLE_ITEMS] = {
	[ITEM_LIFE] = "life",       [ITEM_RESERVED] = "reserved",
	[ITEM_ENTRIES] = "entries", [ITEM_CHANGE] = "change",
	[ITEM_PAST] = "past",       [ITEM_HANDOVER] = "handover",
	[ITEM_COPIES] = "copies",   [ITEM_KEPT] = "kept",
	[ITEM_HORIZON] = "horizon", [ITEM_COPIED_HORIZON] = "horizon-copied",
};

/* ---- pieces ---- */

static void code_uint(struct codec *c, uint64_t *v)
{
	if (!c->reading)
		wire_put_uint(&c->w, *v);
	else if (!c->bad)
		c->bad = !wire_take_uint(&c->r, UINT64_MAX, v);
}

static void code_u32(struct codec *c, uint32_t *v)
{
	uint64_t wide = *v;

	code_uint(c, &wide);
	c->bad |= wide > UINT32_MAX;
	*v = (uint32_t)wide;
}

/* A count, or a value of an enumeration, of at most that. */
static unsigned code_small(struct codec *c, unsigned v, unsigned most)
{
	uint64_t wide = v;

	code_uint(c, &wide);
	c->bad |= wide > most;
	return c->bad ? 0 : (unsigned)wide;
}

static void code_bool(struct codec *c, bool *v)
{
	if (!c->reading)
		wire_put_bool(&c->w, *v);
	else if (!c->bad)
		c->bad = !wire_take_bool(&c->r, v);
}

static void code_arc(struct codec *c, struct arc *v)
{
	if (!c->reading)
		wire_put_arc(&c->w, v);
	else if (!c->bad)
		c->bad = !wire_take_arc(&c->r, v);
}

static void code_ring(struct codec *c, struct ring_id *v)
{
	if (!c->reading)
		wire_put_ring(&c->w, v);
	else if (!c->bad)
		c->bad = !wire_take_ring(&c->r, v);
}

static void code_conn(struct codec *c, struct conn *v)
{
	if (!c->reading)
		wire_put_conn(&c->w, v);
	else if (!c->bad)
		c->bad = !wire_take_conn(&c->r, v);
}

static void code_member(struct codec *c, struct member *v)
{
	if (!c->reading)
		wire_put_member(&c->w, v);
	else if (!c->bad)
		c->bad = !wire_take_member(&c->r, v);
}

static void code_view(struct codec *c, struct view *v)
{
	if (!c->reading)
		wire_put_view(&c->w, v);
	else if (!c->bad)
		c->bad = !wire_take_view(&c->r, v);
}

static void code_name(struct codec *c, struct view_name *v)
{
	code_uint(c, &v->number);
	code_u32(c, &v->maker);
}

static void code_arcs(struct codec *c, struct arcs *v)
{
	v->count = code_small(c, v->count, ARCS_MAX);
	for (unsigned i = 0; i < v->count; i++) {
		code_u32(c, &v->piece[i].first);
		code_u32(c, &v->piece[i].last);
	}
}

/* ---- items ---- */

static void code_life(struct node *n, struct codec *c)
{
	code_uint(c, &n->self.memory);
	code_ring(c, &n->ring);
	code_ring(c, &n->stash_ring);
	code_bool(c, &n->stash);
	code_bool(c, &n->names_stay);
	code_bool(c, &n->seek.active);
	code_bool(c, &n->told);
	code_bool(c, &n->been_active);
	code_uint(c, &n->number);
	code_uint(c, &n->last_taken.attempt);
	code_member(c, &n->last_taken.from);
	n->last_taken.view_count = (uint8_t)code_small(c, n->last_taken.view_count, 2);
	for (unsigned i = 0; i < n->last_taken.view_count; i++)
		code_view(c, &n->last_taken.views[i]);
}

static void code_reserved(struct node *n, struct codec *c)
{
	struct reserved *r = &n->durable->reserved;

	code_uint(c, &r->counter);
	code_uint(c, &r->attempts);
	code_uint(c, &r->finds);
	code_u32(c, &r->conns);
	code_uint(c, &r->wall);
}

static void code_entry(struct codec *c, struct entry *e)
{
	bool contested = e->contested != 0;

	code_bool(c, &e->mine);
	code_bool(c, &e->held);
	code_bool(c, &e->sealed);
	code_bool(c, &e->absent);
	code_bool(c, &e->voided);
	code_conn(c, &e->stands);
	code_view(c, &e->v);
	code_view(c, &e->prev);
	code_view(c, &e->other);
	code_member(c, &e->peer);
	code_u32(c, &e->minor);
	code_bool(c, &contested);
	e->used = true;
	if (c->reading)
		e->contested = contested; /* since when: restore.c */
}

static void code_entries(struct node *n, struct codec *c)
{
	unsigned count = 0;

	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		count += e->used;
	count = code_small(c, count, ENTRY_MAX);
	if (c->reading)
		n->entry_end = n->entries + count;
	for (struct entry *e = n->entries; e < n->entry_end; e++)
		if (c->reading || e->used)
			code_entry(c, e);
}

static void code_change(struct node *n, struct codec *c)
{
	struct change *h = &n->change;

	h->kind = (enum change_kind)code_small(c, h->kind, CHANGE_SHRINK);
	if (!h->kind)
		return;
	for (unsigned i = 0; i < 2; i++)
		code_view(c, &h->base[i]);
	h->made_count = code_small(c, h->made_count, 2);
	for (unsigned i = 0; i < h->made_count; i++)
		code_view(c, &h->made[i]);
	code_member(c, &h->backup);
	code_bool(c, &h->doubted);
	h->party_count = code_small(c, h->party_count, PARTY_MAX);
	for (unsigned i = 0; i < h->party_count; i++) {
		code_member(c, &h->party[i].m);
		code_bool(c, &h->party[i].out);
	}
}

static void code_past(struct node *n, struct codec *c)
{
	uint32_t next = n->past_next % PAST_MAX;

	code_u32(c, &next);
	n->past_next = c->bad ? 0 : next;
	for (struct past *p = n->past; p < n->past + PAST_MAX; p++) {
		bool used = p->name.number != 0;

		code_bool(c, &used);
		if (!used)
			continue;
		code_arc(c, &p->arc);
		code_name(c, &p->name);
		code_name(c, &p->base);
	}
}

static void code_give(struct codec *c, struct give *g)
{
	enum give_phase phase = g->phase >= GIVE_GRANTED ? g->phase : GIVE_NONE;

	phase = (enum give_phase)code_small(c, phase, GIVE_SEALED);
	if (c->reading)
		g->phase = phase;
	if (!phase)
		return;
	code_bool(c, &g->leave);
	code_uint(c, &g->attempt);
	code_member(c, &g->taker);
	code_arc(c, &g->arc);
	code_uint(c, &g->seq);
	code_uint(c, &g->count);
	code_uint(c, &g->hash);
}

static void code_take(struct codec *c, struct take *t)
{
	enum take_phase phase = t->phase == TAKE_STORED ? TAKE_STORED : TAKE_NONE;

	phase = (enum take_phase)code_small(c, phase, TAKE_STORED);
	if (c->reading)
		t->phase = phase;
	if (!phase)
		return;
	code_bool(c, &t->leave);
	code_bool(c, &t->cut);
	code_bool(c, &t->granted);
	code_uint(c, &t->attempt);
	code_member(c, &t->giver);
	code_arc(c, &t->arc);
	code_uint(c, &t->seq);
	code_uint(c, &t->grant_seq);
	code_uint(c, &t->grant_count);
	code_uint(c, &t->grant_hash);
	code_ring(c, &t->ring);
	code_bool(c, &t->reference_behind);
	code_u32(c, &t->minor);
	code_bool(c, &t->cleared);
	code_bool(c, &t->shared);
	t->view_count = (uint8_t)code_small(c, t->view_count, 2);
	for (unsigned i = 0; i < t->view_count; i++)
		code_view(c, &t->views[i]);
}

static void code_copy(struct codec *c, struct copy *o)
{
	/* What a turn has brought that is not all here comes again. */
	uint64_t seq = o->whole_seq;

	code_member(c, &o->owner);
	code_uint(c, &o->attempt);
	code_uint(c, &seq);
	code_uint(c, &o->counter);
	code_arcs(c, &o->arcs);
	code_bool(c, &o->filling);
	code_arc(c, &o->fill);
	code_bool(c, &o->broken);
	code_bool(c, &o->again);
	code_bool(c, &o->going);
	o->used = true;
	if (c->reading)
		o->seq = o->whole_seq = seq;
}

static void code_left(struct codec *c, struct left *l)
{
	code_name(c, &l->name);
	code_member(c, &l->owner);
	code_uint(c, &l->attempt);
	code_arcs(c, &l->arcs);
	code_bool(c, &l->asked);
}

static void code_copies(struct node *n, struct codec *c)
{
	for (struct copy *o = n->copies; o < n->copies + COPIES_MAX; o++) {
		bool used = o->used;

		code_bool(c, &used);
		if (used)
			code_copy(c, o);
	}
	for (struct left *l = n->left; l < n->left + LEFT_MAX; l++) {
		bool used = l->arcs.count != 0;

		code_bool(c, &used);
		if (used)
			code_left(c, l);
	}
	n->left_next = code_small(c, n->left_next, LEFT_MAX - 1);
	n->stream_next = code_small(c, n->stream_next % STREAMS_MAX, STREAMS_MAX - 1);
	for (struct stream *s = n->streams; s < n->streams + STREAMS_MAX; s++) {
		code_uint(c, &s->memory);
		code_uint(c, &s->attempt);
	}
}

static void code_kept(struct node *n, struct codec *c)
{
	struct durable *d = n->durable;

	if (!c->reading)
		d->kept_count = follow_kept(n, d->kept);
	d->kept_count = code_small(c, d->kept_count, FOLLOWERS_MAX);
	for (unsigned i = 0; i < d->kept_count; i++) {
		code_u32(c, &d->kept[i].m.id);
		code_uint(c, &d->kept[i].m.memory);
		code_uint(c, &d->kept[i].safe);
	}
}

static void code_horizon(struct once *o, struct codec *c)
{
	struct horizon h = *once_horizons(o);

	h.count = code_small(c, h.count, HORIZON_PIECES);
	for (unsigned i = 0; i < h.count; i++) {
		code_u32(c, &h.from[i]);
		code_uint(c, &h.version[i].number);
		code_uint(c, &h.version[i].counter);
	}
	c->bad |= h.count == 0 || h.from[0] != 0;
	if (c->reading && !c->bad)
		once_restore_horizon(o, &h);
}

void durable_code(struct node *n, enum durable_item item, struct codec *c)
{
	switch (item) {
	case ITEM_LIFE:
		code_life(n, c);
		break;
	case ITEM_RESERVED:
		code_reserved(n, c);
		break;
	case ITEM_ENTRIES:
		code_entries(n, c);
		break;
	case ITEM_CHANGE:
		code_change(n, c);
		break;
	case ITEM_PAST:
		code_past(n, c);
		break;
	case ITEM_HANDOVER:
		code_give(c, &n->give);
		code_take(c, &n->take);
		break;
	case ITEM_COPIES:
		code_copies(n, c);
		break;
	case ITEM_KEPT:
		code_kept(n, c);
		break;
	case ITEM_HORIZON:
		code_horizon(n->once, c);
		break;
	case ITEM_COPIED_HORIZON:
		code_horizon(n->copied_once, c);
		break;
	case DURABLE_ITEMS:
		break;
	}
}
