/* Results that are not told yet, while the callback of another begins operations.  No broker is needed: all end by their
 * time-out, many at once. */
#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include "../../common/kv-mqtt.h"
#include "mqtt-fixture.h"

#define ALL (3u * KV_OPEN_MAX)
#define TIMEOUT 20 /* ms */

struct program {
	struct event_base *base;
	struct mqtt *mqtt;
	struct kv_mqtt *kv;
	unsigned begun, ended;
	struct one {
		struct program *program;
		unsigned told;
	} ones[ALL];
};

static void identify_cb(void *arg, struct mqtt_identity *identity)
{
	(void)arg;
	identity->client_id = "program";
}

static void result_cb(void *arg, const struct kv_mqtt_result *result);

static void begin(struct program *p)
{
	struct operation op = {.kind = OPERATION_GET, .key = key_number(p->begun)};
	struct one *one = &p->ones[p->begun];

	one->program = p;
	p->begun++;
	assert_true(kv_mqtt_begin(p->kv, &op, TIMEOUT, result_cb, one));
}

static void result_cb(void *arg, const struct kv_mqtt_result *result)
{
	struct one *one = arg;
	struct program *p = one->program;

	assert_int_equal(result->outcome, KV_TIMEOUT);
	one->told++;
	p->ended++;
	for (int i = 0; i < 2 && p->begun < ALL && !kv_mqtt_full(p->kv); i++)
		begin(p);
}

/* Each is told once, and to whom it is. */
static void test_two_are_begun_for_each_that_is_told(void **state)
{
	static const struct mqtt_callbacks callbacks = {.identify = identify_cb};
	static struct program p;
	struct mqtt_config config;

	(void)state;
	p.base = event_base_new();
	mqtt_config_init(&config);
	p.mqtt = mqtt_new(p.base, NULL, &config, &callbacks, &p); /* never started */
	p.kv = kv_mqtt_new(p.base, p.mqtt, "", NULL, NULL);
	while (!kv_mqtt_full(p.kv))
		begin(&p);
	WAIT_FOR(p.base, p.ended == ALL);
	for (unsigned i = 0; i < ALL; i++)
		assert_int_equal(p.ones[i].told, 1);
	assert_int_equal(kv_mqtt_open(p.kv), 0);
	kv_mqtt_free(p.kv);
	mqtt_free(p.mqtt);
	event_base_free(p.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_are_begun_for_each_that_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
