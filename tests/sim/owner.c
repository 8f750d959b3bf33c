/* The judge of one owner (judge.c says what suspends it): who serves a point of the ring, and which views hold. */
#include "../../common/frame.h"
#include "sim.h"

static void probe(struct world *w, uint32_t id)
{
	for (unsigned i = 0; i < w->probe_count; i++) {
		if (w->probes[i] == id)
			return;
	}
	if (w->probe_count < PROBES_MAX)
		w->probes[w->probe_count++] = id;
}

void judge_init(struct world *w)
{
	for (unsigned i = 0; i < w->swarm.keys; i++) {
		probe(w, w->keys[i]);
		w->served[i] = (struct served){.proc = NONE, .link = NONE};
	}
	probe(w, 0);
	probe(w, UINT32_MAX);
	for (size_t i = 0; i < w->identity_count && i < 12; i++) {
		probe(w, w->identities[i].id);
		probe(w, w->identities[i].id + 1);
	}
}

/* ---- who serves what ---- */

/* A seeker serves nothing by its state, so it is looked at here and there only; a member's keys are looked at always,
 * its other points one in PROBE_STRIDE a step. */
#define PROBE_STRIDE 4
#define SEEKER_STRIDE 16

/* Who serves each point, so that one step need not look at all processes; who has died since is dropped by and by. */
static void serves_now(struct world *w, struct proc *p, unsigned point)
{
	w->serving[point] =
		sim_grow(w->serving[point], w->serving_count[point], &w->serving_room[point], sizeof(**w->serving));
	w->serving[point][w->serving_count[point]++] = p->index;
	p->serves |= (uint64_t)1 << point;
	p->served |= (uint64_t)1 << point;
}

static void serves_no_more(struct world *w, struct proc *p, unsigned point)
{
	size_t i = 0;

	p->serves &= ~((uint64_t)1 << point);
	while (i < w->serving_count[point] && w->serving[point][i] != p->index)
		i++;
	if (i < w->serving_count[point])
		w->serving[point][i] = w->serving[point][--w->serving_count[point]];
}

static void probe_point(struct world *w, struct proc *p, unsigned point)
{
	bool served = p->serves >> point & 1, serves = node_serves(p->node, w->probes[point]);

	if (serves && !served)
		serves_now(w, p, point);
	else if (!serves && served)
		serves_no_more(w, p, point);
}

static void probe_step(struct world *w, struct proc *p)
{
	bool seeker = p->state == NODE_CONNECTING || p->state == NODE_JOINING;
	unsigned first = (unsigned)w->stats[STAT_STEPS] % PROBE_STRIDE;

	for (uint64_t left = seeker ? p->serves : 0; left; left &= left - 1)
		serves_no_more(w, p, (unsigned)__builtin_ctzll(left));
	for (unsigned i = 0; i < w->swarm.keys && !seeker; i++)
		probe_point(w, p, i);
	for (unsigned i = first; i < w->probe_count; i += seeker ? SEEKER_STRIDE : PROBE_STRIDE) {
		if (seeker || i >= w->swarm.keys)
			probe_point(w, p, i);
	}
}

uint64_t judge_probe(const struct world *w, const struct proc *p)
{
	uint64_t serves = 0;

	for (unsigned i = 0; i < w->probe_count; i++)
		serves |= (uint64_t)node_serves(p->node, w->probes[i]) << i;
	return serves;
}

static bool copy_died(const struct world *w, const struct served *last, uint64_t *died)
{
	const struct proc *p = w->procs[last->proc];
	const struct link *l = &w->links[last->link];
	bool cut =
		(l->state == LINK_DEAD && !l->clean) || w->now >= l->out_drop; /* also if the broker has not noticed */
	/* As in judge_step. */
	bool gave_up = !w->swarm.gentle && p->alive &&
		       (p->state == NODE_JOINING || p->state == NODE_CONNECTING || !node_get_ring(p->node).term);

	*died = l->state == LINK_DEAD ? l->closed : w->place;
	return p->killed || p->lonely_exit || gave_up || cut;
}

static bool has(const struct world *w, const struct proc *p, unsigned key, struct version version)
{
	struct key k = ours_key(w, key);
	struct version v;

	return p->alive && node_version(p->node, &k, &v) && !version_newer(version, v);
}

#define FORGETS (5 * SECOND) /* whoever gives up its views: until then their owner may not have noticed */

