/* Clients that send each write again and again to a ring that changes all the time, against a model that remembers every
 * write for ever: none is executed twice, and what is known is answered as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../common/mem.h"
#include "once-ring.h"

#define CLIENTS 8 /* at a time */
#define LIFE 40   /* writes of a client */
#define TOLD 4    /* tokens that a client remembers */
#define FLYING 48 /* copies of requests on their way */
#define STEPS 6000
#define ROUNDS 150

struct profile {
	const char *name;
	struct once_limits limits;
	bool deaths, careless; /* once-ring.h */
	bool forgets;          /* there are too many clients or rows */
	bool crowded;          /* and often more than twice that behind handovers */
};

static const struct profile profiles[] = {
	{"roomy", {4096, 65536, 8, 64, 100}, false, false, false, false},
	{"roomy, deaths", {4096, 65536, 8, 64, 100}, true, false, false, false},
	{"few clients", {4, 64, 8, 64, 100}, false, false, true, false},
	{"few rows", {16, 12, 8, 64, 100}, false, false, true, false},
	{"few of both, deaths", {2, 8, 8, 64, 100}, true, false, true, true},
	{"few pieces, careless, deaths", {2, 8, 8, 2, 100}, true, true, true, true},
};

struct token {
	struct arc arc;
	struct version version;
	uint64_t when;
	unsigned losses; /* that there had been */
};

struct client;

struct write {
	struct client *client;
	uint64_t number;
	uint64_t first; /* when it was new */
	uint32_t id;
	bool bears, executed, answered;
	struct token token;
	struct once_answer answer;
};

struct client {
	uint8_t name[ONCE_CLIENT];
	uint64_t first, next;
	struct write writes[LIFE + 1]; /* by number */
	struct token told[TOLD];
	struct client *before;
};

struct copy {
	struct write *write;
	uint64_t first;
	bool bears;
	struct token token;
};

struct world {
	struct ring ring;
	const struct profile *profile;
	struct client *clients[CLIENTS], *all;
	struct copy flying[FLYING];
	unsigned flying_count, names;
	uint64_t verdicts[ONCE_FULL + 1], forgotten;
};

static uint64_t below(struct world *w, uint64_t n)
{
	return ring_random(&w->ring, n);
}

static struct client *fresh_client(struct world *w)
{
	struct client *c = xcalloc(1, sizeof(*c));

	w->names++;
	memcpy(c->name, &w->names, sizeof(w->names));
	c->first = c->next = 1;
	c->before = w->all;
	w->all = c;
	return c;
}

/* A token that the client was told for the id: mostly the last. */
static const struct token *token_for(struct world *w, const struct client *c, uint32_t id)
{
	const struct token *found = NULL;
	bool any = !below(w, 4);

	for (unsigned i = 0; i < TOLD; i++) {
		const struct token *t = &c->told[i];

		if (t->when && ring_contains(t->arc, id) && (!found || (any ? below(w, 2) : t->when > found->when)))
			found = t;
	}
	return found;
}

/* Rule 1: a write takes a token once, and then none but a lower one. */
static void bear(struct write *x, const struct token *t)
{
	if (x->bears && !version_newer(x->token.version, t->version))
		return;
	x->bears = true;
	x->token = *t;
}

/* Once more by its client, or by a broker that has been slow. */
static void send(struct world *w, struct write *x)
{
	const struct token *t = token_for(w, x->client, x->id);
	unsigned at = w->flying_count < FLYING ? w->flying_count++ : (unsigned)below(w, FLYING);

	if (t && (!x->bears || !below(w, 8)))
		bear(x, t);
	w->flying[at] = (struct copy){x, below(w, 2) ? x->client->first : x->first, x->bears, x->token};
}

