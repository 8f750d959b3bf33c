/* What goes wrong, and to whom. */
#include <string.h>

#include "../../common/frame.h"
#include "sim.h"

#define REFUSED_BY (5 * SECOND) /* whoever starts may be in and hear later that its name is taken: it leaves again */

/* ---- identities ---- */

static bool id_taken(const struct world *w, uint32_t id)
{
	for (size_t i = 0; i < w->identity_count; i++) {
		if (w->identities[i].id == id)
			return true;
	}
	return false;
}

uint32_t identity_new(struct world *w, uint32_t id)
{
	struct identity *who;

	w->identities = sim_grow(w->identities, w->identity_count, &w->identity_room, sizeof(*w->identities));
	who = &w->identities[w->identity_count];
	while (id_taken(w, id))
		id++;
	*who = (struct identity){.id = id, .proc = NONE};
	snprintf(who->name, sizeof(who->name), "node-%zu", w->identity_count);
	return (uint32_t)w->identity_count++;
}

/* By lot, but so that the same draw hits the same one whoever else is there: a run with something left out goes on alike. */
static struct proc *pick_proc(struct world *w)
{
	uint64_t draw = rng_next(&w->rng_fault), best = 0;
	struct proc *picked = NULL;

	for (size_t i = 0; i < w->proc_count; i++) {
		struct proc *p = w->procs[i];
		struct rng lot = {draw ^ p->memory};
		uint64_t rank = rng_next(&lot);

		if (!p->alive || p->paused || (picked && rank <= best))
			continue;
		picked = p;
		best = rank;
	}
	return picked;
}

static unsigned count_staying(const struct world *w)
{
	unsigned n = 0;

	for (size_t i = 0; i < w->proc_count; i++)
		n += w->procs[i]->alive && !w->procs[i]->stop_asked;
	return n;
}

/* ---- faults of one party ---- */

void fault_lasts(struct world *w, uint64_t until)
{
	if (until > w->trouble_until)
		w->trouble_until = until;
}

/* A second cut does not mend the first. */
static void lost_from(uint64_t *drop, uint64_t at)
{
	if (at < *drop)
		*drop = at;
}

void fault_crash(struct world *w, uint32_t proc)
{
	struct proc *p = w->procs[proc];
	bool silent = rng_below(&w->rng_fault, 4) == 0;
	uint64_t notice =
		silent ? rng_range(&w->rng_fault, KEEPALIVE_MIN, KEEPALIVE_MAX) : rng_below(&w->rng_fault, 50 * MS);

	w->stats[silent ? STAT_CRASH_SILENT : STAT_CRASH]++;
	judge_disturbed(w);
	proc_kill(w, proc);
	if (p->link != NONE) {
		struct link *l = &w->links[p->link];

		lost_from(&l->out_drop, w->now + (silent ? 0 : rng_below(&w->rng_fault, notice + 1)));
		queue_push(&w->queue, w->now + notice, ENTRY_LINK_DEAD, p->link, 0, NULL);
		fault_lasts(w, w->now + notice);
	}
	if (rng_chance(&w->rng_fault, w->swarm.return_chance)) {
		w->stats[STAT_RETURNED]++;
		notice = rng_scale(&w->rng_fault, MS, 10 * SECOND);
		fault_lasts(w, w->now + notice + REFUSED_BY);
		queue_push(&w->queue, w->now + notice, ENTRY_START, p->identity, 0, NULL);
	}
	if (p->disk && rng_chance(&w->rng_fault, w->swarm.disk_lost)) {
		w->stats[STAT_DISK_LOST]++;
		disk_free(p->disk);
		p->disk = disk_new();
	}
}

/* All but a few die at one moment, and come back in any order. */
static void power(struct world *w)
{
	bool all = rng_below(&w->rng_fault, 2) != 0;
	uint64_t gap;

	w->stats[STAT_POWER]++;
	for (uint32_t i = 0; i < w->proc_count; i++) {
		struct proc *p = w->procs[i];

		if (!p->alive || (!all && rng_below(&w->rng_fault, 3) == 0))
			continue;
		w->stats[STAT_CRASH]++;
		judge_disturbed(w);
		proc_kill(w, i);
		if (p->link != NONE) {
			lost_from(&w->links[p->link].out_drop, w->now);
			queue_push(&w->queue, w->now + rng_below(&w->rng_fault, 50 * MS), ENTRY_LINK_DEAD, p->link, 0,
				   NULL);
		}
		gap = rng_scale(&w->rng_fault, MS, w->swarm.gap);
		fault_lasts(w, w->now + gap + REFUSED_BY);
		queue_push(&w->queue, w->now + gap, ENTRY_START, p->identity, 0, NULL);
	}
}

