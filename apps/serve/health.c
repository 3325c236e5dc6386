/* SPDX-License-Identifier: Apache-2.0
 *
 * health.c - GET /healthz, GET /metrics, and the cookie that stands for the key.
 *
 * A cookie, because the pictures of a page and its stream of events cannot carry a header: the page sends the key once
 * (POST /v1/session), and the browser keeps what is derived from it out of reach of scripts and of other sites.
 * Threads: the workers'. */
#include "serve/guard.h"
#include "serve/metrics.h"

#include <stdio.h>

static void metrics_page(server *s, const request *q, reply *r)
{
    (void)q;
    r->type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_text(s->metrics, s, &r->body);
}

const route routes_health[] = {
    {"GET", "/metrics", metrics_page, 0},
    {0},
};
