/* Records that are not what was put, and copies that are not the same (PROTOCOL.md section 7, "Sums"): found and mended. */
#include "copies-fixture.h"

#define TOOL "07070707070707070707070707070707"
#define OWNER 1
#define KEEPER 2

static struct node *node_of(struct core *c, int n)
{
	return c->nodes[n].node;
}

/* Records of the owner's, spread over its arc. */
static uint32_t id_of(unsigned i)
{
	return ID + i * 7919;
}

static void fill(struct core *c, unsigned count)
{
	char text[24];

	for (unsigned i = 0; i < count; i++) {
		snprintf(text, sizeof(text), "value %u", i);
		core_put(c, "c", id_of(i), text);
	}
	core_run(c, 2000);
	core_all_answered(c);
}

/* As memory that errs. */
static void spoil(struct store *s, uint32_t id)
{
	struct store_item item;

	assert_true(store_get(s, key_number(id), &item));
	((uint8_t *)(uintptr_t)item.value)[0] ^= 0x10;
}

static bool sound(const struct store *s, uint32_t id)
{
	struct store_item item;

	return store_get(s, key_number(id), &item) && store_sound(&item);
}

/* The same records, with the same bytes. */
static bool same(struct core *c)
{
	struct arc arc;
	struct store_checked a, b;

	assert_true(node_get_arc(node_of(c, OWNER), &arc));
	a = store_check(node_of(c, OWNER)->store, arc, NULL, NULL);
	b = store_check(node_of(c, KEEPER)->copied, arc, NULL, NULL);
	return a.count == b.count && a.hash == b.hash && !a.bad && !b.bad;
}

/* What the tool was told since; NULL: nothing. */
static const struct frame *told(const struct core *c, size_t since)
{
	for (size_t i = c->line_count; i-- > since;)
		if (!strcmp(c->lines[i].topic, "to/" TOOL))
			return copies_read(c, i);
	return NULL;
}

/* A tool's word, and what it is told. */
static const struct frame *poll(struct core *c, int n, uint64_t attempt)
{
	struct frame f = {.type = FRAME_SCRUB, .attempt = attempt};
	size_t since = c->line_count;

	topic_format(f.reply, "", TOPIC_REPLY, 0, TOOL);
	copies_say(c, &f, n);
	core_deliver_all(c);
	return told(c, since);
}

static struct frame scrub(struct core *c, int n, uint64_t attempt)
{
	struct frame f;

	for (unsigned tries = 0; tries < 200; tries++) {
		const struct frame *r = poll(c, n, attempt);

		assert_non_null(r);
		f = *r;
		if (f.attempt == attempt && !f.flag)
			return f;
		core_run(c, 100);
	}
	fail_msg("no end");
	return f;
}

static void nothing_differs(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct frame f;

	fill(c, 300);
	core_publish(c, "put", "c/4242 outside"); /* of another arc */
	f = scrub(c, OWNER, 1);
	assert_int_equal(f.reason, REASON_NONE);
	assert_int_equal(f.scrub_count, SCRUB_NUMBERS);
	assert_int_equal(f.scrub[SCRUB_DONE], 1000);
	assert_int_equal(f.scrub[SCRUB_RECORDS], 300);
	assert_int_equal(f.scrub[SCRUB_COPIES], 1);
	assert_int_equal(f.scrub[SCRUB_DIFFERED] + f.scrub[SCRUB_SENT] + f.scrub[SCRUB_DAMAGED], 0);
	/* said again it is the same round, another number is another one */
	assert_false(poll(c, OWNER, 1)->flag);
	assert_true(poll(c, OWNER, 2)->flag);
	assert_int_equal(scrub(c, OWNER, 2).scrub[SCRUB_RECORDS], 300);
}

/* What a keeper has lost, has too much, has of another version or not as it was told: each is found, and no more is told anew
 * than lies near it. */
