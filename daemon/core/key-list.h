/* Keys in the order in which they came, with room that is used again: a turn's writes cost no allocation each.  Pure. */
#ifndef DHT_KEY_LIST_H
#define DHT_KEY_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "../../common/key.h"

/* All zero: empty.  The keys' names lie in `names` one behind the other, in the same order. */
struct key_list {
	struct key *keys;
	size_t count, room;
	uint8_t *names;
	size_t names_len, names_room; /* bytes */
};

/* Copies the key and its name; one that is the last already is not put twice.  Pointers into the list, also those of names,
 * are good until the next call. */
void key_list_add(struct key_list *l, const struct key *key);

/* Empty again; keeps its room, unless that is large. */
void key_list_clear(struct key_list *l);

/* Empty, and nothing is allocated. */
void key_list_free(struct key_list *l);

#endif
