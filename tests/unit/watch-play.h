/* A ring that is only played, for those who watch it: four owners, what they answer and tell.  Of test-kv-watch.c. */
#ifndef DHT_TEST_WATCH_PLAY_H
#define DHT_TEST_WATCH_PLAY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../common/frame.h"
#include "../../common/kv-watch.h"

#define PLAYERS 4

/* An owner of the ids from behind the one before it up to its own. */
struct player {
	uint32_t id;
	bool there;
	uint64_t stream, number;
};

struct play {
	struct kv_watch *w;
	uint64_t now;
	struct player players[PLAYERS]; /* ascending; the last has the last id */
	unsigned asked;
};

static inline struct key name(const char *text)
{
	return key_named((const uint8_t *)text, strlen(text));
}

static inline void open_play(struct play *p, const struct key *key, const char *prefix)
{
	static const uint32_t ids[PLAYERS] = {1u << 30, 2u << 30, 3u << 30, UINT32_MAX};
	struct kv_watch_config config;

	kv_watch_config_init(&config);
	config.key = key;
	config.prefix = (const uint8_t *)prefix;
	config.prefix_len = strlen(prefix);
	*p = (struct play){.w = kv_watch_new(&config), .now = 1000};
	for (unsigned i = 0; i < PLAYERS; i++)
		p->players[i] = (struct player){ids[i], true, 100 + i, 5}; /* others have watched before us */
}

static inline struct player *owner_of(struct play *p, uint32_t id, struct arc *arc)
{
	unsigned i = 0, before;

	while (i < PLAYERS && (!p->players[i].there || p->players[i].id < id))
		i++;
	for (i %= PLAYERS; !p->players[i].there;)
		i++; /* through 0 */
	for (before = (i + PLAYERS - 1) % PLAYERS; !p->players[before].there;)
		before = (before + PLAYERS - 1) % PLAYERS;
	*arc = (struct arc){p->players[before].id, p->players[i].id};
	return &p->players[i];
}

/* Answers one question; false: there is none. */
static inline bool answer(struct play *p)
{
	struct operation_result result = {.status = ANSWER_DONE};
	uint8_t place[WATCHED_PLACE_MAX];
	struct operation op;
	struct player *o;
	struct arc arc;

	if (!kv_watch_ask(p->w, p->now, &op))
		return false;
	p->asked++;
	assert_int_equal(op.kind, OPERATION_WATCH);
	o = owner_of(p, op.key.id, &arc);
	result.value_len = watched_put_place(place, &(struct watched_place){o->stream, o->number});
	result.value = place;
	assert_null(kv_watch_answer(p->w, p->now, &result, o->id, &arc));
	return true;
}

/* Until nothing is to be asked now: how many questions that were. */
static inline unsigned answers(struct play *p)
{
	p->asked = 0;
	while (answer(p))
		;
	return p->asked;
}

/* Has there been a gap, as it is told once all is watched again? */
static inline bool gap(struct play *p)
{
	bool told;

	(void)answers(p);
	assert_true(kv_watch_whole(p->w));
	told = kv_watch_gap(p->w);
	assert_false(kv_watch_gap(p->w));
	return told;
}

static inline void begin(struct play *p)
{
	kv_watch_granted(p->w, p->now);
	(void)answers(p);
	assert_true(kv_watch_whole(p->w));
	assert_false(kv_watch_gap(p->w));
}

/* That owner's frame with this number: how many changes of it are wanted; -1: dropped. */
static inline int frame(struct play *p, unsigned player, uint64_t number, const char *key)
{
	const struct player *o = &p->players[player];
	struct page_entry change = {.key = name(key), .value = (const uint8_t *)"v", .value_len = 1};
	struct watched_frame f = {
		.owner = o->id, .stream = o->stream, .number = number, .changes = &change, .count = 1};
	const struct page_entry *changes;
	char topic[TOPIC_MAX];
	const char *why;
	size_t len, count;
	uint8_t *bytes = watched_encode(&f, &len);

	topic_format(topic, "", TOPIC_EVENT, o->id, NULL);
	why = kv_watch_message(p->w, topic, bytes, len, &changes, &count);
	if (count)
		assert_true(key_equal(&changes[0].key, &change.key));
	free(bytes);
	return why ? -1 : (int)count;
}

static inline int tell(struct play *p, unsigned player, const char *key)
{
	return frame(p, player, ++p->players[player].number, key);
}

static inline void status(struct play *p, unsigned player, enum node_state state)
{
	struct frame f = {.type = FRAME_STATUS, .from = {.id = p->players[player].id, .memory = 1}, .state = state};
	const struct page_entry *changes;
	char topic[TOPIC_MAX];
	size_t len, count;
	uint8_t *bytes = frame_encode(&f, &len);

	topic_format(topic, "", TOPIC_NODE, f.from.id, NULL);
	assert_null(kv_watch_message(p->w, topic, bytes, len, &changes, &count));
	assert_int_equal(count, 0);
	free(bytes);
}

static inline void clear(struct play *p, unsigned player)
{
	const struct page_entry *changes;
	char topic[TOPIC_MAX];
	size_t count;

	topic_format(topic, "", TOPIC_NODE, p->players[player].id, NULL);
	assert_null(kv_watch_message(p->w, topic, (const uint8_t *)"", 0, &changes, &count));
}

#endif
