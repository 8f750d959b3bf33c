#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#include "client.h"
#include "output.h"

#define BAR_WIDTH 30
#define REDRAW_MS 100

void progress_init(struct progress *p, const char *what, bool shown)
{
	*p = (struct progress){.what = what, .shown = shown && output_terminal(STDERR_FILENO), .begun = client_now()};
}

void progress_draw(struct progress *p, size_t records, uint64_t done, uint64_t all)
{
	uint64_t now = client_now(), spent = now > p->begun ? now - p->begun : 1;
	double share = all ? (double)done / (double)all : 0;
	int filled;
	char left[32];

	if (!p->shown || now - p->drawn < REDRAW_MS)
		return;
	p->drawn = now;
	share = share < 1 ? share : 1;
	filled = (int)(share * BAR_WIDTH);
	fprintf(stderr, "\r\033[K%s ", p->what);
	if (all)
		fprintf(stderr, "[%.*s%*s] %3d %% ", filled, "##############################", BAR_WIDTH - filled, "",
			(int)(share * 100));
	fprintf(stderr, "%zu, %.0f/s", records, (double)records * 1000 / (double)spent);
	if (share > 0) {
		output_span(left, sizeof(left), (uint64_t)((double)spent / share * (1 - share)));
		fprintf(stderr, ", %s left", left);
	}
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}
