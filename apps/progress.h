/* SPDX-License-Identifier: Apache-2.0
 * progress.h - one line on stderr about work that takes a while: bar, count, rate, time left. Only on a terminal. */
#ifndef SIMILE_APPS_PROGRESS_H
#define SIMILE_APPS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    const char *unit; /* "pictures" */
    bool shown;       /* stderr is a terminal and --quiet was not said */
    double started, drawn;
    const char *limit;   /* "decoding": what takes most of the time, if that is known */
    int64_t first, done; /* where the counting began, and where it is */
} progress;

void progress_begin(progress *p, const char *unit, bool quiet);
/* A simile_progress_fn; user is a progress. Says 1 once the user asked to stop. */
int progress_step(void *user, int64_t done, int64_t total, const char *subject);
void progress_end(progress *p);
double progress_seconds(const progress *p);

/* Removes a line that may be on the terminal; the next step draws it anew. Anything that prints calls it first. */
void progress_wipe(void);

#endif
