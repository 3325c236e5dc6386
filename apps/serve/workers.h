/* SPDX-License-Identifier: Apache-2.0
 * workers.h - a few threads and the bounded queue in front of them.
 *
 * Two lanes: what is quick by nature (liveness, the page's files) never waits behind what is not, and one thread takes
 * nothing else. Threads: any, but for workers_free. */
#ifndef SIMILE_SERVE_WORKERS_H
#define SIMILE_SERVE_WORKERS_H

#include "base/err.h"

#include <stdbool.h>

typedef struct workers workers;
typedef void (*worker_fn)(void *user, void *item);

/* n threads, and one for the quick lane; each lane holds at most `capacity`. */
simile_status workers_new(int n, size_t capacity, worker_fn fn, void *user, workers **out, simile_error *err);
bool workers_push(workers *w, void *item, bool quick); /* false: full, or it was stopped */
void workers_stop(workers *w);                         /* finishes what waits, takes nothing more */
void workers_free(workers *w);

#endif
