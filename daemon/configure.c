#include "configure.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "../common/instance.h"
#include "../common/mem.h"
#include "../common/text.h"
#include "directory.h"

#define INSTANCE_PATH_MAX 300

/* ---- files ---- */

static void find_files(struct option_paths *paths, const char *instance)
{
	char path[INSTANCE_PATH_MAX];

	if (option_paths_from(paths, CONFIGURE_VARIABLE))
		return;
	if (instance) {
		(void)snprintf(path, sizeof(path), "%s/%s.conf", CONFIGURE_FOLDER, instance);
		option_paths_add(paths, path);
	}
	option_paths_add(paths, CONFIGURE_FILE);
}

static bool read_arguments(struct configuration *c, int argc, char **argv, char *error)
{
	if (!option_parse(&node_options, &c->settings, argc, argv, &c->given, error))
		return false;
	if (c->settings.help || c->settings.version)
		return true;
	if (c->given.arg_count) {
		(void)snprintf(error, CONFIGURE_ERROR_MAX, "'%.40s' is one argument too many; see 'dht-node --help'",
			       c->given.args[0]);
		return false;
	}
	if (c->settings.instance && strchr(c->settings.instance, '/')) {
		(void)snprintf(error, CONFIGURE_ERROR_MAX,
			       "invalid --instance '%.40s': as systemd writes it, without '/' (see systemd-escape(1))",
			       c->settings.instance);
		return false;
	}
	return true;
}

/* ---- what the table cannot check ---- */

