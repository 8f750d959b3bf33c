/* Values longer than a page: in as many pieces as they need and no more, whole or told of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../common/mem.h"
#include "../../daemon/disk-key.h"
#include "disk-fixture.h"

#define PIECE 4080u /* bytes in a page */

/* Linked in front of the disk's own (--wrap): hashes of long keys that agree. */
void __wrap_disk_key_hash(uint64_t seed, struct disk_bytes key, uint8_t out[16]);
void __wrap_disk_key_hash(uint64_t seed, struct disk_bytes key, uint8_t out[16])
{
	(void)seed;
	(void)key;
	memset(out, 1, 16);
}

static size_t pieces_for(size_t stored)
{
	return stored <= PIECE ? 0 : (8 + stored + PIECE - 1) / PIECE;
}

static void fill(uint8_t *value, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++)
		value[i] = (uint8_t)(mix(seed) + i + i / 4096);
}

static void put(struct disk *d, const void *key, size_t key_len, size_t len, uint64_t seed)
{
	uint8_t *value = xmalloc(len + 1);

	fill(value, len, seed);
	disk_put(d, 0, key, key_len, value, len);
	free(value);
}

static void assert_value(const struct holding *h, const void *key, size_t key_len, size_t len, uint64_t seed)
{
	const struct held *found = holding_find(h, key, key_len);
	uint8_t *value = xmalloc(len + 1);

	assert_non_null(found);
	assert_int_equal(found->value_len, len);
	fill(value, len, seed);
	assert_memory_equal(found->value, value, len);
	free(value);
}

/* Lengths around what a page, two and three hold; what each needs, and what it comes back as. */
static void as_many_as_it_needs(void **state)
{
	static const struct {
		size_t len, pieces;
	} rows[] = {
		{4071, 0},  {4072, 0},  {4073, 2},      {8144, 2},        {8145, 3},
		{12224, 3}, {12225, 4}, {1 << 20, 258}, {16 << 20, 4113},
	};
	struct holding h;
	struct place p;
	struct disk *d;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		place_make(&p, false);
		d = place_open(&p);
		put(d, "key", 3, rows[i].len, i);
		commit_all(d);
		assert_true(disk_close(d));
		assert_int_equal(place_pieces(&p), rows[i].pieces);
		d = place_open(&p);
		h = load(d, 0);
		assert_int_equal(h.count, 1);
		assert_value(&h, "key", 3, rows[i].len, i);
		holding_free(&h);
		disk_remove(d, 0, "key", 3);
		commit_all(d);
		assert_int_equal(count_of(d, 0), 0);
		assert_true(disk_close(d));
		assert_int_equal(place_pieces(&p), 0);
		place_remove(&p);
	}
}

#define KEYS 40u

static size_t any_key(unsigned i, uint8_t key[700])
{
	size_t len = i % 4 ? 8 : 700;

	memset(key, 'k', 700);
	key[len - 1] = (uint8_t)i;
	return len;
}

/* Short ones over long ones, long ones over short ones, removed, in any order: no piece stays, none is missing. */
static void nothing_leaks(void **state)
{
	size_t lens[KEYS] = {0};
	bool there[KEYS] = {false};
	uint8_t key[700];
	uint64_t dice = 5;
	struct place p;

	(void)state;
	place_make(&p, false);
	for (unsigned round = 0; round < 30; round++) {
		struct disk *d = place_open(&p);
		size_t need = 0, chain = 0, count = 0;
		struct holding h;

		for (unsigned n = 0; n < 60; n++) {
			unsigned i = (unsigned)((dice = mix(dice)) % KEYS);
			size_t key_len = any_key(i, key);

			there[i] = round < 29 && dice / KEYS % 3 > 0;
			lens[i] = dice / 256 % 2 ? dice / 1024 % 60 : dice / 1024 % 40000;
			if (there[i])
				put(d, key, key_len, lens[i], i);
			else
				disk_remove(d, 0, key, key_len);
			if (n % 7 == 0)
				commit_all(d);
		}
		for (unsigned i = 0; round == 29 && i < KEYS; i++) {
			disk_remove(d, 0, key, any_key(i, key));
			there[i] = false;
		}
		commit_all(d);
		h = load(d, 0);
		for (unsigned i = 0; i < KEYS; i++) {
			size_t key_len = any_key(i, key);

			if (!there[i])
				continue;
			count++;
			assert_value(&h, key, key_len, lens[i], i);
			/* all long keys stand at one place */
			if (key_len > DISK_KEY_SHORT)
				chain += DISK_LINK_HEAD + key_len + lens[i];
			else
				need += pieces_for(DISK_SUM + lens[i]);
		}
		assert_int_equal(h.count, count);
		holding_free(&h);
		assert_true(disk_close(d));
		assert_int_equal(place_pieces(&p), need + pieces_for(chain));
	}
	assert_int_equal(place_pieces(&p), 0);
	place_remove(&p);
}

