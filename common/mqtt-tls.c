/* TLS on one link.  libmosquitto begins the handshake (from within the connect) and is told when it is over; between the
 * two it is driven here.  By itself libmosquitto waits for something to read (lib/loop.c:mosquitto_loop_read), so that
 * where TCP takes its time nothing would ever be said, and of a handshake that fails it tells no reason. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <mosquitto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "mem.h"
#include "mqtt-link.h"
#include "tls.h"

/* ---- the broker's certificate ---- */

static void certificate_name(char *out, size_t size, const X509_NAME *name)
{
	BIO *bio = xcheck(BIO_new(BIO_s_mem()));
	char *text;
	long len;

	(void)X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)XN_FLAG_FN_MASK);
	len = BIO_get_mem_data(bio, &text); /* control characters are escaped */
	(void)snprintf(out, size, "%.*s", (int)(len < 60 ? len : 60), text);
	BIO_free(bio);
}

static void certificate_day(char *out, size_t size, const ASN1_TIME *time)
{
	struct tm tm = {0};

	if (ASN1_TIME_to_tm(time, &tm) != 1 || strftime(out, size, "%Y-%m-%d", &tm) == 0)
		(void)snprintf(out, size, "?");
}

static bool is_plain(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && strchr(".-_*", text[i]) == NULL)
			return false;
	return len > 0;
}

static bool name_of(const GENERAL_NAME *name, char *out, size_t size)
{
	const ASN1_STRING *value = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
	const char *bytes;
	int len;

	if (name->type != GEN_DNS && name->type != GEN_IPADD)
		return false;
	bytes = (const char *)ASN1_STRING_get0_data(value);
	len = ASN1_STRING_length(value);
	if (name->type == GEN_IPADD)
		return (len == 4 || len == 16) && inet_ntop(len == 4 ? AF_INET : AF_INET6, bytes, out, (socklen_t)size);
	return is_plain(bytes, (size_t)len) && snprintf(out, size, "%.*s", len, bytes) < (int)size;
}

/* Whom it is for, as many as there is room for. */
static void certificate_hosts(char *out, size_t size, X509 *certificate)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	size_t used = 0;

	out[0] = '\0';
	for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
		char name[80];

		if (name_of(sk_GENERAL_NAME_value(names, i), name, sizeof(name)) && used + strlen(name) + 3 < size)
			used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "", name);
	}
	GENERAL_NAMES_free(names);
	if (!used)
		certificate_name(out, size, X509_get_subject_name(certificate));
}

static void judge_time(struct mqtt_link *l, X509 *certificate, int depth, bool expired)
{
	const char *whose = depth ? "its CA's certificate" : "its certificate";
	char day[32];

	certificate_day(day, sizeof(day), expired ? X509_get0_notAfter(certificate) : X509_get0_notBefore(certificate));
	if (expired)
		(void)snprintf(l->verdict, sizeof(l->verdict), "%s expired on %s -> renew it", whose, day);
	else
		(void)snprintf(l->verdict, sizeof(l->verdict),
			       "%s is valid from %s on only -> is this machine's clock right?", whose, day);
}

static void judge_name(struct mqtt_link *l, X509 *certificate)
{
	char hosts[100];

	certificate_hosts(hosts, sizeof(hosts), certificate);
	(void)snprintf(l->verdict, sizeof(l->verdict),
		       "its certificate is for %s and not for %.60s -> the URL is to have a name that it is for", hosts,
		       l->config->url.host);
}

static void judge_issuer(struct mqtt_link *l, X509 *certificate)
{
	const char *cafile = l->config->tls->cafile;
	char issuer[80];

	certificate_name(issuer, sizeof(issuer), X509_get_issuer_name(certificate));
	if (cafile)
		(void)snprintf(l->verdict, sizeof(l->verdict),
			       "its certificate is of a CA (%s) that is not in the CA file %.80s", issuer, cafile);
	else
		(void)snprintf(l->verdict, sizeof(l->verdict),
			       "its certificate is of a CA (%s) that this machine does not know -> name its file by "
			       "--cafile",
			       issuer);
}

