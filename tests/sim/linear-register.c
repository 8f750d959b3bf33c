#include "linear-register.h"

static bool writes(struct linear_register *r, const struct linear_op *op, uint64_t value)
{
	uint64_t version = op->version;

	if (version && version <= r->version)
		return false;
	r->value = value;
	r->lost = 0;
	r->end = value == LINEAR_ABSENT ? 0 : op->end;
	r->exact = version != 0;
	if (version)
		r->version = version;
	return true;
}

/* Somebody was told that this is the version. */
static bool is_version(struct linear_register *r, uint64_t version)
{
	if (!version || r->lost)
		return true;
	if (r->exact ? version != r->version : version <= r->version)
		return false;
	r->version = version;
	r->exact = true;
	return true;
}

/* Its time may be up for this one, and then for all that follow.  (That these are later than that is not asked.) */
static void lapses(struct linear_register *r, const struct linear_op *op)
{
	if (!r->end || (op->outcome != LINEAR_MAYBE && op->ret < r->end))
		return;
	r->value = LINEAR_ABSENT;
	r->end = 0;
}

static bool finds(struct linear_register *r, const struct linear_op *op)
{
	if (r->lost && (op->value == LINEAR_ABSENT || op->known < r->lost))
		return true;
	if (op->value == LINEAR_ABSENT)
		lapses(r, op);
	return op->value == r->value && is_version(r, op->version);
}

static bool differs(struct linear_register *r, const struct linear_op *op)
{
	if (!is_version(r, op->version))
		return false;
	if (!op->expected)
		return r->value != LINEAR_ABSENT;
	if (r->value != LINEAR_ABSENT && r->exact && r->version == op->expected)
		lapses(r, op);
	return r->value == LINEAR_ABSENT || !r->exact || r->version != op->expected;
}

static bool compares(struct linear_register *r, const struct linear_op *op)
{
	bool equal;

	if (r->lost)
		return op->outcome == LINEAR_DIFFERS || writes(r, op, op->value);
	if (op->outcome == LINEAR_DIFFERS)
		return differs(r, op);
	if (!op->expected)
		lapses(r, op);
	equal = op->expected ? r->value != LINEAR_ABSENT && is_version(r, op->expected) : r->value == LINEAR_ABSENT;
	return equal && writes(r, op, op->value);
}

static bool deletes(struct linear_register *r, const struct linear_op *op)
{
	if (op->expected == 2)
		lapses(r, op);
	if (!r->lost && op->expected && (op->expected == 1) != (r->value != LINEAR_ABSENT))
		return false;
	return writes(r, op, LINEAR_ABSENT);
}

static bool adds(struct linear_register *r, const struct linear_op *op)
{
	uint64_t sum = r->value + op->value;

	return (op->outcome == LINEAR_MAYBE || sum == op->expected) && writes(r, op, sum);
}

bool linear_apply(struct linear_register *r, const struct linear_op *op)
{
	switch (op->kind) {
	case LINEAR_PUT:
		return writes(r, op, op->value);
	case LINEAR_DELETE:
		return deletes(r, op);
	case LINEAR_GET:
		return finds(r, op);
	case LINEAR_CAS:
		return compares(r, op);
	case LINEAR_ADD:
		return adds(r, op);
	case LINEAR_LOSS:
		r->lost = op->ret;
		r->exact = r->version = r->end = 0;
		return true;
	}
	return false;
}
