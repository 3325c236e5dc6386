/* SPDX-License-Identifier: Apache-2.0
 * serve.h - the server as its parts see it.
 *
 *     client ── http (parse, guard, limits) ── routes ── a handler on a worker thread ── reply
 *                                                          │
 *                               towers (models, micro-batches), library (search), jobs (indexing), events (news)
 *
 * One thread of libmicrohttpd reads and writes all connections. A request that arrived whole is handed to one of a few
 * worker threads, where its handler may wait for the encoders; the connection is suspended meanwhile and costs nothing.
 * Where a queue is full the answer is 503 with Retry-After: nothing grows without a bound. */
#ifndef SIMILE_SERVE_SERVE_H
#define SIMILE_SERVE_SERVE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "serve/limits.h"
#include "simile.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef struct events events;   /* events.h: news for server-sent events */
typedef struct folders folders; /* folders.h: folders that clients may name */
typedef struct jobs jobs;       /* jobs.h: indexing in the background */
typedef struct metrics metrics; /* metrics.h: what /metrics tells */
typedef struct towers towers;   /* towers.h: models and their encoders */

typedef enum { LOG_FORM_NONE, LOG_FORM_TEXT, LOG_FORM_JSON } log_form;

/* What the command line and the environment say. Strings live as long as the server. */
typedef struct {
    const char *address;        /* default 127.0.0.1 */
    int port;                   /* default 7997; 0: any that is free */
    const char *api_key;        /* NULL: none is asked for */
    bool open;                  /* no key although the address is not loopback: was asked for by name */
    const char *const *origins; /* further origins whose pages may call ("https://photos.example") */
    size_t n_origins;
    const char *const *hosts; /* further names in the Host header */
    size_t n_hosts;
    const char *const *roots; /* folders that may be indexed: folders_new */
    size_t n_roots;
    bool remote_images; /* fetch http(s) URLs of pictures that clients name */
    bool read_only;     /* no indexing, no forgetting */
    int threads;        /* of the encoders and of a search */
    int workers;        /* handlers at once; default 8 */
    int ttl_seconds;    /* after which an idle model is unloaded; 0: never */
    log_form log;       /* of requests, on stderr */
} serve_options;

typedef struct server {
    serve_options options;
    towers *towers;
    folders *folders;
    simile_library *library; /* any number of searches at once, one writer: the job */
    jobs *jobs;
    events *events;
    metrics *metrics;
    int64_t started;      /* seconds since 1970 */
    atomic_int fetching;  /* pictures by URL */
    atomic_bool stopping; /* long work for a request ends */
} server;

#endif
