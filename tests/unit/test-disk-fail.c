/* Processes that are killed and syncs that fail: what was called committed is there, whole batches at
 * a time; a full disk passes; a failed one is the end. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../common/mem.h"
#include "disk-fixture.h"

/* The program's own comes before the C library's, also for LMDB. */
static atomic_int sync_error;
static atomic_uint syncs;
int fdatasync(int fd) /* NOLINT(readability-inconsistent-declaration-parameter-name): the C library's is reserved */
{
	atomic_fetch_add(&syncs, 1);
	if (atomic_load(&sync_error)) {
		errno = atomic_load(&sync_error);
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static atomic_uint directory_syncs;
static atomic_bool directory_error;
int fsync(int fd) /* NOLINT(readability-inconsistent-declaration-parameter-name) */
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		atomic_fetch_add(&directory_syncs, 1);
		if (atomic_load(&directory_error)) {
			errno = EIO;
			return -1;
		}
	}
	return (int)syscall(SYS_fsync, fd);
}

#define BATCH_KEYS 10u
#define ROUNDS 20u
#define AHEAD 30u /* batches sealed and not committed */

struct shared {
	atomic_uint sealed, committed; /* values */
};

/* Batch N gives all of BATCH_KEYS keys the value N, and makes one key N; until somebody kills it. */
static void write_for_ever(struct place *p, struct shared *shared, unsigned value)
{
	struct disk_fault fault;
	struct disk *d = disk_open(&p->config, &fault);
	unsigned first = value;

	if (!d)
		_exit(1);
	for (;; value++) {
		uint64_t committed;
		uint8_t filler[3000] = {0};

		for (unsigned i = 0; i < BATCH_KEYS; i++)
			disk_put(d, 0, &i, sizeof(i), &value, sizeof(value));
		disk_put(d, 1, &value, sizeof(value), filler, value % sizeof(filler));
		if (value % 3 == 0)
			disk_remove(d, 1, &(unsigned){value - 2}, sizeof(value));
		atomic_store(&shared->sealed, value);
		committed = disk_seal(d);
		committed = committed > AHEAD ? committed - AHEAD : 0;
		committed = wait_committed(d, committed).committed;
		atomic_store(&shared->committed, first + (unsigned)committed - 1);
	}
}

static unsigned check_batches(struct place *p, const struct shared *shared)
{
	struct disk *d = place_open(p);
	struct holding h = load(d, 0), each = load(d, 1);
	unsigned value = 0;

	assert_int_equal(h.damaged + each.damaged, 0);
	assert_int_equal(h.count, BATCH_KEYS);
	memcpy(&value, h.items[0].value, sizeof(value));
	for (unsigned i = 1; i < BATCH_KEYS; i++)
		assert_memory_equal(h.items[i].value, &value, sizeof(value));
	assert_true(value >= atomic_load(&shared->committed));
	assert_true(value <= atomic_load(&shared->sealed));
	/* each key that is there is no later, and none is missing */
	assert_int_equal(each.count, value - value / 3);
	for (size_t i = 0; i < each.count; i++) {
		unsigned one;

		memcpy(&one, each.items[i].key, sizeof(one));
		assert_true(one <= value && (one % 3 != 1 || one + 2 > value));
		assert_int_equal(each.items[i].value_len, one % 3000);
	}
	holding_free(&h);
	holding_free(&each);
	assert_true(disk_close(d));
	return value;
}

static void kill_in_a_loop(enum disk_durability durability)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned value = 0;
	struct place p;

	assert_true(shared != MAP_FAILED);
	place_make(&p, false);
	p.config.durability = durability;
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned enough = value + 1 + (unsigned)(mix(round) % 60);
		int status;
		pid_t pid = fork();

		if (pid == 0)
			write_for_ever(&p, shared, value + 1);
		while (atomic_load(&shared->committed) < enough && waitpid(pid, &status, WNOHANG) == 0)
			(void)sched_yield();
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		value = check_batches(&p, shared);
		assert_true(value >= enough);
	}
	place_remove(&p);
	(void)munmap(shared, sizeof(*shared));
}

static void killed_by_fsync(void **state)
{
	(void)state;
	kill_in_a_loop(DISK_FSYNC);
}

static void killed_by_os(void **state)
{
	(void)state;
	kill_in_a_loop(DISK_OS);
}

