/* The reference's payloads: a recording read and written again byte for byte, and everything a stranger may send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../common/reference.h"
#include "../../common/topic.h"
#include "random.h"

/* Bytes and their number, of a literal that may hold NULs. */
#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

static void assert_bytes(const void *actual, size_t actual_len, const void *expected, size_t expected_len)
{
	assert_int_equal(actual_len, expected_len);
	if (expected_len)
		assert_memory_equal(actual, expected, expected_len);
}

static void assert_taken(const char *why, const char *text)
{
	if (why)
		fail_msg("\"%s\": %s", text, why);
}

static size_t again_put(uint8_t *out, const uint8_t *p, size_t len)
{
	struct reference_put put;
	uint8_t *text;
	size_t n;

	assert_taken(reference_parse_put(p, len, &put), "put");
	text = reference_format_put(put.client, put.client_len, put.key, put.value, put.value_len, &n);
	memcpy(out, text, n);
	free(text);
	return n;
}

static size_t again_res_get(uint8_t *out, const uint8_t *p, size_t len)
{
	const uint8_t *value;
	size_t value_len, n;
	uint32_t key;
	uint8_t *text;

	assert_taken(reference_parse_res_get(p, len, &key, &value, &value_len), "res-get");
	text = reference_format_res_get(key, value, value_len, &n);
	memcpy(out, text, n);
	free(text);
	return n;
}

/* Reads a payload of that kind and writes what was understood. */
static size_t again(enum topic_kind kind, const char *payload, uint8_t *out)
{
	const uint8_t *p = (const uint8_t *)payload, *client;
	size_t len = strlen(payload), client_len;
	struct reference_ack_join ack_join;
	struct reference_leave leave;
	char *text = (char *)out;
	uint32_t a, b;

	switch (kind) {
	case TOPIC_JOIN:
	case TOPIC_GET:
		assert_taken(reference_parse_id(p, len, &a), payload);
		return reference_format_id(text, REFERENCE_TEXT_MAX, a);
	case TOPIC_HAS_STARTED:
		assert_string_equal(payload, "yes");
		memcpy(out, payload, len);
		return len;
	case TOPIC_ACK_JOIN:
		assert_taken(reference_parse_ack_join(p, len, &ack_join), payload);
		return reference_format_ack_join(text, REFERENCE_TEXT_MAX, &ack_join);
	case TOPIC_PUT:
		return again_put(out, p, len);
	case TOPIC_ACK_PUT:
		assert_taken(reference_parse_ack_put(p, len, &client, &client_len, &a), payload);
		return reference_format_ack_put(text, REFERENCE_TEXT_MAX, client, client_len, a);
	case TOPIC_RES_GET:
		return again_res_get(out, p, len);
	case TOPIC_LEAVE:
		assert_taken(reference_parse_leave(p, len, &leave), payload);
		return reference_format_leave(text, REFERENCE_TEXT_MAX, &leave);
	case TOPIC_ACK_LEAVE:
		assert_taken(reference_parse_ack_leave(p, len, &a, &b), payload);
		return reference_format_ack_leave(text, REFERENCE_TEXT_MAX, a, b);
	default:
		fail_msg("a topic of another kind in the recording");
		return 0;
	}
}

static void the_recording(void **state)
{
	const char *folder = getenv("TEST_DATA");
	char path[4096], line[512];
	unsigned seen[TOPIC_KINDS] = {0}, lines = 0;
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/reference-session.txt", folder ? folder : "tests/data");
	file = fopen(path, "r");
	if (!file)
		fail_msg("no %s: set TEST_DATA, or run it in the top folder", path);
	while (fgets(line, sizeof(line), file)) {
		uint8_t out[REFERENCE_TEXT_MAX];
		char *payload = strchr(line, ' ');
		enum topic_kind kind;
		uint32_t id;
		size_t n;

		if (line[0] == '#' || !payload)
			continue;
		*payload++ = '\0';
		payload[strcspn(payload, "\n")] = '\0';
		kind = topic_parse(line, "", &id);
		n = again(kind, payload, out);
		assert_bytes(out, n, payload, strlen(payload));
		seen[kind]++;
		lines++;
	}
	fclose(file);
	for (int kind = TOPIC_JOIN; kind <= TOPIC_ACK_LEAVE; kind++)
		assert_true(seen[kind] > 0);
	assert_int_equal(lines, 51);
}

