/* What a power cut takes from a disk: tests/chaos preloads this into nodes (LD_PRELOAD).
 *
 * It writes down, in the file that $UNSYNCED names, what each write to a data.mdb replaces, and forgets that when the file
 * has been synced.  So when the process has been killed there stands what no sync has promised to keep, and tests/chaos puts
 * back as much of it as it likes: a disk may have written any of it, in any order.  That is what dm-flakey or a filesystem
 * of one's own (FUSE) would do; but it needs neither root nor a block device, goes with one node alone, and knows exactly
 * what was not synced.  What it cannot show is a disk that does not keep what it said it had.
 *
 * Each sync takes some time more, as one by a disk that turns does: else there is rarely anything to be lost.  A file that
 * was opened with O_DSYNC has what is written there at once (LMDB's head pages). */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096
#define SYNC_US 8000

/* A page as it was, behind its place; all as the machine has it. */
struct replaced {
	uint64_t offset;
	uint8_t bytes[PAGE];
};

static int journal = -1;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("UNSYNCED");

	if (path)
		journal = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
}

static bool is_data(int fd)
{
	static const char name[] = "/data.mdb";
	char link[64], path[4096];
	ssize_t len;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path));
	return len >= (ssize_t)sizeof(name) - 1 && memcmp(path + len - (sizeof(name) - 1), name, sizeof(name) - 1) == 0;
}

/* Whatever fails here would make the test pass for nothing. */
static void must(bool good)
{
	if (!good)
		abort();
}

static void note(int fd, off_t offset, size_t len)
{
	int before = errno, other;
	struct replaced r;
	char path[64];

	if (journal < 0 || !is_data(fd) || (fcntl(fd, F_GETFL) & O_DSYNC) == O_DSYNC)
		return;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* LMDB's may be for writing alone */
	other = open(path, O_RDONLY | O_CLOEXEC);
	must(other >= 0);
	for (off_t at = offset - offset % PAGE; at < offset + (off_t)len; at += PAGE) {
		memset(&r, 0, sizeof(r)); /* behind the end there is nothing */
		r.offset = (uint64_t)at;
		must(pread(other, r.bytes, PAGE, at) >= 0);
		must(write(journal, &r, sizeof(r)) == (ssize_t)sizeof(r));
	}
	(void)close(other);
	errno = before;
}

static int synced(int fd, long number)
{
	bool data = journal >= 0 && is_data(fd);
	int done;

	if (data)
		(void)usleep(SYNC_US);
	done = (int)syscall(number, fd);
	if (data && done == 0)
		must(ftruncate(journal, 0) == 0);
	return done;
}

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the C library's are reserved */
int fdatasync(int fd)
{
	return synced(fd, SYS_fdatasync);
}

int fsync(int fd)
{
	return synced(fd, SYS_fsync);
}

/* By the name that 64 bits have anyway, and by the one that meson's _FILE_OFFSET_BITS makes of it. */
ssize_t plain_pwrite(int fd, const void *bytes, size_t len, off_t offset) __asm__("pwrite");
ssize_t plain_pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	note(fd, offset, len);
	return syscall(SYS_pwrite64, fd, bytes, len, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	return plain_pwrite(fd, bytes, len, offset);
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
	size_t len = 0;

	for (int i = 0; i < count; i++)
		len += pieces[i].iov_len;
	if (journal >= 0 && is_data(fd))
		note(fd, lseek(fd, 0, SEEK_CUR), len);
	return syscall(SYS_writev, fd, pieces, count);
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
