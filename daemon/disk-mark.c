/* Whether what was acknowledged without fsync can be believed: only while the machine that has it in its memory is
 * up. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "disk-internal.h"

#define MARK_NEW_FILE "unsynced.new"
#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define MARK_TEXT 64

/* The mark of a directory that is not synced: "os " and the machine's boot, or "none". */
static void mark_text(enum disk_durability durability, char text[MARK_TEXT])
{
	char boot[40] = "";
	int fd = durability == DISK_OS ? open(BOOT_ID, O_RDONLY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		ssize_t len = read(fd, boot, sizeof(boot) - 1);

		boot[len > 0 ? strcspn(boot, "\n") : 0] = 0;
		(void)close(fd);
	}
	/* Without a boot's name none is the same as any other. */
	(void)snprintf(text, MARK_TEXT, boot[0] ? "os %s" : "none", boot);
}

bool disk_mark_check(struct disk *d, struct disk_fault *fault)
{
	char now[MARK_TEXT], found[MARK_TEXT] = "";
	int fd = openat(d->dir_fd, DISK_MARK_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return errno == ENOENT || disk_fail_errno(d, fault, "read what marks");
	len = read(fd, found, sizeof(found) - 1);
	(void)close(fd);
	if (len < 0)
		return disk_fail_errno(d, fault, "read what marks");
	mark_text(DISK_OS, now);
	if (!strncmp(now, "os ", 3) && !strcmp(now, found))
		return true; /* only the process has died, and the kernel has all that it wrote */
	return disk_fail(
		fault, DISK_UNTRUSTED,
		!strncmp(found, "os ", 3)
			? "%s was in use without fsync (durability os) when the machine went down, so what was "
			  "acknowledged may be missing -> let the node begin empty, with its records from the "
			  "other copies"
			: "%s was in use without waiting for the disk (durability none) and was not closed, so what "
			  "was acknowledged may be missing -> let the node begin empty, with its records from "
			  "the other copies",
		d->directory);
}

bool disk_mark_set(struct disk *d, struct disk_fault *fault)
{
	char text[MARK_TEXT];
	int fd = openat(d->dir_fd, MARK_NEW_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool written = false;

	mark_text(d->durability, text);
	if (fd >= 0) {
		written = write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fsync(fd) == 0;
		(void)close(fd);
	}
	if (!written || renameat(d->dir_fd, MARK_NEW_FILE, d->dir_fd, DISK_MARK_FILE) != 0 || !disk_sync_directory(d))
		return disk_fail_errno(d, fault, "mark as not synced");
	return true;
}

bool disk_mark_clear(struct disk *d)
{
	int rc;

	if (faccessat(d->dir_fd, DISK_MARK_FILE, F_OK, 0) != 0)
		return true;
	rc = mdb_env_sync(d->env, 1);
	if (rc) {
		errno = rc;
		return false;
	}
	return unlinkat(d->dir_fd, DISK_MARK_FILE, 0) == 0 && disk_sync_directory(d);
}
