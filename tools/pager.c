#include "pager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/mem.h"
#include "output.h"
#include "program.h"

#define PAGER_DEFAULT "less"
#define PAGER_NOT_FOUND 127 /* a shell's exit code */
#define PAGER_NOT_RUN 126

/* NULL: none is wanted, or there. */
static const char *pager_command(void)
{
	const char *command = getenv("DHT_PAGER");

	if (command == NULL)
		command = getenv("PAGER");
	if (command == NULL)
		return program_is_there(PAGER_DEFAULT) ? PAGER_DEFAULT : NULL;
	return command[0] == '\0' || strcmp(command, "cat") == 0 ? NULL : command;
}

/* Whether it, and the shell's next prompt below it, is more than the terminal shows. */
static bool pager_is_long(const char *text)
{
	struct winsize screen = {0};
	size_t rows = 1;

	if (!output_terminal(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &screen) != 0 || screen.ws_row == 0)
		return false;
	for (size_t len; *text != '\0'; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		rows += len == 0 || screen.ws_col == 0 ? 1 : (len - 1) / screen.ws_col + 1;
	}
	return rows > screen.ws_row;
}

/* Ctrl-C is the pager's: it ends a search in it, and not us. */
static const int signals[] = {SIGPIPE, SIGINT, SIGQUIT};
#define SIGNAL_COUNT 3

/* 0: it could not be started.  usual: the signals that it has as by default. */
static pid_t pager_start(const char *command, const sigset_t *usual, int *input)
{
	char shell[] = "/bin/sh", option[] = "-c", *copy = xstrdup(command), *words[] = {shell, option, copy, NULL};
	pid_t pid = 0;
	int ends[2];

	(void)setenv("LESS", "FRX", 0);
	if (pipe2(ends, O_CLOEXEC) != 0) {
		free(copy);
		return 0;
	}
	if (program_start(&pid, words, environ, ends[0], usual) != 0)
		(void)close(ends[1]);
	(void)close(ends[0]);
	free(copy);
	*input = ends[1];
	return pid;
}

static void pager_feed(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno != EINTR)
			break; /* whoever reads has seen enough */
		text += n > 0 ? n : 0;
		left -= n > 0 ? (size_t)n : 0;
	}
	(void)close(fd);
}

/* False: nothing was shown. */
static bool pager_run(const char *command, const char *text)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before[SIGNAL_COUNT];
	sigset_t usual;
	int input, status = 0;
	pid_t pid;

	(void)fflush(stdout);
	sigemptyset(&usual);
	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		if (sigaction(signals[i], &ignore, &before[i]) == 0 && before[i].sa_handler != SIG_IGN)
			sigaddset(&usual, signals[i]);
	}
	pid = pager_start(command, &usual, &input);
	if (pid != 0) {
		pager_feed(input, text);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	for (size_t i = 0; i < SIGNAL_COUNT; i++)
		(void)sigaction(signals[i], &before[i], NULL);
	return pid != 0 &&
	       !(WIFEXITED(status) && (WEXITSTATUS(status) == PAGER_NOT_FOUND || WEXITSTATUS(status) == PAGER_NOT_RUN));
}

void pager_show(const char *text, bool pages)
{
	const char *command = pages && pager_is_long(text) ? pager_command() : NULL;

	if (command == NULL || !pager_run(command, text))
		fputs(text, stdout);
}
