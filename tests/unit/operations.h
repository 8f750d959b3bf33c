/* Random REQUESTs and ANSWERs and their comparison, field by field, for the tests and fuzz targets of operation.c. */
#ifndef DHT_TEST_OPERATIONS_H
#define DHT_TEST_OPERATIONS_H

#include <stdbool.h>
#include <string.h>

#include "../../common/operation.h"
#include "random.h"

/* Names and values are pieces of that many bytes. */
enum { OPERATIONS_POOL = KEY_NAME_MAX + 300 };

static inline struct version operations_version(struct random *r)
{
	return (struct version){random_sized(r), random_sized(r)};
}

static inline struct operation_token operations_token(struct random *r)
{
	return random_below(r, 4)
		       ? (struct operation_token){random_sized(r) | 1, random_sized(r), (uint32_t)random_next(r)}
		       : (struct operation_token){0};
}

static inline uint64_t operations_base(struct random *r)
{
	return 1 + random_sized(r) % OPERATION_BASE_MAX;
}

static inline uint32_t operations_offset(struct random *r)
{
	return (uint32_t)random_sized(r) & OPERATION_OFFSET_MAX;
}

static inline struct key operations_key(struct random *r, const uint8_t pool[OPERATIONS_POOL])
{
	size_t len = random_below(r, 100) ? 1 + random_below(r, 300) : KEY_NAME_MAX - random_below(r, 2);

	return random_below(r, 2) ? key_number((uint32_t)random_sized(r)) : key_named(pool + random_below(r, 300), len);
}

static inline size_t operations_count(struct random *r)
{
	return random_below(r, random_below(r, 16) ? 6 : OPERATION_COUNT_MAX + 1);
}

static inline struct operation operations_one(struct random *r, const uint8_t pool[OPERATIONS_POOL])
{
	struct operation op = {.kind = (enum operation_kind)(1 + random_below(r, OPERATION_KINDS - 1)),
			       .offset = operations_offset(r),
			       .key = operations_key(r, pool)};
	bool writes = operation_writes(op.kind), keeps = writes && op.kind != OPERATION_DELETE;

	if (op.kind == OPERATION_PUT || (op.kind >= OPERATION_LIST && random_below(r, 2))) {
		op.value = pool + random_below(r, 300);
		op.value_len = random_below(r, 300);
	} else if (keeps) {
		op.amount = random_sized(r);
	}
	if (writes)
		op.condition = (enum operation_condition)random_below(r, 3);
	if (op.condition == CONDITION_VERSION)
		op.version = operations_version(r);
	op.life = keeps && random_below(r, 2) ? random_sized(r) : 0;
	return op;
}

static inline struct operation_request operations_request(struct random *r, struct operation_room *room,
							  const uint8_t pool[OPERATIONS_POOL])
{
	struct operation_request q = {.base = operations_base(r),
				      .first = random_below(r, 3) ? random_sized(r) : 0,
				      .token = operations_token(r),
				      .operations = room->operations,
				      .count = operations_count(r)};

	for (size_t i = 0; i < OPERATION_CLIENT_LEN; i++)
		q.client[i] = (uint8_t)random_next(r);
	for (size_t i = 0; i < q.count; i++)
		q.operations[i] = operations_one(r, pool);
	return q;
}

/* What came of it, and stays so. */
static inline bool operations_final(enum operation_status status)
{
	return status < ANSWER_TOKEN || operation_declined(status) || status == ANSWER_DAMAGED;
}

static inline struct operation_result operations_result(struct random *r, const uint8_t pool[OPERATIONS_POOL],
							const struct operation_token *token)
{
	struct operation_result result = {.status = (enum operation_status)(1 + random_below(r, ANSWER_STATUSES - 1)),
					  .offset = operations_offset(r)};
	uint64_t value = random_below(r, 3);

	result.has_version = result.status == ANSWER_DONE || (operations_final(result.status) && random_below(r, 2));
	if (result.has_version)
		result.version = operations_version(r);
	if (result.has_version && token->number != 0 && random_below(r, 2))
		result.version.number = token->number;
	if (result.status == ANSWER_DONE && value == 1) {
		result.value = pool + random_below(r, 300);
		result.value_len = random_below(r, 300);
	} else if (result.status == ANSWER_DONE && value == 2) {
		result.has_amount = true;
		result.amount = (int64_t)(random_below(r, 2) ? random_sized(r) : ~random_sized(r));
	}
	return result;
}

