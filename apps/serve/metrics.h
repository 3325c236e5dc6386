/* SPDX-License-Identifier: Apache-2.0
 * metrics.h - counters, gauges and histograms in Prometheus' text format (version 0.0.4). The set is fixed at compile
 * time: no request can make it grow. Threads: any; nothing blocks. */
#ifndef SIMILE_SERVE_METRICS_H
#define SIMILE_SERVE_METRICS_H

#include "serve/serve.h"

typedef enum {
    COUNT_REQUESTS_2XX,
    COUNT_REQUESTS_4XX,
    COUNT_REQUESTS_5XX,
    COUNT_REFUSED_BUSY,
    COUNT_REFUSED_GUARD,
    COUNT_TEXTS,
    COUNT_IMAGES,
    COUNT_SEARCHES,
    COUNT_MODEL_LOADS,
    COUNT_MODEL_UNLOADS,
    COUNTS
} count_name;
typedef enum {
    GAUGE_CONNECTIONS,
    GAUGE_REQUESTS_WAITING,
    GAUGE_WORK_WAITING,
    GAUGE_BODY_BYTES,
    GAUGE_MODELS_LOADED,
    GAUGE_STREAMS,
    GAUGES
} gauge_name;
typedef enum {
    HISTOGRAM_REQUEST_SECONDS,
    HISTOGRAM_QUEUE_SECONDS,
    HISTOGRAM_WORK_SECONDS,
    HISTOGRAM_ENCODE_SECONDS,
    HISTOGRAM_SEARCH_SECONDS,
    HISTOGRAM_BATCH_TEXTS,
    HISTOGRAM_BATCH_IMAGES,
    HISTOGRAMS
} histogram_name;

simile_status metrics_new(metrics **out, simile_error *err);
void metrics_free(metrics *m);
void metrics_count(metrics *m, count_name which, int64_t more);
void metrics_gauge(metrics *m, gauge_name which, int64_t change);
void metrics_observe(metrics *m, histogram_name which, double value);
/* And, read at the moment: resident memory, processor time, open files, items of the catalogue, its bytes. */
void metrics_text(metrics *m, server *s, buf *out);

#endif
