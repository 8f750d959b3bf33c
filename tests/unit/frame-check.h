/* What the tests of frame.c share; to be included behind cmocka.h. */
#ifndef DHT_TEST_FRAME_CHECK_H
#define DHT_TEST_FRAME_CHECK_H

#include "frames.h"

static inline struct frame_room *frames_room(size_t count)
{
	struct frame_room *rooms = calloc(count, sizeof(*rooms));

	assert_non_null(rooms);
	return rooms;
}

/* Decodes a copy that ends where its memory ends, so that a sanitizer sees a read behind it. */
static inline const char *frames_decode(struct frame *f, struct frame_room *room, const uint8_t *bytes, size_t len,
					uint8_t **copy)
{
	*copy = malloc(len ? len : 1);
	assert_non_null(*copy);
	memcpy(*copy, bytes, len);
	return frame_decode(f, room, *copy, len);
}

static inline void assert_round_trip(const struct frame *f)
{
	struct frame_room *room = frames_room(1);
	const char *error, *difference;
	uint8_t *bytes, *copy;
	struct frame back;
	size_t len;

	bytes = frame_encode(f, &len);
	error = frames_decode(&back, room, bytes, len, &copy);
	if (error)
		fail_msg("%s frame: %s", frame_type_name(f->type), error);
	difference = frames_difference(f, &back);
	if (difference)
		fail_msg("%s frame: %s differs", frame_type_name(f->type), difference);
	assert_null(frames_out_of_bounds(&back, copy, len));
	assert_int_equal(frame_type_of(copy, len), f->type);
	free(copy);
	free(bytes);
	free(room);
}

#endif
