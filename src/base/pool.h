/* SPDX-License-Identifier: Apache-2.0
 * pool.h - a fixed team of threads that share out loops.
 *
 * pool_run() may be called from one thread at a time; it returns when all items are done. The calling thread works
 * too: a pool of n has n-1 threads of its own, and a pool of 1 has none. Items are handed out in order, one by one. */
#ifndef SIMILE_BASE_POOL_H
#define SIMILE_BASE_POOL_H

#include "base/err.h"

typedef struct pool pool;
typedef void (*pool_fn)(void *user, size_t item, int worker); /* worker: 0 .. threads-1 */

simile_status pool_new(int threads, pool **out, simile_error *err);
void pool_free(pool *p);
int pool_threads(const pool *p);
void pool_run(pool *p, size_t items, pool_fn fn, void *user);

/* The processors that this process may use, at least 1. */
int cpu_count(void);

#endif
