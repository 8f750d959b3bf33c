/* Who keeps a copy of arcs of ours: when his stream begins and ends, and what he has by now (PROTOCOL.md section 7).
 * follow-stream.c has what is said in it, follow-return.c what is kept of it for a return, copy.c is the other side. */
#include <stdlib.h>
#include <string.h>

#include "follow-inside.h"

#define FULL (8u << 20) /* of what is written, unacknowledged: more is not taken on */
#define WANTED 1000     /* ms: whoever is not asked for any more is let go */

struct follower *follower_of(struct node *n, const struct member *m)
{
	for (struct follower *f = n->followers; f < n->follower_end; f++)
		if (f->used && member_same(&f->m, m))
			return f;
	return NULL;
}

/* ---- beginning and end ---- */

struct follower *follow_begin(struct node *n, const struct member *m)
{
	struct follower *f = n->followers;

	while (f < n->follower_end && f->used)
		f++;
	if (f == n->followers + FOLLOWERS_MAX)
		return NULL;
	*f = (struct follower){.used = true, .m = *m, .attempt = ++n->attempts, .progress = n->now};
	f->rows = once_share_new((struct arc){0, 0});
	if (f == n->follower_end)
		n->follower_end++;
	return f;
}

void follow_end(struct node *n, struct follower *f)
{
	follow_fill_end(f);
	key_list_free(&f->changed);
	once_share_free(f->rows);
	for (size_t i = 0; i < f->window_count; i++)
		free(f->window[i].bytes);
	free(f->window);
	*f = (struct follower){.used = false};
	while (n->follower_end > n->followers && !n->follower_end[-1].used)
		n->follower_end--;
	n->recheck = true;
}

void follow_end_all(struct node *n)
{
	for (struct follower *f = n->followers; f < n->followers + FOLLOWERS_MAX; f++)
		if (f->used)
			follow_end(n, f);
}

bool follow_whole(struct node *n, const struct member *m, struct arc arc)
{
	const struct follower *f = follower_of(n, m);

	return f && arcs_cover(&f->whole, arc);
}

bool follow_owed(struct node *n, const struct member *m)
{
	const struct follower *f = follower_of(n, m);

	return f && f->owed;
}

bool follow_want(struct node *n, const struct member *m, const struct entry *e)
{
	struct follower *f = follower_of(n, m);

	if (!f)
		f = follow_begin(n, m);
	if (!f)
		return false;
	f->wanted = n->now;
	if (arcs_cover(&f->whole, e->v.arc))
		return true;
	if (!f->filling) /* one arc after the other */
		follow_fill(n, f, e);
	follow_fill_on(n, f);
	return arcs_cover(&f->whole, e->v.arc);
}

void follow_same(struct node *n, const struct member *m, struct arc arc)
{
	struct follower *f = follower_of(n, m);

	if (!f)
		f = follow_begin(n, m);
	if (f && !f->whole.count && !f->seq)
		f->safe = n->counter;
	if (f && arcs_add(&f->whole, arc))
		f->wanted = n->now;
}

uint64_t follow_attempt(struct node *n, const struct member *m, uint64_t *seq)
{
	struct follower *f = follower_of(n, m);

	if (!f || (f->owed && (!f->seq || f->again)))
		return 0;
	follow_tell(n, f);
	*seq = f->seq;
	return f->attempt;
}

/* ---- who has what ---- */

/* Amid a change those of before it as well, unless they are out: they may still take over. */
bool follow_backup(struct node *n, const struct follower *f)
{
	struct change *c = &n->change;
	struct party *p = c->kind ? change_party(c, &f->m) : NULL;

	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->mine && member_same(&e->v.backup, &f->m))
			return true;
	for (unsigned i = 0; p && !p->out && i < 2; i++)
		if (c->base[i].name.number && member_same(&c->base[i].backup, &f->m))
			return true;
	return false;
}

/* Not all is there again of what a view names it for. */
static bool owes(struct node *n, const struct follower *f)
{
	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->mine && member_same(&e->v.backup, &f->m) && !arcs_cover(&f->whole, e->v.arc))
			return true;
	return false;
}

