#include "wire.h"

#include <cbor.h>
#include <string.h>

#include "mem.h"
#include "text.h"

static void advance(struct wire *w, size_t written)
{
	if (written == 0)
		mem_die("a frame larger than measured");
	w->used += written;
}

void wire_put_uint(struct wire *w, uint64_t n)
{
	advance(w, cbor_encode_uint(n, w->p + w->used, w->size - w->used));
}

void wire_put_int(struct wire *w, int64_t n)
{
	if (n >= 0)
		wire_put_uint(w, (uint64_t)n);
	else
		advance(w, cbor_encode_negint((uint64_t)(-1 - n), w->p + w->used, w->size - w->used));
}

void wire_put_array(struct wire *w, size_t count)
{
	advance(w, cbor_encode_array_start(count, w->p + w->used, w->size - w->used));
}

void wire_put_map(struct wire *w, size_t pairs)
{
	advance(w, cbor_encode_map_start(pairs, w->p + w->used, w->size - w->used));
}

void wire_put_bool(struct wire *w, bool b)
{
	advance(w, cbor_encode_bool(b, w->p + w->used, w->size - w->used));
}

void wire_put_null(struct wire *w)
{
	advance(w, cbor_encode_null(w->p + w->used, w->size - w->used));
}

/* The content of bytes or text, behind its head. */
static void put_content(struct wire *w, const void *p, size_t len)
{
	if (len > w->size - w->used)
		mem_die("a frame larger than measured");
	if (len)
		memcpy(w->p + w->used, p, len);
	w->used += len;
}

void wire_put_bytes(struct wire *w, const uint8_t *p, size_t len)
{
	advance(w, cbor_encode_bytestring_start(len, w->p + w->used, w->size - w->used));
	put_content(w, p, len);
}

void wire_put_sums(struct wire *w, size_t count)
{
	advance(w, cbor_encode_bytestring_start(count * WIRE_SUM, w->p + w->used, w->size - w->used));
}

void wire_put_sum(struct wire *w, uint32_t sum)
{
	const uint8_t bytes[WIRE_SUM] = {(uint8_t)(sum >> 24), (uint8_t)(sum >> 16), (uint8_t)(sum >> 8), (uint8_t)sum};

	put_content(w, bytes, sizeof(bytes));
}

uint32_t wire_sum(const uint8_t p[WIRE_SUM])
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void wire_put_text(struct wire *w, const char *text)
{
	size_t len = strlen(text);

	advance(w, cbor_encode_string_start(len, w->p + w->used, w->size - w->used));
	put_content(w, text, len);
}

static void put_conn_parts(struct wire *w, const struct conn *conn)
{
	if (conn->count >= CONN_COUNT_MAX)
		mem_die("a connection counter out of bounds");
	wire_put_uint(w, conn->nonce);
	wire_put_uint(w, conn->count);
}

void wire_put_conn(struct wire *w, const struct conn *conn)
{
	wire_put_array(w, 2);
	put_conn_parts(w, conn);
}

void wire_put_ring(struct wire *w, const struct ring_id *ring)
{
	wire_put_array(w, 2);
	wire_put_uint(w, ring->term);
	wire_put_uint(w, ring->nonce);
}

void wire_put_arc(struct wire *w, const struct arc *arc)
{
	wire_put_array(w, 2);
	wire_put_uint(w, arc->lo);
	wire_put_uint(w, arc->hi);
}

void wire_put_member(struct wire *w, const struct member *m)
{
	wire_put_array(w, 4);
	wire_put_uint(w, m->id);
	wire_put_uint(w, m->memory);
	put_conn_parts(w, &m->conn);
}

