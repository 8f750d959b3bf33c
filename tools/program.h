/* Programs of the machine, found as a shell finds them. */
#ifndef DHT_PROGRAM_H
#define DHT_PROGRAM_H

#include <stdbool.h>

/* Whether there is one to run by that name: in $PATH, or by its path if there is a slash in it. */
bool program_is_there(const char *name);

#endif