/* One in forty is longer than the broker waits: its will is out when it wakes, and its session gone. */
void fault_pause(struct world *w, uint32_t proc)
{
	uint64_t duration = rng_below(&w->rng_fault, 40) ? rng_scale(&w->rng_fault, 50 * MS, w->swarm.pause_max)
							 : rng_range(&w->rng_fault, KEEPALIVE_MIN, 40 * SECOND);

	w->stats[STAT_PAUSE]++;
	fault_pause_for(w, proc, duration);
}

void fault_pause_for(struct world *w, uint32_t proc, uint64_t duration)
{
	const struct proc *p = w->procs[proc];
	uint64_t noticed = rng_range(&w->rng_fault, KEEPALIVE_MIN, KEEPALIVE_MAX);

	judge_disturbed(w);
	fault_lasts(w, w->now + duration);
	if (duration > noticed && p->link != NONE) {
		w->stats[STAT_PAUSE_LONG]++;
		queue_push(&w->queue, w->now + noticed, ENTRY_LINK_DEAD, p->link, 0, NULL);
	}
	proc_pause(w, proc, duration);
}

void fault_cut(struct world *w, uint32_t link)
{
	struct link *l = &w->links[link];
	bool half_open = rng_below(&w->rng_fault, 3) == 0;
	uint64_t broker = rng_below(&w->rng_fault, 50 * MS), owner = rng_below(&w->rng_fault, 50 * MS);

	if (half_open) {
		broker = rng_range(&w->rng_fault, KEEPALIVE_MIN, KEEPALIVE_MAX);
		if (rng_below(&w->rng_fault, 2))
			owner = rng_below(&w->rng_fault, KEEPALIVE_MIN);
	}
	if (!l->client) { /* of clients: what they said is answered all the same */
		w->stats[half_open ? STAT_CUT_HALF : STAT_CUT]++;
		judge_disturbed(w);
	}
	story_mark(w, STORY_CUT, story_lane(w, link), 0);
	trace(w, "network cuts %s%s", l->client_id, half_open ? ", the broker does not notice" : "");
	lost_from(&l->out_drop, w->now + (half_open ? 0 : rng_below(&w->rng_fault, broker + 1)));
	lost_from(&l->in_drop, w->now + (half_open ? 0 : rng_below(&w->rng_fault, owner + 1)));
	fault_lasts(w, w->now + (broker > owner ? broker : owner));
	queue_push(&w->queue, w->now + broker, ENTRY_LINK_DEAD, link, 0, NULL);
	queue_push(&w->queue, w->now + owner, ENTRY_DELIVER, link, 0, packet_new(PACKET_CLOSED, NONE, NULL, 0));
}

void fault_leave(struct world *w, uint32_t proc)
{
	struct proc *p = w->procs[proc];

	if (p->stop_asked || count_staying(w) <= 1)
		return;
	w->stats[STAT_LEAVE]++;
	proc_stop(w, proc);
}

/* ---- faults by their kind ---- */

/* What is on its way to it goes into the room that was kept; clients of the reference are not answered. */
static void full(struct world *w)
{
	const struct proc *p = pick_proc(w);
	uint64_t duration = rng_scale(&w->rng_fault, 10 * MS, 10 * SECOND);

	if (!p || !p->disk || p->paused)
		return;
	w->stats[STAT_FULL]++;
	judge_disturbed(w);
	fault_lasts(w, w->now + duration + TOLD_BY);
	proc_room(w, p->index, false);
	queue_push(&w->queue, w->now + duration, ENTRY_ROOM, p->index, 0, NULL);
}

