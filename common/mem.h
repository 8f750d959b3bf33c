/* Allocation that cannot fail: memory that cannot be had ends the process, so no caller has to check. */
#ifndef DHT_MEM_H
#define DHT_MEM_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The end of the process: exhausted memory, a broken invariant. */
_Noreturn static inline void mem_die(const char *what)
{
	fputs("fatal: ", stderr);
	fputs(what, stderr);
	fputs("\n", stderr);
	abort();
}

static inline void *xcheck(void *p)
{
	if (p == NULL)
		mem_die("out of memory");
	return p;
}

static inline void *xmalloc(size_t size)
{
	return xcheck(malloc(size ? size : 1));
}

static inline void *xcalloc(size_t count, size_t size)
{
	return xcheck(calloc(count ? count : 1, size ? size : 1));
}

static inline void *xrealloc(void *p, size_t size)
{
	return xcheck(realloc(p, size ? size : 1));
}

static inline void *xmemdup(const void *p, size_t size)
{
	void *copy = xmalloc(size);

	if (size > 0)
		memcpy(copy, p, size);
	return copy;
}

static inline char *xstrdup(const char *text)
{
	return xmemdup(text, strlen(text) + 1);
}

/* What a block of that size takes of a process: glibc rounds up to 16 bytes, with 8 of its own ahead, and maps large ones by
 * whole pages.  To count by, the same on every machine; what other allocators take is close to it. */
static inline size_t mem_block(size_t size)
{
	size_t block = (size + 8 + 15) & ~(size_t)15;

	if (block >= (128u << 10))
		return (block + 4095) & ~(size_t)4095;
	return block < 32 ? 32 : block;
}

#endif
