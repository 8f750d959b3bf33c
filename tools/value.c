#include "value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/mem.h"
#include "output.h"

/* All of it, up to one byte more than may be; false: errno says why. */
static bool value_read(int fd, uint8_t **value, size_t *len)
{
	size_t room = 65536;

	*value = xmalloc(room);
	*len = 0;
	while (*len <= COMMAND_VALUE_MAX) {
		ssize_t n;

		if (*len == room)
			*value = xrealloc(*value, room *= 2);
		n = read(fd, *value + *len, room - *len);
		if (n == 0)
			return true;
		if (n > 0)
			*len += (size_t)n;
		else if (errno != EINTR)
			return false;
	}
	return true;
}

static void value_is_long(int fd, const char *name)
{
	char size[40] = "";
	struct stat status;

	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		snprintf(size, sizeof(size), "it has %jd bytes, and ", (intmax_t)status.st_size);
	output_error("the value from %s is larger than 16 MiB: %sa value has at most %u bytes (store it in parts, or "
		     "store where "
		     "it is)",
		     name, size, COMMAND_VALUE_MAX);
}

static enum exit_code value_from(int fd, const char *name, uint8_t **value, size_t *len)
{
	if (!value_read(fd, value, len)) {
		output_error("cannot read the value from %s: %s", name, output_reason(errno));
	} else if (*len > COMMAND_VALUE_MAX) {
		value_is_long(fd, name);
	} else {
		return RC_OK;
	}
	free(*value);
	return RC_LOCAL;
}

static enum exit_code value_from_file(const char *path, uint8_t **value, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum exit_code code;

	if (fd < 0) {
		output_error("cannot read the value from %s: %s", path, output_reason(errno));
		return RC_LOCAL;
	}
	code = value_from(fd, path, value, len);
	(void)close(fd);
	return code;
}

enum exit_code value_take(const struct settings *settings, const char *text, const char *usage, uint8_t **value,
			  size_t *len)
{
	if (settings->file != NULL && text != NULL) {
		output_error("a value and --file: only one of them can be meant");
		return RC_USAGE;
	}
	if (settings->file != NULL)
		return value_from_file(settings->file, value, len);
	if (text != NULL && strcmp(text, "-") != 0) {
		*len = strlen(text);
		*value = xmemdup(text, *len);
		return RC_OK;
	}
	if (isatty(STDIN_FILENO)) {
		if (text == NULL) {
			output_error("no value: write '%s', or send it to standard input", usage);
			return RC_USAGE;
		}
		fputs("dhtctl: reading the value from the terminal; Ctrl-D ends it\n", stderr);
	}
	return value_from(STDIN_FILENO, "standard input", value, len);
}
