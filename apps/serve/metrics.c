/* SPDX-License-Identifier: Apache-2.0
 *
 * metrics.c - numbers about the server, see metrics.h.
 *
 * Every number is an atomic of its own. A reader may see a histogram's count before its sum grew: Prometheus lives with
 * that. Buckets are counted each for itself and added up when they are read. Threads: any. */
#include "serve/metrics.h"

#include "base/mem.h"

#include <dirent.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { BUCKETS = 14 };

typedef struct {
    const char *name, *help, *label;
} described;

static const described counts[COUNTS] = {
    [COUNT_REQUESTS_2XX] = {"simile_requests_total", "Requests that were answered, by class of status.",
                            "status=\"2xx\""},
    [COUNT_REQUESTS_4XX] = {"simile_requests_total", NULL, "status=\"4xx\""},
    [COUNT_REQUESTS_5XX] = {"simile_requests_total", NULL, "status=\"5xx\""},
    [COUNT_REFUSED_BUSY] = {"simile_refused_busy_total", "Requests that were refused because a queue was full.", NULL},
    [COUNT_REFUSED_GUARD] = {"simile_refused_guard_total", "Requests that were refused for key, Host or Origin.", NULL},
    [COUNT_TEXTS] = {"simile_texts_encoded_total", "Texts that became vectors.", NULL},
    [COUNT_IMAGES] = {"simile_images_encoded_total", "Pictures that became vectors.", NULL},
    [COUNT_SEARCHES] = {"simile_searches_total", "Searches of the catalogue.", NULL},
    [COUNT_MODEL_LOADS] = {"simile_model_loads_total", "Models that were loaded.", NULL},
    [COUNT_MODEL_UNLOADS] = {"simile_model_unloads_total", "Models that were unloaded because nobody needed them.",
                             NULL},
};
static const described gauges[GAUGES] = {
    [GAUGE_CONNECTIONS] = {"simile_connections", "Open connections.", NULL},
    [GAUGE_REQUESTS_WAITING] = {"simile_requests_waiting", "Requests that wait for a worker.", NULL},
    [GAUGE_WORK_WAITING] = {"simile_work_waiting", "Texts and pictures that wait for an encoder.", NULL},
    [GAUGE_BODY_BYTES] = {"simile_body_bytes", "Bytes of request bodies that are held.", NULL},
    [GAUGE_MODELS_LOADED] = {"simile_models_loaded", "Models in memory.", NULL},
    [GAUGE_STREAMS] = {"simile_streams", "Open streams of events.", NULL},
};
static const described histograms[HISTOGRAMS] = {
    [HISTOGRAM_REQUEST_SECONDS] = {"simile_request_seconds", "From a request's first line to the end of its reply.",
                                   NULL},
    [HISTOGRAM_QUEUE_SECONDS] = {"simile_queue_seconds", "That a request waited for a worker.", NULL},
    [HISTOGRAM_WORK_SECONDS] = {"simile_work_seconds", "That a text or picture waited for an encoder.", NULL},
    [HISTOGRAM_ENCODE_SECONDS] = {"simile_encode_seconds", "Of one batch in an encoder.", NULL},
    [HISTOGRAM_SEARCH_SECONDS] = {"simile_search_seconds", "Of one search of the catalogue.", NULL},
    [HISTOGRAM_BATCH_TEXTS] = {"simile_batch_texts", "Texts in a batch.", NULL},
    [HISTOGRAM_BATCH_IMAGES] = {"simile_batch_images", "Pictures in a batch.", NULL},
};

static const double seconds[BUCKETS] = {.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60};
static const double sizes[BUCKETS] = {1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32, 64};

typedef struct {
    atomic_int_fast64_t buckets[BUCKETS + 1]; /* the last: beyond them */
    _Atomic double sum;
} histogram;

struct metrics {
    atomic_int_fast64_t counts[COUNTS], gauges[GAUGES];
    histogram histograms[HISTOGRAMS];
};

simile_status metrics_new(metrics **out, simile_error *err)
{
    *out = mem_new(metrics);
    return *out ? SIMILE_OK : err_nomem(err);
}

void metrics_free(metrics *m)
{
    mem_free(m);
}

void metrics_count(metrics *m, count_name which, int64_t more)
{
    atomic_fetch_add_explicit(&m->counts[which], more, memory_order_relaxed);
}

