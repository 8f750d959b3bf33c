/* The keys.  A field that is zero, false or empty is left out, and a missing one means that; only 0 and 1 must be
 * there.
 *
 * | key | field       | type                                    | bound                        |
 * |-----|-------------|-----------------------------------------|------------------------------|
 * |   0 | version     | uint                                    | 1                            |
 * |   1 | type        | uint                                    | `enum frame_type`, not 0     |
 * |   2 | from        | member                                  |                              |
 * |   3 | to          | conn                                    |                              |
 * |   4 | ring        | [term uint, nonce uint]                 | 2^32-1, 2^64-1               |
 * |   5 | attempt     | uint                                    | 2^64-1                       |
 * |   6 | seq         | uint                                    | 2^64-1                       |
 * |   7 | count       | uint                                    | 2^64-1                       |
 * |   8 | hash        | uint                                    | 2^64-1                       |
 * |   9 | wait        | uint                                    | 2^32-1                       |
 * |  10 | reason      | uint                                    | `enum frame_reason`          |
 * |  11 | arc         | arc; there or not is told apart         |                              |
 * |  12 | flag        | bool                                    |                              |
 * |  13 | state       | uint                                    | `enum node_state`            |
 * |  14 | since       | uint                                    | 2^64-1                       |
 * |  15 | predecessor | uint                                    | 2^32-1                       |
 * |  16 | successor   | uint                                    | 2^32-1                       |
 * |  17 | peer        | conn                                    |                              |
 * |  18 | name        | text                                    | 63 bytes                     |
 * |  19 | software    | text                                    | 31 bytes                     |
 * |  20 | reply       | text                                    | 127 bytes                    |
 * |  21 | views       | [view, ...]                             | 4                            |
 * |  22 | records     | [record, ...]                           | 512                          |
 * |  23 | keys        | [key, ...]                              | 512                          |
 * |  31 | table       | bytes                                   | 65535                        |
 * |  35 | minor       | uint                                    | 2^32-1                       |
 *
 * conn   = [nonce, count]              2^64-1, below 2^24-1
 * member = [id, memory, nonce, count]  2^32-1, 2^64-1, and as in conn
 * arc    = [lo, hi]                    2^32-1 each
 * view   = [number, maker, base number, base maker, far base number, far base maker, split, lo, hi, owner, backup]
 *          numbers 2^64-1, makers, split, lo and hi 2^32-1; owner a member; backup a member with a memory, or null
 * key    = a number's uint, 2^32-1; or a name's bytes, 1 to 65,536
 * record = [key, number, counter, value, life]  2^64-1, 2^64-1, bytes of at most 16 MiB or null (a tombstone), 2^64-1;
 *          a life of 0 (for ever) is left out
 *
 * Arrays have exactly these lengths; lengths are definite; texts are UTF-8 without control characters.  Keys are
 * unsigned, come in any order and, those below 64, never twice; keys from 24 on, of which some are operation.c's
 * and watched.c's, are stepped over with whatever well-formed value they have, nested at most 8 deep. */
#include "frame.h"

#include <stddef.h>
#include <string.h>

#include "cursor.h"
#include "mem.h"
#include "text.h"
#include "wire.h"

struct row;

/* How the fields of one kind are left out, written and read. */
struct kind {
	bool (*empty)(const struct frame *f, const struct row *row);
	void (*put)(struct wire *o, const struct frame *f, const struct row *row);
	bool (*take)(struct cursor *c, struct frame *f, const struct row *row);
};

struct row {
	const struct kind *kind;
	size_t offset;  /* in struct frame */
	uint64_t bound; /* greatest number; size of a text's array */
};

static const void *field_of(const struct frame *f, const struct row *row)
{
	return (const char *)f + row->offset;
}

static void *field_in(struct frame *f, const struct row *row)
{
	return (char *)f + row->offset;
}

/* The version: always there, always ours. */
static bool version_empty(const struct frame *f, const struct row *row)
{
	(void)f;
	(void)row;
	return false;
}

static void version_put(struct wire *w, const struct frame *f, const struct row *row)
{
	(void)f;
	(void)row;
	wire_put_uint(w, FRAME_VERSION);
}

static bool version_take(struct cursor *c, struct frame *f, const struct row *row)
{
	(void)f;
	(void)row;
	return wire_take_version(c);
}

static const struct kind version_kind = {version_empty, version_put, version_take};

/* Numbers of 32 bits, enums among them. */
_Static_assert(sizeof(enum frame_type) == sizeof(uint32_t) && sizeof(enum frame_reason) == sizeof(uint32_t) &&
		       sizeof(enum node_state) == sizeof(uint32_t),
	       "enums are read and written as 32 bits");

