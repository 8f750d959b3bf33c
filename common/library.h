/* Functions of a library that is loaded when it is needed (dlopen) and not linked. */
#ifndef DHT_LIBRARY_H
#define DHT_LIBRARY_H

#include <stdbool.h>

/* Sets *function, a pointer to a function, to the one of that name; library: as of dlopen.  False, and a null pointer, if
 * there is none, or no library. */
bool library_find(void *library, const char *name, void *function);

#endif
