/* dht-node: options, event loop, wiring; nothing else. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>

#include <event2/dns.h>
#include <event2/event.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "../common/mem.h"
#include "../common/option.h"
#include "../common/text.h"
#include "shell.h"

struct settings {
	char *broker;
	char *id;
	char *name;
	char *topic_prefix;
	enum log_level log_level;
	uint32_t keepalive;
	uint32_t join_interval;
	uint32_t join_attempts;
	uint32_t resend;
	uint32_t silence;
	uint32_t grace;
	uint32_t ping;
	uint32_t recover;
	uint32_t replicas;
	bool help;
	bool version;
};

#define FIELD(member) offsetof(struct settings, member)

static const struct option_row option_rows[] = {
	{"broker", 'b', OPTION_URL, FIELD(broker), URL_DEFAULT, "DHT_BROKER", "URL",
	 "mqtt://[user[:password]@]host[:port] or unix:///path", 0, 1000},
	{"id", 'i', OPTION_TEXT, FIELD(id), NULL, "DHT_ID", "N",
	 "position on the ring, 0 to 4294967295; without it: from the name, or random", 0, 0},
	{"name", 'n', OPTION_TEXT, FIELD(name), NULL, "DHT_NAME", "TEXT",
	 "unique in the ring, up to 63 bytes; without it: the id in decimal", 0, 0},
	{"topic-prefix", 0, OPTION_TEXT, FIELD(topic_prefix), "", "DHT_TOPIC_PREFIX", "PREFIX",
	 "the ring's topics stand below this", 0, TOPIC_PREFIX_MAX},
	{"log-level", 'l', OPTION_LEVEL, FIELD(log_level), "info", "DHT_LOG_LEVEL", "LEVEL",
	 "error, warn, info or debug", 0, 0},
	{"keepalive", 0, OPTION_DURATION, FIELD(keepalive), "10s", "DHT_KEEPALIVE", "DURATION",
	 "a silent broker or node is noticed within twice as long", 5000, 65535000},
	{"join-interval", 0, OPTION_DURATION, FIELD(join_interval), "10ms", "DHT_JOIN_INTERVAL", "DURATION",
	 "between two attempts to join", 1, 60000},
	{"join-attempts", 0, OPTION_UNSIGNED, FIELD(join_attempts), "100", "DHT_JOIN_ATTEMPTS", "N",
	 "unanswered ones before a ring is founded", 1, 1000000},
	{"resend", 0, OPTION_DURATION, FIELD(resend), "200ms", "DHT_RESEND", "DURATION",
	 "an unanswered frame is sent again", 10, 60000},
	{"silence", 0, OPTION_DURATION, FIELD(silence), "1500ms", "DHT_SILENCE", "DURATION",
	 "a party to a change that is silent for so long is fenced", 100, 600000},
	{"grace", 0, OPTION_DURATION, FIELD(grace), "2s", "DHT_GRACE", "DURATION",
	 "how long a lost node may come back with its records", 1, 600000},
	{"ping", 0, OPTION_DURATION, FIELD(ping), "10s", "DHT_PING", "DURATION", "between two looks at the neighbours",
	 100, 3600000},
	{"recover-after", 0, OPTION_DURATION, FIELD(recover), "10s", "DHT_RECOVER_AFTER", "DURATION",
	 "an arc that nobody answers for is then served as empty", 100, 3600000},
	{"replicas", 0, OPTION_UNSIGNED, FIELD(replicas), "1", "DHT_REPLICAS", "R",
	 "copies of each record, 1 to 5; one is kept, whatever it says, until replication exists", 1, 5},
	{"help", 'h', OPTION_STOP, FIELD(help), NULL, NULL, NULL, "this text", 0, 0},
	{"version", 'V', OPTION_STOP, FIELD(version), NULL, NULL, NULL, "the version", 0, 0},
};

static const struct option_table option_table = {"dht-node", option_rows, sizeof(option_rows) / sizeof(option_rows[0])};

static void print_help(void)
{
	printf("usage: dht-node [OPTIONS]\n\n"
	       "One node of a key-value ring whose only network is an MQTT broker.  Runs until SIGTERM or SIGINT, "
	       "then\n"
	       "hands its records on and leaves; a second signal ends it at once.\n\noptions:\n");
	option_help(stdout, &option_table);
	printf("\nexit codes: 0 left in good order; 64 a wrong option or setting; 77 refused (the id or name is\n"
	       "            in use, or the ring speaks a later version)\n");
}

static void random_fill(void *out, size_t size)
{
	if (getrandom(out, size, 0) != (ssize_t)size)
		mem_die("no random numbers");
}

static bool parse_id(const char *text, uint32_t *id)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t value = 0;

	for (size_t i = 0; i < digits && value <= UINT32_MAX; i++)
		value = value * 10 + (uint64_t)(text[i] - '0');
	*id = (uint32_t)value;
	return digits > 0 && !text[digits] && value <= UINT32_MAX;
}

/* The same name has the same place on the ring for ever, so this must not change. */
static uint32_t id_of_name(const char *name)
{
	uint64_t hash = XXH3_64bits(name, strlen(name));

	return (uint32_t)(hash ^ hash >> 32);
}

