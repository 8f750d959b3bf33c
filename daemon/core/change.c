/* Making a view and storing one (PROTOCOL.md section 5, rules 1 and 2). */
#include <string.h>

#include "core.h"

struct party *change_party(struct change *c, const struct member *m)
{
	for (unsigned i = 0; i < c->party_count; i++)
		if (member_same(&c->party[i].m, m))
			return &c->party[i];
	return NULL;
}

static void party_add(struct node *n, const struct member *m)
{
	struct change *c = &n->change;
	struct party *p;

	if (!m->memory || member_same(m, &n->self))
		return;
	p = change_party(c, m);
	if (!p) {
		if (c->party_count == PARTY_MAX)
			mem_die("more parties to a change than a change can have");
		p = &c->party[c->party_count++];
		*p = (struct party){.m = *m};
	}
	if (m->conn.count > p->m.conn.count)
		p->m.conn = m->conn;
}

static bool in_base(const struct change *c, const struct member *m)
{
	return view_names(&c->base[0], m) || (c->base[1].name.number && view_names(&c->base[1], m));
}

static bool in_made(const struct change *c, const struct member *m)
{
	for (unsigned i = 0; i < c->made_count; i++)
		if (member_same(&c->made[i].backup, m))
			return true;
	return false;
}

/* Who must store: the members of the base, of this attempt and of those before it. */
static void gather_parties(struct node *n)
{
	struct change *c = &n->change;

	for (unsigned i = 0; i < 2; i++) {
		party_add(n, &c->base[i].owner);
		party_add(n, &c->base[i].backup);
	}
	for (unsigned i = 0; i < c->made_count; i++) {
		party_add(n, &c->made[i].owner);
		party_add(n, &c->made[i].backup);
	}
	for (unsigned i = 0; i < c->party_count; i++) {
		struct party *p = &c->party[i];

		p->stored = false;
		p->waited = n->now;
	}
}

/* The maker stores first, and from then on knows nothing of the base any more. */
static void store_own(struct node *n)
{
	struct change *c = &n->change;

	for (unsigned i = 0; i < c->made_count; i++)
		for (struct entry *e; (e = entry_over(n, c->made[i].arc)) != NULL;)
			entry_drop(n, e);
	for (unsigned i = 0; i < c->made_count; i++) {
		const struct view *v = &c->made[i];
		struct entry *e = entry_add(n, v, false);

		if (!e)
			mem_die("no room for a view of one's own");
		e->sealed = !e->mine;
	}
}

/* Behind a return it may have missed what was on its way: a newcomer is to have all before it stores. */
static bool is_told(struct node *n, const struct party *p)
{
	const struct change *c = &n->change;

	for (unsigned i = 0; i < c->made_count && !in_base(c, &p->m); i++)
		if (member_same(&c->made[i].backup, &p->m) && !follow_again(n, &p->m, entry_named(n, &c->made[i].name)))
			return false;
	return true;
}

static void send_store(struct node *n, const struct party *p)
{
	const struct change *c = &n->change;
	struct frame f;

	if (!is_told(n, p))
		return;

	if (c->kind == CHANGE_GIVE && member_same(&p->m, &n->give.taker)) {
		give_grant(n);
		return;
	}
	frame_start(n, &f, FRAME_STORE);
	f.view_count = (uint8_t)c->made_count;
	memcpy(f.views, c->made, c->made_count * sizeof(*c->made));
	/* What is taken for kept there; a newcomer has to have it. */
	if (in_made(c, &p->m))
		f.attempt = follow_attempt(n, &p->m, &f.seq);
	f.flag = f.attempt && !in_base(c, &p->m);
	frame_to(n, &f, &p->m);
}

static void send_all(struct node *n)
{
	struct change *c = &n->change;

	c->sent = n->now;
	for (unsigned i = 0; i < c->party_count; i++)
		if (!c->party[i].stored && !c->party[i].out)
			send_store(n, &c->party[i]);
}

