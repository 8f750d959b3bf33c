/* Asking for admission, and the first answer to those who ask (PROTOCOL.md section 4). */
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define INTERVAL_MAX 1000
#define RECENT_FOR 3000
#define WAITING_FOR 10000
#define REFUSE_FOR 60000
#define REFUSED_MAX 4   /* its wait doubles so often */
#define OLDER_WAIT 5000 /* ms: it is not admitted before we are gone */
#define EXIT_REFUSED 77 /* the exit code, also for an id: systemd is not to try again */

/* What was on its way may be lost, and nothing will ask for it again. */
static void forget_echoes(struct node *n)
{
	echo_forget(n, ECHO_RING);
	echo_forget(n, ECHO_FOUNDER);
}

void seek_begin(struct node *n)
{
	forget_echoes(n);
	roll_close(n);
	n->seek = (struct seek){
		.active = true, .echoed = true, .interval = n->config.join_interval, .next = n->now, .since = n->now};
}

void seek_end(struct node *n)
{
	forget_echoes(n);
	roll_close(n);
	n->seek = (struct seek){0};
	n->in_since = n->now;
	n->refused_times = 0;
}

/* There is a ring: count anew, and ask no more often than it answers. */
void seek_sign(struct node *n, unsigned wait)
{
	struct seek *s = &n->seek;

	if (!s->active)
		return;
	s->count = 0;
	s->since = n->now;
	if (s->stage == SEEK_STATUSES || s->stage == SEEK_FENCES) {
		roll_close(n);
		s->stage = SEEK_ASK;
		fence_void(n);
	}
	if (wait) {
		s->next = n->now + wait + node_random(n, wait / 2 + 1);
	} else if (s->interval < INTERVAL_MAX) {
		s->interval *= 2;
		s->next = n->now + s->interval + node_random(n, s->interval);
	}
}

static void attempt(struct node *n)
{
	struct seek *s = &n->seek;
	struct frame f;
	char text[REFERENCE_TEXT_MAX];

	/* HELLO first, on the same connection: a join without one is the reference's. */
	frame_start(n, &f, FRAME_HELLO);
	memcpy(f.name, n->config.name, sizeof(f.name));
	f.seq = s->count;
	if (!conn_equal(&n->asked_on[0], &n->self.conn)) {
		n->asked_on[1] = n->asked_on[0];
		n->asked_on[0] = n->self.conn;
	}
	frame_send(n, &f, TOPIC_RING, 0);
	echo_await(n, ECHO_RING);
	out_publish(n, TOPIC_JOIN, 0, text, reference_format_id(text, sizeof(text), n->self.id), false);
	/* Whoever made us go slowly is not heard any more. */
	if (n->now - s->since >= 2 * INTERVAL_MAX)
		s->interval = n->config.join_interval;
	s->echoed = false;
	s->last = n->now;
	/* All are counted, and a ring is registered that is silent: it gets its time, but not 100 questions a second. */
	s->next = n->now + (s->count >= n->config.join_attempts ? 20 : 1) * s->interval;
}

static void next_stage(struct node *n, int stage)
{
	n->seek.stage = stage;
	n->seek.stage_since = n->now;
}

/* A ring that is there may be busy with a death: it gets the time that takes. */
uint64_t seek_patience(const struct node *n)
{
	return (uint64_t)n->config.grace + n->config.recover;
}

static void propose(struct node *n)
{
	roll_close(n);
	next_stage(n, SEEK_PROPOSED);
	founder_propose(n);
}

/* Ours by name, and we died before it was: founding it would have taken the first number of its term. */
static bool stillborn(const struct node *n)
{
	return n->config.never && n->seen.nonce == n->self.memory && n->number >> 32 < n->seen.term;
}

/* Every status is here.  The register may have been lost, or written by somebody who should not: nobody is in a ring only
 * if the statuses say so too.  Else who they name is fenced, unless that cannot be: no second ring beside him. */
