#include "job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utlist.h>

#include "../common/mem.h"
#include "client.h"
#include "dump.h"
#include "interrupt.h"
#include "job-tell.h"
#include "lines.h"
#include "output.h"
#include "silence.h"

/* Values on their way, and values that wait to be told: about as much as the transport takes without pausing. */
#define JOB_BYTES_MAX ((size_t)8 << 20)
/* So many go out first: their answers tell who owns what, so that what follows shares frames, and how long values are
 * that are read, which may be 16 MiB each. */
#define JOB_WINDOW_FIRST 4
/* Where none of these is answered for so long twice as many may go: they may all be of owners that are gone.  But not very
 * many before the first answer, as nobody knows yet how long what they read is. */
#define JOB_STALL 250 /* ms */
#define JOB_WINDOW_BLIND 16
/* So long a signal is put off for the answers that are on their way. */
#define JOB_GRACE 500 /* ms */

struct work {
	struct job *job;
	struct client *client;
	struct kv_mqtt *kv;
	struct silence *silence;
	struct item *queue[KV_OPEN_MAX]; /* asked and not told, in order */
	size_t head, count;
	size_t open;     /* of these: begun and not ended */
	size_t bytes;    /* of all these */
	size_t expected; /* how long a value that is read may be: by the largest of late */
	size_t window;   /* how many may be on their way: one more for each answer, as TCP begins */
	size_t answers;
	uint64_t grown;    /* when the window last was */
	size_t taken;      /* of the job's items */
	struct item *last; /* by id, of what has not ended: the last; see wait_in_line */
	struct item *turn; /* those whose turn it is now */
	struct lines lines;
	bool over;       /* nothing more is to be read */
	bool unanswered; /* for so long that what waits in line is not begun */
	bool wake;
	enum exit_code failed; /* RC_OK, or why it cannot go on */
	int output_errno;      /* standard output takes no more */
	const char *cut;
	uint64_t give_up; /* a signal has come, and so long we go on; 0: none */
	struct job_count tally;
};

/* ---- items ---- */

struct item *job_item_new(const struct job *job)
{
	struct item *item = xcalloc(1, sizeof(*item));

	item->op = job->op;
	return item;
}

void job_item_free(struct item *item)
{
	key_free(&item->op.key);
	free((void *)(uintptr_t)item->op.value);
	free((void *)(uintptr_t)item->result.value);
	free(item);
}

static size_t item_size(const struct item *item)
{
	return item->op.key.name_len + item->op.value_len + item->result.value_len;
}

/* ---- one behind the other ---- */

/* Where each operation has a time-out of its own it is not begun before all ahead of its key have ended: kv.h would keep
 * their order as well, but its time would run meanwhile, and many lines may have one key.  As there, an id stands for its
 * key. */
static bool wait_in_line(struct work *work, struct item *item)
{
	struct item *ahead = NULL;

	if (work->job->items != NULL)
		return false;
	HASH_FIND(hh, work->last, &item->op.key.id, sizeof(item->op.key.id), ahead);
	if (ahead != NULL) {
		HASH_DEL(work->last, ahead);
		ahead->behind = item;
	}
	HASH_ADD(hh, work->last, op.key.id, sizeof(item->op.key.id), item);
	return ahead != NULL;
}

static void leave_line(struct work *work, struct item *item)
{
	if (item->behind != NULL)
		DL_APPEND(work->turn, item->behind);
	else if (work->job->items == NULL)
		/* It is in the table: beyond the analyzer.  NOLINTNEXTLINE(clang-analyzer-*) */
		HASH_DEL(work->last, item);
}

/* Another operation takes its place, as soon as there is room for one. */
static bool goes_on(struct work *work, struct item *item, const struct operation_result *answer)
{
	const struct job_input *input = work->job->input;

	if (answer == NULL || answer->status != ANSWER_FAILED || input == NULL || input->again == NULL ||
	    !input->again(item, answer))
		return false;
	item->until = 0; /* as of what has not been asked: nothing is on its way */
	DL_APPEND(work->turn, item);
	return true;
}

