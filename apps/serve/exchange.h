/* SPDX-License-Identifier: Apache-2.0
 * exchange.h - one request and its reply, as http.c, request.c and reply.c see it; nobody else includes this. */
#ifndef SIMILE_SERVE_EXCHANGE_H
#define SIMILE_SERVE_EXCHANGE_H

#include "serve/guard.h"
#include "serve/query_string.h"
#include "serve/reaper.h"

#include <microhttpd.h>
#include <stdatomic.h>

typedef struct {
    request q;
    struct MHD_Connection *connection;
    watched *watch;
    const route *route; /* NULL: there is none */
    char *target;       /* as it came, then cut into the decoded path and what its stars stand for; owned */
    char *stars;        /* owned: the path again, cut at its slashes */
    query_string query;
    verdict judged;
    buf body;
    size_t room;      /* of the body, by the route */
    size_t counted;   /* bytes of the body in the sum of all */
    uint64_t dropped; /* bytes of the body of a refused request */
    bool begun, refused, handed_over;
    bool endless;                  /* the reply is a stream */
    atomic_bool answered;          /* by a worker */
    struct MHD_Response *response; /* NULL: there is none yet */
    int status;
    uint64_t sent;                 /* length of the reply's body */
    double started, queued, taken; /* seconds of clock.h */
} exchange;

/* Cuts the target into path and query and decodes both. FORMAT: damaged. */
simile_status exchange_read_target(exchange *ex, simile_error *err);

/* Makes the response of MHD out of a reply, which is empty afterwards: 0 or NOMEM. */
simile_status exchange_respond(exchange *ex, reply *r, simile_error *err);
void reply_init(reply *r);
void reply_release(reply *r);

/* ---- routes.c ---- */

enum { ALLOW_MAX = 96 };
/* The route of a method and a path; the path's parts that stars stand for. NULL: none; allow then holds the methods
 * that the path has, "" where nobody knows it. `stars` has as much room as the path, and is cut up. */
const route *route_find(const route *const *tables, const char *method, const char *path, char *stars,
                        const char *out[ROUTE_STARS], char allow[ALLOW_MAX]);

#endif
