#include "mqtt-fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "../../common/mem.h"

/* ---- one user ---- */

static void identify_cb(void *arg, struct mqtt_identity *identity)
{
	struct user *u = arg;

	u->identified++;
	if (u->not_yet && u->not_yet--)
		return;
	if (!u->fixed_id)
		(void)snprintf(u->client_id, sizeof(u->client_id), "t%dx%zxn%u", (int)getpid(), (size_t)u % 0xffffff,
			       u->identified);
	identity->client_id = u->client_id;
	if (u->will) {
		identity->will_topic = u->will;
		identity->will_payload = "dead";
		identity->will_len = 4;
	}
}

static void connected_cb(void *arg)
{
	struct user *u = arg;

	u->connected++;
	if (u->on_connected)
		u->on_connected(u);
}

static void disconnected_cb(void *arg, enum mqtt_failure why, const char *detail, unsigned retry_ms)
{
	struct user *u = arg;

	u->disconnected++;
	u->why = why;
	u->retry_ms = retry_ms;
	(void)snprintf(u->detail, sizeof(u->detail), "%s", detail);
	if (u->on_disconnected)
		u->on_disconnected(u);
}

static void subscribed_cb(void *arg, const char *filter, bool granted)
{
	struct user *u = arg;

	(void)filter;
	u->granted += granted;
	u->refused += !granted;
	if (u->on_subscribed)
		u->on_subscribed(u);
}

static void message_cb(void *arg, const struct mqtt_message *message)
{
	struct user *u = arg;
	size_t len = message->len < sizeof(u->payload) ? message->len : sizeof(u->payload) - 1;

	assert_non_null(message->payload);
	u->messages++;
	u->bytes += message->len;
	u->retained = message->retained;
	(void)snprintf(u->topic, sizeof(u->topic), "%s", message->topic);
	memcpy(u->payload, message->payload, len);
	u->payload[len] = '\0';
	if (u->on_message)
		u->on_message(u, message);
}

static void drained_cb(void *arg)
{
	((struct user *)arg)->drained++;
}

static void turn_cb(void *arg)
{
	struct user *u = arg;

	u->turns++;
	if (u->on_turn)
		u->on_turn(u);
}

static void stopped_cb(void *arg)
{
	((struct user *)arg)->stopped++;
}

void user_start(struct user *u, struct event_base *base, struct evdns_base *dns, const struct mqtt_config *config)
{
	static const struct mqtt_callbacks callbacks = {
		.identify = identify_cb,
		.connected = connected_cb,
		.disconnected = disconnected_cb,
		.subscribed = subscribed_cb,
		.message = message_cb,
		.drained = drained_cb,
		.turn = turn_cb,
		.stopped = stopped_cb,
	};

	u->base = base;
	u->mqtt = mqtt_new(base, dns, config, &callbacks, u);
	mqtt_start(u->mqtt);
}

void user_end(struct user *u)
{
	mqtt_free(u->mqtt);
}

void user_subscribe(struct user *u, const char *filter)
{
	unsigned before = u->granted;

	WAIT_FOR(u->base, mqtt_is_connected(u->mqtt));
	assert_true(mqtt_subscribe(u->mqtt, &filter, 1));
	WAIT_FOR(u->base, u->granted > before);
}

void user_publish(struct user *u, const char *topic, const char *text)
{
	assert_true(mqtt_publish(u->mqtt, topic, text, strlen(text), false));
}

/* ---- waiting ---- */

uint64_t clock_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

bool loop_turn(struct event_base *base, uint64_t until)
{
	struct timeval turn = {.tv_usec = 10000};

	(void)event_base_loopexit(base, &turn);
	(void)event_base_loop(base, EVLOOP_ONCE);
	return clock_ms() < until;
}

void loop_for(struct event_base *base, unsigned ms)
{
	uint64_t until = clock_ms() + ms;

	while (loop_turn(base, until))
		;
}

/* ---- a real broker ---- */

int loopback_listener(uint16_t *port, int queue)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, queue), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

uint16_t free_port(void)
{
	uint16_t port;

	(void)close(loopback_listener(&port, 1));
	return port;
}

