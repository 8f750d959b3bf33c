/* The judge of tests/soak --routed must refuse what a ring may never do: planted into a right history, one at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "../endure/endure-value.h"
#include "../endure/judge.h"

#define MS UINT64_C(1000000)
#define SEEN_MAX 2000
#define REGISTER seen_key(SEEN_NUMBERS, 3, 7)
#define COUNTER seen_key(SEEN_COUNTER, 1, 0)

struct history {
	struct seen seen[SEEN_MAX];
	size_t count;
	uint64_t now, version;
};

/* One after the other, a millisecond each. */
static struct seen *add(struct history *h, uint64_t key, enum operation_kind kind, uint64_t value)
{
	struct seen *s = &h->seen[h->count++];

	assert_true(h->count <= SEEN_MAX);
	*s = (struct seen){.key = key, .kind = (uint8_t)kind, .value = value, .status = ANSWER_DONE};
	s->call = h->now += MS;
	s->ret = h->now + MS / 2;
	if (operation_writes(kind))
		h->version++;
	if (kind != OPERATION_GET || value)
		s->version = (struct version){5, h->version};
	if (kind == OPERATION_GET && value == 0)
		s->status = ANSWER_ABSENT;
	return s;
}

static struct seen *look(struct history *h, uint64_t key, uint64_t value)
{
	struct seen *s = add(h, key, OPERATION_GET, value);

	s->client = SEEN_LOOKER;
	return s;
}

static struct seen *add_sum(struct history *h, uint64_t key, uint64_t sum)
{
	struct seen *s = add(h, key, OPERATION_ADD, 1);

	s->sum = sum;
	return s;
}

static struct findings found(struct history *h)
{
	struct findings f;

	judge(h->seen, h->count, &f, NULL);
	return f;
}

static void assert_clean(const struct findings *f)
{
	assert_int_equal(f->lost + f->doubled + f->wrong + f->undecided + f->outlived + f->strange + f->unlooked, 0);
}

/* put 1000, get, +1, get, cas, absent, delete, absent, put 3000; and a counter up to 500. */
static void fill(struct history *h)
{
	struct seen *s;

	memset(h, 0, sizeof(*h));
	add(h, REGISTER, OPERATION_PUT, 1000);
	add(h, REGISTER, OPERATION_GET, 1000);
	add_sum(h, REGISTER, 1001);
	add(h, REGISTER, OPERATION_GET, 1001);
	s = add(h, REGISTER, OPERATION_PUT, 2000);
	s->condition = CONDITION_VERSION;
	s->expected = h->seen[3].version;
	s = add(h, REGISTER, OPERATION_PUT, 9000);
	s->condition = CONDITION_ABSENT;
	s->status = ANSWER_FAILED;
	s->version = h->seen[4].version;
	add(h, REGISTER, OPERATION_GET, 2000)->version = h->seen[4].version;
	add(h, REGISTER, OPERATION_DELETE, 0);
	add(h, REGISTER, OPERATION_GET, 0);
	s = add(h, REGISTER, OPERATION_PUT, 3000);
	s->condition = CONDITION_ABSENT;
	for (uint64_t i = 1; i <= 500; i++)
		add_sum(h, COUNTER, i);
	look(h, REGISTER, 3000)->version = h->seen[9].version;
	look(h, COUNTER, 500);
}

static void test_right(void **state)
{
	static struct history h;
	struct findings f;

	(void)state;
	fill(&h);
	f = found(&h);
	assert_clean(&f);
	assert_int_equal(f.keys, 2);
	assert_int_equal(f.adds, 500);
	assert_int_equal(f.total, 500);
	assert_int_equal(f.operations, h.count);
}

static void test_lost_put(void **state)
{
	static struct history h;
	struct findings f;

	(void)state;
	fill(&h);
	h.seen[510].value = 0;
	h.seen[510].status = ANSWER_ABSENT;
	h.seen[510].version = (struct version){0};
	f = found(&h);
	assert_int_equal(f.lost, 1);
	assert_int_equal(f.wrong, 1);
	/* Seen at once, and hidden by a later put. */
	fill(&h);
	h.seen[6].value = 1001;
	h.seen[6].version = h.seen[3].version;
	h.seen[5].version = h.seen[3].version;
	f = found(&h);
	assert_int_equal(f.lost, 1);
	assert_int_equal(f.wrong, 1);
}

static void test_stale_get(void **state)
{
	static struct history h;
	struct findings f;

	(void)state;
	fill(&h);
	h.seen[3].value = 1000;
	h.seen[3].version = h.seen[1].version;
	f = found(&h);
	assert_int_equal(f.wrong, 1);
	assert_int_equal(f.lost, 0);
	/* Of bytes that nobody wrote. */
	fill(&h);
	h.seen[6].value = SEEN_NOBODYS;
	f = found(&h);
	assert_int_equal(f.wrong, 1);
}

static void test_wrong_condition(void **state)
{
	static struct history h;
	struct findings f;

	(void)state;
	fill(&h);
	h.seen[5].status = ANSWER_DONE; /* though there was one */
	f = found(&h);
	assert_int_equal(f.wrong, 1);
	fill(&h);
	h.seen[4].expected = h.seen[0].version;
	f = found(&h);
	assert_int_equal(f.wrong, 1);
}

