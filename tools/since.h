/* A moment as people type it: how long ago, a time of day, a date. */
#ifndef DHT_SINCE_H
#define DHT_SINCE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* For an error line. */
#define SINCE_FORMS "10m, 2h, 3d; 13:05, today, yesterday; 2026-11-26, '2026-11-26 13:05', or 2026-11-26T13:05:36Z"

/* Microseconds since 1970, now being a moment of these.  Without a Z the zone is this machine's ($TZ); a time of day is the
 * last such one.  False if it is none of SINCE_FORMS, seconds and their fraction being optional. */
bool since_parse(const char *text, uint64_t now, uint64_t *since);

#endif
