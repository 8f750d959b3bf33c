/* The step, and the one table of what each frame means in each state. */
#include "node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy-inside.h"
#include "durable.h"

/* ---- the table ---- */

#define IN(state) (1u << (state))
#define SEEKING (IN(NODE_CONNECTING) | IN(NODE_JOINING))
#define MEMBER (IN(NODE_ACTIVE) | IN(NODE_SUSPECT) | IN(NODE_LEAVING))
#define ANY (SEEKING | MEMBER)

struct rule {
	void (*handle)(struct node *n, const struct frame *f);
	unsigned states; /* elsewhere the frame is ignored */
	enum topic_kind topic;
};

/* clang-format off: a table is to be read in columns */
static const struct rule rules[FRAME_TYPES] = {
	/*                 handled by        in       only on */
	[FRAME_HELLO] = {on_hello, ANY, TOPIC_RING},       [FRAME_FIND] = {on_find, ANY, TOPIC_RING},
	[FRAME_MERGE] = {on_merge, MEMBER, TOPIC_RING},    [FRAME_WHO] = {on_who, ANY, TOPIC_RING},
	[FRAME_REFUSE] = {on_refuse, ANY, TOPIC_INBOX},    [FRAME_BUSY] = {on_busy, ANY, TOPIC_INBOX},
	[FRAME_OFFER] = {on_offer, ANY, TOPIC_INBOX},      [FRAME_ASK] = {on_ask, ANY, TOPIC_INBOX},
	[FRAME_ACCEPT] = {on_accept, MEMBER, TOPIC_INBOX}, [FRAME_RECORDS] = {on_records, ANY, TOPIC_INBOX},
	[FRAME_RACK] = {on_rack, MEMBER, TOPIC_INBOX},     [FRAME_CUT] = {on_cut, ANY, TOPIC_CUT},
	[FRAME_GRANT] = {on_grant, ANY, TOPIC_INBOX},      [FRAME_VOID] = {on_void, ANY, TOPIC_INBOX},
	[FRAME_STORE] = {on_store, ANY, TOPIC_INBOX},      [FRAME_STORED] = {on_stored, ANY, TOPIC_INBOX},
	[FRAME_REFUSED] = {on_refused, ANY, TOPIC_INBOX},  [FRAME_HOLDS] = {on_holds, ANY, TOPIC_INBOX},
	[FRAME_ACTIVE] = {on_active, MEMBER, TOPIC_INBOX}, [FRAME_SYNC] = {on_sync, ANY, TOPIC_INBOX},
	[FRAME_CONFIRM] = {on_confirm, ANY, TOPIC_INBOX},  [FRAME_NOTIFY] = {on_notify, MEMBER, TOPIC_INBOX},
	[FRAME_MERGED] = {on_merged, ANY, TOPIC_INBOX},    [FRAME_LEAVE] = {on_leave_request, ANY, TOPIC_INBOX},
	[FRAME_STATUS] = {on_status, ANY, TOPIC_NODE},     [FRAME_COPY] = {on_copy, ANY, TOPIC_INBOX},
	[FRAME_COPIED] = {on_copied, ANY, TOPIC_INBOX},    [FRAME_FORGET] = {on_forget, ANY, TOPIC_INBOX},
	[FRAME_RECOVER] = {on_recover, ANY, TOPIC_INBOX},  [FRAME_SCRUB] = {on_scrub, ANY, TOPIC_INBOX},
	/* FOUND and TRIP are seen to before the table; REPLY is for tools; operation.c reads REQUEST and ANSWER. */
};
/* clang-format on */

/* ---- life ---- */

