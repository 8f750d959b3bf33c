#include "key-list.h"

#include <stdlib.h>
#include <string.h>

#include "../../common/mem.h"

#define COUNT_KEPT 4096        /* keys: a burst's room is not kept for ever */
#define BYTES_KEPT (64u << 10) /* of names */

/* Where a name of that length goes. */
static uint8_t *name_room(struct key_list *l, size_t len)
{
	if (l->names_room - l->names_len < len) {
		uint8_t *at;

		l->names_room = 2 * l->names_room + len + 1024;
		at = l->names = xrealloc(l->names, l->names_room);
		for (struct key *k = l->keys; k < l->keys + l->count; k++) {
			k->name = k->name_len ? at : NULL;
			at += k->name_len;
		}
	}
	l->names_len += len;
	return l->names + l->names_len - len;
}

void key_list_add(struct key_list *l, const struct key *key)
{
	struct key copy = {.id = key->id, .name_len = key->name_len};

	if (l->count && key_equal(&l->keys[l->count - 1], key))
		return;
	if (l->count == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		l->keys = xrealloc(l->keys, l->room * sizeof(*l->keys));
	}
	if (key->name_len)
		copy.name = memcpy(name_room(l, key->name_len), key->name, key->name_len);
	l->keys[l->count++] = copy;
}

void key_list_clear(struct key_list *l)
{
	if (l->room > COUNT_KEPT || l->names_room > BYTES_KEPT) {
		key_list_free(l);
		return;
	}
	l->count = l->names_len = 0;
}

void key_list_free(struct key_list *l)
{
	free(l->keys);
	free(l->names);
	*l = (struct key_list){.count = 0};
}
