#include "ring-view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "../common/ring.h"
#include "output.h"

/* The circle: character cells are about twice as high as wide. */
#define CIRCLE_ROWS 13
#define CIRCLE_COLUMNS 35
#define CIRCLE_STEPS 360

static const char ring_letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

static char ring_letter(size_t index)
{
	return ring_letters[index % (sizeof(ring_letters) - 1)];
}

/* The letter of whoever serves the id; '.' nobody, '!' several. */
static char ring_owner_letter(const struct census *census, uint32_t id)
{
	char letter = '.';

	for (size_t i = 0; i < census->count; i++) {
		if (census_serves(&census->nodes[i]) && ring_contains(census->nodes[i].arc, id))
			letter = letter == '.' ? ring_letter(i) : '!';
	}
	return letter;
}

static void ring_draw_middle(char rows[CIRCLE_ROWS][CIRCLE_COLUMNS + 1], int row, const char *text)
{
	size_t len = strlen(text);

	memcpy(&rows[row][(CIRCLE_COLUMNS - len) / 2], text, len);
}

/* Clockwise from 0 at the top. */
static void ring_draw(FILE *out, const struct census *census)
{
	char rows[CIRCLE_ROWS][CIRCLE_COLUMNS + 1], text[CIRCLE_COLUMNS - 8];
	unsigned long long records = 0;

	for (int row = 0; row < CIRCLE_ROWS; row++) {
		memset(rows[row], ' ', CIRCLE_COLUMNS);
		rows[row][CIRCLE_COLUMNS] = '\0';
	}
	for (int step = 0; step < CIRCLE_STEPS; step++) {
		uint32_t id = (uint32_t)(((uint64_t)step << 32) / CIRCLE_STEPS);
		double angle = 2 * M_PI * step / CIRCLE_STEPS;
		long row = lround((CIRCLE_ROWS - 1) / 2.0 * (1 - cos(angle)));
		long column = lround((CIRCLE_COLUMNS - 1) / 2.0 * (1 + sin(angle)));

		rows[row][column] = ring_owner_letter(census, id);
	}
	for (size_t i = 0; i < census->count; i++)
		records += census->nodes[i].records;
	ring_draw_middle(rows, 1, "0");
	snprintf(text, sizeof(text), "%zu node%s", census->count, census->count == 1 ? "" : "s");
	ring_draw_middle(rows, CIRCLE_ROWS / 2 - 1, text);
	snprintf(text, sizeof(text), "%llu record%s", records, records == 1 ? "" : "s");
	ring_draw_middle(rows, CIRCLE_ROWS / 2, text);
	for (int row = 0; row < CIRCLE_ROWS; row++) {
		for (int end = CIRCLE_COLUMNS; end > 0 && rows[row][end - 1] == ' '; end--)
			rows[row][end - 1] = '\0';
		fprintf(out, "   %s\n", rows[row]);
	}
	fputc('\n', out);
}

static double ring_share(const struct census_node *node)
{
	return node->has_arc ? (double)ring_size(node->arc) / 4294967296.0 : 0;
}

static const char *ring_state_color(enum node_state state)
{
	if (state == NODE_SUSPECT)
		return output_color(COLOR_BAD);
	return output_color(state == NODE_ACTIVE ? COLOR_GOOD : COLOR_WARN);
}

/* What a table shows besides node, state, share and records. */
struct ring_columns {
	int name; /* how wide */
	bool copies, id, arc, epoch, since, behind;
	bool utc; /* since: not how long ago */
};

/* A line that is wider than the terminal would be two. */
static struct ring_columns ring_choose_columns(const struct census *census, bool utc)
{
	struct ring_columns columns = {.name = 4, .copies = true, .id = true, .arc = true, .since = true, .utc = utc};
	const int since = utc ? 20 : 7; /* wide, at most */
	bool epochs = false;
	struct winsize screen = {0};
	int over;

	for (size_t i = 0; i < census->count; i++) {
		if ((int)strlen(census->nodes[i].name) > columns.name)
			columns.name = (int)strlen(census->nodes[i].name);
		columns.behind |= census->nodes[i].behind > 0;
		epochs |= census->nodes[i].epoch > 0;
	}
	columns.epoch = epochs;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &screen) != 0 || screen.ws_col == 0)
		return columns;
	over = 78 + since + columns.name + (columns.behind ? 38 : 0) + (epochs ? 13 : 0) - screen.ws_col;
	if (over > 0 && epochs) {
		columns.epoch = false;
		over -= 13;
	}
	if (over > 0 && columns.behind) {
		columns.behind = false;
		over -= 38;
	}
	if (over > 0) {
		columns.since = false;
		over -= since + 2;
	}
	if (over > 0) {
		columns.arc = false;
		over -= 22;
	}
	if (over > 0) {
		columns.id = false;
		over -= 12;
	}
	columns.copies = over <= 0;
	return columns;
}

#define MOMENT_MAX 32

