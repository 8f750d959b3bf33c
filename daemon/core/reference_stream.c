/* Records for a node of the reference: said one after the other in the order of the list, as fast as the transport takes
 * them.  Up to a burst leaves in the step that begins it; what is more goes on whenever the transport has drained. */
#include <stdlib.h>
#include <string.h>

#include "reference_peer.h"

static void append(uint32_t **ids, size_t *count, size_t *room, uint32_t id)
{
	if (*count == *room) {
		*room = *room ? *room * 2 : 64;
		*ids = xrealloc(*ids, *room * sizeof(**ids));
	}
	(*ids)[(*count)++] = id;
}

void reference_stream_begin(struct node *n, struct arc arc)
{
	struct reference_stream *s = &n->reference->stream;

	reference_stream_end(n);
	s->ids = store_ids(n->store, arc, &s->count);
	s->room = s->count;
}

/* Its last word counts: the record is not done with before that has come back. */
void reference_stream_again(struct node *n, uint32_t id)
{
	struct reference_stream *s = &n->reference->stream;

	append(&s->ids, &s->count, &s->room, id);
	append(&s->again, &s->again_count, &s->again_room, id);
}

bool reference_stream_pump(struct node *n, const char *client)
{
	struct reference_stream *s = &n->reference->stream;
	size_t before = s->said;

	for (; !s->broken && s->next < s->count && !n->full; s->next++) {
		struct store_item item;

		if (!record_number(n, s->ids[s->next], &item))
			continue;
		reference_publish_record(n, client, &item);
		s->said++;
	}
	return s->said > before;
}

bool reference_stream_echoed(struct node *n, uint32_t id)
{
	struct reference_stream *s = &n->reference->stream;

	for (size_t i = 0; i < s->again_count; i++)
		if (s->again[i] == id) {
			s->again[i] = s->again[--s->again_count];
			return false;
		}
	return true;
}

bool reference_stream_acked(const struct node *n, size_t acks)
{
	const struct reference_stream *s = &n->reference->stream;

	return !s->broken && s->next == s->count && acks >= s->said;
}

bool reference_stream_done(const struct node *n, size_t acks)
{
	const struct reference_stream *s = &n->reference->stream;

	return reference_stream_acked(n, acks) && (!s->resumed || s->heard >= s->next);
}

/* In the order in which they were said: what an earlier connection has left on its way comes back first. */
void reference_stream_heard(struct node *n, uint32_t id)
{
	struct reference_stream *s = &n->reference->stream;

	while (s->heard < s->next && !record_number(n, s->ids[s->heard], NULL))
		s->heard++;
	if (s->heard < s->next && s->ids[s->heard] == id)
		s->heard++;
}

void reference_stream_break(struct node *n)
{
	n->reference->stream.broken = true;
}

void reference_stream_resume(struct node *n, size_t acks)
{
	struct reference_stream *s = &n->reference->stream;

	/* Acknowledgements may be late ones, of what was said before. */
	for (; s->first < (s->resumed ? s->heard : s->next) && acks; s->first++)
		acks -= record_number(n, s->ids[s->first], NULL);
	s->next = s->heard = s->first;
	s->said = 0;
	s->broken = false;
	s->resumed = true;
}

void reference_stream_end(struct node *n)
{
	struct reference_stream *s = &n->reference->stream;

	free(s->ids);
	free(s->again);
	*s = (struct reference_stream){0};
}
