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

static const struct node nobody; /* whom nobody asks to tell of changes */

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
		struct once_entry e = {.first = random_sized(r), .silent = random_below(r, 2)};

		for (unsigned j = 0; j < ONCE_CLIENT; j++)
			e.client[j] = (uint8_t)random_next(r);
		assert_true(once_share_entry(s, &e));
	}
	for (uint32_t i = 0; i < rows; i++) {
		struct once_row row = {.entry = (uint32_t)random_below(r, entries),
				       .id = 1001 + (uint32_t)random_below(r, 1000),
				       .number = random_sized(r)};

		row.answer.version = (struct version){random_sized(r), random_sized(r)};
		row.answer.status = (uint8_t)(1 + random_below(r, ANSWER_STATUSES - 1));
		row.answer.has_result = random_below(r, 2);
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
		struct once_share *from = make(&r, sizes[i].entries, sizes[i].rows), *to = once_share_new(ARC);
		struct share_place at = {0};
		unsigned parts = 0;
		uint8_t *bytes;
		size_t len;

		assert_false(share_told(from, &at)); /* an empty one has its horizon to tell */
		while ((bytes = share_encode(&nobody, from, &at, &len)) != NULL) {
			assert_null(share_decode(&(struct take){.share = to}, bytes, len));
			assert_in_range(len, 1, 32u << 10);
			free(bytes);
			parts++;
		}
		assert_true(share_told(from, &at));
		assert_in_range(parts, 1, 1 + sizes[i].entries / 512 + sizes[i].rows / 400);
		expect_same(from, to);
		once_share_free(from);
		once_share_free(to);
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
	uint64_t entry, id, status;
	bool name_text, silent_number, result_text, first_null;
};

static const struct part right = {.fields = 5,
				  .pieces = 1,
				  .piece_fields = 4,
				  .clients = 1,
				  .client_fields = 3,
				  .name_len = ONCE_CLIENT,
				  .rows = 1,
				  .row_fields = 7,
				  .entry = 0,
				  .id = 1500,
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
	const uint64_t fields[] = {p->entry, p->id, 3, 5, 9, p->status};

	wire_put_array(w, p->row_fields);
	for (unsigned i = 0; i < 6; i++)
		wire_put_uint(w, fields[i]);
	if (p->result_text)
		wire_put_text(w, "1");
	else if (p->row_fields > 6)
		wire_put_int(w, -1);
}

static const char *decode(const struct part *p, size_t cut, bool more)
{
	uint8_t bytes[4096];
	struct wire w = {.p = bytes, .size = sizeof(bytes)};
	struct once_share *s = once_share_new(ARC);
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
	wire_put_array(&w, 0); /* nobody watches */
	if (more)
		wire_put_null(&w);
	assert_true(w.used <= sizeof(bytes));
	why = share_decode(&(struct take){.share = s}, bytes, w.used - cut);
	once_share_free(s);
	return why;
}

static size_t length(void)
{
	size_t cut = 0;

	while (cut < 4096 && decode(&right, cut, false) == NULL)
		cut++;
	return cut;
}

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
	REFUSED(p.status = ANSWER_STATUSES);
	REFUSED(p.result_text = true);
	REFUSED(p.clients = 0);
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
	size_t len;
	uint8_t *bytes = share_encode(&nobody, from, &at, &len);

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct once_share *s = once_share_new(ARC);
		uint8_t *copy = malloc(len);

		memcpy(copy, bytes, len);
		for (unsigned flips = 1 + (unsigned)random_below(&r, 3); flips > 0; flips--)
			copy[random_below(&r, len)] ^= (uint8_t)(1u << random_below(&r, 8));
		if (!share_decode(&(struct take){.share = s}, copy,
				  random_below(&r, 4) ? len : random_below(&r, len))) {
			struct once *o = once_new(1, NULL);

			once_take(o, s);
			once_free(o);
		}
		once_share_free(s);
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
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
