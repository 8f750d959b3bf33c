/* Shared by reference_peer.c (the neighbourhood, and ours joins), reference_admit.c (a reference joins), reference_leave.c
 * (who leaves or dies), reference_words.c (what is put and got meanwhile) and reference_stream.c (the records on their
 * way). */
#ifndef DHT_REFERENCE_PEER_H
#define DHT_REFERENCE_PEER_H

#include "core.h"

#define QUIET 300     /* no redistribution for so long: it is over (there is no end marker) */
#define ASK_FOR 100   /* how long ours may take to say that they own a position */
#define LINGER 500    /* how long a leaver of the reference may still answer */
#define CONFIRMED 500 /* how long a joiner may take that has perhaps confirmed before */
#define PATIENCE 2000 /* for a confirmation, for acks */
#define SILENT 30000  /* a predecessor of which nothing was heard for so long is asked */

#define OVERHEARD 16
#define STRANGERS 16 /* joiners remembered that said no HELLO */
#define STRANGER_FOR 5000

/* Who joins without a HELLO, more than once, is the reference's. */
struct stranger {
	uint32_t id;
	unsigned joins;
	uint64_t when;
};

enum admit { ADMIT_NONE, ADMIT_SHRINK, ADMIT_SAY, ADMIT_ACK, ADMIT_CONFIRM, ADMIT_SEND };
enum quit { QUIT_NONE, QUIT_SAID, QUIT_SENT };

/* The records on their way to a node of the reference, which joins or to which we leave. */
struct reference_stream {
	uint32_t *ids; /* in the order in which they are said */
	size_t count, next, room;
	size_t first;    /* everything before it is acknowledged */
	size_t said;     /* of those from there on so many were published, to be acknowledged */
	size_t heard;    /* everything before it is acknowledged, or has come back on this connection */
	uint32_t *again; /* said more than once and not yet back, each as often as that */
	size_t again_count, again_room;
	bool broken;  /* with the connection: how much has arrived is not known */
	bool resumed; /* some may be said, and acknowledged, twice */
};

struct reference_peer {
	bool listening; /* to ack-put and res-get */
	uint32_t pred, succ;
	bool has_pred, has_succ;
	struct arc pred_arc; /* what pred owns, where we know it: admitted here */
	bool pred_arc_known;

	struct stranger strangers[STRANGERS];
	unsigned stranger_next;

	/* joining at a reference: everything is held from the echo of the first join on */
	bool holding;
	bool acked[2];
	uint32_t ack[2];                                /* by enum reference_side */
	struct reference_ack_join overheard[OVERHEARD]; /* who was admitted while we were asking */
	unsigned overheard_count;
	uint64_t asked_since; /* both are here, and ours are asked whether they know better; 0: not */
	uint64_t asked_again; /* when last */
	uint64_t filling;     /* gets of absent keys, and lists, wait until then for the redistribution; 0: none */

	/* a reference joins here */
	enum admit admit;
	uint32_t joiner;
	struct arc arc;
	uint64_t since;
	bool lost; /* our connection, behind our word: what it had confirmed was not heard */
	size_t acks;
	bool answering; /* the held ones of before its place are ours */

	/* a reference leaves to us */
	struct arc left;
	uint32_t leaver;
	uint64_t left_until; /* it may still answer; 0: nobody is leaving */

	/* what was last taken from one, and the number by which */
	struct arc came;
	uint64_t came_number;

	/* we leave to a reference */
	enum quit quit;
	uint64_t quit_since;
	uint64_t quit_progress;
	size_t quit_acks;
	uint64_t quit_counter;     /* of versions, when the records went out: what is newer goes out behind them */
	struct store *quit_echoed; /* records whose last word has come back */

	struct reference_stream stream;

	/* an operation of the arc behind us that finds no answer, and the ping that follows */
	uint64_t pred_heard, unanswered, pinged;
	uint32_t unanswered_key;
};

struct reference_peer *reference_peer(struct node *n);
void reference_publish_ack_join(struct node *n, uint32_t src, uint32_t dst, enum reference_side side);
void reference_own_arc(struct node *n, struct arc arc);
void reference_take_arc(struct node *n, struct arc arc); /* ... which a reference had until now */
void reference_set_pred(struct node *n, uint32_t id);
void reference_set_succ(struct node *n, uint32_t id);
void reference_listen(struct node *n, bool on);

void reference_admit_begin(struct node *n, uint32_t id);
/* True if the word belongs to an admission under way, and is done with. */
bool reference_admit_ack_join(struct node *n, const struct reference_ack_join *a);
void reference_admit_tick(struct node *n, uint64_t *next);
/* A node of the reference has left: nothing more is owed to it. */
void reference_admit_left(struct node *n, uint32_t id);
void reference_admit_disconnected(struct node *n);

void reference_leave_tick(struct node *n, uint64_t *next);
void reference_publish_record(struct node *n, const char *client, const struct store_item *item);

void reference_stream_begin(struct node *n, struct arc arc);
void reference_stream_again(struct node *n, uint32_t id);
/* Publishes what the transport takes now; true if that was anything. */
bool reference_stream_pump(struct node *n, const char *client);
/* A record has come back. */
void reference_stream_heard(struct node *n, uint32_t id);
/* A word of ours is back; true if it is the last one about that id. */
bool reference_stream_echoed(struct node *n, uint32_t id);
/* Everything is said, and acknowledged as often; after a resumption some of it perhaps twice. */
bool reference_stream_acked(const struct node *n, size_t acks);
/* ... and has come back, where that tells. */
bool reference_stream_done(const struct node *n, size_t acks);
void reference_stream_break(struct node *n);
/* On a new connection: goes on behind what was acknowledged, and counts anew. */
void reference_stream_resume(struct node *n, size_t acks);
void reference_stream_end(struct node *n);

#endif
