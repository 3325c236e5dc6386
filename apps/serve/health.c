/* SPDX-License-Identifier: Apache-2.0
 *
 * health.c - GET /metrics. Threads: the workers'. */
#include "serve/http.h"
#include "serve/metrics.h"

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
