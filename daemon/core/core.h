/* What the files of the core say to each other, and who does what. What a node knows is in state.h.
 *
 * node.c     a node's life, and its step; session.c  ... and what a connection begins and ends with
 * hear.c     the table of what each frame means in each state
 * out.c      effects: publish, send a frame, log (what can be said: common/note.h)
 * entry.c    the views this node is named in: own arcs, guarded arcs
 * change.c   making a view, and having it stored (PROTOCOL.md section 5)
 * view.c     storing what others make; HOLDS
 * make.c     the views that each kind of change makes
 * watch.c    who is silent, who is gone; SYNC, CONFIRM
 * find.c     asking everybody, and what follows from who knows better; NOTIFY
 * hole.c     arcs that nobody owns
 * fence.c    fences and the round trip behind them
 * line.c     who is silent: they, or one's own line
 * tend.c     what to change next: takeover, merge, new backup, giving, leaving
 * seek.c     HELLO, attempts, admission's first steps
 * founder.c  the register
 * roll.c     whoever the retained statuses name, heard or fenced
 * give.c     handover, the giver's side; give-stream.c  ... its records on their way
 * take.c     handover, the taker's side
 * request.c  operations: answer, hold or leave alone; put and get
 * routed.c   the operations of our own clients: whose, whether done before
 * operate.c  ... what one of them comes to
 * watched.c  ... or what becomes of it, told to who watches
 * list.c     ... or what there is, page by page
 * answer.c   ... and what is said of it
 * share.c    ... and moved with its arc
 * once.[ch], once-table.c, once-share.c, once-picture.c, horizon.[ch]  ... remembered, so that nothing is done twice
 * cells.c    ... the topics on which they are heard
 * store.[ch], store-read.c, store-bulk.c, store-ends.c, heap.[ch], order.[ch]  the records in memory
 * record.c   records as the store has them, and as frames tell them
 * merge.c    records that outlive their arc
 * older.c    neighbours of an earlier version
 * follow.c, follow-stream.c, follow-return.c  copies of what is owned here, elsewhere; arcs.[ch]  the ids they have
 * key-list.[ch]  keys written since the last frame, to a keeper or to who watches
 * keepers.c  ... beyond the backup's, and who has them
 * copy.c, copy-stream.c  copies of what others own, here
 * scrub.c, copy-check.c  ... compared with the owner's; damage.c  records whose bytes are not what was put
 * tell.c     what clients are told, once every copy has it
 * durable.[ch], durable-state.c  what a disk is to keep of all this; restore.c  ... and a node out of it
 * recover.c  who is waited for, and an operator's word that he is not to be
 * room.c     too few copies, and no room; memory.c  ... in memory
 * echo.c     own words that do not come back
 * status.c   STATUS, WHO, LEAVE, REPLY
 * reference_peer.[ch], reference_admit.c, reference_leave.c, reference_words.c, reference_stream.c  all that exists only for
 *            neighbours that are the reference's */
#ifndef DHT_CORE_H
#define DHT_CORE_H

#include "core-copies.h"
#include "state.h"