static void send_holds(struct node *n)
{
	const struct change *c = &n->change;
	struct frame f;

	for (unsigned i = 0; i < c->party_count; i++) {
		if (c->party[i].out)
			continue;
		frame_start(n, &f, FRAME_HOLDS);
		f.view_count = (uint8_t)c->made_count;
		memcpy(f.views, c->made, c->made_count * sizeof(*c->made));
		frame_to(n, &f, &c->party[i].m);
	}
}

void change_holds(struct node *n)
{
	struct change *c = &n->change;
	enum change_kind kind = c->kind;
	char text[24];

	for (unsigned i = 0; i < c->made_count; i++) {
		struct entry *e = entry_named(n, &c->made[i].name);

		if (e)
			e->held = true;
		/* A newcomer's word says nothing of what it is made from: those who know better may speak, and may have
		 * done what is not known here. */
		if (e && e->mine && (c->doubted || c->conn != n->self.conn.count)) {
			e->contested = n->now;
			once_own(n->once, &(struct once_arc){e->v.arc, {e->v.name.number, n->counter}});
		}
		if (e && e->mine)
			out_log(n, NOTE_VIEW,
				ABOUT(OF_ARC(e->v.arc), OF_EPOCH(e->v.name.number),
				      OF_PEER(e->v.backup.memory ? e->v.backup.id : n->self.id)),
				"view %llx of %s holds, backup %08x", (unsigned long long)e->v.name.number,
				arc_text(e->v.arc, text), e->v.backup.memory ? e->v.backup.id : n->self.id);
	}
	send_holds(n);
	follow_holds(n);
	c->kind = CHANGE_NONE;
	n->candidate.memory = 0; /* what it was told of is past; it says so again if it is not */
	n->recheck = true;
	if (kind == CHANGE_GIVE)
		give_stored(n);
	else if (kind == CHANGE_UNDO)
		give_end(n);
}

/* The taker has seen to it that these views hold: the ones of this attempt, or of one before it from the same base, which
 * are then ours as well.  False: none that we know. */
bool change_adopt(struct node *n, const struct view *views, unsigned count)
{
	struct change *c = &n->change;

	if (count != c->made_count)
		return false;
	if (name_equal(&views[0].name, &c->made[0].name))
		return true;
	for (unsigned i = 0; i < count; i++)
		if (views[i].name.maker != name_maker(n) || !name_equal(&views[i].base, &c->base[0].name))
			return false;
	memcpy(c->made, views, count * sizeof(*views));
	store_own(n);
	for (unsigned i = 0; i < count; i++)
		entry_past_attempts(n, &views[i]);
	return true;
}

static void try_holds(struct node *n)
{
	struct change *c = &n->change;

	for (unsigned i = 0; i < c->party_count; i++)
		if (!c->party[i].stored && !c->party[i].out)
			return;
	change_holds(n);
}

static void attempt(struct node *n)
{
	make_views(n);
	gather_parties(n);
	store_own(n);
	send_all(n);
	try_holds(n);
}

void change_begin(struct node *n, enum change_kind kind, const struct entry *a, const struct entry *b,
		  const struct member *backup)
{
	struct change *c = &n->change;

	*c = (struct change){.kind = kind, .base[0] = a->v, .conn = n->self.conn.count};
	if (b)
		c->base[1] = b->v;
	c->doubted = a->doubt || (b && b->doubt);
	if (backup)
		c->backup = *backup;
	/* The newest connections known, and whoever is out already. */
	for (const struct entry *e = n->entries; e < n->entry_end; e++) {
		if (!e->used || !e->peer.memory || (e != a && e != b))
			continue;
		party_add(n, &e->peer);
		if (e->absent || fence_done(n, &e->peer))
			change_party(c, &e->peer)->out = true;
	}
	attempt(n);
}

/* The parties to a change are asked by the change itself. */
bool change_makes(const struct node *n, const struct entry *e)
{
	for (unsigned i = 0; n->change.kind && i < n->change.made_count; i++)
		if (name_equal(&n->change.made[i].name, &e->v.name))
			return true;
	return false;
}

static const struct view *base_over(const struct change *c, unsigned i, struct arc arc)
{
	return c->kind && c->base[i].name.number && arc_overlap(c->base[i].arc, arc) ? &c->base[i] : NULL;
}