static bool broker_answers(uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool answers = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

	(void)close(fd);
	return answers;
}

static void broker_configure(struct broker *b, char *path, size_t size)
{
	FILE *file;

	if (!b->dir[0]) {
		(void)snprintf(b->dir, sizeof(b->dir), "/tmp/test-mqtt-XXXXXX");
		assert_non_null(mkdtemp(b->dir));
		(void)snprintf(b->socket_path, sizeof(b->socket_path), "%s/socket", b->dir);
	}
	if (!b->port)
		b->port = free_port();
	(void)snprintf(path, size, "%s/conf", b->dir);
	file = fopen(path, "w");
	assert_non_null(file);
	(void)fprintf(file,
		      "%slistener %u 127.0.0.1\nlistener 0 %s\nallow_anonymous true\nset_tcp_nodelay true\n"
		      "log_dest none\nmax_queued_messages 100000\n",
		      geteuid() == 0 ? "user root\n" : "", b->port, b->socket_path);
	(void)fclose(file);
}

void broker_start(struct broker *b)
{
	uint64_t until = clock_ms() + WAIT_LIMIT_MS;
	char path[96];

	broker_configure(b, path, sizeof(path));
	(void)setenv("PATH", "/usr/sbin:/usr/local/sbin:/usr/bin:/bin:/usr/local/bin", 1);
	b->pid = fork();
	assert_true(b->pid >= 0);
	if (b->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)dup2(open("/dev/null", O_WRONLY), STDERR_FILENO); /* it warns of being root */
		(void)execlp("mosquitto", "mosquitto", "-c", path, (char *)NULL);
		_exit(127);
	}
	while (!broker_answers(b->port)) {
		int status;

		if (clock_ms() > until || waitpid(b->pid, &status, WNOHANG) == b->pid)
			fail_msg("mosquitto does not start");
		(void)usleep(2000);
	}
}

void broker_stop(struct broker *b, int signal)
{
	if (b->pid <= 0)
		return;
	(void)kill(b->pid, signal);
	(void)waitpid(b->pid, NULL, 0);
	b->pid = 0;
}

void broker_end(struct broker *b)
{
	char path[96];

	broker_stop(b, SIGKILL);
	(void)unlink(b->socket_path);
	(void)snprintf(path, sizeof(path), "%s/conf", b->dir);
	(void)unlink(path);
	(void)rmdir(b->dir);
	b->dir[0] = '\0';
}

void config_for_port(struct mqtt_config *config, uint16_t port)
{
	mqtt_config_init(config);
	config->url.port = port;
	config->backoff_max_ms = 200;
	config->connect_timeout_ms = 2000;
}

/* ---- a broker that misbehaves ---- */

struct fake_session {
	struct fake_session *next;
	struct fake *fake;
	struct event *event;
	int fd;
	uint8_t buffer[4096];
	size_t used;
	size_t skip; /* bytes of a long packet's rest */
};

static void fake_free(struct fake_session *s)
{
	event_free(s->event);
	(void)close(s->fd);
	free(s);
}

static void fake_close(struct fake_session *s)
{
	struct fake_session **at = &s->fake->sessions;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	fake_free(s);
}

static void fake_write(struct fake_session *s, const void *bytes, size_t len)
{
	ssize_t n = write(s->fd, bytes, len);

	(void)n; /* the other side may be gone; that is the point of some tests */
}

/* False if the session is gone. */
static bool fake_packet(struct fake_session *s, const uint8_t *packet, size_t header)
{
	struct fake *f = s->fake;

	switch (packet[0] >> 4) {
	case 1: /* CONNECT */
		f->connects++;
		fake_write(s, (uint8_t[]){0x20, 2, 0, f->connack}, 4);
		if (f->connack || f->drop_after_connack) {
			fake_close(s);
			return false;
		}
		if (f->deaf)
			(void)event_del(s->event);
		break;
	case 8: /* SUBSCRIBE */
		fake_write(s, (uint8_t[]){0x90, 3, packet[header], packet[header + 1], f->suback}, 5);
		break;
	case 12: /* PINGREQ */
		f->pings++;
		if (!f->no_pingresp)
			fake_write(s, (uint8_t[]){0xd0, 0}, 2);
		break;
	case 14: /* DISCONNECT */
		f->disconnects++;
		break;
	default:
		break;
	}
	return true;
}

