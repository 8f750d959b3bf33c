/* Who watches is told of all that becomes of it, wherever it comes from. */
#include "../../common/watched.h"
#include "routed-fixture.h"

static struct node *alone(void **state)
{
	struct core *c = *state;

	core_add(c, HIGH);
	core_whole(c, 1, 10000);
	core_run(c, 1000);
	return c->nodes[0].node;
}

static bool is_told(struct node *n, uint32_t id)
{
	struct key key = key_number(id);
	size_t before = n->watch.changed_count;

	watched_changed(n, &key);
	return n->watch.changed_count > before;
}

/* More pieces than there is room for: all is told then, for as long as the longest of them was to be, the whole ring's own
 * among them. */
static void test_too_many_pieces(void **state)
{
	struct node *n = alone(state);

	for (uint32_t i = 0; i < WATCHED_MAX; i++)
		watched_add(n, (struct arc){i * 10, i * 10 + 1}, 60000);
	watched_add(n, (struct arc){5000, 5001}, 5);
	n->now += 10;
	assert_true(is_told(n, 11));
	for (uint32_t i = 1; i < WATCHED_MAX; i++)
		watched_add(n, (struct arc){i * 10, i * 10 + 1}, 5);
	watched_add(n, (struct arc){5000, 5001}, 5);
	n->now += 10;
	assert_true(is_told(n, 21));
	n->now += 60000;
	assert_false(is_told(n, 31));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		core_test(test_too_many_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
