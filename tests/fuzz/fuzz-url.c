/* Broker URLs: whole within their fields; written without the password, and read the same again but for it. */
#include "../../common/url.h"
#include "fuzz.h"

static void check_ended(const struct url *u)
{
	FUZZ_CHECK(memchr(u->host, '\0', sizeof(u->host)) && memchr(u->user, '\0', sizeof(u->user)) &&
		   memchr(u->password, '\0', sizeof(u->password)));
	FUZZ_CHECK(u->host[0] != '\0' && (u->unix_socket ? u->port == 0 : u->port != 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), error[64], out[1024];
	size_t len = strlen(text);
	struct url u, again;
	const char *why = url_parse(&u, text, error, sizeof(error));

	if (why) {
		FUZZ_CHECK(why[0] != '\0');
	} else {
		check_ended(&u);
		url_format(out, sizeof(out), &u);
		FUZZ_CHECK(!url_parse(&again, out, error, sizeof(error)));
		FUZZ_CHECK(u.unix_socket == again.unix_socket && strcmp(u.host, again.host) == 0 &&
			   u.port == again.port && strcmp(u.user, again.user) == 0 &&
			   u.has_password == again.has_password);
		FUZZ_CHECK(!u.has_password || strcmp(again.password, "***") == 0);
	}
	FUZZ_CHECK(strlen(url_show(out, sizeof(out), text)) < sizeof(out));
	url_mask(text);
	FUZZ_CHECK(strlen(text) == len);
	free(text);
	return 0;
}
