#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "output.h"
#include "walk.h"

struct ls {
	const struct settings *settings;
	bool terminal;
	size_t listed;
	int output_errno;
};

static void ls_json(const struct walk_page *page, const struct page_entry *e)
{
	putchar('{');
	output_json_key(stdout, &e->key);
	printf(",\"version\":\"%" PRIu64 "/%" PRIu64 "\"", e->version.number, e->version.counter);
	if (e->life > 0)
		printf(",\"life\":%" PRIu64, e->life);
	if (page->has_owner)
		printf(",\"owner\":%u", page->owner);
	putchar('}');
}

static void ls_columns(const struct walk_page *page, const struct page_entry *e)
{
	char version[48], life[32] = "-", owner[16] = "-";

	snprintf(version, sizeof(version), "%" PRIu64 "/%" PRIu64, e->version.number, e->version.counter);
	if (e->life > 0)
		output_span(life, sizeof(life), e->life);
	if (page->has_owner)
		snprintf(owner, sizeof(owner), "%u", page->owner);
	printf("%-19s  %8s  %10s  ", version, life, owner); /* numbers have ten digits, mostly */
}

/* With --null a name is written byte for byte, but for a terminal, which it might drive. */
static void ls_key(const struct ls *ls, const struct key *key)
{
	if (key->name_len == 0 || !ls->settings->nul)
		output_key(stdout, key);
	else if (ls->terminal)
		output_bytes_in_line(stdout, key->name, key->name_len);
	else
		fwrite(key->name, 1, key->name_len, stdout);
}

static bool ls_use(void *arg, const struct walk_page *page)
{
	struct ls *ls = arg;
	const struct settings *settings = ls->settings;

	for (size_t i = 0; i < page->count && (!settings->limit || ls->listed < settings->limit); i++, ls->listed++) {
		if (settings->json) {
			ls_json(page, &page->entries[i]);
		} else {
			if (settings->columns)
				ls_columns(page, &page->entries[i]);
			ls_key(ls, &page->entries[i].key);
		}
		putchar(settings->nul ? '\0' : '\n');
	}
	if (!output_flush())
		ls->output_errno = errno;
	return ls->output_errno == 0 && (!settings->limit || ls->listed < settings->limit);
}

static enum exit_code ls_exec(const struct settings *settings, char **args, size_t count)
{
	struct ls ls = {.settings = settings, .terminal = isatty(STDOUT_FILENO)};
	struct client *client;
	struct kv_mqtt *kv;
	enum exit_code code;

	if (count > 0 && !walk_prefix_valid(args[0]))
		return RC_USAGE;
	code = client_open(settings, &client);
	if (code == RC_OK)
		code = client_keys(client, &kv);
	if (code == RC_OK)
		code = walk(client, kv, settings, false, count > 0 ? args[0] : NULL, ls_use, &ls);
	client_close(client);
	if (code == RC_OK && count > 0 && ls.listed == 0)
		walk_tell_star(settings, "ls", args[0]);
	if (ls.output_errno != 0) {
		output_give_up(ls.output_errno);
		return RC_LOCAL;
	}
	return code != RC_OK && ls.listed > 0 ? RC_PARTLY : code;
}

const struct command command_ls = {
	.name = "ls",
	.arguments = "[PREFIX]",
	.max = 1,
	.options = {"long", "null", "limit"},
	.others = "list keys scan find",
	.summary = "list the keys that there are",
	.details =
		"\n"
		"Of PREFIX the names that begin with it, byte for byte; without one all keys, numbers too. They come\n"
		"as they are found, in the order of their ids (a name's is its hash). What is there all the time is\n"
		"listed once, also while nodes come and go; what comes or goes meanwhile may be listed or not.\n"
		"\n"
		"One key a line, as get, del and put read it with '-': \\\\ \\t \\n stand for backslash, tab and "
		"newline, "
		"and\n"
		"a name that looks like a number begins with \\xHH: \\x342 is the name 42. With -0 the exact bytes. On "
		"a\n"
		"terminal what could drive it is escaped. --long: version, how long it will live, the node that owns\n"
		"it. --json: {\"key\" (or \"key_base64\"),\"version\",\"life\" (ms; not for those for "
		"ever),\"owner\"}.\n"
		"\n"
		"--timeout bounds each page, not the listing. Exit code 5 means that nobody answered, 6 that the\n"
		"listing broke off: the error line says where.\n",
	.exec = ls_exec,
};
