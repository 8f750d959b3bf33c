/* Bad input: the node lives, says so (not too often), stores nothing of it, and a put and a get still work. */
#include "core-fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/mem.h"

#include "frames.h"
#include "random.h"

#define LOW 1000
#define HIGH 3000000000
#define NEVER_SPEAKS 700000000

static void ring(struct core *c)
{
	core_add(c, LOW);
	core_add(c, HIGH);
	core_whole(c, 2, 10000);
	core_put(c, "first", 5, "kept");
	core_run(c, 100);
}

static size_t records(const struct core *c)
{
	size_t count = 0;

	for (int n = 0; n < c->count; n++)
		if (c->nodes[n].node)
			count += node_record_count(c->nodes[n].node);
	return count;
}

/* Still a ring of the two, with what was there and nothing else; a put and a get work. */
static void check(struct core *c, const char *what)
{
	size_t since;

	core_run(c, 200);
	if (!core_is_whole(c, 2))
		fail_msg("no ring any more after %s", what);
	if (records(c) != 2)
		fail_msg("%zu records after %s", records(c), what);
	since = c->line_count;
	core_put(c, "well", 2000000000, "formed");
	core_get(c, 2000000000);
	core_get(c, 5);
	core_run(c, 10);
	if (core_count(c, since, "res-get", "2000000000/formed") != 1 || core_count(c, since, "res-get", "5/kept") != 1)
		fail_msg("a get is not answered after %s", what);
	core_all_answered(c);
}

struct words {
	const char *topic;
	const char *payload;
	size_t len; /* 0: it is a text */
};

/* Each of these, on each topic it can be on, is dropped: no answer, no record, no change. */
static void bad_payloads(void **state)
{
	static const char *const keys[] = {"abc",
					   "-5",
					   "4294967296",
					   "4294967297",
					   "",
					   " ",
					   "1 2",
					   "12345678901234567890",
					   "+5",
					   "0x10",
					   "1.5",
					   "1e3",
					   "5\n",
					   "\xd9\xa1\xd9\xa2",
					   "1_000",
					   "\xff\xfe",
					   "12 ",
					   " 12",
					   "-999999999999999999999999999999999999999"};
	static const struct words others[] = {
		{"put", "client/5", 0},
		{"put", "5 value", 0},
		{"put", " ", 0},
		{"put", "a/b/5 value", 0},
		{"put", "a b/5 value", 0},
		{"put", "a\0b/5 value", 11},
		{"put", "a\x01/5 value", 0},
		{"put", "\xff/5 value", 0},
		{"put", "a/b/c/d/e/f 5", 0},
		{"put", "1000/-5 cut", 0},
		{"get", "5\0", 2},
		{"get", "5/5", 0},
		{"join", "5/5", 0},
		{"ack-join", "5/1000/sideways", 0},
		{"ack-join", "5/1000", 0},
		{"ack-join", "5/1000/sucessor/", 0},
		{"ack-join", "a/b/c/d/e/f", 0},
		{"ack-join", "-1/1000/sucessor", 0},
		{"ack-join", "1000/1000/sucessor", 0},
		{"ack-join", "1000/1000/antecessor", 0},
		{"leave", "a/b/c/d/e/f", 0},
		{"leave", "None/None/None", 0},
		{"leave", "5/5", 0},
		{"leave", "1000\0/3000000000/3000000000", 27},
		{"ack-leave", "1000", 0},
		{"ack-leave", "1000/1000/1000", 0},
		{"ack-leave", "a/b", 0},
		{"ack-leave", "99/1000", 0},
		{"has_started", "no", 0},
	};
	static const char *const forms[][2] = {{"get", "%s"},
					       {"put", "bad/%s value"},
					       {"join", "%s"},
					       {"leave", "%s/1000/1000"},
					       {"leave", "5/%s/1000"},
					       {"ack-join", "%s/1000/sucessor"},
					       {"ack-join", "5/%s/antecessor"},
					       {"ack-leave", "%s/1000"}};
	struct core *c = *state;
	char text[200];

	ring(c);
	core_put(c, "well", 2000000000, "formed");
	core_run(c, 10);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		for (size_t j = 0; j < sizeof(keys) / sizeof(keys[0]); j++) {
			size_t since = c->line_count;

			if (i == 1 && strchr(keys[j], ' '))
				continue; /* what is behind the space is the value */
			if (strchr(forms[i][1], '%') == forms[i][1])
				snprintf(text, sizeof(text), "%s%s", keys[j], forms[i][1] + 2);
			else
				snprintf(text, sizeof(text), "%.*s%s%s", (int)strcspn(forms[i][1], "%"), forms[i][1],
					 keys[j], strchr(forms[i][1], '%') + 2);
			core_publish(c, forms[i][0], text);
			core_deliver_all(c);
			if (c->line_count != since + 1)
				fail_msg("%s \"%s\" is answered with %s %s", forms[i][0], text,
					 c->lines[since + 1].topic, c->lines[since + 1].payload);
			check(c, text);
		}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		core_publish_bytes(c, others[i].topic, others[i].payload,
				   others[i].len ? others[i].len : strlen(others[i].payload));
		check(c, others[i].payload);
	}
}

