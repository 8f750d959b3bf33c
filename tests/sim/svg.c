/* The picture of a run's end, drawn: lanes, arrows from the sender's moment to each hearer's, losses and deaths, and
 * the violation where it happens. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/mem.h"
#include "command.h"
#include "picture.h"

#define CHAR_WIDTH 6 /* of a label, about */
#define RED "#c00000"

static const char *const kind_colours[KIND_COUNT] = {"#b35900", "#1f6fb4", "#8e44ad", "#0a7d5a", "#b03050"};
static const char *const kind_names[KIND_COUNT] = {"operations", "search and founding", "handover", "views",
						   "death and doubt"};

struct drawing {
	struct picture p;
	FILE *out;
	const struct world *w;
	int width;
};

/* ---- text ---- */

static void escape(FILE *out, const char *text, size_t len)
{
	for (; len > 0; text++, len--) {
		if (*text == '<')
			fputs("&lt;", out);
		else if (*text == '&')
			fputs("&amp;", out);
		else
			fputc(*text >= ' ' && *text < 0x7f ? *text : '?', out);
	}
}

static void text(struct drawing *d, int x, int y, const char *style, const char *words)
{
	fprintf(d->out, "<text x='%d' y='%d' %s>", x, y, style);
	escape(d->out, words, strlen(words));
	fputs("</text>\n", d->out);
}

/* Breaks at spaces; returns y of the line after the last. */
static int paragraph(struct drawing *d, int x, int y, int chars, const char *style, const char *words)
{
	size_t left = strlen(words);

	while (left > 0) {
		size_t n = left;

		if (n > (size_t)chars) {
			for (n = (size_t)chars; n > 0 && words[n] != ' '; n--)
				;
			if (n == 0)
				n = (size_t)chars;
		}
		fprintf(d->out, "<text x='%d' y='%d' %s>", x, y, style);
		escape(d->out, words, n);
		fputs("</text>\n", d->out);
		words += n;
		left -= n;
		while (left > 0 && *words == ' ')
			words++, left--;
		y += 17;
	}
	return y;
}

static const char *in_words(const struct world *w)
{
	static const struct {
		const char *verdict, *words;
	} rows[] = {
		{"I1", "One owner: two nodes that both reach the broker serve one key"},
		{"I2", "No hole: nothing has gone wrong for long, and the ring is not whole"},
		{"I3", "Nothing acknowledged is lost: a value is gone though a node that held it lives"},
		{"I4", "Linearizable: an answer holds what nobody put there"},
		{"I5", "Once: an operation is answered that was not asked, or was answered before"},
		{"I6", "Bounded: a node holds more than its settings allow"},
		{"I7", "Live: somebody waits for ever"},
		{"linearizable", "Linearizable: what clients saw is no history of one register"},
		{"gives up", "A node ends by itself, and nothing gives it a reason"},
		{"gentle", "A node is fenced though nothing has gone wrong"},
	};
	size_t len = strcspn(w->failure, ":");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && w->failed; i++) {
		if (strlen(rows[i].verdict) == len && memcmp(rows[i].verdict, w->failure, len) == 0)
			return rows[i].words;
	}
	return w->failed ? "A rule is broken" : "No violation";
}

/* ---- the head ---- */

static int legend_item(struct drawing *d, int x, int y, const char *colour, const char *words)
{
	fprintf(d->out, "<rect x='%d' y='%d' width='14' height='9' fill='%s'/>\n", x, y - 9, colour);
	text(d, x + 19, y, "class='s'", words);
	return x + 19 + (int)strlen(words) * CHAR_WIDTH + 20;
}

static const char *state_colour(enum node_state state)
{
	static const char *const colours[NODE_STATES] = {
		[NODE_GONE] = "#ddd",      [NODE_CONNECTING] = "#f6e7a1", [NODE_JOINING] = "#f2cf3c",
		[NODE_ACTIVE] = "#6fbf73", [NODE_SUSPECT] = "#f08a24",    [NODE_LEAVING] = "#9a86d8",
		[NODE_LEFT] = "#ddd",
	};

	return colours[state];
}

