/* A node's process: what the daemon's shell does, in virtual time.  Broker packets become events; effect.c makes packets
 * of effects.  A process can be killed, stopped for a while, or asked to leave. */
#include <string.h>

#include "../../common/mem.h"
#include "sim.h"

#define BACKOFF_MIN 50
#define BACKOFF_MAX 2000
#define RATE 1024u                  /* of a clock that is right */
#define DAY_ONE (UINT64_C(1) << 40) /* the time of day when a run begins, ms: ahead of all clocks */

static uint64_t clock_of(const struct world *w, const struct proc *p)
{
	return p->clock_base + (w->now - p->clock_at) * p->clock_rate / RATE / MS;
}

/* The first moment at which its clock says that, or more. */
static uint64_t moment_of(const struct proc *p, uint64_t clock)
{
	if (clock <= p->clock_base)
		return p->clock_at;
	return p->clock_at + ((clock - p->clock_base) * MS * RATE + p->clock_rate - 1) / p->clock_rate;
}

bool proc_reaches(const struct world *w, const struct proc *p)
{
	return p->alive && p->link != NONE && w->links[p->link].state == LINK_LIVE &&
	       w->now < w->links[p->link].out_drop;
}

/* ---- the timer: one entry in the queue, moved only when it must come earlier ---- */

static void timer_arm(struct world *w, struct proc *p)
{
	uint64_t at = p->deadline;

	if (at == UINT64_MAX || p->paused)
		return;
	if (at < w->now)
		at = w->now;
	if (p->timer_at <= at)
		return;
	if (w->swarm.timer_late)
		at += rng_below(&p->rng, w->swarm.timer_late);
	p->timer_at = at;
	queue_push(&w->queue, at, ENTRY_TIMER, p->index, ++p->timer_gen, NULL);
}

/* ---- steps ---- */

void proc_end(struct proc *p)
{
	node_free(p->node);
	p->node = NULL;
}

/* Returns the number of its effects. */
static size_t turn(struct world *w, struct proc *p, struct event *event)
{
	struct update update = {.deadline = UINT64_MAX};

	event->now = clock_of(w, p);
	event->wall = DAY_ONE + w->now / MS;
	w->stats[STAT_STEPS]++;
	hash_mix(w, (uint64_t)event->type << 48 | (uint64_t)p->index << 32 | event->len);
	hash_mix(w, w->now);
	node_step(p->node, event, &update);
	disk_write(w, p, &update);
	for (size_t i = 0; i < update.count && p->alive; i++)
		if (!disk_holds(p, &update.effects[i]))
			proc_carry_out(w, p, &update.effects[i]);
	if (!p->alive) {
		proc_end(p);
		return update.count;
	}
	if (update.turn && !p->turn) {
		p->turn = true;
		queue_push(&w->queue, w->now + rng_below(&p->rng, MS), ENTRY_TURN, p->index, 0, NULL);
	}
	p->wanted = update.deadline;
	p->deadline = update.deadline == UINT64_MAX ? UINT64_MAX : moment_of(p, update.deadline);
	timer_arm(w, p);
	return update.count;
}

static void step(struct world *w, struct proc *p, struct event *event)
{
	(void)turn(w, p, event);
	if (p->alive)
		judge_step(w, p);
}

/* What is said to everybody and moves a node to nothing has hardly changed what it serves: looked at now and then. */
static bool is_news(const struct world *w, const struct packet *packet, size_t effects)
{
	return effects > 0 || packet->type != PACKET_PUBLISH || w->topics[packet->topic].kind > TOPIC_RING ||
	       w->stats[STAT_STEPS] % 16 < 4;
}

/* ---- life ---- */

static void clock_draw(struct world *w, struct proc *p)
{
	p->clock_base = rng_below(&p->rng, 1u << 30);
	p->clock_at = w->now;
	p->clock_rate = RATE;
	if (!w->swarm.drift)
		return;
	w->stats[STAT_DRIFT]++;
	p->clock_rate = (uint32_t)rng_range(&p->rng, RATE / 2, RATE * 2);
}

static void slowness_draw(struct world *w, struct proc *p)
{
	if (!w->swarm.slow_chance || !rng_chance(&p->rng, w->swarm.slow_chance))
		return;
	w->stats[STAT_SLOW]++;
	p->in_cost = rng_scale(&p->rng, 100, 20 * MS);
}

