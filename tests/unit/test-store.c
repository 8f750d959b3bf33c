/* The table of records: clients choose its keys, so its hash must be one that they cannot compute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

/* What no caller may see: the buckets.  NOLINTNEXTLINE(bugprone-suspicious-include) */
#include "../../daemon/core/store.c"

#include "../../common/page.h"

#define COLLIDING 3000
#define SAME_BITS 10 /* of the hash: as many buckets as these many keys could ever be given */

struct plain {
	UT_hash_handle hh;
	uint32_t id;
};

static unsigned longest(const UT_hash_table *table)
{
	unsigned most = 0;

	for (unsigned i = 0; i < table->num_buckets; i++)
		if (table->buckets[i].count > most)
			most = table->buckets[i].count;
	return most;
}

static unsigned longest_of(const struct store *s)
{
	unsigned most = 0;

	for (unsigned i = 0; i < TABLES; i++)
		if (s->tables[i].records && longest(s->tables[i].records->hh.tbl) > most)
			most = longest(s->tables[i].records->hh.tbl);
	return most;
}

/* Ids that anybody can find, for a hash without a secret. */
static unsigned plain_hash(uint32_t id)
{
	unsigned hash;

	HASH_VALUE(&id, sizeof(id), hash);
	return hash;
}

static unsigned known_hash(uint32_t id)
{
	const struct store nobody = {0};

	return hash_of(&nobody, &(struct key){.id = id});
}

static uint32_t *chosen_ids(unsigned (*hash)(uint32_t id))
{
	uint32_t *ids = malloc(COLLIDING * sizeof(*ids));
	uint32_t id = 0;

	for (size_t i = 0; i < COLLIDING; id++)
		if (!(hash(id) & ((1u << SAME_BITS) - 1)))
			ids[i++] = id;
	return ids;
}

static struct store *filled(uint64_t secret, const uint32_t *ids)
{
	struct store *s = store_new(secret);

	for (uint32_t i = 0; i < COLLIDING; i++)
		store_put(s, &(struct store_item){
				     .key = key_number(ids ? ids[i] : i), .value = (const uint8_t *)"v", .len = 1});
	return s;
}

static double microseconds(const struct store *s, const uint32_t *ids)
{
	clock_t start = clock();

	for (size_t i = 0; i < COLLIDING; i++)
		assert_true(store_get(s, key_number(ids[i]), NULL));
	return (double)(clock() - start) * 1e6 / CLOCKS_PER_SEC;
}

/* uthash's own hash: the ids really are what they are said to be. */
static void the_attack_is_one(void **state)
{
	uint32_t *ids = chosen_ids(plain_hash);
	struct plain *all = calloc(COLLIDING, sizeof(*all)), *table = NULL;

	(void)state;
	for (size_t i = 0; i < COLLIDING; i++) {
		struct plain *p = &all[i];

		p->id = ids[i];
		HASH_ADD(hh, table, id, sizeof(p->id), p);
	}
	assert_int_equal(longest(table->hh.tbl), COLLIDING);
	HASH_CLEAR(hh, table);
	free(all);
	free(ids);
}

/* Neither those nor ids chosen against this very hash with another secret share a bucket more than any others do. */
static void chosen_ids_are_spread(void **state)
{
	unsigned (*const hashes[])(uint32_t) = {plain_hash, known_hash};

	(void)state;
	for (size_t h = 0; h < sizeof(hashes) / sizeof(hashes[0]); h++) {
		uint32_t *ids = chosen_ids(hashes[h]);
		struct store *secret = filled(0x9e3779b97f4a7c15u, ids), *known = filled(0, ids);

		print_message(
			"# %d chosen ids: longest chain %u, all got in %.0f us; with the secret known %u, %.0f us\n",
			COLLIDING, longest_of(secret), microseconds(secret, ids), longest_of(known),
			microseconds(known, ids));
		assert_int_equal(store_count(secret), COLLIDING);
		assert_in_range(longest_of(secret), 1, 40);
		if (hashes[h] == known_hash)
			assert_int_equal(longest_of(known), COLLIDING);
		store_free(secret);
		store_free(known);
		free(ids);
	}
}

/* By the parts of the ring, and within one as they came, whatever the secret: a replaced value of another length comes
 * anew. */
