/* What is said to nodes of the reference, and what is put and got while an arc moves between us (PROTOCOL.md section 10). */
#include <stdlib.h>
#include <string.h>

#include "reference_peer.h"

/* ---- what is said ---- */

void reference_publish_ack_join(struct node *n, uint32_t src, uint32_t dst, enum reference_side side)
{
	struct reference_ack_join a = {src, dst, side};
	char text[REFERENCE_TEXT_MAX];

	out_publish(n, TOPIC_ACK_JOIN, 0, text, reference_format_ack_join(text, sizeof(text), &a), false);
}

void reference_publish_record(struct node *n, const char *client, const struct store_item *item)
{
	size_t len;
	uint8_t *text = out_own(n, reference_format_put((const uint8_t *)client, strlen(client), item->key.id,
							item->value, item->len, &len));

	out_publish(n, TOPIC_PUT, 0, text, len, false);
}

/* ---- what is held, and who else answered it ---- */

enum reference_verdict reference_judge(struct node *n, enum topic_kind kind, uint32_t key)
{
	struct reference_peer *r = n->reference;

	if (!r)
		return REFERENCE_NOTHING;
	/* Where one of ours owns it by a view that is known here it is he who hears it, or else his guard. */
	if (n->seek.active && r->holding && !entry_over(n, (struct arc){key - 1, key}))
		return REFERENCE_HOLD;
	if (r->admit && ring_contains(r->arc, key)) {
		/* Between our word and the place where it is heard the arc is still ours. */
		if (r->answering)
			return REFERENCE_ANSWER;
		return REFERENCE_HOLD;
	}
	if (r->left_until && ring_contains(r->left, key))
		return REFERENCE_HOLD;
	if (r->filling && kind == TOPIC_GET && entry_own(n, key) && !record_number(n, key, NULL))
		return REFERENCE_HOLD;
	return REFERENCE_NOTHING;
}

bool reference_holds(const struct node *n, const struct operation *op)
{
	const struct reference_peer *r = n->reference;

	/* The records are on their way: of what is written behind them only a value could still be told, and no deletion, life or
	 * name.  If the arc stays ours it is done. */
	if (r && r->quit == QUIT_SAID && operation_writes(op->kind))
		return true;
	/* What is still on its way would be missing in a page, and come behind the answer that all is watched. */
	return r && (r->filling || r->left_until) &&
	       (op->kind == OPERATION_LIST || op->kind == OPERATION_DUMP || op->kind == OPERATION_WATCH);
}

/* Takes the first held operation of that kind that fits out of the queue; false if there is none. */
static struct held *unhold(struct node *n, enum topic_kind kind, uint32_t key, const uint8_t *client, size_t client_len)
{
	for (struct held **at = &n->held_first; *at; at = &(*at)->next) {
		struct held *h = *at;
		struct reference_put put;

		if (h->kind != kind)
			continue;
		if (kind == TOPIC_GET ? h->key != key
				      : reference_parse_put(h->payload, h->len, &put) || put.client_len != client_len ||
						memcmp(put.client, client, client_len) != 0)
			continue;
		*at = h->next;
		if (!h->next)
			n->held_last = at;
		n->held_bytes -= sizeof(*h) + h->len;
		return h;
	}
	return NULL;
}

static bool is_text(const uint8_t *p, size_t len, const char *text)
{
	return len == strlen(text) && memcmp(p, text, len) == 0;
}

/* A node's id in decimal, as the reference names itself. */
static bool is_id(const uint8_t *p, size_t len, uint32_t id)
{
	char text[16];

	reference_format_id(text, sizeof(text), id);
	return is_text(p, len, text);
}

static struct store_item put_item(const struct reference_put *put, struct version version)
{
	return (struct store_item){
		.key = key_number(put->key), .version = version, .value = put->value, .len = put->value_len};
}

static void on_ack_put(struct node *n, const uint8_t *client, size_t client_len, uint32_t node)
{
	struct reference_peer *r = n->reference;
	struct held *h;

	if (r->has_pred && node == r->pred) {
		r->unanswered = 0;
		r->pred_heard = n->now;
	}
	if (r->quit && node == r->succ && is_id(client, client_len, n->self.id)) {
		r->quit_acks++;
		r->quit_progress = n->now;
		return;
	}
	if (r->admit == ADMIT_SEND && node == r->joiner && is_text(client, client_len, "None")) {
		r->acks++;
		r->since = n->now;
		return;
	}
	if (!(r->admit >= ADMIT_SAY && node == r->joiner) && !(r->left_until && node == r->leaver))
		return;
	h = unhold(n, TOPIC_PUT, 0, client, client_len);
	if (h && r->left_until && node == r->leaver) {
		struct reference_put put;
		const struct entry *e = entry_own(n, h->key);

		/* Acknowledged by the leaver, behind the place where its arc became ours: its value is the newest. */
		if (e && !reference_parse_put(h->payload, h->len, &put)) {
			struct store_item item = put_item(&put, (struct version){e->v.name.number, ++n->counter});

			store_put(n->store, &item);
			record_changed(n, &item.key);
		}
	}
	free(h);
}

