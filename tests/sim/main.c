/* sim: runs seeds, in several processes, and tells what happened. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../common/mem.h"
#include "sim.h"

#define JOBS_MAX 64
#define FAILURES_MAX 200
#define SECONDS_MAX 120 /* real time for one seed */
#define CAMPAIGN 10000  /* seeds from which on a rare event that never came is a failure */

struct failure {
	uint64_t seed;
	char text[512];
};

/* Shared by the parent and its workers. */
struct board {
	atomic_uint_fast64_t next, done, failed;
	uint64_t last;
	struct failure failures[FAILURES_MAX];
	struct {
		uint64_t seed; /* under way */
		bool busy;
		uint64_t stats[STAT_COUNT];
		uint64_t hash;
	} workers[JOBS_MAX];
};

struct arguments {
	struct sim_options sim;
	uint64_t first, seeds;
	unsigned jobs;
	bool quiet, one;
	bool sweep;
	unsigned sweep_only;
};

static const char *const profiles[PROFILE_COUNT] = {"mosquitto", "drops", "gentle", "storm", "disorder", "refused"};

static const char help[] =
	"Usage: sim [OPTION]...\n"
	"Run the node's core in virtual time against a simulated broker, with faults, and judge it.\n\n"
	"  --seed N          run one seed and print its hash\n"
	"  --first-seed F    first of --seeds (default 1)\n"
	"  --seeds N         how many (default 100)\n"
	"  --nodes N         nodes at the start (default 5)\n"
	"  --clients N       clients of the reference's protocol (default 3)\n"
	"  --ops N           operations of all clients together (default 100)\n"
	"  --profile NAME    mosquitto (default), gentle (joins and leaves only), storm, drops (and full queues),\n"
	"                    disorder (order per publisher and topic only), refused (subscriptions)\n"
	"  --sweep[=CASE]    no seeds: crash, pause, cut, ... at each step of each change; or that one alone, with its "
	"story\n"
	"  --trace           print the story of the seed\n"
	"  --jobs J          processes (default: one a processor)\n"
	"  --quiet           print failures only\n"
	"  --help            print this\n\n"
	"Exit status is 0 if and only if every seed was clean.\n";

static uint64_t number(const char *text)
{
	char *end;
	uint64_t v;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || end == text || *end) {
		fprintf(stderr, "sim: '%s' is not a number\n", text);
		exit(2);
	}
	return v;
}

static enum profile profile_named(const char *name)
{
	for (int i = 0; i < PROFILE_COUNT; i++) {
		if (strcmp(profiles[i], name) == 0)
			return (enum profile)i;
	}
	fprintf(stderr, "sim: no profile '%s' (see sim --help)\n", name);
	exit(2);
}

static void parse(struct arguments *a, int argc, char **argv)
{
	static const struct option options[] = {{"seed", 1, NULL, 's'},
						{"first-seed", 1, NULL, 'f'},
						{"seeds", 1, NULL, 'n'},
						{"nodes", 1, NULL, 'N'},
						{"clients", 1, NULL, 'c'},
						{"ops", 1, NULL, 'o'},
						{"profile", 1, NULL, 'p'},
						{"trace", 0, NULL, 't'},
						{"jobs", 1, NULL, 'j'},
						{"quiet", 0, NULL, 'q'},
						{"help", 0, NULL, 'h'},
						{"sweep", 2, NULL, 'S'},
						{0}};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int c;

	*a = (struct arguments){.sim = {.nodes = 5, .clients = 3, .ops = 100}, .first = 1, .seeds = 100};
	a->jobs = cpus > 0 && cpus < JOBS_MAX ? (unsigned)cpus : 1;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			a->first = number(optarg);
			a->seeds = 1;
			a->one = true;
			break;
		case 'f':
			a->first = number(optarg);
			break;
		case 'n':
			a->seeds = number(optarg);
			break;
		case 'N':
			a->sim.nodes = (unsigned)number(optarg);
			break;
		case 'c':
			a->sim.clients = (unsigned)number(optarg);
			break;
		case 'o':
			a->sim.ops = (unsigned)number(optarg);
			break;
		case 'p':
			a->sim.profile = profile_named(optarg);
			break;
		case 't':
			a->sim.trace = true;
			break;
		case 'j':
			a->jobs = (unsigned)number(optarg);
			break;
		case 'q':
			a->quiet = true;
			break;
		case 'S':
			a->sweep = true;
			a->sweep_only = optarg ? (unsigned)number(optarg) : SWEEP_ALL;
			break;
		case 'h':
			fputs(help, stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (optind < argc || a->sim.nodes < 1 || a->sim.nodes > 200 || a->sim.clients < 1 || a->jobs < 1 ||
	    a->jobs > JOBS_MAX || a->seeds < 1) {
		fputs("sim: arguments that make no sense; see sim --help\n", stderr);
		exit(2);
	}
}

static void add_failure(struct board *b, uint64_t seed, const char *text)
{
	uint64_t i = atomic_fetch_add(&b->failed, 1);

	if (i >= FAILURES_MAX)
		return;
	b->failures[i].seed = seed;
	snprintf(b->failures[i].text, sizeof(b->failures[i].text), "%s", text);
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

	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("sim: fork");
		exit(1);
	}
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
	char text[128];

	if (!b->workers[worker].busy)
		return;
	b->workers[worker].busy = false;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		snprintf(text, sizeof(text), "took more than %d s of real time", SECONDS_MAX);
	else if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "crashed: %s", strsignal(WTERMSIG(status)));
	else
		snprintf(text, sizeof(text), "exited with status %d", WEXITSTATUS(status));
	add_failure(b, b->workers[worker].seed, text);
	atomic_fetch_add(&b->done, 1);
}