static void kept_beside(struct world *w, unsigned key, const struct proc *by, struct version version)
{
	struct member keepers[REPLICAS_MAX];
	unsigned count = node_get_keepers(by->node, w->keys[key], keepers);

	for (size_t i = 0; i < w->proc_count; i++)
		for (unsigned j = 0; j < count; j++)
			if (w->procs[i]->memory == keepers[j].memory && w->procs[i]->alive && !w->procs[i]->forgot_at &&
			    !has(w, w->procs[i], key, version))
				fail(w,
				     "I3: %s tells of version %llx/%llu of key %08x, which %s, beside its backup, does "
				     "not have",
				     by->label, (unsigned long long)version.number, (unsigned long long)version.counter,
				     w->keys[key], w->procs[i]->label);
}

/* An answer tells of that version: whoever is to keep a copy has it by now. */
void judge_shown(struct world *w, unsigned key, const struct proc *by, struct version version)
{
	bool lost, first = version_newer(version, w->shown[key]);
	struct member backup;

	if ((w->swarm.patience.replicas < 2 && !w->swarm.faithful) || !version.number)
		return;
	if (first)
		w->shown[key] = version;
	if (w->swarm.patience.replicas < 2)
		return;
	if (first)
		kept_beside(w, key, by, version);
	if (!node_get_backup(by->node, w->keys[key], &backup, &lost))
		return;
	w->stats[STAT_SHOWN_KEPT]++;
	for (size_t i = 0; i < w->proc_count; i++) {
		const struct proc *q = w->procs[i];
		bool gave_up = q->forgot_at && w->now - q->forgot_at < FORGETS;

		if (q->memory != backup.memory || !q->alive || has(w, q, key, version))
			continue;
		/* What has been told before it has had, and may have lost; also what it has acknowledged since. */
		if (!gave_up && (first || !lost))
			fail(w, "I3: %s tells of version %llx/%llu of key %08x, which its backup %s does not have",
			     by->label, (unsigned long long)version.number, (unsigned long long)version.counter,
			     w->keys[key], q->label);
	}
}

/* The set time, by clocks that differ. */
static uint64_t away_long(const struct world *w)
{
	return (uint64_t)w->swarm.patience.recover * MS / 2;
}

/* No disk was, nobody was given up, and there never were two rings. */
static bool nothing_lost(const struct world *w)
{
	return w->swarm.faithful && !w->accepted && !w->stats[STAT_RETAINED_LOST] && !w->stats[STAT_RETAINED_STALE];
}

/* The key is served by who does not have what has been shown of it.  That may be if nobody who lives has it, or none of
 * them has been heard for the set time; also if one comes back while what was decided then is being done (seed 30111052).
 * Who has joined never yet keeps no copy: what it was handed it merges when it joins (seed 3323874). */
static bool is_lost(struct world *w, unsigned key, const struct proc *by)
{
	/* Nor is what no disk has lost ever given up. */
	if (nothing_lost(w))
		fail(w, "I3: %s serves key %08x without version %llx/%llu, which has been shown", by->label,
		     w->keys[key], (unsigned long long)w->shown[key].number, (unsigned long long)w->shown[key].counter);
	for (size_t i = 0; i < w->proc_count; i++) {
		const struct proc *q = w->procs[i];

		bool back = q->returned_at && w->now - q->returned_at < FORGETS;

		if (!q->joined || back || !has(w, q, key, w->shown[key]) || w->now - q->reached_at >= away_long(w))
			continue;
		fail(w, "I3: %s serves key %08x without version %llx/%llu, which has been shown, and which %s has",
		     by->label, w->keys[key], (unsigned long long)w->shown[key].number,
		     (unsigned long long)w->shown[key].counter, q->label);
	}
	return true;
}

static bool same_ring(const struct ring_id *a, const struct ring_id *b)
{
	return a->term == b->term && a->nonce == b->nonce;
}

/* Of who leaves with its last step that before it. */
static struct ring_id ring_of(const struct proc *p)
{
	struct ring_id ring = node_get_ring(p->node);

	return ring.term ? ring : p->ring;
}

/* Of an arc that was taken as a hole (its numbers leap) a key may be told as absent and be written in one step: what is there
 * behind it says nothing of what was (seed 150052110).  It was there, if somebody who lives has it. */
static bool unseen(const struct world *w, unsigned key, const struct proc *by)
{
	struct key k = ours_key(w, key);
	struct version v;

	if (!node_version(by->node, &k, &v) || v.number >> 16 == w->shown[key].number >> 16)
		return false;
	for (size_t i = 0; i < w->proc_count; i++)
		if (w->procs[i] != by && has(w, w->procs[i], key, w->shown[key]))
			return false;
	return true;
}

