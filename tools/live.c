#include "live.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "../common/mem.h"
#include "client.h"
#include "output.h"

#define LIVE_INTERVAL_MS 1000
#define LIVE_AGAIN_MS 200 /* longer than a change of an arc's owner */
#define LIVE_LOOK_MS 600  /* what a census with problems takes */

struct live {
	const struct settings *settings;
	live_show *show;
	bool terminal, copies;
	struct client *client;      /* NULL: no connection */
	char trouble[LIVE_TROUBLE]; /* "": none */
	char *shown;                /* the digest of what was shown last */
	int output_errno;
};

/* Answers from before and from after a node's joining do not fit together, though nothing is wrong. */
static enum exit_code live_look_again(struct client *client, const struct settings *settings, struct census *census)
{
	struct census again = {0};
	const bool never = false;
	enum exit_code code;

	if (client_now() + LIVE_AGAIN_MS + LIVE_LOOK_MS > client_deadline(client))
		return RC_OK;
	code = client_wait(client, &never, client_now() + LIVE_AGAIN_MS);
	if (code == RC_TIMEOUT)
		code = census_take(client, settings, &again);
	if (code == RC_OK) {
		census_free(census);
		*census = again;
		return RC_OK;
	}
	census_free(&again);
	return code == RC_TIMEOUT ? RC_OK : code;
}

enum exit_code live_look(struct client *client, const struct settings *settings, struct census *census)
{
	enum exit_code code = census_take(client, settings, census);
	char timeout[32];

	if (code == RC_OK && census->broken > 0)
		code = live_look_again(client, settings, census);
	if (code == RC_TIMEOUT)
		output_error("no ring answers at broker %s within %s (" CLIENT_START_NODE
			     "; is --topic-prefix right, and may this user write to 'ring'? with 'broker-config' "
			     "operators may)",
			     settings->ring_shown, client_timeout_text(settings, timeout));
	return code;
}

enum exit_code live_look_once(const struct settings *settings, struct census *census, char trouble[LIVE_TROUBLE])
{
	struct client *client = NULL;
	enum exit_code code;

	trouble[0] = '\0';
	output_catch(trouble, LIVE_TROUBLE);
	code = client_open(settings, &client);
	if (code == RC_OK) {
		code = live_look(client, settings, census);
		if (code == RC_TIMEOUT)
			code = RC_NO;
	}
	client_close(client);
	output_catch(NULL, 0);
	return code;
}

/* ---- what has changed ---- */

/* All but what changes by the passing of time. */
static char *live_digest(const struct census *census, const char *trouble, bool copies)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = xcheck(open_memstream(&text, &size));

	fprintf(out, "%s\n", trouble ? trouble : "");
	for (size_t i = 0; i < census->count; i++) {
		const struct census_node *node = &census->nodes[i];

		fprintf(out, "%u %s %d %d %u %u %llu\n", node->who.id, node->name, (int)node->state, node->has_arc,
			node->arc.lo, node->arc.hi, (unsigned long long)node->records);
		if (copies)
			fprintf(out, "%llu %u %u %llu %d\n", (unsigned long long)node->epoch, node->copies,
				node->wanted, (unsigned long long)node->behind, node->full);
	}
	for (size_t i = 0; i < census->silent_count; i++)
		fprintf(out, "%u\n", census->silent[i]);
	for (size_t i = 0; i < census->problem_count; i++)
		fprintf(out, "%s\n", census->problems[i].text);
	(void)fclose(out);
	return xcheck(text);
}

/* ---- showing ---- */

/* From the top, each line over the one that was there, none longer than the screen is wide, no more than it has. */
static void live_draw(char *text)
{
	struct winsize screen = {0};
	unsigned row = 1;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &screen) != 0 || screen.ws_row == 0)
		screen.ws_row = 24;
	fputs("\033[H\033[?7l", stdout);
	for (char *line = strsep(&text, "\n"); text != NULL && row < screen.ws_row; line = strsep(&text, "\n"), row++)
		printf("%s\033[K\r\n", line);
	fputs("\033[J\033[?7h", stdout);
}

static void live_print(struct live *live, const struct census *census, const char *trouble)
{
	char *text = NULL, now[32];
	time_t at = time(NULL);
	struct tm utc;
	size_t size = 0;
	FILE *out = xcheck(open_memstream(&text, &size));

	strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &utc));
	if (!live->settings->json)
		fprintf(out, "%s%s%s\n", output_color(COLOR_DIM), now, output_color(COLOR_NONE));
	live->show(out, live->settings, census, trouble);
	(void)fclose(out);
	(void)xcheck(text);
	if (live->terminal)
		live_draw(text);
	else
		printf("%s%s", text, live->settings->json ? "" : "\n");
	free(text);
	if (!output_flush())
		live->output_errno = errno;
}

static void live_tell(struct live *live, const struct census *census)
{
	const char *trouble = live->trouble[0] ? live->trouble : NULL;
	char *digest = live_digest(census, trouble, live->copies);

	if (live->terminal || live->shown == NULL || strcmp(digest, live->shown) != 0)
		live_print(live, census, trouble);
	free(live->shown);
	live->shown = digest;
}

/* ---- looking ---- */

/* A connection that is lost is made anew the next time. */
static void live_take(struct live *live, struct census *census)
{
	enum exit_code code = RC_OK;

	live->trouble[0] = '\0';
	output_catch(live->trouble, sizeof(live->trouble));
	if (live->client == NULL)
		code = client_open(live->settings, &live->client);
	else
		client_renew(live->client);
	if (code == RC_OK)
		code = live_look(live->client, live->settings, census);
	output_catch(NULL, 0);
	if (code == RC_OK)
		return;
	census_free(census);
	if (code != RC_TIMEOUT) {
		client_close(live->client);
		live->client = NULL;
	}
}

/* `| head -1` has what it wanted, however long nothing changes. */
static bool live_is_unread(void)
{
	struct pollfd reader = {.fd = STDOUT_FILENO};

	return poll(&reader, 1, 0) == 1 && reader.revents & (POLLERR | POLLHUP);
}

static void live_pause(uint64_t until)
{
	uint64_t now = client_now(), left = until > now ? until - now : 0;
	struct timespec rest = {.tv_sec = (time_t)(left / 1000), .tv_nsec = (long)(left % 1000) * 1000000};

	(void)nanosleep(&rest, NULL);
}

enum exit_code live_run(const struct settings *settings, live_show *show, bool copies)
{
	struct live live = {.settings = settings,
			    .show = show,
			    .copies = copies,
			    .terminal = output_terminal(STDOUT_FILENO) && !settings->json};
	const bool never = false;

	if (live.terminal)
		fputs("\033[2J", stdout);
	while (live.output_errno == 0) {
		struct census census = {0};
		uint64_t next = client_now() + LIVE_INTERVAL_MS;

		live_take(&live, &census);
		live_tell(&live, &census);
		census_free(&census);
		if (live.output_errno != 0)
			break;
		/* the connection has to be kept alive meanwhile */
		if (live.client != NULL && client_wait_quietly(live.client, &never, next) == RC_UNREACHABLE) {
			client_close(live.client);
			live.client = NULL;
		}
		live_pause(next);
		if (live_is_unread())
			live.output_errno = EPIPE;
	}
	client_close(live.client);
	output_give_up(live.output_errno);
	free(live.shown);
	return RC_LOCAL;
}
