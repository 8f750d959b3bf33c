/* The search for a linearization, which leaves out most orders, against all orders there are, on small histories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "../sim/linear.h"
#include "../sim/random.h"

#define BOUND 100000
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define OPS_MAX 8

/* ---- every order ---- */

struct reg {
	uint64_t value;
	uint64_t version; /* 0: nobody was told, but it is above `above` */
	uint64_t above;
	uint64_t lost; /* end of the loss since which nothing was written */
};

static bool put_allowed(struct reg *r, uint64_t value, uint64_t version)
{
	uint64_t last = r->version ? r->version : r->above;

	if (version != 0 && version <= last)
		return false;
	*r = (struct reg){.value = value, .version = version, .above = last};
	return true;
}

static bool told(struct reg *r, uint64_t version)
{
	if (version == 0 || r->lost)
		return true;
	if (r->version)
		return r->version == version;
	r->version = version;
	return version > r->above;
}

static bool cas_allowed(struct reg *r, const struct linear_op *op)
{
	if (op->outcome == LINEAR_DIFFERS) {
		if (r->lost)
			return true;
		if (!told(r, op->version))
			return false;
		if (op->expected == 0)
			return r->value != LINEAR_ABSENT;
		return r->value == LINEAR_ABSENT || r->version == 0 || r->version != op->expected;
	}
	if (!r->lost && op->expected == 0 && r->value != LINEAR_ABSENT)
		return false;
	if (!r->lost && op->expected != 0 && (r->value == LINEAR_ABSENT || !told(r, op->expected)))
		return false;
	return put_allowed(r, op->value, op->version);
}

static bool allowed(struct reg *r, const struct linear_op *op)
{
	switch (op->kind) {
	case LINEAR_PUT:
		return put_allowed(r, op->value, op->version);
	case LINEAR_DELETE:
		return put_allowed(r, LINEAR_ABSENT, op->version);
	case LINEAR_CAS:
		return cas_allowed(r, op);
	case LINEAR_ADD:
		return (op->outcome == LINEAR_MAYBE || r->value + op->value == op->expected) &&
		       put_allowed(r, r->value + op->value, op->version);
	case LINEAR_LOSS:
		*r = (struct reg){.value = r->value, .lost = op->ret};
		return true;
	default:
		if (r->lost && (op->value == LINEAR_ABSENT || op->known < r->lost))
			return true;
		return op->value == r->value && told(r, op->version);
	}
}

static bool open_before(const struct linear_op *ops, size_t count, unsigned taken, uint64_t call)
{
	for (size_t i = 0; i < count; i++) {
		if (!(taken >> i & 1) && ops[i].outcome != LINEAR_MAYBE && ops[i].ret < call)
			return true;
	}
	return false;
}

static bool any_order(const struct linear_op *ops, size_t count, unsigned taken, struct reg reg)
{
	if (!open_before(ops, count, taken, UINT64_MAX))
		return true;
	for (size_t i = 0; i < count; i++) {
		struct reg next = reg;

		if (!(taken >> i & 1) && !open_before(ops, count, taken, ops[i].call) && allowed(&next, &ops[i]) &&
		    any_order(ops, count, taken | 1u << i, next))
			return true;
	}
	return false;
}

/* ---- histories ---- */

/* Of what kind a history is: some are plain, some have everything. */
struct mix {
	uint64_t values; /* written; 0: each once */
	uint64_t span;   /* how long an operation takes at most, before its effect and behind it */
	uint64_t maybe;  /* in ten writes, how many are not answered */
	uint64_t losses, deletes;
	uint64_t wrong; /* changes that may make it wrong */
	bool versions, compares, adds;
	bool odd; /* losses may excuse any value */
};

