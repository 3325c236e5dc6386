/* SPDX-License-Identifier: Apache-2.0
 * clock.h - seconds on a clock that nobody sets. */
#ifndef SIMILE_BASE_CLOCK_H
#define SIMILE_BASE_CLOCK_H

#include <time.h>

static inline double clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#endif
