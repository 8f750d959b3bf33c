/* Frames of strangers: nothing gets past a bound, and what a later version may add is stepped over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "frame-check.h"
#include "mutate.h"

#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

static void assert_refused(const uint8_t *bytes, size_t len, const char *why)
{
	struct frame_room *room = frames_room(1);
	uint8_t *copy;
	struct frame f;
	const char *error = frames_decode(&f, room, bytes, len, &copy);

	if (!error)
		fail_msg("taken, though \"%s\"", why);
	assert_string_equal(error, why);
	free(copy);
	free(room);
}

static void every_truncation(void **state)
{
	struct frame_room *room = frames_room(2);
	struct random r = random_new();
	uint8_t values[FRAMES_VALUE_MAX] = {0};

	(void)state;
	for (int i = 0; i < 60; i++) {
		struct frame f = frames_random(&r, room, values), back;
		size_t len;
		uint8_t *bytes;

		f.record_count = f.record_count > 20 ? 20 : f.record_count;
		bytes = frame_encode(&f, &len);
		for (size_t n = 0; n < len; n++) {
			uint8_t *copy;
			const char *error = frames_decode(&back, room + 1, bytes, n, &copy);

			free(copy);
			if (!error)
				fail_msg("%zu bytes of %zu were taken", n, len);
			assert_string_equal(error, "truncated");
		}
		free(bytes);
	}
	free(room);
}

/* A frame with one view, up to its backup. */
#define VIEW "\xa3\x00\x01\x01\x01\x15\x81\x8b\x07\x08\x06\x09\x00\x00\x00\x0a\x0b\x84\x01\x02\x03\x04"

