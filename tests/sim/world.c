/* One run: a phase of work and faults, then a quiet one in which everything must heal. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/mem.h"
#include "sim.h"

/* The arcs of several that died in a row are taken one after the other, each at the end of a doubt, some 15 s apart: of several,
 * while others slept, the last one 63 s after the last fault (seed 794128).  The slowest clock has half the rate. */
#define HEAL_LIMIT ((w->swarm.drift ? 180 : 90) * SECOND)
#define CHECK_EVERY (200 * MS)
#define WHOLE_FOR (1 * SECOND)
/* As many, and as many more a second: of a hundred seekers who wait for an operator each asks for minutes. */
#define EVENTS_MAX 4000000u
#define EVENTS_SECOND 20000u

static uint32_t draw_id(struct world *w, unsigned mode, unsigned i)
{
	struct rng *r = &w->rng_world;

	switch (mode) {
	case 0: /* all in one corner, round 0 */
		return (uint32_t)rng_below(r, 65536) - 32768;
	case 1: /* next to each other */
		return (uint32_t)(i * 3 - 2);
	case 2: /* evenly */
		return (uint32_t)(((uint64_t)i << 32) / w->options.nodes);
	default:
		return (uint32_t)rng_next(r);
	}
}

/* Keys: anywhere, and at the edges of the arcs. */
static void draw_keys(struct world *w)
{
	for (unsigned i = 0; i < w->swarm.keys; i++) {
		uint32_t key = (uint32_t)rng_next(&w->rng_world);
		unsigned j = 0;

		if (rng_below(&w->rng_world, 2))
			key = w->identities[key % w->identity_count].id + (key >> 16) % 2;
		else if (rng_below(&w->rng_world, 8) == 0)
			key = key % 2 ? UINT32_MAX : 0;
		while (j < i) {
			if (w->keys[j] == key) {
				key++;
				j = 0;
			} else {
				j++;
			}
		}
		w->keys[i] = key;
	}
	/* The reference's know neither names nor numbers that count. */
	for (unsigned i = 0; w->swarm.ours == w->options.clients && i < w->swarm.keys; i++) {
		w->named[i] = i % 2 == 1;
		w->counter[i] = i % 4 == 2;
		snprintf(w->names[i], sizeof(w->names[i]), "name%u-%u", i, w->keys[i] % 1000);
		if (w->named[i])
			w->keys[i] = key_named((const uint8_t *)w->names[i], strlen(w->names[i])).id;
	}
}

static bool is_calm(const struct world *w, enum calm what)
{
	return w->options.calm >> what & 1;
}

/* What a run that is to be looked at does without (sim_options). */
static void calm(struct world *w)
{
	struct swarm *s = &w->swarm;

	if (is_calm(w, CALM_TAIL))
		s->tail = 0;
	if (is_calm(w, CALM_DELAYS))
		s->delay_spread = 0;
	if (is_calm(w, CALM_TIMERS))
		s->timer_late = 0;
	if (is_calm(w, CALM_FENCES))
		s->fence_lost = 0;
	if (is_calm(w, CALM_DROPS)) {
		s->drop = s->slow_chance = 0;
		s->queue_limit = 0;
	}
	if (is_calm(w, CALM_VALUES)) {
		s->value_len = s->held_max = 0;
		s->outbox_high = 1 << 20;
	}
	if (is_calm(w, CALM_JOINS))
		s->join_attempts = 4;
	if (is_calm(w, CALM_WILLS))
		s->will_lost = s->will_late = 0;
	if (is_calm(w, CALM_ANSWERS))
		s->connack_lost = s->suback_late = s->refuse = 0;
	if (is_calm(w, CALM_ORDER))
		s->disorder = false;
	if (is_calm(w, CALM_CLOCKS))
		s->drift = false;
	if (is_calm(w, CALM_MANNERS))
		s->vanish = s->repeat = 0;
	if (w->options.work_ms && s->work > w->options.work_ms * MS)
		s->work = w->options.work_ms * MS;
}