static void in_order(void **state)
{
	struct holding h;
	struct place p;
	struct disk *d;

	(void)state;
	place_make(&p, false);
	d = place_open(&p);
	for (unsigned i = 200; i-- > 0;) {
		uint8_t key = (uint8_t)i;

		put(d, &key, 1, i % 3 ? 10 : 9000, i);
	}
	commit_all(d);
	h = load(d, 0);
	assert_int_equal(h.count, 200);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(h.items[i].key[0], i);
	holding_free(&h);
	assert_true(disk_close(d));
	place_remove(&p);
}

/* The n-th piece of all is taken away, or its last byte is another one. */
static void harm(struct place *p, unsigned n, bool remove)
{
	struct hand hand = hand_open(p, "pieces");
	uint8_t copy[PIECE];
	MDB_cursor *cursor;
	MDB_val key, value;

	assert_int_equal(mdb_cursor_open(hand.txn, hand.dbi, &cursor), 0);
	for (unsigned i = 0; i <= n; i++)
		assert_int_equal(mdb_cursor_get(cursor, &key, &value, MDB_NEXT), 0);
	if (remove) {
		assert_int_equal(mdb_cursor_del(cursor, 0), 0);
	} else {
		assert_in_range(value.mv_size, 1, sizeof(copy));
		memcpy(copy, value.mv_data, value.mv_size);
		copy[value.mv_size - 1] ^= 1;
		value.mv_data = copy;
		assert_int_equal(mdb_cursor_put(cursor, &key, &value, MDB_CURRENT), 0);
	}
	mdb_cursor_close(cursor);
	hand_close(&hand);
}

/* Each piece of three values, of which one has a long key; the others are as they were. */
static void a_harmed_piece_is_told(void **state)
{
	enum { EACH = 3, LEN = 11000, COUNT = 3 };
	uint8_t long_key[700];
	const void *keys[COUNT] = {"a", "b", long_key};
	size_t key_lens[COUNT] = {1, 1, sizeof(long_key)};

	(void)state;
	memset(long_key, 'k', sizeof(long_key));
	for (unsigned n = 0; n < 2 * COUNT * EACH; n++) {
		unsigned harmed = n / 2 / EACH;
		struct holding h;
		struct place p;
		struct disk *d;

		place_make(&p, false);
		d = place_open(&p);
		for (unsigned i = 0; i < COUNT; i++)
			put(d, keys[i], key_lens[i], LEN, i);
		commit_all(d);
		assert_true(disk_close(d));
		assert_int_equal(place_pieces(&p), COUNT * EACH);
		harm(&p, n / 2, n % 2);
		d = place_open(&p);
		/* also when it is written next to it, which for a long key is into the same place */
		for (unsigned more = 0; more < 2; more++) {
			h = load(d, 0);
			assert_int_equal(h.count, COUNT + more);
			assert_int_equal(h.damaged, 1);
			for (unsigned i = 0; i < COUNT; i++) {
				if (i != harmed)
					assert_value(&h, keys[i], key_lens[i], LEN, i);
				else
					assert_null(holding_find(&h, keys[i], key_lens[i]));
			}
			holding_free(&h);
			long_key[sizeof(long_key) - 1] = 'n';
			put(d, long_key, sizeof(long_key), LEN, 9);
			long_key[sizeof(long_key) - 1] = 'k';
			commit_all(d);
		}
		/* and is all right again when it is written anew */
		if (harmed < 2) {
			put(d, keys[harmed], key_lens[harmed], LEN, harmed);
			commit_all(d);
			h = load(d, 0);
			assert_int_equal(h.damaged, 0);
			holding_free(&h);
		}
		assert_true(disk_close(d));
		place_remove(&p);
	}
}

