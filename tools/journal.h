/* What nodes have said in the journal of this machine, or in journals that were copied or sent here, and what systemd has
 * said of their ends: sd-journal behind a few calls.  libsystemd is loaded when it is needed. */
#ifndef DHT_JOURNAL_H
#define DHT_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command.h"

struct journal;

enum journal_field {
	JOURNAL_MESSAGE,
	JOURNAL_MESSAGE_ID,
	JOURNAL_PRIORITY,
	JOURNAL_NODE,
	JOURNAL_ID,
	JOURNAL_STATE,
	JOURNAL_PEER,
	JOURNAL_ARC,
	JOURNAL_EPOCH,
	JOURNAL_REASON,
	JOURNAL_HOST,
	JOURNAL_SPEAKER_UNIT, /* of who says it */
	JOURNAL_UNIT,         /* of what the manager says it */
	JOURNAL_PROGRAM,
	JOURNAL_FIELDS
};

struct journal_entry {
	uint64_t time; /* microseconds since 1970 */
	/* NULL: it has no such field.  A NUL behind it; any bytes, as whoever may log can write them. */
	char *fields[JOURNAL_FIELDS];
	size_t message_len;
};

/* folder: NULL: this machine's.  RC_LOCAL after an error line that says what to do; a note if not all of it may be read,
 * unless quiet. */
enum exit_code journal_open(const char *folder, bool quiet, struct journal **journal);
void journal_close(struct journal *journal); /* NULL: nothing */

/* What journal_next comes to first: the earliest entry, or the first one of that time or later. */
void journal_from_start(struct journal *journal);
void journal_from(struct journal *journal, uint64_t time);
/* Behind the last one: what journal_previous comes to first. */
void journal_from_end(struct journal *journal);

/* Over candidates: of all that nodes say, and of much that systemd does.  1: *entry is filled, in the place of what was in
 * it; 0: there is none, for now; -1 after an error line. */
int journal_next(struct journal *journal, struct journal_entry *entry);
int journal_previous(struct journal *journal, struct journal_entry *entry);
void journal_entry_free(struct journal_entry *entry);

/* Until there may be more.  False after an error line. */
bool journal_wait(struct journal *journal);

/* The name of the node that said something last among the entries with this field ("DHT_ID=3fa01234"), allocated; NULL:
 * none has. */
char *journal_name(struct journal *journal, const char *match);

#endif