static void the_order_is_that_of_arrival(void **state)
{
	(void)state;
	for (uint64_t secret = 0; secret < 3; secret++) {
		struct store *s = store_new(secret), *other = store_new(secret + 1);
		static const uint32_t put[] = {5, 4000000000u, 7, 5, 1, 7}, want[] = {5, 1, 7, 9, 4000000000u};
		static const size_t len[] = {1, 1, 1, 2, 1, 1};
		uint32_t *ids;
		size_t count;

		for (size_t i = 0; i < sizeof(put) / sizeof(put[0]); i++)
			store_put(s, &(struct store_item){
					     .key = key_number(put[i]), .value = (const uint8_t *)"vw", .len = len[i]});
		store_remove(s, key_number(7));
		store_put(other, &(struct store_item){.key = key_number(7)});
		store_put(other, &(struct store_item){.key = key_number(9)});
		store_put(other, &(struct store_item){.key = key_number(1)});
		store_merge(s, other);
		ids = store_ids(s, (struct arc){0, 0}, &count);
		assert_int_equal(count, sizeof(want) / sizeof(want[0]));
		assert_memory_equal(ids, want, sizeof(want));
		for (size_t i = 0; i < count; i++)
			assert_true(store_get(s, key_number(ids[i]), NULL));
		free(ids);
		store_free(s);
		store_free(other);
	}
}

/* A table takes another's records over as they are only if they are in the right buckets. */
static void a_merge_into_nothing(void **state)
{
	(void)state;
	for (uint64_t secret = 1; secret < 3; secret++) {
		struct store *s = store_new(secret), *other = filled(1, NULL);

		store_merge(s, other);
		assert_int_equal(store_count(s), COLLIDING);
		assert_int_equal(store_count(other), 0);
		for (uint32_t i = 0; i < COLLIDING; i++)
			assert_true(store_get(s, key_number(i), NULL));
		store_free(s);
		store_free(other);
	}
}

/* What came to its end at its owner has the version that it had with a value, and an older copy has some time left. */
static void a_merge_of_one_version(void **state)
{
	const struct store_item value = {
		.key = key_number(7), .version = {1, 1}, .value = (const uint8_t *)"v", .len = 1, .expires = 2000};
	const struct store_item end = {.key = key_number(7), .version = {1, 1}, .expires = 9000, .deleted = true};

	(void)state;
	for (unsigned way = 0; way < 2; way++) {
		struct store *s = store_new(1), *other = store_new(1);
		struct store_item item = {0};

		store_put(s, way ? &value : &end);
		store_put(other, way ? &end : &value);
		store_merge(s, other);
		assert_true(store_get(s, key_number(7), &item));
		assert_true(item.deleted);
		assert_int_equal(store_count(s), 0);
		store_free(s);
		store_free(other);
	}
}

static struct key a_name(const char *text)
{
	return key_named((const uint8_t *)text, strlen(text));
}

/* XXH32 of both is 0x732ba7f9, found by search: one id, and each its own record. A number may have it as well. */
static void names_of_one_id(void **state)
{
	struct store *s = store_new(1);
	struct key keys[3] = {a_name("key87307"), a_name("key153128")};
	struct store_item item = {0};

	(void)state;
	keys[2] = key_number(keys[0].id);
	assert_int_equal(keys[0].id, keys[1].id);
	for (int round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 3; i++)
			store_put(s,
				  &(struct store_item){.key = keys[i], .value = (const uint8_t *)"abc" + i, .len = 1});
		assert_int_equal(store_count(s), 3);
		for (unsigned i = 0; i < 3; i++) {
			assert_true(store_get(s, keys[i], &item));
			assert_true(key_equal(&item.key, &keys[i]));
			assert_memory_equal(item.value, &"abc"[i], 1);
		}
	}
	store_remove(s, keys[1]);
	assert_true(store_get(s, keys[0], NULL));
	assert_false(store_get(s, keys[1], NULL));
	assert_true(store_get(s, keys[2], NULL));
	assert_int_equal(store_count(s), 2);
	store_free(s);
}

/* ---- listing ---- */

#define LISTED 100000u

static int by_place(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	return page_before(y, x) - page_before(x, y);
}

/* Of a key that is drawn: some ids have names besides, all are in one part. */
static struct key drawn(uint32_t *state, char name[16])
{
	struct key key = key_number((*state = *state * 1664525u + 1013904223u) >> 8 & 0xffff);

	if (key.id % 3 == 0) {
		key.name_len = (uint32_t)sprintf(name, "n%u", *state >> 28);
		key.name = (const uint8_t *)name;
	}
	return key;
}

