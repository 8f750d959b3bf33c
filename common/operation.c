/* The keys.  What may be missing means zero or empty then.
 *
 * | key | field      | in      | type             | bound                                  | must be there |
 * |-----|------------|---------|------------------|----------------------------------------|---------------|
 * |   0 | version    | both    | uint             | 1                                      | yes           |
 * |   1 | type       | both    | uint             | 29 a REQUEST, 30 an ANSWER             | yes           |
 * |  11 | arc        | ANSWER  | arc              |                                        | with a token  |
 * |  24 | client     | REQUEST | bytes            | exactly 16                             | yes           |
 * |  25 | base       | both    | uint             | 1 to 2^64-65536                        | yes           |
 * |  26 | first      | REQUEST | uint             | 2^64-1                                 |               |
 * |  27 | token      | both    | token            |                                        |               |
 * |  28 | operations | REQUEST | [operation, ...] | 512                                    |               |
 * |  29 | answers    | ANSWER  | [answer, ...]    | 512                                    |               |
 * |  30 | owner      | ANSWER  | uint             | 2^32-1                                 | yes           |
 * |  45 | sums       | both    | bytes            | 4 for each of `operations`, `answers`  |               |
 *
 * arc       = [lo, hi]                 2^32-1 each
 * token     = [number, counter, ring]  1 to 2^64-1, 2^64-1, 2^32-1
 * operation = [offset, kind, key, value, condition, life], without what is null at its end
 *   offset    uint, 65535
 *   kind      1 get, 2 look, 3 put, 4 delete, 5 add, 6 sub, 7 list, 8 dump, 9 watch
 *   key       uint, 2^32-1; or a string of 1 to 65536 bytes
 *   value     of a put: a string of at most 16 MiB; of add and sub: uint, 2^64-1; of list and dump: null, or a string of
 *             at most 16 MiB, with which names begin; of watch: null, or a string, of which only matters that it is not
 *             empty; else null
 *   condition of a put, delete, add or sub: null, 0 (only if absent), or [number, counter], 2^64-1 each; else null
 *   life      of a put, add or sub: null, or milliseconds, 2^64-1; else null
 * answer    = [offset, status, version, value], without what is null at its end
 *   offset    uint, 65535
 *   status    1 done, 2 absent, 3 failed, 4 wrong, 5 token, 6 unknown, 7 moved, 8 full, 9 damaged, 10 few
 *   version   the counter, 2^64-1, if the number is the token's, or [number, counter], 2^64-1 each; may be null unless
 *             done, and is from 5 to 7
 *   value     of done: null, bytes of at most 16 MiB + 65792 (a page that holds the longest record), or an integer,
 *             -2^63 to 2^63-1; else null
 *
 * A string is written as bytes; a text is taken as the bytes that it consists of, for the sake of languages in which it
 * is at hand, and not looked into.  All else is as in frame.c: keys in any order and, those below 64, never twice,
 * lengths definite, and what is not in this table, or not in this type of frame, is stepped over. */
#include "operation.h"

#include <string.h>

#include "cursor.h"
#include "mem.h"
#include "operation-wire.h"
#include "wire.h"

enum {
	KEY_VERSION,
	KEY_TYPE,
	KEY_ARC = 11,
	KEY_CLIENT = 24,
	KEY_BASE,
	KEY_FIRST,
	KEY_TOKEN,
	KEY_OPERATIONS,
	KEY_ANSWERS,
	KEY_OWNER,
	KEY_SUMS = 45,
};

#define OTHER_SUMS "sums of others than came"
#define KEY_BIT(key) (UINT64_C(1) << (key))

/* ---- reading ---- */

static bool token_take(struct cursor *c, struct operation_token *token)
{
	return wire_take_tuple(c, 3) && wire_take_uint(c, UINT64_MAX, &token->number) &&
	       wire_take_uint(c, UINT64_MAX, &token->counter) && wire_take_u32(c, &token->ring) &&
	       (token->number != 0 || cursor_fail(c, "a token of no view"));
}

static bool base_take(struct cursor *c, uint64_t *base)
{
	return wire_take_uint(c, OPERATION_BASE_MAX, base) && (*base != 0 || cursor_fail(c, "no base"));
}

