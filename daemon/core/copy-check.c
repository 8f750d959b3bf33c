/* What a keeper says of the copy that it keeps: is it the same as its owner's, as of this place in the stream, and what of it
 * is sound (PROTOCOL.md section 7, "Sums"); scrub.c and damage.c are the other side. */
#include "copy-inside.h"

void copy_check(struct node *n, struct copy *c, const struct frame *f)
{
	c->checked = f->seq;
	c->differ_count = 0;
	for (unsigned i = 0; i < f->check_count; i++) {
		const struct frame_check *check = &f->checks[i];
		struct store_checked own = store_check(n->copied, check->arc, NULL, NULL);

		/* One that is damaged in the same way twice is none the better for it. */
		if (own.count != check->count || own.hash != check->hash || own.bad ||
		    !arcs_cover(&c->arcs, check->arc))
			c->differs[c->differ_count++] = check->arc;
	}
}

void copy_wanted(struct node *n, const struct copy *c, const struct frame *f)
{
	struct frame_record records[FRAME_RECORDS_MAX];
	struct key lacking[FRAME_KEYS_MAX];
	struct frame r;

	copied_begin(n, &r, &f->from, f->attempt);
	r.records = records;
	r.keys = lacking;
	for (size_t i = 0; i < f->key_count; i++) {
		struct store_item item;

		if (arcs_have(&c->arcs, f->keys[i].id) && store_get(n->copied, f->keys[i], &item) && !item.deleted &&
		    store_sound(&item))
			records[r.record_count++] = record_told(n, &item);
		else
			lacking[r.key_count++] = f->keys[i];
	}
	frame_send(n, &r, TOPIC_INBOX, f->from.id);
}