static uint32_t u32_get(const struct frame *f, const struct row *row)
{
	uint32_t n;

	memcpy(&n, field_of(f, row), sizeof(n));
	return n;
}

static bool u32_empty(const struct frame *f, const struct row *row)
{
	return u32_get(f, row) == 0;
}

static void u32_put(struct wire *w, const struct frame *f, const struct row *row)
{
	if (u32_get(f, row) > row->bound)
		mem_die("a number above its bound");
	wire_put_uint(w, u32_get(f, row));
}

static bool u32_take(struct cursor *c, struct frame *f, const struct row *row)
{
	uint64_t wide;
	uint32_t n;

	if (!wire_take_uint(c, row->bound, &wide))
		return false;
	n = (uint32_t)wide;
	memcpy(field_in(f, row), &n, sizeof(n));
	return true;
}

static const struct kind u32_kind = {u32_empty, u32_put, u32_take};

static bool u64_empty(const struct frame *f, const struct row *row)
{
	return *(const uint64_t *)field_of(f, row) == 0;
}

static void u64_put(struct wire *w, const struct frame *f, const struct row *row)
{
	wire_put_uint(w, *(const uint64_t *)field_of(f, row));
}

static bool u64_take(struct cursor *c, struct frame *f, const struct row *row)
{
	return wire_take_uint(c, row->bound, field_in(f, row));
}

static const struct kind u64_kind = {u64_empty, u64_put, u64_take};

static bool bool_empty(const struct frame *f, const struct row *row)
{
	return !*(const bool *)field_of(f, row);
}

static void bool_put(struct wire *w, const struct frame *f, const struct row *row)
{
	wire_put_bool(w, *(const bool *)field_of(f, row));
}

static bool bool_take(struct cursor *c, struct frame *f, const struct row *row)
{
	return wire_take_bool(c, field_in(f, row));
}

static const struct kind bool_kind = {bool_empty, bool_put, bool_take};

static bool conn_empty(const struct frame *f, const struct row *row)
{
	const struct conn *conn = field_of(f, row);

	return conn->nonce == 0 && conn->count == 0;
}

static void conn_put(struct wire *w, const struct frame *f, const struct row *row)
{
	wire_put_conn(w, field_of(f, row));
}

static bool conn_take(struct cursor *c, struct frame *f, const struct row *row)
{
	return wire_take_conn(c, field_in(f, row));
}

static const struct kind conn_kind = {conn_empty, conn_put, conn_take};

static bool member_empty(const struct frame *f, const struct row *row)
{
	const struct member *m = field_of(f, row);

	return m->id == 0 && m->memory == 0 && m->conn.nonce == 0 && m->conn.count == 0;
}

static void member_put(struct wire *w, const struct frame *f, const struct row *row)
{
	wire_put_member(w, field_of(f, row));
}

static bool member_take(struct cursor *c, struct frame *f, const struct row *row)
{
	return wire_take_member(c, field_in(f, row));
}

static const struct kind member_kind = {member_empty, member_put, member_take};

static bool ring_empty(const struct frame *f, const struct row *row)
{
	const struct ring_id *ring = field_of(f, row);

	return ring->term == 0 && ring->nonce == 0;
}

static void ring_put(struct wire *w, const struct frame *f, const struct row *row)
{
	wire_put_ring(w, field_of(f, row));
}

static bool ring_take(struct cursor *c, struct frame *f, const struct row *row)
{
	return wire_take_ring(c, field_in(f, row));
}

static const struct kind ring_kind = {ring_empty, ring_put, ring_take};

static bool arc_empty(const struct frame *f, const struct row *row)
{
	(void)row;
	return !f->arc_set;
}

static void arc_put(struct wire *w, const struct frame *f, const struct row *row)
{
	wire_put_arc(w, field_of(f, row));
}

static bool arc_take(struct cursor *c, struct frame *f, const struct row *row)
{
	f->arc_set = true;
	return wire_take_arc(c, field_in(f, row));
}

static const struct kind arc_kind = {arc_empty, arc_put, arc_take};

static bool text_empty(const struct frame *f, const struct row *row)
{
	return *(const char *)field_of(f, row) == '\0';
}

static void text_put(struct wire *w, const struct frame *f, const struct row *row)
{
	if (!memchr(field_of(f, row), '\0', row->bound))
		mem_die("a text without an end");
	wire_put_text(w, field_of(f, row));
}

static bool text_take(struct cursor *c, struct frame *f, const struct row *row)
{
	return wire_take_text(c, field_in(f, row), row->bound);
}