static bool type_take(struct cursor *c, enum frame_type type)
{
	uint64_t n = 0;

	if (!wire_take_uint(c, FRAME_TYPES - 1, &n))
		return false;
	return n == (uint64_t)type || cursor_fail(c, n == FRAME_NONE ? "no type" : "another type");
}

static bool client_take(struct cursor *c, uint8_t client[OPERATION_CLIENT_LEN])
{
	const uint8_t *p;
	size_t len;

	if (!wire_take_bytes(c, &p, &len))
		return false;
	if (len != OPERATION_CLIENT_LEN)
		return cursor_fail(c, "a client that is not 16 bytes");
	memcpy(client, p, len);
	return true;
}

static bool operations_take(struct cursor *c, struct operation_request *r)
{
	if (!wire_take_array(c, OPERATION_COUNT_MAX, &r->count))
		return false;
	for (size_t i = 0; i < r->count; i++) {
		if (!operation_take(c, &r->operations[i]))
			return false;
	}
	return true;
}

static bool results_take(struct cursor *c, struct operation_answer *a, bool bare[OPERATION_COUNT_MAX])
{
	if (!wire_take_array(c, OPERATION_COUNT_MAX, &a->count))
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (!operation_result_take(c, &a->results[i], &bare[i]))
			return false;
	}
	return true;
}

static bool request_field(struct cursor *c, struct operation_request *r, uint64_t key)
{
	switch (key) {
	case KEY_VERSION:
		return wire_take_version(c);
	case KEY_TYPE:
		return type_take(c, FRAME_REQUEST);
	case KEY_CLIENT:
		return client_take(c, r->client);
	case KEY_BASE:
		return base_take(c, &r->base);
	case KEY_FIRST:
		return wire_take_uint(c, UINT64_MAX, &r->first);
	case KEY_TOKEN:
		return token_take(c, &r->token);
	case KEY_OPERATIONS:
		return operations_take(c, r);
	case KEY_SUMS:
		return wire_take_bytes(c, &r->sums, &r->sums_len);
	default:
		return cursor_skip(c);
	}
}

static bool answer_field(struct cursor *c, struct operation_answer *a, uint64_t key, bool bare[OPERATION_COUNT_MAX])
{
	switch (key) {
	case KEY_VERSION:
		return wire_take_version(c);
	case KEY_TYPE:
		return type_take(c, FRAME_ANSWER);
	case KEY_ARC:
		a->arc_set = true;
		return wire_take_arc(c, &a->arc);
	case KEY_BASE:
		return base_take(c, &a->base);
	case KEY_TOKEN:
		return token_take(c, &a->token);
	case KEY_ANSWERS:
		return results_take(c, a, bare);
	case KEY_OWNER:
		return wire_take_u32(c, &a->owner);
	case KEY_SUMS:
		return wire_take_bytes(c, &a->sums, &a->sums_len);
	default:
		return cursor_skip(c);
	}
}

/* Nothing may be left, and of the keys nothing missing. */
static const char *end_check(const struct cursor *c, uint64_t seen, uint64_t needed)
{
	static const char *const texts[] = {
		[KEY_VERSION] = "no version", [KEY_TYPE] = "no type",   [KEY_CLIENT] = "no client",
		[KEY_BASE] = "no base",       [KEY_OWNER] = "no owner", [KEY_ARC] = "a token without an arc"};

	if (c->p != c->end)
		return "bytes behind the frame";
	for (size_t key = 0; key < sizeof(texts) / sizeof(texts[0]); key++) {
		if ((needed & ~seen) >> key & 1)
			return texts[key];
	}
	return NULL;
}

const char *operation_decode_request(struct operation_request *r, struct operation_room *room, const uint8_t *bytes,
				     size_t len)
{
	struct cursor c = {bytes, bytes + len, NULL};
	uint64_t pairs, key, seen = 0;
	const char *error;

	*r = (struct operation_request){.operations = room->operations, .user = ""};
	if (!wire_take_map(&c, &pairs))
		return c.error;
	for (; pairs > 0; pairs--) {
		if (!wire_take_field(&c, &seen, &key) || !request_field(&c, r, key))
			return c.error;
	}
	error = end_check(&c, seen, KEY_BIT(KEY_VERSION) | KEY_BIT(KEY_TYPE) | KEY_BIT(KEY_CLIENT) | KEY_BIT(KEY_BASE));
	if (!error && r->sums && r->sums_len != WIRE_SUM * r->count)
		return OTHER_SUMS;
	for (size_t i = 0; !error && r->sums && i < r->count; i++)
		r->operations[i].sum = wire_sum(r->sums + WIRE_SUM * i);
	return error;
}

