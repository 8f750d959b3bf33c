/* The caller's side: batches, the status, what is read back, the end. */
#include "disk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../common/mem.h"
#include "disk-internal.h"
#include "disk-key.h"
#include "disk-long.h"

#define BATCH_ROOM 4096u

static void add(struct disk *d, const struct op *op, const void *key, const void *value)
{
	size_t size = sizeof(*op) + op->key_len + op->value_len;
	struct batch *b = d->open;

	if (op->space >= d->space_count || op->key_len < 1)
		mem_die("disk: no such space or key");
	if (!b) {
		b = d->open = xcalloc(1, sizeof(*b));
		b->room = BATCH_ROOM;
		b->bytes = xmalloc(b->room);
	}
	if (b->len + size > b->room) {
		b->room = b->room * 2 > b->len + size ? b->room * 2 : b->len + size;
		b->bytes = xrealloc(b->bytes, b->room);
	}
	memcpy(b->bytes + b->len, op, sizeof(*op));
	memcpy(b->bytes + b->len + sizeof(*op), key, op->key_len);
	if (op->value_len > 0)
		memcpy(b->bytes + b->len + sizeof(*op) + op->key_len, value, op->value_len);
	b->len += size;
	b->ops++;
	b->has_long |= size + DISK_LINK_HEAD > d->piece;
	atomic_fetch_add(&d->backlog, size);
}

void disk_put(struct disk *d, unsigned space, const void *key, size_t key_len, const void *value, size_t value_len)
{
	struct op op = {.space = (uint8_t)space, .key_len = (uint32_t)key_len, .value_len = (uint32_t)value_len};

	if (space >= DISK_SPACES_MAX || key_len > DISK_KEY_MAX || value_len > DISK_VALUE_MAX)
		mem_die("disk_put: too much");
	add(d, &op, key, value);
}

void disk_remove(struct disk *d, unsigned space, const void *key, size_t key_len)
{
	struct op op = {.space = (uint8_t)space, .remove = true, .key_len = (uint32_t)key_len};

	if (space >= DISK_SPACES_MAX || key_len > DISK_KEY_MAX)
		mem_die("disk_remove: too much");
	add(d, &op, key, NULL);
}

uint64_t disk_seal(struct disk *d)
{
	struct batch *b = d->open;

	if (!b)
		return d->sealed;
	d->open = NULL;
	b->number = ++d->sealed;
	(void)pthread_mutex_lock(&d->mutex);
	*d->last = b;
	d->last = &b->next;
	(void)pthread_cond_signal(&d->cond);
	(void)pthread_mutex_unlock(&d->mutex);
	return d->sealed;
}

int disk_event_fd(const struct disk *d)
{
	return d->event_fd;
}

struct disk_status disk_status(struct disk *d)
{
	struct disk_status status;
	uint64_t count;

	/* first, so that what comes after it is heard of again */
	(void)!read(d->event_fd, &count, sizeof(count));
	(void)pthread_mutex_lock(&d->mutex);
	status = (struct disk_status){.committed = d->committed, .state = d->state, .code = d->code};
	(void)pthread_mutex_unlock(&d->mutex);
	if (d->durability != DISK_NONE)
		return status;
	if (status.state != DISK_FAILED)
		d->told = d->sealed;
	status.committed = d->told;
	return status;
}

uint64_t disk_backlog(const struct disk *d)
{
	return atomic_load(&d->backlog);
}

const struct disk_identity *disk_identity(const struct disk *d)
{
	return &d->identity;
}

void disk_tell(const struct disk *d, const struct disk_status *status, char text[DISK_TEXT])
{
	const char *why = mdb_strerror(status->code);

	switch (status->state) {
	case DISK_OK:
		(void)snprintf(text, DISK_TEXT, "%s has room", d->directory);
		break;
	case DISK_FULL:
		if (status->code == MDB_MAP_FULL)
			why = "it is as large as it may become";
		(void)snprintf(text, DISK_TEXT,
			       "no room in %s: %s -> what is written goes into the room kept for that, and when that "
			       "is used up nothing is answered; it goes on by "
			       "itself when there is room: free some on its filesystem, or remove records",
			       d->directory, why);
		break;
	case DISK_FAILED:
		(void)snprintf(text, DISK_TEXT,
			       "cannot write to %s: %s -> this process must end, for what has failed to reach the disk "
			       "once will not be told again; look at the disk before the next start",
			       d->directory, why);
		break;
	}
}

