#include "sweep.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../common/frame.h"
#include "../../common/mem.h"
#include "command.h"

#define SEED 1
#define NTH_MAX 3
#define BEGIN (2500 * MS) /* by then three nodes are a ring */
#define NOTICE (20 * MS)

static const unsigned types[] = {
	FRAME_HELLO, FRAME_OFFER,  FRAME_ACCEPT, FRAME_RECORDS, FRAME_CUT,     FRAME_GRANT, FRAME_STORE, FRAME_STORED,
	FRAME_HOLDS, FRAME_ACTIVE, FRAME_ASK,    FRAME_SYNC,    FRAME_CONFIRM, FRAME_TRIP,  FRAME_FOUND,
};
#define TYPES (sizeof(types) / sizeof(types[0]))
#define BLOCK (NTH_MAX * SWEEP_PARTIES * SWEEP_TROUBLES * 2)
#define BLOCKS (SWEEP_CHANGES * TYPES)

static const char *const change_names[] = {"found", "join", "leave", "takeover"};
static const char *const party_names[] = {"sender", "receiver", "third"};
static const char *const trouble_names[] = {"crash", "pause", "long pause", "long pause, left",
					    "cut",   "stop",  "broker"};

static unsigned digit(unsigned *index, unsigned base)
{
	unsigned d = *index % base;

	*index /= base;
	return d;
}

static struct sweep sweep_case(unsigned index)
{
	struct sweep s = {0};

	s.delivered = digit(&index, 2) != 0;
	s.trouble = digit(&index, SWEEP_TROUBLES);
	s.party = digit(&index, SWEEP_PARTIES);
	s.nth = digit(&index, NTH_MAX) + 1;
	s.type = types[digit(&index, TYPES)];
	s.change = digit(&index, SWEEP_CHANGES);
	return s;
}

/* ---- one run ---- */

void sweep_draw(struct world *w)
{
	w->swarm = (struct swarm){.delay_base = 500,
				  .delay_spread = 500,
				  .join_attempts = 5,
				  .join_interval = 60,
				  .outbox_high = 1 << 20,
				  .work = (w->options.sweep->change == SWEEP_FOUND ? 0 : BEGIN) + 3 * SECOND,
				  .client_timeout = 4 * SECOND,
				  .think = 25 * MS,
				  .keys = 6,
				  .put_share = 50,
				  .value_len = 4,
				  .down_max = 300 * MS,
				  .max_nodes = 4};
	node_config_init(&w->swarm.patience);
	w->swarm.persistence = w->options.sweep->party != SWEEP_RECEIVER;
}

void sweep_start(struct world *w)
{
	queue_push(&w->queue, w->options.sweep->change == SWEEP_FOUND ? 0 : BEGIN, ENTRY_SWEEP, 0, 0, NULL);
}

static void crash(struct world *w, struct proc *p)
{
	struct link *l;

	judge_disturbed(w);
	fault_lasts(w, w->now + NOTICE);
	proc_kill(w, p->index);
	if (p->link == NONE)
		return;
	l = &w->links[p->link];
	l->out_drop = w->now;
	queue_push(&w->queue, w->now + NOTICE, ENTRY_LINK_DEAD, p->link, 0, NULL);
}

static void cut(struct world *w, const struct proc *p)
{
	struct link *l = &w->links[p->link];

	judge_disturbed(w);
	fault_lasts(w, w->now + NOTICE);
	l->out_drop = l->in_drop = w->now;
	queue_push(&w->queue, w->now + NOTICE, ENTRY_LINK_DEAD, p->link, 0, NULL);
	queue_push(&w->queue, w->now + NOTICE, ENTRY_DELIVER, p->link, 0, packet_new(PACKET_CLOSED, NONE, NULL, 0));
}

/* The change whose steps are aimed at. */
void sweep_change(struct world *w)
{
	uint64_t size;
	struct arc arc;

	w->aim_seen = 1;
	switch (w->options.sweep->change) {
	case SWEEP_JOIN: /* into the middle of somebody's arc */
		arc = (struct arc){w->procs[0]->id, w->procs[1]->id};
		size = ring_size(arc);
		proc_start(w, identity_new(w, arc.lo + (uint32_t)(size / 2)));
		break;
	case SWEEP_LEAVE:
		proc_stop(w, 1);
		break;
	case SWEEP_TAKEOVER:
		crash(w, w->procs[1]);
		break;
	case SWEEP_FOUND:
	case SWEEP_CHANGES:
		break;
	}
}

/* The one that is neither; of those the ring had first. */
static struct proc *third(struct world *w, const struct proc *sender, const struct proc *receiver)
{
	for (size_t i = 0; i < w->proc_count; i++) {
		if (w->procs[i]->alive && w->procs[i] != sender && w->procs[i] != receiver)
			return w->procs[i];
	}
	return NULL;
}

/* Another one is asked to leave when the ring has healed without the one that sleeps. */
static void leave_later(struct world *w, const struct proc *but)
{
	const struct proc *who = third(w, but, NULL);

	if (!who)
		return;
	fault_lasts(w, w->now + 26 * SECOND);
	queue_push(&w->queue, w->now + 26 * SECOND, ENTRY_STOP, who->identity, 0, NULL);
}

