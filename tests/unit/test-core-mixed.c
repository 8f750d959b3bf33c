/* Clients of ours beside a scripted node of the reference: what is answered stays true, whoever joins and leaves. */
#include "core-theirs.h"
#include "routed-fixture.h"

#include "../../common/page.h"

/* Theirs has asked twice, and our word is published but not back: the arc is shrunk, and an add is heard ahead of that place.
 * It is nobody's of ours, and nothing is executed without a view. */
static void a_write_amid_an_admission(void **state)
{
	for (unsigned ask = 0; ask < 2; ask++) {
		struct core *c = core_new();
		int n = ours_alone(c);
		struct operation_token token = routed_token(c, IN_THEIRS);
		struct told t;

		(void)state;
		they_ask(c);
		routed_ask(c, ask ? routed_inbox(OURS) : routed_cell(IN_THEIRS), 1, token, routed_add(IN_THEIRS + 50));
		core_run(c, 50);
		assert_int_equal(said(c, 0, n, "ack-join", "3000000000/1000000000/sucessor"), 1);
		t = routed_told(c, 1);
		assert_int_equal(t.count, 0);
		assert_int_equal(t.moved, ask);
		/* Behind that place it is held, and nobody's once they are in. */
		routed_ask(c, ask ? routed_inbox(OURS) : routed_cell(IN_THEIRS), 2, token, routed_add(IN_THEIRS + 50));
		core_run(c, 50);
		assert_int_equal(routed_told(c, 2).moved, 0);
		they_confirm(c);
		they_acknowledge(c, 2);
		core_run(c, 500);
		t = routed_told(c, 2);
		assert_int_equal(t.count, 0);
		assert_int_equal(t.moved, ask);
		core_free(c);
	}
}

static struct key named_in(struct arc arc)
{
	static char name[16];

	for (unsigned i = 0;; i++) {
		struct key key = key_named((const uint8_t *)name, (size_t)snprintf(name, sizeof(name), "name %u", i));

		if (ring_contains(arc, key.id))
			return key;
	}
}

/* An add to a name; it has to be done. */
static void count_up(struct core *c, struct key key, uint64_t number, int64_t sum)
{
	struct operation_token token = routed_token(c, key.id);
	struct operation add = routed_add(0);
	struct told t;

	add.key = key;
	routed_ask(c, routed_cell(key.id), number, token, add);
	core_run(c, 100);
	t = routed_told(c, number);
	assert_int_equal(t.result.status, ANSWER_DONE);
	assert_int_equal(t.result.amount, sum);
}

/* They cannot hold names: these stay, and are there when the arc comes back. */
static void names_stay(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);
	struct key key = named_in((struct arc){OURS, THEIRS});
	size_t len;

	count_up(c, key, 1, 1);
	they_are_in(c);
	assert_int_equal(core_count_logs(c, n, "has joined with 2 records; 1 names stay here"), 1);
	assert_non_null(node_record(c->nodes[n].node, &key, &len));
	assert_null(node_record(c->nodes[n].node, &(struct key){.id = IN_THEIRS}, &len));
	core_run(c, 20000);
	say(c, "leave", "1000000000/3000000000/3000000000");
	core_run(c, 2000);
	count_up(c, key, 2, 2);
}

/* Where the arc comes back to another of ours, it asks for nothing and gets them all the same; offering them meanwhile costs
 * less and less. */
static void names_go_to_who_has_the_arc(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c), other;
	struct key key = named_in((struct arc){OURS, THEIRS});
	size_t since, len;

	count_up(c, key, 1, 1);
	they_are_in(c);
	other = core_add(c, IN_OURS); /* between the two */
	core_run(c, 5000);
	assert_int_equal(core_state(c, other), NODE_ACTIVE);
	since = c->line_count;
	core_run(c, 120000);
	assert_in_range(core_count_frames(c, since, FRAME_MERGE, n), 3, 10);
	say(c, "leave", "1000000000/2000000000/3000000000");
	core_run(c, 40000);
	assert_true(core_serves(c, other, key.id));
	assert_null(node_record(c->nodes[n].node, &key, &len));
	count_up(c, key, 2, 2);
}

/* The last thing that is said of a record, in a put of ours; it fails where nothing was. */
static void they_know(const struct core *c, const char *key, const char *value)
{
	for (size_t i = c->line_count; i-- > 0;)
		if (!strcmp(c->lines[i].topic, "put") && strstr(c->lines[i].payload, key)) {
			assert_string_equal(strchr(c->lines[i].payload, ' ') + 1, value);
			return;
		}
	fail_msg("nothing is said of %s", key);
}

