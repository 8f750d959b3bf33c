/* A program with two clients on its connection to a real Mosquitto, and a played node that owns everything. */
#ifndef KV_MQTT_FIXTURE_H
#define KV_MQTT_FIXTURE_H

#include <event2/event.h>

#include "../../common/kv-mqtt.h"
#include "mqtt-fixture.h"

#define OWNER 77u
#define MIB ((size_t)1 << 20)

struct program {
	struct mqtt *mqtt;
	struct kv_mqtt *kv[2];
	char client_id[32];
	unsigned granted, refused, lost, others;
	/* of results */
	unsigned done, timeout, unknown;
	enum operation_status status;
	int64_t amount;
	size_t value_len;
	char value[64];
	bool has_owner;
	uint32_t owner;
	unsigned chain; /* how many more are begun, each by the end of the one before */
};

/* One number and one long value. */
struct node {
	struct user user;
	struct operation_room room;
	int64_t sum;
	uint64_t counter;
	size_t value_len;
	unsigned frames, with_token;
	bool silent;      /* answers nothing */
	bool silent_once; /* does what bears a token, answers it only when it comes again */
};

struct world {
	struct event_base *base;
	struct broker broker;
	struct mqtt_config config;
	struct program program;
	struct node node;
};

/* Of *state, with its node; the program is started by the test. */
int world_open(void **state);
int world_close(void **state);

void program_start(struct program *p, struct event_base *base, const struct mqtt_config *config);
void program_begin(struct program *p, const struct operation *op, unsigned timeout_ms);
void program_result_cb(void *arg, const struct kv_mqtt_result *result);
void program_ready_cb(void *arg, bool granted);

#endif
