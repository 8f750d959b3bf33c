#include "disk-long.h"

#include <endian.h>
#include <string.h>

#include "../common/mem.h"

#define PIECES "pieces" /* the space; callers' have another name in front */
#define PAGE_HEAD 16u   /* LMDB's, of a page that holds a piece */
#define HEAD 7u         /* bytes that stand for a value in pieces */
#define NUMBER_MAX ((UINT64_C(1) << 48) - 1)
#define PIECE ((uint64_t)1 << 56) /* a piece's key is this + its number, and what is left over is at the number */
#define GENTLY 256u               /* of 509 that LMDB notes in one page; the rest are pages of other kinds */

_Static_assert(HEAD < DISK_SUM, "nothing else is as short");

/* A key among the pieces. */
struct place {
	uint64_t bytes;
	MDB_val key;
};

/* Pieces, one behind the other. */
struct run {
	uint64_t first, count;
};

static MDB_val *place_at(struct place *p, uint64_t number)
{
	p->bytes = htobe64(number);
	p->key = (MDB_val){sizeof(p->bytes), &p->bytes};
	return &p->key;
}

static uint64_t number_of(const MDB_val *key)
{
	uint64_t bytes;

	if (key->mv_size != sizeof(bytes))
		return UINT64_MAX;
	memcpy(&bytes, key->mv_data, sizeof(bytes));
	return be64toh(bytes);
}

static int found(int rc)
{
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int disk_long_open(struct disk *d, MDB_txn *txn)
{
	MDB_stat stat;
	int rc = mdb_dbi_open(txn, PIECES, MDB_CREATE, &d->pieces);

	if (!rc)
		rc = mdb_stat(txn, d->pieces, &stat);
	if (!rc)
		d->piece = stat.ms_psize - PAGE_HEAD;
	d->leftover = true; /* perhaps */
	return rc;
}

int disk_long_begin(struct disk *d, MDB_txn *txn, bool gently)
{
	MDB_stat stat;
	int rc = mdb_stat(txn, d->pieces, &stat);

	d->has_pieces = !rc && stat.ms_entries > 0;
	d->may_drop = gently ? GENTLY : UINT64_MAX;
	return rc;
}

/* The number of the first piece of what LMDB has found; 0 if it is not in pieces. */
static uint64_t head_of(const MDB_val *stored)
{
	uint64_t number = 0;

	if (stored->mv_size == HEAD)
		memcpy((uint8_t *)&number + sizeof(number) - HEAD, stored->mv_data, HEAD);
	return be64toh(number);
}

/* Of the value whose first piece is `first`: how many pieces there are, 0 if that cannot be; *length: bytes of all. */
static uint64_t count_of(const struct disk *d, MDB_txn *txn, uint64_t first, uint64_t *length)
{
	struct place p;
	MDB_stat stat;
	MDB_val piece;
	uint64_t count;

	if (mdb_stat(txn, d->pieces, &stat) || mdb_get(txn, d->pieces, place_at(&p, PIECE + first), &piece) ||
	    piece.mv_size < sizeof(*length))
		return 0;
	memcpy(length, piece.mv_data, sizeof(*length));
	if (*length > UINT64_MAX - sizeof(*length))
		return 0;
	*length += sizeof(*length);
	count = *length / d->piece + (*length % d->piece > 0);
	return count <= stat.ms_entries ? count : 0;
}

/* From the last one on, so that what is left over is from the first one on. */
static int drop(struct disk *d, MDB_txn *txn, struct run run)
{
	uint64_t first = run.first, count = run.count;
	MDB_val left = {sizeof(count), &count};
	struct place p;
	int rc = 0;

	for (; count > 0 && d->may_drop > 0 && !rc; count--, d->may_drop--)
		rc = found(mdb_del(txn, d->pieces, place_at(&p, PIECE + first + count - 1), NULL));
	if (rc)
		return rc;
	if (count == 0)
		return d->leftover ? found(mdb_del(txn, d->pieces, place_at(&p, first), NULL)) : 0;
	d->leftover = true;
	return mdb_put(txn, d->pieces, place_at(&p, first), &left, 0);
}

/* The pieces of what stands at a key; none if that is nothing or not in pieces. */
static int look(struct disk *d, MDB_txn *txn, MDB_dbi dbi, MDB_val *at, struct run *run)
{
	uint64_t length;
	MDB_val stored;
	int rc;

	*run = (struct run){0, 0};
	if (!d->has_pieces)
		return 0;
	rc = mdb_get(txn, dbi, at, &stored);
	if (rc)
		return found(rc);
	run->first = head_of(&stored);
	run->count = run->first ? count_of(d, txn, run->first, &length) : 0;
	return 0;
}

int disk_long_sweep(struct disk *d, MDB_txn *txn)
{
	int rc = 0;

	while (!rc && d->leftover && d->may_drop > 0) {
		uint64_t first = UINT64_MAX, count = 0;
		MDB_val key = {0}, value;
		MDB_cursor *cursor;
		MDB_stat stat;

		rc = mdb_stat(txn, d->pieces, &stat);
		if (!rc)
			rc = mdb_cursor_open(txn, d->pieces, &cursor);
		if (rc)
			return rc;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
		if (!rc)
			first = number_of(&key);
		if (first < PIECE && value.mv_size == sizeof(count))
			memcpy(&count, value.mv_data, sizeof(count));
		mdb_cursor_close(cursor);
		if (first < PIECE)
			rc = drop(d, txn, (struct run){first, count <= stat.ms_entries ? count : 0});
		else if (!found(rc))
			d->leftover = false;
	}
	return found(rc);
}

/* Where the next value's pieces begin, and the flag for those who come behind all others. */
static int next_number(MDB_cursor *cursor, uint64_t *number, unsigned *flag)
{
	MDB_val key, value;
	int rc;

	*number = 1;
	*flag = MDB_APPEND;
	/* A key that is damaged may be behind all that are right. */
	for (rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST); !rc;
	     rc = mdb_cursor_get(cursor, &key, &value, MDB_PREV), *flag = 0) {
		uint64_t last = number_of(&key);

		if (last > PIECE && last < PIECE + NUMBER_MAX) {
			*number = last - PIECE + 1;
			return 0;
		}
	}
	return found(rc);
}

