/* Words to arguments, and a run's options back to words: what is printed as a replay is what is read here. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../../common/mem.h"
#include "command.h"

static const char *const profiles[PROFILE_COUNT] = {"mosquitto", "drops",   "gentle", "storm",
						    "disorder",  "refused", "hasty"};

static const char *const calms[CALM_COUNT] = {
#define X(name, text) text,
	CALMS(X)
#undef X
};

static const char *const disks[] = {"", "", "=usual", "=faithful"};

static const char help[] =
	"Usage: sim [OPTION]...\n"
	"Run the node's core in virtual time against a simulated broker, with faults, and judge it.\n\n"
	"  --seed N            run one seed and print its hash\n"
	"  --first-seed F      first of --seeds (default 1), or 'random'\n"
	"  --seeds N           how many (default 100)\n"
	"  --seconds S         as many as fit into that time\n"
	"  --nodes N           nodes at the start (default 5)\n"
	"  --clients N         clients of the reference's protocol (default 3)\n"
	"  --ops N             operations of all clients together, of which the time allows about half (default 400)\n"
	"  --replicas R        1 to 5 copies of everything (default: as the seed draws)\n"
	"  --disks[=KIND]      nodes keep what they have when they are killed; some seeds cut the power of all.  "
	"usual: what\n"
	"                      nobody answers for is given up after the set time; faithful: never; default: as drawn\n"
	"  --scrub MS          all copies are compared that often, and are to be the same (default: never)\n"
	"  --ping MS           so often neighbours look at each other (default: as the daemon); hasty: at most\n"
	"  --memory            what most nodes may hold is less than what is written\n"
	"  --profile NAME      mosquitto (default), gentle (joins and leaves only), storm, drops (and full queues),\n"
	"                      disorder (order per publisher and topic only), refused (subscriptions), hasty (nodes "
	"of\n"
	"                      little patience)\n"
	"  --jobs J            processes (default: one a processor)\n"
	"  --quiet             print failures only\n"
	"  --scale N           instead: N nodes join, serve and leave without faults; print what it costs\n"
	"  --sweep[=CASE]      instead: crash, pause, cut, ... at each step of each change; or that case alone, with "
	"its "
	"story\n"
	"  --kept FILE         run the command lines of FILE, each of which once found a flaw\n\n"
	"A seed that fails is shrunk: what is not needed for the same verdict is left out.\n"
	"  --no-shrink         leave it as it is\n"
	"  --shrink-seconds S  real time for that (default 20)\n"
	"  --trace             print the story of the seed, as it is\n"
	"  --svg FILE          draw its end\n"
	"  --svg-messages N    how many messages of it (default 120)\n\n"
	"What a shrunk run is made of.  LIST is `none` or numbers and ranges, as 3,7,9-12:\n"
	"  --only-nodes LIST   those of the first nodes start\n"
	"  --only-clients LIST those clients connect\n"
	"  --only-ops LIST     those turns of clients lead to an operation\n"
	"  --only-faults LIST  those faults take place\n"
	"  --only-aimed LIST   ... of those that are aimed at a protocol step\n"
	"  --calm WHAT         a comma-separated list of tail (no packet is very late), delays (all alike), timers\n"
	"                      (never late), fences (answered), drops (none), values (short), joins (few attempts),\n"
	"                      wills (at once), answers (all of the broker's come), order (one for all), clocks (at "
	"one\n"
	"                      rate), manners (clients say things once, and wait); or all\n"
	"  --work-ms N         clients and faults stop by then\n\n"
	"  --help              print this\n\n"
	"Exit status is 0 if and only if every seed was clean.\n";

enum option_id {
	OPT_SEED = 1,
	OPT_FIRST,
	OPT_SEEDS,
	OPT_SECONDS,
	OPT_NODES,
	OPT_CLIENTS,
	OPT_OPS,
	OPT_REPLICAS,
	OPT_DISKS,
	OPT_MEMORY,
	OPT_PROFILE,
	OPT_JOBS,
	OPT_QUIET,
	OPT_SCALE,
	OPT_SWEEP,
	OPT_KEPT,
	OPT_SCRUB,
	OPT_PING,
	OPT_NO_SHRINK,
	OPT_SHRINK_SECONDS,
	OPT_TRACE,
	OPT_SVG,
	OPT_SVG_MESSAGES,
	OPT_ONLY_NODES,
	OPT_ONLY_CLIENTS,
	OPT_ONLY_OPS,
	OPT_ONLY_FAULTS,
	OPT_ONLY_AIMED,
	OPT_CALM,
	OPT_WORK_MS,
	OPT_HELP,
};

static const struct option options[] = {{"seed", 1, NULL, OPT_SEED},
					{"first-seed", 1, NULL, OPT_FIRST},
					{"seeds", 1, NULL, OPT_SEEDS},
					{"seconds", 1, NULL, OPT_SECONDS},
					{"nodes", 1, NULL, OPT_NODES},
					{"clients", 1, NULL, OPT_CLIENTS},
					{"ops", 1, NULL, OPT_OPS},
					{"replicas", 1, NULL, OPT_REPLICAS},
					{"disks", 2, NULL, OPT_DISKS},
					{"scrub", 1, NULL, OPT_SCRUB},
					{"ping", 1, NULL, OPT_PING},
					{"memory", 0, NULL, OPT_MEMORY},
					{"profile", 1, NULL, OPT_PROFILE},
					{"jobs", 1, NULL, OPT_JOBS},
					{"quiet", 0, NULL, OPT_QUIET},
					{"scale", 1, NULL, OPT_SCALE},
					{"sweep", 2, NULL, OPT_SWEEP},
					{"kept", 1, NULL, OPT_KEPT},
					{"no-shrink", 0, NULL, OPT_NO_SHRINK},
					{"shrink-seconds", 1, NULL, OPT_SHRINK_SECONDS},
					{"trace", 0, NULL, OPT_TRACE},
					{"svg", 1, NULL, OPT_SVG},
					{"svg-messages", 1, NULL, OPT_SVG_MESSAGES},
					{"only-nodes", 1, NULL, OPT_ONLY_NODES},
					{"only-clients", 1, NULL, OPT_ONLY_CLIENTS},
					{"only-ops", 1, NULL, OPT_ONLY_OPS},
					{"only-faults", 1, NULL, OPT_ONLY_FAULTS},
					{"only-aimed", 1, NULL, OPT_ONLY_AIMED},
					{"calm", 1, NULL, OPT_CALM},
					{"work-ms", 1, NULL, OPT_WORK_MS},
					{"help", 0, NULL, OPT_HELP},
					{0}};

static _Noreturn void wrong(const char *what, const char *text)
{
	fprintf(stderr, "sim: '%s' is no %s; see sim --help\n", text, what);
	exit(2);
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t v;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || end == text || *end)
		wrong("number", text);
	return v;
}

static uint64_t first_seed(const char *text)
{
	uint64_t seed;

	if (strcmp(text, "random") != 0)
		return number(text);
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed)) {
		perror("sim: getrandom");
		exit(1);
	}
	return seed % 1000000000 + 1; /* short enough to be copied by hand */
}