void metrics_gauge(metrics *m, gauge_name which, int64_t change)
{
    atomic_fetch_add_explicit(&m->gauges[which], change, memory_order_relaxed);
}

static const double *bounds_of(histogram_name which)
{
    return which == HISTOGRAM_BATCH_TEXTS || which == HISTOGRAM_BATCH_IMAGES ? sizes : seconds;
}

void metrics_observe(metrics *m, histogram_name which, double value)
{
    histogram *h = &m->histograms[which];
    const double *bounds = bounds_of(which);
    int i = 0;
    while (i < BUCKETS && value > bounds[i]) i++;
    atomic_fetch_add_explicit(&h->buckets[i], 1, memory_order_relaxed);
    double sum = atomic_load_explicit(&h->sum, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&h->sum, &sum, sum + value, memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
}

/* ---- text ---- */

static void head(buf *out, const char *name, const char *help, const char *type)
{
    if (help) buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void number(buf *out, double value)
{
    if (value == floor(value) && fabs(value) < 1e15)
        buf_printf(out, "%.0f\n", value);
    else
        buf_printf(out, "%.9g\n", value);
}

static void one(buf *out, const char *name, const char *help, const char *type, double value)
{
    head(out, name, help, type);
    buf_printf(out, "%s ", name);
    number(out, value);
}

static void labelled(buf *out, const described *d, const char *type, atomic_int_fast64_t *value)
{
    head(out, d->name, d->help, type);
    buf_printf(out, d->label ? "%s{%s} " : "%s%s ", d->name, d->label ? d->label : "");
    number(out, (double)atomic_load_explicit(value, memory_order_relaxed));
}

static void write_histogram(buf *out, const described *d, const double *bounds, histogram *h)
{
    int64_t below = 0;
    head(out, d->name, d->help, "histogram");
    for (int i = 0; i < BUCKETS; i++) {
        below += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
        buf_printf(out, "%s_bucket{le=\"%g\"} %lld\n", d->name, bounds[i], (long long)below);
    }
    below += atomic_load_explicit(&h->buckets[BUCKETS], memory_order_relaxed);
    buf_printf(out, "%s_bucket{le=\"+Inf\"} %lld\n%s_sum ", d->name, (long long)below, d->name);
    number(out, atomic_load_explicit(&h->sum, memory_order_relaxed));
    buf_printf(out, "%s_count %lld\n", d->name, (long long)below);
}

/* ---- of the process ---- */

static double resident_bytes(void)
{
    long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f) return 0;
    if (fscanf(f, "%*s %lld", &pages) != 1) pages = 0;
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double processor_seconds(void)
{
    struct rusage used;
    if (getrusage(RUSAGE_SELF, &used)) return 0;
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static double open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    double n = -3; /* ".", ".." and the folder itself */
    if (!d) return 0;
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

static void process_text(server *s, buf *out)
{
    one(out, "process_resident_memory_bytes", "Memory that is resident.", "gauge", resident_bytes());
    one(out, "process_cpu_seconds_total", "Processor time, user and system.", "counter", processor_seconds());
    one(out, "process_open_fds", "Open file descriptors.", "gauge", open_files());
    one(out, "process_start_time_seconds", "When it started, in seconds since 1970.", "gauge", (double)s->started);
}

static void catalog_text(server *s, buf *out)
{
    simile_stats stats = {0};
    if (!s->library || simile_library_get_stats(s->library, &stats, NULL)) return;
    one(out, "simile_catalog_images", "Pictures in the catalogue.", "gauge", (double)stats.images);
    one(out, "simile_catalog_texts", "Texts in the catalogue.", "gauge", (double)stats.texts);
    one(out, "simile_catalog_quarantined", "Pictures that could not be read.", "gauge", (double)stats.quarantined);
    one(out, "simile_catalog_bytes", "Size of the catalogue.", "gauge", (double)stats.bytes);
}

void metrics_text(metrics *m, server *s, buf *out)
{
    for (int i = 0; i < COUNTS; i++) labelled(out, &counts[i], "counter", &m->counts[i]);
    for (int i = 0; i < GAUGES; i++) labelled(out, &gauges[i], "gauge", &m->gauges[i]);
    for (int i = 0; i < HISTOGRAMS; i++)
        write_histogram(out, &histograms[i], bounds_of((histogram_name)i), &m->histograms[i]);
    process_text(s, out);
    catalog_text(s, out);
}