static struct mix mix_make(struct rng *r)
{
	return (struct mix){.values = rng_below(r, 4),
			    .span = 1 + rng_below(r, 2) * rng_below(r, 30),
			    .maybe = rng_below(r, 3) * 2,
			    .losses = rng_below(r, 2) * rng_below(r, 3),
			    .deletes = rng_below(r, 2),
			    .versions = rng_below(r, 4) == 0,
			    .compares = rng_below(r, 4) == 0,
			    .wrong = rng_below(r, 4),
			    .odd = rng_below(r, 3) == 0};
}

static enum linear_kind kind_make(struct rng *r, const struct mix *m)
{
	if (rng_below(r, 2) == 0)
		return LINEAR_GET;
	if (m->adds && rng_below(r, 2) == 0)
		return LINEAR_ADD;
	if (m->losses && rng_below(r, 4) < m->losses)
		return LINEAR_LOSS;
	if (m->compares && rng_below(r, 2) == 0)
		return LINEAR_CAS;
	return m->deletes && rng_below(r, 4) == 0 ? LINEAR_DELETE : LINEAR_PUT;
}

static void get_make(struct rng *r, const struct mix *m, const struct reg *reg, struct linear_op *op)
{
	op->value = reg->value;
	if (m->versions && rng_below(r, 2) == 0)
		op->version = reg->version;
	if (reg->lost && rng_below(r, 2) == 0)
		op->value = rng_below(r, 4) * rng_below(r, 2);
}

/* What is done to the register, with versions that are told now and then. */
static void write_make(struct rng *r, const struct mix *m, struct reg *reg, struct linear_op *op)
{
	uint64_t before = reg->value;

	op->expected = op->kind == LINEAR_CAS && rng_below(r, 3) ? reg->version - (rng_below(r, 4) == 0) : 0;
	if (op->kind == LINEAR_CAS && (op->expected ? reg->value == LINEAR_ABSENT || op->expected != reg->version
						    : reg->value != LINEAR_ABSENT)) {
		op->outcome = LINEAR_DIFFERS;
		op->version = m->versions ? reg->version : 0;
		return;
	}
	if (rng_below(r, 10) < m->maybe)
		op->outcome = LINEAR_MAYBE;
	if (op->outcome == LINEAR_MAYBE && rng_below(r, 2) == 0)
		return;
	*reg = (struct reg){.value = op->kind == LINEAR_DELETE ? LINEAR_ABSENT : op->value,
			    .version = reg->version + 1};
	if (op->kind == LINEAR_ADD)
		reg->value = op->expected = before + op->value;
	if (m->versions && op->outcome != LINEAR_MAYBE && rng_below(r, 2) == 0)
		op->version = reg->version;
}

static uint64_t known(const struct linear_op *ops, size_t count, uint64_t value)
{
	uint64_t at = UINT64_MAX;

	for (size_t i = 0; i < count; i++) {
		if ((ops[i].kind == LINEAR_PUT || ops[i].kind == LINEAR_GET) && ops[i].outcome == LINEAR_DONE &&
		    ops[i].value == value && ops[i].ret < at)
			at = ops[i].ret;
	}
	return at;
}

/* Somebody finds what he did not, or at another time: the history may be right all the same. */
static void make_wrong(struct rng *r, struct linear_op *op)
{
	if (op->kind == LINEAR_GET && rng_below(r, 2) == 0) {
		op->value = rng_below(r, 5);
	} else {
		uint64_t by = rng_below(r, 10);

		op->call += by;
		op->ret += by;
	}
}

static size_t history_make(struct rng *r, const struct mix *m, struct linear_op *ops)
{
	size_t count = 3 + rng_below(r, OPS_MAX - 2);
	struct reg reg = {0};
	uint64_t now = 100;

	for (size_t i = 0; i < count; i++) {
		struct linear_op *op = &ops[i];

		now += rng_below(r, 5);
		*op = (struct linear_op){.kind = kind_make(r, m),
					 .call = now - rng_below(r, m->span + 1),
					 .ret = now + rng_below(r, m->span + 1),
					 .value = m->values ? 1 + rng_below(r, m->values) : i + 1};
		if (op->kind == LINEAR_LOSS)
			reg.lost = op->ret;
		else if (op->kind == LINEAR_GET)
			get_make(r, m, &reg, op);
		else
			write_make(r, m, &reg, op);
	}
	for (uint64_t i = 0; i < m->wrong; i++)
		make_wrong(r, &ops[rng_below(r, count)]);
	for (size_t i = 0; i < count; i++) {
		if (ops[i].kind == LINEAR_GET && ops[i].value)
			ops[i].known = m->odd ? 100 + rng_below(r, 40) : known(ops, count, ops[i].value);
	}
	return count;
}

