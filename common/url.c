#include "url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

static int url_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes len bytes of a user name or password.  MQTT strings hold no NUL and, to be seen in a log, no control bytes. */
static bool url_decode(char *out, size_t size, const char *text, size_t len)
{
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '%') {
			int high = i + 2 < len ? url_hex(text[i + 1]) : -1;
			int low = high >= 0 ? url_hex(text[i + 2]) : -1;

			if (low < 0)
				return false;
			c = (unsigned char)(high << 4 | low);
			i += 2;
		}
		if (c < 0x20 || c == 0x7f || used + 1 >= size)
			return false;
		out[used++] = (char)c;
	}
	out[used] = '\0';
	return true;
}

static const char *url_parse_user(struct url *url, const char *text, size_t len)
{
	const char *colon = memchr(text, ':', len);
	size_t user_len = colon ? (size_t)(colon - text) : len;

	if (user_len == 0)
		return "the user name before '@' is empty";
	if (!url_decode(url->user, sizeof(url->user), text, user_len))
		return "the user name is too long or badly escaped (at most 127 bytes, '%' as %25)";
	if (colon == NULL)
		return NULL;
	url->has_password = true;
	if (!url_decode(url->password, sizeof(url->password), colon + 1, len - user_len - 1))
		return "the password is too long or badly escaped (at most 127 bytes, '%' as %25)";
	return NULL;
}

static const char *url_parse_port(struct url *url, const char *text)
{
	unsigned long port = 0;
	size_t len = strspn(text, "0123456789");

	for (size_t i = 0; i < len && port <= 65535; i++)
		port = port * 10 + (unsigned long)(text[i] - '0');
	if (len == 0 || text[len] != '\0' || port < 1 || port > 65535)
		return "the port must be a number from 1 to 65535";
	url->port = (uint16_t)port;
	return NULL;
}

static bool url_host_valid(const char *host)
{
	for (const char *c = host; *c != '\0'; c++) {
		if (!isalnum((unsigned char)*c) && strchr(".-_", *c) == NULL)
			return false;
	}
	return *host != '\0';
}

static const char *url_parse_bracketed(struct url *url, const char *text)
{
	const char *end = strchr(text, ']');
	char plain[sizeof(url->host)];
	struct in6_addr address;
	size_t len;

	if (end == NULL)
		return "the ']' behind the IPv6 address is missing";
	len = (size_t)(end - text) - 1;
	if (len >= sizeof(url->host))
		return "the host is too long";
	memcpy(url->host, text + 1, len);
	url->host[len] = '\0';
	memcpy(plain, url->host, len + 1);
	plain[strcspn(plain, "%")] = '\0'; /* the zone of a link-local address */
	if (inet_pton(AF_INET6, plain, &address) != 1)
		return "what stands in brackets must be an IPv6 address";
	if (end[1] == '\0')
		return NULL;
	if (end[1] != ':')
		return "behind ']' only ':port' can stand";
	return url_parse_port(url, end + 2);
}

static const char *url_parse_host(struct url *url, const char *text)
{
	size_t len = strcspn(text, ":");

	if (text[0] == '[')
		return url_parse_bracketed(url, text);
	if (text[len] == ':' && strchr(text + len + 1, ':') != NULL)
		return "an IPv6 address must stand in brackets: mqtt://[::1]:1883";
	if (len >= sizeof(url->host))
		return "the host is too long (at most 255 bytes)";
	memcpy(url->host, text, len);
	url->host[len] = '\0';
	if (len == 0)
		return "the host is missing: write mqtt://host or mqtt://host:port";
	if (!url_host_valid(url->host))
		return "the host must be a name or an address (letters, digits, '.', '-', '_')";
	return text[len] == ':' ? url_parse_port(url, text + len + 1) : NULL;
}

