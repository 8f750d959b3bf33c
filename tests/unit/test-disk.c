/* What a disk is given it gives back: the same bytes under the same keys, whole batches, in order, after any end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../common/mem.h"
#include "../../daemon/disk-key.h"
#include "disk-fixture.h"

/* Linked in front of the disk's own (--wrap): hashes of long keys that agree when a test wants that. */
static bool hashes_agree;
void __real_disk_key_hash(uint64_t seed, struct disk_bytes key, uint8_t out[16]);
void __wrap_disk_key_hash(uint64_t seed, struct disk_bytes key, uint8_t out[16]);
void __wrap_disk_key_hash(uint64_t seed, struct disk_bytes key, uint8_t out[16])
{
	__real_disk_key_hash(seed, key, out);
	if (hashes_agree)
		memset(out, 1, 16);
}

static void what_is_put_is_there(void **state)
{
	struct place p;
	struct disk *d;

	(void)state;
	place_make(&p, false);
	d = place_open(&p);
	put_text(d, 0, "b", "two");
	put_text(d, 0, "a", "one");
	put_text(d, 1, "a", "another space's");
	put_text(d, 0, "empty", "");
	commit_all(d);
	for (int i = 0; i < 2; i++) {
		struct holding h = load(d, 0);

		assert_int_equal(h.count, 3);
		assert_int_equal(h.damaged, 0);
		assert_memory_equal(h.items[0].key, "a", 1);
		assert_memory_equal(h.items[1].key, "b", 1);
		holding_free(&h);
		assert_text(d, 0, "a", "one");
		assert_text(d, 0, "b", "two");
		assert_text(d, 0, "empty", "");
		assert_text(d, 1, "a", "another space's");
		assert_text(d, 1, "b", NULL);
		assert_true(disk_close(d));
		d = place_open(&p);
	}
	assert_true(disk_close(d));
	place_remove(&p);
}

/* Of several operations on one key the last counts, in one batch and in several of one transaction. */
static void the_last_one_counts(void **state)
{
	struct place p;
	struct disk *d;

	(void)state;
	place_make(&p, false);
	d = place_open(&p);
	put_text(d, 0, "a", "1");
	put_text(d, 0, "a", "22");
	put_text(d, 0, "b", "1");
	disk_remove(d, 0, "b", 1);
	disk_remove(d, 0, "c", 1);
	put_text(d, 0, "c", "1");
	put_text(d, 0, "d", "1");
	(void)disk_seal(d);
	put_text(d, 0, "d", "2");
	(void)disk_seal(d);
	disk_remove(d, 0, "d", 1);
	(void)disk_seal(d);
	put_text(d, 0, "d", "3");
	commit_all(d);
	assert_text(d, 0, "a", "22");
	assert_text(d, 0, "b", NULL);
	assert_text(d, 0, "c", "1");
	assert_text(d, 0, "d", "3");
	disk_remove(d, 0, "never", 5);
	commit_all(d);
	assert_true(disk_close(d));
	place_remove(&p);
}

/* Batches are numbered from 1; an empty one has no number; the backlog is what is not committed; what is not sealed is
 * not written. */
static void batches_are_numbered(void **state)
{
	struct place p;
	struct disk *d;

	(void)state;
	place_make(&p, false);
	d = place_open(&p);
	assert_int_equal(disk_seal(d), 0);
	assert_int_equal(disk_backlog(d), 0);
	put_text(d, 0, "a", "1");
	assert_true(disk_backlog(d) >= 2);
	assert_int_equal(disk_status(d).committed, 0);
	assert_int_equal(disk_seal(d), 1);
	assert_int_equal(disk_seal(d), 1);
	put_text(d, 0, "b", "1");
	assert_int_equal(disk_seal(d), 2);
	commit_all(d);
	assert_int_equal(disk_backlog(d), 0);
	put_text(d, 0, "c", "1");
	assert_true(disk_close(d));
	d = place_open(&p);
	assert_int_equal(disk_status(d).committed, 0);
	assert_text(d, 0, "b", "1");
	assert_text(d, 0, "c", NULL);
	assert_true(disk_close(d));
	place_remove(&p);
}

/* disk_close waits for what was sealed. */
static void the_end_waits(void **state)
{
	struct place p;
	struct disk *d;
	char key[16];

	(void)state;
	place_make(&p, false);
	d = place_open(&p);
	for (unsigned i = 0; i < 500; i++) {
		(void)snprintf(key, sizeof(key), "%u", i);
		put_text(d, 0, key, key);
		(void)disk_seal(d);
	}
	assert_true(disk_close(d));
	d = place_open(&p);
	for (unsigned i = 0; i < 500; i += 33) {
		(void)snprintf(key, sizeof(key), "%u", i);
		assert_text(d, 0, key, key);
	}
	assert_true(disk_close(d));
	place_remove(&p);
}

