#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/mem.h"
#include "../common/secret.h"
#include "../common/topic.h"
#include "broker-files.h"
#include "client.h"
#include "commands.h"
#include "output.h"

#define PASSWORD_LEN 22 /* letters and digits: 130 bits */
#define PASSWORD_MAX 200
#define ELSEWHERE "/etc/mosquitto/dht" /* what stands in the files if they are only printed */

static enum exit_code fail(const char *what, const char *path)
{
	output_error("cannot %s %s: %s", what, path, output_reason(errno));
	return RC_LOCAL;
}

/* ---- files ---- */

/* Mosquitto gives up being root before it reads them. */
static void let_mosquitto_read(int fd, mode_t mode)
{
	const struct group *group = getgrnam("mosquitto");

	/* where it fails Mosquitto says which file it cannot read */
	if (group == NULL || geteuid() != 0 || fchown(fd, 0, group->gr_gid) != 0)
		mode &= 0700;
	(void)fchmod(fd, mode);
}

/* Beside it first: whoever reads it has the old one or the new one, whole. */
static enum exit_code put_file(const char *folder, const char *name, const char *text, size_t len)
{
	char path[PATH_MAX + 64], beside[PATH_MAX + 64];
	bool good;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	snprintf(beside, sizeof(beside), "%s/.%s.XXXXXX", folder, name);
	fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0)
		return fail("write", path);
	let_mosquitto_read(fd, 0640);
	good = write(fd, text, len) == (ssize_t)len && fsync(fd) == 0;
	good = close(fd) == 0 && good && rename(beside, path) == 0;
	if (good)
		return RC_OK;
	(void)fail("write", path);
	(void)unlink(beside);
	return RC_LOCAL;
}

static enum exit_code put_text(const char *name, void (*say)(FILE *, const struct broker_plan *),
			       const struct broker_plan *plan)
{
	char *text;
	size_t len;
	FILE *out = xcheck(open_memstream(&text, &len));
	enum exit_code code;

	say(out, plan);
	(void)fclose(out);
	code = put_file(plan->folder, name, text, len);
	free(text);
	return code;
}

/* ---- passwords ---- */

/* A new one, for no other eyes, if there is none yet. */
static enum exit_code make_password(const char *path)
{
	char text[PASSWORD_LEN + 2];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool whole;

	if (fd < 0)
		return errno == EEXIST ? RC_OK : fail("write", path);
	client_random_text(text, PASSWORD_LEN);
	text[PASSWORD_LEN] = '\n';
	whole = write(fd, text, PASSWORD_LEN + 1) == PASSWORD_LEN + 1 && fsync(fd) == 0;
	whole = close(fd) == 0 && whole;
	explicit_bzero(text, sizeof(text));
	if (whole)
		return RC_OK;
	(void)fail("write", path);
	(void)unlink(path);
	return RC_LOCAL;
}

static enum exit_code hash_one(FILE *out, const struct broker_plan *plan, const char *user)
{
	char path[PATH_MAX + 64], error[SECRET_ERROR_MAX];
	size_t len = 0;
	enum exit_code code;
	char *text;

	snprintf(path, sizeof(path), "%s/passwords/%s", plan->folder, user);
	code = make_password(path);
	if (code != RC_OK)
		return code;
	text = secret_read("password file", path, false, PASSWORD_MAX, &len, error);
	if (text == NULL) {
		output_error("%s", error);
		return RC_LOCAL;
	}
	text[strcspn(text, "\r\n")] = '\0';
	if (text[0] != '\0')
		broker_write_hash(out, user, text);
	else
		output_error("password file %s: it is empty", path);
	code = text[0] != '\0' ? RC_OK : RC_LOCAL;
	secret_free(text, len);
	return code;
}

/* A file that lacks somebody is not written. */
static enum exit_code put_passwords(const struct broker_plan *plan)
{
	char *text;
	size_t len;
	FILE *out = xcheck(open_memstream(&text, &len));
	enum exit_code code = RC_OK;

	for (size_t i = 0; i < plan->count && code == RC_OK; i++)
		code = hash_one(out, plan, plan->users[i].name);
	(void)fclose(out);
	if (code == RC_OK)
		code = put_file(plan->folder, "dht.passwd", text, len);
	free(text);
	return code;
}