void wire_put_view(struct wire *w, const struct view *v)
{
	wire_put_array(w, 11);
	wire_put_uint(w, v->name.number);
	wire_put_uint(w, v->name.maker);
	wire_put_uint(w, v->base.number);
	wire_put_uint(w, v->base.maker);
	wire_put_uint(w, v->far_base.number);
	wire_put_uint(w, v->far_base.maker);
	wire_put_uint(w, v->split);
	wire_put_uint(w, v->arc.lo);
	wire_put_uint(w, v->arc.hi);
	wire_put_member(w, &v->owner);
	if (v->backup.memory)
		wire_put_member(w, &v->backup);
	else
		wire_put_null(w);
}

void wire_put_doubt(struct wire *w, const struct frame_doubt *d)
{
	wire_put_array(w, 6);
	wire_put_uint(w, d->arc.lo);
	wire_put_uint(w, d->arc.hi);
	wire_put_uint(w, d->name.number);
	wire_put_uint(w, d->name.maker);
	if (d->waits_known)
		wire_put_uint(w, d->waits);
	else
		wire_put_null(w);
	wire_put_bool(w, d->copy);
}

void wire_put_check(struct wire *w, const struct frame_check *check)
{
	wire_put_array(w, 4);
	wire_put_uint(w, check->arc.lo);
	wire_put_uint(w, check->arc.hi);
	wire_put_uint(w, check->count);
	wire_put_uint(w, check->hash);
}

void wire_put_key(struct wire *w, const struct key *key)
{
	if (key->name_len > KEY_NAME_MAX)
		mem_die("a name too long");
	if (key->name_len)
		wire_put_bytes(w, key->name, key->name_len);
	else
		wire_put_uint(w, key->id);
}

void wire_put_record(struct wire *w, const struct frame_record *r)
{
	if (r->value_len > FRAME_VALUE_MAX)
		mem_die("a value too long");
	wire_put_array(w, r->life ? 5 : 4);
	wire_put_key(w, &r->key);
	wire_put_uint(w, r->number);
	wire_put_uint(w, r->counter);
	if (r->deleted)
		wire_put_null(w);
	else
		wire_put_bytes(w, r->value, r->value_len);
	if (r->life)
		wire_put_uint(w, r->life);
}

bool wire_take_uint(struct cursor *c, uint64_t bound, uint64_t *n)
{
	struct item item;

	if (c->error || !cursor_head(c, 0, n)) {
		if (!cursor_expect(c, ITEM_UINT, &item))
			return false;
		*n = item.number;
	}
	return *n <= bound || cursor_fail(c, "a number above its bound");
}

bool wire_take_u32(struct cursor *c, uint32_t *n)
{
	uint64_t wide = 0;
	bool ok = wire_take_uint(c, UINT32_MAX, &wide);

	*n = (uint32_t)wide;
	return ok;
}

bool wire_take_int(struct cursor *c, int64_t *n)
{
	uint64_t wide = 0;

	if (!c->error && cursor_head(c, 1, &wide)) { /* -1 - wide: RFC 8949, 3.1 */
		*n = -1 - (int64_t)(wide & INT64_MAX);
		return wide <= INT64_MAX || cursor_fail(c, "a number below its bound");
	}
	if (!wire_take_uint(c, INT64_MAX, &wide))
		return false;
	*n = (int64_t)wide;
	return true;
}

bool wire_take_null(struct cursor *c)
{
	if (c->error || c->p == c->end || *c->p != 0xf6)
		return false;
	c->p++;
	return true;
}

/* The content of bytes or text, whose head has been read. */
static bool take_content(struct cursor *c, uint64_t size, const uint8_t **p, size_t *len)
{
	if (size > (size_t)(c->end - c->p))
		return cursor_fail(c, "truncated");
	*p = c->p;
	*len = (size_t)size;
	c->p += *len;
	return true;
}

bool wire_take_bytes(struct cursor *c, const uint8_t **p, size_t *len)
{
	struct item item;

	if (!c->error && cursor_head(c, 2, &item.number))
		return take_content(c, item.number, p, len);
	if (!cursor_expect(c, ITEM_BYTES, &item))
		return false;
	*p = item.p;
	*len = (size_t)item.number;
	return true;
}