static void a_copy_that_differs(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct store *kept;
	struct store_item item;
	struct frame f;

	fill(c, 1500);
	kept = node_of(c, KEEPER)->copied;
	assert_true(same(c));
	for (unsigned kind = 0; kind < 4; kind++) {
		switch (kind) {
		case 0:
			store_remove(kept, key_number(id_of(11)));
			break;
		case 1:
			store_put(kept, &(struct store_item){.key = key_number(id_of(77) + 1),
							     .version = {1, 1},
							     .value = (const uint8_t *)"x",
							     .len = 1});
			break;
		case 2:
			assert_true(store_get(kept, key_number(id_of(500)), &item));
			item.version.counter++;
			item.value = (const uint8_t *)"another";
			item.len = 7;
			item.sum = 0;
			store_put(kept, &item);
			break;
		default:
			spoil(kept, id_of(1200));
		}
		assert_false(same(c));
		f = scrub(c, OWNER, 10 + kind);
		assert_int_equal(f.scrub[SCRUB_DIFFERED], 1);
		assert_in_range(f.scrub[SCRUB_SENT], 1, 512);
		assert_int_equal(f.scrub[SCRUB_DAMAGED], 0);
		core_run(c, 1000);
		assert_true(same(c));
		assert_int_equal(scrub(c, OWNER, 20 + kind).scrub[SCRUB_DIFFERED], 0);
	}
}

/* A peer that acknowledges and forgets: it is found out by comparing, told everything anew, and good for taking over. */
static void who_acknowledges_and_forgets(void **state)
{
	struct core *c = copies_ring(state, 3);
	char text[24];

	fill(c, 100);
	(void)store_purge(node_of(c, KEEPER)->copied, (struct arc){0, 0});
	assert_true(scrub(c, OWNER, 1).scrub[SCRUB_SENT] >= 100);
	assert_true(same(c));
	core_kill(c, OWNER);
	core_whole(c, 2, 20000);
	core_run(c, 1000);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "value %u", i);
		core_expect(c, id_of(i), text);
	}
}

/* While it is read: nobody is told what is damaged, nor that nothing is there. */
static void what_is_damaged_is_fetched_anew(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct frame f;

	fill(c, 20);
	spoil(node_of(c, OWNER)->store, id_of(3));
	routed_ask(c, routed_cell(id_of(3)), 101, (struct operation_token){0}, routed_get(id_of(3)));
	core_run(c, 500);
	assert_int_equal(routed_told(c, 101).count, 0);
	routed_expect(c, id_of(3), "value 3");
	assert_true(same(c));
	assert_int_equal(core_count_logs(c, OWNER, "not what was put"), 1);
	assert_int_equal(core_count_logs(c, OWNER, "fetched anew from node b0000000"), 1);
	/* and by comparing, before it is a measure for others */
	spoil(node_of(c, OWNER)->store, id_of(4));
	f = scrub(c, OWNER, 1);
	assert_int_equal(f.scrub[SCRUB_DAMAGED], 1);
	assert_int_equal(f.scrub[SCRUB_HEALED], 1);
	assert_int_equal(f.scrub[SCRUB_LOST] + f.scrub[SCRUB_DIFFERED], 0);
	routed_expect(c, id_of(4), "value 4");
}

/* The keeper's answer is lost: it is asked again. */
static void asked_again(void **state)
{
	struct core *c = copies_ring(state, 3);

	fill(c, 20);
	spoil(node_of(c, OWNER)->store, id_of(3));
	routed_ask(c, routed_cell(id_of(3)), 101, (struct operation_token){0}, routed_get(id_of(3)));
	copies_deaf(c, FRAME_COPIED, OWNER, 300);
	assert_false(sound(node_of(c, OWNER)->store, id_of(3)));
	core_run(c, 1500);
	assert_true(same(c));
}