static void numbers(void **state)
{
	static const struct {
		const char *text;
		uint32_t number;
	} good[] = {
		{"0", 0}, {"1", 1}, {"224854716", 224854716}, {"4294967295", UINT32_MAX}, {"007", 7}, {"0000000000", 0},
	};
	static const struct {
		const uint8_t *p;
		size_t len;
	} bad[] = {
		{BYTES("")},
		{BYTES("x")},
		{BYTES("-1")},
		{BYTES("-0")},
		{BYTES("+1")},
		{BYTES(" 1")},
		{BYTES("1 ")},
		{BYTES("1 2")},
		{BYTES("4294967296")},
		{BYTES("9999999999")},
		{BYTES("42949672950")},
		{BYTES("12345678901234567890")},
		{BYTES("00000000000000000007")},
		{BYTES("18446744073709551617")}, /* 2^64 + 1 */
		{BYTES("1\0")},
		{BYTES("\0")},
		{BYTES("1\n")},
		{BYTES("1.0")},
		{BYTES("1e3")},
		{BYTES("0x10")},
		{BYTES("1_000")},
		{BYTES("None")},
		{BYTES("\xd9\xa1")} /* an Arabic one, which the reference's language takes */,
		{BYTES("1/2")},
	};
	uint32_t id;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_taken(reference_parse_id((const uint8_t *)good[i].text, strlen(good[i].text), &id),
			     good[i].text);
		assert_int_equal(id, good[i].number);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		id = 7;
		if (!reference_parse_id(bad[i].p, bad[i].len, &id))
			fail_msg("\"%.*s\" was taken", (int)bad[i].len, (const char *)bad[i].p);
		assert_int_equal(id, 7);
	}
	assert_non_null(reference_parse_id(NULL, 0, &id));
}

static void ack_joins(void **state)
{
	static const char *const bad[] = {
		"",
		"/",
		"//",
		"1/2",
		"1/2/",
		"1/2/successor",
		"1/2/Sucessor",
		"1/2/sucessor ",
		"1/2/sucessor/",
		"1/2/antecessor/3",
		"/2/sucessor",
		"1//sucessor",
		"a/2/sucessor",
		"1/None/sucessor",
		"1/4294967296/sucessor",
		"1/2/3/4/5/6",
		"-1/2/antecessor",
		"1 /2/antecessor",
		"1/2/antecesso",
	};
	struct reference_ack_join a;

	(void)state;
	assert_taken(reference_parse_ack_join(BYTES("966639858/534618657/sucessor"), &a), "sucessor");
	assert_int_equal(a.src, 966639858);
	assert_int_equal(a.dst, 534618657);
	assert_int_equal(a.side, REFERENCE_SUCCESSOR);
	/* naming oneself: whether that makes sense is not the parser's to say */
	assert_taken(reference_parse_ack_join(BYTES("5/5/antecessor"), &a), "antecessor");
	assert_int_equal(a.src, a.dst);
	assert_int_equal(a.side, REFERENCE_PREDECESSOR);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (!reference_parse_ack_join((const uint8_t *)bad[i], strlen(bad[i]), &a))
			fail_msg("\"%s\" was taken", bad[i]);
	}
}

