#include "job-tell.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "dump.h"
#include "output.h"
#include "silence.h"

bool job_is_write(const struct operation *op)
{
	return op->kind != OPERATION_GET && op->kind != OPERATION_LOOK;
}

static enum exit_code verdict(const struct item *item, const char *lost)
{
	if (item->mistake != NULL)
		return RC_LOCAL;
	if (item->outcome == KV_UNKNOWN) /* whoever tries again on 3 would do it twice */
		return RC_TIMEOUT;
	if (item->outcome != KV_DONE)
		return lost ? RC_UNREACHABLE : RC_TIMEOUT;
	switch (item->result.status) {
	case ANSWER_DONE:
		return RC_OK;
	case ANSWER_ABSENT:
	case ANSWER_FAILED:
		return RC_NO;
	default:
		return RC_WRONG;
	}
}

/* ---- JSON ---- */

static void json_value(const struct item *item)
{
	const struct operation_result *r = &item->result;

	if (r->has_amount && !job_is_write(&item->op))
		printf(",\"life\":%" PRId64, r->amount);
	else if (r->has_amount) /* a text as get has it: 64 bits are more than JSON's readers take */
		printf(",\"value\":\"%" PRId64 "\"", r->amount);
	else if (item->op.kind == OPERATION_GET && r->status == ANSWER_DONE) {
		fputs(",", stdout);
		output_json_bytes(stdout, "value", r->value, r->value_len);
	} else if (item->op.kind == OPERATION_GET && r->status == ANSWER_ABSENT) {
		fputs(",\"value\":null", stdout);
	}
}

static void json_answer(const struct item *item)
{
	const struct operation_result *r = &item->result;

	printf(",\"status\":\"%s\"", operation_status_name(r->status));
	json_value(item);
	if (r->has_version)
		printf(",\"version\":\"%" PRIu64 "/%" PRIu64 "\"", r->version.number, r->version.counter);
	else
		fputs(",\"version\":null", stdout);
	if (item->has_owner)
		printf(",\"owner\":%u", item->owner);
}

static void json_item(const struct item *item, struct silence *silence)
{
	if (item->mistake != NULL) {
		printf("{\"line\":%zu,\"status\":\"mistake\",\"mistake\":", item->line);
		output_json_string(stdout, (const uint8_t *)item->mistake, strlen(item->mistake));
		puts("}");
		return;
	}
	putchar('{');
	output_json_key(stdout, &item->op.key);
	if (item->outcome == KV_DONE) {
		json_answer(item);
	} else {
		printf(",\"status\":\"%s\"", item->outcome == KV_UNKNOWN ? "unknown" : "timeout");
		if (item->late)
			silence_json(stdout, silence, item->op.key.id);
	}
	puts("}");
}

/* ---- lines for people ---- */

#define REASONS                                                                                  \
	" (is a ring there? see 'dhtctl ring'; a node of the reference, or of protocol version " \
	"1.0, answers on the reference's topics alone, "                                         \
	"and an access list of the broker must grant op/# and ask/#)"

static void explain_answer(const struct job *job, const struct item *item, const char *key, char *out, size_t size)
{
	const struct operation_result *r = &item->result;

	if (r->status == ANSWER_ABSENT)
		snprintf(out, size, "key %s: absent", key);
	else if (r->status == ANSWER_FAILED && item->lost)
		snprintf(out, size, "key %s: not %s: it was written by others each time -> import the file again", key,
			 job->done);
	else if (r->status == ANSWER_FAILED && r->has_version)
		snprintf(out, size, "key %s: not %s: it is there, with version %" PRIu64 "/%" PRIu64, key, job->done,
			 r->version.number, r->version.counter);
	else if (r->status == ANSWER_FAILED)
		snprintf(out, size, "key %s: not %s: it is absent", key, job->done);
	else if (r->status == ANSWER_DAMAGED)
		snprintf(out, size,
			 "key %s: damaged: no node has it as it was put (the nodes' logs say when that was noticed) -> "
			 "put it "
			 "anew, or delete it",
			 key);
	else if (r->status == ANSWER_FEW)
		snprintf(out, size,
			 "key %s: not %s: its owner has fewer copies now than its --min-copies asks for ('dhtctl "
			 "ring' says "
			 "how many; what is there can be read)",
			 key, job->done);
	else if (r->status == ANSWER_FULL)
		snprintf(out, size,
			 "key %s: not %s: there is no room where it has to be, on a disk or in memory ('dhtctl status' "
			 "says which; what is there can be read and deleted)",
			 key, job->done);
	else
		snprintf(out, size, "key %s: not %s: its value is no whole number of 64 bits, or the sum would be none",
			 key, job->done);
}