/* Moves `room` bytes from the front of these to out. */
static void take(struct disk_bytes *parts, size_t count, uint8_t *out, size_t room)
{
	for (size_t i = 0; i < count; i++) {
		size_t len = parts[i].len < room ? parts[i].len : room;

		if (len > 0)
			memcpy(out, parts[i].at, len);
		parts[i].at += len;
		parts[i].len -= len;
		out += len;
		room -= len;
	}
}

/* `before` is what they take the place of: beyond it, though the last of those should be missing, for it is about to go.
 */
static int put_pieces(struct disk *d, MDB_txn *txn, struct run before, struct disk_bytes a, struct disk_bytes b,
		      uint64_t *first)
{
	uint64_t length = a.len + b.len, left = sizeof(length) + length, number;
	struct disk_bytes parts[] = {{(const uint8_t *)&length, sizeof(length)}, a, b};
	MDB_cursor *cursor;
	unsigned flag;
	int rc = mdb_cursor_open(txn, d->pieces, &cursor);

	if (rc)
		return rc;
	rc = next_number(cursor, first, &flag);
	if (before.count > 0 && *first < before.first + before.count)
		*first = before.first + before.count;
	for (number = *first; left > 0 && !rc; number++) {
		MDB_val piece = {left < d->piece ? left : d->piece, NULL};
		struct place p;

		rc = mdb_cursor_put(cursor, place_at(&p, PIECE + number), &piece, MDB_RESERVE | flag);
		if (!rc)
			take(parts, sizeof(parts) / sizeof(parts[0]), piece.mv_data, piece.mv_size);
		left -= piece.mv_size;
	}
	mdb_cursor_close(cursor);
	d->has_pieces = true;
	return rc;
}

static int put_head(MDB_txn *txn, MDB_dbi dbi, MDB_val *at, uint64_t number)
{
	uint64_t bytes = htobe64(number);
	MDB_val head = {HEAD, (uint8_t *)&bytes + sizeof(bytes) - HEAD};

	return mdb_put(txn, dbi, at, &head, 0);
}

int disk_long_put(struct disk *d, MDB_txn *txn, MDB_dbi dbi, MDB_val *at, struct disk_bytes first,
		  struct disk_bytes second)
{
	struct disk_bytes parts[] = {first, second};
	MDB_val stored = {first.len + second.len, NULL};
	struct run before;
	uint64_t number;
	int rc = look(d, txn, dbi, at, &before);

	if (rc)
		return rc;
	if (stored.mv_size > d->piece) {
		rc = put_pieces(d, txn, before, first, second, &number);
		if (!rc)
			rc = put_head(txn, dbi, at, number);
	} else {
		rc = mdb_put(txn, dbi, at, &stored, MDB_RESERVE);
		if (!rc)
			take(parts, 2, stored.mv_data, stored.mv_size);
	}
	return rc ? rc : drop(d, txn, before);
}

int disk_long_remove(struct disk *d, MDB_txn *txn, MDB_dbi dbi, MDB_val *at)
{
	struct run before;
	int rc = look(d, txn, dbi, at, &before);

	if (!rc)
		rc = found(mdb_del(txn, dbi, at, NULL));
	return rc ? rc : drop(d, txn, before);
}

uint8_t *disk_room(struct room *room, size_t size)
{
	if (size > room->size) {
		room->at = xrealloc(room->at, size);
		room->size = size;
	}
	return room->at;
}

struct disk_bytes disk_long_whole(const struct disk *d, MDB_txn *txn, const MDB_val *stored, struct room *room)
{
	uint64_t first = head_of(stored), length = 0, count, done = 0;
	uint8_t *out;

	if (stored->mv_size != HEAD)
		return (struct disk_bytes){stored->mv_data, stored->mv_size};
	count = count_of(d, txn, first, &length);
	out = disk_room(room, length > 0 && count > 0 ? length : 1);
	if (count == 0) {
		out[0] = 0;
		return (struct disk_bytes){out, 1};
	}
	for (uint64_t i = 0; i < count; i++) {
		size_t len = length - done < d->piece ? length - done : d->piece;
		struct place p;
		MDB_val piece;

		if (mdb_get(txn, d->pieces, place_at(&p, PIECE + first + i), &piece) || piece.mv_size != len)
			memset(out + done, 0, len);
		else
			memcpy(out + done, piece.mv_data, len);
		done += len;
	}
	return (struct disk_bytes){out + sizeof(length), length - sizeof(length)};
}
