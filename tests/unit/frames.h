/* Random frames and their comparison, field by field, for the tests and fuzz targets of frame.c. */
#ifndef DHT_TEST_FRAMES_H
#define DHT_TEST_FRAMES_H

#include <stdbool.h>
#include <string.h>

#include "../../common/frame.h"
#include "random.h"

static inline struct conn frames_conn(struct random *r)
{
	return (struct conn){random_sized(r), (uint32_t)random_below(r, CONN_COUNT_MAX)};
}

static inline struct member frames_member(struct random *r)
{
	return (struct member){(uint32_t)random_sized(r), random_sized(r), frames_conn(r)};
}

static inline void frames_text(struct random *r, char *text, size_t size)
{
	size_t len = random_below(r, size);

	for (size_t i = 0; i < len; i++)
		text[i] = (char)(' ' + random_below(r, 95));
	text[len] = '\0';
}

static inline struct view frames_view(struct random *r)
{
	struct view v = {
		.name = {random_sized(r), (uint32_t)random_sized(r)},
		.base = {random_sized(r), (uint32_t)random_sized(r)},
		.arc = {(uint32_t)random_sized(r), (uint32_t)random_sized(r)},
		.owner = frames_member(r),
	};

	if (random_below(r, 2)) {
		v.backup = frames_member(r);
		v.backup.memory |= 1;
	}
	if (random_below(r, 2)) {
		v.far_base = (struct view_name){random_sized(r), (uint32_t)random_sized(r)};
		v.split = (uint32_t)random_sized(r);
	}
	return v;
}

static inline struct frame_doubt frames_doubt(struct random *r)
{
	struct frame_doubt d = {
		.arc = {(uint32_t)random_sized(r), (uint32_t)random_sized(r)},
		.name = {random_sized(r), (uint32_t)random_sized(r)},
		.waits_known = random_below(r, 2),
		.copy = random_below(r, 2),
	};

	d.waits = d.waits_known ? (uint32_t)random_sized(r) : 0;
	return d;
}

enum { FRAMES_VALUE_MAX = 300 };

static inline struct key frames_key(struct random *r, const uint8_t values[FRAMES_VALUE_MAX])
{
	if (random_below(r, 2))
		return key_named(values, 1 + random_below(r, FRAMES_VALUE_MAX));
	return key_number((uint32_t)random_sized(r));
}

static inline struct frame_record frames_record(struct random *r, const uint8_t values[FRAMES_VALUE_MAX])
{
	struct frame_record record = {
		.key = frames_key(r, values), .number = random_sized(r), .counter = random_sized(r)};

	record.life = random_below(r, 2) ? random_sized(r) : 0;
	record.deleted = random_below(r, 4) == 0;
	if (!record.deleted) {
		record.value = values;
		record.value_len = random_below(r, FRAMES_VALUE_MAX);
		record.sum = random_below(r, 2) ? (uint32_t)random_next(r) : 0;
	}
	return record;
}

