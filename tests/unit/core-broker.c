/* The broker of the fixture: one order, retained messages, exact subscriptions, `<level>/+` and `<levels>/#`. */
#include <stdio.h>
#include <string.h>

#include "../../common/mem.h"
#include "../../common/reference.h"
#include "core-fixture.h"

/* ---- deliveries ---- */

struct core_delivery *core_delivery_add(struct core *c, int to, enum event_type type)
{
	struct core_delivery *d = xcalloc(1, sizeof(*d));

	d->to = to;
	d->event.type = type;
	*c->last = d;
	c->last = &d->next;
	return d;
}

void core_delivery_free(struct core_delivery *d)
{
	free((void *)(uintptr_t)d->event.topic);
	free((void *)(uintptr_t)d->event.payload);
	free(d);
}

struct core_delivery *core_delivery_take(struct core *c, struct core_delivery **at)
{
	struct core_delivery *d = *at;

	*at = d->next;
	if (!d->next)
		c->last = at;
	return d;
}

/* What was under way to a connection goes with it. */
void core_deliveries_drop(struct core *c, int n)
{
	for (struct core_delivery **at = &c->first; *at;) {
		if ((*at)->to == n)
			core_delivery_free(core_delivery_take(c, at));
		else
			at = &(*at)->next;
	}
}

static void deliver_message(struct core *c, int to, const struct core_line *l, bool retained)
{
	struct core_delivery *d = core_delivery_add(c, to, EVENT_MESSAGE);

	d->frame = l->frame;
	d->event.topic = xstrdup(l->topic);
	d->event.payload = xmemdup(l->payload, l->len);
	d->event.len = l->len;
	d->event.retained = retained;
}

/* ---- the broker ---- */

static bool matches(const char *filter, const char *topic)
{
	size_t len = strlen(filter);

	if (len > 2 && !strcmp(filter + len - 2, "/#"))
		return !strncmp(filter, topic, len - 1);
	if (len > 2 && !strcmp(filter + len - 2, "/+"))
		return !strncmp(filter, topic, len - 1) && !strchr(topic + len - 1, '/');
	return !strcmp(filter, topic);
}

static enum frame_type frame_of(struct core *c, const char *topic, const void *payload, size_t len)
{
	struct frame f;
	uint32_t id;

	switch (topic_parse(topic, c->config.topic_prefix, &id)) {
	case TOPIC_RING:
	case TOPIC_FOUNDER:
	case TOPIC_INBOX:
	case TOPIC_CUT:
	case TOPIC_NODE:
		return len && !frame_decode(&f, c->room, payload, len) ? f.type : FRAME_NONE;
	default:
		return FRAME_NONE;
	}
}

static void retain(struct core *c, const struct core_line *l)
{
	struct core_line *r = c->retained;

	while (r < c->retained + c->retained_count && strcmp(r->topic, l->topic) != 0)
		r++;
	if (r == c->retained + c->retained_count) {
		CORE_GROW(c->retained, c->retained_count, c->retained_room);
		r = &c->retained[c->retained_count++];
		*r = (struct core_line){.topic = xstrdup(l->topic)};
	}
	free(r->payload);
	r->payload = xmemdup(l->payload, l->len + 1);
	r->len = l->len;
	r->frame = l->frame;
}

static struct core_tally *tally(struct core *c, bool put, uint32_t key, const void *name, size_t len)
{
	struct core_tally *t = c->tallies;

	for (; t < c->tallies + c->tally_count; t++)
		if (t->put == put && (put ? strlen(t->name) == len && !memcmp(t->name, name, len) : t->key == key))
			return t;
	CORE_GROW(c->tallies, c->tally_count, c->tally_room);
	t = &c->tallies[c->tally_count++];
	*t = (struct core_tally){.put = put, .key = key, .name = xcalloc(1, len + 1)};
	if (len)
		memcpy(t->name, name, len);
	return t;
}

