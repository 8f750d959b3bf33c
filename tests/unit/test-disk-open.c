/* Whose directory it is, and whether it can be believed: each kind of trouble has its own text, none is a crash, and
 * nothing that is wrong is taken for right. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <lmdb.h>

#include "../../common/mem.h"
#include "../../daemon/disk-internal.h"
#include "../../daemon/disk-key.h"
#include "disk-fixture.h"

static void make_with(struct place *p, const char *value)
{
	struct disk *d = place_open(p);

	put_text(d, 0, "key", value);
	commit_all(d);
	assert_true(disk_close(d));
}

static void one_process_at_a_time(void **state)
{
	struct place p;
	struct disk *d;
	char word[32];
	int status;
	pid_t pid;

	(void)state;
	place_make(&p, false);
	d = place_open(&p);
	(void)snprintf(word, sizeof(word), "another process: %ld ", (long)getpid());
	place_refused(&p, DISK_BUSY, word);
	pid = fork();
	if (pid == 0) {
		struct disk_fault fault;

		_exit(disk_open(&p.config, &fault) || fault.trouble != DISK_BUSY || !strstr(fault.text, word));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(disk_close(d));
	d = place_open(&p);
	assert_true(disk_close(d));
	place_remove(&p);
}

static void a_directory_has_a_node_and_a_ring(void **state)
{
	struct place p;
	struct disk *d;

	(void)state;
	place_make(&p, false);
	make_with(&p, "value");
	p.config.identity.node = 8;
	place_refused(&p, DISK_FOREIGN, "of node 7 (seven), not of node 8");
	p.config.any_node = true;
	d = place_open(&p);
	assert_int_equal(disk_identity(d)->node, 7);
	assert_string_equal(disk_identity(d)->name, "seven");
	assert_true(disk_close(d));
	p.config.any_node = false;
	p.config.identity.node = 7;
	p.config.identity.name[0] = 0;
	place_refused(&p, DISK_FOREIGN, "of node 7 (seven), not of node 7 ->");
	(void)snprintf(p.config.identity.name, DISK_NAME_MAX, "seven");
	p.config.identity.ring[3]++;
	place_refused(&p, DISK_FOREIGN, "another ring");
	p.config.identity.ring_len = 3;
	place_refused(&p, DISK_FOREIGN, "another ring");
	p.config.identity.ring[3]--;
	p.config.identity.ring_len = 4;
	d = place_open(&p);
	assert_text(d, 0, "key", "value");
	assert_true(disk_close(d));
	place_remove(&p);
}

static void a_newer_format_is_left_alone(void **state)
{
	struct place p;
	struct disk *d;

	(void)state;
	place_make(&p, false);
	make_with(&p, "value");
	place_rewrite_identity(&p, IDENTITY_FORMAT, 3, true);
	place_refused(&p, DISK_NEWER, "of format 3, this program knows up to 2");
	place_rewrite_identity(&p, IDENTITY_FORMAT, 2, true);
	d = place_open(&p);
	assert_true(disk_close(d));
	place_rewrite_identity(&p, IDENTITY_FORMAT, 3, false);
	place_refused(&p, DISK_DAMAGED, "whose it is");
	place_remove(&p);
}

static void a_newer_lmdb_is_left_alone(void **state)
{
	struct place p;
	uint8_t *bytes;
	size_t len;

	(void)state;
	place_make(&p, false);
	make_with(&p, "value");
	bytes = place_read(&p, &len);
	bytes[16 + 4] = 2;
	place_write(&p, bytes, len);
	place_refused(&p, DISK_NEWER, "another LMDB");
	free(bytes);
	place_remove(&p);
}

static void the_parent_must_be_there(void **state)
{
	struct place p;
	struct stat st;
	struct disk *d;

	(void)state;
	place_make(&p, false);
	d = place_open(&p);
	assert_int_equal(stat(p.directory, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_true(disk_close(d));
	place_remove(&p);
	place_refused(&p, DISK_UNUSABLE, "make the directory above it first");
}

static void a_file_is_no_directory(void **state)
{
	struct place p;
	int fd;

	(void)state;
	place_make(&p, false);
	fd = open(p.directory, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	place_refused(&p, DISK_UNUSABLE, "Not a directory");
	assert_int_equal(unlink(p.directory), 0);
	place_remove(&p);
}

static void read_only(void **state)
{
	struct place p;

	(void)state;
	place_make(&p, false);
	if (!mount_apart(p.parent, "size=16m")) {
		/* not skip(), which this cmocka tells by TAP as "not ok" */
		print_message("# nothing tested: cannot mount here: %s\n", strerror(errno));
		place_remove(&p);
		return;
	}
	make_with(&p, "value");
	assert_int_equal(mount("dht-test", p.parent, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);
	place_refused(&p, DISK_UNUSABLE, "Read-only file system -> mount it for writing");
	(void)snprintf(p.directory, sizeof(p.directory), "%s/other", p.parent);
	place_refused(&p, DISK_UNUSABLE, "Read-only file system -> mount it for writing");
	assert_int_equal(umount(p.parent), 0);
	place_remove(&p);
}

