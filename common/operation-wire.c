#include "operation-wire.h"

#include "mem.h"

enum {
	VALUE = 1,
	AMOUNT = 2,
	CONDITION = 4,
	LIFE = 8,
	VERSION = 16,
};

/* What an operation or an answer has, and what it cannot be without. */
struct rule {
	unsigned may;
	unsigned must;
};

static const struct rule kind_rules[OPERATION_KINDS] = {
	[OPERATION_PUT] = {VALUE | CONDITION | LIFE, VALUE},
	[OPERATION_DELETE] = {CONDITION, 0},
	[OPERATION_ADD] = {AMOUNT | CONDITION | LIFE, AMOUNT},
	[OPERATION_SUB] = {AMOUNT | CONDITION | LIFE, AMOUNT},
	[OPERATION_LIST] = {VALUE, 0},
	[OPERATION_DUMP] = {VALUE, 0},
	[OPERATION_WATCH] = {VALUE, 0},
};

static const struct rule status_rules[ANSWER_STATUSES] = {
	[ANSWER_DONE] = {VERSION | VALUE | AMOUNT, VERSION},
	[ANSWER_ABSENT] = {VERSION, 0},
	[ANSWER_FAILED] = {VERSION, 0},
	[ANSWER_WRONG] = {VERSION, 0},
	[ANSWER_FULL] = {VERSION, 0},
	[ANSWER_DAMAGED] = {VERSION, 0},
	[ANSWER_FEW] = {VERSION, 0},
};

/* ---- reading ---- */

/* The head of an array of least to most items. */
static bool items_take(struct cursor *c, size_t least, size_t most, size_t *items)
{
	return wire_take_array(c, most, items) && (*items >= least || cursor_fail(c, "an array too short"));
}

static bool u32_take(struct cursor *c, uint64_t bound, uint32_t *n)
{
	uint64_t wide = 0;
	bool ok = wire_take_uint(c, bound, &wide);

	*n = (uint32_t)wide;
	return ok;
}

static bool version_take(struct cursor *c, struct version *version)
{
	return wire_take_tuple(c, 2) && wire_take_uint(c, UINT64_MAX, &version->number) &&
	       wire_take_uint(c, UINT64_MAX, &version->counter);
}

static bool key_take(struct cursor *c, struct key *key)
{
	const uint8_t *name;
	size_t len;
	uint64_t n;

	if (cursor_head(c, 0, &n)) {
		key->id = (uint32_t)n;
		return n <= UINT32_MAX || cursor_fail(c, "a number above its bound");
	}
	if (!wire_take_string(c, &name, &len))
		return false;
	if (len == 0)
		return cursor_fail(c, "an empty name");
	if (len > KEY_NAME_MAX)
		return cursor_fail(c, "a name too long");
	*key = key_named(name, len);
	return true;
}

static bool value_take(struct cursor *c, struct operation *op, unsigned *has)
{
	if (wire_take_null(c))
		return true;
	if (cursor_head(c, 0, &op->amount)) {
		*has |= AMOUNT;
		return true;
	}
	*has |= VALUE;
	return wire_take_string(c, &op->value, &op->value_len) &&
	       (op->value_len <= OPERATION_VALUE_MAX || cursor_fail(c, "a value too long"));
}

static bool condition_take(struct cursor *c, struct operation *op, unsigned *has)
{
	uint64_t n;

	if (wire_take_null(c))
		return true;
	*has |= CONDITION;
	if (cursor_head(c, 0, &n)) {
		op->condition = CONDITION_ABSENT;
		return n == 0 || cursor_fail(c, "a number above its bound");
	}
	op->condition = CONDITION_VERSION;
	return version_take(c, &op->version);
}

static bool life_take(struct cursor *c, struct operation *op, unsigned *has)
{
	if (wire_take_null(c))
		return true;
	*has |= LIFE;
	return wire_take_uint(c, UINT64_MAX, &op->life) && (op->life || cursor_fail(c, "a life of 0"));
}

static bool rule_check(struct cursor *c, const struct rule *rule, unsigned has)
{
	if (has & ~rule->may)
		return cursor_fail(c, "a field that its kind has not");
	return (has & rule->must) == rule->must || cursor_fail(c, "a field too few for its kind");
}

bool operation_take(struct cursor *c, struct operation *op)
{
	unsigned has = 0;
	uint32_t kind;
	size_t items;

	*op = (struct operation){0};
	if (!items_take(c, 3, 6, &items) || !u32_take(c, OPERATION_OFFSET_MAX, &op->offset) ||
	    !u32_take(c, OPERATION_KINDS - 1, &kind) || !key_take(c, &op->key) ||
	    (items > 3 && !value_take(c, op, &has)) || (items > 4 && !condition_take(c, op, &has)) ||
	    (items > 5 && !life_take(c, op, &has)))
		return false;
	op->kind = (enum operation_kind)kind;
	return kind == OPERATION_NONE ? cursor_fail(c, "an operation of no kind")
				      : rule_check(c, &kind_rules[kind], has);
}