static void serves_key(struct world *w, unsigned key, const struct proc *p)
{
	struct served *last = &w->served[key];
	struct ring_id ring = ring_of(p);
	bool apart = last->proc != NONE && !same_ring(&last->ring, &ring);
	uint64_t died = w->place;
	bool lost;

	if (last->proc == p->index && !apart) {
		w->stats[STAT_BACK] += last->link != p->link;
		last->link = p->link;
		return;
	}
	w->moves[key]++;
	lost = last->proc != NONE && copy_died(w, last, &died);
	/* Of what was put twice, and is not asked by ours, no version is known. */
	if ((w->swarm.patience.replicas > 1 || nothing_lost(w)) && w->shown[key].number && !w->repeated[key])
		lost = !apart && (has(w, p, key, w->shown[key]) ? lost && unseen(w, key, p) : is_lost(w, key, p));
	if (lost || apart) {
		w->shown[key] = (struct version){0};
		w->losses[key] = sim_grow(w->losses[key], w->loss_count[key], &w->loss_room[key], sizeof(**w->losses));
		w->losses[key][w->loss_count[key]++] = (struct loss){.died = died, .served = w->place};
		w->stats[STAT_TAKEOVERS]++;
		trace(w, "judge   key %08x is served by %s, its last server's copy has died%s", w->keys[key], p->label,
		      apart ? ", or is another ring's" : "");
	} else if (last->proc != NONE) {
		w->stats[STAT_HANDOVERS]++;
		trace(w, "judge   key %08x is served by %s", w->keys[key], p->label);
	}
	*last = (struct served){.proc = p->index, .link = p->link, .ring = ring};
}

/* With copies an answer may be said late, when the backup has it, by who serves no more, and was seen to: who was not has
 * served within this step (seed 200567704).  Whom nobody served before, nobody backs (seed 5038290); nor does anybody of a
 * later ring, which may begin and end unseen (seed 100049621). */
void judge_answered(struct world *w, unsigned key, const struct proc *by)
{
	const struct served *last = &w->served[key];

	if (w->swarm.patience.replicas < 2 || node_serves(by->node, w->keys[key]) || last->proc == NONE ||
	    ring_of(by).term > last->ring.term || !(by->served & (uint64_t)1 << key))
		serves_key(w, key, by);
}

/* In two rings, as can only be after the broker has lost the register. */
static bool apart(const struct world *w, const struct proc *p, const struct proc *q)
{
	struct ring_id a = node_get_ring(p->node), b = node_get_ring(q->node);

	return !same_ring(&a, &b) && (w->stats[STAT_RETAINED_LOST] || w->stats[STAT_RETAINED_STALE]);
}

/* Nobody else serves the point and reaches the broker. */
static void alone_at(struct world *w, const struct proc *p, unsigned point)
{
	for (size_t i = w->serving_count[point]; i > 0; i--) {
		struct proc *q = w->procs[w->serving[point][i - 1]];
		uint64_t both;

		if (!q->alive)
			serves_no_more(w, q, point);
		if (q == p || !proc_reaches(w, q) || apart(w, p, q))
			continue;
		both = judge_probe(w, p) & judge_probe(w, q);
		if (both)
			fail(w, "I1: %s and %s both serve %08x and both reach the broker", p->label, q->label,
			     w->probes[__builtin_ctzll(both)]);
	}
}

void judge_step(struct world *w, struct proc *p)
{
	struct arc arc;

	p->state = node_get_state(p->node);
	p->ring = node_get_ring(p->node);
	if (proc_reaches(w, p)) {
		if (w->now - p->reached_at >= away_long(w))
			p->returned_at = w->now;
		p->reached_at = w->now;
	}
	p->owned = p->owned || node_get_arc(p->node, &arc);
	p->joined = p->joined || p->state == NODE_ACTIVE;
	/* A leaver stays one when it gives up; without views it is in no ring. */
	if (p->joined && (p->state == NODE_JOINING || p->state == NODE_CONNECTING || !node_get_ring(p->node).term))
		p->forgot_at = w->now;
	if (w->swarm.held_max)
		judge_held(w, p);
	probe_step(w, p);
	story_mark(w, STORY_SERVES, p->index, p->serves);
	if (!p->serves || !proc_reaches(w, p))
		return;
	for (uint64_t left = p->serves; left; left &= left - 1)
		alone_at(w, p, (unsigned)__builtin_ctzll(left));
	for (unsigned i = 0; i < w->swarm.keys; i++) {
		if (p->serves >> i & 1)
			serves_key(w, i, p);
	}
}

