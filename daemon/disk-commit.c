/* The thread that writes, and what it takes a failure for. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "../common/mem.h"
#include "disk-internal.h"
#include "disk-key.h"
#include "disk-long.h"

#define OP_PAGES 8192u /* bytes: what an operation may take besides its value, a leaf and part of others */
#define RETRY_MS 250   /* whether a full disk has room again */
#define AHEAD_LEAST 65536u
#define TURNS 16     /* without a look at what there is to commit */
#define TURN_PART 32 /* of the reserve: what is worth a transaction to come by */

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

static int apply_long(struct disk *d, MDB_txn *txn, const struct space *s, struct disk_bytes key,
		      const struct disk_bytes *value)
{
	uint8_t place[DISK_KEY_STORED];
	MDB_val at = {sizeof(place), place}, found = {0, NULL};
	struct disk_bytes old = {NULL, 0};
	uint8_t *chain;
	size_t len;
	int rc;

	disk_key_store(d->hash_seed, key, place);
	rc = mdb_get(txn, s->dbi, &at, &found);
	if (rc && rc != MDB_NOTFOUND)
		return rc;
	if (!rc)
		old = disk_long_whole(d, txn, &found, &d->whole);
	chain = disk_room(&d->chain, old.len + key.len + (value ? value->len : 0) + DISK_LINK_HEAD);
	len = disk_chain_set(s->salt, old, key, value, chain);
	if (len > 0)
		return disk_long_put(d, txn, s->dbi, &at, (struct disk_bytes){chain, len},
				     (struct disk_bytes){chain, 0});
	return disk_long_remove(d, txn, s->dbi, &at);
}

static int apply(struct disk *d, MDB_txn *txn, const struct op *op, const uint8_t *bytes)
{
	const struct space *s = &d->spaces[op->space];
	struct disk_bytes key = {bytes, op->key_len}, value = {bytes + op->key_len, op->value_len};
	MDB_val at = {key.len, (void *)key.at};
	uint64_t sum;

	if (key.len > DISK_KEY_SHORT)
		return apply_long(d, txn, s, key, op->remove ? NULL : &value);
	if (op->remove)
		return disk_long_remove(d, txn, s->dbi, &at);
	sum = disk_sum(s->salt, key, value);
	return disk_long_put(d, txn, s->dbi, &at, (struct disk_bytes){(const uint8_t *)&sum, DISK_SUM}, value);
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
static int commit_one(struct disk *d, const struct batch *first, const struct batch *last)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(d->env, NULL, 0, &txn);

	if (rc)
		return rc;
	rc = disk_long_begin(d, txn, d->state == DISK_FULL);
	if (!rc)
		rc = apply_batch(d, txn, first);
	for (const struct batch *b = first; b != last && !rc;) {
		b = b->next;
		rc = apply_batch(d, txn, b);
	}
	if (!rc)
		rc = disk_long_sweep(d, txn);
	if (!rc)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

static int commit(struct disk *d, const struct batch *first, const struct batch *last)
{
	int rc, error;

	(void)pthread_mutex_lock(&d->file);
	errno = 0;
	rc = commit_one(d, first, last);
	error = errno;
	(void)pthread_mutex_unlock(&d->file);
	errno = error;
	return rc;
}

/* Bytes of pages within the file that nothing uses and the next transaction may; d->held: what the one after it may,
 * too. */
static uint64_t free_bytes(struct disk *d, uint64_t page_size, uint64_t last_txn)
{
	uint64_t bytes = 0, count, freed_by;
	MDB_val key, value;
	MDB_cursor *cursor;
	MDB_txn *txn;

	d->held = 0;
	if (mdb_txn_begin(d->env, NULL, MDB_RDONLY, &txn))
		return 0;
	if (!mdb_cursor_open(txn, 0, &cursor)) { /* 0: LMDB's own, of transaction -> count, pages */
		while (!mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
			memcpy(&freed_by, key.mv_data, sizeof(freed_by));
			memcpy(&count, value.mv_data, sizeof(count));
			*(freed_by < last_txn ? &bytes : &d->held) += count * page_size;
		}
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(txn);
	return bytes;
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
 * other, for its callers wait for room.  It takes away pieces that were left over. */
static void turn_over(struct disk *d)
{
	char name[] = DISK_ABOUT_KEY;
	MDB_val key = {sizeof(name) - 1, name}, value;
	uint8_t copy[1024];
	MDB_txn *txn;
	int rc, error;

	(void)pthread_mutex_lock(&d->file);
	errno = 0;
	rc = mdb_txn_begin(d->env, NULL, 0, &txn);
	if (!rc) {
		rc = disk_long_begin(d, txn, true);
		if (!rc)
			rc = disk_long_sweep(d, txn);
		if (!rc)
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
	error = errno;
	(void)pthread_mutex_unlock(&d->file);
	if (rc && !is_full(rc, error)) {
		not_committed(d, DISK_FAILED, rc);
		signal_event(d);
	}
}

/* False if that was the end. */
static bool turn_over_if_worth(struct disk *d)
{
	int code;

	for (unsigned turns = 0; turns < TURNS && d->state != DISK_FAILED; turns++) {
		(void)make_room(d, &code);
		if (!d->leftover && d->held < d->reserve / TURN_PART)
			break;
		turn_over(d);
		if (!d->leftover)
			break;
	}
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

/* Bytes of the pages that it may take.  Of 64 pages of pieces one is LMDB's: the pieces' heads and what leads to them. */
static uint64_t cost(const struct disk *d, const struct batch *b)
{
	unsigned trees = d->has_pieces || b->has_long ? 2 : 1;

	return b->len + b->len / 64 + (uint64_t)b->ops * OP_PAGES * trees;
}

/* As many batches as may take an eighth of the reserve: so there is room left for removals, until what they free can be
 * used, when less than half of the reserve says that the disk is full (from then on one at a time).  It bounds the
 * file, too: LMDB keeps the pages of the last two transactions beside those of the next.
 * True if there was no room, so that the same is to be tried again later. */
static bool commit_group(struct disk *d, struct batch *first)
{
	const struct batch *last = first;
	uint64_t pages = cost(d, first);
	int rc, error;

	(void)pthread_mutex_lock(&d->mutex);
	while (d->state == DISK_OK && last->next && pages + cost(d, last->next) <= d->reserve / 8) {
		last = last->next;
		pages += cost(d, last);
	}
	(void)pthread_mutex_unlock(&d->mutex);
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
