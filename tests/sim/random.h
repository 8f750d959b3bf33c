/* Random numbers of one stream (splitmix64).  Each part of the simulated world, and each process, client,
 * connection and fault, has a stream of its own, so that one more draw of one does not shift what the others see: a run
 * with something left out stays as like the whole one as it can. */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static inline void rng_seed(struct rng *r, uint64_t seed, uint64_t stream)
{
	r->state = seed * 0xd1342543de82ef95u + stream * 0x2545f4914f6cdd1du;
	(void)rng_next(r);
}

/* Streams of single parties and occurrences stand behind those of the world, which are small numbers. */
#define STREAM_FAULT ((uint64_t)1 << 40)
#define STREAM_AIMED ((uint64_t)2 << 40)
#define STREAM_CLIENT ((uint64_t)3 << 40)
#define STREAM_PROC ((uint64_t)4 << 40)
#define STREAM_LINK ((uint64_t)5 << 40)
#define STREAM_OURS ((uint64_t)6 << 40)
#define STREAM_REPLICAS ((uint64_t)7 << 40)
#define STREAM_DISKS ((uint64_t)8 << 40)
#define STREAM_MEMORY ((uint64_t)9 << 40)

/* 0 to n - 1; n > 0.  The bias of the remainder is of no interest here. */
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
	return rng_next(r) % n;
}

/* lo to hi, both included. */
static inline uint64_t rng_range(struct rng *r, uint64_t lo, uint64_t hi)
{
	return lo + rng_below(r, hi - lo + 1);
}

/* True in `millionths` of a million cases. */
static inline bool rng_chance(struct rng *r, uint32_t millionths)
{
	return rng_below(r, 1000000) < millionths;
}

/* Lo to hi with every order of magnitude about equally likely: few large, many small.  lo > 0. */
static inline uint64_t rng_scale(struct rng *r, uint64_t lo, uint64_t hi)
{
	uint64_t v = lo;

	while (v < hi && rng_below(r, 4) != 0)
		v = v * 2;
	return rng_range(r, lo, v < hi ? v : hi);
}

/* About exponentially distributed with that mean, at most eight times the mean; whole numbers only, so that every
 * machine draws the same. */
static inline uint64_t rng_exponential(struct rng *r, uint64_t mean)
{
	uint64_t v = 0, step = mean * 2;

	for (int i = 0; i < 3; i++) {
		v += rng_below(r, step + 1);
		if (rng_below(r, 3) != 0)
			return v / 2;
	}
	return v;
}

#endif
