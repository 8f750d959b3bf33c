/* Is a history linearizable?  For registers with put, get, delete, compare-and-set and add, each key by itself.
 *
 * The search of Wing and Gong with Lowe's memory of configurations, as in Porcupine: operations are taken one after the
 * other in any order that keeps to real time (who ended before another began goes first), each must be what the register
 * allows then, and a set of operations taken that leaves the same register is looked at once only.  Since a history is
 * linearizable if and only if each key's is, keys are searched apart.  Pure; memory is bounded by the given bound.
 * Tried is first what ended first, as most registers answer in the order in which they do things; and where some operation
 * may be taken next without loss, nothing else is (linear.c says why it may).
 *
 * What an operation's client never learnt is no failure: it may take effect at any time from its call on, or never.  An
 * operation that certainly had no effect is left out by the caller; so is a get without an answer. */
#ifndef SIM_LINEAR_H
#define SIM_LINEAR_H

#include <stddef.h>
#include <stdint.h>

enum linear_kind {
	LINEAR_PUT,
	LINEAR_GET,
	LINEAR_DELETE,
	LINEAR_CAS, /* put if the version is `expected`; expected 0: if there is no value */
	/* The only copy of the key is gone between call and ret: from then until the next write a get may find nothing, or
	 * any value that was known before. */
	LINEAR_LOSS,
	/* Adds `value` to the number that is there (absent: 0), which comes to `expected`, above 0.  The values of its key are
	 * the numbers themselves, and neither expire nor are lost. */
	LINEAR_ADD,
};

enum linear_outcome {
	LINEAR_DONE,
	LINEAR_DIFFERS, /* CAS: the version was another */
	LINEAR_MAYBE,   /* no answer: `ret` does not count */
};

#define LINEAR_ABSENT 0 /* as a value */

struct linear_op {
	enum linear_kind kind;
	enum linear_outcome outcome;
	uint32_t key;
	uint64_t call, ret; /* of two at one time calls come first: intervals are closed */
	uint64_t value;     /* written, or found */
	uint64_t version;   /* given to what was written, or found; 0: not told.  Of a key they only grow. */
	uint64_t expected;  /* CAS, ADD; DELETE, where that was told: 1 there was a value, 2 there was none */
	uint64_t end;       /* PUT, CAS: from then on the value may be gone, once and for all; 0: it stays */
	uint64_t known;     /* GET, where there are losses: when its value was first certainly there */
};

enum linear_verdict { LINEAR_YES, LINEAR_NO, LINEAR_UNKNOWN };

#define LINEAR_OPS_MAX 256 /* of one key, not counting those that cannot matter */

/* UNKNOWN: some key has more operations than LINEAR_OPS_MAX, or took more than `bound` configurations; and none is NO. */
enum linear_verdict linear_check(const struct linear_op *ops, size_t count, size_t bound);

const char *linear_verdict_name(enum linear_verdict verdict);

#endif