static void begin(struct world *w)
{
	unsigned mode = (unsigned)rng_below(&w->rng_world, 6);
	bool together = rng_below(&w->rng_world, 2) != 0 || w->options.sweep;
	uint64_t at = 0;

	for (unsigned i = 0; i < w->options.nodes; i++)
		(void)identity_new(w, draw_id(w, mode, i));
	draw_keys(w);
	judge_init(w);
	w->stats[STAT_FOUNDINGS] += together;
	for (unsigned i = 0; i < w->options.nodes; i++) {
		if (mask_has(&w->options.starts, i))
			queue_push(&w->queue, at, ENTRY_START, i, 0, NULL);
		if (!together)
			at += rng_scale(&w->rng_world, MS, 2 * SECOND);
	}
	w->clients = xcalloc(w->options.clients, sizeof(*w->clients));
	for (unsigned i = 0; i < w->options.clients; i++) {
		uint64_t first = rng_below(&w->rng_world, CLIENTS_BEGIN);

		w->clients[i] = (struct client){.index = i, .link = NONE, .op = NONE};
		if (!mask_has(&w->options.clients_on, i))
			continue;
		client_init(w, i);
		w->clients[i].left = w->options.ops / w->options.clients;
		queue_push(&w->queue, first, ENTRY_CLIENT, i, 0, NULL);
	}
	queue_push(&w->queue, LOOK_EVERY, ENTRY_LOOK, 0, 0, NULL);
	if (w->options.sweep)
		sweep_start(w);
	else
		fault_start(w);
	queue_push(&w->queue, w->swarm.work + 2 * SECOND, ENTRY_CHECK, 0, 0, NULL);
}

/* ---- the quiet phase ---- */

/* A ring must be there in the end, whoever has left or been refused. */
static void start_if_none(struct world *w)
{
	for (uint32_t i = 0; i < w->proc_count; i++) {
		if (w->procs[i]->alive && !w->procs[i]->stop_asked)
			return;
	}
	proc_start(w, identity_new(w, (uint32_t)rng_next(&w->rng_node)));
	fault_lasts(w, w->now); /* it has as long as any other, however long the last one took to go */
}

/* Who reads slowly no longer does, once it has read what has piled up: with no bound on its queue it would fall behind for
 * ever. */
static void readers_recover(struct world *w)
{
	for (size_t i = 0; i < w->proc_count; i++)
		w->procs[i]->in_cost = 0;
	for (uint32_t i = 0; i < w->link_count; i++) {
		struct link *l = &w->links[i];

		/* Nor is anybody out of the trouble who has not read yet what was said in it. */
		if (l->state == LINK_LIVE) {
			fault_lasts(w, l->in_last);
			fault_lasts(w, l->out_last);
		}
		l->in_cost = 0;
	}
}

/* Somebody starts all that have died: what they have nobody else may have. */
static void start_all(struct world *w)
{
	for (uint32_t i = 0; i < w->identity_count && w->swarm.faithful; i++) {
		const struct proc *p = w->identities[i].proc == NONE ? NULL : w->procs[w->identities[i].proc];

		if (!p || p->alive || !p->disk || disk_empty(p->disk) ||
		    !(p->killed || p->lonely_exit || disk_has_records(p->disk)))
			continue;
		proc_start(w, i);
		fault_lasts(w, w->now + SECOND);
	}
}

static void be_quiet(struct world *w)
{
	trace(w, "world   is quiet from now on");
	story_mark(w, STORY_QUIET, NONE, 0);
	w->quiet = true;
	w->quiet_since = w->now;
	if (w->trouble_until < w->now)
		w->trouble_until = w->now;
	w->whole_since = UINT64_MAX;
	w->swarm.drop = w->swarm.tail = w->swarm.fence_lost = 0;
	w->swarm.fatal = w->swarm.commit_late = 0;
	w->swarm.queue_limit = 0;
	w->swarm.slow_chance = 0;
	readers_recover(w);
	w->swarm.connack_lost = w->swarm.will_lost = w->swarm.will_late = w->swarm.suback_late = w->swarm.refuse = 0;
	for (uint32_t i = 0; i < w->link_count; i++) {
		if (!w->links[i].refused || w->links[i].state != LINK_LIVE)
			continue;
		w->rng_fault = w->links[i].rng;
		fault_cut(w, i); /* somebody has seen to its rights */
	}
	for (unsigned i = 0; i < w->options.clients; i++)
		w->clients[i].left = 0;
	for (uint32_t i = 0; i < w->proc_count && w->swarm.memory; i++)
		proc_unlimit(w, i);
	if (w->swarm.memory)
		fault_lasts(w, w->now + (w->swarm.drift ? 2 : 1) * TOLD_BY);
	queue_push(&w->queue, w->now + CHECK_EVERY, ENTRY_CHECK, 0, 0, NULL);
}

