/* Topics to meanings and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../common/topic.h"
#include "random.h"

static const struct {
	enum topic_kind kind;
	const char *text; /* of id 0x3fa01234 and client d0123456789abcdef000001 */
	uint32_t id;      /* that is read from it; 7 = none */
} rows[] = {
	{TOPIC_JOIN, "join", 7},
	{TOPIC_HAS_STARTED, "has_started", 7},
	{TOPIC_ACK_JOIN, "ack-join", 7},
	{TOPIC_PUT, "put", 7},
	{TOPIC_ACK_PUT, "ack-put", 7},
	{TOPIC_GET, "get", 7},
	{TOPIC_RES_GET, "res-get", 7},
	{TOPIC_LEAVE, "leave", 7},
	{TOPIC_ACK_LEAVE, "ack-leave", 7},
	{TOPIC_RING, "ring", 7},
	{TOPIC_FOUNDER, "founder", 7},
	{TOPIC_INBOX, "in/3fa01234", 0x3fa01234},
	{TOPIC_CUT, "cut/3fa01234", 0x3fa01234},
	{TOPIC_NODE, "node/3fa01234", 0x3fa01234},
	{TOPIC_REPLY, "to/d0123456789abcdef000001", 7},
	{TOPIC_ASK, "ask/3fa01234", 0x3fa01234},
	{TOPIC_EVENT, "ev/3fa01234", 0x3fa01234},
	{TOPIC_CELL, "op/3/f/a/0", 0x3fa00000},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

#define CLIENT "d0123456789abcdef000001"
#define CLIENT_DIGITS "00112233445566778899aabbccddeeff"
#define PREFIX_63 "abcdefghijklmnopqrstuvwxyz0123456789_-/abcdefghijklmnopqrstuvwx"

static void every_kind_there_and_back(void **state)
{
	static const char *const prefixes[] = {"", "a", "lab/floor-2/ring_1", PREFIX_63};

	(void)state;
	assert_int_equal(ROWS, TOPIC_KINDS - 1);
	assert_int_equal(strlen(PREFIX_63), TOPIC_PREFIX_MAX);
	for (size_t p = 0; p < sizeof(prefixes) / sizeof(prefixes[0]); p++) {
		for (size_t i = 0; i < ROWS; i++) {
			char expected[TOPIC_MAX], topic[TOPIC_MAX];
			uint32_t id = 7;

			snprintf(expected, sizeof(expected), "%s%s%s", prefixes[p], prefixes[p][0] ? "/" : "",
				 rows[i].text);
			topic_format(topic, prefixes[p], rows[i].kind, 0x3fa01234, CLIENT);
			assert_string_equal(topic, expected);
			assert_int_equal(topic_parse(topic, prefixes[p], &id), rows[i].kind);
			assert_int_equal(id, rows[i].id);
			assert_int_equal(topic_is_reply(topic, prefixes[p]), rows[i].kind == TOPIC_REPLY);
			/* under another prefix it is not ours */
			assert_int_equal(topic_parse(topic, "other", &id), TOPIC_UNKNOWN);
			assert_int_equal(topic_parse(topic, prefixes[p][0] ? "" : "a", &id), TOPIC_UNKNOWN);
		}
	}
}

static void ids_have_8_digits(void **state)
{
	struct random r = random_new();
	char topic[TOPIC_MAX];
	uint32_t id;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint32_t expected = (uint32_t)random_next(&r);

		topic_format(topic, "", TOPIC_CUT, expected, NULL);
		assert_int_equal(topic_parse(topic, "", &id), TOPIC_CUT);
		assert_int_equal(id, expected);
	}
	topic_format(topic, "", TOPIC_INBOX, 0, NULL);
	assert_string_equal(topic, "in/00000000");
	assert_int_equal(topic_parse(topic, "", &id), TOPIC_INBOX);
	assert_int_equal(id, 0);
	topic_format(topic, "", TOPIC_NODE, UINT32_MAX, NULL);
	assert_string_equal(topic, "node/ffffffff");
	assert_int_equal(topic_parse(topic, "", &id), TOPIC_NODE);
	assert_int_equal(id, UINT32_MAX);
}

