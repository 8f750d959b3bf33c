/* Rings whose records have two copies, and the frames by which they get there. */
#ifndef COPIES_FIXTURE_H
#define COPIES_FIXTURE_H

#include "routed-fixture.h"

/* In the order in which they are added, so these are their indices too: ID is 1's, and kept by 2. */
static const uint32_t copies_ids[] = {LOW, MOVING, HIGH};

#define PLAYED 0xc0000000u /* in the arc of 0, of which 2 knows nothing */

/* These nodes, each arc with its backup, and time for what was on its way. */
static inline struct core *copies_of(void **state, const uint32_t *ids, int count)
{
	struct core *c = *state;

	c->config.replicas = 2;
	for (int i = 0; i < count; i++)
		core_add(c, ids[i]);
	core_whole(c, count, 20000);
	core_run(c, 3000);
	return c;
}

/* The first `count` of those above. */
static inline struct core *copies_ring(void **state, int count)
{
	return copies_of(state, copies_ids, count);
}

/* Without the one between them, MOVING, which is to come. */
static inline struct core *copies_pair(void **state)
{
	return copies_of(state, (const uint32_t[]){LOW, HIGH}, 2);
}

/* Does it have a record, or a tombstone, as an owner or as a keeper? */
static inline bool copies_has(const struct core *c, int n, uint32_t id)
{
	struct key key = key_number(id);
	struct version v;

	return c->nodes[n].node && node_version(c->nodes[n].node, &key, &v);
}

/* Who has all of the arc in which `owner` owns the id, by its view; -1: nobody. */
static inline int copies_keeper(const struct core *c, int owner, uint32_t id)
{
	struct member m;
	bool lost;

	if (!c->nodes[owner].node || !node_get_backup(c->nodes[owner].node, id, &m, &lost) || lost)
		return -1;
	for (int n = 0; n < c->count; n++)
		if (c->nodes[n].node && c->nodes[n].node->self.memory == m.memory)
			return n;
	return -1;
}

/* So much time, in which each such frame for that node is lost. */
static inline void copies_deaf(struct core *c, enum frame_type type, int to, uint64_t ms)
{
	uint64_t end = c->now + ms;

	for (;;) {
		const struct core_delivery *d = core_next(c);

		if (d && d->frame == type && d->to == to)
			core_drop(c);
		else if (!core_advance(c, end))
			return;
	}
}

/* The frame of that line; good until the next. */
static inline const struct frame *copies_read(const struct core *c, size_t line)
{
	static struct frame_room room;
	static struct frame f;

	assert_null(frame_decode(&f, &room, (const uint8_t *)c->lines[line].payload, c->lines[line].len));
	return &f;
}

static inline const char *copies_inbox(const struct core *c, int n)
{
	static char topic[TOPIC_MAX];

	topic_format(topic, "", TOPIC_INBOX, c->nodes[n].id, NULL);
	return topic;
}

/* The last such frame between the two, behind that line; NULL: none. */
static inline const struct frame *copies_last(const struct core *c, size_t since, enum frame_type type, int from,
					      int to)
{
	for (size_t i = c->line_count; i-- > since;)
		if (c->lines[i].frame == type && c->lines[i].from == from &&
		    !strcmp(c->lines[i].topic, copies_inbox(c, to)))
			return copies_read(c, i);
	return NULL;
}

static inline unsigned copies_count(const struct core *c, size_t since, enum frame_type type, int from, int to)
{
	unsigned count = 0;

	for (size_t i = since; i < c->line_count; i++)
		count += c->lines[i].frame == type && c->lines[i].from == from &&
			 !strcmp(c->lines[i].topic, copies_inbox(c, to));
	return count;
}

/* A frame as that node would begin it. */
static inline struct frame copies_frame(const struct core *c, int from, enum frame_type type)
{
	const struct node *n = c->nodes[from].node;

	return (struct frame){.type = type, .minor = FRAME_MINOR, .from = n->self, .ring = node_get_ring(n)};
}

/* ... and said to that one, by whomever. */
static inline void copies_say(struct core *c, const struct frame *f, int to)
{
	size_t len;
	uint8_t *bytes = frame_encode(f, &len);

	core_publish_bytes(c, copies_inbox(c, to), bytes, len);
	free(bytes);
}

/* ---- an owner that is played, and kept by 2 ---- */

static inline struct frame played_frame(const struct core *c, unsigned owner, enum frame_type type)
{
	struct frame f = copies_frame(c, 2, type);

	f.from = (struct member){PLAYED + owner * 0x1000, 0x77000 + owner, {0x78000 + owner, 1}};
	return f;
}

static inline struct arc played_arc(unsigned owner)
{
	return (struct arc){PLAYED + owner * 0x1000 - 0x1000, PLAYED + owner * 0x1000};
}

static inline struct frame played_copy(const struct core *c, unsigned owner, uint64_t attempt, uint64_t seq)
{
	struct frame f = played_frame(c, owner, FRAME_COPY);

	f.attempt = attempt;
	f.seq = seq;
	f.hash = c->nodes[2].node->self.memory;
	f.epoch = c->nodes[2].node->number + 1;
	return f;
}

/* The last COPIED to it; NULL: none. */
static inline const struct frame *played_told(const struct core *c, size_t since, unsigned owner)
{
	char topic[TOPIC_MAX];

	topic_format(topic, "", TOPIC_INBOX, PLAYED + owner * 0x1000, NULL);
	for (size_t i = c->line_count; i-- > since;)
		if (c->lines[i].frame == FRAME_COPIED && !strcmp(c->lines[i].topic, topic))
			return copies_read(c, i);
	return NULL;
}

static inline void copies_say_record(struct core *c, struct frame f, int to, uint32_t id)
{
	struct frame_record r = {.key = key_number(id), .number = 1, .counter = 1, .value = (const uint8_t *)"said"};

	r.value_len = 4;
	f.records = &r;
	f.record_count = 1;
	copies_say(c, &f, to);
	core_deliver_all(c);
}

/* All of its arc, which is one record at its end. */
static inline void played_fill(struct core *c, unsigned owner, uint64_t attempt)
{
	struct frame f = played_copy(c, owner, attempt, 1);

	f.arc = played_arc(owner);
	f.arc_set = true;
	copies_say(c, &f, 2);
	copies_say_record(c, played_copy(c, owner, attempt, 2), 2, f.arc.hi);
}

/* Its view, in which 2 is the backup. */
static inline struct frame played_store(const struct core *c, unsigned owner)
{
	struct frame f = played_frame(c, owner, FRAME_STORE);
	uint64_t number = c->nodes[2].node->number + 2;

	f.views[0] = (struct view){.name = {number, (uint32_t)f.from.memory}, .base = {number - 1, 0}};
	f.views[0].arc = played_arc(owner);
	f.views[0].owner = f.from;
	f.views[0].backup = c->nodes[2].node->self;
	f.view_count = 1;
	return f;
}

#endif