static const struct {
	const uint8_t *p;
	size_t len;
	const char *why;
} refused[] = {
	{BYTES(""), "truncated"},
	{BYTES("\xa0"), "no version"},
	{BYTES("\xa1\x00\x01"), "no type"},
	{BYTES("\xa1\x01\x01"), "no version"},
	{BYTES("\xa2\x00\x01\x01\x00"), "no type"},
	{BYTES("\xa2\x00\x00\x01\x01"), "version 0"},
	{BYTES("\xa2\x00\x02\x01\x01"), "version 2"},
	{BYTES("\xa2\x00\x07\x01\x01"), "version 7"},
	{BYTES("\xa2\x00\x18\x64\x01\x01"), "version 10 or later"},
	{BYTES("\xa2\x00\x1b\x00\x00\x00\x01\x00\x00\x00\x01\x01\x01"), "version 10 or later"},
	/* another version may have changed everything else */
	{BYTES("\xa2\x00\x02\x01\x61x"), "version 2"},
	{BYTES("\xa2\x00\x01\x01\x18\xff"), "a number above its bound"},
	/* not a frame */
	{BYTES("\x01"), "not a map"},
	{BYTES("\x80"), "not a map"},
	{BYTES("\x82\x00\x01"), "not a map"},
	{BYTES("\xbf\x00\x01\x01\x01\xff"), "not a map"},
	{BYTES("\xc1\xa2\x00\x01\x01\x01"), "not a map"},
	{BYTES("\xff"), "not a map"},
	{BYTES("hello"), "truncated"}, /* a text of 8 bytes */
	{BYTES("\x1c"), "malformed"},
	{BYTES("{\"id\":1}"), "truncated"},
	/* more or less than a frame */
	{BYTES("\xa2\x00\x01\x01\x01\x00"), "bytes behind the frame"},
	{BYTES("\xa2\x00\x01\x01\x01\xa2\x00\x01\x01\x01"), "bytes behind the frame"},
	{BYTES("\xa3\x00\x01\x01\x01"), "truncated"},
	{BYTES("\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x00\x01\x01\x01"), "truncated"},
	/* keys */
	{BYTES("\xa3\x00\x01\x01\x01\x01\x01"), "a key twice"},
	{BYTES("\xa3\x00\x01\x00\x01\x01\x01"), "a key twice"},
	{BYTES("\xa4\x00\x01\x01\x01\x18\x3f\x01\x18\x3f\x02"), "a key twice"},
	{BYTES("\xa3\x00\x01\x01\x01\x61x\x01"), "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x20\x01"), "a field of the wrong type"},
	/* types: negative, float, text, bytes, bool, null, indefinite, tag */
	{BYTES("\xa3\x00\x01\x01\x01\x06\x20"), "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x06\x38\x20"), "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x06\x39\x01\x00"), "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x06\x3a\x00\x01\x00\x00"), "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x06\x3b\x00\x00\x00\x01\x00\x00\x00\x00"), "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x06\xfa\x3f\x80\x00\x00"), "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x06\xf7"), "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x06\xf9\x3c\x00"), "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x06\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00"), "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x06\x61x"), "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x06\x41x"), "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x06\xf5"), "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x06\xf6"), "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x06\xc1\x01"), "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x0c\x01"), "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x02\x01"), "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x02\x9f\x01\x02\x03\x04\xff"), "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x12\x41x"), "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x12\x7f\x61x\xff"), "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x16\x81\x84\x01\x02\x03\x61x"), "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x16\x81\x84\x01\x02\x03\x5f\x41x\xff"), "a field of the wrong type"},
	/* bounds */
	{BYTES("\xa3\x00\x01\x01\x01\x09\x1b\x00\x00\x00\x01\x00\x00\x00\x00"), "a number above its bound"},
	{BYTES("\xa3\x00\x01\x01\x01\x0d\x1b\x00\x00\x00\x01\x00\x00\x00\x03"), "a number above its bound"},
	{BYTES("\xa3\x00\x01\x01\x01\x03\x82\x01\x1a\x00\xff\xff\xff"), "a number above its bound"},
	{BYTES("\xa3\x00\x01\x01\x01\x0b\x82\x01\x1b\x00\x00\x00\x01\x00\x00\x00\x00"), "a number above its bound"},
	{BYTES("\xa3\x00\x01\x01\x01\x17\x81\x1b\x00\x00\x00\x01\x00\x00\x00\x00"), "a number above its bound"},
	/* lengths of arrays, true and lying */
	{BYTES("\xa3\x00\x01\x01\x01\x02\x83\x01\x02\x03"), "an array too short"},
	{BYTES("\xa3\x00\x01\x01\x01\x02\x85\x01\x02\x03\x04\x05"), "an array too long"},
	{BYTES("\xa3\x00\x01\x01\x01\x03\x80"), "an array too short"},
	{BYTES("\xa3\x00\x01\x01\x01\x15\x85"), "an array too long"},
	{BYTES("\xa3\x00\x01\x01\x01\x15\x84"), "truncated"},
	{BYTES("\xa3\x00\x01\x01\x01\x15\x9b\xff\xff\xff\xff\xff\xff\xff\xff"), "an array too long"},
	{BYTES("\xa3\x00\x01\x01\x01\x16\x99\x02\x01"), "an array too long"},
	{BYTES("\xa3\x00\x01\x01\x01\x16\x99\x02\x00"), "truncated"},
	{BYTES("\xa3\x00\x01\x01\x01\x17\x99\x02\x01"), "an array too long"},
	{BYTES("\xa3\x00\x01\x01\x01\x17\x9a\xff\xff\xff\xff"), "an array too long"},
	{BYTES("\xa3\x00\x01\x01\x01\x16\x81\x84\x01\x02\x03\x5a\xff\xff\xff\xff\x00"), "truncated"},
	{BYTES("\xa3\x00\x01\x01\x01\x16\x81\x84\x01\x02\x03\x5b\xff\xff\xff\xff\xff\xff\xff\xff\x00"), "truncated"},
	{BYTES("\xa3\x00\x01\x01\x01\x16\x81\x84\x01\x02\x03\x5b\x7f\xff\xff\xff\xff\xff\xff\xff\x00"), "truncated"},
	/* views: one item short, one too many; a backup is a member with a memory, or null */
	{BYTES("\xa3\x00\x01\x01\x01\x15\x81\x8a"), "an array too short"},
	{BYTES("\xa3\x00\x01\x01\x01\x15\x81\x8c"), "an array too long"},
	{BYTES(VIEW "\x00"), "a backup that is neither member nor null"},
	{BYTES(VIEW "\x83\x01\x02\x03"), "a backup that is neither member nor null"},
	{BYTES(VIEW "\x9f\x01\x02\x03\x04\xff"), "a backup that is neither member nor null"},
	{BYTES(VIEW "\x84\x01\x00\x03\x04"), "a backup without memory"},
	{BYTES(VIEW "\x84\x01\x02\x03\x1a\x00\xff\xff\xff"), "a number above its bound"},
	/* doubts: too many, too short, waiting for what is no id */
	{BYTES("\xa3\x00\x01\x01\x01\x18\x2a\x89"), "an array too long"},
	{BYTES("\xa3\x00\x01\x01\x01\x18\x2a\x81\x85"), "an array too short"},
	{BYTES("\xa3\x00\x01\x01\x01\x18\x2a\x81\x86\x01\x02\x03\x04\x61"
	       "a\xf4"),
	 "a field of the wrong type"},
	{BYTES("\xa3\x00\x01\x01\x01\x18\x2a\x81\x86\x01\x02\x03\x04\x1b\x00\x00\x00\x01\x00\x00\x00\x00\xf4"),
	 "a number above its bound"},
	/* texts */
	{BYTES("\xa3\x00\x01\x01\x01\x12\x78\x40"
	       "0123456789012345678901234567890123456789012345678901234567890123"),
	 "a text too long"},
	{BYTES("\xa3\x00\x01\x01\x01\x13\x78\x20"
	       "01234567890123456789012345678901"),
	 "a text too long"},
	{BYTES("\xa3\x00\x01\x01\x01\x12\x63"
	       "a\0b"),
	 "a text that is no UTF-8 or has control characters"},
	{BYTES("\xa3\x00\x01\x01\x01\x12\x61\xff"), "a text that is no UTF-8 or has control characters"},
	{BYTES("\xa3\x00\x01\x01\x01\x14\x61\x1b"), "a text that is no UTF-8 or has control characters"},
};