static void what_is_not_ours(void **state)
{
	static const char *const topics[] = {
		"",
		"/",
		"join/",
		"/join",
		"Join",
		"joi",
		"joins",
		"put/x",
		"ring/1",
		"in",
		"in/",
		"in//3fa01234",
		"in/3fa0123",
		"in/3fa012345",
		"in/3FA01234",
		"in/3fa0123g",
		"in/3fa01234/",
		"in/3fa01234/x",
		"in/ 3fa0123",
		"in/-fa01234",
		"node",
		"node/+",
		"cut/#",
		"to",
		"to/",
		"to/D1",
		"to/a/b/c",
		"to/+",
		"to/a ",
		"to/abcdefghijklmnopqrstuvwx",
		"op",
		"op/",
		"op/3",
		"op/3/f/a",
		"op/3/f/a/",
		"op/3/f/a/0/",
		"op/3/f/a/0/1",
		"op/3/f/a/00",
		"op/3/f/a/g",
		"op/3/F/a/0",
		"op/3//a/0",
		"op//3/f/a/0",
		"op/3fa0",
		"op/3f/a/0",
		"op/3/f/a0",
		"op/3 f/a/0",
		"/op/3/f/a/0",
		/* filters, not topics */
		"op/#",
		"op/3/#",
		"op/3/f/#",
		"op/3/f/a/#",
		"op/3/f/a/+",
		"op/+/f/a/0",
		"op/3/f/a/0/#",
		"$SYS/uptime",
		"unknown",
		"a/join",
		"join\xff",
		"has-started",
		"has_started ",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
		uint32_t id = 7;

		if (topic_parse(topics[i], "", &id) != TOPIC_UNKNOWN)
			fail_msg("\"%s\" was taken", topics[i]);
		assert_false(topic_is_reply(topics[i], ""));
		assert_int_equal(id, 7);
	}
}

static void a_prefix_is_whole_levels(void **state)
{
	uint32_t id;

	(void)state;
	assert_int_equal(topic_parse("lab/join", "lab", &id), TOPIC_JOIN);
	assert_int_equal(topic_parse("labs/join", "lab", &id), TOPIC_UNKNOWN);
	assert_int_equal(topic_parse("lab-join", "lab", &id), TOPIC_UNKNOWN);
	assert_int_equal(topic_parse("lab", "lab", &id), TOPIC_UNKNOWN);
	assert_int_equal(topic_parse("lab/", "lab", &id), TOPIC_UNKNOWN);
	assert_int_equal(topic_parse("la", "lab", &id), TOPIC_UNKNOWN);
	assert_int_equal(topic_parse("lab/lab/join", "lab", &id), TOPIC_UNKNOWN);
	assert_int_equal(topic_parse("join", "lab", &id), TOPIC_UNKNOWN);
}

