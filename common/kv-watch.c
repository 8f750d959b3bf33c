#include "kv-watch.h"

#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "mem.h"

#define NEVER UINT64_MAX
#define OWNERS_MAX 4096 /* more than any ring has: then it begins anew */

/* Whoever has told or answered something. */
struct owner {
	uint32_t id;
	enum node_state state; /* as it last said; NODE_STATES: it has not */
	struct arc arc;
	uint64_t stream, number; /* the last that was heard of it; 0: nothing */
	uint64_t promised;       /* the last that there was when it last answered */
	uint64_t answered;       /* the round in which it last answered; 0: never */
	bool doubted;            /* what it owned may have gone to others otherwise than from its hands */
};

struct kv_watch {
	struct kv_watch_config config;
	struct key key; /* ours */
	uint8_t *prefix;
	char topics[KV_WATCH_FILTERS][TOPIC_MAX];
	const char *filters[KV_WATCH_FILTERS];
	bool granted, whole, gap;
	bool asked;               /* an operation is on its way */
	bool stale;               /* what is on its way belongs to a connection before */
	bool once_more;           /* this round may have been too early somewhere */
	uint64_t round;           /* of asking everybody; from 1 */
	uint32_t position;        /* in it */
	uint64_t begun, followed; /* when this round began, and the last one that came to its end; 0: none */
	uint64_t next;            /* when the next begins; NEVER: one is going on, or there is no connection */
	struct owner *owners;
	size_t owner_count, owner_room;
	struct frame frame;
	struct frame_room room;
	struct page_entry changes[WATCHED_CHANGES];
};

/* ---- life ---- */

void kv_watch_config_init(struct kv_watch_config *config)
{
	*config = (struct kv_watch_config){.again = 20000, .lapse = 60000};
}

/* "ev/+", of "ev/00000000". */
static void filter_of(char out[TOPIC_MAX], const char *prefix, enum topic_kind kind)
{
	size_t len = topic_format(out, prefix, kind, 0, NULL);

	out[len - 8] = '+';
	out[len - 7] = '\0';
}

struct kv_watch *kv_watch_new(const struct kv_watch_config *config)
{
	static const enum topic_kind kinds[KV_WATCH_FILTERS] = {TOPIC_EVENT, TOPIC_NODE};
	struct kv_watch *w = xcalloc(1, sizeof(*w));

	w->config = *config;
	if (config->key)
		w->key = key_copy(config->key);
	w->prefix = xmemdup(config->prefix, config->prefix_len);
	for (unsigned i = 0; i < KV_WATCH_FILTERS; i++) {
		filter_of(w->topics[i], config->topic_prefix, kinds[i]);
		w->filters[i] = w->topics[i];
	}
	w->next = NEVER;
	return w;
}

void kv_watch_free(struct kv_watch *w)
{
	if (!w)
		return;
	key_free(&w->key);
	free(w->prefix);
	free(w->owners);
	free(w);
}

const char *const *kv_watch_filters(const struct kv_watch *w)
{
	return w->filters;
}

/* ---- owners ---- */

static struct owner *owner_of(struct kv_watch *w, uint32_t id)
{
	struct owner *o;

	for (size_t i = 0; i < w->owner_count; i++)
		if (w->owners[i].id == id)
			return &w->owners[i];
	if (w->owner_count == OWNERS_MAX) {
		w->owner_count = 0;
		w->gap = true;
	}
	if (w->owner_count == w->owner_room) {
		w->owner_room = w->owner_room ? 2 * w->owner_room : 16;
		w->owners = xrealloc(w->owners, w->owner_room * sizeof(*w->owners));
	}
	o = &w->owners[w->owner_count++];
	*o = (struct owner){.id = id, .state = NODE_STATES};
	return o;
}

/* It is there again: who may not read statuses hears of it by this alone. */
static void begin_stream(struct owner *o, uint64_t stream)
{
	o->stream = stream;
	if (o->state == NODE_GONE || o->state == NODE_LEFT)
		o->state = NODE_STATES;
}

/* Its stream is over, or another begins. */
static void forget_stream(struct owner *o)
{
	o->stream = o->number = o->promised = o->answered = 0;
	o->doubted = false;
}

