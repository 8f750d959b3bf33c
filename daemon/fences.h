/* The fences under way (common/mqtt.h), at most one for each connection. */
#ifndef DHT_FENCES_H
#define DHT_FENCES_H

#include "../common/mqtt.h"
#include "../common/peer.h"

struct event_base;
struct evdns_base;
struct fences;

/* From the loop: the fence of that connection has ended. */
typedef void (*fences_done_cb)(void *arg, const struct conn *conn, bool fenced);

/* All but done are borrowed. */
struct fences *fences_new(struct event_base *base, struct evdns_base *dns, const struct mqtt_config *mqtt,
			  fences_done_cb done, void *arg);

void fences_begin(struct fences *f, const struct conn *conn);

/* All of them; `done` does not come. */
void fences_cancel(struct fences *f);

void fences_free(struct fences *f);

#endif
