/* Trouble where it hurts: when a frame of the seed's chosen type reaches the broker, its sender or its receiver is
 * killed, stopped, cut off or asked to leave, right there. */
#include "sim.h"

static struct proc *receiver(struct world *w, const struct sim_topic *t)
{
	for (size_t i = 0; i < w->proc_count; i++) {
		if (w->procs[i]->alive && w->procs[i]->id == t->id)
			return w->procs[i];
	}
	return NULL;
}

static void hit(struct world *w, struct proc *p)
{
	uint64_t kind = rng_below(&w->rng_fault, 5);
	uint32_t index = w->aimed_count;

	if (!p || !p->alive || p->paused)
		return;
	if (w->swarm.gentle)
		kind = 4;
	w->swarm.aim_left--;
	w->aimed_count++;
	if (!mask_has(&w->options.aimed, index))
		return;
	trace(w, "world   aimed fault %u", index);
	w->stats[STAT_AIMED]++;
	if (kind <= 1)
		fault_crash(w, p->index);
	else if (kind == 2)
		fault_pause(w, p->index);
	else if (kind == 3 && p->link != NONE)
		fault_cut(w, p->link);
	else if (kind == 4)
		fault_leave(w, p->index);
}

void aim_look(struct world *w, uint32_t link, const struct packet *p)
{
	const struct sim_topic *t = &w->topics[p->topic];

	if (w->quiet || !w->swarm.aim_left || w->links[link].client || t->kind < TOPIC_RING || t->kind > TOPIC_NODE)
		return;
	if ((unsigned)packet_frame(p) != w->swarm.aim_type)
		return;
	if (!rng_chance(&w->rng_aim, w->swarm.aim_chance))
		return;
	rng_seed(&w->rng_fault, w->options.seed, STREAM_AIMED + w->aimed_count);
	if (t->kind == TOPIC_INBOX && rng_below(&w->rng_fault, 2))
		hit(w, receiver(w, t));
	else
		hit(w, w->procs[w->links[link].owner]);
}

/* Amid a commit, or just behind it. */
void aim_commit(struct world *w, uint32_t proc)
{
	struct proc *p = w->procs[proc];
	uint32_t index = w->aimed_count;

	if (w->quiet || !p->alive || p->paused)
		return;
	rng_seed(&w->rng_fault, w->options.seed, STREAM_AIMED + index);
	w->aimed_count++;
	if (!mask_has(&w->options.aimed, index))
		return;
	trace(w, "world   aimed fault %u: amid a commit", index);
	w->stats[STAT_AIMED]++;
	fault_crash(w, proc);
}
