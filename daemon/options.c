#include "options.h"

#include <stddef.h>
#include <sysexits.h>

#include "../common/topic.h"
#include "../common/url.h"
#include "core/node.h"

#define FIELD(member) offsetof(struct settings, member)

static const struct option_row option_rows[] = {
	{"broker", 'b', OPTION_URL, FIELD(broker), URL_DEFAULT, "DHT_BROKER", "URL",
	 "mqtt[s]://[user[:password]@]host[:port], s for TLS, or unix:///path", 0, 1000},
	{"password-file", 0, OPTION_TEXT, FIELD(password_file), NULL, "DHT_PASSWORD_FILE", "FILE",
	 "holds the password of the URL's user, for no other eyes", 0, 0},
	TLS_OPTION_ROWS(FIELD(tls)),
	{"id", 'i', OPTION_TEXT, FIELD(id), NULL, "DHT_ID", "N",
	 "position on the ring, 0 to 4294967295; without it: from the name, or random", 0, 0},
	{"name", 'n', OPTION_TEXT, FIELD(name), NULL, "DHT_NAME", "TEXT",
	 "unique in the ring, up to 63 bytes; without it: the instance, else the id in decimal", 1, 0},
	{"topic-prefix", 0, OPTION_TEXT, FIELD(topic_prefix), "", "DHT_TOPIC_PREFIX", "PREFIX",
	 "the ring's topics stand below this", 0, TOPIC_PREFIX_MAX},
	{"log-level", 'l', OPTION_LEVEL, FIELD(log_level), "info", "DHT_LOG_LEVEL", "LEVEL",
	 "error, warn, info or debug", 0, 0},
	{"keepalive", 0, OPTION_DURATION, FIELD(keepalive), "10s", "DHT_KEEPALIVE", "DURATION",
	 "a silent broker or node is noticed within twice as long", 5000, 65535000},
	{"join-interval", 0, OPTION_DURATION, FIELD(join_interval), "10ms", "DHT_JOIN_INTERVAL", "DURATION",
	 "between two attempts to join", 1, 60000},
	{"join-attempts", 0, OPTION_UNSIGNED, FIELD(join_attempts), "100", "DHT_JOIN_ATTEMPTS", "N",
	 "unanswered ones before a ring is founded", 1, 1000000},
	{"resend", 0, OPTION_DURATION, FIELD(resend), "200ms", "DHT_RESEND", "DURATION",
	 "an unanswered frame is sent again", 10, 60000},
	{"silence", 0, OPTION_DURATION, FIELD(silence), "1500ms", "DHT_SILENCE", "DURATION",
	 "a party to a change that is silent for so long is fenced", 100, 600000},
	{"grace", 0, OPTION_DURATION, FIELD(grace), "2s", "DHT_GRACE", "DURATION",
	 "how long a lost node may come back with its records", 1, 600000},
	{"ping", 0, OPTION_DURATION, FIELD(ping), "1500ms", "DHT_PING", "DURATION",
	 "between two looks at the neighbours; one that hangs is taken over from within 1.5 of it, --silence and 300 "
	 "ms",
	 100, 3600000},
	{"recover-after", 0, OPTION_DURATION, FIELD(recover), "10s", "DHT_RECOVER_AFTER", "DURATION",
	 "an arc that nobody answers for is then served with what others have of it; with a data directory "
	 "never, unless this is set",
	 100, 3600000},
	{"replicas", 0, OPTION_UNSIGNED, FIELD(replicas), "2", "DHT_REPLICAS", "R",
	 "nodes that have each record of an arc of this one, this one among them", 1, REPLICAS_MAX},
	{"min-copies", 0, OPTION_UNSIGNED, FIELD(min_copies), "1", "DHT_MIN_COPIES", "M",
	 "of those: while there are fewer, nothing is written in this node's arc", 1, REPLICAS_MAX},
	{"scrub", 0, OPTION_DURATION, FIELD(scrub), "24h", "DHT_SCRUB", "DURATION",
	 "how often all copies of this node's arc are compared, and mended; 0s: only at dhtctl scrub", 0, 3600000000},
	{"max-memory", 0, OPTION_SIZE, FIELD(max_memory), "0", "DHT_MAX_MEMORY", "SIZE",
	 "what this node may take, such as 512M; 0: no limit. From about three quarters of it on writes are refused, "
	 "and "
	 "the rest is for copies and handovers, which are not",
	 MEMORY_LEAST, UINT64_C(1024) << 40},
	{"data-dir", 0, OPTION_TEXT, FIELD(data_dir), NULL, "DHT_DATA_DIR", "DIR",
	 "what this node has is kept there, and it goes on with that when it is started again; none: in memory alone; "
	 "without it: a service's state directory, and of what is no service in memory alone",
	 1, 0},
	{"durability", 0, OPTION_CHOICE, FIELD(durability), "fsync", "DHT_DURABILITY", "fsync|os|none",
	 "what is acknowledged survives a power cut (fsync), this process's end but no power cut (os), or only an end "
	 "in "
	 "good order (none)",
	 0, 0},
	{"accept-clock", 0, OPTION_FLAG, FIELD(accept_clock), NULL, "DHT_ACCEPT_CLOCK", NULL,
	 "the clock is right, though it is more than a year ahead of the data directory; to be given once", 0, 0},
	{"instance", 0, OPTION_TEXT, FIELD(instance), NULL, NULL, "INSTANCE",
	 "of the unit, as systemd writes it: its file of settings is read, too", 1, 200},
	{"check-config", 0, OPTION_FLAG, FIELD(check_config), NULL, NULL, NULL,
	 "print all settings and where each comes from, and end", 0, 0},
	{"help", 'h', OPTION_STOP, FIELD(help), NULL, NULL, NULL, "this text", 0, 0},
	{"version", 'V', OPTION_STOP, FIELD(version), NULL, NULL, NULL, "the version", 0, 0},
};

const struct option_table node_options = {"dht-node", option_rows, sizeof(option_rows) / sizeof(option_rows[0])};

const struct option_exit node_exits[] = {
	{EX_OK, "left in good order"},
	{EX_USAGE, "a wrong option or variable"},
	{EX_DATAERR, "the data directory is damaged, or too old to be believed"},
	{EX_CANTCREAT, "the data directory cannot be used (permissions, no room, ...)"},
	{EX_IOERR, "what was to be kept could not be written"},
	{EX_TEMPFAIL, "the data directory is in use by another process, or the clock is far ahead of it"},
	{EX_NOPERM, "refused (the id or name is in use, or the ring speaks a later version)"},
	{EX_CONFIG, "wrong settings in a file, or a file of settings, password or TLS that cannot be used; or the data "
		    "directory is another node's or ring's, or of a later format"},
};
const size_t node_exit_count = sizeof(node_exits) / sizeof(node_exits[0]);
