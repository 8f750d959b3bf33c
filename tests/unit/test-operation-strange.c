/* REQUESTs and ANSWERs of strangers: nothing gets past a bound, and whatever is taken makes sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "operation-check.h"

#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

struct row {
	const uint8_t *p;
	size_t len;
	const char *why; /* it is refused; NULL: it is not */
};

#define CLIENT         \
	"\x18\x18\x50" \
	"0123456789abcdef"
#define TOKEN "\x18\x1b\x83\x07\x08\x09"
/* Frames up to their array; requests without a token, answers with one. */
#define REQUEST "\xa5\x00\x01\x01\x18\x1d" CLIENT "\x18\x19\x01\x18\x1c"
#define ANSWER "\xa7\x00\x01\x01\x18\x1e\x0b\x82\x01\x02\x18\x19\x01\x18\x1e\x03" TOKEN "\x18\x1d"
#define NUMBER_33 "\x1b\x00\x00\x00\x01\x00\x00\x00\x00" /* 2^32 */

static void assert_rows(const char *(*decode)(const uint8_t *bytes, size_t len), const struct row *rows, size_t count,
			const char *head, size_t head_len)
{
	for (size_t i = 0; i < count; i++) {
		uint8_t bytes[256];
		const char *error;

		assert_true(head_len + rows[i].len <= sizeof(bytes));
		memcpy(bytes, head, head_len);
		if (rows[i].len)
			memcpy(bytes + head_len, rows[i].p, rows[i].len);
		error = decode(bytes, head_len + rows[i].len);
		if (!error != !rows[i].why || (error && strcmp(error, rows[i].why) != 0))
			fail_msg("row %zu: \"%s\" instead of \"%s\"", i, error ? error : "taken",
				 rows[i].why ? rows[i].why : "taken");
	}
}

#define ASSERT_ROWS(decode, rows, head) \
	assert_rows(decode, rows, sizeof(rows) / sizeof((rows)[0]), head, sizeof(head) - 1)

