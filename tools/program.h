/* Programs of the machine, found as a shell finds them. */
#ifndef DHT_PROGRAM_H
#define DHT_PROGRAM_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* Whether there is one to run by that name: in $PATH, or by its path if there is a slash in it. */
bool program_is_there(const char *name);

/* Starts words[0], found like that, with these words and environment (both NULL-terminated) and our streams, but for its
 * standard input: that is a copy of `input`.  To the signals in `usual` it does what a program does by itself, whatever
 * we do; of the others it ignores what we ignore.  0 and *pid, or errno and *pid 0. */
int program_start(pid_t *pid, char *const *words, char *const *environment, int input, const sigset_t *usual);

#endif
