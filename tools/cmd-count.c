#include <stdio.h>

#include "output.h"
#include "progress.h"
#include "walk.h"

struct count {
	size_t found;
	struct progress progress;
};

/* Ids are spread evenly, so how far the listing has come is how much there still is. */
static bool count_use(void *arg, const struct walk_page *page)
{
	struct count *c = arg;

	c->found += page->count;
	if (page->count > 0)
		progress_draw(&c->progress, c->found, page->entries[page->count - 1].key.id, UINT32_MAX);
	return true;
}

static enum exit_code count_exec(const struct settings *settings, char **args, size_t count)
{
	struct count c = {0};
	struct client *client;
	struct kv_mqtt *kv;
	enum exit_code code;

	if (count > 0 && !walk_prefix_valid(args[0]))
		return RC_USAGE;
	progress_init(&c.progress, "counting", !settings->quiet);
	code = client_open(settings, &client);
	if (code == RC_OK)
		code = client_keys(client, &kv);
	if (code == RC_OK)
		code = walk(client, kv, settings, false, count > 0 ? args[0] : NULL, count_use, &c);
	progress_end(&c.progress);
	client_close(client);
	if (code == RC_OK && count > 0 && c.found == 0)
		walk_tell_star(settings, "count", args[0]);
	if (code == RC_OK)
		printf(settings->json ? "{\"count\":%zu}\n" : "%zu\n", c.found);
	return code;
}

const struct command command_count = {
	.name = "count",
	.arguments = "[PREFIX]",
	.max = 1,
	.others = "size dbsize wc len",
	.summary = "print how many keys there are",
	.details =
		"\n"
		"Of PREFIX how many names begin with it, byte for byte; without one all keys, numbers too: as many as\n"
		"'ls' would list, and none of them is kept. What comes or goes meanwhile may be counted or not. A "
		"part\n"
		"of it is no number: if nobody answers for a page in --timeout nothing is printed, the error line "
		"says\n"
		"where it broke off, and the exit code is 5. --json gives {\"count\"}.\n",
	.exec = count_exec,
};