/* A client goes on: with a new write, or with one that it has sent, mostly one that is open. */
static void act(struct world *w)
{
	struct client **at = &w->clients[below(w, CLIENTS)], *c = *at;

	while (c->first < c->next && (c->writes[c->first].answered || !below(w, 64)))
		c->first++; /* it has its answer, or waits no longer */
	if (c->next <= LIFE && c->next - c->first < w->profile->limits.window && below(w, 2)) {
		struct write *x = &c->writes[c->next];

		*x = (struct write){.client = c, .number = c->next++, .first = c->first};
		x->id = (uint32_t)random_next(&w->ring.random);
		send(w, x);
	} else if (c->next > 1) {
		uint64_t lowest = c->first < c->next && below(w, 4) ? c->first : 1;

		send(w, &c->writes[lowest + below(w, c->next - lowest)]);
	}
	if (c->next > LIFE && !below(w, 4))
		*at = fresh_client(w);
}

static struct token token_now(const struct world *w, struct once_arc here)
{
	return (struct token){here.arc, here.token, w->ring.now, w->ring.losses};
}

static void hear(struct world *w, struct write *x, enum once_verdict verdict, struct once_arc here)
{
	struct token t = token_now(w, here);

	x->client->told[below(w, TOLD)] = t;
	if (verdict == ONCE_TOKEN && !x->bears)
		bear(x, &t);
	if (verdict == ONCE_NEW || verdict == ONCE_KNOWN || (verdict == ONCE_UNKNOWN && below(w, 2)))
		x->answered = true;
}

/* Only what has been lost, or whose token is so old that somebody silent since may have been forgotten (rule 5). */
static void check_unknown(const struct world *w, const struct copy *copy)
{
	if (w->profile->careless || copy->token.losses != w->ring.losses)
		return;
	assert_true(w->profile->forgets);
	assert_true(copy->token.when + w->profile->limits.silence < w->ring.now);
}

static struct once_answer execute(struct world *w, const struct copy *copy, const struct piece *p)
{
	struct write *x = copy->write;
	struct version version = {p->number, ++w->ring.counters[p->owner]};

	assert_false(x->executed);
	assert_true(copy->bears);
	assert_true(version_newer(version, copy->token.version));
	x->executed = true;
	x->answer = (struct once_answer){version, (int64_t)random_next(&w->ring.random), (uint8_t)below(w, 256), true};
	return x->answer;
}

static void check_known(const struct write *x, const struct once_answer *answer)
{
	assert_true(x->executed);
	assert_int_equal(answer->result, x->answer.result);
	assert_int_equal(answer->status, x->answer.status);
	assert_false(version_newer(answer->version, x->answer.version));
	assert_false(version_newer(x->answer.version, answer->version));
}

/* There is no room for another client; or this one has as many rows as are left: of no more numbers than twice its window,
 * as those that it is through with may be kept by one that it is not.  A lowest number waits for twice the bounds alone. */
static void check_full(const struct world *w, const struct copy *copy, struct once_count now)
{
	const struct once_limits *l = &w->profile->limits;

	if (now.clients >= l->clients)
		return;
	assert_true(now.rows + 2 * l->window >= l->rows);
	assert_true(copy->write->number != copy->first || now.rows >= 2 * l->rows);
}

static void deliver(struct world *w, const struct copy *copy)
{
	struct write *x = copy->write;
	const struct piece *p = ring_piece(&w->ring, x->id);
	struct once *o = w->ring.nodes[p->owner];
	struct once_arc here = ring_present(&w->ring, p);
	struct once_write request = {x->client->name, x->number, copy->first, x->id, ONCE_BEARS_NONE, {0, 0}};
	struct once_count before = once_count(o), after;
	struct once_answer answer;
	enum once_verdict verdict;

	if (!ring_serves(p))
		return;
	if (copy->bears) {
		request.bears = ONCE_BEARS_OURS;
		request.token = copy->token.version;
	}
	verdict = once_look(o, &request, &here, &answer);
	after = once_count(o);
	w->verdicts[verdict]++;
	w->forgotten += after.forgotten - before.forgotten;
	switch (verdict) {
	case ONCE_NEW:
		answer = execute(w, copy, p);
		once_done(o, &request, &answer);
		here = ring_present(&w->ring, p);
		break;
	case ONCE_KNOWN:
		check_known(x, &answer);
		break;
	case ONCE_IGNORED:
		assert_true(x->number < x->client->first);
		return;
	case ONCE_TOKEN:
		assert_false(copy->bears);
		break;
	case ONCE_UNKNOWN:
		check_unknown(w, copy);
		break;
	case ONCE_FULL:
		check_full(w, copy, after);
		return;
	}
	if (below(w, 3)) /* else the answer is lost */
		hear(w, x, verdict, here);
}

