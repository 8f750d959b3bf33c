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
 * |  36 | last        | bool                                    |                              |
 * |  37 | epoch       | uint                                    | 2^64-1                       |
 * |  38 | copies      | uint                                    | 2^32-1                       |
 * |  39 | wanted      | uint                                    | 2^32-1                       |
 * |  40 | behind      | uint                                    | 2^64-1                       |
 * |  41 | more        | bool                                    |                              |
 * |  42 | doubts      | [doubt, ...]                            | 8                            |
 * |  43 | full        | bool                                    |                              |
 * |  44 | next        | [member, ...]                           | 3                            |
 * |  45 | sums        | bytes: 4 for each of `records`          | 2048                         |
 * |  46 | checks      | [check, ...]                            | 16                           |
 * |  47 | checked     | uint                                    | 2^64-1                       |
 * |  48 | differs     | [arc, ...]                              | 16                           |
 * |  49 | anew        | bool                                    |                              |
 * |  50 | scrub       | [uint, ...]                             | 9, 2^64-1 each               |
 * |  51 | bytes       | uint                                    | 2^64-1                       |
 * |  52 | limit       | uint                                    | 2^64-1                       |
 * |  53 | need        | uint                                    | 2^64-1                       |
 *
 * conn   = [nonce, count]              2^64-1, below 2^24-1
 * member = [id, memory, nonce, count]  2^32-1, 2^64-1, and as in conn
 * arc    = [lo, hi]                    2^32-1 each
 * view   = [number, maker, base number, base maker, far base number, far base maker, split, lo, hi, owner, backup]
 *          numbers 2^64-1, makers, split, lo and hi 2^32-1; owner a member; backup a member with a memory, or null
 * check  = [lo, hi, count, hash]        2^32-1, 2^64-1
 * doubt  = [lo, hi, number, maker, waits, copy]  as in a view; an id, 2^32-1, or null; bool
 * key    = a number's uint, 2^32-1; or a name's bytes, 1 to 65,536
 * record = [key, number, counter, value, life]  2^64-1, 2^64-1, bytes of at most 16 MiB or null (a tombstone), 2^64-1;
 *          a life of 0 (for ever) is left out
 *
 * Arrays have exactly these lengths; lengths are definite; texts are UTF-8 without control characters.  Keys are
 * unsigned, come in any order and, those below 64, never twice; keys from 24 on, of which some are operation.c's
 * and watched.c's, are stepped over with whatever well-formed value they have, nested at most 8 deep. */
#include "frame.h"

#include <stddef.h>

#include "cursor.h"
#include "frame-kind.h"
#include "mem.h"
#include "wire.h"

enum { KEY_VERSION, KEY_TYPE, KEYS_KNOWN = 54 };