/* What the reference would choke on by its length alone: dropped whatever the topic is. */
static void long_and_empty_payloads(void **state)
{
	static const char *const topics[] = {"join",      "has_started", "ack-join",    "put",
					     "ack-put",   "get",         "res-get",     "leave",
					     "ack-leave", "ring",        "in/000003e8", "cut/000003e8"};
	static const char fill[] = {'/', 'n', '7', '\0', '\xff'};
	struct core *c = *state;
	size_t len = 1u << 20;
	char *bytes = xmalloc(len);

	ring(c);
	core_put(c, "well", 2000000000, "formed");
	core_run(c, 10);
	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
		bool answer = !strcmp(topics[i], "ack-put") || !strcmp(topics[i], "res-get");

		if (answer) /* nobody listens there in a ring of ours; the fixture takes it for an answer */
			continue;
		core_publish_bytes(c, topics[i], "", 0);
		for (size_t j = 0; j < sizeof(fill); j++) {
			memset(bytes, fill[j], len);
			core_publish_bytes(c, topics[i], bytes, len);
			core_publish_bytes(c, topics[i], bytes, 5);
		}
		core_deliver_all(c);
		check(c, topics[i]);
	}
	/* A client's name of 10 KB, else well formed. */
	memset(bytes, 'n', 10240);
	memcpy(bytes + 10240, "/5 value", 8);
	core_publish_bytes(c, "put", bytes, 10248);
	check(c, "a name of 10 KB");
	free(bytes);
}

static void put_value(struct core *c, const void *value, size_t len)
{
	char *bytes = xmalloc(len + 20);
	int head = snprintf(bytes, 20, "v/77 ");

	memcpy(bytes + head, value, len);
	core_publish_bytes(c, "put", bytes, (size_t)head + len);
	core_run(c, 10);
	free(bytes);
}

/* A value is any bytes whatever: a newline, NUL, slash, no UTF-8, none at all, 1 MiB; it comes back as it was. */
static void any_value_is_kept(void **state)
{
	static const char *const values[] = {"a\nb", "a/b/c", "\xff\xfe", " ", "a b", "\x1b[31m", ""};
	struct core *c = *state;
	char *big = xmalloc(1u << 20);
	size_t len;
	const uint8_t *kept;

	ring(c);
	memset(big, 'x', 1u << 20);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		put_value(c, values[i], strlen(values[i]));
		core_expect(c, 77, values[i]);
	}
	put_value(c, "a\0b", 3);
	kept = node_record(c->nodes[0].node, &(struct key){.id = 77}, &len);
	assert_non_null(kept);
	assert_int_equal(len, 3);
	assert_memory_equal(kept, "a\0b", 3);
	put_value(c, big, 1u << 20);
	kept = node_record(c->nodes[0].node, &(struct key){.id = 77}, &len);
	assert_int_equal(len, 1u << 20);
	assert_memory_equal(kept, big, len);
	core_get(c, 77);
	core_run(c, 10);
	assert_int_equal(c->lines[c->line_count - 1].len, (1u << 20) + 3);
	core_all_answered(c);
	free(big);
}

