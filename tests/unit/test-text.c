/* Which bytes are clean text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../common/text.h"

static void check(const char *bytes, size_t len, bool clean)
{
	if (text_is_clean((const uint8_t *)bytes, len) != clean)
		fail_msg("\"%.*s\" is %sclean", (int)len, bytes, clean ? "not " : "");
}

static void clean(void **state)
{
	static const char *const texts[] = {
		"",
		"node-7",
		" ~!\"/\\",
		"\xc2\xa0", /* U+00A0, the first behind the second control block */
		"\xc3\xa9t\xc3\xa9",
		"\xe2\x82\xac",
		"\xed\x9f\xbf", /* U+D7FF */
		"\xee\x80\x80", /* U+E000 */
		"\xf0\x9f\x90\x8c",
		"\xf4\x8f\xbf\xbf", /* U+10FFFF */
		"\xdf\xbf",
		"\xe0\xa0\x80",
		"\xef\xbf\xbf",
		"\xf0\x90\x80\x80", /* the edges of each length */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check(texts[i], strlen(texts[i]), true);
	assert_true(text_is_clean(NULL, 0));
}

static void not_clean(void **state)
{
	static const char *const texts[] = {
		"\n",
		"a\tb",
		"\x1b[2J",
		"\x7f",
		"\xc2\x80",
		"\xc2\x9f", /* the second control block */
		"\x80",
		"a\xbf", /* a piece without a head */
		"\xc3",
		"\xe2\x82",
		"\xf0\x9f\x90", /* cut off */
		"\xc3(",
		"\xe2\x82(",
		"\xe2(\xac", /* broken off */
		"\xc0\xaf",
		"\xc1\xbf",
		"\xe0\x9f\xbf",
		"\xf0\x8f\xbf\xbf", /* longer than need be */
		"\xed\xa0\x80",
		"\xed\xbf\xbf", /* surrogates */
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf8\x88\x80\x80\x80",
		"\xfe",
		"\xff",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check(texts[i], strlen(texts[i]), false);
	check("a\0b", 3, false);
	check("\0", 1, false);
	/* the length decides, not what lies behind it */
	check("ab\n", 2, true);
	check("\xe2\x82\xac", 2, false);
}

static void written(void **state)
{
	char out[40];
	struct text t = text_in(out, sizeof(out));

	(void)state;
	assert_string_equal(out, "");
	text_add_string(&t, "a");
	text_add(&t, NULL, 0);
	text_add_char(&t, '/');
	text_add_decimal(&t, 0);
	text_add_char(&t, '/');
	text_add_decimal(&t, UINT32_MAX);
	assert_string_equal(out, "a/0/4294967295");
	assert_int_equal(text_length(&t), 14);
	text_add_hex(&t, 0xabc, 6);
	text_add_hex(&t, UINT64_MAX, 2);
	text_add_hex(&t, 0x0123456789abcdef, 16);
	assert_string_equal(out, "a/0/4294967295000abcff0123456789abcdef");
	text_add_char(&t, '.'); /* the last byte is the NUL's */
	assert_int_equal(text_length(&t), sizeof(out) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean),
		cmocka_unit_test(not_clean),
		cmocka_unit_test(written),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
