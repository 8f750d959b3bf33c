/* dht-node's options: one table, which parsing, --help and the manual page read. */
#ifndef DHT_OPTIONS_H
#define DHT_OPTIONS_H

#include "../common/log.h"
#include "../common/option.h"
#include "../common/tls-option.h"

struct settings {
	char *broker;
	char *password_file;
	struct tls_options tls;
	char *id;
	char *name;
	char *topic_prefix;
	enum log_level log_level;
	uint32_t keepalive;
	uint32_t join_interval;
	uint32_t join_attempts;
	uint32_t resend;
	uint32_t silence;
	uint32_t grace;
	uint32_t ping;
	uint32_t recover;
	uint32_t replicas;
	uint32_t min_copies;
	uint32_t scrub;
	uint64_t max_memory;
	char *data_dir;
	char *durability;
	char *instance;
	bool check_config;
	bool accept_clock;
	bool help;
	bool version;
};

extern const struct option_table node_options;

/* What a program takes that has not one record yet, with what it has loaded and the frames on their way: max_memory is of the
 * process, and the core counts what is in it.  Measured: 5.6 MiB as a service (README, "What it costs"). */
#define MEMORY_PROGRAM (UINT64_C(8) << 20)
/* Rows alone may take 13 MiB, also where nobody stores anything any more. */
#define MEMORY_LEAST (UINT64_C(32) << 20)

/* What its exit codes mean (sysexits.h). */
extern const struct option_exit node_exits[];
extern const size_t node_exit_count;

#endif