static void prefixes(void **state)
{
	static const char *const good[] = {"", "a", "a/b/c", "0", "_", "-", "lab-1/x_y", PREFIX_63};
	static const char *const bad[] = {"/",   "a/", "/a",  "a//b",  "A",  "a b", "a/+",        "#",
					  "a/#", "$a", "a.b", "a\x80", "\n", "a/ ", PREFIX_63 "x"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (!topic_prefix_valid(good[i]))
			fail_msg("\"%s\" was refused", good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (topic_prefix_valid(bad[i]))
			fail_msg("\"%s\" was taken", bad[i]);
	}
}

/* A cell's topic is all that its ids have in common; no two cells share one. */
static void cells_are_16_bits(void **state)
{
	(void)state;
	for (uint32_t cell = 0; cell < 65536; cell++) {
		char expected[TOPIC_MAX], topic[TOPIC_MAX], last[TOPIC_MAX];
		uint32_t id = 7;

		snprintf(expected, sizeof(expected), "lab/op/%x/%x/%x/%x", cell >> 12, cell >> 8 & 15, cell >> 4 & 15,
			 cell & 15);
		assert_int_equal(topic_format(topic, "lab", TOPIC_CELL, cell << 16, NULL), strlen(expected));
		assert_string_equal(topic, expected);
		topic_format(last, "lab", TOPIC_CELL, cell << 16 | 0xffff, NULL);
		assert_string_equal(last, expected);
		assert_int_equal(topic_parse(topic, "lab", &id), TOPIC_CELL);
		assert_int_equal(id, cell << 16);
	}
}

/* A reply topic comes from a stranger and is published to: no wildcard, no other topic. */
static void reply_topics(void **state)
{
	(void)state;
	assert_true(topic_is_reply("to/a", ""));
	assert_true(topic_is_reply("lab/to/" CLIENT, "lab"));
	assert_false(topic_is_reply("to/" CLIENT, "lab"));
	assert_false(topic_is_reply("lab/to/" CLIENT, ""));
	assert_false(topic_is_reply("to/" CLIENT "0", ""));
	assert_false(topic_is_reply("in/3fa01234", ""));
	assert_false(topic_is_reply("put", ""));
	assert_false(topic_is_reply("op/3/f/a/0", ""));
}

/* A connection's text has at most 23 characters; a client's name is longer, and exactly its digits. */
static void reply_topics_of_clients(void **state)
{
	static const char *const bad[] = {
		"to/" CLIENT_DIGITS "0",
		"to/" CLIENT_DIGITS CLIENT_DIGITS,
		"to/00112233445566778899aabbccddeef",  /* one digit short */
		"to/00112233445566778899aabbccddeefg", /* portable, and no digit */
		"to/g0112233445566778899aabbccddeeff",
		"to/0011223344556677_899aabbccddeeff",
		"to/0011223344556677-899aabbccddeeff",
		"to/00112233445566778899AABBCCDDEEFF",
		"to/00112233445566778899aabbccddee+f",
		"to/00112233445566778899aabbccddeef#",
		"to/00112233445566778899aabbccddeef ",
		"to/0011223344556677/8/99aabbccddeeff",
		"to/" CLIENT_DIGITS "/",
		"to/" CLIENT_DIGITS "/#",
		"to/001122334455667788990011", /* 24 digits are neither */
	};
	char topic[TOPIC_MAX];

	(void)state;
	assert_int_equal(strlen(CLIENT_DIGITS), TOPIC_CLIENT_DIGITS);
	topic_format(topic, PREFIX_63, TOPIC_REPLY, 0, CLIENT_DIGITS);
	assert_string_equal(topic, PREFIX_63 "/to/" CLIENT_DIGITS);
	assert_true(topic_is_reply(topic, PREFIX_63));
	assert_false(topic_is_reply(topic, ""));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (topic_is_reply(bad[i], ""))
			fail_msg("\"%s\" was taken", bad[i]);
	}
	/* every length of nothing but digits */
	for (size_t n = 0; n < TOPIC_MAX - 3; n++) {
		char text[TOPIC_MAX] = "to/";

		memset(text + 3, 'd', n);
		assert_int_equal(topic_is_reply(text, ""), (n > 0 && n < 24) || n == 32);
	}
}

