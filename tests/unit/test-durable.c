/* What a node tells to be kept, and a node out of it (PROTOCOL.md section 7, "With a disk"): one node alone, whose words all
 * come back.  Rings of them, deaths and disks that take their time are the simulator's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/mem.h"
#include "../../daemon/core/node.h"

#define DATA_MAX 64
#define DAY UINT64_C(1700000000000)

struct datum {
	uint8_t key[64], value[4096]; /* the space ahead of the key */
	size_t key_len, len;
};

struct life {
	struct node *node;
	struct datum data[DATA_MAX];
	size_t count;
	size_t written; /* of the last step */
	uint64_t now, deadline, wall;
	struct node_identity identity;
	char said[64]; /* the last res-get */
};

static int order(const void *a, const void *b)
{
	const struct datum *x = a, *y = b;
	int c = memcmp(x->key, y->key, x->key_len < y->key_len ? x->key_len : y->key_len);

	return c ? c : (x->key_len > y->key_len) - (x->key_len < y->key_len);
}

static void keep(struct life *l, const struct node_write *w)
{
	size_t i = 0;

	assert_true(w->key_len < sizeof(l->data[0].key) && w->len <= sizeof(l->data[0].value));
	while (i < l->count && (l->data[i].key_len != w->key_len + 1 || l->data[i].key[0] != w->space ||
				memcmp(l->data[i].key + 1, w->key, w->key_len) != 0))
		i++;
	if (w->remove && i < l->count)
		l->data[i] = l->data[--l->count];
	if (w->remove)
		return;
	assert_true(i < DATA_MAX);
	l->count += i == l->count;
	l->data[i].key[0] = (uint8_t)w->space;
	memcpy(l->data[i].key + 1, w->key, w->key_len);
	l->data[i].key_len = w->key_len + 1;
	memcpy(l->data[i].value, w->value, w->len);
	l->data[i].len = w->len;
}

struct word {
	char *topic;
	uint8_t *payload;
	size_t len;
	bool suback;
};

/* All that follows from an event, in order. */
static void step(struct life *l, struct event ev)
{
	struct word words[256];
	size_t count = 0;
	struct update u;

	l->written = 0;
	for (size_t next = 0;; next++) {
		ev.now = l->now;
		ev.wall = DAY + l->wall;
		node_step(l->node, &ev, &u);
		l->written += u.write_count;
		for (size_t i = 0; i < u.write_count; i++)
			keep(l, &u.writes[i]);
		for (size_t i = 0; i < u.count; i++) {
			const struct effect *e = &u.effects[i];

			if (e->type == EFFECT_PUBLISH && strcmp(e->topic, "res-get") == 0)
				snprintf(l->said, sizeof(l->said), "%.*s", (int)e->len, (const char *)e->payload);
			if ((e->type != EFFECT_PUBLISH && e->type != EFFECT_SUBSCRIBE) || count == 256)
				continue;
			words[count++] = (struct word){
				.topic = xstrdup(e->type == EFFECT_PUBLISH ? e->topic : e->filters[0]),
				.payload = e->len ? xmemdup(e->payload, e->len) : NULL,
				.len = e->len,
				.suback = e->type == EFFECT_SUBSCRIBE,
			};
		}
		l->deadline = u.deadline;
		if (next == count)
			break;
		ev = (struct event){.type = words[next].suback ? EVENT_SUBSCRIBED : EVENT_MESSAGE,
				    .topic = words[next].topic,
				    .payload = words[next].payload,
				    .len = words[next].len,
				    .granted = true};
	}
	for (size_t i = 0; i < count; i++) {
		free(words[i].topic);
		free(words[i].payload);
	}
}

static void until(struct life *l, enum node_state state)
{
	for (int i = 0; i < 2000 && node_get_state(l->node) != state; i++) {
		uint64_t by = l->deadline > l->now ? l->deadline - l->now : 1;

		assert_true(l->deadline != UINT64_MAX);
		l->now += by;
		l->wall += by;
		step(l, (struct event){.type = EVENT_TIMER});
	}
	assert_int_equal(node_get_state(l->node), state);
}

static void node_made(struct life *l, uint64_t memory, uint64_t now)
{
	struct node_config config;

	node_config_init(&config);
	config.id = 5;
	config.memory = memory;
	config.seed = 1;
	config.join_attempts = 4;
	config.durable = true;
	l->node = node_new(&config);
	l->now = now;
}

static void connected(struct life *l)
{
	node_identify(l->node, l->now, &l->identity);
	step(l, (struct event){.type = EVENT_CONNECTED});
}