/* The ring is whole: now every client asks for everything once more, and nothing excuses a missing answer. */
static void ask_all(struct world *w)
{
	w->finals_sent = true;
	w->disturbed = false;
	w->stats[STAT_QUIET_MS] += (w->now - w->trouble_until) / MS;
	for (unsigned i = 0; i < w->options.clients; i++) {
		if (mask_has(&w->options.clients_on, i))
			client_finish(w, i);
	}
}

static bool clients_ready(const struct world *w)
{
	for (unsigned i = 0; i < w->options.clients; i++) {
		if (mask_has(&w->options.clients_on, i) && !client_ready(&w->clients[i]))
			return false;
	}
	return true;
}

/* A client is content with the answer to another's get of the same key: its own may still be under way. */
static bool answers_under_way(const struct world *w)
{
	for (size_t i = w->op_count; i > 0 && w->ops[i - 1].quiet; i--) {
		if (!w->ops[i - 1].answered && w->now < w->ops[i - 1].sent_at + w->swarm.client_timeout)
			return true;
	}
	return false;
}

static void finish(struct world *w)
{
	for (unsigned i = 0; i < w->options.clients; i++) {
		if (w->clients[i].left)
			return;
	}
	if (answers_under_way(w) || !judge_settled(w))
		return;
	judge_end(w);
	w->done = true;
}

static void look_round(struct world *w)
{
	char why[200] = "";
	bool whole;

	start_all(w);
	tool_accept(w);
	if (w->now > w->trouble_until)
		start_if_none(w);
	judge_arcs(w);
	whole = judge_whole(w, why, sizeof(why));
	if (whole && w->whole_since == UINT64_MAX)
		w->whole_since = w->now;
	if (!whole)
		w->whole_since = UINT64_MAX;
	if (!whole && w->finals_sent)
		fail(w, "I2: the ring was whole and falls apart though all is quiet: %s", why);
	else if (!whole && w->now > w->trouble_until + HEAL_LIMIT)
		fail(w, "I2: not whole %u s after the last fault: %s", HEAL_LIMIT / SECOND, why);
	else if (w->finals_sent)
		finish(w);
	else if (whole && w->now >= w->whole_since + WHOLE_FOR && w->now > w->trouble_until && clients_ready(w))
		ask_all(w);
	queue_push(&w->queue, w->now + CHECK_EVERY, ENTRY_CHECK, 0, 0, NULL);
}

/* ---- the loop ---- */

static void start_identity(struct world *w, uint32_t identity)
{
	uint32_t proc = w->identities[identity].proc;

	if (proc == NONE || !w->procs[proc]->alive)
		proc_start(w, identity);
}

/* Between the broker and those who are connected; false: it is something else. */
static bool passes(struct world *w, const struct entry *e)
{
	switch (e->type) {
	case ENTRY_BROKER:
		broker_receive(w, e->a, e->packet);
		break;
	case ENTRY_DELIVER:
		link_arrive(w, e->a, e->packet);
		break;
	case ENTRY_LINK_DEAD:
		if (w->links[e->a].state == LINK_LIVE && !w->links[e->a].client)
			judge_disturbed(w);
		link_close(w, e->a, true, true);
		break;
	case ENTRY_FENCE:
		broker_fence(w, e->a, e->b, e->packet);
		break;
	case ENTRY_FENCED:
		proc_fenced(w, e->a, e->b, e->packet);
		break;
	case ENTRY_BROKER_UP:
		trace(w, "broker  is up again");
		w->broker_up = true;
		story_mark(w, STORY_BROKER, NONE, true);
		break;
	case ENTRY_FENCE_VAIN:
		if (w->hung)
			proc_fenced(w, e->a, e->b, e->packet);
		break;
	case ENTRY_CONNECT_VAIN:
		if (w->hung) {
			broker_wait(w, &(struct entry){.type = ENTRY_LINK_DEAD, .a = e->a});
			queue_push(&w->queue, w->now, ENTRY_DELIVER, e->a, 0, packet_new(PACKET_CLOSED, NONE, NULL, 0));
		}
		break;
	case ENTRY_UNHANG:
		broker_unhang(w, e->a);
		break;
	case ENTRY_WILL:
		if (w->hung)
			queue_push(&w->queue, w->now + SECOND, ENTRY_WILL, 0, 0, packet_ref(e->packet));
		else if (w->broker_up)
			broker_publish(w, NONE, e->packet);
		break;
	case ENTRY_SUBACK:
		if (w->links[e->a].state == LINK_LIVE)
			link_deliver(w, e->a, packet_ref(e->packet));
		break;
	case ENTRY_SUBSCRIBE:
		if (w->links[e->a].state == LINK_LIVE)
			broker_subscribe(w, e->a, e->packet);
		break;
	default:
		return false;
	}
	return true;
}

