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

static bool views_empty(const struct frame *f, const struct frame_row *row)
{
	(void)row;
	return f->view_count == 0;
}

static void views_put(struct wire *w, const struct frame *f, const struct frame_row *row)
{
	if (f->view_count > row->bound)
		mem_die("too many views in a frame");
	wire_put_array(w, f->view_count);
	for (size_t i = 0; i < f->view_count; i++)
		wire_put_view(w, &f->views[i]);
}

static bool views_take(struct cursor *c, struct frame *f, const struct frame_row *row)
{
	size_t count;

	if (!wire_take_array(c, row->bound, &count))
		return false;
	f->view_count = (uint8_t)count;
	for (size_t i = 0; i < count; i++) {
		if (!wire_take_view(c, &f->views[i]))
			return false;
	}
	return true;
}

const struct frame_kind frame_kind_views = {views_empty, views_put, views_take};

static bool next_empty(const struct frame *f, const struct frame_row *row)
{
	(void)row;
	return f->next_count == 0;
}

static void next_put(struct wire *w, const struct frame *f, const struct frame_row *row)
{
	if (f->next_count > row->bound)
		mem_die("too many members in a frame");
	wire_put_array(w, f->next_count);
	for (size_t i = 0; i < f->next_count; i++)
		wire_put_member(w, &f->next[i]);
}

static bool next_take(struct cursor *c, struct frame *f, const struct frame_row *row)
{
	size_t count;

	if (!wire_take_array(c, row->bound, &count))
		return false;
	f->next_count = (uint8_t)count;
	for (size_t i = 0; i < count; i++)
		if (!wire_take_member(c, &f->next[i]))
			return false;
	return true;
}

const struct frame_kind frame_kind_next = {next_empty, next_put, next_take};

static bool doubts_empty(const struct frame *f, const struct frame_row *row)
{
	(void)row;
	return f->doubt_count == 0;
}

static void doubts_put(struct wire *w, const struct frame *f, const struct frame_row *row)
{
	if (f->doubt_count > row->bound)
		mem_die("too many doubts in a frame");
	wire_put_array(w, f->doubt_count);
	for (size_t i = 0; i < f->doubt_count; i++)
		wire_put_doubt(w, &f->doubts[i]);
}

static bool doubts_take(struct cursor *c, struct frame *f, const struct frame_row *row)
{
	size_t count;

	if (!wire_take_array(c, row->bound, &count))
		return false;
	f->doubt_count = (uint8_t)count;
	for (size_t i = 0; i < count; i++) {
		if (!wire_take_doubt(c, &f->doubts[i]))
			return false;
	}
	return true;
}

const struct frame_kind frame_kind_doubts = {doubts_empty, doubts_put, doubts_take};

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