static void puts_taken(void **state)
{
	static const struct {
		const uint8_t *p;
		size_t len;
		const char *client;
		uint32_t key;
		const uint8_t *value;
		size_t value_len;
	} rows[] = {
		{BYTES("rVvn3wCEWL/224854716 LDMbLKNrLA"), "rVvn3wCEWL", 224854716, BYTES("LDMbLKNrLA")},
		{BYTES("None/0 x"), "None", 0, BYTES("x")},
		{BYTES("/7 x"), "", 7, BYTES("x")},   /* no name */
		{BYTES("c/7 "), "c", 7, BYTES("")},   /* no value */
		{BYTES("c/7  "), "c", 7, BYTES(" ")}, /* behind the first space all is value */
		{BYTES("c/7 a b  c "), "c", 7, BYTES("a b  c ")},
		{BYTES("c/7 a/b/c"), "c", 7, BYTES("a/b/c")},
		{BYTES("c/7 \0\n\r/\x80\xff"), "c", 7, BYTES("\0\n\r/\x80\xff")},
		{BYTES("a+b#c\\d/7 x"), "a+b#c\\d", 7, BYTES("x")}, /* a wildcard in a payload is none */
		{BYTES("\xc3\xa9/4294967295 x"), "\xc3\xa9", UINT32_MAX, BYTES("x")},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reference_put put;
		uint8_t *text;
		size_t n;

		assert_taken(reference_parse_put(rows[i].p, rows[i].len, &put), rows[i].client);
		assert_bytes(put.client, put.client_len, rows[i].client, strlen(rows[i].client));
		assert_int_equal(put.key, rows[i].key);
		assert_bytes(put.value, put.value_len, rows[i].value, rows[i].value_len);
		text = reference_format_put(put.client, put.client_len, put.key, put.value, put.value_len, &n);
		assert_bytes(text, n, rows[i].p, rows[i].len);
		free(text);
	}
}

static void puts_refused(void **state)
{
	static const struct {
		const uint8_t *p;
		size_t len;
	} rows[] = {
		{BYTES("")},
		{BYTES(" ")},
		{BYTES("/")},
		{BYTES("c 7 x")},
		{BYTES("c/7")},
		{BYTES("c/ x")},
		{BYTES("c/k x")},
		{BYTES("c/-1 x")},
		{BYTES("c/4294967296 x")},
		{BYTES("c/12345678901234567890 x")},
		{BYTES("c/ 7 x")},
		{BYTES("a/b/7 x")},
		{BYTES("a/b/c/d/e/7 x")},
		{BYTES("//7 x")},
		{BYTES("a b/7 x")},
		{BYTES("a\0b/7 x")},
		{BYTES("a\nb/7 x")},
		{BYTES("a\x7f/7 x")},
		{BYTES("\xff/7 x")},
		{BYTES("\xc3/7 x")},
		{BYTES("c/7\0 x")},
		{BYTES("c/7\tx")},
	};
	struct reference_put put;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!reference_parse_put(rows[i].p, rows[i].len, &put))
			fail_msg("\"%.*s\" was taken", (int)rows[i].len, (const char *)rows[i].p);
	}
}

static void long_ones(void **state)
{
	enum { VALUE = 1 << 20, NAME = 10 * 1024 };
	uint8_t *p = malloc(NAME + VALUE), *text;
	struct reference_put put;
	size_t n;

	(void)state;
	/* a value of 1 MiB */
	memcpy(p, "c/7 ", 4);
	for (size_t i = 0; i < VALUE; i++)
		p[4 + i] = (uint8_t)(i * 31);
	assert_taken(reference_parse_put(p, 4 + VALUE, &put), "1 MiB");
	assert_int_equal(put.value_len, VALUE);
	text = reference_format_put(put.client, put.client_len, put.key, put.value, put.value_len, &n);
	assert_bytes(text, n, p, 4 + VALUE);
	free(text);
	text = reference_format_res_get(put.key, put.value, put.value_len, &n);
	assert_int_equal(n, 2 + VALUE);
	assert_memory_equal(text, "7/", 2);
	assert_memory_equal(text + 2, put.value, VALUE);
	free(text);
	/* names of 256 bytes, 257, and 10 KB */
	memset(p, 'n', NAME);
	memcpy(p + REFERENCE_CLIENT_MAX, "/7 x", 4);
	assert_taken(reference_parse_put(p, REFERENCE_CLIENT_MAX + 4, &put), "256");
	assert_int_equal(put.client_len, REFERENCE_CLIENT_MAX);
	memcpy(p + REFERENCE_CLIENT_MAX, "n/7 x", 5);
	assert_non_null(reference_parse_put(p, REFERENCE_CLIENT_MAX + 5, &put));
	memset(p, 'n', NAME);
	memcpy(p + NAME, "/7 x", 4);
	assert_non_null(reference_parse_put(p, NAME + 4, &put));
	free(p);
}