static bool found_version_take(struct cursor *c, struct operation_result *result, bool *bare)
{
	if (wire_take_null(c))
		return true;
	result->has_version = true;
	*bare = cursor_head(c, 0, &result->version.counter);
	return *bare || version_take(c, &result->version);
}

static bool found_value_take(struct cursor *c, struct operation_result *result)
{
	if (wire_take_null(c))
		return true;
	if (c->p < c->end && *c->p >> 5 == 2) /* the major type of bytes: RFC 8949, 3.1 */
		return wire_take_bytes(c, &result->value, &result->value_len) &&
		       (result->value_len <= OPERATION_FOUND_MAX || cursor_fail(c, "a value too long"));
	result->has_amount = true;
	return wire_take_int(c, &result->amount);
}

static unsigned result_has(const struct operation_result *result)
{
	return (result->has_version ? VERSION : 0u) | (result->value ? VALUE : 0u) | (result->has_amount ? AMOUNT : 0u);
}

bool operation_result_take(struct cursor *c, struct operation_result *result, bool *bare)
{
	uint32_t status;
	size_t items;

	*result = (struct operation_result){0};
	*bare = false;
	if (!items_take(c, 2, 4, &items) || !u32_take(c, OPERATION_OFFSET_MAX, &result->offset) ||
	    !u32_take(c, ANSWER_STATUSES - 1, &status) || (items > 2 && !found_version_take(c, result, bare)) ||
	    (items > 3 && !found_value_take(c, result)))
		return false;
	result->status = (enum operation_status)status;
	return status == ANSWER_NONE ? cursor_fail(c, "an answer of no status")
				     : rule_check(c, &status_rules[status], result_has(result));
}

/* ---- writing ---- */

/* Anything but its bounds and the fields of its kind is a bug of ours. */
static void rule_enforce(const struct rule *rule, unsigned has)
{
	if (has & ~rule->may)
		mem_die("a field that its kind has not");
}

static void version_put(struct wire *w, const struct version *version)
{
	wire_put_array(w, 2);
	wire_put_uint(w, version->number);
	wire_put_uint(w, version->counter);
}

static void value_put(struct wire *w, const uint8_t *value, size_t len, size_t most)
{
	if (len > most)
		mem_die("a value too long");
	wire_put_bytes(w, value, len);
}

static void condition_put(struct wire *w, const struct operation *op)
{
	switch (op->condition) {
	case CONDITION_NONE:
		wire_put_null(w);
		break;
	case CONDITION_ABSENT:
		wire_put_uint(w, 0);
		break;
	case CONDITION_VERSION:
		version_put(w, &op->version);
		break;
	default:
		mem_die("a condition out of bounds");
	}
}

static unsigned operation_has(const struct operation *op)
{
	return (op->value || op->value_len ? VALUE : 0u) | (op->amount ? AMOUNT : 0u) |
	       (op->condition != CONDITION_NONE ? CONDITION : 0u) | (op->life ? LIFE : 0u);
}

void operation_put(struct wire *w, const struct operation *op)
{
	const struct rule *rule = &kind_rules[(unsigned)op->kind < OPERATION_KINDS ? op->kind : OPERATION_NONE];
	unsigned there = rule->must | operation_has(op);

	if (op->kind == OPERATION_NONE || (unsigned)op->kind >= OPERATION_KINDS || op->offset > OPERATION_OFFSET_MAX)
		mem_die("an operation out of bounds");
	rule_enforce(rule, there);
	wire_put_array(w, there & LIFE ? 6 : there & CONDITION ? 5 : there & (VALUE | AMOUNT) ? 4 : 3);
	wire_put_uint(w, op->offset);
	wire_put_uint(w, op->kind);
	wire_put_key(w, &op->key);
	if (there & VALUE)
		value_put(w, op->value, op->value_len, OPERATION_VALUE_MAX);
	else if (there & AMOUNT)
		wire_put_uint(w, op->amount);
	else if (there & (CONDITION | LIFE))
		wire_put_null(w);
	if (there & (CONDITION | LIFE))
		condition_put(w, op);
	if (there & LIFE)
		wire_put_uint(w, op->life);
}

void operation_result_put(struct wire *w, const struct operation_result *result, const struct operation_token *token)
{
	unsigned has = result_has(result);

	if (result->status == ANSWER_NONE || (unsigned)result->status >= ANSWER_STATUSES ||
	    result->offset > OPERATION_OFFSET_MAX || (result->value && result->has_amount))
		mem_die("an answer out of bounds");
	rule_enforce(&status_rules[result->status], has);
	if (has != (has | status_rules[result->status].must))
		mem_die("an answer without its version");
	wire_put_array(w, has & (VALUE | AMOUNT) ? 4 : has & VERSION ? 3 : 2);
	wire_put_uint(w, result->offset);
	wire_put_uint(w, result->status);
	if (has & VERSION && token->number != 0 && result->version.number == token->number)
		wire_put_uint(w, result->version.counter);
	else if (has & VERSION)
		version_put(w, &result->version);
	else if (has & (VALUE | AMOUNT))
		wire_put_null(w);
	if (has & VALUE)
		value_put(w, result->value, result->value_len, OPERATION_FOUND_MAX);
	else if (has & AMOUNT)
		wire_put_int(w, result->amount);
}