/* False with a line on standard error. */
static bool choose_identity(const struct settings *settings, struct node_config *node)
{
	const char *name = settings->name ? settings->name : "";

	if (strlen(name) > NAME_MAX_LEN || !text_is_clean((const uint8_t *)name, strlen(name))) {
		(void)fprintf(stderr, "dht-node: invalid name: 1 to %d bytes of UTF-8 without control characters\n",
			      NAME_MAX_LEN);
		return false;
	}
	(void)snprintf(node->name, sizeof(node->name), "%s", name);
	if (settings->id && !parse_id(settings->id, &node->id)) {
		(void)fprintf(stderr, "dht-node: invalid id '%.40s': a decimal number from 0 to 4294967295\n",
			      settings->id);
		return false;
	}
	if (!settings->id && name[0])
		node->id = id_of_name(name);
	else if (!settings->id)
		random_fill(&node->id, sizeof(node->id));
	do
		random_fill(&node->memory, sizeof(node->memory));
	while (!node->memory);
	random_fill(&node->seed, sizeof(node->seed));
	random_fill(&node->secret, sizeof(node->secret));
	return true;
}

static bool choose_broker(const struct settings *settings, const char *origin, struct mqtt_config *mqtt)
{
	char problem[200];
	char shown[400];
	const char *wrong = url_parse(&mqtt->url, settings->broker, problem, sizeof(problem));

	mqtt->keepalive_s = settings->keepalive / 1000;
	if (!wrong)
		return true;
	(void)snprintf(shown, sizeof(shown), "%s", settings->broker);
	url_mask(shown);
	(void)fprintf(stderr, "dht-node: invalid broker URL '%s' (%s): %s\n", shown, origin, wrong);
	return false;
}

static bool configure(const struct settings *settings, const char *origin, struct shell_config *config)
{
	struct node_config *node = &config->node;

	node_config_init(node);
	mqtt_config_init(&config->mqtt);
	config->broker_origin = origin;
	if (!choose_broker(settings, origin, &config->mqtt) || !choose_identity(settings, node))
		return false;
	if (!topic_prefix_valid(settings->topic_prefix)) {
		(void)fprintf(
			stderr,
			"dht-node: invalid topic prefix '%.80s': levels of [0-9a-z_-] divided by '/', none empty\n",
			settings->topic_prefix);
		return false;
	}
	(void)snprintf(node->topic_prefix, sizeof(node->topic_prefix), "%s", settings->topic_prefix);
	(void)snprintf(node->software, sizeof(node->software), "%s", DHT_VERSION);
	node->join_interval = settings->join_interval;
	node->join_attempts = settings->join_attempts;
	node->resend = settings->resend;
	node->silence = settings->silence;
	node->grace = settings->grace;
	node->ping = settings->ping;
	node->recover = settings->recover;
	return true;
}

static int run(const struct shell_config *config, const struct settings *settings)
{
	struct event_base *base = event_base_new();
	struct evdns_base *dns;
	struct shell *shell;
	struct log log;
	int code;

	if (!base)
		mem_die("no event loop");
	dns = mqtt_dns_new(base);
	log_init(&log, settings->log_level);
	if (settings->replicas > 1)
		log_line(&log, LOG_WARN_LEVEL,
			 "dht-node: --replicas %u: until replication exists one copy of each record is kept, and who "
			 "dies "
			 "takes its records along",
			 settings->replicas);
	shell = shell_new(base, dns, config, &log);
	shell_start(shell);
	(void)event_base_dispatch(base);
	code = shell_exit_code(shell);
	shell_free(shell);
	evdns_base_free(dns, 0);
	event_base_free(base);
	return code;
}

int main(int argc, char **argv)
{
	struct settings settings = {0};
	struct shell_config config = {0};
	struct option_result given = {0};
	char error[OPTION_ERROR_MAX];
	char origin[64];
	int code;

	if (!option_parse(&option_table, &settings, argc, argv, &given, error)) {
		(void)fprintf(stderr, "dht-node: %s\n", error);
		code = EX_USAGE;
	} else if (settings.help) {
		print_help();
		code = EX_OK;
	} else if (settings.version) {
		printf("dht-node %s\n", DHT_VERSION);
		code = EX_OK;
	} else if (given.arg_count) {
		(void)fprintf(stderr, "dht-node: '%.40s' is one argument too many; see 'dht-node --help'\n",
			      given.args[0]);
		code = EX_USAGE;
	} else if (!configure(&settings, option_origin(&option_table, &given, "broker", origin), &config)) {
		code = EX_USAGE;
	} else {
		code = run(&config, &settings);
	}
	option_free(&option_table, &settings);
	return code;
}
