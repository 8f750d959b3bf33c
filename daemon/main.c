/* dht-node: options, event loop, wiring; nothing else. */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>

#include <event2/dns.h>
#include <event2/event.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "../common/mem.h"
#include "../common/text.h"
#include "keep.h"
#include "options.h"
#include "shell.h"

static void print_help(void)
{
	printf("usage: dht-node [OPTIONS]\n\n"
	       "One node of a key-value ring whose only network is an MQTT broker.  Runs until SIGTERM or SIGINT, "
	       "then\n"
	       "hands its records on and leaves; a second signal ends it at once.\n\noptions:\n");
	option_help(stdout, &node_options);
	printf("\nexit codes:");
	for (size_t i = 0; i < node_exit_count; i++)
		printf(" %d %s%s", node_exits[i].code, node_exits[i].meaning, i + 1 < node_exit_count ? ";" : "\n");
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
static bool choose_identity(const struct settings *settings, const struct option_result *given,
			    struct node_config *node)
{
	const char *name = settings->name ? settings->name : "";
	char origin[OPTION_ORIGIN_MAX];

	if (strlen(name) > NAME_MAX_LEN || !text_is_clean((const uint8_t *)name, strlen(name))) {
		(void)fprintf(stderr,
			      "dht-node: invalid name (%s): 1 to %d bytes of UTF-8 without control characters\n",
			      option_origin(&node_options, given, "name", origin), NAME_MAX_LEN);
		return false;
	}
	(void)snprintf(node->name, sizeof(node->name), "%s", name);
	if (settings->id && !parse_id(settings->id, &node->id)) {
		(void)fprintf(stderr, "dht-node: invalid id '%.40s' (%s): a decimal number from 0 to 4294967295\n",
			      settings->id, option_origin(&node_options, given, "id", origin));
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
	(void)fprintf(stderr, "dht-node: invalid broker URL '%s' (%s): %s\n",
		      url_show(shown, sizeof(shown), settings->broker), origin, wrong);
	return false;
}

static bool durability_is_due(const struct settings *settings, const struct option_result *given)
{
	char from[OPTION_ORIGIN_MAX];

	if (settings->data_dir || option_source(&node_options, given, "durability") == OPTION_DEFAULT)
		return true;
	(void)fprintf(stderr, "dht-node: durability (%s) without a data directory: --data-dir says where\n",
		      option_origin(&node_options, given, "durability", from));
	return false;
}

static bool configure(const struct settings *settings, const struct option_result *given, const char *origin,
		      struct shell_config *config)
{
	struct node_config *node = &config->node;
	char from[OPTION_ORIGIN_MAX];

	node_config_init(node);
	mqtt_config_init(&config->mqtt);
	config->broker_origin = origin;
	if (!choose_broker(settings, origin, &config->mqtt) || !choose_identity(settings, given, node) ||
	    !durability_is_due(settings, given))
		return false;
	if (!topic_prefix_valid(settings->topic_prefix)) {
		(void)fprintf(stderr,
			      "dht-node: invalid topic prefix '%.80s' (%s): levels of [0-9a-z_-] divided by '/', none "
			      "empty\n",
			      settings->topic_prefix, option_origin(&node_options, given, "topic-prefix", from));
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
	/* Who is away may come back with what nobody else has. */
	node->durable = settings->data_dir != NULL;
	node->never = node->durable && option_source(&node_options, given, "recover-after") == OPTION_DEFAULT;
	node->replicas = settings->replicas < REPLICAS_MAX ? settings->replicas : REPLICAS_MAX;
	return true;
}

/* Whoever is at work goes on when a message comes for this node (SCHED_BATCH, sched(7)): the broker hands on what it has,
 * and the node finds several at once, instead of one for each switch to it.  A processor that has nothing to do runs it as
 * soon as ever.  Somebody else's choice stays, and where a sandbox forbids it that is no harm. */
static void do_not_interrupt(void)
{
	struct sched_param none = {0};

	if (sched_getscheduler(0) == SCHED_OTHER)
		(void)sched_setscheduler(0, SCHED_BATCH, &none);
}

static int run(const struct shell_config *config, const struct settings *settings, struct log *log)
{
	struct event_base *base = event_base_new();
	struct evdns_base *dns;
	struct shell *shell;
	int code;

	if (!base)
		mem_die("no event loop");
	dns = mqtt_dns_new(base);
	if (settings->replicas > REPLICAS_MAX)
		log_line(log, LOG_WARN_LEVEL, "dht-node: --replicas %u: no more than %d copies are kept so far",
			 settings->replicas, REPLICAS_MAX);
	do_not_interrupt();
	shell = shell_new(base, dns, config, log);
	shell_start(shell);
	(void)event_base_dispatch(base);
	code = shell_exit_code(shell);
	shell_free(shell);
	evdns_base_free(dns, 0);
	event_base_free(base);
	return code;
}

/* The same with a data directory. */
static int run_kept(struct shell_config *config, const struct settings *settings, struct log *log)
{
	struct keep_config keep = {.directory = settings->data_dir, .any_node = !settings->id && !settings->name};
	struct disk_fault fault;
	int code;

	keep.durability = strcmp(settings->durability, "fsync") == 0 ? DISK_FSYNC
			  : strcmp(settings->durability, "os") == 0  ? DISK_OS
								     : DISK_NONE;
	config->disk = keep_open(&keep, &config->node, &fault);
	if (!config->disk) {
		log_line(log, LOG_ERROR_LEVEL, "dht-node: %s", fault.text);
		return keep_exit_code(fault.trouble);
	}
	code = run(config, settings, log);
	if (disk_close(config->disk) || code != EX_OK)
		return code;
	log_line(log, LOG_ERROR_LEVEL, "dht-node: not all could be written to %s in the end", settings->data_dir);
	return EX_IOERR;
}

int main(int argc, char **argv)
{
	struct settings settings = {0};
	struct shell_config config = {0};
	struct option_result given = {0};
	char error[OPTION_ERROR_MAX];
	char origin[OPTION_ORIGIN_MAX];
	struct log log;
	int code;

	if (!option_parse(&node_options, &settings, argc, argv, &given, error)) {
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
	} else if (!configure(&settings, &given, option_origin(&node_options, &given, "broker", origin), &config)) {
		code = EX_USAGE;
	} else {
		log_init(&log, settings.log_level);
		code = settings.data_dir ? run_kept(&config, &settings, &log) : run(&config, &settings, &log);
	}
	option_free(&node_options, &settings);
	return code;
}