static void requests(void **state)
{
	static const struct row rows[] = {
		{BYTES("\xa4\x00\x01\x01\x18\x1d" CLIENT "\x18\x19\x01"), NULL},
		/* keys in any order, and longer numbers than need be; an empty array */
		{BYTES("\xa5\x18\x1c\x80\x18\x19\x1b\x00\x00\x00\x00\x00\x00\x00\x01" CLIENT
		       "\x01\x19\x00\x1d\x18\x00\x01"),
		 NULL},
		/* not a frame, more or less than one */
		{BYTES(""), "truncated"},
		{BYTES("\xa0"), "no version"},
		{BYTES("\x80"), "not a map"},
		{BYTES("\x07"), "not a map"},
		{BYTES("\xbf\x00\x01\xff"), "not a map"},
		{BYTES("\x1c"), "malformed"},
		{BYTES("\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x00\x01\x01\x18\x1d"), "truncated"},
		{BYTES("\xa3\x00\x01\x01\x18\x1d" CLIENT "\x18"), "bytes behind the frame"},
		/* versions */
		{BYTES("\xa4\x00\x00\x01\x18\x1d" CLIENT "\x18\x19\x01"), "version 0"},
		{BYTES("\xa4\x00\x02\x01\x18\x1d" CLIENT "\x18\x19\x01"), "version 2"},
		{BYTES("\xa4\x00\x0a\x01\x18\x1d" CLIENT "\x18\x19\x01"), "version 10 or later"},
		{BYTES("\xa4\x00\x20\x01\x18\x1d" CLIENT "\x18\x19\x01"), "a field of the wrong type"},
		/* what must be there */
		{BYTES("\xa3\x01\x18\x1d" CLIENT "\x18\x19\x01"), "no version"},
		{BYTES("\xa3\x00\x01" CLIENT "\x18\x19\x01"), "no type"},
		{BYTES("\xa4\x00\x01\x01\x00" CLIENT "\x18\x19\x01"), "no type"},
		{BYTES("\xa3\x00\x01\x01\x18\x1d\x18\x19\x01"), "no client"},
		{BYTES("\xa3\x00\x01\x01\x18\x1d" CLIENT), "no base"},
		{BYTES("\xa4\x00\x01\x01\x18\x1d" CLIENT "\x18\x19\x00"), "no base"},
		/* types */
		{BYTES("\xa4\x00\x01\x01\x18\x1e" CLIENT "\x18\x19\x01"), "another type"},
		{BYTES("\xa4\x00\x01\x01\x01" CLIENT "\x18\x19\x01"), "another type"},
		{BYTES("\xa4\x00\x01\x01\x18\xff" CLIENT "\x18\x19\x01"), "a number above its bound"},
		{BYTES("\xa4\x00\x01\x01" NUMBER_33 CLIENT "\x18\x19\x01"), "a number above its bound"},
		/* keys */
		{BYTES("\xa5\x00\x01\x00\x01\x01\x18\x1d" CLIENT "\x18\x19\x01"), "a key twice"},
		{BYTES("\xa5\x00\x01\x01\x18\x1d" CLIENT CLIENT "\x18\x19\x01"), "a key twice"},
		{BYTES("\xa5\x00\x01\x01\x18\x1d\x18\x1c\x80\x18\x1c\x80" CLIENT), "a key twice"},
		{BYTES("\xa5\x00\x01\x01\x18\x1d\x20\x01" CLIENT "\x18\x19\x01"), "a field of the wrong type"},
		{BYTES("\xa5\x00\x01\x01\x18\x1d\x61x\x01" CLIENT "\x18\x19\x01"), "a field of the wrong type"},
		/* client */
		{BYTES("\xa4\x00\x01\x01\x18\x1d\x18\x18\x4f"
		       "0123456789abcde"
		       "\x18\x19\x01"),
		 "a client that is not 16 bytes"},
		{BYTES("\xa4\x00\x01\x01\x18\x1d\x18\x18\x51"
		       "0123456789abcdefg"
		       "\x18\x19\x01"),
		 "a client that is not 16 bytes"},
		{BYTES("\xa4\x00\x01\x01\x18\x1d\x18\x18\x70"
		       "0123456789abcdef"
		       "\x18\x19\x01"),
		 "a field of the wrong type"},
		{BYTES("\xa4\x00\x01\x01\x18\x1d\x18\x18\xf6\x18\x19\x01"), "a field of the wrong type"},
		/* base, first */
		{BYTES("\xa4\x00\x01\x01\x18\x1d" CLIENT "\x18\x19\x1b\xff\xff\xff\xff\xff\xff\x00\x00"), NULL},
		{BYTES("\xa4\x00\x01\x01\x18\x1d" CLIENT "\x18\x19\x1b\xff\xff\xff\xff\xff\xff\x00\x01"),
		 "a number above its bound"},
		{BYTES("\xa4\x00\x01\x01\x18\x1d" CLIENT "\x18\x19\x20"), "a field of the wrong type"},
		{BYTES("\xa5\x00\x01\x01\x18\x1d" CLIENT "\x18\x19\x01\x18\x1a\x1b\xff\xff\xff\xff\xff\xff\xff\xff"),
		 NULL},
		{BYTES("\xa5\x00\x01\x01\x18\x1d" CLIENT "\x18\x19\x01\x18\x1a\xf6"), "a field of the wrong type"},
		/* token */
		{BYTES("\xa5\x00\x01\x01\x18\x1d" CLIENT "\x18\x19\x01" TOKEN), NULL},
		{BYTES("\xa5\x00\x01\x01\x18\x1d" CLIENT "\x18\x19\x01\x18\x1b\x83\x01\x00\x1a\xff\xff\xff\xff"), NULL},
		{BYTES("\xa5\x00\x01\x01\x18\x1d" CLIENT "\x18\x19\x01\x18\x1b\x83\x01\x00" NUMBER_33),
		 "a number above its bound"},
		{BYTES("\xa5\x00\x01\x01\x18\x1d" CLIENT "\x18\x19\x01\x18\x1b\x83\x00\x08\x09"), "a token of no view"},
		{BYTES("\xa5\x00\x01\x01\x18\x1d" CLIENT "\x18\x19\x01\x18\x1b\x82\x07\x08"), "an array too short"},
		{BYTES("\xa5\x00\x01\x01\x18\x1d" CLIENT "\x18\x19\x01\x18\x1b\x84\x07\x08\x09\x0a"),
		 "an array too long"},
		{BYTES("\xa5\x00\x01\x01\x18\x1d" CLIENT "\x18\x19\x01\x18\x1b\x83\x07\x20\x09"),
		 "a field of the wrong type"},
		/* operations, true and lying */
		{BYTES(REQUEST "\xa1\x01\x02"), "a field of the wrong type"},
		{BYTES(REQUEST "\x9f\x83\x00\x01\x07\xff"), "a field of the wrong type"},
		{BYTES(REQUEST "\x99\x02\x01"), "an array too long"},
		{BYTES(REQUEST "\x9b\xff\xff\xff\xff\xff\xff\xff\xff"), "an array too long"},
		{BYTES(REQUEST "\x9b\x00\x00\x00\x01\x00\x00\x00\x01\x83\x00\x01\x07"), "an array too long"},
		{BYTES(REQUEST "\x99\x02\x00\x83\x00\x01\x07"), "truncated"},
		{BYTES(REQUEST "\x82\x83\x00\x01\x07"), "truncated"},
		{BYTES(REQUEST "\x81\x83\x00\x01\x07\x83\x00\x01\x07"), "bytes behind the frame"},
		{BYTES(REQUEST "\x81\x07"), "a field of the wrong type"},
		/* two of one number: the second is the first, repeated */
		{BYTES(REQUEST "\x82\x83\x00\x01\x07\x83\x00\x01\x07"), NULL},
		/* what a request has not, and what a later version may add, is stepped over, whatever it holds */
		{BYTES("\xa9\x00\x01\x01\x18\x1d\x0b\x61x\x02\xf7\x18\x1e\x20\x18\x1f\x81\x81\x81\x81\x81\x81\x81\x81"
		       "\x00"
		       "\x19\x03\xe8\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00" CLIENT "\x18\x19\x01"),
		 NULL},
		{BYTES("\xa5\x00\x01\x01\x18\x1d\x18\x1f\x81\x81\x81\x81\x81\x81\x81\x81\x81\x00"), "nested too deep"},
		{BYTES("\xa5\x00\x01\x01\x18\x1d\x18\x1f\xc1\xff"), "malformed"},
	};

	(void)state;
	ASSERT_ROWS(decode_request, rows, "");
}

