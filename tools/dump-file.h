/* A file that is written whole or not at all: until the end what it is written to stands beside it. */
#ifndef DHT_DUMP_FILE_H
#define DHT_DUMP_FILE_H

#include <stdbool.h>
#include <stdio.h>

struct dump_file {
	FILE *out;
	char *target; /* what is to be replaced at the end; NULL: written in place, as a pipe, a device or a descriptor is */
	char *temporary;
};

/* Opens it to be written: 0, or an errno.  A file that is there keeps its rights and owner.  A signal that ends the
 * process takes away what was begun, and says so on standard error.  One at a time. */
int dump_file_open(struct dump_file *file, const char *path);

/* Closes it: with keep it is on the disk and in its place then, else it is as it was.  What was written in place stays
 * either way.  0, or an errno: then it is as it was, too. */
int dump_file_close(struct dump_file *file, bool keep);

#endif