static const char *url_parse_network(struct url *url, const char *text)
{
	char rest[sizeof(url->host) + 16];
	const char *at = strrchr(text, '@');
	const char *host = at ? at + 1 : text;
	size_t len = strlen(host);

	url->port = url->tls ? 8883 : 1883;
	if (at != NULL) {
		const char *wrong = url_parse_user(url, text, (size_t)(at - text));

		if (wrong != NULL)
			return wrong;
	}
	if (len > 0 && host[len - 1] == '/')
		len--;
	if (len >= sizeof(rest))
		return "the host is too long (at most 255 bytes)";
	memcpy(rest, host, len);
	rest[len] = '\0';
	if (strpbrk(rest, "/?#") != NULL)
		return "behind host and port nothing can stand (for a prefix of topics there is --topic-prefix)";
	return url_parse_host(url, rest);
}

static const char *url_parse_socket(struct url *url, const char *text)
{
	size_t len = strlen(text);

	url->unix_socket = true;
	if (text[0] != '/')
		return "the socket's path must be absolute: unix:///run/mosquitto.sock";
	if (len >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return "the socket's path is too long (at most 107 bytes)";
	memcpy(url->host, text, len + 1);
	return NULL;
}

const char *url_parse(struct url *url, const char *text, char *error, size_t error_size)
{
	const char *mark = strstr(text, "://");
	size_t scheme = mark ? (size_t)(mark - text) : 0;

	memset(url, 0, sizeof(*url));
	if (scheme == 0)
		return "the scheme is missing: write mqtt://host:port, mqtts://host:port (TLS) or unix:///path";
	url->tls = scheme == 5 && strncasecmp(text, "mqtts", 5) == 0;
	if (url->tls || (scheme == 4 && strncasecmp(text, "mqtt", 4) == 0))
		return url_parse_network(url, mark + 3);
	if (scheme == 4 && strncasecmp(text, "unix", 4) == 0)
		return url_parse_socket(url, mark + 3);
	snprintf(error, error_size,
		 "the scheme '%.*s' is not known: write mqtt://host:port, mqtts://host:port (TLS) or unix:///path",
		 (int)(scheme < 20 ? scheme : 20), text);
	return error;
}

bool url_is_local(const struct url *url)
{
	struct in_addr address;

	if (url->unix_socket || strcasecmp(url->host, "localhost") == 0 || strcmp(url->host, "::1") == 0)
		return true;
	return inet_pton(AF_INET, url->host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

bool url_needs_dns(const struct url *url)
{
	struct in_addr address;

	return !url->unix_socket && strchr(url->host, ':') == NULL && inet_pton(AF_INET, url->host, &address) != 1;
}

static void url_encode(char *out, size_t size, const char *text)
{
	size_t used = 0;

	for (; *text != '\0' && used + 4 <= size; text++) {
		if (isalnum((unsigned char)*text) || strchr("-._~", *text) != NULL)
			out[used++] = *text;
		else
			used += (size_t)snprintf(out + used, size - used, "%%%02X", (unsigned char)*text);
	}
	out[used] = '\0';
}

void url_format(char *out, size_t size, const struct url *url)
{
	bool brackets = strchr(url->host, ':') != NULL;
	char user[3 * sizeof(url->user)];

	if (url->unix_socket) {
		snprintf(out, size, "unix://%s", url->host);
		return;
	}
	url_encode(user, sizeof(user), url->user);
	snprintf(out, size, "%s://%s%s%s%s%s%s:%u", url->tls ? "mqtts" : "mqtt", user, url->has_password ? ":***" : "",
		 user[0] ? "@" : "", brackets ? "[" : "", url->host, brackets ? "]" : "", (unsigned)url->port);
}

/* False if there is none. */
static bool url_find_password(const char *text, size_t *from, size_t *to)
{
	const char *at = strrchr(text, '@');
	const char *user = strstr(text, "://");
	const char *colon = strchr(user ? user + 3 : text, ':');

	if (at == NULL || colon == NULL || colon > at)
		return false;
	*from = (size_t)(colon + 1 - text);
	*to = (size_t)(at - text);
	return true;
}

const char *url_show(char *out, size_t size, const char *text)
{
	size_t from, to;

	if (url_find_password(text, &from, &to))
		snprintf(out, size, "%.*s***%s", (int)from, text, text + to);
	else
		snprintf(out, size, "%s", text);
	return out;
}

void url_mask(char *text)
{
	size_t from, to;

	if (url_find_password(text, &from, &to))
		memset(text + from, '*', to - from);
}
