/* The memory of writes as a picture that is kept elsewhere, on a disk. */
#include "once-inside.h"

void once_watch(struct once *o, void (*changed)(void *arg, const uint8_t *client, uint64_t number), void *arg)
{
	o->changed = changed;
	o->changed_arg = arg;
}

bool once_entry_get(const struct once *o, const uint8_t *client, uint64_t *first)
{
	const struct client *c = once_client_find(o, client);

	if (c)
		*first = c->first;
	return c != NULL;
}

bool once_row_get(struct once *o, const uint8_t *client, uint64_t number, uint32_t *id, struct once_answer *answer)
{
	const struct client *c = once_client_find(o, client);
	uint32_t i = c ? once_row_find(o, c, number) : 0;

	if (!i)
		return false;
	*id = o->rows[i].id;
	*answer = o->rows[i].answer;
	return true;
}

const struct horizon *once_horizons(const struct once *o)
{
	return &o->horizon;
}

bool once_restore_entry(struct once *o, const uint8_t *client, uint64_t first)
{
	if (once_client_find(o, client))
		return false;
	(void)once_client_add(o, client, first);
	return true;
}

bool once_restore_row(struct once *o, const uint8_t *client, uint64_t number, uint32_t id,
		      const struct once_answer *answer)
{
	struct client *c = once_client_find(o, client);

	if (!c || !number || once_row_find(o, c, number))
		return false;
	once_row_add(o, c, number, id, answer);
	return true;
}

void once_restore_horizon(struct once *o, const struct horizon *h)
{
	uint32_t max = o->horizon.max;

	o->horizon = *h;
	o->horizon.max = max;
}
