/* SPDX-License-Identifier: Apache-2.0
 * guard.h - who may ask: the key, the Host header (DNS rebinding), Origin and Sec-Fetch-* (other sites' pages).
 *
 * A page of another site can make its visitor's browser send requests here, and by DNS rebinding even under a name of
 * its own. So a request names this server by an IP address, as localhost, or by a name that was configured; what a
 * browser says to come from another site is refused unless its origin was configured or the route is for everybody; and
 * where there is a key, everything but the public routes needs it. Threads: any; a guard never changes. */
#ifndef SIMILE_SERVE_GUARD_H
#define SIMILE_SERVE_GUARD_H

#include "serve/http.h"

typedef struct guard guard;

/* ARG: an address that others reach, without a key and without `open`; an empty key; an origin that is none. */
simile_status guard_check(const serve_options *options, simile_error *err);
/* options: live as long as the guard. */
simile_status guard_new(const serve_options *options, guard **out, simile_error *err);
void guard_free(guard *g);

/* Is this text of an address ("127.0.0.1", "::1") one of the loopback? */
bool guard_is_loopback(const char *address);

/* What a request says, each NULL where it says nothing. */
typedef struct {
    const char *method, *host, *origin;
    const char *site, *mode, *dest;      /* Sec-Fetch-... */
    const char *authorization, *api_key; /* the key, in one of two ways */
} guard_facts;

typedef struct {
    int status;               /* 0: let through; else 400, 401 or 403 */
    const char *code;         /* of the error */
    const char *message;      /* a constant */
    const char *allow_origin; /* whose pages may read the answer; NULL: the server's own alone */
} verdict;

/* flags: of the route; 0 where there is none. */
verdict guard_judge(const guard *g, const guard_facts *facts, int flags);

#endif
