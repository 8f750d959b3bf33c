#include "picture.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/mem.h"

#define ROW 17           /* with a label */
#define STEP 6           /* without */
#define GAP (100 * MS)   /* of silence; shown if longer */
#define HEADER_EVERY 900 /* pixels */
#define ROUTINE_MIN 4    /* routine messages that are worth a row */
#define WORDS_MAX 3

/* ---- what is drawn at all ---- */

static const struct story_message *message_of(const struct world *w, const struct story_event *e)
{
	return e->type <= STORY_UNHEARD ? &w->story.messages[e->message] : NULL;
}

bool picture_accuses(const struct world *w, const struct story_message *m)
{
	if (!w->failed || !m->place)
		return false;
	/* These are judged where the broker takes the answer. */
	if (m->place == w->place && (!strncmp(w->failure, "I4:", 3) || !strncmp(w->failure, "I5:", 3)))
		return true;
	for (const char *p = strstr(w->failure, "op "); p; p = strstr(p + 1, "op ")) {
		size_t op = strtoull(p + 3, NULL, 10);

		if (op < w->op_count && (m->place == w->ops[op].placed || m->place == w->ops[op].answered))
			return true;
	}
	return false;
}

/* The event at which `messages` that are drawn begin, the last of them ahead of `end`. */
static size_t back(const struct world *w, size_t end, unsigned messages)
{
	for (size_t i = end; i > 0; i--) {
		const struct story_event *e = &w->story.events[i - 1];

		if (e->type == STORY_SENT && !w->story.messages[e->message].routine && messages-- <= 1)
			return i - 1;
	}
	return 0;
}

static size_t onward(const struct world *w, size_t from, unsigned messages)
{
	for (; from < w->story.event_count && messages > 0; from++) {
		const struct story_event *e = &w->story.events[from];

		messages -= e->type == STORY_SENT && !w->story.messages[e->message].routine;
	}
	return from;
}

/* The end of the run; where what it is about happened long before, half of the picture is of that. */
static void window(struct picture *p, unsigned messages)
{
	const struct world *w = p->w;
	size_t first = 0;

	p->from = p->skip = p->resume = back(w, w->story.event_count, messages);
	while (first < p->from && !(w->story.events[first].type == STORY_SENT &&
				    picture_accuses(w, &w->story.messages[w->story.events[first].message])))
		first++;
	if (first == p->from)
		return;
	p->from = back(w, first, messages / 4);
	p->skip = onward(w, first, messages / 4);
	p->resume = back(w, w->story.event_count, messages / 2);
	if (p->skip > p->resume)
		p->skip = p->resume;
}

static bool inside(const struct picture *p, size_t event)
{
	return event >= p->from && (event < p->skip || event >= p->resume);
}

/* The probe point that the failure names, else every key. */
static void find_key(struct picture *p)
{
	const struct world *w = p->w;

	for (unsigned i = 0; i < w->probe_count; i++) {
		snprintf(p->key, sizeof(p->key), "%08x", w->probes[i]);
		p->serves = (uint64_t)1 << i;
		if (w->failed && strstr(w->failure, p->key))
			return;
	}
	snprintf(p->key, sizeof(p->key), "some key");
	p->serves = ((uint64_t)1 << w->swarm.keys) - 1;
}

/* ---- lanes ---- */