static void call_roll(struct node *n)
{
	if ((!n->seen.nonce || stillborn(n)) && !roll_found_present(n)) {
		propose(n);
	} else if (!recover_waits(n, (struct arc){0, 0}) && n->now - n->seek.since >= seek_patience(n) &&
		   roll_found_listed(n)) {
		out_log(n, NOTE_RING_SILENT, NULL, "a ring is there but nobody answers -> fencing whoever it names");
		next_stage(n, SEEK_FENCES);
	} else {
		n->seek.refused_until = n->seek.since + seek_patience(n);
		if (n->seek.refused_until <= n->now)
			n->seek.refused_until = n->now + REFUSE_FOR;
		if (n->config.never && !n->seek.told && n->now - n->seek.since >= seek_patience(n)) {
			n->seek.told = true;
			out_log(n, NOTE_RING_WAITED, NULL,
				"a ring is there but nobody answers -> waiting for its nodes, which may have on their "
				"disks "
				"what nobody else has, until an operator gives them up");
		}
		roll_close(n);
		next_stage(n, SEEK_ASK);
	}
}

void seek_tick(struct node *n, uint64_t *next)
{
	struct seek *s = &n->seek;

	if (!s->active || !node_ready(n) || n->take.phase || n->stopping || n->refused)
		return;
	switch (s->stage) {
	case SEEK_ASK:
		if (founder_is_foreign(n, next))
			return;
		if (s->count >= n->config.join_attempts && n->now >= s->refused_until &&
		    (!n->seen.nonce || n->now - s->since >= seek_patience(n))) {
			(void)founder_read(n); /* it came once, and may have been lost on its way */
			roll_found(n);
			next_stage(n, SEEK_STATUSES);
			soonest(next, n->now + 1000);
			return;
		}
		if ((s->echoed && n->now >= s->next) || n->now - s->last >= 1000)
			attempt(n);
		soonest(next, s->echoed ? s->next : s->last + 1000);
		return;
	case SEEK_STATUSES:
		if (n->roll.back) {
			call_roll(n);
			soonest(next, n->now);
			return;
		}
		/* fall through */
	case SEEK_PROPOSED:
		if (n->now - s->stage_since >= 2000) {
			roll_close(n);
			s->count = 0;
			next_stage(n, SEEK_ASK);
			soonest(next, n->now);
		}
		soonest(next, s->stage_since + 2000);
		return;
	case SEEK_FENCES:
		if (roll_found_fence(n, next)) {
			propose(n);
			soonest(next, n->now + 100);
		}
		return;
	}
}

/* A member that is on the roll speaks: there is a ring. */
void seek_heard(struct node *n)
{
	if (n->seek.stage == SEEK_FENCES)
		seek_sign(n, 20);
}

/* ---- the answer ---- */

bool hello_recent(const struct node *n, uint32_t id)
{
	/* Of a later version nobody knows whose it was: the `join` behind it is not a reference's either. */
	if (n->later_at && n->now - n->later_at < RECENT_FOR)
		return true;
	for (unsigned i = 0; i < RECENT_MAX; i++)
		if (n->recent[i].memory && n->recent[i].id == id && n->now - n->recent[i].when < RECENT_FOR)
			return true;
	return false;
}

void remember_hello(struct node *n, const struct member *m)
{
	for (unsigned i = 0; i < RECENT_MAX; i++)
		if (n->recent[i].memory == m->memory) {
			n->recent[i].when = n->now;
			return;
		}
	n->recent[n->recent_next++ % RECENT_MAX] = (struct recent){.id = m->id, .memory = m->memory, .when = n->now};
}

static void answer(struct node *n, const struct member *to, enum frame_type type, enum frame_reason reason,
		   unsigned wait)
{
	struct frame f;

	frame_start(n, &f, type);
	f.reason = reason;
	f.wait = wait;
	if (type == FRAME_REFUSE && !n->seek.active)
		f.since = n->now - n->in_since;
	memcpy(f.name, n->config.name, sizeof(f.name));
	frame_to(n, &f, to);
}

static void waiting_add(struct node *n, const struct member *m)
{
	for (unsigned i = 0; i < n->waiting_count; i++)
		if (n->waiting[i].m.id == m->id) {
			n->waiting[i] = (struct waiting){*m, n->now};
			return;
		}
	if (n->waiting_count < WAITING_MAX)
		n->waiting[n->waiting_count++] = (struct waiting){*m, n->now};
}

static bool free_to_give(struct node *n, uint32_t id)
{
	struct entry *e = entry_main(n);
	/* Who leaves admits nobody, unless it is the last: then the newcomer is who takes its records. */
	bool staying = !n->stopping || (e && e->v.arc.lo == n->self.id && store_count(n->store));

	return e && entry_serves(n, e) && id != n->self.id && ring_contains(e->v.arc, id) && staying &&
	       !n->change.kind && !n->give.phase && !n->take.phase && n->now >= n->retry_at && n->been_active &&
	       !reference_busy(n);
}