static void long_key(uint8_t *key, size_t len, unsigned last)
{
	memset(key, 'k', len);
	key[len - 1] = (uint8_t)last;
}

/* Keys of each length around LMDB's limit, and up to ours, that differ only at their end. */
static void keys_may_be_long(void **state)
{
	static const size_t lengths[] = {1, 494, 495, 496, 509, 510, 511, 512, 1000, 65536, DISK_KEY_MAX};
	uint8_t *key = xmalloc(DISK_KEY_MAX);
	struct place p;
	struct disk *d;

	(void)state;
	for (int agree = 0; agree < 2; agree++) {
		hashes_agree = agree;
		place_make(&p, false);
		d = place_open(&p);
		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
			for (unsigned last = 0; last < 4; last++) {
				unsigned number[2] = {(unsigned)i, last};

				long_key(key, lengths[i], last);
				disk_put(d, 0, key, lengths[i], "before", 6);
				disk_put(d, 0, key, lengths[i], number, last == 3 ? 0 : sizeof(number));
			}
		commit_all(d);
		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			long_key(key, lengths[i], 2);
			disk_remove(d, 0, key, lengths[i]);
		}
		commit_all(d);
		assert_true(disk_close(d));
		d = place_open(&p);
		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
			for (unsigned last = 0; last < 4; last++) {
				unsigned number[2] = {(unsigned)i, last};
				struct holding h = load(d, 0);
				const struct held *found;

				long_key(key, lengths[i], last);
				found = holding_find(&h, key, lengths[i]);
				assert_int_equal(h.count, 3 * sizeof(lengths) / sizeof(lengths[0]));
				assert_int_equal(found != NULL, last != 2);
				if (found) {
					assert_int_equal(found->value_len, last == 3 ? 0 : sizeof(number));
					assert_memory_equal(found->value, number, found->value_len);
				}
				holding_free(&h);
			}
		/* and the place that many shared is given up with the last of them */
		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
			for (unsigned last = 0; last < 4; last++) {
				long_key(key, lengths[i], last);
				disk_remove(d, 0, key, lengths[i]);
			}
		commit_all(d);
		assert_int_equal(count_of(d, 0), 0);
		assert_true(disk_close(d));
		place_remove(&p);
	}
	hashes_agree = false;
	free(key);
}

/* A chain whose bytes make no sense is kept when a key is put into it, and still told of. */
static void a_broken_chain_is_kept(void **state)
{
	uint8_t key[600], out[4096];
	struct disk_bytes old = {(const uint8_t *)"no chain", 8}, name = {key, sizeof(key)},
			  value = {(uint8_t *)"v", 1};
	struct disk_link link;
	size_t len;

	(void)state;
	long_key(key, sizeof(key), 'x');
	len = disk_chain_set(1, old, name, &value, out);
	old = (struct disk_bytes){out, len};
	assert_true(disk_chain_next(&old, &link));
	assert_int_equal(link.value.len, 1);
	assert_int_equal(link.sum, disk_sum(1, name, value));
	assert_false(disk_chain_next(&old, &link));
	assert_int_equal(old.len, 8);
	assert_memory_equal(old.at, "no chain", 8);
}

/* The checksum tells space, key and value, and where the key ends. */
static void the_checksum_is_of_all(void **state)
{
	struct disk_bytes ab = {(const uint8_t *)"ab", 2}, a = {ab.at, 1}, b = {ab.at + 1, 1}, none = {ab.at, 0};
	uint64_t sum = disk_sum(1, a, b);

	(void)state;
	assert_true(sum == disk_sum(1, a, b));
	assert_true(sum != disk_sum(2, a, b));
	assert_true(sum != disk_sum(1, b, a));
	assert_true(sum != disk_sum(1, a, a));
	assert_true(sum != disk_sum(1, ab, none));
	assert_true(disk_sum(1, a, none) != disk_sum(1, none, a));
	assert_true(disk_salt("records") != disk_salt("state"));
}

#define MODEL_KEYS 300u

static size_t model_key(unsigned i, uint8_t *key)
{
	static const size_t lengths[] = {4, 4, 4, 20, 510, 511, 700, 3000};
	size_t len = lengths[i % 8];

	memset(key, 'm', len);
	memcpy(key + len - 4, &i, 4);
	return len;
}