static void visit_chain(const struct space *s, const MDB_val *at, struct disk_bytes rest, disk_visit_cb visit,
			void *arg)
{
	struct disk_link link;

	while (disk_chain_next(&rest, &link)) {
		struct disk_item item = {.key = link.key.at,
					 .key_len = link.key.len,
					 .value = link.value.at,
					 .value_len = link.value.len,
					 .damaged = link.sum != disk_sum(s->salt, link.key, link.value)};

		visit(arg, &item);
	}
	if (rest.len > 0)
		visit(arg, &(struct disk_item){.key = at->mv_data, .key_len = DISK_KEY_PREFIX, .damaged = true});
}

static void visit_one(const struct space *s, const MDB_val *at, struct disk_bytes value, disk_visit_cb visit, void *arg)
{
	struct disk_bytes key = {at->mv_data, at->mv_size};
	struct disk_item item = {.key = key.at, .key_len = key.len, .damaged = true};
	uint64_t sum;

	if (key.len == DISK_KEY_STORED && value.len > 0) {
		visit_chain(s, at, value, visit, arg);
		return;
	}
	if (value.len >= DISK_SUM && key.len <= DISK_KEY_SHORT) {
		memcpy(&sum, value.at, DISK_SUM);
		value.at += DISK_SUM;
		value.len -= DISK_SUM;
		item.value = value.at;
		item.value_len = value.len;
		item.damaged = sum != disk_sum(s->salt, key, value);
	}
	visit(arg, &item);
}

static int visit_all(struct disk *d, MDB_txn *txn, const struct space *s, disk_visit_cb visit, void *arg)
{
	struct room room = {0};
	MDB_val key, value;
	MDB_cursor *cursor;
	int rc = mdb_cursor_open(txn, s->dbi, &cursor);

	if (rc)
		return rc;
	while (!(rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)))
		visit_one(s, &key, disk_long_whole(d, txn, &value, &room), visit, arg);
	mdb_cursor_close(cursor);
	free(room.at);
	return rc;
}

bool disk_load(struct disk *d, unsigned space, disk_visit_cb visit, void *arg, struct disk_fault *fault)
{
	MDB_txn *txn;
	bool pending;
	int rc;

	(void)pthread_mutex_lock(&d->mutex);
	pending = d->first != NULL;
	(void)pthread_mutex_unlock(&d->mutex);
	if (pending || space >= d->space_count)
		mem_die("disk_load: not now, or not such a space");
	/* On a full disk the thread makes use of what was removed, also when there is nothing to commit. */
	(void)pthread_mutex_lock(&d->file);
	rc = mdb_txn_begin(d->env, NULL, MDB_RDONLY, &txn);
	if (!rc) {
		rc = visit_all(d, txn, &d->spaces[space], visit, arg);
		mdb_txn_abort(txn);
	}
	(void)pthread_mutex_unlock(&d->file);
	return rc == MDB_NOTFOUND || disk_fail(fault, DISK_DAMAGED,
					       "cannot read %s/" DATA_FILE ": %s -> move it away and "
					       "start again",
					       d->directory, mdb_strerror(rc));
}

static void stop(struct disk *d)
{
	(void)pthread_mutex_lock(&d->mutex);
	d->closing = true;
	(void)pthread_cond_signal(&d->cond);
	(void)pthread_mutex_unlock(&d->mutex);
	(void)pthread_join(d->thread, NULL);
	(void)pthread_cond_destroy(&d->cond);
}

static void free_batches(struct disk *d)
{
	if (d->open) {
		d->open->next = d->first;
		d->first = d->open;
	}
	while (d->first) {
		struct batch *next = d->first->next;

		free(d->first->bytes);
		free(d->first);
		d->first = next;
	}
}

static void close_fd(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

bool disk_close(struct disk *d)
{
	bool whole = false;

	if (d->running) {
		stop(d);
		whole = !d->first && d->state != DISK_FAILED;
		/* `os` has promised nothing of what is left over, `none` has. */
		if (whole || (d->durability == DISK_OS && d->state != DISK_FAILED))
			whole &= disk_mark_clear(d);
	}
	if (d->env)
		mdb_env_close(d->env);
	free_batches(d);
	close_fd(d->event_fd);
	close_fd(d->dir_fd);
	close_fd(d->lock_fd);
	(void)pthread_mutex_destroy(&d->mutex);
	(void)pthread_mutex_destroy(&d->file);
	free(d->chain.at);
	free(d->whole.at);
	free(d->directory);
	free(d);
	return whole;
}