static struct proc *proc_new(struct world *w, uint32_t identity)
{
	struct identity *who = &w->identities[identity];
	struct proc *p = xcalloc(1, sizeof(*p));

	/* NOLINTNEXTLINE(bugprone-sizeof-expression): a table of pointers it is */
	w->procs = sim_grow(w->procs, w->proc_count, &w->proc_room, sizeof(*w->procs));
	p->index = (uint32_t)w->proc_count;
	w->procs[w->proc_count++] = p;
	p->identity = identity;
	p->id = who->id;
	p->link = NONE;
	rng_seed(&p->rng, w->options.seed, STREAM_PROC + ((uint64_t)identity << 16) + who->starts++);
	clock_draw(w, p);
	p->memory = rng_next(&p->rng) | 1;
	if (w->swarm.disks)
		p->disk = disk_new();
	if (rng_chance(&p->rng, w->swarm.tail ? 200000 : 0))
		p->latency = rng_scale(&p->rng, MS, 400 * MS);
	slowness_draw(w, p);
	if (who->proc == NONE)
		snprintf(p->label, sizeof(p->label), "n%u", identity);
	else
		snprintf(p->label, sizeof(p->label), "n%u.%u", identity, p->index);
	return p;
}

/* The same to everybody, as far as anybody knows: its memory is the disk's. */
static struct proc *proc_revived(struct world *w, uint32_t identity)
{
	struct identity *who = &w->identities[identity];
	struct proc *p = who->proc == NONE ? NULL : w->procs[who->proc];

	if (!p || !p->disk || disk_empty(p->disk))
		return NULL;
	rng_seed(&p->rng, w->options.seed, STREAM_PROC + ((uint64_t)identity << 16) + who->starts++);
	p->killed = p->stop_asked = p->lonely_exit = p->connected = p->turn_missed = p->told = false;
	p->link = NONE;
	p->timer_gen++;
	clock_draw(w, p);
	w->stats[STAT_RESTORED]++;
	return p;
}

static void node_make(struct world *w, struct proc *p)
{
	struct node_config config = w->swarm.patience;

	config.id = p->id;
	snprintf(config.name, sizeof(config.name), "%s", w->identities[p->identity].name);
	snprintf(config.software, sizeof(config.software), "sim");
	config.memory = p->memory;
	config.seed = rng_next(&p->rng);
	config.secret = ~config.seed;
	config.burst = w->swarm.outbox_high;
	config.join_attempts = w->swarm.join_attempts;
	config.join_interval = w->swarm.join_interval;
	config.durable = p->disk != NULL;
	config.max_memory = swarm_memory(w, p->identity);
	if (w->swarm.tight)
		config.once = &w->swarm.once;
	if (w->swarm.held_max)
		config.held_max = w->swarm.held_max;
	p->node = node_new(&config);
}

uint32_t proc_start(struct world *w, uint32_t identity)
{
	struct proc *p = proc_revived(w, identity);
	bool revived = p != NULL;

	if (!p)
		p = proc_new(w, identity);
	p->timer_at = UINT64_MAX;
	p->alive = true;
	p->backoff = BACKOFF_MIN;
	w->identities[identity].proc = p->index;
	node_make(w, p);
	w->stats[STAT_STARTS]++;
	story_mark(w, STORY_START, p->index, 0);
	trace(w, "%-7s starts: id %08x name %s memory %016llx%s", p->label, p->id, w->identities[identity].name,
	      (unsigned long long)p->memory, revived ? ", with its disk" : "");
	if (revived)
		disk_restore(w, p, &(struct event){.now = clock_of(w, p), .wall = DAY_ONE + w->now / MS});
	step(w, p, &(struct event){.type = EVENT_START});
	if (p->full)
		step(w, p, &(struct event){.type = EVENT_ROOM});
	proc_connect(w, p->index);
	return p->index;
}

