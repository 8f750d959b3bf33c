/* Operations of a client of ours, said to cores and heard from them. */
#ifndef ROUTED_FIXTURE_H
#define ROUTED_FIXTURE_H

#include "core-fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/core/core.h"

/* The arc (LOW, MOVING] moves, or is there from the beginning. */
#define LOW 0x10000000u
#define MOVING 0x77359400u
#define HIGH 0xb0000000u
#define ID 0x40000000u /* in the arc that moves */
#define REPLY "to/01010101010101010101010101010101"

/* What has been answered to one number. */
struct told {
	unsigned count; /* answers that say what came of it, or that nobody knows */
	unsigned moved, tokens;
	int from; /* the last of them */
	bool arc_set;
	struct arc arc;
	struct operation_token token;
	struct operation_result result;
};

/* Topics; good until the next call. */
const char *routed_cell(uint32_t id);
const char *routed_inbox(uint32_t node);

/* A frame that the caller frees; and one said there, whose client is through with what is below 100 if its number is not. */
uint8_t *routed_request(uint64_t number, uint64_t first, struct operation_token token, struct operation op,
			size_t *len);
void routed_ask(struct core *c, const char *topic, uint64_t number, struct operation_token token, struct operation op);

struct operation routed_add(uint32_t id);
struct operation routed_get(uint32_t id);

struct told routed_told(const struct core *c, uint64_t number);

/* A token of whoever owns the id now. */
struct operation_token routed_token(struct core *c, uint32_t id);

/* HIGH alone, of the fixture's core: it owns everything. */
struct node *routed_alone(void **state);

/* LOW, MOVING and HIGH, of the fixture's core. */
struct core *routed_three(void **state);

/* A get finds the value, or nothing if that is NULL. */
void routed_expect(struct core *c, uint32_t id, const char *value);

#endif
