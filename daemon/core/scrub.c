/* All copies of an arc compared, piece by piece, by its owner: slowly by itself, or at once for a tool (PROTOCOL.md section 7,
 * "Sums").  A piece is told as it is at one place in the stream, where its keeper compares it; what differs is cut finer until
 * it is little, and that is told anew. */
#include <inttypes.h>

#include "follow-inside.h"

#define RECORDS 16384u      /* looked at in one step, unless one piece alone has more: a millisecond or two */
#define LITTLE (256u << 10) /* bytes that are told anew in one turn */
#define MANY 512u           /* records, likewise */
#define AGAIN 200           /* ms: a piece with damaged records is looked at again */
#define WAIT 1000           /* ms, until the arc is at rest */
#define STEPS 128 /* of a period, for one round by itself; a round has 64 steps, if the arc is the whole ring */
#define SPLIT 16u

/* ---- a round ---- */

static void begin(struct node *n, uint64_t tool, const struct entry *e)
{
	struct scrub *s = &n->scrub;

	for (struct follower *f = n->followers; f < n->follower_end; f++)
		f->check_seq = 0;
	*s = (struct scrub){.on = true, .tool = tool, .arc = e->v.arc, .next = n->now, .due = n->now + n->config.scrub};
}

static void end(struct node *n)
{
	struct scrub *s = &n->scrub;
	const uint64_t *t = s->told;
	char text[24];

	s->on = false;
	if (t[SCRUB_DIFFERED] || t[SCRUB_DAMAGED])
		out_log(n, NOTE_SCRUBBED, ABOUT(OF_ARC(s->arc)),
			"arc %s: %" PRIu64 " records, copies compared: %" PRIu64 " -> %" PRIu64
			" pieces differed, sent anew with %" PRIu64 " records; damaged here %" PRIu64
			", fetched anew %" PRIu64 ", lost %" PRIu64,
			arc_text(s->arc, text), t[SCRUB_RECORDS], t[SCRUB_COPIES], t[SCRUB_DIFFERED], t[SCRUB_SENT],
			t[SCRUB_DAMAGED], t[SCRUB_HEALED], t[SCRUB_LOST]);
	else
		out_log(n, NOTE_SCRUBBED, ABOUT(OF_ARC(s->arc)),
			"arc %s: %" PRIu64 " records, copies compared: %" PRIu64 " -> all the same",
			arc_text(s->arc, text), t[SCRUB_RECORDS], t[SCRUB_COPIES]);
}

/* Nothing is on its way but what is written. */
static struct entry *at_rest(struct node *n)
{
	struct entry *e = entry_main(n);

	return e && node_ready(n) && !n->full && !n->change.kind && !n->give.phase && !n->take.phase && e->held &&
			       entry_serves(n, e)
		       ? e
		       : NULL;
}

/* ---- pieces ---- */

/* The next one: cut finer before, or as much of the arc as is in one part of the store. */
static bool piece_next(struct scrub *s, struct arc *piece, bool *first_time)
{
	uint32_t first;
	uint64_t left = ring_size(s->arc) - s->done;

	*first_time = !s->finer_count;
	if (s->finer_count) {
		*piece = s->finer[--s->finer_count];
		return true;
	}
	if (!left)
		return false;
	first = s->arc.lo + (uint32_t)s->done + 1;
	if (left > (uint64_t)store_part_end(first) - first + 1)
		left = (uint64_t)store_part_end(first) - first + 1;
	*piece = (struct arc){first - 1, first - 1 + (uint32_t)left};
	s->done += left;
	return true;
}

static void cut_finer(struct scrub *s, struct arc piece)
{
	uint32_t all = piece.hi - piece.lo, step = (all + SPLIT - 1) / SPLIT;

	for (uint32_t at = 0; at < all && s->finer_count < SCRUB_FINER; at += step)
		s->finer[s->finer_count++] =
			(struct arc){piece.lo + at, at + step < all ? piece.lo + at + step : piece.hi};
}

struct looking {
	struct node *n;
	uint64_t lost;
};

static void damaged(void *arg, const struct store_item *item)
{
	struct looking *l = arg;

	l->lost += damage_lost(l->n, item);
}

/* Pieces for one frame.  What is damaged here is no measure for others: it is fetched first, and what cannot be stays away. */
static void look(struct node *n)
{
	struct scrub *s = &n->scrub;
	struct arc again[FRAME_CHECKS_MAX], piece;
	unsigned again_count = 0;
	uint64_t records = 0;
	bool first_time;

	s->asked_count = 0;
	while (s->asked_count + again_count < FRAME_CHECKS_MAX && records < RECORDS &&
	       piece_next(s, &piece, &first_time)) {
		struct looking l = {n, 0};
		struct store_checked c = store_check(n->store, piece, damaged, &l);

		records += c.count;
		if (first_time) {
			s->told[SCRUB_RECORDS] += c.count;
			s->told[SCRUB_BYTES] += c.bytes;
			s->told[SCRUB_DAMAGED] += c.bad;
		}
		if (c.bad > l.lost)
			again[again_count++] = piece;
		else
			s->told[SCRUB_LOST] += l.lost;
		if (c.bad)
			continue;
		s->little[s->asked_count] = c.bytes <= LITTLE && c.count <= MANY;
		s->asked[s->asked_count++] = (struct frame_check){piece, c.count, c.hash};
	}
	while (again_count && s->finer_count < SCRUB_FINER)
		s->finer[s->finer_count++] = again[--again_count];
	if (again_count || s->finer_count)
		s->next = n->now + AGAIN;
}

