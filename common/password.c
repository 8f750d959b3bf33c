#include "password.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool password_refuse(char *error, const char *path, const char *why)
{
	snprintf(error, PASSWORD_ERROR_MAX, "password file %.200s: %s", path, why);
	return false;
}

static bool password_refuse_errno(char *error, const char *path)
{
	char why[100];

	snprintf(why, sizeof(why), "%s", strerror(errno));
	why[0] = (char)tolower((unsigned char)why[0]);
	return password_refuse(error, path, why);
}

/* Whoever can read it knows the password, and whoever can write it can have ours sent in the place of his. */
static bool password_is_guarded(int fd, const char *path, char *error)
{
	struct stat st;
	char why[160];

	if (fstat(fd, &st) < 0)
		return password_refuse_errno(error, path);
	if (!S_ISREG(st.st_mode))
		return password_refuse(error, path, "it is no regular file");
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return password_refuse(error, path, "it belongs to another user -> chown it to root or to this one");
	if (!(st.st_mode & 027))
		return true;
	snprintf(why, sizeof(why), "its mode is %04o, so that others can %s it -> chmod 600 (or 640)",
		 (unsigned)st.st_mode & 07777, st.st_mode & 022 ? "change" : "read");
	return password_refuse(error, path, why);
}

static bool password_read(int fd, const char *path, struct url *url, char *error)
{
	char text[sizeof(url->password) + 1];
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(text) && (n = read(fd, text + len, sizeof(text) - len)) != 0) {
		if (n < 0 && errno != EINTR)
			return password_refuse_errno(error, path);
		len += n > 0 ? (size_t)n : 0;
	}
	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (len > 0 && text[len - 1] == '\r')
		len--;
	if (len == 0)
		return password_refuse(error, path, "it is empty");
	if (memchr(text, '\n', len) != NULL || memchr(text, '\0', len) != NULL)
		return password_refuse(error, path, "it holds more than one line of text");
	if (len >= sizeof(url->password))
		return password_refuse(error, path, "a password has at most 127 bytes");
	memcpy(url->password, text, len);
	url->password[len] = '\0';
	url->has_password = true;
	explicit_bzero(text, sizeof(text));
	return true;
}

/* A credential has been guarded by who made it: what mode it has there is his affair. */
static bool password_take_file(struct url *url, const char *path, bool credential, char *error)
{
	/* what waits for a writer is not waited for */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool taken;

	if (fd < 0)
		return password_refuse_errno(error, path);
	taken = (credential || password_is_guarded(fd, path, error)) && password_read(fd, path, url, error);
	(void)close(fd);
	return taken;
}

bool password_take(struct url *url, const char *file, bool credential, char place[PASSWORD_PLACE_MAX],
		   char error[PASSWORD_ERROR_MAX])
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	char path[4096];

	place[0] = '\0';
	if (url->has_password)
		snprintf(place, PASSWORD_PLACE_MAX, "the broker's URL");
	if (url->has_password || url->user[0] == '\0')
		return true;
	if (file != NULL && file[0] != '\0') {
		snprintf(place, PASSWORD_PLACE_MAX, "%.300s", file);
		return password_take_file(url, file, false, error);
	}
	if (!credential || folder == NULL || folder[0] != '/')
		return true;
	snprintf(path, sizeof(path), "%s/%s", folder, PASSWORD_CREDENTIAL);
	if (access(path, F_OK) != 0)
		return true;
	snprintf(place, PASSWORD_PLACE_MAX, "the credential %s", PASSWORD_CREDENTIAL);
	return password_take_file(url, path, true, error);
}
