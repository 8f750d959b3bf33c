#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "job.h"
#include "output.h"

/* A number of 64 bits with sign, as an amount to add or to take away. */
static bool incr_take_amount(const char *text, struct operation *op)
{
	const char *p = text + (text[0] == '-' || text[0] == '+');
	uint64_t amount = 0;

	op->kind = text[0] == '-' ? OPERATION_SUB : OPERATION_ADD;
	if (*p == '\0' || strspn(p, "0123456789") != strlen(p))
		return false;
	for (; *p != '\0'; p++) {
		if (__builtin_mul_overflow(amount, 10, &amount) ||
		    __builtin_add_overflow(amount, (uint64_t)(*p - '0'), &amount))
			return false;
	}
	op->amount = amount;
	return amount <= (uint64_t)INT64_MAX + (op->kind == OPERATION_SUB);
}

static void incr_print(const struct job *job, const struct item *item)
{
	(void)job;
	printf("%" PRId64 "\n", item->result.amount);
}

static enum exit_code incr_exec(const struct settings *settings, char **args, size_t count)
{
	struct job job = {.settings = settings, .done = "added", .print = incr_print};
	enum exit_code code;

	job.op.life = settings->ttl;
	if (!incr_take_amount(count > 1 ? args[1] : "1", &job.op)) {
		output_error("invalid number '%.40s': expected one from -9223372036854775808 to 9223372036854775807",
			     args[1]);
		return RC_USAGE;
	}
	code = job_take_one_key(settings, "incr", args[0], &job.op.key);
	return code == RC_OK ? job_run_one(&job) : code;
}

const struct command command_incr = {
	.name = "incr",
	.arguments = "KEY [BY]",
	.min = 1,
	.max = 2,
	.options = {"name", "ttl"},
	.others = "inc increment decr decrement counter",
	.summary = "add to the number under a key, print the sum",
	.details =
		"\n" COMMAND_KEY_TEXT "\n"
		"BY is a number, below 0 to take away; without it 1. An absent key counts as 0. Whatever is lost or\n"
		"repeated on the way, it is added once. --ttl sets a new time to live; without it the old one goes "
		"on.\n"
		"--json gives {\"key\",\"status\",\"value\",\"version\",\"owner\"}.\n"
		"\n"
		"Exit code 5 means that nobody answered in time: if it says \"unknown\", it may have been added; 8 "
		"that the\n"
		"value is no number, or the sum beyond 64 bits.\n",
	.exec = incr_exec,
};
