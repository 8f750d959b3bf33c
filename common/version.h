/* The version of a record, (view number, counter): compared in this order, greater is newer (PROTOCOL.md section 2).  Pure. */
#ifndef DHT_VERSION_H
#define DHT_VERSION_H

#include <stdbool.h>
#include <stdint.h>

struct version {
	uint64_t number;
	uint64_t counter;
};

static inline bool version_newer(struct version a, struct version b)
{
	return a.number != b.number ? a.number > b.number : a.counter > b.counter;
}

static inline bool version_equal(struct version a, struct version b)
{
	return a.number == b.number && a.counter == b.counter;
}

#endif
