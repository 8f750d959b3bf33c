/* What is heard, and the one table of what each frame means in each state. */
#include "core.h"

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

static bool is_of_copies(const struct frame *f, enum topic_kind kind)
{
	return kind == TOPIC_INBOX && (f->type == FRAME_COPY || f->type == FRAME_COPIED);
}

/* Nothing at all, where a frame would be: retained, it was cleared; and our own echo. */
static void empty(struct node *n, enum topic_kind kind, uint32_t id)
{
	if (kind == TOPIC_FOUNDER)
		founder_cleared(n);
	n->restate |= kind == TOPIC_NODE && id == n->self.id;
	if (kind == TOPIC_CUT && id == n->self.id)
		echo_heard(n, ECHO_CUT);
}

static void heed(struct node *n, enum topic_kind kind, const struct frame *f, const struct event *ev)
{
	const struct rule *r = &rules[f->type];

	/* Also when it is meant for an earlier connection: the public words behind it are not the reference's. */
	if (n->seek.active && f->from.memory && kind != TOPIC_NODE && !member_same(&f->from, &n->self))
		remember_hello(n, &f->from);
	if (f->to.count && !conn_equal(&f->to, &n->self.conn) && !refuses(n, f))
		return;
	if (f->type == FRAME_FOUND && kind == TOPIC_FOUNDER) {
		on_found(n, f, ev->retained);
		return;
	}
	if (f->type == FRAME_TRIP && kind == TOPIC_INBOX) {
		on_trip(n, f);
		return;
	}
	if (f->type == FRAME_STATUS && kind == TOPIC_NODE)
		roll_status(n, f, ev->retained);
	/* Between nodes everybody says who he is, and on which connection. */
	if ((!f->from.memory || !f->from.conn.count) && f->type != FRAME_WHO && f->type != FRAME_LEAVE &&
	    f->type != FRAME_RECOVER && f->type != FRAME_SCRUB) {
		out_complain(n, "frame", "no sender", NULL, ev->len);
		return;
	}
	if (!r->handle || r->topic != kind || !(r->states & IN(n->state)))
		return;
	/* Who is being fenced is answered nothing; only its end is still news, and that it has served. */
	if (f->from.memory && f->type != FRAME_STATUS) {
		bool blocked = fence_blocks(n, &f->from);

		if (blocked && f->type != FRAME_ACTIVE)
			return;
		if (!blocked && !member_same(&f->from, &n->self))
			entry_heard(n, f);
		founder_heard(n, f);
	}
	r->handle(n, f);
}

/* True if it is of copies: what was answered before it need not be said before it. */
static bool frame(struct node *n, enum topic_kind kind, uint32_t id, const struct event *ev)
{
	struct frame f;
	const char *why;
	bool copies;

	if (!ev->len && (kind == TOPIC_FOUNDER || kind == TOPIC_NODE || kind == TOPIC_CUT)) {
		empty(n, kind, id);
		return false;
	}
	why = frame_decode(&f, n->room, ev->payload, ev->len);
	if (why) {
		out_complain(n, "frame", why, NULL, ev->len);
		founder_foreign(n, kind, frame_major(ev->payload, ev->len), ev->retained);
		return false;
	}
	copies = is_of_copies(&f, kind);
	if (kind == TOPIC_INBOX && !copies)
		answer_flush(n);
	heed(n, kind, &f, ev);
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

bool hear_message(struct node *n, const struct event *ev)
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