/* Of one key, others' streams are no matter of ours while we know whose it is. */
static bool concerns(const struct kv_watch *w, const struct owner *o)
{
	return !w->config.key || !kv_watch_whole(w) || (o->answered && o->answered + 1 >= w->round);
}

/* Before the first round was at its end nothing was promised. */
static void note_gap(struct kv_watch *w, bool may_be)
{
	w->gap |= may_be && w->followed;
}

/* ---- asking ---- */

static void begin_round(struct kv_watch *w, uint64_t now)
{
	w->round++;
	w->position = w->key.id;
	w->begun = now;
	w->next = NEVER;
	w->once_more = false;
}

/* As soon as may be: at once, or behind the round that is going on. */
static void ask_soon(struct kv_watch *w)
{
	if (!w->granted)
		return;
	if (w->next == NEVER)
		w->once_more = true;
	else
		w->next = 0;
}

void kv_watch_granted(struct kv_watch *w, uint64_t now)
{
	w->granted = true;
	begin_round(w, now);
}

/* What was told meanwhile is gone. */
void kv_watch_lost(struct kv_watch *w)
{
	note_gap(w, true);
	w->granted = w->whole = false;
	w->stale = w->asked;
	w->next = NEVER;
	w->owner_count = 0;
}

bool kv_watch_ask(struct kv_watch *w, uint64_t now, struct operation *op)
{
	static const uint8_t everything = '*';

	if (!w->granted || w->asked)
		return false;
	if (w->next != NEVER) {
		if (now < w->next)
			return false;
		begin_round(w, now);
	}
	*op = (struct operation){.kind = OPERATION_WATCH, .key = w->key};
	if (!w->config.key) {
		op->key = key_number(w->position);
		op->value = &everything;
		op->value_len = 1;
	}
	w->asked = true;
	return true;
}

uint64_t kv_watch_deadline(const struct kv_watch *w)
{
	if (!w->granted || w->asked)
		return NEVER;
	return w->next == NEVER ? 0 : w->next;
}

/* Who had something and has not answered for it has lost it, one way or another. */
static void end_round(struct kv_watch *w, uint64_t now)
{
	for (size_t i = 0; i < w->owner_count; i++) {
		struct owner *o = &w->owners[i];

		if (!o->doubted)
			continue;
		note_gap(w, concerns(w, o));
		forget_stream(o);
	}
	note_gap(w, now - w->followed >= w->config.lapse);
	w->followed = w->begun ? w->begun : 1;
	w->whole = true;
	w->next = w->once_more ? 0 : w->begun + w->config.again;
}

/* Where the owner's stream stands, beside what we have heard of it. */
static void settle(struct kv_watch *w, uint32_t id, const struct watched_place *place)
{
	struct owner *o = owner_of(w, id);

	if (o->stream && o->stream != place->stream) {
		note_gap(w, concerns(w, o));
		forget_stream(o);
	} else if (o->promised > o->number) {
		note_gap(w, true); /* a whole round ago */
		o->number = o->promised;
	} else if (!o->stream && place->number) {
		note_gap(w, true); /* of that, nothing has come here */
	}
	/* Of what came before there was a watch of ours nothing need have come. */
	if (!o->stream || (!w->followed && place->number > o->number))
		o->number = place->number;
	begin_stream(o, place->stream);
	o->promised = place->number;
	o->answered = w->round;
	o->doubted = false;
}

const char *kv_watch_answer(struct kv_watch *w, uint64_t now, const struct operation_result *result, uint32_t owner,
			    const struct arc *arc)
{
	struct watched_place place;
	bool stale = w->stale;

	w->asked = w->stale = false;
	if (stale || !w->granted)
		return NULL;
	if (!result) {
		note_gap(w, true);
		return "no answer";
	}
	if (result->status != ANSWER_DONE || !result->value ||
	    !watched_take_place(&place, result->value, result->value_len))
		return "an answer that is no place in a stream";
	if (!arc || !ring_contains(*arc, w->config.key ? w->key.id : w->position))
		return "an answer without its arc";
	settle(w, owner, &place);
	if (w->config.key || arc->hi < w->position || arc->hi == UINT32_MAX)
		end_round(w, now);
	else
		w->position = arc->hi + 1;
	return NULL;
}

