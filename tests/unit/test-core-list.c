/* list and dump: what a page costs, and what it tells. */
#include "../../common/page.h"
#include "routed-fixture.h"

#define MANY 100000u

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
	struct node *n = routed_alone(state);
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
	struct node *n = routed_alone(state);

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
	struct node *n = routed_alone(state);
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

/* Said to one node, as if it came at that moment. */
static void tell(struct core *c, int node, uint64_t number, struct operation op)
{
	size_t len;
	uint8_t *bytes = routed_request(number, 1, (struct operation_token){0}, op, &len);

	core_step(c, node,
		  (struct event){.type = EVENT_MESSAGE, .topic = routed_cell(op.key.id), .payload = bytes, .len = len});
	core_step(c, node, (struct event){.type = EVENT_TURN});
	free(bytes);
}

/* What a page has told to be gone does not come back, wherever the arc goes: the copy that is on its way has some of its
 * time left. */
static void test_buried_before_listed(void **state)
{
	struct core *c = *state;
	struct operation put = {.kind = OPERATION_PUT,
				.key = key_number(ID),
				.value = (const uint8_t *)"x",
				.value_len = 1,
				.life = 1000};

	core_add(c, HIGH);
	core_add(c, LOW);
	core_whole(c, 2, 10000);
	routed_ask(c, routed_cell(ID), 2, routed_token(c, ID), put);
	core_run(c, 995);
	core_add(c, MOVING);
	assert_true(core_until(c, FRAME_RECORDS, 2));
	c->now += 50;
	tell(c, 0, 3, (struct operation){.kind = OPERATION_LIST, .key = key_number(ID)});
	assert_int_equal(routed_told(c, 3).result.status, ANSWER_DONE);
	assert_int_equal(routed_told(c, 3).from, 0);
	while (!core_serves(c, 2, ID))
		core_advance(c, CORE_NEVER);
	tell(c, 2, 5, routed_get(ID));
	assert_int_equal(routed_told(c, 5).from, 2);
	assert_int_equal(routed_told(c, 5).result.status, ANSWER_ABSENT);
}

/* One that has grown while it was listed, or shrunk, is listed as it is. */
static void test_a_part_that_changes(void **state)
{
	static struct page_entry entries[PAGE_ENTRIES];
	struct node *n = routed_alone(state);
	struct page_next next;
	struct store_item item = {.version = {2, 1}, .value = (const uint8_t *)"longer", .len = 6};
	size_t count;

	fill(n, MANY);
	next = page(n, key_number(0), entries, &count);
	store_remove(n->store, key_number(1));
	store_remove(n->store, next.key);
	item.key = key_number(2); /* another record in its place */
	store_put(n->store, &item);
	item.key = key_number(3);
	store_put(n->store,
		  &(struct store_item){.key = key_number(3), .version = {2, 1}, .deleted = true, .expires = 1u << 30});
	(void)page(n, key_number(0), entries, &count);
	assert_int_equal(entries[0].key.id, 0);
	assert_int_equal(entries[1].key.id, 2);
	assert_int_equal(entries[1].value_len, 6);
	assert_int_equal(entries[2].key.id, 4);
	(void)page(n, next.key, entries, &count);
	assert_int_equal(entries[0].key.id, next.key.id + 1);
	store_put(n->store, &item);
	item.key = next.key;
	store_put(n->store, &item);
	(void)page(n, key_number(0), entries, &count);
	assert_int_equal(entries[2].key.id, 3);
	(void)page(n, next.key, entries, &count);
	assert_int_equal(entries[0].key.id, next.key.id);
	store_purge(n->store, (struct arc){UINT32_MAX, 500});
	(void)page(n, key_number(0), entries, &count);
	assert_int_equal(entries[0].key.id, 501);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		core_test(test_a_frame_of_lists),    core_test(test_held_lists),
		core_test(test_consecutive_numbers), core_test(test_buried_before_listed),
		core_test(test_a_part_that_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
