#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client.h"
#include "output.h"

#define BAR_WIDTH 30
#define BAR_NARROW 5 /* a shorter one tells nothing */
#define REDRAW_MS 100
#define LINE_MAX_SIZE 200

static const char bar[] = "##############################";
_Static_assert(sizeof(bar) == BAR_WIDTH + 1, "as long as the bar may be");

/* The last column stays free: some terminals go to the next line as soon as it is written. */
static size_t progress_room(void)
{
	struct winsize screen = {0};

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &screen) != 0 || screen.ws_col == 0)
		screen.ws_col = 80;
	return screen.ws_col - 1U;
}

void progress_line(const char *text)
{
	fprintf(stderr, "\r\033[K%.*s", (int)progress_room(), text);
	output_bar(true);
}

void progress_wipe(void)
{
	fputs("\r\033[K", stderr);
	output_bar(false);
}

void progress_init(struct progress *p, const char *what, bool shown)
{
	*p = (struct progress){.what = what, .shown = shown && output_terminal(STDERR_FILENO), .begun = client_now()};
}

/* What is left is known once a part is done that can be multiplied, and not while what was read is on its way. */
static void progress_left(char *out, size_t size, uint64_t spent, double share)
{
	char left[32];

	out[0] = '\0';
	if (share < 0.01 || share >= 1)
		return;
	output_span(left, sizeof(left), (uint64_t)((double)spent / share * (1 - share)));
	snprintf(out, size, ", %s left", left);
}

void progress_draw(struct progress *p, size_t records, uint64_t done, uint64_t all)
{
	uint64_t now = client_now(), spent = now > p->begun ? now - p->begun : 1;
	double share = all ? (double)done / (double)all : 0;
	char line[LINE_MAX_SIZE], numbers[LINE_MAX_SIZE / 2], left[48] = "";
	size_t room = progress_room(), width, used;

	if (!p->shown || now - p->drawn < REDRAW_MS)
		return;
	p->drawn = now;
	share = share < 1 ? share : 1;
	progress_left(left, sizeof(left), spent, share);
	used = (size_t)snprintf(numbers, sizeof(numbers), "%zu, %.0f/s%s", records,
				(double)records * 1000 / (double)spent, left) +
	       strlen(p->what) + sizeof(" [] 100 % ") - 1;
	if (used > room + 3) /* no part of a word; there is no " []" then, either */
		numbers[strlen(numbers) - strlen(left)] = '\0';
	width = room > used ? room - used : 0;
	width = width < BAR_WIDTH ? width : BAR_WIDTH;
	if (!all)
		snprintf(line, sizeof(line), "%s %s", p->what, numbers);
	else if (width < BAR_NARROW)
		snprintf(line, sizeof(line), "%s %d %% %s", p->what, (int)(share * 100), numbers);
	else
		snprintf(line, sizeof(line), "%s [%-*.*s] %3d %% %s", p->what, (int)width, (int)(share * (double)width),
			 bar, (int)(share * 100), numbers);
	progress_line(line);
}

void progress_end(struct progress *p)
{
	if (p->shown)
		progress_wipe();
	p->shown = false;
}