static int head(struct drawing *d)
{
	int y = 34, x = 20, chars = (d->width - 40) / 8;
	char *spec = options_spec(&d->w->options);
	char line[1200];

	text(d, 20, y, d->w->failed ? "class='t' fill='" RED "'" : "class='t'", in_words(d->w));
	y += 24;
	if (d->w->failed)
		y = paragraph(d, 20, y, chars, "class='m'", d->w->failure);
	snprintf(line, sizeof(line), "sim %s --trace", spec);
	free(spec);
	y = paragraph(d, 20, y + 6, chars, "class='c'", line);
	y += 8;
	for (int s = NODE_CONNECTING; s <= NODE_LEAVING; s++)
		x = legend_item(d, x, y, state_colour((enum node_state)s), node_state_name((enum node_state)s));
	snprintf(line, sizeof(line), "serves %s", d->p.key);
	x = legend_item(d, x, y, "#222", line);
	legend_item(d, x, y, "url(#stopped)", "stopped");
	y += 17;
	x = 20;
	for (int k = 0; k < KIND_COUNT; k++)
		x = legend_item(d, x, y, kind_colours[k], kind_names[k]);
	text(d, x, y, "class='s'", "x lost,  o not heard by anybody,  +3 HELLO routine, not drawn");
	return y + 14;
}

static void lane_names(struct drawing *d, int y)
{
	for (unsigned i = 0; i < d->p.lane_count; i++)
		text(d, d->p.lanes[i].x, y, "class='n'", d->p.lanes[i].name);
}

/* ---- lanes ---- */

static void bar(struct drawing *d, int x, int width, int from, int to, const char *fill)
{
	if (to > from)
		fprintf(d->out, "<rect x='%d' y='%d' width='%d' height='%d' fill='%s'/>\n", x - width / 2, from, width,
			to - from, fill);
}

struct bars {
	int state_from, serves_from, stopped_from; /* -1: none */
	enum node_state state;
	bool alive;
};

static void bars_change(struct drawing *d, const struct lane *l, struct bars *b, const struct story_event *e, int y)
{
	bool ends = e->type == STORY_KILLED || e->type == STORY_EXIT, serves = e->value & d->p.serves;

	if (e->type == STORY_STATE || e->type == STORY_START || ends) {
		if (b->alive)
			bar(d, l->x, 10, b->state_from, y, state_colour(b->state));
		b->alive = !ends;
		b->state_from = y;
		b->state = e->type == STORY_STATE ? (enum node_state)e->value : NODE_CONNECTING;
	}
	if ((ends || (e->type == STORY_SERVES && !serves)) && b->serves_from >= 0) {
		bar(d, l->x, 4, b->serves_from, y, "#222");
		b->serves_from = -1;
	} else if (e->type == STORY_SERVES && serves && b->serves_from < 0) {
		b->serves_from = y;
	}
	if ((ends || e->type == STORY_GOES_ON) && b->stopped_from >= 0) {
		bar(d, l->x, 16, b->stopped_from, y, "url(#stopped)");
		b->stopped_from = -1;
	} else if (e->type == STORY_STOPPED) {
		b->stopped_from = y;
	}
}

static void lane_draw(struct drawing *d, uint32_t lane)
{
	const struct lane *l = &d->p.lanes[lane];
	struct bars b = {.serves_from = -1, .stopped_from = -1};
	struct story_event end = {.type = STORY_EXIT};

	fprintf(d->out, "<line x1='%d' y1='%d' x2='%d' y2='%d' stroke='#999' stroke-dasharray='1 4'/>\n", l->x,
		d->p.top, l->x, d->p.bottom);
	if (l->id & LANE_CLIENT) {
		bar(d, l->x, 4, d->p.top, d->p.bottom, "#9fb3c8");
		return;
	}
	for (size_t i = 0; i < d->w->story.event_count; i++) {
		const struct story_event *e = &d->w->story.events[i];

		if (e->lane == l->id && e->type > STORY_UNHEARD)
			bars_change(d, l, &b, e, d->p.y[i]);
	}
	bars_change(d, l, &b, &end, d->p.bottom);
}

/* ---- messages ---- */

static void cross(struct drawing *d, int x, int y, int size, const char *colour)
{
	fprintf(d->out, "<path d='M%d %dl%d %dm0 %dl%d %d' stroke='%s' stroke-width='2.5' fill='none'/>\n", x - size,
		y - size, 2 * size, 2 * size, -2 * size, -2 * size, 2 * size, colour);
}

