/* A node's memory has a limit: from three quarters of it on what is asked to be written is refused, by itself and by those whose
 * copies lie there; all else goes on, and is told before (PROTOCOL.md section 7, No room). */
#include "copies-fixture.h"

#define LIMIT (256u << 10)
#define LINE (LIMIT / 4 * 3)
#define LONG 4096
#define MANY 200

static uint8_t bytes[64 << 10];

static struct operation put(uint32_t id, size_t len)
{
	return (struct operation){.kind = OPERATION_PUT, .key = key_number(id), .value = bytes, .value_len = len};
}

static struct operation del(uint32_t id)
{
	return (struct operation){.kind = OPERATION_DELETE, .key = key_number(id)};
}

/* Numbers count up from 1. */
static enum operation_status ask(struct core *c, uint64_t *number, struct operation op)
{
	uint64_t asked = ++*number;

	routed_ask(c, routed_cell(op.key.id), asked, routed_token(c, op.key.id), op);
	core_run(c, 500);
	assert_int_equal(routed_told(c, asked).count, 1);
	return routed_told(c, asked).result.status;
}

static void limit(struct core *c, int n, uint64_t bytes_held)
{
	core_step(c, n, (struct event){.type = EVENT_LIMIT, .limit = bytes_held});
	core_run(c, 100);
}

static uint64_t held(const struct core *c, int n)
{
	return node_memory_held(c->nodes[n].node);
}

/* From ID on, until there is no room; how many there are. */
static unsigned fill(struct core *c, uint64_t *number)
{
	unsigned count = 0;

	while (ask(c, number, put(ID + count, LONG)) == ANSWER_DONE) {
		count++;
		assert_true(count < MANY);
	}
	assert_int_equal(routed_told(c, *number).result.status, ANSWER_FULL);
	return count;
}

static void writers_fill_three_quarters(void **state)
{
	struct core *c = copies_ring(state, 3);
	uint64_t number = 0;
	unsigned count;

	limit(c, 1, LIMIT);
	count = fill(c, &number);
	assert_true(count > 30);
	assert_true(held(c, 1) <= LINE);
	assert_true(held(c, 1) > LINE / 32 * 31 - LONG);
	assert_int_equal(core_count_logs(c, 1, "writers may fill"), 1);
	assert_int_equal(ask(c, &number, put(ID + count, 1)), ANSWER_FULL);
	assert_int_equal(ask(c, &number, routed_get(ID)), ANSWER_DONE);
	assert_int_equal(ask(c, &number, routed_add(ID + MANY)), ANSWER_FULL);
	core_put(c, "reference", ID + MANY, "x");
	core_run(c, 500);
	assert_int_equal(core_acked(c, "reference"), 0);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(ask(c, &number, del(ID + i)), ANSWER_DONE);
	assert_int_equal(ask(c, &number, put(ID, LONG)), ANSWER_DONE);
}

/* By a token of an earlier view somebody may have done it who owned the arc then, told nobody, and comes back with it: then it
 * is not said that it is not written (rule 3); nor later, when there is room. */
static void refused_by_whom_it_was_not_asked_first(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct operation_token before = routed_token(c, ID + MANY);
	uint64_t number = 0;

	core_kill(c, 2);
	core_whole(c, 2, 20000);
	core_run(c, 3000);
	assert_true(routed_token(c, ID + MANY).number > before.number);
	limit(c, 1, LIMIT);
	(void)fill(c, &number);
	assert_int_equal(ask(c, &number, put(ID + MANY + 1, LONG)), ANSWER_FULL);
	routed_ask(c, routed_cell(ID), ++number, before, put(ID + MANY, LONG));
	core_run(c, 500);
	assert_int_equal(routed_told(c, number).result.status, ANSWER_UNKNOWN);
	limit(c, 1, 0);
	routed_ask(c, routed_cell(ID), number, before, put(ID + MANY, LONG));
	core_run(c, 500);
	assert_int_equal(routed_told(c, number).result.status, ANSWER_UNKNOWN);
	assert_false(copies_has(c, 1, ID + MANY));
}

