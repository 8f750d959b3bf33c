#include "kv-fixture.h"

#include "../../common/mem.h"

void scene_forget(struct scene *s)
{
	while (s->sent_count > 0) {
		free(s->sent[--s->sent_count]->bytes);
		free(s->sent[s->sent_count]);
	}
	s->ended_count = 0;
}

static void scene_feed(struct scene *s, const struct kv_update *u)
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

void scene_tick(struct scene *s, uint64_t by)
{
	struct kv_update u;

	s->now += by;
	kv_tick(s->kv, s->now, &u);
	scene_feed(s, &u);
}

void scene_subscribed(struct scene *s)
{
	struct kv_update u;

	kv_subscribed(s->kv, s->now, &u);
	scene_feed(s, &u);
}

void scene_connected(struct scene *s)
{
	struct kv_update u;

	kv_connected(s->kv, s->now, &u);
	scene_feed(s, &u);
}

int scene_setup(void **state)
{
	struct scene *s = xcalloc(1, sizeof(*s));

	kv_config_init(&s->config);
	for (size_t i = 0; i < sizeof(s->config.name); i++)
		s->config.name[i] = (uint8_t)i;
	s->config.seed = 3;
	s->kv = kv_new(&s->config);
	s->now = BEGIN;
	scene_connected(s);
	scene_subscribed(s);
	*state = s;
	return 0;
}

int scene_teardown(void **state)
{
	struct scene *s = *state;

	scene_forget(s);
	kv_free(s->kv);
	free(s);
	return 0;
}

uint64_t scene_begin(struct scene *s, enum operation_kind kind, uint32_t id)
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

uint64_t scene_get(struct scene *s, uint32_t id)
{
	return scene_begin(s, OPERATION_GET, id);
}

void scene_answer_from(struct scene *s, struct arc arc, struct operation_token token, uint64_t number,
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
	scene_feed(s, &u);
	free(bytes);
}

void scene_answer(struct scene *s, struct operation_token token, uint64_t number, enum operation_status status)
{
	struct operation_result r = {.status = status};

	r.has_version = status == ANSWER_DONE;
	r.version = (struct version){5, token.counter};
	scene_answer_from(s, WHOLE, token, number, r);
}

const struct sent *scene_sent(const struct scene *s, size_t count, size_t i)
{
	assert_int_equal(s->sent_count, count);
	return s->sent[i];
}

void scene_expect_end(const struct scene *s, uint64_t number, enum kv_outcome outcome)
{
	assert_int_equal(s->ended_count, 1);
	assert_int_equal(s->ended[0].number, number);
	assert_int_equal(s->ended[0].outcome, outcome);
}

void scene_learn(struct scene *s, uint64_t counter)
{
	uint64_t number = scene_get(s, 1);

	scene_tick(s, 0);
	scene_answer(s, TOKEN(counter), number, ANSWER_ABSENT);
	scene_forget(s);
}
