#include "story.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../common/instance.h"
#include "../common/note.h"
#include "output.h"

#define PROGRAM "dht-node"
#define UNIT_BEGIN "dht-node@"
#define UNIT_END ".service"
#define PRIORITY_ERROR 3
#define PRIORITY_WARNING 4
#define PRIORITY_NOTICE 5
#define PRIORITY_INFO 6

/* ---- from an entry ---- */

/* The name of a unit of ours. */
static bool story_instance(const char *unit, char out[STORY_NODE_MAX])
{
	size_t len = unit ? strlen(unit) : 0, begin = strlen(UNIT_BEGIN), end = strlen(UNIT_END);
	char instance[STORY_NODE_MAX];

	if (len <= begin + end || strncmp(unit, UNIT_BEGIN, begin) != 0 || strcmp(unit + len - end, UNIT_END) != 0)
		return false;
	snprintf(instance, sizeof(instance), "%.*s", (int)(len - begin - end), unit + begin);
	instance_name(instance, out, STORY_NODE_MAX);
	return true;
}

/* What stands ahead of the text, and is told in a column of its own. */
static void story_skip(struct story *s, const char *ahead)
{
	size_t len = strlen(ahead);

	if (s->text_len >= len && memcmp(s->text, ahead, len) == 0) {
		s->text += len;
		s->text_len -= len;
	}
}

void story_rename(struct story *s, const char *name)
{
	char ahead[STORY_NODE_MAX + 2];

	if (name != s->node)
		snprintf(s->node, sizeof(s->node), "%s", name);
	snprintf(ahead, sizeof(ahead), "%s: ", s->node);
	story_skip(s, ahead);
}

static bool story_systemd(struct story *s)
{
	const char *unit = s->entry->fields[JOURNAL_UNIT];

	if (s->priority > PRIORITY_NOTICE || !story_instance(unit, s->node))
		return false;
	s->systemd = true;
	s->unit = unit;
	story_skip(s, unit);
	story_skip(s, ": ");
	return true;
}

static bool story_who(struct story *s)
{
	char *const *fields = s->entry->fields;
	const char *program = fields[JOURNAL_PROGRAM];

	if (program == NULL || strcmp(program, PROGRAM) != 0)
		return story_systemd(s);
	if (fields[JOURNAL_NODE] == NULL && story_instance(fields[JOURNAL_SPEAKER_UNIT], s->node))
		s->unit = fields[JOURNAL_SPEAKER_UNIT];
	else /* or one that nobody has given a unit */
		story_rename(s, fields[JOURNAL_NODE] ? fields[JOURNAL_NODE] : PROGRAM);
	return true;
}

bool story_id(const char *text, uint32_t *id)
{
	if (text == NULL || strlen(text) != 8 || strspn(text, "0123456789abcdef") != 8)
		return false;
	*id = (uint32_t)strtoul(text, NULL, 16);
	return true;
}

#define ARC_LEN (sizeof("(3fa01234, 5c000000]") - 1)

static bool story_arc(const char *text, struct arc *arc)
{
	char ends[2][9] = {{0}};

	if (text == NULL || strlen(text) != ARC_LEN || text[0] != '(' || memcmp(text + 9, ", ", 2) != 0 ||
	    text[ARC_LEN - 1] != ']')
		return false;
	memcpy(ends[0], text + 1, 8);
	memcpy(ends[1], text + 11, 8);
	return story_id(ends[0], &arc->lo) && story_id(ends[1], &arc->hi);
}

bool story_from(struct story *s, const struct journal_entry *entry)
{
	char *const *fields = entry->fields;
	const char *priority = fields[JOURNAL_PRIORITY];

	*s = (struct story){.entry = entry, .text = fields[JOURNAL_MESSAGE], .text_len = entry->message_len};
	s->priority = priority && priority[0] >= '0' && priority[0] <= '7' && !priority[1] ? priority[0] - '0'
											   : PRIORITY_INFO;
	if (s->text == NULL || !story_who(s))
		return false;
	s->has_id = story_id(fields[JOURNAL_ID], &s->id);
	s->has_peer = story_id(fields[JOURNAL_PEER], &s->peer);
	s->has_arc = story_arc(fields[JOURNAL_ARC], &s->arc);
	if (fields[JOURNAL_EPOCH] != NULL)
		s->epoch = strtoull(fields[JOURNAL_EPOCH], NULL, 16);
	return true;
}

/* ---- for people ---- */

