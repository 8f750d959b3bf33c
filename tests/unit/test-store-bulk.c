/* Many records at once: what whole tables do is what their records do one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../daemon/core/store.h"

#define EVERYTHING ((struct arc){0, 0})

static uint64_t drawing;

static uint32_t draw(uint32_t below)
{
	drawing = drawing * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((drawing >> 33) % below);
}

/* Few tables, so that these have several records, and some lie at their borders. */
static uint32_t drawn_id(void)
{
	return (draw(12) << 22) - 1 + draw(4) * (draw(2) ? 1 : 0x1fffff);
}

static struct arc drawn_arc(void)
{
	return draw(8) ? (struct arc){drawn_id(), drawn_id()} : EVERYTHING;
}

static struct store_item drawn_item(char name[16])
{
	struct store_item item = {.key = key_number(drawn_id()), .version = {1, draw(1000)}};

	if (draw(3) == 0) {
		item.key.name = (const uint8_t *)name;
		item.key.name_len = (uint32_t)snprintf(name, 16, "n%u", draw(3));
	}
	item.deleted = draw(4) == 0;
	item.value = (const uint8_t *)"abcdefgh";
	item.len = item.deleted ? 0 : draw(9);
	item.expires = item.deleted || draw(3) == 0 ? 1 + draw(1000) : 0;
	return item;
}

static void assert_same(struct store *s, struct store *other)
{
	uint64_t counts[2], hashes[2];

	(void)store_sweep(s, SIZE_MAX);
	assert_true(store_sweep(s, 0));
	assert_int_equal(store_count(s), store_count(other));
	assert_int_equal(store_bytes(s), store_bytes(other));
	assert_int_equal(store_next_end(s), store_next_end(other));
	assert_int_equal(store_empty(s), store_empty(other));
	for (unsigned i = 0; i < 4; i++) {
		struct arc arc = i ? drawn_arc() : EVERYTHING;

		store_digest(s, arc, &counts[0], &hashes[0]);
		store_digest(other, arc, &counts[1], &hashes[1]);
		assert_int_equal(counts[0], counts[1]);
		assert_int_equal(hashes[0], hashes[1]);
		assert_int_equal(store_arc_count(s, arc), counts[0]);
	}
}

static void hear(void *arg, const struct key *key)
{
	(void)key;
	++*(size_t *)arg;
}

static void forget_one(void *arg, const struct key *key)
{
	(void)arg;
	(void)key;
}

/* Two that share a secret, so that tables go from one to the other, and two that do not. */
static void whole_tables_and_their_records(bool watched)
{
	struct store *s[] = {store_new(1), store_new(1)}, *slow[] = {store_new(2), store_new(3)};
	struct arc nowhere = {7, 8};
	size_t told[] = {0, 0};

	for (unsigned i = 0; i < 2; i++) {
		store_sum_begin(slow[i], nowhere);
		if (watched)
			store_watch(s[i], hear, &told[i]);
	}
	for (unsigned step = 0; step < 20000; step++) {
		unsigned one = draw(2), what = draw(200);
		struct arc arc = drawn_arc();
		char name[16];

		if (what < 190) {
			struct store_item item = drawn_item(name);

			store_put(s[one], &item);
			store_put(slow[one], &item);
		} else if (what < 193) {
			size_t before = told[one], purged = store_purge(s[one], arc);

			assert_int_equal(purged, store_purge(slow[one], arc));
			assert_true(!watched || told[one] - before >= purged);
		} else if (what < 197) {
			size_t before = told[one], count = store_move(s[!one], s[one], arc);

			assert_int_equal(count, store_move(slow[!one], slow[one], arc));
			assert_true(!watched || told[one] - before >= count);
		} else if (what < 199) {
			uint64_t now = draw(1000);

			assert_int_equal(store_expire(s[one], now, now + 500, SIZE_MAX, forget_one, NULL),
					 store_expire(slow[one], now, now + 500, SIZE_MAX, forget_one, NULL));
			(void)store_forget(s[one], now, (struct store_keep){SIZE_MAX, SIZE_MAX}, SIZE_MAX);
			(void)store_forget(slow[one], now, (struct store_keep){SIZE_MAX, SIZE_MAX}, SIZE_MAX);
		} else {
			store_merge(s[!one], s[one]);
			store_merge(slow[!one], slow[one]);
		}
		if (what >= 190)
			for (unsigned i = 0; i < 2; i++)
				assert_same(s[i], slow[i]);
	}
	for (unsigned i = 0; i < 2; i++) {
		store_free(s[i]);
		store_free(slow[i]);
	}
}

static void whole_or_one_by_one(void **state)
{
	(void)state;
	drawing = 1;
	whole_tables_and_their_records(false);
	whole_tables_and_their_records(true);
}

/* Tombstones of ids from `first` on, which end one after the other. */
static void bury(struct store *s, uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++)
		store_put(s, &(struct store_item){.key = key_number(i << 20), .deleted = true, .expires = 1000 - i});
}

static size_t all_of(const struct store *s)
{
	return store_arc_count(s, EVERYTHING);
}

