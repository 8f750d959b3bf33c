#include "library.h"

#include <dlfcn.h>
#include <string.h>

bool library_find(void *library, const char *name, void *function)
{
	void *found = library ? dlsym(library, name) : NULL;

	/* C has no conversion from an object's address to a function's; POSIX says that this is one. */
	memcpy(function, &found, sizeof(found));
	return found != NULL;
}
