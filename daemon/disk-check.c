/* LMDB's file as LMDB 0.9 lays it out on this machine (mdb.c: MDB_page, MDB_node, MDB_db, MDB_meta; data version 1),
 * read by somebody who believes nothing of it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/mem.h"
#include "disk-internal.h"

#define MAGIC 0xBEEFC0DEu
#define DATA_VERSION 1u
#define KEY_MAX 511u
#define DEPTH_MAX 32 /* LMDB's CURSOR_STACK */
#define NONE UINT64_MAX
#define PAGE_BRANCH 0x01
#define PAGE_LEAF 0x02
#define PAGE_OVERFLOW 0x04
#define PAGE_META 0x08
#define NODE_BIG 0x01
#define NODE_TREE 0x02
#define FLAG_INTEGER_KEY 0x08
#define TREES_MAX (DISK_SPACES_MAX + 2) /* beside the callers': whose it is, and pieces of long values */
/* Pages that were taken and given back in one transaction need never be written, so the file may be shorter than its
 * last page says; never by more than this, which bounds the memory that a lie can cost. */
#define TAIL_MAX ((uint64_t)1 << 22)

struct page_head {
	uint64_t number;
	uint16_t pad, flags;
	union {
		struct {
			uint16_t lower, upper;
		};
		uint32_t count; /* of overflow pages */
	};
};

struct node_head {
	uint16_t low, high, flags, key_len;
};

struct tree_head {
	uint32_t pad;
	uint16_t flags, depth;
	uint64_t branches, leaves, overflows, entries, root;
};

struct meta {
	uint32_t magic, version;
	uint64_t address, map_size;
	struct tree_head trees[2]; /* free pages, main */
	uint64_t last_page, txn;
};

_Static_assert(sizeof(struct page_head) == 16 && sizeof(struct node_head) == 8 && sizeof(struct tree_head) == 48 &&
		       sizeof(struct meta) == 136 && sizeof(size_t) == 8,
	       "the layout of 64-bit machines");

enum tree_kind { TREE_FREE, TREE_MAIN, TREE_SPACE };

struct tree {
	struct tree_head head; /* what it is said to be */
	enum tree_kind kind;
	uint64_t branches, leaves, overflows, entries; /* what it is */
	/* What the next key of a leaf must be above, or equal to if it came from a branch. */
	bool bounded, equal;
	size_t bound_len;
	uint8_t bound[KEY_MAX];
};

struct check {
	const char *directory;
	int fd;
	uint32_t page_size;
	uint64_t file_pages, last_page, txn;
	uint8_t *used; /* a bit for each page */
	uint8_t *levels[DEPTH_MAX];
	struct tree trees[TREES_MAX]; /* found in the main one */
	unsigned tree_count;
	struct disk_fault *fault;
};

static bool damaged(struct check *c, uint64_t page, const char *what)
{
	return disk_fail(c->fault, DISK_DAMAGED,
			 "%s/" DATA_FILE " is damaged (page %" PRIu64 ": %s) -> move it away and start again: the node "
			 "then begins empty and gets its records from the other copies",
			 c->directory, page, what);
}

static bool read_at(struct check *c, uint64_t page, uint64_t offset, void *out, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = pread(c->fd, (uint8_t *)out + got, size - got, (off_t)(offset + got));

		if (n > 0)
			got += (size_t)n;
		else if (n == 0)
			return damaged(c, page, "the file ends before it");
		else if (errno != EINTR)
			return disk_fail(c->fault, DISK_DAMAGED,
					 "cannot read page %" PRIu64 " of %s/" DATA_FILE
					 ": %s -> the disk may be failing; give the node another directory",
					 page, c->directory, strerror(errno));
	}
	return true;
}

static bool use_page(struct check *c, uint64_t page)
{
	if (page < 2 || page > c->last_page)
		return damaged(c, page, "there can be no such page");
	if (c->used[page / 8] & 1u << page % 8)
		return damaged(c, page, "used twice");
	c->used[page / 8] |= (uint8_t)(1u << page % 8);
	return true;
}

