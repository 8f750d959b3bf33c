#include "watch-fixture.h"

struct key play_key(const char *text)
{
	return key_named((const uint8_t *)text, strlen(text));
}

void play_open(struct play *p, const struct key *key, const char *prefix)
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

static struct player *owner_of(struct play *p, uint32_t id, struct arc *arc)
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

bool play_answer(struct play *p)
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

unsigned play_answers(struct play *p)
{
	p->asked = 0;
	while (play_answer(p))
		;
	return p->asked;
}

bool play_gap(struct play *p)
{
	bool told;

	(void)play_answers(p);
	assert_true(kv_watch_whole(p->w));
	told = kv_watch_gap(p->w);
	assert_false(kv_watch_gap(p->w));
	return told;
}

void play_begin(struct play *p)
{
	kv_watch_granted(p->w, p->now);
	(void)play_answers(p);
	assert_true(kv_watch_whole(p->w));
	assert_false(kv_watch_gap(p->w));
}

int play_frame(struct play *p, unsigned player, uint64_t number, const char *key)
{
	const struct player *o = &p->players[player];
	struct page_entry change = {.key = play_key(key ? key : "a"), .value = (const uint8_t *)"v", .value_len = 1};
	struct watched_frame f = {
		.owner = o->id, .stream = o->stream, .number = number, .changes = &change, .count = key != NULL};
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

int play_tell(struct play *p, unsigned player, const char *key)
{
	return play_frame(p, player, ++p->players[player].number, key);
}

void play_status(struct play *p, unsigned player, enum node_state state)
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

void play_clear(struct play *p, unsigned player)
{
	const struct page_entry *changes;
	char topic[TOPIC_MAX];
	size_t count;

	topic_format(topic, "", TOPIC_NODE, p->players[player].id, NULL);
	assert_null(kv_watch_message(p->w, topic, (const uint8_t *)"", 0, &changes, &count));
}