void proc_connect(struct world *w, uint32_t proc)
{
	struct proc *p = w->procs[proc];
	struct node_identity identity = {0};
	struct packet *will = NULL;

	if (!p->alive || p->link != NONE)
		return;
	if (p->paused) {
		queue_push(&w->queue, w->now + 100 * MS, ENTRY_CONNECT, 0, proc, NULL);
		return;
	}
	node_identify(p->node, rng_next(&p->rng), &identity);
	if (identity.will_topic) {
		will = packet_new(PACKET_PUBLISH, topic_intern(w, identity.will_topic), identity.will_payload,
				  identity.will_len);
	}
	trace(w, "%-7s connects as %s", p->label, identity.client_id);
	p->connected = false;
	p->link = p->last_link = link_open(w, false, proc, identity.client_id, will);
}

static void lost(struct world *w, struct proc *p)
{
	uint64_t wait = p->backoff / 2 + rng_below(&p->rng, p->backoff / 2 + 1);

	p->link = NONE;
	p->backoff = p->backoff * 2 > BACKOFF_MAX ? BACKOFF_MAX : p->backoff * 2;
	queue_push(&w->queue, w->now + wait * MS, ENTRY_CONNECT, 0, p->index, NULL);
	if (!p->connected)
		return;
	p->connected = false;
	trace(w, "%-7s <- disconnected", p->label);
	step(w, p, &(struct event){.type = EVENT_DISCONNECTED});
}

static void handle(struct world *w, struct proc *p, uint32_t link, struct packet *packet)
{
	struct event e = {.topic = packet->topic == NONE ? NULL : w->topics[packet->topic].name};
	char text[700];
	size_t records, effects;
	bool lacked;

	if (!p->alive || p->link != link)
		return;
	if (packet->type == PACKET_CLOSED) {
		lost(w, p);
		return;
	}
	if (packet->type == PACKET_CONNACK) {
		p->connected = true;
		p->backoff = BACKOFF_MIN;
		e.type = EVENT_CONNECTED;
	} else if (packet->type == PACKET_SUBACK) {
		e.type = EVENT_SUBSCRIBED;
		e.granted = packet->granted;
	} else if (packet->type == PACKET_FENCE) {
		e.type = EVENT_FENCED;
		e.granted = packet->granted;
		e.conn = packet->conn;
	} else if (packet->type == PACKET_DRAINED) {
		e.type = EVENT_DRAINED;
	} else {
		e.type = EVENT_MESSAGE;
		e.payload = packet->bytes;
		e.len = packet->len;
		e.retained = packet->retain && packet->type == PACKET_PUBLISH;
		hash_mix(w, packet->hash);
	}
	story_of(w, STORY_HEARD, link, packet);
	if (w->options.trace)
		trace(w, "%-7s <- %s", p->label, trace_packet(w, packet, text, sizeof(text)));
	lacked = w->swarm.memory && !node_has_room(p->node);
	records = node_record_count(p->node);
	effects = turn(w, p, &e);
	if (p->alive && lacked)
		judge_lacked(w, p, packet, records);
	if (is_news(w, packet, effects) && p->alive)
		judge_step(w, p);
	if (packet->type != PACKET_PUBLISH)
		return;
	judge_received(w, p, packet);
	if (w->options.sweep)
		sweep_after(w, p->index, packet);
}

void proc_input(struct world *w, uint32_t link, struct packet *packet)
{
	struct proc *p = w->procs[w->links[link].owner];

	if (!p->alive || p->link != link || !p->paused)
		link_read(w, link, packet);
	if (!p->alive || p->link != link)
		return;
	if (!p->paused) {
		handle(w, p, link, packet);
		return;
	}
	p->inputs = sim_grow(p->inputs, p->input_count, &p->input_room, sizeof(*p->inputs));
	p->inputs[p->input_count++] = (struct input){.link = link, .packet = packet_ref(packet)};
}

void proc_fenced(struct world *w, uint32_t proc, uint32_t link, struct packet *packet)
{
	story_mark(w, STORY_FENCED, proc, packet->granted);
	if (w->procs[proc]->alive && w->procs[proc]->link == link)
		proc_input(w, link, packet);
}

void proc_timer(struct world *w, uint32_t proc, uint32_t gen)
{
	struct proc *p = w->procs[proc];

	if (!p->alive || p->timer_gen != gen)
		return;
	p->timer_at = UINT64_MAX;
	if (p->paused || p->deadline > w->now) {
		timer_arm(w, p);
		return;
	}
	step(w, p, &(struct event){.type = EVENT_TIMER});
}

