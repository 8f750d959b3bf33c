#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../common/mem.h"
#include "journal.h"
#include "output.h"
#include "since.h"
#include "story.h"

#define FOLLOW_LINES 10 /* ahead of what is to come */
#define WIDTH 8         /* of the column of names, until a longer one comes */
#define WIDTH_MAX 24

struct name {
	char *match; /* DHT_ID=3fa01234 or _SYSTEMD_UNIT=dht-node@kitchen.service */
	char *text;  /* of that node; NULL: it has said nothing here */
};

/* Whose story it is to be. */
struct wanted {
	const char *text;
	bool is_id[2]; /* the text may be one in decimal, and one in hexadecimal */
	uint32_t ids[2];
};

struct log_view {
	const struct settings *settings;
	struct journal *journal;
	struct name *names;
	size_t name_count, name_room;
	struct wanted *wanted;
	size_t wanted_count;
	uint64_t since; /* microseconds since 1970; 0: from the beginning */
	bool limited;   /* to the last settings->lines */
	int width;
	bool told, failed;
	struct journal_entry entry;
	struct story story; /* of the entry */
};

static uint64_t log_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* ---- names ---- */

static struct name *log_name_row(struct log_view *v, const char *match)
{
	for (size_t i = 0; i < v->name_count; i++) {
		if (strcmp(v->names[i].match, match) == 0)
			return &v->names[i];
	}
	if (v->name_count == v->name_room) {
		v->name_room = v->name_room ? 2 * v->name_room : 64;
		v->names = xrealloc(v->names, v->name_room * sizeof(*v->names));
	}
	v->names[v->name_count] = (struct name){.match = xstrdup(match)};
	return &v->names[v->name_count++];
}

static const char *log_name(struct log_view *v, const char *match)
{
	size_t known = v->name_count;
	struct name *name = log_name_row(v, match);

	if (v->name_count > known)
		name->text = journal_name(v->journal, match);
	return name->text;
}

static const char *log_id_name(struct log_view *v, uint32_t id)
{
	char match[40];

	snprintf(match, sizeof(match), "DHT_ID=%08x", id);
	return log_name(v, match);
}

static void log_learn(struct log_view *v, const char *field, const char *value, const char *node)
{
	char match[STORY_NODE_MAX + 40];
	struct name *name;

	if (value == NULL)
		return;
	snprintf(match, sizeof(match), "%s=%s", field, value);
	name = log_name_row(v, match);
	if (name->text != NULL && strcmp(name->text, node) == 0)
		return;
	free(name->text);
	name->text = xstrdup(node);
}

/* What a node says of itself is newer than what was looked up; who does not say it is called as he said last. */
static void log_call(struct log_view *v)
{
	struct story *s = &v->story;
	char match[STORY_NODE_MAX + 40];
	const char *name;

	if (s->unit == NULL) {
		log_learn(v, "DHT_ID", s->has_id ? v->entry.fields[JOURNAL_ID] : NULL, s->node);
		log_learn(v, "_SYSTEMD_UNIT", v->entry.fields[JOURNAL_SPEAKER_UNIT], s->node);
		return;
	}
	snprintf(match, sizeof(match), "_SYSTEMD_UNIT=%s", s->unit);
	name = log_name(v, match);
	story_rename(s, name ? name : s->node);
}

/* ---- what is wanted ---- */

static bool log_is_wanted(struct log_view *v, const struct wanted *w)
{
	const struct story *s = &v->story;
	const char *peer = s->has_peer ? log_id_name(v, s->peer) : NULL, *name;

	if (strcmp(s->node, w->text) == 0 || (peer && strcmp(peer, w->text) == 0))
		return true;
	for (int i = 0; i < 2; i++) {
		if (!w->is_id[i])
			continue;
		if ((s->has_id && s->id == w->ids[i]) || (s->has_peer && s->peer == w->ids[i]))
			return true;
		name = s->systemd ? log_id_name(v, w->ids[i]) : NULL;
		if (name && strcmp(s->node, name) == 0)
			return true;
	}
	return false;
}

/* Is the entry one that is to be told?  Then v->story is that of it. */
static bool log_takes(struct log_view *v)
{
	if (!story_from(&v->story, &v->entry))
		return false;
	log_call(v);
	for (size_t i = 0; i < v->wanted_count; i++) {
		if (log_is_wanted(v, &v->wanted[i]))
			return true;
	}
	return v->wanted_count == 0;
}

static void log_want(struct log_view *v, char **nodes, size_t count)
{
	v->wanted = xcalloc(count, sizeof(*v->wanted));
	v->wanted_count = count;
	for (size_t i = 0; i < count; i++) {
		struct wanted *w = &v->wanted[i];
		size_t len = strlen(nodes[i]);
		unsigned long long number = strtoull(nodes[i], NULL, 10);

		w->text = nodes[i];
		if (len > 0 && len <= 10 && strspn(nodes[i], "0123456789") == len && number <= UINT32_MAX) {
			w->is_id[0] = true;
			w->ids[0] = (uint32_t)number;
		}
		w->is_id[1] = story_id(nodes[i], &w->ids[1]);
	}
}

