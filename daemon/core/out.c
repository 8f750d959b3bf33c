#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

void out_reset(struct node *n)
{
	for (size_t i = 0; i < n->owned_count; i++)
		free(n->owned[i]);
	n->owned_count = 0;
	n->effect_count = 0;
	n->step_bytes = 0;
}

void *out_own(struct node *n, void *p)
{
	if (n->owned_count == n->owned_room) {
		n->owned_room = n->owned_room ? n->owned_room * 2 : 16;
		n->owned = xrealloc(n->owned, n->owned_room * sizeof(*n->owned));
	}
	n->owned[n->owned_count++] = p;
	return p;
}

struct effect *out_effect(struct node *n, enum effect_type type)
{
	struct effect *e;

	if (n->effect_count == n->effect_room) {
		n->effect_room = n->effect_room ? n->effect_room * 2 : 16;
		n->effects = xrealloc(n->effects, n->effect_room * sizeof(*n->effects));
	}
	e = &n->effects[n->effect_count++];
	*e = (struct effect){.type = type};
	return e;
}

const char *out_topic(struct node *n, enum topic_kind kind, uint32_t id)
{
	char topic[TOPIC_MAX];
	size_t len = topic_format(topic, n->config.topic_prefix, kind, id, NULL);

	return out_own(n, xmemdup(topic, len + 1));
}

static void count_bytes(struct node *n, size_t len)
{
	n->step_bytes += len;
	n->full |= n->step_bytes > n->config.burst;
}

/* What is published without a connection is gone: nothing is carried from one connection to the next. */
static void publish(struct node *n, const char *topic, const void *payload, size_t len, bool retain)
{
	struct effect *e;

	if (!n->connected)
		return;
	e = out_effect(n, EFFECT_PUBLISH);
	e->topic = topic;
	e->payload = out_own(n, xmemdup(payload, len));
	e->len = len;
	e->retain = retain;
	count_bytes(n, len);
}

void out_publish(struct node *n, enum topic_kind kind, uint32_t id, const void *payload, size_t len, bool retain)
{
	publish(n, out_topic(n, kind, id), payload, len, retain);
}

void out_publish_to(struct node *n, const char *topic, const void *payload, size_t len, bool retain)
{
	publish(n, out_own(n, xstrdup(topic)), payload, len, retain);
}

void out_subscribe(struct node *n, enum topic_kind kind, uint32_t id, bool on)
{
	const char *filters[] = {out_topic(n, kind, id), NULL};
	char topic[TOPIC_MAX];

	if (kind == TOPIC_ASK) { /* a user's topic is one level longer; the broker's answer names the first */
		topic_format(topic, n->config.topic_prefix, kind, id, NULL);
		topic_add_user(topic, kind, "+");
		filters[1] = out_own(n, xstrdup(topic));
	}
	out_filters(n, filters, filters[1] ? 2 : 1, on);
}

void out_filters(struct node *n, const char *const *filters, size_t count, bool on)
{
	struct effect *e;

	if (!n->connected || !count)
		return;
	e = out_effect(n, on ? EFFECT_SUBSCRIBE : EFFECT_UNSUBSCRIBE);
	e->filters = out_own(n, xmemdup(filters, count * sizeof(*filters)));
	e->filter_count = count;
}

void out_log(struct node *n, enum note_kind note, const struct about *about, const char *format, ...)
{
	struct about *kept = out_own(n, xcalloc(1, sizeof(*kept)));
	struct effect *e;
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args); /* NOLINT(clang-analyzer-valist.Uninitialized): va_start, above */
	va_end(args);
	if (about)
		*kept = *about;
	if (kept->reason)
		kept->reason = out_own(n, xstrdup(kept->reason));
	e = out_effect(n, EFFECT_LOG);
	e->note = note;
	e->about = kept;
	e->text = out_own(n, xstrdup(text));
}

#define COMPLAINTS 10
#define COMPLAINT_WINDOW 10000

static void count_hidden(struct node *n)
{
	if (n->drop_hidden)
		out_log(n, NOTE_DROPPED, NULL, "%u more messages of strangers dropped", n->drop_hidden);
	n->drop_hidden = 0;
}

void out_complain(struct node *n, const char *what, const char *why, const uint8_t *payload, size_t len)
{
	const uint8_t *blank = payload && len ? memchr(payload, ' ', len) : NULL;
	char shown[120] = "";

	if (n->now - n->drop_window >= COMPLAINT_WINDOW) {
		count_hidden(n);
		n->drop_window = n->now;
		n->drop_count = 0;
	}
	if (n->drop_count >= COMPLAINTS) {
		n->drop_hidden++;
		return;
	}
	n->drop_count++;
	if (payload)
		reference_escape(shown, sizeof(shown), payload, blank ? (size_t)(blank - payload) : len);
	out_log(n, NOTE_DROPPED, ABOUT(OF_REASON(why)), "%s of %zu bytes dropped: %s%s%s%s", what, len, why,
		payload ? ": \"" : "", shown, payload ? "\"" : "");
}

/* The count of what was not said comes when the window ends, not with the next message that is bad. */
void out_tick(struct node *n, uint64_t *next)
{
	uint64_t end = n->drop_window + COMPLAINT_WINDOW;

	if (n->drop_hidden && n->now < end)
		soonest(next, end);
	else
		count_hidden(n);
}

void frame_start(struct node *n, struct frame *f, enum frame_type type)
{
	*f = (struct frame){.type = type, .minor = FRAME_MINOR, .from = n->self, .ring = n->ring};
}

static void publish_own(struct node *n, const char *topic, uint8_t *bytes, size_t len, bool retain)
{
	struct effect *e;

	out_own(n, bytes);
	if (!n->connected)
		return;
	e = out_effect(n, EFFECT_PUBLISH);
	e->topic = topic;
	e->payload = bytes;
	e->len = len;
	e->retain = retain;
	count_bytes(n, len);
}

void out_publish_own(struct node *n, const char *topic, uint8_t *bytes, size_t len)
{
	publish_own(n, out_own(n, xstrdup(topic)), bytes, len, false);
}

static void frame_publish(struct node *n, const struct frame *f, const char *topic, bool retain)
{
	size_t len;
	uint8_t *bytes;

	if (!n->connected)
		return;
	bytes = frame_encode(f, &len);
	publish_own(n, topic, bytes, len, retain);
}

void frame_send(struct node *n, struct frame *f, enum topic_kind kind, uint32_t id)
{
	frame_publish(n, f, out_topic(n, kind, id), kind == TOPIC_FOUNDER || kind == TOPIC_NODE);
}

void frame_to(struct node *n, struct frame *f, const struct member *to)
{
	f->to = to->conn;
	frame_send(n, f, TOPIC_INBOX, to->id);
}

void frame_reply(struct node *n, struct frame *f, const char *topic)
{
	frame_publish(n, f, out_own(n, xstrdup(topic)), false);
}

/* splitmix64: jitter only, nothing that a stranger must not guess. */
uint32_t node_random(struct node *n, uint32_t below)
{
	uint64_t z = (n->rng += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	z ^= z >> 31;
	return below ? (uint32_t)((z >> 32) * below >> 32) : 0;
}
