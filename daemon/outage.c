#include "outage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MINUTE 60000

static uint64_t reminder_after(unsigned said)
{
	/* since the beginning: 1, 5, 20, 35, ... minutes */
	return (uint64_t)MINUTE * (said == 0 ? 1 : said == 1 ? 4 : 15);
}

static const char *duration(uint64_t ms, char out[32])
{
	if (ms < 10000)
		(void)snprintf(out, 32, "%" PRIu64 ".%" PRIu64 " s", ms / 1000, ms % 1000 / 100);
	else if (ms < 2 * MINUTE)
		(void)snprintf(out, 32, "%" PRIu64 " s", ms / 1000);
	else if (ms < 120 * (uint64_t)MINUTE)
		(void)snprintf(out, 32, "%" PRIu64 " min", ms / MINUTE);
	else
		(void)snprintf(out, 32, "%" PRIu64 " h", ms / (60 * (uint64_t)MINUTE));
	return out;
}

static void begin(struct outage *o, uint64_t now, time_t wall)
{
	*o = (struct outage){.away = true, .since = now, .began = wall};
	o->next = now + reminder_after(0);
}

static bool kind_is_new(struct outage *o, const char *detail)
{
	char kind[sizeof(o->kinds[0])];

	(void)snprintf(kind, sizeof(kind), "%s", detail);
	for (unsigned i = 0; i < o->kind_count; i++)
		if (!strcmp(o->kinds[i], kind))
			return false;
	if (o->kind_count == OUTAGE_KINDS)
		return false;
	memcpy(o->kinds[o->kind_count++], kind, sizeof(kind));
	return true;
}

enum outage_word outage_failed(struct outage *o, uint64_t now, time_t wall, const char *detail, char out[OUTAGE_TEXT])
{
	char lasted[32], began[32] = "?";
	struct tm local;

	if (!o->away || (o->up && now - o->up_at >= OUTAGE_STEADY_MS))
		begin(o, now, wall);
	o->up = false;
	o->tries++;
	if (kind_is_new(o, detail))
		return OUTAGE_FAILURE;
	if (now < o->next)
		return OUTAGE_NOTHING;
	o->next = now + reminder_after(++o->reminders);
	if (localtime_r(&o->began, &local))
		(void)strftime(began, sizeof(began), "%Y-%m-%d %H:%M:%S", &local);
	(void)snprintf(out, OUTAGE_TEXT, "no connection that lasts for %s, since %s, in %u attempts (%.128s)",
		       duration(now - o->since, lasted), began, o->tries, detail);
	return OUTAGE_REMINDER;
}

static void say_back(const struct outage *o, uint64_t until, char out[OUTAGE_TEXT])
{
	char lasted[32];

	(void)snprintf(out, OUTAGE_TEXT, "connected again, after %s and %u attempt%s that failed",
		       duration(until - o->since, lasted), o->tries, o->tries == 1 ? "" : "s");
}

bool outage_connected(struct outage *o, uint64_t now, char out[OUTAGE_TEXT])
{
	bool again = o->returned;

	o->up = true;
	o->up_at = now;
	if (again)
		return false;
	if (o->away)
		say_back(o, now, out);
	else
		(void)snprintf(out, OUTAGE_TEXT, "connected");
	o->returned = o->away;
	return true;
}

bool outage_settled(struct outage *o, uint64_t now, char out[OUTAGE_TEXT])
{
	if (!o->away || !o->up || now - o->up_at < OUTAGE_STEADY_MS)
		return false;
	say_back(o, o->up_at, out);
	*o = (struct outage){.up = true, .up_at = o->up_at};
	return true;
}
