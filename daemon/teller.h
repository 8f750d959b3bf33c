/* One place from which a node speaks: an entry of the journal with all its fields where standard error is the journal,
 * else the same text as a line on standard error.  Rates are bounded (flood.h). */
#ifndef DHT_TELLER_H
#define DHT_TELLER_H

#include <time.h>

#include "../common/log.h"
#include "core/node.h"
#include "flood.h"
#include "libsystemd.h"

#define TELLER_TEXT 400

struct teller {
	struct log *log;                  /* borrowed; its level decides what is told */
	const struct libsystemd *journal; /* borrowed; NULL: standard error is no journal */
	char who[NAME_MAX_LEN + 1];       /* the node's name, ahead of each text */
	char id[9];                       /* "": not known yet */
	enum node_state state;            /* kept up to date by the shell */
	char last[TELLER_TEXT];           /* what was told last, but for states; "": nothing yet */
	time_t last_at;
	struct flood flood;
};

/* systemd may be NULL. */
void teller_init(struct teller *teller, struct log *log, const struct libsystemd *systemd);
/* Who speaks: a name, or if it is "" the id. */
void teller_name(struct teller *teller, const char *name, uint32_t id);

/* about: NULL, or ABOUT(...). */
void tell(struct teller *teller, enum note_kind note, const struct about *about, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Says what was hushed in windows that are over. */
void teller_tick(struct teller *teller);
/* When it wants that: CLOCK_MONOTONIC ms; UINT64_MAX: nothing to say. */
uint64_t teller_next(const struct teller *teller);

#endif