static void trouble(struct world *w, struct proc *p)
{
	const struct sweep *s = w->options.sweep;

	if (s->trouble != SWEEP_BROKER && (!p || !p->alive || p->paused))
		return;
	w->aim_hit = true;
	trace(w, "sweep   %s: %s", trouble_names[s->trouble], p ? p->label : "");
	switch (s->trouble) {
	case SWEEP_CRASH:
		crash(w, p);
		break;
	case SWEEP_PAUSE:
		fault_pause_for(w, p->index, 3 * SECOND);
		break;
	case SWEEP_PAUSE_LONG:
		fault_pause_for(w, p->index, 25 * SECOND);
		break;
	case SWEEP_PAUSE_LEFT:
		fault_pause_for(w, p->index, 30 * SECOND);
		leave_later(w, p);
		break;
	case SWEEP_CUT:
		if (p->link != NONE)
			cut(w, p);
		break;
	case SWEEP_STOP:
		if (!p->stop_asked)
			proc_stop(w, p->index);
		break;
	case SWEEP_BROKER:
		fault_broker(w, s->party == SWEEP_SENDER, rng_scale(&w->rng_fault, MS, w->swarm.down_max));
		break;
	case SWEEP_TROUBLES:
		break;
	}
}

static void strike(struct world *w, struct proc *sender, struct proc *receiver)
{
	switch (w->options.sweep->party) {
	case SWEEP_SENDER:
		trouble(w, sender);
		break;
	case SWEEP_RECEIVER:
		trouble(w, receiver);
		break;
	default:
		trouble(w, third(w, sender, receiver));
		break;
	}
}

/* Who will read it first: of an inbox its owner, which may be the sender itself (TRIP). */
static struct proc *first_reader(struct world *w, const struct proc *sender, const struct packet *p)
{
	const struct sim_topic *t = &w->topics[p->topic];

	for (size_t i = 0; i < t->link_count; i++) {
		const struct link *l = &w->links[t->links[i]];

		if (!l->client && (t->kind == TOPIC_INBOX || l->owner != sender->index))
			return w->procs[l->owner];
	}
	return NULL;
}

/* A packet is about to reach the broker. */
void sweep_before(struct world *w, uint32_t link, struct packet *p)
{
	const struct sweep *s = w->options.sweep;
	struct proc *sender;

	if (!w->aim_seen || w->aim_packet || w->aim_hit || p->type != PACKET_PUBLISH || w->links[link].client ||
	    w->topics[p->topic].kind < TOPIC_RING || (unsigned)packet_frame(p) != s->type || w->aim_seen++ != s->nth)
		return;
	sender = w->procs[w->links[link].owner];
	w->aim_packet = packet_ref(p);
	w->aim_sender = sender->index;
	if (!s->delivered)
		strike(w, sender, first_reader(w, sender, p));
}

/* A node has read a packet. */
void sweep_after(struct world *w, uint32_t by, const struct packet *p)
{
	struct proc *sender = w->procs[w->aim_sender], *reader = w->procs[by];

	if (p != w->aim_packet || w->aim_hit || !w->options.sweep->delivered ||
	    (sender == reader && w->topics[p->topic].kind != TOPIC_INBOX))
		return;
	strike(w, sender, reader);
}

/* ---- all of them ---- */

/* Shared with the process that runs a block of cases: the core may end it. */
struct cases {
	unsigned under_way, run, hit, failed;
};

static void describe(unsigned index, const char *what)
{
	struct sweep s = sweep_case(index);

	printf("sweep %u: %s, %s no. %u, %s: %s, %s: %s\n", index, change_names[s.change], frame_type_name(s.type),
	       s.nth, party_names[s.party], trouble_names[s.trouble], s.delivered ? "after" : "before", what);
	fflush(stdout);
}

static void run(unsigned index, bool tell, struct cases *t)
{
	struct sweep s = sweep_case(index);
	struct sim_options o = {
		.seed = SEED, .nodes = 3, .clients = 1, .ops = 400, .trace = tell ? stdout : NULL, .sweep = &s};
	struct world *w = xmalloc(sizeof(*w));

	t->under_way = index;
	world_run(w, &o);
	t->run++;
	t->hit += w->aim_hit;
	t->failed += w->failed;
	if (w->failed || tell)
		describe(index, w->failed ? w->failure : w->aim_hit ? "clean" : "not reached");
	world_free(w);
	free(w);
}

/* One change and one type of frame. */
static void run_block(unsigned block, unsigned only, struct cases *t)
{
	int status = 0;
	pid_t pid;

	pid = trial_fork();
	if (pid == 0) {
		for (unsigned i = block * BLOCK; i < (block + 1) * BLOCK; i++) {
			if (only == SWEEP_ALL || only == i)
				run(i, only == i, t);
		}
		fflush(stdout);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status == 0)
		return;
	t->failed++;
	describe(t->under_way, "crashed, and the cases behind it were not run");
}

unsigned sweep_run(unsigned only, bool quiet)
{
	struct cases sum = {0},
		     *t = mmap(NULL, BLOCKS * sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (t == MAP_FAILED) {
		perror("sim: mmap");
		exit(1);
	}
	for (unsigned b = 0; b < BLOCKS; b++) {
		if (only == SWEEP_ALL || only / BLOCK == b)
			run_block(b, only, &t[b]);
		sum.run += t[b].run;
		sum.hit += t[b].hit;
		sum.failed += t[b].failed;
		if (!quiet && t[b].run)
			printf("%-9s %-8s %4u of %u reached, %u failed\n", change_names[b / TYPES],
			       frame_type_name(types[b % TYPES]), t[b].hit, t[b].run, t[b].failed);
	}
	printf("%u combinations, %u reached, %u failed\n", sum.run, sum.hit, sum.failed);
	return sum.run ? sum.failed : 1;
}
