/* What is said of a broker that is away: few lines, and none missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/outage.h"

#define SECOND 1000
#define MINUTE (60 * SECOND)
#define START 5000

struct world {
	struct outage outage;
	uint64_t now;
	unsigned failures, reminders, backs;
	char text[OUTAGE_TEXT];
};

static void fails(struct world *w, const char *detail)
{
	switch (outage_failed(&w->outage, w->now, (time_t)(w->now / 1000), detail, w->text)) {
	case OUTAGE_NOTHING:
		break;
	case OUTAGE_FAILURE:
		w->failures++;
		break;
	case OUTAGE_REMINDER:
		w->reminders++;
		break;
	}
}

static void connects(struct world *w)
{
	w->backs += outage_connected(&w->outage, w->now, w->text);
}

/* An attempt every two seconds, for so long. */
static void fails_for(struct world *w, uint64_t ms, const char *detail)
{
	for (uint64_t end = w->now + ms; w->now < end; w->now += 2 * SECOND)
		fails(w, detail);
}

static void a_first_connection(void **state)
{
	struct world w = {.now = START};

	(void)state;
	connects(&w);
	assert_int_equal(w.backs, 1);
	assert_string_equal(w.text, "connected");
	w.now += OUTAGE_STEADY_MS;
	assert_false(outage_settled(&w.outage, w.now, w.text));
}

/* The first failure at once, then after 1, 5, 20, 35 minutes, with how long and how often; and the return. */
static void reminders_grow_rare(void **state)
{
	static const unsigned minutes[] = {1, 5, 20, 35, 50};
	struct world w = {.now = START};
	unsigned said = 0;

	(void)state;
	setenv("TZ", "UTC", 1);
	fails(&w, "connection refused");
	assert_int_equal(w.failures, 1);
	while (w.now < START + 60 * MINUTE) {
		w.now += 2 * SECOND;
		fails(&w, "connection refused");
		if (w.reminders > said)
			assert_in_range(w.now, START + minutes[said] * MINUTE,
					START + (minutes[said] * 60 + 3) * SECOND);
		if (w.reminders == 2 && said == 1)
			assert_string_equal(w.text,
					    "no connection that lasts for 5 min, since 1970-01-01 00:00:05, in 151 "
					    "attempts (connection refused)");
		said = w.reminders;
	}
	assert_int_equal(said, 5);
	assert_int_equal(w.failures, 1);
	connects(&w);
	assert_int_equal(w.backs, 1);
	assert_string_equal(w.text, "connected again, after 60 min and 1801 attempts that failed");
}

/* Each kind of failure is told once in an outage, and at most eight are; the next outage begins anew. */
static void kinds_are_told_once(void **state)
{
	struct world w = {.now = START};

	(void)state;
	for (int i = 0; i < 100; i++, w.now += 100)
		fails(&w, i & 1 ? "connection refused" : "no CONNACK");
	assert_int_equal(w.failures, 2);
	for (int i = 0; i < 1000; i++) {
		char detail[40];

		(void)snprintf(detail, sizeof(detail), "another one: %d", i);
		fails(&w, detail);
	}
	assert_int_equal(w.failures, OUTAGE_KINDS);
	connects(&w);
	w.now += OUTAGE_STEADY_MS;
	fails(&w, "connection refused");
	assert_int_equal(w.failures, OUTAGE_KINDS + 1);
}

/* A broker that takes us and drops us again: one outage, with one return that is told at once and one that has lasted. */
static void a_broker_that_accepts_and_drops(void **state)
{
	struct world w = {.now = START};

	(void)state;
	connects(&w);
	for (int i = 0; i < 1000; i++) {
		w.now += 100;
		fails(&w, "connection closed by the broker");
		w.now += 2 * SECOND;
		connects(&w);
	}
	assert_int_equal(w.failures, 1);
	assert_int_equal(w.backs, 2); /* the very first, and the first return */
	assert_int_equal(w.reminders, 3);
	w.now += OUTAGE_STEADY_MS - 1;
	assert_false(outage_settled(&w.outage, w.now, w.text));
	w.now++;
	assert_true(outage_settled(&w.outage, w.now, w.text));
	assert_string_equal(w.text, "connected again, after 34 min and 1000 attempts that failed");
	assert_false(outage_settled(&w.outage, w.now, w.text));
	/* And the next is one of its own. */
	w.now += MINUTE;
	fails(&w, "connection closed by the broker");
	w.now += 350;
	connects(&w);
	assert_int_equal(w.failures, 2);
	assert_int_equal(w.backs, 3);
	assert_string_equal(w.text, "connected again, after 0.3 s and 1 attempt that failed");
}

/* A return that was told of and lasts is not told of twice. */
static void a_return_is_told_once(void **state)
{
	struct world w = {.now = START};

	(void)state;
	fails_for(&w, MINUTE, "connection refused");
	connects(&w);
	w.now += 5 * SECOND;
	fails(&w, "connection closed by the broker");
	w.now += SECOND;
	connects(&w);
	assert_int_equal(w.backs, 1);
	w.now += OUTAGE_STEADY_MS;
	assert_true(outage_settled(&w.outage, w.now, w.text));
	fails_for(&w, 10 * SECOND, "connection refused");
	assert_int_equal(w.failures, 3);
	connects(&w);
	assert_int_equal(w.backs, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_first_connection),    cmocka_unit_test(reminders_grow_rare),
		cmocka_unit_test(kinds_are_told_once),   cmocka_unit_test(a_broker_that_accepts_and_drops),
		cmocka_unit_test(a_return_is_told_once),
	};

	return cmocka_run_group_tests_name("outage", tests, NULL, NULL);
}