static void leaves(void **state)
{
	static const char *const good[] = {"1/2/3", "1/None/3", "1/2/None", "1/None/None", "0/0/4294967295"};
	static const char *const bad[] = {
		"",       "/",           "//",       "1",        "1/2",       "1/2/",   "1//3",           "/2/3",
		"1/2/3/", "1/2/3/4/5/6", "None/2/3", "1/none/3", "1/None /3", "1/-2/3", "1/4294967296/3", "1/2/3 ",
	};
	struct reference_leave l;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char out[REFERENCE_TEXT_MAX];

		assert_taken(reference_parse_leave((const uint8_t *)good[i], strlen(good[i]), &l), good[i]);
		assert_int_equal(reference_format_leave(out, sizeof(out), &l), strlen(good[i]));
		assert_string_equal(out, good[i]);
	}
	assert_taken(reference_parse_leave(BYTES("1/None/3"), &l), "1/None/3");
	assert_true(l.id == 1 && !l.has_successor && l.has_predecessor && l.predecessor == 3);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (!reference_parse_leave((const uint8_t *)bad[i], strlen(bad[i]), &l))
			fail_msg("\"%s\" was taken", bad[i]);
	}
}

/* `ack-leave`, `ack-put` and `res-get`: two parts at one slash. */
static void pairs(void **state)
{
	static const char *const bad_ids[] = {"", "/", "1", "1/", "/1", "1/2/", "1/2/3", "1/2/3/4/5/6", "a/1", "1/a"};
	static const char *const bad_acks[] = {"", "/", "c", "c/", "c/x", "c/1/", "c/1/2", "c d/1", "\xff/1", "c\n/1"};
	static const char *const bad_gets[] = {"", "/", "7", "x/y", "/v", "-7/v", "4294967296/v", " 7/v"};
	const uint8_t *p;
	uint32_t a, b;
	size_t n;

	(void)state;
	assert_taken(reference_parse_ack_leave(BYTES("534618657/966639858"), &a, &b), "ack-leave");
	assert_true(a == 534618657 && b == 966639858);
	assert_taken(reference_parse_ack_put(BYTES("rVvn3wCEWL/5"), &p, &n, &a), "ack-put");
	assert_bytes(p, n, "rVvn3wCEWL", 10);
	assert_int_equal(a, 5);
	assert_taken(reference_parse_ack_put(BYTES("/5"), &p, &n, &a), "ack-put of nobody");
	assert_int_equal(n, 0);
	assert_taken(reference_parse_res_get(BYTES("7/"), &a, &p, &n), "an absent key");
	assert_true(a == 7 && n == 0);
	assert_taken(reference_parse_res_get(BYTES("7/a/b\0c"), &a, &p, &n), "res-get");
	assert_bytes(p, n, "a/b\0c", 5);
	for (size_t i = 0; i < sizeof(bad_ids) / sizeof(bad_ids[0]); i++)
		assert_non_null(reference_parse_ack_leave((const uint8_t *)bad_ids[i], strlen(bad_ids[i]), &a, &b));
	for (size_t i = 0; i < sizeof(bad_acks) / sizeof(bad_acks[0]); i++)
		assert_non_null(reference_parse_ack_put((const uint8_t *)bad_acks[i], strlen(bad_acks[i]), &p, &n, &a));
	for (size_t i = 0; i < sizeof(bad_gets) / sizeof(bad_gets[0]); i++)
		assert_non_null(reference_parse_res_get((const uint8_t *)bad_gets[i], strlen(bad_gets[i]), &a, &p, &n));
}

