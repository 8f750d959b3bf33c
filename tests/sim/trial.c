/* One run in a process of its own: a core that stops itself, or never ends, is a verdict as well. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../common/mem.h"
#include "command.h"

double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
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

static _Noreturn void child(const struct trial *t, struct outcome *out)
{
	struct world *w = xmalloc(sizeof(*w));

	if (t->silent && !freopen("/dev/null", "w", stderr))
		_exit(1);
	alarm(t->seconds);
	world_run(w, &t->options);
	alarm(0);
	*out = (struct outcome){.failed = w->failed,
				.hash = w->hash,
				.published = w->stats[STAT_PUBLISHED],
				.lines = w->lines,
				.end = w->now,
				.work = w->swarm.work,
				.faults = w->fault_count,
				.aimed = w->aimed_count};
	memcpy(out->failure, w->failure, sizeof(w->failure));
	if (t->svg && !svg_write(w, t->svg, t->svg_messages))
		perror("sim: cannot write the picture");
	fflush(NULL);
	_exit(0);
}

void trial_run(const struct trial *t, struct outcome *out)
{
	struct outcome *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	pid_t pid;

	if (shared == MAP_FAILED) {
		perror("sim: mmap");
		exit(1);
	}
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		perror("sim: fork");
		exit(1);
	}
	if (pid == 0)
		child(t, shared);
	if (waitpid(pid, &status, 0) == pid && status != 0) {
		*shared = (struct outcome){.failed = true};
		trial_death(status, t->seconds, shared->failure);
	}
	*out = *shared;
	munmap(shared, sizeof(*shared));
}