static const struct kind text_kind = {text_empty, text_put, text_take};

static bool views_empty(const struct frame *f, const struct row *row)
{
	(void)row;
	return f->view_count == 0;
}

static void views_put(struct wire *w, const struct frame *f, const struct row *row)
{
	if (f->view_count > row->bound)
		mem_die("too many views in a frame");
	wire_put_array(w, f->view_count);
	for (size_t i = 0; i < f->view_count; i++)
		wire_put_view(w, &f->views[i]);
}

static bool views_take(struct cursor *c, struct frame *f, const struct row *row)
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

static const struct kind views_kind = {views_empty, views_put, views_take};

static bool records_empty(const struct frame *f, const struct row *row)
{
	(void)row;
	return f->record_count == 0;
}

static void records_put(struct wire *w, const struct frame *f, const struct row *row)
{
	if (f->record_count > row->bound)
		mem_die("too many records in a frame");
	wire_put_array(w, f->record_count);
	for (size_t i = 0; i < f->record_count; i++)
		wire_put_record(w, &f->records[i]);
}

static bool records_take(struct cursor *c, struct frame *f, const struct row *row)
{
	if (!wire_take_array(c, row->bound, &f->record_count))
		return false;
	for (size_t i = 0; i < f->record_count; i++) {
		if (!wire_take_record(c, &f->records[i]))
			return false;
	}
	return true;
}

static const struct kind records_kind = {records_empty, records_put, records_take};

static bool keys_empty(const struct frame *f, const struct row *row)
{
	(void)row;
	return f->key_count == 0;
}

static void keys_put(struct wire *w, const struct frame *f, const struct row *row)
{
	if (f->key_count > row->bound)
		mem_die("too many keys in a frame");
	wire_put_array(w, f->key_count);
	for (size_t i = 0; i < f->key_count; i++)
		wire_put_key(w, &f->keys[i]);
}

static bool keys_take(struct cursor *c, struct frame *f, const struct row *row)
{
	if (!wire_take_array(c, row->bound, &f->key_count))
		return false;
	for (size_t i = 0; i < f->key_count; i++) {
		if (!wire_take_key(c, &f->keys[i]))
			return false;
	}
	return true;
}

static const struct kind keys_kind = {keys_empty, keys_put, keys_take};

static bool table_empty(const struct frame *f, const struct row *row)
{
	(void)row;
	return f->table_len == 0;
}

static void table_put(struct wire *w, const struct frame *f, const struct row *row)
{
	if (f->table_len > row->bound)
		mem_die("too long a table in a frame");
	wire_put_bytes(w, f->table, f->table_len);
}

static bool table_take(struct cursor *c, struct frame *f, const struct row *row)
{
	return wire_take_bytes(c, &f->table, &f->table_len) &&
	       (f->table_len <= row->bound || cursor_fail(c, "a table too long"));
}

static const struct kind table_kind = {table_empty, table_put, table_take};

enum { KEY_VERSION, KEY_TYPE, KEYS_KNOWN = 36 };

static const struct row rows[KEYS_KNOWN] = {
	[KEY_VERSION] = {&version_kind, 0, 0},
	[KEY_TYPE] = {&u32_kind, offsetof(struct frame, type), FRAME_TYPES - 1},
	[2] = {&member_kind, offsetof(struct frame, from), 0},
	[3] = {&conn_kind, offsetof(struct frame, to), 0},
	[4] = {&ring_kind, offsetof(struct frame, ring), 0},
	[5] = {&u64_kind, offsetof(struct frame, attempt), UINT64_MAX},
	[6] = {&u64_kind, offsetof(struct frame, seq), UINT64_MAX},
	[7] = {&u64_kind, offsetof(struct frame, count), UINT64_MAX},
	[8] = {&u64_kind, offsetof(struct frame, hash), UINT64_MAX},
	[9] = {&u32_kind, offsetof(struct frame, wait), UINT32_MAX},
	[10] = {&u32_kind, offsetof(struct frame, reason), FRAME_REASONS - 1},
	[11] = {&arc_kind, offsetof(struct frame, arc), 0},
	[12] = {&bool_kind, offsetof(struct frame, flag), 0},
	[13] = {&u32_kind, offsetof(struct frame, state), NODE_STATES - 1},
	[14] = {&u64_kind, offsetof(struct frame, since), UINT64_MAX},
	[15] = {&u32_kind, offsetof(struct frame, predecessor), UINT32_MAX},
	[16] = {&u32_kind, offsetof(struct frame, successor), UINT32_MAX},
	[17] = {&conn_kind, offsetof(struct frame, peer), 0},
	[18] = {&text_kind, offsetof(struct frame, name), NAME_MAX_LEN + 1},
	[19] = {&text_kind, offsetof(struct frame, software), sizeof(((struct frame *)0)->software)},
	[20] = {&text_kind, offsetof(struct frame, reply), sizeof(((struct frame *)0)->reply)},
	[21] = {&views_kind, offsetof(struct frame, views), FRAME_VIEWS_MAX},
	[22] = {&records_kind, offsetof(struct frame, records), FRAME_RECORDS_MAX},
	[23] = {&keys_kind, offsetof(struct frame, keys), FRAME_KEYS_MAX},
	/* 24 to 30 are those of operation.c */
	[31] = {&table_kind, 0, 65535},
	/* 32 to 34 are those of watched.c */
	[35] = {&u32_kind, offsetof(struct frame, minor), UINT32_MAX},
};