static int by_place(const void *a, const void *b)
{
	const struct lane *x = a, *y = b;
	bool x_client = x->id & LANE_CLIENT, y_client = y->id & LANE_CLIENT;

	if (x_client != y_client)
		return x_client - y_client;
	if (x->position != y->position)
		return x->position < y->position ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

uint32_t picture_lane(const struct picture *p, uint32_t id)
{
	for (unsigned i = 0; i < p->lane_count; i++) {
		if (p->lanes[i].id == id)
			return i;
	}
	return NONE;
}

static void lane_add(struct picture *p, uint32_t id)
{
	struct lane *l = &p->lanes[p->lane_count];

	if (id == NONE || picture_lane(p, id) != NONE)
		return;
	p->lane_count++;
	*l = (struct lane){.id = id};
	if (id == LANE_STRANGER) {
		snprintf(l->name, sizeof(l->name), "others");
		return;
	}
	if (id & LANE_CLIENT) {
		snprintf(l->name, sizeof(l->name), "client %u", id & ~LANE_CLIENT);
		return;
	}
	l->position = p->w->procs[id]->id;
	snprintf(l->name, sizeof(l->name), "%s  %08x", p->w->procs[id]->label, l->position);
}

static bool shows_lane(const struct world *w, const struct story_event *e)
{
	const struct story_message *m = message_of(w, e);

	return m ? !m->routine : e->type != STORY_SERVES && e->type != STORY_CLOSED;
}

/* Who lives when the picture begins, and whoever does something in it. */
static void lanes_find(struct picture *p)
{
	const struct world *w = p->w;
	uint8_t *alive = xcalloc(w->proc_count, 1);

	p->lanes = xcalloc(w->proc_count + w->options.clients + 1, sizeof(*p->lanes));
	for (size_t i = 0; i < p->from; i++) {
		const struct story_event *e = &w->story.events[i];

		if (e->type == STORY_START)
			alive[e->lane] = 1;
		else if (e->type == STORY_KILLED || e->type == STORY_EXIT)
			alive[e->lane] = 0;
	}
	for (uint32_t i = 0; i < w->proc_count; i++) {
		if (alive[i])
			lane_add(p, i);
	}
	for (size_t i = p->from; i < w->story.event_count; i++) {
		if (inside(p, i) && shows_lane(w, &w->story.events[i]))
			lane_add(p, w->story.events[i].lane);
	}
	free(alive);
	qsort(p->lanes, p->lane_count, sizeof(*p->lanes), by_place);
	for (unsigned i = 0; i < p->lane_count; i++)
		p->lanes[i].x = LANES_LEFT + (int)i * LANE_WIDTH;
}

/* ---- rows ---- */

struct layout {
	struct picture *p;
	int y;
	uint64_t at; /* of the last row */
	const struct story_event *last;
	struct {
		unsigned count, words;
		char word[WORDS_MAX][16];
		uint64_t serves;
		uint32_t state;
		bool exited;
	} * lanes;
	unsigned routine;
};

static struct note *note_add(struct layout *l, uint32_t lane)
{
	struct picture *p = l->p;

	p->notes = sim_grow(p->notes, p->note_count, &p->note_room, sizeof(*p->notes));
	p->notes[p->note_count] = (struct note){.y = l->y, .lane = lane};
	return &p->notes[p->note_count++];
}

static void routine_count(struct layout *l, const struct story_message *m)
{
	uint32_t lane = picture_lane(l->p, m->lane);
	char word[16];

	if (lane == NONE)
		return;
	l->routine++;
	l->lanes[lane].count++;
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(m->label, " :"), m->label);
	for (unsigned i = 0; i < l->lanes[lane].words; i++) {
		if (strcmp(l->lanes[lane].word[i], word) == 0)
			return;
	}
	if (l->lanes[lane].words < WORDS_MAX)
		memcpy(l->lanes[lane].word[l->lanes[lane].words++], word, sizeof(word));
}

static void routine_tell(struct layout *l)
{
	if (l->routine < ROUTINE_MIN)
		return;
	l->y += ROW;
	for (unsigned i = 0; i < l->p->lane_count; i++) {
		struct note *n;

		if (!l->lanes[i].count)
			continue;
		n = note_add(l, i);
		snprintf(n->text, sizeof(n->text), "+%u", l->lanes[i].count);
		for (unsigned j = 0; j < l->lanes[i].words; j++) {
			size_t len = strlen(n->text);

			snprintf(n->text + len, sizeof(n->text) - len, " %s", l->lanes[i].word[j]);
		}
		l->lanes[i].count = l->lanes[i].words = 0;
	}
	l->routine = 0;
}

static void header_repeat(struct layout *l)
{
	struct picture *p = l->p;
	int last = p->header_count ? p->headers[p->header_count - 1] : p->top;

	if (l->y - last < HEADER_EVERY)
		return;
	l->y += 2 * ROW;
	p->headers = sim_grow(p->headers, p->header_count, &p->header_room, sizeof(*p->headers));
	p->headers[p->header_count++] = l->y;
	l->y += ROW / 2;
}

