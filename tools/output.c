#include "output.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

void output_error(const char *format, ...)
{
	char line[1200];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fflush(stdout);
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr); /* a progress bar may stand there */
	fputs("dhtctl: ", stderr);
	output_escaped(stderr, (const uint8_t *)line, strlen(line));
	fputc('\n', stderr);
}

/* How many bytes the UTF-8 character at p takes; 0 if there is none (overlong forms and surrogates included). */
static size_t output_utf8(const uint8_t *p, size_t len)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t need = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	uint32_t code = p[0] & (0xffu >> (need + 1));

	if (need == 1)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4 || need > len)
		return 0;
	for (size_t i = 1; i < need; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	return code < least[need] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : need;
}

bool output_is_utf8(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0, step; i < len; i += step) {
		step = output_utf8(bytes + i, len - i);
		if (step == 0)
			return false;
	}
	return true;
}

static bool output_drives_terminal(const uint8_t *p, size_t step)
{
	if (step == 1)
		return (p[0] < 0x20 && p[0] != '\n' && p[0] != '\t') || p[0] == 0x7f;
	return step == 2 && p[0] == 0xc2 && p[1] < 0xa0; /* C1 */
}

void output_escaped(FILE *out, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0, step; i < len; i += step) {
		bool plain;

		step = output_utf8(bytes + i, len - i);
		plain = step > 0 && !output_drives_terminal(bytes + i, step);
		step = step ? step : 1;
		if (plain) {
			fwrite(bytes + i, 1, step, out);
			continue;
		}
		for (size_t j = 0; j < step; j++)
			fprintf(out, "\\x%02x", bytes[i + j]);
	}
}

void output_json_string(FILE *out, const uint8_t *bytes, size_t len)
{
	fputc('"', out);
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '"' || bytes[i] == '\\')
			fprintf(out, "\\%c", bytes[i]);
		else if (bytes[i] < 0x20 || bytes[i] == 0x7f)
			fprintf(out, "\\u%04x", bytes[i]);
		else
			fputc(bytes[i], out);
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

bool output_finish(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	output_error("cannot write to standard output: %s", strerror(errno));
	return false;
}
