/* JSON lines: what RFC 8259 allows of one flat object is read byte for byte, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../tools/json.h"

/* All fields as `name=text;`, strings in quotes; or the error. */
static void dump(const char *line, size_t len, char out[400])
{
	static const char *const words[] = {"", "", "true", "false", "null"};
	uint8_t *copy = malloc(len + 1); /* exactly so long: the sanitizers see each step too far */
	struct json_field f;
	struct json j;
	size_t used = 0;

	memcpy(copy, line, len);
	copy = realloc(copy, len ? len : 1);
	json_init(&j, copy, len);
	while (json_next(&j, &f))
		used += (size_t)snprintf(out + used, 400 - used, "%.*s=%s%.*s%s%s;", (int)f.name_len,
					 (const char *)f.name, f.kind == JSON_STRING ? "\"" : "", (int)f.len,
					 (const char *)f.text, f.kind == JSON_STRING ? "\"" : "", words[f.kind]);
	if (j.error)
		snprintf(out, 400, "%s", j.error);
	else
		out[used] = '\0';
	assert_false(json_next(&j, &f));
	free(copy);
}

static const struct {
	const char *line, *read;
} rows[] = {
	{"{}", ""},
	{" \t{ } \r\n", ""},
	{"{\"a\":1}", "a=1;"},
	{"{ \"a\" : -1.5e+3 , \"b\" : true,\"c\":false,\"d\":null , \"\":\"\" }",
	 "a=-1.5e+3;b=true;c=false;d=null;=\"\";"},
	{"{\"k\":\"\\\"\\\\\\/\\t\\n\"}", "k=\"\"\\/\t\n\";"},
	{"{\"\\u0061\":\"\\u00e4\\u20AC\\ud800\\udF48\"}", "a=\"\xc3\xa4\xe2\x82\xac\xf0\x90\x8d\x88\";"},
	{"{\"a\":\"\xc3\xa4\xf0\x90\x8d\x88\x7f\"}", "a=\"\xc3\xa4\xf0\x90\x8d\x88\x7f\";"},
	{"", "no JSON object"},
	{"[]", "no JSON object"},
	{"\"a\"", "no JSON object"},
	{"{", "no string where one has to be"},
	{"{\"a\"", "no colon behind a field's name"},
	{"{\"a\":", "an object without its end"},
	{"{\"a\":1", "an object without its end"},
	{"{\"a\":1,", "no string where one has to be"},
	{"{\"a\":1,}", "no string where one has to be"},
	{"{,}", "no string where one has to be"},
	{"{a:1}", "no string where one has to be"},
	{"{\"a\" 1}", "no colon behind a field's name"},
	{"{\"a\":1 \"b\":2}", "no comma between fields"},
	{"{\"a\":1}}", "something behind the object"},
	{"{} {}", "something behind the object"},
	{"{\"a\":{}}", "an object or array within the object"},
	{"{\"a\":[1]}", "an object or array within the object"},
	{"{\"a\":yes}", "no value that JSON knows"},
	{"{\"a\":}", "no value that JSON knows"},
	{"{\"a\":\"b", "a string without its end"},
	{"{\"a\":\"b\\", "a string without its end"},
	{"{\"a\":\"\\x41\"}", "a backslash that JSON does not know"},
	{"{\"a\":\"\\u12\"}", "\\u without four hex digits"},
	{"{\"a\":\"\\u12g4\"}", "\\u without four hex digits"},
	{"{\"a\":\"\\ud800\"}", "half a surrogate pair"},
	{"{\"a\":\"\\ud800\\u0041\"}", "half a surrogate pair"},
	{"{\"a\":\"\\udc00\"}", "half a surrogate pair"},
	{"{\"a\":\"\t\"}", "a control character in a string"},
	{"{\"a\":\"\xff\"}", "a string that is no UTF-8 (base64 holds any bytes)"},
	{"{\"a\":\"\xc3\"}", "a string that is no UTF-8 (base64 holds any bytes)"},
	{"{\"a\":\"\xed\xa0\x80\"}", "a string that is no UTF-8 (base64 holds any bytes)"},
};