/* ---- the command ---- */

static bool is_for_mosquitto(const char *what, const char *path)
{
	for (const char *c = path; *c != '\0'; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f) {
			output_error(
				"the path of the %s has a control character, which Mosquitto's settings cannot have",
				what);
			return false;
		}
	}
	return true;
}

static enum exit_code plan_users(struct broker_plan *plan, const struct settings *settings)
{
	const struct {
		const char *option, *list;
		enum broker_role role;
	} lists[] = {{"--nodes", settings->nodes, BROKER_NODE},
		     {"--operators", settings->operators, BROKER_OPERATOR},
		     {"--clients", settings->users, BROKER_CLIENT}};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		char *name;
		const char *wrong = broker_add_users(plan, lists[i].list, lists[i].role, &name);

		if (wrong == NULL)
			continue;
		output_error("'%.60s' (%s): %s", name, lists[i].option, wrong);
		free(name);
		return RC_USAGE;
	}
	if (settings->nodes != NULL && settings->nodes[0] != '\0')
		return RC_OK;
	output_error("--nodes is missing: the names by which the nodes log in, 'n1,n2,n3'");
	return RC_USAGE;
}

static enum exit_code plan_tls(struct broker_plan *plan, const struct settings *settings, char **cert, char **key)
{
	plan->port = settings->port;
	if ((settings->server_cert == NULL) != (settings->server_key == NULL)) {
		output_error("--server-certfile and --server-keyfile belong together");
		return RC_USAGE;
	}
	if (settings->server_cert == NULL)
		return RC_OK;
	*cert = realpath(settings->server_cert, NULL);
	if (*cert == NULL)
		return fail("find", settings->server_cert);
	*key = realpath(settings->server_key, NULL);
	if (*key == NULL)
		return fail("find", settings->server_key);
	plan->certfile = *cert;
	plan->keyfile = *key;
	return is_for_mosquitto("certificate", *cert) && is_for_mosquitto("key", *key) ? RC_OK : RC_USAGE;
}

static enum exit_code make_folder(const char *path, bool secret)
{
	int fd;

	if (mkdir(path, 0700) != 0)
		return errno == EEXIST ? RC_OK : fail("make the directory", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && !secret)
		let_mosquitto_read(fd, 0750);
	if (fd >= 0)
		(void)close(fd);
	return RC_OK;
}

static void tell_json(const struct broker_plan *plan)
{
	static const char *const roles[] = {
		[BROKER_NODE] = "node", [BROKER_OPERATOR] = "operator", [BROKER_CLIENT] = "client"};

	putchar('{');
	output_json_bytes(stdout, "directory", (const uint8_t *)plan->folder, strlen(plan->folder));
	printf(",\"files\":[\"dht.conf\",\"dht.acl\",\"dht.passwd\"],\"users\":[");
	for (size_t i = 0; i < plan->count; i++) /* names of letters, digits, '-' and '_' */
		printf("%s{\"name\":\"%s\",\"role\":\"%s\",\"password_file\":\"passwords/%s\"}", i ? "," : "",
		       plan->users[i].name, roles[plan->users[i].role], plan->users[i].name);
	puts("]}");
}

static void tell(const struct broker_plan *plan)
{
	printf("%s: dht.conf, dht.acl, dht.passwd, and passwords/ of %zu user%s\n"
	       "  cp %s/dht.conf /etc/mosquitto/conf.d/ && systemctl restart mosquitto\n"
	       "  each user: mqtt%s://NAME@HOST and --password-file, a copy of passwords/NAME\n",
	       plan->folder, plan->count, plan->count == 1 ? "" : "s", plan->folder, plan->certfile ? "s" : "");
}

static void print_file(const char *name, void (*say)(FILE *, const struct broker_plan *),
		       const struct broker_plan *plan, bool json)
{
	char *text;
	size_t len;
	FILE *out = xcheck(open_memstream(&text, &len));

	say(out, plan);
	(void)fclose(out);
	if (json)
		output_json_bytes(stdout, name, (const uint8_t *)text, len);
	else
		printf("# dht.%s\n%s", name, text);
	free(text);
}

