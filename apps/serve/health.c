/* SPDX-License-Identifier: Apache-2.0
 *
 * health.c - GET /healthz and GET /metrics.
 *
 * To be healthy is to do the work: the catalogue answers, and where the model is loaded (or with ?deep=1) a text
 * becomes a vector of finite numbers. An idle server stays unloaded, however often it is asked. Threads: the workers'.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "serve/http.h"
#include "serve/metrics.h"
#include "serve/towers.h"

#include <math.h>

/* The first one that towers_each tells of is the main one. */
static int look_at_main(void *user, const char *name, tower *t, bool loaded)
{
    (void)name, (void)t;
    *(bool *)user = loaded;
    return 1;
}

static simile_status check_vector(tower *t, simile_error *err)
{
    static const char *const text = "a picture";
    const int32_t dim = simile_model_get_info(tower_model(t))->dim;
    float *vector = mem_zero_array((size_t)dim, sizeof *vector), sum = 0;
    if (!vector) return err_nomem(err);
    const simile_status status = tower_texts(t, &text, 1, vector, NULL, err);
    for (int32_t i = 0; i < dim; i++) sum += vector[i] * vector[i];
    mem_free(vector);
    if (status) return status;
    return isfinite(sum) && sum > 0 ? SIMILE_OK
                                    : err_set(err, SIMILE_E_INTERNAL, "the model gives vectors that are none");
}

/* A model without a text tower is opened, and that is all that can be asked of it here. */
static simile_status embed(tower *t, simile_error *err)
{
    RETURN_IF_ERROR(tower_hold(t, err));
    const bool reads = simile_model_get_info(tower_model(t))->context > 0;
    const simile_status status = reads ? check_vector(t, err) : SIMILE_OK;
    tower_release_unused(t);
    return status;
}

static void health(server *s, const request *q, reply *r)
{
    int64_t deep = 0;
    bool loaded = false;
    simile_stats stats;
    simile_error err;
    json_writer w;
    const double since = clock_seconds();
    if (!request_query_int(q, "deep", 0, 1, &deep)) {
        reply_errorf(r, 400, "arg", "'deep' is 0 or 1");
        return;
    }
    towers_each(s->towers, look_at_main, &loaded);
    simile_status status = simile_library_get_stats(s->library, &stats, &err);
    if (!status && (loaded || deep)) status = embed(towers_main(s->towers), &err);
    if (status) {
        reply_error(r, 503, &err);
        return;
    }
    reply_json(r, &w);
    jw_object(&w);
    jw_key(&w, "status"), jw_string(&w, "ok");
    jw_key(&w, "embedded"), jw_bool(&w, loaded || deep);
    jw_key(&w, "seconds"), jw_double(&w, clock_seconds() - since);
    jw_object_end(&w);
}

static void metrics_page(server *s, const request *q, reply *r)
{
    (void)q;
    r->type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_text(s->metrics, s, &r->body);
}

const route routes_health[] = {
    {"GET", "/healthz", health, ROUTE_PUBLIC},
    {"GET", "/metrics", metrics_page, 0},
    {0},
};
