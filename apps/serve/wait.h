/* SPDX-License-Identifier: Apache-2.0
 * wait.h - waiting for a condition until a time of clock.h. */
#ifndef SIMILE_SERVE_WAIT_H
#define SIMILE_SERVE_WAIT_H

#include "base/clock.h"

#include <pthread.h>

/* A condition that wait_until() can wait for. */
static inline void wait_condition(pthread_cond_t *condition)
{
    pthread_condattr_t how;
    pthread_condattr_init(&how);
    pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &how);
    pthread_condattr_destroy(&how);
}

/* Non-zero: that time has come. */
static inline int wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, double until)
{
    struct timespec t = {.tv_sec = (time_t)until};
    t.tv_nsec = (long)(1e9 * (until - (double)t.tv_sec));
    return pthread_cond_timedwait(condition, lock, &t);
}

#endif
