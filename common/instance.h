/* The instances of dht-node@.service, and the names of their nodes. */
#ifndef DHT_INSTANCE_H
#define DHT_INSTANCE_H

#include <stddef.h>

/* systemd writes bytes that no unit's name can have as \xNN: a node is called as whoever enabled it has typed it.  A '-'
 * stays one, though systemd may mean a '/' by it.  What does not fit is left out. */
void instance_name(const char *instance, char *out, size_t size);

#endif
