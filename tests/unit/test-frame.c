/* Frames: what we write is read back, and its bytes stay what they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "frame-check.h"

/* The wire itself: whoever changes one of these bytes speaks another version. */
static void golden_hello(void **state)
{
	static const uint8_t golden[] = "\xa4\x00\x01\x01\x01"
					"\x02\x84\x01\x02\x03\x04"
					"\x12\x61n";
	struct frame f = {.type = FRAME_HELLO, .from = {1, 2, {3, 4}}, .name = "n"};
	size_t len;
	uint8_t *bytes = frame_encode(&f, &len);

	(void)state;
	assert_int_equal(len, sizeof(golden) - 1);
	assert_memory_equal(bytes, golden, len);
	free(bytes);
}

static void golden_records(void **state)
{
	static const uint8_t golden[] = "\xa5\x00\x01\x01\x07"
					"\x02\x84\x1a\x3f\xa0\x12\x34\x1b\xff\xff\xff\xff\xff\xff\xff\xff"
					"\x19\x01\x00\x1a\x00\x01\x00\x00"
					"\x06\x18\x18"
					"\x16\x81\x84\x05\x1b\x00\x00\x00\x01\x00\x00\x00\x00\x01\x42\x00\xff";
	struct frame_record record = {.key = {.id = 5},
				      .number = UINT64_C(1) << 32,
				      .counter = 1,
				      .value = (const uint8_t *)"\x00\xff",
				      .value_len = 2};
	struct frame f = {.type = FRAME_RECORDS,
			  .from = {0x3fa01234, UINT64_MAX, {256, 65536}},
			  .seq = 24,
			  .records = &record,
			  .record_count = 1};
	size_t len;
	uint8_t *bytes = frame_encode(&f, &len);

	(void)state;
	assert_int_equal(len, sizeof(golden) - 1);
	assert_memory_equal(bytes, golden, len);
	free(bytes);
}

/* Every other key once. */
static void golden_rest(void **state)
{
	static const uint8_t golden[] = "\xb4\x00\x01\x01\x0c"
					"\x03\x82\x05\x06\x04\x82\x01\x02\x05\x03\x07\x04\x08\x05\x09\x06\x0a\x02"
					"\x0b\x82\x00\x00\x0c\xf5\x0d\x03\x0e\x07\x0f\x08\x10\x09\x11\x82\x0a\x0b"
					"\x13\x61s\x14\x61r"
					"\x15\x82\x8b\x07\x08\x06\x09\x05\x0c\x0d\x0a\x0b\x84\x01\x02\x03\x04\xf6"
					"\x8b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x84\x00\x00\x00\x00"
					"\x84\x01\x02\x03\x04"
					"\x17\x83\x18\x2a\x00\x42\x61\x00";
	struct key keys[] = {{.id = 42}, {0}, key_named((const uint8_t *)"a\0", 2)};
	struct frame f = {
		.type = FRAME_STORE,
		.to = {5, 6},
		.ring = {1, 2},
		.attempt = 3,
		.count = 4,
		.hash = 5,
		.wait = 6,
		.reason = REASON_NAME_IN_USE,
		.arc_set = true,
		.flag = true,
		.state = NODE_ACTIVE,
		.since = 7,
		.predecessor = 8,
		.successor = 9,
		.peer = {10, 11},
		.software = "s",
		.reply = "r",
		.views = {{{7, 8}, {6, 9}, {5, 12}, 13, {10, 11}, {1, 2, {3, 4}}, {0}},
			  {{0}, {0}, {0}, 0, {0}, {0}, {1, 2, {3, 4}}}},
		.view_count = 2,
		.keys = keys,
		.key_count = 3,
	};
	size_t len;
	uint8_t *bytes = frame_encode(&f, &len);

	(void)state;
	assert_int_equal(len, sizeof(golden) - 1);
	assert_memory_equal(bytes, golden, len);
	assert_round_trip(&f);
	free(bytes);
}

static void every_type(void **state)
{
	(void)state;
	for (int type = FRAME_NONE + 1; type < FRAME_TYPES; type++) {
		struct frame f = {.type = (enum frame_type)type};

		assert_round_trip(&f);
		assert_string_not_equal(frame_type_name(f.type), "unknown");
	}
	assert_string_equal(frame_type_name(FRAME_HELLO), "hello");
	assert_string_equal(frame_type_name(FRAME_TYPES), "unknown");
	assert_string_equal(node_state_name(NODE_ACTIVE), "active");
	assert_string_equal(node_state_name(NODE_STATES), "unknown");
}