static inline struct operation_answer operations_answer(struct random *r, struct operation_room *room,
							const uint8_t pool[OPERATIONS_POOL])
{
	struct operation_answer a = {.owner = (uint32_t)random_sized(r),
				     .base = operations_base(r),
				     .token = operations_token(r),
				     .results = room->results,
				     .count = operations_count(r)};

	a.arc_set = a.token.number != 0 || random_below(r, 2);
	if (a.arc_set)
		a.arc = (struct arc){(uint32_t)random_sized(r), (uint32_t)random_sized(r)};
	for (size_t i = 0; i < a.count; i++)
		a.results[i] = operations_result(r, pool, &a.token);
	return a;
}

static inline bool operations_same_bytes(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	return a_len == b_len && (a_len == 0 || (a && b && memcmp(a, b, a_len) == 0));
}

static inline bool operations_same_key(const struct key *a, const struct key *b)
{
	/* A name's id is worked out by who reads it. */
	return a->name_len == b->name_len &&
	       (a->name_len ? memcmp(a->name, b->name, a->name_len) == 0 : a->id == b->id);
}

/* NULL if they are the same, else the field in which they differ. */
#define OPERATIONS_DIFFER(field)  \
	if (a->field != b->field) \
	return #field

static inline const char *operations_one_difference(const struct operation *a, const struct operation *b)
{
	OPERATIONS_DIFFER(offset);
	OPERATIONS_DIFFER(kind);
	OPERATIONS_DIFFER(amount);
	OPERATIONS_DIFFER(condition);
	OPERATIONS_DIFFER(version.number);
	OPERATIONS_DIFFER(version.counter);
	OPERATIONS_DIFFER(life);
	if (!operations_same_key(&a->key, &b->key))
		return "key";
	return operations_same_bytes(a->value, a->value_len, b->value, b->value_len) ? NULL : "value";
}

static inline const char *operations_request_difference(const struct operation_request *a,
							const struct operation_request *b)
{
	const char *difference = NULL;

	OPERATIONS_DIFFER(base);
	OPERATIONS_DIFFER(first);
	OPERATIONS_DIFFER(token.number);
	OPERATIONS_DIFFER(token.counter);
	OPERATIONS_DIFFER(token.ring);
	OPERATIONS_DIFFER(count);
	if (memcmp(a->client, b->client, OPERATION_CLIENT_LEN) != 0)
		return "client";
	for (size_t i = 0; i < a->count && !difference; i++)
		difference = operations_one_difference(&a->operations[i], &b->operations[i]);
	return difference;
}

static inline const char *operations_result_difference(const struct operation_result *a,
						       const struct operation_result *b)
{
	OPERATIONS_DIFFER(offset);
	OPERATIONS_DIFFER(status);
	OPERATIONS_DIFFER(has_version);
	OPERATIONS_DIFFER(version.number);
	OPERATIONS_DIFFER(version.counter);
	OPERATIONS_DIFFER(has_amount);
	OPERATIONS_DIFFER(amount);
	return !a->value == !b->value && operations_same_bytes(a->value, a->value_len, b->value, b->value_len)
		       ? NULL
		       : "value";
}

static inline const char *operations_answer_difference(const struct operation_answer *a,
						       const struct operation_answer *b)
{
	const char *difference = NULL;

	OPERATIONS_DIFFER(owner);
	OPERATIONS_DIFFER(arc_set);
	OPERATIONS_DIFFER(arc.lo);
	OPERATIONS_DIFFER(arc.hi);
	OPERATIONS_DIFFER(base);
	OPERATIONS_DIFFER(token.number);
	OPERATIONS_DIFFER(token.counter);
	OPERATIONS_DIFFER(token.ring);
	OPERATIONS_DIFFER(count);
	for (size_t i = 0; i < a->count && !difference; i++)
		difference = operations_result_difference(&a->results[i], &b->results[i]);
	return difference;
}
#undef OPERATIONS_DIFFER