/* How long it is, overwritten: nothing is read or allocated by it that is not there. */
static void a_length_that_cannot_be(void **state)
{
	static const uint64_t lengths[] = {UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 40, 0, 7, 10999, 11100};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint8_t copy[PIECE];
		MDB_val key, value;
		MDB_cursor *cursor;
		struct holding h;
		struct hand hand;
		struct place p;
		struct disk *d;

		place_make(&p, false);
		d = place_open(&p);
		put(d, "a", 1, 11000, 1);
		commit_all(d);
		assert_true(disk_close(d));
		hand = hand_open(&p, "pieces");
		assert_int_equal(mdb_cursor_open(hand.txn, hand.dbi, &cursor), 0);
		assert_int_equal(mdb_cursor_get(cursor, &key, &value, MDB_FIRST), 0);
		assert_int_equal(value.mv_size, sizeof(copy));
		memcpy(copy, value.mv_data, sizeof(copy));
		memcpy(copy, &lengths[i], sizeof(lengths[i]));
		value.mv_data = copy;
		assert_int_equal(mdb_cursor_put(cursor, &key, &value, MDB_CURRENT), 0);
		mdb_cursor_close(cursor);
		hand_close(&hand);
		d = place_open(&p);
		h = load(d, 0);
		assert_int_equal(h.count, 1);
		assert_int_equal(h.damaged, 1);
		holding_free(&h);
		put(d, "a", 1, 11000, 1);
		commit_all(d);
		assert_int_equal(count_of(d, 0), 1);
		assert_true(disk_close(d));
		place_remove(&p);
	}
}

/* By hand what a transaction does that may not take it away at once: the key is gone, its pieces are left over. */
static void leave_over(struct place *p, unsigned i, uint64_t count)
{
	struct hand hand = hand_open(p, ".records");
	MDB_val key = {sizeof(i), &i}, value;
	uint8_t note[8] = {0};

	assert_int_equal(mdb_get(hand.txn, hand.dbi, &key, &value), 0);
	assert_int_equal(value.mv_size, 7);
	memcpy(note + 1, value.mv_data, 7);
	assert_int_equal(mdb_del(hand.txn, hand.dbi, &key, NULL), 0);
	assert_int_equal(mdb_dbi_open(hand.txn, "pieces", 0, &hand.dbi), 0);
	key = (MDB_val){sizeof(note), note};
	value = (MDB_val){sizeof(count), &count};
	assert_int_equal(mdb_put(hand.txn, hand.dbi, &key, &value, 0), 0);
	hand_close(&hand);
}

static void left_over_is_taken_away(void **state)
{
	struct place p;
	struct disk *d;

	(void)state;
	place_make(&p, false);
	d = place_open(&p);
	for (unsigned i = 0; i < 2; i++)
		put(d, &i, sizeof(i), 11000, i);
	commit_all(d);
	assert_true(disk_close(d));
	leave_over(&p, 0, 3);
	assert_int_equal(place_pieces(&p), 7);
	d = place_open(&p);
	put_text(d, 1, "anything", "");
	commit_all(d);
	assert_true(disk_close(d));
	assert_int_equal(place_pieces(&p), 3);
	place_remove(&p);
}