static struct life *begun(void)
{
	struct life *l = xcalloc(1, sizeof(*l));

	node_made(l, 77, 1000);
	step(l, (struct event){.type = EVENT_START});
	connected(l);
	until(l, NODE_ACTIVE);
	return l;
}

static const char *restored(struct life *l)
{
	struct event at = {.now = l->now, .wall = DAY + l->wall};

	qsort(l->data, l->count, sizeof(l->data[0]), order);
	for (size_t i = 0; i < l->count; i++) {
		const struct datum *m = &l->data[i];
		const char *why = node_restore(l->node, &at, (enum node_space)m->key[0], m->key + 1, m->key_len - 1,
					       m->value, m->len);

		if (why)
			return why;
	}
	return NULL;
}

/* Another process, with another clock, after so long. */
static void died(struct life *l, uint64_t away)
{
	node_free(l->node);
	l->wall += away;
	node_made(l, 88, 3);
	assert_null(restored(l));
	step(l, (struct event){.type = EVENT_START});
}

static void finished(struct life *l)
{
	node_free(l->node);
	free(l);
}

static void say(struct life *l, const char *topic, const char *text)
{
	step(l, (struct event){
			.type = EVENT_MESSAGE, .topic = topic, .payload = (const uint8_t *)text, .len = strlen(text)});
}

/* The memory is the directory's, the records are there, and nobody is answered before the connection is settled. */
static void what_was_kept_is_there_again(void **state)
{
	struct life *l = begun();
	uint32_t conns = l->identity.conn.count;

	(void)state;
	say(l, "put", "me/7 seven");
	assert_true(l->written > 0);
	died(l, 500);
	assert_int_equal(node_memory(l->node), 77);
	assert_int_equal(node_record_count(l->node), 1);
	assert_false(node_serves(l->node, 7));
	connected(l);
	assert_true(l->identity.conn.count > conns);
	say(l, "get", "7");
	assert_string_equal(l->said, "");
	until(l, NODE_ACTIVE);
	for (int i = 0; i < 20 && !node_serves(l->node, 7); i++) {
		l->now += 100;
		step(l, (struct event){.type = EVENT_TIMER});
	}
	say(l, "get", "7");
	assert_string_equal(l->said, "7/seven");
	finished(l);
}

/* A version is never given out twice, nor a view's number, whatever was reserved. */
static void counters_go_on(void **state)
{
	struct life *l = begun();
	struct key seven = key_number(7);
	struct version before, after;

	(void)state;
	say(l, "put", "me/7 seven");
	assert_true(node_version(l->node, &seven, &before));
	for (int i = 0; i < 3; i++) {
		died(l, 500);
		connected(l);
		until(l, NODE_ACTIVE);
		for (int t = 0; t < 20 && !node_serves(l->node, 7); t++) {
			l->now += 100;
			step(l, (struct event){.type = EVENT_TIMER});
		}
		say(l, "put", "me/7 again");
		assert_true(node_version(l->node, &seven, &after));
		assert_true(version_newer(after, before));
		before = after;
	}
	finished(l);
}

/* What has been told is not told again. */
static void a_step_that_changes_nothing_writes_nothing(void **state)
{
	struct life *l = begun();

	(void)state;
	say(l, "get", "7");
	assert_int_equal(l->written, 0);
	say(l, "put", "me/7 seven");
	assert_true(l->written > 0);
	say(l, "get", "7");
	assert_int_equal(l->written, 0);
	finished(l);
}

/* Whatever a disk makes of an item: it is refused, or read, and never more than that. */
static void strange_bytes_are_refused(void **state)
{
	struct life *l = begun();
	uint64_t r = 1;
	unsigned refused = 0;

	(void)state;
	say(l, "put", "me/7 seven");
	for (int i = 0; i < 3000; i++) {
		struct life *other = xmemdup(l, sizeof(*l));
		struct datum *m;

		r = r * UINT64_C(6364136223846793005) + 1442695040888963407;
		m = &other->data[(r >> 33) % other->count];
		if (r >> 20 & 1 && m->len)
			m->len = (r >> 40) % m->len;
		else if (m->len)
			m->value[(r >> 40) % m->len] ^= (uint8_t)(1 + (r >> 25) % 255);
		node_made(other, 88, 3);
		refused += restored(other) != NULL;
		finished(other);
	}
	assert_true(refused > 1000);
	finished(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_kept_is_there_again),
		cmocka_unit_test(counters_go_on),
		cmocka_unit_test(a_step_that_changes_nothing_writes_nothing),
		cmocka_unit_test(strange_bytes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