/* What is there from a position on, found the long way. */
static size_t the_long_way(const struct store *s, const struct key *from, struct key *keys)
{
	size_t count = 0;

	for (const struct record *r = s->tables[0].records; r; r = r->hh.next) {
		struct key key = key_of(r);

		if (!r->deleted && order_behind(from, &key))
			keys[count++] = key;
	}
	qsort(keys, count, sizeof(*keys), by_place);
	return count;
}

/* Whatever has come and gone since it was put in order; so many are drawn before the first is listed. */
static void is_exact(unsigned first)
{
	static struct store_item items[STORE_PART_MAX];
	struct key *keys = malloc(2 * LISTED * sizeof(*keys));
	struct store *s = store_new(1);
	uint32_t drawing = 1;
	unsigned most = 0;
	char name[16];

	for (unsigned step = 0; step < 45; step++) {
		struct store_range range = {.to = store_part_end(0)};
		size_t count, there, looked = 0;
		bool all;

		for (unsigned i = 0; i < (step ? 1000 : first); i++) {
			struct store_item item = {.key = drawn(&drawing, name), .value = (const uint8_t *)"abcdef"};

			item.len = drawing >> 9 & 3;
			item.deleted = step && !item.len;
			if (step && (drawing >> 12 & 7) == 0)
				store_remove(s, item.key);
			else
				store_put(s, &item);
		}
		store_put(s, &(struct store_item){.key = key_number(0x10000 + step)}); /* behind all others */
		if (step % 20 == 10)
			store_purge(s, (struct arc){100, 200});
		range.from = step % 4 ? drawn(&drawing, name) : key_number(step % 8 ? 0xff00 : 0);
		count = store_part(s, &range, items, STORE_PART_MAX, &all, &looked);
		there = the_long_way(s, &range.from, keys);
		assert_true(count <= there);
		assert_true(all == (count == there));
		assert_true(count || all);
		for (size_t i = 0; i < count; i++)
			assert_true(key_equal(&items[i].key, &keys[i]));
		most = s->order.count > most ? s->order.count : most;
	}
	assert_in_range(most, 1 + (first == LISTED), ORDER_STRETCHES);
	store_unlisted(s);
	assert_int_equal(s->order.count, 0);
	free(keys);
	store_free(s);
}

static void what_is_kept_is_exact(void **state)
{
	(void)state;
	for (unsigned first = 20000; first <= LISTED; first += 20000)
		is_exact(first);
}

static void gone(void *arg, const struct key *key)
{
	(void)key;
	++*(unsigned *)arg;
}

/* The earliest first, whatever was put and removed in between. */
static void ends_come_in_order(void **state)
{
	struct store *s = store_new(7);
	uint64_t last = 0;
	unsigned told = 0;

	(void)state;
	for (uint32_t i = 0; i < 2000; i++) {
		uint32_t id = i * 2654435761u;

		store_put(s, &(struct store_item){.key = key_number(id), .expires = 1 + id % 1009});
		if (i % 3 == 0)
			store_remove(s, key_number((i / 2) * 2654435761u));
		if (i % 5 == 0)
			store_put(s,
				  &(struct store_item){.key = key_number((i / 3) * 2654435761u), .expires = 5000 + i});
	}
	for (uint64_t at; (at = store_next_end(s)) != UINT64_MAX; last = at) {
		assert_true(at >= last);
		assert_int_equal(store_expire(s, at - 1, 20000 + told, 1, gone, &told), 0);
		assert_true(store_forget(s, at - 1, (struct store_keep){SIZE_MAX, SIZE_MAX}, 0));
		if (!store_expire(s, at, 20000 + told, 1, gone, &told))
			assert_true(store_forget(s, at, (struct store_keep){SIZE_MAX, SIZE_MAX}, 1));
	}
	assert_true(told > 1000);
	assert_int_equal(store_count(s), 0);
	store_free(s);
}

