/* Words and numbers that need no connection. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "client.h"
#include "output.h"

const char *client_duration_text(uint32_t ms, char out[32])
{
	if (ms % 1000 == 0)
		snprintf(out, 32, "%us", ms / 1000);
	else
		snprintf(out, 32, "%ums", ms);
	return out;
}

const char *client_timeout_text(const struct settings *settings, char out[32])
{
	return client_duration_text(settings->timeout, out);
}

const char *client_denied_text(const struct settings *settings, char out[CLIENT_DENIED_MAX])
{
	const struct url *url = &settings->url;
	const bool file = settings->password_file != NULL && settings->password_file[0] != '\0';

	if (url->user[0] == '\0')
		snprintf(out, CLIENT_DENIED_MAX, "%sgive mqtt://user@host as --broker or DHT_BROKER%s",
			 file ? "the password is for a user, and the URL has none: " : "",
			 file ? "" : ", and --password-file");
	else if (!url->has_password)
		snprintf(out, CLIENT_DENIED_MAX, "give the password of user '%s': --password-file", url->user);
	else
		snprintf(out, CLIENT_DENIED_MAX, "does the broker know user '%s', and is the password right?",
			 url->user);
	return out;
}

void client_random(void *out, size_t len)
{
	if (getrandom(out, len, 0) != (ssize_t)len) {
		output_error("the kernel gives no random numbers");
		abort();
	}
}

void client_random_text(char *out, size_t len)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	size_t used = 0;

	while (used < len) {
		uint8_t byte;

		client_random(&byte, 1);
		if (byte < 4 * 62) /* each letter alike */
			out[used++] = letters[byte % 62];
	}
	out[len] = '\0';
}