static void lines(void **state)
{
	char read[400];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		dump(rows[i].line, strlen(rows[i].line), read);
		if (strcmp(read, rows[i].read) != 0)
			fail_msg("%s: %s instead of %s", rows[i].line, read, rows[i].read);
	}
	dump("{\"a\":\0}", 7, read);
	assert_string_equal(read, "no value that JSON knows");
	dump("{\"a\":\"\\\0\"}", 9, read);
	assert_string_equal(read, "a backslash that JSON does not know");
}

/* No line that is cut short is taken for a whole one. */
static void lines_cut_short(void **state)
{
	static const char line[] = "{\"name\":\"\\u00e4\\ud800\\udf48\xc3\xa4\",\"value\":null,\"life\":17}";
	char read[400];

	(void)state;
	for (size_t len = 0; len < sizeof(line) - 1; len++) {
		dump(line, len, read);
		assert_null(strchr(read, ';'));
	}
}

static void a_nul_in_a_string(void **state)
{
	uint8_t line[] = "{\"a\":\"x\\u0000y\"}";
	struct json_field f;
	struct json j;

	(void)state;
	json_init(&j, line, sizeof(line) - 1);
	assert_true(json_next(&j, &f));
	assert_int_equal(f.len, 3);
	assert_memory_equal(f.text, "x\0y", 3);
	assert_true(json_is(&f, "a"));
	assert_false(json_is(&f, "ab"));
}

static bool number(const char *text, uint64_t most, uint64_t *n)
{
	char copy[40];

	(void)snprintf(copy, sizeof(copy), "%s", text);
	return json_uint(&(struct json_field){.kind = JSON_NUMBER, .text = (uint8_t *)copy, .len = strlen(copy)}, most,
			 n);
}

static void numbers(void **state)
{
	uint64_t n;

	(void)state;
	assert_true(number("0", 0, &n) && n == 0);
	assert_true(number("4294967295", UINT32_MAX, &n) && n == UINT32_MAX);
	assert_true(number("18446744073709551615", UINT64_MAX, &n) && n == UINT64_MAX);
	for (size_t i = 0; i < 8; i++)
		assert_false(number((const char *const[]){"4294967296", "-1", "+1", "1.0", "1e3", "01", "00",
							  "18446744073709551616"}[i],
				    UINT32_MAX, &n));
	assert_false(json_uint(&(struct json_field){.kind = JSON_STRING, .text = (uint8_t *)"1", .len = 1}, 9, &n));
}

static void base64(void **state)
{
	static const struct {
		const char *text, *bytes;
		int len; /* -1: refused */
	} cases[] = {
		{"", "", 0},
		{"AA==", "\0", 1},
		{"//4=", "\xff\xfe", 2},
		{"+/+/", "\xfb\xff\xbf", 3},
		{"Zm9vYmFy", "foobar", 6},
		{"A", "", -1},
		{"AA", "", -1},
		{"AAA", "", -1},
		{"A===", "", -1},
		{"====", "", -1},
		{"AB==", "", -1},
		{"AAB=", "", -1},
		{"A A=", "", -1},
		{"AA=A", "", -1},
		{"AA-_", "", -1},
		{"Zm9v\n", "", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char copy[20];
		struct json_field f = {.kind = JSON_STRING, .text = (uint8_t *)copy, .len = strlen(cases[i].text)};

		(void)snprintf(copy, sizeof(copy), "%s", cases[i].text);
		if (json_base64(&f) != (cases[i].len >= 0))
			fail_msg("%s", cases[i].text);
		if (cases[i].len >= 0) {
			assert_int_equal(f.len, cases[i].len);
			assert_memory_equal(f.text, cases[i].bytes, f.len);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),   cmocka_unit_test(lines_cut_short), cmocka_unit_test(a_nul_in_a_string),
		cmocka_unit_test(numbers), cmocka_unit_test(base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
