/* What one operation of a client looked like from outside, as the clients write it down (endure-client.c) and the judge
 * reads it.
 *
 * Files are arrays of it, as the machine has them: whoever writes and whoever reads are of one build.  Times are of the
 * machine's monotonic clock, so that those of several processes can be compared. */
#ifndef ENDURE_SEEN_H
#define ENDURE_SEEN_H

#include <stdint.h>

#include "../../common/operation.h"

/* Keys come in groups.  The keys of a generation are used for a while and then left, so that no history is too long for
 * the search; what they held is looked at once more in the end. */
enum seen_group {
	SEEN_BYTES,   /* registers of any bytes, some with a life */
	SEEN_NUMBERS, /* registers that hold numbers, and are added to */
	SEEN_LASTING, /* as SEEN_BYTES, few operations all the time */
	SEEN_COUNTER, /* added to and read, nothing else, all the time */
	SEEN_GROUPS,
};

static inline uint64_t seen_key(enum seen_group group, uint32_t slot, uint32_t generation)
{
	return ((uint64_t)group * 65536 + slot) << 32 | generation;
}
static inline enum seen_group seen_group_of(uint64_t key)
{
	return (enum seen_group)(key >> 48);
}

#define SEEN_NOBODYS UINT64_MAX /* found: bytes that nobody wrote */
#define SEEN_LOOKER UINT8_MAX   /* the client that looks at all keys in the end */

enum seen_end {
	SEEN_ANSWERED,
	SEEN_UNDONE,  /* no answer, and nothing has been done */
	SEEN_OPEN,    /* a write that may have been done, or may yet be */
	SEEN_REFUSED, /* a write that was answered full or few: nothing has been done, nor ever will be */
};

struct seen {
	uint64_t key;
	uint64_t call, ret;      /* ns */
	uint64_t value;          /* written or found, 0: absent; ADD: how much */
	uint64_t sum;            /* ADD: what it came to */
	uint64_t life;           /* ms; 0: for ever */
	struct version version;  /* as answered; number 0: none */
	struct version expected; /* CONDITION_VERSION */
	uint8_t client;          /* 0, 1...; SEEN_LOOKER */
	uint8_t kind, condition; /* as operation.h has them */
	uint8_t status;          /* SEEN_ANSWERED */
	uint8_t end;             /* enum seen_end */
	uint8_t unused[3];
};

#endif