/* Ours leaves to them with a name: it waits for somebody who takes it, and where nobody does that is said. */
static void leaving_with_a_name(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);
	struct key key = named_in((struct arc){THEIRS, OURS});
	size_t len;

	they_are_in(c);
	count_up(c, key, 1, 1);
	core_stop(c, n);
	core_run(c, 100);
	they_know(c, "/2000000000 ", "three");
	say(c, "ack-leave", "3000000000/1000000000");
	say(c, "ack-leave", "3000000000/1000000000");
	say(c, "ack-put", "3000000000/1000000000");
	core_run(c, 20000);
	assert_int_equal(c->nodes[n].exit_code, -1);
	assert_non_null(node_record(c->nodes[n].node, &key, &len));
	assert_null(node_record(c->nodes[n].node, &(struct key){.id = IN_OURS}, &len));
	assert_int_equal(core_count_logs(c, n, "1 names lie here that node 3b9aca00 of the reference cannot hold"), 1);
	core_run(c, 40000);
	assert_int_equal(c->nodes[n].exit_code, 0);
	assert_int_equal(core_count_logs(c, n, "nobody takes the 1 records that lie here for others"), 1);
}

/* Deleted when the records are published and our `leave` is not back: they have the value by then, and a deletion cannot be
 * told.  It is not done; if they do not take the arc it is. */
static void deleted_behind_the_records(void **state)
{
	(void)state;
	for (unsigned taken = 0; taken < 2; taken++) {
		struct core *c = core_new();
		int n = ours_alone(c);
		struct operation_token token;
		struct operation delete = {.kind = OPERATION_DELETE, .key = key_number(IN_OURS)};

		they_are_in(c);
		token = routed_token(c, IN_OURS);
		core_stop(c, n);
		while (!said(c, 0, n, "leave", NULL))
			assert_true(core_advance(c, CORE_NEVER));
		while (core_next(c)) /* lost: only the delete is heard */
			core_drop(c);
		routed_ask(c, routed_inbox(OURS), 1, token, delete);
		routed_ask(c, routed_inbox(OURS), 2, token, routed_get(IN_OURS));
		core_run(c, 100);
		assert_int_equal(routed_told(c, 1).count, 0);
		assert_int_equal(routed_told(c, 2).count, 1);
		if (taken)
			say(c, "leave", "3000000000/1000000000/1000000000");
		core_run(c, taken ? 100 : 3000);
		they_know(c, "/2000000000 ", "three");
		assert_int_equal(routed_told(c, 1).moved, taken);
		assert_int_equal(routed_told(c, 1).count, !taken);
		core_free(c);
	}
}

static struct operation whole(enum operation_kind kind)
{
	struct operation op = {.kind = kind, .key = key_number(IN_OURS)};

	if (kind == OPERATION_WATCH) {
		op.value = (const uint8_t *)"a";
		op.value_len = 1;
	}
	return op;
}

static unsigned events(const struct core *c, size_t since)
{
	unsigned count = 0;

	for (size_t i = since; i < c->line_count; i++)
		count += !strncmp(c->lines[i].topic, "ev/", 3);
	return count;
}

/* While records of a node of the reference may still be on their way, a list would leave them out. */
static void listed_amid_the_records(void **state)
{
	struct core *c = *state;
	int n = core_add(c, OURS);
	static struct page_entry entries[PAGE_ENTRIES];
	struct page_next next;
	size_t count;
	struct told t;

	while (!core_count(c, 0, "join", "3000000000"))
		core_advance(c, CORE_NEVER);
	core_deliver_all(c);
	say(c, "ack-join", "1000000000/3000000000/sucessor");
	say(c, "ack-join", "1000000000/3000000000/antecessor");
	core_run(c, 120);
	assert_int_equal(core_state(c, n), NODE_ACTIVE);
	say(c, "put", "client/2000000001 ours");
	routed_ask(c, routed_inbox(OURS), 1, (struct operation_token){0}, whole(OPERATION_LIST));
	routed_ask(c, routed_inbox(OURS), 2, (struct operation_token){0}, whole(OPERATION_DUMP));
	routed_ask(c, routed_inbox(OURS), 3, (struct operation_token){0}, whole(OPERATION_WATCH));
	core_run(c, 100);
	say(c, "put", "None/2000000000 handed");
	core_run(c, 100);
	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(routed_told(c, i).count, 0);
	core_run(c, 400);
	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(routed_told(c, i).count, 1);
	t = routed_told(c, 1);
	assert_null(page_decode(entries, &count, &next, t.result.value, t.result.value_len));
	assert_int_equal(count, 2);
	assert_int_equal(events(c, 0), 0);
}

