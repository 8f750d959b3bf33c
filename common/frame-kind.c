#include "frame-kind.h"

#include <string.h>

#include "mem.h"

static const void *field_of(const struct frame *f, const struct frame_row *row)
{
	return (const char *)f + row->offset;
}

static void *field_in(struct frame *f, const struct frame_row *row)
{
	return (char *)f + row->offset;
}

/* The version: always there, always ours. */
static bool version_empty(const struct frame *f, const struct frame_row *row)
{
	(void)f;
	(void)row;
	return false;
}

static void version_put(struct wire *w, const struct frame *f, const struct frame_row *row)
{
	(void)f;
	(void)row;
	wire_put_uint(w, FRAME_VERSION);
}

static bool version_take(struct cursor *c, struct frame *f, const struct frame_row *row)
{
	(void)f;
	(void)row;
	return wire_take_version(c);
}

const struct frame_kind frame_kind_version = {version_empty, version_put, version_take};

/* Numbers of 32 bits, enums among them. */
_Static_assert(sizeof(enum frame_type) == sizeof(uint32_t) && sizeof(enum frame_reason) == sizeof(uint32_t) &&
		       sizeof(enum node_state) == sizeof(uint32_t),
	       "enums are read and written as 32 bits");

static uint32_t u32_get(const struct frame *f, const struct frame_row *row)
{
	uint32_t n;

	memcpy(&n, field_of(f, row), sizeof(n));
	return n;
}

static bool u32_empty(const struct frame *f, const struct frame_row *row)
{
	return u32_get(f, row) == 0;
}

static void u32_put(struct wire *w, const struct frame *f, const struct frame_row *row)
{
	if (u32_get(f, row) > row->bound)
		mem_die("a number above its bound");
	wire_put_uint(w, u32_get(f, row));
}

static bool u32_take(struct cursor *c, struct frame *f, const struct frame_row *row)
{
	uint64_t wide;
	uint32_t n;

	if (!wire_take_uint(c, row->bound, &wide))
		return false;
	n = (uint32_t)wide;
	memcpy(field_in(f, row), &n, sizeof(n));
	return true;
}

const struct frame_kind frame_kind_u32 = {u32_empty, u32_put, u32_take};

static bool u64_empty(const struct frame *f, const struct frame_row *row)
{
	return *(const uint64_t *)field_of(f, row) == 0;
}

static void u64_put(struct wire *w, const struct frame *f, const struct frame_row *row)
{
	wire_put_uint(w, *(const uint64_t *)field_of(f, row));
}

static bool u64_take(struct cursor *c, struct frame *f, const struct frame_row *row)
{
	return wire_take_uint(c, row->bound, field_in(f, row));
}

const struct frame_kind frame_kind_u64 = {u64_empty, u64_put, u64_take};

static bool bool_empty(const struct frame *f, const struct frame_row *row)
{
	return !*(const bool *)field_of(f, row);
}

static void bool_put(struct wire *w, const struct frame *f, const struct frame_row *row)
{
	wire_put_bool(w, *(const bool *)field_of(f, row));
}

static bool bool_take(struct cursor *c, struct frame *f, const struct frame_row *row)
{
	return wire_take_bool(c, field_in(f, row));
}

const struct frame_kind frame_kind_bool = {bool_empty, bool_put, bool_take};

static bool conn_empty(const struct frame *f, const struct frame_row *row)
{
	const struct conn *conn = field_of(f, row);

	return conn->nonce == 0 && conn->count == 0;
}

static void conn_put(struct wire *w, const struct frame *f, const struct frame_row *row)
{
	wire_put_conn(w, field_of(f, row));
}

static bool conn_take(struct cursor *c, struct frame *f, const struct frame_row *row)
{
	return wire_take_conn(c, field_in(f, row));
}

const struct frame_kind frame_kind_conn = {conn_empty, conn_put, conn_take};

static bool member_empty(const struct frame *f, const struct frame_row *row)
{
	const struct member *m = field_of(f, row);

	return m->id == 0 && m->memory == 0 && m->conn.nonce == 0 && m->conn.count == 0;
}

static void member_put(struct wire *w, const struct frame *f, const struct frame_row *row)
{
	wire_put_member(w, field_of(f, row));
}

static bool member_take(struct cursor *c, struct frame *f, const struct frame_row *row)
{
	return wire_take_member(c, field_in(f, row));
}

const struct frame_kind frame_kind_member = {member_empty, member_put, member_take};

static bool ring_empty(const struct frame *f, const struct frame_row *row)
{
	const struct ring_id *ring = field_of(f, row);

	return ring->term == 0 && ring->nonce == 0;
}

static void ring_put(struct wire *w, const struct frame *f, const struct frame_row *row)
{
	wire_put_ring(w, field_of(f, row));
}

static bool ring_take(struct cursor *c, struct frame *f, const struct frame_row *row)
{
	return wire_take_ring(c, field_in(f, row));
}

const struct frame_kind frame_kind_ring = {ring_empty, ring_put, ring_take};

static bool arc_empty(const struct frame *f, const struct frame_row *row)
{
	(void)row;
	return !f->arc_set;
}

static void arc_put(struct wire *w, const struct frame *f, const struct frame_row *row)
{
	wire_put_arc(w, field_of(f, row));
}

static bool arc_take(struct cursor *c, struct frame *f, const struct frame_row *row)
{
	f->arc_set = true;
	return wire_take_arc(c, field_in(f, row));
}

const struct frame_kind frame_kind_arc = {arc_empty, arc_put, arc_take};

static bool text_empty(const struct frame *f, const struct frame_row *row)
{
	return *(const char *)field_of(f, row) == '\0';
}

