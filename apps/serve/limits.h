/* SPDX-License-Identifier: Apache-2.0
 * limits.h - every limit of the server, in one table. docs/server.md prints the same one. */
#ifndef SIMILE_SERVE_LIMITS_H
#define SIMILE_SERVE_LIMITS_H

enum {
    LIMIT_CONNECTIONS = 2048,               /* open at once */
    LIMIT_CONNECTIONS_PER_CLIENT = 0,       /* 0: no bound (a proxy is one client) */
    LIMIT_IDLE_SECONDS = 30,                /* without a byte, in either direction, before a connection is closed */
    LIMIT_REQUEST_SECONDS = 60,             /* from the first byte of a request to its last */
    LIMIT_HEADER_BYTES = 32 * 1024,         /* of a request's line and headers */
    LIMIT_JSON_BYTES = 16 * 1024 * 1024,    /* of a body that is JSON: pictures come as base64 in some protocols */
    LIMIT_UPLOAD_BYTES = 128 * 1024 * 1024, /* of a body with pictures */
    LIMIT_BODIES_BYTES = 512 * 1024 * 1024, /* of all bodies that are held at once */
    LIMIT_JSON_DEPTH = 32,
    LIMIT_JSON_VALUES = 200 * 1000,   /* of one body: each takes far more memory than bytes */
    LIMIT_PARTS = 64,                 /* of a multipart body */
    LIMIT_PIXELS = 100 * 1000 * 1000, /* of a picture */
    LIMIT_TEXT_BYTES = 128 * 1024,    /* of one text */
    LIMIT_TEXTS = 2048,               /* of one request */
    LIMIT_PICTURES = 64,              /* of one request */
    LIMIT_TERMS = 32,                 /* of one search */
    LIMIT_RESULTS = 1000,             /* of one page of answers */
    LIMIT_OFFSET = 1000 * 1000,
    LIMIT_WORKERS = 8,       /* requests that are worked on at once, unless --workers says otherwise */
    LIMIT_QUEUE = 256,       /* requests that wait for a worker */
    LIMIT_WAITING = 1024,    /* pieces of work that wait for an encoder */
    LIMIT_BATCH = 32,        /* pieces of work that are encoded at once */
    LIMIT_BATCH_WAIT_MS = 4, /* that the first of a batch waits for company, while others are on their way */
    LIMIT_MODELS = 4,        /* loaded at once; the one that is idle the longest makes room */
    LIMIT_JOBS = 16,         /* of indexing, that wait for their turn */
    LIMIT_STREAMS = 64,      /* of events, open at once */
    LIMIT_REMOTE_BYTES = 32 * 1024 * 1024,
    LIMIT_REMOTE_SECONDS = 20,
    LIMIT_REMOTE_REDIRECTS = 5
};

#endif
