/* Keepalive: the library's shortest is 5 s, so these take 11 s; they run side by side in one loop. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <event2/event.h>

#include "mqtt-fixture.h"

#define RUN_MS 11500

/* One broker that misbehaves and its user. */
struct pair {
	struct fake fake;
	struct mqtt_config config;
	struct user user;
	uint64_t connected_at;
	uint64_t lost_at;
};

struct world {
	struct event_base *base;
	struct pair answering; /* all is well, nobody says anything */
	struct pair dumb;      /* no PINGRESP */
	struct pair talking;   /* we talk, the broker never does: PINGREQ all the same */
	struct pair stuck;     /* takes nothing, the outbox is above its mark */
	struct pair slow;      /* takes little, the outbox stays above its mark */
	struct pair long_one;  /* takes little of one message that needs longer than all this */
};

static void pair_start(struct pair *p, struct event_base *base)
{
	fake_start(&p->fake, base);
	config_for_port(&p->config, p->fake.port);
	p->config.keepalive_s = 5;
	user_start(&p->user, base, NULL, &p->config);
	WAIT_FOR(base, p->user.connected == 1);
	p->connected_at = clock_ms();
}

static void pair_end(struct pair *p)
{
	user_end(&p->user);
	fake_end(&p->fake);
}

static void pair_note(struct pair *p)
{
	if (p->user.disconnected && !p->lost_at)
		p->lost_at = clock_ms();
}

static void pair_fill(struct pair *p)
{
	static char block[10000];

	while (mqtt_backlog(p->user.mqtt) <= p->config.outbox_high)
		if (!mqtt_publish(p->user.mqtt, "t", block, sizeof(block), false))
			return;
}

static char long_message[48 << 20];

static void start_all(struct world *w)
{
	w->base = event_base_new();
	w->dumb.fake.no_pingresp = true;
	w->talking.fake.no_pingresp = true;
	w->stuck.fake.deaf = true;
	w->slow.fake.deaf = true;
	w->long_one.fake.deaf = true;
	pair_start(&w->answering, w->base);
	pair_start(&w->dumb, w->base);
	pair_start(&w->talking, w->base);
	pair_start(&w->stuck, w->base);
	pair_start(&w->slow, w->base);
	pair_start(&w->long_one, w->base);
	pair_fill(&w->stuck);
	assert_true(mqtt_publish(w->long_one.user.mqtt, "t", long_message, sizeof(long_message), false));
}

static void run_all(struct world *w)
{
	uint64_t until = clock_ms() + RUN_MS;
	uint64_t said = 0;

	while (loop_turn(w->base, until)) {
		if (clock_ms() >= said + 50) {
			said = clock_ms();
			(void)mqtt_publish(w->talking.user.mqtt, "t", "x", 1, false);
		}
		if (!w->slow.user.disconnected)
			pair_fill(&w->slow);
		fake_sip(&w->slow.fake);
		fake_sip(&w->long_one.fake);
		pair_note(&w->dumb);
		pair_note(&w->talking);
		pair_note(&w->stuck);
	}
}

static void assert_lost(const struct pair *p, const char *part)
{
	assert_true(p->user.disconnected > 0);
	assert_int_equal(p->user.why, MQTT_LOST);
	if (!strstr(p->user.detail, part))
		fail_msg("\"%s\" does not say \"%s\"", p->user.detail, part);
	assert_in_range(p->lost_at - p->connected_at, 5000, 11000);
}

/* A dead broker is noticed after one to two keepalives, whether we talk to it or not, whether it reads or not; a live one
 * is kept, however little it takes, and asked no more often than it must be. */
static void test_keepalive(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	(void)state;
	start_all(w);
	run_all(w);
	assert_int_equal(w->answering.user.disconnected, 0);
	assert_int_equal(w->answering.fake.pings, 2);
	assert_lost(&w->dumb, "has not answered for 5 s");
	assert_lost(&w->talking, "has not answered for 5 s");
	assert_lost(&w->stuck, "takes nothing");
	assert_int_equal(w->slow.user.disconnected, 0);
	assert_true(mqtt_backlog(w->slow.user.mqtt) > w->slow.config.outbox_high / 2);
	assert_true(w->slow.fake.bytes > 1 << 20);
	assert_int_equal(w->long_one.user.disconnected, 0);
	assert_true(mqtt_backlog(w->long_one.user.mqtt) > sizeof(long_message));
	pair_end(&w->answering);
	pair_end(&w->dumb);
	pair_end(&w->talking);
	pair_end(&w->stuck);
	pair_end(&w->slow);
	pair_end(&w->long_one);
	event_base_free(w->base);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keepalive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
