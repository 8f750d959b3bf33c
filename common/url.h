/* Where the broker is: `mqtt://[user[:password]@]host[:port]`, `mqtts://` for the same with TLS, or
 * `unix:///path`.  Pure but for reading no file. */
#ifndef DHT_URL_H
#define DHT_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define URL_DEFAULT "mqtt://127.0.0.1:1883"

struct url {
	bool unix_socket;
	bool tls;
	char host[256]; /* name or numeric address without brackets, or the socket's path */
	uint16_t port;  /* if not given 1883, or 8883 with TLS; 0 for a socket */
	char user[128]; /* percent-decoded; "" = none */
	char password[128];
	bool has_password;
};

/* Parses; NULL on success, else what is wrong, as a text that names the part and the remedy (static or in error). */
const char *url_parse(struct url *url, const char *text, char *error, size_t error_size);

/* Is it this machine, whatever the network: a socket, localhost or a loopback address? */
bool url_is_local(const struct url *url);

/* Does somebody have to be asked for its address? */
bool url_needs_dns(const struct url *url);

/* Writes the URL without its password ("mqtt://user:***@host:1883"). */
void url_format(char *out, size_t size, const struct url *url);

/* Copies any text, valid or not, with "***" for what may be a password ("//user:THIS@"), however long that is: for error
 * lines that quote what was typed.  Returns out. */
const char *url_show(char *out, size_t size, const char *text);

/* Overwrites the same in place, a '*' for each byte: for argv, where nothing can be moved. */
void url_mask(char *text);

#endif
