#include "password.h"

#include <stdio.h>
#include <string.h>

#define PASSWORD_WHAT "password file"

static bool password_take_text(struct url *url, const char *path, char *text, size_t len, char *error)
{
	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (len > 0 && text[len - 1] == '\r')
		len--;
	if (len == 0)
		return secret_refuse(error, PASSWORD_WHAT, path, "it is empty");
	if (memchr(text, '\n', len) != NULL || memchr(text, '\0', len) != NULL)
		return secret_refuse(error, PASSWORD_WHAT, path, "it holds more than one line of text");
	if (len >= sizeof(url->password))
		return secret_refuse(error, PASSWORD_WHAT, path, "a password has at most 127 bytes");
	memcpy(url->password, text, len);
	url->password[len] = '\0';
	url->has_password = true;
	return true;
}

static bool password_take_file(struct url *url, const char *path, bool credential, char *error)
{
	size_t len;
	char *text = secret_read(PASSWORD_WHAT, path, credential, PASSWORD_FILE_MAX, &len, error);
	bool taken = text != NULL && password_take_text(url, path, text, len, error);

	secret_free(text, text != NULL ? len : 0);
	return taken;
}

bool password_take(struct url *url, const char *file, bool credential, char place[PASSWORD_PLACE_MAX],
		   char error[SECRET_ERROR_MAX])
{
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
	if (!credential || !secret_credential(PASSWORD_CREDENTIAL, path, sizeof(path)))
		return true;
	snprintf(place, PASSWORD_PLACE_MAX, "the credential %s", PASSWORD_CREDENTIAL);
	return password_take_file(url, path, true, error);
}
