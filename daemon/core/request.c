/* Operations: answered by who serves the id, held by who may come to, left alone by all others (PROTOCOL.md sections 5
 * rule 3, and 6).  Those on the reference's topics stand here, put and get; routed.c has the others. */
#include <stdlib.h>
#include <string.h>

#include "core.h"

struct wanted {
	enum topic_kind kind;
	uint32_t key;
	struct reference_put put;
};

static const char *parse(struct wanted *op, enum topic_kind kind, const uint8_t *payload, size_t len)
{
	const char *why;

	op->kind = kind;
	if (kind == TOPIC_GET)
		return reference_parse_id(payload, len, &op->key);
	why = reference_parse_put(payload, len, &op->put);
	op->key = op->put.key;
	if (!why && op->put.value_len > FRAME_VALUE_MAX)
		why = "value over 16 MiB";
	return why;
}

static void answer_get(struct node *n, uint32_t key)
{
	struct key number = key_number(key);
	struct store_item item;
	uint8_t *text;
	size_t len;

	if (!record_answered(n, &number, &item))
		item = (struct store_item){0};
	if (!store_sound(&item)) {
		(void)damage_lost(n, &item);
		return; /* there is no word for it */
	}
	text = reference_format_res_get(key, item.value, item.len, &len);
	tell_client(n, TOPIC_RES_GET, text, len);
	free(text);
}

static void answer_put(struct node *n, const struct entry *e, const struct reference_put *put)
{
	struct store_item item = {.key = key_number(put->key),
				  .version = {e->v.name.number, ++n->counter},
				  .value = put->value,
				  .len = put->value_len};
	struct store_item old;
	char text[REFERENCE_TEXT_MAX];

	if (room_few(n, put->key)) {
		out_complain(n, "put", "fewer copies than --min-copies", put->value, put->value_len);
		return; /* nor for that */
	}
	if (room_lacks(n) || !memory_holds(n, &item, store_get(n->store, item.key, &old) ? &old : NULL)) {
		out_complain(n, "put", "no room where it has to be", put->value, put->value_len);
		return; /* there is no word for it */
	}
	store_put(n->store, &item);
	record_changed(n, &item.key);
	tell_client(n, TOPIC_ACK_PUT, text,
		    reference_format_ack_put(text, sizeof(text), put->client, put->client_len, n->self.id));
}

enum request_verdict request_judge(struct node *n, enum topic_kind kind, uint32_t key, struct entry **own)
{
	struct entry *e = entry_own(n, key);

	*own = e;
	switch (reference_judge(n, kind, key)) {
	case REFERENCE_HOLD:
		return REQUEST_HOLD;
	case REFERENCE_ANSWER:
		*own = entry_main(n);
		return *own ? REQUEST_ANSWER : REQUEST_HOLD;
	case REFERENCE_NOTHING:
		break;
	}
	if (give_holds(n, key) || take_holds(n, key))
		return REQUEST_HOLD;
	if (e)
		return entry_serves(n, e) ? REQUEST_ANSWER : REQUEST_HOLD;
	/* Behind the end of the owner's connection in the one order: it has heard none of this. */
	for (const struct entry *g = n->entries; g < n->entry_end; g++)
		if (g->used && !g->mine && g->gone && ring_contains(g->v.arc, key))
			return REQUEST_HOLD;
	return REQUEST_IGNORE;
}

static void answer(struct node *n, struct entry *e, const struct wanted *op)
{
	if (op->kind == TOPIC_GET)
		answer_get(n, op->key);
	else
		answer_put(n, e, &op->put);
}

void request_hold(struct node *n, enum topic_kind kind, const char *user, uint32_t key, const uint8_t *payload,
		  size_t len)
{
	struct held *h;

	if (n->held_bytes + sizeof(*h) + len > n->config.held_max) {
		out_complain(n, "operation", "too many are held while the arc changes hands", NULL, len);
		return;
	}
	h = xmalloc(sizeof(*h) + len);
	h->next = NULL;
	h->kind = kind;
	h->key = key;
	h->early = false;
	memcpy(h->user, user, strlen(user) + 1);
	h->len = len;
	memcpy(h->payload, payload, len);
	*n->held_last = h;
	n->held_last = &h->next;
	n->held_bytes += sizeof(*h) + len;
}

void request(struct node *n, enum topic_kind kind, const uint8_t *payload, size_t len)
{
	struct wanted op;
	struct entry *e;
	const char *why = parse(&op, kind, payload, len);

	if (why) {
		/* of a put without a blank nobody knows what is its key and what its value */
		out_complain(n, kind == TOPIC_GET ? "get" : "put", why,
			     kind == TOPIC_GET || (len && memchr(payload, ' ', len)) ? payload : NULL, len);
		return;
	}
	switch (request_judge(n, kind, op.key, &e)) {
	case REQUEST_ANSWER:
		n->backlog |= follow_full(n);
		if (n->backlog)
			request_hold(n, kind, "", op.key, payload, len); /* in order */
		else
			answer(n, e, &op);
		break;
	case REQUEST_HOLD:
		request_hold(n, kind, "", op.key, payload, len);
		break;
	case REQUEST_IGNORE:
		break;
	}
}

/* REQUEST_IGNORE: it is done with; REQUEST_ANSWER: it will be, once the transport has drained. */
static enum request_verdict again(struct node *n, const struct held *h)
{
	enum request_verdict verdict;
	struct wanted op;
	struct entry *e;

	if (h->kind == TOPIC_CELL || h->kind == TOPIC_ASK)
		return routed_again(n, h);
	if (parse(&op, h->kind, h->payload, h->len))
		return REQUEST_IGNORE;
	verdict = request_judge(n, h->kind, h->key, &e);
	if (verdict != REQUEST_ANSWER || node_full(n))
		return verdict;
	answer(n, e, &op);
	return REQUEST_IGNORE;
}

/* Ownership may have changed: what is held is answered, kept or dropped, in order.  Answers go out a burst at a time, as
 * 10,000 gets of one long record may be held; the rest stays held, and is judged anew once the transport has drained. */
void request_recheck(struct node *n)
{
	struct held *h = n->held_first, *next;

	n->backlog = false;
	n->held_first = NULL;
	n->held_last = &n->held_first;
	for (; h; h = next) {
		enum request_verdict verdict = again(n, h);

		next = h->next;
		if (verdict != REQUEST_IGNORE) {
			n->backlog |= verdict == REQUEST_ANSWER;
			h->next = NULL;
			*n->held_last = h;
			n->held_last = &h->next;
			continue;
		}
		n->held_bytes -= sizeof(*h) + h->len;
		free(h);
	}
}

/* What stands before a cut is the giver's: whatever it was held for, it has been seen to. */
void request_drop(struct node *n, struct arc arc)
{
	struct held **at = &n->held_first;

	n->held_last = &n->held_first;
	while (*at) {
		struct held *h = *at;

		if (!ring_contains(arc, h->key)) {
			at = n->held_last = &h->next;
			continue;
		}
		*at = h->next;
		n->held_bytes -= sizeof(*h) + h->len;
		free(h);
	}
}

/* Nothing heard on one connection is answered on the next. */
void request_forget(struct node *n)
{
	struct held *next;

	for (struct held *h = n->held_first; h; h = next) {
		next = h->next;
		free(h);
	}
	n->held_first = NULL;
	n->held_last = &n->held_first;
	n->held_bytes = 0;
	n->backlog = false;
}