/* Where the type stands, and what is wrong with the rest, is nothing to frame_type_of. */
static void a_type_is_found(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		enum frame_type type;
	} rows[] = {
#define ROW(literal, type) {literal, sizeof(literal) - 1, type}
		ROW("\xa2\x00\x01\x01\x01", FRAME_HELLO),
		ROW("\xa2\x00\x01\x01\x18\x1d", FRAME_REQUEST),
		ROW("\xa7\x00\x01\x01\x18\x1e", FRAME_ANSWER),
		ROW("\xa1\x01\x1b\x00\x00\x00\x00\x00\x00\x00\x1e", FRAME_ANSWER),
		ROW("\xa3\x00\x07\x01\x02\x01\x03", FRAME_REFUSE),
		ROW("\xa3\x18\x1c\x82\x83\x00\x01\x07\x84\x01\x03\x61k\x41v\x01\x18\x1d\x00\x01", FRAME_REQUEST),
		ROW("\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x00\x01\x01\x05", FRAME_ASK),
		/* none */
		ROW("", FRAME_NONE),
		ROW("\xa0", FRAME_NONE),
		ROW("\xa1\x00\x01\x01\x01", FRAME_NONE),
		ROW("\xa2\x00\x01\x01\x00", FRAME_NONE),
		ROW("\xa2\x00\x01\x01", FRAME_NONE),
		ROW("\xa2\x00\x01\x01\x18", FRAME_NONE),
		ROW("\xa2\x00\x01\x01\x18\xff", FRAME_NONE),
		ROW("\xa2\x00\x01\x01\x1b\x00\x00\x00\x01\x00\x00\x00\x01", FRAME_NONE),
		ROW("\xa2\x00\x01\x01\x20", FRAME_NONE),
		ROW("\xa2\x00\x01\x01\x61x", FRAME_NONE),
		ROW("\xa2\x00\xff\x01\x01", FRAME_NONE),
		ROW("\xa2\x00\x42x\x01\x01", FRAME_NONE),
		ROW("\xa2\x20\x01\x01\x01", FRAME_NONE),
		ROW("\xa2\x02\x81\x81\x81\x81\x81\x81\x81\x81\x81\x00\x01\x01", FRAME_NONE),
		ROW("\xa2\x02\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01", FRAME_NONE),
		ROW("\x82\x01\x01", FRAME_NONE),
		ROW("\xbf\x00\x01\x01\x01\xff", FRAME_NONE),
		ROW("\x01\x01", FRAME_NONE),
#undef ROW
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t *copy = malloc(rows[i].len ? rows[i].len : 1); /* a sanitizer sees a read behind it */

		assert_non_null(copy);
		memcpy(copy, rows[i].bytes, rows[i].len);
		if (frame_type_of(copy, rows[i].len) != rows[i].type)
			fail_msg("row %zu: %s", i, frame_type_name(frame_type_of(copy, rows[i].len)));
		free(copy);
	}
}

