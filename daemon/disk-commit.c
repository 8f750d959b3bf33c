/* The thread that writes, and what it takes a failure for. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "../common/mem.h"
#include "disk-internal.h"
#include "disk-key.h"

#define OP_PAGES 8192u /* bytes: what an operation may take besides its value, a leaf and part of others */
#define RETRY_MS 250   /* whether a full disk has room again */
#define AHEAD_LEAST 65536u
#define LONG_HEAD 128u        /* bytes, at least, by which something is longer where it is stored */
#define FREE_PAGES_MAX 65536u /* looked at: 256 MiB, more than any reserve */
#define TURN_PART 32          /* of the reserve: what is worth a transaction to come by */

/* Whether there was no room; all else is the end.  LMDB says EIO of a write that came out short, which is how a full
 * disk begins, and EIO is what a disk that fails says, too: but only with a system call that failed, and no system
 * call or function sets errno back to 0 (error: errno, which was 0 before).
 *
 * Whole transactions are tried again, never a sync alone: all pages of the next attempt are written anew, so what a
 * sync that found no room (ENOSPC by delayed allocation) has thrown away is not built upon. */
static bool is_full(int rc, int error)
{
	return rc == MDB_MAP_FULL || rc == ENOSPC || rc == EDQUOT || rc == EFBIG || (rc == EIO && error == 0);
}

static uint8_t *chain_room(struct disk *d, size_t room)
{
	if (room > d->chain_room) {
		d->chain = xrealloc(d->chain, room);
		d->chain_room = room;
	}
	return d->chain;
}

static int apply_long(struct disk *d, MDB_txn *txn, const struct space *s, struct disk_bytes key,
		      const struct disk_bytes *value)
{
	uint8_t place[DISK_KEY_STORED];
	MDB_val at = {sizeof(place), place}, old = {0, NULL}, chain;
	int rc;

	disk_key_store(d->hash_seed, key, place);
	rc = mdb_get(txn, s->dbi, &at, &old);
	if (rc && rc != MDB_NOTFOUND)
		return rc;
	chain.mv_data = chain_room(d, old.mv_size + key.len + (value ? value->len : 0) + DISK_LINK_HEAD);
	chain.mv_size =
		disk_chain_set(s->salt, (struct disk_bytes){old.mv_data, old.mv_size}, key, value, chain.mv_data);
	if (chain.mv_size > 0)
		return mdb_put(txn, s->dbi, &at, &chain, 0);
	return old.mv_size > 0 ? mdb_del(txn, s->dbi, &at, NULL) : 0;
}

static int apply(struct disk *d, MDB_txn *txn, const struct op *op, const uint8_t *bytes)
{
	const struct space *s = &d->spaces[op->space];
	struct disk_bytes key = {bytes, op->key_len}, value = {bytes + op->key_len, op->value_len};
	MDB_val at = {key.len, (void *)key.at}, stored = {DISK_SUM + value.len, NULL};
	uint64_t sum;
	int rc;

	if (key.len > DISK_KEY_SHORT)
		return apply_long(d, txn, s, key, op->remove ? NULL : &value);
	if (op->remove) {
		rc = mdb_del(txn, s->dbi, &at, NULL);
		return rc == MDB_NOTFOUND ? 0 : rc;
	}
	sum = disk_sum(s->salt, key, value);
	rc = mdb_put(txn, s->dbi, &at, &stored, MDB_RESERVE);
	if (!rc) {
		memcpy(stored.mv_data, &sum, DISK_SUM);
		memcpy((uint8_t *)stored.mv_data + DISK_SUM, value.at, value.len);
	}
	return rc;
}

static int apply_batch(struct disk *d, MDB_txn *txn, const struct batch *b)
{
	struct op op;
	int rc = 0;

	for (size_t at = 0; at < b->len && !rc; at += sizeof(op) + op.key_len + op.value_len) {
		memcpy(&op, b->bytes + at, sizeof(op));
		rc = apply(d, txn, &op, b->bytes + at + sizeof(op));
	}
	return rc;
}

/* From first to last, as one transaction.  (Behind last the caller may append meanwhile.) */
static int commit(struct disk *d, const struct batch *first, const struct batch *last)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(d->env, NULL, 0, &txn);

	if (rc)
		return rc;
	rc = apply_batch(d, txn, first);
	for (const struct batch *b = first; b != last && !rc;) {
		b = b->next;
		rc = apply_batch(d, txn, b);
	}
	if (!rc)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