static unsigned name_index(const char *text, size_t len, const char *const *names, unsigned count, const char *what)
{
	for (unsigned i = 0; i < count; i++) {
		if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0)
			return i;
	}
	wrong(what, text);
}

static unsigned calm_parse(const char *text)
{
	unsigned calm = 0;
	size_t len;

	if (strcmp(text, "all") == 0)
		return (1u << CALM_COUNT) - 1;
	for (;; text += len + 1) {
		len = strcspn(text, ",");
		calm |= 1u << name_index(text, len, calms, CALM_COUNT, "calm");
		if (!text[len])
			return calm;
	}
}

static void mask_parse(struct mask *m, const char *list)
{
	char *end;

	*m = (struct mask){.on = true};
	if (strcmp(list, "none") == 0)
		return;
	for (const char *p = list;; p = end + 1) {
		uint64_t from = strtoull(p, &end, 10), to = from;

		if (end == p)
			wrong("list of numbers", list);
		if (*end == '-') {
			p = end + 1;
			to = strtoull(p, &end, 10);
		}
		if (end == p || from > to || to >= MASK_BITS || (*end && *end != ','))
			wrong("list of numbers", list);
		for (; from <= to; from++)
			m->bits[from / 64] |= (uint64_t)1 << from % 64;
		if (!*end)
			return;
	}
}

/* What the run is. */
static enum disks disks_named(const char *value)
{
	if (!value)
		return DISKS_DRAWN;
	for (int d = DISKS_USUAL; d <= DISKS_FAITHFUL; d++)
		if (strcmp(value, disks[d] + 1) == 0)
			return (enum disks)d;
	fprintf(stderr, "sim: unknown kind of disks %s\n", value);
	exit(2);
}

static bool parse_run(struct sim_options *o, int c, const char *value)
{
	switch (c) {
	case OPT_NODES:
		o->nodes = (unsigned)number(value);
		break;
	case OPT_CLIENTS:
		o->clients = (unsigned)number(value);
		break;
	case OPT_OPS:
		o->ops = (unsigned)number(value);
		break;
	case OPT_REPLICAS:
		o->replicas = (unsigned)number(value);
		break;
	case OPT_SCRUB:
		o->scrub = (unsigned)number(value);
		break;
	case OPT_PING:
		o->ping = (unsigned)number(value);
		break;
	case OPT_DISKS:
		o->disks = disks_named(value);
		break;
	case OPT_MEMORY:
		o->memory = true;
		break;
	case OPT_PROFILE:
		o->profile = (enum profile)name_index(value, strlen(value), profiles, PROFILE_COUNT, "profile");
		break;
	case OPT_ONLY_NODES:
		mask_parse(&o->starts, value);
		break;
	case OPT_ONLY_CLIENTS:
		mask_parse(&o->clients_on, value);
		break;
	case OPT_ONLY_OPS:
		mask_parse(&o->turns, value);
		break;
	case OPT_ONLY_FAULTS:
		mask_parse(&o->faults, value);
		break;
	case OPT_ONLY_AIMED:
		mask_parse(&o->aimed, value);
		break;
	case OPT_CALM:
		o->calm = calm_parse(value);
		break;
	case OPT_WORK_MS:
		o->work_ms = number(value);
		break;
	default:
		return false;
	}
	return true;
}