/* The longest name that a client may have is acknowledged in full; one byte more is refused. */
static void the_longest_client_name(void **state)
{
	struct core *c = *state;
	char name[260];

	ring(c);
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	core_put(c, name, 77, "v");
	core_run(c, 10);
	assert_int_equal(core_acked(c, name), 1);
	name[256] = 'n';
	name[257] = '\0';
	core_put(c, name, 77, "v");
	core_run(c, 10);
	assert_int_equal(core_acked(c, name), 0);
}

/* Garbage, and every frame cut short at every byte, on each of our topics: nothing comes of it. */
static void garbage_and_truncated_frames(void **state)
{
	static const char *const topics[] = {"ring", "in/000003e8", "cut/000003e8", "node/000003e8", "node/b2d05e00"};
	struct core *c = *state;
	struct random r = {3};
	size_t count;
	uint8_t noise[300];

	ring(c);
	core_put(c, "well", 2000000000, "formed");
	core_run(c, 10);
	for (size_t t = 0; t < sizeof(topics) / sizeof(topics[0]); t++) {
		for (int i = 0; i < 200; i++) {
			for (size_t j = 0; j < sizeof(noise); j++)
				noise[j] = (uint8_t)random_next(&r);
			core_publish_bytes(c, topics[t], noise, random_below(&r, sizeof(noise)));
		}
		check(c, "noise");
	}
	count = c->line_count;
	for (size_t i = 0; i < count; i++)
		for (size_t len = 0; c->lines[i].frame && len < c->lines[i].len; len += 7) {
			uint8_t *bytes = xmemdup(c->lines[i].payload, len);

			core_publish_bytes(c, i & 1 ? "ring" : "in/000003e8", bytes, len);
			core_deliver_all(c);
			free(bytes);
			if (i > 60)
				break;
		}
	check(c, "truncated frames");
	assert_int_equal(core_count_logs(c, CORE_ANY, "fencing"), 0);
}

/* Words that are well formed and false: a ring may look into them, and is not moved. */
static void false_words(void **state)
{
	static const char *const words[][2] = {
		{"leave", "123456/1000/3000000000"},
		{"leave", "123456/None/None"},
		{"leave", "123456/1000/1000"},
		{"leave", "3000000000/1000/1000"},
		{"ack-leave", "1000/3000000000"},
		{"ack-leave", "1000/1000"},
		{"ack-join", "700000000/1000/antecessor"},
		{"ack-join", "700000000/1000/sucessor"},
		{"ack-join", "1000/700000000/sucessor"},
		{"ack-join", "3000000000/700000000/sucessor"},
		{"join", "1000"},
		{"join", "3000000000"},
		{"has_started", "yes"},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct core *c = core_new();

		ring(c);
		core_put(c, "well", 2000000000, "formed");
		for (int round = 0; round < 5; round++) {
			core_publish(c, words[i][0], words[i][1]);
			core_run(c, 50);
		}
		check(c, words[i][1]);
		core_run(c, 40000);
		check(c, words[i][1]);
		core_free(c);
	}
	(void)state;
}

/* A stranger that joins as the reference does and never speaks again costs nothing: the arc comes back with its records. */
static void a_joiner_that_never_speaks_again(void **state)
{
	struct core *c = *state;

	ring(c);
	core_put(c, "well", 2000000000, "formed");
	core_put(c, "within", NEVER_SPEAKS - 1, "theirs");
	for (int i = 0; i < 5; i++) {
		core_publish(c, "join", "700000000");
		core_run(c, 10);
	}
	core_put(c, "meanwhile", NEVER_SPEAKS - 2, "held");
	core_get(c, NEVER_SPEAKS - 1);
	core_whole(c, 2, 10000);
	core_run(c, 100);
	core_all_answered(c);
	core_expect(c, NEVER_SPEAKS - 1, "theirs");
	core_expect(c, NEVER_SPEAKS - 2, "held");
}

/* Ten complaints in ten seconds at most, then one that counts the others, also if nothing bad ever comes again; what is
 * quoted is escaped. */