static void offer(struct node *n, const struct member *m)
{
	struct entry *e = entry_main(n);

	give_begin(n, m, (struct arc){e->v.arc.lo, m->id}, false);
}

/* Comes back to those who asked while we were busy; those whose position has moved on ask again at once.  Those whose arc
 * is ours, and not served now, stay: told to ask at once, all of them would for as long as a doubt lasts. */
bool waiting_offer(struct node *n)
{
	while (n->waiting_count) {
		const struct entry *e = entry_main(n);
		struct waiting w = n->waiting[0];
		bool late = n->now - w.when >= WAITING_FOR, ours = e && ring_contains(e->v.arc, w.m.id);

		if (n->give.phase)
			return true;
		if (!late && ours && !free_to_give(n, w.m.id))
			return false;
		memmove(n->waiting, n->waiting + 1, --n->waiting_count * sizeof(*n->waiting));
		if (late)
			continue;
		if (ours)
			offer(n, &w.m);
		else
			answer(n, &w.m, FRAME_BUSY, REASON_NONE, 10);
	}
	return n->give.phase != GIVE_NONE;
}

/* An older incarnation under that id is named in a view: its process is not there any more, or will refuse by itself. */
static void note_restart(struct node *n, const struct member *m)
{
	for (struct entry *e = n->entries; e < n->entry_end; e++) {
		if (!e->used || !e->peer.memory || e->peer.id != m->id || e->peer.memory == m->memory)
			continue;
		if (e->gone && n->now - e->gone < n->config.grace)
			e->gone = n->now > n->config.grace ? n->now - n->config.grace : 1;
		else if (!e->gone && !e->silent)
			e->heard = 0;
	}
}

static bool is_rival(const struct node *n, const struct member *m)
{
	for (unsigned i = 0; i < RIVALS; i++)
		if (member_same(&n->rivals[i], m))
			return true;
	return false;
}

static void rival_add(struct node *n, const struct member *m)
{
	if (!is_rival(n, m))
		n->rivals[n->rival_next++ % RIVALS] = *m;
}

void on_hello(struct node *n, const struct frame *f)
{
	bool lower = f->from.memory < n->self.memory, same_id = f->from.id == n->self.id;

	if (member_same(&f->from, &n->self)) {
		if (conn_equal(&f->from.conn, &n->self.conn) && n->seek.active && !n->seek.echoed) {
			echo_heard(n, ECHO_RING);
			n->seek.echoed = n->seek.heard = true;
			n->seek.count++;
		}
		return;
	}
	remember_hello(n, &f->from);
	if (same_id)
		n->busy_at = n->now; /* the `join` behind it, and the answers, are not for us */
	/* Who leaves gives its name away. */
	if (same_id || (!n->stopping && n->exit_code != EXIT_REFUSED && !strcmp(f->name, n->config.name))) {
		if (!n->seek.active || !lower)
			answer(n, &f->from, FRAME_REFUSE, same_id ? REASON_ID_IN_USE : REASON_NAME_IN_USE, 0);
		if (!same_id)
			rival_add(n, &f->from);
		return;
	}
	if (n->seek.active) {
		/* Where the register names what only this node can know to be nothing, nobody else founds. */
		if (f->from.id < n->self.id && !stillborn(n))
			seek_sign(n, 0);
		return;
	}
	note_restart(n, &f->from);
	if (f->minor < FRAME_MINOR && entry_main(n) && ring_contains(entry_main(n)->v.arc, f->from.id)) {
		older_found(n, &f->from, "it is not admitted here");
		answer(n, &f->from, FRAME_BUSY, REASON_NONE, OLDER_WAIT); /* 1.0 knows no other way to be told */
		return;
	}
	/* A member that seeks has given its views up: it is asked about ours at once. */
	for (struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && !e->silent && member_same(&e->peer, &f->from))
			e->heard = 0;
	if (free_to_give(n, f->from.id)) {
		offer(n, &f->from);
		return;
	}
	for (const struct entry *e = n->entries; e < n->entry_end; e++) {
		/* The owner answers; near the end of its count, so does everybody: there is a ring. */
		if (!e->used || (!(ring_contains(e->v.arc, f->from.id) && (e->mine || e->gone || e->silent)) &&
				 f->seq < n->config.join_attempts / 2))
			continue;
		if (e->mine && e->v.arc.hi == n->self.id && ring_contains(e->v.arc, f->from.id))
			waiting_add(n, &f->from);
		answer(n, &f->from, FRAME_BUSY, REASON_NONE, 300);
		return;
	}
}

