/* A record's version as dhtctl prints and reads it: NUMBER/COUNTER. */
#ifndef DHT_VERSION_TEXT_H
#define DHT_VERSION_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/version.h"

/* False: it is none, or beyond 64 bits. */
bool version_text_parse(const uint8_t *text, size_t len, struct version *version);

#endif