static void item_done_cb(void *arg, const struct kv_mqtt_result *result)
{
	struct item *item = arg;
	struct work *work = item->work;

	work->open--;
	work->window++;
	work->answers++;
	work->grown = client_now();
	work->wake = true;
	if (goes_on(work, item, result->answer))
		return;
	item->ended = true;
	leave_line(work, item);
	item->outcome = result->outcome;
	item->asked = result->asked;
	item->late = client_now() >= item->until;
	item->has_owner = result->has_owner;
	item->owner = result->owner;
	if (result->answer != NULL)
		item->result = *result->answer;
	if (item->result.value != NULL)
		item->result.value = xmemdup(item->result.value, item->result.value_len);
	work->bytes += item->result.value_len;
	work->expected -= work->expected / 16;
	if (item->result.value_len > work->expected)
		work->expected = item->result.value_len;
	if (work->job->items != NULL || !item->late || item->outcome == KV_DONE)
		return;
	work->unanswered = true;
	if (!work->over) {
		work->over = true; /* so would be what follows, however much there is */
		work->cut = "a time-out";
	}
}

/* ---- asking ---- */

static struct item *next_line(struct work *work)
{
	const struct job_input *input = work->job->input;
	struct item *item;
	uint8_t *line;
	size_t len;

	switch (input ? input->format->next(&work->lines, &line, &len) : lines_next(&work->lines, &line, &len)) {
	case LINES_ONE:
		item = job_item_new(work->job);
		item->line = work->lines.number;
		item->mistake = work->job->parse(work->job, line, len, item);
		return item;
	case LINES_LATER:
		client_readable(work->client, work->lines.fd, &work->wake);
		return NULL;
	case LINES_END:
		work->over = true;
		return NULL;
	case LINES_FAILED:
		break;
	}
	job_tell_unreadable(work->job, work->lines.number, errno);
	work->failed = RC_LOCAL;
	work->over = true;
	return NULL;
}

static struct item *next_item(struct work *work)
{
	if (work->job->items == NULL)
		return next_line(work);
	if (work->taken < work->job->count)
		return work->job->items[work->taken++];
	work->over = true;
	return NULL;
}

static bool has_room(const struct work *work)
{
	if (work->count == 0)
		return true;
	return work->count < KV_OPEN_MAX && work->open < work->window && !kv_mqtt_full(work->kv) &&
	       work->bytes + work->open * work->expected < JOB_BYTES_MAX;
}

static bool stalls(const struct work *work)
{
	return !work->over && work->open >= work->window && (work->answers > 0 || work->window < JOB_WINDOW_BLIND);
}

static void grow(struct work *work)
{
	uint64_t now = client_now();

	if (stalls(work) && now - work->grown >= JOB_STALL) {
		work->window *= 2;
		work->grown = now;
	}
}

static void begin(struct work *work, struct item *item, uint64_t now, uint64_t deadline)
{
	item->begun = now;
	item->until = deadline;
	work->open++;
	(void)kv_mqtt_begin(work->kv, &item->op, deadline > now ? deadline - now : 0, item_done_cb, item);
}

/* Those whose turn it is; or an end of them all, as one after the other would take its whole time-out. */
static void begin_in_turn(struct work *work, uint64_t now, uint64_t deadline)
{
	while (work->turn != NULL && (work->unanswered || !kv_mqtt_full(work->kv))) {
		struct item *item = work->turn;

		DL_DELETE(work->turn, item);
		if (!work->unanswered) {
			begin(work, item, now, deadline);
			continue;
		}
		item->ended = item->late = true;
		item->outcome = KV_TIMEOUT;
		leave_line(work, item);
	}
}

static void ask(struct work *work)
{
	uint64_t now = client_now(), deadline = client_deadline(work->client);

	if (work->job->items == NULL) /* whoever writes the lines may take his time */
		deadline = now + work->job->settings->timeout;
	if (work->give_up == 0)
		begin_in_turn(work, now, deadline);
	while (!work->over && has_room(work)) {
		struct item *item = next_item(work);

		if (item == NULL)
			break;
		item->work = work;
		work->queue[(work->head + work->count++) % KV_OPEN_MAX] = item;
		work->bytes += item_size(item);
		item->ended = item->mistake != NULL;
		if (!item->ended && !wait_in_line(work, item))
			begin(work, item, now, deadline);
	}
}

/* ---- telling ---- */

/* Those that have ended, as long as none before them has not; how many. */
static size_t tell(struct work *work)
{
	size_t told = 0;

	while (work->count > 0 && work->queue[work->head % KV_OPEN_MAX]->ended && !ferror(stdout)) {
		struct item *item = work->queue[work->head % KV_OPEN_MAX];

		job_tell(work->job, &work->tally, item);
		if (ferror(stdout))
			work->output_errno = errno;
		work->bytes -= item_size(item);
		job_item_free(item);
		work->head++;
		work->count--;
		told++;
	}
	return told;
}

