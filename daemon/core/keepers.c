/* Copies beyond the backup's: kept by who comes behind it on the ring, and named in no view (PROTOCOL.md section 7, "More than
 * two copies").  Who they are each node learns from its backup, when that confirms a view. */
#include "follow-inside.h"

#define ASK_AGAIN 1000 /* ms, while there are too few */
#define AGAIN 4        /* of the set time, one in so many: no keeper hears nothing for longer */

static struct entry *settled_main(struct node *n)
{
	struct entry *own = entry_main(n);

	return own && own->held && own->peer.memory && own->v.arc.lo != own->v.arc.hi && !entry_out(n, own) ? own
													    : NULL;
}

/* ---- who they are ---- */

void keepers_tell(struct node *n, struct frame *f)
{
	const struct entry *own = settled_main(n);

	if (!own)
		return;
	f->next[f->next_count++] = own->peer;
	for (unsigned i = 0; i < n->keepers.count && f->next_count < FRAME_NEXT_MAX; i++)
		if (member_same(&n->keepers.by, &own->peer) && !member_same(&n->keepers.next[i], &f->from))
			f->next[f->next_count++] = n->keepers.next[i];
}

void keepers_told(struct node *n, const struct frame *f)
{
	struct keepers *k = &n->keepers;

	k->by = f->from;
	k->count = 0;
	k->around = false;
	for (unsigned i = 0; i < f->next_count; i++) {
		if (member_same(&f->next[i], &n->self)) {
			k->around = true;
			break;
		}
		if (f->next[i].memory && !member_same(&f->next[i], &f->from))
			k->next[k->count++] = f->next[i];
	}
	n->recheck = true;
}

static bool is_shunned(const struct node *n, const struct member *m)
{
	for (const struct shunned *s = n->keepers.shunned; s < n->keepers.shunned + FRAME_NEXT_MAX; s++)
		if (member_same(&s->m, m) && n->now < s->until)
			return true;
	return false;
}

static void shun(struct node *n, const struct member *m)
{
	struct shunned *oldest = n->keepers.shunned;

	for (struct shunned *s = n->keepers.shunned; s < n->keepers.shunned + FRAME_NEXT_MAX; s++)
		if (s->until < oldest->until)
			oldest = s;
	*oldest = (struct shunned){*m, n->now + n->config.ping};
}

/* The i-th beside the backup; NULL: there are no more, or are not to be. */
static const struct member *wanted(struct node *n, unsigned i)
{
	const struct entry *own = settled_main(n);
	const struct keepers *k = &n->keepers;

	if (!own || n->stopping || i + 2 >= n->config.replicas || !member_same(&k->by, &own->peer))
		return NULL;
	for (unsigned j = 0; j < k->count; j++)
		if (!is_shunned(n, &k->next[j]) && i-- == 0)
			return &k->next[j];
	return NULL;
}

/* What was answered before answers waited for it may still be on its way. */
static bool is_keeper(const struct node *n, const struct follower *f)
{
	return f->extra && follow_has(n, f) >= f->extra_from;
}

bool keepers_want(struct node *n, const struct follower *f)
{
	const struct member *m;
	bool all = true;

	for (unsigned i = 0; (m = wanted(n, i)) != NULL; i++) {
		const struct follower *other = follower_of(n, m);

		if (member_same(m, &f->m))
			return true;
		all &= other && is_keeper(n, other);
	}
	/* Who was one stays until others have everything. */
	return f->extra && !all;
}

static bool counts(struct node *n, const struct follower *f, struct arc arc)
{
	return f->used && is_keeper(n, f) && !follow_backup(n, f) && arcs_cover(&f->whole, arc);
}

unsigned node_get_keepers(const struct node *node, uint32_t id, struct member *keepers)
{
	struct node *n = (struct node *)node;
	const struct entry *e = entry_own(n, id);
	unsigned count = 0;

	for (const struct follower *f = n->followers; e && f < n->follower_end && count < REPLICAS_MAX - 2; f++)
		if (counts(n, f, e->v.arc))
			keepers[count++] = f->m;
	return count;
}

bool node_tells(const struct node *n, const struct member *keeper, uint64_t attempt)
{
	const struct follower *f = follower_of((struct node *)n, keeper);

	return f && f->attempt == attempt;
}

unsigned keepers_count(struct node *n, struct arc arc)
{
	unsigned count = 0;

	for (const struct follower *f = n->followers; f < n->follower_end; f++)
		count += counts(n, f, arc);
	return count;
}

/* ---- what they are told ---- */

static bool has_all(const struct node *n, const struct follower *f)
{
	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->mine && !arcs_cover(&f->whole, e->v.arc))
			return false;
	return true;
}

static void fill(struct node *n, const struct member *m)
{
	struct follower *f;

	for (struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->mine && e->held)
			(void)follow_want(n, m, e);
	f = follower_of(n, m);
	if (!f || f->extra || f->owed || !has_all(n, f) || !follow_proved(f))
		return;
	f->extra = true; /* from here on answers wait for it, too */
	f->extra_from = n->written;
}

void keepers_doubt(struct node *n)
{
	for (struct follower *f = n->followers; f < n->follower_end; f++)
		if (f->used && f->extra) {
			f->extra = false;
			f->prove = true;
		}
}

void keepers_lost(struct node *n, const struct member *m, const char *why)
{
	out_log(n, NOTE_KEEPER_LOST, ABOUT(OF_PEER(m->id), OF_REASON(why)),
		"node %08x: %s -> one copy less, until there is another", m->id, why);
	shun(n, m);
	n->recheck = true;
}

/* That its owner is there, and whether it is. */
static void remind(struct node *n, struct follower *f, uint64_t *next)
{
	uint64_t pause = n->config.recover / AGAIN;

	if (f->prove) {
		follow_say(n, f);
		f->prove_seq = f->seq;
		f->prove = false;
	}
	if (f->window_count)
		return;
	if (n->now - f->sent >= pause)
		follow_say(n, f);
	soonest(next, f->sent + pause);
}

/* It is in no view, so it need not be fenced: it can serve nothing that others do not ask it for. */
static bool is_silent(struct node *n, const struct follower *f, uint64_t *next)
{
	return f->window_count && line_waited(n, f->progress, n->config.silence, next);
}

/* Its backup may know of more by now. */
static void ask(struct node *n, struct entry *own, uint64_t *next)
{
	if (n->now - n->keepers.asked >= ASK_AGAIN && !own->silent) {
		n->keepers.asked = n->now;
		own->heard = 0;
		soonest(next, n->now);
	}
	soonest(next, n->keepers.asked + ASK_AGAIN);
}

void keepers_tick(struct node *n, uint64_t *next)
{
	bool busy = n->change.kind || n->give.phase || n->take.phase || !node_ready(n);
	struct entry *own = settled_main(n);
	const struct member *m;
	unsigned i;

	for (struct follower *f = n->followers; node_ready(n) && f < n->follower_end; f++) {
		struct member silent = f->m;

		if (!f->used || follow_backup(n, f) || !keepers_want(n, f))
			continue;
		remind(n, f, next);
		if (!is_silent(n, f, next))
			continue;
		follow_end(n, f);
		keepers_lost(n, &silent, "does not answer");
	}
	/* The backup first. */
	if (busy || n->config.replicas < 3 || !own || !entry_serves(n, own) || !follow_whole(n, &own->peer, own->v.arc))
		return;
	for (i = 0; (m = wanted(n, i)) != NULL; i++)
		fill(n, m);
	if (i + 2 < n->config.replicas && !n->keepers.around && !n->stopping)
		ask(n, own, next);
}