static void test_doubled_add(void **state)
{
	static struct history h;
	struct findings f;

	(void)state;
	fill(&h);
	for (size_t i = 300; i < h.count; i++)
		h.seen[i].sum += h.seen[i].kind == OPERATION_ADD;
	h.seen[511].value++;
	f = found(&h);
	assert_int_equal(f.doubled, 1);
	assert_int_equal(f.lost, 0);
	/* Of a register. */
	fill(&h);
	h.seen[2].sum++;
	h.seen[3].value++;
	f = found(&h);
	assert_int_equal(f.wrong, 1);
}

static void test_lost_add(void **state)
{
	static struct history h;
	struct findings f;

	(void)state;
	fill(&h);
	h.seen[511].value--;
	f = found(&h);
	assert_int_equal(f.lost, 1);
	assert_int_equal(f.wrong, 1);
	/* Two came to the same. */
	fill(&h);
	h.seen[100].sum = h.seen[99].sum;
	f = found(&h);
	assert_int_equal(f.wrong, 1);
	/* An earlier one came to more. */
	fill(&h);
	h.seen[100].sum = h.seen[101].sum;
	h.seen[101].sum--;
	f = found(&h);
	assert_int_equal(f.wrong, 1);
}

/* What was answered full has done nothing, and nobody ever sees it. */
static void test_refused(void **state)
{
	static struct history h;
	struct findings f;

	(void)state;
	fill(&h);
	add(&h, REGISTER, OPERATION_PUT, 4000)->end = SEEN_REFUSED;
	add(&h, COUNTER, OPERATION_ADD, 1)->end = SEEN_REFUSED;
	f = found(&h);
	assert_clean(&f);
	assert_int_equal(f.refused, 2);
	assert_int_equal(f.adds, 500);
	look(&h, REGISTER, 4000)->version = h.seen[512].version;
	f = found(&h);
	assert_int_equal(f.wrong, 1);
}

/* Of what nobody knows anything may be true, once. */
static void test_open(void **state)
{
	static struct history h;
	struct findings f;

	(void)state;
	fill(&h);
	h.seen[200].end = SEEN_OPEN;
	h.seen[7].end = SEEN_OPEN; /* the delete */
	f = found(&h);
	assert_clean(&f);
	assert_int_equal(f.open, 2);
	fill(&h);
	h.seen[200].end = SEEN_OPEN;
	h.seen[511].value = 501;
	f = found(&h);
	assert_int_equal(f.doubled, 1);
	/* What has done nothing has done nothing. */
	fill(&h);
	h.seen[9].end = SEEN_UNDONE;
	f = found(&h);
	assert_int_equal(f.wrong, 1);
	assert_int_equal(f.undone, 1);
}

static void test_lives(void **state)
{
	static struct history h;
	uint64_t key = seen_key(SEEN_BYTES, 0, 0);
	struct findings f;

	(void)state;
	memset(&h, 0, sizeof(h));
	add(&h, key, OPERATION_PUT, 7)->life = 100;
	add(&h, key, OPERATION_GET, 7);
	h.now += 100 * MS;
	look(&h, key, 0);
	f = found(&h);
	assert_clean(&f);
	/* Too early, and far too late. */
	h.seen[0].life = 1000;
	f = found(&h);
	assert_int_equal(f.wrong, 1);
	h.seen[0].life = 100;
	h.seen[2].call = h.seen[2].ret = 60000 * MS;
	h.seen[2].value = 7;
	h.seen[2].status = ANSWER_DONE;
	f = found(&h);
	assert_int_equal(f.outlived, 1);
}

static void test_strange(void **state)
{
	static struct history h;
	struct findings f;

	(void)state;
	fill(&h);
	h.seen[0].status = ANSWER_FAILED;
	f = found(&h);
	assert_int_equal(f.strange, 1);
	fill(&h);
	h.count--;
	f = found(&h);
	assert_int_equal(f.unlooked, 1);
	/* More than can be searched. */
	fill(&h);
	for (size_t i = 0; i < 300; i++)
		add(&h, REGISTER, OPERATION_GET, 3000)->version = h.seen[9].version;
	f = found(&h);
	assert_int_equal(f.undecided, 1);
}

static void test_values(void **state)
{
	uint8_t bytes[ENDURE_VALUE_MAX];
	size_t len;

	(void)state;
	for (uint64_t value = 1; value < 2000; value++) {
		len = bytes_fill(bytes, value * 1000);
		assert_int_equal(value_of_bytes(bytes, len), value * 1000);
		assert_true(value_of_bytes(bytes, len - 1) == SEEN_NOBODYS);
		bytes[len - 1] ^= 1;
		assert_false(value_of_bytes(bytes, len) == value * 1000);
		len = number_fill(bytes, value * 1000);
		assert_int_equal(value_of_number(bytes, len), value * 1000);
	}
	assert_true(value_of_number((const uint8_t *)"12x", 3) == SEEN_NOBODYS);
	assert_true(value_of_number(NULL, 0) == SEEN_NOBODYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),       cmocka_unit_test(test_lost_put),
		cmocka_unit_test(test_stale_get),   cmocka_unit_test(test_wrong_condition),
		cmocka_unit_test(test_doubled_add), cmocka_unit_test(test_lost_add),
		cmocka_unit_test(test_refused),     cmocka_unit_test(test_open),
		cmocka_unit_test(test_lives),       cmocka_unit_test(test_strange),
		cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