/* When the node came to its state. */
static void ring_moment(char out[MOMENT_MAX], const struct census_node *node)
{
	struct timespec now;
	struct tm utc;
	time_t since;

	clock_gettime(CLOCK_REALTIME, &now); /* by whole seconds it would be another one each time */
	since = (time_t)(((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 - node->since) / 1000);
	strftime(out, MOMENT_MAX, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&since, &utc));
}

static void ring_print_node(FILE *out, const struct census_node *node, char letter, const struct ring_columns *columns)
{
	char arc[32] = "-", share[16] = "-", copies[32] = "-", since[MOMENT_MAX];

	if (node->has_arc) {
		snprintf(arc, sizeof(arc), "(%08x, %08x]", node->arc.lo, node->arc.hi);
		snprintf(share, sizeof(share), "%.1f%%", 100 * ring_share(node));
	}
	if (node->copies && node->copies < node->wanted)
		snprintf(copies, sizeof(copies), "%u of %u", node->copies, node->wanted);
	else if (node->copies)
		snprintf(copies, sizeof(copies), "%u", node->copies);
	if (columns->utc)
		ring_moment(since, node);
	else
		output_span(since, sizeof(since), node->since);
	fprintf(out, "%c  ", letter);
	output_line(out, node->name);
	for (int pad = (int)strlen(node->name); pad < columns->name; pad++)
		fputc(' ', out);
	if (columns->id)
		fprintf(out, "  %10u", node->who.id);
	fprintf(out, "  %s%-10s%s", ring_state_color(node->state), node_state_name(node->state),
		output_color(COLOR_NONE));
	if (columns->arc)
		fprintf(out, "  %-20s", arc);
	fprintf(out, "  %6s  %9llu", share, (unsigned long long)node->records);
	if (columns->copies)
		fprintf(out, "  %s%6s%s", node->copies < node->wanted ? output_color(COLOR_WARN) : "", copies,
			node->copies < node->wanted ? output_color(COLOR_NONE) : "");
	if (columns->epoch && node->epoch)
		fprintf(out, "  %11llx", (unsigned long long)node->epoch); /* as logs have it */
	else if (columns->epoch)
		fprintf(out, "  %11s", "-");
	if (columns->since)
		fprintf(out, "  %s", since);
	if (columns->behind && node->behind)
		fprintf(out, "  (%llu records to go)", (unsigned long long)node->behind);
	fputc('\n', out);
}

static void ring_print_table(FILE *out, const struct census *census, bool utc)
{
	const struct ring_columns columns = ring_choose_columns(census, utc);
	size_t silent = 0;

	fprintf(out, "   %-*s", columns.name, "node");
	if (columns.id)
		fprintf(out, "  %10s", "id");
	fprintf(out, "  %-10s", "state");
	if (columns.arc)
		fprintf(out, "  %-20s", "arc");
	fprintf(out, "  %6s  %9s%s%s%s\n", "share", "records", columns.copies ? "  copies" : "",
		columns.epoch ? "        epoch" : "", columns.since ? "  since" : "");
	for (size_t i = 0; i <= census->count; i++) {
		for (; silent < census->silent_count &&
		       (i == census->count || census->silent[silent] < census->nodes[i].who.id);
		     silent++)
			fprintf(out, "   %-*s  %10u  (no answer)\n", columns.name, "?", census->silent[silent]);
		if (i < census->count)
			ring_print_node(out, &census->nodes[i], census_serves(&census->nodes[i]) ? ring_letter(i) : '-',
					&columns);
	}
}

static void ring_note(FILE *out, const char *text)
{
	fprintf(out, "%snote:%s ", output_color(COLOR_WARN), output_color(COLOR_NONE));
	output_line(out, text);
	fputc('\n', out);
}

bool ring_view_next_note(const struct census *census, size_t *at, char text[RING_VIEW_NOTE])
{
	char arc[CENSUS_ARC_TEXT];

	if (*at == 0 && census_too_few(census) > 0) {
		++*at;
		(void)snprintf(
			text, RING_VIEW_NOTE,
			"%zu node%s, and %u copies are asked for (--replicas): there are as many as nodes -> add nodes",
			census->count, census->count == 1 ? "" : "s", census_too_few(census));
		return true;
	}
	for (*at += *at == 0; *at <= census->count; ++*at) {
		const struct census_node *node = &census->nodes[*at - 1];

		if (!census_lacks_copies(census, node))
			continue;
		(void)snprintf(text, RING_VIEW_NOTE, "%s: %u of %u copies, %llu records to go",
			       census_arc_text(node->arc, arc), node->copies, node->wanted,
			       (unsigned long long)node->behind);
		++*at;
		return true;
	}
	return false;
}

static void ring_notes(FILE *out, const struct census *census)
{
	char text[RING_VIEW_NOTE];
	bool any = false;

	for (size_t at = 0; ring_view_next_note(census, &at, text); any = true)
		ring_note(out, text);
	if (any)
		fputc('\n', out);
}

