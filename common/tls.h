/* TLS as both programs use it: what the broker's certificate is checked against, and what we show ourselves.
 *
 * The files are read once, at the start; after that nothing of them is needed, and a key may be gone.  The context is ours
 * and not libmosquitto's (mosquitto_tls_set): that one checks the certificate for the host that it is told to connect to,
 * which here is a numeric address (mqtt-resolve.c), and keeps its reasons for itself.  TLS 1.2 or later; the chain and the
 * name are always checked. */
#ifndef DHT_TLS_H
#define DHT_TLS_H

#include <stdbool.h>

#include "secret.h"

/* The name of the credential that is the key, as PASSWORD_CREDENTIAL. */
#define TLS_CREDENTIAL "dht-node.key"
#define TLS_KEY_MAX 65536

struct tls {
	struct ssl_ctx_st *context;
	char *cafile, *certfile;      /* for words about them; NULL: the system's CAs, no certificate */
	struct mqtt_link *connecting; /* mqtt-tls.c's */
};

struct tls_files {
	const char *cafile;   /* PEM, the CAs that are trusted; NULL or "": the system's */
	const char *certfile; /* PEM, our certificate and what stands between it and its CA; NULL or "": none */
	const char
		*keyfile; /* PEM, its key, not encrypted, guarded as secret_read wants it; NULL or "": see credential */
	bool credential;  /* without a keyfile: the credential TLS_CREDENTIAL */
};

/* NULL, with a line in error (lower case, no period), if a file cannot be used. */
struct tls *tls_new(const struct tls_files *files, char error[SECRET_ERROR_MAX]);
/* Connections that stand keep what they need.  NULL is fine. */
void tls_free(struct tls *tls);

#endif
