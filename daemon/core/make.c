/* The views that each kind of change makes of its base (PROTOCOL.md section 5, rules 1 and 6, and 6). */
#include "core.h"

static bool is_out(struct change *c, const struct member *m)
{
	const struct party *p = change_party(c, m);

	return p && p->out;
}

static struct member unless_out(struct change *c, const struct member *m)
{
	return m->memory && !is_out(c, m) ? *m : (struct member){0};
}

static struct view *made(struct node *n, struct arc arc, const struct member *owner, const struct member *backup)
{
	struct change *c = &n->change;
	struct view *v = &c->made[c->made_count++];

	*v = (struct view){.name = name_next(n), .arc = arc, .owner = *owner, .backup = *backup};
	v->base = c->base[0].name;
	return v;
}

/* base[0] is the near arc, base[1] continues it and ends at this node. */
static void make_merge(struct node *n)
{
	struct change *c = &n->change;
	const struct view *near = &c->base[0], *far = &c->base[1];
	struct arc arc = {near->arc.lo, far->arc.hi};
	struct member backup = {0};
	struct view *v;

	if (arc.lo != arc.hi)
		backup = unless_out(c, &far->backup);
	v = made(n, arc, &n->self, &backup);
	v->far_base = far->name;
	v->split = near->arc.hi;
}

static void make_give(struct node *n)
{
	struct change *c = &n->change;
	const struct member *taker = &n->give.taker;
	struct member backup = unless_out(c, &c->base[0].backup);

	made(n, n->give.arc, taker, &n->self);
	if (n->give.leave)
		return;
	/* It has nothing of the rest. */
	if (!c->base[0].backup.memory)
		backup = c->base[0].arc.lo == n->self.id && n->config.replicas < 2 ? *taker : (struct member){0};
	made(n, (struct arc){n->give.arc.hi, c->base[0].arc.hi}, &n->self, &backup);
}

void make_views(struct node *n)
{
	struct change *c = &n->change;
	struct member backup;

	c->made_count = 0;
	switch (c->kind) {
	case CHANGE_BACKUP:
		backup = unless_out(c, &c->backup);
		made(n, c->base[0].arc, &n->self, &backup);
		break;
	case CHANGE_UNDO:
		backup = unless_out(c, &c->base[0].backup);
		made(n, c->base[0].arc, &n->self, &backup);
		break;
	case CHANGE_SHRINK:
		backup = unless_out(c, &c->base[0].backup);
		made(n, (struct arc){n->shrink_to, c->base[0].arc.hi}, &n->self, &backup);
		break;
	case CHANGE_MERGE:
		make_merge(n);
		break;
	case CHANGE_SPLIT:
		/* What lies in front is guarded by nobody but ourselves, and soon somebody else's. */
		backup = unless_out(c, &c->base[0].backup);
		made(n, (struct arc){c->base[0].arc.lo, n->self.id}, &n->self,
		     n->config.replicas < 2 ? &(struct member){0} : &backup);
		made(n, (struct arc){n->self.id, c->base[0].arc.hi}, &n->self, &backup);
		break;
	case CHANGE_GIVE:
		make_give(n);
		break;
	case CHANGE_NONE:
		break;
	}
}
