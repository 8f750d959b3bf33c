#include "cursor.h"

#include <cbor.h>

static void set(void *context, enum item_kind kind, uint64_t number, const uint8_t *p)
{
	*(struct item *)context = (struct item){kind, number, p};
}

static void uint8_cb(void *context, uint8_t n)
{
	set(context, ITEM_UINT, n, NULL);
}

static void uint16_cb(void *context, uint16_t n)
{
	set(context, ITEM_UINT, n, NULL);
}

static void uint32_cb(void *context, uint32_t n)
{
	set(context, ITEM_UINT, n, NULL);
}

static void uint64_cb(void *context, uint64_t n)
{
	set(context, ITEM_UINT, n, NULL);
}

static void negative8_cb(void *context, uint8_t n)
{
	set(context, ITEM_SIMPLE, n, NULL);
}

static void negative16_cb(void *context, uint16_t n)
{
	set(context, ITEM_SIMPLE, n, NULL);
}

static void negative32_cb(void *context, uint32_t n)
{
	set(context, ITEM_SIMPLE, n, NULL);
}

static void negative64_cb(void *context, uint64_t n)
{
	set(context, ITEM_SIMPLE, n, NULL);
}

static void bytes_cb(void *context, cbor_data p, size_t len)
{
	set(context, ITEM_BYTES, len, p);
}

static void text_cb(void *context, cbor_data p, size_t len)
{
	set(context, ITEM_TEXT, len, p);
}

static void array_cb(void *context, size_t count)
{
	set(context, ITEM_ARRAY, count, NULL);
}

static void map_cb(void *context, size_t pairs)
{
	set(context, ITEM_MAP, pairs, NULL);
}

static void tag_cb(void *context, uint64_t tag)
{
	set(context, ITEM_TAG, tag, NULL);
}

static void float_cb(void *context, float value)
{
	(void)value;
	set(context, ITEM_SIMPLE, 0, NULL);
}

static void double_cb(void *context, double value)
{
	(void)value;
	set(context, ITEM_SIMPLE, 0, NULL);
}

static void bool_cb(void *context, bool value)
{
	set(context, ITEM_BOOL, value, NULL);
}

static void null_cb(void *context)
{
	set(context, ITEM_NULL, 0, NULL);
}

static void undefined_cb(void *context)
{
	set(context, ITEM_SIMPLE, 0, NULL);
}

static void open_array_cb(void *context)
{
	set(context, ITEM_OPEN_ARRAY, 0, NULL);
}

static void open_map_cb(void *context)
{
	set(context, ITEM_OPEN_MAP, 0, NULL);
}

static void open_bytes_cb(void *context)
{
	set(context, ITEM_OPEN_BYTES, 0, NULL);
}

static void open_text_cb(void *context)
{
	set(context, ITEM_OPEN_TEXT, 0, NULL);
}

static void break_cb(void *context)
{
	set(context, ITEM_BREAK, 0, NULL);
}

static const struct cbor_callbacks callbacks = {
	.uint8 = uint8_cb,
	.uint16 = uint16_cb,
	.uint32 = uint32_cb,
	.uint64 = uint64_cb,
	.negint8 = negative8_cb,
	.negint16 = negative16_cb,
	.negint32 = negative32_cb,
	.negint64 = negative64_cb,
	.byte_string = bytes_cb,
	.byte_string_start = open_bytes_cb,
	.string = text_cb,
	.string_start = open_text_cb,
	.array_start = array_cb,
	.indef_array_start = open_array_cb,
	.map_start = map_cb,
	.indef_map_start = open_map_cb,
	.tag = tag_cb,
	.float2 = float_cb,
	.float4 = float_cb,
	.float8 = double_cb,
	.undefined = undefined_cb,
	.null = null_cb,
	.boolean = bool_cb,
	.indef_break = break_cb,
};

bool cursor_fail(struct cursor *c, const char *error)
{
	if (!c->error)
		c->error = error;
	return false;
}

bool cursor_next(struct cursor *c, struct item *item)
{
	struct cbor_decoder_result result;

	if (c->error)
		return false;
	if (cursor_head(c, 0, &item->number)) {
		*item = (struct item){ITEM_UINT, item->number, NULL};
		return true;
	}
	result = cbor_stream_decode(c->p, (size_t)(c->end - c->p), &callbacks, item);
	if (result.status != CBOR_DECODER_FINISHED)
		return cursor_fail(c, result.status == CBOR_DECODER_NEDATA ? "truncated" : "malformed");
	c->p += result.read;
	return true;
}

bool cursor_expect(struct cursor *c, enum item_kind kind, struct item *item)
{
	if (!cursor_next(c, item))
		return false;
	return item->kind == kind || cursor_fail(c, "a field of the wrong type");
}

static bool skip_rest(struct cursor *c, const struct item *item, unsigned depth);

static bool skip_one(struct cursor *c, unsigned depth)
{
	struct item item;

	return cursor_next(c, &item) && skip_rest(c, &item, depth);
}

/* Items, or pieces of a string, up to the break. */
static bool skip_open(struct cursor *c, enum item_kind open, unsigned depth)
{
	struct item item;

	for (;;) {
		if (!cursor_next(c, &item))
			return false;
		if (item.kind == ITEM_BREAK)
			return true;
		if ((open == ITEM_OPEN_BYTES && item.kind != ITEM_BYTES) ||
		    (open == ITEM_OPEN_TEXT && item.kind != ITEM_TEXT))
			return cursor_fail(c, "malformed");
		if (!skip_rest(c, &item, depth) || (open == ITEM_OPEN_MAP && !skip_one(c, depth)))
			return false;
	}
}

/* What belongs to an item whose head has been read.  depth: how many levels may follow. */
static bool skip_rest(struct cursor *c, const struct item *item, unsigned depth)
{
	uint64_t left;

	switch (item->kind) {
	case ITEM_ARRAY:
	case ITEM_TAG:
	case ITEM_MAP:
	case ITEM_OPEN_ARRAY:
	case ITEM_OPEN_MAP:
	case ITEM_OPEN_BYTES:
	case ITEM_OPEN_TEXT:
		if (depth == 0)
			return cursor_fail(c, "nested too deep");
		break;
	case ITEM_BREAK:
		return cursor_fail(c, "malformed");
	default:
		return true;
	}
	if (item->kind >= ITEM_OPEN_ARRAY)
		return skip_open(c, item->kind, depth - 1);
	/* The count is a stranger's word, but each round eats a byte or fails. */
	for (left = item->kind == ITEM_TAG ? 1 : item->number; left > 0; left--) {
		if (!skip_one(c, depth - 1) || (item->kind == ITEM_MAP && !skip_one(c, depth - 1)))
			return false;
	}
	return true;
}

bool cursor_skip(struct cursor *c)
{
	return skip_one(c, CURSOR_DEPTH);
}
