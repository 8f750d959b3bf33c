#include "teller.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FIELDS_MAX 12
#define FIELD_MAX 512

/* Fields in the making, NAME=value each. */
struct entry {
	struct iovec fields[FIELDS_MAX];
	char texts[FIELDS_MAX][FIELD_MAX];
	int count;
};

static uint64_t teller_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void teller_init(struct teller *teller, struct log *log, const struct libsystemd *systemd)
{
	*teller = (struct teller){.log = log, .who = "dht-node"};
	if (systemd && systemd->library && libsystemd_has_journal())
		teller->journal = systemd;
}

void teller_name(struct teller *teller, const char *name, uint32_t id)
{
	(void)snprintf(teller->id, sizeof(teller->id), "%08" PRIx32, id);
	if (name[0])
		(void)snprintf(teller->who, sizeof(teller->who), "%s", name);
	else
		(void)snprintf(teller->who, sizeof(teller->who), "%" PRIu32, id);
}

static void field(struct entry *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void field(struct entry *e, const char *format, ...)
{
	char *text = e->texts[e->count];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, FIELD_MAX, format, args);
	va_end(args);
	if (len < 0)
		return;
	e->fields[e->count++] =
		(struct iovec){.iov_base = text, .iov_len = len < FIELD_MAX ? (size_t)len : FIELD_MAX - 1};
}

/* A journal that takes nothing has standard error in its place. */
static bool send_entry(const struct teller *t, enum note_kind note, const struct about *about, const char *text)
{
	struct entry e = {.count = 0};
	char message[sizeof("MESSAGE=") + LOG_ESCAPED_MAX] = "MESSAGE=";

	(void)log_escape(message + strlen(message), text);
	e.fields[e.count++] = (struct iovec){.iov_base = message, .iov_len = strlen(message)};
	field(&e, "PRIORITY=%d", note_rows[note].level);
	field(&e, "MESSAGE_ID=%s", note_rows[note].id);
	field(&e, "DHT_NODE=%s", t->who);
	if (t->id[0]) {
		field(&e, "DHT_ID=%s", t->id);
		field(&e, "DHT_STATE=%s", node_state_name(t->state));
	}
	if (about && about->has_peer)
		field(&e, "DHT_PEER=%08" PRIx32, about->peer);
	if (about && about->has_arc)
		field(&e, "DHT_ARC=(%08" PRIx32 ", %08" PRIx32 "]", about->arc.lo, about->arc.hi);
	if (about && about->epoch)
		field(&e, "DHT_EPOCH=%" PRIx64, about->epoch);
	if (about && about->reason)
		field(&e, "DHT_REASON=%s", about->reason);
	return t->journal->journal_sendv(e.fields, e.count) >= 0;
}

static void write_out(struct teller *t, enum note_kind note, const struct about *about, const char *text)
{
	if (!t->journal || !send_entry(t, note, about, text))
		log_line(t->log, (enum log_level)note_rows[note].level, "%s", text);
	if (note == NOTE_STATE || note == NOTE_SUSPECT || note_rows[note].level > LOG_INFO_LEVEL)
		return;
	(void)snprintf(t->last, sizeof(t->last), "%.*s", (int)sizeof(t->last) - 1, text + strlen(t->who) + 2);
	t->last_at = time(NULL);
}

void teller_tick(struct teller *t)
{
	enum note_kind kind;
	unsigned hushed;
	char text[200];

	while (flood_over(&t->flood, teller_now(), &kind, &hushed)) {
		(void)snprintf(text, sizeof(text), "%s: %u more entries of the kind '%s' were not written", t->who,
			       hushed, note_rows[kind].name);
		write_out(t, NOTE_HUSHED, ABOUT(OF_REASON(note_rows[kind].name)), text);
	}
}

uint64_t teller_next(const struct teller *t)
{
	return flood_next(&t->flood);
}

void tell(struct teller *t, enum note_kind note, const struct about *about, const char *format, ...)
{
	char text[LOG_TEXT_MAX + 1];
	size_t used;
	va_list args;

	if (note_rows[note].level > (int)t->log->level)
		return;
	teller_tick(t);
	if (!flood_admits(&t->flood, note, teller_now()))
		return;
	used = (size_t)snprintf(text, sizeof(text), "%s: ", t->who);
	va_start(args, format);
	(void)vsnprintf(text + used, sizeof(text) - used, format, args);
	va_end(args);
	write_out(t, note, about, text);
}