/* Permissions, which root does not heed. */
static void not_ours_to_write(void **state)
{
	struct place p;
	int status;
	pid_t pid;

	(void)state;
	place_make(&p, false);
	make_with(&p, "value");
	assert_int_equal(chmod(p.parent, 0755), 0);
	assert_int_equal(chmod(p.directory, 0555), 0);
	assert_int_equal(chmod(p.data, 0444), 0);
	pid = fork();
	if (pid == 0) {
		struct disk_fault fault;

		if (getuid() == 0 && setuid(65534) != 0)
			_exit(2);
		_exit(disk_open(&p.config, &fault) || fault.trouble != DISK_UNUSABLE ||
		      !strstr(fault.text, "let the user that the node runs as write there"));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(chmod(p.directory, 0700), 0);
	place_remove(&p);
}

static void network_filesystems_are_known(void **state)
{
	(void)state;
	assert_true(disk_is_network(0x6969));
	assert_true(disk_is_network(0xff534d42));
	assert_true(disk_is_network(0x01021997));
	assert_false(disk_is_network(0xef53));     /* ext4 */
	assert_false(disk_is_network(0x9123683e)); /* btrfs */
	assert_false(disk_is_network(0x01021994)); /* tmpfs */
	assert_false(disk_is_network(0x794c7630)); /* overlayfs */
}

/* Ends by kill: nothing is closed. */
static void die_in(struct place *p, const char *value)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct disk_fault fault;
		struct disk *d = disk_open(&p->config, &fault);
		uint64_t number;

		if (!d)
			_exit(1);
		put_text(d, 0, "key", value);
		number = disk_seal(d);
		if (wait_committed(d, number).committed != number)
			_exit(2);
		(void)kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void set_mark(struct place *p, const char *text)
{
	char path[224];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/unsynced", p->directory);
	fd = open(path, O_WRONLY | O_TRUNC | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
}

/* By `os` the process may die and the machine may not; a clean end is worth as much as fsync. */
static void os_is_of_one_boot(void **state)
{
	struct place p;
	struct disk *d;

	(void)state;
	place_make(&p, false);
	p.config.durability = DISK_OS;
	die_in(&p, "1");
	d = place_open(&p);
	assert_text(d, 0, "key", "1");
	assert_true(disk_close(d));
	set_mark(&p, "os 00000000-0000-0000-0000-000000000000");
	place_refused(&p, DISK_UNTRUSTED, "durability os");
	p.config.durability = DISK_FSYNC;
	place_refused(&p, DISK_UNTRUSTED, "durability os");
	p.config.set_aside = true;
	d = place_open(&p);
	assert_text(d, 0, "key", NULL);
	assert_true(disk_close(d));
	p.config.set_aside = false;
	d = place_open(&p);
	assert_true(disk_close(d));
	place_remove(&p);
}

/* What died by `os` and goes on by fsync is synced first: the mark is gone. */
static void fsync_after_os(void **state)
{
	struct place p;
	struct disk *d;
	char path[224];

	(void)state;
	place_make(&p, false);
	p.config.durability = DISK_OS;
	die_in(&p, "1");
	(void)snprintf(path, sizeof(path), "%s/unsynced", p.directory);
	assert_int_equal(access(path, F_OK), 0);
	p.config.durability = DISK_FSYNC;
	d = place_open(&p);
	assert_int_equal(access(path, F_OK), -1);
	assert_text(d, 0, "key", "1");
	assert_true(disk_close(d));
	place_remove(&p);
}

static void none_is_of_one_process(void **state)
{
	struct place p;
	struct disk *d;

	(void)state;
	place_make(&p, false);
	p.config.durability = DISK_NONE;
	make_with(&p, "1");
	d = place_open(&p);
	assert_text(d, 0, "key", "1");
	assert_true(disk_close(d));
	die_in(&p, "2");
	place_refused(&p, DISK_UNTRUSTED, "durability none");
	place_remove(&p);
}

static void what_is_set_aside_is_kept(void **state)
{
	struct place p;
	char path[224];
	uint8_t *bytes, *aside;
	size_t len;

	(void)state;
	place_make(&p, false);
	make_with(&p, "value");
	bytes = place_read(&p, &len);
	memset(bytes, 0, 4096);
	place_write(&p, bytes, len);
	place_refused(&p, DISK_DAMAGED, "page 0");
	p.config.set_aside = true;
	make_with(&p, "value");
	(void)snprintf(path, sizeof(path), "%s.aside", p.data);
	assert_int_equal(rename(path, p.data), 0);
	aside = place_read(&p, &len);
	assert_memory_equal(bytes, aside, len);
	free(bytes);
	free(aside);
	place_remove(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_process_at_a_time),
		cmocka_unit_test(a_directory_has_a_node_and_a_ring),
		cmocka_unit_test(a_newer_format_is_left_alone),
		cmocka_unit_test(a_newer_lmdb_is_left_alone),
		cmocka_unit_test(the_parent_must_be_there),
		cmocka_unit_test(a_file_is_no_directory),
		cmocka_unit_test(read_only),
		cmocka_unit_test(not_ours_to_write),
		cmocka_unit_test(network_filesystems_are_known),
		cmocka_unit_test(os_is_of_one_boot),
		cmocka_unit_test(fsync_after_os),
		cmocka_unit_test(none_is_of_one_process),
		cmocka_unit_test(what_is_set_aside_is_kept),
	};

	return cmocka_run_group_tests_name("disk-open", tests, NULL, NULL);
}