/* One too long for what is left is refused by itself. */
static void a_long_one(void **state)
{
	struct core *c = copies_ring(state, 3);
	uint64_t number = 0;

	limit(c, 1, LIMIT / 4);
	assert_int_equal(ask(c, &number, put(ID, LIMIT / 4 - 8192)), ANSWER_FULL);
	assert_int_equal(ask(c, &number, put(ID, LONG)), ANSWER_DONE);
	assert_int_equal(core_count_logs(c, 1, "memory: "), 0);
}

/* A row, or what was held, may bring it over the line: then nothing is written until it is a 32nd below. */
static void beyond_the_line_it_is_said_once(void **state)
{
	struct core *c = copies_ring(state, 3);
	uint64_t number = 0;
	unsigned count;

	limit(c, 1, LIMIT);
	count = fill(c, &number);
	limit(c, 1, held(c, 1) / 3 * 4); /* a reload */
	assert_int_equal(core_count_logs(c, 1, "writers may fill"), 1);
	assert_int_equal(ask(c, &number, put(ID + count, 1)), ANSWER_FULL);
	assert_int_equal(ask(c, &number, put(ID, 1)), ANSWER_FULL); /* what is there would be shorter then */
	assert_int_equal(ask(c, &number, del(ID)), ANSWER_DONE);
	assert_int_equal(ask(c, &number, put(ID + count, 1)), ANSWER_FULL);
	assert_int_equal(core_count_logs(c, 1, "there is room again"), 0);
	assert_int_equal(ask(c, &number, del(ID + 1)), ANSWER_DONE);
	assert_int_equal(ask(c, &number, del(ID + 2)), ANSWER_DONE);
	assert_int_equal(core_count_logs(c, 1, "there is room again"), 1);
	assert_int_equal(core_count_logs(c, 1, "writers may fill"), 1);
	assert_int_equal(ask(c, &number, put(ID + count, 1)), ANSWER_DONE);
}

static void a_keeper_with_less_memory(void **state)
{
	struct core *c = copies_ring(state, 3);
	uint64_t number = 0;
	unsigned count;

	limit(c, 2, LIMIT);
	count = fill(c, &number);
	assert_true(count > 20);
	assert_true(held(c, 2) <= LINE + LONG + 8192); /* it has kept what the owner had done by then */
	assert_int_equal(core_count_logs(c, 1, "has no room"), 1);
	limit(c, 2, 0);
	assert_int_equal(core_count_logs(c, 1, "has room again"), 1);
	assert_int_equal(ask(c, &number, put(ID + count, LONG)), ANSWER_DONE);
}

/* One that no view names is waited for as well. */
static void any_keeper_with_less_memory(void **state)
{
	struct core *c = *state;
	uint64_t number = 0;

	c->config.replicas = 3;
	core_add(c, LOW);
	core_add(c, MOVING);
	core_add(c, HIGH);
	core_whole(c, 3, 20000);
	core_run(c, 20000);
	assert_int_equal(ask(c, &number, put(ID, LONG)), ANSWER_DONE);
	limit(c, 0, 1000); /* the owner's keeper beside its backup */
	assert_int_equal(ask(c, &number, put(ID + 1, LONG)), ANSWER_FULL);
	limit(c, 0, 0);
	assert_int_equal(ask(c, &number, put(ID + 1, LONG)), ANSWER_DONE);
}

/* Who takes over holds what it kept, and the next keeps it, whatever their limits. */
static void a_death_at_the_limit(void **state)
{
	struct core *c = copies_ring(state, 3);
	uint64_t number = 0;
	unsigned count;

	limit(c, 2, LIMIT);
	count = fill(c, &number);
	limit(c, 0, LIMIT / 4);
	core_kill(c, 1);
	core_whole(c, 2, 20000);
	core_run(c, 3000);
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(ask(c, &number, routed_get(ID + i)), ANSWER_DONE);
		assert_true(copies_has(c, 0, ID + i));
	}
	assert_int_equal(core_count_logs(c, 0, "more than the"), 1);
	assert_int_equal(ask(c, &number, put(ID, 1)), ANSWER_FULL);
}

