/* Words and numbers that need no connection. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

#define DENIED_MAX 200

/* What somebody whom the broker does not let in may have forgotten.  Returns out. */
static const char *denied_text(const struct settings *settings, char out[DENIED_MAX])
{
	const struct url *url = &settings->url;
	const bool file = settings->password_file != NULL && settings->password_file[0] != '\0';

	if (url->user[0] == '\0')
		snprintf(out, DENIED_MAX, "%sgive mqtt://user@host as --broker or DHT_BROKER%s",
			 file ? "the password is for a user, and the URL has none: " : "",
			 file ? "" : ", and --password-file");
	else if (!url->has_password)
		snprintf(out, DENIED_MAX, "give the password of user '%s': --password-file", url->user);
	else
		snprintf(out, DENIED_MAX, "does the broker know user '%s', and is the password right?", url->user);
	return out;
}

enum exit_code client_explain_connect(const struct settings *settings, enum mqtt_failure failure, const char *detail)
{
	const char *shown = settings->broker_shown;
	char timeout[32], denied[DENIED_MAX];

	switch (failure) {
	case MQTT_OK:
		output_error("cannot reach broker %s: no answer within %s (%s)", shown,
			     client_timeout_text(settings, timeout), settings->remedy);
		return RC_UNREACHABLE;
	case MQTT_DENIED:
		output_error("broker %s refused us: %s (%s)", shown, detail, denied_text(settings, denied));
		return RC_REFUSED;
	case MQTT_CERTIFICATE:
	case MQTT_REJECTED:
		output_error("broker %s refused us: %s", shown, detail);
		return RC_REFUSED;
	case MQTT_NOT_MQTT:
		output_error("cannot reach broker %s: %s (is it an MQTT broker?%s set --broker or DHT_BROKER)", shown,
			     detail, settings->url.tls ? "" : " one with TLS is mqtts://;");
		return RC_UNREACHABLE;
	case MQTT_TLS:
		output_error("cannot trust broker %s: %s", shown, detail);
		return RC_UNREACHABLE;
	case MQTT_UNREACHABLE:
	case MQTT_LOST:
	case MQTT_OVERFLOW:
		break;
	}
	output_error("cannot reach broker %s: %s (%s)", shown, detail,
		     strncmp(detail, "no address for ", 15) == 0 ? "is the name right? set --broker or DHT_BROKER"
								 : settings->remedy);
	return RC_UNREACHABLE;
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
