/* Handover, the giver's side (PROTOCOL.md section 6): its steps.  give-stream.c has the records on their way. */
#include <stdlib.h>
#include <string.h>

#include "give-inside.h"

#define TAIL_MAX 256 /* changes left when the cut may be made */
#define SLOW_MAX 3   /* times that the patience with a slow line is doubled */

void give_begin(struct node *n, const struct member *taker, struct arc arc, bool leave)
{
	struct give *g = &n->give;
	struct frame f;
	char text[24];

	*g = (struct give){.phase = GIVE_OFFERED, .leave = leave, .taker = *taker, .arc = arc};
	g->attempt = ++n->attempts;
	g->progress = n->now;
	frame_start(n, &f, leave ? FRAME_ASK : FRAME_OFFER);
	f.attempt = g->attempt;
	f.arc = arc;
	f.arc_set = true;
	f.bytes = store_arc_bytes(n->store, arc);
	frame_to(n, &f, taker);
	out_log(n, NOTE_OFFERED, ABOUT(OF_ARC(arc), OF_PEER(taker->id)), "arc %s: offered to node %08x",
		arc_text(arc, text), taker->id);
	if (!leave) {
		struct reference_ack_join a = {n->self.id, taker->id, REFERENCE_SUCCESSOR};
		char ack[REFERENCE_TEXT_MAX];
		const struct entry *e = entry_main(n);

		out_publish(n, TOPIC_ACK_JOIN, 0, ack, reference_format_ack_join(ack, sizeof(ack), &a), false);
		a.side = REFERENCE_PREDECESSOR;
		if (e && e->v.arc.lo == n->self.id)
			out_publish(n, TOPIC_ACK_JOIN, 0, ack, reference_format_ack_join(ack, sizeof(ack), &a), false);
	}
}

void give_end(struct node *n)
{
	if (n->give.phase)
		n->recheck = true;
	give_stream_end(n);
	once_share_free(n->give.share);
	n->give = (struct give){0};
}

static void say_void(struct node *n)
{
	struct frame f;

	frame_start(n, &f, FRAME_VOID);
	f.attempt = n->give.attempt;
	frame_to(n, &f, &n->give.taker);
}

/* It is not taken there.  Whose it is to be is asked for anew, as that one may own nothing there by now, and not by two in
 * the same moment again and again. */
void give_refused(struct node *n)
{
	struct entry *e = entry_own(n, n->give.arc.hi);

	if (member_same(&n->give.taker, &n->heir)) {
		n->heir.memory = 0;
		if (e)
			e->found = n->now - node_random(n, FIND_AGAIN);
	}
	give_end(n);
	n->retry_at = n->now + 50 + node_random(n, 200);
}

static void call_off(struct node *n, const char *why)
{
	out_log(n, NOTE_CALLED_OFF, ABOUT(OF_PEER(n->give.taker.id), OF_REASON(why)),
		"handover to node %08x called off: %s", n->give.taker.id, why);
	say_void(n);
	if (n->give.phase == GIVE_OFFERED && n->slow_times < SLOW_MAX)
		n->slow_times++;
	give_refused(n);
}

static void send_cut(struct node *n)
{
	struct frame f;

	n->give.phase = GIVE_CUT;
	n->give.conn = n->self.conn.count;
	n->give.sent = n->give.progress = n->now;
	frame_start(n, &f, FRAME_CUT);
	f.attempt = n->give.attempt;
	frame_send(n, &f, TOPIC_CUT, n->self.id);
}

static void pump(struct node *n)
{
	struct give *g = &n->give;
	struct entry *e = entry_own(n, g->arc.hi);
	bool told;

	if (g->phase != GIVE_STREAM && g->phase != GIVE_CUT && g->phase != GIVE_TAIL)
		return;
	give_stream_on(n);
	/* What comes before the cut is to be answered by then. */
	if (g->phase == GIVE_STREAM && !n->change.kind && !n->backlog && give_stream_left(g) <= TAIL_MAX &&
	    g->window_count < WINDOW)
		send_cut(n);
	told = g->phase == GIVE_TAIL && !give_stream_left(g) && give_share_on(n);
	if (told && !n->change.kind && e) {
		if (!e->held || e->v.arc.lo != g->arc.lo || (g->leave && e->v.arc.hi != g->arc.hi)) {
			call_off(n, "the arc has changed");
			return;
		}
		/* Said later, it could be taken for the present. */
		if (tell_waits(n, g->written))
			return;
		/* Who comes back amid the grant has not what the taker may have missed. */
		if (n->durable && g->window_count)
			return;
		store_sum_end(n->store, &g->count, &g->hash); /* frozen */
		g->phase = GIVE_GRANTED;
		change_begin(n, CHANGE_GIVE, e, NULL, NULL);
	}
}

