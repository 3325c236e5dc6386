/* SPDX-License-Identifier: Apache-2.0
 * listen.h - the listener: sockets in, replies out. Start and stop it from one thread. */
#ifndef SIMILE_SERVE_LISTEN_H
#define SIMILE_SERVE_LISTEN_H

#include "serve/http.h"

typedef struct http http;

/* What of limits.h can be another for one listener: tests have no time. Zero: that of limits.h. */
typedef struct {
    int connections, queue, streams, idle_seconds;
    double request_seconds, stream_seconds; /* between two signs of life of a stream */
    size_t header_bytes, json_bytes, upload_bytes, bodies_bytes;
} http_limits;

typedef struct {
    int fd;                     /* a socket that listens already and is the listener's from now on; 0: none */
    const route *const *tables; /* NULL: all that routes.c lists */
    http_limits limits;
} http_setup;

/* Needs s->options, s->events and s->metrics; the handlers need what they need. setup: NULL for the defaults. */
simile_status http_start(server *s, const http_setup *setup, http **out, simile_error *err);
int http_port(const http *h); /* 0: the socket has none */
/* No new connection, no new request; what is being worked on is finished and sent. NULL is fine. */
void http_stop(http *h);

extern const route *const route_tables[]; /* routes.c; ends with NULL */

#endif
