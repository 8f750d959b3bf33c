/* The table that moves with an arc: told in parts and built again, and nothing of what a stranger may tell instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "../../common/wire.h"
#include "../../daemon/core/core.h"
#include "random.h"

#define ARC ((struct arc){1000, 2000})

static void expect_same_horizon(const struct horizon *a, const struct horizon *b, struct arc arc)
{
	struct horizon_piece p[HORIZON_PIECES + 1], q[HORIZON_PIECES + 1];
	unsigned count = horizon_pieces(a, arc, p);

	assert_int_equal(horizon_pieces(b, arc, q), count);
	for (unsigned i = 0; i < count; i++) {
		assert_true(arc_equal(p[i].arc, q[i].arc));
		assert_true(version_equal(p[i].version, q[i].version));
	}
}

static void expect_same(const struct once_share *a, const struct once_share *b)
{
	expect_same_horizon(&a->horizon, &b->horizon, a->arc);
	expect_same_horizon(&a->mark, &b->mark, a->arc);
	assert_int_equal(a->entry_count, b->entry_count);
	assert_int_equal(a->row_count, b->row_count);
	for (uint32_t i = 0; i < a->entry_count; i++) {
		assert_memory_equal(a->entries[i].client, b->entries[i].client, ONCE_CLIENT);
		assert_true(a->entries[i].first == b->entries[i].first);
		assert_int_equal(a->entries[i].silent, b->entries[i].silent);
	}
	for (uint32_t i = 0; i < a->row_count; i++) {
		const struct once_row *r = &a->rows[i], *s = &b->rows[i];

		assert_int_equal(r->entry, s->entry);
		assert_int_equal(r->id, s->id);
		assert_true(r->number == s->number);
		assert_true(version_equal(r->answer.version, s->answer.version));
		assert_int_equal(r->answer.status, s->answer.status);
		assert_int_equal(r->answer.has_result, s->answer.has_result);
		assert_true(r->answer.result == s->answer.result);
	}
}

/* Who watches there, and for how long. */
static void make_watched(struct random *r, struct node *n)
{
	n->now = 5000;
	n->watch.count = 1 + (unsigned)random_below(r, 10);
	for (unsigned i = 0; i < n->watch.count; i++)
		n->watch.pieces[i] = (struct watched_piece){.arc = {1000 + 50 * i, 1050 + 50 * i},
							    .until = 4990 + random_below(r, 100)};
	n->watch.pieces[n->watch.count++] = (struct watched_piece){.arc = {2000, 2100}, .until = 6000}; /* elsewhere */
}

static void expect_same_watched(const struct node *n, const struct take *t)
{
	unsigned count = 0;

	for (unsigned i = 0; i + 1 < n->watch.count; i++) {
		const struct watched_piece *p = &n->watch.pieces[i], *q = &t->watched[count];

		if (p->until <= n->now)
			continue; /* nobody any more */
		assert_true(count++ < t->watched_count);
		assert_true(arc_equal(p->arc, q->arc));
		assert_int_equal(q->until, p->until - n->now);
	}
	assert_int_equal(t->watched_count, count);
}

static struct once_share *make(struct random *r, uint32_t entries, uint32_t rows)
{
	struct once_share *s = once_share_new(ARC);

	horizon_set(&s->horizon, ARC, (struct version){5, 7});
	horizon_set(&s->mark, ARC, (struct version){5, 6});
	for (unsigned i = 0; i < 10; i++) {
		uint32_t lo = 1000 + (uint32_t)random_below(r, 999);

		horizon_set(random_below(r, 2) ? &s->horizon : &s->mark,
			    (struct arc){lo, lo + 1 + (uint32_t)random_below(r, 2000 - lo)},
			    (struct version){random_sized(r), random_sized(r)});
	}
	for (uint32_t i = 0; i < entries; i++) {
		struct once_entry e = {.first = 1 + random_sized(r) / 2, .silent = random_below(r, 2)};

		for (unsigned j = 0; j < ONCE_CLIENT; j++)
			e.client[j] = (uint8_t)random_next(r);
		assert_true(once_share_entry(s, &e));
	}
	for (uint32_t i = 0; i < rows; i++) {
		struct once_row row = {.entry = (uint32_t)random_below(r, entries),
				       .id = 1001 + (uint32_t)random_below(r, 1000)};

		row.number = s->entries[row.entry].first + random_below(r, ONCE_LIMITS.window);
		row.answer.status = (uint8_t)(ANSWER_DONE + random_below(r, ANSWER_WRONG - ANSWER_DONE + 1));
		if (row.answer.status != ANSWER_ABSENT)
			row.answer.version = (struct version){1 + random_sized(r) / 2, random_sized(r)};
		row.answer.has_result = row.answer.status == ANSWER_DONE && random_below(r, 2);
		if (row.answer.has_result)
			row.answer.result = (int64_t)random_sized(r) * (random_below(r, 2) ? 1 : -1);
		assert_true(once_share_row(s, &row));
	}
	return s;
}

