#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/mem.h"
#include "../common/reference.h"
#include "client.h"
#include "output.h"

struct get {
	const char *prefix;
	uint32_t key;
	bool answered;
	uint8_t *value;
	size_t len;
};

static void get_message_cb(void *arg, const struct mqtt_message *message)
{
	struct get *get = arg;
	const uint8_t *value;
	uint32_t id, key;
	size_t len;

	if (get->answered || topic_parse(message->topic, get->prefix, &id) != TOPIC_RES_GET ||
	    reference_parse_res_get(message->payload, message->len, &key, &value, &len) != NULL || key != get->key)
		return;
	get->answered = true;
	get->value = xmemdup(value, len);
	get->len = len;
}

static void get_print(const struct settings *settings, const struct get *get)
{
	if (settings->json) {
		printf("{\"key\":%u,", get->key);
		output_json_bytes(stdout, "value", get->value, get->len);
		printf("}\n");
	} else if (isatty(STDOUT_FILENO)) {
		output_escaped(stdout, get->value, get->len);
		if (get->value[get->len - 1] != '\n')
			putchar('\n');
	} else {
		fwrite(get->value, 1, get->len, stdout);
	}
}

static enum exit_code get_tell(const struct settings *settings, const struct get *get)
{
	if (get->len > 0) {
		get_print(settings, get);
		return RC_OK;
	}
	if (settings->json)
		printf("{\"key\":%u,\"value\":null}\n", get->key);
	else if (!settings->quiet)
		output_error("key %u: absent", get->key);
	return RC_NO;
}

static enum exit_code get_fetch(struct client *client, struct get *get)
{
	char payload[REFERENCE_TEXT_MAX];
	enum exit_code code;

	client_listen(client, get_message_cb, get);
	code = client_subscribe(client, TOPIC_RES_GET, 0);
	if (code == RC_OK)
		code = client_publish(client, TOPIC_GET, 0, payload,
				      reference_format_id(payload, sizeof(payload), get->key));
	return code == RC_OK ? client_wait(client, &get->answered, client_deadline(client)) : code;
}

static enum exit_code get_exec(const struct settings *settings, char **args, size_t count)
{
	struct get get = {.prefix = settings->topic_prefix};
	struct client *client = NULL;
	char timeout[32];
	enum exit_code code;

	(void)count;
	if (!command_parse_key(args[0], &get.key))
		return RC_USAGE;
	code = client_open(settings, &client);
	if (code != RC_OK)
		return code;
	code = get_fetch(client, &get);
	if (code == RC_TIMEOUT)
		output_error("no answer for key %u at broker %s within %s (is a ring there? see 'dhtctl ring')",
			     get.key, settings->broker_shown, client_timeout_text(settings, timeout));
	client_close(client);
	if (code == RC_OK)
		code = get_tell(settings, &get);
	free(get.value);
	return code;
}

const struct command command_get = {
	.name = "get",
	.arguments = "KEY",
	.min = 1,
	.max = 1,
	.summary = "print the value of a key",
	.details =
		"\n"
		"Prints the value and nothing else; on a terminal, control bytes are escaped and the line is ended.\n"
		"Exit code 1 means that the key is absent. --json gives {\"key\":..,\"value\":..}, or value_base64 "
		"for\n"
		"bytes that are no UTF-8.\n",
	.exec = get_exec,
};
