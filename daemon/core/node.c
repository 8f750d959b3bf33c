/* A node's life, and its step. */
#include "node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy-inside.h"
#include "durable.h"

/* ---- life ---- */

void node_config_init(struct node_config *c)
{
	*c = (struct node_config){
		.join_interval = 10,
		.join_attempts = 100,
		.resend = 200,
		.silence = 1500,
		.grace = 2000,
		.ping = 1500,
		.recover = 10000,
		.tombstone = 3600000,
		.tombstones = 65536,
		.replicas = 2,
		.min_copies = 1,
		.burst = 8u << 20,
		.held_max = 16u << 20,
	};
}

struct node *node_new(const struct node_config *config)
{
	struct node *n = xcalloc(1, sizeof(*n));

	n->config = *config;
	if (!n->config.name[0])
		snprintf(n->config.name, sizeof(n->config.name), "%u", config->id);
	n->self = (struct member){.id = config->id, .memory = config->memory};
	n->rng = config->seed;
	n->store = store_new(n->config.secret);
	n->copied = store_new(n->config.secret);
	n->replaced = store_new(n->config.secret);
	n->entry_end = n->entries;
	n->follower_end = n->followers;
	n->told_last = &n->told_first;
	n->fence_end = n->fences;
	n->held_last = &n->held_first;
	n->room = xmalloc(sizeof(*n->room));
	n->operations = xmalloc(sizeof(*n->operations));
	n->once = once_new(n->config.secret, n->config.once);
	n->copied_once = once_new(n->config.secret, n->config.once);
	n->told_rows = once_share_new((struct arc){0, 0});
	memory_begin(n);
	if (config->durable)
		n->durable = durable_new(n);
	n->repair_at = NEVER;
	n->state = NODE_CONNECTING;
	seek_begin(n);
	return n;
}

void node_free(struct node *n)
{
	if (!n)
		return;
	give_end(n);
	store_free(n->take.staging);
	once_share_free(n->take.share);
	request_forget(n);
	out_reset(n);
	tell_forget(n);
	follow_end_all(n);
	damage_forget(n);
	for (struct copy *c = n->copies; c < n->copies + COPIES_MAX; c++) {
		copy_picture_drop(c);
		copy_part_drop(c);
	}
	store_free(n->store);
	store_free(n->copied);
	store_free(n->replaced);
	once_free(n->once);
	once_free(n->copied_once);
	once_share_free(n->told_rows);
	cells_free(n);
	answer_free(n);
	watched_free(n);
	reference_free(n);
	durable_free(n);
	free(n->roll.names);
	free(n->effects);
	free(n->owned);
	free(n->room);
	free(n->operations);
	free(n->identity_will);
	free(n);
}

uint64_t node_memory(const struct node *n)
{
	return n->self.memory;
}

void node_identify(struct node *n, uint64_t nonce, struct node_identity *identity)
{
	struct frame f;
	size_t len;

	if (n->next_conn.count == CONN_COUNT_MAX)
		mem_die("as many connections as one process can name: restart it");
	n->next_conn = (struct conn){nonce, n->next_conn.count + 1};
	conn_format(&n->next_conn, n->identity_client);
	frame_start(n, &f, FRAME_STATUS);
	f.from.conn = n->next_conn;
	f.state = NODE_GONE;
	memcpy(f.name, n->config.name, sizeof(f.name));
	free(n->identity_will);
	n->identity_will = frame_encode(&f, &len);
	topic_format(n->identity_topic, n->config.topic_prefix, TOPIC_NODE, n->self.id, NULL);
	*identity = (struct node_identity){
		.conn = n->next_conn,
		.client_id = n->identity_client,
		.will_topic = n->identity_topic,
		.will_payload = n->identity_will,
		.will_len = len,
	};
}

/* ---- the step ---- */

void node_stop(struct node *n, const char *why)
{
	if (n->stopping)
		return;
	n->stopping = true;
	n->merged_at = n->now;
	n->merge_stopped = n->merge_rounds;
	if (n->stash)
		merge_soon(n);
	n->retry_at = 0;
	out_log(n, NOTE_LEAVING, ABOUT(OF_REASON(why)), "%s -> leaving", why);
	copies_leave(n);
}

static uint64_t ticks(struct node *n)
{
	uint64_t next = NEVER;

	out_tick(n, &next);
	fence_tick(n, &next);
	change_tick(n, &next);
	keepers_tick(n, &next);
	follow_tick(n, &next);
	copy_tick(n, &next);
	damage_tick(n, &next);
	scrub_tick(n, &next);
	watch_tick(n, &next);
	give_tick(n, &next);
	take_tick(n, &next);
	reference_tick(n, &next);
	tend(n, &next);
	seek_tick(n, &next);
	seek_refused(n, &next);
	founder_tick(n, &next);
	merge_tick(n, &next);
	record_tick(n, &next);
	record_sweep(n, &next);
	list_tick(n, &next);
	echo_tick(n, &next);
	line_tick(n, &next);
	if (n->connected && !n->tripped && n->trip) {
		if (n->now - n->trip_sent >= n->config.silence) {
			(void)trip_send(n);
			n->trip_sent = n->now;
		}
		soonest(&next, n->trip_sent + n->config.silence);
	}
	return next;
}