/* From here on a broker's limit is as likely as a ring that is gone: some are set to 100 kB. */
#define LONG_VALUE 65536

static const char *explain_length(const struct item *item, char out[160])
{
	out[0] = '\0';
	if (item->op.value_len >= LONG_VALUE)
		snprintf(out, 160,
			 " (the value has %zu bytes: does the broker let it through? see max_packet_size and "
			 "message_size_limit of mosquitto.conf)",
			 item->op.value_len);
	return out;
}

static void explain_silence(const struct job *job, struct job_count *count, const struct item *item, const char *key,
			    char *out, size_t size)
{
	const char *lost = client_lost(count->client);
	const struct settings *settings = job->settings;
	char end[64] = "", timeout[32], length[160], deaf[CLIENT_DEAF_MAX], why[SILENCE_TEXT];

	explain_length(item, length);
	if (item->outcome == KV_UNKNOWN)
		snprintf(end, sizeof(end), "; unknown: it may have been %s", job->done);
	else if (job_is_write(&item->op))
		snprintf(end, sizeof(end), "; it was not %s", job->done);
	if (item->cut) {
		snprintf(out, size, "key %s: ended %s%s", key,
			 item->asked ? "ahead of its answer" : "before it was asked", end);
	} else if (item->outcome == KV_UNKNOWN && !item->late) {
		snprintf(out, size, "key %s: its owner does not know any more%s", key, end);
	} else if (lost) {
		snprintf(out, size, "lost the connection to broker %s: %s; no answer for key %s%s%s",
			 settings->broker_shown, lost, key, end, length);
	} else if (!item->asked) {
		snprintf(out, size, "key %s: time was up before it was asked%s", key, end);
	} else if (silence_text(count->silence, item->op.key.id, why)) {
		snprintf(out, size, "key %s: no answer within %s%s%s%s", key, client_timeout_text(settings, timeout),
			 end, end[0] ? "; " : ": ", why);
	} else { /* of many keys the first line tells the reasons */
		snprintf(out, size, "no answer for key %s at broker %s within %s%s%s%s%s", key, settings->ring_shown,
			 client_timeout_text(settings, timeout), end, length, client_deaf(count->client, deaf),
			 count->reasons_told ? "" : REASONS);
		count->reasons_told = true;
	}
}

static void explain(const struct job *job, struct job_count *count, const struct item *item, char *out, size_t size)
{
	char key[KEY_LABEL_MAX];
	size_t used = 0;

	if (item->line > 0)
		used = (size_t)snprintf(out, size, "%s %zu: ", job->input ? job->input->format->unit : "line",
					item->line);
	if (item->mistake != NULL)
		snprintf(out + used, size - used, "%s", item->mistake);
	else if (item->outcome == KV_DONE)
		explain_answer(job, item, key_text_label(&item->op.key, key), out + used, size - used);
	else
		explain_silence(job, count, item, key_text_label(&item->op.key, key), out + used, size - used);
}

void job_print_meta(const struct job *job, const struct item *item)
{
	if (job_is_several(job)) {
		output_key(stdout, &item->op.key);
		putchar('\t');
	}
	printf("version=%" PRIu64 "/%" PRIu64, item->result.version.number, item->result.version.counter);
	if (item->result.has_amount && !job_is_write(&item->op))
		printf(" life=%" PRId64 "ms", item->result.amount);
	if (item->has_owner)
		printf(" owner=%u", item->owner);
	putchar('\n');
}

/* ---- both ---- */

void job_tell(const struct job *job, struct job_count *count, const struct item *item)
{
	enum exit_code code = verdict(item, client_lost(count->client));
	char line[1400];

	if (code == RC_NO && job->input != NULL && job->input->spare && !item->lost) {
		code = RC_OK;
		count->spared++;
		count->unversioned += item->version.number == 0;
	}
	count->by_code[code]++;
	if (job->settings->json && job->input == NULL)
		json_item(item, count->silence);
	else if (code == RC_OK && job->print != NULL)
		job->print(job, item);
	if (code == RC_OK || (count->first[0] != '\0' && item->line > 0))
		return;
	explain(job, count, item, line, sizeof(line));
	if (count->first[0] == '\0')
		snprintf(count->first, sizeof(count->first), "%s", line);
	/* Of lines there may be 100,000: the summary has the first. */
	if (item->line == 0 && (code != RC_NO || !(job->settings->json || job->settings->quiet)))
		output_error("%s", line);
}