/* Of a record that is written anew with, without and with an end; the number of tombstones follows. */
static void ends_and_tombstones(void **state)
{
	struct store *s = store_new(1), *copy = store_new(2);
	struct key name = a_name("n"), *keys;
	struct store_item item = {
		.key = name, .value = (const uint8_t *)"v", .len = 1, .version = {5, 1}, .expires = 100};
	uint64_t count, hash, other;
	unsigned told = 0;
	size_t n;

	(void)state;
	store_put(s, &item);
	store_put(s, &(struct store_item){.key = key_number(name.id), .value = (const uint8_t *)"w", .len = 1});
	assert_int_equal(store_next_end(s), 100);
	assert_int_equal(store_expire(s, 99, 1000, 10, gone, &told), 0);
	assert_true(store_get(s, name, &item));
	assert_false(item.deleted);
	assert_int_equal(store_expire(s, 100, 1000, 10, gone, &told), 1); /* a tombstone, which has an end as well */
	assert_int_equal(told, 1);
	assert_true(store_get(s, name, &item));
	assert_true(item.deleted && item.len == 0 && item.expires == 1000 && item.version.counter == 1);
	assert_int_equal(store_count(s), 1);
	free(store_ids(s, (struct arc){0, 0}, &n));
	assert_int_equal(n, 1);
	keys = store_keys(s, (struct arc){0, 0}, &n);
	assert_int_equal(n, 2);
	store_digest(s, (struct arc){0, 0}, &count, &hash);
	for (size_t i = 0; i < n; i++) {
		assert_true(store_get(s, keys[i], &item));
		item.expires += item.expires ? 7 : 0; /* each node counts for itself */
		store_put(copy, &item);
		key_free(&keys[i]);
	}
	free(keys);
	store_digest(copy, (struct arc){0, 0}, &count, &other);
	assert_int_equal(count, 2);
	assert_int_equal(hash, other);
	assert_false(store_put_newer(s, &(struct store_item){.key = name, .version = {5, 0}}));
	assert_true(store_forget(s, 999, (struct store_keep){1, SIZE_MAX}, 0));
	assert_true(store_get(s, name, NULL));
	assert_int_equal(store_expire(s, 1000, 2000, 10, gone, &told), 0);
	assert_true(store_forget(s, 1000, (struct store_keep){1, SIZE_MAX}, 1)); /* the tombstone goes */
	assert_int_equal(told, 1);
	assert_false(store_get(s, name, NULL));
	assert_int_equal(store_count(s), 1);
	store_merge(s, copy);
	assert_int_equal(store_count(s), 1);
	assert_true(store_get(s, name, &item));
	assert_true(item.deleted);
	store_put(s, &(struct store_item){.key = name, .value = (const uint8_t *)"x", .len = 1});
	assert_int_equal(store_count(s), 2);
	assert_int_equal(store_next_end(s), UINT64_MAX); /* for ever again */
	assert_int_equal(store_purge(s, (struct arc){0, 0}), 2);
	assert_int_equal(store_count(s), 0);
	store_free(copy);
	store_free(s);
}

/* What both know, nodes of version 1.0 hash as it stands here: else nobody takes an arc from them. */
static void test_the_digest_of_version_1_0(void **state)
{
	struct store_item item = {
		.key = key_number(5), .version = {0x100000003, 7}, .value = (const uint8_t *)"five", .len = 4};
	uint64_t number = store_item_hash(&item), tombstone;

	(void)state;
	assert_true(number == UINT64_C(0x5dd18286a3e8c40f));
	item.deleted = true;
	assert_true(store_item_hash(&item) != number);
	item.len = 0;
	tombstone = store_item_hash(&item);
	item.deleted = false;
	assert_true(store_item_hash(&item) != tombstone);
}

/* However many are deleted, the last so many are remembered, and what lives with an end is none of them. */
static void tombstones_are_bounded(void **state)
{
	struct store *s = store_new(3);

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		store_put(s, &(struct store_item){.key = key_number(i), .deleted = true, .expires = 5000 + i});
	for (uint32_t i = 1000; i < 1010; i++)
		store_put(s, &(struct store_item){.key = key_number(i), .expires = i});
	assert_false(store_forget(s, 0, (struct store_keep){100, SIZE_MAX}, 300));
	assert_true(store_get(s, key_number(300), NULL));
	assert_false(store_get(s, key_number(299), NULL));
	assert_true(store_forget(s, 0, (struct store_keep){100, SIZE_MAX}, 600));
	for (uint32_t i = 0; i < 1010; i++)
		assert_int_equal(store_get(s, key_number(i), NULL), i >= 900);
	assert_true(store_forget(s, 0, (struct store_keep){100, SIZE_MAX}, 0));
	assert_int_equal(store_count(s), 10);
	store_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_one_id),
		cmocka_unit_test(ends_and_tombstones),
		cmocka_unit_test(ends_come_in_order),
		cmocka_unit_test(the_attack_is_one),
		cmocka_unit_test(chosen_ids_are_spread),
		cmocka_unit_test(the_order_is_that_of_arrival),
		cmocka_unit_test(a_merge_into_nothing),
		cmocka_unit_test(a_merge_of_one_version),
		cmocka_unit_test(what_is_kept_is_exact),
		cmocka_unit_test(tombstones_are_bounded),
		cmocka_unit_test(test_the_digest_of_version_1_0),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
