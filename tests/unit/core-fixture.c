#include "core-fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/core/core.h"

#define DELIVERIES_MAX 400000 /* in one core_run: more is an endless conversation */

void *core_grow(void *p, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return p;
	*room = *room ? *room * 2 : 64;
	return xrealloc(p, *room * size);
}

void core_trace(const struct core *c, const char *who, int n, const char *what, const char *text)
{
	if (c->trace)
		fprintf(stderr, "# %8" PRIu64 " %s%d %s %.150s\n", c->now, who, n, what, text);
}

static void fence(struct core *c, int n, const struct conn *conn)
{
	struct core_delivery *d;
	char client_id[CONN_TEXT];

	conn_format(conn, client_id);
	core_trace(c, "n", n, "fences", client_id);
	for (int i = 0; i < c->count && !c->broker_down; i++)
		if (c->nodes[i].live && !strcmp(c->nodes[i].client_id, client_id))
			core_link_close(c, i, true);
	if (!c->nodes[n].live)
		return;
	d = core_delivery_add(c, n, EVENT_FENCED);
	d->event.conn = *conn;
	d->event.granted = !c->broker_down;
}

/* ---- nodes ---- */

static void node_end(struct core_node *node)
{
	node_free(node->node);
	node->node = NULL;
	node->connect_at = node->deadline = CORE_NEVER;
}

static void note(struct core *c, int n, const struct effect *e)
{
	assert_true(note_complete(e->note, e->about));
	CORE_GROW(c->logs, c->log_count, c->log_room);
	c->logs[c->log_count++] = (struct core_log){.when = c->now,
						    .from = n,
						    .note = e->note,
						    .level = note_rows[e->note].level,
						    .text = xstrdup(e->text)};
	core_trace(c, "n", n, "says:", e->text);
}

static void carry_out(struct core *c, int n, const struct effect *e)
{
	struct core_node *node = &c->nodes[n];

	switch (e->type) {
	case EFFECT_SUBSCRIBE:
		for (size_t i = 0; node->live && i < e->filter_count; i++)
			core_subscribe(c, n, e->filters[i]);
		break;
	case EFFECT_UNSUBSCRIBE:
		for (size_t i = 0; i < e->filter_count; i++)
			core_unsubscribe(node, e->filters[i]);
		break;
	case EFFECT_PUBLISH:
		if (node->live)
			core_publish_as(c, n, e->topic, e->payload, e->len, e->retain);
		break;
	case EFFECT_FENCE:
		if (node->live)
			fence(c, n, &e->conn);
		break;
	case EFFECT_LOG:
		note(c, n, e);
		break;
	case EFFECT_STATE:
	case EFFECT_PROGRESS:
		break;
	case EFFECT_EXIT:
		node->exit_code = e->code;
		break;
	}
}

void core_step(struct core *c, int n, struct event event)
{
	struct core_node *node = &c->nodes[n];
	struct update update;
	size_t bytes = 0;

	assert_non_null(node->node);
	event.now = c->now;
	node_step(node->node, &event, &update);
	node->deadline = update.deadline;
	for (size_t i = 0; i < update.count && node->exit_code < 0; i++) {
		carry_out(c, n, &update.effects[i]);
		bytes += update.effects[i].type == EFFECT_PUBLISH ? update.effects[i].len : 0;
	}
	if (bytes > c->most)
		c->most = bytes;
	if (bytes > c->config.burst && node->live && !c->full)
		(void)core_delivery_add(c, n, EVENT_DRAINED);
	/* All that was on its way by now is read first. */
	if (update.turn && node->live && !node->turn)
		(void)core_delivery_add(c, n, EVENT_TURN);
	node->turn = update.turn;
	if (node->exit_code < 0)
		return;
	node_end(node);
	core_link_close(c, n, false);
}

int core_add_named(struct core *c, uint32_t id, const char *name)
{
	struct node_config config = c->config;
	int n = c->count++;

	assert_true(n < CORE_NODES);
	c->nodes[n] = (struct core_node){.id = id, .exit_code = -1, .deadline = CORE_NEVER, .connect_at = CORE_NEVER};
	config.id = id;
	snprintf(config.name, sizeof(config.name), "%s", name);
	config.memory = c->memory += 16;
	config.seed = c->memory;
	config.secret = ~c->memory;
	c->nodes[n].node = node_new(&config);
	core_step(c, n, (struct event){.type = EVENT_START});
	if (!c->broker_down)
		core_connect(c, n);
	return n;
}

