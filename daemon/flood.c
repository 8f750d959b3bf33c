#include "flood.h"

bool flood_admits(struct flood *flood, enum note_kind kind, uint64_t now)
{
	if (now - flood->of[kind].since >= FLOOD_WINDOW_MS && !flood->of[kind].hushed)
		flood->of[kind].count = 0;
	if (!flood->of[kind].count)
		flood->of[kind].since = now;
	if (flood->of[kind].count < FLOOD_MAX) {
		flood->of[kind].count++;
		return true;
	}
	flood->kinds_hushed += flood->of[kind].hushed++ == 0;
	return false;
}

bool flood_over(struct flood *flood, uint64_t now, enum note_kind *kind, unsigned *hushed)
{
	for (unsigned i = 0; flood->kinds_hushed && i < NOTE_COUNT; i++) {
		if (!flood->of[i].hushed || now - flood->of[i].since < FLOOD_WINDOW_MS)
			continue;
		*kind = (enum note_kind)i;
		*hushed = flood->of[i].hushed;
		flood->of[i].hushed = 0;
		flood->kinds_hushed--;
		return true;
	}
	return false;
}

uint64_t flood_next(const struct flood *flood)
{
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; flood->kinds_hushed && i < NOTE_COUNT; i++)
		if (flood->of[i].hushed && flood->of[i].since + FLOOD_WINDOW_MS < next)
			next = flood->of[i].since + FLOOD_WINDOW_MS;
	return next;
}
