#include "kv-list.h"

#include <stdlib.h>

#include "mem.h"

struct kv_list {
	bool values, over;
	struct key at; /* a number: with all of that id; a name, which is ours: behind it */
	uint8_t *prefix;
	size_t prefix_len;
	struct page_entry entries[PAGE_ENTRIES];
};

struct kv_list *kv_list_new(bool values, const uint8_t *prefix, size_t prefix_len)
{
	struct kv_list *l = xcalloc(1, sizeof(*l));

	l->values = values;
	l->prefix = xmemdup(prefix, prefix_len);
	l->prefix_len = prefix_len;
	return l;
}

void kv_list_free(struct kv_list *l)
{
	if (!l)
		return;
	key_free(&l->at);
	free(l->prefix);
	free(l);
}

bool kv_list_ask(const struct kv_list *l, struct operation *op)
{
	*op = (struct operation){.kind = l->values ? OPERATION_DUMP : OPERATION_LIST,
				 .key = l->at,
				 .value = l->prefix,
				 .value_len = l->prefix_len};
	return !l->over;
}

/* Is a key behind a position, so that a page from there on may hold it? */
static bool behind(const struct key *position, const struct key *key)
{
	return position->name_len ? page_before(position, key) : key->id >= position->id;
}

/* Does a position lie behind another?  What stays in its place would be asked for without end. */
static bool further(const struct key *position, const struct key *next)
{
	return next->name_len ? behind(position, next) : next->id > position->id;
}

/* Could it be skipped, or come again, with that as the next position? */
static bool settled(const struct key *last, const struct key *next)
{
	return next->name_len ? !page_before(next, last) : next->id > last->id;
}

static const char *judge(const struct kv_list *l, size_t count, const struct page_next *next, const struct arc *arc)
{
	const struct key *last = &l->at;

	for (size_t i = 0; i < count; i++) {
		const struct key *key = &l->entries[i].key;

		if (i ? !page_before(last, key) : !behind(&l->at, key))
			return "a page out of order";
		if (l->values && !l->entries[i].value && !l->entries[i].damaged)
			return "a page without values";
		last = key;
	}
	if (next->end)
		return arc && ring_contains(*arc, l->at.id) ? NULL : "the end of a page without its arc";
	return further(&l->at, &next->key) && (!count || settled(last, &next->key)) ? NULL : "a page that leads back";
}

/* Listings go upwards: an arc that goes on through 0 is the last, up to there, and was the first. */
static void go_on(struct kv_list *l, const struct page_next *next, const struct arc *arc)
{
	uint32_t id = l->at.id;
	struct key to = next->end ? key_number(arc->hi + 1) : key_copy(&next->key);

	l->over = next->end && (arc->hi < id || arc->hi == UINT32_MAX);
	key_free(&l->at);
	l->at = to;
}

const char *kv_list_take(struct kv_list *l, const struct operation_result *result, const struct arc *arc,
			 const struct page_entry **entries, size_t *count)
{
	struct page_next next;
	const char *why = "an answer that is no page";

	*entries = l->entries;
	*count = 0;
	if (result->status == ANSWER_DONE && result->value)
		why = page_decode(l->entries, count, &next, result->value, result->value_len);
	if (!why)
		why = judge(l, *count, &next, arc);
	if (why)
		*count = 0;
	else
		go_on(l, &next, arc);
	return why;
}
