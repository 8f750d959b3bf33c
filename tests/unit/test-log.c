/* Log lines: one line an event whatever it holds, and no line, full disk or closed pipe that ends the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../common/log.h"

static char text[8192];

static int temporary(void)
{
	char path[] = "/tmp/test-log-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

/* What was written since the last call. */
static const char *written(int fd)
{
	ssize_t len;

	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	len = read(fd, text, sizeof(text) - 1);
	assert_true(len >= 0);
	text[len] = '\0';
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return text;
}

static void lines_have_time_and_level(void **state)
{
	struct log log = {.level = LOG_INFO_LEVEL, .fd = temporary()};
	regex_t line;

	(void)state;
	log_line(&log, LOG_WARN_LEVEL, "node %d: %s", 5, "late");
	assert_int_equal(
		regcomp(&line,
			"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3} warn  node 5: late\n$",
			REG_EXTENDED | REG_NOSUB),
		0);
	assert_int_equal(regexec(&line, written(log.fd), 0, NULL, 0), 0);
	regfree(&line);
	close(log.fd);
}

static void prefixes_under_systemd(void **state)
{
	struct log log;

	(void)state;
	unsetenv("JOURNAL_STREAM");
	unsetenv("NOTIFY_SOCKET");
	log_init(&log, LOG_INFO_LEVEL);
	assert_false(log.prefixed);
	assert_int_equal(log.fd, STDERR_FILENO);
	setenv("JOURNAL_STREAM", "1:2", 1);
	log_init(&log, LOG_INFO_LEVEL);
	assert_true(log.prefixed);
	unsetenv("JOURNAL_STREAM");
	setenv("NOTIFY_SOCKET", "/x", 1);
	log_init(&log, LOG_INFO_LEVEL);
	assert_true(log.prefixed);
	unsetenv("NOTIFY_SOCKET");
	log.fd = temporary();
	log_line(&log, LOG_ERROR_LEVEL, "a");
	log_line(&log, LOG_INFO_LEVEL, "b");
	assert_string_equal(written(log.fd), "<3>a\n<6>b\n");
	close(log.fd);
}

static void what_is_above_the_level_is_not_written(void **state)
{
	struct log log = {.level = LOG_WARN_LEVEL, .prefixed = true, .fd = temporary()};

	(void)state;
	log_line(&log, LOG_INFO_LEVEL, "no");
	log_line(&log, LOG_DEBUG_LEVEL, "no");
	log_line(&log, LOG_WARN_LEVEL, "yes");
	assert_string_equal(written(log.fd), "<4>yes\n");
	close(log.fd);
}

static void control_bytes_cannot_forge_lines(void **state)
{
	struct log log = {.level = LOG_INFO_LEVEL, .prefixed = true, .fd = temporary()};

	(void)state;
	log_line(&log, LOG_INFO_LEVEL,
		 "a\nb\r\t\x1b[31m\x7f\xc2\x9b"
		 "0\xc3\xa4");
	assert_string_equal(written(log.fd), "<6>a\\x0ab\\x0d\\x09\\x1b[31m\\x7f\xc2\\x9b"
					     "0\xc3\xa4\n");
	close(log.fd);
}

static void long_lines_are_cut(void **state)
{
	struct log log = {.level = LOG_INFO_LEVEL, .prefixed = true, .fd = temporary()};
	char longest[5000];

	(void)state;
	memset(longest, '\n', sizeof(longest) - 1); /* the worst case: each byte becomes four */
	longest[sizeof(longest) - 1] = '\0';
	log_line(&log, LOG_INFO_LEVEL, "%s", longest);
	assert_int_equal(strlen(written(log.fd)), 3 + 4 * 1000 + 3 + 1);
	longest[1000] = '\0';
	log_line(&log, LOG_INFO_LEVEL, "%s", longest);
	assert_int_equal(strlen(written(log.fd)), 3 + 4 * 1000 + 1);
	close(log.fd);
}

static void a_full_disk_is_survived_and_told(void **state)
{
	struct log log = {.level = LOG_INFO_LEVEL, .prefixed = true, .fd = open("/dev/full", O_WRONLY)};

	(void)state;
	assert_true(log.fd >= 0);
	errno = ERANGE;
	for (int i = 0; i < 3; i++)
		log_line(&log, LOG_INFO_LEVEL, "nobody sees this");
	assert_int_equal(errno, ERANGE);
	assert_int_equal(log.lost, 3);
	close(log.fd);
	log.fd = temporary();
	log_line(&log, LOG_INFO_LEVEL, "room again");
	log_line(&log, LOG_INFO_LEVEL, "on");
	assert_int_equal(log.lost, 0);
	assert_string_equal(written(log.fd),
			    "<4>log: 3 lines before this one could not be written\n<6>room again\n<6>on\n");
	close(log.fd);
}

static volatile sig_atomic_t pipe_signals;

static void on_pipe(int number)
{
	(void)number;
	pipe_signals++;
}

/* Whatever the process does with SIGPIPE: it is not the logger that raises it. */
static void a_closed_pipe_is_survived(void **state)
{
	struct log log = {.level = LOG_INFO_LEVEL, .prefixed = true};
	sigset_t pending;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	log.fd = ends[1];
	signal(SIGPIPE, on_pipe);
	log_line(&log, LOG_INFO_LEVEL, "nobody listens");
	sigpending(&pending);
	assert_false(sigismember(&pending, SIGPIPE));
	signal(SIGPIPE, SIG_DFL);
	log_line(&log, LOG_INFO_LEVEL, "nobody listens");
	signal(SIGPIPE, SIG_IGN);
	log_line(&log, LOG_INFO_LEVEL, "nobody listens");
	signal(SIGPIPE, SIG_DFL);
	assert_int_equal(pipe_signals, 0);
	assert_int_equal(log.lost, 3);
	close(ends[1]);
}

static void a_pipe_that_nobody_reads_does_not_block(void **state)
{
	struct log log = {.level = LOG_INFO_LEVEL, .prefixed = true};
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	log.fd = ends[1];
	while (log.lost == 0)
		log_line(&log, LOG_INFO_LEVEL, "%0900d", 0);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_have_time_and_level),
		cmocka_unit_test(prefixes_under_systemd),
		cmocka_unit_test(what_is_above_the_level_is_not_written),
		cmocka_unit_test(control_bytes_cannot_forge_lines),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(a_full_disk_is_survived_and_told),
		cmocka_unit_test(a_closed_pipe_is_survived),
		cmocka_unit_test(a_pipe_that_nobody_reads_does_not_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
