/* The one table of what dhtctl knows: parsing, --help, completion, the manual page and guesses read it. */
#include "commands.h"

#include <string.h>
#include <strings.h>

#include "../common/kv.h"
#include "../common/topic.h"
#include "bench.h"

#define FIELD(member) offsetof(struct settings, member)

static const struct option_row option_rows[] = {
	/* cas alone has this one, in the place of the other of that name: see commands_choose */
	{"version", 0, OPTION_TEXT, FIELD(expected), NULL, NULL, "N/C", "store only if the key has this version", 0,
	 60},
	/* not broker-config, which has the other of that name */
	{"clients", 0, OPTION_UNSIGNED, FIELD(clients), "1", NULL, "N", "connections", 1, 1000},
	{"broker", 'b', OPTION_URL, FIELD(broker), URL_DEFAULT, "DHT_BROKER", "URL",
	 "mqtt[s]://[user[:password]@]host[:port], s for TLS, or unix:///path", 0, 1000},
	{"password-file", 0, OPTION_TEXT, FIELD(password_file), NULL, "DHT_PASSWORD_FILE", "FILE",
	 "holds the password of the URL's user, for no other eyes", 0, 0},
	TLS_OPTION_ROWS(FIELD(tls_files)),
	{"topic-prefix", 0, OPTION_TEXT, FIELD(topic_prefix), "", "DHT_TOPIC_PREFIX", "PREFIX",
	 "the ring's topics stand below this", 0, TOPIC_PREFIX_MAX},
	{"timeout", 't', OPTION_DURATION, FIELD(timeout), "5s", "DHT_TIMEOUT", "DURATION",
	 "bounds the whole command; of bench, demo, ls, count, export, import, ping, scrub and lines of '-' each step",
	 10, 3600000},
	{"color", 0, OPTION_CHOICE, FIELD(color), "auto", "DHT_COLOR", "auto|always|never",
	 "auto: on a terminal, unless NO_COLOR is set", 0, 0},
	{"no-color", 0, OPTION_FLAG, FIELD(no_color), NULL, NULL, NULL, "as --color never", 0, 0},
	{"json", 0, OPTION_FLAG, FIELD(json), NULL, "DHT_JSON", NULL, "results as JSON, one object a line", 0, 0},
	{"quiet", 'q', OPTION_FLAG, FIELD(quiet), NULL, "DHT_QUIET", NULL, "no progress, no notes, no drawing", 0, 0},
	{"no-pager", 0, OPTION_FLAG, FIELD(no_pager), NULL, NULL, NULL,
	 "long help at once, not through $DHT_PAGER, $PAGER or less", 0, 0},
	{"name", 0, OPTION_FLAG, FIELD(name), NULL, NULL, NULL, "every KEY is a name, also one of digits", 0, 0},
	{"ttl", 0, OPTION_DURATION, FIELD(ttl), NULL, NULL, "DURATION",
	 "the key is absent again after so long, at most 49 days", 1, 0},
	{"if-absent", 0, OPTION_FLAG, FIELD(if_absent), NULL, NULL, NULL, "store only if there is no such key", 0, 0},
	{"absent", 0, OPTION_FLAG, FIELD(absent), NULL, NULL, NULL, "store only if there is no such key", 0, 0},
	{"file", 0, OPTION_TEXT, FIELD(file), NULL, NULL, "FILE", "the value is what this file holds", 1, 0},
	{"meta", 0, OPTION_FLAG, FIELD(meta), NULL, NULL, NULL, "version, life and owner instead of the value", 0, 0},
	{"output", 'o', OPTION_TEXT, FIELD(output), NULL, NULL, "FILE", "the value goes into this file", 1, 0},
	{"verbose", 'v', OPTION_FLAG, FIELD(verbose), NULL, NULL, NULL, "print version and owner of what was written",
	 0, 0},
	{"long", 'l', OPTION_FLAG, FIELD(columns), NULL, NULL, NULL, "version, life and owner ahead of each key", 0, 0},
	{"limit", 0, OPTION_UNSIGNED, FIELD(limit), NULL, NULL, "N", "no more than so many", 1, 0},
	{"format", 0, OPTION_CHOICE, FIELD(format), "json", NULL, "json|cbor", "how the records stand in FILE", 0, 0},
	{"resume", 0, OPTION_FLAG, FIELD(resume), NULL, NULL, NULL, "only what is not there yet", 0, 0},
	{"overwrite", 0, OPTION_FLAG, FIELD(overwrite), NULL, NULL, NULL, "also what is there, newer or not", 0, 0},
	{"initial", 0, OPTION_FLAG, FIELD(initial), NULL, NULL, NULL, "what is there first, as if put now", 0, 0},
	{"count", 'C', OPTION_UNSIGNED, FIELD(count), NULL, NULL, "N", "end after so many events", 1, 0},
	{"idle", 0, OPTION_DURATION, FIELD(idle), NULL, NULL, "DURATION", "end when nothing has happened for so long",
	 1, 0},
	{"times", 'c', OPTION_UNSIGNED, FIELD(times), "1", NULL, "N", "ask so often", 1, 0},
	{"watch", 'w', OPTION_FLAG, FIELD(watch), NULL, NULL, NULL, "show it again whenever it changes, until Ctrl-C",
	 0, 0},
	{"utc", 0, OPTION_FLAG, FIELD(utc), NULL, NULL, NULL, "moments by date and time, in UTC", 0, 0},
	{"follow", 'f', OPTION_FLAG, FIELD(follow), NULL, NULL, NULL, "go on with what happens, until Ctrl-C", 0, 0},
	{"since", 0, OPTION_TEXT, FIELD(since), NULL, NULL, "MOMENT", "nothing that happened before that", 1, 0},
	{"lines", 'n', OPTION_UNSIGNED, FIELD(lines), NULL, NULL, "N", "of what there is the last N alone", 0, 0},
	{"directory", 'D', OPTION_TEXT, FIELD(directory), NULL, NULL, "DIR", "the journals in it, not this machine's",
	 1, 4000},
	{"keys", 0, OPTION_UNSIGNED, FIELD(keys), NULL, NULL, "N", "how many keys; without it demo 100, bench 10000", 1,
	 100000000},
	{"value-size", 0, OPTION_UNSIGNED, FIELD(value_size), "32", NULL, "BYTES", "how long each value is",
	 BENCH_VALUE_MIN, COMMAND_VALUE_MAX},
	{"inflight", 0, OPTION_UNSIGNED, FIELD(inflight), "128", NULL, "N",
	 "operations of a connection that are on their way", 1, KV_OPEN_MAX},
	{"batch", 0, OPTION_UNSIGNED, FIELD(batch), NULL, NULL, "N", "operations that begin together", 1, KV_OPEN_MAX},
	{"mix", 0, OPTION_TEXT, FIELD(mix), "1:1", NULL, "PUTS:GETS", "how many of each", 1, 0},
	{"ops", 0, OPTION_UNSIGNED, FIELD(operations), "100000", NULL, "N", "operations that are timed", 1, 0},
	{"duration", 0, OPTION_DURATION, FIELD(duration), NULL, NULL, "DURATION",
	 "what is timed begins within so long; without --ops as many as go", 10, 3600000},
	{"rate", 0, OPTION_UNSIGNED, FIELD(rate), NULL, NULL, "N",
	 "operations that begin in a second; without it as many as go", 1, 10000000},
	{"warmup", 0, OPTION_UNSIGNED, FIELD(warmup), "1000", NULL, "N", "operations ahead of these", 0, 0},
	{"seed", 0, OPTION_UNSIGNED, FIELD(seed), NULL, NULL, "N",
	 "the same names in the same order each time (else others)", 1, 0},
	{"numbers", 0, OPTION_FLAG, FIELD(numbers), NULL, NULL, NULL, "keys are numbers, whatever these hold", 0, 0},
	{"no-preload", 0, OPTION_FLAG, FIELD(no_preload), NULL, NULL, NULL, "do not put all keys first", 0, 0},
	{"keep", 0, OPTION_FLAG, FIELD(keep), NULL, NULL, NULL, "do not delete the keys at the end", 0, 0},
	{"csv", 0, OPTION_FLAG, FIELD(csv), NULL, NULL, NULL, "a line of names and one of values, divided by commas", 0,
	 0},
	{"force", 0, OPTION_FLAG, FIELD(force), NULL, NULL, NULL, "also the last node, whose records are gone then", 0,
	 0},
	{"yes", 0, OPTION_FLAG, FIELD(yes), NULL, NULL, NULL, "do not ask", 0, 0},
	{"nodes", 0, OPTION_TEXT, FIELD(nodes), NULL, NULL, "NAMES", "the users that nodes log in as", 1, 0},
	{"clients", 0, OPTION_TEXT, FIELD(users), NULL, NULL, "NAMES", "the users that may only use keys", 1, 0},
	{"operators", 0, OPTION_TEXT, FIELD(operators), NULL, NULL, "NAMES",
	 "the users that may also see and tend the ring", 1, 0},
	{"reference", 0, OPTION_FLAG, FIELD(reference), NULL, NULL, NULL, "clients may use the reference's topics", 0,
	 0},
	{"server-certfile", 0, OPTION_TEXT, FIELD(server_cert), NULL, NULL, "FILE", "the broker's certificate", 1, 0},
	{"server-keyfile", 0, OPTION_TEXT, FIELD(server_key), NULL, NULL, "FILE", "its key", 1, 0},
	{"port", 0, OPTION_UNSIGNED, FIELD(port), NULL, NULL, "N", "where it listens; without it 8883, or 1883", 1,
	 65535},
	{"help", 'h', OPTION_STOP, FIELD(help), NULL, NULL, NULL, "this text, or that of a command", 0, 0},
	{"version", 'V', OPTION_STOP, FIELD(version), NULL, NULL, NULL, "the version", 0, 0},
	/* ls alone has this one: elsewhere -0 may be a value */
	{"null", '0', OPTION_FLAG, FIELD(nul), NULL, NULL, NULL, "a NUL behind each key, not a newline", 0, 0},
};
#define ROW_COUNT (sizeof(option_rows) / sizeof(option_rows[0]))