/* Whose fault it is tells the exit code. */
static int refuse(const struct configuration *c, const char *name, char *error, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static int refuse(const struct configuration *c, const char *name, char *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(error, CONFIGURE_ERROR_MAX, format, args);
	va_end(args);
	return option_source(&node_options, &c->given, name) == OPTION_FILE ? EX_CONFIG : EX_USAGE;
}

static const char *origin(const struct configuration *c, const char *name, char out[OPTION_ORIGIN_MAX])
{
	return option_origin(&node_options, &c->given, name, out);
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

static int choose_name(struct configuration *c, char *error)
{
	char name[256] = "";

	if (c->settings.name)
		(void)snprintf(name, sizeof(name), "%s", c->settings.name);
	else if (c->settings.instance)
		instance_name(c->settings.instance, name, sizeof(name));
	if (c->settings.name || !c->settings.instance)
		(void)origin(c, "name", c->name_origin);
	else
		(void)snprintf(c->name_origin, sizeof(c->name_origin), "--instance");
	if (strlen(name) > NAME_MAX_LEN || !text_is_clean((const uint8_t *)name, strlen(name)))
		return refuse(c, "name", error, "invalid name (%s): 1 to %d bytes of UTF-8 without control characters",
			      c->name_origin, NAME_MAX_LEN);
	(void)snprintf(c->shell.node.name, sizeof(c->shell.node.name), "%s", name);
	return EX_OK;
}

static int choose_identity(struct configuration *c, char *error)
{
	struct node_config *node = &c->shell.node;
	char from[OPTION_ORIGIN_MAX];
	int code = choose_name(c, error);

	if (code != EX_OK)
		return code;
	if (c->settings.id && !parse_id(c->settings.id, &node->id))
		return refuse(c, "id", error, "invalid id '%.40s' (%s): a decimal number from 0 to 4294967295",
			      c->settings.id, origin(c, "id", from));
	if (!c->settings.id && node->name[0])
		node->id = id_of_name(node->name);
	else if (!c->settings.id)
		random_fill(&node->id, sizeof(node->id));
	do
		random_fill(&node->memory, sizeof(node->memory));
	while (!node->memory);
	random_fill(&node->seed, sizeof(node->seed));
	random_fill(&node->secret, sizeof(node->secret));
	return EX_OK;
}

static int choose_tls(struct configuration *c, char *error)
{
	char problem[OPTION_ERROR_MAX];
	const char *wrong;

	if (tls_options_take(&c->settings.tls, &node_options, &c->given, &c->shell.mqtt.url, true, &c->tls, &wrong,
			     problem)) {
		c->shell.mqtt.tls = c->tls;
		return EX_OK;
	}
	if (wrong)
		return refuse(c, wrong, error, "%s", problem);
	(void)snprintf(error, CONFIGURE_ERROR_MAX, "%s", problem);
	return EX_CONFIG;
}

static int choose_broker(struct configuration *c, char *error)
{
	struct mqtt_config *mqtt = &c->shell.mqtt;
	char problem[SECRET_ERROR_MAX];
	char shown[400];
	const char *wrong = url_parse(&mqtt->url, c->settings.broker, problem, sizeof(problem));

	mqtt->keepalive_s = c->settings.keepalive / 1000;
	(void)origin(c, "broker", c->broker_origin);
	c->shell.broker_origin = c->broker_origin;
	c->shell.any_clock = c->settings.accept_clock;
	if (wrong)
		return refuse(c, "broker", error, "invalid broker URL '%s' (%s): %s",
			      url_show(shown, sizeof(shown), c->settings.broker), c->broker_origin, wrong);
	if (password_take(&mqtt->url, c->settings.password_file, true, c->password_place, problem))
		return choose_tls(c, error);
	(void)snprintf(error, CONFIGURE_ERROR_MAX, "%s", problem);
	return EX_CONFIG;
}

static int choose_copies(struct configuration *c, char *error)
{
	const struct settings *s = &c->settings;

	if (s->min_copies <= s->replicas)
		return EX_OK;
	return refuse(c, "min-copies", error, "--min-copies %u with --replicas %u: there are never more than these",
		      s->min_copies, s->replicas);
}

static int choose_directory(struct configuration *c, char *error)
{
	char from[OPTION_ORIGIN_MAX];
	struct directory_question q = {.setting = c->settings.data_dir,
				       .origin = origin(c, "data-dir", from),
				       .instance = c->settings.instance,
				       .no_node = c->settings.check_config};

	return directory_choose(&q, &c->directory, c->directory_origin, error) ? EX_OK : EX_CONFIG;
}

static int choose_durability(struct configuration *c, char *error)
{
	struct node_config *node = &c->shell.node;
	int code = choose_directory(c, error);

	if (code != EX_OK)
		return code;
	/* A file, or the environment, may be for several nodes, of which some have a directory. */
	if (!c->directory && option_source(&node_options, &c->given, "durability") == OPTION_GIVEN)
		return refuse(c, "durability", error, "--durability without a data directory: --data-dir says where");
	node->durable = c->directory != NULL;
	/* Who is away may come back with what nobody else has. */
	node->never = node->durable && option_source(&node_options, &c->given, "recover-after") == OPTION_DEFAULT;
	return EX_OK;
}

uint64_t configure_memory(const struct settings *settings)
{
	return settings->max_memory ? settings->max_memory - MEMORY_PROGRAM : 0;
}

static void choose_times(const struct settings *settings, struct node_config *node)
{
	node->join_interval = settings->join_interval;
	node->join_attempts = settings->join_attempts;
	node->resend = settings->resend;
	node->silence = settings->silence;
	node->grace = settings->grace;
	node->ping = settings->ping;
	node->recover = settings->recover;
	node->scrub = settings->scrub;
	node->replicas = settings->replicas;
	node->min_copies = settings->min_copies;
	node->max_memory = configure_memory(settings);
}

static int choose(struct configuration *c, char *error)
{
	struct node_config *node = &c->shell.node;
	char from[OPTION_ORIGIN_MAX];
	int code;

	node_config_init(node);
	mqtt_config_init(&c->shell.mqtt);
	code = choose_broker(c, error);
	if (code == EX_OK)
		code = choose_identity(c, error);
	if (code == EX_OK)
		code = choose_durability(c, error);
	if (code == EX_OK)
		code = choose_copies(c, error);
	if (code == EX_OK && !topic_prefix_valid(c->settings.topic_prefix))
		code = refuse(c, "topic-prefix", error,
			      "invalid topic prefix '%.80s' (%s): levels of [0-9a-z_-] divided by '/', none empty",
			      c->settings.topic_prefix, origin(c, "topic-prefix", from));
	if (code != EX_OK)
		return code;
	(void)snprintf(node->topic_prefix, sizeof(node->topic_prefix), "%s", c->settings.topic_prefix);
	(void)snprintf(node->software, sizeof(node->software), "%s", DHT_VERSION);
	choose_times(&c->settings, node);
	return EX_OK;
}

int configure(struct configuration *config, int argc, char **argv, char error[CONFIGURE_ERROR_MAX])
{
	if (!read_arguments(config, argc, argv, error))
		return EX_USAGE;
	if (config->settings.help || config->settings.version)
		return EX_OK;
	find_files(&config->paths, config->settings.instance);
	if (option_read_paths(&node_options, &config->settings, &config->paths, &config->given, error) !=
	    OPTION_FILE_READ)
		return EX_CONFIG;
	return choose(config, error);
}

/* ---- afterwards ---- */

static void print_setting(const struct configuration *c, const struct option_row *row, FILE *out)
{
	char value[1024], from[OPTION_ORIGIN_MAX];
	bool counts;

	(void)option_show(row, &c->settings, value, sizeof(value));
	(void)origin(c, row->name, from);
	if (!strcmp(row->name, "name") && !c->settings.name && c->shell.node.name[0]) {
		(void)snprintf(value, sizeof(value), "%s", c->shell.node.name);
		(void)snprintf(from, sizeof(from), "%s", c->name_origin);
	} else if (!strcmp(row->name, "id") && !c->settings.id && c->shell.node.name[0]) {
		(void)snprintf(value, sizeof(value), "%u", c->shell.node.id);
		(void)snprintf(from, sizeof(from), "of the name");
	} else if (!strcmp(row->name, "broker")) {
		url_format(value, sizeof(value), &c->shell.mqtt.url);
	} else if (!strcmp(row->name, "data-dir")) {
		(void)snprintf(value, sizeof(value), "%s", c->directory ? c->directory : DIRECTORY_NONE);
		(void)snprintf(from, sizeof(from), "%s", c->directory_origin);
	}
	counts = value[0] || row->initial;
	if (!strcmp(row->name, "recover-after") && c->shell.node.never) {
		counts = false;
		(void)snprintf(from, sizeof(from), "never, as there is a data directory and nothing else is set");
	}
	(void)fprintf(out, "%s%-13s = %-24s  # %s\n", counts ? "" : "# ", row->name, value, from);
}

void configure_print(const struct configuration *config, FILE *out)
{
	for (size_t i = 0; i < node_options.count; i++)
		if (node_options.rows[i].env)
			print_setting(config, &node_options.rows[i], out);
	if (config->password_place[0])
		(void)fprintf(out, "# the password is from %s\n", config->password_place);
	else if (config->shell.mqtt.url.user[0])
		(void)fprintf(out, "# there is no password for the user of the broker's URL\n");
	for (size_t i = 0; i < config->paths.count; i++)
		(void)fprintf(out, "# %s%s\n", config->paths.at[i].path,
			      config->paths.at[i].read ? "" : ": no such file");
}

static bool counts_at_once(const struct option_row *row)
{
	return row->kind == OPTION_LEVEL || row->offset == offsetof(struct settings, max_memory);
}

static void find_changes(const struct configuration *c, const struct settings *fresh, const struct option_result *given,
			 char *changed)
{
	size_t used = 0;

	changed[0] = '\0';
	for (size_t i = 0; i < node_options.count; i++) {
		const struct option_row *row = &node_options.rows[i];

		if (!row->env || given->sources[i] == OPTION_GIVEN || counts_at_once(row) ||
		    option_same(row, &c->settings, fresh))
			continue;
		used += (size_t)snprintf(changed + used, CONFIGURE_ERROR_MAX - used, "%s%s", used ? " " : "",
					 row->name);
	}
}

int configure_again(struct configuration *config, char *changed, char error[CONFIGURE_ERROR_MAX])
{
	struct settings fresh = {0};
	struct option_result given;
	bool good = option_parse(&node_options, &fresh, 0, NULL, &given, error);

	for (size_t i = 0; i < node_options.count; i++)
		if (config->given.sources[i] == OPTION_GIVEN)
			given.sources[i] = OPTION_GIVEN; /* as it was: no file says otherwise */
	good = good && option_read_paths(&node_options, &fresh, &config->paths, &given, error) == OPTION_FILE_READ;
	if (good) {
		find_changes(config, &fresh, &given, changed);
		if (option_source(&node_options, &given, "log-level") != OPTION_GIVEN)
			config->settings.log_level = fresh.log_level;
		if (option_source(&node_options, &given, "max-memory") != OPTION_GIVEN)
			config->settings.max_memory = fresh.max_memory;
	}
	option_free(&node_options, &fresh);
	return good ? EX_OK : EX_CONFIG;
}

void configure_free(struct configuration *config)
{
	option_paths_free(&config->paths);
	option_free(&node_options, &config->settings);
	free(config->directory);
	tls_free(config->tls);
	explicit_bzero(&config->shell.mqtt.url, sizeof(config->shell.mqtt.url));
}