static void operations(void **state)
{
	static const struct row rows[] = {
		/* length */
		{BYTES("\x82\x00\x01"), "an array too short"},
		{BYTES("\x80"), "an array too short"},
		{BYTES("\x87\x00\x03\x07\x40\x00\x00\x00"), "an array too long"},
		{BYTES("\x84\x00\x01\x07"), "truncated"},
		/* offset */
		{BYTES("\x83\x19\xff\xff\x01\x07"), NULL},
		{BYTES("\x83\x1a\x00\x01\x00\x00\x01\x07"), "a number above its bound"},
		{BYTES("\x83\x1b\x00\x00\x00\x01\x00\x00\x00\x00\x01\x07"), "a number above its bound"},
		{BYTES("\x83\x20\x01\x07"), "a field of the wrong type"},
		/* kind */
		{BYTES("\x83\x00\x00\x07"), "an operation of no kind"},
		{BYTES("\x83\x00\x0a\x07"), "a number above its bound"},
		{BYTES("\x83\x00" NUMBER_33 "\x07"), "a number above its bound"},
		{BYTES("\x83\x00\x63get\x07"), "a field of the wrong type"},
		/* key */
		{BYTES("\x83\x00\x01\x1a\xff\xff\xff\xff"), NULL},
		{BYTES("\x83\x00\x01" NUMBER_33), "a number above its bound"},
		{BYTES("\x83\x00\x01\x20"), "a field of the wrong type"},
		{BYTES("\x83\x00\x01\xf6"), "a field of the wrong type"},
		{BYTES("\x83\x00\x01\xfa\x3f\x80\x00\x00"), "a field of the wrong type"},
		{BYTES("\x83\x00\x01\x81\x07"), "a field of the wrong type"},
		{BYTES("\x83\x00\x01\x41\x00"), NULL},
		{BYTES("\x83\x00\x01\x62\xff\xfe"), NULL},
		{BYTES("\x83\x00\x01\x40"), "an empty name"},
		{BYTES("\x83\x00\x01\x60"), "an empty name"},
		{BYTES("\x83\x00\x01\x5f\x41x\xff"), "a field of the wrong type"},
		{BYTES("\x83\x00\x01\x7f\x61x\xff"), "a field of the wrong type"},
		{BYTES("\x83\x00\x01\x42x"), "truncated"},
		{BYTES("\x83\x00\x01\x5b\xff\xff\xff\xff\xff\xff\xff\xffx"), "truncated"},
		{BYTES("\x83\x00\x01\x7b\xff\xff\xff\xff\xff\xff\xff\xffx"), "truncated"},
		{BYTES("\x83\x00\x01\x5c"), "malformed"},
		/* value */
		{BYTES("\x84\x00\x03\x07\x40"), NULL},
		{BYTES("\x84\x00\x03\x07\x60"), NULL},
		{BYTES("\x84\x00\x03\x07\x61\xff"), NULL},
		{BYTES("\x83\x00\x03\x07"), "a field too few for its kind"},
		{BYTES("\x84\x00\x03\x07\xf6"), "a field too few for its kind"},
		{BYTES("\x84\x00\x03\x07\x05"), "a field that its kind has not"},
		{BYTES("\x84\x00\x03\x07\x20"), "a field of the wrong type"},
		{BYTES("\x84\x00\x03\x07\xf5"), "a field of the wrong type"},
		{BYTES("\x84\x00\x03\x07\x5f\x41x\xff"), "a field of the wrong type"},
		{BYTES("\x84\x00\x03\x07\x5b\x7f\xff\xff\xff\xff\xff\xff\xff\x00"), "truncated"},
		{BYTES("\x84\x00\x05\x07\x1b\xff\xff\xff\xff\xff\xff\xff\xff"), NULL},
		{BYTES("\x84\x00\x05\x07\x20"), "a field of the wrong type"},
		{BYTES("\x84\x00\x05\x07\x1f"), "malformed"},
		{BYTES("\x84\x00\x06\x07\x41\x31"), "a field that its kind has not"},
		/* condition */
		{BYTES("\x85\x00\x03\x07\x40\x01"), "a number above its bound"},
		{BYTES("\x85\x00\x03\x07\x40\x20"), "a field of the wrong type"},
		{BYTES("\x85\x00\x03\x07\x40\x40"), "a field of the wrong type"},
		{BYTES("\x85\x00\x03\x07\x40\xf4"), "a field of the wrong type"},
		{BYTES("\x85\x00\x03\x07\x40\x81\x01"), "an array too short"},
		{BYTES("\x85\x00\x03\x07\x40\x83\x01\x02\x03"), "an array too long"},
		{BYTES("\x85\x00\x03\x07\x40\x82\x01\x20"), "a field of the wrong type"},
		{BYTES("\x85\x00\x03\x07\x40\x82\x82\x01\x02\x01"), "a field of the wrong type"},
		{BYTES("\x85\x00\x04\x07\xf6\x82\x00\x1b\xff\xff\xff\xff\xff\xff\xff\xff"), NULL},
		/* life */
		{BYTES("\x86\x00\x03\x07\x40\xf6\x1b\xff\xff\xff\xff\xff\xff\xff\xff"), NULL},
		{BYTES("\x86\x00\x03\x07\x40\xf6\x20"), "a field of the wrong type"},
		{BYTES("\x86\x00\x03\x07\x40\xf6\xf9\x3c\x00"), "a field of the wrong type"},
		/* what is null may be there */
		{BYTES("\x86\x00\x01\x07\xf6\xf6\xf6"), NULL},
	};

	(void)state;
	ASSERT_ROWS(decode_request, rows, REQUEST "\x81");
}

