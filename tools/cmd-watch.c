#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/kv-watch.h"
#include "../common/mem.h"
#include "interrupt.h"
#include "job.h"
#include "output.h"
#include "runner.h"
#include "silence.h"
#include "walk.h"
#include "watch-text.h"

struct watch {
	const struct settings *settings;
	struct client *client;
	struct kv_mqtt *kv;
	struct kv_watch *core;
	struct silence *silence;
	struct key asked;      /* of what was asked last: `key`, or where in the ring */
	uint64_t begun, until; /* when that was which has no answer yet, and how long it has; until 0: nothing */
	struct key key;        /* its name is ours */
	const char *prefix;    /* NULL: one key */
	char *prefix_text;
	struct runner *runner; /* NULL: changes are printed */
	bool wake, established, over, silent;
	bool stopped; /* the runner, by a signal */
	bool heard;   /* the broker tells us what happens */
	bool away;    /* that it does not has been said */
	bool got;     /* the present value has come, or will not */
	size_t count;
	uint64_t last; /* when something happened */
	int output_errno;
	enum exit_code code;
};

/* ---- telling ---- */

/* What a command has on its standard input. */
static void watch_input_value(void *arg, FILE *out, const struct page_entry *e)
{
	(void)arg;
	if (e && e->value)
		fwrite(e->value, 1, e->value_len, out);
}

static void watch_input_json(void *arg, FILE *out, const struct page_entry *e)
{
	const struct watch *w = arg;

	if (e)
		watch_text_json(out, e);
	else
		watch_text_json_gap(out, w->prefix != NULL);
}

/* Each is to be seen when it happens. */
static void watch_flush(struct watch *w)
{
	if (output_flush())
		return;
	w->output_errno = errno;
	w->over = w->wake = true;
}

/* Commands alone make that a matter of ours: else it ends us. */
static bool watch_is_interrupted(const struct watch *w)
{
	return w->runner && interrupt_name();
}

static void watch_event(struct watch *w, const struct page_entry *e)
{
	const struct settings *settings = w->settings;

	if (w->over || watch_is_interrupted(w) || (w->runner && !runner_add(w->runner, e)))
		return;
	w->last = client_now();
	if (settings->count && ++w->count == settings->count)
		w->over = w->wake = true;
	if (w->runner) {
		(void)runner_step(w->runner);
		return;
	}
	if (settings->json)
		watch_text_json(stdout, e);
	else
		watch_text_line(stdout, e);
	watch_flush(w);
}

static void watch_gap(struct watch *w)
{
	if (w->over)
		return;
	if (w->runner)
		(void)runner_add(w->runner, NULL);
	else if (w->settings->json)
		watch_text_json_gap(stdout, w->prefix != NULL);
	else
		watch_text_gap(stdout, w->prefix != NULL);
	watch_flush(w);
}

/* ---- what comes ---- */

static void watch_message_cb(void *arg, const struct mqtt_message *message)
{
	struct watch *w = arg;
	const struct page_entry *changes;
	size_t count;

	(void)kv_watch_message(w->core, message->topic, message->payload, message->len, &changes, &count);
	for (size_t i = 0; i < count; i++)
		watch_event(w, &changes[i]);
	w->wake = true;
}

static void watch_heard_cb(void *arg, bool heard)
{
	struct watch *w = arg;

	w->heard = heard;
	if (heard)
		kv_watch_granted(w->core, client_now());
	else
		kv_watch_lost(w->core);
	w->wake = true;
}

static void watch_answer_cb(void *arg, const struct kv_mqtt_result *result)
{
	struct watch *w = arg;
	const char *wrong = kv_watch_answer(w->core, client_now(), result->answer, result->owner, result->arc);

	/* Once, and not for each time that it is asked again. */
	if (wrong && w->established && !w->silent)
		output_error("whose it is does not answer as it should: %s; asking on", wrong);
	w->silent = wrong != NULL;
	w->wake = true;
}

/* ---- the loop ---- */

/* A command runs, or waits to: something happens. */
static bool watch_is_busy(const struct watch *w)
{
	return w->runner && !runner_is_idle(w->runner);
}