static void arrow(struct drawing *d, const struct story_message *m, int x1, int y1, int x2, int y2, bool lost)
{
	const char *colour = kind_colours[m->kind];
	int end = x2 > x1 ? x2 - 7 : x2 + 7;

	if (x1 == x2) {
		fprintf(d->out, "<path d='M%d %dc26 0 26 %d 4 %d' stroke='%s' fill='none'/>\n", x1 + 5, y1, y2 - y1,
			y2 - y1, colour);
		fprintf(d->out, "<path d='M%d %dl8 -4v8z' fill='%s'/>\n", x1 + 5, y2, colour);
		return;
	}
	if (lost)
		end = x2 > x1 ? x2 - 26 : x2 + 26;
	fprintf(d->out, "<line x1='%d' y1='%d' x2='%d' y2='%d' stroke='%s' stroke-width='%s'%s/>\n",
		x2 > x1 ? x1 + 5 : x1 - 5, y1, end, y2, colour, m->heard > 1 ? "0.9" : "1.5", lost ? "" : " class='a'");
	if (lost)
		cross(d, end, y2, 4, colour);
	else
		fprintf(d->out, "<path d='M%d %dl%d -4v8z' fill='%s'/>\n", x2 > x1 ? x2 - 5 : x2 + 5, y2,
			x2 > x1 ? -8 : 8, colour);
}

static void message_end(struct drawing *d, size_t index)
{
	const struct story_event *e = &d->w->story.events[index];
	const struct story_message *m = &d->w->story.messages[e->message];
	uint32_t from = picture_lane(&d->p, m->lane), to = picture_lane(&d->p, e->lane);
	int x, y = d->p.sent_y[e->message];

	if (from == NONE || to == NONE)
		return;
	x = d->p.lanes[from].x;
	if (e->type == STORY_UNSENT)
		arrow(d, m, x, y, x + 70, d->p.y[index], true);
	else
		arrow(d, m, x, y, d->p.lanes[to].x, d->p.y[index], e->type == STORY_UNHEARD);
}

static void message_label(struct drawing *d, size_t index)
{
	const struct story_event *e = &d->w->story.events[index];
	const struct story_message *m = &d->w->story.messages[e->message];
	uint32_t lane = picture_lane(&d->p, m->lane);
	int reach = d->p.reach[e->message], y = d->p.y[index] - 3, width = (int)strlen(m->label) * CHAR_WIDTH + 6;
	bool left = lane != NONE && reach >= 0 && reach < (int)lane, red = picture_accuses(d->w, m);
	char style[128];
	int x;

	if (lane == NONE)
		return;
	x = d->p.lanes[lane].x;
	if (reach == REACH_NOBODY)
		fprintf(d->out, "<circle cx='%d' cy='%d' r='3' fill='none' stroke='%s'/>\n", x + 10, y + 3,
			kind_colours[m->kind]);
	x += reach == REACH_NOBODY ? 16 : left ? -10 : 10;
	if (red)
		fprintf(d->out, "<rect x='%d' y='%d' width='%d' height='15' rx='3' fill='#ffe3e3' stroke='" RED "'/>\n",
			left ? x - width + 3 : x - 3, y - 11, width);
	snprintf(style, sizeof(style), "class='l' fill='%s'%s", kind_colours[m->kind],
		 left ? " text-anchor='end'" : "");
	text(d, x, y, style, m->label);
}

/* ---- what happens to a party ---- */

static void fence_draw(struct drawing *d, const struct story_event *e, int y)
{
	uint32_t from = picture_lane(&d->p, e->lane), to = picture_lane(&d->p, (uint32_t)e->value);

	if (to == NONE || from == to)
		return;
	fprintf(d->out, "<line x1='%d' y1='%d' x2='%d' y2='%d' stroke='%s' stroke-width='2' stroke-dasharray='6 3'/>\n",
		d->p.lanes[from].x, y, d->p.lanes[to].x, y + 6, kind_colours[KIND_DEATH]);
	if (e->value & STORY_LIVE)
		cross(d, d->p.lanes[to].x, y + 6, 5, kind_colours[KIND_DEATH]);
}

