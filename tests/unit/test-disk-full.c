/* Disks without room: writers wait or are refused, removals go on, and when there is room all is well again. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../common/mem.h"
#include "disk-fixture.h"

/* By none what has been promised is not taken back, but it does not grow any more. */
static void none_hears_of_a_failure(void **state)
{
	struct rlimit before, limit;
	struct place p;
	struct disk *d;

	(void)state;
	place_make(&p, false);
	p.config.durability = DISK_NONE;
	d = place_open(&p);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 8192;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	put_text(d, 0, "a", "1");
	assert_int_equal(disk_seal(d), 1);
	assert_int_equal(disk_status(d).committed, 1);
	assert_int_equal(wait_state(d, DISK_FULL).state, DISK_FULL);
	assert_false(disk_close(d));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	place_refused(&p, DISK_UNTRUSTED, "durability none");
	place_remove(&p);
}

/* A file that may not grow, so that writes come out short (LMDB says EIO) or not at all. */
static void short_writes_are_a_full_disk(void **state)
{
	struct rlimit before, limit;
	struct disk_status status;
	struct place p;
	struct disk *d;
	uint8_t value[2000] = {0};
	char text[DISK_TEXT];

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	for (rlim_t beyond = 0; beyond < 40000; beyond += 3000) {
		struct stat st;

		place_make(&p, false);
		d = place_open(&p);
		put_text(d, 0, "a", "1");
		commit_all(d);
		assert_int_equal(stat(p.data, &st), 0);
		limit = before;
		limit.rlim_cur = (rlim_t)st.st_size + beyond;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		for (unsigned i = 0; i < 100; i++)
			disk_put(d, 0, &i, sizeof(i), value, sizeof(value));
		assert_int_equal(disk_seal(d), 2);
		status = wait_state(d, DISK_FULL);
		assert_int_equal(status.state, DISK_FULL);
		assert_int_equal(status.committed, 1);
		disk_tell(d, &status, text);
		assert_non_null(strstr(text, "no room"));
		assert_non_null(strstr(text, " -> "));
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
		assert_int_equal(wait_state(d, DISK_OK).state, DISK_OK);
		commit_all(d);
		assert_int_equal(count_of(d, 0), 101);
		assert_true(disk_close(d));
		d = place_open(&p);
		assert_int_equal(count_of(d, 0), 101);
		assert_true(disk_close(d));
		place_remove(&p);
	}
}

/* Puts until it is full; how many. */
static unsigned fill(struct disk *d)
{
	uint8_t value[1000] = {0};
	struct disk_status status = {0};
	unsigned i = 0;

	while (status.state == DISK_OK && i < 100000) {
		for (unsigned end = i + 50; i < end; i++)
			disk_put(d, 0, &i, sizeof(i), value, sizeof(value));
		status = wait_committed(d, disk_seal(d));
	}
	assert_int_equal(status.state, DISK_FULL);
	/* What was sealed before it was full had room in the reserve. */
	wait_idle(d);
	return i;
}

/* When it is full removals go on, and make room. */
static void empty_again(struct disk *d, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		disk_remove(d, 0, &i, sizeof(i));
		if (i % 50 == 0) {
			(void)disk_seal(d);
			wait_idle(d);
		}
	}
	assert_int_equal(wait_state(d, DISK_OK).state, DISK_OK);
	commit_all(d);
	assert_int_equal(count_of(d, 0), 0);
}

static void as_large_as_it_may_become(void **state)
{
	struct disk_status status;
	char text[DISK_TEXT];
	struct place p;
	struct disk *d;
	unsigned count, more;

	(void)state;
	place_make(&p, false);
	p.config.reserve = 4 << 20;
	p.config.size_max = 16 << 20;
	d = place_open(&p);
	count = fill(d);
	assert_in_range(count, 3000, 8000);
	status = disk_status(d);
	disk_tell(d, &status, text);
	assert_non_null(strstr(text, "as large as it may become"));
	assert_int_equal(count_of(d, 0), count);
	/* It knows it when it is opened, too. */
	assert_true(disk_close(d));
	d = place_open(&p);
	more = fill(d);
	assert_in_range(more, 50, count + 500);
	empty_again(d, more > count ? more : count);
	assert_in_range(fill(d), count - 500, count + 500);
	assert_true(disk_close(d));
	place_remove(&p);
}