/* ---- what is told ---- */

static bool wanted(const struct kv_watch *w, const struct key *key)
{
	if (w->config.key)
		return key_equal(key, &w->key);
	return !w->config.prefix_len ||
	       (key->name_len >= w->config.prefix_len && memcmp(key->name, w->prefix, w->config.prefix_len) == 0);
}

/* Is it the next of its stream, or the first that we hear? */
static bool follow(struct kv_watch *w, const struct watched_frame *f)
{
	struct owner *o = owner_of(w, f->owner);

	if (o->stream == f->stream) {
		if (f->number <= o->number)
			return false;
		note_gap(w, f->number != o->number + 1);
		o->number = f->number;
		return true;
	}
	if (o->stream) {
		note_gap(w, concerns(w, o));
		forget_stream(o);
		ask_soon(w);
	} else {
		note_gap(w, f->number != 1 && concerns(w, o));
	}
	begin_stream(o, f->stream);
	o->number = f->number;
	return true;
}

/* Its will, or what others say of it behind that: who has what it had did not get it from its hands. */
static void take_gone(struct kv_watch *w, struct owner *o)
{
	if (o->state == NODE_GONE || o->state == NODE_LEFT)
		return;
	note_gap(w, concerns(w, o));
	o->state = NODE_GONE;
	forget_stream(o);
	ask_soon(w);
}

static const char *take_event(struct kv_watch *w, uint32_t id, const uint8_t *payload, size_t len, size_t *count)
{
	struct watched_frame f;
	const char *why = watched_decode(&f, w->changes, payload, len);

	if (why)
		return why;
	if (f.owner != id)
		return "another's stream";
	if (!f.number)
		take_gone(w, owner_of(w, id));
	else if (!follow(w, &f))
		return "told before";
	for (size_t i = 0; i < f.count; i++)
		if (wanted(w, &w->changes[i].key))
			w->changes[(*count)++] = w->changes[i];
	return NULL;
}

/* It has told all, and given away what it had. */
static void take_left(struct kv_watch *w, struct owner *o)
{
	o->state = NODE_LEFT;
	forget_stream(o);
	ask_soon(w);
}

static const char *take_status(struct kv_watch *w, uint32_t id, const uint8_t *payload, size_t len)
{
	struct owner *o = owner_of(w, id);
	const struct frame *f = &w->frame;
	const char *why = len ? frame_decode(&w->frame, &w->room, payload, len) : NULL;

	if (!why && len && (f->type != FRAME_STATUS || f->from.id != id))
		why = "no status of that node's";
	if (why)
		return why;
	if (!len || f->state == NODE_LEFT) {
		take_left(w, o);
	} else if (f->state == NODE_GONE) {
		take_gone(w, o);
	} else if (f->state != o->state || (f->arc_set && (f->arc.lo != o->arc.lo || f->arc.hi != o->arc.hi))) {
		/* It says so again from time to time; what is new is that its arc may not be whose it was. */
		o->state = f->state;
		o->arc = f->arc;
		o->doubted |= o->stream && f->state != NODE_ACTIVE && f->state != NODE_LEAVING;
		ask_soon(w);
	}
	return NULL;
}

const char *kv_watch_message(struct kv_watch *w, const char *topic, const uint8_t *payload, size_t len,
			     const struct page_entry **changes, size_t *count)
{
	uint32_t id;

	*changes = w->changes;
	*count = 0;
	switch (topic_parse(topic, w->config.topic_prefix, &id)) {
	case TOPIC_EVENT:
		return take_event(w, id, payload, len, count);
	case TOPIC_NODE:
		return take_status(w, id, payload, len);
	default:
		return "another topic";
	}
}

bool kv_watch_whole(const struct kv_watch *w)
{
	return w->whole && w->next != NEVER && w->next != 0;
}

bool kv_watch_gap(struct kv_watch *w)
{
	bool gap = w->gap && kv_watch_whole(w);

	w->gap &= !gap;
	return gap;
}
