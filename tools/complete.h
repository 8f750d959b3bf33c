/* What can stand where the cursor is: asked by the scripts that `dhtctl completion` prints. */
#ifndef DHT_COMPLETE_H
#define DHT_COMPLETE_H

/* Hidden, as it is for shells alone. */
#define COMPLETE_WORD "__complete"

/* `dhtctl __complete WORDS...`: args[0] is COMPLETE_WORD, the last word is the one that the cursor is in, "" if it is
 * empty.  Prints lines WORD<TAB>DESCRIPTION of what begins with it, or ":files" if a file is wanted.  Whatever goes
 * wrong, it says nothing, and returns 0. */
int complete(int argc, char **args);

#endif
