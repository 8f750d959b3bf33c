#include "disk-fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../common/mem.h"
#include "../../daemon/disk-internal.h"
#include "../../daemon/disk-key.h"

static const char *const spaces[] = {"records", "state"};

void place_make(struct place *p, bool on_disk)
{
	const char *base = getenv("TMPDIR");

	if (!on_disk && access("/dev/shm", W_OK) == 0)
		base = "/dev/shm";
	*p = (struct place){.config = {.spaces = spaces, .space_count = 2}};
	(void)snprintf(p->parent, sizeof(p->parent), "%.100s/dht-disk-XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(p->parent));
	(void)snprintf(p->directory, sizeof(p->directory), "%s/data", p->parent);
	(void)snprintf(p->data, sizeof(p->data), "%s/data.mdb", p->directory);
	p->config.directory = p->directory;
	p->config.reserve = 1 << 20;
	p->config.identity.node = 7;
	(void)snprintf(p->config.identity.name, DISK_NAME_MAX, "seven");
	p->config.identity.ring_len = 4;
	memcpy(p->config.identity.ring, "ring", 4);
}

void place_remove(struct place *p)
{
	DIR *dir = opendir(p->directory);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		(void)unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		(void)closedir(dir);
	(void)rmdir(p->directory);
	assert_int_equal(rmdir(p->parent), 0);
}

struct disk *place_open(struct place *p)
{
	struct disk_fault fault = {.text = ""};
	struct disk *d = disk_open(&p->config, &fault);

	if (!d)
		fail_msg("disk_open: %s", fault.text);
	return d;
}

void place_refused(struct place *p, enum disk_trouble trouble, const char *word)
{
	struct disk_fault fault = {.text = ""};
	struct disk *d = disk_open(&p->config, &fault);

	assert_null(d);
	if (fault.trouble != trouble || !strstr(fault.text, word) || !strstr(fault.text, p->directory) ||
	    !strstr(fault.text, " -> ") || strchr(fault.text, '\n') || strlen(fault.text) + 1 == sizeof(fault.text))
		fail_msg("trouble %d: %s", (int)fault.trouble, fault.text);
}

uint8_t *place_read(struct place *p, size_t *len)
{
	int fd = open(p->data, O_RDONLY);
	struct stat st;
	uint8_t *bytes;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	*len = (size_t)st.st_size;
	bytes = xmalloc(*len);
	assert_int_equal(read(fd, bytes, *len), st.st_size);
	(void)close(fd);
	return bytes;
}

void place_write(struct place *p, const uint8_t *bytes, size_t len)
{
	int fd = open(p->data, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	(void)close(fd);
}

struct hand hand_open(struct place *p, const char *database)
{
	struct hand hand;

	assert_int_equal(mdb_env_create(&hand.env), 0);
	assert_int_equal(mdb_env_set_maxdbs(hand.env, 4), 0);
	assert_int_equal(mdb_env_set_mapsize(hand.env, (size_t)1 << 30), 0);
	assert_int_equal(mdb_env_open(hand.env, p->data, MDB_NOSUBDIR | MDB_NOLOCK, 0600), 0);
	assert_int_equal(mdb_txn_begin(hand.env, NULL, 0, &hand.txn), 0);
	assert_int_equal(mdb_dbi_open(hand.txn, database, 0, &hand.dbi), 0);
	return hand;
}

void hand_close(struct hand *hand)
{
	assert_int_equal(mdb_txn_commit(hand->txn), 0);
	mdb_env_close(hand->env);
}

void place_rewrite_identity(struct place *p, unsigned at, uint8_t value, bool resum)
{
	struct hand hand = hand_open(p, "about");
	struct disk_bytes name = {(const uint8_t *)DISK_ABOUT_KEY, strlen(DISK_ABOUT_KEY)};
	MDB_val key = {name.len, (void *)name.at}, data;
	uint8_t bytes[1024];
	uint64_t sum;

	assert_int_equal(mdb_get(hand.txn, hand.dbi, &key, &data), 0);
	assert_in_range(data.mv_size, 1, sizeof(bytes));
	memcpy(bytes, data.mv_data, data.mv_size);
	bytes[DISK_SUM + at] = value;
	if (resum) {
		sum = disk_sum(disk_salt("about"), name,
			       (struct disk_bytes){bytes + DISK_SUM, data.mv_size - DISK_SUM});
		memcpy(bytes, &sum, DISK_SUM);
	}
	data.mv_data = bytes;
	assert_int_equal(mdb_put(hand.txn, hand.dbi, &key, &data, 0), 0);
	hand_close(&hand);
}

size_t place_pieces(struct place *p)
{
	struct hand hand = hand_open(p, "pieces");
	MDB_stat stat;

	assert_int_equal(mdb_stat(hand.txn, hand.dbi, &stat), 0);
	hand_close(&hand);
	return stat.ms_entries;
}

bool mount_apart(const char *where, const char *options)
{
	static bool apart;

	if (!apart && (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0))
		return false;
	apart = true;
	return mount("dht-test", where, "tmpfs", 0, options) == 0;
}

void put_text(struct disk *d, unsigned space, const char *key, const char *value)
{
	disk_put(d, space, key, strlen(key), value, strlen(value));
}

static bool wait_event(struct disk *d, const struct timespec *end)
{
	struct pollfd fd = {.fd = disk_event_fd(d), .events = POLLIN};
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec < end->tv_sec && poll(&fd, 1, 1000) >= 0;
}

struct disk_status wait_committed(struct disk *d, uint64_t number)
{
	struct disk_status status;
	struct timespec end;

	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += WAIT_S;
	do
		status = disk_status(d);
	while (status.committed < number && status.state == DISK_OK && wait_event(d, &end));
	return status;
}

struct disk_status wait_state(struct disk *d, enum disk_state state)
{
	struct disk_status status;
	struct timespec end;

	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += WAIT_S;
	do
		status = disk_status(d);
	while (status.state != state && wait_event(d, &end));
	return status;
}

void wait_idle(struct disk *d)
{
	struct timespec end;

	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += WAIT_S;
	do
		assert_int_not_equal(disk_status(d).state, DISK_FAILED);
	while (disk_backlog(d) > 0 && wait_event(d, &end));
	assert_int_equal(disk_backlog(d), 0);
}

void commit_all(struct disk *d)
{
	uint64_t number = disk_seal(d);
	struct disk_status status = wait_committed(d, number);
	char text[DISK_TEXT];

	disk_tell(d, &status, text);
	if (status.committed != number)
		fail_msg("batch %ju is not committed: %s", (uintmax_t)number, text);
}

static void visit_cb(void *arg, const struct disk_item *item)
{
	struct holding *h = arg;

	if ((h->count & (h->count - 1)) == 0)
		h->items = xrealloc(h->items, (h->count ? h->count * 2 : 1) * sizeof(*h->items));
	h->items[h->count++] = (struct held){.key = xmemdup(item->key, item->key_len),
					     .key_len = item->key_len,
					     .value = xmemdup(item->value, item->value_len),
					     .value_len = item->value_len,
					     .damaged = item->damaged};
	h->damaged += item->damaged;
}

struct holding load(struct disk *d, unsigned space)
{
	struct holding h = {0};
	struct disk_fault fault;

	if (!disk_load(d, space, visit_cb, &h, &fault))
		fail_msg("disk_load: %s", fault.text);
	return h;
}

void holding_free(struct holding *h)
{
	for (size_t i = 0; i < h->count; i++) {
		free(h->items[i].key);
		free(h->items[i].value);
	}
	free(h->items);
	*h = (struct holding){0};
}

size_t count_of(struct disk *d, unsigned space)
{
	struct holding h = load(d, space);
	size_t count = h.count;

	assert_int_equal(h.damaged, 0);
	holding_free(&h);
	return count;
}

const struct held *holding_find(const struct holding *h, const void *key, size_t key_len)
{
	for (size_t i = 0; i < h->count; i++)
		if (!h->items[i].damaged && h->items[i].key_len == key_len &&
		    memcmp(h->items[i].key, key, key_len) == 0)
			return &h->items[i];
	return NULL;
}

void assert_text(struct disk *d, unsigned space, const char *key, const char *value)
{
	struct holding h = load(d, space);
	const struct held *found = holding_find(&h, key, strlen(key));

	if ((found != NULL) != (value != NULL))
		fail_msg("%s is %s", key, found ? "there" : "not there");
	if (found && value) {
		assert_int_equal(found->value_len, strlen(value));
		assert_memory_equal(found->value, value, found->value_len);
	}
	holding_free(&h);
}

uint64_t mix(uint64_t seed)
{
	uint64_t z = seed + 0x9e3779b97f4a7c15u; /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}
