#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/mem.h"
#include "../common/reference.h"
#include "client.h"
#include "output.h"

#define NAME_LEN 10 /* as the reference's clients have it */

struct put {
	const char *prefix;
	char name[NAME_LEN + 1];
	bool acked;
	uint32_t key, node;
};

static void put_message_cb(void *arg, const struct mqtt_message *message)
{
	struct put *put = arg;
	const uint8_t *name;
	uint32_t id, node;
	size_t len;

	if (topic_parse(message->topic, put->prefix, &id) != TOPIC_ACK_PUT ||
	    reference_parse_ack_put(message->payload, message->len, &name, &len, &node) != NULL)
		return;
	if (len != NAME_LEN || memcmp(name, put->name, NAME_LEN) != 0)
		return;
	put->acked = true;
	put->node = node;
}

/* All of standard input, up to one byte more than may be. */
static enum exit_code put_read_value(uint8_t **value, size_t *len)
{
	size_t room = 65536;

	*value = xmalloc(room);
	*len = 0;
	while (*len <= COMMAND_VALUE_MAX) {
		ssize_t n;

		if (*len == room)
			*value = xrealloc(*value, room *= 2);
		n = read(STDIN_FILENO, *value + *len, room - *len);
		if (n == 0)
			return RC_OK;
		if (n > 0) {
			*len += (size_t)n;
		} else if (errno != EINTR) {
			output_error("cannot read the value from standard input: %s", strerror(errno));
			return RC_LOCAL;
		}
	}
	return RC_OK;
}

static enum exit_code put_take_value(char **args, size_t count, uint8_t **value, size_t *len)
{
	bool dash = count > 1 && strcmp(args[1], "-") == 0;

	if (count > 1 && !dash) {
		*len = strlen(args[1]);
		*value = xmemdup(args[1], *len);
		return RC_OK;
	}
	if (!isatty(STDIN_FILENO))
		return put_read_value(value, len);
	if (!dash) {
		output_error("no value: write 'dhtctl put %s VALUE', or send it to standard input", args[0]);
		return RC_USAGE;
	}
	fputs("dhtctl: reading the value from the terminal; Ctrl-D ends it\n", stderr);
	return put_read_value(value, len);
}

static enum exit_code put_check_value(uint32_t key, size_t len)
{
	if (len == 0) {
		output_error("key %u: the value is empty, which a get could not tell from an absent key", key);
		return RC_USAGE;
	}
	if (len > COMMAND_VALUE_MAX) {
		output_error("key %u: the value is larger than 16 MiB", key);
		return RC_USAGE;
	}
	return RC_OK;
}

static enum exit_code put_store(struct client *client, const struct settings *settings, struct put *put,
				const uint8_t *payload, size_t len)
{
	enum exit_code code;

	client_listen(client, put_message_cb, put);
	code = client_subscribe(client, TOPIC_ACK_PUT, 0);
	client_doubt(client, "unknown, the value may have been stored");
	if (code == RC_OK)
		code = client_publish(client, TOPIC_PUT, 0, payload, len);
	if (code != RC_OK)
		return code;
	code = client_wait(client, &put->acked, client_deadline(client));
	if (code == RC_OK && settings->json)
		printf("{\"key\":%u,\"node\":%u}\n", put->key, put->node);
	return code;
}

static enum exit_code put_run(const struct settings *settings, uint32_t key, const uint8_t *value, size_t value_len)
{
	struct put put = {.prefix = settings->topic_prefix, .key = key};
	struct client *client = NULL;
	char timeout[32];
	enum exit_code code = client_open(settings, &client);
	uint8_t *payload;
	size_t len;

	if (code != RC_OK)
		return code;
	client_random_text(put.name, NAME_LEN);
	payload = reference_format_put((const uint8_t *)put.name, NAME_LEN, key, value, value_len, &len);
	code = put_store(client, settings, &put, payload, len);
	if (code == RC_TIMEOUT)
		output_error("no acknowledgement for key %u at broker %s within %s: unknown, it may have been stored "
			     "(is a ring there? see 'dhtctl ring')",
			     key, settings->broker_shown, client_timeout_text(settings, timeout));
	free(payload);
	client_close(client);
	return code;
}

static enum exit_code put_exec(const struct settings *settings, char **args, size_t count)
{
	uint8_t *value = NULL;
	size_t len = 0;
	enum exit_code code;
	uint32_t key;

	if (!command_parse_key(args[0], &key))
		return RC_USAGE;
	code = put_take_value(args, count, &value, &len);
	if (code == RC_OK)
		code = put_check_value(key, len);
	if (code == RC_OK)
		code = put_run(settings, key, value, len);
	free(value);
	return code;
}

const struct command command_put = {
	.name = "put",
	.arguments = "KEY [VALUE]",
	.min = 1,
	.max = 2,
	.summary = "store a value under a key",
	.details =
		"\n"
		"KEY is a decimal number from 0 to 4294967295. Without VALUE, or with '-', the value is what standard\n"
		"input holds, byte for byte, up to 16 MiB. An empty value is refused. Prints nothing when it is done;\n"
		"with --json the id of the node that stored it.\n",
	.exec = put_exec,
};