/* A page that has content. */
static bool read_page(struct check *c, uint64_t page, uint8_t *out)
{
	struct page_head head;

	if (!use_page(c, page) || !read_at(c, page, page * c->page_size, out, c->page_size))
		return false;
	memcpy(&head, out, sizeof(head));
	return head.number == page || damaged(c, page, "it has another page's number");
}

static int compare(enum tree_kind kind, const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	size_t least = a_len < b_len ? a_len : b_len;
	int order;

	if (kind == TREE_FREE) {
		uint64_t x, y;

		memcpy(&x, a, 8);
		memcpy(&y, b, 8);
		return x < y ? -1 : x > y;
	}
	order = memcmp(a, b, least);
	return order ? order : a_len < b_len ? -1 : a_len > b_len;
}

/* The next key in order, of a leaf or (separator) of a branch. */
static bool check_key(struct check *c, struct tree *t, uint64_t page, const uint8_t *key, size_t len, bool separator)
{
	int order;

	if (len < 1 || len > KEY_MAX || (t->kind == TREE_FREE && len != 8))
		return damaged(c, page, "a key of a wrong length");
	order = t->bounded ? compare(t->kind, key, len, t->bound, t->bound_len) : 1;
	if (order < 0 || (order == 0 && (separator || !t->equal)))
		return damaged(c, page, "keys out of order");
	memcpy(t->bound, key, len);
	t->bound_len = len;
	t->bounded = true;
	t->equal = separator;
	return true;
}

static bool check_free_list(struct check *c, uint64_t page, const uint8_t *key, const uint8_t *list, size_t size)
{
	uint64_t txn, count, before = NONE;

	memcpy(&txn, key, 8);
	if (txn > c->txn || size < 8)
		return damaged(c, page, "a list of free pages that cannot be");
	memcpy(&count, list, 8);
	if (count > size / 8 - 1)
		return damaged(c, page, "a list of free pages that ends before its end");
	for (uint64_t i = 1; i <= count; i++) {
		uint64_t freed;

		memcpy(&freed, list + i * 8, 8);
		if (freed >= before)
			return damaged(c, page, "a list of free pages out of order");
		before = freed;
		if (!use_page(c, freed))
			return false;
	}
	return true;
}

/* The pages of a large value.  There may be more than it needs: a smaller one has taken a larger one's place. */
static bool use_overflow(struct check *c, uint64_t page, uint64_t size, uint64_t *count)
{
	struct page_head head;

	if (page >= c->file_pages)
		return damaged(c, page, "the file ends before it");
	if (!read_at(c, page, page * c->page_size, &head, sizeof(head)))
		return false;
	*count = head.count;
	if (head.number != page || head.flags != PAGE_OVERFLOW ||
	    *count < (sizeof(head) + size - 1) / c->page_size + 1 || *count > c->file_pages - page)
		return damaged(c, page, "not the large value that it should be");
	for (uint64_t i = 0; i < *count; i++)
		if (!use_page(c, page + i))
			return false;
	return true;
}

static bool check_overflow(struct check *c, struct tree *t, const uint8_t *key, uint64_t page, uint64_t size)
{
	uint64_t count = 0;
	uint8_t *run;
	bool right;

	if (!use_overflow(c, page, size, &count))
		return false;
	t->overflows += count;
	run = xmalloc(count * c->page_size);
	right = read_at(c, page, page * c->page_size, run, count * c->page_size);
	if (right && t->kind == TREE_FREE)
		right = check_free_list(c, page, key, run + sizeof(struct page_head), size);
	free(run);
	return right;
}

static bool note_space(struct check *c, uint64_t page, const uint8_t *data, size_t size)
{
	struct tree *t = &c->trees[c->tree_count];

	if (size != sizeof(t->head) || c->tree_count == TREES_MAX)
		return damaged(c, page, "not a directory of spaces");
	memcpy(&t->head, data, size);
	t->kind = TREE_SPACE;
	c->tree_count++;
	return t->head.flags == 0 || damaged(c, page, "a space of an unknown kind");
}