#define LATE 500 /* ms behind a deadline: the process has been stopped, or the machine was */

/* Whoever sleeps hears nothing, and what was said meanwhile is still to be read: the silence of others counts from now. */
void node_overslept(struct node *n, uint64_t by, uint64_t now)
{
	for (struct entry *e = n->entries; e < n->entry_end; e++) {
		later(&e->silent, by, now);
		later(&e->gone, by, now);
		later(&e->doubt, by, now);
		later(&e->orphan, by, now);
		later(&e->contested, by, now);
		later(&e->awaited, by, now);
		later(&e->other_asked, by, now);
	}
	for (unsigned i = 0; i < n->change.party_count; i++)
		later(&n->change.party[i].waited, by, now);
	later(&n->change.doubt, by, now);
	later(&n->give.progress, by, now);
	later(&n->take.progress, by, now);
	later(&n->notify_since, by, now);
	later(&n->hole_since, by, now);
	later(&n->alone_since, by, now);
	later(&n->roll.since, by, now);
	later(&n->roll.used, by, now);
	later(&n->seek.since, by, now);
	later(&n->merged_at, by, now);
	later(&n->line.sent, by, now);
	later(&n->line.proved, by, now);
	for (struct copy *c = n->copies; c < n->copies + COPIES_MAX; c++)
		later(&c->idle, by, now);
	reference_overslept(n, by, now);
	keepers_doubt(n);
}

/* What was answered is not safe to say yet, and nothing happens that it must come before. */
static bool may_wait(struct node *n, const struct event *ev)
{
	return (ev->type == EVENT_TURN || ev->type == EVENT_TIMER) && follow_paced(n);
}

void node_step(struct node *n, const struct event *ev, struct update *update)
{
	uint64_t next;
	int rounds = 0;
	bool asked = false;

	out_reset(n);
	if (n->due && n->due != NEVER && ev->now > n->due + LATE) {
		node_overslept(n, ev->now - n->due, ev->now);
		node_silence(n, ev->now - n->due, ev->now);
	}
	if (ev->now > n->now)
		n->now = ev->now;
	durable_clock(n, ev);
	/* Whatever else happens, what was answered before is said before. */
	if (ev->type != EVENT_MESSAGE && !may_wait(n, ev))
		answer_flush(n);
	switch (ev->type) {
	case EVENT_CONNECTED:
		node_connected(n);
		break;
	case EVENT_DISCONNECTED:
		node_disconnected(n);
		break;
	case EVENT_SUBSCRIBED:
		node_subscribed(n, ev);
		break;
	case EVENT_MESSAGE:
		node_heard(n);
		asked = n->connected && hear_message(n, ev);
		break;
	case EVENT_FENCED:
		fence_event(n, &ev->conn, ev->granted);
		break;
	case EVENT_STOP:
		node_stop(n, "asked to stop");
		break;
	case EVENT_START:
		/* From now: a node is made before it knows the time. */
		if (n->seek.active)
			seek_begin(n);
		durable_begin(n);
		break;
	case EVENT_DRAINED:
		n->full = false;
		n->recheck |= n->backlog;
		break;
	case EVENT_ROOM:
		room_changed(n, ev->granted);
		break;
	case EVENT_LIMIT:
		n->config.max_memory = ev->limit;
		break;
	case EVENT_TURN:
	case EVENT_TIMER:
	case EVENT_TYPES:
		break;
	}
	/* What follows from it may make more follow; each round is one step towards rest. */
	do {
		next = n->exiting ? NEVER : ticks(n);
		if (n->recheck) {
			n->recheck = false;
			request_recheck(n);
			soonest(&next, n->now); /* whoever has looked before may see it otherwise now */
		}
		state_update(n);
	} while (next <= n->now && ++rounds < 32);
	memory_look(n);
	if (n->connected)
		watch_statuses(n);
	cells_tick(n);
	if (!asked && !may_wait(n, ev)) {
		answer_flush(n);
		follow_due(n, &next);
	}
	durable_tell(n, update);
	update->turn = asked && (n->answering || n->watch.changed.count || !follow_told(n));
	update->effects = n->effects;
	update->count = n->effect_count;
	update->deadline = next <= n->now ? n->now + 1 : next;
	n->due = update->deadline;
}
