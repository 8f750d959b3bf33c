/* libsystemd, for who has a service manager or a journal to speak to.
 *
 * It is loaded when it is needed and not linked: with the libraries that it brings along it is a fifth of the memory that
 * an idle node has resident, and a node in a terminal has nobody to tell. */
#ifndef DHT_LIBSYSTEMD_H
#define DHT_LIBSYSTEMD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct libsystemd {
	void *library; /* NULL: not loaded, and none of the functions is there */
	int (*notify)(int unset_environment, const char *state);
	int (*watchdog_enabled)(int unset_environment, uint64_t *usec);
	int (*journal_sendv)(const struct iovec *fields, int count);
};

/* False if it is missing, or lacks something. */
bool libsystemd_load(struct libsystemd *systemd);
void libsystemd_free(struct libsystemd *systemd);

/* Is standard error the journal?  It may be, and not be any more, as JOURNAL_STREAM is inherited: sd-journal's
 * documentation (systemd.exec(5), $JOURNAL_STREAM) asks to compare it with what the descriptor is. */
bool libsystemd_has_journal(void);
bool libsystemd_has_manager(void);

#endif
