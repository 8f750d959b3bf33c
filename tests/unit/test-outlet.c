/* What leaves, and when: the disk is played here, so that it commits when the test says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#define event libevent_event
#include <event2/event.h>
#undef event

#include "../../daemon/outlet.h"

struct disk {
	int fd;
	uint64_t sealed, committed, backlog;
	unsigned collected;
	enum disk_state state;
};

void disk_put(struct disk *d, unsigned space, const void *key, size_t key_len, const void *value, size_t value_len)
{
	(void)space;
	(void)key;
	(void)value;
	d->backlog += key_len + value_len;
	d->collected++;
}

void disk_remove(struct disk *d, unsigned space, const void *key, size_t key_len)
{
	(void)space;
	(void)key;
	(void)key_len;
	d->collected++;
}

uint64_t disk_seal(struct disk *d)
{
	if (d->collected)
		d->sealed++;
	d->collected = 0;
	return d->sealed;
}

int disk_event_fd(const struct disk *d)
{
	return d->fd;
}

struct disk_status disk_status(struct disk *d)
{
	uint64_t count;

	(void)!read(d->fd, &count, sizeof(count));
	return (struct disk_status){.committed = d->committed, .state = d->state};
}

void disk_tell(const struct disk *d, const struct disk_status *status, char text[DISK_TEXT])
{
	(void)d;
	(void)snprintf(text, DISK_TEXT, "state %d", (int)status->state);
}

uint64_t disk_backlog(const struct disk *d)
{
	return d->backlog;
}

struct play {
	struct event_base *base;
	struct disk disk;
	struct outlet *outlet;
	char said[200]; /* one letter of what was carried out, in order */
	char told[200];
	unsigned commits;
	bool crowded;
};

static void carry_out_cb(void *arg, const struct effect *e)
{
	struct play *p = arg;
	const char *what = e->topic ? e->topic : e->filter_count ? e->filters[0] : e->text ? e->text : "x";

	p->said[strlen(p->said)] = what[0];
	if (e->payload)
		assert_memory_equal(e->payload, "payload", e->len);
}

static void committed_cb(void *arg)
{
	struct play *p = arg;

	p->commits++;
}

static void crowded_cb(void *arg, bool crowded)
{
	struct play *p = arg;

	assert_true(p->crowded != crowded);
	p->crowded = crowded;
}

static void trouble_cb(void *arg, enum disk_state state, const char *text)
{
	struct play *p = arg;

	(void)state;
	(void)strncat(p->told, text, 20);
}

static int setup_with(void **state, bool disk)
{
	static const struct outlet_callbacks callbacks = {carry_out_cb, committed_cb, crowded_cb, trouble_cb};
	struct play *p = calloc(1, sizeof(*p));

	p->base = event_base_new();
	p->disk.fd = eventfd(0, EFD_NONBLOCK);
	p->outlet = outlet_new(p->base, disk ? &p->disk : NULL, &callbacks, p);
	*state = p;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, true);
}

static int setup_without(void **state)
{
	return setup_with(state, false);
}

static int teardown(void **state)
{
	struct play *p = *state;

	outlet_free(p->outlet);
	event_base_free(p->base);
	(void)close(p->disk.fd);
	free(p);
	return 0;
}

static struct effect publish(const char *topic)
{
	return (struct effect){.type = EFFECT_PUBLISH, .topic = topic, .payload = (const uint8_t *)"payload", .len = 7};
}

static void step_with(struct play *p, unsigned writes, const struct effect *effects, size_t count, bool connected)
{
	const struct node_write write = {.key = (const uint8_t *)"k", .key_len = 1};
	struct update update = {.writes = &write, .write_count = writes, .effects = effects, .count = count};

	outlet_take(p->outlet, &update, connected);
}

static void step(struct play *p, unsigned writes, const char *topic)
{
	char text[] = {topic[0], 0};
	struct effect e = publish(text);

	step_with(p, writes, &e, 1, true);
	text[0] = '?'; /* what was told is valid no longer */
}

static void commit(struct play *p, uint64_t upto)
{
	uint64_t one = 1;

	p->disk.committed = upto;
	assert_int_equal(write(p->disk.fd, &one, sizeof(one)), sizeof(one));
	(void)event_base_loop(p->base, EVLOOP_NONBLOCK);
}