static size_t model_value(unsigned i, unsigned stamp, uint8_t *value)
{
	uint64_t dice = mix((uint64_t)i << 32 | stamp);
	size_t len = dice % 10 < 8 ? dice / 16 % 60 : dice / 16 % 9000;

	memset(value, (int)(dice >> 40 & 0xff), len);
	return len;
}

static unsigned roll(uint64_t *dice, unsigned sides)
{
	*dice = mix(*dice);
	return (unsigned)(*dice % sides);
}

static void check_model(struct disk *d, const unsigned stamps[MODEL_KEYS])
{
	uint8_t key[4096], value[9000];
	struct holding h = load(d, 0);
	size_t count = 0;

	for (unsigned i = 0; i < MODEL_KEYS; i++) {
		size_t key_len = model_key(i, key);
		const struct held *found = holding_find(&h, key, key_len);

		assert_int_equal(found != NULL, stamps[i] != 0);
		if (found) {
			assert_int_equal(found->value_len, model_value(i, stamps[i], value));
			assert_memory_equal(found->value, value, found->value_len);
			count++;
		}
	}
	assert_int_equal(h.count, count);
	holding_free(&h);
}

/* Any operations, with all kinds of sizes and ends in between: as in memory; and disk_open, which looks at every page,
 * finds no fault with any file that LMDB has made. */
static void anything_as_in_memory(void **state)
{
	static const enum disk_durability durabilities[] = {DISK_FSYNC, DISK_OS, DISK_NONE};
	unsigned stamps[MODEL_KEYS] = {0};
	uint8_t key[4096], value[9000];
	uint64_t dice = 1;
	struct place p;
	struct disk *d;

	(void)state;
	place_make(&p, false);
	for (unsigned round = 0, stamp = 0; round < 150; round++) {
		p.config.durability = durabilities[round % 3];
		d = place_open(&p);
		check_model(d, stamps);
		for (unsigned batches = 1 + roll(&dice, 8); batches; batches--) {
			bool emptying = roll(&dice, 10) == 0;

			for (unsigned ops = roll(&dice, 60); ops; ops--) {
				unsigned i = roll(&dice, MODEL_KEYS);
				size_t key_len = model_key(i, key);

				if (emptying || roll(&dice, 2)) {
					disk_remove(d, 0, key, key_len);
					stamps[i] = 0;
				} else {
					stamps[i] = ++stamp;
					disk_put(d, 0, key, key_len, value, model_value(i, stamp, value));
				}
			}
			if (emptying)
				commit_all(d);
			else
				(void)disk_seal(d);
		}
		assert_true(disk_close(d));
	}
	place_remove(&p);
}

/* By `none` a batch counts as soon as it is sealed, and yet a clean end keeps it. */
static void none_does_not_wait(void **state)
{
	struct place p;
	struct disk *d;

	(void)state;
	place_make(&p, false);
	p.config.durability = DISK_NONE;
	d = place_open(&p);
	put_text(d, 0, "a", "1");
	assert_int_equal(disk_seal(d), 1);
	assert_int_equal(disk_status(d).committed, 1);
	assert_true(disk_close(d));
	d = place_open(&p);
	assert_text(d, 0, "a", "1");
	assert_true(disk_close(d));
	place_remove(&p);
}

#ifdef __SANITIZE_ADDRESS__
#define ADDRESS_SANITIZER
#endif
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER
#endif
#endif

/* Less address space than the map would like: a smaller map.  (The sanitizer wants all of it for itself.) */
#ifndef ADDRESS_SANITIZER
static void the_map_fits_in(void **state)
{
	struct place p;
	int status;
	pid_t pid;

	(void)state;
	place_make(&p, false);
	pid = fork();
	if (pid == 0) {
		struct rlimit limit = {(rlim_t)3 << 30, (rlim_t)3 << 30};
		struct disk_fault fault;
		struct disk *d;

		(void)setrlimit(RLIMIT_AS, &limit);
		d = disk_open(&p.config, &fault);
		if (!d)
			_exit(1);
		put_text(d, 0, "a", "1");
		(void)disk_seal(d);
		_exit(disk_close(d) ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	place_remove(&p);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_there),   cmocka_unit_test(the_last_one_counts),
		cmocka_unit_test(batches_are_numbered),   cmocka_unit_test(the_end_waits),
		cmocka_unit_test(keys_may_be_long),       cmocka_unit_test(a_broken_chain_is_kept),
		cmocka_unit_test(the_checksum_is_of_all), cmocka_unit_test(anything_as_in_memory),
		cmocka_unit_test(none_does_not_wait),
#ifndef ADDRESS_SANITIZER
		cmocka_unit_test(the_map_fits_in),
#endif
	};

	return cmocka_run_group_tests_name("disk", tests, NULL, NULL);
}