bool wire_take_string(struct cursor *c, const uint8_t **p, size_t *len)
{
	uint64_t size;

	if (!c->error && cursor_head(c, 3, &size))
		return take_content(c, size, p, len);
	return wire_take_bytes(c, p, len);
}

bool wire_take_bool(struct cursor *c, bool *b)
{
	struct item item;

	if (!cursor_expect(c, ITEM_BOOL, &item))
		return false;
	*b = item.number != 0;
	return true;
}

bool wire_take_text(struct cursor *c, char *text, size_t size)
{
	struct item item;

	if (!cursor_expect(c, ITEM_TEXT, &item))
		return false;
	if (item.number >= size)
		return cursor_fail(c, "a text too long");
	if (!text_is_clean(item.p, (size_t)item.number))
		return cursor_fail(c, "a text that is no UTF-8 or has control characters");
	if (item.number)
		memcpy(text, item.p, (size_t)item.number);
	text[item.number] = '\0';
	return true;
}

bool wire_take_array(struct cursor *c, size_t most, size_t *count)
{
	struct item item;

	if (c->error || !cursor_head(c, 4, &item.number)) {
		if (!cursor_expect(c, ITEM_ARRAY, &item))
			return false;
	}
	*count = (size_t)item.number;
	return item.number <= most || cursor_fail(c, "an array too long");
}

bool wire_take_tuple(struct cursor *c, size_t length)
{
	size_t count;

	return wire_take_array(c, length, &count) && (count == length || cursor_fail(c, "an array too short"));
}

static bool take_conn_parts(struct cursor *c, struct conn *conn)
{
	uint64_t count = 0;
	bool ok = wire_take_uint(c, UINT64_MAX, &conn->nonce) && wire_take_uint(c, CONN_COUNT_MAX - 1, &count);

	conn->count = (uint32_t)count;
	return ok;
}

bool wire_take_conn(struct cursor *c, struct conn *conn)
{
	return wire_take_tuple(c, 2) && take_conn_parts(c, conn);
}

bool wire_take_ring(struct cursor *c, struct ring_id *ring)
{
	return wire_take_tuple(c, 2) && wire_take_u32(c, &ring->term) && wire_take_uint(c, UINT64_MAX, &ring->nonce);
}

bool wire_take_arc(struct cursor *c, struct arc *arc)
{
	return wire_take_tuple(c, 2) && wire_take_u32(c, &arc->lo) && wire_take_u32(c, &arc->hi);
}

static bool take_member_parts(struct cursor *c, struct member *m)
{
	return wire_take_u32(c, &m->id) && wire_take_uint(c, UINT64_MAX, &m->memory) && take_conn_parts(c, &m->conn);
}

bool wire_take_member(struct cursor *c, struct member *m)
{
	return wire_take_tuple(c, 4) && take_member_parts(c, m);
}

static bool take_backup(struct cursor *c, struct member *m)
{
	struct item item;

	if (!cursor_next(c, &item))
		return false;
	if (item.kind == ITEM_NULL)
		return true;
	if (item.kind != ITEM_ARRAY || item.number != 4)
		return cursor_fail(c, "a backup that is neither member nor null");
	return take_member_parts(c, m) && (m->memory != 0 || cursor_fail(c, "a backup without memory"));
}

bool wire_take_view(struct cursor *c, struct view *v)
{
	return wire_take_tuple(c, 11) && wire_take_uint(c, UINT64_MAX, &v->name.number) &&
	       wire_take_u32(c, &v->name.maker) && wire_take_uint(c, UINT64_MAX, &v->base.number) &&
	       wire_take_u32(c, &v->base.maker) && wire_take_uint(c, UINT64_MAX, &v->far_base.number) &&
	       wire_take_u32(c, &v->far_base.maker) && wire_take_u32(c, &v->split) && wire_take_u32(c, &v->arc.lo) &&
	       wire_take_u32(c, &v->arc.hi) && wire_take_member(c, &v->owner) && take_backup(c, &v->backup);
}