/* The number of what came without one, now that the token is known; and the sums. */
static const char *complete(struct operation_answer *a, const bool bare[OPERATION_COUNT_MAX])
{
	if (a->sums && a->sums_len != WIRE_SUM * a->count)
		return OTHER_SUMS;
	for (size_t i = 0; a->sums && i < a->count; i++)
		a->results[i].sum = wire_sum(a->sums + WIRE_SUM * i);
	for (size_t i = 0; i < a->count; i++) {
		if (bare[i] && a->token.number == 0)
			return "a version that wants a token";
		if (bare[i])
			a->results[i].version.number = a->token.number;
	}
	return NULL;
}

const char *operation_decode_answer(struct operation_answer *a, struct operation_room *room, const uint8_t *bytes,
				    size_t len)
{
	struct cursor c = {bytes, bytes + len, NULL};
	uint64_t pairs, key, seen = 0, needed;
	bool bare[OPERATION_COUNT_MAX] = {false};
	const char *error;

	*a = (struct operation_answer){.results = room->results};
	if (!wire_take_map(&c, &pairs))
		return c.error;
	for (; pairs > 0; pairs--) {
		if (!wire_take_field(&c, &seen, &key) || !answer_field(&c, a, key, bare))
			return c.error;
	}
	needed = KEY_BIT(KEY_VERSION) | KEY_BIT(KEY_TYPE) | KEY_BIT(KEY_BASE) | KEY_BIT(KEY_OWNER);
	if (a->token.number != 0)
		needed |= KEY_BIT(KEY_ARC);
	error = end_check(&c, seen, needed);
	return error ? error : complete(a, bare);
}

/* ---- writing ---- */

/* What is in a frame besides operations and answers: heads of 1 to 3 bytes, keys of 1 or 2, numbers of up to 5 or 9. */
enum {
	ARC_MAX = 1 + 1 + 5 + 5,
	TOKEN_MAX = 2 + 1 + 9 + 9 + 5,
	SUMS_MAX = 2 + 3,
	REQUEST_MAX = 1 + 2 + 3 + (2 + 1 + OPERATION_CLIENT_LEN) + (2 + 9) + (2 + 9) + TOKEN_MAX + (2 + 3) + SUMS_MAX,
	ANSWER_MAX = 1 + 2 + 3 + ARC_MAX + (2 + 9) + TOKEN_MAX + (2 + 3) + (2 + 5) + SUMS_MAX,
};
_Static_assert(REQUEST_MAX <= OPERATION_FRAME_MAX && ANSWER_MAX <= OPERATION_FRAME_MAX, "frames keep to what is said");

size_t operation_size(const struct operation *op)
{
	return OPERATION_WIRE_MAX + op->key.name_len + op->value_len;
}

size_t operation_result_size(const struct operation_result *result)
{
	return OPERATION_RESULT_WIRE_MAX + result->value_len;
}

static void head_put(struct wire *w, size_t pairs, enum frame_type type)
{
	w->p = xmalloc(w->size);
	wire_put_map(w, pairs);
	wire_put_uint(w, KEY_VERSION);
	wire_put_uint(w, FRAME_VERSION);
	wire_put_uint(w, KEY_TYPE);
	wire_put_uint(w, type);
}

static void base_put(struct wire *w, uint64_t base)
{
	if (base == 0 || base > OPERATION_BASE_MAX)
		mem_die("a base out of bounds");
	wire_put_uint(w, KEY_BASE);
	wire_put_uint(w, base);
}

static void token_put(struct wire *w, const struct operation_token *token)
{
	if (token->number == 0)
		return;
	wire_put_uint(w, KEY_TOKEN);
	wire_put_array(w, 3);
	wire_put_uint(w, token->number);
	wire_put_uint(w, token->counter);
	wire_put_uint(w, token->ring);
}

/* The head of the array behind the key; nothing if it is empty. */
static void list_put(struct wire *w, uint64_t key, size_t count)
{
	if (count == 0)
		return;
	wire_put_uint(w, key);
	wire_put_array(w, count);
}

