#include "journal.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-journal.h>

#include "../common/library.h"
#include "../common/mem.h"
#include "output.h"

/* Those that are called; their types are the header's. */
#define FUNCTIONS(X)          \
	X(open)               \
	X(open_directory)     \
	X(close)              \
	X(add_match)          \
	X(add_disjunction)    \
	X(flush_matches)      \
	X(seek_head)          \
	X(seek_tail)          \
	X(seek_realtime_usec) \
	X(next)               \
	X(previous)           \
	X(get_realtime_usec)  \
	X(get_data)           \
	X(wait)

struct journal {
	void *library;
	const char *folder;
	sd_journal *entries, *names; /* names: NULL until one is asked for */
#define POINTER(name) __typeof__(sd_journal_##name) *(name);
	FUNCTIONS(POINTER)
#undef POINTER
};

static const char *const field_names[JOURNAL_FIELDS] = {
	[JOURNAL_MESSAGE] = "MESSAGE",   [JOURNAL_MESSAGE_ID] = "MESSAGE_ID",
	[JOURNAL_PRIORITY] = "PRIORITY", [JOURNAL_NODE] = "DHT_NODE",
	[JOURNAL_ID] = "DHT_ID",         [JOURNAL_STATE] = "DHT_STATE",
	[JOURNAL_PEER] = "DHT_PEER",     [JOURNAL_ARC] = "DHT_ARC",
	[JOURNAL_EPOCH] = "DHT_EPOCH",   [JOURNAL_REASON] = "DHT_REASON",
	[JOURNAL_HOST] = "_HOSTNAME",    [JOURNAL_SPEAKER_UNIT] = "_SYSTEMD_UNIT",
	[JOURNAL_UNIT] = "UNIT",         [JOURNAL_PROGRAM] = "SYSLOG_IDENTIFIER",
};

#define PROGRAM "SYSLOG_IDENTIFIER=dht-node"
#define NAMELESS_MAX 1000 /* of the last entries, in search of a name */
#define MANAGER "_PID=1"  /* it is the one whose word on a unit counts */

/* ---- what may be read ---- */

struct files {
	size_t readable, refused;
};

static void files_count(struct files *files, const char *pattern)
{
	glob_t found;

	if (glob(pattern, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *slash = strrchr(found.gl_pathv[i], '/');

		if (access(found.gl_pathv[i], R_OK) == 0)
			files->readable++;
		else if (errno == EACCES && strncmp(slash, "/user-", 6) != 0) /* other users' may stay theirs */
			files->refused++;
	}
	globfree(&found);
}

/* Else errno says why not. */
static bool is_folder(const char *path)
{
	DIR *folder = opendir(path);

	if (folder != NULL)
		(void)closedir(folder);
	return folder != NULL;
}

/* sd-journal opens what it may, and says nothing of the rest. */
static enum exit_code files_check(const char *folder, bool quiet)
{
	static const char remedy[] = "become a member of the group systemd-journal (as root: usermod -aG "
				     "systemd-journal USER; then log in again), or run this as root";
	struct files files = {0};
	char pattern[4200];

	if (folder == NULL) {
		files_count(&files, "/run/log/journal/*/*.journal");
		files_count(&files, "/var/log/journal/*/*.journal");
	} else {
		snprintf(pattern, sizeof(pattern), "%s/*.journal", folder);
		files_count(&files, pattern);
		snprintf(pattern, sizeof(pattern), "%s/*/*.journal", folder);
		files_count(&files, pattern);
	}
	if (files.readable > 0) {
		if (files.refused > 0 && !quiet)
			output_error("note: you may not read all of the journal: %s", remedy);
		return RC_OK;
	}
	if (files.refused > 0)
		output_error("you may not read the journal: %s", folder ? "its files are not yours to read" : remedy);
	else if (folder != NULL && !is_folder(folder))
		output_error("cannot look for journals in %s: %s", folder, output_reason(errno));
	else if (folder != NULL)
		output_error("there is no journal in %s: it is to hold files *.journal", folder);
	else
		output_error("there is no journal on this machine: systemd-journald would keep one; nodes that run "
			     "without it write to standard error");
	return RC_LOCAL;
}

/* ---- sd-journal ---- */

static bool journal_load(struct journal *j)
{
	bool complete = true;

	j->library = dlopen("libsystemd.so.0", RTLD_LAZY | RTLD_LOCAL);
#define FIND(name) complete = library_find(j->library, "sd_journal_" #name, (void *)&j->name) && complete;
	FUNCTIONS(FIND)
#undef FIND
	if (!complete)
		output_error("cannot read journals: there is no libsystemd here, or it is too old (Debian's package "
			     "libsystemd0)");
	return complete;
}

static bool journal_fail(int error, const char *what)
{
	output_error("cannot %s the journal: %s", what, output_reason(-error));
	return false;
}

static bool journal_begin(struct journal *j, sd_journal **opened)
{
	int error = j->folder ? j->open_directory(opened, j->folder, 0) : j->open(opened, SD_JOURNAL_LOCAL_ONLY);

	if (error >= 0)
		return true;
	*opened = NULL;
	return journal_fail(error, "open");
}

enum exit_code journal_open(const char *folder, bool quiet, struct journal **journal)
{
	enum exit_code code = files_check(folder, quiet);
	struct journal *j;

	*journal = NULL;
	if (code != RC_OK)
		return code;
	*journal = j = xcalloc(1, sizeof(*j));
	j->folder = folder;
	if (!journal_load(j) || !journal_begin(j, &j->entries))
		return RC_LOCAL;
	(void)xcheck(j->add_match(j->entries, PROGRAM, 0) >= 0 && j->add_disjunction(j->entries) >= 0 &&
				     j->add_match(j->entries, MANAGER, 0) >= 0
			     ? j
			     : NULL);
	return RC_OK;
}

void journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	if (j->entries != NULL)
		j->close(j->entries);
	if (j->names != NULL)
		j->close(j->names);
	if (j->library != NULL)
		(void)dlclose(j->library);
	free(j);
}

