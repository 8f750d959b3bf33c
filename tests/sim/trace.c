/* The story of a run: for the eye (--trace), and as one number (the hash), by which two runs are the same or not. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "../../common/frame.h"
#include "../../common/reference.h"
#include "sim.h"

void hash_mix(struct world *w, uint64_t word)
{
	w->hash = (w->hash ^ word) * 0x9fb21c651e98df25u;
	w->hash ^= w->hash >> 32;
}

uint64_t hash_bytes(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint64_t h = 0xcbf29ce484222325u ^ len, word;

	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&word, p, 8);
		h = (h ^ word) * 0x9fb21c651e98df25u;
		h ^= h >> 32;
	}
	for (; len > 0; len--, p++)
		h = (h ^ *p) * 0x100000001b3u;
	return h ^ h >> 29;
}

void trace(struct world *w, const char *format, ...)
{
	va_list args;

	if (!w->options.trace)
		return;
	w->lines++;
	fprintf(w->options.trace, "%11.6f #%-6" PRIu64 " ", (double)w->now / SECOND, w->place);
	va_start(args, format);
	vfprintf(w->options.trace, format, args);
	va_end(args);
	fputc('\n', w->options.trace);
}

static int add_member(char *text, size_t size, const char *what, const struct member *m)
{
	return m->memory ? snprintf(text, size, " %s %08x/%04x/%u", what, m->id, (unsigned)(m->memory & 0xffff),
				    m->conn.count)
			 : 0;
}

static size_t add_view(char *text, size_t size, const struct view *v)
{
	size_t n = 0;

	n += (size_t)snprintf(text + n, size - n, " [%" PRIx64 ".%08x base %" PRIx64 ".%08x (%08x,%08x]",
			      v->name.number, v->name.maker, v->base.number, v->base.maker, v->arc.lo, v->arc.hi);
	n += (size_t)add_member(text + n, size - n, "own", &v->owner);
	n += (size_t)add_member(text + n, size - n, "bak", &v->backup);
	if (v->far_base.number)
		n += (size_t)snprintf(text + n, size - n, " far %" PRIx64 ".%08x from %08x", v->far_base.number,
				      v->far_base.maker, v->split);
	n += (size_t)snprintf(text + n, size - n, "]");
	return n;
}

static void frame_text(const struct frame *f, char *text, size_t size)
{
	size_t n = (size_t)snprintf(text, size, "%s from %08x/%04x/%u", frame_type_name(f->type), f->from.id,
				    (unsigned)(f->from.memory & 0xffff), f->from.conn.count);

	if (f->to.count)
		n += (size_t)snprintf(text + n, size - n, " to ../%u", f->to.count);
	if (f->ring.term)
		n += (size_t)snprintf(text + n, size - n, " ring %u.%04x", f->ring.term,
				      (unsigned)(f->ring.nonce & 0xffff));
	if (f->attempt)
		n += (size_t)snprintf(text + n, size - n, " att %" PRIx64, f->attempt);
	if (f->seq)
		n += (size_t)snprintf(text + n, size - n, " seq %" PRIu64, f->seq);
	if (f->count && f->type == FRAME_CONFIRM)
		n += (size_t)snprintf(text + n, size - n, " has some");
	if (f->arc_set)
		n += (size_t)snprintf(text + n, size - n, " (%08x,%08x]", f->arc.lo, f->arc.hi);
	if (f->flag)
		n += (size_t)snprintf(text + n, size - n, " flag");
	if (f->record_count)
		n += (size_t)snprintf(text + n, size - n, " %zu records", f->record_count);
	if (f->type == FRAME_STATUS)
		n += (size_t)snprintf(text + n, size - n, " %s", node_state_name(f->state));
	for (unsigned i = 0; i < f->view_count && n + 200 < size; i++)
		n += add_view(text + n, size - n, &f->views[i]);
}

const char *trace_packet(struct world *w, const struct packet *p, char *text, size_t size)
{
	static const char *const names[] = {"connect", "connected",  "subscribe", "unsubscribe", "suback",
					    "publish", "disconnect", "closed",    "fence",       "drained"};
	struct sim_topic *t;
	struct frame_room room;
	struct frame f;
	char body[600];

	if (p->type != PACKET_PUBLISH) {
		snprintf(text, size, "%s %s%s", names[p->type], p->topic == NONE ? "" : w->topics[p->topic].name,
			 p->type == PACKET_FENCE ? p->granted ? "done" : "unknown" : "");
		return text;
	}
	t = &w->topics[p->topic];
	if (t->kind < TOPIC_RING || p->len == 0 || frame_decode(&f, &room, p->bytes, p->len))
		reference_escape(body, 160, p->bytes, p->len);
	else
		frame_text(&f, body, sizeof(body));
	snprintf(text, size, "%s%s: %s", t->name, p->retain ? " (retained)" : "", body);
	return text;
}