static void join(struct world *w)
{
	uint32_t who = NONE, old;

	if (count_staying(w) >= w->swarm.max_nodes)
		return;
	w->stats[STAT_JOIN]++;
	if (rng_below(&w->rng_fault, 3) == 0) { /* one that was there before */
		old = (uint32_t)rng_below(&w->rng_fault, w->identity_count);
		if (w->identities[old].proc != NONE && !w->procs[w->identities[old].proc]->alive &&
		    !w->identities[old].twin)
			who = old;
	}
	if (who == NONE) {
		uint64_t id = rng_next(&w->rng_fault);

		if (rng_below(&w->rng_fault, 4) == 0) /* next to a key */
			id = w->keys[id % w->swarm.keys] - (id >> 32) % 2;
		who = identity_new(w, (uint32_t)id);
	}
	proc_start(w, who);
}

static void twin(struct world *w)
{
	struct proc *p = pick_proc(w);
	bool same_id = rng_below(&w->rng_fault, 3) != 0, same_name = !same_id || rng_below(&w->rng_fault, 2);
	uint32_t who, of;

	if (!p || count_staying(w) >= w->swarm.max_nodes)
		return;
	w->stats[STAT_TWIN]++;
	of = p->identity;
	who = identity_new(w, (uint32_t)rng_next(&w->rng_fault));
	if (same_id)
		w->identities[who].id = w->identities[of].id;
	if (same_name)
		memcpy(w->identities[who].name, w->identities[of].name, sizeof(w->identities[who].name));
	w->identities[who].twin = w->identities[of].twin = true;
	proc_start(w, who);
}

static void stop_all(struct world *w)
{
	w->stats[STAT_STOP_ALL]++;
	for (size_t i = w->proc_count; i > 0; i--) {
		if (w->procs[i - 1]->alive && !w->procs[i - 1]->paused && !w->procs[i - 1]->stop_asked)
			proc_stop(w, (uint32_t)i - 1);
	}
	fault_lasts(w, w->now + 3 * SECOND);
	for (unsigned i = 0; i < w->options.nodes; i++) {
		uint32_t who = identity_new(w, (uint32_t)rng_next(&w->rng_fault));

		queue_push(&w->queue, w->now + rng_scale(&w->rng_fault, MS, 3 * SECOND), ENTRY_START, who, 0, NULL);
	}
}

/* Each identity is stopped and started again by somebody, some at once, some an age apart, some twice. */
static void operate(struct world *w)
{
	uint64_t span = rng_range(&w->rng_fault, 10 * SECOND, 90 * SECOND), down, at;

	w->stats[STAT_OPERATE]++;
	for (uint32_t i = 0; i < w->identity_count; i++) {
		if (w->identities[i].twin || w->identities[i].proc == NONE)
			continue;
		at = w->now + rng_below(&w->rng_fault, span);
		down = at + rng_scale(&w->rng_fault, MS, span);
		queue_push(&w->queue, at, ENTRY_STOP, i, 0, NULL);
		queue_push(&w->queue, down, ENTRY_START, i, 0, NULL);
		fault_lasts(w, down + REFUSED_BY);
	}
}

void fault_stop(struct world *w, uint32_t identity)
{
	struct proc *p = w->procs[w->identities[identity].proc];

	if (p->alive && !p->paused && !p->stop_asked)
		proc_stop(w, p->index);
}

void fault_broker(struct world *w, bool in_order, uint64_t down)
{
	static const char *const fates[] = {"kept", "lost", "gone back"};
	enum retained_fate fate = RETAINED_LOST;

	if (!w->broker_up || w->hung)
		return;
	if (w->swarm.persistence) /* B7, B25 */
		fate = in_order ? RETAINED_KEPT : RETAINED_STALE;
	w->stats[in_order ? STAT_BROKER_TERM : STAT_BROKER_KILL]++;
	w->stats[STAT_RETAINED_LOST] += fate == RETAINED_LOST;
	w->stats[STAT_RETAINED_STALE] += fate == RETAINED_STALE;
	trace(w, "broker  is %s, retained messages %s", in_order ? "restarted" : "KILLED", fates[fate]);
	judge_disturbed(w);
	fault_lasts(w, w->now + w->swarm.down_max);
	broker_restart(w, in_order, fate, down);
}

