/* What the files of the disk share. */
#ifndef DHT_DISK_INTERNAL_H
#define DHT_DISK_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lmdb.h>

#include "disk.h"

#define DATA_FILE "data.mdb"
#define DISK_MARK_FILE "unsynced"
#define DISK_ABOUT_KEY "identity"

/* A space: LMDB's handle, and what makes the same bytes in two spaces have two checksums. */
struct space {
	MDB_dbi dbi;
	uint64_t salt;
};

struct batch {
	struct batch *next;
	uint64_t number;
	size_t len, room;
	unsigned ops;
	bool has_long;  /* one of them is longer than a page */
	uint8_t *bytes; /* operations one behind the other: struct op, key, value */
};

struct op {
	uint8_t space;
	bool remove;
	uint32_t key_len, value_len;
};

/* Bytes that are used again and again. */
struct room {
	uint8_t *at;
	size_t size;
};

struct disk {
	char *directory;
	enum disk_durability durability;
	int dir_fd, lock_fd, data_fd, event_fd; /* data_fd is LMDB's */
	MDB_env *env;
	MDB_dbi about;  /* LMDB's handle of whose it is */
	MDB_dbi pieces; /* and of the pieces of long values: disk-long.h */
	size_t piece;   /* bytes of a piece */
	struct space spaces[DISK_SPACES_MAX];
	unsigned space_count;
	struct disk_identity identity;
	uint64_t hash_seed; /* of long keys; secret, so that nobody can make many share one place */
	uint64_t map_size, reserve;

	/* The caller's alone. */
	struct batch *open;    /* being collected, or NULL */
	uint64_t sealed, told; /* told: committed, by disk_status */

	/* The thread's alone, once it runs. */
	uint64_t ahead; /* end of what has been allocated in the file */
	bool cannot_ahead;
	uint64_t held;     /* bytes that the last transaction has freed, for the one after the next */
	struct room chain; /* see disk-key.h */
	struct room whole; /* what was in pieces */
	bool has_pieces;   /* by the last transaction */
	bool leftover;     /* there are pieces, perhaps, that nobody needs any more */
	uint64_t may_drop; /* pieces that this transaction may still take away */

	pthread_t thread;
	bool running;
	atomic_uint_fast64_t backlog;
	pthread_mutex_t file;  /* held by who writes LMDB's file, and by who reads it: it has no table of readers */
	pthread_mutex_t mutex; /* for what follows */
	pthread_cond_t cond;
	struct batch *first, **last;
	bool closing;
	uint64_t committed;
	enum disk_state state;
	int code;
};

/* disk-check.c: whether LMDB may see the file: every page that is in use is there, says what it is and where, is used
 * once, and has its keys in order and its nodes inside; counts agree; the free list names no page in use.  Reads all of
 * it.  False with *fault (DISK_DAMAGED, DISK_NEWER, DISK_UNUSABLE). */
bool disk_check(const char *directory, int fd, struct disk_fault *fault);

/* disk-open.c */
bool disk_is_network(unsigned long type); /* a filesystem's f_type: no flock or no coherent mmap to rely on */
bool disk_sync_directory(const struct disk *d);
/* DISK_UNUSABLE by errno; false. */
bool disk_fail_errno(const struct disk *d, struct disk_fault *fault, const char *what);

/* disk-mark.c */
bool disk_mark_check(struct disk *d, struct disk_fault *fault);
bool disk_mark_set(struct disk *d, struct disk_fault *fault);
bool disk_mark_clear(struct disk *d); /* at a clean end; syncs first.  False with errno */

/* disk-long.c: at least so many bytes; what they were is kept. */
uint8_t *disk_room(struct room *room, size_t size);

/* disk-commit.c: the thread.  False with errno. */
bool disk_start(struct disk *d);

__attribute__((format(printf, 3, 4))) bool disk_fail(struct disk_fault *fault, enum disk_trouble trouble,
						     const char *format, ...); /* false */

#endif
