/* Frames of strangers: within every bound, and what was understood is written and understood the same again. */
#include <sys/mman.h>
#include <unistd.h>

#include "../unit/frames.h"
#include "fuzz.h"

enum { INPUT_MAX = 1 << 20 };

/* Where inputs end: a page that nobody may read lies behind.  libcbor itself is not instrumented. */
static uint8_t *fence_new(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *map = mmap(NULL, INPUT_MAX + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED || mprotect(map + INPUT_MAX, page, PROT_NONE) != 0)
		abort();
	return map + INPUT_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct frame_room room, room_again;
	static uint8_t *fence;
	struct frame f, again;
	uint8_t *bytes;
	size_t len;

	if (!fence)
		fence = fence_new();
	if (size > INPUT_MAX)
		return 0;
	if (size)
		memcpy(fence - size, data, size);
	if (frame_decode(&f, &room, fence - size, size) != NULL)
		return 0;
	FUZZ_CHECK(frames_out_of_bounds(&f, fence - size, size) == NULL);
	bytes = frame_encode(&f, &len);
	FUZZ_CHECK(frame_decode(&again, &room_again, bytes, len) == NULL);
	FUZZ_CHECK(frames_difference(&f, &again) == NULL);
	free(bytes);
	return 0;
}
