/* What the disk adds to LMDB alone: the same batches by both, each made durable by fsync before the next; the bytes a
 * record takes; and how fast a start reads them.  A and B in turn, medians of the ratios. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <lmdb.h>

#include "../../common/mem.h"
#include "../../daemon/disk.h"

#define VALUE_MAX 4096u
#define BATCH 100u
#define ROUNDS_MAX 99u

static const char *const spaces[] = {"records"};

struct bench {
	const char *directory;
	unsigned rounds, batches, records, value;
	char path[400];
};

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Each id once, in no order (MurmurHash3's last step). */
static uint32_t key_of(uint32_t i)
{
	i = (i ^ i >> 16) * 0x85ebca6bu;
	i = (i ^ i >> 13) * 0xc2b2ae35u;
	return i ^ i >> 16;
}

_Noreturn static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "disk: %s: %s\n", what, why);
	exit(1);
}

static void clean(struct bench *b)
{
	static const char *const names[] = {"data.mdb", "lock.mdb", "lock", "unsynced"};
	char path[512];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", b->path, names[i]);
		(void)unlink(path);
	}
	if (rmdir(b->path) != 0 && errno != ENOENT)
		die(b->path, strerror(errno));
}

static struct disk *open_disk(struct bench *b, enum disk_durability durability)
{
	struct disk_config config = {
		.directory = b->path, .durability = durability, .spaces = spaces, .space_count = 1};
	struct disk_fault fault;
	struct disk *d = disk_open(&config, &fault);

	if (!d)
		die("disk_open", fault.text);
	return d;
}

static void put_batch(struct bench *b, struct disk *d, uint32_t first, unsigned count)
{
	uint8_t value[VALUE_MAX];

	for (uint32_t i = first; i < first + count; i++) {
		uint32_t key = key_of(i);

		memset(value, (int)i, b->value);
		disk_put(d, 0, &key, sizeof(key), value, b->value);
	}
	(void)disk_seal(d);
}

static void wait_for(struct disk *d, uint64_t number)
{
	struct pollfd fd = {.fd = disk_event_fd(d), .events = POLLIN};

	while (disk_status(d).committed < number) {
		if (disk_status(d).state != DISK_OK)
			die("the disk", "full or failed");
		(void)poll(&fd, 1, 1000);
	}
}

/* Batches a second; up to `ahead` are on their way. */
static double by_disk(struct bench *b, unsigned ahead)
{
	struct disk *d;
	double begin;

	clean(b);
	d = open_disk(b, DISK_FSYNC);
	for (unsigned i = 0; i < 100; i++) /* something to put them among */
		put_batch(b, d, i * 1000, 1000);
	wait_for(d, 100);
	begin = now();
	for (unsigned i = 0; i < b->batches; i++) {
		put_batch(b, d, 100000 + i * BATCH, BATCH);
		wait_for(d, 100 + i + 1 > ahead ? 100 + i + 1 - ahead : 0);
	}
	wait_for(d, 100 + b->batches);
	begin = now() - begin;
	if (!disk_close(d))
		die("disk_close", "not all was committed");
	return b->batches / begin;
}

static void check(int rc, const char *what)
{
	if (rc)
		die(what, mdb_strerror(rc));
}

static void lmdb_batch(struct bench *b, MDB_env *env, MDB_dbi *dbi, uint32_t first, unsigned count)
{
	uint8_t value[VALUE_MAX];
	MDB_txn *txn;

	check(mdb_txn_begin(env, NULL, 0, &txn), "mdb_txn_begin");
	if (!*dbi)
		check(mdb_dbi_open(txn, "records", MDB_CREATE, dbi), "mdb_dbi_open");
	for (uint32_t i = first; i < first + count; i++) {
		uint32_t key = key_of(i);
		MDB_val at = {sizeof(key), &key}, data = {b->value, value};

		memset(value, (int)i, b->value);
		check(mdb_put(txn, *dbi, &at, &data, 0), "mdb_put");
	}
	check(mdb_txn_commit(txn), "mdb_txn_commit");
}

static MDB_env *open_lmdb(struct bench *b, unsigned flags)
{
	MDB_env *env;

	if (mkdir(b->path, 0700) != 0)
		die(b->path, strerror(errno));
	check(mdb_env_create(&env), "mdb_env_create");
	check(mdb_env_set_mapsize(env, (size_t)1 << 36), "mdb_env_set_mapsize");
	check(mdb_env_set_maxdbs(env, 1), "mdb_env_set_maxdbs");
	check(mdb_env_open(env, b->path, flags, 0600), "mdb_env_open");
	return env;
}

static double by_lmdb(struct bench *b, unsigned ahead)
{
	MDB_dbi dbi = 0;
	double begin;
	MDB_env *env;

	(void)ahead;
	clean(b);
	env = open_lmdb(b, 0);
	for (unsigned i = 0; i < 100; i++)
		lmdb_batch(b, env, &dbi, i * 1000, 1000);
	begin = now();
	for (unsigned i = 0; i < b->batches; i++)
		lmdb_batch(b, env, &dbi, 100000 + i * BATCH, BATCH);
	begin = now() - begin;
	mdb_env_close(env);
	return b->batches / begin;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, unsigned count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[count / 2];
}