size_t frame_record_size(const struct frame_record *r)
{
	return WIRE_RECORD_MAX + r->key.name_len + r->value_len;
}

/* At least what the frame takes: every key but the last few bounded for good, those by what they hold. */
static size_t frame_bound(const struct frame *f)
{
	size_t size = 256 + sizeof(f->name) + sizeof(f->software) + sizeof(f->reply) +
		      (size_t)f->view_count * WIRE_VIEW_MAX + f->table_len;

	for (size_t i = 0; i < f->key_count; i++)
		size += WIRE_KEY_MAX + f->keys[i].name_len;
	for (size_t i = 0; i < f->record_count; i++)
		size += frame_record_size(&f->records[i]);
	return size;
}

uint8_t *frame_encode(const struct frame *f, size_t *len)
{
	struct wire w = {.size = frame_bound(f)};
	size_t pairs = 0;

	if (f->type == FRAME_NONE)
		mem_die("a frame of no type");
	for (size_t key = 0; key < KEYS_KNOWN; key++)
		pairs += rows[key].kind && !rows[key].kind->empty(f, &rows[key]);
	w.p = xmalloc(w.size);
	wire_put_map(&w, pairs);
	for (size_t key = 0; key < KEYS_KNOWN; key++) {
		if (!rows[key].kind || rows[key].kind->empty(f, &rows[key]))
			continue;
		wire_put_uint(&w, key);
		rows[key].kind->put(&w, f, &rows[key]);
	}
	*len = w.used;
	return w.p;
}

/* One key and its value.  *seen: the keys so far. */
static bool pair_take(struct cursor *c, struct frame *f, uint64_t *seen)
{
	uint64_t key;

	if (!wire_take_field(c, seen, &key))
		return false;
	return key < KEYS_KNOWN && rows[key].kind ? rows[key].kind->take(c, f, &rows[key]) : cursor_skip(c);
}

const char *frame_decode(struct frame *f, struct frame_room *room, const uint8_t *bytes, size_t len)
{
	struct cursor c = {bytes, bytes + len, NULL};
	uint64_t pairs, seen = 0;

	*f = (struct frame){0};
	f->records = room->records;
	f->keys = room->keys;
	if (!wire_take_map(&c, &pairs))
		return c.error;
	for (; pairs > 0; pairs--) {
		if (!pair_take(&c, f, &seen))
			return c.error;
	}
	if (c.p != c.end)
		return "bytes behind the frame";
	if (!(seen >> KEY_VERSION & 1))
		return "no version";
	if (f->type == FRAME_NONE)
		return "no type";
	return NULL;
}

enum frame_type frame_type_of(const uint8_t *bytes, size_t len)
{
	struct cursor c = {bytes, bytes + len, NULL};
	uint64_t pairs, key, type;

	if (!wire_take_map(&c, &pairs))
		return FRAME_NONE;
	for (; pairs > 0 && wire_take_uint(&c, UINT64_MAX, &key); pairs--) {
		if (key == KEY_TYPE)
			return wire_take_uint(&c, FRAME_TYPES - 1, &type) ? (enum frame_type)type : FRAME_NONE;
		if (!cursor_skip(&c))
			break;
	}
	return FRAME_NONE;
}

uint64_t frame_major(const uint8_t *bytes, size_t len)
{
	struct cursor c = {bytes, bytes + len, NULL};
	uint64_t pairs, key, major;

	return wire_take_map(&c, &pairs) && pairs && wire_take_uint(&c, UINT64_MAX, &key) && key == KEY_VERSION &&
			       wire_take_uint(&c, UINT64_MAX, &major)
		       ? major
		       : 0;
}