static void refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_refused(refused[i].p, refused[i].len, refused[i].why);
}

/* The encoder would not write it: its bytes are made by hand. */
static void a_value_too_long(void **state)
{
	static const uint8_t head[] = "\xa3\x00\x01\x01\x01\x16\x81\x84\x01\x02\x03\x5a\x01\x00\x00\x01";
	uint8_t *bytes = calloc(1, sizeof(head) + FRAME_VALUE_MAX);

	(void)state;
	assert_non_null(bytes);
	memcpy(bytes, head, sizeof(head) - 1);
	assert_refused(bytes, sizeof(head) + FRAME_VALUE_MAX, "a value too long");
	free(bytes);
}

/* The first number behind each enum, whatever they grow to. */
static void enums_end(void **state)
{
	const struct {
		uint8_t key;
		int end;
	} rows[] = {{10, FRAME_REASONS}, {13, NODE_STATES}};
	uint8_t type[] = {0xa2, 0, FRAME_VERSION, 1, 0x18, FRAME_TYPES};

	(void)state;
	assert_refused(type, sizeof(type), "a number above its bound");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[] = {0xa3, 0, FRAME_VERSION, 1, 1, rows[i].key, 0x18, (uint8_t)rows[i].end};

		assert_refused(bytes, sizeof(bytes), "a number above its bound");
	}
}

/* A value behind an unknown key, and why it is refused (NULL: it is not). */
static const struct {
	const uint8_t *p;
	size_t len;
	const char *why;
} strange[] = {
	{BYTES("\x00"), NULL},
	{BYTES("\x20"), NULL},
	{BYTES("\x38\xff"), NULL},
	{BYTES("\x39\xff\xff"), NULL},
	{BYTES("\x3a\xff\xff\xff\xff"), NULL},
	{BYTES("\x3b\xff\xff\xff\xff\xff\xff\xff\xff"), NULL},
	{BYTES("\xf9\x7e\x00"), NULL},
	{BYTES("\xfa\x7f\x80\x00\x00"), NULL},
	{BYTES("\xfb\x7f\xf0\x00\x00\x00\x00\x00\x00"), NULL},
	{BYTES("\xf4"), NULL},
	{BYTES("\xf6"), NULL},
	{BYTES("\xf7"), NULL},
	{BYTES("\x43\x00\xff\x01"), NULL},
	{BYTES("\x62\xff\xfe"), NULL},
	{BYTES("\xc1\xd8\x20\x61x"), NULL},
	{BYTES("\xa2\x61x\x81\x20\xf6\xa0"), NULL},
	{BYTES("\x9f\xff"), NULL},
	{BYTES("\x9f\x01\x9f\xff\x82\x02\x03\xff"), NULL},
	{BYTES("\xbf\xff"), NULL},
	{BYTES("\xbf\x01\x9f\xff\x02\x03\xff"), NULL},
	{BYTES("\x5f\x41x\x40\xff"), NULL},
	{BYTES("\x7f\x61x\xff"), NULL},
	{BYTES("\x81\x81\x81\x81\x81\x81\x81\x81\x00"), NULL}, /* 8 levels */
	{BYTES("\x81\x81\x81\x81\x81\x81\x81\x81\x81\x00"), "nested too deep"},
	{BYTES("\xc1\xc1\xc1\xc1\xc1\xc1\xc1\xc1\xc1\x00"), "nested too deep"},
	{BYTES("\x9f\x9f\x9f\x9f\x9f\x9f\x9f\x9f\x9f\xff"), "nested too deep"},
	{BYTES("\xa1\x00\xa1\x00\xa1\x00\xa1\x00\xa1\x00\xa1\x00\xa1\x00\xa1\x00\xa1\x00\x00"), "nested too deep"},
	{BYTES("\xff"), "malformed"},
	{BYTES("\x81\xff"), "malformed"},
	{BYTES("\xc1\xff"), "malformed"},
	{BYTES("\xbf\x01\xff"), "malformed"},
	{BYTES("\x5f\x61x\xff"), "malformed"},
	{BYTES("\x7f\x41x\xff"), "malformed"},
	{BYTES("\x7f\x7f\x61x\xff\xff"), "malformed"},
	{BYTES("\x1f"), "malformed"},
	{BYTES("\xfe"), "malformed"},
	{BYTES("\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x00"), "truncated"},
	{BYTES("\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00"), "truncated"},
	{BYTES("\x5b\xff\xff\xff\xff\xff\xff\xff\xff"), "truncated"},
	{BYTES("\x9f\x01"), "truncated"},
	{BYTES("\x81"), "truncated"},
	{BYTES("\xc1"), "truncated"},
};