/* A row of the table: our batches a second to LMDB's. */
static void pairs(struct bench *b, const char *what, unsigned ahead)
{
	double ours[ROUNDS_MAX], theirs[ROUNDS_MAX], ratios[ROUNDS_MAX], ratio;

	for (unsigned i = 0; i < b->rounds; i++) {
		ours[i] = by_disk(b, ahead);
		theirs[i] = by_lmdb(b, ahead);
		ratios[i] = ours[i] / theirs[i];
	}
	ratio = median(ratios, b->rounds);
	printf("| %s | %.2f | %.2f-%.2f | %.0f | %.0f |\n", what, ratio, ratios[0], ratios[b->rounds - 1],
	       median(ours, b->rounds), median(theirs, b->rounds));
	(void)fflush(stdout);
}

static void bytes_of(struct bench *b, const char *what)
{
	char path[512];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/data.mdb", b->path);
	if (stat(path, &st) != 0)
		die(path, strerror(errno));
	printf("%s: %.1f bytes a record, %.2f times its key and value; allocated, with the reserve: %.1f\n", what,
	       (double)st.st_size / b->records, (double)st.st_size / b->records / (sizeof(uint32_t) + b->value),
	       (double)st.st_blocks * 512 / b->records);
	(void)fflush(stdout);
}

static void forget_cache(struct bench *b)
{
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/data.mdb", b->path);
	fd = open(path, O_RDONLY);
	if (fd < 0 || fdatasync(fd) != 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
		die(path, strerror(errno));
	(void)close(fd);
}

static void count_cb(void *arg, const struct disk_item *item)
{
	uint64_t *count = arg;

	*count += !item->damaged;
}

static void start_up(struct bench *b, bool cold)
{
	double opens[ROUNDS_MAX], loads[ROUNDS_MAX];

	for (unsigned i = 0; i < b->rounds; i++) {
		struct disk_fault fault;
		double begin, opened;
		uint64_t count = 0;
		struct disk *d;

		if (cold)
			forget_cache(b);
		begin = now();
		d = open_disk(b, DISK_FSYNC);
		opened = now();
		if (!disk_load(d, 0, count_cb, &count, &fault))
			die("disk_load", fault.text);
		opens[i] = opened - begin;
		loads[i] = now() - opened;
		if (count != b->records || !disk_close(d))
			die("disk_load", "not all are there");
	}
	printf("start with %u records, %s: opened and checked in %.3f s, read in %.3f s\n", b->records,
	       cold ? "from the disk" : "from the cache", median(opens, b->rounds), median(loads, b->rounds));
	(void)fflush(stdout);
}

static void large(struct bench *b)
{
	MDB_dbi dbi = 0;
	struct disk *d;
	MDB_env *env;

	clean(b);
	env = open_lmdb(b, MDB_NOSYNC);
	for (uint32_t i = 0; i < b->records; i += BATCH)
		lmdb_batch(b, env, &dbi, i, BATCH);
	mdb_env_close(env);
	bytes_of(b, "LMDB alone");
	clean(b);
	d = open_disk(b, DISK_OS);
	for (uint32_t i = 0; i < b->records; i += BATCH) {
		put_batch(b, d, i, BATCH);
		wait_for(d, i / BATCH > 100 ? i / BATCH - 100 : 0);
	}
	if (!disk_close(d))
		die("disk_close", "not all was committed");
	bytes_of(b, "disk");
	start_up(b, false);
	start_up(b, true);
}

int main(int argc, char **argv)
{
	struct bench b = {.directory = ".", .rounds = 7, .batches = 300, .records = 1000000, .value = 32};
	int option;

	while ((option = getopt(argc, argv, "d:r:b:n:v:h")) != -1) {
		switch (option) {
		case 'd':
			b.directory = optarg;
			break;
		case 'r':
			b.rounds = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'b':
			b.batches = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'n':
			b.records = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'v':
			b.value = (unsigned)strtoul(optarg, NULL, 10);
			break;
		default:
			printf("usage: disk [-d DIRECTORY] [-r ROUNDS] [-b BATCHES] [-n RECORDS] [-v BYTES]\n\n"
			       "Works in a folder of its own in DIRECTORY (default: here), which should be on the disk "
			       "to "
			       "be measured.\n");
			return option == 'h' ? 0 : 2;
		}
	}
	if (b.rounds < 1 || b.rounds > ROUNDS_MAX || b.batches < 1 || b.records < BATCH || b.records % BATCH ||
	    b.value > VALUE_MAX)
		die("options",
		    "1 to 99 rounds, at least 1 batch, records a multiple of 100, values of at most 4096 bytes");
	(void)snprintf(b.path, sizeof(b.path), "%.300s/disk-bench-%ld", b.directory, (long)getpid());
	printf("| batches of %u records of %u bytes by fsync, disk ÷ LMDB | ratio | smallest-greatest | A | B |\n"
	       "|---|---|---|---|---|\n",
	       BATCH, b.value);
	pairs(&b, "one at a time", 1);
	pairs(&b, "up to 8 on their way", 8);
	printf("\n");
	large(&b);
	clean(&b);
	return 0;
}
