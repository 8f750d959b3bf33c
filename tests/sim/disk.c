/* A process's disk: what is committed, and the groups and effects that wait for it (node.h, struct update).  A commit takes
 * its time, and takes all groups that wait when it begins; who is killed meanwhile has what was committed, or that as well.
 * Nothing of what waited behind is ever said. */
#include <string.h>

#include "../../common/mem.h"
#include "sim.h"

struct datum {
	uint8_t *key; /* the space ahead of it */
	size_t key_len;
	uint8_t *value;
	size_t len;
};

struct change {
	struct datum to;
	bool remove;
};

struct group {
	struct group *next;
	struct change *changes;
	size_t count;
};

struct waiting {
	struct waiting *next;
	struct effect effect;
	uint64_t after; /* the group */
	uint32_t link;
};

struct disk {
	struct datum *data; /* by key */
	size_t count, room;
	struct group *first, **last; /* sealed and not committed */
	struct waiting *waits, **waits_last;
	uint64_t sealed, committed, under_way; /* all groups up to there are being committed; 0: none is */
	uint32_t gen;
};

struct disk *disk_new(void)
{
	struct disk *d = xcalloc(1, sizeof(*d));

	d->last = &d->first;
	d->waits_last = &d->waits;
	return d;
}

/* ---- data ---- */

static int order(const struct datum *a, const struct datum *b)
{
	int c = memcmp(a->key, b->key, a->key_len < b->key_len ? a->key_len : b->key_len);

	return c ? c : (a->key_len > b->key_len) - (a->key_len < b->key_len);
}