/* The node's size in the page, 0 if it is not one. */
static size_t check_leaf_node(struct check *c, struct tree *t, uint64_t page, const uint8_t *node, size_t room)
{
	struct node_head head;
	const uint8_t *key = node + sizeof(head);
	uint64_t size, big;
	size_t stored;

	memcpy(&head, node, sizeof(head));
	size = head.low | (uint64_t)head.high << 16;
	stored = head.flags & NODE_BIG ? sizeof(big) : size;
	if (head.flags & ~(NODE_BIG | NODE_TREE) || sizeof(head) + head.key_len + stored > room)
		return damaged(c, page, "a node beyond its end");
	if (!check_key(c, t, page, key, head.key_len, false))
		return 0;
	t->entries++;
	if ((t->kind == TREE_MAIN) != (head.flags == NODE_TREE))
		return damaged(c, page, "a node of a wrong kind");
	if (t->kind == TREE_MAIN && !note_space(c, page, key + head.key_len, size))
		return 0;
	if (head.flags & NODE_BIG) {
		memcpy(&big, key + head.key_len, sizeof(big));
		if (!check_overflow(c, t, key, big, size))
			return 0;
	} else if (t->kind == TREE_FREE && !check_free_list(c, page, key, key + head.key_len, size)) {
		return 0;
	}
	return sizeof(head) + head.key_len + stored;
}

static bool check_subtree(struct check *c, struct tree *t, uint64_t page, unsigned depth);

static size_t check_branch_node(struct check *c, struct tree *t, uint64_t page, const uint8_t *node, size_t room,
				bool first, unsigned depth)
{
	struct node_head head;
	uint64_t child;

	memcpy(&head, node, sizeof(head));
	child = head.low | (uint64_t)head.high << 16 | (uint64_t)head.flags << 32;
	if (sizeof(head) + head.key_len > room)
		return damaged(c, page, "a node beyond its end");
	/* The first one's key is not looked at. */
	if (!first && !check_key(c, t, page, node + sizeof(head), head.key_len, true))
		return 0;
	return check_subtree(c, t, child, depth + 1) ? sizeof(head) + head.key_len : 0;
}

static bool check_nodes(struct check *c, struct tree *t, uint64_t page, const uint8_t *content, bool leaf,
			unsigned depth)
{
	struct page_head head;
	size_t count, total = 0;

	memcpy(&head, content, sizeof(head));
	if (head.lower < sizeof(head) || head.lower % 2 || head.lower > head.upper || head.upper > c->page_size)
		return damaged(c, page, "its bounds are wrong");
	count = (head.lower - sizeof(head)) / 2;
	/* LMDB aborts on a branch with one child, but among the free lists. */
	if (count < (leaf || t->kind == TREE_FREE ? 1 : 2))
		return damaged(c, page, "too few nodes");
	for (size_t i = 0; i < count; i++) {
		uint16_t at;
		size_t size, room;

		memcpy(&at, content + sizeof(head) + 2 * i, 2);
		if (at < head.upper || at % 2 || at + sizeof(struct node_head) > c->page_size)
			return damaged(c, page, "a node outside");
		room = c->page_size - at;
		size = leaf ? check_leaf_node(c, t, page, content + at, room)
			    : check_branch_node(c, t, page, content + at, room, i == 0, depth);
		if (size == 0)
			return false;
		total += size + size % 2;
	}
	return total == c->page_size - head.upper || damaged(c, page, "its nodes do not fill it");
}

static bool check_subtree(struct check *c, struct tree *t, uint64_t page, unsigned depth)
{
	bool leaf = depth + 1 == t->head.depth;
	struct page_head head;
	uint8_t *content;

	if (!c->levels[depth])
		c->levels[depth] = xmalloc(c->page_size);
	content = c->levels[depth];
	if (!read_page(c, page, content))
		return false;
	memcpy(&head, content, sizeof(head));
	if (head.flags != (leaf ? PAGE_LEAF : PAGE_BRANCH))
		return damaged(c, page, "a page of a wrong kind");
	if (leaf)
		t->leaves++;
	else
		t->branches++;
	return check_nodes(c, t, page, content, leaf, depth);
}