/* Whoever asks for a token now can write. */
static void check_present(struct world *w)
{
	static const uint8_t stranger[ONCE_CLIENT] = {0};
	uint32_t id = (uint32_t)random_next(&w->ring.random);
	const struct piece *p = ring_piece(&w->ring, id);
	struct once_arc here = ring_present(&w->ring, p);
	struct once_write request = {stranger, 1, 1, id, ONCE_BEARS_OURS, here.token};
	enum once_verdict verdict;
	struct once_answer answer;

	if (!ring_serves(p))
		return;
	verdict = once_look(w->ring.nodes[p->owner], &request, &here, &answer);
	assert_true(verdict == ONCE_NEW || verdict == ONCE_FULL);
}

static void run(struct world *w)
{
	ring_begin(&w->ring);
	w->flying_count = 0;
	for (unsigned i = 0; i < CLIENTS; i++)
		w->clients[i] = fresh_client(w);
	for (unsigned step = 0; step < STEPS; step++) {
		ring_step(&w->ring);
		act(w);
		for (unsigned i = 0; i < 2 && w->flying_count; i++) {
			struct copy *at = &w->flying[below(w, w->flying_count)], copy = *at;

			if (below(w, 4)) /* else it is heard again */
				*at = w->flying[--w->flying_count];
			deliver(w, &copy);
		}
		if (!below(w, 8))
			check_present(w);
	}
	ring_end(&w->ring);
	while (w->all) {
		struct client *c = w->all;

		w->all = c->before;
		free(c);
	}
}

/* All that can happen has happened, and nothing else. */
static void check_seen(const struct world *w)
{
	const struct profile *p = w->profile;
	const struct {
		const char *name;
		uint64_t count;
		bool must, may;
	} all[] = {
		{"new", w->verdicts[ONCE_NEW], true, true},
		{"known", w->verdicts[ONCE_KNOWN], true, true},
		{"ignored", w->verdicts[ONCE_IGNORED], true, true},
		{"token", w->verdicts[ONCE_TOKEN], true, true},
		{"unknown", w->verdicts[ONCE_UNKNOWN], p->deaths || p->forgets, p->deaths || p->forgets},
		{"full", w->verdicts[ONCE_FULL], p->forgets, p->forgets},
		{"forgotten", w->forgotten, p->forgets, p->forgets},
		{"crowded out", w->ring.seen.crowded, p->crowded, p->forgets},
		{"moved", w->ring.seen.moved, true, true},
		{"called off", w->ring.seen.called_off, true, true},
		{"merged", w->ring.seen.merged, true, true},
		{"taken back", w->ring.seen.taken_back, p->deaths, p->deaths},
		{"died", w->ring.seen.died, p->deaths, p->deaths},
		{"doubted", w->ring.seen.doubted, p->deaths, p->deaths},
	};

	printf("# %s:", p->name);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		printf(" %" PRIu64 " %s", all[i].count, all[i].name);
	printf("\n");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_true(all[i].count ? all[i].may : !all[i].must);
}

static void never_twice(void **state)
{
	const struct profile *profile = *state;
	struct world w = {.ring = {.random = random_new(),
				   .limits = &profile->limits,
				   .deaths = profile->deaths,
				   .careless = profile->careless},
			  .profile = profile};

	for (unsigned round = 0; round < ROUNDS; round++)
		run(&w);
	check_seen(&w);
}

int main(void)
{
	struct CMUnitTest tests[sizeof(profiles) / sizeof(profiles[0])];

	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
		tests[i] = (struct CMUnitTest){profiles[i].name, never_twice, NULL, NULL, (void *)&profiles[i]};
	return cmocka_run_group_tests_name("once-random", tests, NULL, NULL);
}
