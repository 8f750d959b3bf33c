/* Names to numeric addresses.  libmosquitto would call getaddrinfo, which blocks the whole loop for as long as a name
 * server is silent, also from its "async" connect; given a numeric address it asks nobody. */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>

#include "mem.h"
#include "mqtt-internal.h"

struct mqtt_lookup {
	struct evdns_getaddrinfo_request *request;
	/* NULL once cancelled: evdns answers a cancelled request too, and only then may this be freed */
	mqtt_lookup_cb done;
	void *arg;
	bool answered; /* before mqtt_lookup could return */
};

struct evdns_base *mqtt_dns_new(struct event_base *base)
{
	/* Without DISABLE_WHEN_INACTIVE its sockets would keep a loop from ending. */
	struct evdns_base *dns =
		evdns_base_new(base, EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);

	if (dns)
		return dns;
	/* libevent gives up where resolv.conf is missing or names no server; /etc/hosts is still worth having. */
	dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (!dns)
		mem_die("no DNS base");
	(void)evdns_base_load_hosts(dns, "/etc/hosts");
	(void)evdns_base_nameserver_ip_add(dns, "127.0.0.1");
	return dns;
}

static void lookup_collect(struct mqtt_addresses *addresses, const struct evutil_addrinfo *list)
{
	for (; list && addresses->count < MQTT_ADDRESSES_MAX; list = list->ai_next) {
		char *text = addresses->text[addresses->count];

		if (!getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof(addresses->text[0]), NULL, 0,
				 NI_NUMERICHOST))
			addresses->count++;
	}
}

/* libevent's words are those of the system call. */
static const char *lookup_problem(int error)
{
	if (error == 0)
		return "no address";
	return error == EVUTIL_EAI_NONAME ? "there is no such name" : evutil_gai_strerror(error);
}

static void lookup_cb(int error, struct evutil_addrinfo *list, void *arg)
{
	struct mqtt_lookup *lookup = arg;
	struct mqtt_addresses addresses = {0};

	lookup_collect(&addresses, list);
	if (list)
		evutil_freeaddrinfo(list);
	lookup->answered = true;
	if (lookup->done && addresses.count)
		lookup->done(lookup->arg, &addresses, NULL);
	else if (lookup->done)
		lookup->done(lookup->arg, NULL, lookup_problem(error));
	/* answered before evdns_getaddrinfo returned: mqtt_lookup still needs it, and frees it */
	if (lookup->request)
		free(lookup);
}

struct mqtt_lookup *mqtt_lookup(struct evdns_base *dns, const char *host, mqtt_lookup_cb done, void *arg)
{
	struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct mqtt_lookup *lookup;
	struct evdns_getaddrinfo_request *request;

	if (!dns) { /* numeric, as promised */
		struct mqtt_addresses addresses = {.count = 1};

		if (snprintf(addresses.text[0], sizeof(addresses.text[0]), "%s", host) < (int)sizeof(addresses.text[0]))
			done(arg, &addresses, NULL);
		else
			done(arg, NULL, "no name look-up here, and not a numeric address");
		return NULL;
	}
	lookup = xcalloc(1, sizeof(*lookup));
	lookup->done = done;
	lookup->arg = arg;
	request = evdns_getaddrinfo(dns, host, NULL, &hints, lookup_cb, lookup);
	if (lookup->answered) {
		free(lookup);
		return NULL;
	}
	lookup->request = request;
	return lookup;
}

void mqtt_lookup_cancel(struct mqtt_lookup *lookup)
{
	lookup->done = NULL;
	evdns_getaddrinfo_cancel(lookup->request);
}
