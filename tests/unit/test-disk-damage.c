/* Files that were cut or overwritten: no crash, and what is not told of as damaged is right.  Each file is made anew
 * from a whole one, opened, read, written to and opened again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../common/mem.h"
#include "disk-fixture.h"

#define PAGE 4096u
#define NUMBER_AT 144u    /* of a head's transaction */
#define FREE_ROOT_AT 80u  /* of a head's list of free pages */
#define MAIN_ROOT_AT 128u /* and of its spaces */
#define KEYS 900u
#define ROUNDS 600u

struct world {
	struct place place;
	uint8_t *whole;
	size_t len;
	struct holding held;
	unsigned refused, told, unharmed;
};

/* Each kind of page: branches, leaves, large values, chains of long keys, free lists. */
static void build(struct world *w)
{
	uint8_t key[800], value[6000];
	struct disk *d;

	place_make(&w->place, false);
	w->place.config.durability = DISK_OS;
	d = place_open(&w->place);
	memset(key, 'k', sizeof(key));
	for (unsigned i = 0; i < KEYS; i++) {
		size_t key_len = i % 100 == 0 ? sizeof(key) : 8;
		size_t value_len = i % 150 == 1 ? sizeof(value) : 8 + i % 200;
		uint64_t place = mix(i);

		memcpy(key + key_len - 8, &place, 8);
		memset(value, (int)i, sizeof(value));
		disk_put(d, i % 5 == 0, key, key_len, value, value_len);
		if (i % 3 == 0)
			disk_remove(d, i % 5 == 0, key, key_len);
		if (i % 30 == 0)
			commit_all(d);
	}
	commit_all(d);
	w->held = load(d, 0);
	assert_true(w->held.count > KEYS / 3);
	assert_true(disk_close(d));
	w->whole = place_read(&w->place, &w->len);
	assert_true(w->len > 40 * PAGE);
}

static int set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	*state = w;
	build(w);
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	place_remove(&w->place);
	holding_free(&w->held);
	free(w->whole);
	free(w);
	return 0;
}

/* Nothing that is not there was taken for there, and what is missing was told of. */
static void check_held(struct world *w, struct disk *d)
{
	struct holding h = load(d, 0), other = load(d, 1);
	size_t right = 0, at = 0;

	for (size_t i = 0; i < h.count; i++) {
		const struct held *have = &h.items[i];

		/* both are in the order of the disk, but for long keys */
		while (!have->damaged && have->key_len == 8 && at + 1 < w->held.count &&
		       (w->held.items[at].key_len != 8 || memcmp(w->held.items[at].key, have->key, 8) < 0))
			at++;
		if (!have->damaged) {
			const struct held *want = have->key_len == 8 ? &w->held.items[at]
								     : holding_find(&w->held, have->key, have->key_len);

			assert_non_null(want);
			assert_int_equal(want->key_len, have->key_len);
			assert_memory_equal(want->key, have->key, have->key_len);
			assert_int_equal(want->value_len, have->value_len);
			assert_memory_equal(want->value, have->value, have->value_len);
			right++;
		}
	}
	assert_true(right == w->held.count || h.damaged > 0);
	if (h.damaged + other.damaged > 0)
		w->told++;
	else
		w->unharmed++;
	holding_free(&h);
	holding_free(&other);
}

/* Writing builds upon what there is: that must not be worse than before. */
static void write_on(struct disk *d)
{
	uint8_t value[5000] = {0};

	for (unsigned i = 0; i < KEYS; i += 7) {
		uint64_t place = mix(i);

		if (i % 2)
			disk_put(d, 0, &place, 8, value, i % 4 == 1 ? 10 : sizeof(value));
		else
			disk_remove(d, 0, &place, 8);
		if (i % 5 == 0)
			commit_all(d);
	}
	commit_all(d);
}

static void open_damaged(struct world *w, const uint8_t *bytes, size_t len)
{
	struct disk_fault fault = {.text = ""};
	struct disk *d;

	place_write(&w->place, bytes, len);
	d = disk_open(&w->place.config, &fault);
	if (!d) {
		w->refused++;
		if ((fault.trouble != DISK_DAMAGED && fault.trouble != DISK_NEWER) || !strstr(fault.text, " -> "))
			fail_msg("trouble %d: %s", (int)fault.trouble, fault.text);
		return;
	}
	check_held(w, d);
	write_on(d);
	assert_true(disk_close(d));
	d = disk_open(&w->place.config, &fault);
	if (!d)
		fail_msg("damaged by writing to it: %s", fault.text);
	assert_true(disk_close(d));
}