bool wire_take_doubt(struct cursor *c, struct frame_doubt *d)
{
	if (!wire_take_tuple(c, 6) || !wire_take_u32(c, &d->arc.lo) || !wire_take_u32(c, &d->arc.hi) ||
	    !wire_take_uint(c, UINT64_MAX, &d->name.number) || !wire_take_u32(c, &d->name.maker))
		return false;
	d->waits_known = !wire_take_null(c);
	return (!d->waits_known || wire_take_u32(c, &d->waits)) && wire_take_bool(c, &d->copy);
}

bool wire_take_check(struct cursor *c, struct frame_check *check)
{
	return wire_take_tuple(c, 4) && wire_take_u32(c, &check->arc.lo) && wire_take_u32(c, &check->arc.hi) &&
	       wire_take_uint(c, UINT64_MAX, &check->count) && wire_take_uint(c, UINT64_MAX, &check->hash);
}

bool wire_take_key(struct cursor *c, struct key *key)
{
	struct item item;

	if (c->p < c->end && *c->p >> 5 == 0) {
		*key = (struct key){0};
		return wire_take_u32(c, &key->id);
	}
	if (!cursor_expect(c, ITEM_BYTES, &item))
		return false;
	if (item.number == 0 || item.number > KEY_NAME_MAX)
		return cursor_fail(c, "a name of no length, or too long");
	*key = key_named(item.p, (size_t)item.number);
	return true;
}

static bool take_value(struct cursor *c, struct frame_record *r)
{
	struct item item;

	if (!cursor_next(c, &item))
		return false;
	r->deleted = item.kind == ITEM_NULL;
	if (!r->deleted && item.kind != ITEM_BYTES)
		return cursor_fail(c, "a field of the wrong type");
	if (item.number > FRAME_VALUE_MAX)
		return cursor_fail(c, "a value too long");
	r->value = r->deleted ? NULL : item.p;
	r->value_len = r->deleted ? 0 : (size_t)item.number;
	return true;
}

bool wire_take_record(struct cursor *c, struct frame_record *r)
{
	size_t count;

	r->life = 0;
	r->sum = 0;
	if (!wire_take_array(c, 5, &count))
		return false;
	if (count < 4)
		return cursor_fail(c, "an array too short");
	return wire_take_key(c, &r->key) && wire_take_uint(c, UINT64_MAX, &r->number) &&
	       wire_take_uint(c, UINT64_MAX, &r->counter) && take_value(c, r) &&
	       (count < 5 ||
		(wire_take_uint(c, UINT64_MAX, &r->life) && (r->life != 0 || cursor_fail(c, "a life of 0"))));
}

bool wire_take_map(struct cursor *c, uint64_t *pairs)
{
	struct item item = {.kind = ITEM_MAP};

	if ((c->error || !cursor_head(c, 5, &item.number)) && !cursor_next(c, &item))
		return false;
	*pairs = item.number;
	return item.kind == ITEM_MAP || cursor_fail(c, "not a map");
}

bool wire_take_field(struct cursor *c, uint64_t *seen, uint64_t *key)
{
	if (!wire_take_uint(c, UINT64_MAX, key))
		return false;
	if (*key < 64) {
		if (*seen >> *key & 1)
			return cursor_fail(c, "a key twice");
		*seen |= UINT64_C(1) << *key;
	}
	return true;
}

bool wire_take_version(struct cursor *c)
{
	static const char *const others[] = {"version 0", "version 1", "version 2", "version 3", "version 4",
					     "version 5", "version 6", "version 7", "version 8", "version 9"};
	uint64_t n;

	if (!wire_take_uint(c, UINT64_MAX, &n))
		return false;
	return n == FRAME_VERSION || cursor_fail(c, n < 10 ? others[n] : "version 10 or later");
}