/* A name refused to who has been admitted meanwhile by others.  Whoever is in stays; of two that are, the one that had
 * the name first has never heard the other ask before it was in itself; where both have, as when both start at once, the
 * lower memory stays.  Who stays says so.  But strangers may say again what was refused, or asked, long ago: who has been
 * in for longer than who refuses does not take it for an answer.  And who owns all there is stays: whoever refuses has
 * slept, or gone. */
static bool stays(struct node *n, const struct frame *f)
{
	bool member = ring_id_same(&f->ring, &n->ring), rival = is_rival(n, &f->from);
	bool prevails = rival && n->self.memory < f->from.memory;
	const struct entry *own = entry_main(n);

	if (member && own && own->v.arc.lo == own->v.arc.hi)
		return true;
	if (member && !rival && !n->seek.active && n->now - n->in_since > f->since)
		return true;
	if (member && !prevails)
		return n->exit_code != 0;
	if (member || !f->ring.term)
		answer(n, &f->from, FRAME_REFUSE, REASON_NAME_IN_USE, 0);
	return true;
}

void on_refuse(struct node *n, const struct frame *f)
{
	bool in = !n->seek.active || n->take.phase == TAKE_STORED;

	if (n->exiting || n->refused ||
	    (f->reason != REASON_VERSION && f->from.id != n->self.id && strcmp(f->name, n->config.name) != 0))
		return;
	if (in && (f->reason != REASON_NAME_IN_USE || stays(n, f)))
		return;
	if (f->reason == REASON_VERSION)
		out_log(n, NOTE_REFUSED, ABOUT(OF_PEER(f->from.id), OF_REASON("version")),
			"refused: node %08x speaks a later version of the protocol -> upgrade this one", f->from.id);
	else if (f->reason == REASON_NAME_IN_USE)
		out_log(n, NOTE_REFUSED, ABOUT(OF_PEER(f->from.id), OF_REASON("name in use")),
			"refused: the name \"%s\" is in use by node %08x -> choose another --name", n->config.name,
			f->from.id);
	else
		out_log(n, NOTE_REFUSED, ABOUT(OF_PEER(f->from.id), OF_REASON("id in use")),
			"refused: the id %u is in use by node \"%s\" -> choose another --id or --name", n->self.id,
			f->name);
	n->exit_code = EXIT_REFUSED;
	if (in) {
		node_stop(n, "admitted before that was said");
		return;
	}
	if (n->take.phase)
		take_refuse(n);
	/* Records that lie here go to their owners first. */
	n->refused = f->reason == REASON_NAME_IN_USE || f->reason == REASON_VERSION ? f->reason : REASON_ID_IN_USE;
	n->merged_at = n->now;
}

void seek_refused(struct node *n, uint64_t *next)
{
	if (!n->refused || n->exiting || n->stopping)
		return;
	/* Still named as somebody's guard, it has taken over from him. */
	if (entry_any_own(n)) {
		node_stop(n, "its id or name is another's, and it owns an arc");
		return;
	}
	if (n->stash) {
		/* Nobody takes them: the ring may be gone, and with it whoever had the id.  Or there is none yet, and those who
		 * would found one defer to whoever asks: each time we leave them longer. */
		if (node_ready(n) && n->now - n->merged_at >= (uint64_t)n->config.recover << n->refused_times) {
			out_log(n, NOTE_REJOIN, NULL,
				"nobody takes the %zu records that lie here -> asking to be admitted again",
				store_count(n->store));
			n->refused = REASON_NONE;
			n->exit_code = 0;
			if (n->refused_times < REFUSED_MAX)
				n->refused_times++;
			seek_begin(n);
		}
		soonest(next, n->now + 1000);
		return;
	}
	/* As a joiner it may have told of an arc.  Under an id in use the other sees to what stands there. */
	if (n->told && n->connected && n->refused != REASON_ID_IN_USE)
		status_clear(n);
	n->exiting = true;
	out_effect(n, EFFECT_EXIT)->code = n->exit_code;
}

void on_busy(struct node *n, const struct frame *f)
{
	if (n->give.phase == GIVE_OFFERED && f->attempt == n->give.attempt) {
		give_refused(n);
		return;
	}
	n->busy_at = n->now;
	reference_not_holding(n);
	if (!f->attempt)
		seek_sign(n, f->wait ? f->wait : 1);
}