/* Some fields of any type of frame.  Records and keys go into room, values are pieces of `values`. */
static inline struct frame frames_random(struct random *r, struct frame_room *room,
					 const uint8_t values[FRAMES_VALUE_MAX])
{
	uint64_t half = random_next(r), with = half & random_next(r);
	struct frame f = {.type = (enum frame_type)(1 + random_below(r, FRAME_TYPES - 1)),
			  .records = room->records,
			  .keys = room->keys};

	f.minor = with & 0x100000 ? (uint32_t)random_sized(r) : 0;
	f.from = with & 1 ? frames_member(r) : f.from;
	f.to = with & 2 ? frames_conn(r) : f.to;
	f.ring = with & 4 ? (struct ring_id){(uint32_t)random_sized(r), random_sized(r)} : f.ring;
	f.attempt = with & 8 ? random_sized(r) : 0;
	f.seq = with & 16 ? random_sized(r) : 0;
	f.count = with & 32 ? random_sized(r) : 0;
	f.hash = with & 64 ? random_sized(r) : 0;
	f.wait = with & 128 ? (uint32_t)random_sized(r) : 0;
	f.reason = (enum frame_reason)random_below(r, FRAME_REASONS);
	f.arc_set = with & 256;
	if (f.arc_set)
		f.arc = (struct arc){(uint32_t)random_sized(r), (uint32_t)random_sized(r)};
	f.flag = with & 512;
	f.state = (enum node_state)random_below(r, NODE_STATES);
	f.since = with & 1024 ? random_sized(r) : 0;
	f.last = with & 0x100000;
	f.full = with & 0x2000000;
	f.bytes = with & 0x2000000 ? random_sized(r) : 0;
	f.limit = with & 0x800000 ? random_sized(r) : 0;
	f.need = with & 0x800000 ? random_sized(r) : 0;
	f.more = with & 0x800000;
	f.epoch = with & 0x200000 ? random_sized(r) : 0;
	f.copies = with & 0x200000 ? (uint32_t)random_sized(r) : 0;
	f.wanted = with & 0x400000 ? (uint32_t)random_sized(r) : 0;
	f.behind = with & 0x400000 ? random_sized(r) : 0;
	f.predecessor = with & 2048 ? (uint32_t)random_sized(r) : 0;
	f.successor = with & 4096 ? (uint32_t)random_sized(r) : 0;
	f.peer = with & 8192 ? frames_conn(r) : f.peer;
	if (with & 0x4000)
		frames_text(r, f.name, sizeof(f.name));
	if (with & 0x8000)
		frames_text(r, f.software, sizeof(f.software));
	if (with & 0x10000)
		frames_text(r, f.reply, sizeof(f.reply));
	f.view_count = with & 0x20000 ? (uint8_t)random_below(r, FRAME_VIEWS_MAX + 1) : 0;
	for (size_t i = 0; i < f.view_count; i++)
		f.views[i] = frames_view(r);
	f.next_count = with & 0x800000 ? (uint8_t)random_below(r, FRAME_NEXT_MAX + 1) : 0;
	for (size_t i = 0; i < f.next_count; i++)
		f.next[i] = frames_member(r);
	f.doubt_count = with & 0x1000000 ? (uint8_t)random_below(r, FRAME_DOUBTS_MAX + 1) : 0;
	for (size_t i = 0; i < f.doubt_count; i++)
		f.doubts[i] = frames_doubt(r);
	f.check_count = with & 0x4000000 ? (uint8_t)random_below(r, FRAME_CHECKS_MAX + 1) : 0;
	for (size_t i = 0; i < f.check_count; i++)
		f.checks[i] = (struct frame_check){
			{(uint32_t)random_sized(r), (uint32_t)random_sized(r)}, random_sized(r), random_sized(r)};
	f.checked = with & 0x8000000 ? random_sized(r) : 0;
	f.differ_count = with & 0x8000000 ? (uint8_t)random_below(r, FRAME_CHECKS_MAX + 1) : 0;
	for (size_t i = 0; i < f.differ_count; i++)
		f.differs[i] = (struct arc){(uint32_t)random_sized(r), (uint32_t)random_sized(r)};
	f.anew = with & 0x10000000;
	f.scrub_count = with & 0x20000000 ? (uint8_t)random_below(r, SCRUB_NUMBERS + 1) : 0;
	for (size_t i = 0; i < f.scrub_count; i++)
		f.scrub[i] = random_sized(r);
	f.record_count = with & 0x40000 ? random_below(r, random_below(r, 8) ? 5 : FRAME_RECORDS_MAX + 1) : 0;
	for (size_t i = 0; i < f.record_count; i++)
		f.records[i] = frames_record(r, values);
	f.key_count = with & 0x80000 ? random_below(r, random_below(r, 8) ? 5 : FRAME_KEYS_MAX + 1) : 0;
	for (size_t i = 0; i < f.key_count; i++)
		f.keys[i] = frames_key(r, values);
	return f;
}

static inline bool frames_same_member(const struct member *a, const struct member *b)
{
	return member_same(a, b) && conn_equal(&a->conn, &b->conn);
}

static inline bool frames_same_view_name(const struct view_name *a, const struct view_name *b)
{
	return a->number == b->number && a->maker == b->maker;
}

static inline bool frames_same_view(const struct view *a, const struct view *b)
{
	return frames_same_view_name(&a->name, &b->name) && frames_same_view_name(&a->base, &b->base) &&
	       frames_same_view_name(&a->far_base, &b->far_base) && a->split == b->split && a->arc.lo == b->arc.lo &&
	       a->arc.hi == b->arc.hi && frames_same_member(&a->owner, &b->owner) &&
	       frames_same_member(&a->backup, &b->backup);
}

static inline bool frames_same_doubt(const struct frame_doubt *a, const struct frame_doubt *b)
{
	return a->arc.lo == b->arc.lo && a->arc.hi == b->arc.hi && frames_same_view_name(&a->name, &b->name) &&
	       a->waits_known == b->waits_known && a->waits == b->waits && a->copy == b->copy;
}

static inline bool frames_same_arc(const struct arc *a, const struct arc *b)
{
	return a->lo == b->lo && a->hi == b->hi;
}

static inline bool frames_same_record(const struct frame_record *a, const struct frame_record *b)
{
	return key_equal(&a->key, &b->key) && a->number == b->number && a->counter == b->counter &&
	       a->life == b->life && a->deleted == b->deleted && a->sum == b->sum && a->value_len == b->value_len &&
	       (a->value_len == 0 || memcmp(a->value, b->value, a->value_len) == 0);
}

