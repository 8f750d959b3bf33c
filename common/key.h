/* Keys: a number, which is an id, or a name, which has one (PROTOCOL.md section 11).  Pure. */
#ifndef DHT_KEY_H
#define DHT_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_NAME_MAX 65536u

/* name_len 0: the number `id`; else the name, 1 to KEY_NAME_MAX bytes, borrowed.  Several names, and a number, may have
 * one id. */
struct key {
	uint32_t id;
	uint32_t name_len;
	const uint8_t *name;
};

static inline struct key key_number(uint32_t id)
{
	return (struct key){.id = id};
}

/* With its id, XXH32 (seed 0) of the bytes: what every client in every language works out alike. */
struct key key_named(const uint8_t *name, size_t len);

bool key_equal(const struct key *a, const struct key *b);

/* The sum of a record: of its key and its value, by which whoever has one or hears one knows whether these are the bytes that
 * somebody put (PROTOCOL.md section 7, "Sums").  Never 0, which stands for none told. */
uint32_t key_sum(const struct key *key, const uint8_t *value, size_t len);

/* A copy whose name is allocated, for key_free. */
struct key key_copy(const struct key *key);
void key_free(struct key *key);

#endif
