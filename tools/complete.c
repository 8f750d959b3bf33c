#include "complete.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/mem.h"
#include "census.h"
#include "client.h"
#include "commands.h"
#include "help.h"
#include "output.h"
#include "settings.h"
#include "walk.h"

#define COMPLETE_KEYS_MAX 100
#define COMPLETE_PATIENCE_MS 300 /* longer, and people think that the shell hangs */

struct completion {
	struct settings settings;
	const struct option_table *table;
	struct option_result given;
	const struct command *command; /* NULL: none yet */
	size_t arguments;              /* behind it, ahead of the word */
	bool runs;                     /* and behind the `--` that a command to run follows */
	const char *word;
	size_t listed;
	char trash[64]; /* for error lines */
};

static void complete_offer(const struct completion *c, const char *text, const char *description)
{
	if (strncmp(text, c->word, strlen(c->word)) == 0)
		printf("%s\t%s\n", text, description);
}

/* ---- from the ring ---- */

/* False if anything is wrong. */
static bool complete_connect(struct completion *c, struct client **client)
{
	*client = NULL;
	if (settings_read_files(&c->settings, c->table, &c->given) != RC_OK ||
	    settings_check(&c->settings, c->table, &c->given) != RC_OK)
		return false;
	c->settings.timeout = COMPLETE_PATIENCE_MS;
	c->settings.remedy = "";
	return client_open(&c->settings, client) == RC_OK;
}

/* A shell splits at newlines, and a terminal obeys control bytes. */
static bool complete_is_plain(const uint8_t *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (iscntrl(name[i]))
			return false;
	}
	return output_is_utf8(name, len);
}

static bool complete_page_cb(void *arg, const struct walk_page *page)
{
	struct completion *c = arg;

	for (size_t i = 0; i < page->count && c->listed < COMPLETE_KEYS_MAX; i++) {
		const struct key *key = &page->entries[i].key;

		if (key->name_len == 0)
			printf("%u\tkey\n", key->id);
		else if (complete_is_plain(key->name, key->name_len))
			printf("%.*s\tkey\n", (int)key->name_len, (const char *)key->name);
		else
			continue;
		c->listed++;
	}
	return c->listed < COMPLETE_KEYS_MAX;
}

static void complete_keys(struct completion *c)
{
	struct client *client;
	struct kv_mqtt *kv;

	if (complete_connect(c, &client) && client_keys(client, &kv) == RC_OK)
		(void)walk(client, kv, &c->settings, false, c->word[0] ? c->word : NULL, complete_page_cb, c);
	client_close(client);
}

static void complete_nodes(struct completion *c)
{
	struct census census = {0};
	struct client *client;

	if (complete_connect(c, &client))
		(void)census_take(client, &c->settings, &census);
	for (size_t i = 0; i < census.count; i++) {
		const struct census_node *node = &census.nodes[i];

		if (complete_is_plain((const uint8_t *)node->name, strlen(node->name)))
			complete_offer(c, node->name, node_state_name(node->state));
	}
	census_free(&census);
	client_close(client);
}

/* ---- from the table ---- */

static void complete_words(const struct completion *c, const char *words, const char *ahead)
{
	char text[200];

	for (const char *word = words; *word != '\0';) {
		size_t len = strcspn(word, "|");

		snprintf(text, sizeof(text), "%s%.*s", ahead, (int)len, word);
		complete_offer(c, text, "");
		word += len + (word[len] == '|');
	}
}

static void complete_commands(const struct completion *c)
{
	for (size_t i = 0; commands_at(i) != NULL; i++)
		complete_offer(c, commands_at(i)->name, commands_at(i)->summary);
	complete_offer(c, "help", HELP_SUMMARY);
}

static void complete_options(const struct completion *c)
{
	struct option_row rows[OPTION_ROWS_MAX];
	size_t count = commands_rows(c->command, COMMANDS_ALL, rows);
	char text[80];

	for (size_t i = 0; i < count; i++) {
		snprintf(text, sizeof(text), "--%s", rows[i].name);
		complete_offer(c, text, rows[i].help);
	}
}

