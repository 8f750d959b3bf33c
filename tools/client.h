/* A tool's connection to the broker, used one step after the other.
 *
 * client_open connects or says why not; client_wait runs the loop until the caller's message callback has set a flag, a
 * time has come, or the connection is lost.  So a command reads from top to bottom.  A tool does not reconnect: it has
 * asked something and tells what came of it.  But operations on keys can be asked again without harm (client_keys).
 * Every failure but a time-out is printed here. */
#ifndef DHT_CLIENT_H
#define DHT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/frame.h"
#include "../common/kv-mqtt.h"
#include "../common/mqtt.h"
#include "../common/topic.h"
#include "command.h"

struct client;

/* Connects: RC_OK and *out, or RC_UNREACHABLE or RC_REFUSED after an error line.
 * The time-out of the settings runs from here. */
enum exit_code client_open(const struct settings *settings, struct client **out);

/* One more connection on the loop of `first`, which is to be closed after it; client_wait on either runs both. */
enum exit_code client_open_beside(struct client *first, struct client **out);

/* Disconnects in good order.  NULL is fine. */
void client_close(struct client *client);

/* Who gets the messages, retained ones left out; the callback runs inside client_wait and client_subscribe. */
void client_listen(struct client *client, void (*message)(void *arg, const struct mqtt_message *message), void *arg);

/* Subscribes and waits for the broker's consent; topics as topic_format makes them. */
enum exit_code client_subscribe(struct client *client, enum topic_kind kind, uint32_t id);

enum exit_code client_publish(struct client *client, enum topic_kind kind, uint32_t id, const void *payload,
			      size_t len);
/* The same with a frame; its reply topic is filled in. */
enum exit_code client_send(struct client *client, enum topic_kind kind, uint32_t id, struct frame *frame);

/* The same beside what else is under way: waits for nothing and prints nothing.  What comes on our reply topic goes to
 * `heard` from then on, whatever client_listen says, inside client_wait; client_end_aside ends that. */
void client_ask_aside(struct client *client, enum topic_kind kind, struct frame *frame,
		      void (*heard)(void *arg, const struct mqtt_message *message), void *arg);
void client_end_aside(struct client *client);

/* Until *done: RC_OK; until `until`, in client_now's time: RC_TIMEOUT, nothing printed; else the connection is lost. */
enum exit_code client_wait(struct client *client, const bool *done, uint64_t until);

/* The same, and nothing is printed when the connection is lost. */
enum exit_code client_wait_quietly(struct client *client, const bool *done, uint64_t until);

/* The time-out of the settings runs from here anew. */
void client_renew(struct client *client);

/* The way to the keys over this connection, once the broker lets us read the answers.  From here on a connection that
 * is lost is made anew, client_wait goes on meanwhile, and client_lost says why there is none; NULL: there is one. */
enum exit_code client_keys(struct client *client, struct kv_mqtt **out);
const char *client_lost(const struct client *client);
/* What is to be said of a silence besides: "; nor did ...", or "" if our own words have come back.  Returns out.  For
 * both client may be NULL: there is nothing to be said. */
#define CLIENT_DEAF_MAX 400
const char *client_deaf(const struct client *client, char out[CLIENT_DEAF_MAX]);

/* Is told when all that arrived together has been handed on: a good moment to begin something. */
void client_turns(struct client *client, void (*turn)(void *arg), void *arg);

struct mqtt_traffic client_traffic(const struct client *client);

/* What is heard from now on and on each connection anew, by client_listen's callback; they are borrowed.  Waits for the
 * broker's consent; told, then and with each later connection: true; false: it is lost. */
enum exit_code client_follow(struct client *client, const char *const *filters, size_t count,
			     void (*told)(void *arg, bool heard), void *arg);

/* Sets the flag when the descriptor can be read; at most one at a time. */
void client_readable(struct client *client, int fd, bool *flag);

struct event_base *client_base(const struct client *client);

uint64_t client_now(void); /* ms, monotonic */
uint64_t client_deadline(const struct client *client);

/* What to do where no ring answers. */
#define CLIENT_START_NODE "start a node: 'dht-node --broker URL', or 'systemctl start dht-node@NAME'"

/* "5s" of 5000, and of the settings' time-out, for error lines.  Both return out. */
const char *client_duration_text(uint32_t ms, char out[32]);
const char *client_timeout_text(const struct settings *settings, char out[32]);

/* Why a connection has not come to be: prints it, and returns the exit code.  detail: the transport's words. */
enum exit_code client_explain_connect(const struct settings *settings, enum mqtt_failure failure, const char *detail);

/* len random letters and digits and a NUL. */
void client_random_text(char *out, size_t len);
void client_random(void *out, size_t len);

#endif
