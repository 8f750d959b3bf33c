#include "runner.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

#include "../common/mem.h"
#include "key-text.h"
#include "output.h"
#include "program.h"

struct waiting {
	struct waiting *prev, *next;
	bool gap;                /* and then there is no entry */
	struct page_entry entry; /* its name and value are ours */
	size_t size;
};

struct runner {
	char *const *command;
	void (*input)(void *arg, FILE *out, const struct page_entry *entry);
	void *arg;
	bool pipe_ignored; /* SIGPIPE, by whoever started us */
	struct event *ended;
	bool *wake;
	struct waiting *queue;
	size_t size;             /* of what waits */
	pid_t pid;               /* 0: nothing runs */
	struct waiting *running; /* for which it does */
	size_t failed;
	bool stopped;
};

struct runner *runner_new(char *const *command, void (*input)(void *arg, FILE *out, const struct page_entry *entry),
			  void *arg)
{
	struct sigaction on_pipe;
	struct runner *r;

	if (!program_is_there(command[0])) {
		output_error("cannot run '%.200s': %s", command[0],
			     strchr(command[0], '/') ? "no file is there that may be run"
						     : "no such program is in $PATH");
		return NULL;
	}
	r = xcalloc(1, sizeof(*r));
	r->command = command;
	r->input = input;
	r->arg = arg;
	r->pipe_ignored = sigaction(SIGPIPE, NULL, &on_pipe) == 0 && on_pipe.sa_handler == SIG_IGN;
	return r;
}

static void runner_ended_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*((struct runner *)arg)->wake = true;
}

void runner_attach(struct runner *r, struct event_base *base, bool *wake)
{
	r->wake = wake;
	r->ended = xcheck(evsignal_new(base, SIGCHLD, runner_ended_cb, r));
	event_add(r->ended, NULL);
}

/* ---- what waits ---- */

static void waiting_free(struct waiting *w)
{
	if (w == NULL)
		return;
	key_free(&w->entry.key);
	free((void *)w->entry.value);
	free(w);
}

static void runner_drop(struct runner *r)
{
	struct waiting *w, *next;

	DL_FOREACH_SAFE (r->queue, w, next)
		waiting_free(w);
	r->queue = NULL;
	r->size = 0;
}

void runner_free(struct runner *r)
{
	if (r == NULL)
		return;
	if (r->ended != NULL)
		event_free(r->ended);
	runner_drop(r);
	waiting_free(r->running);
	free(r);
}

/* Two of them one behind the other say no more than one. */
static void runner_add_gap(struct runner *r)
{
	struct waiting *w;

	if (r->queue != NULL && r->queue->prev->gap)
		return;
	w = xcalloc(1, sizeof(*w));
	w->gap = true;
	w->size = mem_block(sizeof(*w));
	r->size += w->size;
	DL_APPEND(r->queue, w);
}

bool runner_add(struct runner *r, const struct page_entry *entry)
{
	size_t size;
	struct waiting *w;

	if (r->stopped)
		return false;
	if (entry == NULL) {
		runner_add_gap(r);
		return true;
	}
	size = mem_block(sizeof(*w)) + mem_block(entry->key.name_len) + mem_block(entry->value_len);
	if (r->queue != NULL && r->size + size > RUNNER_WAITING_MAX) {
		runner_add_gap(r);
		return false;
	}
	w = xcalloc(1, sizeof(*w));
	w->entry = *entry;
	w->entry.key = key_copy(&entry->key);
	w->entry.value = entry->value ? xmemdup(entry->value, entry->value_len) : NULL;
	w->size = size;
	r->size += size;
	DL_APPEND(r->queue, w);
	return true;
}

bool runner_has_room(const struct runner *r)
{
	return r->size <= RUNNER_WAITING_MAX / 2;
}

bool runner_is_idle(const struct runner *r)
{
	return r->pid == 0 && r->queue == NULL;
}

size_t runner_failed(const struct runner *r)
{
	return r->failed;
}

void runner_stop(struct runner *r, int signal)
{
	r->stopped = true;
	runner_drop(r);
	if (r->pid != 0 && signal != 0)
		(void)kill(r->pid, signal);
}

/* ---- its environment and its standard input ---- */

#define VARIABLE_KEY "DHT_KEY="
#define VARIABLE_VALUE "DHT_VALUE="
#define VARIABLE_EVENT "DHT_EVENT="
#define VARIABLE_VERSION "DHT_VERSION="
#define VARIABLE_COUNT 4
#define VARIABLE_MAX (32 * (size_t)4096) /* Linux's MAX_ARG_STRLEN, with the NUL at the end */

struct surroundings {
	char **variables; /* all, NULL behind them */
	char *ours[VARIABLE_COUNT];
	size_t count; /* of ours */
};

/* Those of a command that itself runs for a change would be another change's. */
static bool is_ours(const char *variable)
{
	static const char *const names[VARIABLE_COUNT] = {VARIABLE_KEY, VARIABLE_VALUE, VARIABLE_EVENT,
							  VARIABLE_VERSION};

	for (size_t i = 0; i < VARIABLE_COUNT; i++) {
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	}
	return false;
}

