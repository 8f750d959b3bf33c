/* Lines for people and journals on standard error.
 *
 * One line an event: "<level> who: fact -> decision".  Under systemd (JOURNAL_STREAM or NOTIFY_SOCKET set) each line
 * starts with a syslog level prefix ("<6>") and has no time stamp, else with local time and the level's name.  A line
 * that cannot be written (full disk, closed pipe) is dropped and counted, and the count is told with the next one that
 * can; logging never ends the process. */
#ifndef DHT_LOG_H
#define DHT_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_ERROR_LEVEL = 3, LOG_WARN_LEVEL = 4, LOG_INFO_LEVEL = 6, LOG_DEBUG_LEVEL = 7 };

struct log {
	enum log_level level; /* lines above it are not written */
	bool prefixed;        /* syslog prefixes instead of time stamps */
	int fd;
	unsigned long lost; /* lines that could not be written */
};

/* Standard error, prefixed if under systemd. */
void log_init(struct log *log, enum log_level level);

#define LOG_TEXT_MAX 1000
/* What a text of LOG_TEXT_MAX bytes may become, with a NUL. */
#define LOG_ESCAPED_MAX (4 * LOG_TEXT_MAX + 1)

/* The text with its control bytes as \xNN (C0, DEL, C1): they would forge lines or drive a terminal.  Returns the length of
 * what is in out, which has a NUL behind it. */
size_t log_escape(char out[LOG_ESCAPED_MAX], const char *text);

/* Writes one line (control bytes are escaped, at most 1,000 bytes are kept). */
void log_line(struct log *log, enum log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