static void a_leaver_is_relieved(void **state)
{
	struct core *c = *state;
	uint64_t number = 0;
	unsigned count;

	c->config.replicas = 1;
	core_add(c, LOW);
	core_add(c, MOVING);
	core_add(c, HIGH);
	core_whole(c, 3, 20000);
	limit(c, 1, LIMIT);
	limit(c, 2, LIMIT / 4);
	count = fill(c, &number);
	core_stop(c, 1);
	core_whole(c, 2, 20000);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(ask(c, &number, routed_get(ID + i)), ANSWER_DONE);
	assert_int_equal(core_count_logs(c, 2, "leaves about 0.2 MiB here"), 1);
	assert_int_equal(core_count_logs(c, 2, "of --max-memory"), 1); /* not once more when it has come */
	assert_int_equal(ask(c, &number, put(ID, 1)), ANSWER_FULL);
}

/* It says so, and stays out, until it may hold more; the records stay where they are. */
static void a_newcomer_that_is_too_small(void **state)
{
	struct core *c = copies_pair(state);
	uint64_t number = 0;
	unsigned count;

	limit(c, 1, LIMIT);
	count = fill(c, &number);
	c->config.max_memory = LIMIT / 4;
	core_add(c, MOVING);
	core_run(c, 30000);
	assert_int_equal(core_state(c, 2), NODE_JOINING);
	assert_int_equal(core_count_logs(c, 2, "not taken"), 1);
	assert_true(core_serves(c, 1, ID));
	limit(c, 2, LIMIT);
	core_whole(c, 3, 20000);
	assert_true(core_serves(c, 2, ID));
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(ask(c, &number, routed_get(ID + i)), ANSWER_DONE);
}

/* What its predecessor has would come once more when that leaves, beside the copy. */
static void what_would_be_inherited(void **state)
{
	struct core *c = copies_ring(state, 3);
	uint64_t number = 0;

	limit(c, 2, LIMIT);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(ask(c, &number, put(ID + i, LONG)), ANSWER_DONE);
	core_run(c, 2 * c->config.ping);
	assert_int_equal(core_count_logs(c, 2, "if the node ahead"), 0);
	for (unsigned i = 20; i < 40; i++)
		assert_int_equal(ask(c, &number, put(ID + i, LONG)), ANSWER_DONE);
	core_run(c, 2 * c->config.ping);
	assert_int_equal(core_count_logs(c, 2, "if the node ahead"), 1);
	assert_int_equal(core_count_logs(c, 2, "memory: "), 1);
}

/* Who deletes long names that are not there does not fill what may not be refused. */
static void deletions_are_bounded(void **state)
{
	struct core *c = copies_ring(state, 3);
	uint64_t number = 0, most = 0;
	int owner = -1;

	for (int n = 0; n < 3; n++)
		limit(c, n, LIMIT);
	for (unsigned i = 0; i < 20; i++) {
		struct operation op = {.kind = OPERATION_DELETE};

		bytes[0] = (uint8_t)i;
		op.key = key_named(bytes, 60000);
		routed_ask(c, routed_cell(op.key.id), ++number, routed_token(c, op.key.id), op);
		core_run(c, 3000);
		assert_int_equal(routed_told(c, number).result.status, ANSWER_ABSENT);
	}
	bytes[0] = 0;
	for (int n = 0; n < 3; n++)
		if (held(c, n) > most)
			most = held(c, owner = n);
	assert_true(owner >= 0);
	assert_true(most > 60000 && most < (2 * 128u << 10) + 65536); /* owned and kept, and rows */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		core_test(writers_fill_three_quarters),
		core_test(refused_by_whom_it_was_not_asked_first),
		core_test(a_long_one),
		core_test(beyond_the_line_it_is_said_once),
		core_test(a_keeper_with_less_memory),
		core_test(any_keeper_with_less_memory),
		core_test(a_death_at_the_limit),
		core_test(a_leaver_is_relieved),
		core_test(a_newcomer_that_is_too_small),
		core_test(what_would_be_inherited),
		core_test(deletions_are_bounded),
	};

	return cmocka_run_group_tests_name("core-memory", tests, NULL, NULL);
}