void reference_answer(struct node *n, enum topic_kind kind, const uint8_t *p, size_t len)
{
	struct reference_peer *r = n->reference;
	const uint8_t *text;
	size_t text_len;
	uint32_t id;

	if (!r)
		return;
	if (kind == TOPIC_ACK_PUT) {
		if (!reference_parse_ack_put(p, len, &text, &text_len, &id))
			on_ack_put(n, text, text_len, id);
		return;
	}
	if (reference_parse_res_get(p, len, &id, &text, &text_len))
		return;
	if (r->unanswered && id == r->unanswered_key)
		r->unanswered = 0;
	if ((r->admit >= ADMIT_SAY && ring_contains(r->arc, id)) || (r->left_until && ring_contains(r->left, id)))
		free(unhold(n, TOPIC_GET, id, NULL, 0));
}

/* ---- redistribution ---- */

/* A put that hands a record over: it never overwrites what a client has put since. */
static bool redistribution(struct node *n, const struct reference_put *put)
{
	struct reference_peer *r = n->reference;
	struct entry *e = entry_own(n, put->key);
	bool leaving = r->left_until && is_id(put->client, put->client_len, r->leaver);
	struct store_item item;
	char text[REFERENCE_TEXT_MAX];

	if (!e || !(leaving || (r->filling && is_text(put->client, put->client_len, "None"))))
		return false;
	item = put_item(put, (struct version){e->v.name.number, 0});
	if (store_put_newer(n->store, &item))
		record_changed(n, &item.key);
	if (r->filling)
		r->filling = n->now + QUIET;
	n->recheck = true;
	tell_client(n, TOPIC_ACK_PUT, text,
		    reference_format_ack_put(text, sizeof(text), put->client, put->client_len, n->self.id));
	return true;
}

/* True: the operation is seen to. */
bool reference_operation(struct node *n, enum topic_kind kind, const uint8_t *p, size_t len)
{
	struct reference_peer *r = n->reference;
	struct reference_put put;
	uint32_t key;

	if (!r)
		return false;
	if (kind == TOPIC_PUT) {
		if (reference_parse_put(p, len, &put))
			return false;
		key = put.key;
		if (r->admit == ADMIT_SEND && is_text(put.client, put.client_len, "None") &&
		    ring_contains(r->arc, key)) {
			reference_stream_heard(n, key); /* our own words */
			return true;
		}
		if (redistribution(n, &put))
			return true;
		if (r->quit == QUIT_SENT) {
			struct store_item item;
			bool waiting = record_number(n, key, &item);

			if (waiting && is_id(put.client, put.client_len, n->self.id)) {
				if (!reference_stream_echoed(n, key) || put.value_len != item.len ||
				    memcmp(put.value, item.value, item.len) != 0)
					return true; /* an older one of ours: the newer is on its way */
				store_put(r->quit_echoed, &item);
				store_remove(n->store, key_number(key));
			} else if (waiting) {
				/* Ahead of our record in the order: said again behind it, or the old value wins. */
				item.value = put.value;
				item.len = put.value_len;
				store_put(n->store, &item);
				reference_stream_again(n, key);
			}
			return true;
		}
	} else if (reference_parse_id(p, len, &key)) {
		return false;
	}
	if (r->has_pred && r->pred_arc_known && !r->unanswered && !r->pinged && ring_contains(r->pred_arc, key)) {
		r->unanswered = n->now;
		r->unanswered_key = key;
	}
	return false;
}

/* The member just before a joiner tells it so once the owner has (reference-protocol: `antecessor`). */
void on_ack_join(struct node *n, const uint8_t *p, size_t len)
{
	struct reference_ack_join a;
	const char *why = reference_parse_ack_join(p, len, &a);
	const struct entry *e = entry_main(n);
	char text[REFERENCE_TEXT_MAX];

	if (why) {
		out_complain(n, "ack-join", why, p, len);
		return;
	}
	if (reference_ack_join(n, &a) || a.side != REFERENCE_SUCCESSOR || !e || !e->peer.memory ||
	    a.src != e->peer.id || a.dst == n->self.id || a.src == n->self.id || a.dst == a.src ||
	    !hello_recent(n, a.dst) || !ring_contains((struct arc){n->self.id, a.src}, a.dst))
		return;
	a.src = n->self.id;
	a.side = REFERENCE_PREDECESSOR;
	out_publish(n, TOPIC_ACK_JOIN, 0, text, reference_format_ack_join(text, sizeof(text), &a), false);
}
