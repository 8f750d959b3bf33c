/* A watch, and the owners that it asks, played. */
#ifndef WATCH_FIXTURE_H
#define WATCH_FIXTURE_H

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

struct key play_key(const char *text);

/* The play begins: p is to be ended by kv_watch_free(p->w). */
void play_open(struct play *p, const struct key *key, const char *prefix);

/* The connection is there, and all is watched once. */
void play_begin(struct play *p);

/* Answers one question; false: there is none. */
bool play_answer(struct play *p);

/* Until nothing is to be asked now: how many questions that were. */
unsigned play_answers(struct play *p);

/* Has there been a gap, as it is told once all is watched again? */
bool play_gap(struct play *p);

/* That owner's frame with this number: how many changes of it are wanted; -1: dropped.  key NULL:
 * without changes. */
int play_frame(struct play *p, unsigned player, uint64_t number, const char *key);

/* ... with its next number. */
int play_tell(struct play *p, unsigned player, const char *key);

/* A status in that player's name, and the end of it. */
void play_status(struct play *p, unsigned player, enum node_state state);
void play_clear(struct play *p, unsigned player);

/* Each story with a play of its own, of everything. */
#define STORY(title)                              \
	static void title##_play(struct play *p); \
	static void title(void **state)           \
	{                                         \
		struct play p;                    \
		(void)state;                      \
		play_open(&p, NULL, "");          \
		play_begin(&p);                   \
		title##_play(&p);                 \
		kv_watch_free(p.w);               \
	}                                         \
	static void title##_play(struct play *p)

#endif