static void happen(struct world *w, const struct entry *e)
{
	if (w->hung && (e->type == ENTRY_BROKER || e->type == ENTRY_FENCE || e->type == ENTRY_LINK_DEAD)) {
		broker_wait(w, e);
		return;
	}
	if (passes(w, e))
		return;
	switch (e->type) {
	case ENTRY_CONNECT:
		if (e->a)
			client_connect(w, e->b);
		else
			proc_connect(w, e->b);
		break;
	case ENTRY_TIMER:
		proc_timer(w, e->a, e->b);
		break;
	case ENTRY_RESUME:
		proc_resume(w, e->a);
		break;
	case ENTRY_START:
		start_identity(w, e->a);
		break;
	case ENTRY_STOP:
		fault_stop(w, e->a);
		break;
	case ENTRY_LOOK:
		judge_look(w);
		break;
	case ENTRY_SWEEP:
		sweep_change(w);
		break;
	case ENTRY_CLIENT:
		client_turn(w, e->a, e->b);
		break;
	case ENTRY_KV:
		ours_tick(w, &w->clients[e->a], e->b);
		break;
	case ENTRY_TURN:
		proc_turn(w, e->a);
		break;
	case ENTRY_DISK:
		disk_committed(w, e->a, e->b);
		break;
	case ENTRY_ROOM:
		proc_room(w, e->a, true);
		break;
	case ENTRY_UNLIMIT:
		proc_unlimit(w, e->a);
		break;
	case ENTRY_DIES:
		aim_commit(w, e->a);
		break;
	case ENTRY_FAULT:
		if (!w->quiet)
			fault_happens(w, (enum fault)e->a);
		break;
	case ENTRY_CHECK:
		if (w->quiet)
			look_round(w);
		else
			be_quiet(w);
		break;
	default:
		break;
	}
}

void world_new(struct world *w, const struct sim_options *options)
{
	memset(w, 0, sizeof(*w));
	w->options = *options;
	w->broker_up = true;
	w->stranger = w->tool = NONE;
	rng_seed(&w->rng_world, options->seed, 1);
	rng_seed(&w->rng_node, options->seed, 2);
	rng_seed(&w->rng_schedule, options->seed, 3);
	rng_seed(&w->rng_aim, options->seed, 4);
	rng_seed(&w->rng_fault, options->seed, 5);
}

bool world_next(struct world *w)
{
	struct entry e;

	if (w->failed || w->done || !queue_pop(&w->queue, &e))
		return false;
	w->now = e.at;
	happen(w, &e);
	packet_unref(e.packet);
	w->stats[STAT_EVENTS]++;
	return true;
}

void world_run(struct world *w, const struct sim_options *options)
{
	world_new(w, options);
	swarm_draw(w);
	calm(w);
	begin(w);
	while (world_next(w)) {
		if (w->stats[STAT_EVENTS] > EVENTS_MAX + w->now / SECOND * EVENTS_SECOND)
			fail(w, "I7: %u events: somebody runs in a circle", (unsigned)w->stats[STAT_EVENTS]);
	}
	for (size_t i = 0; i < w->proc_count; i++)
		w->stats[STAT_OURS_FORGOTTEN] += w->procs[i]->node ? node_forgotten(w->procs[i]->node) : 0;
	hash_mix(w, w->place);
}

void world_free(struct world *w)
{
	queue_free(&w->queue);
	packet_unref(w->aim_packet);
	for (size_t i = 0; i < w->proc_count; i++)
		proc_free(w->procs[i]);
	free(w->procs);
	free(w->identities);
	for (unsigned i = 0; w->clients && i < w->options.clients; i++)
		ours_free(&w->clients[i]);
	free(w->clients);
	judge_free(w);
	story_free(w);
	broker_free(w);
}