/* Beyond how many the first to end are forgotten: those that are here. */
static void tombstones_count_where_they_are(void **state)
{
	struct store *s = store_new(1), *other = store_new(1);

	(void)state;
	bury(s, 0, 100);
	assert_int_equal(store_move(other, s, EVERYTHING), 100);
	assert_int_equal(store_next_end(s), UINT64_MAX);
	bury(s, 200, 3);
	assert_true(store_forget(s, 0, (struct store_keep){3, SIZE_MAX}, SIZE_MAX));
	assert_int_equal(all_of(s), 3);
	assert_int_equal(store_next_end(other), 901);
	assert_true(store_forget(other, 0, (struct store_keep){10, SIZE_MAX}, SIZE_MAX));
	assert_int_equal(all_of(other), 10);
	assert_int_equal(store_next_end(other), 991);
	(void)store_purge(other, EVERYTHING);
	assert_int_equal(store_next_end(other), UINT64_MAX);
	bury(other, 0, 2);
	assert_true(store_forget(other, 0, (struct store_keep){2, SIZE_MAX}, SIZE_MAX));
	assert_int_equal(all_of(other), 2);
	store_free(s);
	store_free(other);
}

static void memory_comes_back_in_pieces(void **state)
{
	struct store *s = store_new(1);
	size_t all;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		store_put(s, &(struct store_item){.key = key_number(i << 20), .value = (const uint8_t *)"v", .len = 1});
	all = store_bytes(s);
	assert_int_equal(store_purge(s, EVERYTHING), 1000);
	assert_int_equal(store_count(s), 0);
	assert_int_equal(store_bytes(s), all);
	assert_false(store_sweep(s, 250));
	assert_int_equal(store_bytes(s), all - all / 4);
	assert_false(store_sweep(s, 749));
	assert_true(store_sweep(s, 2));
	assert_int_equal(store_bytes(s), 0);
	assert_int_equal(store_purge(s, EVERYTHING), 0);
	store_put(s, &(struct store_item){.key = key_number(5)});
	store_purge(s, EVERYTHING);
	store_free(s); /* with what is not swept */
}

/* Each key once, also of one that comes to lie in what has been looked at. */
static void keys_part_by_part(void **state)
{
	(void)state;
	drawing = 2;
	for (unsigned round = 0; round < 300; round++) {
		struct store *s = store_new(1);
		struct store_rest rest = {true, drawn_arc()};
		struct arc arc = rest.arc;
		size_t found = 0, count, least = 1 + draw(40);
		char name[16];

		for (unsigned i = draw(300); i; i--) {
			struct store_item item = drawn_item(name);

			store_put(s, &item);
		}
		store_sum_begin(s, arc);
		while (rest.left) {
			struct key *keys = store_keys_on(s, &rest, least, &count);
			struct store_item item = drawn_item(name);
			uint64_t counted, hash, there, digest;

			assert_true(count >= least || !rest.left);
			for (size_t i = 0; i < count; i++) {
				assert_true(ring_contains(arc, keys[i].id));
				assert_false(rest.left && ring_contains(rest.arc, keys[i].id));
				key_free(&keys[i]);
			}
			free(keys);
			found += count;
			store_sum_on(s, rest.arc.lo);
			if (rest.left)
				continue;
			assert_int_equal(found, store_arc_count(s, arc));
			/* The sum goes with whatever happens. */
			for (unsigned i = 0; i < 50; i++) {
				store_put(s, &item);
				item = drawn_item(name);
				if (draw(3) == 0)
					store_remove(s, item.key);
			}
			(void)store_expire(s, draw(1000), 2000, 10, forget_one, NULL);
			store_purge(s, drawn_arc());
			store_digest(s, arc, &there, &digest);
			store_sum_end(s, &counted, &hash);
			assert_int_equal(counted, there);
			assert_int_equal(hash, digest);
		}
		store_free(s);
	}
}

/* A record that changes where the sum has not come yet is summed once. */
static void changed_before_and_behind(void **state)
{
	struct store *s = store_new(1);
	struct arc arc = {10, 0x30000000};
	struct store_item item = {.value = (const uint8_t *)"value", .len = 5};
	uint64_t counted, hash, count, digest;

	(void)state;
	for (uint32_t id = 0; id < 0x40000000; id += 0x1000000) {
		item.key = key_number(id);
		store_put(s, &item);
	}
	store_sum_begin(s, arc);
	for (uint32_t hi = 0x0fffffff; hi < 0x30000000; hi += 0x10000000) {
		store_sum_on(s, hi);
		for (uint32_t id = 0x800000; id < 0x40000000; id += 0x7800000) {
			item.key = key_number(id);
			item.version.counter++;
			store_put(s, &item);
		}
	}
	store_sum_on(s, arc.hi);
	store_digest(s, arc, &count, &digest);
	store_sum_end(s, &counted, &hash);
	assert_int_equal(counted, count);
	assert_int_equal(hash, digest);
	store_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_or_one_by_one),         cmocka_unit_test(tombstones_count_where_they_are),
		cmocka_unit_test(memory_comes_back_in_pieces), cmocka_unit_test(keys_part_by_part),
		cmocka_unit_test(changed_before_and_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