static void unknown_keys_are_skipped(void **state)
{
	static const struct {
		const uint8_t *p;
		size_t len;
	} keys[] = {{BYTES("\x18\x18")},
		    {BYTES("\x18\x3f")},
		    {BYTES("\x18\x40")},
		    {BYTES("\x19\x03\xe8")},
		    {BYTES("\x1b\xff\xff\xff\xff\xff\xff\xff\xff")}};
	struct frame_room *room = frames_room(1);

	(void)state;
	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
		for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
			uint8_t bytes[64] = "\xa4\x00\x01", *copy;
			size_t len = 3;
			struct frame f;
			const char *error;

			memcpy(bytes + len, keys[k].p, keys[k].len);
			len += keys[k].len;
			memcpy(bytes + len, strange[i].p, strange[i].len);
			len += strange[i].len;
			/* a truncated one must not find its rest in what follows */
			if (!strange[i].why || strcmp(strange[i].why, "truncated") != 0) {
				memcpy(bytes + len, "\x01\x05\x06\x0a", 4);
				len += 4;
			}
			error = frames_decode(&f, room, bytes, len, &copy);
			if ((error == NULL) != (strange[i].why == NULL) ||
			    (error && strcmp(error, strange[i].why) != 0))
				fail_msg("value %zu behind key %zu: %s", i, k, error ? error : "taken");
			if (!error)
				assert_true(f.type == FRAME_ASK && f.seq == 10);
			free(copy);
		}
	}
	free(room);
}

/* Other writers may order keys as they like, write numbers longer than need be, and say what is zero. */
static void other_spellings(void **state)
{
	static const uint8_t bytes[] =
		"\xa9\x06\x1b\x00\x00\x00\x00\x00\x00\x00\x07"
		"\x01\x18\x01\x18\x00\x01\x07\x00\x12\x60\x0c\xf4\x16\x80\x02\x98\x04\x01\x02\x03\x04"
		"\x15\x80";
	struct frame_room *room = frames_room(1);
	struct frame f;

	(void)state;
	assert_null(frame_decode(&f, room, bytes, sizeof(bytes) - 1));
	assert_true(f.type == FRAME_HELLO && f.seq == 7 && f.count == 0 && f.name[0] == '\0' && f.from.conn.count == 4);
	assert_int_equal(f.record_count + f.view_count + f.key_count, 0);
	free(room);
}

static void mutations(void **state)
{
	struct frame_room *rooms = frames_room(2);
	struct random r = random_new();
	uint8_t values[FRAMES_VALUE_MAX] = {0};
	unsigned taken = 0;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct frame f = frames_random(&r, rooms, values), back;
		uint8_t *bytes, *copy;
		size_t len;

		f.record_count = f.record_count > 8 ? 8 : f.record_count;
		bytes = frame_encode(&f, &len);
		bytes = realloc(bytes, len + 64);
		assert_non_null(bytes);
		memset(bytes + len, 0, 64);
		len = mutate(&r, bytes, len);
		if (!frames_decode(&back, rooms + 1, bytes, len, &copy)) {
			const char *out = frames_out_of_bounds(&back, copy, len);

			if (out)
				fail_msg("%s out of bounds", out);
			assert_round_trip(&back);
			taken++;
		}
		free(copy);
		free(bytes);
	}
	/* neither all nor none: else this says nothing */
	assert_in_range(taken, 1000, 19000);
	free(rooms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_truncation),
		cmocka_unit_test(refusals),
		cmocka_unit_test(enums_end),
		cmocka_unit_test(a_value_too_long),
		cmocka_unit_test(unknown_keys_are_skipped),
		cmocka_unit_test(other_spellings),
		cmocka_unit_test(mutations),
	};

	return cmocka_run_group_tests_name("frame-strange", tests, NULL, NULL);
}
