/* Lists of keys: what was put in comes out, wherever the names have moved to meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/core/key-list.h"

/* The i-th of keys: numbers and names in turn, the names of many lengths. */
static struct key nth(unsigned i, char name[4096])
{
	size_t len = 1 + i * 37 % 4000;

	if (i % 3 == 0)
		return key_number(i);
	memset(name, 'a' + (int)(i % 26), len);
	return key_named((const uint8_t *)name, len);
}

static void fill(struct key_list *l, unsigned count)
{
	char name[4096];

	for (unsigned i = 0; i < count; i++) {
		struct key key = nth(i, name);

		key_list_add(l, &key);
		memset(name, '?', sizeof(name)); /* the list's is a copy */
	}
}

static void check(const struct key_list *l, unsigned count)
{
	char name[4096];

	assert_int_equal(l->count, count);
	for (unsigned i = 0; i < count; i++) {
		struct key key = nth(i, name);

		assert_true(key_equal(&l->keys[i], &key));
	}
}

static void test_in_order(void **state)
{
	struct key_list l = {.count = 0};

	(void)state;
	fill(&l, 500);
	check(&l, 500);
	key_list_free(&l);
	assert_int_equal(l.count, 0);
}

static void test_the_last_is_not_put_twice(void **state)
{
	struct key_list l = {.count = 0};
	struct key one = key_named((const uint8_t *)"one", 3), two = key_named((const uint8_t *)"two", 3);

	(void)state;
	key_list_add(&l, &one);
	key_list_add(&l, &one);
	assert_int_equal(l.count, 1);
	key_list_add(&l, &two);
	key_list_add(&l, &one);
	assert_int_equal(l.count, 3);
	assert_true(key_equal(&l.keys[2], &one));
	key_list_free(&l);
}

/* Few keys cost nothing the next time; what a burst took is given back. */
static void test_room(void **state)
{
	struct key_list l = {.count = 0};
	const struct key *keys;

	(void)state;
	fill(&l, 20);
	keys = l.keys;
	key_list_clear(&l);
	fill(&l, 20);
	check(&l, 20);
	assert_ptr_equal(l.keys, keys);
	fill(&l, 5000);
	key_list_clear(&l);
	assert_null(l.keys);
	assert_null(l.names);
	fill(&l, 40);
	check(&l, 40);
	key_list_free(&l);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_the_last_is_not_put_twice),
		cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