/* Called for whatever is wrong in the chain; the first is told. */
static int verify_cb(int good, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct mqtt_link *l = SSL_get_app_data(ssl);
	X509 *certificate = X509_STORE_CTX_get_current_cert(store);
	int error = X509_STORE_CTX_get_error(store), depth = X509_STORE_CTX_get_error_depth(store);

	if (good)
		return 1;
	switch (certificate ? error : X509_V_ERR_UNSPECIFIED) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		judge_time(l, certificate, depth, error == X509_V_ERR_CERT_HAS_EXPIRED);
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		judge_name(l, certificate);
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		judge_issuer(l, certificate);
		break;
	default:
		(void)snprintf(l->verdict, sizeof(l->verdict), "its certificate is refused: %s",
			       X509_verify_cert_error_string(error));
	}
	return 0;
}

/* ---- what it says of ours ---- */

static int asked_cb(SSL *ssl, void *arg)
{
	struct mqtt_link *l = SSL_get_app_data(ssl);

	(void)arg;
	l->asked = true;
	return 1;
}

static void fail_certificate(struct mqtt_link *l, const char *reason)
{
	const char *ours = l->config->tls->certfile;

	if (ours)
		mqtt_link_fail(l, MQTT_CERTIFICATE, "it refuses our certificate %.120s%s%s", ours,
			       reason[0] ? ": " : "", reason);
	else
		mqtt_link_fail(l, MQTT_CERTIFICATE,
			       "it demands a certificate of ours -> give --certfile and --keyfile");
}

/* Of an alert, if there was one that says why. */
static bool explain_alert(struct mqtt_link *l)
{
	int alert = l->alert & 0xff;

	switch (l->alert ? alert : SSL_AD_CLOSE_NOTIFY) {
	case SSL_AD_CLOSE_NOTIFY:
		return false;
	case SSL_AD_HANDSHAKE_FAILURE:
		if (!l->asked)
			break;
		/* fall through */
	case SSL_AD_BAD_CERTIFICATE:
	case SSL_AD_UNSUPPORTED_CERTIFICATE:
	case SSL_AD_CERTIFICATE_REVOKED:
	case SSL_AD_CERTIFICATE_EXPIRED:
	case SSL_AD_CERTIFICATE_UNKNOWN:
	case SSL_AD_UNKNOWN_CA:
	case SSL_AD_ACCESS_DENIED:
	case SSL_AD_DECRYPT_ERROR:
	case SSL_AD_CERTIFICATE_REQUIRED:
		fail_certificate(l, SSL_alert_desc_string_long(alert));
		return true;
	case SSL_AD_PROTOCOL_VERSION:
		mqtt_link_fail(l, MQTT_TLS, "it speaks no TLS of 1.2 or later");
		return true;
	default:
		break;
	}
	mqtt_link_fail(l, MQTT_TLS, "it ended the TLS handshake: %s", SSL_alert_desc_string_long(alert));
	return true;
}

/* With TLS 1.3 a broker judges our certificate when for us the handshake is over, and where it has closed the connection
 * meanwhile the kernel may have thrown its reason away. */
bool link_tls_explain(struct mqtt_link *l)
{
	if (!l->config->url.tls)
		return false;
	if (l->verdict[0]) {
		link_fail_text(l, MQTT_TLS, l->verdict);
		return true;
	}
	if (explain_alert(l))
		return true;
	if (l->phase > PHASE_HANDSHAKE || !l->asked)
		return false;
	fail_certificate(l, "it closed the connection");
	return true;
}

/* ---- the handshake ---- */

