/* Values in pieces: what one page does not hold is kept as pieces of which each is one page.
 *
 * LMDB puts a long value into pages in a row, and where none is as long as it needs there is no room, however many pages
 * are free one by one: a disk that has been full and emptied would be stuck.  So all bytes that are stored under a key
 * and are more than a page holds go, behind their length, into a space of pieces:
 *   0x01, 7 bytes of number  ->  a piece: as much as a page holds, the last one what is left
 *   0x00, 7 bytes of number  ->  how many from there on nobody needs any more and are still there (8 bytes)
 * and under the key stand the 7 bytes of its first piece's number: that is less than a checksum, so that it is nothing
 * else.  Numbers ascend (the greatest there is + 1) and have their greatest byte first.
 *
 * To take many pieces away at once needs a row, too: LMDB notes what a transaction has freed in one item, 8 bytes a page.
 * Therefore a transaction on a full disk takes away some, and later ones the rest.
 *
 * All that write are for the thread that writes, within a transaction that disk_long_begin has begun. Errors are LMDB's. */
#ifndef DHT_DISK_LONG_H
#define DHT_DISK_LONG_H

#include <lmdb.h>

#include "disk-internal.h"
#include "disk-key.h"

/* Opens the space of pieces, or makes it. */
int disk_long_open(struct disk *d, MDB_txn *txn);

/* If gently, the transaction takes away so few pieces that LMDB notes them in one page. */
int disk_long_begin(struct disk *d, MDB_txn *txn, bool gently);

/* As mdb_put and mdb_del (where there is nothing is no error); first and second are stored one behind the other. */
int disk_long_put(struct disk *d, MDB_txn *txn, MDB_dbi dbi, MDB_val *at, struct disk_bytes first,
		  struct disk_bytes second);
int disk_long_remove(struct disk *d, MDB_txn *txn, MDB_dbi dbi, MDB_val *at);

/* Before the transaction's end: takes away what earlier ones have left.  d->leftover: whether there is more. */
int disk_long_sweep(struct disk *d, MDB_txn *txn);

/* All that is stored where LMDB has found `stored`; borrowed from LMDB or from room.  Instead of a piece that is missing
 * there are zeros, which a checksum tells; without the first one a single byte, which neither a checksum nor a chain
 * fits into.  For any thread's own transaction and room. */
struct disk_bytes disk_long_whole(const struct disk *d, MDB_txn *txn, const MDB_val *stored, struct room *room);

#endif