static void the_whole_one_is_right(void **state)
{
	struct world *w = *state;

	open_damaged(w, w->whole, w->len);
	assert_int_equal(w->unharmed, 1);
	w->unharmed = 0;
}

/* Cut at the end of each page and inside it. */
static void cut_short(void **state)
{
	struct world *w = *state;

	for (size_t len = 0; len < w->len; len += PAGE) {
		open_damaged(w, w->whole, len);
		open_damaged(w, w->whole, len + 1 + mix(len) % (PAGE - 1));
	}
	/* Only what is free may be missing. */
	assert_int_equal(w->told, 0);
	assert_true(w->refused > w->len / PAGE);
}

/* Each page by nothing, by noise, and by another one. */
static void pages_overwritten(void **state)
{
	struct world *w = *state;
	uint8_t *bytes = xmalloc(w->len);

	for (size_t page = 0; page < w->len / PAGE; page++) {
		for (int kind = 0; kind < 3; kind++) {
			uint8_t *at = bytes + page * PAGE;

			memcpy(bytes, w->whole, w->len);
			if (kind == 0)
				memset(at, 0, PAGE);
			for (size_t i = 0; kind == 1 && i < PAGE; i++)
				at[i] = (uint8_t)mix(page << 32 | i);
			if (kind == 2)
				memcpy(at, w->whole + (page * 7 + 1) % (w->len / PAGE) * PAGE, PAGE);
			open_damaged(w, bytes, w->len);
		}
	}
	free(bytes);
	assert_true(w->refused > w->len / PAGE);
}

/* The newer of the two heads, made to look older: LMDB would take the other one, and the last transaction would be
 * gone. */
static void a_head_made_older(void **state)
{
	struct world *w = *state;
	uint8_t *bytes = xmemdup(w->whole, w->len);
	uint64_t numbers[2];
	unsigned newer;

	memcpy(&numbers[0], bytes + NUMBER_AT, 8);
	memcpy(&numbers[1], bytes + PAGE + NUMBER_AT, 8);
	newer = numbers[0] < numbers[1];
	assert_int_equal(numbers[newer], numbers[!newer] + 1);
	for (uint64_t number = 0; number < numbers[newer]; number++) {
		if (number + 1 == numbers[!newer])
			continue; /* what it was before: nobody can tell */
		memcpy(bytes + newer * PAGE + NUMBER_AT, &number, 8);
		open_damaged(w, bytes, w->len);
	}
	free(bytes);
	assert_int_equal(w->unharmed, 0);
	assert_int_equal(w->told, 0);
}

static uint64_t get(const uint8_t *at, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, at, size);
	return value;
}

static void set(uint8_t *at, size_t size, uint64_t value)
{
	memcpy(at, &value, size);
}

static uint8_t *node_of(uint8_t *page, size_t i)
{
	return page + get(page + 16 + 2 * i, 2);
}

/* The last leaf of a tree: its page. */
static uint8_t *leaf_of(uint8_t *bytes, uint64_t root)
{
	uint8_t *page = bytes + root * PAGE;

	while (get(page + 10, 2) == 1)
		page = bytes + get(node_of(page, (get(page + 12, 2) - 16) / 2 - 1), 6) * PAGE;
	assert_int_equal(get(page + 10, 2), 2);
	return page;
}

static uint64_t root_at(const uint8_t *bytes, unsigned at)
{
	const uint8_t *head = get(bytes + NUMBER_AT, 8) < get(bytes + PAGE + NUMBER_AT, 8) ? bytes + PAGE : bytes;

	return get(head + at, 8);
}

/* Of the first of the callers' spaces by name: ".records" comes before "about". */
static uint8_t *records_leaf(uint8_t *bytes)
{
	uint8_t *node = node_of(leaf_of(bytes, root_at(bytes, MAIN_ROOT_AT)), 0);

	assert_memory_equal(node + 8, ".records", 8);
	return leaf_of(bytes, get(node + 8 + 8 + 40, 8));
}

static void swap(uint8_t *page)
{
	uint64_t first = get(page + 16, 2);

	set(page + 16, 2, get(page + 18, 2));
	set(page + 18, 2, first);
}

