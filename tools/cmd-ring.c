#include <stdio.h>

#include "client.h"
#include "live.h"
#include "output.h"
#include "ring-view.h"

static void ring_show(FILE *out, const struct settings *settings, const struct census *census, const char *trouble)
{
	if (settings->json && trouble == NULL) {
		ring_view_json(out, census);
	} else if (settings->json) {
		fputs("{\"nodes\":[],\"silent\":[],\"doubts\":[],\"problems\":", out);
		ring_view_json_problems(out, census, trouble, false);
		fputs("}\n", out);
	} else if (trouble == NULL) {
		ring_view_print(out, settings, census);
	} else {
		ring_view_problem(out, trouble);
	}
}

static enum exit_code ring_exec(const struct settings *settings, char **args, size_t count)
{
	struct census census = {0};
	struct client *client = NULL;
	enum exit_code code;

	(void)args;
	(void)count;
	if (settings->watch)
		return live_run(settings, ring_show, true);
	code = client_open(settings, &client);
	if (code == RC_OK)
		code = live_look(client, settings, &census);
	client_close(client);
	if (code == RC_OK)
		ring_show(stdout, settings, &census, NULL);
	census_free(&census);
	return code;
}

const struct command command_ring = {
	.name = "ring",
	.arguments = "",
	.options = {"watch", "utc"},
	.others = "nodes members cluster",
	.summary = "show the nodes and what each owns",
	.details =
		"\n"
		"Problems come first, then which arcs have fewer copies than they are to have, and whether there are "
		"too\n"
		"few nodes for them; then a drawing (each letter is a node's arc, clockwise from 0; '.' is served by\n"
		"nobody), then the nodes in ring order; a narrow terminal gets fewer columns. Copies are nodes that "
		"have\n"
		"the arc, and how many should; the epoch is the number of the arc's view, as in logs; records to go "
		"are\n"
		"those that the next of the copies still lacks. --quiet leaves out the drawing and what is said of "
		"copies.\n"
		"--json prints\n"
		"{\"nodes\":[{\"id\",\"name\",\"state\",\"predecessor\",\"successor\",\"records\",\"arc\":[FROM,TO],"
		"\"epoch\","
		"\"copies\",\"wanted\",\"behind\",\"full\",\"bytes\",\"limit\",\"share\",\"since\",\"software\"}],"
		"\"silent\":[IDS],"
		"\"doubts\":[{\"arc\",\"node\",\"waits_for\",\"copy\",\"operator\"}],\"problems\":[TEXTS]};\n"
		"an arc is what lies behind FROM up to TO, its epoch the number of its view; bytes are what a node "
		"holds,\n"
		"limit what its max-memory lets it hold (0: no limit), and a node that is full refuses what is "
		"written.\n"
		"\n" LIVE_TEXT,
	.exec = ring_exec,
};