int core_add(struct core *c, uint32_t id)
{
	return core_add_named(c, id, "");
}

void core_connect(struct core *c, int n)
{
	struct core_node *node = &c->nodes[n];
	struct node_identity who;

	assert_false(node->live);
	node->connect_at = CORE_NEVER;
	node_identify(node->node, (c->now << 16) + (uint64_t)n * 1000 + 7, &who);
	snprintf(node->client_id, sizeof(node->client_id), "%s", who.client_id);
	free(node->will_topic);
	free(node->will);
	node->will_topic = xstrdup(who.will_topic);
	node->will = xmemdup(who.will_payload, who.will_len);
	node->will_len = who.will_len;
	node->live = true;
	core_delivery_add(c, n, EVENT_CONNECTED);
}

void core_kill(struct core *c, int n)
{
	core_trace(c, "n", n, "is killed", "");
	node_end(&c->nodes[n]);
	core_deliveries_drop(c, n);
	core_link_close(c, n, true);
}

void core_cut_for(struct core *c, int n, uint64_t ms)
{
	core_link_close(c, n, true);
	c->nodes[n].away = ms;
}

void core_cut(struct core *c, int n)
{
	core_cut_for(c, n, c->reconnect);
}

void core_pause(struct core *c, int n)
{
	core_trace(c, "n", n, "is paused", "");
	c->nodes[n].paused = true;
}

void core_resume(struct core *c, int n)
{
	core_trace(c, "n", n, "goes on", "");
	c->nodes[n].paused = false;
}

void core_stop(struct core *c, int n)
{
	core_step(c, n, (struct event){.type = EVENT_STOP});
}

/* SIGTERM lets every will reach everybody before the connections close; kill -9 lets nothing. */
void core_broker_stop(struct core *c, bool wills, bool keep_retained)
{
	for (int n = 0; wills && n < c->count; n++)
		if (c->nodes[n].live)
			core_publish_as(c, CORE_BROKER, c->nodes[n].will_topic, c->nodes[n].will, c->nodes[n].will_len,
					false);
	if (wills)
		core_deliver_all(c);
	c->broker_down = true;
	for (int n = 0; n < c->count; n++)
		core_link_close(c, n, false);
	for (size_t i = 0; !keep_retained && i < c->retained_count; i++)
		c->retained[i].len = 0;
	core_deliver_all(c);
}

void core_broker_start(struct core *c)
{
	c->broker_down = false;
}

/* ---- deliveries and time ---- */

static struct core_delivery **next_at(struct core *c)
{
	struct core_delivery **at = &c->first;

	while (*at && (c->broker_hangs || c->nodes[(*at)->to].paused))
		at = &(*at)->next;
	return at;
}

struct core_delivery *core_next(struct core *c)
{
	return *next_at(c);
}

bool core_deliver(struct core *c)
{
	struct core_delivery **at = next_at(c), *d;
	struct core_node *node;

	if (!*at)
		return false;
	d = core_delivery_take(c, at);
	node = &c->nodes[d->to];
	if (d->event.type == EVENT_DISCONNECTED && node->away != CORE_NEVER)
		node->connect_at = c->now + node->away;
	core_step(c, d->to, d->event);
	core_delivery_free(d);
	return true;
}

void core_deliver_all(struct core *c)
{
	unsigned count = 0;

	while (core_deliver(c))
		if (++count > DELIVERIES_MAX)
			fail_msg("%u messages and no end, all at %" PRIu64 " ms", count, c->now);
	core_no_two_owners(c);
}

void core_drop(struct core *c)
{
	struct core_delivery *d = core_delivery_take(c, next_at(c));

	core_trace(c, "n", d->to, "is to miss", d->frame ? frame_type_name(d->frame) : d->event.topic);
	core_delivery_free(d);
}

