/* Beside a scripted node of the reference: public payloads alone.  THEIRS is never a process: the test says what it would
 * say.  An operation of its arc it "answers" by publishing the answer; the fixture counts those like any other. */
#ifndef DHT_TEST_CORE_THEIRS_H
#define DHT_TEST_CORE_THEIRS_H

#include "core-fixture.h"

#include <string.h>

#define OURS 3000000000u
#define THEIRS 1000000000u
#define IN_THEIRS 500000000u /* in (OURS, THEIRS] */
#define IN_OURS 2000000000u

static inline unsigned said(const struct core *c, size_t since, int n, const char *topic, const char *payload)
{
	unsigned count = 0;

	for (size_t i = since; i < c->line_count; i++)
		count += c->lines[i].from == n && !strcmp(c->lines[i].topic, topic) &&
			 (!payload || !strcmp(c->lines[i].payload, payload));
	return count;
}

static inline void say(struct core *c, const char *topic, const char *payload)
{
	core_publish(c, topic, payload);
	core_deliver_all(c);
}

/* Ours alone, with two records in what will be their arc and one in its own. */
static inline int ours_alone(struct core *c)
{
	int n = core_add(c, OURS);

	core_whole(c, 1, 3000);
	core_put(c, "a", IN_THEIRS, "one");
	core_put(c, "b", IN_THEIRS + 1, "two");
	core_put(c, "c", IN_OURS, "three");
	core_run(c, 10);
	return n;
}

static inline void they_ask(struct core *c)
{
	say(c, "join", "1000000000");
	core_run(c, 10);
	core_publish(c, "join", "1000000000");
}

static inline void they_confirm(struct core *c)
{
	say(c, "ack-join", "1000000000/3000000000/antecessor");
}

/* Each of the records that are handed to them. */
static inline void they_acknowledge(struct core *c, unsigned records)
{
	while (records--)
		say(c, "ack-put", "None/1000000000");
}

static inline void they_are_in(struct core *c)
{
	they_ask(c);
	core_run(c, 100);
	they_confirm(c);
	they_acknowledge(c, 2);
	core_run(c, 500);
}

#endif
