/* The register: one retained topic says which ring there is (PROTOCOL.md section 4). */
#include <string.h>

#include "core.h"

#define FOREIGN_SAID 60000
#define REGISTER_AGAIN 1000

bool ring_id_same(const struct ring_id *a, const struct ring_id *b)
{
	return a->term == b->term && a->nonce == b->nonce;
}

static void publish_found(struct node *n, const struct ring_id *ring)
{
	struct frame f;

	frame_start(n, &f, FRAME_FOUND);
	f.ring = *ring;
	frame_send(n, &f, TOPIC_FOUNDER, 0);
}

static bool has_views(const struct node *n)
{
	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used)
			return true;
	return false;
}

/* Greatest wins, whoever came first: late subscribers need no history. */
bool ring_id_less(const struct ring_id *a, const struct ring_id *b)
{
	return a->term != b->term ? a->term < b->term : a->nonce < b->nonce;
}

void founder_propose(struct node *n)
{
	uint32_t known = (uint32_t)(n->number >> 32);
	struct ring_id ring = {(n->seen.term > known ? n->seen.term : known) + 1, n->self.memory};

	/* Once it is said that proposals do not come back, each of them is no news. */
	out_log(n, n->echo[ECHO_FOUNDER].said ? NOTE_PROPOSING_AGAIN : NOTE_PROPOSING, NULL,
		"no ring answers -> proposing ring %u/%016llx", ring.term, (unsigned long long)ring.nonce);
	publish_found(n, &ring);
	echo_await(n, ECHO_FOUNDER);
}

/* The last node of a ring leaves its term in the register, and nobody in it. */
void founder_clear(struct node *n)
{
	struct ring_id nobody = {n->ring.term, 0};

	publish_found(n, &nobody);
}

static void found(struct node *n, const struct ring_id *ring)
{
	struct view v = {.arc = {n->self.id, n->self.id}, .owner = n->self};

	n->ring = *ring;
	n->announced = true;
	entry_past_forget(n);
	/* Nobody owned what was held for a reference's case, or somebody did: it is not ours. */
	request_forget(n);
	reference_not_holding(n);
	if (n->number < (uint64_t)ring->term << 32)
		n->number = (uint64_t)ring->term << 32;
	v.name = name_next(n);
	seek_end(n);
	fence_void(n);
	copy_absorb(n, v.arc);
	entry_add(n, &v, true);
	once_own(n->once, &(struct once_arc){v.arc, {v.name.number, n->counter}});
	out_log(n, NOTE_FOUNDED, NULL, "founded ring %u/%016llx: the whole ring is ours", ring->term,
		(unsigned long long)ring->nonce);
}

static void repair_soon(struct node *n)
{
	if (n->repair_at == NEVER)
		n->repair_at = n->now + 1 + node_random(n, 100);
}

static void yield(struct node *n)
{
	/* Two rings of one term have counted their views apart: what was written there never replaces what is written here. */
	store_demote(n->store);
	entry_past_forget(n);
	node_give_up(n, "a greater ring stands in the register");
}

/* A seeker hears of a ring, or that there is none any more. */
static void seeker_found(struct node *n, const struct frame *f)
{
	if (n->seek.stage == SEEK_PROPOSED && member_same(&f->from, &n->self)) {
		found(n, &f->ring);
		return;
	}
	if (n->seek.stage == SEEK_PROPOSED)
		n->seek.stage = SEEK_ASK;
	seek_sign(n, f->ring.nonce ? 20 : 1);
}