/* Not at all if it cannot be in there as it is: with a NUL in it, or too long. */
static void surroundings_add(struct surroundings *s, const char *name, const void *bytes, size_t len)
{
	size_t ahead = strlen(name);
	char *text;

	if (ahead + len + 1 > VARIABLE_MAX || memchr(bytes, '\0', len) != NULL)
		return;
	text = xmalloc(ahead + len + 1);
	memcpy(text, name, ahead);
	memcpy(text + ahead, bytes, len);
	text[ahead + len] = '\0';
	s->ours[s->count++] = text;
}

static void surroundings_add_change(struct surroundings *s, const struct waiting *w, bool value)
{
	const struct page_entry *e = &w->entry;
	const char *event = w->gap ? "gap" : e->value ? "put" : "del";
	char text[48];

	surroundings_add(s, VARIABLE_EVENT, event, strlen(event));
	if (w->gap)
		return;
	snprintf(text, sizeof(text), "%" PRIu64 "/%" PRIu64, e->version.number, e->version.counter);
	surroundings_add(s, VARIABLE_VERSION, text, strlen(text));
	snprintf(text, sizeof(text), "%" PRIu32, e->key.id);
	if (e->key.name_len > 0)
		surroundings_add(s, VARIABLE_KEY, e->key.name, e->key.name_len);
	else
		surroundings_add(s, VARIABLE_KEY, text, strlen(text));
	if (e->value && value)
		surroundings_add(s, VARIABLE_VALUE, e->value, e->value_len);
}

static void surroundings_make(struct surroundings *s, const struct waiting *w, bool value)
{
	size_t count = 0, used = 0;

	*s = (struct surroundings){0};
	while (environ[count] != NULL)
		count++;
	s->variables = xcalloc(count + VARIABLE_COUNT + 1, sizeof(*s->variables));
	for (size_t i = 0; i < count; i++) {
		if (!is_ours(environ[i]))
			s->variables[used++] = environ[i];
	}
	surroundings_add_change(s, w, value);
	for (size_t i = 0; i < s->count; i++)
		s->variables[used++] = s->ours[i];
}

static void surroundings_free(struct surroundings *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->ours[i]);
	free(s->variables);
}

/* A file in memory, so that nobody has to wait for a command that does not read.  Below 0: errno says why. */
static int runner_input(const struct runner *r, const struct waiting *w)
{
	int fd = memfd_create("dhtctl", MFD_CLOEXEC), copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	FILE *out = copy < 0 ? NULL : fdopen(copy, "w");
	bool written = out != NULL;

	if (written) {
		r->input(r->arg, out, w->gap ? NULL : &w->entry);
		written = !ferror(out); /* fclose does not tell of what went out ahead of it */
		written = fclose(out) == 0 && written && lseek(fd, 0, SEEK_SET) == 0;
	}
	if (written)
		return fd;
	if (fd >= 0) {
		int error = errno != 0 ? errno : EIO;

		if (copy >= 0 && out == NULL)
			(void)close(copy);
		(void)close(fd);
		errno = error;
	}
	return -1;
}

/* ---- running ---- */

/* 0, or errno. */
static int runner_spawn(struct runner *r, const struct waiting *w, int input, bool value)
{
	struct surroundings s;
	sigset_t usual;
	int error;

	surroundings_make(&s, w, value);
	sigemptyset(&usual);
	if (!r->pipe_ignored)
		sigaddset(&usual, SIGPIPE); /* what we catch is as it was by itself */
	error = program_start(&r->pid, r->command, s.variables, input, &usual);
	surroundings_free(&s);
	return error;
}

static void runner_fail(struct runner *r, const struct waiting *w, const char *how)
{
	char label[KEY_LABEL_MAX];

	r->failed++;
	if (r->stopped)
		return;
	if (w->gap)
		output_error("'%.200s' for a gap: %s", r->command[0], how);
	else
		output_error("'%.200s' for %s of key %s: %s", r->command[0], w->entry.value ? "put" : "del",
			     key_text_label(&w->entry.key, label), how);
}

static void runner_begin(struct runner *r, struct waiting *w)
{
	int input = runner_input(r, w), error = input < 0 ? errno : runner_spawn(r, w, input, true);
	char how[160];

	/* together with all the other variables the value may be too long though by itself it is not */
	if (error == E2BIG)
		error = runner_spawn(r, w, input, false);
	if (input >= 0)
		(void)close(input);
	if (error == 0) {
		r->running = w;
		return;
	}
	snprintf(how, sizeof(how), "cannot run it: %s", output_reason(error));
	runner_fail(r, w, how);
	waiting_free(w);
}

static bool runner_reap(struct runner *r)
{
	char how[80];
	int status;

	if (r->pid == 0 || waitpid(r->pid, &status, WNOHANG) != r->pid)
		return false;
	if (WIFSIGNALED(status)) {
		snprintf(how, sizeof(how), "signal %d ended it", WTERMSIG(status));
		runner_fail(r, r->running, how);
	} else if (WEXITSTATUS(status) != 0) {
		snprintf(how, sizeof(how), "exit code %d", WEXITSTATUS(status));
		runner_fail(r, r->running, how);
	}
	waiting_free(r->running);
	r->running = NULL;
	r->pid = 0;
	return true;
}

bool runner_step(struct runner *r)
{
	bool ended = runner_reap(r);

	while (r->pid == 0 && r->queue != NULL) {
		struct waiting *w = r->queue;

		DL_DELETE(r->queue, w);
		r->size -= w->size;
		runner_begin(r, w);
	}
	return ended;
}