/* Who watched before they joined is told what they bring when they leave. */
static void watched_comes_back(void **state)
{
	struct core *c = *state;
	size_t since;

	ours_alone(c);
	routed_ask(c, routed_inbox(OURS), 1, (struct operation_token){0}, whole(OPERATION_WATCH));
	core_run(c, 100);
	assert_int_equal(routed_told(c, 1).count, 1);
	they_are_in(c);
	say(c, "leave", "1000000000/3000000000/3000000000");
	say(c, "put", "theirs/500000005 kept"); /* the leaver answers first */
	routed_ask(c, routed_inbox(OURS), 2, (struct operation_token){0}, whole(OPERATION_LIST));
	since = c->line_count;
	say(c, "put", "1000000000/500000000 one");
	core_run(c, 10);
	assert_int_equal(events(c, since), 1);
	say(c, "ack-put", "theirs/1000000000");
	core_run(c, 10);
	assert_int_equal(events(c, since), 2);
	assert_int_equal(routed_told(c, 2).count, 0);
	core_run(c, 500);
	assert_int_equal(routed_told(c, 2).count, 1);
}

/* Ours joins at theirs, in the arc behind them; where ours are asleep it hears of nobody. */
static int join_at_theirs(struct core *c, uint32_t id)
{
	char text[32];
	int n = core_add(c, id);

	snprintf(text, sizeof(text), "%u", id);
	while (!core_count(c, 0, "join", text))
		core_advance(c, CORE_NEVER);
	core_deliver_all(c);
	snprintf(text, sizeof(text), "1000000000/%u/sucessor", id);
	say(c, "ack-join", text);
	snprintf(text, sizeof(text), "3000000000/%u/antecessor", id);
	say(c, "ack-join", text);
	core_run(c, 1000);
	assert_int_equal(core_state(c, n), NODE_ACTIVE);
	return n;
}

static struct version version_at(struct core *c, int n, struct key key)
{
	struct store_item item;

	assert_true(store_get(c->nodes[n].node->store, key, &item));
	return item.version;
}

/* Who keeps a name sleeps, having counted far ahead, when another of ours joins at theirs and begins to count: its old value,
 * or that it was deleted, beats nothing of what is acknowledged there; with nobody asleep nothing is lost and its version
 * stays what it was. */
static void kept(bool asleep, bool deleted)
{
	struct core *c = core_new();
	int x = ours_alone(c), q;
	struct key key = named_in((struct arc){OURS, IN_THEIRS});
	struct version before;
	unsigned sum = 0;

	they_are_in(c);
	say(c, "leave", "1000000000/3000000000/3000000000");
	core_run(c, 2000);
	c->nodes[x].node->number += 1u << 20; /* as behind some rolls */
	they_ask(c);
	core_run(c, 100);
	they_confirm(c);
	core_run(c, 500);
	say(c, "leave", "1000000000/3000000000/3000000000");
	core_run(c, 2000);
	for (unsigned i = 1; i <= 7; i++)
		count_up(c, key, i, i);
	if (deleted) {
		struct operation_token token = routed_token(c, key.id);

		routed_ask(c, routed_cell(key.id), 8, token, (struct operation){.kind = OPERATION_DELETE, .key = key});
		core_run(c, 100);
	}
	before = version_at(c, x, key);
	they_ask(c);
	core_run(c, 100);
	they_confirm(c);
	core_run(c, 500);
	if (asleep)
		core_pause(c, x);
	q = join_at_theirs(c, IN_THEIRS);
	if (asleep) {
		sum = 2;
		count_up(c, key, 101, 1);
		count_up(c, key, 102, 2);
		core_resume(c, x);
		core_run(c, 8000);
	} else {
		core_run(c, 40000);
		sum = deleted ? 0 : 7;
		assert_true(version_equal(version_at(c, q, key), before));
	}
	assert_true(core_serves(c, q, key.id));
	count_up(c, key, 103, sum + 1);
	core_free(c);
}

static void kept_asleep(void **state)
{
	(void)state;
	kept(true, false);
	kept(true, true);
}

static void kept_awake(void **state)
{
	(void)state;
	kept(false, false);
	kept(false, true);
}