/* Of two rows with one name the first of a table is what it means, and is shown. */
static const struct option_table table_of_cas = {"dhtctl", option_rows, ROW_COUNT - 1};
static const struct option_table table_of_ls = {"dhtctl", option_rows + 1, ROW_COUNT - 1};
static const struct option_table table_of_broker_config = {"dhtctl", option_rows + 2, ROW_COUNT - 3};
static const struct option_table table_of_others = {"dhtctl", option_rows + 1, ROW_COUNT - 2};

static const struct command *const commands[] = {
	&command_put,   &command_get,   &command_del,    &command_cas,           &command_incr,       &command_ls,
	&command_count, &command_watch, &command_export, &command_import,        &command_status,     &command_check,
	&command_ping,  &command_ring,  &command_leave,  &command_recover,       &command_scrub,      &command_log,
	&command_demo,  &command_bench, &command_config, &command_broker_config, &command_completion,
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static const struct option_exit exits[] = {
	{RC_OK, "done"},
	{RC_NO, "the answer is no (absent, exists, another version, not healthy)"},
	{RC_USAGE, "usage: the command line"},
	{RC_UNREACHABLE, "broker unreachable (a write was not done)"},
	{RC_REFUSED, "refused"},
	{RC_TIMEOUT, "no answer in time (\"unknown\": a write may have been done), also of an arc in doubt"},
	{RC_PARTLY, "of several, some done"},
	{RC_LOCAL, "a local file, what stands in it, or the output failed"},
	{RC_WRONG, "the ring cannot do it (not a number, no room)"},
	{129, "SIGHUP ended it"},
	{130, "Ctrl-C did"},
	{143, "SIGTERM did"},
};

const struct option_exit *commands_exits(size_t *count)
{
	*count = sizeof(exits) / sizeof(exits[0]);
	return exits;
}

const struct command *commands_at(size_t index)
{
	return index < COMMAND_COUNT ? commands[index] : NULL;
}

const struct command *commands_find(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(name, commands[i]->name) == 0)
			return commands[i];
	}
	return NULL;
}