static void answers(void **state)
{
	static const struct row rows[] = {
		{BYTES("\xa4\x00\x01\x01\x18\x1e\x18\x19\x01\x18\x1e\x00"), NULL},
		{BYTES("\xa5\x00\x01\x01\x18\x1e\x18\x19\x01\x18\x1e\x00\x0b\x82\x00\x1a\xff\xff\xff\xff"), NULL},
		{BYTES("\xa4\x00\x02\x01\x18\x1e\x18\x19\x01\x18\x1e\x00"), "version 2"},
		{BYTES("\xa4\x00\x01\x01\x18\x1d\x18\x19\x01\x18\x1e\x00"), "another type"},
		{BYTES("\xa3\x01\x18\x1e\x18\x19\x01\x18\x1e\x00"), "no version"},
		{BYTES("\xa3\x00\x01\x18\x19\x01\x18\x1e\x00"), "no type"},
		{BYTES("\xa3\x00\x01\x01\x18\x1e\x18\x1e\x00"), "no base"},
		{BYTES("\xa3\x00\x01\x01\x18\x1e\x18\x19\x01"), "no owner"},
		{BYTES("\xa4\x00\x01\x01\x18\x1e\x18\x19\x01\x18\x1e" NUMBER_33), "a number above its bound"},
		{BYTES("\xa4\x00\x01\x01\x18\x1e\x18\x19\x01\x18\x1e\x20"), "a field of the wrong type"},
		{BYTES("\xa5\x00\x01\x01\x18\x1e\x18\x19\x01\x18\x1e\x00" TOKEN), "a token without an arc"},
		{BYTES("\xa5\x00\x01\x01\x18\x1e\x18\x19\x01\x18\x1e\x00\x0b\x82\x00" NUMBER_33),
		 "a number above its bound"},
		{BYTES("\xa5\x00\x01\x01\x18\x1e\x18\x19\x01\x18\x1e\x00\x0b\x81\x00"), "an array too short"},
		{BYTES("\xa5\x00\x01\x01\x18\x1e\x18\x19\x01\x18\x1e\x00\x18\x1e\x00"), "a key twice"},
		{BYTES("\xa4\x00\x01\x01\x18\x1e\x18\x19\x01\x18\x1e\x00\x00"), "bytes behind the frame"},
		/* a counter alone, ahead of its token and without one */
		{BYTES("\xa7\x00\x01\x01\x18\x1e\x18\x1d\x81\x83\x00\x01\x05\x18\x19\x01\x18\x1e\x03\x0b\x82\x01"
		       "\x02" TOKEN),
		 NULL},
		{BYTES("\xa5\x00\x01\x01\x18\x1e\x18\x1d\x81\x83\x00\x01\x05\x18\x19\x01\x18\x1e\x03"),
		 "a version that wants a token"},
		{BYTES("\xa5\x00\x01\x01\x18\x1e\x18\x1d\x81\x83\x00\x01\x82\x00\x05\x18\x19\x01\x18\x1e\x03"), NULL},
		/* what an answer has not is stepped over */
		{BYTES("\xa7\x00\x01\x01\x18\x1e\x18\x18\x01\x18\x1a\xf6\x18\x1c\x05\x18\x19\x01\x18\x1e\x00"), NULL},
		/* lengths that lie */
		{BYTES(ANSWER "\x99\x02\x01"), "an array too long"},
		{BYTES(ANSWER "\x99\x02\x00\x82\x00\x02"), "truncated"},
		{BYTES(ANSWER "\x9f\x82\x00\x02\xff"), "a field of the wrong type"},
		{BYTES(ANSWER "\x81\x82\x00\x02\x82\x00\x02"), "bytes behind the frame"},
	};

	(void)state;
	ASSERT_ROWS(decode_answer, rows, "");
}