void node_config_init(struct node_config *c)
{
	*c = (struct node_config){
		.join_interval = 10,
		.join_attempts = 100,
		.resend = 200,
		.silence = 1500,
		.grace = 2000,
		.ping = 10000,
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

/* ---- messages ---- */

static void on_trip(struct node *n, const struct frame *f)
{
	if (!conn_equal(&f->from.conn, &n->self.conn) || !member_same(&f->from, &n->self))
		return;
	echo_heard(n, ECHO_INBOX);
	if (n->trip && f->seq >= n->trip && !n->tripped)
		node_tripped(n);
	line_trip(n, f->seq);
	fence_trip(n, f->seq);
	roll_trip(n, f->seq);
}

/* A refusal counts on an earlier connection too, on which it was asked for. */
static bool refuses(const struct node *n, const struct frame *f)
{
	return f->type == FRAME_REFUSE && (conn_equal(&f->to, &n->asked_on[0]) || conn_equal(&f->to, &n->asked_on[1]));
}

static bool is_of_copies(const struct frame *f)
{
	return f->type == FRAME_COPY || f->type == FRAME_COPIED;
}

/* True if it is of copies. */
static bool frame(struct node *n, enum topic_kind kind, uint32_t id, const struct event *ev)
{
	const struct rule *r;
	struct frame f;
	const char *why;
	bool copies;

	if (!ev->len && (kind == TOPIC_FOUNDER || kind == TOPIC_NODE)) {
		if (kind == TOPIC_FOUNDER)
			founder_cleared(n);
		n->restate |= kind == TOPIC_NODE && id == n->self.id;
		return false;
	}
	if (!ev->len && kind == TOPIC_CUT) {
		if (id == n->self.id)
			echo_heard(n, ECHO_CUT);
		return false;
	}
	why = frame_decode(&f, n->room, ev->payload, ev->len);
	if (why) {
		out_complain(n, "frame", why, NULL, ev->len);
		founder_foreign(n, kind, frame_major(ev->payload, ev->len), ev->retained);
		return false;
	}
	copies = kind == TOPIC_INBOX && is_of_copies(&f);
	if (kind == TOPIC_INBOX && !copies)
		answer_flush(n);
	/* Also when it is meant for an earlier connection: the public words behind it are not the reference's. */
	if (n->seek.active && f.from.memory && kind != TOPIC_NODE && !member_same(&f.from, &n->self))
		remember_hello(n, &f.from);
	if (f.to.count && !conn_equal(&f.to, &n->self.conn) && !refuses(n, &f))
		return copies;
	if (f.type == FRAME_FOUND && kind == TOPIC_FOUNDER) {
		on_found(n, &f, ev->retained);
		return copies;
	}
	if (f.type == FRAME_TRIP && kind == TOPIC_INBOX) {
		on_trip(n, &f);
		return copies;
	}
	if (f.type == FRAME_STATUS && kind == TOPIC_NODE)
		roll_status(n, &f, ev->retained);
	r = &rules[f.type];
	/* Between nodes everybody says who he is, and on which connection. */
	if ((!f.from.memory || !f.from.conn.count) && f.type != FRAME_WHO && f.type != FRAME_LEAVE &&
	    f.type != FRAME_RECOVER && f.type != FRAME_SCRUB) {
		out_complain(n, "frame", "no sender", NULL, ev->len);
		return copies;
	}
	if (!r->handle || r->topic != kind || !(r->states & IN(n->state)))
		return copies;
	/* Who is being fenced is answered nothing; only its end is still news, and that it has served. */
	if (f.from.memory && f.type != FRAME_STATUS) {
		bool blocked = fence_blocks(n, &f.from);

		if (blocked && f.type != FRAME_ACTIVE)
			return copies;
		if (!blocked && !member_same(&f.from, &n->self))
			entry_heard(n, &f);
		founder_heard(n, &f);
	}
	r->handle(n, &f);
	return copies;
}

/* What is retained there would lie at the broker for ever, and come again at each subscription. */
static bool is_stale(struct node *n, enum topic_kind kind, const struct event *ev)
{
	if (!ev->retained || kind == TOPIC_FOUNDER || kind == TOPIC_NODE)
		return false;
	if ((kind == TOPIC_CELL || kind == TOPIC_ASK) && ev->len)
		out_publish_to(n, ev->topic, "", 0, true);
	return true;
}

static void asked(struct node *n, enum topic_kind kind, uint32_t id, const char *user, const struct event *ev)
{
	if (ev->len)
		routed(n, kind, user, ev->payload, ev->len);
	else if (kind == TOPIC_ASK)
		echo_heard(n, ECHO_ASK);
	else if (id >> 16 == n->self.id >> 16)
		echo_heard(n, ECHO_CELL);
}

/* True if it was what a client of ours asks, or about copies: more of that may have come with it. */
static bool message(struct node *n, const struct event *ev)
{
	uint32_t id = 0;
	char user[TOPIC_USER_MAX + 1];
	enum topic_kind kind = topic_parse_from(ev->topic, n->config.topic_prefix, &id, user);

	if (kind != TOPIC_CELL && kind != TOPIC_ASK && kind != TOPIC_INBOX)
		answer_flush(n);
	/* Nobody else's words are to be said again to whoever comes later: a retained put would be done at each return. */
	if (is_stale(n, kind, ev))
		return false;
	switch (kind) {
	case TOPIC_PUT:
	case TOPIC_GET:
		if (!reference_operation(n, kind, ev->payload, ev->len))
			request(n, kind, ev->payload, ev->len);
		break;
	case TOPIC_ACK_JOIN:
		on_ack_join(n, ev->payload, ev->len);
		break;
	case TOPIC_LEAVE:
		on_leave_public(n, ev->payload, ev->len);
		break;
	case TOPIC_ACK_LEAVE:
		on_ack_leave(n, ev->payload, ev->len);
		break;
	case TOPIC_JOIN:
		reference_join(n, ev->payload, ev->len);
		break;
	case TOPIC_HAS_STARTED:
		seek_sign(n, 0);
		break;
	case TOPIC_ACK_PUT:
	case TOPIC_RES_GET:
		reference_answer(n, kind, ev->payload, ev->len);
		break;
	case TOPIC_RING:
	case TOPIC_FOUNDER:
	case TOPIC_INBOX:
	case TOPIC_CUT:
	case TOPIC_NODE:
		return frame(n, kind, id, ev);
	case TOPIC_CELL:
	case TOPIC_ASK:
		asked(n, kind, id, user, ev);
		n->asked_bytes += ev->len;
		return true;
	case TOPIC_REPLY:
	case TOPIC_EVENT:
	case TOPIC_UNKNOWN:
	case TOPIC_KINDS:
		break;
	}
	return false;
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
		asked = n->connected && message(n, ev);
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
	update->turn = asked && (n->answering || n->watch.changed_count || !follow_told(n));
	update->effects = n->effects;
	update->count = n->effect_count;
	update->deadline = next <= n->now ? n->now + 1 : next;
	n->due = update->deadline;
}
