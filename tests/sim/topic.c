/* Topics: by name, and who has subscribed to each. */
#include <string.h>

#include "../../common/mem.h"
#include "sim.h"

/* The slot of a name: its own, or the free one where it belongs. */
static size_t topic_slot(const struct world *w, const char *name)
{
	size_t mask = w->topic_slots - 1, slot = hash_bytes(name, strlen(name)) & mask;

	while (w->topic_index[slot] && strcmp(w->topics[w->topic_index[slot] - 1].name, name) != 0)
		slot = (slot + 1) & mask;
	return slot;
}

static void topic_index_grow(struct world *w)
{
	if (w->topic_count * 2 < w->topic_slots)
		return;
	free(w->topic_index);
	w->topic_slots = w->topic_slots ? w->topic_slots * 2 : 256;
	w->topic_index = xcalloc(w->topic_slots, sizeof(*w->topic_index));
	for (uint32_t i = 0; i < w->topic_count; i++)
		w->topic_index[topic_slot(w, w->topics[i].name)] = i + 1;
}

/* The filters of a cell are many, and known: nobody is to look through all of them at each message. */
static void above(struct world *w, uint32_t topic)
{
	uint32_t up[CELL_DIGITS];

	for (unsigned depth = 0; depth < CELL_DIGITS; depth++) {
		unsigned shift = 4 * (CELL_DIGITS - depth);
		struct cell cell = {(uint16_t)(w->topics[topic].id >> 16 >> shift << shift), (uint8_t)depth};
		char name[TOPIC_MAX];

		topic_format_cell_filter(name, "", cell);
		up[depth] = topic_intern(w, name);
	}
	memcpy(w->topics[topic].up, up, sizeof(up));
}

/* What only clients with a name at the broker ask on: here they have none, and nobody is to look there at each message. */
static bool of_users(const char *filter)
{
	size_t len = strlen(filter);

	return len > 2 && strcmp(filter + len - 2, "/+") == 0 &&
	       (strncmp(filter, "ask/", 4) == 0 || strncmp(filter, "op/", 3) == 0);
}

uint32_t topic_intern(struct world *w, const char *name)
{
	struct sim_topic *t;
	struct cell cell;
	size_t slot;

	topic_index_grow(w);
	slot = topic_slot(w, name);
	if (w->topic_index[slot])
		return w->topic_index[slot] - 1;
	w->topics = sim_grow(w->topics, w->topic_count, &w->topic_room, sizeof(*w->topics));
	t = &w->topics[w->topic_count];
	*t = (struct sim_topic){.name = xstrdup(name), .wildcard = strpbrk(name, "+#") != NULL};
	t->kind = topic_parse(name, "", &t->id);
	w->topic_index[slot] = (uint32_t)++w->topic_count;
	slot = w->topic_count - 1;
	t->cells = t->kind == TOPIC_CELL || topic_parse_cell_filter(name, "", &cell) || of_users(name);
	if (t->kind == TOPIC_CELL) {
		above(w, (uint32_t)slot);
	} else if (t->wildcard && !t->cells) {
		w->wild = sim_grow(w->wild, w->wild_count, &w->wild_room, sizeof(*w->wild));
		w->wild[w->wild_count++] = (uint32_t)slot;
	}
	return (uint32_t)slot;
}

uint32_t topic_of(struct world *w, enum topic_kind kind, uint32_t id)
{
	char name[TOPIC_MAX];

	topic_format(name, "", kind, id, "");
	return topic_intern(w, name);
}

/* MQTT 3.1.1, 4.7: + is one level, # the rest, or nothing. */
bool topic_matches(const char *filter, const char *topic)
{
	for (;;) {
		size_t f = strcspn(filter, "/"), t = strcspn(topic, "/");

		if (filter[0] == '#')
			return true;
		if (!(f == 1 && filter[0] == '+') && (f != t || memcmp(filter, topic, f) != 0))
			return false;
		filter += f;
		topic += t;
		if (!*topic)
			return !*filter || strcmp(filter, "/#") == 0;
		if (!*filter)
			return false;
		filter++;
		topic++;
	}
}

bool topic_has(const struct sim_topic *t, uint32_t link)
{
	for (size_t i = 0; i < t->link_count; i++) {
		if (t->links[i] == link)
			return true;
	}
	return false;
}

void topic_subscribe(struct world *w, uint32_t link, uint32_t topic)
{
	struct sim_topic *t = &w->topics[topic];
	struct link *l = &w->links[link];

	if (topic_has(t, link))
		return;
	t->links = sim_grow(t->links, t->link_count, &t->link_room, sizeof(*t->links));
	t->links[t->link_count++] = link;
	l->topics = sim_grow(l->topics, l->topic_count, &l->topic_room, sizeof(*l->topics));
	l->topics[l->topic_count++] = topic;
}

void topic_unsubscribe(struct world *w, uint32_t link, uint32_t topic)
{
	struct sim_topic *t = &w->topics[topic];

	for (size_t i = 0; i < t->link_count; i++) {
		if (t->links[i] == link) {
			memmove(&t->links[i], &t->links[i + 1], (t->link_count - i - 1) * sizeof(*t->links));
			t->link_count--;
			return;
		}
	}
}

void topics_free(struct world *w)
{
	for (size_t i = 0; i < w->topic_count; i++) {
		free(w->topics[i].name);
		free(w->topics[i].links);
		packet_unref(w->topics[i].retained);
		packet_unref(w->topics[i].retained_old);
	}
	free(w->topics);
	free(w->topic_index);
	free(w->wild);
}
