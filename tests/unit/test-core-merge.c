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

int main(void)
{
	static const struct CMUnitTest tests[] = {
		core_test(test_not_behind_the_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
