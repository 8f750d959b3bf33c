/* What an owner keeps on its disk of who has copies, so that behind a return they are told only what they may have missed
 * (PROTOCOL.md section 7). */
#include "durable.h"
#include "follow-inside.h"

static uint64_t safe_now(const struct follower *f)
{
	return f->low || f->lows ? 0 : f->safe;
}

unsigned follow_kept(struct node *n, struct kept *kept)
{
	unsigned count = 0;

	for (struct follower *f = n->followers; f < n->follower_end; f++) {
		if (!f->used || !follow_backup(n, f))
			continue;
		/* Of what is still to be told anew, nothing less than was known before. */
		f->safe_told = safe_now(f);
		kept[count++] = (struct kept){.m = f->m, .safe = f->safe_told};
	}
	return count;
}

bool follow_low(const struct node *n)
{
	for (const struct follower *f = n->followers; f < n->follower_end; f++)
		if (f->used && safe_now(f) < f->safe_told)
			return true;
	return false;
}

static void restore_one(struct node *n, const struct member *m, struct arc arc, const struct kept *kept, unsigned count)
{
	struct follower *f;

	if (!m->memory || member_same(m, &n->self))
		return;
	f = follower_of(n, m);
	if (f)
		(void)arcs_add(&f->back, arc);
	if (f || !(f = follow_begin(n, m)))
		return;
	(void)arcs_add(&f->back, arc);
	f->owed = f->again = true;
	f->wanted = n->now;
	for (unsigned i = 0; i < count; i++)
		if (member_same(&kept[i].m, m))
			f->safe = f->safe_told = kept[i].safe;
}

/* What was on its way to them is not known any more: nobody is answered before they have it. */
void follow_restore(struct node *n, const struct kept *kept, unsigned count)
{
	struct change *c = &n->change;

	n->written = 1;
	if (n->config.replicas < 2)
		return;
	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->mine && e->minor >= 2)
			restore_one(n, &e->v.backup, e->v.arc, kept, count);
	for (unsigned i = 0; c->kind && i < 2; i++) {
		if (c->base[i].name.number && member_same(&c->base[i].owner, &n->self))
			restore_one(n, &c->base[i].backup, c->base[i].arc, kept, count);
		if (i < c->made_count && member_same(&c->made[i].owner, &n->self))
			restore_one(n, &c->made[i].backup, c->made[i].arc, kept, count);
	}
}

bool follow_again(struct node *n, const struct member *m, const struct entry *e)
{
	const struct follower *f = follower_of(n, m);

	return !f || !f->again || !e || follow_want(n, m, e);
}
