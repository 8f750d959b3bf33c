/* Records that outlive their arc, on their way to whoever serves them. */
#include "routed-fixture.h"

static bool is_offered(const struct node *n, uint32_t id)
{
	static struct frame_room room;
	bool offered = false;

	for (size_t i = 0; i < n->effect_count; i++) {
		const struct effect *e = &n->effects[i];
		struct frame f;

		if (e->type != EFFECT_PUBLISH || strcmp(e->topic, "ring") != 0 ||
		    frame_decode(&f, &room, e->payload, e->len) || f.type != FRAME_MERGE)
			continue;
		for (size_t k = 0; k < f.record_count; k++)
			offered |= f.records[k].key.id == id;
	}
	return offered;
}

static void lay(struct node *n, uint32_t id)
{
	static const uint8_t value[1024];

	store_put(n->store,
		  &(struct store_item){.key = key_number(id), .version = {1, 1}, .value = value, .len = sizeof(value)});
}

static void burst(struct node *n)
{
	uint64_t next = UINT64_MAX;

	out_reset(n);
	n->stash_at = n->now;
	merge_tick(n, &next);
}

/* More than a burst is for somebody who does not answer: the rest does not wait for him, and his comes round again. */
static void test_not_behind_the_silent(void **state)
{
	struct core *c = routed_three(state);
	struct node *n = c->nodes[0].node;

	core_run(c, 1000);
	for (uint32_t i = 0; i < 1000; i++)
		lay(n, ID + i);
	lay(n, ID + 0x1000000);
	n->stash = true;
	burst(n);
	assert_true(is_offered(n, ID));
	assert_false(is_offered(n, ID + 0x1000000));
	burst(n);
	assert_true(is_offered(n, ID + 0x1000000));
	assert_true(is_offered(n, ID));
	assert_true(n->stash);
	store_purge(n->store, (struct arc){ID - 1, ID + 0x1000000});
	burst(n);
	assert_false(n->stash);
}

/* More than a burst in one part is for somebody who does not answer: each of it is offered in the end. */
static void test_all_of_a_part(void **state)
{
	enum { COUNT = 3000 };
	struct core *c = routed_three(state);
	struct node *n = c->nodes[0].node;
	bool offered[COUNT] = {false};
	unsigned left = COUNT;

	core_run(c, 1000);
	for (uint32_t i = 0; i < COUNT; i++)
		lay(n, ID + i);
	n->stash = true;
	for (unsigned tries = 0; left && tries < 50; tries++) {
		burst(n);
		for (uint32_t i = 0; i < COUNT; i++)
			if (!offered[i] && is_offered(n, ID + i)) {
				offered[i] = true;
				left--;
			}
	}
	assert_int_equal(left, 0);
}

/* An older copy elsewhere would come back: what was deleted goes to its owner as well. */
static void test_tombstones_first(void **state)
{
	struct core *c = routed_three(state);
	struct store *store = c->nodes[0].node->store;
	struct store_item buried = {.key = key_number(ID), .version = {1, 1}, .deleted = true, .expires = 1u << 30};

	core_run(c, 1000);
	store_put(store, &buried);
	c->nodes[0].node->stash = true;
	core_stop(c, 0);
	assert_true(core_until(c, FRAME_MERGE, 2));
	core_drop(c);
	core_run(c, 10000);
	assert_true(c->nodes[0].node == NULL || c->nodes[0].node->exiting);
	assert_true(store_get(c->nodes[2].node->store, key_number(ID), &buried));
	assert_true(buried.deleted);
}

/* Time passes; what is offered is lost, and so is each frame of that type. */
static void unheard(struct core *c, enum frame_type lost, uint64_t ms)
{
	uint64_t end = c->now + ms;
	bool more = true;

	while (more) {
		const struct core_delivery *d = core_next(c);

		if (d && (d->frame == FRAME_MERGE || d->frame == lost))
			core_drop(c);
		else
			more = core_advance(c, end);
	}
}

static bool is_there(const struct core *c, int n)
{
	return c->nodes[n].exit_code < 0;
}

/* A leaver with a record of which nobody hears. */
static struct core *leaver(void **state)
{
	struct core *c = routed_three(state);
	struct node *n = c->nodes[0].node;

	core_run(c, 1000);
	lay(n, ID);
	n->stash = true;
	core_stop(c, 0);
	return c;
}

static void find(struct core *c, struct arc arc)
{
	struct frame f = {
		.type = FRAME_FIND, .from = {.id = 1, .memory = 1, .conn = {1, 1}}, .arc = arc, .arc_set = true};
	size_t len;
	uint8_t *bytes = frame_encode(&f, &len);

	core_publish_bytes(c, "ring", bytes, len);
	free(bytes);
}

static bool extends(const struct node *n)
{
	bool found = false;

	for (size_t i = 0; i < n->effect_count; i++)
		found |= n->effects[i].type == EFFECT_PROGRESS;
	return found;
}

/* Who starts and stops it (systemd: 30 s) is told that it is not hung, while it waits for its records alone. */
static void test_is_given_time(void **state)
{
	struct core *c = leaver(state);
	struct node *n = c->nodes[0].node;

	burst(n);
	assert_false(extends(n)); /* it is in a view still */
	unheard(c, FRAME_MERGE, 5000);
	burst(n);
	assert_true(extends(n));
	store_remove(n->store, key_number(ID));
	burst(n);
	assert_false(extends(n));
}

/* Whoever is to take it has lost his connection as well, and asks and waits anew. */
static void test_waits_anew_on_a_new_connection(void **state)
{
	struct core *c = leaver(state);

	unheard(c, FRAME_ASK, 36000); /* still named in views, it has not begun to look */
	core_cut(c, 0);
	unheard(c, FRAME_MERGE, 24000);
	assert_true(is_there(c, 0));
	unheard(c, FRAME_MERGE, 12000);
	assert_false(is_there(c, 0));
	assert_int_equal(core_count_logs(c, 0, "nobody takes the 1 records"), 1);
}

/* Who asks about an arc may be about to take it; but nobody is waited for without end, nor because of another arc. */
static void test_waits_for_who_asks(void **state)
{
	struct core *c = leaver(state);

	unheard(c, FRAME_MERGE, 24000);
	for (int i = 0; i < 30; i++) {
		assert_true(is_there(c, 0));
		find(c, (struct arc){ID - 1, ID});
		unheard(c, FRAME_MERGE, 1000);
	}
	for (int i = 0; i < 10; i++) {
		find(c, (struct arc){ID - 1, ID});
		unheard(c, FRAME_MERGE, 1000);
	}
	assert_false(is_there(c, 0));
}

static void test_waits_not_for_others(void **state)
{
	struct core *c = leaver(state);

	for (int i = 0; i < 42; i++) {
		find(c, (struct arc){ID, ID + 1});
		unheard(c, FRAME_MERGE, 1000);
	}
	assert_false(is_there(c, 0));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		core_test(test_not_behind_the_silent), core_test(test_all_of_a_part),
		core_test(test_tombstones_first),      core_test(test_waits_anew_on_a_new_connection),
		core_test(test_is_given_time),         core_test(test_waits_for_who_asks),
		core_test(test_waits_not_for_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