/* Of `count` that lie `stride` bytes apart. */
static void sums_put(struct wire *w, const uint32_t *first, size_t stride, size_t count)
{
	wire_put_uint(w, KEY_SUMS);
	wire_put_sums(w, count);
	for (size_t i = 0; i < count; i++)
		wire_put_sum(w, *(const uint32_t *)(const void *)((const char *)first + i * stride));
}

uint8_t *operation_encode_request(const struct operation_request *r, size_t *len)
{
	struct wire w = {.size = REQUEST_MAX};
	bool sums = false;

	if (r->count > OPERATION_COUNT_MAX)
		mem_die("too many operations in a frame");
	for (size_t i = 0; i < r->count; i++) {
		w.size += operation_size(&r->operations[i]);
		sums |= r->operations[i].sum != 0;
	}
	head_put(&w, 4u + (r->first != 0) + (r->token.number != 0) + (r->count != 0) + sums, FRAME_REQUEST);
	wire_put_uint(&w, KEY_CLIENT);
	wire_put_bytes(&w, r->client, sizeof(r->client));
	base_put(&w, r->base);
	if (r->first != 0) {
		wire_put_uint(&w, KEY_FIRST);
		wire_put_uint(&w, r->first);
	}
	token_put(&w, &r->token);
	list_put(&w, KEY_OPERATIONS, r->count);
	for (size_t i = 0; i < r->count; i++)
		operation_put(&w, &r->operations[i]);
	if (sums)
		sums_put(&w, &r->operations->sum, sizeof(*r->operations), r->count);
	*len = w.used;
	return w.p;
}

uint8_t *operation_encode_answer(const struct operation_answer *a, size_t *len)
{
	struct wire w = {.size = ANSWER_MAX};
	bool sums = false;

	if (a->count > OPERATION_COUNT_MAX)
		mem_die("too many answers in a frame");
	if (a->token.number != 0 && !a->arc_set)
		mem_die("a token without an arc");
	for (size_t i = 0; i < a->count; i++) {
		w.size += operation_result_size(&a->results[i]);
		sums |= a->results[i].sum != 0;
	}
	head_put(&w, 4u + a->arc_set + (a->token.number != 0) + (a->count != 0) + sums, FRAME_ANSWER);
	if (a->arc_set) {
		wire_put_uint(&w, KEY_ARC);
		wire_put_arc(&w, &a->arc);
	}
	base_put(&w, a->base);
	token_put(&w, &a->token);
	list_put(&w, KEY_ANSWERS, a->count);
	for (size_t i = 0; i < a->count; i++)
		operation_result_put(&w, &a->results[i], &a->token);
	wire_put_uint(&w, KEY_OWNER);
	wire_put_uint(&w, a->owner);
	if (sums)
		sums_put(&w, &a->results->sum, sizeof(*a->results), a->count);
	*len = w.used;
	return w.p;
}

/* ---- names ---- */

const char *operation_kind_name(enum operation_kind kind)
{
	static const char *const names[OPERATION_KINDS] = {
		[OPERATION_NONE] = "none",   [OPERATION_GET] = "get",       [OPERATION_LOOK] = "look",
		[OPERATION_PUT] = "put",     [OPERATION_DELETE] = "delete", [OPERATION_ADD] = "add",
		[OPERATION_SUB] = "sub",     [OPERATION_LIST] = "list",     [OPERATION_DUMP] = "dump",
		[OPERATION_WATCH] = "watch",
	};

	return (unsigned)kind < OPERATION_KINDS ? names[kind] : "unknown";
}

const char *operation_status_name(enum operation_status status)
{
	static const char *const names[ANSWER_STATUSES] = {
		[ANSWER_NONE] = "none",       [ANSWER_DONE] = "done",   [ANSWER_ABSENT] = "absent",
		[ANSWER_FAILED] = "failed",   [ANSWER_WRONG] = "wrong", [ANSWER_TOKEN] = "token",
		[ANSWER_UNKNOWN] = "unknown", [ANSWER_MOVED] = "moved", [ANSWER_FULL] = "full",
		[ANSWER_DAMAGED] = "damaged", [ANSWER_FEW] = "few",
	};

	return (unsigned)status < ANSWER_STATUSES ? names[status] : "not a status";
}
