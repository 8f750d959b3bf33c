/* The run kept for a picture: who said what and when, who heard it, and what became of everybody.  Only kept when a
 * picture is wanted; nothing here changes the run. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/frame.h"
#include "../../common/reference.h"
#include "sim.h"

#define LOOK_BACK 40 /* messages; what its sender has said among them is said again */

uint32_t story_lane(const struct world *w, uint32_t link)
{
	const struct link *l;

	if (link == NONE)
		return NONE;
	l = &w->links[link];
	return l->stranger ? LANE_STRANGER : l->client ? LANE_CLIENT | l->owner : l->owner;
}

void story_mark(struct world *w, enum story_type type, uint32_t lane, uint64_t value)
{
	struct story *s = &w->story;

	if (!w->options.story)
		return;
	s->events = sim_grow(s->events, s->event_count, &s->event_room, sizeof(*s->events));
	s->events[s->event_count++] = (struct story_event){.type = type, .lane = lane, .at = w->now, .value = value};
}

void story_of(struct world *w, enum story_type type, uint32_t link, const struct packet *p)
{
	if (!w->options.story || !p->story)
		return;
	story_mark(w, type, story_lane(w, link), 0);
	w->story.events[w->story.event_count - 1].message = p->story - 1;
	w->story.messages[p->story - 1].heard += type == STORY_HEARD;
}

void story_fence(struct world *w, uint32_t proc, const char *client_id)
{
	uint64_t meant = NONE;

	for (uint32_t i = 0; i < w->link_count; i++) {
		if (strcmp(w->links[i].client_id, client_id) == 0)
			meant = story_lane(w, i) | (w->links[i].state == LINK_LIVE ? STORY_LIVE : 0);
	}
	story_mark(w, STORY_FENCE, proc, meant);
}

/* ---- labels ---- */

/* A position by its short name: n2 is a node's id, k0 a key. */
static const char *position(const struct world *w, uint32_t id, char text[16])
{
	for (uint32_t i = 0; i < w->identity_count; i++) {
		if (w->identities[i].id == id) {
			snprintf(text, 16, "n%u", i);
			return text;
		}
	}
	for (unsigned k = 0; k < w->swarm.keys; k++) {
		if (w->keys[k] == id) {
			snprintf(text, 16, "k%u", k);
			return text;
		}
	}
	snprintf(text, 16, "%08x", id);
	return text;
}

static void arc_text(const struct world *w, const struct arc *arc, char text[40])
{
	char lo[16], hi[16];

	snprintf(text, 40, "(%s,%s]", position(w, arc->lo, lo), position(w, arc->hi, hi));
}

/* The views of a frame: of whom each arc is. */
static void add_views(const struct world *w, const struct frame *f, char *label, size_t size)
{
	for (unsigned i = 0; i < f->view_count; i++) {
		size_t n = strlen(label);
		char arc[40], owner[16];

		arc_text(w, &f->views[i].arc, arc);
		snprintf(label + n, size - n, "%s %s %s's", i ? "," : "", arc,
			 f->views[i].owner.memory ? position(w, f->views[i].owner.id, owner) : "somebody");
	}
}

static void frame_label(const struct world *w, struct story_message *m, const struct frame *f)
{
	static const enum story_kind kinds[FRAME_TYPES] = {
		[FRAME_HELLO] = KIND_JOIN,       [FRAME_REFUSE] = KIND_JOIN,      [FRAME_BUSY] = KIND_JOIN,
		[FRAME_OFFER] = KIND_HANDOVER,   [FRAME_ASK] = KIND_HANDOVER,     [FRAME_ACCEPT] = KIND_HANDOVER,
		[FRAME_RECORDS] = KIND_HANDOVER, [FRAME_RACK] = KIND_HANDOVER,    [FRAME_CUT] = KIND_HANDOVER,
		[FRAME_GRANT] = KIND_HANDOVER,   [FRAME_VOID] = KIND_HANDOVER,    [FRAME_STORE] = KIND_VIEW,
		[FRAME_STORED] = KIND_VIEW,      [FRAME_REFUSED] = KIND_VIEW,     [FRAME_HOLDS] = KIND_VIEW,
		[FRAME_ACTIVE] = KIND_HANDOVER,  [FRAME_SYNC] = KIND_VIEW,        [FRAME_CONFIRM] = KIND_VIEW,
		[FRAME_NOTIFY] = KIND_VIEW,      [FRAME_FIND] = KIND_DEATH,       [FRAME_FOUND] = KIND_JOIN,
		[FRAME_TRIP] = KIND_JOIN,        [FRAME_MERGE] = KIND_OPERATION,  [FRAME_MERGED] = KIND_OPERATION,
		[FRAME_WHO] = KIND_OPERATION,    [FRAME_STATUS] = KIND_OPERATION, [FRAME_LEAVE] = KIND_OPERATION,
		[FRAME_REPLY] = KIND_OPERATION,  [FRAME_ANSWER] = KIND_OPERATION, [FRAME_REQUEST] = KIND_OPERATION,
		[FRAME_EVENT] = KIND_OPERATION,
	};
	char text[40];
	size_t n = 0;

	m->kind = kinds[f->type];
	for (const char *c = frame_type_name(f->type); *c && n + 1 < sizeof(m->label); c++)
		m->label[n++] = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c); /* as PROTOCOL.md writes it */
	m->label[n] = '\0';
	m->routine = f->type == FRAME_TRIP || f->type == FRAME_STATUS;
	if (f->type == FRAME_STATUS && f->state == NODE_GONE) {
		m->kind = KIND_DEATH;
		m->routine = false;
		snprintf(m->label, sizeof(m->label), "GONE");
	} else if (f->record_count) {
		snprintf(m->label + n, sizeof(m->label) - n, ": %zu", f->record_count);
	} else if (f->arc_set && !f->view_count) {
		arc_text(w, &f->arc, text);
		snprintf(m->label + n, sizeof(m->label) - n, " %s", text);
	}
	add_views(w, f, m->label, sizeof(m->label));
}