/* How far below the row before it; 0: on it; -1: not drawn. */
static int distance(struct layout *l, const struct story_event *e)
{
	const struct story_message *m = message_of(l->p->w, e);
	uint32_t lane = picture_lane(l->p, e->lane);
	uint64_t was;

	if (lane == NONE && e->type < STORY_BROKER)
		return -1;
	switch (e->type) {
	case STORY_SENT:
		if (m->routine)
			routine_count(l, m);
		return m->routine ? -1 : ROW;
	case STORY_HEARD:
	case STORY_UNSENT:
	case STORY_UNHEARD:
		if (m->routine || l->p->sent_y[e->message] < 0)
			return -1;
		return l->last && l->last->type == e->type && l->last->message == e->message ? 0 : STEP;
	case STORY_SERVES:
		was = l->lanes[lane].serves;
		l->lanes[lane].serves = e->value & l->p->serves;
		return !was == !l->lanes[lane].serves ? -1 : STEP;
	case STORY_STATE:
		if (l->lanes[lane].state == e->value + 1)
			return -1;
		l->lanes[lane].state = (uint32_t)e->value + 1;
		return ROW;
	case STORY_EXIT:
		l->lanes[lane].exited = true;
		return ROW;
	case STORY_CLOSED:
		return l->lanes[lane].exited ? -1 : ROW;
	case STORY_FENCED:
		return e->value ? -1 : ROW;
	default:
		return ROW;
	}
}

static void place(struct layout *l, size_t index)
{
	struct picture *p = l->p;
	const struct story_event *e = &p->w->story.events[index];
	int d = distance(l, e);

	if (d < 0)
		return;
	if (d == ROW) {
		header_repeat(l);
		routine_tell(l);
	}
	if (l->last && e->at > l->at + GAP) {
		l->y += ROW;
		snprintf(note_add(l, NONE)->text, sizeof(p->notes->text), "%" PRIu64 ".%03u s later",
			 (e->at - l->at) / SECOND, (unsigned)((e->at - l->at) % SECOND / MS));
	}
	l->y += d;
	l->at = e->at;
	l->last = e;
	p->drawn[index] = true;
	if (e->type == STORY_SENT)
		p->sent_y[e->message] = l->y;
	else if (e->type == STORY_HEARD)
		p->reach[e->message] = (int)picture_lane(p, e->lane);
	else if (e->type <= STORY_UNHEARD && p->reach[e->message] == REACH_NOBODY)
		p->reach[e->message] = REACH_LOST;
}

/* What is not drawn changes a lane all the same. */
static void pass(struct layout *l, const struct story_event *e)
{
	uint32_t lane = picture_lane(l->p, e->lane);

	if (lane == NONE)
		return;
	if (e->type == STORY_STATE)
		l->lanes[lane].state = (uint32_t)e->value + 1;
	else if (e->type == STORY_SERVES)
		l->lanes[lane].serves = e->value & l->p->serves;
}

void picture_lay_out(struct picture *p, const struct world *w, unsigned messages, int top)
{
	const struct story *s = &w->story;
	struct layout l = {.p = p, .y = top};

	*p = (struct picture){.w = w, .top = top};
	p->y = xcalloc(s->event_count, sizeof(*p->y));
	p->drawn = xcalloc(s->event_count, sizeof(*p->drawn));
	p->sent_y = xcalloc(s->message_count, sizeof(*p->sent_y));
	p->reach = xcalloc(s->message_count, sizeof(*p->reach));
	for (size_t i = 0; i < s->message_count; i++)
		p->sent_y[i] = p->reach[i] = REACH_NOBODY;
	window(p, messages);
	find_key(p);
	lanes_find(p);
	l.lanes = xcalloc(p->lane_count, sizeof(*l.lanes));
	for (size_t i = 0; i < s->event_count; i++) {
		if (i == p->skip && p->skip < p->resume) {
			l.y += 2 * ROW;
			snprintf(note_add(&l, NONE)->text, sizeof(p->notes->text), "... some is left out ...");
		}
		if (inside(p, i))
			place(&l, i);
		else
			pass(&l, &s->events[i]);
		p->y[i] = l.y;
	}
	routine_tell(&l);
	p->bottom = l.y + ROW;
	free(l.lanes);
}

void picture_free(struct picture *p)
{
	free(p->lanes);
	free(p->y);
	free(p->drawn);
	free(p->sent_y);
	free(p->reach);
	free(p->notes);
	free(p->headers);
}
