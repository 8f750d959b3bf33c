/* A durable store of bytes under bytes, in one directory: LMDB behind "commit" and "committed".
 *
 * Writes are collected into batches.  A sealed batch is taken whole or not at all, in the order of sealing; a thread of
 * its own writes all that has been sealed by then as one transaction (group commit), so that the caller never waits for
 * the disk: it hears from an event descriptor and asks disk_status().  What is read back is read once, at the start,
 * by disk_load(); the caller keeps its records in memory.  It knows nothing of records, arcs or views, and it logs
 * nothing: what there is to say comes back as texts that name what happened and what to do.
 *
 * What acknowledging after "committed" promises, by durability:
 *   fsync  it survives the process, the kernel and the power, as far as the disk keeps what it said it had.
 *   os     it survives the process, not the machine.  LMDB's file is not ordered on its way to the disk then, so that
 *          after a power cut it may be any mixture; therefore the directory is marked with the machine's boot, and one
 *          that was not closed before the next boot is refused as DISK_UNTRUSTED instead of being believed.
 *   none   it survives a clean end (disk_close) and nothing else: batches count as committed as soon as they are
 *          sealed. A directory that was not closed is refused as DISK_UNTRUSTED, for what it holds is an earlier time.
 *
 * The directory, which is one process's at a time:
 *   lock       held by flock() as long as the process lives; its text is the process's number
 *   data.mdb   LMDB's file.  It comes into being whole, by rename, so that an empty one is a damaged one.  Each value
 *              has a checksum, and the whole file's structure is checked before LMDB, which trusts it, sees it: LMDB
 *              aborts, reads anywhere or dies of SIGBUS by a file that was cut or overwritten.
 *   unsynced   the mark of os and none
 *   data.mdb.aside   what set_aside has put there
 * LMDB's own lock file is not used (MDB_NOLOCK): there is one process by flock, one writer by construction, and readers
 * only while nothing is written; so nothing stale is left behind by kill -9.  Others must not read a live data.mdb.
 *
 * Room.  The map is address space, not memory and not disk: 1 TiB from the beginning (less if the process may not have
 * that), because growing it later means that no transaction may be open anywhere, and gains nothing on 64 bits.  The
 * file grows as it is written; behind its end there is always room that has been allocated ahead (`reserve`).  When the
 * filesystem gives no more and half of the reserve is all there is, the state is DISK_FULL: the caller then refuses
 * what makes it grow, and removals, tombstones and what had been sealed already go on into the reserve.  A batch for
 * which there is no room after all is kept and tried again; nothing that was sealed is dropped while the process lives.
 * A value longer than a page is kept in pieces of a page each (disk-long.h), so that room is room wherever it is; only
 * values that format 1 has stored are in pages in a row, until they are written again.
 *
 * All functions are for one thread, the caller's. */
#ifndef DHT_DISK_H
#define DHT_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_FORMAT 2u /* 2: long values in pieces */
#define DISK_SPACES_MAX 8u
#define DISK_SPACE_NAME_MAX 32u
#define DISK_KEY_MAX (1u << 17) /* bytes of a key: a name (KEY_NAME_MAX) and what the caller puts in front of it */
#define DISK_VALUE_MAX (1u << 30)
#define DISK_NAME_MAX 64u
#define DISK_RING_MAX 256u
#define DISK_TEXT 640
#define DISK_RESERVE ((uint64_t)32 << 20)

enum disk_durability { DISK_FSYNC, DISK_OS, DISK_NONE };

/* Whose directory it is.  Recorded when it is made, compared ever after. */
struct disk_identity {
	uint32_t node;
	char name[DISK_NAME_MAX]; /* "" if none */
	size_t ring_len;
	uint8_t ring[DISK_RING_MAX]; /* opaque */
};

struct disk_config {
	const char *directory; /* made with mode 0700 if missing, its parent not */
	enum disk_durability durability;
	const char *const *spaces; /* names, of 1 to DISK_SPACE_NAME_MAX bytes; a space's number is its place here */
	unsigned space_count;      /* 1 to DISK_SPACES_MAX */
	struct disk_identity identity;
	bool any_node; /* node and name are for a new directory only; disk_identity() tells the recorded ones */
	/* What the directory held is renamed to data.mdb.aside (an earlier one is replaced) and it begins anew: for
	 * whoever has decided what to do about DISK_DAMAGED or DISK_UNTRUSTED. */
	bool set_aside;
	uint64_t size_max; /* bytes the file may grow to; 0: as far as the address space goes */
	uint64_t reserve;  /* bytes; 0: DISK_RESERVE */
};