static void results(void **state)
{
	static const struct row rows[] = {
		{BYTES("\x81\x00"), "an array too short"},
		{BYTES("\x85\x00\x01\x05\x40\xf6"), "an array too long"},
		{BYTES("\x82\x19\xff\xff\x07"), NULL},
		{BYTES("\x82\x1a\x00\x01\x00\x00\x07"), "a number above its bound"},
		{BYTES("\x82\x20\x07"), "a field of the wrong type"},
		{BYTES("\x82\x00\x00"), "an answer of no status"},
		{BYTES("\x82\x00\x0b"), "a number above its bound"},
		{BYTES("\x82\x00" NUMBER_33), "a number above its bound"},
		/* version */
		{BYTES("\x83\x00\x01\x1b\xff\xff\xff\xff\xff\xff\xff\xff"), NULL},
		{BYTES("\x83\x00\x01\x82\x00\x00"), NULL},
		{BYTES("\x83\x00\x01\x82\x07\x05"), NULL}, /* longer than need be */
		{BYTES("\x83\x00\x01\x20"), "a field of the wrong type"},
		{BYTES("\x83\x00\x01\x81\x07"), "an array too short"},
		{BYTES("\x83\x00\x01\x83\x07\x08\x09"), "an array too long"},
		{BYTES("\x83\x00\x01\x18"), "truncated"},
		/* value */
		{BYTES("\x84\x00\x01\x05\x40"), NULL},
		{BYTES("\x84\x00\x01\x05\x1b\x7f\xff\xff\xff\xff\xff\xff\xff"), NULL},
		{BYTES("\x84\x00\x01\x05\x1b\x80\x00\x00\x00\x00\x00\x00\x00"), "a number above its bound"},
		{BYTES("\x84\x00\x01\x05\x38\x80"), NULL},
		{BYTES("\x84\x00\x01\x05\x3b\x7f\xff\xff\xff\xff\xff\xff\xff"), NULL},
		{BYTES("\x84\x00\x01\x05\x3b\x80\x00\x00\x00\x00\x00\x00\x00"), "a number below its bound"},
		{BYTES("\x84\x00\x01\x05\x3b\xff\xff\xff\xff\xff\xff\xff\xff"), "a number below its bound"},
		{BYTES("\x84\x00\x01\x05\x3b\xff\xff"), "truncated"},
		{BYTES("\x84\x00\x01\x05\x3c"), "malformed"},
		{BYTES("\x84\x00\x01\x05\x61x"), "a field of the wrong type"},
		{BYTES("\x84\x00\x01\x05\xf5"), "a field of the wrong type"},
		{BYTES("\x84\x00\x01\x05\x5f\x41x\xff"), "a field of the wrong type"},
		{BYTES("\x84\x00\x01\x05\x5a\xff\xff\xff\xff\x00"), "truncated"},
		/* what is null may be there */
		{BYTES("\x84\x00\x07\xf6\xf6"), NULL},
	};

	(void)state;
	ASSERT_ROWS(decode_answer, rows, ANSWER "\x81");
}