static void it_waits_for_its_own_batch_and_those_ahead(void **state)
{
	struct play *p = *state;

	step(p, 0, "a");
	assert_string_equal(p->said, "a");
	step(p, 1, "b");
	step(p, 0, "c");
	step(p, 1, "d");
	assert_string_equal(p->said, "a");
	assert_false(outlet_idle(p->outlet));
	commit(p, 1);
	assert_string_equal(p->said, "abc");
	assert_false(outlet_idle(p->outlet));
	commit(p, 2);
	assert_string_equal(p->said, "abcd");
	assert_true(outlet_idle(p->outlet));
	step(p, 0, "e");
	assert_string_equal(p->said, "abcde");
	assert_int_equal(p->commits, 2);
}

/* Logs and requests for time do not wait; subscriptions, fences, states and the end do. */
static void all_kinds(void **state)
{
	struct play *p = *state;
	const char *filters[] = {"s", "second"};
	const struct effect effects[] = {
		{.type = EFFECT_LOG, .text = "l"},
		{.type = EFFECT_SUBSCRIBE, .filters = filters, .filter_count = 2},
		{.type = EFFECT_FENCE, .text = "f"},
		{.type = EFFECT_STATE, .text = "t"},
		{.type = EFFECT_PROGRESS, .text = "p"},
		{.type = EFFECT_UNSUBSCRIBE, .filters = filters, .filter_count = 2},
		{.type = EFFECT_EXIT},
	};

	step_with(p, 1, effects, sizeof(effects) / sizeof(effects[0]), true);
	assert_string_equal(p->said, "lp");
	commit(p, 1);
	assert_string_equal(p->said, "lpsftsx");
}

static void what_was_said_to_a_lost_connection_is_dropped(void **state)
{
	struct play *p = *state;
	const struct effect last[] = {{.type = EFFECT_STATE, .text = "t"}, {.type = EFFECT_EXIT}};
	struct effect unheard;

	step(p, 1, "a");
	outlet_lost(p->outlet);
	unheard = publish("b");
	step_with(p, 1, &unheard, 1, false);
	step_with(p, 0, last, 2, false);
	step(p, 0, "c");
	assert_string_equal(p->said, "");
	commit(p, 2);
	assert_string_equal(p->said, "txc");
}

static void what_was_never_committed_is_never_said(void **state)
{
	struct play *p = *state;

	step(p, 1, "a");
	p->disk.state = DISK_FAILED;
	commit(p, 0);
	assert_string_equal(p->said, "");
	assert_string_equal(p->told, "state 2");
}

static void a_full_disk_is_told_once_and_so_is_its_end(void **state)
{
	struct play *p = *state;

	p->disk.state = DISK_FULL;
	step(p, 1, "a");
	step(p, 1, "b");
	commit(p, 0);
	assert_string_equal(p->told, "state 1");
	p->disk.state = DISK_OK;
	commit(p, 2);
	assert_string_equal(p->told, "state 1state 0");
	assert_string_equal(p->said, "ab");
}

static void too_much_is_told(void **state)
{
	struct play *p = *state;
	unsigned steps = 0;

	step(p, 1, "a");
	for (; !p->crowded; steps++)
		step(p, 0, "b");
	assert_in_range(steps, OUTLET_HIGH / 1000, OUTLET_HIGH / 20);
	outlet_lost(p->outlet);
	assert_false(p->crowded);
	p->disk.backlog = OUTLET_HIGH + 1;
	step(p, 0, "c");
	assert_true(p->crowded);
	p->disk.backlog = 0;
	commit(p, 1);
	assert_false(p->crowded);
}

static void without_a_disk_nothing_waits(void **state)
{
	struct play *p = *state;

	step(p, 0, "a");
	assert_true(outlet_idle(p->outlet));
	outlet_lost(p->outlet);
	assert_string_equal(p->said, "a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_waits_for_its_own_batch_and_those_ahead, setup, teardown),
		cmocka_unit_test_setup_teardown(all_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_said_to_a_lost_connection_is_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_never_committed_is_never_said, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_disk_is_told_once_and_so_is_its_end, setup, teardown),
		cmocka_unit_test_setup_teardown(too_much_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_disk_nothing_waits, setup_without, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
