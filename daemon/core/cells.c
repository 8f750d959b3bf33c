/* Which operations reach this node: the cover of what it owns, gives and takes, subscribed before it is needed and
 * dropped when nothing needs it any more (PROTOCOL.md section 11).  One request is on its way at a time. */
#include <stdlib.h>
#include <string.h>

#include "core.h"

/* From the end of its owner's connection on a guard holds what is asked: with a copy it will answer that in a moment. */
static bool will_be_ours(struct node *n, const struct entry *e)
{
	return !e->mine && e->gone && copy_whole(n, e);
}

static size_t wanted_arcs(struct node *n, struct arc arcs[ENTRY_MAX + 1])
{
	size_t count = 0;

	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && (e->mine || e->sealed || will_be_ours(n, e)))
			arcs[count++] = e->v.arc;
	if (n->take.phase)
		arcs[count++] = n->take.arc;
	return count;
}

static void send(struct node *n, const struct cell *cells, size_t count, bool on)
{
	const char **filters = xmalloc(2 * count * sizeof(*filters));
	size_t filter_count = 0;

	for (size_t i = 0; i < count; i++) {
		char topic[TOPIC_MAX];
		size_t len = topic_format_cell_filter(topic, n->config.topic_prefix, cells[i]);

		filters[filter_count++] = out_own(n, xmemdup(topic, len + 1));
		if (cells[i].depth == CELL_DIGITS) { /* a user's topic is one level longer */
			topic_add_user(topic, TOPIC_CELL, "+");
			filters[filter_count++] = out_own(n, xstrdup(topic));
		}
	}
	out_filters(n, filters, filter_count, on);
	free(filters);
}

static void keep(struct cell_list *list, const struct cell *cells, size_t count)
{
	list->cells = xrealloc(list->cells, (count ? count : 1) * sizeof(*cells));
	if (count)
		memcpy(list->cells, cells, count * sizeof(*cells));
	list->count = count;
}

static int compare(const void *a, const void *b)
{
	const struct cell *x = a, *y = b;

	if (x->digits != y->digits)
		return x->digits < y->digits ? -1 : 1;
	return (x->depth > y->depth) - (x->depth < y->depth);
}

static void heard_too(struct cells *c)
{
	size_t count = c->heard.count + c->asked.count;

	c->heard.cells = xrealloc(c->heard.cells, count * sizeof(*c->heard.cells));
	memcpy(c->heard.cells + c->heard.count, c->asked.cells, c->asked.count * sizeof(*c->asked.cells));
	c->heard.count = count;
	qsort(c->heard.cells, count, sizeof(*c->heard.cells), compare);
	c->asked.count = 0;
}

bool cells_settled(const struct node *n)
{
	return n->cells.settled;
}

void cells_tick(struct node *n)
{
	struct cells *c = &n->cells;
	struct cell wanted[COVER_ROOM(ENTRY_MAX + 1)], some[COVER_ROOM(ENTRY_MAX + 1)];
	struct arc arcs[ENTRY_MAX + 1];
	size_t arc_count = wanted_arcs(n, arcs), count;

	if (c->arc_count != arc_count || memcmp(c->arcs, arcs, arc_count * sizeof(*arcs)) != 0) {
		c->settled = false;
		c->refused = false;
	}
	if (!n->connected || c->asked.count || c->settled || c->refused)
		return;
	c->arc_count = arc_count;
	memcpy(c->arcs, arcs, arc_count * sizeof(*arcs));
	count = cover_arcs(arcs, arc_count, wanted, COVER_ROOM(ENTRY_MAX + 1));
	keep(&c->asked, some, cover_less(wanted, count, c->heard.cells, c->heard.count, some));
	if (c->asked.count) {
		send(n, c->asked.cells, c->asked.count, true);
		return;
	}
	/* All of it is granted: whatever else is heard is not needed any more. */
	c->settled = true;
	if (entry_main(n))
		echo_ask(n, ECHO_CELL);
	c->heard.count = cover_less(c->heard.cells, c->heard.count, wanted, count, c->heard.cells);
	if (c->heard.count)
		send(n, c->heard.cells, c->heard.count, false);
	keep(&c->heard, wanted, count);
}

void cells_subscribed(struct node *n, const struct event *ev)
{
	struct cells *c = &n->cells;
	struct cell first;

	if (!c->asked.count || !topic_parse_cell_filter(ev->topic, n->config.topic_prefix, &first) ||
	    compare(&first, &c->asked.cells[0]) != 0)
		return;
	if (ev->granted) {
		heard_too(c);
		cells_tick(n); /* what waits for it goes on in this step */
		return;
	}
	c->asked.count = 0;
	c->refused = true;
	out_log(n, NOTE_ACCESS_REFUSED, ABOUT(OF_REASON(ev->topic)),
		"the broker refuses the subscription to %s and others -> grant this node all of its topics", ev->topic);
}

void cells_forget(struct node *n)
{
	n->cells.heard.count = n->cells.asked.count = n->cells.arc_count = 0;
	n->cells.settled = n->cells.refused = false;
}

void cells_free(struct node *n)
{
	free(n->cells.heard.cells);
	free(n->cells.asked.cells);
}
