#include "outlet.h"

#include <stdlib.h>

#define event libevent_event /* the core has its own (shell.c) */
#include <event2/event.h>
#undef event

#include "../common/mem.h"

/* What an effect costs beside its bytes, about: many small ones are to be counted, too. */
#define WAITING_COST 128u

struct waiting {
	struct waiting *next;
	struct effect effect; /* its pointers are to copies */
	uint64_t after;       /* the batch */
	size_t cost;
};

struct outlet {
	struct disk *disk; /* NULL: there is none */
	struct outlet_callbacks callbacks;
	void *arg;
	struct libevent_event *event;
	struct waiting *first, **last;
	size_t cost; /* of all that waits */
	uint64_t sealed, committed;
	enum disk_state state;
	bool crowded;
};

/* ---- one effect that waits ---- */

static struct waiting *waiting_new(const struct effect *e, uint64_t after)
{
	struct waiting *w = xcalloc(1, sizeof(*w));
	const char **filters = e->filter_count ? xmalloc(e->filter_count * sizeof(*filters)) : NULL;

	w->effect = *e;
	w->after = after;
	w->cost = WAITING_COST * (1 + e->filter_count) + e->len;
	if (e->topic)
		w->effect.topic = xstrdup(e->topic);
	if (e->payload)
		w->effect.payload = xmemdup(e->payload, e->len);
	if (e->text)
		w->effect.text = xstrdup(e->text);
	for (size_t i = 0; i < e->filter_count; i++)
		filters[i] = xstrdup(e->filters[i]);
	w->effect.filters = filters;
	return w;
}

static void waiting_free(struct waiting *w)
{
	for (size_t i = 0; i < w->effect.filter_count; i++)
		free((char *)w->effect.filters[i]);
	free((void *)w->effect.filters);
	free((char *)w->effect.topic);
	free((uint8_t *)w->effect.payload);
	free((char *)w->effect.text);
	free(w);
}

/* Is it said to the broker, and so on one connection alone? */
static bool is_said(enum effect_type type)
{
	switch (type) {
	case EFFECT_SUBSCRIBE:
	case EFFECT_UNSUBSCRIBE:
	case EFFECT_PUBLISH:
	case EFFECT_FENCE:
		return true;
	case EFFECT_LOG:
	case EFFECT_STATE:
	case EFFECT_PROGRESS:
	case EFFECT_EXIT:
		break;
	}
	return false;
}

/* A log says what is decided, and what a service manager is asked for is asked for now; its state is told to others. */
static bool waits(enum effect_type type)
{
	return type != EFFECT_LOG && type != EFFECT_PROGRESS;
}

static struct waiting *outlet_pull(struct outlet *o, struct waiting **at)
{
	struct waiting *w = *at;

	*at = w->next;
	if (!*at)
		o->last = at;
	o->cost -= w->cost;
	return w;
}

/* ---- the queue ---- */

static void outlet_judge(struct outlet *o)
{
	uint64_t bytes = o->cost + disk_backlog(o->disk);

	if (o->crowded ? bytes >= OUTLET_HIGH / 2 : bytes <= OUTLET_HIGH)
		return;
	o->crowded = !o->crowded;
	o->callbacks.crowded(o->arg, o->crowded);
}

static void outlet_let_go(struct outlet *o)
{
	while (o->first && o->first->after <= o->committed) {
		struct waiting *w = outlet_pull(o, &o->first);

		o->callbacks.carry_out(o->arg, &w->effect);
		waiting_free(w);
	}
}

static void outlet_look(struct outlet *o)
{
	struct disk_status status = disk_status(o->disk);
	char text[DISK_TEXT];

	o->committed = status.committed;
	outlet_let_go(o);
	if (status.state == o->state)
		return;
	o->state = status.state;
	disk_tell(o->disk, &status, text);
	o->callbacks.trouble(o->arg, status.state, text);
}

static void outlet_event_cb(evutil_socket_t fd, short what, void *arg)
{
	struct outlet *o = arg;

	(void)fd;
	(void)what;
	outlet_look(o);
	outlet_judge(o);
	o->callbacks.committed(o->arg);
}

/* True if there is something to wait for. */
static bool outlet_write(struct outlet *o, const struct update *update)
{
	if (!o->disk)
		return false;
	for (size_t i = 0; i < update->write_count; i++) {
		const struct node_write *w = &update->writes[i];

		if (w->remove)
			disk_remove(o->disk, w->space, w->key, w->key_len);
		else
			disk_put(o->disk, w->space, w->key, w->key_len, w->value, w->len);
	}
	if (update->write_count) {
		o->sealed = disk_seal(o->disk);
		outlet_look(o); /* without a promise (DISK_NONE) it counts at once */
	}
	return o->committed < o->sealed;
}

void outlet_take(struct outlet *o, const struct update *update, bool connected)
{
	bool behind = outlet_write(o, update);

	for (size_t i = 0; i < update->count; i++) {
		const struct effect *e = &update->effects[i];

		if (!behind || !waits(e->type)) {
			o->callbacks.carry_out(o->arg, e);
		} else if (connected || !is_said(e->type)) {
			*o->last = waiting_new(e, o->sealed);
			o->cost += (*o->last)->cost;
			o->last = &(*o->last)->next;
		}
	}
	if (o->disk)
		outlet_judge(o);
}

void outlet_lost(struct outlet *o)
{
	struct waiting **at = &o->first;

	while (*at) {
		if (is_said((*at)->effect.type))
			waiting_free(outlet_pull(o, at));
		else
			at = &(*at)->next;
	}
	if (o->disk)
		outlet_judge(o);
}

bool outlet_idle(const struct outlet *o)
{
	return o->committed == o->sealed;
}

/* ---- life ---- */

struct outlet *outlet_new(struct event_base *base, struct disk *disk, const struct outlet_callbacks *callbacks,
			  void *arg)
{
	struct outlet *o = xcalloc(1, sizeof(*o));

	o->disk = disk;
	o->callbacks = *callbacks;
	o->arg = arg;
	o->last = &o->first;
	if (!disk)
		return o;
	o->event = event_new(base, disk_event_fd(disk), EV_READ | EV_PERSIST, outlet_event_cb, o);
	if (!o->event || event_add(o->event, NULL))
		mem_die("cannot watch the disk");
	return o;
}

void outlet_free(struct outlet *o)
{
	if (o->event)
		event_free(o->event);
	while (o->first)
		waiting_free(outlet_pull(o, &o->first));
	free(o);
}