/* What a row of the fields below is, to be compared with the rule in words. */
static size_t add(uint8_t *bytes, size_t len, const struct row *field)
{
	memcpy(bytes + len, field->p, field->len);
	return len + field->len;
}

/* Section 11: a put has a value, list, dump and watch may have one, add and sub have a number, writes may have a condition, and a life unless they
 * delete. */
static void every_kind_with_every_field(void **state)
{
	static const struct row values[] = {{BYTES("\xf6"), ""}, {BYTES("\x41v"), ""}, {BYTES("\x05"), ""}};
	static const struct row conditions[] = {{BYTES("\xf6"), ""}, {BYTES("\x00"), ""}, {BYTES("\x82\x07\x08"), ""}};
	static const struct row lives[] = {{BYTES("\xf6"), ""}, {BYTES("\x01"), ""}, {BYTES("\x18\x18"), ""}};
	unsigned taken = 0;

	(void)state;
	for (unsigned i = 0; i < (OPERATION_KINDS - 1) * 27; i++) {
		unsigned value = i % 3, condition = i / 3 % 3, life = i / 9 % 3;
		enum operation_kind kind = (enum operation_kind)(1 + i / 27);
		bool lists = kind >= OPERATION_LIST;
		bool counts = kind == OPERATION_ADD || kind == OPERATION_SUB, puts = kind == OPERATION_PUT;
		bool good = (value == (puts     ? 1u
				       : counts ? 2u
						: 0u) ||
			     (lists && value == 1)) &&
			    (!condition || puts || counts || kind == OPERATION_DELETE) && (!life || puts || counts);
		uint8_t bytes[128] = REQUEST "\x81\x86\x00";
		size_t len = sizeof(REQUEST "\x81\x86\x00") - 1;

		bytes[len++] = (uint8_t)kind;
		bytes[len++] = 7;
		len = add(bytes, len, &values[value]);
		len = add(bytes, len, &conditions[condition]);
		len = add(bytes, len, &lives[life]);
		if (good != !decode_request(bytes, len))
			fail_msg("%s with value %u, condition %u, life %u", operation_kind_name(kind), value, condition,
				 life);
		taken += good;
	}
	assert_int_equal(taken, 1 + 1 + 9 + 3 + 9 + 9 + 2 + 2 + 2);
}

/* Section 11: what was not done has no version, what was done has one; only that has found anything. */
static void every_status_with_every_field(void **state)
{
	static const struct row versions[] = {{BYTES("\xf6"), ""}, {BYTES("\x05"), ""}, {BYTES("\x82\x06\x05"), ""}};
	static const struct row values[] = {{BYTES("\xf6"), ""}, {BYTES("\x41v"), ""}, {BYTES("\x20"), ""}};
	unsigned taken = 0;

	(void)state;
	for (unsigned i = 0; i < (ANSWER_STATUSES - 1) * 9; i++) {
		unsigned version = i % 3, value = i / 3 % 3;
		enum operation_status status = (enum operation_status)(1 + i / 9);
		bool done = status == ANSWER_DONE;
		bool good = done ? version != 0 : !value && (!version || operations_final(status));
		uint8_t bytes[128] = ANSWER "\x81\x84\x00";
		size_t len = sizeof(ANSWER "\x81\x84\x00") - 1;

		bytes[len++] = (uint8_t)status;
		len = add(bytes, len, &versions[version]);
		len = add(bytes, len, &values[value]);
		if (good != !decode_answer(bytes, len))
			fail_msg("%s with version %u, value %u", operation_status_name(status), version, value);
		taken += good;
	}
	assert_int_equal(taken, 6 + 6 * 3 + 3);
}

