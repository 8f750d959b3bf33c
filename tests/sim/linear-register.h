/* One key's register, as far as a history tells what is in it: what an operation does to it, or that it cannot be now. */
#ifndef SIM_LINEAR_REGISTER_H
#define SIM_LINEAR_REGISTER_H

#include <stdbool.h>

#include "linear.h"

/* Of a write whose version was not told only a lower bound is known, until somebody is told it. */
struct linear_register {
	uint64_t value, version;
	uint64_t exact; /* version is its version; else a bound that it exceeds */
	uint64_t lost;  /* end of the loss behind which nothing was written; 0: none */
	uint64_t end;   /* when the value's time is up; 0: it has none */
};

/* False if the register does not allow it now; what is in it is undefined then. */
bool linear_apply(struct linear_register *r, const struct linear_op *op);

#endif
