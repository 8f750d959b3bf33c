/* Values that say who they are: a number is one in text; bytes are a number, and what that makes of their length and the
 * rest, so that a get can tell whether just these were ever written.  Pure. */
#ifndef ENDURE_VALUE_H
#define ENDURE_VALUE_H

#include <stddef.h>
#include <stdint.h>

#define ENDURE_VALUE_MAX 65536

/* At most ENDURE_VALUE_MAX bytes: how many. */
size_t bytes_fill(uint8_t *out, uint64_t value);
size_t number_fill(uint8_t *out, uint64_t value);

/* SEEN_NOBODYS: it is none. */
uint64_t value_of_bytes(const uint8_t *bytes, size_t len);
uint64_t value_of_number(const uint8_t *bytes, size_t len);

#endif
