#include "routed-fixture.h"

const char *routed_cell(uint32_t id)
{
	static char topic[TOPIC_MAX];

	topic_format(topic, "", TOPIC_CELL, id, NULL);
	return topic;
}

const char *routed_inbox(uint32_t node)
{
	static char topic[TOPIC_MAX];

	topic_format(topic, "", TOPIC_ASK, node, NULL);
	return topic;
}

uint8_t *routed_request(uint64_t number, uint64_t first, struct operation_token token, struct operation op, size_t *len)
{
	struct operation_request rq = {.base = number, .first = first, .token = token, .operations = &op, .count = 1};

	memset(rq.client, 1, sizeof(rq.client));
	return operation_encode_request(&rq, len);
}

void routed_ask(struct core *c, const char *topic, uint64_t number, struct operation_token token, struct operation op)
{
	size_t len;
	uint8_t *bytes = routed_request(number, number > 100 ? number : 1, token, op, &len);

	core_publish_bytes(c, topic, bytes, len);
	free(bytes);
}

struct operation routed_add(uint32_t id)
{
	return (struct operation){.kind = OPERATION_ADD, .key = key_number(id), .amount = 1};
}

struct operation routed_get(uint32_t id)
{
	return (struct operation){.kind = OPERATION_GET, .key = key_number(id)};
}

static void hear(struct told *t, const struct operation_answer *a, const struct operation_result *r, int from)
{
	t->moved += r->status == ANSWER_MOVED;
	t->tokens += r->status == ANSWER_TOKEN;
	t->count += r->status != ANSWER_MOVED && r->status != ANSWER_TOKEN;
	t->from = from;
	t->arc_set = a->arc_set;
	t->arc = a->arc;
	t->token = a->token;
	t->result = *r;
}

struct told routed_told(const struct core *c, uint64_t number)
{
	static struct operation_room room;
	struct told t = {.from = CORE_ANY};

	for (size_t i = 0; i < c->line_count; i++) {
		struct operation_answer a;

		if (strcmp(c->lines[i].topic, REPLY) != 0)
			continue;
		assert_null(operation_decode_answer(&a, &room, (const uint8_t *)c->lines[i].payload, c->lines[i].len));
		for (size_t j = 0; j < a.count; j++)
			if (a.base + a.results[j].offset == number)
				hear(&t, &a, &a.results[j], c->lines[i].from);
	}
	return t;
}

struct operation_token routed_token(struct core *c, uint32_t id)
{
	static uint64_t number = 1000000;

	routed_ask(c, routed_cell(id), ++number, (struct operation_token){0}, routed_get(id));
	core_run(c, 100);
	assert_int_equal(routed_told(c, number).count, 1);
	return routed_told(c, number).token;
}

struct node *routed_alone(void **state)
{
	struct core *c = *state;

	core_add(c, HIGH);
	core_whole(c, 1, 10000);
	core_run(c, 1000);
	return c->nodes[0].node;
}

struct core *routed_three(void **state)
{
	struct core *c = *state;

	core_add(c, HIGH);
	core_add(c, LOW);
	core_add(c, MOVING);
	core_whole(c, 3, 10000);
	return c;
}

void routed_expect(struct core *c, uint32_t id, const char *value)
{
	static uint64_t number = 2000000;
	struct told t;

	routed_ask(c, routed_cell(id), ++number, (struct operation_token){0}, routed_get(id));
	core_run(c, 100);
	t = routed_told(c, number);
	assert_int_equal(t.result.status, value ? ANSWER_DONE : ANSWER_ABSENT);
	if (!value)
		return;
	assert_int_equal(t.result.value_len, strlen(value));
	assert_memory_equal(t.result.value, value, strlen(value));
}