static void mark_text(const struct drawing *d, const struct story_event *e, char out[80])
{
	static const char *const words[] = {[STORY_START] = "starts",
					    [STORY_KILLED] = "KILLED",
					    [STORY_GOES_ON] = "goes on",
					    [STORY_CUT] = "connection cut",
					    [STORY_CLOSED] = "broker ends its connection",
					    [STORY_FENCED] = "fence: no answer",
					    [STORY_REFUSED] = "subscription refused",
					    [STORY_IGNORED] = "broker does not answer its CONNECT",
					    [STORY_HANGS] = "the broker hangs",
					    [STORY_QUIET] = "no more faults from here on"};
	uint32_t meant = (uint32_t)e->value;

	if (e->type == STORY_STATE)
		snprintf(out, 80, "%s", node_state_name((enum node_state)e->value));
	else if (e->type == STORY_STOPPED)
		snprintf(out, 80, "stopped for %" PRIu64 ".%03u s", e->value / SECOND,
			 (unsigned)(e->value % SECOND / MS));
	else if (e->type == STORY_EXIT)
		snprintf(out, 80, "exits, code %d", (int)e->value);
	else if (e->type == STORY_CLOCK)
		snprintf(out, 80, "clock jumps by %" PRIu64 " ms", e->value);
	else if (e->type == STORY_BROKER)
		snprintf(out, 80, "the broker is %s", e->value ? "up again" : "down");
	else if (e->type == STORY_FENCE)
		snprintf(out, 80, "fences %s%s",
			 meant == NONE || meant & LANE_CLIENT ? "a connection" : d->w->procs[meant]->label,
			 e->value & STORY_LIVE ? "" : ", a connection that is gone");
	else
		snprintf(out, 80, "%s", words[e->type]);
}

static void mark_draw(struct drawing *d, size_t index)
{
	const struct story_event *e = &d->w->story.events[index];
	uint32_t lane = picture_lane(&d->p, e->lane);
	bool bad = e->type == STORY_KILLED || e->type == STORY_CUT || e->type == STORY_CLOSED;
	int y = d->p.y[index], x = lane == NONE ? LANES_LEFT : d->p.lanes[lane].x;
	char words[80];

	if (e->type == STORY_SERVES)
		return;
	if (lane == NONE)
		fprintf(d->out, "<line x1='125' y1='%d' x2='%d' y2='%d' stroke='#555' stroke-dasharray='8 4'/>\n", y,
			d->width - 20, y);
	if (bad)
		cross(d, x, y, e->type == STORY_KILLED ? 8 : 5, RED);
	if (e->type == STORY_FENCE)
		fence_draw(d, e, y);
	mark_text(d, e, words);
	text(d, x + 12, lane == NONE || e->type == STORY_FENCE ? y - 4 : y + 3,
	     bad || e->type == STORY_FENCE ? "class='k' fill='" RED "'" : "class='k'", words);
}

/* ---- the left column, the end ---- */

static void time_draw(struct drawing *d, size_t index)
{
	const struct story_event *e = &d->w->story.events[index];
	char words[32];
	uint64_t place;

	if (e->type == STORY_HEARD || e->type == STORY_UNHEARD || e->type == STORY_UNSENT || e->type == STORY_SERVES)
		return;
	snprintf(words, sizeof(words), "%" PRIu64 ".%03u s", e->at / SECOND, (unsigned)(e->at % SECOND / MS));
	text(d, 78, d->p.y[index] + 3, "class='g' text-anchor='end'", words);
	place = e->type == STORY_SENT ? d->w->story.messages[e->message].place : 0;
	snprintf(words, sizeof(words), "#%" PRIu64, place);
	if (place)
		text(d, 86, d->p.y[index] + 3, "class='g'", words);
}

static void notes_draw(struct drawing *d)
{
	for (size_t i = 0; i < d->p.note_count; i++) {
		const struct note *n = &d->p.notes[i];

		if (n->lane != NONE)
			text(d, d->p.lanes[n->lane].x + 10, n->y + 3, "class='g'", n->text);
		else
			text(d, 20, n->y + 3, "class='g' font-style='italic'", n->text);
	}
}

/* True if the failure names the process as a word. */
static bool named(const struct world *w, const char *label)
{
	size_t len = strlen(label);

	for (const char *p = strstr(w->failure, label); p; p = strstr(p + 1, label)) {
		if ((p == w->failure || p[-1] == ' ') && (p[len] == ' ' || p[len] == ',' || !p[len]))
			return true;
	}
	return false;
}

