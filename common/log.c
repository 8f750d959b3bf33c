#include "log.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_HEAD_MAX 64

void log_init(struct log *log, enum log_level level)
{
	log->level = level;
	log->prefixed = getenv("JOURNAL_STREAM") != NULL || getenv("NOTIFY_SOCKET") != NULL;
	log->fd = STDERR_FILENO;
	log->lost = 0;
}

static const char *log_level_text(enum log_level level)
{
	if (level <= LOG_ERROR_LEVEL)
		return "error";
	if (level == LOG_WARN_LEVEL)
		return "warn";
	return level <= LOG_INFO_LEVEL ? "info" : "debug";
}

static size_t log_head(const struct log *log, enum log_level level, char out[LOG_HEAD_MAX])
{
	struct timespec now;
	struct tm local;
	size_t len;

	if (log->prefixed)
		return (size_t)snprintf(out, LOG_HEAD_MAX, "<%d>", (int)level);
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &local);
	len = strftime(out, LOG_HEAD_MAX, "%Y-%m-%d %H:%M:%S", &local);
	return len + (size_t)snprintf(out + len, LOG_HEAD_MAX - len, ".%03ld %-5s ", now.tv_nsec / 1000000,
				      log_level_text(level));
}

/* A write to a closed pipe raises SIGPIPE, which would end the process: it is blocked for the time of the write, and
 * taken away if it was this write that raised it.  Changing the process's handler is not a logger's business. */
static bool log_write(int fd, const char *bytes, size_t len)
{
	const struct timespec at_once = {0, 0};
	sigset_t pipe_set, old, pending;
	bool was_pending, whole = false;
	size_t done = 0;

	sigemptyset(&pipe_set);
	sigaddset(&pipe_set, SIGPIPE);
	sigpending(&pending);
	was_pending = sigismember(&pending, SIGPIPE) == 1;
	pthread_sigmask(SIG_BLOCK, &pipe_set, &old);
	while (!whole) {
		ssize_t n = write(fd, bytes + done, len - done);

		if (n > 0)
			done += (size_t)n;
		whole = done == len;
		if (n == 0 || (n < 0 && errno != EINTR))
			break;
	}
	if (!whole && !was_pending) {
		while (sigtimedwait(&pipe_set, NULL, &at_once) < 0 && errno == EINTR)
			continue;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return whole;
}

size_t log_escape(char out[LOG_ESCAPED_MAX], const char *text)
{
	static const char hex[] = "0123456789abcdef";
	size_t len = strnlen(text, LOG_TEXT_MAX);
	char *o = out;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		/* in its UTF-8 form */
		bool c1 = c >= 0x80 && c < 0xa0 && i > 0 && (unsigned char)text[i - 1] == 0xc2;

		if (c >= 0x20 && c != 0x7f && !c1) {
			*o++ = (char)c;
			continue;
		}
		*o++ = '\\';
		*o++ = 'x';
		*o++ = hex[c >> 4];
		*o++ = hex[c & 15];
	}
	*o = '\0';
	return (size_t)(o - out);
}

static bool log_emit(struct log *log, enum log_level level, const char *text, bool cut)
{
	char line[LOG_HEAD_MAX + LOG_ESCAPED_MAX + sizeof("...\n")];
	size_t used = log_head(log, level, line);

	used += log_escape(line + used, text);
	if (cut) {
		memcpy(line + used, "...", 3);
		used += 3;
	}
	line[used++] = '\n';
	return log_write(log->fd, line, used);
}

void log_line(struct log *log, enum log_level level, const char *format, ...)
{
	char text[LOG_TEXT_MAX + 1], told[80];
	int saved = errno;
	va_list args;
	int len;

	if (level > log->level)
		return;
	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (log->lost > 0) {
		(void)snprintf(told, sizeof(told), "log: %lu lines before this one could not be written", log->lost);

		if (log_emit(log, LOG_WARN_LEVEL, told, false))
			log->lost = 0;
	}
	if (len < 0 || !log_emit(log, level, text, len > LOG_TEXT_MAX))
		log->lost++;
	errno = saved;
}
