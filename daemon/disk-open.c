/* From a path to a directory that is ours, whole and of the right node; or to a text that says why not. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../common/mem.h"
#include "disk-internal.h"
#include "disk-key.h"
#include "disk-long.h"

#define NEW_FILE "new.mdb"
#define ASIDE_FILE "data.mdb.aside"
#define LOCK_FILE "lock"
#define ABOUT "about" /* the space of the identity; callers' spaces have another name in front */
#define ABOUT_MAGIC 0x6b73696474686400u
#define MAP_MAX ((uint64_t)1 << 40)
#define MAP_MIN ((uint64_t)64 << 20) /* of what is tried when the address space is limited */

/* The identity as it is stored; numbers as this machine has them, as all of LMDB's file.  The first two fields are for
 * ever, all else is of this format. */
struct about {
	uint64_t magic;
	uint32_t format;
	uint32_t node;
	uint64_t hash_seed;
	uint32_t ring_len;
	uint32_t spare;
	char name[DISK_NAME_MAX];
	uint8_t ring[DISK_RING_MAX];
};

bool disk_fail(struct disk_fault *fault, enum disk_trouble trouble, const char *format, ...)
{
	va_list args;

	fault->trouble = trouble;
	va_start(args, format);
	(void)vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	return false;
}

/* What to do about the usual ones. */
static const char *advice(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		return " -> let the user that the node runs as write there, or name another directory";
	case EROFS:
		return " -> mount it for writing (a service may write elsewhere than in its own directory only where a "
		       "drop-in has ReadWritePaths=), or name another directory";
	case ENOENT:
		return " -> make the directory above it first";
	case ENOSPC:
	case EDQUOT:
		return " -> free some room on its filesystem, or name another directory";
	default:
		return " -> name another directory";
	}
}

bool disk_fail_errno(const struct disk *d, struct disk_fault *fault, const char *what)
{
	int error = errno;

	return disk_fail(fault, DISK_UNUSABLE, "cannot %s %s: %s%s", what, d->directory, strerror(error),
			 advice(error));
}

static bool fail_lmdb(struct disk *d, struct disk_fault *fault, const char *what, int rc)
{
	return disk_fail(fault, DISK_UNUSABLE, "cannot %s %s/" DATA_FILE ": %s%s", what, d->directory, mdb_strerror(rc),
			 advice(rc));
}

bool disk_sync_directory(const struct disk *d)
{
	return fsync(d->dir_fd) == 0;
}