void journal_from_start(struct journal *j)
{
	(void)j->seek_head(j->entries);
}

void journal_from(struct journal *j, uint64_t time)
{
	(void)j->seek_realtime_usec(j->entries, time);
}

void journal_from_end(struct journal *j)
{
	(void)j->seek_tail(j->entries);
}

/* ---- entries ---- */

/* Allocated; NULL: there is none. */
static char *field_read(const struct journal *j, sd_journal *entries, enum journal_field field, size_t *len)
{
	size_t ahead = strlen(field_names[field]) + 1; /* NAME= */
	const void *data;
	char *text;

	if (j->get_data(entries, field_names[field], &data, len) < 0 || *len < ahead)
		return NULL;
	*len -= ahead;
	text = xmalloc(*len + 1);
	memcpy(text, (const char *)data + ahead, *len);
	text[*len] = '\0';
	return text;
}

void journal_entry_free(struct journal_entry *entry)
{
	for (int i = 0; i < JOURNAL_FIELDS; i++)
		free(entry->fields[i]);
	*entry = (struct journal_entry){0};
}

/* moved: what sd-journal says of having gone to it. */
static int entry_read(const struct journal *j, int moved, struct journal_entry *entry)
{
	size_t len;

	journal_entry_free(entry);
	if (moved > 0)
		moved = j->get_realtime_usec(j->entries, &entry->time) < 0 ? -EBADMSG : 1;
	if (moved < 0)
		(void)journal_fail(moved, "read");
	if (moved <= 0)
		return moved < 0 ? -1 : 0;
	for (int i = 0; i < JOURNAL_FIELDS; i++) {
		entry->fields[i] = field_read(j, j->entries, (enum journal_field)i, &len);
		if (i == JOURNAL_MESSAGE && entry->fields[i] != NULL)
			entry->message_len = len;
	}
	return 1;
}

int journal_next(struct journal *j, struct journal_entry *entry)
{
	return entry_read(j, j->next(j->entries), entry);
}

int journal_previous(struct journal *j, struct journal_entry *entry)
{
	return entry_read(j, j->previous(j->entries), entry);
}

bool journal_wait(struct journal *j)
{
	int error = j->wait(j->entries, UINT64_MAX);

	return error >= 0 || journal_fail(error, "follow");
}

char *journal_name(struct journal *j, const char *match)
{
	size_t len;

	if (j->names == NULL && !journal_begin(j, &j->names))
		return NULL;
	j->flush_matches(j->names);
	if (j->add_match(j->names, PROGRAM, 0) < 0 || j->add_match(j->names, match, 0) < 0 ||
	    j->seek_tail(j->names) < 0)
		return NULL;
	/* What was no entry of its own, but a line on standard error, has no name in it. */
	for (int i = 0; i < NAMELESS_MAX && j->previous(j->names) > 0; i++) {
		char *name = field_read(j, j->names, JOURNAL_NODE, &len);

		if (name != NULL)
			return name;
	}
	return NULL;
}
