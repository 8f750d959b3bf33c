/* What dhtctl prints: error lines, values for people and for programs. */
#ifndef DHT_OUTPUT_H
#define DHT_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../common/key.h"

/* "dhtctl: " and one line on standard error. */
void output_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether what stands in the terminal's last line is for the next error line to wipe away: a progress bar, or ^C.  What
 * others have begun there stays. */
void output_bar(bool drawn);

/* strerror's sentence as a part of a line: "no such file or directory".  Until it is called again. */
const char *output_reason(int error);

/* From here on error lines go to out, the last one stays, without "dhtctl: "; NULL: to standard error again. */
void output_catch(char *out, size_t size);

/* Whether the descriptor is a terminal that obeys: TERM is set, and is not dumb. */
bool output_terminal(int fd);

enum output_color { COLOR_NONE, COLOR_GOOD, COLOR_WARN, COLOR_BAD, COLOR_DIM };

/* "always", "never", or "auto": on a terminal that obeys, unless NO_COLOR is set.  Of standard output. */
void output_colors(const char *when);
/* What begins a color, and with COLOR_NONE ends it; "" if there are to be none. */
const char *output_color(enum output_color color);

/* For a terminal: what could drive it is shown as \xHH, as are bytes that are not UTF-8; newlines and tabs stay. */
void output_escaped(FILE *out, const uint8_t *bytes, size_t len);

/* The same for what stands within one line: newlines and tabs are shown as \x0a and \x09 too. */
void output_line(FILE *out, const char *text);
void output_bytes_in_line(FILE *out, const uint8_t *bytes, size_t len);

/* A key or value as a part of a line: backslash, tab and newline as \\ \t \n, and on a terminal as output_line besides.
 * lines_unescape undoes it. */
void output_field(FILE *out, const uint8_t *bytes, size_t len);

/* A JSON string in quotes.  A byte that is no UTF-8 is told to people as \xHH; what is to be read back must have none
 * (see output_is_utf8). */
void output_json_string(FILE *out, const uint8_t *bytes, size_t len);
/* "KEY":"..." if the bytes are UTF-8, else "KEY_base64":"...": JSON has no other way to hold any bytes. */
void output_json_bytes(FILE *out, const char *key, const uint8_t *bytes, size_t len);
bool output_is_utf8(const uint8_t *bytes, size_t len);

/* A key: a number as such; a name as output_field, where one that looks like a number or begins with a byte order mark
 * has \xHH for its first byte, so that lines_next and key_text_parse_field read the same key; with JSON as
 * output_json_bytes. */
void output_key(FILE *out, const struct key *key);
void output_json_key(FILE *out, const struct key *key);

/* "850 ms", "12 s", "5 min", "3 h", "4 d". */
void output_span(char *out, size_t size, uint64_t ms);

/* Flushes standard output: false, and nothing printed, if that or something before it has failed. */
bool output_flush(void);
/* After that: an error line, or the end of the process by SIGPIPE if nobody reads any more; to be called where that
 * signal is not ignored.  Then output_finish has nothing to say. */
void output_give_up(int error);

/* Flushes standard output: false, after an error line, if anything of it could not be written. */
bool output_finish(void);

#endif
