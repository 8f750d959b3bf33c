/* Random numbers for tests, each run's seed printed: TEST_SEED=<it> repeats the run. */
#ifndef DHT_TEST_RANDOM_H
#define DHT_TEST_RANDOM_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct random {
	uint64_t state;
};

static inline struct random random_new(void)
{
	const char *given = getenv("TEST_SEED");
	struct timespec now;
	uint64_t seed;

	timespec_get(&now, TIME_UTC);
	seed = given ? strtoull(given, NULL, 10) : (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
	printf("# TEST_SEED=%" PRIu64 "\n", seed);
	fflush(stdout);
	return (struct random){seed};
}

/* splitmix64 (Steele et al., 2014) */
static inline uint64_t random_next(struct random *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* 0 to n - 1 */
static inline uint64_t random_below(struct random *r, uint64_t n)
{
	return random_next(r) % n;
}

/* Of any magnitude: as often small as large. */
static inline uint64_t random_sized(struct random *r)
{
	return random_next(r) >> random_below(r, 64);
}

#endif