static void progress(const struct arguments *a, struct board *b)
{
	if (!a->quiet && isatty(STDERR_FILENO))
		fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " seeds, %" PRIu64 " failed ", (uint64_t)b->done, a->seeds,
			(uint64_t)b->failed);
}

static void run_jobs(const struct arguments *a, struct board *b)
{
	pid_t pids[JOBS_MAX];
	unsigned running = 0;
	int status;

	for (; running < a->jobs && running < a->seeds; running++)
		pids[running] = spawn(b, running, &a->sim);
	for (unsigned left = running; left > 0;) {
		pid_t pid = waitpid(-1, &status, WNOHANG);

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
	if (!a->quiet && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

static int by_seed(const void *x, const void *y)
{
	const struct failure *a = x, *b = y;

	return a->seed < b->seed ? -1 : a->seed > b->seed;
}

static void print_failures(const struct arguments *a, struct board *b)
{
	uint64_t n = b->failed < FAILURES_MAX ? b->failed : FAILURES_MAX;

	qsort(b->failures, n, sizeof(b->failures[0]), by_seed);
	for (uint64_t i = 0; i < n; i++)
		printf("seed %" PRIu64 ": %s\n", b->failures[i].seed, b->failures[i].text);
	if (n > 0 && !a->sim.trace)
		printf("replay: sim --seed %" PRIu64 " --nodes %u --clients %u --ops %u --profile %s --trace\n",
		       b->failures[0].seed, a->sim.nodes, a->sim.clients, a->sim.ops, profiles[a->sim.profile]);
}

/* True if nothing is missing that a long campaign must have seen. */
static bool print_table(const struct arguments *a, const struct board *b, double seconds)
{
	static const struct {
		const char *text;
		bool must;
	} rows[STAT_COUNT] = {
#define X(name, what, needed) {what, needed},
		STATS(X)
#undef X
	};
	bool whole = true, campaign = a->seeds >= CAMPAIGN && a->sim.profile == PROFILE_MOSQUITTO;
	uint64_t hash = 0;

	for (int i = 0; i < STAT_COUNT; i++) {
		uint64_t sum = 0;

		for (unsigned j = 0; j < JOBS_MAX; j++)
			sum += b->workers[j].stats[i];
		if (!a->quiet)
			printf("%14" PRIu64 "  %s%s\n", sum, rows[i].text,
			       campaign && rows[i].must && !sum ? "  <- never: a hole" : "");
		whole = whole && (!campaign || !rows[i].must || sum);
	}
	for (unsigned j = 0; j < JOBS_MAX; j++)
		hash += b->workers[j].hash;
	printf("%" PRIu64 " seeds, %" PRIu64 " failed, %.1f s, %.0f seeds/s, hash %016" PRIx64 "\n", a->seeds,
	       (uint64_t)b->failed, seconds, (double)a->seeds / seconds, hash);
	return whole;
}

int main(int argc, char **argv)
{
	struct arguments a;
	struct board *b;
	struct timespec from, to;
	bool whole;

	parse(&a, argc, argv);
	if (a.sweep)
		return sweep_run(a.sweep_only, a.quiet) != 0;
	b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (b == MAP_FAILED) {
		perror("sim: mmap");
		return 1;
	}
	b->next = a.first;
	b->last = a.first + a.seeds - 1;
	clock_gettime(CLOCK_MONOTONIC, &from);
	run_jobs(&a, b);
	clock_gettime(CLOCK_MONOTONIC, &to);
	print_failures(&a, b);
	whole = print_table(&a, b, (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
	return b->failed || !whole;
}
