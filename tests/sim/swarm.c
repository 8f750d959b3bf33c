/* One seed's choices.  Each seed switches on its own subset of the faults at its own rates: some faults hide others, so
 * all at once finds less than a random few (swarm testing). */
#include "../../common/frame.h"
#include "sim.h"

static bool half(struct world *w)
{
	return rng_below(&w->rng_world, 2) != 0;
}

static bool one_in(struct world *w, unsigned n)
{
	return rng_below(&w->rng_world, n) == 0;
}

static void draw_network(struct world *w)
{
	struct swarm *s = &w->swarm;
	struct rng *r = &w->rng_world;

	s->delay_base = rng_scale(r, 20, 5 * MS);
	s->delay_spread = rng_scale(r, 20, 20 * MS);
	s->timer_late = half(w) ? 0 : rng_scale(r, 100, 20 * MS);
	if (!s->gentle && half(w)) {
		s->tail = (uint32_t)rng_scale(r, 100, 50000);
		s->tail_max = rng_scale(r, 10 * MS, 4 * SECOND);
	}
	s->fence_lost = !s->gentle && half(w) ? (uint32_t)rng_scale(r, 10000, 500000) : 0;
	s->outbox_high = rng_scale(r, 64, 1 << 20);
	s->join_attempts = rng_below(r, 16) == 0 ? 100 : (unsigned)rng_range(r, 4, 8);
	/* Each attempt reaches everybody: few, but over the same time. */
	s->join_interval = s->join_attempts == 100 ? 10 : 300 / s->join_attempts;
}

/* What MQTT allows, and brokers do (broker.c, link.c). */
static void draw_broker(struct world *w)
{
	struct swarm *s = &w->swarm;
	struct rng *r = &w->rng_world;

	s->suback_late = one_in(w, 3) ? (uint32_t)rng_scale(r, 1000, 300000) : 0;
	s->persistence = half(w);
	if (s->gentle)
		return;
	s->will_lost = one_in(w, 4) ? (uint32_t)rng_scale(r, 10000, 1000000) : 0;
	s->will_late = one_in(w, 4) ? (uint32_t)rng_scale(r, 10000, 1000000) : 0;
	s->connack_lost = one_in(w, 6) ? (uint32_t)rng_scale(r, 10000, 300000) : 0;
	if (w->options.profile == PROFILE_DISORDER) {
		s->disorder = true;
		s->skew_max = rng_scale(r, 2 * MS, 2 * SECOND);
	}
	if (w->options.profile == PROFILE_REFUSED)
		s->refuse = (uint32_t)rng_scale(r, 1000, 50000);
}

static void draw_load(struct world *w)
{
	struct swarm *s = &w->swarm;
	struct rng *r = &w->rng_world;

	s->work = rng_scale(r, 1 * SECOND, 20 * SECOND);
	s->client_timeout = rng_scale(r, 5 * SECOND, 50 * SECOND);
	s->private_keys = half(w);
	s->keys = (unsigned)rng_range(r, 1, KEYS_MAX);
	s->put_share = (unsigned)rng_range(r, 20, 80);
	s->value_len = rng_below(r, 10) == 0 ? rng_scale(r, 16, 100000) : rng_below(r, 16);
	s->vanish = one_in(w, 4) ? (uint32_t)rng_scale(r, 10000, 300000) : 0;
	s->repeat = one_in(w, 4) ? (uint32_t)rng_scale(r, 10000, 500000) : 0;
}

/* What may happen where nothing is wrong: strangers and clients are no excuse for anybody. */
static bool harmless(int f)
{
	return f == FAULT_JOIN || f == FAULT_LEAVE || f == FAULT_STOP_ALL || f == FAULT_TWIN || f == FAULT_CUT_CLIENT ||
	       f == FAULT_STRANGER || f == FAULT_OPERATE || f == FAULT_AUTOSAVE;
}

static unsigned rarity(int f)
{
	switch (f) {
	case FAULT_STOP_ALL:
	case FAULT_HANG:
	case FAULT_CLOCK:
		return 8;
	case FAULT_OPERATE:
		return 50; /* takes minutes */
	case FAULT_STRANGER:
		return 4;
	default:
		return 2;
	}
}

/* Operators take minutes; were everything else to go on at its rate, these seeds would take most of the time. */
static void slow_down(struct world *w)
{
	struct swarm *s = &w->swarm;

	s->work = rng_range(&w->rng_world, 20 * SECOND, 60 * SECOND);
	for (int f = 0; f < FAULT_COUNT; f++) {
		if (s->mean[f] && s->mean[f] < s->work / 4)
			s->mean[f] = s->work / 4;
	}
}