/* Told in parts that each fit a frame, all clients ahead of the first row that names one that is told late. */
static void test_round_trips(void **state)
{
	static const struct {
		uint32_t entries, rows;
	} sizes[] = {{0, 0}, {1, 0}, {1, 1}, {3, 400}, {3, 401}, {511, 3}, {512, 3}, {513, 3}, {2000, 3000}};
	struct random r = random_new();

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct once_share *from = make(&r, sizes[i].entries, sizes[i].rows);
		struct take take = {.share = once_share_new(ARC)};
		static struct node giver;
		struct share_place at = {0};
		unsigned parts = 0;
		uint8_t *bytes;
		size_t len;

		make_watched(&r, &giver);
		assert_false(share_told(from, &at)); /* an empty one has its horizon to tell */
		while ((bytes = share_encode(&giver, from, &at, &len)) != NULL) {
			assert_null(share_decode(take.share, take.watched, &take.watched_count, bytes, len));
			assert_in_range(len, 1, 32u << 10);
			free(bytes);
			parts++;
		}
		assert_true(share_told(from, &at));
		assert_in_range(parts, 1, 1 + sizes[i].entries / 512 + sizes[i].rows / 400);
		expect_same(from, take.share);
		expect_same_watched(&giver, &take);
		once_share_free(from);
		once_share_free(take.share);
	}
}

/* ---- what is refused ---- */

/* One part by hand, each field of which may be wrong. */
struct part {
	unsigned fields; /* of the table: 5 */
	unsigned pieces; /* of the horizon */
	unsigned piece_fields;
	unsigned clients;
	unsigned client_fields;
	size_t name_len;
	unsigned rows;
	unsigned row_fields;
	unsigned watched;
	unsigned watched_fields;
	uint64_t entry, id, number, version[2], status;
	bool name_text, silent_number, result_text, result_null, first_null;
};

static const struct part right = {.fields = 5,
				  .pieces = 1,
				  .piece_fields = 4,
				  .clients = 1,
				  .client_fields = 3,
				  .name_len = ONCE_CLIENT,
				  .rows = 1,
				  .row_fields = 7,
				  .watched = 1,
				  .watched_fields = 3,
				  .entry = 0,
				  .id = 1500,
				  .number = 3,
				  .version = {5, 9},
				  .status = ANSWER_DONE};

static void put_piece(struct wire *w, unsigned fields)
{
	wire_put_array(w, fields);
	for (unsigned i = 0; i < fields; i++)
		wire_put_uint(w, i < 2 ? 1000 + i * 1000 : 5);
}

static void put_client(struct wire *w, const struct part *p)
{
	static const uint8_t name[64];

	wire_put_array(w, p->client_fields);
	if (p->name_text)
		wire_put_text(w, "a name of a kind");
	else
		wire_put_bytes(w, name, p->name_len);
	if (p->first_null)
		wire_put_null(w);
	else
		wire_put_uint(w, 1);
	if (p->silent_number)
		wire_put_uint(w, 1);
	else if (p->client_fields > 2)
		wire_put_bool(w, true);
}

static void put_row(struct wire *w, const struct part *p)
{
	const uint64_t fields[] = {p->entry, p->id, p->number, p->version[0], p->version[1], p->status};

	wire_put_array(w, p->row_fields);
	for (unsigned i = 0; i < 6; i++)
		wire_put_uint(w, fields[i]);
	if (p->result_text)
		wire_put_text(w, "1");
	else if (p->result_null)
		wire_put_null(w);
	else if (p->row_fields > 6)
		wire_put_int(w, -1);
}

static const char *decode(const struct part *p, size_t cut, bool more)
{
	uint8_t bytes[4096];
	struct wire w = {.p = bytes, .size = sizeof(bytes)};
	struct take t = {.share = once_share_new(ARC)};
	const char *why;

	wire_put_array(&w, p->fields);
	wire_put_array(&w, p->pieces);
	for (unsigned i = 0; i < p->pieces; i++)
		put_piece(&w, p->piece_fields);
	wire_put_array(&w, 0);
	wire_put_array(&w, p->clients);
	for (unsigned i = 0; i < p->clients; i++)
		put_client(&w, p);
	wire_put_array(&w, p->rows);
	for (unsigned i = 0; i < p->rows; i++)
		put_row(&w, p);
	wire_put_array(&w, p->watched);
	for (unsigned i = 0; i < p->watched; i++)
		put_piece(&w, p->watched_fields);
	if (more)
		wire_put_null(&w);
	assert_true(w.used <= sizeof(bytes));
	why = share_decode(t.share, t.watched, &t.watched_count, bytes, cut < w.used ? w.used - cut : 0);
	once_share_free(t.share);
	return why;
}

static size_t length(void)
{
	size_t cut = 0;

	while (cut < 4096 && decode(&right, cut, false) == NULL)
		cut++;
	return cut;
}

