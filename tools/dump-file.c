#include "dump-file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/mem.h"
#include "output.h"

/* ---- what ends us ---- */

static const int endings[] = {SIGINT, SIGTERM, SIGHUP};
#define ENDING_COUNT (sizeof(endings) / sizeof(endings[0]))

static char ending_temporary[PATH_MAX];
static bool ending_bar; /* a progress bar may stand there */

static void ending_handler(int number)
{
	static const char text[] = "\r\033[Kdhtctl: ended by a signal: nothing was written, the file is as it was\n";
	size_t from = ending_bar ? 0 : sizeof("\r\033[K") - 1;
	ssize_t told;

	(void)unlink(ending_temporary);
	told = write(STDERR_FILENO, text + from, sizeof(text) - 1 - from);
	(void)told;
	(void)raise(number); /* as if we had not looked: the handler is gone */
}

static void endings_catch(const char *temporary)
{
	struct sigaction action = {.sa_handler = ending_handler, .sa_flags = (int)SA_RESETHAND}, old;

	ending_bar = output_terminal(STDERR_FILENO);
	snprintf(ending_temporary, sizeof(ending_temporary), "%s", temporary);
	for (size_t i = 0; i < ENDING_COUNT; i++) {
		sigaddset(&action.sa_mask, endings[i]);
		if (sigaction(endings[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL) /* nohup ignores one */
			(void)sigaction(endings[i], &action, NULL);
	}
	(void)signal(SIGXFSZ, SIG_IGN); /* a limit is an error as that of a disk */
}

/* From here on there is nothing to be taken away, or it is in its place. */
static void endings_hold(int how)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ENDING_COUNT; i++)
		sigaddset(&set, endings[i]);
	(void)sigprocmask(how, &set, NULL);
}

static void endings_forget(void)
{
	struct sigaction old;

	for (size_t i = 0; i < ENDING_COUNT; i++) {
		if (sigaction(endings[i], NULL, &old) == 0 && old.sa_handler == ending_handler)
			(void)signal(endings[i], SIG_DFL);
	}
}

/* ---- the file ---- */

/* A name of an open file is not the file's: whoever opened it goes on writing there. */
static bool is_descriptor(const char *path)
{
	static const char *const names[] = {"/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strncmp(path, names[i], strlen(names[i])) == 0)
			return true;
	}
	return false;
}

/* What is to be replaced, behind all links; NULL: nothing can be. */
static char *find_target(const char *path, struct stat *there, bool *exists)
{
	struct stat link;
	char *real;

	*exists = stat(path, there) == 0;
	if (is_descriptor(path) || (*exists && !S_ISREG(there->st_mode)))
		return NULL;
	real = realpath(path, NULL);
	return real || lstat(path, &link) == 0 ? real : xstrdup(path);
}

static int folder_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (int)(slash + 1 - path) : 0;
}

static char *name_temporary(const char *target)
{
	size_t size = strlen(target) + 32;
	char *name = xmalloc(size);

	snprintf(name, size, "%.*s.dhtctl-XXXXXX", folder_length(target), target);
	return name;
}

static void give_rights(int fd, const struct stat *there, bool exists)
{
	mode_t mask = umask(0);
	int refused = 0;

	(void)umask(mask);
	if (exists && (there->st_uid != geteuid() || there->st_gid != getegid()))
		refused = fchown(fd, there->st_uid, there->st_gid);
	(void)refused; /* only root may, and the content is what matters */
	(void)fchmod(fd, exists ? there->st_mode & 07777 : 0666 & ~mask);
}

static int open_beside(struct dump_file *file, const struct stat *there, bool exists)
{
	int fd, error = 0;

	if (exists && access(file->target, W_OK) != 0)
		return errno;
	file->temporary = name_temporary(file->target);
	if (strlen(file->temporary) >= sizeof(ending_temporary))
		return ENAMETOOLONG;
	endings_hold(SIG_BLOCK);
	fd = mkostemp(file->temporary, O_CLOEXEC);
	if (fd < 0)
		error = errno;
	else
		endings_catch(file->temporary);
	endings_hold(SIG_UNBLOCK);
	if (fd < 0)
		return error;
	give_rights(fd, there, exists);
	file->out = xcheck(fdopen(fd, "w"));
	return 0;
}

static void forget(struct dump_file *file)
{
	free(file->target);
	free(file->temporary);
	*file = (struct dump_file){.out = NULL};
}

int dump_file_open(struct dump_file *file, const char *path)
{
	struct stat there;
	bool exists;
	int error = 0;

	*file = (struct dump_file){.target = find_target(path, &there, &exists)};
	if (file->target != NULL) {
		error = open_beside(file, &there, exists);
	} else {
		file->out = fopen(path, "we");
		error = file->out ? 0 : errno;
	}
	if (error != 0)
		forget(file);
	return error;
}

/* The new name, too, is to be there after a failure of the power. */
static void sync_folder(const char *target)
{
	char *folder = xstrdup(target);
	int fd;

	folder[folder_length(target)] = '\0';
	fd = open(folder[0] ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		(void)fsync(fd);
		(void)close(fd);
	}
	free(folder);
}

int dump_file_close(struct dump_file *file, bool keep)
{
	int error = 0;

	/* on the disk, not on its way there, when we say so; a pipe or a device has none */
	if (keep && (fflush(file->out) != 0 || (fsync(fileno(file->out)) != 0 && errno != EINVAL && errno != EROFS)))
		error = errno;
	if (fclose(file->out) != 0 && error == 0)
		error = errno;
	if (file->target != NULL) {
		endings_hold(SIG_BLOCK);
		if (keep && error == 0 && rename(file->temporary, file->target) != 0)
			error = errno;
		if (!keep || error != 0)
			(void)unlink(file->temporary);
		endings_forget();
		endings_hold(SIG_UNBLOCK);
		if (keep && error == 0)
			sync_folder(file->target);
	}
	forget(file);
	return error;
}
