/* Answers on their way: those to one client within one turn of the loop share a frame (PROTOCOL.md section 11). */
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define BYTES_MAX (64u << 10) /* of a frame, unless one answer alone is longer */

/* Whose level stood in the topic that was asked on gets the answer, whatever client the request names. */
static void topic_of(struct node *n, const uint8_t client[OPERATION_CLIENT_LEN], const char *user,
		     char topic[TOPIC_MAX])
{
	char digits[2 * OPERATION_CLIENT_LEN + 1];

	for (unsigned i = 0; i < OPERATION_CLIENT_LEN; i++) {
		digits[2 * i] = "0123456789abcdef"[client[i] >> 4];
		digits[2 * i + 1] = "0123456789abcdef"[client[i] & 15];
	}
	digits[2 * OPERATION_CLIENT_LEN] = '\0';
	topic_format(topic, n->config.topic_prefix, TOPIC_REPLY, 0, digits);
	topic_add_user(topic, TOPIC_REPLY, user);
}

static void flush(struct node *n, struct answers *a)
{
	struct operation_answer frame = {.owner = n->self.id,
					 .base = a->base,
					 .arc_set = a->owned,
					 .arc = a->arc,
					 .token = a->token,
					 .results = a->results,
					 .count = a->count};
	char topic[TOPIC_MAX];
	size_t len;
	uint8_t *bytes;

	if (!a->count)
		return;
	for (size_t i = 0, at = 0; i < a->count; i++) {
		if (!a->results[i].value_len || a->results[i].value)
			continue;
		a->results[i].value = a->values + at; /* which may have moved while it grew */
		at += a->results[i].value_len;
	}
	topic_of(n, a->client, a->user, topic);
	bytes = operation_encode_answer(&frame, &len);
	tell_client_own(n, topic, bytes, len);
	n->answering -= a->count;
	a->count = a->bytes = a->used = 0;
}

void answer_flush(struct node *n)
{
	watched_flush(n);
	for (struct answers *a = n->answers; n->answering && a < n->answers + ANSWERS_MAX; a++)
		flush(n, a);
	follow_flush(n);
}

void answer_forget(struct node *n)
{
	for (struct answers *a = n->answers; a < n->answers + ANSWERS_MAX; a++)
		a->count = a->bytes = a->used = 0;
	n->answering = 0;
}

void answer_free(struct node *n)
{
	for (struct answers *a = n->answers; a < n->answers + ANSWERS_MAX; a++) {
		free(a->results);
		free(a->values);
	}
}

/* What it may share a frame with: the same client's, of the same arc under the same view. */
static struct answers *place(struct node *n, const struct operation_request *rq, const struct entry *e)
{
	struct answers *a, *free_one = NULL;

	for (a = n->answers; a < n->answers + ANSWERS_MAX; a++) {
		if (!a->count)
			free_one = a;
		else if (memcmp(a->client, rq->client, OPERATION_CLIENT_LEN) == 0 && strcmp(a->user, rq->user) == 0 &&
			 a->owned == (e != NULL) &&
			 (!e || (arc_equal(a->arc, e->v.arc) && a->token.number == e->v.name.number)))
			return a;
	}
	if (!free_one) {
		answer_flush(n);
		free_one = n->answers;
	}
	return free_one;
}

static void copy_value(struct answers *a, struct operation_result *r)
{
	if (a->used + r->value_len > a->values_room) {
		a->values_room = 2 * (a->used + r->value_len);
		a->values = xrealloc(a->values, a->values_room);
	}
	memcpy(a->values + a->used, r->value, r->value_len);
	a->used += r->value_len;
	r->value = NULL; /* told apart from one of no length by that */
}

void answer_add(struct node *n, const struct operation_request *rq, const struct entry *e,
		const struct operation_result *result)
{
	uint64_t number = rq->base + result->offset;
	size_t size = operation_result_size(result);
	struct answers *a = place(n, rq, e);
	struct operation_result *r;

	if (a->count && (a->count == OPERATION_COUNT_MAX || a->bytes + size > BYTES_MAX || number < a->base ||
			 number - a->base > OPERATION_OFFSET_MAX))
		flush(n, a);
	if (!a->count) {
		memcpy(a->client, rq->client, OPERATION_CLIENT_LEN);
		memcpy(a->user, rq->user, strlen(rq->user) + 1);
		a->base = rq->base;
		a->owned = e != NULL;
		a->arc = e ? e->v.arc : (struct arc){0};
	}
	/* The present one, as of the last of them; each was given out in this arc since the first. */
	a->token = e ? request_token(n, e) : (struct operation_token){0};
	if (a->count == a->room) {
		a->room = a->room ? 2 * a->room : 8;
		a->results = xrealloc(a->results, a->room * sizeof(*a->results));
	}
	r = &a->results[a->count++];
	*r = *result;
	r->offset = (uint32_t)(number - a->base);
	a->bytes += size;
	n->answering++;
	if (r->value_len > BYTES_MAX / 2)
		flush(n, a); /* not copied once more */
	else if (r->value_len)
		copy_value(a, r);
}