static void show(const struct linear_op *ops, size_t count)
{
	static const char *const kinds[] = {"put", "get", "delete", "cas", "loss", "add"};
	static const char *const outcomes[] = {"", " (differs)", " (no answer)"};

	for (size_t i = 0; i < count; i++)
		print_message("%s%s %u to %u, value %u, version %u, expected %u, known %u\n", kinds[ops[i].kind],
			      outcomes[ops[i].outcome], (unsigned)ops[i].call, (unsigned)ops[i].ret,
			      (unsigned)ops[i].value, (unsigned)ops[i].version, (unsigned)ops[i].expected,
			      (unsigned)ops[i].known);
}

/* ---- one against the other ---- */

static enum linear_verdict both(uint64_t seed, bool adds, struct mix *m)
{
	struct linear_op ops[OPS_MAX];
	enum linear_verdict verdict;
	struct rng r;
	size_t count;
	bool right;

	rng_seed(&r, seed, 2);
	*m = mix_make(&r);
	m->adds = adds;
	m->losses = adds ? 0 : m->losses;
	count = history_make(&r, m, ops);
	right = any_order(ops, count, 0, (struct reg){0});
	verdict = linear_check(ops, count, BOUND);
	if (verdict != (right ? LINEAR_YES : LINEAR_NO)) {
		show(ops, count);
		fail_msg("seed %llu: by search it is %s, and %s", (unsigned long long)seed,
			 linear_verdict_name(verdict), right ? "there is an order" : "no order will do");
	}
	return verdict;
}

/* Both verdicts often, of each sort of history. */
static void test_all_orders(void **state)
{
	unsigned plain[2] = {0}, losses[2] = {0}, versions[2] = {0}, compares[2] = {0}, maybe[2] = {0};
	const unsigned *const sorts[] = {plain, losses, versions, compares, maybe};

	(void)state;
	for (uint64_t seed = 0; seed < 100000; seed++) {
		struct mix m;
		enum linear_verdict verdict = both(seed, false, &m);

		plain[verdict] += !m.versions && !m.compares && !m.losses;
		losses[verdict] += !m.versions && !m.compares && m.losses;
		versions[verdict] += m.versions;
		compares[verdict] += m.compares;
		maybe[verdict] += m.maybe > 0;
	}
	for (size_t i = 0; i < COUNT(sorts); i++)
		assert_true(sorts[i][LINEAR_YES] > 4000 && sorts[i][LINEAR_NO] > 4000);
}

/* Of numbers that are added to. */
static void test_all_orders_of_numbers(void **state)
{
	unsigned all[2] = {0}, versions[2] = {0}, compares[2] = {0}, maybe[2] = {0};
	const unsigned *const sorts[] = {all, versions, compares, maybe};

	(void)state;
	for (uint64_t seed = 0; seed < 50000; seed++) {
		struct mix m;
		enum linear_verdict verdict = both(seed, true, &m);

		all[verdict]++;
		versions[verdict] += m.versions;
		compares[verdict] += m.compares;
		maybe[verdict] += m.maybe > 0;
	}
	for (size_t i = 0; i < COUNT(sorts); i++)
		assert_true(sorts[i][LINEAR_YES] > 2000 && sorts[i][LINEAR_NO] > 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_orders),
					   cmocka_unit_test(test_all_orders_of_numbers)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