/* Nothing is under way: the next moment at which somebody wants to act. */
static uint64_t next_time(const struct core *c)
{
	uint64_t next = CORE_NEVER;

	for (const struct core_node *n = c->nodes; n < c->nodes + c->count; n++) {
		if (n->paused || !n->node)
			continue;
		next = n->deadline < next ? n->deadline : next;
		next = n->connect_at < next && !c->broker_down ? n->connect_at : next;
	}
	return next > c->now ? next : c->now;
}

static void turn(struct core *c)
{
	for (int n = 0; n < c->count; n++) {
		struct core_node *node = &c->nodes[n];

		if (node->paused || !node->node)
			continue;
		if (node->connect_at <= c->now && !c->broker_down)
			core_connect(c, n);
		if (node->deadline <= c->now)
			core_step(c, n, (struct event){.type = EVENT_TIMER});
	}
}

/* One delivery, or else one moment; false when the time is up. */
bool core_advance(struct core *c, uint64_t end)
{
	uint64_t next;

	if (core_deliver(c))
		return true;
	core_no_two_owners(c);
	next = next_time(c);
	if (next > end) {
		c->now = end > c->now ? end : c->now;
		return false;
	}
	c->now = next;
	turn(c);
	return true;
}

void core_run(struct core *c, uint64_t ms)
{
	uint64_t end = c->now + ms;
	unsigned count = 0;

	while (core_advance(c, end))
		if (++count > DELIVERIES_MAX)
			fail_msg("%u messages within %" PRIu64 " ms", count, ms);
}

bool core_until(struct core *c, enum frame_type type, int to)
{
	uint64_t end = c->now + 20000;

	for (;;) {
		const struct core_delivery *d = core_next(c);

		if (d && d->frame == type && (to == CORE_ANY || d->to == to))
			return true;
		if (!core_advance(c, end))
			return false;
	}
}

void core_whole(struct core *c, int count, uint64_t limit_ms)
{
	uint64_t end = c->now + limit_ms;

	while (core_next(c) || !core_is_whole(c, count))
		if (!core_advance(c, end)) {
			for (int n = 0; n < c->count; n++)
				fprintf(stderr, "# node %d id %08x: %s\n", n, c->nodes[n].id,
					c->nodes[n].node ? node_state_name(core_state(c, n)) : "gone");
			fail_msg("no whole ring of %d within %" PRIu64 " ms", count, limit_ms);
		}
}

/* ---- the world ---- */

struct core *core_new(void)
{
	struct core *c = xcalloc(1, sizeof(*c));

	c->now = 1000000;
	c->reconnect = 50;
	c->older = -1;
	c->memory = 0x1000;
	c->last = &c->first;
	CORE_GROW(c->lines, 0, c->line_room);
	CORE_GROW(c->logs, 0, c->log_room);
	CORE_GROW(c->tallies, 0, c->tally_room);
	CORE_GROW(c->retained, 0, c->retained_room);
	c->room = xmalloc(sizeof(*c->room));
	c->trace = getenv("CORE_TRACE") != NULL;
	node_config_init(&c->config);
	c->config.replicas = 1; /* but where copies are what is looked at */
	snprintf(c->config.software, sizeof(c->config.software), "test");
	return c;
}

static void lines_free(struct core_line *lines, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(lines[i].topic);
		free(lines[i].payload);
	}
	free(lines);
}

void core_free(struct core *c)
{
	for (int n = 0; n < c->count; n++) {
		struct core_node *node = &c->nodes[n];

		node_free(node->node);
		node->node = NULL;
		core_link_close(c, n, false);
		free(node->filters);
		free(node->will_topic);
		free(node->will);
	}
	while (c->first)
		core_delivery_free(core_delivery_take(c, &c->first));
	lines_free(c->lines, c->line_count);
	lines_free(c->retained, c->retained_count);
	for (size_t i = 0; i < c->log_count; i++)
		free(c->logs[i].text);
	for (size_t i = 0; i < c->tally_count; i++)
		free(c->tallies[i].name);
	free(c->logs);
	free(c->tallies);
	free(c->room);
	free(c);
}

int core_setup(void **state)
{
	*state = core_new();
	return 0;
}

int core_teardown(void **state)
{
	core_free(*state);
	return 0;
}