static bool check_tree(struct check *c, struct tree *t)
{
	const struct tree_head *h = &t->head;

	if (h->root != NONE) {
		if (h->depth < 1 || h->depth > DEPTH_MAX)
			return damaged(c, h->root, "a tree of an impossible depth");
		if (!check_subtree(c, t, h->root, 0))
			return false;
	}
	return (t->branches == h->branches && t->leaves == h->leaves && t->overflows == h->overflows &&
		t->entries == h->entries && (h->root != NONE || h->depth == 0)) ||
	       damaged(c, h->root == NONE ? 0 : h->root, "part of what it leads to is missing");
}

static bool read_meta(struct check *c, unsigned which, struct meta *m)
{
	struct page_head head;
	uint8_t raw[sizeof(head) + sizeof(*m)];

	if (!read_at(c, which, (uint64_t)which * c->page_size, raw, sizeof(raw)))
		return false;
	memcpy(&head, raw, sizeof(head));
	memcpy(m, raw + sizeof(head), sizeof(*m));
	if (head.flags != PAGE_META || m->magic != MAGIC)
		return damaged(c, which, "not the head of such a file");
	if (m->version != DATA_VERSION)
		return disk_fail(c->fault, DISK_NEWER,
				 "%s/" DATA_FILE " was written by another LMDB (its data version is %" PRIu32
				 ", this program's is %u) -> start the program that wrote it, or name another "
				 "directory",
				 c->directory, m->version, DATA_VERSION);
	return true;
}

/* Transaction N writes head N % 2, and no number is left out: so a head that has lost its number cannot hide that the
 * last transaction is missing. */
static bool read_metas(struct check *c, uint64_t file_size, struct meta *newest)
{
	struct meta m[2];
	uint32_t size;

	c->page_size = 0;
	if (!read_meta(c, 0, &m[0]))
		return false;
	size = m[0].trees[0].pad;
	if (size < 512 || size > 32768 || size & (size - 1))
		return damaged(c, 0, "an impossible page size");
	c->page_size = size;
	if (!read_meta(c, 1, &m[1]))
		return false;
	if (m[1].trees[0].pad != size)
		return damaged(c, 1, "an impossible page size");
	if ((m[0].txn || m[1].txn) &&
	    (m[0].txn % 2 != 0 || m[1].txn % 2 != 1 || (m[0].txn + 1 != m[1].txn && m[1].txn + 1 != m[0].txn)))
		return damaged(c, 0, "its two heads do not belong together");
	*newest = m[m[0].txn < m[1].txn];
	c->file_pages = file_size / size;
	c->last_page = newest->last_page;
	c->txn = newest->txn;
	return true;
}

static bool check_all(struct check *c, const struct meta *m)
{
	struct tree free_pages = {.head = m->trees[0], .kind = TREE_FREE};
	struct tree names = {.head = m->trees[1], .kind = TREE_MAIN};

	if ((m->trees[0].flags & ~(unsigned)MDB_NOSUBDIR) != FLAG_INTEGER_KEY || m->trees[1].flags)
		return damaged(c, m->txn % 2, "unknown flags");
	if (!check_tree(c, &names))
		return false;
	for (unsigned i = 0; i < c->tree_count; i++)
		if (!check_tree(c, &c->trees[i]))
			return false;
	return check_tree(c, &free_pages);
}

bool disk_check(const char *directory, int fd, struct disk_fault *fault)
{
	struct check c = {.directory = directory, .fd = fd, .fault = fault};
	struct meta newest = {0};
	struct stat st;
	bool right;

	if (fstat(fd, &st) != 0)
		return disk_fail(fault, DISK_UNUSABLE, "cannot look at %s/" DATA_FILE ": %s", directory,
				 strerror(errno));
	/* All of it will be read, here and once more by LMDB.  Advice. */
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
	if (!read_metas(&c, (uint64_t)st.st_size, &newest))
		return false;
	if (c.last_page < 1 || c.last_page > c.file_pages + TAIL_MAX)
		return damaged(&c, c.last_page, "the file ends long before its last page");
	c.used = xcalloc(c.last_page / 8 + 1, 1);
	right = check_all(&c, &newest);
	for (unsigned i = 0; i < DEPTH_MAX; i++)
		free(c.levels[i]);
	free(c.used);
	return right;
}