bool follow_proved(const struct follower *f)
{
	return !f->prove && (!f->window_count || f->window[0].seq > f->prove_seq);
}

uint64_t follow_has(const struct node *n, const struct follower *f)
{
	if (f->owed)
		return f->had;
	return f->window_count || !follower_told(f) ? f->reached : n->written;
}

uint64_t follow_point(struct node *n)
{
	uint64_t point = n->written;

	for (struct follower *f = n->followers; f < n->follower_end; f++) {
		if (!f->used)
			continue;
		f->owed = f->owed && (n->change.kind || owes(n, f));
		f->again = f->again && f->owed;
		if (follow_has(n, f) < point && (f->extra || follow_backup(n, f)))
			point = follow_has(n, f);
	}
	return point;
}

uint64_t follow_behind(const struct node *n)
{
	uint64_t behind = 0;

	for (const struct follower *f = n->followers; f < n->follower_end; f++)
		if (f->used)
			behind += f->key_count - f->key_next +
				  (f->rest.left ? store_arc_count(n->store, f->rest.arc) : 0);
	return behind;
}

bool follow_full(const struct node *n)
{
	for (const struct follower *f = n->followers; f < n->follower_end; f++)
		if (f->used && f->window_bytes > FULL + WINDOW_BYTES)
			return true;
	return false;
}

/* It begins anew.  As long as a view names it, nobody may be told more than what it has had (PROTOCOL.md section 7, rule 4). */
static void lost(struct node *n, struct follower *f, bool again)
{
	struct member m = f->m;
	uint64_t had = follow_has(n, f);
	bool full = f->full;
	struct arcs back = f->whole;

	for (unsigned i = 0; f->again && i < f->back.count; i++)
		(void)arcs_add(&back, arcs_piece(&f->back, i));
	if (!again && !follow_backup(n, f) && keepers_want(n, f)) {
		follow_end(n, f);
		keepers_lost(n, &m, "keeps no copy");
		tell_release(n);
		return;
	}
	if (again)
		out_log(n, NOTE_COPY_RETURNS, ABOUT(OF_PEER(m.id)),
			"node %08x: is back with what it keeps -> it is sent what it may have missed", m.id);
	else
		out_log(n, NOTE_COPY_ANEW, ABOUT(OF_PEER(m.id)),
			"node %08x: has no copy of what it was sent -> it is sent all of it anew", m.id);
	follow_end(n, f);
	f = follow_begin(n, &m);
	f->had = had;
	f->owed = true;
	f->again = again;
	f->back = back;
	f->full = full;
	if (!again)
		change_without(n, &m);
	tell_release(n);
}

void on_copied(struct node *n, const struct frame *frame)
{
	struct follower *f = follower_of(n, &frame->from);
	size_t acked = 0;

	/* What an owner of our id was told before us counts attempts of its own. */
	if (!f || frame->attempt != f->attempt || frame->hash != n->self.memory)
		return;
	room_said(n, f, frame->full);
	damage_told(n, f, frame);
	if (frame->reason == REASON_ABSENT) {
		lost(n, f, frame->flag);
		return;
	}
	while (acked < f->window_count && f->window[acked].seq <= frame->seq) {
		const struct sent_copy *s = &f->window[acked++];

		f->reached = s->written;
		if (!f->owed && s->safe > f->safe)
			f->safe = s->safe;
		f->lows -= s->low;
		f->window_bytes -= s->len;
		f->fill_frames -= s->fill;
		free(s->bytes);
	}
	scrub_told(n, f, frame);
	if (!acked)
		return;
	f->window_count -= acked;
	memmove(f->window, f->window + acked, f->window_count * sizeof(*f->window));
	f->progress = f->sent = n->now;
	if (f->again)
		change_waits(n, &f->m);
	n->recheck |= n->backlog;
	if (n->stopping)
		out_effect(n, EFFECT_PROGRESS);
	follow_fill_on(n, f);
	tell_release(n);
}