/* The encoder would not write them: their bytes are made by hand. */
static void strings_too_long(void **state)
{
	static const struct {
		const char *(*decode)(const uint8_t *bytes, size_t len);
		struct row head;
		size_t size;
	} rows[] = {
		{decode_request, {BYTES(REQUEST "\x81\x83\x00\x01\x5a\x00\x01\x00\x00"), NULL}, 65536},
		{decode_request, {BYTES(REQUEST "\x81\x83\x00\x01\x5a\x00\x01\x00\x01"), "a name too long"}, 65537},
		{decode_request, {BYTES(REQUEST "\x81\x83\x00\x01\x7a\x00\x01\x00\x01"), "a name too long"}, 65537},
		{decode_request, {BYTES(REQUEST "\x81\x84\x00\x03\x07\x5a\x01\x00\x00\x00"), NULL}, 1 << 24},
		{decode_request,
		 {BYTES(REQUEST "\x81\x84\x00\x03\x07\x5a\x01\x00\x00\x01"), "a value too long"},
		 (1 << 24) + 1},
		{decode_request,
		 {BYTES(REQUEST "\x81\x84\x00\x03\x07\x7a\x01\x00\x00\x01"), "a value too long"},
		 (1 << 24) + 1},
		{decode_answer, {BYTES(ANSWER "\x81\x84\x00\x01\x05\x5a\x01\x01\x01\x00"), NULL}, 0x1010100},
		{decode_answer,
		 {BYTES(ANSWER "\x81\x84\x00\x01\x05\x5a\x01\x01\x01\x01"), "a value too long"},
		 0x1010101},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t *bytes = calloc(1, rows[i].head.len + rows[i].size);
		const char *error;

		assert_non_null(bytes);
		memcpy(bytes, rows[i].head.p, rows[i].head.len);
		error = rows[i].decode(bytes, rows[i].head.len + rows[i].size);
		if (!error != !rows[i].head.why || (error && strcmp(error, rows[i].head.why) != 0))
			fail_msg("row %zu: %s", i, error ? error : "taken");
		free(bytes);
	}
}

/* A text is the bytes that it consists of; a counter alone is of the token's number, wherever that stands. */
static void other_spellings(void **state)
{
	static const uint8_t request[] = REQUEST "\x81\x84\x18\x00\x19\x00\x03\x62\xc3\xa9\x63x\x00y";
	static const uint8_t answer[] = "\xa7\x18\x1d\x81\x83\x00\x01\x05\x18\x1b\x83\x07\x08\x09\x01\x18\x1e\x00\x01"
					"\x0b\x82\x01\x02\x18\x19\x01\x18\x1e\x03";
	struct operation_room *room = operations_rooms(1);
	struct operation_request r;
	struct operation_answer a;

	(void)state;
	assert_null(operation_decode_request(&r, room, request, sizeof(request) - 1));
	assert_int_equal(r.operations[0].key.name_len, 2);
	assert_memory_equal(r.operations[0].key.name, "\xc3\xa9", 2);
	assert_int_equal(r.operations[0].value_len, 3);
	assert_memory_equal(r.operations[0].value, "x\0y", 3);
	assert_null(operation_decode_answer(&a, room, answer, sizeof(answer) - 1));
	assert_int_equal(a.results[0].version.number, 7);
	assert_int_equal(a.results[0].version.counter, 5);
	free(room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests),
		cmocka_unit_test(operations),
		cmocka_unit_test(answers),
		cmocka_unit_test(results),
		cmocka_unit_test(every_kind_with_every_field),
		cmocka_unit_test(every_status_with_every_field),
		cmocka_unit_test(strings_too_long),
		cmocka_unit_test(other_spellings),
	};

	return cmocka_run_group_tests_name("operation-strange", tests, NULL, NULL);
}