/* NULL if they are the same, else the field in which they differ. */
static inline const char *frames_difference(const struct frame *a, const struct frame *b)
{
#define DIFFER(field)             \
	if (a->field != b->field) \
	return #field
	DIFFER(type);
	DIFFER(minor);
	DIFFER(ring.term);
	DIFFER(ring.nonce);
	DIFFER(attempt);
	DIFFER(seq);
	DIFFER(count);
	DIFFER(hash);
	DIFFER(wait);
	DIFFER(reason);
	DIFFER(arc_set);
	DIFFER(arc.lo);
	DIFFER(arc.hi);
	DIFFER(flag);
	DIFFER(state);
	DIFFER(since);
	DIFFER(last);
	DIFFER(more);
	DIFFER(full);
	DIFFER(epoch);
	DIFFER(copies);
	DIFFER(wanted);
	DIFFER(behind);
	DIFFER(bytes);
	DIFFER(limit);
	DIFFER(need);
	DIFFER(predecessor);
	DIFFER(successor);
	DIFFER(view_count);
	DIFFER(next_count);
	DIFFER(check_count);
	DIFFER(checked);
	DIFFER(differ_count);
	DIFFER(anew);
	DIFFER(scrub_count);
	DIFFER(doubt_count);
	DIFFER(record_count);
	DIFFER(key_count);
#undef DIFFER
	if (!frames_same_member(&a->from, &b->from))
		return "from";
	if (!conn_equal(&a->to, &b->to))
		return "to";
	if (!conn_equal(&a->peer, &b->peer))
		return "peer";
	if (strcmp(a->name, b->name) != 0)
		return "name";
	if (strcmp(a->software, b->software) != 0)
		return "software";
	if (strcmp(a->reply, b->reply) != 0)
		return "reply";
	for (size_t i = 0; i < a->view_count; i++) {
		if (!frames_same_view(&a->views[i], &b->views[i]))
			return "views";
	}
	for (size_t i = 0; i < a->next_count; i++) {
		if (!frames_same_member(&a->next[i], &b->next[i]))
			return "next";
	}
	for (size_t i = 0; i < a->doubt_count; i++) {
		if (!frames_same_doubt(&a->doubts[i], &b->doubts[i]))
			return "doubts";
	}
	for (size_t i = 0; i < a->check_count; i++) {
		if (!frames_same_arc(&a->checks[i].arc, &b->checks[i].arc) ||
		    a->checks[i].count != b->checks[i].count || a->checks[i].hash != b->checks[i].hash)
			return "checks";
	}
	for (size_t i = 0; i < a->differ_count; i++) {
		if (!frames_same_arc(&a->differs[i], &b->differs[i]))
			return "differs";
	}
	for (size_t i = 0; i < a->scrub_count; i++) {
		if (a->scrub[i] != b->scrub[i])
			return "scrub";
	}
	for (size_t i = 0; i < a->record_count; i++) {
		if (!frames_same_record(&a->records[i], &b->records[i]))
			return "records";
	}
	for (size_t i = 0; i < a->key_count; i++) {
		if (!key_equal(&a->keys[i], &b->keys[i]))
			return "keys";
	}
	return NULL;
}

/* NULL if a decoded frame is within every bound that frame.h promises, else what is not. */
static inline const char *frames_out_of_bounds(const struct frame *f, const uint8_t *bytes, size_t len)
{
	if (f->type == FRAME_NONE || f->type >= FRAME_TYPES)
		return "type";
	if ((unsigned)f->reason >= FRAME_REASONS || (unsigned)f->state >= NODE_STATES)
		return "reason or state";
	if (f->from.conn.count >= CONN_COUNT_MAX || f->to.count >= CONN_COUNT_MAX || f->peer.count >= CONN_COUNT_MAX)
		return "a connection's counter";
	if (!memchr(f->name, '\0', sizeof(f->name)) || !memchr(f->software, '\0', sizeof(f->software)) ||
	    !memchr(f->reply, '\0', sizeof(f->reply)))
		return "a text";
	if (f->view_count > FRAME_VIEWS_MAX || f->doubt_count > FRAME_DOUBTS_MAX || f->next_count > FRAME_NEXT_MAX ||
	    f->check_count > FRAME_CHECKS_MAX || f->differ_count > FRAME_CHECKS_MAX || f->scrub_count > SCRUB_NUMBERS ||
	    f->record_count > FRAME_RECORDS_MAX || f->key_count > FRAME_KEYS_MAX)
		return "a count";
	for (size_t i = 0; i < f->view_count; i++) {
		if (f->views[i].owner.conn.count >= CONN_COUNT_MAX || f->views[i].backup.conn.count >= CONN_COUNT_MAX)
			return "a member's counter";
	}
	for (size_t i = 0; i < f->next_count; i++) {
		if (f->next[i].conn.count >= CONN_COUNT_MAX)
			return "a next member's counter";
	}
	for (size_t i = 0; i < f->record_count; i++) {
		const struct frame_record *r = &f->records[i];

		if (r->deleted ? r->value_len
			       : r->value < bytes || r->value_len > FRAME_VALUE_MAX ||
					 r->value + r->value_len > bytes + len)
			return "a value";
	}
	return NULL;
}

#endif