/* A party that a view does not name as its backup forgets what it had, and what is somebody else's is told by him. */
void follow_holds(struct node *n)
{
	struct change *c = &n->change;

	for (struct follower *f = n->followers; f < n->follower_end; f++)
		for (unsigned i = 0; f->used && i < c->made_count; i++) {
			const struct view *v = &c->made[i];
			bool ours = member_same(&v->owner, &n->self);

			if (ours && (member_same(&v->backup, &f->m) || !change_party(c, &f->m)))
				continue;
			arcs_cut(&f->whole, v->arc);
			if (f->filling && arc_overlap(f->fill, v->arc))
				follow_fill_end(f);
		}
}

/* ---- by the clock ---- */

static void forget(struct node *n, const struct follower *f, const struct arc *arc)
{
	struct frame frame;

	frame_start(n, &frame, FRAME_FORGET);
	frame.attempt = f->attempt;
	frame.hash = f->m.memory;
	if (arc) {
		frame.arc = *arc;
		frame.arc_set = true;
	}
	frame_send(n, &frame, TOPIC_INBOX, f->m.id);
}

/* All of it is somebody else's by now, in good order. */
void follow_leave(struct node *n)
{
	for (const struct follower *f = n->followers; f < n->follower_end; f++)
		if (f->used)
			forget(n, f, NULL);
}

/* What is not ours any more it need not keep for us; amid a change it may come back. */
static void trim(struct node *n, struct follower *f)
{
	struct arcs own = {.count = 0}, gone = f->whole;

	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->mine)
			(void)arcs_add(&own, e->v.arc);
	for (unsigned i = 0; i < own.count; i++)
		arcs_cut(&gone, arcs_piece(&own, i));
	for (unsigned i = 0; i < gone.count; i++) {
		struct arc arc = arcs_piece(&gone, i);

		arcs_cut(&f->whole, arc);
		forget(n, f, &arc);
	}
	if (f->filling && !arcs_cover(&own, f->fill)) {
		forget(n, f, &f->fill);
		follow_fill_end(f);
	}
}

static void resend(struct node *n, struct follower *f, uint64_t *next)
{
	/* What the transport has not taken yet is not lost; but others fill it as well, again and again. */
	if (n->full && n->now - f->sent > n->config.resend / 2)
		f->sent = n->now - n->config.resend / 2;
	if (!n->full && (f->resent || n->now - f->sent >= n->config.resend)) {
		uint64_t last = 0;

		for (size_t i = 0; i < f->window_count && !n->full; i++) {
			if (f->window[i].seq <= f->resent)
				continue;
			out_publish(n, TOPIC_INBOX, f->m.id, f->window[i].bytes, f->window[i].len, false);
			last = f->window[i].seq;
		}
		f->resent = n->full ? last : 0; /* the rest when the transport takes it */
		f->sent = n->now;
		/* Whoever is answered waits for it: is it there? */
		for (struct entry *e = n->entries; e < n->entry_end; e++)
			if (e->used && e->mine && member_same(&e->peer, &f->m) && !e->silent)
				e->heard = 0;
	}
	soonest(next, f->sent + n->config.resend);
}

void follow_due(const struct node *n, uint64_t *next)
{
	for (const struct follower *f = n->followers; node_ready(n) && f < n->follower_end; f++)
		if (f->used && f->window_count)
			soonest(next, f->sent + n->config.resend);
}

void follow_tick(struct node *n, uint64_t *next)
{
	bool settled = !n->change.kind && !n->give.phase && !n->take.phase;

	for (struct follower *f = n->followers; f < n->follower_end; f++) {
		if (!f->used)
			continue;
		if (settled)
			trim(n, f);
		if (follow_backup(n, f) || keepers_want(n, f))
			f->wanted = n->now;
		if (settled && n->now - f->wanted >= WANTED) {
			forget(n, f, NULL);
			follow_end(n, f);
			continue;
		}
		if (!follow_backup(n, f))
			soonest(next, f->wanted + WANTED);
		if (!node_ready(n))
			continue;
		follow_fill_on(n, f);
		if (f->window_count)
			resend(n, f, next);
	}
	tell_release(n);
}