static void story_time(FILE *out, uint64_t us, bool utc)
{
	time_t seconds = (time_t)(us / 1000000);
	char text[40];
	struct tm tm;

	if ((utc ? gmtime_r(&seconds, &tm) : localtime_r(&seconds, &tm)) == NULL)
		tm = (struct tm){.tm_mday = 1, .tm_year = 70};
	(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	fprintf(out, "%s.%03u%s", text, (unsigned)(us % 1000000 / 1000), utc ? "Z" : "");
}

/* Where an id is told, but for the ends of an arc; NULL: nowhere. */
static const char *story_find(const char *text, size_t len, const char *id)
{
	size_t id_len = strlen(id);

	for (const char *at = text; (at = memmem(at, len - (size_t)(at - text), id, id_len)) != NULL; at += id_len) {
		const char *behind = at + id_len;

		if ((at == text || at[-1] != '(') && (behind == text + len || *behind != ']'))
			return at;
	}
	return NULL;
}

/* With the name behind the id of whom it is about. */
static void story_words(FILE *out, const struct story *s, const char *peer_name)
{
	const uint8_t *text = (const uint8_t *)s->text;
	const char *at = NULL;
	size_t before;
	char id[12];

	snprintf(id, sizeof(id), "%08" PRIx32, s->peer);
	if (s->has_peer && peer_name != NULL)
		at = story_find(s->text, s->text_len, id);
	before = at ? (size_t)(at - s->text) + strlen(id) : s->text_len;
	output_bytes_in_line(out, text, before);
	if (at == NULL)
		return;
	fputs(" (", out);
	output_line(out, peer_name);
	fputc(')', out);
	output_bytes_in_line(out, text + before, s->text_len - before);
}

static enum output_color story_color(const struct story *s)
{
	if (s->priority <= PRIORITY_ERROR)
		return COLOR_BAD;
	if (s->priority == PRIORITY_WARNING)
		return COLOR_WARN;
	return s->priority > PRIORITY_INFO ? COLOR_DIM : COLOR_NONE;
}

void story_line(FILE *out, const struct story *story, const char *peer_name, int width, bool utc)
{
	enum output_color color = story_color(story);
	char arc[24] = "", ahead[40];
	struct story s = *story;
	int used;

	fputs(output_color(COLOR_DIM), out);
	story_time(out, s.entry->time, utc);
	fprintf(out, "%s  ", output_color(COLOR_NONE));
	output_line(out, s.node);
	for (used = (int)strlen(s.node); used < width; used++)
		fputc(' ', out);
	if (s.has_arc) {
		snprintf(arc, sizeof(arc), "(%08" PRIx32 ", %08" PRIx32 "]", s.arc.lo, s.arc.hi);
		snprintf(ahead, sizeof(ahead), "arc %s: ", arc);
		story_skip(&s, ahead);
	}
	fprintf(out, "  %-20s  ", arc);
	if (color != COLOR_NONE)
		fputs(output_color(color), out);
	if (s.priority <= PRIORITY_WARNING)
		fputs(s.priority == PRIORITY_WARNING ? "warning: " : "error: ", out);
	if (s.systemd)
		fputs("systemd: ", out);
	story_words(out, &s, peer_name);
	if (color != COLOR_NONE)
		fputs(output_color(COLOR_NONE), out);
	fputc('\n', out);
}

/* ---- for programs ---- */

static void story_json_time(FILE *out, uint64_t us)
{
	time_t seconds = (time_t)(us / 1000000);
	char text[40];
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL)
		tm = (struct tm){.tm_mday = 1, .tm_year = 70};
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(out, "%s.%06uZ", text, (unsigned)(us % 1000000));
}

static void story_json_text(FILE *out, const char *key, const char *text)
{
	fputc(',', out);
	if (text != NULL)
		output_json_bytes(out, key, (const uint8_t *)text, strlen(text));
	else
		fprintf(out, "\"%s\":null", key);
}

static void story_json_number(FILE *out, const char *key, bool there, uint64_t number)
{
	if (there)
		fprintf(out, ",\"%s\":%" PRIu64, key, number);
	else
		fprintf(out, ",\"%s\":null", key);
}

static const char *story_level(const struct story *s)
{
	if (s->priority <= PRIORITY_ERROR)
		return "error";
	if (s->priority == PRIORITY_WARNING)
		return "warn";
	return s->priority > PRIORITY_INFO ? "debug" : "info";
}

void story_json(FILE *out, const struct story *s, const char *peer_name)
{
	char *const *fields = s->entry->fields;
	const struct note_row *note = fields[JOURNAL_MESSAGE_ID] ? note_find(fields[JOURNAL_MESSAGE_ID]) : NULL;

	fputs("{\"time\":\"", out);
	story_json_time(out, s->entry->time);
	fputc('"', out);
	story_json_text(out, "host", fields[JOURNAL_HOST]);
	story_json_text(out, "from", s->systemd ? "systemd" : "node");
	story_json_text(out, "node", s->node);
	story_json_number(out, "id", s->has_id, s->id);
	story_json_text(out, "state", fields[JOURNAL_STATE]);
	story_json_text(out, "level", story_level(s));
	story_json_text(out, "kind", note ? note->name : NULL);
	fputc(',', out);
	output_json_bytes(out, "text", (const uint8_t *)s->text, s->text_len);
	story_json_number(out, "peer", s->has_peer, s->peer);
	story_json_text(out, "peer_name", s->has_peer ? peer_name : NULL);
	if (s->has_arc)
		fprintf(out, ",\"arc\":[%" PRIu32 ",%" PRIu32 "]", s->arc.lo, s->arc.hi);
	else
		fputs(",\"arc\":null", out);
	story_json_number(out, "epoch", s->epoch != 0, s->epoch);
	story_json_text(out, "reason", fields[JOURNAL_REASON]);
	story_json_text(out, "message_id", fields[JOURNAL_MESSAGE_ID]);
	fputs("}\n", out);
}
