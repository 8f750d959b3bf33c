#include "fences.h"

#include "../common/mem.h"

/* How long a fence may take; the core decides what then. */
#define FENCE_MS 5000

struct fencing {
	struct fencing *next;
	struct fences *fences;
	struct conn conn;
	struct mqtt_fence *fence;
};

struct fences {
	struct event_base *base;
	struct evdns_base *dns;
	const struct mqtt_config *mqtt;
	fences_done_cb done;
	void *arg;
	struct fencing *first;
};

struct fences *fences_new(struct event_base *base, struct evdns_base *dns, const struct mqtt_config *mqtt,
			  fences_done_cb done, void *arg)
{
	struct fences *f = xcalloc(1, sizeof(*f));

	*f = (struct fences){.base = base, .dns = dns, .mqtt = mqtt, .done = done, .arg = arg};
	return f;
}

static void fencing_done_cb(void *arg, bool fenced)
{
	struct fencing *one = arg, **at = &one->fences->first;
	struct fences *f = one->fences;
	struct conn conn = one->conn;

	while (*at != one)
		at = &(*at)->next;
	*at = one->next;
	free(one);
	f->done(f->arg, &conn, fenced);
}

void fences_begin(struct fences *f, const struct conn *conn)
{
	char client_id[CONN_TEXT];
	struct fencing *one;

	for (one = f->first; one; one = one->next)
		if (conn_equal(&one->conn, conn))
			return; /* its answer will do for both */
	one = xcalloc(1, sizeof(*one));
	one->fences = f;
	one->conn = *conn;
	one->next = f->first;
	f->first = one;
	conn_format(conn, client_id);
	one->fence = mqtt_fence(f->base, f->dns, f->mqtt, client_id, FENCE_MS, fencing_done_cb, one);
}

void fences_cancel(struct fences *f)
{
	struct fencing *one;

	while ((one = f->first)) {
		f->first = one->next;
		mqtt_fence_cancel(one->fence);
		free(one);
	}
}

void fences_free(struct fences *f)
{
	fences_cancel(f);
	free(f);
}
