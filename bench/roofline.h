/* SPDX-License-Identifier: Apache-2.0
 * roofline.h - what this machine can do at most, measured: arithmetic on registers and reading memory. */
#ifndef SIMILE_BENCH_ROOFLINE_H
#define SIMILE_BENCH_ROOFLINE_H

#include "base/pool.h"

typedef enum { ROOF_F32, ROOF_BF16, ROOF_INT8, ROOF_MEMORY, ROOFS } roof;

/* Operations (a multiplication and an addition are two) or bytes a second of all threads of the pool together, the
 * best of a few short tries; 0: this processor has no instructions for it, or is of a kind that is not known here. */
double roofline(roof kind, pool *threads);

#endif