static void fail_handshake(struct mqtt_link *l, int kind, int error)
{
	int reason = ERR_GET_REASON(ERR_peek_error());
	char text[120];

	if (link_tls_explain(l))
		return;
	if (kind == SSL_ERROR_SSL && reason == SSL_R_UNSUPPORTED_PROTOCOL)
		mqtt_link_fail(l, MQTT_TLS, "it speaks no TLS of 1.2 or later");
	else if (kind == SSL_ERROR_SSL &&
		 (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_PACKET_LENGTH_TOO_LONG))
		mqtt_link_fail(l, MQTT_TLS,
			       "what it answers is no TLS (mqtt:// is without; a broker's port for TLS "
			       "mostly is 8883)");
	else if (kind == SSL_ERROR_SYSCALL && error && error != ECONNRESET && error != EPIPE)
		mqtt_link_fail(l, MQTT_UNREACHABLE, "%s", strerror(error));
	else if (kind != SSL_ERROR_SSL || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		mqtt_link_fail(l, MQTT_TLS,
			       "it closed the connection amid the TLS handshake (does it speak TLS at "
			       "this port? mostly 8883)");
	else
		mqtt_link_fail(l, MQTT_TLS, "TLS: %s",
			       (ERR_error_string_n(ERR_peek_error(), text, sizeof(text)), text));
}

enum link_shake link_tls_shake(struct mqtt_link *l)
{
	SSL *ssl = mosquitto_ssl_get(l->mosq);
	int rc, error, kind;

	ERR_clear_error();
	errno = 0;
	rc = SSL_do_handshake(ssl);
	error = errno;
	kind = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl, rc);
	switch (kind) {
	case SSL_ERROR_NONE:
		/* has it see that the handshake is over, where it began it (2.0.11: want_connect) */
		return link_check(l, mosquitto_loop_read(l->mosq, 1)) ? SHAKE_DONE : SHAKE_FAILED;
	case SSL_ERROR_WANT_READ:
		return SHAKE_READ;
	case SSL_ERROR_WANT_WRITE:
		return SHAKE_WRITE;
	default:
		fail_handshake(l, kind, error);
		ERR_clear_error();
		return SHAKE_FAILED;
	}
}

bool link_tls_refused(struct mqtt_link *l)
{
	SSL *ssl = mosquitto_ssl_get(l->mosq);
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	return BIO_number_written(SSL_get_wbio(ssl)) == 0 &&
	       getpeername(mosquitto_socket(l->mosq), (struct sockaddr *)&peer, &len) < 0;
}

bool link_tls_pending(const struct mqtt_link *l)
{
	const SSL *ssl = l->config->url.tls && l->mosq ? mosquitto_ssl_get(l->mosq) : NULL;

	return ssl && SSL_pending(ssl) > 0;
}

static void adopt(struct mqtt_link *l, SSL *ssl)
{
	char host[sizeof(l->config->url.host)];
	unsigned char address[16];
	bool numeric;

	(void)snprintf(host, sizeof(host), "%s", l->config->url.host);
	host[strcspn(host, "%")] = '\0'; /* the zone of a link-local address is nobody's but this machine's */
	numeric = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
	(void)SSL_set_app_data(ssl, l);
	SSL_set_cert_cb(ssl, asked_cb, NULL);
	SSL_set_verify(ssl, SSL_VERIFY_PEER, verify_cb);
	/* libmosquitto says the address that it was given; a name is what we were told, and an address is said to nobody
	 * (RFC 6066, 3) */
	(void)SSL_set_tlsext_host_name(ssl, numeric ? NULL : host);
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (numeric ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) != 1 : SSL_set1_host(ssl, host) != 1)
		mem_die("out of memory");
}

/* The first that is heard of a connection, from within libmosquitto's connect, ahead of anything said on it. */
static void info_cb(const SSL *ssl, int where, int value)
{
	struct tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct mqtt_link *l = SSL_get_app_data(ssl);

	if (where & SSL_CB_HANDSHAKE_START && !l && tls->connecting)
		adopt(tls->connecting, (SSL *)(uintptr_t)ssl);
	else if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && l)
		l->alert = value;
}

void link_tls_options(struct mqtt_link *l, struct mosquitto *mosq)
{
	struct tls *tls = l->config->tls;

	l->verdict[0] = '\0';
	l->alert = 0;
	l->asked = false;
	tls->connecting = l;
	(void)SSL_CTX_set_app_data(tls->context, tls);
	SSL_CTX_set_info_callback(tls->context, info_cb);
	/* Its defaults would need a file of CAs, and bring its own check of the name. */
	(void)mosquitto_int_option(mosq, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0);
	(void)mosquitto_void_option(mosq, MOSQ_OPT_SSL_CTX, tls->context);
}

void link_tls_begin(struct mqtt_link *l)
{
	SSL *ssl = mosquitto_ssl_get(l->mosq);

	l->config->tls->connecting = NULL;
	if (ssl && !SSL_get_app_data(ssl))
		adopt(l, ssl); /* a libmosquitto that has not begun yet (2.0.16 and later) */
}