static void text_put(struct wire *w, const struct frame *f, const struct frame_row *row)
{
	if (!memchr(field_of(f, row), '\0', row->bound))
		mem_die("a text without an end");
	wire_put_text(w, field_of(f, row));
}

static bool text_take(struct cursor *c, struct frame *f, const struct frame_row *row)
{
	return wire_take_text(c, field_in(f, row), row->bound);
}

const struct frame_kind frame_kind_text = {text_empty, text_put, text_take};

static void put_number(struct wire *w, const uint64_t *n)
{
	wire_put_uint(w, *n);
}

static bool take_number(struct cursor *c, uint64_t *n)
{
	return wire_take_uint(c, UINT64_MAX, n);
}

/* Short arrays, each with its count beside it: of views, of members, of doubts, of checks, of arcs. */
#define LIST(field, counter, piece_put, piece_take)                                                 \
	static bool field##_empty(const struct frame *f, const struct frame_row *row)               \
	{                                                                                           \
		(void)row;                                                                          \
		return f->counter == 0;                                                             \
	}                                                                                           \
	static void field##_put(struct wire *w, const struct frame *f, const struct frame_row *row) \
	{                                                                                           \
		if (f->counter > row->bound)                                                        \
			mem_die("too many " #field " in a frame");                                  \
		wire_put_array(w, f->counter);                                                      \
		for (size_t i = 0; i < f->counter; i++)                                             \
			piece_put(w, &f->field[i]);                                                 \
	}                                                                                           \
	static bool field##_take(struct cursor *c, struct frame *f, const struct frame_row *row)    \
	{                                                                                           \
		size_t count;                                                                       \
                                                                                                    \
		if (!wire_take_array(c, row->bound, &count))                                        \
			return false;                                                               \
		f->counter = (uint8_t)count;                                                        \
		for (size_t i = 0; i < count; i++)                                                  \
			if (!piece_take(c, &f->field[i]))                                           \
				return false;                                                       \
		return true;                                                                        \
	}                                                                                           \
	const struct frame_kind frame_kind_##field = {field##_empty, field##_put, field##_take};

LIST(views, view_count, wire_put_view, wire_take_view)
LIST(next, next_count, wire_put_member, wire_take_member)
LIST(doubts, doubt_count, wire_put_doubt, wire_take_doubt)
LIST(checks, check_count, wire_put_check, wire_take_check)
LIST(differs, differ_count, wire_put_arc, wire_take_arc)
LIST(scrub, scrub_count, put_number, take_number)

static bool records_empty(const struct frame *f, const struct frame_row *row)
{
	(void)row;
	return f->record_count == 0;
}

static void records_put(struct wire *w, const struct frame *f, const struct frame_row *row)
{
	if (f->record_count > row->bound)
		mem_die("too many records in a frame");
	wire_put_array(w, f->record_count);
	for (size_t i = 0; i < f->record_count; i++)
		wire_put_record(w, &f->records[i]);
}

static bool records_take(struct cursor *c, struct frame *f, const struct frame_row *row)
{
	if (!wire_take_array(c, row->bound, &f->record_count))
		return false;
	for (size_t i = 0; i < f->record_count; i++) {
		if (!wire_take_record(c, &f->records[i]))
			return false;
	}
	return true;
}

const struct frame_kind frame_kind_records = {records_empty, records_put, records_take};

/* Of all records or of none: one after the other, so that each costs four bytes and who does not know them steps over all. */
static bool sums_empty(const struct frame *f, const struct frame_row *row)
{
	(void)row;
	for (size_t i = 0; i < f->record_count; i++)
		if (f->records[i].sum)
			return false;
	return true;
}

static void sums_put(struct wire *w, const struct frame *f, const struct frame_row *row)
{
	(void)row;
	wire_put_sums(w, f->record_count);
	for (size_t i = 0; i < f->record_count; i++)
		wire_put_sum(w, f->records[i].sum);
}

static bool sums_take(struct cursor *c, struct frame *f, const struct frame_row *row)
{
	(void)row;
	return wire_take_bytes(c, &f->sums, &f->sums_len);
}

const struct frame_kind frame_kind_sums = {sums_empty, sums_put, sums_take};

static bool keys_empty(const struct frame *f, const struct frame_row *row)
{
	(void)row;
	return f->key_count == 0;
}

static void keys_put(struct wire *w, const struct frame *f, const struct frame_row *row)
{
	if (f->key_count > row->bound)
		mem_die("too many keys in a frame");
	wire_put_array(w, f->key_count);
	for (size_t i = 0; i < f->key_count; i++)
		wire_put_key(w, &f->keys[i]);
}

static bool keys_take(struct cursor *c, struct frame *f, const struct frame_row *row)
{
	if (!wire_take_array(c, row->bound, &f->key_count))
		return false;
	for (size_t i = 0; i < f->key_count; i++) {
		if (!wire_take_key(c, &f->keys[i]))
			return false;
	}
	return true;
}

const struct frame_kind frame_kind_keys = {keys_empty, keys_put, keys_take};

static bool table_empty(const struct frame *f, const struct frame_row *row)
{
	(void)row;
	return f->table_len == 0;
}

static void table_put(struct wire *w, const struct frame *f, const struct frame_row *row)
{
	if (f->table_len > row->bound)
		mem_die("too long a table in a frame");
	wire_put_bytes(w, f->table, f->table_len);
}

static bool table_take(struct cursor *c, struct frame *f, const struct frame_row *row)
{
	return wire_take_bytes(c, &f->table, &f->table_len) &&
	       (f->table_len <= row->bound || cursor_fail(c, "a table too long"));
}

const struct frame_kind frame_kind_table = {table_empty, table_put, table_take};
