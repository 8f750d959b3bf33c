/* A listing over the client's connection, page by page, as each comes; the next page is asked for while one is used. */
#ifndef DHT_WALK_H
#define DHT_WALK_H

#include "../common/kv-list.h"
#include "client.h"

struct walk_page {
	const struct page_entry *entries;
	size_t count;
	bool has_owner;
	uint32_t owner; /* who told it */
};

/* What there is, with values or not; prefix: of names, or NULL for all.  `use` gets each page, and says whether to go on;
 * it may run the loop when it has done with the page.
 * RC_OK: to the end, or as far as was wanted; else an error line has been printed.  The time-out of the settings bounds
 * each page by itself: how long a listing takes is for the ring's size and our output's reader to say. */
enum exit_code walk(struct client *client, struct kv_mqtt *kv, const struct settings *settings, bool values,
		    const char *prefix, bool (*use)(void *arg, const struct walk_page *page), void *arg);

/* False after an error line: no name can begin with it, as none is so long. */
bool walk_prefix_valid(const char *prefix);

/* For a listing by `command` that found nothing: a note, if the prefix ends with a star.  Whoever knows shells, topics or
 * 'watch' would take the silence for an answer. */
void walk_tell_star(const struct settings *settings, const char *command, const char *prefix);

#endif
