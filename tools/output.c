#include "output.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/mem.h"
#include "../common/text.h"
#include "key-text.h"
#include "lines.h"

static struct {
	char *caught; /* NULL: error lines are printed */
	size_t caught_size;
	bool colors;
	bool bar;
} output;

void output_catch(char *out, size_t size)
{
	output.caught = out;
	output.caught_size = size;
}

bool output_terminal(int fd)
{
	const char *term = getenv("TERM");

	return isatty(fd) && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

void output_colors(const char *when)
{
	const char *none = getenv("NO_COLOR");

	output.colors = strcmp(when, "always") == 0 || (strcmp(when, "never") != 0 && output_terminal(STDOUT_FILENO) &&
							(none == NULL || none[0] == '\0'));
}

const char *output_color(enum output_color color)
{
	static const char *const codes[] = {[COLOR_NONE] = "\033[m",
					    [COLOR_GOOD] = "\033[32m",
					    [COLOR_WARN] = "\033[33m",
					    [COLOR_BAD] = "\033[1;31m",
					    [COLOR_DIM] = "\033[2m"};

	return output.colors ? codes[color] : "";
}

void output_bar(bool drawn)
{
	output.bar = drawn;
}

void output_error(const char *format, ...)
{
	char line[1200], *text = NULL;
	size_t size = 0;
	va_list args;
	FILE *out;

	va_start(args, format);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): va_start, above */
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (output.caught != NULL) {
		snprintf(output.caught, output.caught_size, "%s", line);
		return;
	}
	fflush(stdout);
	/* in one piece: other processes may write there, too */
	out = xcheck(open_memstream(&text, &size));
	if (output.bar && output_terminal(STDERR_FILENO))
		fputs("\r\033[K", out);
	output.bar = false;
	fputs("dhtctl: ", out);
	output_line(out, line);
	fputc('\n', out);
	(void)fclose(out);
	(void)xcheck(text);
	fwrite(text, 1, size, stderr);
	free(text);
}

const char *output_reason(int error)
{
	static char text[120];

	snprintf(text, sizeof(text), "%s", strerror(error));
	if (text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a' && text[1] <= 'z')
		text[0] = (char)(text[0] - 'A' + 'a');
	return text;
}

bool output_is_utf8(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0, step; i < len; i += step) {
		if (text_next(bytes + i, len - i, &step) < 0)
			return false;
	}
	return true;
}

/* Everything that could drive a terminal is escaped, but for the characters of keep. */
static void output_text(FILE *out, const uint8_t *bytes, size_t len, const char *keep)
{
	for (size_t i = 0, step = 1; i < len; i += step, step = 1) {
		int32_t c = text_next(bytes + i, len - i, &step);

		if (c >= 0xa0 || (c >= 0x20 && c < 0x7f) || (c > 0 && c < 0x20 && strchr(keep, c))) {
			fwrite(bytes + i, 1, step, out);
			continue;
		}
		for (size_t j = 0; j < step; j++)
			fprintf(out, "\\x%02x", bytes[i + j]);
	}
}

void output_escaped(FILE *out, const uint8_t *bytes, size_t len)
{
	output_text(out, bytes, len, "\n\t");
}

void output_line(FILE *out, const char *text)
{
	output_text(out, (const uint8_t *)text, strlen(text), "");
}

void output_bytes_in_line(FILE *out, const uint8_t *bytes, size_t len)
{
	output_text(out, bytes, len, "");
}

void output_field(FILE *out, const uint8_t *bytes, size_t len)
{
	bool terminal = isatty(fileno(out));

	for (size_t i = 0, plain; i < len; i += plain + 1) {
		plain = 0;
		while (i + plain < len && !strchr("\\\t\n", bytes[i + plain] ? bytes[i + plain] : 1))
			plain++;
		if (terminal)
			output_text(out, bytes + i, plain, "");
		else
			fwrite(bytes + i, 1, plain, out);
		if (i + plain < len)
			fprintf(out, "\\%c", bytes[i + plain] == '\t' ? 't' : bytes[i + plain] == '\n' ? 'n' : '\\');
	}
}

