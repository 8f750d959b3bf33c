#include "broker-files.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "../common/mem.h"
#include "../common/topic.h"
#include "client.h"

/* ---- users ---- */

static const char *add_user(struct broker_plan *plan, const char *name, enum broker_role role)
{
	if (!topic_user_valid(name))
		return "a user's name is a level of topics: 1 to 27 letters, digits, '-' and '_'";
	for (size_t i = 0; i < plan->count; i++) {
		if (strcmp(plan->users[i].name, name) == 0)
			return "the name stands there twice";
	}
	plan->users = xrealloc(plan->users, (plan->count + 1) * sizeof(*plan->users));
	plan->users[plan->count++] = (struct broker_user){xstrdup(name), role};
	return NULL;
}

const char *broker_add_users(struct broker_plan *plan, const char *list, enum broker_role role, char **name)
{
	char *copy = xstrdup(list ? list : ""), *rest = copy, *one;
	const char *wrong = NULL;

	*name = NULL;
	while (wrong == NULL && copy[0] != '\0' && (one = strsep(&rest, ",")) != NULL) {
		wrong = add_user(plan, one, role);
		if (wrong != NULL)
			*name = xstrdup(one);
	}
	free(copy);
	return wrong;
}

void broker_free(struct broker_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		free(plan->users[i].name);
	free(plan->users);
	plan->users = NULL;
	plan->count = 0;
}

/* ---- the configuration ---- */

/* A value of 16 MiB with the longest name, and its frame; what is longer ends its sender's connection. */
#define BROKER_PACKET_MAX (17u << 20)

void broker_write_config(FILE *out, const struct broker_plan *plan)
{
	bool tls = plan->certfile != NULL;
	unsigned port = plan->port ? plan->port : tls ? 8883 : 1883;

	fputs("# Mosquitto for a ring of dht-nodes, by 'dhtctl broker-config', which writes it anew.\n"
	      "per_listener_settings false\n"
	      "allow_anonymous false\n",
	      out);
	fprintf(out, "acl_file %s/dht.acl\npassword_file %s/dht.passwd\n", plan->folder, plan->folder);
	fprintf(out,
		"# What a slow reader has not taken is dropped without a word, by default past 1,000 messages.\n"
		"max_queued_messages 100000\n"
		"# Longer than any message of a ring's: the sender's connection is closed.\n"
		"max_packet_size %u\n"
		"# Sessions that somebody leaves behind.\n"
		"persistent_client_expiration 1h\n"
		"set_tcp_nodelay true\n"
		"# Never 'log_dest topic': these lines name the nodes' connections.\n\n",
		BROKER_PACKET_MAX);
	if (tls)
		fprintf(out, "listener %u\ncertfile %s\nkeyfile %s\ntls_version tlsv1.2\n", port, plan->certfile,
			plan->keyfile);
	else
		fprintf(out, "# Without TLS: this machine alone.\nlistener %u 127.0.0.1\n", port);
	if (!plan->reference)
		fputs("# Nothing of a ring's asks for more; what does is closed, and leaves no queues.\nmax_qos 0\n",
		      out);
}

/* ---- the access list ---- */

struct rule {
	const char *access, *topic;
};

/* They answer for all of it, and say words to themselves where they hear others. */
static const struct rule node_rules[] = {
	{"readwrite", "join"},      {"readwrite", "has_started"},
	{"readwrite", "ack-join"},  {"readwrite", "put"},
	{"readwrite", "ack-put"},   {"readwrite", "get"},
	{"readwrite", "res-get"},   {"readwrite", "leave"},
	{"readwrite", "ack-leave"}, {"readwrite", "ring"},
	{"readwrite", "founder"},   {"readwrite", "in/#"},
	{"readwrite", "cut/#"},     {"readwrite", "node/#"},
	{"readwrite", "op/#"},      {"readwrite", "ask/#"},
	{"write", "to/#"},          {"write", "ev/#"},
};

/* They ask all nodes and each, and see who comes and goes. */
static const struct rule operator_rules[] = {
	{"write", "ring"}, {"write", "in/+"}, {"read", "node/+"}, {"read", "ev/+"}};

/* What they ask on has their name in it, as have their answers: see the patterns. */
static const struct rule client_rules[] = {{"read", "ev/+"}};

static const struct rule reference_rules[] = {
	{"write", "put"}, {"write", "get"}, {"read", "ack-put"}, {"read", "res-get"}};

/* Of everybody, with his own name in the place of %u; a word to oneself tells whether the broker means it. */
static const struct rule patterns[] = {{"write", "op/+/+/+/+/%u"}, {"write", "ask/+/%u"}, {"readwrite", "to/%u/+"}};

#define COUNT(rules) (sizeof(rules) / sizeof((rules)[0]))

static void write_rules(FILE *out, const char *word, const char *prefix, const struct rule *rules, size_t count)
{
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s %s %s%s%s\n", word, rules[i].access, prefix, prefix[0] ? "/" : "", rules[i].topic);
}

static void write_user(FILE *out, const struct broker_plan *plan, const struct broker_user *user)
{
	static const char *const roles[] = {"a node", "an operator", "a client"};

	fprintf(out, "\n# %s\nuser %s\n", roles[user->role], user->name);
	if (user->role == BROKER_NODE)
		write_rules(out, "topic", plan->prefix, node_rules, COUNT(node_rules));
	if (user->role == BROKER_OPERATOR)
		write_rules(out, "topic", plan->prefix, operator_rules, COUNT(operator_rules));
	if (user->role == BROKER_CLIENT)
		write_rules(out, "topic", plan->prefix, client_rules, COUNT(client_rules));
	if (user->role != BROKER_NODE && plan->reference)
		write_rules(out, "topic", plan->prefix, reference_rules, COUNT(reference_rules));
}

void broker_write_access(FILE *out, const struct broker_plan *plan)
{
	fputs("# Who may say and hear what, by 'dhtctl broker-config', which writes it anew.\n\n"
	      "# everybody, in his own name\n",
	      out);
	write_rules(out, "pattern", plan->prefix, patterns, COUNT(patterns));
	for (size_t i = 0; i < plan->count; i++)
		write_user(out, plan, &plan->users[i]);
}

/* ---- passwords ---- */

/* As mosquitto_passwd of 2.0 has it: `$7$ITERATIONS$SALT$HASH`, SHA-512, base64.  The passwords are 130 random bits: nobody
 * guesses these, however fast. */
#define HASH_ITERATIONS 101
#define HASH_SALT 12
#define HASH_LEN 64

void broker_write_hash(FILE *out, const char *user, const char *password)
{
	unsigned char salt[HASH_SALT], hash[HASH_LEN], salt_text[2 * HASH_SALT], hash_text[2 * HASH_LEN];

	client_random(salt, sizeof(salt));
	if (PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, sizeof(salt), HASH_ITERATIONS, EVP_sha512(),
			      sizeof(hash), hash) != 1)
		mem_die("no PBKDF2 with SHA-512 here");
	(void)EVP_EncodeBlock(salt_text, salt, sizeof(salt));
	(void)EVP_EncodeBlock(hash_text, hash, sizeof(hash));
	fprintf(out, "%s:$7$%d$%s$%s\n", user, HASH_ITERATIONS, (char *)salt_text, (char *)hash_text);
}
