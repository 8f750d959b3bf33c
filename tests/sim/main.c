/* sim: runs seeds, in several processes, and tells what happened. */
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../common/mem.h"
#include "command.h"

struct failure {
	uint64_t seed;
	char text[FAILURE_MAX];
};

/* Shared by the parent and its workers. */
struct board {
	atomic_uint_fast64_t next, done, failed;
	atomic_uint_fast64_t last;
	struct failure failures[FAILURES_MAX];
	struct {
		uint64_t seed; /* under way */
		bool busy;
		uint64_t stats[STAT_COUNT];
		uint64_t hash;
	} workers[JOBS_MAX];
};

static void clear_progress(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

/* Said at once, by whichever process has found it: a campaign may take hours. */
static void add_failure(struct board *b, uint64_t seed, const char *text)
{
	uint64_t i = atomic_fetch_add(&b->failed, 1);

	if (i >= FAILURES_MAX)
		return;
	b->failures[i].seed = seed;
	snprintf(b->failures[i].text, sizeof(b->failures[i].text), "%s", text);
	clear_progress();
	printf("seed %" PRIu64 ": %s\n", seed, text);
}

static void work(struct board *b, unsigned worker, const struct sim_options *options)
{
	struct world *w = xmalloc(sizeof(*w));

	for (;;) {
		struct sim_options o = *options;

		o.seed = atomic_fetch_add(&b->next, 1);
		if (o.seed > b->last)
			break;
		b->workers[worker].seed = o.seed;
		b->workers[worker].busy = true;
		if (!o.trace)
			alarm(SECONDS_MAX);
		world_run(w, &o);
		alarm(0);
		if (w->failed)
			add_failure(b, o.seed, w->failure);
		for (int i = 0; i < STAT_COUNT; i++)
			b->workers[worker].stats[i] += w->stats[i];
		b->workers[worker].hash += w->hash;
		world_free(w);
		b->workers[worker].busy = false;
		atomic_fetch_add(&b->done, 1);
	}
	free(w);
}

static pid_t spawn(struct board *b, unsigned worker, const struct sim_options *options)
{
	pid_t pid;

	pid = trial_fork();
	if (pid == 0) {
		work(b, worker, options);
		fflush(stdout);
		_exit(0);
	}
	return pid;
}

/* A worker that died took its seed with it: the core has stopped itself, or crashed. */
static void bury(struct board *b, unsigned worker, int status)
{
	char text[FAILURE_MAX];

	if (!b->workers[worker].busy)
		return;
	b->workers[worker].busy = false;
	trial_death(status, SECONDS_MAX, text);
	add_failure(b, b->workers[worker].seed, text);
	atomic_fetch_add(&b->done, 1);
}

static void progress(const struct arguments *a, struct board *b)
{
	if (!a->quiet && isatty(STDERR_FILENO))
		fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " seeds, %" PRIu64 " failed ", (uint64_t)b->done,
			a->seconds ? (uint64_t)b->next - a->first : a->seeds, (uint64_t)b->failed);
}

static void run_jobs(const struct arguments *a, struct board *b)
{
	pid_t pids[JOBS_MAX];
	double until = seconds_now() + a->seconds;
	unsigned running = 0;
	int status;

	for (; running < a->jobs && (a->seconds || running < a->seeds); running++)
		pids[running] = spawn(b, running, &a->sim);
	for (unsigned left = running; left > 0;) {
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (a->seconds && seconds_now() >= until)
			b->last = 0;
		if (pid <= 0) {
			progress(a, b);
			nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
			continue;
		}
		for (unsigned i = 0; i < running; i++) {
			if (pids[i] != pid)
				continue;
			pids[i] = -1;
			left--;
			if (status != 0) {
				bury(b, i, status);
				pids[i] = spawn(b, i, &a->sim);
				left++;
			}
		}
	}
	if (!a->quiet)
		clear_progress();
}

static int by_seed(const void *x, const void *y)
{
	const struct failure *a = x, *b = y;

	return a->seed < b->seed ? -1 : a->seed > b->seed;
}

static void report_lowest(const struct arguments *a, struct board *b)
{
	uint64_t n = b->failed < FAILURES_MAX ? b->failed : FAILURES_MAX;

	qsort(b->failures, n, sizeof(b->failures[0]), by_seed);
	if (n > 0)
		report_failure(a, b->failures[0].seed, b->failures[0].text);
	else if (a->one && a->svg)
		report_failure(a, a->first, NULL);
}

static double processor_seconds(void)
{
	struct rusage r;

	getrusage(RUSAGE_CHILDREN, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6 + 1e-6;
}

static struct tally sum(const struct board *b)
{
	struct tally t = {.seeds = b->done, .failed = b->failed, .processor = processor_seconds()};

	for (unsigned j = 0; j < JOBS_MAX; j++) {
		t.hash += b->workers[j].hash;
		for (int i = 0; i < STAT_COUNT; i++)
			t.stats[i] += b->workers[j].stats[i];
	}
	return t;
}

int main(int argc, char **argv)
{
	struct arguments a;
	struct board *b;
	struct tally t;
	double from;

	options_parse(&a, argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0); /* into a file too; a core that stops itself takes no line with it */
	if (a.scale)
		return !scale_run(&a.sim, a.scale);
	if (a.sweep)
		return sweep_run(a.sweep_only, a.quiet) != 0;
	if (a.kept)
		return kept_run(&a);
	if (a.trace)
		a.sim.trace = stdout;
	b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (b == MAP_FAILED) {
		perror("sim: mmap");
		return 1;
	}
	b->next = a.first;
	b->last = a.seconds ? UINT64_MAX : a.first + a.seeds - 1;
	from = seconds_now();
	run_jobs(&a, b);
	t = sum(b);
	from = seconds_now() - from;
	report_lowest(&a, b);
	return !report_table(&a, &t, from) || t.failed;
}
