/* Runs a command for each change of a key, one at a time and in order, without a shell.
 *
 * It has DHT_EVENT (put, del, gap), DHT_KEY, DHT_VALUE and DHT_VERSION in its environment, and on its standard input what
 * the owner of the runner writes for the change: there nothing is too long for it, and every byte can stand.  Changes that
 * come while it runs wait, up to RUNNER_WAITING_MAX; what comes beyond that is dropped, and a gap told in its place: by
 * the time that the command runs for the gap, all that was dropped has happened. */
#ifndef DHT_RUNNER_H
#define DHT_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../common/page.h"

struct event_base;
struct runner;

#define RUNNER_WAITING_MAX ((size_t)32 << 20) /* bytes of changes that wait */

/* command: NULL-terminated, borrowed.  input(arg, ...) writes what stands on its standard input; entry NULL: of a gap.
 * NULL after an error line: there is no such program.  To be called ahead of client_open, which ignores SIGPIPE: the
 * command has it as we found it. */
struct runner *runner_new(char *const *command, void (*input)(void *arg, FILE *out, const struct page_entry *entry),
			  void *arg);
/* Before anything is added: *wake is set whenever the command has ended. */
void runner_attach(struct runner *r, struct event_base *base, bool *wake);
/* What runs goes on running.  Before the base is freed; NULL is fine. */
void runner_free(struct runner *r);

/* One more change, copied; NULL: a gap.  False: there is no room, and a gap waits in its place. */
bool runner_add(struct runner *r, const struct page_entry *entry);
/* Whether half of the room is free: who can wait adds nothing before. */
bool runner_has_room(const struct runner *r);

/* To be called when *wake was set, and after runner_add: begins with the next one if none runs.  An error line for each
 * run that failed.  True: one has ended. */
bool runner_step(struct runner *r);
/* Nothing runs, and nothing waits. */
bool runner_is_idle(const struct runner *r);
/* How many runs have failed. */
size_t runner_failed(const struct runner *r);

/* What waits is dropped, and no failure is told any more; to what runs the signal is sent, unless it is 0. */
void runner_stop(struct runner *r, int signal);

#endif
