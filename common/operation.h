/* Operations: the bytes of REQUEST and ANSWER <-> bounded structs.
 *
 * What clients ask of whoever owns a key, and what it answers, up to 512 at once (common/PROTOCOL.md, section 11).
 * Frames like all others, by the same version and the same rules of reading, but of their own structs: bulk loads come
 * by the hundred thousand a second, and nearly nothing of struct frame would be in use.  The keys, types and bounds
 * stand in one table in operation.c.  Which of the two decoders, or frame_decode, is to read what has come:
 * frame_type_of tells.
 *
 * Pure.  What has been decoded can be asked, or answered; whether it may be done is for others to judge. */
#ifndef DHT_OPERATION_H
#define DHT_OPERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "key.h"
#include "ring.h"
#include "version.h"

#define OPERATION_COUNT_MAX 512
#define OPERATION_CLIENT_LEN 16
#define OPERATION_VALUE_MAX FRAME_VALUE_MAX
#define OPERATION_FOUND_MAX (OPERATION_VALUE_MAX + KEY_NAME_MAX + 256u) /* a page that holds the longest of all */
/* The numbers of one frame's operations lie that close together: as many as a node remembers rows, so that a client
 * with more of them unanswered has lost the answers anyway; and a greater offset would take a longer head. */
#define OPERATION_OFFSET_MAX 65535u
#define OPERATION_BASE_MAX (UINT64_MAX - OPERATION_OFFSET_MAX)

/* Of both enums 0 is none and refused: what was forgotten must not read as a get, let alone as done. */
enum operation_kind {
	OPERATION_NONE,
	OPERATION_GET,
	OPERATION_LOOK, /* a get without the value */
	OPERATION_PUT,
	OPERATION_DELETE,
	OPERATION_ADD,
	OPERATION_SUB,
	OPERATION_LIST, /* what there is from a key on, a page of it (page.h); value: what names begin with, or nothing */
	OPERATION_DUMP,  /* the same with values */
	OPERATION_WATCH, /* what becomes of a key; a value of one byte: of all of its arc (watched.h) */
	OPERATION_KINDS,
};
static inline bool operation_writes(enum operation_kind kind)
{
	return kind >= OPERATION_PUT && kind <= OPERATION_SUB;
}

const char *operation_kind_name(enum operation_kind kind);

enum operation_status {
	ANSWER_NONE,
	ANSWER_DONE,
	ANSWER_ABSENT,  /* there is no record */
	ANSWER_FAILED,  /* the condition did not hold */
	ANSWER_WRONG,   /* add to what is no number, or beyond 64 bits */
	ANSWER_TOKEN,   /* not done: a write without a token */
	ANSWER_UNKNOWN, /* its token is too old to know whether it was done */
	ANSWER_MOVED,   /* not done: not the owner of this id */
	ANSWER_FULL,    /* not written: there is no room where it has to be, on a disk or in memory */
	ANSWER_DAMAGED, /* not what was put is there, neither here nor in any copy */
	ANSWER_FEW,     /* not written: there are fewer copies than its owner is to have (--min-copies) */
	ANSWER_STATUSES,
};
/* Not written, as its owner takes on no more for now: as binding as any answer of a write. */
static inline bool operation_declined(enum operation_status status)
{
	return status == ANSWER_FULL || status == ANSWER_FEW;
}
const char *operation_status_name(enum operation_status status);

enum operation_condition {
	CONDITION_NONE,
	CONDITION_ABSENT,  /* only if there is no record */
	CONDITION_VERSION, /* only if the record has that version */
};

/* The version that an owner last gave out, and the low 32 bits of its ring's nonce. */
struct operation_token {
	uint64_t number; /* of a view, so never 0; 0: no token */
	uint64_t counter;
	uint32_t ring;
};

/* PUT has a value, ADD and SUB have an amount; these may have a condition and a life, DELETE a condition, GET and LOOK
 * neither.  A field that a kind has not is zero. */
struct operation {
	struct key key;
	const uint8_t *value; /* borrowed; may be NULL if value_len is 0 */
	size_t value_len;     /* at most OPERATION_VALUE_MAX */
	uint64_t amount;
	struct version version; /* CONDITION_VERSION */
	uint64_t life;          /* milliseconds until the record expires; 0: for ever, or (ADD, SUB) as it was */
	uint32_t sum;           /* PUT: key_sum(); 0: none is told */
	uint32_t offset;        /* its number is base + offset; at most OPERATION_OFFSET_MAX */
	enum operation_kind kind;
	enum operation_condition condition;
};

struct operation_request {
	uint8_t client[OPERATION_CLIENT_LEN];
	const char *user; /* by the topic, no part of the frame; decode: "" */
	uint64_t base;    /* 1 to OPERATION_BASE_MAX */
	uint64_t first;
	struct operation_token token;
	struct operation *operations; /* decode: points into the caller's room */
	size_t count;                 /* at most OPERATION_COUNT_MAX; 0: only `first` is told */
	const uint8_t *sums;          /* decode only: the operations' as they came; borrowed */
	size_t sums_len;
};

/* One answer.  DONE has a version, and a value or an amount or neither; ABSENT, FAILED and WRONG may have a version;
 * the others have nothing. */
struct operation_result {
	const uint8_t *value; /* NULL: none; borrowed */
	size_t value_len;     /* at most OPERATION_FOUND_MAX */
	int64_t amount;       /* what an add or sub came to; what a look has found left of a life, ms */
	struct version version;
	uint32_t sum; /* of the operation's key and the value, key_sum(); 0: none is told */
	uint32_t offset;
	enum operation_status status;
	bool has_version;
	bool has_amount;
};

struct operation_answer {
	uint32_t owner;
	bool arc_set;
	struct arc arc; /* of which the token tells: there, if there is one ((0, 0] would be the whole ring) */
	uint64_t base;  /* the request's */
	struct operation_token token;
	struct operation_result *results; /* decode: points into the caller's room */
	size_t count;                     /* at most OPERATION_COUNT_MAX */
	const uint8_t *sums;              /* decode only, as above */
	size_t sums_len;
};

/* Room for what a decoded frame points at; one is enough for a process that decodes one at a time. */
struct operation_room {
	union {
		struct operation operations[OPERATION_COUNT_MAX];
		struct operation_result results[OPERATION_COUNT_MAX];
	};
};

/* Decodes untrusted bytes.  Returns NULL on success, or why not as a static text ("truncated", "version 7", ...), and
 * then nothing in *r or *a is to be used.  They borrow from bytes and room.  Every number is within its bound, and every
 * operation and answer has the fields of its kind or status and no others.  Two with one offset are taken: the second
 * is the first, repeated. */
const char *operation_decode_request(struct operation_request *r, struct operation_room *room, const uint8_t *bytes,
				     size_t len);
const char *operation_decode_answer(struct operation_answer *a, struct operation_room *room, const uint8_t *bytes,
				    size_t len);

/* Allocates once: returns the encoded bytes (caller frees), *len their number.  Ends the process when memory is
 * exhausted; aborts on what operation_decode_* would refuse (a bug of ours). */
uint8_t *operation_encode_request(const struct operation_request *r, size_t *len);
uint8_t *operation_encode_answer(const struct operation_answer *a, size_t *len);

/* How many bytes an operation, or an answer, takes in a frame, at most, and all else in that frame; to fill frames to a
 * size. */
#define OPERATION_FRAME_MAX 88u
size_t operation_size(const struct operation *op);
size_t operation_result_size(const struct operation_result *result);

#endif
