/* A client's half of section 11 (common/kv.h), driven by hand. */
#ifndef KV_FIXTURE_H
#define KV_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "../../common/kv.h"

#define BEGIN 10000 /* ms: the clock has run before */
#define FOREVER 1000000
#define REPLY "to/000102030405060708090a0b0c0d0e0f"
#define WHOLE ((struct arc){7, 7})
#define TOKEN(counter) ((struct operation_token){5, (counter), 99})
#define RESULTS_MAX 16

struct sent {
	char topic[TOPIC_MAX];
	struct operation_request rq;
	struct operation_room room;
	uint8_t *bytes;
};

struct ended {
	uint64_t number;
	enum kv_outcome outcome;
	struct operation_result result;
	char value[32];
};

struct scene {
	struct kv_config config;
	struct kv *kv;
	uint64_t now, deadline;
	unsigned subscribed;
	struct sent *sent[200]; /* since the last look */
	size_t sent_count;
	struct ended ended[KV_OPEN_MAX];
	size_t ended_count;
};

/* A test of the scene *state: connected and subscribed. */
#define SCENE_TEST(f) cmocka_unit_test_setup_teardown(f, scene_setup, scene_teardown)
int scene_setup(void **state);
int scene_teardown(void **state);

/* What has gone out and ended so far is not looked at any more. */
void scene_forget(struct scene *s);

/* So many ms later. */
void scene_tick(struct scene *s, uint64_t by);
void scene_connected(struct scene *s);
void scene_subscribed(struct scene *s);

/* One more operation, with its number; it goes out with the next tick. */
uint64_t scene_begin(struct scene *s, enum operation_kind kind, uint32_t id);
uint64_t scene_get(struct scene *s, uint32_t id);

/* One answer, from the owner 7 of that arc, and of everything. */
void scene_answer_from(struct scene *s, struct arc arc, struct operation_token token, uint64_t number,
		       struct operation_result r);
void scene_answer(struct scene *s, struct operation_token token, uint64_t number, enum operation_status status);

/* That many frames have gone out, and this is one of them. */
const struct sent *scene_sent(const struct scene *s, size_t count, size_t i);

void scene_expect_end(const struct scene *s, uint64_t number, enum kv_outcome outcome);

/* It knows that 7 owns everything, and its token. */
void scene_learn(struct scene *s, uint64_t counter);

#endif