/* What a change is made from did hold: whoever asks about its arc is to hear so, though nobody knows yet what comes behind
 * it.  But for the parties, who may know. */
const struct view *change_base(struct node *n, unsigned i, struct arc arc, const struct member *to)
{
	return change_party(&n->change, to) ? NULL : base_over(&n->change, i, arc);
}

/* ... and whoever still claims what came before it. */
const struct view *change_base_beyond(const struct node *n, const struct view *v)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct view *base = base_over(&n->change, i, v->arc);

		if (base && name_less(&v->name, &base->name))
			return base;
	}
	return NULL;
}

/* A party is fenced, or has said that it never stored: the next attempt does without it. */
void change_out(struct node *n, const struct member *m, const char *why)
{
	struct change *c = &n->change;
	struct party *p = c->kind ? change_party(c, m) : NULL;

	if (!p || p->out)
		return;
	p->out = true;
	out_log(n, NOTE_CHANGE_WITHOUT, ABOUT(OF_PEER(m->id), OF_REASON(why)),
		"node %08x: %s -> the change goes on without it", m->id, why);
	if (c->kind == CHANGE_GIVE && member_same(m, &n->give.taker)) {
		c->kind = CHANGE_UNDO;
		give_failed(n);
	}
	attempt(n);
}

/* It was to be the backup, and has not what it takes.  Of a taker that says nothing: what it kept for us besides is another
 * thing than what it takes, whose views it may have stored. */
void change_without(struct node *n, const struct member *m)
{
	if (n->change.kind && in_made(&n->change, m) && !in_base(&n->change, m))
		change_out(n, m, "has no copy");
}

/* What it is to have first is on its way. */
void change_waits(struct node *n, const struct member *m)
{
	struct party *p = n->change.kind ? change_party(&n->change, m) : NULL;

	if (p)
		p->waited = n->now;
}

/* The taker has not taken the arc: as it was, with whoever guards it (a leaver's taker is that one). */
void change_undo(struct node *n)
{
	n->change.kind = CHANGE_UNDO;
	give_failed(n);
	attempt(n);
}

/* Storing a view ends every change of one's own that it overlaps.  A view made from one of the change's own proves that
 * all of them hold: the taker has seen to it with the others while we were away. */
void change_ends(struct node *n, const struct view *by)
{
	struct change *c = &n->change;

	for (unsigned i = 0; c->kind && i < c->made_count; i++) {
		if (name_equal(&c->made[i].name, &by->base) || name_equal(&c->made[i].name, &by->far_base)) {
			change_holds(n);
		} else if (arc_overlap(c->made[i].arc, by->arc)) {
			if (c->kind == CHANGE_GIVE || c->kind == CHANGE_UNDO) {
				merge_soon(n);
				give_end(n);
			}
			c->kind = CHANGE_NONE;
		}
	}
}

/* Nothing said on the old connection counts on the new one. */
void change_resume(struct node *n)
{
	struct change *c = &n->change;

	if (!c->kind)
		return;
	c->doubt = 0;
	for (unsigned i = 0; i < c->party_count; i++) {
		struct party *p = &c->party[i];

		/* The fence that put it out is void with the connection it was proven on. */
		p->out &= !in_base(c, &p->m);
		p->stored = false;
		p->waited = n->now;
	}
	send_all(n);
}

struct arc change_arc(const struct change *c)
{
	struct arc arc = c->base[0].arc;

	if (c->base[1].name.number)
		arc.hi = c->base[1].arc.hi;
	return arc;
}

/* A maker that was away may be the one that has been fenced: on its new connection nobody has confirmed it.  Before it
 * fences who is silent it asks everybody, for the set time (PROTOCOL.md section 5, rules 4 and 5). */