/* ---- telling ---- */

static void log_tell(struct log_view *v)
{
	const char *peer = v->story.has_peer ? log_id_name(v, v->story.peer) : NULL;
	int len = (int)strlen(v->story.node);

	v->told = true;
	if (len > v->width)
		v->width = len < WIDTH_MAX ? len : WIDTH_MAX;
	if (v->settings->json)
		story_json(stdout, &v->story, peer);
	else
		story_line(stdout, &v->story, peer, v->width, v->settings->utc);
	if (v->settings->follow ? !output_flush() : ferror(stdout)) {
		output_give_up(errno);
		v->failed = true;
	}
}

/* Goes to the first of the last so many, and tells it.  False after an error line. */
static bool log_back(struct log_view *v)
{
	uint32_t left = v->settings->lines;
	int got;

	if (left == 0) {
		journal_from(v->journal, log_now());
		return true;
	}
	journal_from_end(v->journal);
	while ((got = journal_previous(v->journal, &v->entry)) > 0 && v->entry.time >= v->since) {
		if (!log_takes(v) || --left > 0)
			continue;
		log_tell(v);
		return true;
	}
	if (got == 0)
		journal_from_start(v->journal); /* there are fewer */
	return got >= 0;
}

static enum exit_code log_run(struct log_view *v)
{
	int got = 0;

	if (v->limited) {
		if (!log_back(v))
			return RC_LOCAL;
	} else if (v->since) {
		journal_from(v->journal, v->since);
	} else {
		journal_from_start(v->journal);
	}
	do {
		while (!v->failed && (got = journal_next(v->journal, &v->entry)) > 0) {
			if (log_takes(v))
				log_tell(v);
		}
	} while (!v->failed && got == 0 && v->settings->follow && journal_wait(v->journal));
	if (v->failed || got < 0 || v->settings->follow)
		return RC_LOCAL;
	if (!v->told && !v->settings->quiet && (!v->limited || v->settings->lines))
		output_error("note: no node%s has said anything%s in this journal",
			     v->wanted_count ? " of that name or id" : "", v->since ? " since then" : "");
	return RC_OK;
}

static bool log_settings(struct log_view *v)
{
	const struct settings *settings = v->settings;
	uint64_t now = log_now();

	v->limited = option_source(settings->options, settings->given, "lines") == OPTION_GIVEN;
	if (settings->since == NULL || since_parse(settings->since, now, &v->since))
		return true;
	output_error("invalid --since '%.60s': expected %s", settings->since, SINCE_FORMS);
	return false;
}

static enum exit_code log_exec(const struct settings *settings, char **args, size_t count)
{
	struct log_view v = {.settings = settings, .width = WIDTH};
	struct settings followed = *settings;
	enum exit_code code;

	if (!log_settings(&v))
		return RC_USAGE;
	if (settings->follow && !v.limited && !settings->since) {
		followed.lines = FOLLOW_LINES;
		v.settings = &followed;
		v.limited = true;
	}
	log_want(&v, args, count);
	code = journal_open(settings->directory, settings->quiet, &v.journal);
	if (code == RC_OK)
		code = log_run(&v);
	journal_close(v.journal);
	journal_entry_free(&v.entry);
	for (size_t i = 0; i < v.name_count; i++) {
		free(v.names[i].match);
		free(v.names[i].text);
	}
	free(v.names);
	free(v.wanted);
	return code;
}

const struct command command_log = {
	.name = "log",
	.arguments = "[NODE...]",
	.max = SIZE_MAX,
	.options = {"follow", "since", "lines", "directory", "utc"},
	.local = true,
	.others = "logs journal history",
	.summary = "tell from the journal what happened to this machine's nodes",
	.details =
		"\n"
		"One story of all nodes that write to the journal of this machine, or of those named (NODE is a name\n"
		"or an id): what each says, what the others say of it, and what systemd says of its end. A line for\n"
		"each: local time (--utc: not), node, arc, what happened; the name of a node stands behind its id. "
		"'journalctl -x\n"
		"-u dht-node@NODE' explains each, and so does dht-node.catalog(7).\n"
		"\n"
		"MOMENT is how long ago (10m, 2h, 3d), a time of day that was (13:05), today, yesterday, or a date\n"
		"(2026-11-26, '2026-11-26 13:05', 2026-11-26T13:05:36Z). Without --since and --lines it begins with\n"
		"the first entry; --follow begins with the last 10, and goes on until Ctrl-C. --directory reads\n"
		"journals of elsewhere: files that were copied, or what systemd-journal-remote has gathered.\n"
		"\n"
		"--json gives {\"time\",\"host\",\"from\",\"node\",\"id\",\"state\",\"level\",\"kind\",\"text\","
		"\"peer\","
		"\"peer_name\",\"arc\",\"epoch\",\"reason\",\"message_id\"}, one object a line, with null for what "
		"there\n"
		"is not; \"kind\" is as dht-node.catalog(7) has it. No broker is asked. Whoever is not root has to\n"
		"be a member of the group systemd-journal.\n",
	.exec = log_exec,
};
