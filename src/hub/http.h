/* SPDX-License-Identifier: Apache-2.0
 * http.h - GET over HTTP/1.1 with rules of our own around libcurl.
 *
 * Redirects are followed here and not by libcurl: never to another scheme, never from a public endpoint to a private,
 * loopback or link-local address, checked against the address that is really connected to, and the token goes to the
 * endpoint's own origin alone. What is worth another attempt is attempted again, with pauses. */
#ifndef SIMILE_HUB_HTTP_H
#define SIMILE_HUB_HTTP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;

enum { HTTP_ETAG = 256, HTTP_URL = 4096, HTTP_TYPE = 96, HTTP_CODE = 64 };

/* What the headers of one response say; -1 or "" where they say nothing. */
typedef struct {
    long status;
    int64_t content_length;
    int64_t range_first, range_total; /* Content-Range */
    int64_t retry_after;              /* seconds */
    char etag[HTTP_ETAG];             /* as sent, quotes included; "" when it is a weak one */
    char type[HTTP_TYPE];             /* Content-Type without its parameters, in lower case */
    char code[HTTP_CODE];             /* X-Error-Code of the Hugging Face Hub */
    char location[HTTP_URL];
    char next[HTTP_URL]; /* Link: <...>; rel="next" */
} http_head;

void http_head_init(http_head *head);
void http_head_line(http_head *head, const char *line, size_t len); /* one header line, foreign bytes */

/* Is it an address of this machine, of a local network, or of no single machine at all? */
bool http_address_is_private(const struct sockaddr *address);

typedef struct http http;

/* For a URL that nobody vouches for. Each hop goes to port 80 or 443 of a public address, directly: through a proxy the
 * address could not be checked. From http a redirect may lead to https, never back. */
typedef struct {
    int redirects;     /* that are followed */
    int seconds;       /* for everything together */
    const char *trust; /* origins that may be anywhere, "http://10.0.0.2:8080", blanks between; NULL: none */
} http_guard;

typedef struct {
    const char *endpoint;     /* a URL; its origin is the one that the token is for */
    const char *token;        /* NULL: none */
    int retries;              /* attempts after the first one */
    int stall_seconds;        /* without a byte, after which a connection is given up */
    int backoff_ms;           /* the first pause; each later one is twice as long */
    bool (*stop)(void *user); /* asked all the time; true: cancel */
    void *user;
    const http_guard *guard; /* NULL: the endpoint itself was chosen by the user */
} http_options;

simile_status http_open(const http_options *options, http **out, simile_error *err);
void http_close(http *h);
/* The origin of the endpoint, "https://host:443", for comparing. */
bool http_same_origin(http *h, const char *url);
/* Makes `reference` of `base` absolute; NULL when it is no URL or memory is short. For mem_free. */
char *http_resolve(const char *base, const char *reference);

/* One thing to fetch. The callbacks get `user`. */
typedef struct {
    const char *subject; /* for messages: "owner/name/file" */
    void *user;
    /* Before each attempt: where to go on from, and the validator that goes with it ("" none). NULL: from 0. */
    simile_status (*prepare)(void *user, int64_t *from, const char **etag, simile_error *err);
    /* Before the first byte of a 2xx body. *again: whether another attempt may help. */
    simile_status (*begin)(void *user, const http_head *head, bool *again, simile_error *err);
    simile_status (*data)(void *user, const void *bytes, size_t len, simile_error *err);
    /* The whole body came. *again as above. NULL: nothing to check. */
    simile_status (*end)(void *user, bool *again, simile_error *err);
    /* What was there so far is of no use (416). */
    simile_status (*forget)(void *user, simile_error *err);
} http_ask;

/* head: of the last response. */
simile_status http_get(http *h, const char *url, const http_ask *ask, http_head *head, simile_error *err);

#endif