/* Where two arcs meet, whatever points are probed: their ends and beginnings. */
static void judge_pair(struct world *w, const struct proc *p, const struct proc *q)
{
	struct arc a, b;

	if (!node_get_arc(p->node, &a) || !node_get_arc(q->node, &b))
		return;
	for (unsigned i = 0; i < 4; i++) {
		uint32_t id = i == 0 ? a.hi : i == 1 ? b.hi : i == 2 ? a.lo + 1 : b.lo + 1;

		if (ring_contains(a, id) && ring_contains(b, id) && node_serves(p->node, id) &&
		    node_serves(q->node, id))
			fail(w, "I1: %s and %s both serve %08x and both reach the broker", p->label, q->label, id);
	}
}

void judge_arcs(struct world *w)
{
	for (size_t i = 0; i < w->proc_count; i++) {
		if (!proc_reaches(w, w->procs[i]))
			continue;
		for (size_t j = 0; j < i; j++) {
			if (proc_reaches(w, w->procs[j]) && !apart(w, w->procs[i], w->procs[j]))
				judge_pair(w, w->procs[i], w->procs[j]);
		}
	}
}

/* ---- views ---- */

/* Two who each came to the end of a doubt have leapt to where the other may have counted (PROTOCOL.md section 5, rule 6):
 * that matters only while both are there. */
static bool beyond_leap(const struct world *w, const struct held_view *h)
{
	if (!(h->name.number >> 16 & 0xffff))
		return false;
	for (size_t i = 0; i < w->proc_count; i++)
		if (w->procs[i]->memory == h->owner.memory)
			return !w->procs[i]->alive;
	return false;
}

/* What a node says to hold, holds; no other view of that number may, of any of its ids, with another owner. */
static void view_holds(struct world *w, const struct proc *by, const struct frame *f, const struct view *v)
{
	struct held_view *h;

	for (size_t i = w->view_count; i > 0; i--) {
		h = &w->views[i - 1];
		if (h->name.number != v->name.number || h->ring.term != f->ring.term ||
		    h->ring.nonce != f->ring.nonce ||
		    !(ring_contains(h->arc, v->arc.hi) || ring_contains(v->arc, h->arc.hi)) || beyond_leap(w, h))
			continue;
		if (!member_same(&h->owner, &v->owner) || h->name.maker != v->name.maker)
			fail(w,
			     "I1: %s says that view %llx of %08x, owned by %08x, holds, and so does that of %08x, of "
			     "%08x",
			     by->label, (unsigned long long)v->name.number, v->name.maker, v->owner.id, h->name.maker,
			     h->owner.id);
		return;
	}
	w->views = sim_grow(w->views, w->view_count, &w->view_room, sizeof(*w->views));
	w->views[w->view_count++] =
		(struct held_view){.ring = f->ring, .name = v->name, .arc = v->arc, .owner = v->owner};
}

static bool known_to_hold(const struct world *w, const struct frame *f, const struct view *v)
{
	for (size_t i = w->view_count; i > 0; i--) {
		const struct held_view *h = &w->views[i - 1];

		if (h->name.number == v->name.number && h->name.maker == v->name.maker &&
		    h->ring.term == f->ring.term && h->ring.nonce == f->ring.nonce)
			return true;
	}
	return false;
}

/* The numbers of the views that a node makes in one ring never go back (but for the two of one change).  What holds is told
 * again to whoever seems not to know. */
static void view_made(struct world *w, struct proc *by, const struct frame *f, const struct view *v)
{
	if (v->name.maker != (uint32_t)by->memory || !f->ring.term)
		return;
	if (by->made_in.term != f->ring.term || by->made_in.nonce != f->ring.nonce) {
		by->made_in = f->ring;
		by->made = 0;
	}
	if (v->name.number + 1 < by->made && !known_to_hold(w, f, v))
		fail(w, "I1: %s makes view %llx, and has made %llx before", by->label,
		     (unsigned long long)v->name.number, (unsigned long long)by->made);
	if (v->name.number > by->made)
		by->made = v->name.number;
}

void judge_views(struct world *w, struct proc *by, const struct packet *p)
{
	enum frame_type type = packet_frame(p);
	struct frame_room room;
	struct frame f;

	if ((type != FRAME_HOLDS && type != FRAME_STORE) || frame_decode(&f, &room, p->bytes, p->len))
		return;
	for (unsigned i = 0; i < f.view_count; i++) {
		if (type == FRAME_HOLDS)
			view_holds(w, by, &f, &f.views[i]);
		else
			view_made(w, by, &f, &f.views[i]);
	}
}