/* Both are: that is said, to reads and to what would count on, and what is put anew is there. */
static void damaged_everywhere(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct operation put = {.kind = OPERATION_PUT, .value = (const uint8_t *)"anew", .value_len = 4};
	struct operation_token token;
	struct frame f;
	uint32_t id = id_of(5);

	fill(c, 20);
	spoil(node_of(c, OWNER)->store, id);
	spoil(node_of(c, KEEPER)->copied, id);
	for (unsigned i = 0; i < 3; i++) {
		routed_ask(c, routed_cell(id), 101 + i, (struct operation_token){0}, routed_get(id));
		core_run(c, 500);
	}
	assert_int_equal(routed_told(c, 103).result.status, ANSWER_DAMAGED);
	token = routed_token(c, id_of(6));
	routed_ask(c, routed_cell(id), 111, token, routed_add(id));
	core_run(c, 500);
	assert_int_equal(routed_told(c, 111).result.status, ANSWER_DAMAGED);
	routed_ask(c, routed_cell(id), 111, token, routed_add(id));
	core_run(c, 500);
	assert_int_equal(routed_told(c, 111).count, 2);
	/* a look need not know the value, and nobody lays it over the other's */
	routed_ask(c, routed_cell(id), 112, token, (struct operation){.key = key_number(id), .kind = OPERATION_LOOK});
	core_run(c, 500);
	assert_int_equal(routed_told(c, 112).result.status, ANSWER_DONE);
	f = scrub(c, OWNER, 1);
	assert_int_equal(f.scrub[SCRUB_RECORDS], 20);
	assert_int_equal(f.scrub[SCRUB_SENT], 0);
	put.key = key_number(id);
	routed_ask(c, routed_cell(id), 113, routed_token(c, id_of(6)), put);
	core_run(c, 500);
	assert_int_equal(routed_told(c, 113).result.status, ANSWER_DONE);
	routed_expect(c, id, "anew");
	assert_true(same(c));
}

/* One copy only: it is lost at once, and the reference's clients, who have no word for it, are told nothing. */
static void no_other_copy(void **state)
{
	struct node *n;
	struct core *c = *state;
	size_t since;

	c->config.replicas = 1;
	n = routed_alone(state);
	core_put(c, "c", 5, "five");
	core_run(c, 500);
	spoil(n->store, 5);
	routed_ask(c, routed_cell(5), 101, (struct operation_token){0}, routed_get(5));
	core_run(c, 500);
	assert_int_equal(routed_told(c, 101).result.status, ANSWER_DAMAGED);
	since = c->line_count;
	core_publish(c, "get", "5");
	core_run(c, 500);
	for (size_t i = since; i < c->line_count; i++)
		assert_string_not_equal(c->lines[i].topic, "res-get");
	assert_int_equal(scrub(c, 0, 1).scrub[SCRUB_COPIES], 0);
}

/* A put whose bytes have changed on their way is no put. */
static void a_put_that_was_changed(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct operation put = {
		.key = key_number(ID), .kind = OPERATION_PUT, .value = (const uint8_t *)"right", .value_len = 5};
	struct operation_token token = routed_token(c, ID);

	put.sum = key_sum(&put.key, (const uint8_t *)"right", 5) ^ 1;
	routed_ask(c, routed_cell(ID), 101, token, put);
	core_run(c, 500);
	assert_int_equal(routed_told(c, 101).count, 0);
	assert_int_equal(core_count_logs(c, OWNER, "its sum is not that of its bytes"), 1);
	put.sum ^= 1;
	routed_ask(c, routed_cell(ID), 101, token, put);
	core_run(c, 500);
	assert_int_equal(routed_told(c, 101).result.status, ANSWER_DONE);
	routed_ask(c, routed_cell(ID), 102, token, routed_get(ID));
	core_run(c, 500);
	assert_int_equal(routed_told(c, 102).result.sum, put.sum);
}