static void draw_faults(struct world *w)
{
	struct swarm *s = &w->swarm;
	struct rng *r = &w->rng_world;

	/* Half of the seeds with drops have joins and leaves besides, and nothing that excuses a missing answer. */
	bool calm = s->gentle || (w->options.profile == PROFILE_DROPS && half(w));

	for (int f = 0; f < FAULT_POWER; f++) {
		uint64_t mean = rng_scale(r, 200 * MS, 20 * SECOND);

		if (f == FAULT_STOP_ALL || f == FAULT_BROKER || f == FAULT_HANG)
			mean *= 4;
		if (one_in(w, rarity(f)) && (!calm || harmless(f)))
			s->mean[f] = mean;
		if (w->options.profile == PROFILE_STORM && (f == FAULT_JOIN || f == FAULT_LEAVE))
			s->mean[f] = rng_scale(r, 20 * MS, SECOND);
	}
	s->burst = (unsigned)rng_range(r, 1, 4);
	s->return_chance = (uint32_t)rng_below(r, 1000001);
	s->pause_max = rng_scale(r, 100 * MS, 20 * SECOND);
	s->down_max = rng_scale(r, 20 * MS, 5 * SECOND);
	s->drift = !s->gentle && one_in(w, 8);
	if (half(w)) {
		s->aim_type = (unsigned)rng_range(r, FRAME_HELLO, FRAME_MERGED);
		s->aim_chance = (uint32_t)rng_scale(r, 50000, 1000000);
		s->aim_left = (unsigned)rng_range(r, 1, 5);
	}
	if (s->mean[FAULT_OPERATE])
		slow_down(w);
}

/* Room runs out: in the broker's queues, and for what a node holds. */
static void draw_drops(struct world *w)
{
	struct swarm *s = &w->swarm;
	struct rng *r = &w->rng_world;

	if (half(w)) {
		s->queue_limit = rng_scale(r, 20, 1000);
		s->slow_chance = (uint32_t)rng_scale(r, 50000, 500000);
	} else {
		s->drop = (uint32_t)rng_scale(r, 100, 50000);
		s->drop_control = half(w);
	}
	if (one_in(w, 4)) /* for a few operations, at least */
		s->held_max = (s->value_len + 400) * rng_range(r, 2, 12);
}

/* Nodes without patience: false alarms, doubts and holes, which take the usual ones half a minute, fit into a run. */
static void draw_patience(struct world *w)
{
	struct node_config *c = &w->swarm.patience;
	struct rng *r = &w->rng_world;
	unsigned silence;

	node_config_init(c);
	if (w->options.ping)
		c->ping = w->options.ping;
	if (w->options.profile != PROFILE_HASTY)
		return;
	c->ping = (unsigned)rng_scale(r, 500, c->ping);
	silence = (unsigned)rng_scale(r, 1000, c->silence);
	/* A second on a clock of twice the rate is less than a question and its answer take over the slowest line. */
	if (!w->swarm.drift)
		c->silence = silence;
	c->grace = (unsigned)rng_scale(r, 1000, c->grace);
	c->recover = (unsigned)rng_scale(r, 5000, c->recover);
}

/* So little room that clients are forgotten, and horizons rise; and records that expire while somebody looks. */
static void draw_tables(struct world *w, struct rng *r)
{
	struct swarm *s = &w->swarm;

	s->tight = rng_below(r, 3) == 0;
	s->once = (struct once_limits){.clients = (uint32_t)rng_range(r, 1, 3),
				       .rows = (uint32_t)rng_scale(r, 1, 32),
				       .window = (uint32_t)rng_scale(r, 64, 8192),
				       .pieces = (uint32_t)rng_scale(r, 1, HORIZON_PIECES),
				       .silence = rng_scale(r, 10, 500)};
	/* Whoever finds no room waits until others have been silent, one after the other. */
	if (s->tight && s->client_timeout < 20 * SECOND)
		s->client_timeout = 20 * SECOND;
	if (rng_below(r, 2)) {
		s->life_chance = (uint32_t)rng_scale(r, 50000, 1000000);
		s->life_max = rng_scale(r, 20, 5000);
	}
}