/* Whoever publishes it: an operation or its answer. */
static void count_operation(struct core *c, const struct core_line *l)
{
	const uint8_t *payload = (const uint8_t *)l->payload, *text;
	struct reference_put put;
	struct core_tally *t;
	size_t len;
	uint32_t id;

	if (!strcmp(l->topic, "put") && !reference_parse_put(payload, l->len, &put))
		tally(c, true, put.key, put.client, put.client_len)->asked++;
	if (!strcmp(l->topic, "get") && !reference_parse_id(payload, l->len, &id))
		tally(c, false, id, NULL, 0)->asked++;
	if (!strcmp(l->topic, "ack-put")) {
		if (reference_parse_ack_put(payload, l->len, &text, &len, &id))
			fail_msg("an ack-put that no client can read: %s", l->payload);
		t = tally(c, true, 0, text, len);
		if (++t->answered > t->asked)
			fail_msg("node %d acknowledges a put of %s once too often", l->from, t->name);
	}
	if (!strcmp(l->topic, "res-get")) {
		if (reference_parse_res_get(payload, l->len, &id, &text, &len))
			fail_msg("a res-get that no client can read: %s", l->payload);
		t = tally(c, false, id, NULL, 0);
		if (++t->answered > t->asked)
			fail_msg("node %d answers a get of %u once too often", l->from, id);
	}
}

/* What an earlier version makes of the frame; 1.0 knows no minor version and no table.  NULL: it has neither. */
static uint8_t *as_older(struct core *c, const void *payload, size_t len, size_t *older_len)
{
	struct frame f;

	if (frame_decode(&f, c->room, payload, len) || !f.minor)
		return NULL;
	f.minor = c->older_minor;
	if (!f.minor)
		f.table = NULL;
	f.table_len = f.table ? f.table_len : 0;
	return frame_encode(&f, older_len);
}

void core_publish_as(struct core *c, int from, const char *topic, const void *payload, size_t len, bool retained)
{
	uint8_t *older = from >= 0 && from == c->older ? as_older(c, payload, len, &len) : NULL;
	struct core_line *l;

	CORE_GROW(c->lines, c->line_count, c->line_room);
	l = &c->lines[c->line_count++];
	*l = (struct core_line){.when = c->now, .from = from, .topic = xstrdup(topic), .len = len, .retain = retained};
	l->payload = xcalloc(1, len + 1);
	if (len)
		memcpy(l->payload, older ? older : payload, len);
	free(older);
	l->frame = frame_of(c, topic, l->payload, len);
	core_trace(c, "n", from, topic, l->frame ? frame_type_name(l->frame) : l->payload);
	if (c->denied && from >= 0 && !strncmp(topic, c->denied, strlen(c->denied)))
		return;
	if (retained)
		retain(c, l);
	for (int n = 0; n < c->count; n++)
		for (size_t i = 0; c->nodes[n].live && i < c->nodes[n].filter_count; i++)
			if (matches(c->nodes[n].filters[i], topic)) {
				deliver_message(c, n, l, false);
				break;
			}
	count_operation(c, l);
}

void core_subscribe(struct core *c, int n, const char *filter)
{
	struct core_node *node = &c->nodes[n];
	struct core_delivery *suback;
	size_t i = 0;

	while (i < node->filter_count && strcmp(node->filters[i], filter) != 0)
		i++;
	if (i == node->filter_count) {
		node->filters = xrealloc(node->filters, (node->filter_count + 1) * sizeof(*node->filters));
		node->filters[node->filter_count++] = xstrdup(filter);
	}
	for (i = 0; i < c->retained_count; i++)
		if (c->retained[i].len && matches(filter, c->retained[i].topic))
			deliver_message(c, n, &c->retained[i], true);
	suback = core_delivery_add(c, n, EVENT_SUBSCRIBED);
	suback->event.topic = xstrdup(filter);
	suback->event.granted = true;
}

void core_unsubscribe(struct core_node *node, const char *filter)
{
	for (size_t i = 0; i < node->filter_count; i++)
		if (!strcmp(node->filters[i], filter)) {
			free(node->filters[i]);
			node->filters[i] = node->filters[--node->filter_count];
			return;
		}
}

/* The connection ends; whoever had it is told unless it is not there any more. */
void core_link_close(struct core *c, int n, bool will)
{
	struct core_node *node = &c->nodes[n];

	if (!node->live)
		return;
	node->live = false;
	node->away = c->reconnect;
	core_deliveries_drop(c, n);
	for (size_t i = 0; i < node->filter_count; i++)
		free(node->filters[i]);
	node->filter_count = 0;
	core_trace(c, "n", n, "loses its connection", node->client_id);
	if (will)
		core_publish_as(c, CORE_BROKER, node->will_topic, node->will, node->will_len, false);
	if (node->node)
		core_delivery_add(c, n, EVENT_DISCONNECTED);
}
