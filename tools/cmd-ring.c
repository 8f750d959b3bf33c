#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../common/ring.h"
#include "census.h"
#include "client.h"
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
static void ring_draw(const struct census *census)
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
		printf("   %s\n", rows[row]);
	}
	putchar('\n');
}

static double ring_share(const struct census_node *node)
{
	return node->has_arc ? (double)ring_size(node->arc) / 4294967296.0 : 0;
}

static void ring_print_node(const struct census_node *node, char letter, int name_width)
{
	char arc[32] = "-", share[16] = "-", since[32];

	if (node->has_arc) {
		snprintf(arc, sizeof(arc), "(%08x, %08x]", node->arc.lo, node->arc.hi);
		snprintf(share, sizeof(share), "%.1f%%", 100 * ring_share(node));
	}
	output_span(since, sizeof(since), node->since);
	printf("%c  ", letter);
	output_line(stdout, node->name);
	for (int pad = (int)strlen(node->name); pad < name_width; pad++)
		putchar(' ');
	printf("  %10u  %-10s  %-20s  %6s  %9llu  %s\n", node->who.id, node_state_name(node->state), arc, share,
	       (unsigned long long)node->records, since);
}

static void ring_print_table(const struct census *census)
{
	int width = 4;
	size_t silent = 0;

	for (size_t i = 0; i < census->count; i++) {
		if ((int)strlen(census->nodes[i].name) > width)
			width = (int)strlen(census->nodes[i].name);
	}
	printf("   %-*s  %10s  %-10s  %-20s  %6s  %9s  %s\n", width, "node", "id", "state", "arc", "share", "records",
	       "since");
	for (size_t i = 0; i <= census->count; i++) {
		for (; silent < census->silent_count &&
		       (i == census->count || census->silent[silent] < census->nodes[i].who.id);
		     silent++)
			printf("   %-*s  %10u  (no answer)\n", width, "?", census->silent[silent]);
		if (i < census->count)
			ring_print_node(&census->nodes[i], census_serves(&census->nodes[i]) ? ring_letter(i) : '-',
					width);
	}
}

static void ring_print(const struct settings *settings, const struct census *census)
{
	for (size_t i = 0; i < census->problem_count; i++) {
		printf("problem: ");
		output_line(stdout, census->problems[i].text);
		putchar('\n');
	}
	if (census->problem_count > 0)
		putchar('\n');
	if (!settings->quiet)
		ring_draw(census);
	ring_print_table(census);
}

/* Programs ----------------------------------------------------------------------------------------------------- */

static void ring_json_node(const struct census_node *node, time_t now)
{
	time_t since = now - (time_t)(node->since / 1000);
	char text[32];
	struct tm utc;

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&since, &utc));
	printf("{\"id\":%u,", node->who.id);
	output_json_bytes(stdout, "name", (const uint8_t *)node->name, strlen(node->name));
	printf(",\"state\":\"%s\"", node_state_name(node->state));
	if (node->has_arc)
		printf(",\"predecessor\":%u,\"successor\":%u", node->predecessor, node->successor);
	else
		printf(",\"predecessor\":null,\"successor\":null");
	printf(",\"records\":%llu", (unsigned long long)node->records);
	if (node->has_arc)
		printf(",\"arc\":[%u,%u]", node->arc.lo, node->arc.hi);
	else
		printf(",\"arc\":null");
	printf(",\"share\":%.9f,\"since\":\"%s\",", ring_share(node), text);
	output_json_bytes(stdout, "software", (const uint8_t *)node->software, strlen(node->software));
	putchar('}');
}

static void ring_print_json(const struct census *census)
{
	time_t now = time(NULL);

	printf("{\"nodes\":[");
	for (size_t i = 0; i < census->count; i++) {
		if (i > 0)
			putchar(',');
		ring_json_node(&census->nodes[i], now);
	}
	printf("],\"silent\":[");
	for (size_t i = 0; i < census->silent_count; i++)
		printf("%s%u", i ? "," : "", census->silent[i]);
	printf("],\"problems\":[");
	for (size_t i = 0; i < census->problem_count; i++) {
		const char *text = census->problems[i].text;
		size_t len = strlen(text);

		if (i > 0)
			putchar(',');
		if (output_is_utf8((const uint8_t *)text, len))
			output_json_string(stdout, (const uint8_t *)text, len);
		else
			printf("\"a node's name is no UTF-8\"");
	}
	printf("]}\n");
}

static enum exit_code ring_exec(const struct settings *settings, char **args, size_t count)
{
	struct census census = {0};
	struct client *client = NULL;
	char timeout[32];
	enum exit_code code = client_open(settings, &client);

	(void)args;
	(void)count;
	if (code != RC_OK)
		return code;
	code = census_take(client, settings, &census);
	client_close(client);
	if (code == RC_TIMEOUT)
		output_error("no ring answers at broker %s within %s (start nodes with tools/run-nodes; is "
			     "--topic-prefix right?)",
			     settings->broker_shown, client_timeout_text(settings, timeout));
	else if (code == RC_OK && settings->json)
		ring_print_json(&census);
	else if (code == RC_OK)
		ring_print(settings, &census);
	census_free(&census);
	return code;
}

const struct command command_ring = {
	.name = "ring",
	.arguments = "",
	.summary = "show the nodes and what each owns",
	.details =
		"\n"
		"Problems come first, then a drawing (each letter is a node's arc, clockwise from 0; '.' is served by\n"
		"nobody), then the nodes in ring order. --json prints\n"
		"{\"nodes\":[{\"id\",\"name\",\"state\",\"predecessor\",\"successor\",\"records\",\"arc\":[FROM,TO],"
		"\"share\",\n"
		"\"since\",\"software\"}],\"silent\":[IDS],\"problems\":[TEXTS]}; an arc is what lies behind FROM up "
		"to TO.\n",
	.exec = ring_exec,
};