/* ---- out.c ---- */
void out_reset(struct node *n);
void *out_own(struct node *n, void *p); /* freed at the next step */
struct effect *out_effect(struct node *n, enum effect_type type);
const char *out_topic(struct node *n, enum topic_kind kind, uint32_t id);
void out_publish(struct node *n, enum topic_kind kind, uint32_t id, const void *payload, size_t len, bool retain);
void out_publish_to(struct node *n, const char *topic, const void *payload, size_t len, bool retain);
/* The bytes are freed with the step. */
void out_publish_own(struct node *n, const char *topic, uint8_t *bytes, size_t len);
void out_subscribe(struct node *n, enum topic_kind kind, uint32_t id, bool on);
/* In one packet; the texts are to last until the next step. */
void out_filters(struct node *n, const char *const *filters, size_t count, bool on);
/* about: NULL, or ABOUT(...), which is copied with its reason. */
void out_log(struct node *n, enum note_kind note, const struct about *about, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* At most a few a time: what strangers can make us say.  payload is shown up to its first blank, as behind it a value may
 * stand; NULL if it may hold one anywhere. */
void out_complain(struct node *n, const char *what, const char *why, const uint8_t *payload, size_t len);
void out_tick(struct node *n, uint64_t *next);
void frame_start(struct node *n, struct frame *f, enum frame_type type);
void frame_send(struct node *n, struct frame *f, enum topic_kind kind, uint32_t id);
/* To one connection of one node; keeps the encoded bytes if bytes is given (caller frees). */
void frame_to(struct node *n, struct frame *f, const struct member *to);
void frame_reply(struct node *n, struct frame *f, const char *topic);
uint32_t node_random(struct node *n, uint32_t below);

/* ---- node.c ---- */
void node_stop(struct node *n, const char *why);
/* For `by` ms, which have ended by `now`, nothing was to be heard: the silence of others is counted without them. */
void node_overslept(struct node *n, uint64_t by, uint64_t now);

/* ---- session.c ---- */
bool node_ready(const struct node *n);
void node_connected(struct node *n);
void node_silence(struct node *n, uint64_t silence, uint64_t now);
void node_heard(struct node *n);
void node_disconnected(struct node *n);
void node_subscribed(struct node *n, const struct event *ev);
void node_tripped(struct node *n); /* our own round trip is back: now we may speak */

/* ---- entry.c ---- */
struct entry *entry_own(struct node *n, uint32_t id); /* the own arc that holds id */
bool entry_any_own(const struct node *n);
struct entry *entry_main(struct node *n); /* the own arc that ends at self */
struct entry *entry_named(struct node *n, const struct view_name *name);
struct entry *entry_over(struct node *n, struct arc arc); /* the first whose arc overlaps this one */
struct entry *entry_add(struct node *n, const struct view *v, bool held);
void entry_drop(struct node *n, struct entry *e);
void entry_newest_conn(const struct node *n, struct member *m);
void entry_past(struct node *n, const struct view *v);
bool entry_outlived(const struct node *n, const struct view *v);
void entry_past_forget(struct node *n);
bool entry_past_attempts(struct node *n, const struct view *v);
struct past entry_past_last(const struct node *n, struct arc arc); /* the greatest; number 0: none */
bool entry_settled(const struct node *n, const struct entry *e);
bool entry_serves(const struct node *n, const struct entry *e);
bool entry_out(struct node *n, const struct entry *e);
bool entry_unserved(const struct node *n, const struct entry *e); /* what is sealed here has been nobody else's yet */
bool entry_waits(struct node *n, const struct entry *e); /* its owner has what nobody else has: nobody takes it over */
bool number_believed(const struct node *n, uint64_t number);
void number_learn(struct node *n, uint64_t number); /* what others have counted is counted here */
uint32_t name_maker(const struct node *n);          /* in the names of the views that this process makes */
struct view_name name_next(struct node *n);         /* of the next one */
bool arc_overlap(struct arc a, struct arc b);
bool arc_equal(struct arc a, struct arc b);
bool name_less(const struct view_name *a, const struct view_name *b);
bool name_equal(const struct view_name *a, const struct view_name *b);
bool view_names(const struct view *v, const struct member *m);
const char *arc_text(struct arc arc, char out[24]);
/* Any frame of a member: it lives, and this is its connection. */
void entry_heard(struct node *n, const struct frame *f);
void entry_gone(struct node *n, const struct member *who);
void node_give_up(struct node *n, const char *why); /* all views; the records stay, to be merged */

/* ---- change.c ---- */
struct party *change_party(struct change *c, const struct member *m);
struct arc change_arc(const struct change *c); /* of all that it starts from */
void change_begin(struct node *n, enum change_kind kind, const struct entry *a, const struct entry *b,
		  const struct member *backup);
void change_out(struct node *n, const struct member *m, const char *why);
void change_undo(struct node *n);
void change_waits(struct node *n, const struct member *m);
void change_without(struct node *n, const struct member *m);
void change_ends(struct node *n, const struct view *by);
const struct view *change_base(struct node *n, unsigned i, struct arc arc, const struct member *to);
const struct view *change_base_beyond(const struct node *n, const struct view *v);
bool change_makes(const struct node *n, const struct entry *e); /* is it of the change under way? */
void change_holds(struct node *n);
bool change_adopt(struct node *n, const struct view *views, unsigned count);
void change_tick(struct node *n, uint64_t *next);
void change_resume(struct node *n); /* after a reconnection: everything is to be said again */
void on_stored(struct node *n, const struct frame *f);
void on_refused(struct node *n, const struct frame *f);

/* ---- make.c ---- */
void make_views(struct node *n); /* the next attempt's, into n->change.made */

/* ---- view.c ---- */
bool view_foreign(const struct node *n, const struct view *v);
bool view_store(struct node *n, const struct frame *f); /* STORE or GRANT; answers STORED or REFUSED */
void view_refuse(struct node *n, const struct frame *f);
void on_store(struct node *n, const struct frame *f);
void on_holds(struct node *n, const struct frame *f);

/* ---- watch.c ---- */
void watch_tick(struct node *n, uint64_t *next);
void watch_statuses(struct node *n);
uint64_t watch_grace(struct node *n, const struct entry *e); /* ms for which who has gone is waited for */
void watch_say_holds(struct node *n, const struct entry *e, const struct member *to);
void on_sync(struct node *n, const struct frame *f);
void on_confirm(struct node *n, const struct frame *f);

/* ---- find.c ---- */
void find_ask(struct node *n, struct arc arc, uint64_t *sent);
void find_back(struct node *n); /* on a new connection */
bool find_later(const struct node *n, const struct view *v, const struct entry *e);
void find_superseded(struct node *n, struct entry *e, const struct view *by);
void find_doubt(struct node *n, struct entry *e, uint64_t *next);
void find_orphan(struct node *n, struct entry *e, bool alone, uint64_t *next);
void find_claimed(struct node *n, struct entry *e, const struct member *by);
void find_contested(struct node *n, struct entry *e, uint64_t *next);
void find_records(struct node *n); /* who answers FIND has some of what is asked about */
void find_heir(struct node *n, const struct view *v, const struct member *from);
void on_find(struct node *n, const struct frame *f);
void on_notify(struct node *n, const struct frame *f);

/* ---- hole.c ---- */
void hole_forget(struct node *n);
void hole_filled(struct node *n);
void hole_heard(struct node *n);
void hole_tick(struct node *n, uint64_t *next);
void hole_views(struct node *n, const struct frame *f);
void hole_answer(struct node *n, const struct frame *f);

/* ---- fence.c ---- */
bool fence_done(struct node *n, const struct member *m);
bool fence_blocks(const struct node *n, const struct member *m);
void fence_want(struct node *n, const struct member *m, const char *why);
bool fence_for_roll(struct node *n, const struct member *m, const char *why); /* true when its connection is fenced */
void fence_roll_done(struct node *n, const struct member *m);                 /* NULL: all that the roll wanted */
void fence_void(struct node *n);
void fence_tick(struct node *n, uint64_t *next);
void fence_event(struct node *n, const struct conn *conn, bool fenced);
void fence_trip(struct node *n, uint64_t seq);
uint64_t trip_send(struct node *n);

/* ---- line.c ---- */
/* Has who owes an answer `since` then (ms, of n->now's clock) not given it for `limit` ms, while what this node says to
 * itself came back?  False also while that is not known; asked again whenever something comes. */
bool line_waited(struct node *n, uint64_t since, uint64_t limit, uint64_t *next);
void line_trip(struct node *n, uint64_t seq);
void line_tick(struct node *n, uint64_t *next); /* behind whatever asks line_waited */
void line_forget(struct node *n);               /* the connection is another one */

/* ---- tend.c ---- */
void tend(struct node *n, uint64_t *next);
void on_ack_leave(struct node *n, const uint8_t *p, size_t len);
void on_leave_public(struct node *n, const uint8_t *p, size_t len);

/* ---- seek.c ---- */
void seek_begin(struct node *n);
void seek_end(struct node *n);
void seek_sign(struct node *n, unsigned wait);
uint64_t seek_patience(const struct node *n);
void seek_tick(struct node *n, uint64_t *next);
void seek_refused(struct node *n, uint64_t *next);
void on_hello(struct node *n, const struct frame *f);
void on_refuse(struct node *n, const struct frame *f);
void on_busy(struct node *n, const struct frame *f);
bool waiting_offer(struct node *n);
void seek_heard(struct node *n);
bool hello_recent(const struct node *n, uint32_t id);
void remember_hello(struct node *n, const struct member *m); /* it speaks frames: it is ours */

/* ---- roll.c ---- */
const char *roll_filter(struct node *n);
void roll_foreign(struct node *n);
void roll_found(struct node *n);
bool roll_found_present(const struct node *n);
bool roll_found_listed(struct node *n);
bool roll_found_fence(struct node *n, uint64_t *next);
bool roll_cleared(struct node *n, struct arc arc, uint64_t *next);
void roll_close(struct node *n);
void roll_subscribed(struct node *n, const struct event *ev);
void roll_trip(struct node *n, uint64_t seq);
void roll_status(struct node *n, const struct frame *f, bool retained);
void roll_heard(struct node *n, const struct frame *f);
void roll_claimed(struct node *n, const struct frame *f);
void roll_tick(struct node *n, uint64_t *next);

/* ---- founder.c ---- */
void on_found(struct node *n, const struct frame *f, bool retained);
bool founder_read(struct node *n); /* what stands in the register comes again; false: that was just asked for */
/* A ring of another major version is registered: neither do we understand it, nor found another over it. */
bool founder_is_foreign(struct node *n, uint64_t *next);
void founder_cleared(struct node *n);
void founder_foreign(struct node *n, enum topic_kind kind, uint64_t major,
		     bool retained);  /* something that is not understood */
bool founder_checked(struct node *n); /* the first round trip of a connection is back */
void founder_propose(struct node *n);
void founder_clear(struct node *n);
void founder_heard(struct node *n, const struct frame *f);
bool ring_id_same(const struct ring_id *a, const struct ring_id *b);
bool ring_id_less(const struct ring_id *a, const struct ring_id *b);
bool founder_lesser(const struct node *n, const struct frame *f); /* of a ring that is to yield to ours */
void founder_tick(struct node *n, uint64_t *next);

/* ---- older.c ---- */
void older_found(struct node *n, const struct member *m, const char *what);      /* what follows, for people */
bool older_lately(const struct node *n, const struct member *m, uint64_t *next); /* it is not tried again yet */

/* ---- hear.c ---- */
/* A message.  True if it was what a client of ours asks, or about copies: more of that may have come with it. */
bool hear_message(struct node *n, const struct event *ev);

/* ---- give.c, give-stream.c ---- */
void give_begin(struct node *n, const struct member *taker, struct arc arc, bool leave);
void give_end(struct node *n);
void give_refused(struct node *n); /* not now, or not by him */
void give_grant(struct node *n);   /* send (again) what the views of the change mean for the taker */
void give_stored(struct node *n);
void give_failed(struct node *n); /* the taker is out */
void give_changed(struct node *n, const struct key *key);
bool give_holds(const struct node *n, uint32_t id);
void give_tick(struct node *n, uint64_t *next);
void on_accept(struct node *n, const struct frame *f);
void on_rack(struct node *n, const struct frame *f);
void on_cut(struct node *n, const struct frame *f);
void on_void(struct node *n, const struct frame *f);
void on_active(struct node *n, const struct frame *f);

/* ---- take.c ---- */
void take_end(struct node *n);
void take_give_up(struct node *n); /* and its views with it */
void take_refuse(struct node *n);  /* says so: this handover is off, for ever */
void take_say_active(struct node *n, const struct entry *e);
void take_held(struct node *n); /* the views hold: the copy is ours */
bool take_holds(const struct node *n, uint32_t id);
void take_tick(struct node *n, uint64_t *next);
void take_subscribed(struct node *n, uint32_t id, bool granted);
void on_offer(struct node *n, const struct frame *f);
void on_ask(struct node *n, const struct frame *f);
void on_records(struct node *n, const struct frame *f);
void on_grant(struct node *n, const struct frame *f);

/* ---- request.c ---- */
enum request_verdict { REQUEST_ANSWER, REQUEST_HOLD, REQUEST_IGNORE };
void request(struct node *n, enum topic_kind kind, const uint8_t *payload, size_t len);
/* *own: the arc in which it is answered. */
enum request_verdict request_judge(struct node *n, enum topic_kind kind, uint32_t key, struct entry **own);
/* user: by the topic, "" if that does not tell. */
void request_hold(struct node *n, enum topic_kind kind, const char *user, uint32_t key, const uint8_t *payload,
		  size_t len);
void request_recheck(struct node *n);
void request_drop(struct node *n, struct arc arc);
void request_forget(struct node *n);

/* ---- routed.c ---- */
void routed(struct node *n, enum topic_kind kind, const char *user, const uint8_t *payload, size_t len);
enum request_verdict routed_again(struct node *n, const struct held *h); /* as request.c's again() */
struct operation_token request_token(const struct node *n, const struct entry *e);

/* ---- share.c ---- */
/* The next part, allocated; NULL: all of it has been told. */
uint8_t *share_encode(const struct node *n, const struct once_share *s, struct share_place *at, size_t *len);
bool share_told(const struct once_share *s, const struct share_place *at);
/* One part, of a stranger; NULL, or why not.  What is watched is added to what has been told of that. */
const char *share_decode(struct once_share *s, struct watched_piece watched[WATCHED_MAX], unsigned *told,
			 const uint8_t *bytes, size_t len);

/* ---- operate.c ---- */
void operate_read(struct node *n, const struct operation *op, struct operation_result *r);
bool operate_waits(struct node *n, const struct operation *op); /* for a record that is being fetched anew */
/* version: what the write gets, also one that comes to nothing */
void operate_write(struct node *n, const struct operation *op, struct version version, struct operation_result *r);

/* ---- watched.c ---- */
void watched_ask(struct node *n, const struct entry *e, const struct operation *op, struct operation_result *r);
void watched_add(struct node *n, struct arc arc, uint64_t left); /* for so many ms more */
void watched_changed(struct node *n, const struct key *key);
void watched_flush(struct node *n);
void watched_over(struct node *n, uint32_t owner); /* another's stream: nothing of it comes any more */
void watched_forget(struct node *n);
void watched_free(struct node *n);

/* ---- list.c ---- */
/* No status: it is not answered now. */
void list_page(struct node *n, const struct entry *e, const struct operation *op, struct operation_result *r);
void list_tick(struct node *n, uint64_t *next);

/* ---- answer.c ---- */
/* e: whose arc and token are told; NULL: none */
void answer_add(struct node *n, const struct operation_request *rq, const struct entry *e,
		const struct operation_result *result);
void answer_flush(struct node *n);
void answer_forget(struct node *n);
void answer_free(struct node *n);

/* ---- cells.c ---- */
void cells_tick(struct node *n);
bool cells_settled(const struct node *n); /* what the present arcs need is granted */
void cells_subscribed(struct node *n, const struct event *ev);
void cells_forget(struct node *n);
void cells_free(struct node *n);

/* ---- record.c ---- */
bool record_live(const struct node *n, const struct key *key, struct store_item *item); /* there, and not at its end */
bool record_number(const struct node *n, uint32_t id, struct store_item *item);         /* the same for a number */
bool record_answered(struct node *n, const struct key *key, struct store_item *item); /* ... for who is told: buried */
/* What is at its end, ahead of telling that it is absent; key is not borrowed from it.  Watchers are not told. */
void record_bury(struct node *n, const struct key *key, struct store_item *item);
struct frame_record record_told(const struct node *n, const struct store_item *item); /* life counted from now */
struct store_item record_heard(const struct node *n, const struct frame_record *r);
struct store_item record_tombstone(const struct node *n, const struct key *key, struct version version);
/* A node of the reference has the arc: what it was told is forgotten, how many values there were is returned, and names, of
 * which there are so many values, wait for whoever has it next. */
size_t record_purge_numbers(struct node *n, struct arc arc, size_t *names);
/* A kept name's version has lost a term (PROTOCOL.md section 11): the number with that, if it is below what the arc was taken
 * back with; else as it is. */
uint64_t record_unkept(const struct node *n, uint64_t number, uint64_t below);
/* ... to all names of the arc that were kept here. */
void record_come_back(struct node *n, struct arc arc, uint64_t below);
void record_changed(struct node *n, const struct key *key); /* whoever is to know of it */
/* What lies here of an arc that the other copy does not have, or has older; allocated, and freed by record_came_back: it is the
 * owner's now, here. */
struct key *record_beating(const struct node *n, struct arc arc, const struct store *other, size_t *count);
void record_came_back(struct node *n, const struct entry *e, struct key *keys, size_t count);
/* Written before, and come back without what is known of the write: it may have been the last of somebody who asks again. */
void record_resurfaced(struct node *n, const struct entry *e, const struct key *key);
void record_tick(struct node *n, uint64_t *next);
void record_sweep(struct node *n, uint64_t *next); /* memory of what was purged */

/* ---- merge.c ---- */
void merge_soon(struct node *n); /* records may lie here that belong to others */
bool merge_has(struct node *n, struct arc arc, const struct member *by);
void merge_asked(struct node *n, struct arc arc); /* FIND: a leaver waits for who may be about to take what lies here */
/* A hole was taken: whoever has offered records of it within the set time is waited for. */
void merge_await(struct node *n, struct entry *e);
void merge_some(struct node *n, const struct member *m);  /* who has records, as he says */
void merge_heard(struct node *n, const struct member *m); /* who merges some, or says that he has none */
void merge_tick(struct node *n, uint64_t *next);
void on_merge(struct node *n, const struct frame *f);
void on_merged(struct node *n, const struct frame *f);

/* ---- reference_peer.c and its neighbours ---- */
void on_ack_join(struct node *n, const uint8_t *p, size_t len);
enum reference_verdict { REFERENCE_NOTHING, REFERENCE_HOLD, REFERENCE_ANSWER };
enum reference_verdict reference_judge(struct node *n, enum topic_kind kind, uint32_t key);
bool reference_holds(const struct node *n, const struct operation *op); /* of a client of ours, besides that */
bool reference_operation(struct node *n, enum topic_kind kind, const uint8_t *p, size_t len);
bool reference_ack_join(struct node *n, const struct reference_ack_join *a);
void reference_join(struct node *n, const uint8_t *p, size_t len);
void reference_leave(struct node *n, const struct reference_leave *l);
void reference_own_leave(struct node *n);
void reference_answer(struct node *n, enum topic_kind kind, const uint8_t *p, size_t len);
void reference_pong(struct node *n, uint32_t acker);
bool reference_quit(struct node *n);
bool reference_quits(const struct node *n); /* what is stored now would not be told */
/* The number by which an id was last taken from a reference; 0: it was not. */
uint64_t reference_came(const struct node *n, uint32_t id);
bool reference_busy(const struct node *n); /* records of a reference's are still on their way here */
bool reference_predecessor(const struct node *n);
bool reference_successor(const struct node *n, uint32_t *id);
void reference_behind(struct node *n, uint32_t id);
void reference_found(struct node *n, const struct frame *f);
bool reference_asks(const struct node *n, uint32_t *id);
void reference_stands(struct node *n, const struct frame *f);
void reference_not_holding(struct node *n);
void reference_disconnected(struct node *n);
void reference_overslept(struct node *n, uint64_t by, uint64_t now);
void reference_tick(struct node *n, uint64_t *next);
void reference_free(struct node *n);

/* ---- restore.c ---- */
void restore_begin(struct node *n);

/* ---- recover.c ---- */
unsigned recover_doubts(struct node *n, struct frame_doubt out[FRAME_DOUBTS_MAX]); /* their number */
bool recover_waits(const struct node *n, struct arc arc); /* for who may have what nobody else has, for ever */
/* Nobody has answered for so long that whoever has it may be given up. */
bool recover_given_up(const struct node *n, struct arc arc, uint64_t since);
void recover_forget(struct node *n);
void on_recover(struct node *n, const struct frame *f);

/* ---- room.c ---- */
bool room_lacks(struct node *n);      /* nothing may be written but what makes room, or has to be */
bool room_full(const struct node *n); /* ... because of this node itself */
unsigned room_copies(struct node *n, const struct entry *e); /* of an arc of ours, this node's among them */
bool room_few(struct node *n, uint32_t id); /* fewer than config.min_copies: nothing is written there */
/* Of a write that is not done for want of room, and that an earlier owner may have done. */
void room_unknown(struct node *n, const struct entry *e, const struct operation *op, struct operation_result *r);
void room_tell(struct node *n);                                /* that has changed: to whose copies lie here */
void room_changed(struct node *n, bool there);                 /* on the disk of this node */
void room_said(struct node *n, struct follower *f, bool full); /* on that of who keeps copies of ours */

/* ---- memory.c ---- */
#define MEMORY_AGAIN 5000 /* ms: who had no room for an arc asks for another */
void memory_begin(struct node *n);
void memory_look(struct node *n); /* at the end of each step: says what has changed */
bool memory_holds(struct node *n, const struct store_item *item,
		  const struct store_item *old);       /* a write; old: or NULL */
struct store_keep memory_graves(const struct node *n); /* of deletions that are remembered */
/* Of a view guarded there: what its backup would inherit from this node. */
uint64_t memory_leaves(const struct node *n, const struct member *backup);
bool memory_fits(struct node *n, const struct frame *offer); /* false, and said: a newcomer does not take it */
void memory_takes(struct node *n, const struct frame *ask);  /* it does, whatever it is */
void memory_status(const struct node *n, struct frame *f);

/* ---- echo.c ---- */
void echo_await(struct node *n, enum echo_kind kind);
void echo_ask(struct node *n, enum echo_kind kind); /* says an empty word there, and awaits it */
void echo_heard(struct node *n, enum echo_kind kind);
void echo_forget(struct node *n, enum echo_kind kind);
void echo_tick(struct node *n, uint64_t *next);

/* ---- status.c ---- */
void status_fill(struct node *n, struct frame *f);
void status_publish(struct node *n);
void status_taking(struct node *n, struct arc arc);
void status_clear(struct node *n);
void status_gone(struct node *n, const struct member *m, bool voided);
void state_update(struct node *n);
void on_status(struct node *n, const struct frame *f);
void on_who(struct node *n, const struct frame *f);
void on_leave_request(struct node *n, const struct frame *f);

/* A time from which waiting is counted, moved on by what was slept, but not beyond now; 0: nothing is waited for. */
static inline void later(uint64_t *since, uint64_t by, uint64_t now)
{
	if (*since)
		*since = *since + by < now ? *since + by : now;
}

static inline void soonest(uint64_t *next, uint64_t at)
{
	if (at < *next)
		*next = at;
}

#endif