/* The end of a value is dots, as long as the seed wants it. */
static int value_len(const uint8_t *value, size_t len)
{
	int n = 0;

	while ((size_t)n < len && n < 16 && value[n] != '.')
		n++;
	return n;
}

static void value_label(const struct world *w, struct story_message *m, const struct packet *p, enum topic_kind kind)
{
	struct reference_put put;
	const uint8_t *text;
	uint32_t id, node;
	char key[16];
	size_t len;

	if (kind == TOPIC_PUT && !reference_parse_put(p->bytes, p->len, &put))
		snprintf(m->label, sizeof(m->label), "put %s = %.*s", position(w, put.key, key),
			 value_len(put.value, put.value_len), (const char *)put.value);
	else if (kind == TOPIC_ACK_PUT && !reference_parse_ack_put(p->bytes, p->len, &text, &len, &node) && len > 1)
		snprintf(m->label, sizeof(m->label), "ack-put v%.*s", value_len(text + 1, len - 1),
			 (const char *)text + 1);
	else if (kind == TOPIC_GET && !reference_parse_id(p->bytes, p->len, &id))
		snprintf(m->label, sizeof(m->label), "get %s", position(w, id, key));
	else if (kind == TOPIC_RES_GET && !reference_parse_res_get(p->bytes, p->len, &id, &text, &len))
		snprintf(m->label, sizeof(m->label), "res-get %s %s%.*s", position(w, id, key), len ? "= " : "absent",
			 value_len(text, len), (const char *)text);
}

static void text_label(const struct world *w, struct story_message *m, const struct packet *p, enum topic_kind kind)
{
	m->kind = kind == TOPIC_JOIN || kind == TOPIC_HAS_STARTED || kind == TOPIC_ACK_JOIN ? KIND_JOIN
		  : kind == TOPIC_LEAVE || kind == TOPIC_ACK_LEAVE                          ? KIND_HANDOVER
											    : KIND_OPERATION;
	m->routine = kind == TOPIC_JOIN || kind == TOPIC_HAS_STARTED || kind == TOPIC_NODE; /* emptied, as it leaves */
	snprintf(m->label, sizeof(m->label), "%s", w->topics[p->topic].name);
	value_label(w, m, p, kind);
}

static bool said_before(const struct story *s, const struct story_message *m)
{
	size_t stop = s->message_count > LOOK_BACK ? s->message_count - LOOK_BACK : 0;

	for (size_t i = s->message_count; i > stop; i--) {
		if (s->messages[i - 1].lane == m->lane && strcmp(s->messages[i - 1].label, m->label) == 0)
			return true;
	}
	return false;
}

/* ---- messages ---- */

static void message_new(struct world *w, uint32_t lane, struct packet *p)
{
	struct story *s = &w->story;
	enum topic_kind kind = w->topics[p->topic].kind;
	struct story_message m = {.lane = lane, .op = p->op};
	struct frame_room room;
	struct frame f;

	if (kind >= TOPIC_RING && p->len > 0 && !frame_decode(&f, &room, p->bytes, p->len))
		frame_label(w, &m, &f);
	else
		text_label(w, &m, p, kind);
	m.routine = m.routine || (m.kind != KIND_OPERATION && said_before(s, &m));
	s->messages = sim_grow(s->messages, s->message_count, &s->message_room, sizeof(*s->messages));
	s->messages[s->message_count++] = m;
	p->story = (uint32_t)s->message_count;
	story_mark(w, STORY_SENT, lane, 0);
	s->events[s->event_count - 1].message = p->story - 1;
}

void story_sent(struct world *w, uint32_t link, struct packet *p)
{
	if (w->options.story && p->type == PACKET_PUBLISH)
		message_new(w, story_lane(w, link), p);
}

/* Nobody has sent a will: it is the broker's word in its owner's name. */
static uint32_t lane_of_will(const struct world *w, const struct packet *p)
{
	struct frame_room room;
	struct frame f;

	if (frame_decode(&f, &room, p->bytes, p->len))
		return NONE;
	for (uint32_t i = 0; i < w->proc_count; i++) {
		if (w->procs[i]->memory == f.from.memory)
			return i;
	}
	return NONE;
}

/* The broker takes it. */
void story_placed(struct world *w, uint32_t link, struct packet *p)
{
	if (!w->options.story)
		return;
	if (link == NONE)
		message_new(w, lane_of_will(w, p), p);
	w->story.messages[p->story - 1].place = w->place;
}

void story_free(struct world *w)
{
	free(w->story.messages);
	free(w->story.events);
}
