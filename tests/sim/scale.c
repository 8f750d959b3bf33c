/* A large ring without faults: N nodes join, clients work, nodes leave, and what that costs in messages.
 *
 * Nodes join and leave in waves of an eighth of the ring, and a few one by one, so that what one costs a ring of N can be
 * read off; then a second ring is founded, joined by all and left by half in one moment each.  Pings are switched off: they are the
 * same few a node whatever N is, and would hide the rest.  Judged as ever: one owner, the ring whole, every operation
 * answered, and rightly. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../common/mem.h"
#include "sim.h"

#define PATIENCE (300 * SECOND) /* until a wave has settled */
#define SLICE (20 * MS)
#define SINGLES 5        /* nodes that join, and leave, one by one */
#define AT_ONCE_MAX 1000 /* what is under way at one moment grows with the square */
#define CLIENTS 4
#define OPS 400

struct phase {
	const char *name;
	unsigned count; /* of joins, operations, leaves */
	uint64_t began;
	struct timespec real;
	struct volume before[TRAFFIC_COUNT];
};

static void phase_begin(const struct world *w, struct phase *p, const char *name, unsigned count)
{
	*p = (struct phase){.name = name, .count = count, .began = w->now};
	memcpy(p->before, w->traffic, sizeof(p->before));
	clock_gettime(CLOCK_MONOTONIC, &p->real);
}

static void phase_end(const struct world *w, const struct phase *p, unsigned nodes)
{
	struct timespec now;

	if (p->count == 0)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	printf("%6u  %-13s %5u  %7.2f  %6.2f", nodes, p->name, p->count,
	       (double)(now.tv_sec - p->real.tv_sec) + (double)(now.tv_nsec - p->real.tv_nsec) / 1e9,
	       (double)(w->now - p->began) / SECOND);
	for (int i = 0; i < TRAFFIC_COUNT; i++)
		printf("  %7.1f %9.1f", (double)(w->traffic[i].published - p->before[i].published) / p->count,
		       (double)(w->traffic[i].delivered - p->before[i].delivered) / p->count);
	putchar('\n');
	fflush(stdout);
}

/* No faults, the defaults of a node, 0.3 ms each way without jitter: what reaches everybody reaches all in one moment,
 * and its entries lie side by side in the queue, without which half of the time would go into walking them. */
static void peace(struct world *w)
{
	w->swarm = (struct swarm){
		.gentle = true,
		.delay_base = 300,
		.delay_spread = 0,
		.client_timeout = 60 * SECOND,
		.think = MS,
		.keys = KEYS_MAX,
		.put_share = 50,
		.outbox_high = 1 << 20,
		.join_attempts = 100,
		.join_interval = 10,
	};
	node_config_init(&w->swarm.patience);
	w->swarm.patience.ping = 3600 * 1000;
}

static void run_for(struct world *w, uint64_t duration)
{
	uint64_t until = w->now + duration;

	while (w->now < until && world_next(w))
		;
}

/* Runs until the ring is whole: nobody under way, whoever was asked to leave gone. */
static bool settle(struct world *w)
{
	uint64_t until = w->now + PATIENCE;
	char why[200] = "";

	do {
		run_for(w, SLICE);
		if (w->failed)
			return false;
		if (judge_whole(w, why, sizeof(why)))
			return true;
	} while (w->now < until);
	fail(w, "I2: not whole after %u s: %s", PATIENCE / SECOND, why);
	return false;
}

static void join(struct world *w, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		proc_start(w, identity_new(w, (uint32_t)rng_next(&w->rng_world)));
}

/* Asks some to leave, chosen at random. */
static void leave(struct world *w, unsigned count)
{
	while (count > 0) {
		struct proc *p = w->procs[rng_below(&w->rng_world, w->proc_count)];

		if (!p->alive || p->stop_asked)
			continue;
		proc_stop(w, p->index);
		count--;
	}
}