/* By fsync each commit asks the disk, by os none does. */
static void fsync_syncs(void **state)
{
	struct place p;
	struct disk *d;
	unsigned before;

	(void)state;
	for (int i = 0; i < 2; i++) {
		place_make(&p, false);
		p.config.durability = i ? DISK_OS : DISK_FSYNC;
		d = place_open(&p);
		before = atomic_load(&syncs);
		put_text(d, 0, "a", "1");
		commit_all(d);
		assert_int_equal(atomic_load(&syncs) - before, 1 - i);
		assert_true(disk_close(d));
		assert_int_equal(atomic_load(&syncs) - before, 1);
		place_remove(&p);
	}
}

/* A new directory and a new file are names, too: above, and in it; and again for each mark that comes or goes. */
static void names_are_synced(void **state)
{
	struct place p;
	struct disk *d;
	unsigned before;

	(void)state;
	place_make(&p, false);
	before = atomic_load(&directory_syncs);
	d = place_open(&p);
	assert_int_equal(atomic_load(&directory_syncs) - before, 2);
	assert_true(disk_close(d));
	p.config.durability = DISK_OS;
	d = place_open(&p);
	assert_int_equal(atomic_load(&directory_syncs) - before, 3);
	assert_true(disk_close(d));
	assert_int_equal(atomic_load(&directory_syncs) - before, 4);
	place_remove(&p);
	place_make(&p, false);
	atomic_store(&directory_error, true);
	place_refused(&p, DISK_UNUSABLE, "sync");
	atomic_store(&directory_error, false);
	place_remove(&p);
}

/* Nothing after a failed sync is called committed, although the next one would succeed. */
static void a_failed_sync_is_the_end(void **state)
{
	struct disk_status status;
	struct place p;
	struct disk *d;
	char text[DISK_TEXT];

	(void)state;
	for (int error = EIO;; error = EBADF) {
		place_make(&p, false);
		d = place_open(&p);
		put_text(d, 0, "a", "1");
		commit_all(d);
		atomic_store(&sync_error, error);
		put_text(d, 0, "a", "2");
		assert_int_equal(disk_seal(d), 2);
		status = wait_state(d, DISK_FAILED);
		assert_int_equal(status.state, DISK_FAILED);
		assert_int_equal(status.committed, 1);
		assert_int_equal(status.code, error);
		disk_tell(d, &status, text);
		assert_non_null(strstr(text, "this process must end"));
		assert_non_null(strstr(text, strerror(error)));
		atomic_store(&sync_error, 0);
		put_text(d, 0, "a", "3");
		assert_int_equal(disk_seal(d), 3);
		assert_true(disk_backlog(d) > 0);
		assert_false(disk_close(d));
		d = place_open(&p);
		assert_text(d, 0, "a", "1");
		assert_true(disk_close(d));
		place_remove(&p);
		if (error == EBADF)
			break;
	}
}

/* By os the only sync is at the end: if it fails the mark stays. */
static void a_failed_last_sync_is_told(void **state)
{
	struct place p;
	struct disk *d;
	char path[224];

	(void)state;
	place_make(&p, false);
	p.config.durability = DISK_OS;
	d = place_open(&p);
	put_text(d, 0, "a", "1");
	commit_all(d);
	atomic_store(&sync_error, EIO);
	assert_false(disk_close(d));
	atomic_store(&sync_error, 0);
	(void)snprintf(path, sizeof(path), "%s/unsynced", p.directory);
	assert_int_equal(access(path, F_OK), 0);
	place_remove(&p);
}

/* No room for a sync (delayed allocation): the whole is tried again until there is. */
static void a_sync_without_room_is_tried_again(void **state)
{
	struct disk_status status;
	struct place p;
	struct disk *d;

	(void)state;
	place_make(&p, false);
	d = place_open(&p);
	atomic_store(&sync_error, ENOSPC);
	put_text(d, 0, "a", "1");
	assert_int_equal(disk_seal(d), 1);
	status = wait_state(d, DISK_FULL);
	assert_int_equal(status.state, DISK_FULL);
	assert_int_equal(status.committed, 0);
	put_text(d, 0, "b", "1");
	assert_int_equal(disk_seal(d), 2);
	atomic_store(&sync_error, 0);
	assert_int_equal(wait_state(d, DISK_OK).state, DISK_OK);
	commit_all(d);
	assert_text(d, 0, "a", "1");
	assert_text(d, 0, "b", "1");
	assert_true(disk_close(d));
	place_remove(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_by_fsync),
		cmocka_unit_test(killed_by_os),
		cmocka_unit_test(fsync_syncs),
		cmocka_unit_test(names_are_synced),
		cmocka_unit_test(a_failed_sync_is_the_end),
		cmocka_unit_test(a_failed_last_sync_is_told),
		cmocka_unit_test(a_sync_without_room_is_tried_again),
	};

	return cmocka_run_group_tests_name("disk-fail", tests, NULL, NULL);
}
