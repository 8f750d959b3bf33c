/* Directories that come and go, and what a disk holds. */
#ifndef DHT_DISK_FIXTURE_H
#define DHT_DISK_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lmdb.h>

#include "../../daemon/disk.h"

#define WAIT_S 30 /* for what takes milliseconds */

struct place {
	char parent[128], directory[160], data[192]; /* directory does not exist at first */
	struct disk_config config;
};

/* In memory if the machine has /dev/shm, else (or if on_disk) in $TMPDIR or /tmp. */
void place_make(struct place *p, bool on_disk);
void place_remove(struct place *p);

/* The disk of p, which must open. */
struct disk *place_open(struct place *p);
/* It must not; what the text must contain besides p's directory. */
void place_refused(struct place *p, enum disk_trouble trouble, const char *word);
/* The whole data file. */
uint8_t *place_read(struct place *p, size_t *len);
void place_write(struct place *p, const uint8_t *bytes, size_t len);

/* LMDB on its own, between two lives of the disk: in a transaction that hand_close commits.  dbi: of that database. */
struct hand {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
};

struct hand hand_open(struct place *p, const char *database);
void hand_close(struct hand *hand);

#define IDENTITY_FORMAT 8u /* where the format stands in the record of whose it is */

/* That byte of it, behind its checksum; resum: with the checksum that is right then. */
void place_rewrite_identity(struct place *p, unsigned at, uint8_t value, bool resum);
/* Entries of the space of pieces. */
size_t place_pieces(struct place *p);

/* A tmpfs of its own, in a mount namespace of its own, which goes with the process.  False with errno: not here. */
bool mount_apart(const char *where, const char *options);

void put_text(struct disk *d, unsigned space, const char *key, const char *value);
/* Until what was sealed is committed, or something else is the matter. */
struct disk_status wait_committed(struct disk *d, uint64_t number);
struct disk_status wait_state(struct disk *d, enum disk_state state);
/* Until nothing is on its way any more, also on a full disk. */
void wait_idle(struct disk *d);
/* Seals and waits; it must be committed. */
void commit_all(struct disk *d);

struct held {
	uint8_t *key, *value;
	size_t key_len, value_len;
	bool damaged;
};

struct holding {
	struct held *items;
	size_t count, damaged;
};

struct holding load(struct disk *d, unsigned space);
void holding_free(struct holding *h);
size_t count_of(struct disk *d, unsigned space);
/* NULL if it is not there; damaged ones are not there. */
const struct held *holding_find(const struct holding *h, const void *key, size_t key_len);
void assert_text(struct disk *d, unsigned space, const char *key, const char *value); /* NULL: absent */

/* A keyed 64-bit mix, for tests that want the same at every run. */
uint64_t mix(uint64_t seed);

#endif