void give_grant(struct node *n)
{
	struct give *g = &n->give;
	struct frame f;

	frame_start(n, &f, FRAME_GRANT);
	f.attempt = g->attempt;
	f.seq = g->seq;
	f.count = g->count;
	f.hash = g->hash;
	f.flag = reference_predecessor(n);
	f.view_count = (uint8_t)n->change.made_count;
	memcpy(f.views, n->change.made, n->change.made_count * sizeof(*f.views));
	frame_to(n, &f, &g->taker);
}

/* The views hold: the taker owns the arc, and its records stay sealed here until it says ACTIVE. */
void give_stored(struct node *n)
{
	char text[24];

	give_window_clear(&n->give);
	n->give.phase = GIVE_SEALED;
	n->give.sent = n->give.progress = n->now;
	out_log(n, NOTE_OWNER, ABOUT(OF_ARC(n->give.arc), OF_PEER(n->give.taker.id)), "arc %s: node %08x owns it",
		arc_text(n->give.arc, text), n->give.taker.id);
}

/* The taker is out, and change.c undoes the views: what is held is answered here once that holds. */
void give_failed(struct node *n)
{
	give_window_clear(&n->give);
	n->give.taker.memory = 0;
}

/* On a later connection the taker may have served already, its ACTIVE lost with the one before. */
bool give_holds(const struct node *n, uint32_t id)
{
	return n->give.phase >= GIVE_TAIL && n->give.conn == n->self.conn.count && ring_contains(n->give.arc, id);
}

/* Whoever asks is there, but his line may be slow, and to accept takes it twice: after each offer that found no answer the
 * next one is given twice the time, whoever has it, as several may ask by turns. */
static uint64_t patience(const struct node *n)
{
	uint64_t silence = n->config.silence;

	return n->give.phase == GIVE_OFFERED ? silence << n->slow_times : 2 * silence;
}

void give_tick(struct node *n, uint64_t *next)
{
	struct give *g = &n->give;

	if (!g->phase || !node_ready(n))
		return;
	if (g->phase == GIVE_SEALED) {
		struct entry *e = NULL;

		for (struct entry *i = n->entries; i < n->entry_end; i++)
			if (i->used && i->sealed)
				e = i;
		if (!e) {
			give_end(n);
			return;
		}
		/* Clients are waiting for its ACTIVE: until then silence is judged at once, not by the pace of the pings. */
		if (!e->silent && n->now - g->progress >= n->config.resend)
			e->silent = g->progress;
		if (n->now - g->sent >= n->config.resend) {
			struct frame f;

			frame_start(n, &f, FRAME_HOLDS);
			f.views[f.view_count++] = e->v;
			frame_to(n, &f, &e->peer);
			g->sent = n->now;
		}
		soonest(next, g->sent + n->config.resend);
		return;
	}
	if (g->phase == GIVE_GRANTED) {
		/* change.c has it, but for the records without which the taker cannot store */
		if (g->window_count)
			give_window_resend(n, next);
		return;
	}
	if (n->now - g->progress >= patience(n)) {
		call_off(n, g->phase == GIVE_CUT ? "its own cut does not come back" : "no answer");
		return;
	}
	soonest(next, g->progress + patience(n));
	if (g->phase == GIVE_OFFERED)
		return;
	give_window_resend(n, next);
	pump(n);
	soonest(next, g->sent + n->config.resend);
}

static bool about(const struct node *n, const struct frame *f)
{
	return n->give.phase && f->attempt == n->give.attempt && member_same(&f->from, &n->give.taker);
}

void on_accept(struct node *n, const struct frame *f)
{
	struct give *g = &n->give;

	if (!about(n, f) || g->phase != GIVE_OFFERED) {
		struct frame v;

		frame_start(n, &v, FRAME_VOID);
		v.attempt = f->attempt;
		if (!about(n, f))
			frame_to(n, &v, &f->from);
		return;
	}
	if (f->minor < FRAME_MINOR) {
		older_found(n, &f->from, "it cannot take over what lies here, which stays until it can");
		call_off(n, "it speaks an earlier version");
		return;
	}
	g->phase = GIVE_STREAM;
	g->progress = n->now;
	n->slow_times = 0;
	give_stream_begin(n);
	pump(n);
}