/* On a full disk nobody writes anything until there is room, and what is left over is the room. */
static void left_over_on_a_full_disk(void **state)
{
	enum { LEN = 1 << 20 };
	struct disk_status status = {0};
	struct place p;
	struct disk *d;
	unsigned count;

	(void)state;
	place_make(&p, false);
	p.config.size_max = 16 << 20;
	p.config.reserve = 6 << 20;
	d = place_open(&p);
	for (count = 0; status.state == DISK_OK && count < 20; count++) {
		put(d, &count, sizeof(count), LEN, count);
		status = wait_committed(d, disk_seal(d));
	}
	assert_int_equal(wait_state(d, DISK_FULL).state, DISK_FULL);
	wait_idle(d);
	assert_true(disk_close(d));
	for (unsigned i = 1; i < count; i++)
		leave_over(&p, i, pieces_for(DISK_SUM + LEN));
	d = place_open(&p);
	assert_int_equal(wait_state(d, DISK_OK).state, DISK_OK);
	assert_int_equal(count_of(d, 0), 1);
	assert_true(disk_close(d));
	assert_int_equal(place_pieces(&p), pieces_for(DISK_SUM + LEN));
	place_remove(&p);
}

static unsigned format_of(struct place *p)
{
	struct hand hand = hand_open(p, "about");
	MDB_val key = {8, (char[]){"identity"}}, value;
	unsigned format;

	assert_int_equal(mdb_get(hand.txn, hand.dbi, &key, &value), 0);
	memcpy(&format, (uint8_t *)value.mv_data + DISK_SUM + IDENTITY_FORMAT, sizeof(format));
	hand_close(&hand);
	return format;
}

/* A directory as format 1 made it: a value in a row, no space of pieces. */
static void make_format_1(struct place *p)
{
	uint8_t stored[DISK_SUM + 20000];
	MDB_val key = {3, (char[]){'r', 'o', 'w'}}, value = {sizeof(stored), stored};
	struct hand hand = hand_open(p, ".records");
	uint64_t sum;
	MDB_dbi dbi;

	fill(stored + DISK_SUM, sizeof(stored) - DISK_SUM, 1);
	sum = disk_sum(disk_salt(".records"), (struct disk_bytes){key.mv_data, key.mv_size},
		       (struct disk_bytes){stored + DISK_SUM, sizeof(stored) - DISK_SUM});
	memcpy(stored, &sum, DISK_SUM);
	assert_int_equal(mdb_put(hand.txn, hand.dbi, &key, &value, 0), 0);
	assert_int_equal(mdb_dbi_open(hand.txn, "pieces", 0, &dbi), 0);
	assert_int_equal(mdb_drop(hand.txn, dbi, 1), 0);
	hand_close(&hand);
	assert_int_equal(format_of(p), 2);
	place_rewrite_identity(p, IDENTITY_FORMAT, 1, true);
}

static void format_1_goes_on(void **state)
{
	struct holding h;
	struct place p;
	struct disk *d;

	(void)state;
	place_make(&p, false);
	d = place_open(&p);
	put_text(d, 0, "a", "1");
	commit_all(d);
	assert_true(disk_close(d));
	make_format_1(&p);
	assert_int_equal(format_of(&p), 1);
	d = place_open(&p);
	put(d, "piece", 5, 20000, 2);
	commit_all(d);
	assert_true(disk_close(d));
	assert_int_equal(format_of(&p), 2);
	assert_int_equal(place_pieces(&p), 5);
	for (int again = 0; again < 2; again++) {
		d = place_open(&p);
		assert_text(d, 0, "a", "1");
		h = load(d, 0);
		assert_int_equal(h.count, 3);
		assert_value(&h, "row", 3, 20000, 1);
		assert_value(&h, "piece", 5, 20000, 2);
		holding_free(&h);
		put(d, "row", 3, 20000, 1);
		commit_all(d);
		assert_true(disk_close(d));
		assert_int_equal(place_pieces(&p), 10);
	}
	place_remove(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_as_it_needs),
		cmocka_unit_test(nothing_leaks),
		cmocka_unit_test(in_order),
		cmocka_unit_test(a_harmed_piece_is_told),
		cmocka_unit_test(a_length_that_cannot_be),
		cmocka_unit_test(left_over_is_taken_away),
		cmocka_unit_test(left_over_on_a_full_disk),
		cmocka_unit_test(format_1_goes_on),
	};

	return cmocka_run_group_tests_name("disk-long", tests, NULL, NULL);
}
