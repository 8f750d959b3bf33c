/* put and get: answered by who serves the id, held by who may come to, left alone by all others
 * (PROTOCOL.md sections 5 rule 3, and 6). */
#include <stdlib.h>
#include <string.h>

#include "core.h"

struct operation {
	enum topic_kind kind;
	uint32_t key;
	struct reference_put put;
};

static const char *parse(struct operation *op, enum topic_kind kind, const uint8_t *payload, size_t len)
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
	struct store_item item = {0};
	uint8_t *text;
	size_t len;

	record_number(n, key, &item);
	text = out_own(n, reference_format_res_get(key, item.value, item.len, &len));
	out_publish(n, TOPIC_RES_GET, 0, text, len, false);
}

static void answer_put(struct node *n, const struct entry *e, const struct reference_put *put)
{
	struct store_item item = {.key = key_number(put->key),
				  .version = {e->v.name.number, ++n->counter},
				  .value = put->value,
				  .len = put->value_len};
	char text[REFERENCE_TEXT_MAX];

	store_put(n->store, &item);
	give_changed(n, &item.key);
	out_publish(n, TOPIC_ACK_PUT, 0, text,
		    reference_format_ack_put(text, sizeof(text), put->client, put->client_len, n->self.id), false);
}

enum verdict { ANSWER, HOLD, IGNORE };

static enum verdict judge(struct node *n, enum topic_kind kind, uint32_t key, struct entry **own)
{
	struct entry *e = entry_own(n, key);

	*own = e;
	switch (reference_judge(n, kind, key)) {
	case REFERENCE_HOLD:
		return HOLD;
	case REFERENCE_ANSWER:
		*own = entry_main(n);
		return *own ? ANSWER : HOLD;
	case REFERENCE_NOTHING:
		break;
	}
	if (give_holds(n, key) || take_holds(n, key))
		return HOLD;
	if (e)
		return entry_serves(n, e) ? ANSWER : HOLD;
	/* Behind the end of the owner's connection in the one order: it has heard none of this. */
	for (const struct entry *g = n->entries; g < n->entry_end; g++)
		if (g->used && !g->mine && g->gone && ring_contains(g->v.arc, key))
			return HOLD;
	return IGNORE;
}

static void answer(struct node *n, struct entry *e, const struct operation *op)
{
	if (op->kind == TOPIC_GET)
		answer_get(n, op->key);
	else
		answer_put(n, e, &op->put);
}

static void hold(struct node *n, const struct operation *op, const uint8_t *payload, size_t len)
{
	struct held *h;

	if (n->held_bytes + sizeof(*h) + len > n->config.held_max) {
		out_complain(n, "operation", "too many are held while the arc changes hands", payload, len);
		return;
	}
	h = xmalloc(sizeof(*h) + len);
	h->next = NULL;
	h->kind = op->kind;
	h->key = op->key;
	h->early = false;
	h->len = len;
	memcpy(h->payload, payload, len);
	*n->held_last = h;
	n->held_last = &h->next;
	n->held_bytes += sizeof(*h) + len;
}

void request(struct node *n, enum topic_kind kind, const uint8_t *payload, size_t len)
{
	struct operation op;
	struct entry *e;
	const char *why = parse(&op, kind, payload, len);

	if (why) {
		out_complain(n, kind == TOPIC_GET ? "get" : "put", why, payload, len);
		return;
	}
	switch (judge(n, kind, op.key, &e)) {
	case ANSWER:
		if (n->backlog)
			hold(n, &op, payload, len); /* in order */
		else
			answer(n, e, &op);
		break;
	case HOLD:
		hold(n, &op, payload, len);
		break;
	case IGNORE:
		break;
	}
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
		struct operation op;
		struct entry *e;
		enum verdict v = parse(&op, h->kind, h->payload, h->len) ? IGNORE : judge(n, h->kind, h->key, &e);

		next = h->next;
		if (v == ANSWER && n->full) {
			n->backlog = true;
			v = HOLD;
		}
		if (v == HOLD) {
			h->next = NULL;
			*n->held_last = h;
			n->held_last = &h->next;
			continue;
		}
		if (v == ANSWER)
			answer(n, e, &op);
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