/* While clients write, and frames are lost: what is compared is the same place of the stream on both sides. */
static void while_it_is_written(void **state)
{
	struct core *c = copies_ring(state, 3);
	unsigned round = 0;
	char text[24];

	fill(c, 400);
	(void)poll(c, OWNER, 1);
	for (; round < 200; round++) {
		snprintf(text, sizeof(text), "again %u", round);
		core_put(c, "c", id_of(round * 37 % 400), text);
		if (round % 3 == 0)
			copies_deaf(c, round % 2 ? FRAME_COPY : FRAME_COPIED, round % 2 ? KEEPER : OWNER, 5);
		core_run(c, 10);
	}
	assert_int_equal(scrub(c, OWNER, 1).scrub[SCRUB_DIFFERED], 0);
	core_run(c, 1000);
	assert_true(same(c));
}

/* By itself, once in a while. */
static void by_itself(void **state)
{
	struct core *c = *state;

	c->config.scrub = 60000;
	copies_ring(state, 3);
	fill(c, 50);
	store_remove(node_of(c, KEEPER)->copied, key_number(id_of(7)));
	spoil(node_of(c, OWNER)->store, id_of(9));
	core_run(c, 130000);
	assert_true(same(c));
	assert_int_equal(core_count_logs(c, OWNER, "some of its copy is not what was sent"), 1);
	assert_in_range(core_count_logs(c, OWNER, "copies compared: 1"), 1, 2);
}

/* Its owner goes amid a comparison, or its keeper: nobody waits for the answer. */
static void amid_changes(void **state)
{
	struct core *c = copies_ring(state, 3);

	fill(c, 300);
	(void)poll(c, OWNER, 1);
	core_kill(c, KEEPER);
	core_whole(c, 2, 20000);
	core_run(c, 3000);
	assert_int_equal(scrub(c, OWNER, 1).scrub[SCRUB_RECORDS], 300);
	assert_int_equal(scrub(c, OWNER, 2).scrub[SCRUB_COPIES], 1);
	(void)poll(c, OWNER, 3);
	core_stop(c, OWNER);
	core_run(c, 5000);
	assert_int_equal(scrub(c, 0, 4).scrub[SCRUB_LOST], 0);
}

static unsigned checked(const struct core *c, size_t since, int keeper)
{
	unsigned count = 0;

	for (size_t i = since; i < c->line_count; i++)
		count += c->lines[i].frame == FRAME_COPY && !strcmp(c->lines[i].topic, copies_inbox(c, keeper)) &&
			 copies_read(c, i)->check_count;
	return count;
}

/* One comparison is always on its way then: no answer waits for the round's end. */
static void answered_amid_a_round(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct frame f = {.type = FRAME_SCRUB, .attempt = 1};
	struct operation_token token = routed_token(c, ID);
	size_t since;

	fill(c, 300);
	topic_format(f.reply, "", TOPIC_REPLY, 0, TOOL);
	copies_say(c, &f, OWNER);
	assert_true(core_until(c, FRAME_COPY, KEEPER));
	routed_ask(c, routed_cell(ID), 1, token, routed_add(0x41000001));
	while (!routed_told(c, 1).count && core_deliver(c))
		;
	assert_int_equal(routed_told(c, 1).count, 1);
	since = c->line_count;
	core_deliver_all(c);
	assert_in_range(checked(c, since, KEEPER), 10, 100);
}

/* The rule of "Sums", 4, which seeds of the simulator hardly show: a keeper that was not heard for long may have given up what
 * no view names it for, also if one of another arc does.  To tell it a piece anew would be to tell it what it does not keep. */