static bool is_word_of(const char *name, const char *words)
{
	size_t len = strlen(name);

	for (const char *word = words; word != NULL && *word != '\0'; word += strspn(word, " ")) {
		size_t word_len = strcspn(word, " ");

		if (word_len == len && strncasecmp(word, name, len) == 0)
			return true;
		word += word_len;
	}
	return false;
}

/* 'set' is near to 'get', and means the opposite: other tools' words come first. */
const struct command *commands_guess(const char *name)
{
	const struct command *nearest = NULL;
	unsigned best = option_guess_limit(name) + 1;

	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcasecmp(name, commands[i]->name) == 0 || is_word_of(name, commands[i]->others))
			return commands[i];
	}
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		unsigned distance = option_distance(name, commands[i]->name);

		if (distance < best) {
			best = distance;
			nearest = commands[i];
		}
	}
	return nearest;
}

bool command_has(const struct command *command, const char *option)
{
	for (size_t i = 0; i < COMMAND_OPTIONS_MAX && command->options[i] != NULL; i++) {
		if (strcmp(command->options[i], option) == 0)
			return true;
	}
	return false;
}

/* `--` may stand there to say that what follows is no option: then what begins with '-' is a key, as no program is called
 * like that, and what is to be run stands behind one more. */
size_t commands_words(const struct command *command, const struct option_result *given, char *const **run)
{
	size_t ahead = given->ahead, end;

	*run = NULL;
	if (!command->runs)
		return given->arg_count;
	if (ahead == 0 || (ahead < given->arg_count && given->args[ahead][0] == '-')) {
		for (end = ahead; end < given->arg_count && strcmp(given->args[end], "--") != 0;)
			end++;
		ahead = end < given->arg_count ? end + 1 : end;
	} else {
		end = ahead;
	}
	if (ahead < given->arg_count) {
		given->args[given->arg_count] = NULL; /* there is a place, as '--' is no argument */
		*run = given->args + ahead;
	}
	return end;
}

