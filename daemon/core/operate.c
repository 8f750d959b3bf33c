/* One operation of section 11 on one record: what it comes to.  Whether it may be done, and whether it has been, others
 * have asked by now (request.c). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core.h"

#define NUMBER_TEXT 24 /* a number of 64 bits with its sign */

/* -?[0-9]{1,19}, within 64 bits. */
static bool parse_number(const uint8_t *p, size_t len, int64_t *number)
{
	size_t sign = len && p[0] == '-';
	int64_t below = 0; /* minus the number: there is one more below 0 than above */

	if (len <= sign || len - sign > 19)
		return false;
	for (size_t i = sign; i < len; i++)
		if (p[i] < '0' || p[i] > '9' || __builtin_mul_overflow(below, 10, &below) ||
		    __builtin_sub_overflow(below, p[i] - '0', &below))
			return false;
	if (!sign && below == INT64_MIN)
		return false;
	*number = sign ? below : -below;
	return true;
}

static bool holds(const struct operation *op, const struct store_item *item)
{
	switch (op->condition) {
	case CONDITION_NONE:
		return true;
	case CONDITION_ABSENT:
		return !item;
	case CONDITION_VERSION:
		return item && version_equal(item->version, op->version);
	}
	return false;
}

static void write_item(struct node *n, struct store_item *item, struct version version)
{
	item->version = version;
	store_put(n->store, item);
	record_changed(n, &item->key);
}

static uint64_t ends(const struct node *n, uint64_t life)
{
	return life <= UINT64_MAX - n->now ? n->now + life : 0; /* beyond all clocks */
}

static bool has_room(struct node *n, const struct operation *op, const struct store_item *old)
{
	bool put = op->kind == OPERATION_PUT;
	struct store_item item = {.key = op->key, .len = put ? op->value_len : NUMBER_TEXT, .expires = op->life};

	if (!put && old)
		item.expires |= old->expires;
	return !room_lacks(n) && memory_holds(n, &item, old);
}

static void put(struct node *n, const struct operation *op, struct version version)
{
	struct store_item item = {.key = op->key, .value = op->value, .len = op->value_len, .sum = op->sum};

	if (op->life)
		item.expires = ends(n, op->life);
	write_item(n, &item, version);
}

static void add(struct node *n, const struct operation *op, const struct store_item *old, struct version version,
		struct operation_result *r)
{
	struct store_item item = {.key = op->key, .expires = old ? old->expires : 0};
	char text[NUMBER_TEXT];
	int64_t sum = 0;

	if ((old && !parse_number(old->value, old->len, &sum)) ||
	    (op->kind == OPERATION_ADD ? __builtin_add_overflow(sum, op->amount, &sum)
				       : __builtin_sub_overflow(sum, op->amount, &sum))) {
		r->status = ANSWER_WRONG;
		return;
	}
	if (op->life)
		item.expires = ends(n, op->life);
	item.value = (const uint8_t *)text;
	item.len = (size_t)snprintf(text, sizeof(text), "%" PRId64, sum);
	write_item(n, &item, version);
	r->amount = sum;
	r->has_amount = true;
}

void operate_read(struct node *n, const struct operation *op, struct operation_result *r)
{
	struct store_item item;

	r->status = ANSWER_ABSENT;
	if (!record_answered(n, &op->key, &item))
		return;
	r->status = ANSWER_DONE;
	r->version = item.version;
	r->has_version = true;
	if (op->kind == OPERATION_GET && !store_sound(&item)) {
		r->status = damage_lost(n, &item) ? ANSWER_DAMAGED : ANSWER_NONE;
	} else if (op->kind == OPERATION_GET) {
		r->value = item.value;
		r->value_len = item.len;
		r->sum = item.sum;
	} else if (item.expires) {
		uint64_t left = item.expires - n->now;

		r->amount = left < INT64_MAX ? (int64_t)left : INT64_MAX;
		r->has_amount = true;
	}
}

static bool counts(const struct operation *op)
{
	return op->kind == OPERATION_ADD || op->kind == OPERATION_SUB;
}

bool operate_waits(struct node *n, const struct operation *op)
{
	struct store_item item;

	return counts(op) && record_live(n, &op->key, &item) && !store_sound(&item) && !damage_lost(n, &item);
}

void operate_write(struct node *n, const struct operation *op, struct version version, struct operation_result *r)
{
	struct store_item item, *old = record_answered(n, &op->key, &item) ? &item : NULL;

	r->status = ANSWER_DONE;
	if (!holds(op, old)) {
		r->status = ANSWER_FAILED;
	} else if (counts(op) && old && !store_sound(old)) {
		r->status = ANSWER_DAMAGED;
	} else if (room_few(n, op->key.id)) {
		r->status = ANSWER_FEW;
	} else if (op->kind != OPERATION_DELETE && !has_room(n, op, old)) {
		r->status = ANSWER_FULL;
	} else if (op->kind == OPERATION_PUT) {
		put(n, op, version);
	} else if (op->kind == OPERATION_DELETE) {
		struct store_item tombstone = record_tombstone(n, &op->key, version);

		r->status = old ? ANSWER_DONE : ANSWER_ABSENT;
		write_item(n, &tombstone, version);
	} else {
		add(n, op, old, version, r);
	}
	/* Of what stands now; of nothing there is none. */
	if (r->status == ANSWER_DONE) {
		r->version = version;
		r->has_version = true;
	} else if (r->status != ANSWER_ABSENT && old) {
		r->version = old->version;
		r->has_version = true;
	}
}
