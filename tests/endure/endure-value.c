#include "endure-value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../sim/random.h"
#include "seen.h"

#define HEAD 8 /* the value */

/* Mostly a few bytes, now and then what goes out with a token only, or a frame of its own. */
static size_t length_of(struct rng *r)
{
	if (rng_below(r, 300) == 0)
		return rng_range(r, HEAD, ENDURE_VALUE_MAX);
	return rng_range(r, HEAD, rng_below(r, 8) ? 120 : 6000);
}

size_t bytes_fill(uint8_t *out, uint64_t value)
{
	struct rng r;
	size_t len;

	rng_seed(&r, value, 0);
	len = length_of(&r);
	memcpy(out, &value, HEAD);
	for (size_t at = HEAD; at < len; at += 8) {
		uint64_t word = rng_next(&r);

		memcpy(out + at, &word, len - at < 8 ? len - at : 8);
	}
	return len;
}

uint64_t value_of_bytes(const uint8_t *bytes, size_t len)
{
	static uint8_t right[ENDURE_VALUE_MAX];
	uint64_t value;

	if (len < HEAD)
		return SEEN_NOBODYS;
	memcpy(&value, bytes, HEAD);
	return value && len == bytes_fill(right, value) && memcmp(bytes, right, len) == 0 ? value : SEEN_NOBODYS;
}

size_t number_fill(uint8_t *out, uint64_t value)
{
	return (size_t)sprintf((char *)out, "%" PRIu64, value);
}

/* Numbers as they are written: digits, and no 0 ahead of others.  0 is none of ours. */
uint64_t value_of_number(const uint8_t *bytes, size_t len)
{
	uint64_t value = 0;

	if (len == 0 || len > 19 || bytes[0] == '0')
		return SEEN_NOBODYS;
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] < '0' || bytes[i] > '9')
			return SEEN_NOBODYS;
		value = value * 10 + (uint64_t)(bytes[i] - '0');
	}
	return value;
}
