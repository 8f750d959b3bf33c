/* What is not served here as somebody is waited for, and an operator's word that he is not to be (PROTOCOL.md section 7, With
 * a disk, 8). */
#include "core.h"

/* How long a word counts: whatever follows from it (a roll, a fence, the next doubt about the same arc) takes less. */
#define COUNTS(n) (2 * (uint64_t)(n)->config.recover)

struct doubts {
	struct frame_doubt *out;
	unsigned count;
};

static void add(struct doubts *d, struct arc arc, struct view_name name, const uint32_t *waits, bool copy)
{
	if (d->count < FRAME_DOUBTS_MAX)
		d->out[d->count++] = (struct frame_doubt){.arc = arc,
							  .name = name,
							  .waits = waits ? *waits : 0,
							  .waits_known = waits != NULL,
							  .copy = copy};
}

static void of_entry(struct node *n, struct entry *e, struct doubts *d)
{
	bool copy = e->mine || entry_unserved(n, e) || copy_whole(n, e);
	bool silent = e->other_asked && n->now - e->other_asked >= n->config.silence;

	if (e->doubt || (!e->mine && e->held && entry_out(n, e) && entry_waits(n, e)))
		add(d, e->v.arc, e->v.name, &e->peer.id, copy);
	else if (e->orphan) /* nobody says whether its view holds */
		add(d, e->v.arc, e->v.name, e->peer.memory && !e->confirmed ? &e->peer.id : NULL, copy);
	else if (!e->mine && silent)
		add(d, e->v.arc, e->v.name, &e->other.owner.id, copy);
}

static void of_change(struct node *n, struct doubts *d)
{
	const struct change *c = &n->change;
	const uint32_t *waits = NULL;

	if (!c->kind || !c->doubt)
		return;
	for (unsigned i = 0; i < c->party_count && !waits; i++)
		if (!c->party[i].stored && !c->party[i].out)
			waits = &c->party[i].m.id;
	add(d, change_arc(c), c->base[0].name, waits, true);
}

static struct view_name ring_name(const struct ring_id *ring)
{
	return (struct view_name){(uint64_t)ring->term << 32, (uint32_t)ring->nonce};
}

static void of_holes(struct node *n, struct doubts *d)
{
	const struct entry *e = entry_main(n);

	if (e && n->hole_since && n->hole_sent)
		add(d, (struct arc){n->hole_near, e->v.arc.lo}, e->v.name, &e->v.arc.lo, false);
	if (n->alone_since && n->alone_sent)
		add(d, (struct arc){n->alone_near, n->self.id}, ring_name(&n->ring), NULL, false);
}

/* Without an arc: for the giver of one, or for a whole ring. */
static void of_seeker(struct node *n, struct doubts *d)
{
	const struct take *t = &n->take;

	if (t->phase == TAKE_STORED && t->view_count && n->now - t->progress >= 2 * (uint64_t)n->config.silence)
		add(d, t->arc, t->views[0].name, &t->giver.id, true);
	if (n->seek.active && n->seek.told)
		add(d, (struct arc){0, 0}, ring_name(&n->seen), NULL, false);
}

unsigned recover_doubts(struct node *n, struct frame_doubt out[FRAME_DOUBTS_MAX])
{
	struct doubts d = {.out = out};

	if (!node_ready(n))
		return 0;
	for (struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used)
			of_entry(n, e, &d);
	of_change(n, &d);
	of_holes(n, &d);
	of_seeker(n, &d);
	return d.count;
}

static void accept(struct node *n, struct arc arc)
{
	struct accepted *oldest = n->accepted;
	char text[24];

	for (struct accepted *a = n->accepted; a < n->accepted + ACCEPTED_MAX; a++) {
		if (a->until > n->now && arc_equal(a->arc, arc)) {
			a->until = n->now + COUNTS(n);
			return;
		}
		if (a->until < oldest->until)
			oldest = a;
	}
	*oldest = (struct accepted){arc, n->now + COUNTS(n)};
	out_log(n, NOTE_ACCEPTED, ABOUT(OF_ARC(arc)),
		"arc %s: an operator gives up what nobody else has -> waiting no longer than %u s", arc_text(arc, text),
		n->config.recover / 1000);
	n->recheck = true;
	if (n->seek.active) {
		n->seek.refused_until = 0; /* it was refused for want of this word */
		n->seek.next = n->now;
	}
}

/* Names make it this doubt and no later one: said again, by whomever, it finds another view, or another connection. */
void on_recover(struct node *n, const struct frame *f)
{
	struct frame_doubt mine[FRAME_DOUBTS_MAX];
	unsigned count = recover_doubts(n, mine);
	struct frame r;

	if (!topic_is_reply(f->reply, n->config.topic_prefix))
		return;
	frame_start(n, &r, FRAME_REPLY);
	r.reason = REASON_ABSENT;
	for (unsigned i = 0; i < count && conn_equal(&f->to, &n->self.conn); i++)
		for (unsigned j = 0; j < f->doubt_count; j++)
			if (arc_equal(f->doubts[j].arc, mine[i].arc) && name_equal(&f->doubts[j].name, &mine[i].name)) {
				accept(n, mine[i].arc);
				r.reason = REASON_NONE;
			}
	frame_reply(n, &r, f->reply);
}

bool recover_waits(const struct node *n, struct arc arc)
{
	for (const struct accepted *a = n->accepted; n->config.never && a < n->accepted + ACCEPTED_MAX; a++)
		if (a->until > n->now && ring_covers(a->arc, arc))
			return false;
	return n->config.never;
}

bool recover_given_up(const struct node *n, struct arc arc, uint64_t since)
{
	return n->now >= since + n->config.recover && !recover_waits(n, arc);
}

/* Doubts begin anew. */
void recover_forget(struct node *n)
{
	for (unsigned i = 0; i < ACCEPTED_MAX; i++)
		n->accepted[i].until = 0;
}
