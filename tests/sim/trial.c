/* One run in a process of its own: a core that stops itself, or never ends, is a verdict as well. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command.h"

double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

pid_t trial_fork(void)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		perror("sim: fork");
		exit(1);
	}
	return pid;
}

void trial_death(int status, unsigned seconds, char text[FAILURE_MAX])
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		snprintf(text, FAILURE_MAX, "endless: took more than %u s of real time", seconds);
	else if (WIFSIGNALED(status))
		snprintf(text, FAILURE_MAX, "crashed: %s", strsignal(WTERMSIG(status)));
	else
		snprintf(text, FAILURE_MAX, "crashed: exited with status %d", WEXITSTATUS(status));
}

static _Noreturn void child(const struct trial *t, struct world *w)
{
	if (t->silent && !freopen("/dev/null", "w", stderr))
		_exit(1);
	alarm(t->seconds);
	world_run(w, &t->options);
	alarm(0);
	if (t->svg && !svg_write(w, t->svg, t->svg_messages))
		perror("sim: cannot write the picture");
	fflush(NULL);
	_exit(0);
}

/* The world lies where both see it: of one that died its numbers are left, though what it points at is gone. */
void trial_run(const struct trial *t, struct outcome *out)
{
	struct world *w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	pid_t pid;

	if (w == MAP_FAILED) {
		perror("sim: mmap");
		exit(1);
	}
	pid = trial_fork();
	if (pid == 0)
		child(t, w);
	(void)waitpid(pid, &status, 0);
	*out = (struct outcome){.failed = w->failed || status != 0,
				.hash = w->hash,
				.published = w->stats[STAT_PUBLISHED],
				.lines = w->lines,
				.end = w->now,
				.work = w->swarm.work,
				.faults = w->fault_count,
				.aimed = w->aimed_count};
	if (status != 0)
		trial_death(status, t->seconds, out->failure);
	else
		memcpy(out->failure, w->failure, sizeof(w->failure));
	munmap(w, sizeof(*w));
}