/* What one removal frees can be used, although nothing else is written. */
static void one_removal_makes_room(void **state)
{
	uint8_t *large = xcalloc(1, 6 << 20);
	struct place p;
	struct disk *d;

	(void)state;
	place_make(&p, false);
	p.config.reserve = 4 << 20;
	p.config.size_max = 16 << 20;
	d = place_open(&p);
	disk_put(d, 1, "large", 5, large, 6 << 20);
	commit_all(d);
	(void)fill(d);
	disk_remove(d, 1, "large", 5);
	(void)disk_seal(d);
	assert_int_equal(wait_state(d, DISK_OK).state, DISK_OK);
	/* The room that is meant: */
	disk_put(d, 1, "large", 5, large, 2 << 20);
	commit_all(d);
	assert_true(disk_close(d));
	place_remove(&p);
	free(large);
}

static uint8_t pattern(unsigned i, size_t at)
{
	return (uint8_t)(mix(i) + at + at / 4096);
}

static void put_long(struct disk *d, unsigned i, size_t len)
{
	uint8_t *value = xmalloc(len);

	for (size_t at = 0; at < len; at++)
		value[at] = pattern(i, at);
	disk_put(d, 1, &i, sizeof(i), value, len);
	free(value);
}

static void assert_long(const struct holding *h, unsigned i, size_t len)
{
	const struct held *found = holding_find(h, &i, sizeof(i));

	assert_non_null(found);
	assert_int_equal(found->value_len, len);
	for (size_t at = 0; at < len; at++)
		if (found->value[at] != pattern(i, at))
			fail_msg("value %u is another one at byte %zu", i, at);
}

/* Room in small pieces is room for long values, too. */
static void room_in_pieces(void **state)
{
	enum { SHORT = 300 << 10, LONG = 500 << 10, COUNT = 200, MORE = 16 };
	struct disk_status status = {0};
	struct holding h;
	struct place p;
	struct disk *d;
	unsigned count;

	(void)state;
	place_make(&p, false);
	p.config.reserve = 4 << 20;
	p.config.size_max = 32 << 20;
	d = place_open(&p);
	for (count = 0; status.state == DISK_OK && count < COUNT; count++) {
		put_long(d, count, SHORT);
		status = wait_committed(d, disk_seal(d));
	}
	assert_int_equal(status.state, DISK_FULL);
	assert_in_range(count, 80, 110);
	for (unsigned i = 0; i < count; i += 2) {
		disk_remove(d, 1, &i, sizeof(i));
		(void)disk_seal(d);
		wait_idle(d);
	}
	/* Half of it is free, in rows of 300 KiB. */
	assert_int_equal(wait_state(d, DISK_OK).state, DISK_OK);
	for (unsigned i = 0; i < MORE; i++) {
		put_long(d, COUNT + i, LONG);
		commit_all(d);
	}
	assert_int_equal(disk_status(d).state, DISK_OK);
	assert_true(disk_close(d));
	d = place_open(&p);
	h = load(d, 1);
	assert_int_equal(h.count, count / 2 + MORE);
	for (unsigned i = 1; i < count; i += 2)
		assert_long(&h, i, SHORT);
	for (unsigned i = 0; i < MORE; i++)
		assert_long(&h, COUNT + i, LONG);
	holding_free(&h);
	assert_true(disk_close(d));
	place_remove(&p);
}

static uint64_t pages_ahead(const struct place *p)
{
	struct stat st;

	assert_int_equal(stat(p->data, &st), 0);
	return (p->config.size_max - (uint64_t)st.st_size) / 4096;
}

