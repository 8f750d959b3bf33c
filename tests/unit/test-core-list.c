/* list and dump: what a page costs, and what it tells. */
#include "../../common/page.h"
#include "routed-fixture.h"

#define MANY 100000u

static struct node *alone(void **state)
{
	struct core *c = *state;

	core_add(c, HIGH);
	core_whole(c, 1, 10000);
	core_run(c, 1000);
	return c->nodes[0].node;
}

/* Numbers from 0 on, as many as that, one behind the other: all in one part. */
static void fill(struct node *n, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		store_put(n->store, &(struct store_item){.key = key_number((i * 7919u) % count),
							 .version = {1, i + 1},
							 .value = (const uint8_t *)"v",
							 .len = 1});
}

/* Answers that have been given to numbers from one on. */
static unsigned answered(const struct core *c, uint64_t from, unsigned count)
{
	unsigned done = 0;

	for (uint64_t i = from; i < from + count; i++)
		done += routed_told(c, i).count;
	return done;
}

static void ask_many(struct core *c, uint64_t number, unsigned count, const char *prefix)
{
	static struct operation ops[OPERATION_COUNT_MAX];
	struct operation_request rq = {.base = number, .first = 1, .operations = ops, .count = count};
	uint8_t *bytes;
	size_t len;

	memset(rq.client, 1, sizeof(rq.client));
	for (unsigned i = 0; i < count; i++)
		ops[i] = (struct operation){.kind = OPERATION_LIST,
					    .offset = i,
					    .value = (const uint8_t *)prefix,
					    .value_len = strlen(prefix)};
	bytes = operation_encode_request(&rq, &len);
	core_publish_bytes(c, routed_cell(0), bytes, len);
	core_deliver_all(c);
	free(bytes);
}

/* One frame is small, and a node that is busy with it is fenced by its neighbours: it stops, and what it has left out is
 * answered when it is asked again. */
static void test_a_frame_of_lists(void **state)
{
	struct core *c = *state;
	struct node *n = alone(state);
	unsigned done;

	fill(n, MANY);
	ask_many(c, 1001, OPERATION_COUNT_MAX, "nothing");
	done = answered(c, 1001, OPERATION_COUNT_MAX);
	assert_in_range(done, 1, 50);
	ask_many(c, 2001, 1, "nothing");
	assert_int_equal(answered(c, 2001, 1), 0);
	core_run(c, 1000);
	ask_many(c, 2001, 1, "nothing");
	assert_int_equal(answered(c, 2001, 1), 1);
}

/* The same while they were held. */
static void test_held_lists(void **state)
{
	struct core *c = *state;
	struct node *n = alone(state);

	fill(n, MANY);
	n->backlog = true;
	ask_many(c, 1001, OPERATION_COUNT_MAX, "nothing");
	request_recheck(n);
	answer_flush(n);
	assert_true(n->listed < 50 * (uint64_t)MANY);
	assert_int_equal(n->held_bytes, 0);
}

static struct page_next page(struct node *n, struct key at, struct page_entry entries[PAGE_ENTRIES], size_t *count)
{
	struct operation op = {.kind = OPERATION_DUMP, .key = at};
	struct operation_result r = {0};
	struct page_next next;

	n->listed = 0;
	list_page(n, entry_own(n, at.id), &op, &r);
	assert_int_equal(r.status, ANSWER_DONE);
	assert_null(page_decode(entries, count, &next, r.value, r.value_len));
	return next;
}

/* Numbers one behind the other are listed at a cost that does not grow with the square of how many they are. */
static void test_consecutive_numbers(void **state)
{
	static struct page_entry entries[PAGE_ENTRIES];
	struct node *n = alone(state);
	struct page_next next = {.key = key_number(0)};
	uint64_t looked = 0;
	uint32_t seen = 0;

	fill(n, MANY);
	while (!next.end && seen < MANY) {
		size_t count;

		next = page(n, next.key, entries, &count);
		looked += n->listed;
		for (size_t i = 0; i < count; i++)
			assert_int_equal(entries[i].key.id, seen++);
	}
	assert_int_equal(seen, MANY);
	assert_in_range(looked, MANY, 10 * MANY);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		core_test(test_a_frame_of_lists),
		core_test(test_held_lists),
		core_test(test_consecutive_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