static void violation(struct drawing *d)
{
	int y = d->p.bottom + 26, chars = (d->width - 70) / 8;

	for (unsigned i = 0; i < d->p.lane_count; i++) {
		const struct lane *l = &d->p.lanes[i];

		if (l->id & LANE_CLIENT || !named(d->w, d->w->procs[l->id]->label))
			continue;
		fprintf(d->out, "<circle cx='%d' cy='%d' r='12' fill='none' stroke='" RED "' stroke-width='3'/>\n",
			l->x, d->p.bottom - 6);
		bar(d, l->x, 3, d->p.bottom + 6, y, RED);
	}
	fprintf(d->out, "<rect x='20' y='%d' width='%d' height='%d' rx='6' fill='#ffe3e3' stroke='" RED "'/>\n", y,
		d->width - 40, 14 + 17 * ((int)strlen(d->w->failure) / chars + 1));
	(void)paragraph(d, 32, y + 20, chars, "class='m' fill='" RED "'", d->w->failure);
}

static void body(struct drawing *d)
{
	lane_names(d, d->p.top - 8);
	for (unsigned i = 0; i < d->p.lane_count; i++)
		lane_draw(d, i);
	for (size_t i = 0; i < d->p.header_count; i++) {
		fprintf(d->out, "<rect x='0' y='%d' width='%d' height='20' fill='#eef1f5'/>\n", d->p.headers[i] - 14,
			d->width);
		lane_names(d, d->p.headers[i]);
	}
	for (size_t i = d->p.from; i < d->w->story.event_count; i++) {
		enum story_type type = d->w->story.events[i].type;

		if (d->p.drawn[i] && type > STORY_SENT && type <= STORY_UNHEARD)
			message_end(d, i);
	}
	for (size_t i = d->p.from; i < d->w->story.event_count; i++) {
		if (!d->p.drawn[i])
			continue;
		time_draw(d, i);
		if (d->w->story.events[i].type == STORY_SENT)
			message_label(d, i);
		else if (d->w->story.events[i].type > STORY_UNHEARD)
			mark_draw(d, i);
	}
	notes_draw(d);
	if (d->w->failed)
		violation(d);
}

static const char style[] =
	"<style>text{font:11px 'DejaVu Sans',Verdana,sans-serif}.t{font-size:19px;font-weight:bold}"
	".m{font-size:13px}.c{font:12px 'DejaVu Sans Mono',monospace}.s{fill:#555}"
	".n{font-weight:bold;text-anchor:middle}.g{font-size:10px;fill:#888}"
	".l,.k,.g,.n{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}.k{font-weight:bold}</"
	"style>\n"
	"<defs><pattern id='stopped' width='6' height='6' patternUnits='userSpaceOnUse' "
	"patternTransform='rotate(45)'><rect width='2' height='6' fill='#555'/></pattern></defs>\n";

/* The head by itself, as its height decides where the lanes begin. */
static char *head_text(struct drawing *d, int *height)
{
	char *text = NULL;
	size_t size;

	d->out = open_memstream(&text, &size);
	if (!d->out)
		mem_die("out of memory");
	*height = head(d);
	fclose(d->out);
	return text;
}

bool svg_write(const struct world *w, const char *path, unsigned messages)
{
	struct drawing d = {.w = w};
	int height;
	char *above;

	picture_lay_out(&d.p, w, messages, 0);
	d.width = LANES_LEFT + (int)d.p.lane_count * LANE_WIDTH + 110;
	if (d.width < 1000)
		d.width = 1000;
	above = head_text(&d, &height);
	picture_free(&d.p);
	picture_lay_out(&d.p, w, messages, height + 40);
	d.out = fopen(path, "w");
	if (d.out) {
		height = d.p.bottom + (w->failed ? 110 : 30);
		fprintf(d.out,
			"<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' viewBox='0 0 %d %d' "
			"fill='#333'>\n"
			"%s<rect width='100%%' height='100%%' fill='#fff'/>\n%s",
			d.width, height, d.width, height, style, above);
		body(&d);
		fputs("</svg>\n", d.out);
	}
	picture_free(&d.p);
	free(above);
	return d.out && fclose(d.out) == 0;
}