static void the_longest_text_fits(void **state)
{
	uint8_t client[REFERENCE_CLIENT_MAX];
	char out[REFERENCE_TEXT_MAX];

	(void)state;
	memset(client, 'c', sizeof(client));
	assert_int_equal(reference_format_ack_put(out, sizeof(out), client, sizeof(client), UINT32_MAX),
			 REFERENCE_CLIENT_MAX + 11);
	assert_int_equal(reference_format_ack_put(out, sizeof(out), NULL, 0, 0), 2);
	assert_string_equal(out, "/0");
	assert_int_equal(reference_format_id(out, sizeof(out), UINT32_MAX), 10);
	assert_int_equal(
		reference_format_ack_join(out, sizeof(out),
					  &(struct reference_ack_join){UINT32_MAX, UINT32_MAX, REFERENCE_PREDECESSOR}),
		32);
}

static void escapes(void **state)
{
	char out[64];

	(void)state;
	assert_string_equal(reference_escape(out, sizeof(out), BYTES("abc ~")), "abc ~");
	assert_string_equal(reference_escape(out, sizeof(out), BYTES("a\0\n\x1b\x7f\x80\xff")),
			    "a\\x00\\x0a\\x1b\\x7f\\x80\\xff");
	assert_string_equal(reference_escape(out, sizeof(out), NULL, 0), "");
	assert_string_equal(reference_escape(out, sizeof(out), BYTES("0123456789abcdefghij")), "0123456789abcde...");
	assert_string_equal(reference_escape(out, 3, BYTES("abc")), "");
	assert_string_equal(reference_escape(out, 4, BYTES("abc")), "...");
	/* never behind its end, always ended */
	for (size_t size = 1; size < sizeof(out); size++) {
		uint8_t bytes[80];

		memset(bytes, 0xee, sizeof(bytes));
		for (size_t len = 0; len <= sizeof(bytes); len++) {
			memset(out, '!', sizeof(out));
			reference_escape(out, size, bytes, len);
			assert_non_null(memchr(out, '\0', size));
			for (size_t i = size; i < sizeof(out); i++)
				assert_int_equal(out[i], '!');
		}
	}
}

/* What is taken, whatever was sent, is written as it was read, but for leading zeros of numbers. */
static void mutated_puts(void **state)
{
	static const char alphabet[] = "0123456789 / /cN-+\n\x80\xc3\xa9";
	struct random r = random_new();
	unsigned taken = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint8_t p[] = "client/1234567890 value", *text;
		size_t len = sizeof(p) - 1 - random_below(&r, 4), n;
		struct reference_put put;

		for (uint64_t edits = random_below(&r, 4); edits > 0; edits--)
			p[random_below(&r, len)] = (uint8_t)alphabet[random_below(&r, sizeof(alphabet) - 1)];
		if (reference_parse_put(p, len, &put))
			continue;
		taken++;
		text = reference_format_put(put.client, put.client_len, put.key, put.value, put.value_len, &n);
		if (p[put.client_len + 1] != '0')
			assert_bytes(text, n, p, len);
		free(text);
	}
	assert_true(taken > 1000 && taken < 90000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_recording),
		cmocka_unit_test(numbers),
		cmocka_unit_test(ack_joins),
		cmocka_unit_test(puts_taken),
		cmocka_unit_test(puts_refused),
		cmocka_unit_test(long_ones),
		cmocka_unit_test(leaves),
		cmocka_unit_test(pairs),
		cmocka_unit_test(the_longest_text_fits),
		cmocka_unit_test(escapes),
		cmocka_unit_test(mutated_puts),
	};

	return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}
