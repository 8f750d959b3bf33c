/* What a connection begins and ends with: the topics a node always hears, the round trip behind them, and what is void. */
#include "core.h"

/* What a node always hears; cut/<giver> and node/<neighbour> come and go. */
static const enum topic_kind base_topics[] = {
	TOPIC_JOIN, TOPIC_HAS_STARTED, TOPIC_ACK_JOIN, TOPIC_PUT, TOPIC_GET,  TOPIC_LEAVE, TOPIC_ACK_LEAVE,
	TOPIC_RING, TOPIC_FOUNDER,     TOPIC_INBOX,    TOPIC_CUT, TOPIC_NODE, TOPIC_ASK,
};
#define BASE_TOPICS (sizeof(base_topics) / sizeof(base_topics[0]))

bool node_ready(const struct node *n)
{
	return n->connected && n->tripped && n->subscribed == (1u << BASE_TOPICS) - 1;
}

/* Over the head of who hears nothing an arc may be taken at the end of the set time: by clocks that differ by no more than
 * twice. */
void node_silence(struct node *n, uint64_t silence, uint64_t now)
{
	if (silence >= n->config.recover / 2)
		n->away = now;
}

void node_heard(struct node *n)
{
	n->heard_at = n->now;
	if (n->away && n->connected_at >= n->away && n->now - n->connected_at >= SETTLE) {
		n->away = 0;
		n->recheck = true;
	}
}

void node_connected(struct node *n)
{
	node_silence(n, n->now - n->heard_at, n->now);
	n->connected = true;
	n->full = false;
	n->connected_at = n->now;
	n->self.conn = n->next_conn;
	n->subscribed = 0;
	n->tripped = n->proving = n->announced = false;
	n->trip = n->foreign = 0;
	n->seen = (struct ring_id){0};
	n->seen_by = (struct member){0};
	n->repair_at = NEVER;
	n->watched_count = 0;
	for (unsigned i = 0; i < BASE_TOPICS; i++)
		out_subscribe(n, base_topics[i], n->self.id, true);
	keepers_doubt(n);
	change_resume(n);
}

void node_disconnected(struct node *n)
{
	n->connected = n->full = false;
	n->tripped = false;
	n->subscribed = 0;
	n->self.conn = (struct conn){0};
	n->watched_count = 0;
	fence_void(n);
	line_forget(n);
	roll_close(n);
	hole_forget(n);
	request_forget(n);
	answer_forget(n);
	tell_forget(n);
	watched_forget(n);
	cells_forget(n);
	reference_disconnected(n);
	if (n->give.phase && n->give.phase < GIVE_GRANTED)
		give_end(n);
	if (n->take.phase == TAKE_SUBSCRIBE || n->take.phase == TAKE_STREAM)
		take_end(n);
	for (struct entry *e = n->entries; e < n->entry_end; e++) {
		e->confirmed = false;
		e->asked = e->silent = e->gone = e->doubt = e->orphan = e->found = 0;
		if (n->config.replicas < 2)
			e->contested = 0; /* else somebody may have records of it, and is asked again (find_back) */
		e->cleared = false;
	}
	for (enum echo_kind kind = 0; kind < ECHO_KINDS; kind++)
		echo_forget(n, kind);
	recover_forget(n);
	n->notify_since = n->alone_since = 0;
	n->waiting_count = 0;
	if (n->seek.active)
		seek_begin(n);
}

void node_tripped(struct node *n)
{
	if (!founder_checked(n))
		return; /* once our ring stands in the register again */
	n->tripped = true;
	n->proving = false;
	if (n->self.conn.count > 1)
		find_back(n);
	if (n->stopping) /* who may take what lies here has lost his connection as well, mostly, and begins anew */
		n->merged_at = n->now;
	echo_ask(n, ECHO_CUT);
	echo_ask(n, ECHO_ASK);
	if (n->seek.active)
		n->seek.next = n->now;
	if (n->entry_end > n->entries)
		status_publish(n);
}

void node_subscribed(struct node *n, const struct event *ev)
{
	uint32_t id = 0;
	enum topic_kind kind = topic_parse(ev->topic, n->config.topic_prefix, &id);

	/* A giver may have our own id: one that has left it and still owns what it took over from the dead. */
	if (kind == TOPIC_CUT)
		take_subscribed(n, id, ev->granted);
	if (kind == TOPIC_UNKNOWN)
		roll_subscribed(n, ev);
	if (kind == TOPIC_UNKNOWN || kind == TOPIC_CELL)
		cells_subscribed(n, ev);
	if ((kind == TOPIC_CUT || kind == TOPIC_NODE) && id != n->self.id)
		return;
	for (unsigned i = 0; i < BASE_TOPICS; i++) {
		if (base_topics[i] != kind)
			continue;
		if (!ev->granted) {
			out_log(n, NOTE_ACCESS_REFUSED, ABOUT(OF_REASON(ev->topic)),
				"the broker refuses the subscription to %s -> grant this node all of its topics",
				ev->topic);
			return;
		}
		n->subscribed |= 1u << i;
	}
	if (n->subscribed == (1u << BASE_TOPICS) - 1 && !n->trip) {
		n->trip = trip_send(n);
		n->trip_sent = n->now;
	}
}
