/* A listing by played owners: every key once, whatever becomes of the arcs between two pages; and no page leads astray. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../common/kv-list.h"
#include "random.h"

#define KEYS 400

struct ring {
	struct page_entry all[KEYS]; /* sorted */
	char names[KEYS][16];
	uint32_t cuts[8]; /* of the arcs, ascending */
	size_t cut_count;
	struct random random;
};

static int compare(const void *a, const void *b)
{
	const struct page_entry *x = a, *y = b;

	return page_before(&y->key, &x->key) - page_before(&x->key, &y->key);
}

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Names, numbers, and numbers that are the names' ids. */
static void fill(struct ring *r)
{
	for (size_t i = 0; i < KEYS; i++) {
		(void)snprintf(r->names[i], sizeof(r->names[i]), "name %zu", i / 2);
		r->all[i] = (struct page_entry){.version = {1, i + 1}};
		r->all[i].key = key_named((const uint8_t *)r->names[i], strlen(r->names[i]));
		if (i % 2)
			r->all[i].key = key_number(i % 4 == 1 ? r->all[i].key.id : (uint32_t)random_next(&r->random));
	}
	r->all[1].key = key_number(0);
	r->all[3].key = key_number(UINT32_MAX);
	qsort(r->all, KEYS, sizeof(r->all[0]), compare);
}

/* Half of them end with an id that has keys. */
static void move_arcs(struct ring *r)
{
	r->cut_count = 1 + random_below(&r->random, 8);
	for (size_t i = 0; i < r->cut_count; i++)
		r->cuts[i] = random_below(&r->random, 2) ? r->all[random_below(&r->random, KEYS)].key.id
							 : (uint32_t)random_next(&r->random);
	qsort(r->cuts, r->cut_count, sizeof(r->cuts[0]), compare_ids);
}

static struct arc arc_of(const struct ring *r, uint32_t id)
{
	size_t i = 0;

	while (i < r->cut_count && r->cuts[i] < id)
		i++;
	return (struct arc){r->cuts[(i ? i : r->cut_count) - 1], r->cuts[i < r->cut_count ? i : 0]};
}

/* As list.c does it, by a table: at most `most` entries. */
static uint8_t *page(struct ring *r, const struct operation *op, size_t most, struct arc *arc, size_t *len)
{
	struct page_entry found[KEYS];
	struct page_next next = {.end = true};
	uint32_t last;
	size_t count = 0;

	*arc = arc_of(r, op->key.id);
	last = arc->hi >= op->key.id ? arc->hi : UINT32_MAX;
	for (size_t i = 0; i < KEYS && next.end; i++) {
		const struct key *key = &r->all[i].key;

		if (key->id > last || (op->key.name_len ? !page_before(&op->key, key) : key->id < op->key.id))
			continue;
		if (op->value_len && (key->name_len < op->value_len || memcmp(key->name, op->value, op->value_len)))
			continue;
		if (count == most) {
			next.end = false;
			next.key = found[count - 1].key;
			if (!next.key.name_len)
				next.key.id++;
		} else {
			found[count++] = r->all[i];
		}
	}
	return page_encode(found, count, &next, len);
}

/* How many of all that begin so were listed; each was, once. */
static size_t walk(struct ring *r, const char *prefix)
{
	struct kv_list *l = kv_list_new(false, (const uint8_t *)prefix, strlen(prefix));
	struct operation op;
	size_t at = 0, listed = 0;

	while (kv_list_ask(l, &op)) {
		struct operation_result result = {.status = ANSWER_DONE};
		const struct page_entry *entries;
		const char *why;
		struct arc arc;
		size_t count;
		uint8_t *bytes = page(r, &op, 1 + random_below(&r->random, 20), &arc, &result.value_len);

		result.value = bytes;
		why = kv_list_take(l, &result, &arc, &entries, &count);
		if (why)
			fail_msg("from id %u: %s", (unsigned)op.key.id, why);
		for (size_t i = 0; i < count; i++, listed++) {
			while (*prefix && at < KEYS &&
			       (r->all[at].key.name_len < strlen(prefix) ||
				memcmp(r->all[at].key.name, prefix, strlen(prefix)) != 0))
				at++;
			assert_true(at < KEYS && key_equal(&entries[i].key, &r->all[at].key));
			at++;
		}
		free(bytes);
		if (random_below(&r->random, 3) == 0)
			move_arcs(r);
	}
	kv_list_free(l);
	return listed;
}

