/* Who watches is told of all that becomes of it, wherever it comes from. */
#include "../../common/watched.h"
#include "routed-fixture.h"

static bool is_told(struct node *n, uint32_t id)
{
	struct key key = key_number(id);
	size_t before = n->watch.changed.count;

	watched_changed(n, &key);
	return n->watch.changed.count > before;
}

/* More pieces than there is room for: all is told then, for as long as the longest of them was to be, the whole ring's own
 * among them. */
static void test_too_many_pieces(void **state)
{
	struct node *n = routed_alone(state);

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

/* A record at its end, which is to be told of. */
static void watch_one_that_ends(struct node *n)
{
	struct store_item item = {.key = key_number(ID), .version = {1, 1}, .value = (const uint8_t *)"v", .len = 1};

	item.expires = n->now + 10;
	store_put(n->store, &item);
	watched_add(n, (struct arc){ID - 1, ID}, 60000);
	assert_true(is_told(n, ID));
	n->now += 10;
}

/* What is told to be gone is buried: the copy that somebody else has may have some of its time left. */
static void test_buried_before_told(void **state)
{
	struct node *n = routed_alone(state);
	struct store_item item;

	watch_one_that_ends(n);
	watched_flush(n);
	assert_true(store_get(n->store, key_number(ID), &item));
	assert_true(item.deleted);
}

/* Behind the cut the copy is counted: it stays. */
static void test_not_buried_behind_the_cut(void **state)
{
	struct node *n = routed_alone(state);
	struct store_item item;

	watch_one_that_ends(n);
	n->give.phase = GIVE_TAIL;
	n->give.conn = n->self.conn.count;
	n->give.arc = (struct arc){LOW, MOVING};
	watched_flush(n);
	n->give.phase = GIVE_NONE;
	assert_true(store_get(n->store, key_number(ID), &item));
	assert_false(item.deleted);
}

/* Whether an event has told one key, since a line of what was said. */
static bool is_heard(const struct core *c, size_t since, uint32_t id)
{
	static struct page_entry changes[WATCHED_CHANGES];
	bool heard = false;

	for (size_t i = since; i < c->line_count; i++) {
		const struct core_line *l = &c->lines[i];
		struct watched_frame f;

		if (strncmp(l->topic, "ev/", 3) != 0)
			continue;
		assert_null(watched_decode(&f, changes, (const uint8_t *)l->payload, l->len));
		for (size_t k = 0; k < f.count; k++)
			heard |= changes[k].key.id == id && changes[k].value;
	}
	return heard;
}

/* An owner whose connection is lost keeps its records, and brings them along when it has its arc back: who watches the arc
 * has been told meanwhile that there are none. */
static void test_back_from_the_stash(void **state)
{
	struct core *c = routed_three(state);
	struct operation watch = {
		.kind = OPERATION_WATCH, .key = key_number(ID), .value = (const uint8_t *)"a", .value_len = 1};
	size_t since;

	core_put(c, "a", ID, "old");
	core_run(c, 100);
	core_cut_for(c, 2, 20000);
	core_run(c, 10000);
	assert_true(core_serves(c, 0, ID));
	routed_ask(c, routed_cell(ID), 1, (struct operation_token){0}, watch);
	routed_ask(c, routed_cell(ID), 2, (struct operation_token){0}, routed_get(ID));
	core_run(c, 100);
	assert_int_equal(routed_told(c, 1).result.status, ANSWER_DONE);
	assert_int_equal(routed_told(c, 2).result.status, ANSWER_ABSENT);
	since = c->line_count;
	core_run(c, 20000);
	core_whole(c, 3, 20000);
	assert_true(core_serves(c, 2, ID));
	routed_expect(c, ID, "old");
	assert_true(is_heard(c, since, ID));
}

/* Who may not read statuses hears by this that an owner has lost what it had. */
static void test_over(void **state)
{
	static struct page_entry changes[WATCHED_CHANGES];
	struct core *c = routed_three(state);
	unsigned over = 0;

	core_kill(c, 2);
	core_whole(c, 2, 60000);
	for (size_t i = 0; i < c->line_count; i++) {
		struct watched_frame f;

		if (strcmp(c->lines[i].topic, "ev/77359400") != 0)
			continue;
		assert_null(watched_decode(&f, changes, (const uint8_t *)c->lines[i].payload, c->lines[i].len));
		over += f.owner == MOVING && f.number == 0;
	}
	assert_int_equal(over, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		core_test(test_over),
		core_test(test_too_many_pieces),
		core_test(test_back_from_the_stash),
		core_test(test_buried_before_told),
		core_test(test_not_buried_behind_the_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
