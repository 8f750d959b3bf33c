#include "walk.h"

#include <stdlib.h>
#include <string.h>

#include "../common/mem.h"
#include "key-text.h"
#include "output.h"
#include "silence.h"

struct walk {
	struct client *client;
	struct kv_mqtt *kv;
	const struct settings *settings;
	struct silence *silence;
	uint64_t asked; /* for that page */
	struct kv_list *list;
	bool there; /* a page, or why there is none */
	struct walk_page page;
	uint8_t *bytes;    /* of that page */
	bool over, silent; /* the last page is there; nobody has answered */
	bool enough;       /* no more is wanted */
	bool in_use;       /* there is no room for one page more than the next */
	bool held;         /* so the one behind that has not been asked for */
	const char *wrong;
};

static void walk_ask(struct walk *w);

/* Asks for the next page at once: it is on its way while this one is used. */
static void walk_answer_cb(void *arg, const struct kv_mqtt_result *result)
{
	struct walk *w = arg;
	struct operation_result copy;

	w->there = true;
	w->silent = result->outcome != KV_DONE;
	if (w->silent || w->enough)
		return;
	copy = *result->answer;
	copy.value = w->bytes = copy.value ? xmemdup(copy.value, copy.value_len) : NULL;
	w->wrong = kv_list_take(w->list, &copy, result->arc, &w->page.entries, &w->page.count);
	w->page.has_owner = result->has_owner;
	w->page.owner = result->owner;
	w->held = w->in_use;
	if (!w->wrong && !w->enough && !w->held)
		walk_ask(w);
}

static void walk_ask(struct walk *w)
{
	struct operation op;

	w->over = !kv_list_ask(w->list, &op);
	w->asked = client_now();
	if (!w->over)
		(void)kv_mqtt_begin(w->kv, &op, w->settings->timeout, walk_answer_cb, w);
}

/* The place where it ended, in words. */
static enum exit_code walk_explain(const struct walk *w)
{
	const char *lost = client_lost(w->client), *shown = w->settings->broker_shown;
	struct operation op;
	char timeout[32], deaf[CLIENT_DEAF_MAX], why[SILENCE_TEXT];

	(void)kv_list_ask(w->list, &op);
	if (w->wrong) {
		output_error("cannot list on from id %u: its owner gave %s", op.key.id, w->wrong);
		return RC_WRONG;
	}
	if (lost) {
		output_error("lost the connection to broker %s: %s; the listing ends ahead of id %u", shown, lost,
			     op.key.id);
		return RC_UNREACHABLE;
	}
	if (silence_text(w->silence, op.key.id, why)) {
		output_error("no answer to the listing from id %u on within %s: %s", op.key.id,
			     client_timeout_text(w->settings, timeout), why);
		return RC_TIMEOUT;
	}
	output_error("no answer to the listing from id %u on at broker %s within %s%s (is a ring there? see 'dhtctl "
		     "ring'; a node of the reference cannot list)",
		     op.key.id, w->settings->ring_shown, client_timeout_text(w->settings, timeout),
		     client_deaf(w->client, deaf));
	return RC_TIMEOUT;
}

static void walk_wait(struct walk *w)
{
	struct operation op;

	while (!w->there) {
		(void)kv_list_ask(w->list, &op);
		(void)client_wait(w->client, &w->there,
				  silence_watch(w->silence, &op.key, w->asked, w->asked + w->settings->timeout));
	}
	w->there = false;
}

/* The next page: false, it has not come.  Who has waited for our output's reader asks once more before that. */
static bool walk_next(struct walk *w)
{
	uint64_t since = client_now();

	walk_wait(w);
	if (w->silent && client_now() - since < w->settings->timeout / 2) {
		walk_ask(w);
		walk_wait(w);
	}
	return !w->silent && !w->wrong;
}

static enum exit_code walk_through(struct walk *w, bool (*use)(void *arg, const struct walk_page *page), void *arg)
{
	walk_ask(w);
	while (!w->over) {
		uint8_t *bytes;
		bool more;

		if (!walk_next(w))
			return walk_explain(w);
		if (w->held)
			walk_ask(w);
		bytes = w->bytes;
		w->bytes = NULL;
		w->held = false;
		w->in_use = true;
		more = use(arg, &w->page);
		w->in_use = false;
		free(bytes);
		if (!more) {
			w->enough = true;
			if (!w->over)
				walk_wait(w); /* what is on its way would find us gone */
			return RC_OK;
		}
	}
	return RC_OK;
}

enum exit_code walk(struct client *client, struct kv_mqtt *kv, const struct settings *settings, bool values,
		    const char *prefix, bool (*use)(void *arg, const struct walk_page *page), void *arg)
{
	struct walk *w = xcalloc(1, sizeof(*w));
	enum exit_code code;

	w->client = client;
	w->kv = kv;
	w->settings = settings;
	w->silence = silence_new(client, settings, false);
	w->list = kv_list_new(values, (const uint8_t *)prefix, prefix ? strlen(prefix) : 0);
	code = walk_through(w, use, arg);
	free(w->bytes);
	kv_list_free(w->list);
	silence_free(w->silence);
	free(w);
	return code;
}

bool walk_prefix_valid(const char *prefix)
{
	size_t len = strlen(prefix);
	char label[KEY_LABEL_MAX];

	if (len <= KEY_NAME_MAX)
		return true;
	output_error("invalid prefix %s: a name has at most %u bytes, and this has %zu",
		     key_text_quote((const uint8_t *)prefix, len, label), KEY_NAME_MAX, len);
	return false;
}

void walk_tell_star(const struct settings *settings, const char *command, const char *prefix)
{
	size_t len = strlen(prefix);
	char asked[KEY_LABEL_MAX], meant[KEY_LABEL_MAX];

	if (settings->quiet || len == 0 || (prefix[len - 1] != '*' && prefix[len - 1] != '#'))
		return;
	key_text_quote((const uint8_t *)prefix, len, asked);
	key_text_quote((const uint8_t *)prefix, len - 1, meant);
	if (len == 1)
		output_error("note: no name begins with %s; all keys are 'dhtctl %s'", asked, command);
	else /* behind the quotation mark */
		output_error("note: no name begins with %s; PREFIX is the beginning itself: 'dhtctl %s %s", asked,
			     command, meant + 1);
}