static inline bool operations_within(const uint8_t *p, size_t len, const uint8_t *bytes, size_t bytes_len)
{
	return !p ? len == 0 : p >= bytes && p <= bytes + bytes_len && len <= (size_t)(bytes + bytes_len - p);
}

/* NULL if a decoded one is all that operation.h promises, else what is not. */
static inline const char *operations_one_out_of_bounds(const struct operation *op, const uint8_t *bytes, size_t len)
{
	bool keeps = op->kind == OPERATION_PUT || op->kind == OPERATION_ADD || op->kind == OPERATION_SUB;

	if (op->kind == OPERATION_NONE || (unsigned)op->kind >= OPERATION_KINDS)
		return "kind";
	if (op->offset > OPERATION_OFFSET_MAX)
		return "offset";
	if (!operations_within(op->key.name, op->key.name_len, bytes, len) || op->key.name_len > KEY_NAME_MAX ||
	    (op->key.name && (op->key.name_len == 0 || op->key.id != key_named(op->key.name, op->key.name_len).id)))
		return "key";
	if (!operations_within(op->value, op->value_len, bytes, len) || op->value_len > OPERATION_VALUE_MAX ||
	    (op->kind == OPERATION_PUT && !op->value) ||
	    (op->value && op->kind != OPERATION_PUT && op->kind < OPERATION_LIST))
		return "value";
	if (op->amount && op->kind != OPERATION_ADD && op->kind != OPERATION_SUB)
		return "amount";
	if ((unsigned)op->condition > CONDITION_VERSION || (op->condition && !keeps && op->kind != OPERATION_DELETE))
		return "condition";
	if (op->condition != CONDITION_VERSION && (op->version.number || op->version.counter))
		return "version";
	return op->life && !keeps ? "life" : NULL;
}

static inline const char *operations_request_out_of_bounds(const struct operation_request *r, const uint8_t *bytes,
							   size_t len)
{
	const char *out = NULL;

	if (r->base == 0 || r->base > OPERATION_BASE_MAX)
		return "base";
	if (r->token.number == 0 && (r->token.counter || r->token.ring))
		return "token";
	if (r->count > OPERATION_COUNT_MAX)
		return "count";
	for (size_t i = 0; i < r->count && !out; i++)
		out = operations_one_out_of_bounds(&r->operations[i], bytes, len);
	return out;
}

static inline const char *operations_result_out_of_bounds(const struct operation_result *result, const uint8_t *bytes,
							  size_t len)
{
	bool done = result->status == ANSWER_DONE;

	if (result->status == ANSWER_NONE || (unsigned)result->status >= ANSWER_STATUSES)
		return "status";
	if (result->offset > OPERATION_OFFSET_MAX)
		return "offset";
	if ((done && !result->has_version) || (result->has_version && !operations_final(result->status)) ||
	    (!result->has_version && (result->version.number || result->version.counter)))
		return "version";
	if (!operations_within(result->value, result->value_len, bytes, len) ||
	    result->value_len > OPERATION_FOUND_MAX || (result->value && !done))
		return "value";
	return (result->has_amount && (!done || result->value)) || (result->amount && !result->has_amount) ? "amount"
													   : NULL;
}

static inline const char *operations_answer_out_of_bounds(const struct operation_answer *a, const uint8_t *bytes,
							  size_t len)
{
	const char *out = NULL;

	if (a->base == 0 || a->base > OPERATION_BASE_MAX)
		return "base";
	if (a->token.number == 0 ? a->token.counter || a->token.ring : !a->arc_set)
		return "token";
	if (!a->arc_set && (a->arc.lo || a->arc.hi))
		return "arc";
	if (a->count > OPERATION_COUNT_MAX)
		return "count";
	for (size_t i = 0; i < a->count && !out; i++)
		out = operations_result_out_of_bounds(&a->results[i], bytes, len);
	return out;
}

#endif