/* What has not been told when a signal ends us, in order. */
static void tell_cut(struct work *work)
{
	size_t left = work->job->items ? work->job->count - work->taken : 0;

	work->tally.client = NULL;
	work->tally.silence = NULL;
	for (size_t i = 0; i < work->count + left && !ferror(stdout); i++) {
		struct item *item = i < work->count ? work->queue[(work->head + i) % KV_OPEN_MAX]
						    : work->job->items[work->taken + i - work->count];

		if (!item->ended) {
			item->cut = true;
			item->asked = item->until != 0;
			item->outcome = item->asked && job_is_write(&item->op) ? KV_UNKNOWN : KV_TIMEOUT;
		}
		job_tell(work->job, &work->tally, item);
	}
	if (!output_flush())
		work->output_errno = errno;
}

static void heed_signals(struct work *work)
{
	const char *name = interrupt_name();

	if (name == NULL || work->give_up != 0)
		return;
	work->give_up = client_now() + JOB_GRACE;
	if (!work->over)
		work->cut = name;
	work->over = true;
}

/* Nothing that is open has waited for longer than the first that is not told, as they are begun in this order.  When that
 * is to be looked at again. */
static uint64_t heed_silence(struct work *work)
{
	const struct item *first = work->queue[work->head % KV_OPEN_MAX];

	if (work->count == 0 || first->until == 0 || work->give_up != 0)
		return UINT64_MAX;
	return silence_watch(work->silence, &first->op.key, first->begun, first->until);
}

/* What is open ends by its own time-out. */
static void work_wait(struct work *work)
{
	uint64_t until = work->over || work->job->items == NULL ? client_now() + 1000 : client_deadline(work->client);
	uint64_t silence = heed_silence(work);

	if (work->give_up != 0)
		until = work->give_up;
	if (silence < until)
		until = silence;
	if (stalls(work) && work->grown + JOB_STALL < until)
		until = work->grown + JOB_STALL;
	(void)client_wait(work->client, &work->wake, until);
	work->wake = false;
}

static void work_through(struct work *work)
{
	work->grown = client_now();
	for (;;) {
		size_t told;

		heed_signals(work);
		grow(work);
		ask(work);
		told = tell(work);
		if (work->job->input != NULL)
			work->job->input->progress(work->job->input->arg, work->head, work->lines.given);
		if (told > 0 && work->output_errno == 0 && !output_flush())
			work->output_errno = errno;
		if (work->output_errno != 0)
			return;
		if (work->give_up != 0 && (work->open == 0 || client_now() >= work->give_up)) {
			tell_cut(work);
			return;
		}
		if (work->count == 0 && work->over)
			return;
		if (told > 0 && !work->over)
			continue; /* there is room again */
		work_wait(work);
	}
}

/* ---- jobs ---- */

static void work_free(struct work *work)
{
	HASH_CLEAR(hh, work->last);
	while (work->count > 0) {
		job_item_free(work->queue[work->head++ % KV_OPEN_MAX]);
		work->count--;
	}
	while (work->job->items != NULL && work->taken < work->job->count)
		job_item_free(work->job->items[work->taken++]);
	lines_free(&work->lines);
	free(work);
}

static enum exit_code work_run(struct work *work)
{
	enum exit_code code = client_open(work->job->settings, &work->client);

	if (code == RC_OK)
		code = client_keys(work->client, &work->kv);
	if (code != RC_OK)
		return code;
	if (work->job->items == NULL || job_is_write(&work->job->op))
		interrupt_catch(work->client, &work->wake);
	work->silence = work->tally.silence = silence_new(work->client, work->job->settings, true);
	work->tally.client = work->client;
	work_through(work);
	interrupt_release();
	if (work->job->input != NULL)
		work->job->input->over(work->job->input->arg);
	if (work->output_errno != 0)
		return RC_LOCAL;
	code = job_tell_all(work->job, &work->tally, work->cut);
	return work->failed != RC_OK ? work->failed : code;
}

enum exit_code job_run(struct job *job)
{
	struct work *work = xcalloc(1, sizeof(*work));
	enum exit_code code;

	work->job = job;
	work->window = JOB_WINDOW_FIRST;
	lines_init(&work->lines, job->input ? job->input->fd : STDIN_FILENO);
	if (job->items == NULL && isatty(work->lines.fd))
		fputs("dhtctl: reading lines from the terminal; Ctrl-D ends them\n", stderr);
	code = work_run(work);
	silence_free(work->silence);
	client_close(work->client);
	if (work->output_errno != 0)
		output_give_up(work->output_errno);
	work_free(work);
	interrupt_end();
	return code;
}