/* Takes one packet off the buffer: 1 done, 0 more bytes are needed, -1 the session is gone. */
static int fake_take(struct fake_session *s)
{
	size_t length = 0;
	size_t header = 1;
	size_t whole;

	if (s->used < 2)
		return 0;
	do {
		if (header >= s->used)
			return 0;
		length |= (size_t)(s->buffer[header] & 127) << (7 * (header - 1));
	} while (s->buffer[header++] & 128);
	whole = header + length;
	if (whole > s->used && whole <= sizeof(s->buffer))
		return 0;
	if (!fake_packet(s, s->buffer, header))
		return -1;
	s->skip = whole > s->used ? whole - s->used : 0;
	whole -= s->skip;
	memmove(s->buffer, s->buffer + whole, s->used - whole);
	s->used -= whole;
	return 1;
}

static void fake_read_cb(evutil_socket_t fd, short what, void *arg)
{
	struct fake_session *s = arg;
	ssize_t n = read(fd, s->buffer + s->used, sizeof(s->buffer) - s->used);
	size_t skipped;
	int taken;

	(void)what;
	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			fake_close(s);
		return;
	}
	s->fake->bytes += (size_t)n;
	if (s->fake->silent || s->fake->greeting)
		return;
	skipped = s->skip < (size_t)n ? s->skip : (size_t)n;
	s->skip -= skipped;
	memmove(s->buffer + s->used, s->buffer + s->used + skipped, (size_t)n - skipped);
	s->used += (size_t)n - skipped;
	do
		taken = fake_take(s);
	while (taken > 0);
}

static void fake_accept_cb(evutil_socket_t fd, short what, void *arg)
{
	struct fake *f = arg;
	struct fake_session *s;
	int small = 65536; /* so that little fits between the two sides */
	int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (client < 0)
		return;
	f->accepted++;
	if (f->close_at_once) {
		(void)close(client);
		return;
	}
	if (f->deaf)
		(void)setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	s = xcalloc(1, sizeof(*s));
	s->fake = f;
	s->fd = client;
	s->event = event_new(f->base, client, EV_READ | EV_PERSIST, fake_read_cb, s);
	(void)event_add(s->event, NULL);
	s->next = f->sessions;
	f->sessions = s;
	if (f->greeting)
		fake_write(s, f->greeting, strlen(f->greeting));
}

void fake_start(struct fake *f, struct event_base *base)
{
	f->base = base;
	f->fd = loopback_listener(&f->port, 16);
	f->event = event_new(base, f->fd, EV_READ | EV_PERSIST, fake_accept_cb, f);
	(void)event_add(f->event, NULL);
}

void fake_listen(struct fake *f)
{
	for (struct fake_session *s = f->sessions; s; s = s->next)
		(void)event_add(s->event, NULL);
}

void fake_sip(struct fake *f)
{
	for (struct fake_session *s = f->sessions, *next; s; s = next) {
		next = s->next;
		fake_read_cb(s->fd, EV_READ, s);
	}
}

void fake_send(struct fake *f, const void *bytes, size_t len)
{
	for (struct fake_session *s = f->sessions; s; s = s->next)
		fake_write(s, bytes, len);
}

size_t fake_offer(struct fake *f, const void *bytes, size_t len)
{
	ssize_t n = send(f->sessions->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	return n > 0 ? (size_t)n : 0;
}

void fake_end(struct fake *f)
{
	struct fake_session *s;

	while ((s = f->sessions)) {
		f->sessions = s->next;
		fake_free(s);
	}
	event_free(f->event);
	(void)close(f->fd);
}

unsigned sockets_to(uint16_t port, int *fd)
{
	unsigned count = 0;

	for (int i = 0; i < 256; i++) {
		struct sockaddr_in peer = {0};
		socklen_t len = sizeof(peer);

		if (getpeername(i, (struct sockaddr *)&peer, &len) || peer.sin_family != AF_INET ||
		    peer.sin_port != htons(port))
			continue;
		*fd = i;
		count++;
	}
	return count;
}
