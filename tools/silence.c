#include "silence.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/mem.h"
#include "census.h"
#include "key-text.h"
#include "output.h"
#include "ring-view.h"

/* An operation has waited for half its time-out, or so long. */
#define SILENCE_PATIENCE 2500 /* ms */
/* So long after it asked it asks again, of a ring that has answered.  Of one that has not it does not: there is none, or we
 * may not ask, for which some brokers close the connection. */
#define SILENCE_AGAIN 5000 /* ms */
/* Whoever waits no longer than that has the error line soon enough. */
#define SILENCE_NOTE 5000 /* ms */

struct heard {
	struct census census;
	bool judged;
};

struct silence {
	struct client *client;
	const struct settings *settings;
	bool notes;
	uint64_t asked; /* 0: not yet */
	/* What has been heard since, and what was heard when it asked before: the answers take a moment to come. */
	struct heard now, before;
	struct census_poll *poll;
};

struct silence *silence_new(struct client *client, const struct settings *settings, bool notes)
{
	struct silence *s = xcalloc(1, sizeof(*s));

	s->client = client;
	s->settings = settings;
	s->notes = notes && settings->timeout > SILENCE_NOTE && !settings->quiet && isatty(STDERR_FILENO);
	return s;
}

void silence_free(struct silence *s)
{
	if (s == NULL)
		return;
	client_end_aside(s->client);
	census_poll_free(s->poll);
	census_free(&s->now.census);
	census_free(&s->before.census);
	free(s);
}

static void silence_message_cb(void *arg, const struct mqtt_message *message)
{
	struct silence *s = arg;

	census_poll_message(s->poll, message);
	s->now.judged = false;
}

static void silence_ask(struct silence *s)
{
	struct frame who = {.type = FRAME_WHO};

	census_free(&s->before.census);
	s->before = s->now;
	memset(&s->now, 0, sizeof(s->now));
	if (s->poll == NULL)
		s->poll = census_poll_new(s->settings, &s->now.census);
	s->asked = client_now();
	client_ask_aside(s->client, TOPIC_RING, &who, silence_message_cb, s);
}

/* By which census, or NULL. */
static const struct census *silence_find(struct silence *s, uint32_t id, struct census_gap *gap)
{
	bool settled = client_now() - s->asked >= CENSUS_PATIENCE_MS || s->before.census.count == 0;
	struct heard *heard = s->now.census.count > 0 && settled ? &s->now : &s->before;

	if (heard->census.count == 0)
		return NULL;
	if (!heard->judged)
		census_judge(&heard->census);
	heard->judged = true;
	return census_find_gap(&heard->census, id, gap) ? &heard->census : NULL;
}

/* Is there something worth a note yet? */
static void silence_note(struct silence *s, const struct key *key)
{
	char text[SILENCE_TEXT], label[KEY_LABEL_MAX];

	if (!silence_text(s, key->id, text))
		return;
	output_error("note: key %s: no answer yet: %s", key_text_label(key, label), text);
	s->notes = false;
}

uint64_t silence_watch(struct silence *s, const struct key *key, uint64_t begun, uint64_t until)
{
	uint64_t now = client_now(), half = (until - begun) / 2;
	uint64_t due = begun + (half < SILENCE_PATIENCE ? half : SILENCE_PATIENCE);

	if (now < due)
		return due;
	if (client_lost(s->client) != NULL)
		return now + CENSUS_PATIENCE_MS;
	if (s->asked == 0 || (now - s->asked >= SILENCE_AGAIN && s->now.census.count > 0))
		silence_ask(s);
	if (s->notes && now - s->asked >= CENSUS_PATIENCE_MS)
		silence_note(s, key);
	return now - s->asked < CENSUS_PATIENCE_MS ? s->asked + CENSUS_PATIENCE_MS : now + SILENCE_AGAIN;
}

/* Where nobody is in doubt about it. */
static void silence_unserved(const struct census_gap *gap, size_t answered, char *out, size_t size)
{
	if (gap->node != NULL)
		snprintf(out, size,
			 "not served: node %s has it, and is suspect until its neighbours confirm it -> ask again",
			 gap->node->name);
	else if (gap->silent)
		snprintf(out, size,
			 "not served: node %u gives no answer (a node of the reference cannot) -> ask again, or see "
			 "'dhtctl ring'",
			 gap->arc.hi);
	else
		snprintf(out, size, "served by none of the %zu node%s that answer%s -> ask again, or see 'dhtctl ring'",
			 answered, answered == 1 ? "" : "s", answered == 1 ? "s" : "");
}

static void silence_doubt(const struct census_gap *gap, char *out, size_t size)
{
	const char *why = gap->doubt->waits_known ? ", which may have on its disk what nobody else has"
						  : ", who may have on a disk what nobody else has";
	size_t used = (size_t)snprintf(out, size, "in doubt: ");

	if (gap->silent)
		used += (size_t)snprintf(out + used, size - used, "node %u gives no answer, and ", gap->arc.hi);
	census_doubt_text(gap->node, gap->doubt, why, gap->other, out + used, size - used);
	used = strlen(out);
	if (!gap->node->operated)
		snprintf(out + used, size - used, " -> ask again");
}

bool silence_text(struct silence *s, uint32_t id, char out[SILENCE_TEXT])
{
	const struct census *census;
	struct census_gap gap;
	int used;

	census = s ? silence_find(s, id, &gap) : NULL;
	if (census == NULL)
		return false;
	used = snprintf(out, SILENCE_TEXT, "its arc (%08x, %08x] is ", gap.arc.lo, gap.arc.hi);
	if (gap.doubt != NULL)
		silence_doubt(&gap, out + used, SILENCE_TEXT - (size_t)used);
	else
		silence_unserved(&gap, census->count, out + used, SILENCE_TEXT - (size_t)used);
	return true;
}

void silence_json(FILE *out, struct silence *s, uint32_t id)
{
	struct census_gap gap;

	if (s == NULL || !silence_find(s, id, &gap) || gap.doubt == NULL)
		return;
	fputs(",\"doubt\":", out);
	ring_view_json_doubt(out, gap.node, gap.doubt);
}