/* From so many nodes to so many, at most `wave` at a time, or an eighth of them if that is 0. */
static void change(struct world *w, const char *name, unsigned from, unsigned to, unsigned wave)
{
	unsigned left = from < to ? to - from : from - to, nodes = from;
	struct phase p;

	phase_begin(w, &p, name, left);
	while (left > 0 && !w->failed) {
		unsigned count = wave ? wave : nodes / 8 + 1;

		if (count > left)
			count = left;
		if (from < to)
			join(w, count);
		else
			leave(w, count);
		(void)settle(w);
		left -= count;
		nodes = from < to ? nodes + count : nodes - count;
	}
	phase_end(w, &p, nodes);
}

/* Nobody waits for the answer to a last operation longer than a client does. */
static bool busy(const struct world *w)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		const struct client *c = &w->clients[i];

		if (c->left || (c->op != NONE && w->now < w->ops[c->op].sent_at + w->swarm.client_timeout))
			return true;
	}
	return false;
}

static void operate(struct world *w, unsigned nodes)
{
	struct phase p;

	phase_begin(w, &p, "operations", OPS);
	for (unsigned i = 0; i < CLIENTS; i++) {
		w->clients[i].left = OPS / CLIENTS;
		queue_push(&w->queue, w->now, ENTRY_CLIENT, i, w->clients[i].gen, NULL);
	}
	while (busy(w) && !w->failed)
		run_for(w, SLICE);
	phase_end(w, &p, nodes);
}

static void start(struct world *w, const struct sim_options *options)
{
	world_new(w, options);
	peace(w);
	for (unsigned i = 0; i < w->swarm.keys; i++)
		w->keys[i] = (uint32_t)rng_next(&w->rng_world);
	judge_init(w);
	w->clients = xcalloc(CLIENTS, sizeof(*w->clients));
	for (unsigned i = 0; i < CLIENTS; i++)
		client_init(w, i);
}

static bool finish(struct world *w)
{
	bool clean;

	judge_end(w);
	if (w->failed)
		printf("seed %" PRIu64 ": %s\n", w->options.seed, w->failure);
	printf("%" PRIu64 " events, %" PRIu64 " node steps, hash %016" PRIx64 "\n", w->stats[STAT_EVENTS],
	       w->stats[STAT_STEPS], w->hash);
	clean = !w->failed;
	world_free(w);
	return clean;
}

static bool in_waves(struct world *w, const struct sim_options *options, unsigned nodes)
{
	unsigned most = nodes > 2 * SINGLES ? nodes - SINGLES : nodes;

	start(w, options);
	change(w, "join", 0, most, 0);
	change(w, "join, single", most, nodes, 1);
	operate(w, nodes);
	change(w, "leave, single", nodes, most, 1);
	change(w, "leave", most, nodes / 2, 0);
	operate(w, nodes / 2);
	return finish(w);
}

static bool at_once(struct world *w, const struct sim_options *options, unsigned nodes)
{
	start(w, options);
	change(w, "join, all", 0, nodes, nodes);
	operate(w, nodes);
	change(w, "leave, half", nodes, nodes - nodes / 2, nodes / 2);
	operate(w, nodes - nodes / 2);
	return finish(w);
}

bool scale_run(const struct sim_options *options, unsigned nodes)
{
	struct world *w = xmalloc(sizeof(*w));
	struct sim_options o = *options;
	bool clean;

	o.nodes = nodes;
	o.clients = CLIENTS;
	printf("%-38s  messages published and delivered, by each of them, on\n", "");
	printf("%-38s  %17s  %17s  %17s  %17s\n", "", "public topics", "ring: hello", "ring: other", "all others");
	printf("%6s  %-13s %5s  %7s  %6s\n", "nodes", "what", "count", "real s", "virt s");
	clean = in_waves(w, &o, nodes);
	if (nodes <= AT_ONCE_MAX)
		clean = at_once(w, &o, nodes) && clean;
	free(w);
	return clean;
}