void job_tell_unreadable(const struct job *job, size_t number, int error)
{
	const struct job_input *input = job->input;
	char behind[48] = "";

	if (number > 0)
		snprintf(behind, sizeof(behind), " behind %s %zu", input ? input->format->unit : "line", number);
	output_error("cannot read %s%s: %s", input ? input->name : "standard input", behind,
		     error == EMSGSIZE ? "a line is too long" : output_reason(error));
}

/* What they all came to. */
static enum exit_code sum_up(const struct job_count *count)
{
	enum exit_code only = RC_OK;

	for (unsigned code = RC_OK; code < JOB_CODES; code++) {
		if (count->by_code[code] == 0)
			continue;
		if (code != RC_OK && only == RC_OK && count->by_code[RC_OK] == 0)
			only = (enum exit_code)code;
		else if (code != RC_OK)
			return RC_PARTLY;
	}
	return only;
}

static size_t count_failed(const struct job_count *count)
{
	size_t failed = 0;

	for (unsigned code = RC_OK + 1; code < JOB_CODES; code++)
		failed += count->by_code[code];
	return failed;
}

/* Of records that are read from a file. */
static void json_summary(const struct job *job, const struct job_count *count, const char *cut)
{
	printf("{\"%s\":%zu,\"kept\":%zu,\"present\":%zu,\"failed\":%zu,\"whole\":%s", job->done,
	       count->by_code[RC_OK] - count->spared, count->spared, count->spared, count_failed(count),
	       cut ? "false" : "true");
	if (count->first[0] != '\0') {
		fputs(",\"first\":", stdout);
		output_json_string(stdout, (const uint8_t *)count->first, strlen(count->first));
	}
	puts("}");
}

/* In a ring that was founded anew what is imported may look older than the file, which would then win once more over what
 * is written meanwhile. */
static const char *how_to_go_on(const struct settings *settings)
{
	if (settings->resume)
		return "go on with --resume";
	return settings->overwrite ? "import it again" : "import it again (--resume if another ring wrote the file)";
}

static void input_summary(const struct job *job, const struct job_count *count, const char *cut)
{
	char kept[160] = "", first[sizeof(count->first) + 16] = "", end[200] = "";

	if (count->spared > 0 && job->settings->resume)
		snprintf(kept, sizeof(kept), ", %zu there already", count->spared);
	else if (count->unversioned > 0)
		snprintf(kept, sizeof(kept), ", kept %zu (%zu of them %s no version in the file: see --overwrite)",
			 count->spared, count->unversioned, count->unversioned == 1 ? "has" : "have");
	else if (count->spared > 0)
		snprintf(kept, sizeof(kept), ", kept %zu", count->spared);
	if (count->first[0] != '\0')
		snprintf(first, sizeof(first), " (first: %s)", count->first);
	if (cut)
		snprintf(end, sizeof(end), "; %s ended it before the end of the input: %s", cut,
			 how_to_go_on(job->settings));
	output_error("%s %zu%s, failed %zu%s%s", job->done, count->by_code[RC_OK] - count->spared, kept,
		     count_failed(count), first, end);
}

static void print_summary(const struct job *job, const struct job_count *count, const char *cut)
{
	size_t not_done = count_failed(count);
	char rest[sizeof(count->first) + 64] = "", end[100] = "";

	if (job->input != NULL) {
		if (job->settings->json)
			json_summary(job, count, cut);
		else
			input_summary(job, count, cut);
		return;
	}
	if (not_done > 0)
		snprintf(rest, sizeof(rest), ", %zu not (first: %s)", not_done, count->first);
	if (cut)
		snprintf(end, sizeof(end), "; %s ended it before the end of standard input", cut);
	output_error("%zu %s%s%s", count->by_code[RC_OK], job->done, rest, end);
}

enum exit_code job_tell_all(const struct job *job, const struct job_count *count, const char *cut)
{
	enum exit_code code = sum_up(count);

	if (job->items == NULL && (cut != NULL || !job->settings->quiet || (code != RC_OK && code != RC_NO)))
		print_summary(job, count, cut);
	return code;
}