static void each_key_once_while_arcs_move(void **state)
{
	struct ring *r = calloc(1, sizeof(*r));

	(void)state;
	r->random = random_new();
	for (unsigned round = 0; round < 300; round++) {
		fill(r);
		move_arcs(r);
		assert_int_equal(walk(r, ""), KEYS);
		assert_int_equal(walk(r, "name 1"), 111); /* 1, 10 to 19, 100 to 199 */
		assert_int_equal(walk(r, "none"), 0);
	}
	free(r);
}

static struct key named(const char *text)
{
	return key_named((const uint8_t *)text, strlen(text));
}

/* Each is answered to the first question, or (second) to one from behind the name "a". */
static void what_is_no_page_of_it(void **state)
{
	const struct key a = named("a");
	const struct arc whole = {5, 5}, other = {a.id + 1, a.id + 2};
	const struct page_entry early = {.key = key_number(a.id - 1)}, late = {.key = key_number(UINT32_MAX)};
	const struct page_entry same = {.key = a};
	const struct {
		bool second, values;
		const struct page_entry *entries[2];
		struct page_next next;
		const struct arc *arc;
		const char *why;
	} rows[] = {
		{false, false, {&early, &late}, {.end = true}, &whole, NULL},
		{false, false, {&late, &early}, {.end = true}, &whole, "a page out of order"},
		{false, false, {&late, &late}, {.end = true}, &whole, "a page out of order"},
		{false, true, {&late}, {.end = true}, &whole, "a page without values"},
		{false, false, {NULL}, {.end = true}, NULL, "the end of a page without its arc"},
		{false, false, {NULL}, {.end = true}, &other, "the end of a page without its arc"},
		{false, false, {NULL}, {.key = key_number(0)}, &whole, "a page that leads back"},
		{false, false, {&late}, {.key = key_number(7)}, &whole, "a page that leads back"},
		{false, false, {&late}, {.key = a}, &whole, "a page that leads back"},
		{true, false, {&early}, {.end = true}, &whole, "a page out of order"},
		{true, false, {&same}, {.end = true}, &whole, "a page out of order"},
		{true, false, {NULL}, {.key = a}, &whole, "a page that leads back"},
		{true, false, {NULL}, {.key = key_number(a.id)}, &whole, "a page that leads back"},
		{true, false, {NULL}, {.key = key_number(a.id + 1)}, &whole, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct kv_list *l = kv_list_new(rows[i].values, NULL, 0);
		struct page_entry given[2];
		const struct page_entry *entries;
		struct operation_result result = {.status = ANSWER_DONE};
		size_t count = 0, found;
		struct operation op;
		const char *why;
		uint8_t *bytes;

		if (rows[i].second) {
			bytes = page_encode(&same, 1, &(struct page_next){.key = a}, &result.value_len);
			result.value = bytes;
			assert_null(kv_list_take(l, &result, NULL, &entries, &found));
			assert_int_equal(found, 1);
			free(bytes);
		}
		for (; count < 2 && rows[i].entries[count]; count++)
			given[count] = *rows[i].entries[count];
		bytes = page_encode(given, count, &rows[i].next, &result.value_len);
		result.value = bytes;
		why = kv_list_take(l, &result, rows[i].arc, &entries, &found);
		if (why != rows[i].why && (!why || !rows[i].why || strcmp(why, rows[i].why) != 0))
			fail_msg("row %zu: %s", i, why ? why : "taken");
		assert_int_equal(found, why ? 0 : count);
		assert_true(kv_list_ask(l, &op) || !why);
		if (why)
			assert_true(rows[i].second ? key_equal(&op.key, &a) : !op.key.name_len && op.key.id == 0);
		free(bytes);
		kv_list_free(l);
	}
}

/* What is no page at all, and each page cut short. */
static void broken_pages(void **state)
{
	const struct page_entry entry = {.key = named("a"), .version = {1, 2}};
	const struct arc whole = {0, 0};
	struct operation_result result = {.status = ANSWER_ABSENT};
	struct kv_list *l = kv_list_new(false, NULL, 0);
	const struct page_entry *entries;
	size_t len, count;
	uint8_t *bytes = page_encode(&entry, 1, &(struct page_next){.end = true}, &len);

	(void)state;
	assert_non_null(kv_list_take(l, &result, &whole, &entries, &count));
	result.status = ANSWER_DONE;
	assert_non_null(kv_list_take(l, &result, &whole, &entries, &count));
	for (result.value = bytes; result.value_len < len; result.value_len++)
		assert_non_null(kv_list_take(l, &result, &whole, &entries, &count));
	assert_null(kv_list_take(l, &result, &whole, &entries, &count));
	free(bytes);
	kv_list_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_key_once_while_arcs_move),
		cmocka_unit_test(what_is_no_page_of_it),
		cmocka_unit_test(broken_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
