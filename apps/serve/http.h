/* SPDX-License-Identifier: Apache-2.0
 * http.h - requests and replies: what a handler sees of HTTP. Nothing of libmicrohttpd shows here.
 *
 * A handler runs on a worker thread, gets a request that arrived whole and was let through by the guard (guard.h: key,
 * Host, Origin), fills in the reply and returns. The reply is the handler's alone until then. */
#ifndef SIMILE_SERVE_HTTP_H
#define SIMILE_SERVE_HTTP_H

#include "serve/serve.h"

#include <stdint.h>

/* ---- requests ---- */

enum { ROUTE_STARS = 2 };

typedef struct request {
    const char *method, *path;      /* path: decoded, without the query */
    const char *stars[ROUTE_STARS]; /* what stood in place of each '*' of the route; NULL: there was none */
    const char *body;               /* followed by a NUL; "" when there is none */
    size_t body_len;
    const char *content_type; /* "" when there is none */
    uint64_t id;              /* of the log */
    const void *inside;       /* http.c's */
} request;

const char *request_header(const request *q, const char *name); /* NULL: not there */
/* The first value of a key of the query string, decoded; NULL: not there. A second one of the same key is ignored. */
const char *request_query(const request *q, const char *key);
const char *request_query_key(const request *q, size_t i); /* of the i-th pair, decoded; NULL beyond the end */
/* Whole number of the query string: absent: *out stays. False: it is none or out of range. */
bool request_query_int(const request *q, const char *key, int64_t min, int64_t max, int64_t *out);
bool request_star_int(const request *q, int star, int64_t *out); /* "17", from 1 on */
/* The body as JSON whatever its Content-Type, its root an object: nested at most LIMIT_JSON_DEPTH deep, of at most
 * LIMIT_JSON_VALUES values (LIMIT). */
simile_status request_json(const request *q, json_t **out, simile_error *err);
/* The same of any text that a client sent. */
simile_status json_body(const char *text, size_t len, json_t **out, simile_error *err);
/* A picture in the bytes that a client sent, within LIMIT_PIXELS. FORMAT: also of a damaged one. */
simile_status picture_decode(const void *bytes, size_t len, bool ignore_orientation, simile_image **out,
                             simile_error *err);
/* The status for a picture of a client: FORMAT in the place of CORRUPT. */
simile_status picture_status(simile_status status, simile_error *err);
/* Bytes of "data:image/...;base64,...", or of bare base64 (also URL-safe, unpadded). *out is freed with mem_free. */
simile_status base64_decode(const char *text, size_t len, unsigned char **out, size_t *out_len, simile_error *err);
bool base64_append(buf *out, const void *bytes, size_t len);

/* ---- multipart/form-data ---- */

typedef struct {
    const char *name, *filename, *type; /* filename, type: NULL when not there */
    const char *data;                   /* in the body, not followed by a NUL */
    size_t len;
} part;
typedef struct {
    part items[LIMIT_PARTS];
    size_t count;
    char *names; /* owned */
} parts;
/* ARG: not multipart; FORMAT: damaged; LIMIT. parts_release() always. */
simile_status parts_read(const char *content_type, const char *body, size_t len, parts *out, simile_error *err);
const part *parts_find(const parts *p, const char *name); /* the first; NULL */
void parts_release(parts *p);

/* ---- replies ---- */

typedef struct {
    char name[32], value[224];
} header;
enum { REPLY_HEADERS = 8 };

typedef struct reply {
    int status;       /* 200 unless set */
    const char *type; /* default "application/json" */
    buf body;         /* at most OUTPUT of it, see reply_json */
    header headers[REPLY_HEADERS];
    size_t n_headers;
    bool stream;       /* events follow: reply_events */
    const void *fixed; /* a body that lives as long as the program, instead of `body` */
    size_t fixed_len;
    bool file; /* file_len bytes of fd from file_at on, instead of `body`; whoever sends them closes fd */
    int fd;
    int64_t file_at, file_len;
} reply;

void reply_header(reply *r, const char *name, const char *value);
/* A writer on the body. */
void reply_json(reply *r, json_writer *w);
/* {"error": {"code": "not_found", "message": "..."}}: the form of our own API. status 0: that which fits err. */
void reply_error(reply *r, int status, const simile_error *err);
void reply_errorf(reply *r, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* 400 ARG, FORMAT, UNSUPPORTED; 404 NOT_FOUND; 409 EXISTS, VERSION; 413 LIMIT; 503 BUSY, NOMEM, CANCELLED; 500 all
 * else: CORRUPT is what is damaged here, of a client's bytes FORMAT is said. */
int status_of(const simile_error *err);
/* From now on everything that is published goes to the client: `text/event-stream`. */
void reply_events(reply *r);

/* ---- routes ---- */

typedef void (*handler)(server *s, const request *q, reply *r);

enum {
    ROUTE_PUBLIC = 1,    /* no key is asked for: liveness, and the page's own files */
    ROUTE_UPLOAD = 2,    /* the body may be LIMIT_UPLOAD_BYTES long */
    ROUTE_CHANGES = 4,   /* refused when read_only */
    ROUTE_ANY_ORIGIN = 8 /* answers pages of any origin (GET of what is no secret) */
};

typedef struct {
    const char *method, *path; /* "/v1/items/ * /thumbnail" without the blanks: a star stands for one part */
    handler run;
    int flags;
} route;

/* Each protocol has a table, which ends with a zeroed row; routes.c lists the tables. */
extern const route routes_own[], routes_page[], routes_health[], routes_immich[], routes_openai[],
    routes_clip_retrieval[], routes_clip_as_service[];

#endif