static size_t place_of(const struct disk *d, const struct datum *key, bool *there)
{
	size_t low = 0, high = d->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (order(&d->data[middle], key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*there = low < d->count && order(&d->data[low], key) == 0;
	return low;
}

static void datum_free(struct datum *m)
{
	free(m->key);
	free(m->value);
}

/* Takes what it is given. */
static void apply(struct disk *d, struct change *c)
{
	bool there;
	size_t i = place_of(d, &c->to, &there);

	if (there)
		datum_free(&d->data[i]);
	if (c->remove && there)
		memmove(&d->data[i], &d->data[i + 1], (--d->count - i) * sizeof(*d->data));
	if (c->remove) {
		datum_free(&c->to);
		return;
	}
	if (!there) {
		d->data = sim_grow(d->data, d->count, &d->room, sizeof(*d->data));
		memmove(&d->data[i + 1], &d->data[i], (d->count++ - i) * sizeof(*d->data));
	}
	d->data[i] = c->to;
}

static struct group *group_out(struct disk *d)
{
	struct group *g = d->first;

	d->first = g->next;
	if (!d->first)
		d->last = &d->first;
	return g;
}

static void commit(struct disk *d, uint64_t upto)
{
	while (d->committed < upto) {
		struct group *g = group_out(d);

		for (size_t i = 0; i < g->count; i++)
			apply(d, &g->changes[i]);
		free(g->changes);
		free(g);
		d->committed++;
	}
}

static void group_drop(struct group *g)
{
	for (size_t i = 0; i < g->count; i++)
		datum_free(&g->changes[i].to);
	free(g->changes);
	free(g);
}

/* ---- effects ---- */

static bool leaves(enum effect_type type)
{
	return type != EFFECT_LOG && type != EFFECT_STATE && type != EFFECT_PROGRESS;
}

static void waiting_drop(struct waiting *h)
{
	for (size_t i = 0; i < h->effect.filter_count; i++)
		free((char *)h->effect.filters[i]);
	free((void *)h->effect.filters);
	free((char *)h->effect.topic);
	free((uint8_t *)h->effect.payload);
	free(h);
}

bool disk_holds(struct proc *p, const struct effect *e)
{
	struct disk *d = p->disk;
	struct waiting *h;
	const char **filters;

	if (!d || d->sealed == d->committed || !leaves(e->type))
		return false;
	h = xcalloc(1, sizeof(*h));
	h->effect = *e;
	h->after = d->sealed;
	h->link = p->link;
	if (e->topic)
		h->effect.topic = xstrdup(e->topic);
	if (e->payload)
		h->effect.payload = xmemdup(e->payload, e->len);
	filters = e->filter_count ? xmalloc(e->filter_count * sizeof(*filters)) : NULL;
	for (size_t i = 0; i < e->filter_count; i++)
		filters[i] = xstrdup(e->filters[i]);
	h->effect.filters = filters;
	*d->waits_last = h;
	d->waits_last = &h->next;
	return true;
}

static void let_go(struct world *w, struct proc *p)
{
	struct disk *d = p->disk;

	while (p->alive && d->waits && d->waits->after <= d->committed) {
		struct waiting *h = d->waits;

		d->waits = h->next;
		if (!d->waits)
			d->waits_last = &d->waits;
		/* Nothing is carried from one connection to the next. */
		if (h->effect.type == EFFECT_EXIT || h->link == p->link)
			proc_carry_out(w, p, &h->effect);
		waiting_drop(h);
	}
}

/* ---- commits ---- */

static void begin(struct world *w, struct proc *p)
{
	struct disk *d = p->disk;
	uint64_t time;

	if (d->under_way || d->sealed == d->committed)
		return;
	time = rng_scale(&p->rng, w->swarm.commit_min, w->swarm.commit_max);
	if (rng_chance(&p->rng, w->swarm.commit_late))
		time = rng_scale(&p->rng, 10 * MS, SECOND);
	d->under_way = d->sealed;
	/* Before it is done, or just behind it, when some of what waited has been said. */
	if (rng_chance(&p->rng, w->swarm.fatal))
		queue_push(&w->queue, w->now + rng_below(&p->rng, time + time / 4 + 1), ENTRY_DIES, p->index, d->gen,
			   NULL);
	queue_push(&w->queue, w->now + time, ENTRY_DISK, p->index, ++d->gen, NULL);
}

void disk_write(struct world *w, struct proc *p, const struct update *u)
{
	struct disk *d = p->disk;
	struct group *g;

	if (!d || !u->write_count)
		return;
	g = xcalloc(1, sizeof(*g));
	g->count = u->write_count;
	g->changes = xcalloc(g->count, sizeof(*g->changes));
	for (size_t i = 0; i < g->count; i++) {
		const struct node_write *from = &u->writes[i];
		struct datum *to = &g->changes[i].to;

		to->key_len = 1 + from->key_len;
		to->key = xmalloc(to->key_len);
		to->key[0] = (uint8_t)from->space;
		memcpy(to->key + 1, from->key, from->key_len);
		to->len = from->len;
		to->value = from->remove ? NULL : xmemdup(from->value, from->len);
		g->changes[i].remove = from->remove;
		hash_mix(w, hash_bytes(to->key, to->key_len) ^ (from->remove ? 1 : hash_bytes(to->value, to->len)));
	}
	*d->last = g;
	d->last = &g->next;
	d->sealed++;
	w->stats[STAT_GROUPS]++;
	begin(w, p);
}

void disk_committed(struct world *w, uint32_t proc, uint32_t gen)
{
	struct proc *p = w->procs[proc];
	struct disk *d = p->disk;

	if (!p->alive || d->gen != gen)
		return;
	if (p->paused) { /* it does not look */
		queue_push(&w->queue, w->now + 10 * MS, ENTRY_DISK, proc, gen, NULL);
		return;
	}
	commit(d, d->under_way);
	d->under_way = 0;
	w->stats[STAT_COMMITS]++;
	let_go(w, p);
	if (p->alive)
		begin(w, p);
	else
		proc_end(p);
}

/* The process is gone: the kernel may have had the last commit. */
void disk_died(struct world *w, struct proc *p)
{
	struct disk *d = p->disk;

	if (!d)
		return;
	if (d->under_way && rng_below(&p->rng, 2))
		commit(d, d->under_way);
	d->under_way = 0;
	d->gen++;
	w->stats[STAT_GROUPS_LOST] += d->sealed - d->committed;
	while (d->first)
		group_drop(group_out(d));
	d->sealed = d->committed;
	while (d->waits) {
		struct waiting *h = d->waits;

		d->waits = h->next;
		waiting_drop(h);
	}
	d->waits_last = &d->waits;
}

void disk_restore(struct world *w, struct proc *p, const struct event *at)
{
	const struct disk *d = p->disk;

	for (size_t i = 0; i < d->count; i++) {
		const struct datum *m = &d->data[i];
		const char *why = node_restore(p->node, at, (enum node_space)m->key[0], m->key + 1, m->key_len - 1,
					       m->value, m->len);

		if (why)
			fail(w, "disk: %s cannot go on: %s", p->label, why);
	}
}

bool disk_empty(const struct disk *d)
{
	return d->count == 0;
}

bool disk_has_records(const struct disk *d)
{
	bool any = false;

	for (size_t i = 0; i < d->count; i++)
		any |= d->data[i].key[0] >= SPACE_RECORDS && d->data[i].key[0] <= SPACE_TAKEN;
	return any;
}

void disk_free(struct disk *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->count; i++)
		datum_free(&d->data[i]);
	free(d->data);
	while (d->first)
		group_drop(group_out(d));
	while (d->waits) {
		struct waiting *h = d->waits;

		d->waits = h->next;
		waiting_drop(h);
	}
	free(d);
}