/* Which runs, and what is told of them. */
static void parse_one(struct arguments *a, int c, const char *value)
{
	switch (c) {
	case OPT_SEED:
		a->first = number(value);
		a->seeds = 1;
		a->one = true;
		break;
	case OPT_FIRST:
		a->first = first_seed(value);
		break;
	case OPT_SEEDS:
		a->seeds = number(value);
		break;
	case OPT_SECONDS:
		a->seconds = (unsigned)number(value);
		break;
	case OPT_JOBS:
		a->jobs = (unsigned)number(value);
		break;
	case OPT_QUIET:
		a->quiet = true;
		break;
	case OPT_SCALE:
		a->scale = (unsigned)number(value);
		break;
	case OPT_SWEEP:
		a->sweep = true;
		a->sweep_only = value ? (unsigned)number(value) : SWEEP_ALL;
		break;
	case OPT_KEPT:
		a->kept = value;
		break;
	case OPT_NO_SHRINK:
		a->shrink = false;
		break;
	case OPT_SHRINK_SECONDS:
		a->shrink_seconds = (unsigned)number(value);
		break;
	case OPT_TRACE:
		a->trace = true;
		break;
	case OPT_SVG:
		a->svg = value;
		break;
	case OPT_SVG_MESSAGES:
		a->svg_messages = (unsigned)number(value);
		break;
	case OPT_HELP:
		fputs(help, stdout);
		exit(0);
	default:
		exit(2);
	}
}

void options_parse(struct arguments *a, int argc, char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int c;

	*a = (struct arguments){.sim = {.nodes = 5, .clients = 3, .ops = 400},
				.first = 1,
				.seeds = 100,
				.shrink_seconds = 20,
				.svg_messages = 120,
				.shrink = true};
	a->jobs = cpus > 0 && cpus < JOBS_MAX ? (unsigned)cpus : 1;
	optind = 0; /* from the start again: a file of kept seeds holds many command lines */
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (!parse_run(&a->sim, c, optarg))
			parse_one(a, c, optarg);
	}
	if (optind < argc || a->sim.nodes < 1 || a->sim.nodes > 200 || a->sim.replicas > REPLICAS_MAX ||
	    a->sim.clients < 1 || a->jobs < 1 || a->jobs > JOBS_MAX || a->seeds < 1 || a->scale == 1 ||
	    a->scale > 20000) {
		fputs("sim: arguments that make no sense; see sim --help\n", stderr);
		exit(2);
	}
	a->sim.seed = a->first;
}

static void print_mask(FILE *out, const char *name, const struct mask *m)
{
	const char *comma = "";

	if (!m->on)
		return;
	fprintf(out, " --only-%s ", name);
	for (unsigned i = 0, last; i < MASK_BITS; i = last + 1) {
		last = i;
		if (!mask_has(m, i))
			continue;
		while (last + 1 < MASK_BITS && mask_has(m, last + 1))
			last++;
		fprintf(out, last > i ? "%s%u-%u" : "%s%u", comma, i, last);
		comma = ",";
	}
	if (!*comma)
		fputs("none", out);
}

static void print_calm(FILE *out, unsigned calm)
{
	const char *comma = "";

	if (!calm)
		return;
	fputs(" --calm ", out);
	if (calm == (1u << CALM_COUNT) - 1) {
		fputs("all", out);
		return;
	}
	for (unsigned i = 0; i < CALM_COUNT; i++) {
		if (calm >> i & 1) {
			fprintf(out, "%s%s", comma, calms[i]);
			comma = ",";
		}
	}
}

char *options_spec(const struct sim_options *o)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		mem_die("out of memory");
	fprintf(out, "--seed %" PRIu64 " --nodes %u --clients %u --ops %u", o->seed, o->nodes, o->clients, o->ops);
	if (o->replicas)
		fprintf(out, " --replicas %u", o->replicas);
	if (o->scrub)
		fprintf(out, " --scrub %u", o->scrub);
	if (o->ping)
		fprintf(out, " --ping %u", o->ping);
	if (o->disks)
		fprintf(out, " --disks%s", disks[o->disks]);
	if (o->memory)
		fputs(" --memory", out);
	if (o->profile != PROFILE_MOSQUITTO)
		fprintf(out, " --profile %s", profiles[o->profile]);
	print_mask(out, "nodes", &o->starts);
	print_mask(out, "clients", &o->clients_on);
	print_mask(out, "ops", &o->turns);
	print_mask(out, "faults", &o->faults);
	print_mask(out, "aimed", &o->aimed);
	print_calm(out, o->calm);
	if (o->work_ms)
		fprintf(out, " --work-ms %" PRIu64, o->work_ms);
	fclose(out);
	return text;
}
