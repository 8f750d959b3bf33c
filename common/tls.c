#include "tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "mem.h"

#define CA_WHAT "CA file"
#define CERT_WHAT "certificate file"
#define KEY_WHAT "key file"

static bool is_given(const char *path)
{
	return path != NULL && path[0] != '\0';
}

/* OpenSSL says "no such file" of whatever it cannot use. */
static bool can_read(const char *what, const char *path, char *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	bool regular;

	if (fd < 0)
		return secret_refuse_errno(error, what, path);
	regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	(void)close(fd);
	return regular || secret_refuse(error, what, path, "it is no regular file");
}

static bool load_cas(struct tls *tls, const char *path, char *error)
{
	if (!is_given(path))
		return SSL_CTX_set_default_verify_paths(tls->context) == 1 ||
		       secret_refuse(error, CA_WHAT, "of the system", "it cannot be used");
	tls->cafile = xstrdup(path);
	if (!can_read(CA_WHAT, path, error))
		return false;
	return SSL_CTX_load_verify_file(tls->context, path) == 1 ||
	       secret_refuse(error, CA_WHAT, path, "it holds no certificate in PEM form");
}

static bool load_certificate(struct tls *tls, const char *path, char *error)
{
	tls->certfile = xstrdup(path);
	if (!can_read(CERT_WHAT, path, error))
		return false;
	return SSL_CTX_use_certificate_chain_file(tls->context, path) == 1 ||
	       secret_refuse(error, CERT_WHAT, path, "it holds no certificate in PEM form");
}

static int ask_nobody_cb(char *out, int size, int writing, void *arg)
{
	(void)out;
	(void)size;
	(void)writing;
	*(bool *)arg = true;
	return -1;
}

static bool use_key(struct tls *tls, const char *path, const char *text, size_t len, char *error)
{
	bool encrypted = false, fits;
	BIO *bio = xcheck(BIO_new_mem_buf(text, (int)len));
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, ask_nobody_cb, &encrypted);
	char why[320];

	BIO_free(bio);
	if (key == NULL)
		return secret_refuse(error, KEY_WHAT, path,
				     encrypted ? "it is encrypted, and there is nobody to ask for its password"
					       : "it holds no private key in PEM form");
	fits = SSL_CTX_use_PrivateKey(tls->context, key) == 1; /* it is held against the certificate */
	EVP_PKEY_free(key);
	snprintf(why, sizeof(why), "it is not the key of the certificate in %.200s", tls->certfile);
	return fits || secret_refuse(error, KEY_WHAT, path, why);
}

static bool load_key(struct tls *tls, const struct tls_files *files, char *error)
{
	bool given = is_given(files->keyfile), good;
	const char *path = files->keyfile;
	char credential[4096];
	size_t len;
	char *text;

	if (!given && (!files->credential || !secret_credential(TLS_CREDENTIAL, credential, sizeof(credential))))
		return secret_refuse(error, CERT_WHAT, files->certfile,
				     files->credential
					     ? "its key is missing -> give --keyfile, or the credential " TLS_CREDENTIAL
					     : "its key is missing -> give --keyfile");
	if (!given)
		path = credential;
	text = secret_read(KEY_WHAT, path, !given, TLS_KEY_MAX, &len, error);
	good = text != NULL && use_key(tls, path, text, len, error);
	secret_free(text, text != NULL ? len : 0);
	return good;
}

static bool load(struct tls *tls, const struct tls_files *files, char *error)
{
	if (!load_cas(tls, files->cafile, error))
		return false;
	if (is_given(files->certfile))
		return load_certificate(tls, files->certfile, error) && load_key(tls, files, error);
	return !is_given(files->keyfile) ||
	       secret_refuse(error, KEY_WHAT, files->keyfile, "its certificate is missing -> give --certfile");
}

struct tls *tls_new(const struct tls_files *files, char error[SECRET_ERROR_MAX])
{
	struct tls *tls = xcalloc(1, sizeof(*tls));
	bool good;

	tls->context = xcheck(SSL_CTX_new(TLS_client_method()));
	(void)SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
	/* A renegotiation could have a read wait for a write, which libmosquitto does not see. */
	(void)SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION);
	/* Buffers only while there is something in them: a node has one connection, and is silent most of the time. */
	(void)SSL_CTX_set_mode(tls->context, SSL_MODE_RELEASE_BUFFERS);
	good = load(tls, files, error);
	ERR_clear_error();
	if (good)
		return tls;
	tls_free(tls);
	return NULL;
}

void tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	SSL_CTX_free(tls->context);
	free(tls->cafile);
	free(tls->certfile);
	free(tls);
}
