/* Writes of clients, two arcs and tight bounds, for the tests of once.c. */
#ifndef ONCE_CHECK_H
#define ONCE_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/core/once.h"

/* Clients 2, rows 8, window 16, silence 1000 ms. */
static const struct once_limits tight = {2, 8, 16, 16, 1000};

static const struct once_arc near = {{99, 199}, {7, 50}}, far = {{199, 299}, {3, 50}};

static const uint8_t *name(unsigned client)
{
	static uint8_t names[8][ONCE_CLIENT];

	names[client % 8][0] = (uint8_t)client;
	names[client % 8][1] = (uint8_t)(client >> 8);
	return names[client % 8];
}

/* A write with the token that its arc had at `counter`; 0: it bears none. */
static inline struct once_write write_of(unsigned client, uint64_t number, uint32_t id, uint64_t counter)
{
	struct once_write w = {.client = name(client), .number = number, .first = 1, .id = id};

	w.bears = counter ? ONCE_BEARS_OURS : ONCE_BEARS_NONE;
	w.token = (struct version){id < 200 ? near.token.number : far.token.number, counter};
	return w;
}

static inline enum once_verdict look(struct once *o, struct once_write w)
{
	struct once_answer answer;

	return once_look(o, &w, w.id < 200 ? &near : &far, &answer);
}

static inline struct once_answer answer_to(struct once_write w)
{
	return (struct once_answer){
		.version = {7, w.number}, .result = -(int64_t)w.number, .status = 3, .has_result = true};
}

static inline void execute(struct once *o, struct once_write w)
{
	struct once_answer answer = answer_to(w);

	assert_int_equal(look(o, w), ONCE_NEW);
	once_done(o, &w, &answer);
}

static inline struct once *serving(const struct once_limits *limits)
{
	struct once *o = once_new(1, limits);

	once_own(o, &(struct once_arc){near.arc, {7, 0}});
	once_own(o, &(struct once_arc){far.arc, {3, 0}});
	return o;
}

static inline void mark(struct once *o, uint64_t now, uint64_t counter)
{
	struct once_arc arcs[] = {near, far};

	arcs[0].token.counter = arcs[1].token.counter = counter;
	assert_true(once_mark_due(o, now));
	once_mark(o, now, arcs, 2);
	assert_false(once_mark_due(o, now));
}

/* All that is known of the arc; the giver goes on knowing it. */
static inline void tell_all(const struct once *giver, struct once *taker, const struct once_arc *here)
{
	struct once_share *s = once_give(giver, here);

	once_take(taker, s);
	once_share_free(s);
}

static inline void assert_version(struct version v, uint64_t number, uint64_t counter)
{
	assert_int_equal(v.number, number);
	assert_int_equal(v.counter, counter);
}

#endif