/* Of a stream of its own, so that the runs of before stay what they were. */
static void draw_ours(struct world *w)
{
	struct rng r;

	rng_seed(&r, w->options.seed, STREAM_OURS);
	if (w->options.profile == PROFILE_DISORDER)
		return; /* who answers twice is known there, and excused by the topic alone */
	switch (rng_below(&r, 3)) {
	case 0:
		w->swarm.ours = w->options.clients;
		break;
	case 1:
		w->swarm.ours = (unsigned)rng_below(&r, w->options.clients + 1);
		break;
	default:
		break;
	}
	if (w->swarm.ours)
		draw_tables(w, &r);
}

/* Likewise. */
static void draw_replicas(struct world *w)
{
	struct rng r;

	rng_seed(&r, w->options.seed, STREAM_REPLICAS);
	w->swarm.patience.replicas = rng_below(&r, 4) ? 2 : 1;
	if (w->swarm.patience.replicas > 1 && !rng_below(&r, 4))
		w->swarm.patience.replicas = rng_below(&r, 2) ? 3 : 4 + (unsigned)rng_below(&r, 2);
	if (w->options.replicas)
		w->swarm.patience.replicas = w->options.replicas;
	w->swarm.patience.scrub = w->options.scrub;
}

/* Likewise. */
static void draw_disks(struct world *w)
{
	struct swarm *s = &w->swarm;
	struct rng r;

	if (!w->options.disks)
		return;
	rng_seed(&r, w->options.seed, STREAM_DISKS);
	s->disks = true;
	s->commit_min = rng_scale(&r, 20, 2 * MS);
	s->commit_max = rng_scale(&r, s->commit_min + 1, 50 * MS);
	s->commit_late = rng_below(&r, 2) ? (uint32_t)rng_scale(&r, 100, 20000) : 0;
	s->gap = rng_scale(&r, 10 * MS, 20 * SECOND);
	if (s->gentle)
		return;
	if (rng_below(&r, 2))
		s->mean[FAULT_POWER] = rng_scale(&r, 2 * SECOND, 30 * SECOND);
	if (rng_below(&r, 2))
		s->fatal = (uint32_t)rng_range(&r, 500, 30000);
	s->faithful = rng_below(&r, 2) != 0;
	if (w->options.disks != DISKS_DRAWN)
		s->faithful = w->options.disks == DISKS_FAITHFUL;
	s->patience.never = s->faithful;
	if (s->faithful)
		s->mean[FAULT_TWIN] = 0; /* who is refused has a disk as well, and nobody starts him again */
	else
		s->disk_lost = rng_below(&r, 4) ? 0 : (uint32_t)rng_scale(&r, 10000, 300000);
	if (rng_below(&r, 2))
		s->mean[FAULT_FULL] = rng_scale(&r, 2 * SECOND, 30 * SECOND);
}

/* Likewise.  Where values are short it is mostly the rows that fill it. */
static void draw_memory(struct world *w)
{
	struct swarm *s = &w->swarm;
	struct rng r;

	if (!w->options.memory)
		return;
	rng_seed(&r, w->options.seed, STREAM_MEMORY);
	s->memory = true;
	if (rng_below(&r, 2))
		s->value_len = rng_scale(&r, 500, 20000);
	if (s->held_max)
		s->held_max = (s->value_len + 400) * rng_range(&r, 2, 12);
}

uint64_t swarm_memory(const struct world *w, uint32_t identity)
{
	const struct swarm *s = &w->swarm;
	struct rng r;

	if (!s->memory || w->quiet)
		return 0;
	rng_seed(&r, w->options.seed, STREAM_MEMORY + 1 + identity);
	if (rng_below(&r, 4) == 0)
		return 0;
	return rng_scale(&r, 8192, 65536) + rng_below(&r, 2 * s->keys + 1) * (s->value_len + 200);
}

void swarm_draw(struct world *w)
{
	struct swarm *s = &w->swarm;

	if (w->options.sweep) {
		sweep_draw(w);
		return;
	}
	s->gentle = w->options.profile == PROFILE_GENTLE ||
		    (w->options.profile == PROFILE_MOSQUITTO && rng_below(&w->rng_world, 3) == 0);
	draw_network(w);
	draw_broker(w);
	draw_load(w);
	draw_faults(w);
	draw_patience(w);
	if (w->options.profile == PROFILE_DROPS)
		draw_drops(w);
	s->think = s->work / (w->options.ops / w->options.clients + 1) + 1;
	s->max_nodes = w->options.nodes + (unsigned)rng_below(&w->rng_world, w->options.nodes + 1);
	draw_ours(w);
	draw_replicas(w);
	draw_disks(w);
	draw_memory(w);
	if (s->gentle)
		w->stats[STAT_GENTLE]++;
}