static void watch_ask(struct watch *w)
{
	struct operation op;

	if (!kv_watch_ask(w->core, client_now(), &op))
		return;
	w->asked = op.key;
	(void)kv_mqtt_begin(w->kv, &op, w->settings->timeout, watch_answer_cb, w);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t watch_deadline(const struct watch *w)
{
	uint64_t deadline = sooner(kv_watch_deadline(w->core), client_now() + 60000);

	if (w->until > 0)
		deadline = sooner(deadline, silence_watch(w->silence, &w->asked, w->begun, w->until));
	if (!w->established)
		deadline = sooner(deadline, w->until);
	else if (w->settings->idle && !watch_is_busy(w))
		deadline = sooner(deadline, w->last + w->settings->idle);
	return deadline;
}

/* A watch that is silent because nothing happens, and one that hears nothing, are not to look alike. */
static void watch_tell_connection(struct watch *w)
{
	const char *lost = client_lost(w->client);

	if (lost && !w->away) {
		output_error("lost the connection to broker %s: %s; trying again", w->settings->broker_shown, lost);
		w->away = true;
	} else if (!lost && w->heard && w->away) {
		output_error("back at broker %s", w->settings->broker_shown);
		w->away = false;
	}
}

/* After a signal, which ends the command that runs as well, that one alone is waited for. */
static void watch_step_commands(struct watch *w)
{
	if (watch_is_interrupted(w) && !w->stopped) {
		runner_stop(w->runner, interrupt_sent());
		w->stopped = true;
	}
	if (runner_step(w->runner))
		w->last = client_now();
}

/* Until something comes, or is due. */
static void watch_step(struct watch *w)
{
	watch_ask(w);
	(void)client_wait(w->client, &w->wake, watch_deadline(w));
	w->wake = false;
	if (w->established)
		watch_tell_connection(w);
	if (w->established && kv_watch_gap(w->core))
		watch_gap(w);
	if (w->runner)
		watch_step_commands(w);
}

static enum exit_code watch_explain(const struct watch *w)
{
	const struct settings *settings = w->settings;
	const char *lost = client_lost(w->client);
	char timeout[32], label[KEY_LABEL_MAX], why[SILENCE_TEXT];

	client_timeout_text(settings, timeout);
	if (lost) {
		output_error("lost the connection to broker %s: %s", settings->broker_shown, lost);
		return RC_UNREACHABLE;
	}
	if (!silence_text(w->silence, w->asked.id, why))
		output_error("nobody at broker %s lets us watch within %s (is a ring there? see 'dhtctl ring'; a node "
			     "of the reference tells nothing)",
			     settings->ring_shown, timeout);
	else if (w->prefix)
		output_error("nobody lets us watch from id %u on within %s: %s", w->asked.id, timeout, why);
	else
		output_error("key %s: nobody lets us watch it within %s: %s", key_text_label(&w->key, label), timeout,
			     why);
	return RC_TIMEOUT;
}

static enum exit_code watch_establish(struct watch *w)
{
	w->begun = client_now();
	w->until = client_deadline(w->client);
	while (!kv_watch_whole(w->core) && client_now() < w->until && !watch_is_interrupted(w))
		watch_step(w);
	if (watch_is_interrupted(w))
		return RC_OK;
	if (!kv_watch_whole(w->core))
		return watch_explain(w);
	w->until = 0;
	w->established = true;
	w->last = client_now();
	return RC_OK;
}

static bool watch_initial_use(void *arg, const struct walk_page *page)
{
	struct watch *w = arg;

	watch_ask(w);
	for (size_t i = 0; i < page->count; i++)
		if (!page->entries[i].damaged)
			watch_event(w, &page->entries[i]);
	while (w->runner && !runner_has_room(w->runner) && !watch_is_interrupted(w))
		watch_step(w);
	return !w->over && !watch_is_interrupted(w);
}

static void watch_get_cb(void *arg, const struct kv_mqtt_result *result)
{
	struct watch *w = arg;
	const struct operation_result *r = result->answer;
	struct page_entry e = {.key = w->key};

	w->got = true;
	w->until = 0;
	if (r == NULL) {
		w->code = RC_TIMEOUT;
	} else if (r->status == ANSWER_DONE) {
		e.version = r->version;
		e.value = r->value ? r->value : (const uint8_t *)"";
		e.value_len = r->value_len;
		watch_event(w, &e);
	}
}

static enum exit_code watch_initial_key(struct watch *w)
{
	const struct operation get = {.kind = OPERATION_GET, .key = w->key};
	char timeout[32], label[KEY_LABEL_MAX], why[SILENCE_TEXT];
	bool known;

	w->begun = client_now();
	w->until = w->begun + w->settings->timeout;
	(void)kv_mqtt_begin(w->kv, &get, w->settings->timeout, watch_get_cb, w);
	while (!w->got && !watch_is_interrupted(w))
		watch_step(w);
	if (w->code == RC_OK)
		return RC_OK;
	known = silence_text(w->silence, w->key.id, why);
	output_error("key %s: no answer within %s for the value that is there%s%s", key_text_label(&w->key, label),
		     client_timeout_text(w->settings, timeout), known ? ": " : "", known ? why : "");
	return w->code;
}

/* What an owner told before its page or value is in it: nothing older comes behind something newer. */
static enum exit_code watch_initial(struct watch *w)
{
	if (w->prefix)
		return walk(w->client, w->kv, w->settings, true, w->prefix, watch_initial_use, w);
	return watch_initial_key(w);
}

static enum exit_code watch_idle(const struct settings *settings)
{
	char idle[32];

	if (!settings->quiet)
		output_error("nothing has happened for %s", client_duration_text(settings->idle, idle));
	return RC_TIMEOUT;
}

static enum exit_code watch_run(struct watch *w)
{
	const struct settings *settings = w->settings;
	enum exit_code code = watch_establish(w);

	if (code != RC_OK || watch_is_interrupted(w))
		return code;
	if (!settings->quiet)
		fputs("dhtctl: watching; Ctrl-C ends it\n", stderr);
	if (settings->initial)
		code = watch_initial(w);
	while (code == RC_OK && !w->over && !watch_is_interrupted(w)) {
		watch_step(w);
		if (settings->idle && !w->over && !watch_is_busy(w) && client_now() - w->last >= settings->idle)
			return watch_idle(settings);
	}
	return code;
}

static enum exit_code watch_run_commands(struct watch *w)
{
	enum exit_code code;

	interrupt_catch(w->client, &w->wake);
	runner_attach(w->runner, client_base(w->client), &w->wake);
	code = watch_run(w);
	while (watch_is_busy(w))
		watch_step(w);
	if (code == RC_OK && runner_failed(w->runner) > 0)
		code = RC_PARTLY;
	runner_free(w->runner);
	w->runner = NULL;
	interrupt_release();
	return code;
}

/* ---- what is wanted ---- */

/* Whoever knows shells or topics may mean another thing by it. */
static void watch_tell_star(const struct watch *w, const char *text, size_t len)
{
	char label[KEY_LABEL_MAX], meant[KEY_LABEL_MAX];

	if (w->settings->quiet)
		return;
	if (len > 1 && text[len - 1] == '#')
		output_error("note: a '#' is a part of the name; names that begin with %s are %.*s*'",
			     key_text_quote((const uint8_t *)text, len - 1, label),
			     (int)strlen(key_text_quote((const uint8_t *)text, len - 1, meant)) - 1, meant);
	if (memchr(text, '*', len - 1))
		output_error("note: a '*' stands for whatever follows at the end alone; in %s it is a part of the name",
			     key_text_quote((const uint8_t *)text, len, label));
}

/* A '*' at the end makes a prefix of it, unless --name says that it is a name. */
static enum exit_code watch_target(struct watch *w, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (text == NULL) {
		w->prefix = "";
		return RC_OK;
	}
	if (!w->settings->name && len > 0)
		watch_tell_star(w, text, len);
	if (w->settings->name || len == 0 || text[len - 1] != '*')
		return job_take_key(w->settings, text, &w->key);
	w->prefix_text = xstrdup(text);
	w->prefix_text[len - 1] = '\0';
	w->prefix = w->prefix_text;
	return walk_prefix_valid(w->prefix) ? RC_OK : RC_USAGE;
}

static struct kv_watch *watch_core(const struct watch *w)
{
	struct kv_watch_config config;

	kv_watch_config_init(&config);
	snprintf(config.topic_prefix, sizeof(config.topic_prefix), "%s", w->settings->topic_prefix);
	if (w->prefix) {
		config.prefix = (const uint8_t *)w->prefix;
		config.prefix_len = strlen(w->prefix);
	} else {
		config.key = &w->key;
	}
	return kv_watch_new(&config);
}

static enum exit_code watch_connected(struct watch *w)
{
	enum exit_code code = client_open(w->settings, &w->client);

	if (code == RC_OK)
		code = client_keys(w->client, &w->kv);
	if (code != RC_OK)
		return code;
	w->silence = silence_new(w->client, w->settings, w->prefix == NULL);
	client_listen(w->client, watch_message_cb, w);
	code = client_follow(w->client, kv_watch_filters(w->core), KV_WATCH_FILTERS, watch_heard_cb, w);
	if (code != RC_OK)
		return code;
	return w->runner ? watch_run_commands(w) : watch_run(w);
}

static enum exit_code watch_exec(const struct settings *settings, char **args, size_t count)
{
	struct watch w = {.settings = settings};
	enum exit_code code = watch_target(&w, count > 0 ? args[0] : NULL);

	if (code == RC_OK && settings->run) {
		w.runner = runner_new(settings->run, settings->json ? watch_input_json : watch_input_value, &w);
		code = w.runner ? RC_OK : RC_LOCAL;
	}
	if (code == RC_OK) {
		w.core = watch_core(&w);
		code = watch_connected(&w);
		silence_free(w.silence);
		client_close(w.client);
	}
	runner_free(w.runner);
	if (w.output_errno != 0) {
		output_give_up(w.output_errno);
		code = RC_LOCAL;
	}
	kv_watch_free(w.core);
	key_free(&w.key);
	free(w.prefix_text);
	interrupt_end();
	return code;
}

const struct command command_watch = {
	.name = "watch",
	.arguments = "[KEY|PREFIX*] [-- CMD...]",
	.max = 1,
	.runs = true,
	.options = {"name", "initial", "count", "idle"},
	.others = "subscribe sub monitor observe listen exec-watch",
	.summary = "print what becomes of keys, as it happens, or run a command for it",
	.details =
		"\n" COMMAND_KEY_TEXT "\n"
		"Of one key, of the names that begin with PREFIX, or without an argument of everything. A '*'\n"
		"elsewhere than at the end is a part of the name, and so is any with --name. A line for each event,\n"
		"at once: put<TAB>KEY<TAB>VALUE, del<TAB>KEY (deleted, or at its end), with \\\\ \\t \\n for "
		"backslash,\n"
		"tab and newline; --json gives {\"event\",\"key\",\"value\",\"version\",\"life\"}. Of changes that "
		"follow\n"
		"within a moment the last may be told alone. Nodes may join and leave; a line 'gap' says that\n"
		"something may have been missed (a node has died, the broker was away): list it again.\n"
		"\n"
		"Standard error says when it has begun, and when the broker is gone and back. It ends by Ctrl-C, "
		"after\n"
		"--count events, or with exit code 5 when nothing has happened for --idle, or nobody answers in\n"
		"--timeout at the beginning.\n"
		"\n"
		"With CMD nothing is printed: it is run for each event, without a shell, and has in its "
		"environment\n"
		"\n"
		"  DHT_EVENT    put, del, or gap (list again)\n"
		"  DHT_KEY      but for gap\n"
		"  DHT_VERSION  but for gap\n"
		"  DHT_VALUE    of put, if it can stand there\n"
		"\n"
		"and the value on its standard input, byte for byte; with --json it is the object there, in which\n"
		"a name of digits is no number. A value longer than 128 KiB, or a value or key with a NUL in it,\n"
		"has no variable. All of it is what others have written: quote it. One runs at a time, in\n"
		"the order of the events; up to 32 MiB of them wait meanwhile, and where there are more a gap is\n"
		"told. A CMD that fails is told on standard error, the next event runs it again, and the exit code\n"
		"is 6 at the end. Ctrl-C ends both; a signal that is sent to dhtctl is handed on, and waited for. A\n"
		"key that begins with '-' stands behind a '--' of its own: watch -- -key -- CMD.\n",
	.exec = watch_exec,
};