/* What `--name=` or the word ahead is waiting for; ahead: what stands before the value in the same word. */
static void complete_value(const struct completion *c, const struct option_row *row, const char *ahead)
{
	if (row->kind == OPTION_CHOICE)
		complete_words(c, row->argument, ahead);
	else if ((strcmp(row->argument, "FILE") == 0 || strcmp(row->argument, "DIR") == 0) && ahead[0] == '\0')
		puts(":files");
}

static void complete_argument(struct completion *c)
{
	const char *form = c->command->arguments;

	/* a command of the machine's, or what that has as arguments */
	if (c->runs) {
		puts(":files");
		return;
	}
	if (c->arguments >= c->command->max)
		return;
	if (strstr(form, "FILE") != NULL)
		puts(":files");
	else if (islower((unsigned char)form[0]))
		complete_words(c, form, "");
	else if (strstr(form, "NODE") != NULL)
		complete_nodes(c);
	else if (strstr(form, "PREFIX") != NULL || strcmp(form, "KEY...") == 0 ||
		 (strstr(form, "KEY") != NULL && c->arguments == 0))
		complete_keys(c);
}

/* ---- both ---- */

/* The row of an option that takes a value and has none yet, if the word is one; or NULL. */
static const struct option_row *complete_open_option(const struct completion *c, const char *word)
{
	for (size_t i = 0; i < c->table->count; i++) {
		const struct option_row *row = &c->table->rows[i];

		if (row->kind != OPTION_FLAG && row->kind != OPTION_STOP && word[0] == '-' &&
		    (word[1] == '-' ? strcmp(word + 2, row->name) == 0
				    : row->letter != 0 && word[1] == row->letter && word[2] == '\0'))
			return row;
	}
	return NULL;
}

static void complete_word(struct completion *c, const char *before, bool ended)
{
	const struct option_row *row = before && !ended ? complete_open_option(c, before) : NULL;
	const char *equals = strchr(c->word, '=');
	char name[80];

	if (row != NULL) {
		complete_value(c, row, "");
	} else if (!ended && strncmp(c->word, "--", 2) == 0 && equals != NULL) {
		snprintf(name, sizeof(name), "%.*s", (int)(equals - c->word), c->word);
		row = complete_open_option(c, name);
		snprintf(name, sizeof(name), "%.*s", (int)(equals + 1 - c->word), c->word);
		if (row != NULL)
			complete_value(c, row, name);
	} else if (!ended && c->word[0] == '-') {
		complete_options(c);
	} else if (c->command != NULL) {
		complete_argument(c);
	} else {
		complete_commands(c);
	}
}

int complete(int argc, char **args)
{
	struct completion c = {.word = argc > 1 ? args[argc - 1] : ""};
	int known = argc > 1 ? argc - 1 : argc; /* up to the word */
	char error[OPTION_ERROR_MAX];
	bool ended = false;

	output_catch(c.trash, sizeof(c.trash));
	for (int i = 1; i < known; i++)
		ended = ended || strcmp(args[i], "--") == 0;
	c.table = commands_choose(known, args);
	(void)option_parse(c.table, &c.settings, known, args, &c.given, error);
	if (c.given.arg_count > 0 && strcmp(c.given.args[0], "help") == 0) {
		if (c.given.arg_count == 1)
			complete_commands(&c);
	} else {
		c.command = c.given.arg_count > 0 ? commands_find(c.given.args[0]) : NULL;
		c.arguments = c.given.arg_count > 0 ? c.given.arg_count - 1 : 0;
		c.runs = ended && c.command != NULL && c.command->runs && c.given.ahead > 0;
		if (c.command != NULL || c.given.arg_count == 0)
			complete_word(&c, known > 1 ? args[known - 1] : NULL, ended);
	}
	option_free(c.table, &c.settings);
	settings_free(&c.settings);
	(void)fflush(stdout);
	return 0;
}