void output_json_string(FILE *out, const uint8_t *bytes, size_t len)
{
	fputc('"', out);
	for (size_t i = 0, step = 1; i < len; i += step, step = 1) {
		int32_t c = text_next(bytes + i, len - i, &step);

		if (c < 0)
			fprintf(out, "\\\\x%02x", bytes[i]);
		else if (c == '"' || c == '\\')
			fprintf(out, "\\%c", (char)c);
		else if (c < 0x20 || (c >= 0x7f && c < 0xa0)) /* U+009B drives a terminal as ESC [ does */
			fprintf(out, "\\u%04x", (unsigned)c);
		else
			fwrite(bytes + i, 1, step, out);
	}
	fputc('"', out);
}

static void output_base64(FILE *out, const uint8_t *p, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		uint32_t bits = (uint32_t)p[i] << 16 | (i + 1 < len ? (uint32_t)p[i + 1] << 8 : 0) |
				(i + 2 < len ? p[i + 2] : 0);

		fputc(digits[bits >> 18], out);
		fputc(digits[bits >> 12 & 63], out);
		fputc(i + 1 < len ? digits[bits >> 6 & 63] : '=', out);
		fputc(i + 2 < len ? digits[bits & 63] : '=', out);
	}
}

void output_json_bytes(FILE *out, const char *key, const uint8_t *bytes, size_t len)
{
	if (output_is_utf8(bytes, len)) {
		fprintf(out, "\"%s\":", key);
		output_json_string(out, bytes, len);
		return;
	}
	fprintf(out, "\"%s_base64\":\"", key);
	output_base64(out, bytes, len);
	fputc('"', out);
}

void output_key(FILE *out, const struct key *key)
{
	size_t escaped = 0;

	if (key->name_len == 0) {
		fprintf(out, "%u", key->id);
		return;
	}
	/* A name that the first line's reader would take for a number, or drop the beginning of. */
	if (key_text_is_digits(key->name, key->name_len) ||
	    (key->name_len >= LINES_BOM_LEN && memcmp(key->name, LINES_BOM, LINES_BOM_LEN) == 0)) {
		fprintf(out, "\\x%02x", key->name[0]);
		escaped = 1;
	}
	output_field(out, key->name + escaped, key->name_len - escaped);
}

void output_json_key(FILE *out, const struct key *key)
{
	if (key->name_len > 0)
		output_json_bytes(out, "key", key->name, key->name_len);
	else
		fprintf(out, "\"key\":%u", key->id);
}

void output_span(char *out, size_t size, uint64_t ms)
{
	static const struct {
		uint64_t below, unit;
		const char *name;
	} spans[] = {{1000, 1, "ms"},
		     {120000, 1000, "s"},
		     {7200000, 60000, "min"},
		     {172800000, 3600000, "h"},
		     {UINT64_MAX, 86400000, "d"}};
	size_t i = 0;

	while (ms >= spans[i].below && i < 4)
		i++;
	snprintf(out, size, "%llu %s", (unsigned long long)(ms / spans[i].unit), spans[i].name);
}

bool output_flush(void)
{
	return fflush(stdout) == 0 && !ferror(stdout);
}

static void output_complain(int error)
{
	output_error("cannot write to standard output: %s", output_reason(error));
}

void output_give_up(int error)
{
	struct pollfd reader = {.fd = STDOUT_FILENO, .events = POLLOUT};

	if (poll(&reader, 1, 0) == 1 && reader.revents & POLLERR)
		raise(SIGPIPE);
	output_complain(error);
	clearerr(stdout);
}

bool output_finish(void)
{
	if (output_flush())
		return true;
	output_complain(errno);
	return false;
}