void on_rack(struct node *n, const struct frame *f)
{
	struct give *g = &n->give;

	if (!about(n, f))
		return;
	if (give_window_acked(g, f->seq)) {
		/* What changes meanwhile is no progress for a cut that does not come back. */
		if (g->phase != GIVE_CUT)
			g->progress = n->now;
		for (unsigned i = 0; i < n->change.party_count; i++)
			if (member_same(&n->change.party[i].m, &f->from))
				n->change.party[i].waited = n->now;
		if (n->stopping)
			out_effect(n, EFFECT_PROGRESS);
	}
	pump(n);
}

/* Our own cut is back: what was placed before it has been answered, what comes now is held. */
static void own_cut(struct node *n, const struct frame *f)
{
	const struct entry *e = entry_own(n, n->give.arc.hi);
	struct once_arc here;

	if (n->give.phase != GIVE_CUT || f->attempt != n->give.attempt || !conn_equal(&f->from.conn, &n->self.conn))
		return;
	if (n->backlog) {
		call_off(n, "what was asked before the cut is not answered yet");
		return;
	}
	n->give.phase = GIVE_TAIL;
	n->give.written = n->written;
	n->give.progress = n->now;
	here = (struct once_arc){n->give.arc, {e ? e->v.name.number : n->number, n->counter}};
	n->give.share = once_give(n->once, &here);
	pump(n);
}

void on_cut(struct node *n, const struct frame *f)
{
	if (member_same(&f->from, &n->self)) {
		own_cut(n, f);
	} else if (n->take.phase != TAKE_STREAM || f->attempt != n->take.attempt ||
		   !member_same(&f->from, &n->take.giver)) {
		return;
	} else if (n->take.cut) {
		/* A giver says it once.  If it has missed that, this one is its place, and what is held here it has answered. */
		out_log(n, NOTE_CALLED_OFF, ABOUT(OF_PEER(f->from.id), OF_REASON("its cut was said again by somebody")),
			"handover from node %08x refused: its cut was said again by somebody", f->from.id);
		take_refuse(n);
		seek_sign(n, 50);
	} else {
		n->take.cut = true;
		request_drop(n, n->take.arc);
	}
}

/* Either side calls it off before the grant; after it only the taker may, who then never stores the views. */
void on_void(struct node *n, const struct frame *f)
{
	if (about(n, f)) {
		if (n->give.phase == GIVE_GRANTED && n->give.leave && n->change.kind == CHANGE_GIVE) {
			change_undo(n);
		} else if (n->give.phase == GIVE_GRANTED) {
			change_out(n, &f->from, "it has not taken the arc");
		} else if (n->give.phase < GIVE_GRANTED) {
			n->retry_at = n->now + 50 + node_random(n, 200);
			give_end(n);
		}
		return;
	}
	if (f->attempt == n->take.attempt && member_same(&f->from, &n->take.giver) &&
	    (n->take.phase == TAKE_SUBSCRIBE || n->take.phase == TAKE_STREAM)) {
		take_end(n);
		seek_sign(n, 50);
	}
}

void on_active(struct node *n, const struct frame *f)
{
	char text[24];
	size_t told;

	if (!about(n, f) || n->give.phase < GIVE_GRANTED)
		return;
	/* From who is being fenced: it may have answered what is held here, but it does not go on.  The copy stays. */
	if (fence_blocks(n, &f->from)) {
		n->give.conn = 0;
		request_drop(n, n->give.arc);
		return;
	}
	/* Everybody has stored, as the taker knows who asked our backup itself while we were away. */
	if (n->give.phase == GIVE_GRANTED && n->change.kind == CHANGE_GIVE) {
		if (!change_adopt(n, f->views, f->view_count))
			return;
		change_holds(n);
	}
	for (struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->sealed && member_same(&e->peer, &f->from)) {
			e->sealed = false;
			/* It held once; ACTIVE said again does not mean that it is still the newest: SYNC asks for that. */
			e->held = true;
		}
	if (f->flag) {
		told = copy_keep(n, &f->from, n->give.arc);
	} else {
		told = store_purge(n->store, n->give.arc);
		once_forget(n->once, n->give.arc);
	}
	out_log(n, NOTE_HANDED_OVER, ABOUT(OF_ARC(n->give.arc), OF_PEER(f->from.id)),
		"arc %s: handed over to node %08x with %zu records", arc_text(n->give.arc, text), f->from.id, told);
	give_end(n);
}