static int compare_pages(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* How many of these pages are of use for what needs so many in a row. */
static uint64_t pages_in_rows(uint64_t *pages, size_t count, uint64_t row)
{
	uint64_t found = 0, length = 1;

	qsort(pages, count, sizeof(*pages), compare_pages);
	for (size_t i = 1; i <= count; i++) {
		if (i < count && pages[i] == pages[i - 1] + 1) {
			length++;
			continue;
		}
		found += length / row * row;
		length = 1;
	}
	return found;
}

/* Bytes of pages within the file that nothing uses and the next transaction may; d->held: what the one after it may,
 * too.  LMDB puts what is longer than half a page into pages in a row: where the longest that is stored here finds no such
 * row it has no room, however many pages are free one by one.  (Up to an eighth of the reserve: one that was very long once
 * would make a disk full in which there is nothing any more.) */
static uint64_t free_bytes(struct disk *d, uint64_t page_size, uint64_t last_txn)
{
	uint64_t longest = atomic_load(&d->longest) + LONG_HEAD;
	uint64_t row = (longest < d->reserve / 8 ? longest : d->reserve / 8) / page_size + 1;
	uint64_t *pages = xmalloc(FREE_PAGES_MAX * sizeof(*pages));
	MDB_val key, value;
	MDB_cursor *cursor;
	size_t found = 0;
	MDB_txn *txn;

	d->held = 0;
	if (!mdb_txn_begin(d->env, NULL, MDB_RDONLY, &txn)) {
		if (!mdb_cursor_open(txn, 0, &cursor)) { /* 0: LMDB's own, of transaction -> count, pages */
			while (!mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
				uint64_t freed_by, count;

				memcpy(&freed_by, key.mv_data, sizeof(freed_by));
				memcpy(&count, value.mv_data, sizeof(count));
				if (freed_by >= last_txn) {
					d->held += count * page_size;
					continue;
				}
				if (count > FREE_PAGES_MAX - found)
					count = FREE_PAGES_MAX - found;
				memcpy(pages + found, (const uint64_t *)value.mv_data + 1, count * sizeof(*pages));
				found += count;
			}
			mdb_cursor_close(cursor);
		}
		mdb_txn_abort(txn);
	}
	found = found ? pages_in_rows(pages, found, row) : 0;
	free(pages);
	return found * page_size;
}

/* Allocates from `used` on, as much of `want` bytes as there is.  0, or why not all. */
static int allocate(struct disk *d, uint64_t used, uint64_t want)
{
	int code = 0;

	for (uint64_t some = want; some >= AHEAD_LEAST; some /= 2) {
		if (used + some <= d->ahead ||
		    fallocate(d->data_fd, FALLOC_FL_KEEP_SIZE, (off_t)used, (off_t)some) == 0) {
			d->ahead = used + some > d->ahead ? used + some : d->ahead;
			return code;
		}
		if (errno == EINTR) {
			some *= 2;
			continue;
		}
		code = errno;
		if (code == EOPNOTSUPP || code == ENOSYS) {
			d->cannot_ahead = true;
			return 0;
		}
	}
	return code;
}

/* Bytes there are; *code: why there are less than the reserve, or 0. */
static uint64_t make_room(struct disk *d, int *code)
{
	uint64_t used, room, mapped;
	struct statvfs fs;
	MDB_envinfo info;
	MDB_stat stat;

	*code = 0;
	d->held = 0;
	if (mdb_env_info(d->env, &info) || mdb_env_stat(d->env, &stat))
		return 0;
	used = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
	mapped = info.me_mapsize > used ? info.me_mapsize - used : 0;
	if (d->ahead < used)
		d->ahead = used;
	if (!d->cannot_ahead && d->ahead - used < d->reserve)
		*code = allocate(d, used, d->reserve + d->reserve / 4);
	room = d->ahead - used;
	if (d->cannot_ahead && fstatvfs(d->data_fd, &fs) == 0)
		room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (room > mapped)
		room = mapped;
	if (room < d->reserve) {
		if (!*code)
			*code = room == mapped ? MDB_MAP_FULL : ENOSPC;
		room += free_bytes(d, stat.ms_psize, info.me_last_txnid);
	}
	if (room >= d->reserve)
		*code = 0;
	return room;
}

/* What is left decides whether the caller may go on. */
static void judge_room(struct disk *d)
{
	int code;
	uint64_t room = make_room(d, &code);
	bool full = room < (d->state == DISK_FULL ? d->reserve : d->reserve / 2);

	(void)pthread_mutex_lock(&d->mutex);
	d->state = full ? DISK_FULL : DISK_OK;
	d->code = full ? code : 0;
	(void)pthread_mutex_unlock(&d->mutex);
}

static void signal_event(struct disk *d)
{
	uint64_t one = 1;

	/* It can only fail by being at its end, and then it is readable. */
	(void)!write(d->event_fd, &one, sizeof(one));
}

static void not_committed(struct disk *d, enum disk_state state, int code)
{
	(void)pthread_mutex_lock(&d->mutex);
	d->state = state;
	d->code = code;
	(void)pthread_mutex_unlock(&d->mutex);
}

/* A transaction that changes nothing, so that what the last one has freed can be used: on a full disk there may be no
 * other, for its callers wait for room. */
static void turn_over(struct disk *d)
{
	char name[] = DISK_ABOUT_KEY;
	MDB_val key = {sizeof(name) - 1, name}, value;
	uint8_t copy[1024];
	MDB_txn *txn;
	int rc;

	errno = 0;
	rc = mdb_txn_begin(d->env, NULL, 0, &txn);
	if (!rc) {
		rc = mdb_get(txn, d->about, &key, &value);
		if (!rc && value.mv_size <= sizeof(copy)) {
			memcpy(copy, value.mv_data, value.mv_size);
			value.mv_data = copy;
			rc = mdb_put(txn, d->about, &key, &value, 0);
		}
		if (!rc)
			rc = mdb_txn_commit(txn);
		else
			mdb_txn_abort(txn);
	}
	if (rc && !is_full(rc, errno)) {
		not_committed(d, DISK_FAILED, rc);
		signal_event(d);
	}
}

/* False if that was the end. */
static bool turn_over_if_worth(struct disk *d)
{
	int code;

	(void)make_room(d, &code);
	if (d->held >= d->reserve / TURN_PART)
		turn_over(d);
	return d->state != DISK_FAILED;
}

static void drop(struct disk *d, struct batch *first, const struct batch *end)
{
	while (first != end) {
		struct batch *next = first->next;

		atomic_fetch_sub(&d->backlog, first->len);
		free(first->bytes);
		free(first);
		first = next;
	}
}

static void committed(struct disk *d, struct batch *first, const struct batch *last)
{
	struct batch *end;

	(void)pthread_mutex_lock(&d->mutex);
	end = last->next;
	d->first = end;
	if (!end)
		d->last = &d->first;
	d->committed = last->number;
	(void)pthread_mutex_unlock(&d->mutex);
	drop(d, first, end);
}

static uint64_t cost(const struct batch *b)
{
	return b->len + (uint64_t)b->ops * OP_PAGES;
}

/* As many batches as may take an eighth of the reserve: so there is room left for removals, until what they free can be
 * used, when less than half of the reserve says that the disk is full (from then on one at a time).  It bounds the
 * file, too: LMDB keeps the pages of the last two transactions beside those of the next.
 * True if there was no room, so that the same is to be tried again later. */
static bool commit_group(struct disk *d, struct batch *first)
{
	const struct batch *last = first;
	uint64_t pages = cost(first);
	int rc, error;

	(void)pthread_mutex_lock(&d->mutex);
	while (d->state == DISK_OK && last->next && pages + cost(last->next) <= d->reserve / 8) {
		last = last->next;
		pages += cost(last);
	}
	(void)pthread_mutex_unlock(&d->mutex);
	errno = 0;
	rc = commit(d, first, last);
	error = errno;
	if (rc == 0) {
		committed(d, first, last);
		judge_room(d);
	} else {
		not_committed(d, is_full(rc, error) ? DISK_FULL : DISK_FAILED, rc == EIO && error == 0 ? ENOSPC : rc);
	}
	signal_event(d);
	return rc != 0 && d->state == DISK_FULL;
}

/* With the mutex held: until there is something to do, or (full) until it is time to look again. */
static void wait_for_work(struct disk *d, bool again)
{
	struct timespec until;

	if (d->state == DISK_FULL) {
		(void)clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += RETRY_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		while (!d->closing && (again || !d->first) &&
		       pthread_cond_timedwait(&d->cond, &d->mutex, &until) != ETIMEDOUT)
			continue;
	} else {
		while (!d->closing && !d->first)
			(void)pthread_cond_wait(&d->cond, &d->mutex);
	}
}

static void *run(void *arg)
{
	struct disk *d = arg;
	bool again = false;

	while (d->state != DISK_FAILED) {
		struct batch *first;
		bool last;

		(void)pthread_mutex_lock(&d->mutex);
		wait_for_work(d, again);
		first = d->first;
		last = d->closing;
		(void)pthread_mutex_unlock(&d->mutex);
		if (d->state == DISK_FULL && (again || !first) && !turn_over_if_worth(d))
			break;
		if (first) {
			again = commit_group(d, first);
			/* Who closes does not wait for room that may never come. */
			if (again && last)
				break;
		} else if (last) {
			break;
		} else {
			judge_room(d);
			signal_event(d);
		}
	}
	return NULL;
}

bool disk_start(struct disk *d)
{
	pthread_condattr_t attr;
	sigset_t all, before;
	int rc;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&d->cond, &attr);
	(void)pthread_condattr_destroy(&attr);
	judge_room(d);
	/* Signals are the loop's.  SIGXFSZ is blocked with them, so that a limit on the file's size is an error. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&d->thread, NULL, run, d);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	d->running = rc == 0;
	errno = rc;
	return d->running;
}