static void restart(struct world *w)
{
	bool in_order = rng_below(&w->rng_fault, 2) != 0;

	fault_broker(w, in_order, rng_scale(&w->rng_fault, MS, w->swarm.down_max));
}

static void hang(struct world *w)
{
	uint64_t duration = rng_scale(&w->rng_fault, 50 * MS, 30 * SECOND);
	bool killed = rng_below(&w->rng_fault, 4) == 0;
	uint64_t down = rng_scale(&w->rng_fault, MS, w->swarm.down_max);

	if (!w->broker_up || w->hung)
		return;
	w->stats[killed ? STAT_HANG_KILLED : STAT_HANG]++;
	judge_disturbed(w);
	fault_lasts(w, w->now + duration + 5 * SECOND);
	broker_hang(w, duration, killed ? (uint32_t)down : 0);
}

/* The core's time never goes back; a jump forward is every time-out too early. */
static void jump(struct world *w, const struct proc *p)
{
	w->stats[STAT_CLOCK]++;
	judge_disturbed(w);
	proc_clock(w, p->index, rng_scale(&w->rng_fault, 10, 60000));
}

/* ---- the fault that is due ---- */

static void one_fault(struct world *w, enum fault kind)
{
	struct proc *p = pick_proc(w);
	struct client *c = &w->clients[rng_below(&w->rng_fault, w->options.clients)];

	switch (kind) {
	case FAULT_JOIN:
		join(w);
		break;
	case FAULT_LEAVE:
		if (p)
			fault_leave(w, p->index);
		break;
	case FAULT_CRASH:
		if (p)
			fault_crash(w, p->index);
		break;
	case FAULT_PAUSE:
		if (p)
			fault_pause(w, p->index);
		break;
	case FAULT_CUT:
		if (p && p->link != NONE)
			fault_cut(w, p->link);
		break;
	case FAULT_CUT_CLIENT:
		w->stats[STAT_CUT_CLIENT]++;
		if (c->link != NONE)
			fault_cut(w, c->link);
		break;
	case FAULT_STALL:
		w->stats[STAT_STALL]++;
		judge_disturbed(w);
		if (p && p->link != NONE)
			link_stall(w, p->link, rng_scale(&w->rng_fault, MS, 5 * SECOND));
		fault_lasts(w, w->now + 5 * SECOND);
		break;
	case FAULT_BROKER:
		restart(w);
		break;
	case FAULT_HANG:
		hang(w);
		break;
	case FAULT_AUTOSAVE:
		broker_autosave(w);
		break;
	case FAULT_CLOCK:
		if (p)
			jump(w, p);
		break;
	case FAULT_STRANGER:
		strange_speak(w);
		break;
	case FAULT_OPERATE:
		operate(w);
		break;
	case FAULT_TWIN:
		twin(w);
		break;
	case FAULT_STOP_ALL:
		stop_all(w);
		break;
	case FAULT_FULL:
		full(w);
		break;
	case FAULT_POWER:
		power(w);
		break;
	default:
		break;
	}
}

static void next_fault(struct world *w, enum fault kind)
{
	queue_push(&w->queue, w->now + 1 + rng_exponential(&w->rng_schedule, w->swarm.mean[kind]), ENTRY_FAULT, kind, 0,
		   NULL);
}

/* When and how often is drawn apart from what then happens, and that from a stream of each occurrence's own: one that is
 * left out shifts no other. */
static bool occurs(struct world *w)
{
	uint32_t index = w->fault_count++;

	rng_seed(&w->rng_fault, w->options.seed, STREAM_FAULT + index);
	if (!mask_has(&w->options.faults, index))
		return false;
	trace(w, "world   fault %u", index);
	return true;
}

void fault_happens(struct world *w, enum fault kind)
{
	uint64_t times = rng_below(&w->rng_schedule, 4) == 0 ? rng_range(&w->rng_schedule, 1, w->swarm.burst) : 1;

	next_fault(w, kind);
	for (; times > 0; times--) {
		if (occurs(w))
			one_fault(w, kind);
	}
}

void fault_start(struct world *w)
{
	for (int f = 0; f < FAULT_COUNT; f++) {
		if (w->swarm.mean[f])
			next_fault(w, (enum fault)f);
	}
}