static const struct frame_row rows[KEYS_KNOWN] = {
	[KEY_VERSION] = {&frame_kind_version, 0, 0},
	[KEY_TYPE] = {&frame_kind_u32, offsetof(struct frame, type), FRAME_TYPES - 1},
	[2] = {&frame_kind_member, offsetof(struct frame, from), 0},
	[3] = {&frame_kind_conn, offsetof(struct frame, to), 0},
	[4] = {&frame_kind_ring, offsetof(struct frame, ring), 0},
	[5] = {&frame_kind_u64, offsetof(struct frame, attempt), UINT64_MAX},
	[6] = {&frame_kind_u64, offsetof(struct frame, seq), UINT64_MAX},
	[7] = {&frame_kind_u64, offsetof(struct frame, count), UINT64_MAX},
	[8] = {&frame_kind_u64, offsetof(struct frame, hash), UINT64_MAX},
	[9] = {&frame_kind_u32, offsetof(struct frame, wait), UINT32_MAX},
	[10] = {&frame_kind_u32, offsetof(struct frame, reason), FRAME_REASONS - 1},
	[11] = {&frame_kind_arc, offsetof(struct frame, arc), 0},
	[12] = {&frame_kind_bool, offsetof(struct frame, flag), 0},
	[13] = {&frame_kind_u32, offsetof(struct frame, state), NODE_STATES - 1},
	[14] = {&frame_kind_u64, offsetof(struct frame, since), UINT64_MAX},
	[15] = {&frame_kind_u32, offsetof(struct frame, predecessor), UINT32_MAX},
	[16] = {&frame_kind_u32, offsetof(struct frame, successor), UINT32_MAX},
	[17] = {&frame_kind_conn, offsetof(struct frame, peer), 0},
	[18] = {&frame_kind_text, offsetof(struct frame, name), NAME_MAX_LEN + 1},
	[19] = {&frame_kind_text, offsetof(struct frame, software), sizeof(((struct frame *)0)->software)},
	[20] = {&frame_kind_text, offsetof(struct frame, reply), sizeof(((struct frame *)0)->reply)},
	[21] = {&frame_kind_views, offsetof(struct frame, views), FRAME_VIEWS_MAX},
	[22] = {&frame_kind_records, offsetof(struct frame, records), FRAME_RECORDS_MAX},
	[23] = {&frame_kind_keys, offsetof(struct frame, keys), FRAME_KEYS_MAX},
	/* 24 to 30 are those of operation.c */
	[31] = {&frame_kind_table, 0, 65535},
	/* 32 to 34 are those of watched.c */
	[35] = {&frame_kind_u32, offsetof(struct frame, minor), UINT32_MAX},
	[36] = {&frame_kind_bool, offsetof(struct frame, last), 0},
	[37] = {&frame_kind_u64, offsetof(struct frame, epoch), UINT64_MAX},
	[38] = {&frame_kind_u32, offsetof(struct frame, copies), UINT32_MAX},
	[39] = {&frame_kind_u32, offsetof(struct frame, wanted), UINT32_MAX},
	[40] = {&frame_kind_u64, offsetof(struct frame, behind), UINT64_MAX},
	[41] = {&frame_kind_bool, offsetof(struct frame, more), 0},
	[42] = {&frame_kind_doubts, offsetof(struct frame, doubts), FRAME_DOUBTS_MAX},
	[43] = {&frame_kind_bool, offsetof(struct frame, full), 0},
	[44] = {&frame_kind_next, offsetof(struct frame, next), FRAME_NEXT_MAX},
	[45] = {&frame_kind_sums, 0, 0},
	[46] = {&frame_kind_checks, 0, FRAME_CHECKS_MAX},
	[47] = {&frame_kind_u64, offsetof(struct frame, checked), UINT64_MAX},
	[48] = {&frame_kind_differs, 0, FRAME_CHECKS_MAX},
	[49] = {&frame_kind_bool, offsetof(struct frame, anew), 0},
	[50] = {&frame_kind_scrub, 0, SCRUB_NUMBERS},
	[51] = {&frame_kind_u64, offsetof(struct frame, bytes), UINT64_MAX},
	[52] = {&frame_kind_u64, offsetof(struct frame, limit), UINT64_MAX},
	[53] = {&frame_kind_u64, offsetof(struct frame, need), UINT64_MAX},
};

size_t frame_record_size(const struct frame_record *r)
{
	return WIRE_RECORD_MAX + r->key.name_len + r->value_len;
}

/* At least what the frame takes: every key but the last few bounded for good, those by what they hold. */
static size_t frame_bound(const struct frame *f)
{
	size_t size = 256 + sizeof(f->name) + sizeof(f->software) + sizeof(f->reply) +
		      (size_t)f->view_count * WIRE_VIEW_MAX + (size_t)f->doubt_count * WIRE_DOUBT_MAX +
		      (size_t)f->next_count * WIRE_MEMBER_MAX + (size_t)f->check_count * WIRE_CHECK_MAX +
		      (size_t)f->differ_count * WIRE_ARC_MAX + (size_t)f->scrub_count * 9 + f->table_len;

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

/* Whichever of the two came first. */
static const char *sums_read(struct frame *f)
{
	if (!f->sums)
		return NULL;
	if (f->sums_len != WIRE_SUM * f->record_count)
		return "sums of other records";
	for (size_t i = 0; i < f->record_count; i++)
		f->records[i].sum = wire_sum(f->sums + WIRE_SUM * i);
	return NULL;
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
	return sums_read(f);
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