bool commands_special(const struct option_row *row)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (row->kind != OPTION_STOP && command_has(commands[i], row->name))
			return true;
	}
	return false;
}

const struct option_table *commands_options(const struct command *command)
{
	if (command == &command_cas)
		return &table_of_cas;
	if (command == &command_broker_config)
		return &table_of_broker_config;
	return command == &command_ls ? &table_of_ls : &table_of_others;
}

static bool is_command_by(const struct option_table *table, const struct command *command, int argc, char **argv)
{
	const char *word = option_first_argument(table, argc, argv);

	return word != NULL && strcmp(word, command->name) == 0;
}

/* Options may stand ahead of the command, and which words are their values depends on it. */
const struct option_table *commands_choose(int argc, char **argv)
{
	if (is_command_by(&table_of_cas, &command_cas, argc, argv))
		return &table_of_cas;
	if (is_command_by(&table_of_broker_config, &command_broker_config, argc, argv))
		return &table_of_broker_config;
	return is_command_by(&table_of_ls, &command_ls, argc, argv) ? &table_of_ls : &table_of_others;
}

static bool is_hidden(const struct option_table *table, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (strcmp(table->rows[i].name, table->rows[index].name) == 0)
			return true;
	}
	return false;
}

size_t commands_rows(const struct command *command, enum commands_part part, struct option_row rows[OPTION_ROWS_MAX])
{
	const struct option_table *table = commands_options(command);
	size_t count = 0;

	for (size_t i = 0; i < table->count; i++) {
		const struct option_row *row = &table->rows[i];
		bool special = commands_special(row);

		if (is_hidden(table, i))
			continue;
		if (special ? part != COMMANDS_GENERAL && command != NULL && command_has(command, row->name)
			    : part != COMMANDS_OWN)
			rows[count++] = *row;
	}
	return count;
}