/* A field of several parts is there if any of them is not zero. */
static void each_part_counts(void **state)
{
	struct frame frames[] = {
		{.type = FRAME_SYNC, .from = {.id = 1}},
		{.type = FRAME_SYNC, .from = {.memory = 1}},
		{.type = FRAME_SYNC, .from = {.conn = {1, 0}}},
		{.type = FRAME_SYNC, .from = {.conn = {0, 1}}},
		{.type = FRAME_SYNC, .to = {1, 0}},
		{.type = FRAME_SYNC, .to = {0, 1}},
		{.type = FRAME_SYNC, .peer = {1, 0}},
		{.type = FRAME_SYNC, .peer = {0, 1}},
		{.type = FRAME_SYNC, .ring = {1, 0}},
		{.type = FRAME_SYNC, .ring = {0, 1}},
		{.type = FRAME_SYNC, .arc_set = true},
		{.type = FRAME_SYNC, .arc = {0, 1}, .arc_set = true},
		{.type = FRAME_SYNC, .arc = {1, 0}, .arc_set = true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++)
		assert_round_trip(&frames[i]);
}

static void random_frames(void **state)
{
	struct frame_room *room = frames_room(1);
	struct random r = random_new();
	uint8_t values[FRAMES_VALUE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(values); i++)
		values[i] = (uint8_t)random_next(&r);
	for (int i = 0; i < 5000; i++) {
		struct frame f = frames_random(&r, room, values);

		assert_round_trip(&f);
	}
	free(room);
}

/* Every count and number at its bound: what the encoder measures must be enough. */
static void the_largest_frame(void **state)
{
	struct frame_room *room = frames_room(1);
	const struct member m = {UINT32_MAX, UINT64_MAX, {UINT64_MAX, CONN_COUNT_MAX - 1}};
	struct frame f = {.type = FRAME_REPLY,
			  .from = m,
			  .to = m.conn,
			  .ring = {UINT32_MAX, UINT64_MAX},
			  .attempt = UINT64_MAX,
			  .seq = UINT64_MAX,
			  .count = UINT64_MAX,
			  .hash = UINT64_MAX,
			  .wait = UINT32_MAX,
			  .reason = FRAME_REASONS - 1,
			  .arc = {UINT32_MAX, UINT32_MAX},
			  .arc_set = true,
			  .flag = true,
			  .state = NODE_STATES - 1,
			  .since = UINT64_MAX,
			  .predecessor = UINT32_MAX,
			  .successor = UINT32_MAX,
			  .peer = m.conn,
			  .view_count = FRAME_VIEWS_MAX,
			  .next = {m, m, m},
			  .next_count = FRAME_NEXT_MAX,
			  .doubt_count = FRAME_DOUBTS_MAX,
			  .check_count = FRAME_CHECKS_MAX,
			  .checked = UINT64_MAX,
			  .differ_count = FRAME_CHECKS_MAX,
			  .anew = true,
			  .scrub_count = SCRUB_NUMBERS,
			  .records = room->records,
			  .record_count = FRAME_RECORDS_MAX,
			  .keys = room->keys,
			  .key_count = FRAME_KEYS_MAX};

	(void)state;
	memset(f.name, 'n', sizeof(f.name) - 1);
	memset(f.software, 's', sizeof(f.software) - 1);
	memset(f.reply, 'r', sizeof(f.reply) - 1);
	for (size_t i = 0; i < FRAME_VIEWS_MAX; i++)
		f.views[i] = (struct view){{UINT64_MAX, UINT32_MAX},
					   {UINT64_MAX, UINT32_MAX},
					   {UINT64_MAX, UINT32_MAX},
					   UINT32_MAX,
					   {UINT32_MAX, UINT32_MAX},
					   m,
					   m};
	for (size_t i = 0; i < FRAME_DOUBTS_MAX; i++)
		f.doubts[i] = (struct frame_doubt){
			{UINT32_MAX, UINT32_MAX}, {UINT64_MAX, UINT32_MAX}, UINT32_MAX, true, true};
	for (size_t i = 0; i < FRAME_RECORDS_MAX; i++)
		f.records[i] = (struct frame_record){.key = key_number(UINT32_MAX),
						     .number = UINT64_MAX,
						     .counter = UINT64_MAX,
						     .value = (const uint8_t *)"",
						     .life = UINT64_MAX,
						     .sum = UINT32_MAX};
	for (size_t i = 0; i < FRAME_CHECKS_MAX; i++) {
		f.checks[i] = (struct frame_check){{UINT32_MAX, UINT32_MAX}, UINT64_MAX, UINT64_MAX};
		f.differs[i] = (struct arc){UINT32_MAX, UINT32_MAX};
	}
	for (size_t i = 0; i < SCRUB_NUMBERS; i++)
		f.scrub[i] = UINT64_MAX;
	for (size_t i = 0; i < FRAME_KEYS_MAX; i++)
		f.keys[i] = key_number(UINT32_MAX);
	assert_round_trip(&f);
	free(room);
}

static void the_largest_value(void **state)
{
	uint8_t *value = calloc(1, FRAME_VALUE_MAX), *bytes;
	struct frame_record record = {
		.key = key_number(1), .number = 2, .counter = 3, .value = value, .value_len = FRAME_VALUE_MAX};
	struct frame f = {.type = FRAME_MERGE, .records = &record, .record_count = 1};
	size_t len;

	(void)state;
	assert_non_null(value);
	memset(value, 0xa5, FRAME_VALUE_MAX);
	assert_round_trip(&f);
	bytes = frame_encode(&f, &len);
	assert_true(len <= frame_record_size(&record) + 16);
	free(bytes);
	free(value);
}

static void record_sizes(void **state)
{
	static const size_t lens[] = {0, 1, 23, 24, 255, 256, 65535, 65536};
	uint8_t *value = calloc(1, 65536);

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]) * 2; i++) {
		struct frame_record record = {.key = key_number(UINT32_MAX),
					      .number = UINT64_MAX,
					      .counter = UINT64_MAX,
					      .value = value,
					      .value_len = lens[i / 2],
					      .life = UINT64_MAX,
					      .sum = UINT32_MAX};
		struct frame f = {.type = FRAME_RECORDS, .records = &record, .record_count = 1};
		size_t with, without;

		if (i % 2)
			record.key = key_named(value, lens[i / 2] ? lens[i / 2] : 1);
		free(frame_encode(&f, &with));
		f.record_count = 0;
		free(frame_encode(&f, &without));
		/* two keys, and the heads of array and sums, are not the record's */
		assert_in_range(frame_record_size(&record), with - without - 5, with - without - 5 + 8);
	}
	free(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_hello),      cmocka_unit_test(golden_records),
		cmocka_unit_test(golden_rest),       cmocka_unit_test(every_type),
		cmocka_unit_test(a_type_is_found),   cmocka_unit_test(each_part_counts),
		cmocka_unit_test(random_frames),     cmocka_unit_test(the_largest_frame),
		cmocka_unit_test(the_largest_value), cmocka_unit_test(record_sizes),
	};

	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