#define TAKEN(...)                                 \
	do {                                       \
		struct part p = right;             \
		__VA_ARGS__;                       \
		assert_null(decode(&p, 0, false)); \
	} while (0)

#define REFUSED(...)                                   \
	do {                                           \
		struct part p = right;                 \
		__VA_ARGS__;                           \
		assert_non_null(decode(&p, 0, false)); \
	} while (0)

static void test_refused(void **state)
{
	(void)state;
	assert_null(decode(&right, 0, false));
	assert_non_null(decode(&right, 0, true)); /* bytes behind it */
	assert_int_equal(length(), 1);            /* whatever is missing at its end is missed */
	for (size_t cut = 1; cut < 60; cut++)
		assert_non_null(decode(&right, cut, false));
	REFUSED(p.fields = 4);
	REFUSED(p.fields = 6);
	REFUSED(p.piece_fields = 3);
	REFUSED(p.piece_fields = 5);
	REFUSED(p.pieces = HORIZON_PIECES + 2);
	REFUSED(p.client_fields = 2);
	REFUSED(p.client_fields = 4);
	REFUSED(p.name_len = ONCE_CLIENT - 1);
	REFUSED(p.name_len = ONCE_CLIENT + 1);
	REFUSED(p.name_text = true);
	REFUSED(p.first_null = true);
	REFUSED(p.silent_number = true);
	REFUSED(p.row_fields = 6);
	REFUSED(p.row_fields = 8);
	REFUSED(p.entry = 1); /* of a client that is not told */
	REFUSED(p.entry = (uint64_t)UINT32_MAX + 1);
	REFUSED(p.id = 1000); /* outside the arc */
	REFUSED(p.id = 2001);
	REFUSED(p.id = (uint64_t)UINT32_MAX + 1 + 1500);
	REFUSED(p.result_text = true);
	REFUSED(p.clients = 0);
	REFUSED(p.watched_fields = 2);
	REFUSED(p.watched_fields = 4);
	REFUSED(p.watched = WATCHED_MAX + 1);
}

/* Only what was executed has a row, and only of a number that its client can have open. */
static void test_rows_that_cannot_be(void **state)
{
	(void)state;
	for (unsigned status = 0; status <= ANSWER_STATUSES; status++) {
		bool executed = (status >= ANSWER_DONE && status <= ANSWER_WRONG) || operation_declined(status) ||
				status == ANSWER_DAMAGED;

		if (executed && status != ANSWER_ABSENT)
			TAKEN(p.status = status, p.result_null = true);
		else
			REFUSED(p.status = status, p.result_null = true);
		if (status != ANSWER_DONE)
			REFUSED(p.status = status); /* it came to nothing */
		if (executed && status != ANSWER_DONE)
			TAKEN(p.status = status, p.result_null = true, p.version[0] = p.version[1] = 0);
		else
			REFUSED(p.status = status, p.result_null = true, p.version[0] = p.version[1] = 0);
	}
	TAKEN(p.number = 1);
	TAKEN(p.number = ONCE_LIMITS.window);
	REFUSED(p.number = 0);
	REFUSED(p.number = ONCE_LIMITS.window + 1);
	REFUSED(p.number = UINT64_MAX);
}

static void test_bounds(void **state)
{
	struct once_share *s = once_share_new(ARC);
	struct once_entry e = {.first = 1};
	struct once_row r = {.id = 1500, .number = 1};
	uint32_t count = 0;

	(void)state;
	assert_false(once_share_row(s, &r)); /* nobody's */
	while (once_share_entry(s, &e))
		count++;
	assert_int_equal(count, 2 * ONCE_LIMITS.clients);
	count = 0;
	while (once_share_row(s, &r))
		count++;
	assert_int_equal(count, 2 * ONCE_LIMITS.rows);
	once_share_free(s);
}

/* Whatever it is, it is read to its end or refused, and what was built of it can be taken. */
static void test_garbage(void **state)
{
	struct random r = random_new();
	struct once_share *from = make(&r, 5, 20);
	struct share_place at = {0};
	static struct node giver;
	size_t len;
	uint8_t *bytes = share_encode(&giver, from, &at, &len);

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct take t = {.share = once_share_new(ARC)};
		uint8_t *copy = malloc(len);

		memcpy(copy, bytes, len);
		for (unsigned flips = 1 + (unsigned)random_below(&r, 3); flips > 0; flips--)
			copy[random_below(&r, len)] ^= (uint8_t)(1u << random_below(&r, 8));
		if (!share_decode(t.share, t.watched, &t.watched_count, copy,
				  random_below(&r, 4) ? len : random_below(&r, len))) {
			struct once *o = once_new(1, NULL);

			once_take(o, t.share);
			once_free(o);
		}
		once_share_free(t.share);
		free(copy);
	}
	free(bytes);
	once_share_free(from);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_rows_that_cannot_be),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
