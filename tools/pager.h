/* Long texts for people, through the pager that they like. */
#ifndef DHT_PAGER_H
#define DHT_PAGER_H

#include <stdbool.h>

/* To standard output; through a pager if that is a terminal that obeys, and has fewer lines than the text, and `pages` is
 * set: $DHT_PAGER, else $PAGER, else less, with the manners of git (an empty one, or cat, is none; the shell runs it; LESS is
 * FRX unless it is set).  A pager that is not there is told by the shell, and done without. */
void pager_show(const char *text, bool pages);

#endif