/* Without a directory. */
static void print_all(const struct broker_plan *plan, bool json)
{
	if (json)
		putchar('{');
	print_file("conf", broker_write_config, plan, json);
	putchar(json ? ',' : '\n');
	print_file("acl", broker_write_access, plan, json);
	if (json)
		puts("}");
}

static enum exit_code put_all(struct broker_plan *plan, const char *folder, const struct settings *settings)
{
	char passwords[PATH_MAX + 64];
	enum exit_code code = make_folder(folder, false);
	char *real = code == RC_OK ? realpath(folder, NULL) : NULL;

	if (code == RC_OK && real == NULL)
		code = fail("find", folder);
	if (code != RC_OK)
		return code;
	plan->folder = real;
	snprintf(passwords, sizeof(passwords), "%s/passwords", real);
	code = is_for_mosquitto("directory", real) ? make_folder(passwords, true) : RC_USAGE;
	if (code == RC_OK)
		code = put_passwords(plan);
	if (code == RC_OK)
		code = put_text("dht.acl", broker_write_access, plan);
	if (code == RC_OK)
		code = put_text("dht.conf", broker_write_config, plan);
	if (code == RC_OK && settings->json)
		tell_json(plan);
	else if (code == RC_OK && !settings->quiet)
		tell(plan);
	free(real);
	return code;
}

static enum exit_code broker_config_exec(const struct settings *settings, char **args, size_t count)
{
	struct broker_plan plan = {
		.prefix = settings->topic_prefix, .folder = ELSEWHERE, .reference = settings->reference};
	char *cert = NULL, *key = NULL;
	enum exit_code code = plan_users(&plan, settings);

	if (code == RC_OK && !topic_prefix_valid(settings->topic_prefix)) {
		output_error("invalid topic prefix '%s': levels of [0-9a-z_-] divided by '/', none empty",
			     settings->topic_prefix);
		code = RC_USAGE;
	}
	if (code == RC_OK)
		code = plan_tls(&plan, settings, &cert, &key);
	if (code == RC_OK && count > 0)
		code = put_all(&plan, args[0], settings);
	else if (code == RC_OK)
		print_all(&plan, settings->json);
	broker_free(&plan);
	free(cert);
	free(key);
	return code;
}

const struct command command_broker_config = {
	.name = "broker-config",
	.arguments = "[DIR]",
	.max = 1,
	.options = {"nodes", "clients", "operators", "reference", "server-certfile", "server-keyfile", "port"},
	.bare = true,
	.others = "acl",
	.summary = "make what Mosquitto needs to keep clients, nodes and strangers apart",
	.details =
		"\n"
		"Writes into DIR (without it: prints, but for passwords) a configuration of Mosquitto, its access "
		"list\n"
		"and its password file, and for each user a new password of 130 random bits in DIR/passwords/NAME, "
		"unless\n"
		"there is one: then that stays, so users can be added by saying all of them again. Lists are divided "
		"by\n"
		"commas.\n"
		"\n"
		"A client may ask on topics that have its name in them, hears its own answers, and what watchers are\n"
		"told; no more. An operator may use 'ring', 'status', 'check', 'ping', 'leave', 'recover' and 'scrub'\n"
		"besides, and is trusted as a node is: who may ask nodes for anything may tell them anything. A node "
		"may do all that nodes do. Nobody else\n"
		"comes in. With --reference clients may use the topics that all clients of the reference share, too\n"
		"('demo' does); there any of them can overwrite any number, and read what others are answered.\n"
		"\n"
		"Without --server-certfile there is no TLS, and Mosquitto listens on this machine alone. Give the "
		"broker's\n"
		"certificate and key in files that Mosquitto may read; clients then need --cafile if its CA is none "
		"that\n"
		"the system knows. After 'broker-config' has run again: systemctl reload mosquitto.\n"
		"\n"
		"--json gives {\"directory\",\"files\",\"users\":[{\"name\",\"role\",\"password_file\"}]}, without "
		"DIR\n"
		"{\"conf\",\"acl\"}: the files' texts.\n",
	.exec = broker_config_exec,
};
