/* dht-node: options, event loop, wiring; nothing else. */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include <event2/dns.h>
#include <event2/event.h>

#include "../common/fold.h"
#include "../common/mem.h"
#include "configure.h"
#include "keep.h"
#include "libsystemd.h"
#include "notify.h"
#include "shell.h"
#include "teller.h"

static void print_help(void)
{
	fold_text(stdout,
		  "usage: dht-node [OPTIONS]\n\n"
		  "One node of a key-value ring whose only network is an MQTT broker. Runs until SIGTERM or "
		  "SIGINT, then hands its records on and leaves; a second signal ends it at once.\n\noptions:\n");
	option_help(stdout, &node_options);
	option_help_exits(stdout, node_exits, node_exit_count);
}

struct process {
	struct configuration config;
	struct libsystemd systemd;
	struct log log;
	struct teller teller;
	struct shell *shell;
};

static void reload(void *arg)
{
	struct process *p = arg;
	char changed[CONFIGURE_ERROR_MAX], error[CONFIGURE_ERROR_MAX];

	if (configure_again(&p->config, changed, error) != EX_OK) {
		tell(&p->teller, NOTE_RELOAD_WRONG, ABOUT(OF_REASON(error)),
		     "settings read anew: %s -> going on with those that were in force", error);
		return;
	}
	/* told if it is told before or after */
	if (p->config.settings.log_level > p->log.level)
		p->log.level = p->config.settings.log_level;
	tell(&p->teller, NOTE_RELOADED, changed[0] ? ABOUT(OF_REASON(changed)) : NULL, "settings read anew%s%s",
	     changed[0] ? " -> these wait for a restart: " : "", changed);
	p->log.level = p->config.settings.log_level;
	shell_limit(p->shell, configure_memory(&p->config.settings));
}

static void say_what_is_in_force(struct process *p)
{
	const struct node_config *node = &p->config.shell.node;
	char broker[400];

	url_format(broker, sizeof(broker), &p->config.shell.mqtt.url);
	teller_name(&p->teller, node->name, node->id);
	tell(&p->teller, NOTE_STARTED, NULL, "dht-node %s, id %u, broker %s (%s)%s%s, %s%s, records in %s", DHT_VERSION,
	     node->id, broker, p->config.broker_origin, node->topic_prefix[0] ? ", topics below " : "",
	     node->topic_prefix, p->config.password_place[0] ? "password from " : "no password",
	     p->config.password_place, p->config.directory ? p->config.directory : "memory alone");
}

/* Whoever is at work goes on when a message comes for this node (SCHED_BATCH, sched(7)): the broker hands on what it has,
 * and the node finds several at once, instead of one for each switch to it.  A processor that has nothing to do runs it as
 * soon as ever.  Somebody else's choice stays, and where a sandbox forbids it that is no harm. */
static void do_not_interrupt(void)
{
	struct sched_param none = {0};

	if (sched_getscheduler(0) == SCHED_OTHER)
		(void)sched_setscheduler(0, SCHED_BATCH, &none);
}

static int run(struct process *p)
{
	struct event_base *base = event_base_new();
	struct evdns_base *dns = NULL;
	int code;

	if (!base)
		mem_die("no event loop");
	say_what_is_in_force(p);
	if (url_needs_dns(&p->config.shell.mqtt.url))
		dns = mqtt_dns_new(base);
	p->config.shell.reload = reload;
	p->config.shell.arg = p;
	do_not_interrupt();
	p->shell = shell_new(base, dns, &p->config.shell, p->systemd.library ? &p->systemd : NULL, &p->teller);
	shell_start(p->shell);
	(void)event_base_dispatch(base);
	code = shell_exit_code(p->shell);
	shell_free(p->shell);
	if (dns)
		evdns_base_free(dns, 0);
	event_base_free(base);
	return code;
}

static void say_trouble(struct process *p, enum note_kind note, const char *text)
{
	tell(&p->teller, note, ABOUT(OF_REASON(text)), "%s", text);
}

/* What a process ends at once for, without a word before it. */
static void say_why_not(struct process *p, enum note_kind note, const char *text)
{
	/* journald looks up which unit an entry is of when it reads it, and asks the process, which is to be there still:
	 * else `journalctl -u` does not show it */
	const struct timespec until_read = {.tv_nsec = 300000000};
	struct notify notify;

	say_trouble(p, note, text);
	notify_init(&notify, p->systemd.library ? &p->systemd : NULL, &p->teller);
	notify_status(&notify, text); /* however slow the journal is, `systemctl status` has it */
	if (p->teller.journal)
		(void)nanosleep(&until_read, NULL);
}

/* The same with a data directory. */
static int run_kept(struct process *p)
{
	const struct settings *settings = &p->config.settings;
	struct node_config *node = &p->config.shell.node;
	struct keep_config keep = {.directory = p->config.directory, .any_node = !settings->id && !node->name[0]};
	struct disk_fault fault;
	int code;

	keep.durability = strcmp(settings->durability, "fsync") == 0 ? DISK_FSYNC
			  : strcmp(settings->durability, "os") == 0  ? DISK_OS
								     : DISK_NONE;
	p->config.shell.disk = keep_open(&keep, node, &fault);
	if (!p->config.shell.disk) {
		if (node->name[0])
			teller_name(&p->teller, node->name, node->id);
		say_why_not(p, NOTE_DISK_REFUSED, fault.text);
		return keep_exit_code(fault.trouble);
	}
	code = run(p);
	if (disk_close(p->config.shell.disk) || code != EX_OK)
		return code;
	say_trouble(p, NOTE_DISK_FAILED, "not all could be written to the data directory in the end");
	return EX_IOERR;
}

/* In the journal with what it means; to people who have typed something wrong, as a line for them. */
static void refuse_settings(struct process *p, const char *error)
{
	if (p->teller.journal)
		say_why_not(p, NOTE_SETTINGS, error);
	else
		(void)fprintf(stderr, "dht-node: %s\n", error);
}

/* libevent's callback has no argument of its own. */
static struct process process;

static void library_warns_cb(int severity, const char *text)
{
	if (severity >= EVENT_LOG_WARN)
		tell(&process.teller, NOTE_LIBRARY, ABOUT(OF_REASON(text)), "libevent: %s", text);
}

int main(int argc, char **argv)
{
	struct process *p = &process;
	char error[CONFIGURE_ERROR_MAX];
	int code = configure(&p->config, argc, argv, error);

	log_init(&p->log, code == EX_OK ? p->config.settings.log_level : LOG_INFO_LEVEL);
	if (libsystemd_has_journal() || libsystemd_has_manager())
		(void)libsystemd_load(&p->systemd);
	teller_init(&p->teller, &p->log, &p->systemd);
	event_set_log_callback(library_warns_cb);
	if (code != EX_OK) {
		refuse_settings(p, error);
	} else if (p->config.settings.help) {
		print_help();
	} else if (p->config.settings.version) {
		printf("dht-node %s\n", DHT_VERSION);
	} else if (p->config.settings.check_config) {
		configure_print(&p->config, stdout);
	} else {
		code = p->config.directory ? run_kept(p) : run(p);
	}
	configure_free(&p->config);
	libsystemd_free(&p->systemd);
	return code;
}