static void users(void **state)
{
	static const struct {
		enum topic_kind kind;
		const char *client, *user, *text;
	} good[] = {
		{TOPIC_ASK, NULL, "Alice_-9", "lab/ask/3fa01234/Alice_-9"},
		{TOPIC_CELL, NULL, "a", "lab/op/3/f/a/0/a"},
		{TOPIC_REPLY, CLIENT, "Alice", "lab/to/Alice/" CLIENT},
		{TOPIC_REPLY, CLIENT_DIGITS, "abcdefghijklmnopqrstuvwxyz0",
		 "lab/to/abcdefghijklmnopqrstuvwxyz0/" CLIENT_DIGITS},
		{TOPIC_ASK, NULL, "", "lab/ask/3fa01234"},
		{TOPIC_REPLY, CLIENT, "", "lab/to/" CLIENT},
	};
	static const char *const bad[] = {
		"ask/3fa01234/",
		"ask/3fa01234/a/b",
		"ask/3fa01234/a.b",
		"ask/3fa01234/+",
		"ask/3fa01234/#",
		"ask//a",
		"op/3/f/a/x",
		"op/3/f/a/0/",
		"op/3/f/a/0/a/b",
		"op/3/f/a/0/+",
		"op/a",
		"in/3fa01234/a",
		"node/0/a",
		"ring/a",
		"put/a",
		"ev/3fa01234/a",
		"cut/3fa01234/a",
		"founder/a",
		"to/a/b/c",
		"to//" CLIENT,
		"to/+/" CLIENT,
		"to/a.b/" CLIENT,
		"a",
		"",
		"ask/3fa01234/abcdefghijklmnopqrstuvwxyz01",
	};
	char topic[TOPIC_MAX], user[TOPIC_USER_MAX + 1];
	uint32_t id;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		topic_format(topic, "lab", good[i].kind, 0x3fa01234, good[i].client);
		topic_add_user(topic, good[i].kind, good[i].user);
		assert_string_equal(topic, good[i].text);
		assert_int_equal(topic_parse_from(topic, "lab", &id, user), good[i].kind);
		assert_string_equal(user, good[i].kind == TOPIC_REPLY ? "" : good[i].user);
		assert_int_equal(topic_parse_from(topic, "", &id, user), TOPIC_UNKNOWN);
		assert_int_equal(topic_is_reply(topic, "lab"), good[i].kind == TOPIC_REPLY);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (topic_parse_from(bad[i], "", &id, user) != TOPIC_UNKNOWN || user[0])
			fail_msg("\"%s\" was taken", bad[i]);
	id = 7;
	assert_int_equal(topic_parse_from("in/46bf18a1/8a1bcd1400", "", &id, user), TOPIC_UNKNOWN);
	assert_int_equal(id, 7);
	/* the longest there is */
	topic_format(topic, PREFIX_63, TOPIC_REPLY, 0, CLIENT_DIGITS);
	topic_add_user(topic, TOPIC_REPLY, "abcdefghijklmnopqrstuvwxyz0");
	assert_int_equal(strlen(topic), TOPIC_MAX - 1);
	assert_true(topic_is_reply(topic, PREFIX_63));
}

/* Whatever is taken for ours is exactly what we would have written. */
static void mutated_topics(void **state)
{
	static const char alphabet[] = "/abcdefint0123456789to-_+#$AZ \x80";
	struct random r = random_new();

	(void)state;
	for (int i = 0; i < 200000; i++) {
		char topic[TOPIC_MAX], again[TOPIC_MAX];
		size_t row = random_below(&r, ROWS), len = strlen(rows[row].text);
		uint32_t id = 0;
		enum topic_kind kind;

		memcpy(topic, rows[row].text, len + 1);
		for (uint64_t n = random_below(&r, 3); n > 0; n--)
			topic[random_below(&r, len)] = alphabet[random_below(&r, sizeof(alphabet) - 1)];
		if (random_below(&r, 4) == 0)
			topic[random_below(&r, len)] = '\0';
		kind = topic_parse(topic, "", &id);
		if (kind == TOPIC_UNKNOWN)
			continue;
		topic_format(again, "", kind, id, kind == TOPIC_REPLY ? topic + 3 : "");
		assert_string_equal(again, topic);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_there_and_back),
		cmocka_unit_test(ids_have_8_digits),
		cmocka_unit_test(what_is_not_ours),
		cmocka_unit_test(a_prefix_is_whole_levels),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(cells_are_16_bits),
		cmocka_unit_test(reply_topics),
		cmocka_unit_test(reply_topics_of_clients),
		cmocka_unit_test(users),
		cmocka_unit_test(mutated_topics),
	};

	return cmocka_run_group_tests_name("topic", tests, NULL, NULL);
}