/* What many removals in one batch free takes LMDB a row to note, which there may be none of. */
static void removed_all_at_once(void **state)
{
	enum { LONG = 200 << 10, ONE_PAGE = 4000, SINGLES = 400, COUNT = 1000 };
	uint8_t value[ONE_PAGE] = {0};
	unsigned count, singles;
	struct place p;
	struct disk *d;

	(void)state;
	place_make(&p, false);
	p.config.size_max = 64 << 20;
	d = place_open(&p);
	for (singles = 0; singles < SINGLES; singles++)
		disk_put(d, 0, &singles, sizeof(singles), value, sizeof(value));
	commit_all(d);
	for (count = 0; disk_status(d).state == DISK_OK && count < COUNT; count++) {
		put_long(d, count, LONG);
		(void)disk_seal(d);
		wait_idle(d);
	}
	assert_in_range(count, 300, COUNT - 1);
	/* The end of the file first, ... */
	for (; pages_ahead(&p) > 8; singles++) {
		disk_put(d, 0, &singles, sizeof(singles), value, sizeof(value));
		(void)disk_seal(d);
		wait_idle(d);
	}
	/* ... then every other page is free, and no row. */
	for (unsigned i = 0; i < SINGLES; i += 2) {
		disk_remove(d, 0, &i, sizeof(i));
		(void)disk_seal(d);
		wait_idle(d);
	}
	assert_int_equal(disk_status(d).state, DISK_FULL);
	for (unsigned i = 0; i < count; i++)
		disk_remove(d, 1, &i, sizeof(i));
	(void)disk_seal(d);
	wait_idle(d);
	assert_int_equal(wait_state(d, DISK_OK).state, DISK_OK);
	put_text(d, 0, "next", "");
	commit_all(d);
	assert_int_equal(count_of(d, 1), 0);
	assert_true(disk_close(d));
	assert_int_equal(place_pieces(&p), 0);
	place_remove(&p);
}

/* A filesystem that is full: by others (who go), by us (who remove), and for one batch that is larger than all of
 * it. */
static void a_full_filesystem(void **state)
{
	struct disk_status status;
	uint8_t *large = xcalloc(1, 8 << 20);
	char hog[224], text[DISK_TEXT];
	struct place p;
	struct disk *d;
	unsigned count;
	int fd;

	(void)state;
	place_make(&p, false);
	if (!mount_apart(p.parent, "size=32m")) {
		/* not skip(), which this cmocka tells by TAP as "not ok" */
		print_message("# nothing tested: cannot mount here: %s\n", strerror(errno));
		place_remove(&p);
		free(large);
		return;
	}
	p.config.reserve = 4 << 20;
	d = place_open(&p);
	(void)snprintf(hog, sizeof(hog), "%s/hog", p.parent);
	fd = open(hog, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(fallocate(fd, 0, 0, 18 << 20), 0);
	count = fill(d);
	assert_in_range(count, 3000, 8000);
	status = disk_status(d);
	disk_tell(d, &status, text);
	assert_non_null(strstr(text, "No space left on device"));
	assert_int_equal(count_of(d, 0), count);
	/* more than the reserve: it waits */
	disk_put(d, 1, "large", 5, large, 8 << 20);
	assert_int_equal(disk_seal(d), disk_status(d).committed + 1);
	for (int i = 0; i < 3; i++)
		assert_true(disk_backlog(d) > 8 << 20);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(wait_state(d, DISK_OK).state, DISK_OK);
	commit_all(d);
	assert_int_equal(count_of(d, 1), 1);
	disk_remove(d, 1, "large", 5);
	commit_all(d);
	/* and now without anybody's help */
	count = fill(d);
	empty_again(d, count);
	assert_true(disk_close(d));
	d = place_open(&p);
	assert_int_equal(disk_status(d).state, DISK_OK);
	assert_true(disk_close(d));
	(void)close(fd);
	assert_int_equal(umount(p.parent), 0);
	place_remove(&p);
	free(large);
}

/* No room for the very first file: said as such, and all is well when there is. */
static void no_room_to_begin_with(void **state)
{
	struct rlimit before, limit;
	struct place p;
	struct disk *d;

	(void)state;
	(void)signal(SIGXFSZ, SIG_IGN);
	place_make(&p, false);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	for (rlim_t size = 100; size < 16384; size += 4000) {
		limit = before;
		limit.rlim_cur = size;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		place_refused(&p, DISK_UNUSABLE, "data.mdb");
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	}
	d = place_open(&p);
	assert_true(disk_close(d));
	place_remove(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_hears_of_a_failure),
		cmocka_unit_test(short_writes_are_a_full_disk),
		cmocka_unit_test(as_large_as_it_may_become),
		cmocka_unit_test(one_removal_makes_room),
		cmocka_unit_test(room_in_pieces),
		cmocka_unit_test(removed_all_at_once),
		cmocka_unit_test(a_full_filesystem),
		cmocka_unit_test(no_room_to_begin_with),
	};

	return cmocka_run_group_tests_name("disk-full", tests, NULL, NULL);
}
