/* The names of connections: a fence hits exactly the one that it names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../common/peer.h"
#include "random.h"

static void golden_texts(void **state)
{
	char text[CONN_TEXT];

	(void)state;
	conn_format(&(struct conn){UINT64_C(0x0123456789abcdef), 1}, text);
	assert_string_equal(text, "d0123456789abcdef000001");
	conn_format(&(struct conn){0, CONN_COUNT_MAX - 1}, text);
	assert_string_equal(text, "d0000000000000000fffffe");
	conn_format(&(struct conn){UINT64_MAX, 0}, text);
	assert_string_equal(text, "dffffffffffffffff000000");
	assert_int_equal(strlen(text), 23);
}

static void a_text_names_one_connection(void **state)
{
	struct random r = random_new();

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct conn c = {random_sized(&r), 1 + (uint32_t)random_below(&r, CONN_COUNT_MAX - 1)}, back;
		char text[CONN_TEXT], again[CONN_TEXT];

		conn_format(&c, text);
		assert_true(conn_parse(text, &back));
		assert_true(conn_equal(&c, &back));
		/* any other byte in any place: refused, or the name of another connection */
		text[random_below(&r, CONN_TEXT - 1)] = (char)random_next(&r);
		if (conn_parse(text, &back)) {
			conn_format(&back, again);
			assert_string_equal(again, text);
		}
	}
}

static void what_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"d",
		"d0123456789abcdef00000",   /* one digit short */
		"d0123456789abcdef0000010", /* one too many */
		"e0123456789abcdef000001",  /* another letter */
		"D0123456789abcdef000001",
		"d0123456789ABCDEF000001", /* capitals */
		"d0123456789abcdeg000001",
		"d0123456789abcdef00000 ",
		"d0123456789abcdef-00001",
		" d0123456789abcdef000001",
		"d0123456789abcdef000000", /* no connection */
		"d0123456789abcdefffffff", /* CONN_COUNT_MAX itself */
		"d0x23456789abcdef000001",
		"d+123456789abcdef000001",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct conn c = {1, 2};

		if (conn_parse(texts[i], &c))
			fail_msg("\"%s\" was taken", texts[i]);
		assert_int_equal(c.nonce, 1);
		assert_int_equal(c.count, 2);
	}
}

static void who_is_the_same(void **state)
{
	const struct member m = {1, 2, {3, 4}};

	(void)state;
	assert_true(conn_equal(&m.conn, &(struct conn){3, 4}));
	assert_false(conn_equal(&m.conn, &(struct conn){3, 5}));
	assert_false(conn_equal(&m.conn, &(struct conn){4, 4}));
	assert_true(member_same(&m, &(struct member){1, 2, {9, 9}}));
	assert_false(member_same(&m, &(struct member){1, 3, {3, 4}}));
	assert_false(member_same(&m, &(struct member){2, 2, {3, 4}}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_texts),
		cmocka_unit_test(a_text_names_one_connection),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(who_is_the_same),
	};

	return cmocka_run_group_tests_name("peer", tests, NULL, NULL);
}