/* The page that a list of free ones begins with becomes one that is in use. */
static void free_what_is_used(uint8_t *bytes)
{
	uint8_t *leaf = leaf_of(bytes, root_at(bytes, FREE_ROOT_AT));
	uint64_t used = (uint64_t)(records_leaf(bytes) - bytes) / PAGE;

	for (size_t i = 0; i < (get(leaf + 12, 2) - 16) / 2; i++) {
		uint8_t *list = node_of(leaf, i) + 16;
		uint64_t count = get(list, 8);

		for (uint64_t k = 1; k <= count; k++) /* descending, and stays so */
			if (get(list + 8 * k, 8) > used && (k == count || get(list + 8 * k + 8, 8) < used)) {
				set(list + 8 * k, 8, used);
				return;
			}
	}
	fail_msg("no list of free pages goes beyond page %ju", (uintmax_t)used);
}

/* The node that lies lowest is left out, so that the page is right in itself. */
static void leave_one_out(uint8_t *page)
{
	uint64_t upper = get(page + 14, 2), count = (get(page + 12, 2) - 16) / 2, size;

	for (size_t i = 0; i < count; i++)
		if (get(page + 16 + 2 * i, 2) == upper) {
			size = 8 + get(page + upper + 6, 2) + get(page + upper, 4);
			assert_int_equal(get(page + upper + 4, 2), 0);
			memmove(page + 16 + 2 * i, page + 18 + 2 * i, 2 * (count - i - 1));
			set(page + 12, 2, get(page + 12, 2) - 2);
			set(page + 14, 2, upper + size + size % 2);
			return;
		}
	fail_msg("no node is the lowest");
}

/* The node that lies highest says that it goes on beyond the page. */
static void make_longer(uint8_t *page)
{
	uint64_t highest = 0;

	for (size_t i = 0; i < (get(page + 12, 2) - 16) / 2; i++)
		if (get(page + 16 + 2 * i, 2) > highest)
			highest = get(page + 16 + 2 * i, 2);
	set(page + highest + 6, 2, 511);
}

/* What each single rule is for, where no other would notice. */
static void aimed_at_one_rule(void **state)
{
	static const char *const words[] = {"keys out of order", "used twice", "missing", "a node beyond its end"};
	struct world *w = *state;
	struct disk_fault fault;
	uint8_t *bytes = xmalloc(w->len);

	for (int i = 0; i < 4; i++) {
		memcpy(bytes, w->whole, w->len);
		if (i == 0)
			swap(records_leaf(bytes));
		else if (i == 1)
			free_what_is_used(bytes);
		else if (i == 2)
			leave_one_out(records_leaf(bytes));
		else
			make_longer(records_leaf(bytes));
		place_write(&w->place, bytes, w->len);
		assert_null(disk_open(&w->place.config, &fault));
		if (fault.trouble != DISK_DAMAGED || !strstr(fault.text, words[i]))
			fail_msg("%s: %s", words[i], fault.text);
	}
	free(bytes);
}

static void bytes_overwritten(void **state)
{
	struct world *w = *state;
	uint8_t *bytes = xmalloc(w->len);
	uint64_t dice = 1;

	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t at, count;

		dice = mix(dice);
		/* half of them where the structure is: in heads and lists of nodes */
		at = round % 2 ? dice % w->len : dice % (w->len / PAGE) * PAGE + dice / 65536 % 64;
		count = round % 4 ? 1 + dice / 7 % 4 : 1 + dice / 7 % 300;
		memcpy(bytes, w->whole, w->len);
		for (size_t i = 0; i < count && at + i < w->len; i++)
			bytes[at + i] =
				round % 3 ? (uint8_t)(dice = mix(dice)) : (uint8_t)(bytes[at + i] ^ 1u << dice % 8);
		open_damaged(w, bytes, w->len);
	}
	free(bytes);
	print_message("# %u refused, %u told of, %u unharmed\n", w->refused, w->told, w->unharmed);
	assert_true(w->refused > ROUNDS / 20);
	assert_true(w->told > ROUNDS / 50);
	assert_true(w->unharmed > ROUNDS / 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_whole_one_is_right, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cut_short, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pages_overwritten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_head_made_older, set_up, tear_down),
		cmocka_unit_test_setup_teardown(aimed_at_one_rule, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bytes_overwritten, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("disk-damage", tests, NULL, NULL);
}