void on_found(struct node *n, const struct frame *f, bool retained)
{
	bool emptied = f->ring.nonce == 0 && f->ring.term == n->seen.term && !has_views(n);

	if (!f->ring.term)
		return;
	n->foreign = 0;
	/* Somebody else's ends the proposal; whether our own would have come back is not known then. */
	if (member_same(&f->from, &n->self) && !retained)
		echo_heard(n, ECHO_FOUNDER);
	else
		echo_forget(n, ECHO_FOUNDER);
	if (!retained && !emptied && ring_id_less(&f->ring, &n->seen)) {
		/* A lesser one must not stay in the register. */
		if (member_same(&f->from, &n->self) || has_views(n))
			repair_soon(n);
		if (n->seek.active && n->seek.stage == SEEK_PROPOSED) {
			n->seek.stage = SEEK_ASK;
			seek_sign(n, 20);
		}
		/* Who belongs to no ring follows what stands: if anybody is left of the greater one he puts it right. */
		if (!has_views(n) && !member_same(&f->from, &n->self) && f->ring.nonce) {
			if (n->number < (uint64_t)n->seen.term << 32)
				n->number = (uint64_t)n->seen.term
					    << 32; /* a founding is to be above it all the same */
			n->seen = f->ring;
			n->seen_by = f->from;
		}
		return;
	}
	if (ring_id_same(&f->ring, &n->seen))
		n->repair_at = NEVER;
	n->seen = f->ring;
	n->seen_by = f->from;
	if (!has_views(n)) {
		if (n->seek.active && !retained)
			seeker_found(n, f);
		return;
	}
	if (n->proving && ring_id_same(&f->ring, &n->ring)) {
		request_forget(n); /* what stands before it was for the ring that stood in the register then */
		node_tripped(n);
	} else if ((n->tripped || n->proving) && ring_id_less(&n->ring, &f->ring))
		yield(n);
	else if (ring_id_less(&f->ring, &n->ring))
		repair_soon(n);
}

/* Members speak of a lesser ring than was heard of: a stranger may have said the greater one, and nobody else heard him.
 * What is retained comes with every SUBSCRIBE [MQTT-3.8.4-3]. */
bool founder_read(struct node *n)
{
	if (n->register_at && n->now - n->register_at < REGISTER_AGAIN)
		return false;
	n->register_at = n->now;
	out_subscribe(n, TOPIC_FOUNDER, 0, true);
	return true;
}

bool founder_is_foreign(struct node *n, uint64_t *next)
{
	if (!n->foreign)
		return false;
	/* Somebody may have said it without writing it there. */
	if (n->foreign_heard && founder_read(n)) {
		n->foreign = 0;
		seek_sign(n, 20);
	}
	if (n->foreign_heard) {
		soonest(next, n->register_at + REGISTER_AGAIN);
		return true;
	}
	if (!n->foreign_said || n->now - n->foreign_said >= FOREIGN_SAID) {
		n->foreign_said = n->now;
		out_log(n, NOTE_VERSION_LATER, NULL,
			"a ring of protocol version %llu is registered here, this node speaks %d -> upgrade it, or "
			"give it another --topic-prefix; if that ring is gone, clear what is retained on the topic "
			"founder",
			(unsigned long long)n->foreign, FRAME_VERSION);
	}
	soonest(next, n->foreign_said + FOREIGN_SAID);
	return true;
}

void founder_cleared(struct node *n)
{
	n->seen = (struct ring_id){0};
	n->foreign = 0;
	if (has_views(n) && n->tripped)
		repair_soon(n);
}

/* Of a later version: nobody here knows what it says, but where it stands somebody is, or was. */
void founder_foreign(struct node *n, enum topic_kind kind, uint64_t major, bool retained)
{
	if (major <= FRAME_VERSION)
		return;
	if (kind == TOPIC_RING)
		n->later_at = n->now;
	if (kind == TOPIC_NODE)
		roll_foreign(n);
	if (kind != TOPIC_FOUNDER)
		return;
	founder_cleared(n);
	n->foreign = major;
	n->foreign_heard = !retained;
	seek_sign(n, 20);
}

/* What is retained has arrived by now: does the ring we belong to stand?  False: not before it has been put back. */
bool founder_checked(struct node *n)
{
	if (!has_views(n) || ring_id_same(&n->ring, &n->seen))
		return true;
	if (ring_id_less(&n->ring, &n->seen)) {
		yield(n);
		return true;
	}
	n->proving = true;
	publish_found(n, &n->ring);
	echo_await(n, ECHO_FOUNDER);
	return false;
}

bool founder_lesser(const struct node *n, const struct frame *f)
{
	return f->ring.term && n->ring.term && ring_id_less(&f->ring, &n->ring);
}

/* A node of a lesser ring speaks: it has not heard of ours. */
void founder_heard(struct node *n, const struct frame *f)
{
	if (f->ring.term && has_views(n) && ring_id_less(&f->ring, &n->ring))
		repair_soon(n);
}

void founder_tick(struct node *n, uint64_t *next)
{
	if (n->repair_at == NEVER || !node_ready(n))
		return;
	if (n->now < n->repair_at) {
		soonest(next, n->repair_at);
		return;
	}
	n->repair_at = NEVER;
	if (n->ring.term && has_views(n))
		publish_found(n, &n->ring);
	else if (n->seen.term)
		publish_found(n, &n->seen);
}