/* Somebody of this ring, who had an arc, offers what he has of it. */
static void offered(struct core *c, int n, struct key key, struct version version, const char *value)
{
	struct node *node = c->nodes[n].node;
	struct frame_record r = {.key = key,
				 .number = version.number,
				 .counter = version.counter,
				 .value = (const uint8_t *)value,
				 .value_len = strlen(value)};
	struct frame f = {
		.type = FRAME_MERGE, .minor = FRAME_MINOR, .ring = node->ring, .records = &r, .record_count = 1};
	uint8_t *bytes;
	size_t len;

	f.from = (struct member){77, 0x1234, {0x1234, 1}};
	bytes = frame_encode(&f, &len);
	core_step(c, n,
		  (struct event){.type = EVENT_MESSAGE, .topic = "ring", .payload = bytes, .len = len, .now = c->now});
	free(bytes);
	core_run(c, 10);
}

#define TERM (UINT64_C(1) << 32)

/* Copies of one name meet where its keeper has the arc again: of what was acknowledged before theirs had it the latest wins,
 * kept or not; none wins over what has been written since, by whatever number. */
static void kept_by_several(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);
	struct key key = named_in((struct arc){OURS, THEIRS});
	struct version mine;

	count_up(c, key, 1, 1);
	mine = version_at(c, n, key);
	they_are_in(c);
	assert_int_equal(version_at(c, n, key).number, mine.number - TERM);
	say(c, "leave", "1000000000/3000000000/3000000000");
	core_run(c, 1000);
	assert_true(version_equal(version_at(c, n, key), mine));
	offered(c, n, key, (struct version){mine.number - 1, 50}, "100"); /* from before it was kept */
	assert_true(version_equal(version_at(c, n, key), mine));
	offered(c, n, key, (struct version){mine.number - TERM, 0}, "200");
	assert_true(version_equal(version_at(c, n, key), mine));
	offered(c, n, key, (struct version){mine.number - TERM + 1, 1}, "300"); /* by who had it behind us */
	assert_true(version_equal(version_at(c, n, key), (struct version){mine.number + 1, 1}));
	count_up(c, key, 2, 301);
	offered(c, n, key, (struct version){mine.number - TERM + 2, 1}, "400");
	offered(c, n, key, (struct version){mine.number - TERM + 0x7fffffff, 1}, "500");
	count_up(c, key, 3, 302);
	assert_true(version_at(c, n, key).number >= (TERM | 1u << 16)); /* above what others can have counted */
}

/* A record comes to a leaver behind its burst and ahead of its own `leave`: it is not acknowledged, as it would not be told. */
static void merged_amid_quit(void **state)
{
	struct core *c = *state;
	int n = ours_alone(c);
	size_t since, len;
	struct key key = key_number(IN_OURS + 9);

	they_are_in(c);
	offered(c, n, key_number(IN_OURS + 8), (struct version){TERM + 1, 1}, "kept");
	core_stop(c, n);
	while (!said(c, 0, n, "leave", NULL))
		assert_true(core_advance(c, CORE_NEVER));
	they_know(c, "/2000000008 ", "kept");
	since = c->line_count;
	offered(c, n, key, (struct version){TERM + 1, 1}, "kept");
	core_run(c, 100);
	assert_int_equal(core_count_frames(c, since, FRAME_MERGED, n), 0);
	assert_null(node_record(c->nodes[n].node, &key, &len));
}

/* Who has just been admitted, and is to leave, waits for what it is handed. */
static void leaving_amid_the_records(void **state)
{
	struct core *c = *state;
	int n = core_add(c, OURS);
	size_t since;

	while (!core_count(c, 0, "join", "3000000000"))
		core_advance(c, CORE_NEVER);
	core_deliver_all(c);
	say(c, "ack-join", "1000000000/3000000000/sucessor");
	say(c, "ack-join", "1000000000/3000000000/antecessor");
	while (core_state(c, n) != NODE_ACTIVE)
		assert_true(core_advance(c, CORE_NEVER));
	since = c->line_count;
	core_stop(c, n);
	core_run(c, 100);
	say(c, "put", "None/2000000000 handed");
	core_run(c, 100);
	assert_int_equal(said(c, since, n, "ack-put", "None/3000000000"), 1);
	assert_int_equal(said(c, since, n, "leave", NULL), 0);
	core_run(c, 500);
	assert_int_equal(said(c, since, n, "leave", NULL), 1);
	they_know(c, "3000000000/2000000000 ", "handed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_write_amid_an_admission),
		core_test(names_stay),
		core_test(names_go_to_who_has_the_arc),
		core_test(leaving_with_a_name),
		cmocka_unit_test(deleted_behind_the_records),
		core_test(listed_amid_the_records),
		core_test(watched_comes_back),
		cmocka_unit_test(kept_asleep),
		cmocka_unit_test(kept_awake),
		core_test(kept_by_several),
		core_test(merged_amid_quit),
		core_test(leaving_amid_the_records),
	};

	return cmocka_run_group_tests_name("core-mixed", tests, NULL, NULL);
}