void ring_view_problem(FILE *out, const char *text)
{
	fprintf(out, "%sproblem:%s ", output_color(COLOR_BAD), output_color(COLOR_NONE));
	output_line(out, text);
	fputc('\n', out);
}

void ring_view_print(FILE *out, const struct settings *settings, const struct census *census)
{
	for (size_t i = 0; i < census->problem_count; i++)
		ring_view_problem(out, census->problems[i].text);
	if (census->problem_count > 0)
		fputc('\n', out);
	if (!settings->quiet) {
		ring_notes(out, census);
		ring_draw(out, census);
	}
	ring_print_table(out, census, settings->utc);
}

/* Programs ----------------------------------------------------------------------------------------------------- */

static void ring_json_node(FILE *out, const struct census_node *node)
{
	char text[MOMENT_MAX];

	ring_moment(text, node);
	fprintf(out, "{\"id\":%u,", node->who.id);
	output_json_bytes(out, "name", (const uint8_t *)node->name, strlen(node->name));
	fprintf(out, ",\"state\":\"%s\"", node_state_name(node->state));
	if (node->has_arc)
		fprintf(out, ",\"predecessor\":%u,\"successor\":%u", node->predecessor, node->successor);
	else
		fprintf(out, ",\"predecessor\":null,\"successor\":null");
	fprintf(out, ",\"records\":%llu", (unsigned long long)node->records);
	if (node->has_arc)
		fprintf(out, ",\"arc\":[%u,%u]", node->arc.lo, node->arc.hi);
	else
		fprintf(out, ",\"arc\":null");
	if (node->copies)
		fprintf(out, ",\"epoch\":%llu,\"copies\":%u,\"wanted\":%u,\"behind\":%llu",
			(unsigned long long)node->epoch, node->copies, node->wanted, (unsigned long long)node->behind);
	else
		fprintf(out, ",\"epoch\":null,\"copies\":null,\"wanted\":null,\"behind\":null");
	fprintf(out, ",\"full\":%s,\"bytes\":%llu,\"limit\":%llu", node->full ? "true" : "false",
		(unsigned long long)node->bytes, (unsigned long long)node->limit);
	fprintf(out, ",\"share\":%.9f,\"since\":\"%s\",", ring_share(node), text);
	output_json_bytes(out, "software", (const uint8_t *)node->software, strlen(node->software));
	fputc('}', out);
}

static void ring_json_text(FILE *out, const char *text)
{
	if (output_is_utf8((const uint8_t *)text, strlen(text)))
		output_json_string(out, (const uint8_t *)text, strlen(text));
	else
		fprintf(out, "\"a node's name is no UTF-8\"");
}

void ring_view_json_problems(FILE *out, const struct census *census, const char *trouble, bool notes)
{
	const char *comma = trouble ? "," : "";
	char text[RING_VIEW_NOTE];

	fputc('[', out);
	if (trouble != NULL)
		ring_json_text(out, trouble);
	for (size_t i = 0; i < census->problem_count; i++, comma = ",") {
		fputs(comma, out);
		ring_json_text(out, census->problems[i].text);
	}
	for (size_t at = 0; notes && ring_view_next_note(census, &at, text); comma = ",") {
		fputs(comma, out);
		ring_json_text(out, text);
	}
	fputc(']', out);
}

void ring_view_json_doubt(FILE *out, const struct census_node *node, const struct frame_doubt *d)
{
	fprintf(out, "{\"arc\":[%u,%u],\"node\":%u,", d->arc.lo, d->arc.hi, node->who.id);
	if (d->waits_known)
		fprintf(out, "\"waits_for\":%u,", d->waits);
	else
		fprintf(out, "\"waits_for\":null,");
	fprintf(out, "\"copy\":%s,\"operator\":%s}", d->copy ? "true" : "false", node->operated ? "true" : "false");
}

static void ring_json_doubts(FILE *out, const struct census *census)
{
	const char *comma = "";

	for (size_t i = 0; i < census->count; i++) {
		const struct census_node *node = &census->nodes[i];

		for (unsigned j = 0; j < node->doubt_count; j++, comma = ",") {
			fputs(comma, out);
			ring_view_json_doubt(out, node, &node->doubts[j]);
		}
	}
}

void ring_view_json(FILE *out, const struct census *census)
{
	fprintf(out, "{\"nodes\":[");
	for (size_t i = 0; i < census->count; i++) {
		if (i > 0)
			fputc(',', out);
		ring_json_node(out, &census->nodes[i]);
	}
	fprintf(out, "],\"silent\":[");
	for (size_t i = 0; i < census->silent_count; i++)
		fprintf(out, "%s%u", i ? "," : "", census->silent[i]);
	fprintf(out, "],\"doubts\":[");
	ring_json_doubts(out, census);
	fprintf(out, "],\"problems\":");
	ring_view_json_problems(out, census, NULL, false);
	fprintf(out, "}\n");
}