static void who_may_have_given_it_up(void **state)
{
	struct core *c = *state;
	struct node *n;
	struct view other;
	struct entry *e;
	size_t since;

	c->config.replicas = 3;
	for (int i = 0; i < 3; i++)
		core_add(c, copies_ids[i]);
	core_add(c, 0xd0000000);
	core_whole(c, 4, 20000);
	core_run(c, 30000);
	fill(c, 100);
	n = node_of(c, OWNER);
	assert_int_equal(scrub(c, OWNER, 1).scrub[SCRUB_COPIES], 2);
	keepers_doubt(n);
	other = (struct view){.name = {n->number, 1}, .arc = {0xe0000000, 0xe0000010}, .owner = n->self};
	other.backup = node_of(c, 3)->self;
	e = entry_add(n, &other, false);
	since = c->line_count;
	(void)poll(c, OWNER, 2);
	e->used = false;
	assert_true(checked(c, since, KEEPER));
	assert_false(checked(c, since, 3));
}

/* Strangers: numbers of other frames, pieces that nobody asked for, all of an arc that is not kept. */
static void frames_of_strangers(void **state)
{
	struct core *c = copies_ring(state, 3);
	struct frame f = {.type = FRAME_SCRUB, .attempt = 0};
	size_t since = c->line_count;
	uint64_t seq;

	fill(c, 20);
	topic_format(f.reply, "", TOPIC_REPLY, 0, TOOL);
	copies_say(c, &f, OWNER); /* of no number */
	f.attempt = 1;
	snprintf(f.reply, sizeof(f.reply), "in/+");
	copies_say(c, &f, OWNER);
	core_deliver_all(c);
	assert_null(told(c, since));
	(void)poll(c, OWNER, 5);
	f = copies_frame(c, KEEPER, FRAME_COPIED);
	f.hash = node_of(c, OWNER)->self.memory;
	f.attempt = follow_attempt(node_of(c, OWNER), &node_of(c, KEEPER)->self, &seq);
	f.checked = seq;
	f.differs[0] = (struct arc){0, 0};
	f.differs[1] = (struct arc){ID, ID + 1};
	f.differ_count = 2;
	copies_say(c, &f, OWNER);
	assert_int_equal(scrub(c, OWNER, 5).scrub[SCRUB_DIFFERED], 0);
	/* to a keeper: it has not all of that arc, so it has nothing that counts, and is filled anew */
	f = copies_frame(c, OWNER, FRAME_COPY);
	f.attempt = follow_attempt(node_of(c, OWNER), &node_of(c, KEEPER)->self, &seq);
	f.seq = seq + 1;
	f.hash = node_of(c, KEEPER)->self.memory;
	f.anew = f.arc_set = true;
	f.arc = (struct arc){0, 0};
	copies_say(c, &f, KEEPER);
	core_run(c, 5000);
	assert_true(same(c));
	assert_int_equal(copies_keeper(c, OWNER, ID), KEEPER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_differs, core_setup, core_teardown),
		cmocka_unit_test_setup_teardown(a_copy_that_differs, core_setup, core_teardown),
		cmocka_unit_test_setup_teardown(who_acknowledges_and_forgets, core_setup, core_teardown),
		cmocka_unit_test_setup_teardown(what_is_damaged_is_fetched_anew, core_setup, core_teardown),
		cmocka_unit_test_setup_teardown(asked_again, core_setup, core_teardown),
		cmocka_unit_test_setup_teardown(damaged_everywhere, core_setup, core_teardown),
		cmocka_unit_test_setup_teardown(no_other_copy, core_setup, core_teardown),
		cmocka_unit_test_setup_teardown(a_put_that_was_changed, core_setup, core_teardown),
		cmocka_unit_test_setup_teardown(while_it_is_written, core_setup, core_teardown),
		cmocka_unit_test_setup_teardown(by_itself, core_setup, core_teardown),
		cmocka_unit_test_setup_teardown(amid_changes, core_setup, core_teardown),
		cmocka_unit_test_setup_teardown(answered_amid_a_round, core_setup, core_teardown),
		cmocka_unit_test_setup_teardown(who_may_have_given_it_up, core_setup, core_teardown),
		cmocka_unit_test_setup_teardown(frames_of_strangers, core_setup, core_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