static bool doubted(struct node *n, uint64_t *next)
{
	struct change *c = &n->change;
	struct arc arc = change_arc(c);

	if (c->conn == n->self.conn.count)
		return false;
	if (!c->doubt) {
		c->doubt = n->now;
		out_log(n, NOTE_DOUBT, NULL,
			"a party to a change begun before the connection was lost is silent -> asking everybody for "
			"%u s",
			n->config.recover / 1000);
	}
	if (recover_given_up(n, arc, c->doubt)) {
		if (!roll_cleared(n, arc, next))
			return true;
		c->conn = n->self.conn.count;
		c->doubted = true;
		return false;
	}
	if (n->now - c->found >= FIND_AGAIN)
		for (unsigned i = 0; i < 2; i++)
			if (c->base[i].name.number)
				find_ask(n, c->base[i].arc, &c->found);
	soonest(next, c->found + FIND_AGAIN);
	return true;
}

void change_tick(struct node *n, uint64_t *next)
{
	struct change *c = &n->change;

	if (!c->kind || !node_ready(n))
		return;
	for (unsigned i = 0; i < c->party_count; i++) {
		struct party *p = &c->party[i];

		if (p->stored || p->out)
			continue;
		if (fence_done(n, &p->m)) {
			change_out(n, &p->m, "fenced");
			soonest(next, n->now);
			return;
		}
		if (line_waited(n, p->waited, n->config.silence, next) && !doubted(n, next))
			fence_want(n, &p->m, "has not stored the view");
	}
	if (n->now - c->sent >= n->config.resend)
		send_all(n);
	soonest(next, c->sent + n->config.resend);
}

/* ---- what the parties answer ---- */

static bool about(const struct frame *f, const struct view *v)
{
	return f->view_count && name_equal(&f->views[0].name, &v->name);
}

void on_stored(struct node *n, const struct frame *f)
{
	struct change *c = &n->change;
	struct party *p = c->kind && about(f, &c->made[0]) ? change_party(c, &f->from) : NULL;

	if (n->take.phase == TAKE_STORED && n->take.view_count == 2 && about(f, &n->take.views[0])) {
		take_held(n); /* the giver is silent, but everybody has stored */
		return;
	}
	if (!p || p->out || p->stored || f->from.conn.count < p->m.conn.count)
		return;
	p->m.conn = f->from.conn;
	p->stored = true;
	for (struct entry *e = n->entries; e < n->entry_end; e++)
		for (unsigned i = 0; e->used && i < c->made_count; i++)
			if (member_same(&e->peer, &f->from) && name_equal(&e->v.name, &c->made[i].name))
				e->confirmed = true;
	try_holds(n);
}

void on_refused(struct node *n, const struct frame *f)
{
	struct change *c = &n->change;
	bool ours = c->kind && about(f, &c->made[0]) && change_party(c, &f->from);
	bool taking = n->take.phase == TAKE_STORED && about(f, &n->take.views[0]);

	if (!ours && !taking)
		return;
	for (unsigned i = 1; i < f->view_count; i++) {
		number_learn(n, f->views[i].name.number);
		/* Whoever took the base over while we were away has counted on from there. */
		if (ours && c->conn != n->self.conn.count && in_base(c, &f->from) &&
		    f->views[i].name.number > c->base[0].name.number && view_foreign(n, &f->views[i])) {
			node_give_up(n, "the arc has been taken over meanwhile");
			if (number_believed(n, f->views[i].name.number))
				entry_past(n, &f->views[i]);
			return;
		}
		/* A taker that has later views has made ours hold, with the backup, while we were away.  One that only
		 * remembers ours has given them up before they held. */
		if (!taking && f->views[i].name.number <= c->made[0].name.number)
			continue;
		if (taking || (c->kind == CHANGE_GIVE && member_same(&f->from, &n->give.taker)) ||
		    view_foreign(n, &f->views[i])) {
			node_give_up(n, "a later view stands");
			if (number_believed(n, f->views[i].name.number))
				entry_past(n, &f->views[i]);
			return;
		}
	}
	/* A newcomer's refusal is for ever; a member of the base must be kept from acting in it (after a doubt, where there
	 * is one: change_tick has it). */
	if (ours && in_base(c, &f->from) && c->conn == n->self.conn.count)
		fence_want(n, &f->from, "refuses the view");
	else if (ours && !in_base(c, &f->from))
		change_out(n, &f->from, "it refuses the view");
}