bool disk_is_network(unsigned long type)
{
	/* linux/magic.h and statfs(2); FUSE is left out: it does not say what is behind it. */
	static const unsigned long types[] = {
		0x6969,     /* NFS */
		0x517b,     /* SMB */
		0xff534d42, /* CIFS */
		0xfe534d42, /* SMB 2 */
		0x564c,     /* NCP */
		0x5346414f, /* AFS */
		0x6b414653, /* kAFS */
		0x73757245, /* Coda */
		0x00c36400, /* Ceph */
		0x01021997, /* 9P */
		0x0bd00bd0, /* Lustre */
		0x47504653, /* GPFS */
		0x19830326, /* BeeGFS */
		0x786f4256, /* VirtualBox's shared folders */
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (type == types[i])
			return true;
	return false;
}

static bool sync_parent(const struct disk *d)
{
	int fd = openat(d->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool synced = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		(void)close(fd);
	return synced;
}

static bool open_directory(struct disk *d, struct disk_fault *fault)
{
	bool made = mkdir(d->directory, 0700) == 0;
	struct statfs fs;

	if (!made && errno != EEXIST)
		return disk_fail_errno(d, fault, "make the directory");
	d->dir_fd = open(d->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->dir_fd < 0 || fstatfs(d->dir_fd, &fs) != 0)
		return disk_fail_errno(d, fault, "open the directory");
	if (disk_is_network((unsigned long)fs.f_type & 0xffffffff))
		return disk_fail(
			fault, DISK_UNUSABLE,
			"%s is on a network filesystem, where neither locks nor mapped files can be relied on -> "
			"name a directory on a disk of this machine",
			d->directory);
	/* Else a power cut may take the directory with all that was synced inside. */
	if (made && !sync_parent(d))
		return disk_fail_errno(d, fault, "sync the directory above");
	return true;
}

static bool fail_busy(struct disk *d, struct disk_fault *fault)
{
	char who[16] = "";
	ssize_t len = pread(d->lock_fd, who, sizeof(who) - 1, 0);
	size_t digits = len > 0 ? strspn(who, "0123456789") : 0;

	who[digits] = 0;
	return disk_fail(fault, DISK_BUSY,
			 "%s is in use by another process%s%s -> stop that one, or name another directory",
			 d->directory, digits ? ": " : "", who);
}

static bool take_lock(struct disk *d, struct disk_fault *fault)
{
	char pid[16];
	int len = snprintf(pid, sizeof(pid), "%-10ld\n", (long)getpid());

	d->lock_fd = openat(d->dir_fd, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (d->lock_fd < 0)
		return disk_fail_errno(d, fault, "write to");
	if (flock(d->lock_fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ? fail_busy(d, fault) : disk_fail_errno(d, fault, "lock");
	/* Only for people: a full disk does not matter here. */
	(void)!pwrite(d->lock_fd, pid, (size_t)len, 0);
	return true;
}

static bool set_aside(struct disk *d, struct disk_fault *fault)
{
	if (renameat(d->dir_fd, DATA_FILE, d->dir_fd, ASIDE_FILE) != 0 && errno != ENOENT)
		return disk_fail_errno(d, fault, "rename the file in");
	/* The mark goes after what it marks. */
	if (!disk_sync_directory(d) || (unlinkat(d->dir_fd, DISK_MARK_FILE, 0) != 0 && errno != ENOENT))
		return disk_fail_errno(d, fault, "set the file aside in");
	return disk_sync_directory(d) || disk_fail_errno(d, fault, "sync");
}

/* Opens LMDB; with half the address space as long as it may not have more. */
static int open_env(struct disk *d, const char *file, unsigned flags)
{
	char *path = xmalloc(strlen(d->directory) + strlen(file) + 2);
	int rc;

	(void)sprintf(path, "%s/%s", d->directory, file);
	for (;;) {
		rc = mdb_env_create(&d->env);
		if (rc)
			break;
		rc = mdb_env_set_mapsize(d->env, d->map_size);
		if (!rc)
			rc = mdb_env_set_maxdbs(d->env, DISK_SPACES_MAX + 2);
		if (!rc)
			rc = mdb_env_open(d->env, path, flags | MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS, 0600);
		if (!rc)
			break;
		mdb_env_close(d->env);
		d->env = NULL;
		if (rc != ENOMEM || d->map_size <= MAP_MIN)
			break;
		d->map_size /= 2;
	}
	free(path);
	return rc;
}

static void put_about(struct about *about, const struct disk_identity *identity, uint64_t seed)
{
	*about = (struct about){.magic = ABOUT_MAGIC,
				.format = DISK_FORMAT,
				.node = identity->node,
				.hash_seed = seed,
				.ring_len = (uint32_t)identity->ring_len};
	memcpy(about->name, identity->name, sizeof(about->name));
	memcpy(about->ring, identity->ring, identity->ring_len);
}

static struct disk_bytes about_key(void)
{
	return (struct disk_bytes){(const uint8_t *)DISK_ABOUT_KEY, strlen(DISK_ABOUT_KEY)};
}

static int store_about(MDB_txn *txn, MDB_dbi dbi, const struct about *about)
{
	struct disk_bytes name = about_key();
	uint8_t stored[DISK_SUM + sizeof(*about)];
	MDB_val key = {name.len, (void *)name.at}, value = {sizeof(stored), stored};
	uint64_t sum = disk_sum(disk_salt(ABOUT), name, (struct disk_bytes){(const uint8_t *)about, sizeof(*about)});

	memcpy(stored, &sum, DISK_SUM);
	memcpy(stored + DISK_SUM, about, sizeof(*about));
	return mdb_put(txn, dbi, &key, &value, 0);
}

static int write_about(struct disk *d, const struct disk_identity *identity)
{
	struct about about = {0};
	uint64_t seed;
	MDB_txn *txn;
	MDB_dbi dbi;
	int rc;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		mem_die("no random numbers");
	put_about(&about, identity, seed);
	rc = mdb_txn_begin(d->env, NULL, 0, &txn);
	if (rc)
		return rc;
	rc = mdb_dbi_open(txn, ABOUT, MDB_CREATE, &dbi);
	if (!rc)
		rc = store_about(txn, dbi, &about);
	if (!rc)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

/* All of the file under another name first, so that there is never a data file that is not a whole one. */
static bool create_data(struct disk *d, const struct disk_identity *identity, struct disk_fault *fault)
{
	int rc;

	if (unlinkat(d->dir_fd, NEW_FILE, 0) != 0 && errno != ENOENT)
		return disk_fail_errno(d, fault, "clean up in");
	rc = open_env(d, NEW_FILE, 0);
	if (!rc) {
		rc = write_about(d, identity);
		mdb_env_close(d->env);
		d->env = NULL;
	}
	if (rc)
		return fail_lmdb(d, fault, "make", rc);
	if (renameat(d->dir_fd, NEW_FILE, d->dir_fd, DATA_FILE) != 0 || !disk_sync_directory(d))
		return disk_fail_errno(d, fault, "make a data file in");
	return true;
}

/* Makes it if there is none, and looks at every page of it. */
static bool find_data(struct disk *d, const struct disk_identity *identity, struct disk_fault *fault)
{
	int fd = openat(d->dir_fd, DATA_FILE, O_RDWR | O_CLOEXEC);
	bool right;

	if (fd < 0 && errno == ENOENT)
		return create_data(d, identity, fault);
	if (fd < 0)
		return disk_fail_errno(d, fault, "read and write the data file in");
	right = disk_check(d->directory, fd, fault);
	(void)close(fd);
	return right;
}

static bool fail_about(struct disk *d, struct disk_fault *fault)
{
	return disk_fail(fault, DISK_DAMAGED,
			 "%s/" DATA_FILE " does not say whose it is, or the record that says so is damaged -> move it "
			 "away and start again: the node then begins empty and gets its records from the other copies",
			 d->directory);
}

static bool compare_about(struct disk *d, const struct disk_config *config, const struct about *about,
			  struct disk_fault *fault)
{
	const struct disk_identity *want = &config->identity;

	if (about->format > DISK_FORMAT)
		return disk_fail(fault, DISK_NEWER,
				 "%s is of format %" PRIu32
				 ", this program knows up to %u -> start the newer program that "
				 "wrote it, or name another directory",
				 d->directory, about->format, DISK_FORMAT);
	if (about->magic != ABOUT_MAGIC || about->format < 1 || about->ring_len > DISK_RING_MAX ||
	    memchr(about->name, 0, sizeof(about->name)) == NULL)
		return fail_about(d, fault);
	if (!config->any_node && (about->node != want->node || strcmp(about->name, want->name) != 0))
		return disk_fail(fault, DISK_FOREIGN,
				 "%s is of node %" PRIu32 "%s%s%s, not of node %" PRIu32
				 "%s%s%s -> name that node's own directory, or start the node that this one is of",
				 d->directory, about->node, about->name[0] ? " (" : "", about->name,
				 about->name[0] ? ")" : "", want->node, want->name[0] ? " (" : "", want->name,
				 want->name[0] ? ")" : "");
	if (about->ring_len != want->ring_len || memcmp(about->ring, want->ring, want->ring_len) != 0)
		return disk_fail(
			fault, DISK_FOREIGN,
			"%s is of another ring -> name this ring's directory, or the broker and prefix that it "
			"is of",
			d->directory);
	d->identity = (struct disk_identity){.node = about->node, .ring_len = about->ring_len};
	memcpy(d->identity.name, about->name, sizeof(about->name));
	memcpy(d->identity.ring, about->ring, about->ring_len);
	d->hash_seed = about->hash_seed;
	return true;
}

static bool read_about(struct disk *d, MDB_txn *txn, const struct disk_config *config, struct about *about,
		       struct disk_fault *fault)
{
	struct disk_bytes name = about_key();
	MDB_val key = {name.len, (void *)name.at}, value;
	uint64_t sum;
	size_t len;

	if (mdb_dbi_open(txn, ABOUT, 0, &d->about) || mdb_get(txn, d->about, &key, &value) || value.mv_size < DISK_SUM)
		return fail_about(d, fault);
	memcpy(&sum, value.mv_data, DISK_SUM);
	len = value.mv_size - DISK_SUM;
	if (sum != disk_sum(disk_salt(ABOUT), name, (struct disk_bytes){(uint8_t *)value.mv_data + DISK_SUM, len}))
		return fail_about(d, fault);
	/* a newer one may be longer */
	*about = (struct about){0};
	memcpy(about, (uint8_t *)value.mv_data + DISK_SUM, len < sizeof(*about) ? len : sizeof(*about));
	return compare_about(d, config, about, fault);
}

/* Format 1 had no values in pieces; what is in rows stays there until it is written again. */
static int mark_format(struct disk *d, MDB_txn *txn, struct about *about)
{
	if (about->format == DISK_FORMAT)
		return 0;
	about->format = DISK_FORMAT;
	return store_about(txn, d->about, about);
}

static int open_spaces(struct disk *d, MDB_txn *txn, const struct disk_config *config)
{
	for (unsigned i = 0; i < config->space_count; i++) {
		char name[DISK_SPACE_NAME_MAX + 2];
		int rc;

		(void)snprintf(name, sizeof(name), ".%s", config->spaces[i]);
		rc = mdb_dbi_open(txn, name, MDB_CREATE, &d->spaces[i].dbi);
		if (rc)
			return rc;
		d->spaces[i].salt = disk_salt(name);
	}
	d->space_count = config->space_count;
	return disk_long_open(d, txn);
}

static bool open_data(struct disk *d, const struct disk_config *config, struct disk_fault *fault)
{
	struct about about = {0};
	MDB_txn *txn;
	int rc = open_env(d, DATA_FILE, d->durability == DISK_FSYNC ? 0 : MDB_NOSYNC);

	if (!rc)
		rc = mdb_env_get_fd(d->env, &d->data_fd);
	if (!rc)
		rc = mdb_txn_begin(d->env, NULL, 0, &txn);
	if (rc)
		return fail_lmdb(d, fault, "open", rc);
	(void)fcntl(d->data_fd, F_SETFD, FD_CLOEXEC);
	if (!read_about(d, txn, config, &about, fault)) {
		mdb_txn_abort(txn);
		return false;
	}
	rc = open_spaces(d, txn, config);
	if (!rc)
		rc = mark_format(d, txn, &about);
	if (rc)
		mdb_txn_abort(txn);
	else
		rc = mdb_txn_commit(txn);
	return !rc || fail_lmdb(d, fault, "make the spaces of", rc);
}

static bool open_all(struct disk *d, const struct disk_config *config, struct disk_fault *fault)
{
	if (!open_directory(d, fault) || !take_lock(d, fault))
		return false;
	if (config->set_aside && !set_aside(d, fault))
		return false;
	if (!disk_mark_check(d, fault) || !find_data(d, &config->identity, fault))
		return false;
	/* Before the first write that is not synced, and away only after all have been. */
	if (config->durability != DISK_FSYNC && !disk_mark_set(d, fault))
		return false;
	if (!open_data(d, config, fault))
		return false;
	if (config->durability == DISK_FSYNC && !disk_mark_clear(d))
		return disk_fail_errno(d, fault, "sync");
	if (!disk_start(d))
		return disk_fail(fault, DISK_UNUSABLE, "cannot start a thread: %s", strerror(errno));
	return true;
}

static void check_config(const struct disk_config *config)
{
	if (config->space_count < 1 || config->space_count > DISK_SPACES_MAX ||
	    config->identity.ring_len > DISK_RING_MAX || !memchr(config->identity.name, 0, DISK_NAME_MAX))
		mem_die("disk_open: such a configuration cannot be");
	for (unsigned i = 0; i < config->space_count; i++)
		if (!config->spaces[i][0] || strlen(config->spaces[i]) > DISK_SPACE_NAME_MAX)
			mem_die("disk_open: such a space cannot be");
}

struct disk *disk_open(const struct disk_config *config, struct disk_fault *fault)
{
	struct disk *d = xcalloc(1, sizeof(*d));

	check_config(config);
	d->directory = xstrdup(config->directory);
	d->durability = config->durability;
	d->dir_fd = d->lock_fd = d->data_fd = -1;
	d->map_size = config->size_max ? config->size_max : MAP_MAX;
	d->reserve = config->reserve ? config->reserve : DISK_RESERVE;
	d->last = &d->first;
	(void)pthread_mutex_init(&d->mutex, NULL);
	(void)pthread_mutex_init(&d->file, NULL);
	d->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->event_fd < 0)
		(void)disk_fail(fault, DISK_UNUSABLE, "cannot make an event descriptor: %s", strerror(errno));
	else if (open_all(d, config, fault))
		return d;
	(void)disk_close(d);
	return NULL;
}