static void complaints_are_few(void **state)
{
	struct core *c = *state;
	size_t logs;

	ring(c);
	core_run(c, 10000);
	logs = c->log_count;
	core_publish(c, "put", "evil\x1b[31m\n/abc \xff");
	core_deliver_all(c);
	assert_int_equal(core_count_logs(c, 0, "\"evil\\x1b[31m\\x0a/abc\""), 1);
	for (int i = 0; i < 5000; i++) {
		core_publish(c, i & 1 ? "put" : "get", "x/key v");
		core_run(c, 1);
	}
	assert_in_range(c->log_count - logs, 2, 2 * 10);
	for (size_t i = logs; i < c->log_count; i++)
		for (const char *p = c->logs[i].text; *p; p++)
			assert_in_range((unsigned char)*p, ' ', '~');
	assert_int_equal(core_count_logs(c, CORE_ANY, "more messages"), 0);
	core_run(c, 5001); /* the ten seconds end by themselves */
	for (int n = 0; n < 2; n++)
		assert_int_equal(core_count_logs(c, n, "4991 more messages of strangers dropped"), 1);
	core_run(c, 10000);
	core_publish(c, "put", "x/another v");
	core_run(c, 10);
	for (int n = 0; n < 2; n++)
		assert_int_equal(core_count_logs(c, n, "more messages"), 1);
	assert_in_range(c->log_count - logs, 2, 2 * 13);
}

/* Not even of words that nobody can make sense of. */
static void no_value_is_told(void **state)
{
	static const char *const words[][2] = {
		{"put", "a/b/5 sesame"}, {"put", "me/5x sesame open"},    {"put", "sesame"},
		{"put", "me/5/sesame"},  {"op/0/0/0/0", "sesame sesame"}, {"ask/000003e8", "sesame"},
		{"ring", "sesame"},      {"in/000003e8", "sesame"},       {"leave", "7/8 sesame"},
		{"join", "7 sesame"},
	};
	struct core *c = *state;
	unsigned told = 0;
	size_t logs;

	ring(c);
	logs = c->log_count;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		core_publish(c, words[i][0], words[i][1]);
		core_run(c, 10);
		told += c->log_count > logs;
		for (; logs < c->log_count; logs++)
			if (strstr(c->logs[logs].text, "sesame"))
				fail_msg("%s: %s", words[i][0], c->logs[logs].text);
		core_run(c, 10000);
		logs = c->log_count;
	}
	assert_int_equal(told, sizeof(words) / sizeof(words[0]));
}

static void hears(struct core *c, int n, const char *topic, const char *payload)
{
	core_step(c, n,
		  (struct event){.type = EVENT_MESSAGE,
				 .topic = topic,
				 .payload = (const uint8_t *)payload,
				 .len = strlen(payload)});
}

/* One of ours joins while a neighbour comes back and is subscribed to `join`, but not to `ring` yet: it is not taken for
 * a node of the reference. */
static void joins_heard_amid_subscriptions(void **state)
{
	struct core *c = *state;
	int n = core_add(c, 1000000000);

	core_add(c, 3000000000);
	core_whole(c, 2, 5000);
	core_cut_for(c, n, CORE_NEVER);
	core_deliver_all(c);
	core_connect(c, n);
	assert_true(core_deliver(c));
	hears(c, n, "join", "2000000000");
	hears(c, n, "join", "2000000000");
	hears(c, n, "ack-join", "3000000000/2000000000/sucessor");
	core_whole(c, 2, 5000);
	assert_int_equal(core_count(c, 0, "ack-join", "1000000000/2000000000/antecessor"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		core_test(bad_payloads),
		core_test(long_and_empty_payloads),
		core_test(any_value_is_kept),
		core_test(the_longest_client_name),
		core_test(garbage_and_truncated_frames),
		core_test(false_words),
		core_test(a_joiner_that_never_speaks_again),
		core_test(complaints_are_few),
		core_test(no_value_is_told),
		core_test(joins_heard_amid_subscriptions),
	};

	return cmocka_run_group_tests_name("core-input", tests, NULL, NULL);
}
