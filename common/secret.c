#include "secret.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem.h"

bool secret_refuse(char error[SECRET_ERROR_MAX], const char *what, const char *path, const char *why)
{
	snprintf(error, SECRET_ERROR_MAX, "%s %.200s: %s", what, path, why);
	return false;
}

bool secret_refuse_errno(char error[SECRET_ERROR_MAX], const char *what, const char *path)
{
	char why[100];

	snprintf(why, sizeof(why), "%s", strerror(errno));
	why[0] = (char)tolower((unsigned char)why[0]);
	return secret_refuse(error, what, path, why);
}

/* Whoever can read it knows the secret, and whoever can write it can have ours be his. */
static bool secret_is_guarded(int fd, const char *what, const char *path, char *error)
{
	struct stat st;
	char why[160];

	if (fstat(fd, &st) < 0)
		return secret_refuse_errno(error, what, path);
	if (!S_ISREG(st.st_mode))
		return secret_refuse(error, what, path, "it is no regular file");
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return secret_refuse(error, what, path,
				     "it belongs to another user -> chown it to root or to this one");
	if (!(st.st_mode & 027))
		return true;
	snprintf(why, sizeof(why), "its mode is %04o, so that others can %s it -> chmod 600 (or 640)",
		 (unsigned)st.st_mode & 07777, st.st_mode & 022 ? "change" : "read");
	return secret_refuse(error, what, path, why);
}

/* One byte more than there may be, to see that there is one. */
static bool secret_fill(int fd, const char *what, const char *path, char *text, size_t max, size_t *len,
			char error[SECRET_ERROR_MAX])
{
	ssize_t n;

	for (*len = 0; *len <= max && (n = read(fd, text + *len, max + 1 - *len)) != 0;) {
		if (n < 0 && errno != EINTR)
			return secret_refuse_errno(error, what, path);
		*len += n > 0 ? (size_t)n : 0;
	}
	if (*len <= max)
		return true;
	return secret_refuse(error, what, path, "it is too long");
}

char *secret_read(const char *what, const char *path, bool credential, size_t max, size_t *len,
		  char error[SECRET_ERROR_MAX])
{
	/* what waits for a writer is not waited for */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text;

	if (fd < 0) {
		(void)secret_refuse_errno(error, what, path);
		return NULL;
	}
	text = xcalloc(max + 2, 1);
	if ((!credential && !secret_is_guarded(fd, what, path, error)) ||
	    !secret_fill(fd, what, path, text, max, len, error)) {
		secret_free(text, max + 1);
		text = NULL;
	}
	(void)close(fd);
	return text;
}

void secret_free(char *text, size_t len)
{
	if (text)
		explicit_bzero(text, len);
	free(text);
}

bool secret_credential(const char *name, char *path, size_t size)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");

	if (folder == NULL || folder[0] != '/')
		return false;
	return snprintf(path, size, "%s/%s", folder, name) < (int)size && access(path, F_OK) == 0;
}