void proc_turn(struct world *w, uint32_t proc)
{
	struct proc *p = w->procs[proc];

	p->turn = false;
	if (p->alive && p->paused)
		p->turn_missed = true;
	else if (p->alive)
		step(w, p, &(struct event){.type = EVENT_TURN});
}

void proc_room(struct world *w, uint32_t proc, bool there)
{
	struct proc *p = w->procs[proc];

	if (there && p->paused) { /* it does not look */
		queue_push(&w->queue, w->now + 10 * MS, ENTRY_ROOM, proc, 0, NULL);
		return;
	}
	p->full = there ? p->full - 1 : p->full + 1;
	if (p->full > 1 || (p->full == 1 && there))
		return;
	trace(w, "%-7s has %s", p->label, there ? "room again" : "a disk that is FULL");
	if (p->alive)
		step(w, p, &(struct event){.type = EVENT_ROOM, .granted = there});
}

void proc_unlimit(struct world *w, uint32_t proc)
{
	struct proc *p = w->procs[proc];

	if (p->alive && p->paused)
		queue_push(&w->queue, w->now + 10 * MS, ENTRY_UNLIMIT, proc, 0, NULL);
	else if (p->alive)
		step(w, p, &(struct event){.type = EVENT_LIMIT});
}

void proc_stop(struct world *w, uint32_t proc)
{
	struct proc *p = w->procs[proc];

	p->stop_asked = true;
	trace(w, "%-7s <- SIGTERM", p->label);
	step(w, p, &(struct event){.type = EVENT_STOP});
}

static void inputs_free(struct proc *p)
{
	for (size_t i = 0; i < p->input_count; i++)
		packet_unref(p->inputs[i].packet);
	free(p->inputs);
	p->inputs = NULL;
	p->input_count = p->input_room = 0;
}

void proc_kill(struct world *w, uint32_t proc)
{
	struct proc *p = w->procs[proc];

	story_mark(w, STORY_KILLED, proc, 0);
	trace(w, "%-7s is KILLED", p->label);
	p->alive = false;
	p->killed = true;
	p->paused = false;
	inputs_free(p);
	proc_end(p);
	disk_died(w, p);
}

void proc_pause(struct world *w, uint32_t proc, uint64_t duration)
{
	struct proc *p = w->procs[proc];

	story_mark(w, STORY_STOPPED, proc, duration);
	trace(w, "%-7s is STOPPED for %llu ms", p->label, (unsigned long long)(duration / MS));
	p->paused = true;
	p->timer_at = UINT64_MAX;
	p->timer_gen++;
	queue_push(&w->queue, w->now + duration, ENTRY_RESUME, proc, 0, NULL);
}

/* Everything that came meanwhile, at once; the timer before or after it. */
void proc_resume(struct world *w, uint32_t proc)
{
	struct proc *p = w->procs[proc];
	bool timer_first = rng_below(&p->rng, 2) != 0;

	if (!p->alive || !p->paused)
		return;
	story_mark(w, STORY_GOES_ON, proc, 0);
	trace(w, "%-7s goes on", p->label);
	p->paused = false;
	if (timer_first && p->deadline <= w->now)
		step(w, p, &(struct event){.type = EVENT_TIMER});
	for (size_t i = 0; i < p->input_count && p->alive; i++) {
		link_read(w, p->inputs[i].link, p->inputs[i].packet);
		handle(w, p, p->inputs[i].link, p->inputs[i].packet);
	}
	inputs_free(p);
	if (p->alive && p->turn_missed)
		step(w, p, &(struct event){.type = EVENT_TURN});
	p->turn_missed = false;
	if (p->alive)
		timer_arm(w, p);
}

/* What a node calls now is later than it was: whatever it waited for that long is overdue. */
void proc_clock(struct world *w, uint32_t proc, uint64_t jump)
{
	struct proc *p = w->procs[proc];

	story_mark(w, STORY_CLOCK, p->index, jump);
	trace(w, "%-7s is told that it is %llu ms later", p->label, (unsigned long long)jump);
	p->clock_base = clock_of(w, p) + jump;
	p->clock_at = w->now;
	if (p->wanted != UINT64_MAX)
		p->deadline = moment_of(p, p->wanted);
	timer_arm(w, p);
}

void proc_free(struct proc *p)
{
	inputs_free(p);
	if (p->node)
		node_free(p->node);
	disk_free(p->disk);
	free(p);
}