/* Why there is no disk, by what can be done about it. */
enum disk_trouble {
	DISK_UNUSABLE,  /* the system says no: permissions, read-only, no room, a network filesystem, ... */
	DISK_BUSY,      /* another process has it */
	DISK_FOREIGN,   /* it is another node's or another ring's */
	DISK_NEWER,     /* of a format that this program does not know */
	DISK_DAMAGED,   /* cut short, overwritten, or not ours at all */
	DISK_CLOCK,     /* the machine's clock is far ahead of what stands there */
	DISK_UNTRUSTED, /* intact or not: what was acknowledged may be missing (see durability) */
};

struct disk_fault {
	enum disk_trouble trouble;
	char text[DISK_TEXT]; /* what is wrong -> what to do; no newline, no name in front */
};

struct disk;

/* NULL with *fault filled in.  Checks and reads the whole file once: about 0.1 s for 1,000,000 small records. */
struct disk *disk_open(const struct disk_config *config, struct disk_fault *fault);

/* Waits until all sealed batches are committed; what was not sealed is dropped.  False if that could not be, because
 * the disk is full or has failed: then what disk_status() had called committed is there all the same, except by
 * `none`. */
bool disk_close(struct disk *d);

/* As recorded in the directory; valid until disk_close. */
const struct disk_identity *disk_identity(const struct disk *d);

struct disk_item {
	const uint8_t *key, *value; /* borrowed until the callback returns */
	size_t key_len, value_len;
	/* The checksum says no: of key and value, either may be what is wrong (of a key above 510 bytes only the first
	 * 495 may be known).  Having seen one, nobody may take a key that was not seen in this space for one that was
	 * never written or was removed. */
	bool damaged;
};

typedef void (*disk_visit_cb)(void *arg, const struct disk_item *item);

/* Calls visit for all of a space, by ascending key as memcmp has it; keys above 510 bytes that agree in their first 495
 * come in any order among themselves.  Only when no sealed batch is uncommitted.  False with *fault (DISK_DAMAGED). */
bool disk_load(struct disk *d, unsigned space, disk_visit_cb visit, void *arg, struct disk_fault *fault);

/* Into the batch that is being collected; bytes are copied.  1 to DISK_KEY_MAX bytes of key, 0 to DISK_VALUE_MAX of
 * value.  Of several for one key the last counts. */
void disk_put(struct disk *d, unsigned space, const void *key, size_t key_len, const void *value, size_t value_len);
void disk_remove(struct disk *d, unsigned space, const void *key, size_t key_len);

/* Ends the batch and hands it over; its number: 1, 2, ...  An empty batch takes no number: the last one's is returned.
 * A quarter of the reserve should have room for a batch's pages, or it may have to wait for room when the disk is full:
 * count its bytes and a sixty-fourth, and for each operation 8 KiB, or 16 KiB where there are values longer than a page:
 * so some 500 operations with DISK_RESERVE. */
uint64_t disk_seal(struct disk *d);

enum disk_state {
	DISK_OK,
	DISK_FULL,   /* refuse what grows; it ends by itself when there is room */
	DISK_FAILED, /* nothing more will be committed, ever: end the process (what fsync has failed once, it does not
	              * tell again), and start anew as suspect */
};

struct disk_status {
	uint64_t committed; /* the greatest number committed, of this disk_open; all before it are, too */
	enum disk_state state;
	int code; /* what made it so: errno or LMDB's; 0 if DISK_OK */
};

/* Readable when the status may have changed since disk_status() was last called. */
int disk_event_fd(const struct disk *d);
struct disk_status disk_status(struct disk *d);

/* For people: what the status means and what to do. */
void disk_tell(const struct disk *d, const struct disk_status *status, char text[DISK_TEXT]);

/* Bytes put, sealed or not, and not yet committed (by `none`, too): what the caller bounds, by not taking more. */
uint64_t disk_backlog(const struct disk *d);

#endif