/* ---- whom it is compared with ---- */

/* Whom the view names, and who is known to have kept it. */
static bool compares(struct node *n, const struct follower *f)
{
	const struct entry *e = entry_main(n);

	return f->used && !f->owed && !f->filling && arcs_cover(&f->whole, n->scrub.arc) && e &&
	       (f->extra || member_same(&e->v.backup, &f->m));
}

static void ask(struct node *n)
{
	struct scrub *s = &n->scrub;
	uint64_t copies = 0;

	for (struct follower *f = n->followers; f < n->follower_end; f++) {
		if (!compares(n, f))
			continue;
		copies++;
		if (s->asked_count)
			f->check_seq = follow_check(n, f, s->asked, s->asked_count);
	}
	if (copies > s->told[SCRUB_COPIES])
		s->told[SCRUB_COPIES] = copies;
}

static bool awaited(struct node *n)
{
	bool any = false;

	for (struct follower *f = n->followers; f < n->follower_end; f++) {
		if (f->check_seq && !compares(n, f))
			f->check_seq = 0;
		any |= f->used && f->check_seq;
	}
	return any;
}

/* Two keepers may lack the same. */
static void differs(struct node *n, struct follower *f, unsigned i)
{
	struct scrub *s = &n->scrub;
	struct arc piece = s->asked[i].arc;

	/* Amid a change it may have been left out by now: that one is looked at again. */
	if (!at_rest(n)) {
		if (s->finer_count < SCRUB_FINER)
			s->finer[s->finer_count++] = piece;
		return;
	}
	if (!s->little[i] && ring_size(piece) > 1) {
		if (!s->cut[i])
			cut_finer(s, piece);
		s->cut[i] = true;
		return;
	}
	s->told[SCRUB_DIFFERED]++;
	s->told[SCRUB_SENT] += follow_anew(n, f, piece);
	if (s->told[SCRUB_DIFFERED] == 1)
		out_log(n, NOTE_COPY_DIFFERS, ABOUT(OF_PEER(f->m.id)),
			"node %08x: some of its copy is not what was sent -> told anew", f->m.id);
}

void scrub_told(struct node *n, struct follower *f, const struct frame *frame)
{
	struct scrub *s = &n->scrub;

	if (!s->on || !f->check_seq || frame->checked != f->check_seq)
		return;
	f->check_seq = 0;
	for (unsigned k = 0; k < frame->differ_count && compares(n, f); k++)
		for (unsigned i = 0; i < s->asked_count; i++)
			if (arc_equal(s->asked[i].arc, frame->differs[k]))
				differs(n, f, i);
	n->recheck = true;
}

/* ---- by the clock ---- */

static void step(struct node *n, uint64_t *next)
{
	struct scrub *s = &n->scrub;

	if (n->now < s->next) {
		soonest(next, s->next);
		return;
	}
	if (s->done == ring_size(s->arc) && !s->finer_count) {
		end(n);
		return;
	}
	for (unsigned i = 0; i < FRAME_CHECKS_MAX; i++)
		s->cut[i] = false;
	s->next = s->tool ? n->now : n->now + n->config.scrub / STEPS;
	look(n);
	ask(n);
	soonest(next, s->next > n->now ? s->next : n->now + 1);
}

void scrub_tick(struct node *n, uint64_t *next)
{
	struct scrub *s = &n->scrub;
	const struct entry *e;

	if (!s->on && !n->config.scrub)
		return;
	/* Not all nodes of a ring at one time. */
	if (!s->due)
		s->due = n->now + n->config.scrub / 2 + node_random(n, n->config.scrub / 2 + 1);
	if (!s->on && n->now < s->due) {
		soonest(next, s->due);
		return;
	}
	e = at_rest(n);
	if (!e) {
		if (n->connected && entry_main(n))
			soonest(next, n->now + WAIT);
		return;
	}
	if (!s->on || !arc_equal(s->arc, e->v.arc))
		begin(n, s->on ? s->tool : 0, e);
	if (!awaited(n))
		step(n, next);
}

/* Said again it is told how far that is.  Several tools are served one behind the other. */
void on_scrub(struct node *n, const struct frame *f)
{
	struct scrub *s = &n->scrub;
	const struct entry *e = entry_main(n);
	struct frame r;

	if (!topic_is_reply(f->reply, n->config.topic_prefix) || !f->attempt)
		return;
	if (e && s->tool != f->attempt && (!s->on || !s->tool))
		begin(n, f->attempt, e);
	frame_start(n, &r, FRAME_REPLY);
	r.attempt = s->tool;
	r.reason = e ? REASON_NONE : REASON_NOT_ACTIVE;
	r.flag = s->on;
	r.arc = s->arc;
	r.arc_set = true;
	s->told[SCRUB_DONE] = s->on ? s->done * 1000 / ring_size(s->arc) : 1000;
	r.scrub_count = SCRUB_NUMBERS;
	for (unsigned i = 0; i < SCRUB_NUMBERS; i++)
		r.scrub[i] = s->told[i];
	frame_reply(n, &r, f->reply);
	n->recheck = true;
}
