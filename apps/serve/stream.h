/* SPDX-License-Identifier: Apache-2.0
 * stream.h - the reading end of events.h: what http.c needs to send them. */
#ifndef SIMILE_SERVE_STREAM_H
#define SIMILE_SERVE_STREAM_H

#include "serve/events.h"

#include <stdint.h>
#include <sys/types.h>

typedef struct stream stream;

/* Both are called under the lock of the events, so that no news comes between "there is nothing" and sleep. */
typedef struct {
    void (*sleep)(void *user); /* by stream_read: the stream is to be read again after `wake` */
    void (*wake)(void *user);  /* by whoever has news */
    void *user;
} stream_calls;

/* after: the id of the last event that the client saw; 0: none. LIMIT: there are `max` of them already. */
simile_status stream_open(events *e, const stream_calls *calls, uint64_t after, int max, stream **out,
                          simile_error *err);
void stream_close(stream *s);
/* At most max bytes; 0: it went to sleep; -1: it has ended. */
ssize_t stream_read(stream *s, char *out, size_t max);

/* Sends a sign of life to each stream that was silent for so long. */
void events_tick(events *e, double silent_seconds);
/* Ends all streams, now and later. */
void events_end(events *e);

#endif
