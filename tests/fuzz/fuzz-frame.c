/* Frames of strangers: within every bound, and what was understood is written and understood the same again. */
#include "../unit/frames.h"
#include "fence.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct frame_room room, room_again;
	const uint8_t *input = fence_input(data, size);
	struct frame f, again;
	uint8_t *bytes;
	size_t len;

	if (!input || frame_decode(&f, &room, input, size) != NULL)
		return 0;
	FUZZ_CHECK(frames_out_of_bounds(&f, input, size) == NULL);
	FUZZ_CHECK(frame_type_of(input, size) == f.type);
	FUZZ_CHECK(frame_major(input, size) <= FRAME_VERSION);
	bytes = frame_encode(&f, &len);
	FUZZ_CHECK(frame_decode(&again, &room_again, bytes, len) == NULL);
	FUZZ_CHECK(frames_difference(&f, &again) == NULL);
	free(bytes);
	return 0;
}
