/* The client's half of section 11, driven by hand: a scene, what went out and what ended in it. */
#ifndef DHT_TESTS_KV_FIXTURE_H
#define DHT_TESTS_KV_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "../../common/kv.h"
#include "../../common/mem.h"

#define BEGIN 10000 /* ms: the clock has run before */
#define FOREVER 1000000
#define REPLY "to/000102030405060708090a0b0c0d0e0f"
#define WHOLE ((struct arc){7, 7})
#define TOKEN(counter) ((struct operation_token){5, (counter), 99})
#define RESULTS_MAX 16

struct sent {
	char topic[TOPIC_MAX];
	struct operation_request rq;
	struct operation_room room;
	uint8_t *bytes;
};

struct ended {
	uint64_t number;
	enum kv_outcome outcome;
	struct operation_result result;
	char value[32];
};

struct scene {
	struct kv_config config;
	struct kv *kv;
	uint64_t now, deadline;
	unsigned subscribed;
	struct sent *sent[200]; /* since the last look */
	size_t sent_count;
	struct ended ended[KV_OPEN_MAX];
	size_t ended_count;
};

static inline void forget(struct scene *s)
{
	while (s->sent_count > 0) {
		free(s->sent[--s->sent_count]->bytes);
		free(s->sent[s->sent_count]);
	}
	s->ended_count = 0;
}

static inline void feed(struct scene *s, const struct kv_update *u)
{
	for (const struct kv_effect *e = u->effects; e < u->effects + u->count; e++) {
		if (e->type == KV_SUBSCRIBE) {
			assert_string_equal(e->topic, REPLY);
			s->subscribed++;
		} else if (e->type == KV_PUBLISH) {
			struct sent *f = xcalloc(1, sizeof(*f));

			assert_true(s->sent_count < 200);
			s->sent[s->sent_count++] = f;
			snprintf(f->topic, sizeof(f->topic), "%s", e->topic);
			f->bytes = xmemdup(e->payload, e->len);
			assert_null(operation_decode_request(&f->rq, &f->room, f->bytes, e->len));
			assert_memory_equal(f->rq.client, s->config.name, sizeof(f->rq.client));
		} else {
			struct ended *r = &s->ended[s->ended_count++];

			*r = (struct ended){e->number, e->outcome, e->result, ""};
			snprintf(r->value, sizeof(r->value), "%.*s", (int)e->result.value_len,
				 e->result.value ? (const char *)e->result.value : "");
		}
	}
	s->deadline = u->deadline;
}

static inline void tick(struct scene *s, uint64_t by)
{
	struct kv_update u;

	s->now += by;
	kv_tick(s->kv, s->now, &u);
	feed(s, &u);
}

static inline void subscribed(struct scene *s)
{
	struct kv_update u;

	kv_subscribed(s->kv, s->now, &u);
	feed(s, &u);
}

static inline void connected(struct scene *s)
{
	struct kv_update u;

	kv_connected(s->kv, s->now, &u);
	feed(s, &u);
}

static inline int setup(void **state)
{
	struct scene *s = xcalloc(1, sizeof(*s));

	kv_config_init(&s->config);
	for (uint8_t i = 0; i < sizeof(s->config.name); i++)
		s->config.name[i] = i;
	s->config.seed = 3;
	s->kv = kv_new(&s->config);
	s->now = BEGIN;
	connected(s);
	subscribed(s);
	*state = s;
	return 0;
}

static inline int teardown(void **state)
{
	struct scene *s = *state;

	forget(s);
	kv_free(s->kv);
	free(s);
	return 0;
}

static inline uint64_t begin(struct scene *s, enum operation_kind kind, uint32_t id)
{
	struct operation op = {.kind = kind, .key = key_number(id)};

	if (kind == OPERATION_PUT) {
		op.value = (const uint8_t *)"value";
		op.value_len = 5;
	} else if (kind == OPERATION_ADD) {
		op.amount = 1;
	}
	return kv_begin(s->kv, &op, s->now + FOREVER);
}

static inline uint64_t get(struct scene *s, uint32_t id)
{
	return begin(s, OPERATION_GET, id);
}

/* One answer, from the owner 7 of that arc. */
static inline void answer_from(struct scene *s, struct arc arc, struct operation_token token, uint64_t number,
			       struct operation_result r)
{
	struct operation_answer a = {.owner = 7,
				     .arc_set = token.number != 0,
				     .arc = arc,
				     .base = number,
				     .token = token,
				     .results = &r,
				     .count = 1};
	struct kv_update u;
	size_t len;
	uint8_t *bytes = operation_encode_answer(&a, &len);

	assert_null(kv_message(s->kv, s->now, bytes, len, &u));
	feed(s, &u);
	free(bytes);
}

static inline void answer(struct scene *s, struct operation_token token, uint64_t number, enum operation_status status)
{
	struct operation_result r = {.status = status};

	r.has_version = status == ANSWER_DONE;
	r.version = (struct version){5, token.counter};
	answer_from(s, WHOLE, token, number, r);
}

/* That many frames have gone out, and this is one of them. */
static inline const struct sent *sent(const struct scene *s, size_t count, size_t i)
{
	assert_int_equal(s->sent_count, count);
	return s->sent[i];
}

static inline void expect_end(const struct scene *s, uint64_t number, enum kv_outcome outcome)
{
	assert_int_equal(s->ended_count, 1);
	assert_int_equal(s->ended[0].number, number);
	assert_int_equal(s->ended[0].outcome, outcome);
}

/* It knows that 7 owns everything, and its token. */
static inline void learn(struct scene *s, uint64_t counter)
{
	uint64_t number = get(s, 1);

	tick(s, 0);
	answer(s, TOKEN(counter), number, ANSWER_ABSENT);
	forget(s);
}

#endif
