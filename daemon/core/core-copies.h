/* Of what the files of the core say to each other (core.h): copies, who keeps them, and what clients are told when they are
 * there (PROTOCOL.md section 7). */
#ifndef DHT_CORE_COPIES_H
#define DHT_CORE_COPIES_H

#include "state.h"

/* ---- follow.c, follow-stream.c, follow-return.c ---- */
void follow_changed(struct node *n, const struct key *key); /* in an arc of ours, whoever keeps that */
void follow_row(struct node *n, const struct once_write *w, const struct once_answer *answer);
void follow_flush(struct node *n);      /* what was written goes out */
bool follow_told(const struct node *n); /* nothing was written since */
bool follow_paced(struct node *n);      /* there is no hurry: what went out before is not acknowledged */
/* Fills it, if it is not whole; true if it is: e may name it as the backup. */
bool follow_want(struct node *n, const struct member *m, const struct entry *e);
bool follow_whole(struct node *n, const struct member *m, struct arc arc);
bool follow_owed(struct node *n, const struct member *m);                 /* it had, and has lost it */
void follow_same(struct node *n, const struct member *m, struct arc arc); /* it has all of it, from a handover */
/* Its stream, and the number of the last frame; 0: there is none. */
uint64_t follow_attempt(struct node *n, const struct member *m, uint64_t *seq);
uint64_t follow_point(struct node *n);        /* of n->written, what every backup has */
void follow_holds(struct node *n);            /* what the change under way makes does */
uint64_t follow_behind(const struct node *n); /* records still to be told to who is being filled */
bool follow_full(const struct node *n);
void follow_end_all(struct node *n);
void follow_leave(struct node *n); /* tells them that nothing is kept for us any more */
void follow_tick(struct node *n, uint64_t *next);
void follow_due(const struct node *n, uint64_t *next); /* when what went out in this step is to be said again */
void on_copied(struct node *n, const struct frame *f);
/* How far keepers have what is owned here, for who comes back; FOLLOWERS_MAX at most. */
struct kept;
unsigned follow_kept(struct node *n, struct kept *kept);
bool follow_low(const struct node *n); /* less is kept than was written down */
void follow_restore(struct node *n, const struct kept *kept, unsigned count);
/* Behind a return: it has what e names it for; else it is being told. */
bool follow_again(struct node *n, const struct member *m, const struct entry *e);

/* ---- keepers.c ---- */
void keepers_tell(struct node *n, struct frame *f);       /* who comes behind this node, in a CONFIRM */
void keepers_told(struct node *n, const struct frame *f); /* ... and behind its backup */
bool keepers_want(struct node *n, const struct follower *f);
unsigned keepers_count(struct node *n, struct arc arc); /* who has all of it, besides the backup */
void keepers_doubt(struct node *n); /* they may have given up what they had: nothing went to them for long */
void keepers_lost(struct node *n, const struct member *m, const char *why);
void keepers_tick(struct node *n, uint64_t *next);

/* ---- scrub.c ---- */
void on_scrub(struct node *n, const struct frame *f);
void scrub_told(struct node *n, struct follower *f, const struct frame *frame); /* a keeper has compared */
void scrub_tick(struct node *n, uint64_t *next);

/* ---- damage.c ---- */
/* It is not sound: other copies are asked for it.  True: none of them has it. */
bool damage_lost(struct node *n, const struct store_item *item);
void damage_told(struct node *n, const struct follower *f,
		 const struct frame *frame); /* ... what a keeper has of that */
void damage_tick(struct node *n, uint64_t *next);
void damage_forget(struct node *n);

/* ---- copy.c, copy-stream.c ---- */
bool copy_take(struct node *n, const struct entry *e);  /* its owner is out; false: there is no copy of all of it */
bool copy_whole(struct node *n, const struct entry *e); /* all of what it guards is kept here */
void copy_absorb(struct node *n, struct arc arc);       /* ... and it is ours */
size_t copy_keep(struct node *n, const struct member *owner, struct arc arc);
void copy_moved_on(struct node *n, const struct member *owner, struct arc arc); /* he tells all of it, or has told it */
bool copy_upto(struct node *n, const struct frame *f);        /* ... what its STORE says; else it is told */
void copy_leave(struct node *n, const struct view *v);        /* stored, and it does not name us */
void copy_left(struct node *n, const struct view_name *name); /* ... and it holds */
void copy_return(struct node *n, const struct view *v);       /* it names us again */
void copy_forget_all(struct node *n);                         /* every view is given up: all is to be merged */
size_t copy_count(const struct node *n);
void copy_unfilled(struct node *n, struct copy *c); /* a fill that ended with its process */
void copy_asked(struct node *n, struct arc arc, const struct member *by);
/* Its owner has told all of it, or is this node. */
void copy_replaced(struct node *n, struct arc arc);
/* A COPIED of that stream of the owner's, for which it is: of his memory and attempt, and whether there is room here. */
void copied_begin(struct node *n, struct frame *f, const struct member *owner, uint64_t attempt);
/* Whoever it keeps copies for beside a backup is to find another in time: this node leaves. */
void copies_leave(struct node *n);
/* Records of it are kept for owners by whose views this node is not the backup, and of whose streams `except` does not
 * say true. */
bool copy_loose(const struct node *n, struct arc arc, bool (*except)(void *arg, const struct copy_stream *by),
		void *arg);
void copy_tick(struct node *n, uint64_t *next);
void on_copy(struct node *n, const struct frame *f);
void on_forget(struct node *n, const struct frame *f);

/* ---- tell.c ---- */
/* To a client, when every backup has what was written until now; the bytes are freed. */
void tell_client_own(struct node *n, const char *topic, uint8_t *bytes, size_t len);
void tell_client(struct node *n, enum topic_kind kind, const void *payload, size_t len);
bool tell_waits(const struct node *n, uint64_t written); /* something that was answered by then, of n->written */
void tell_release(struct node *n);
void tell_forget(struct node *n);
bool node_full(const struct node *n); /* no more operations now: what they come to could not be said */

#endif
