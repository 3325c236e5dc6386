/* SPDX-License-Identifier: Apache-2.0
 * counters.c - see counters.h. Everything is under one lock. */
#include "counters.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t counts[COUNTS], gauges[GAUGES], observed[HISTOGRAMS];
    double most[HISTOGRAMS];
    bool closed;
    int before_gate;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

metrics *const no_metrics = NULL;

void metrics_count(metrics *m, count_name which, int64_t more)
{
    (void)m;
    pthread_mutex_lock(&all.lock);
    all.counts[which] += more;
    pthread_mutex_unlock(&all.lock);
}

void metrics_gauge(metrics *m, gauge_name which, int64_t change)
{
    (void)m;
    pthread_mutex_lock(&all.lock);
    all.gauges[which] += change;
    pthread_cond_broadcast(&all.changed);
    pthread_mutex_unlock(&all.lock);
}

void metrics_observe(metrics *m, histogram_name which, double value)
{
    (void)m;
    pthread_mutex_lock(&all.lock);
    all.observed[which]++;
    if (value > all.most[which]) all.most[which] = value;
    if (which == HISTOGRAM_ENCODE_SECONDS) {
        all.before_gate++;
        pthread_cond_broadcast(&all.changed);
        while (all.closed) pthread_cond_wait(&all.changed, &all.lock);
        all.before_gate--;
    }
    pthread_mutex_unlock(&all.lock);
}

void counters_forget(void)
{
    pthread_mutex_lock(&all.lock);
    memset(all.counts, 0, sizeof all.counts);
    memset(all.gauges, 0, sizeof all.gauges);
    memset(all.observed, 0, sizeof all.observed);
    memset(all.most, 0, sizeof all.most);
    all.closed = false;
    pthread_mutex_unlock(&all.lock);
}

int64_t counters_count(count_name which)
{
    pthread_mutex_lock(&all.lock);
    const int64_t value = all.counts[which];
    pthread_mutex_unlock(&all.lock);
    return value;
}

int64_t counters_gauge(gauge_name which)
{
    pthread_mutex_lock(&all.lock);
    const int64_t value = all.gauges[which];
    pthread_mutex_unlock(&all.lock);
    return value;
}

int64_t counters_observed(histogram_name which)
{
    pthread_mutex_lock(&all.lock);
    const int64_t value = all.observed[which];
    pthread_mutex_unlock(&all.lock);
    return value;
}

double counters_most(histogram_name which)
{
    pthread_mutex_lock(&all.lock);
    const double value = all.most[which];
    pthread_mutex_unlock(&all.lock);
    return value;
}

void gate_close(void)
{
    pthread_mutex_lock(&all.lock);
    all.closed = true;
    pthread_mutex_unlock(&all.lock);
}

void gate_open(void)
{
    pthread_mutex_lock(&all.lock);
    all.closed = false;
    pthread_cond_broadcast(&all.changed);
    pthread_mutex_unlock(&all.lock);
}

void gate_wait_for(int threads)
{
    pthread_mutex_lock(&all.lock);
    while (all.before_gate < threads) pthread_cond_wait(&all.changed, &all.lock);
    pthread_mutex_unlock(&all.lock);
}

void gauge_wait_for(gauge_name which, int64_t value)
{
    pthread_mutex_lock(&all.lock);
    while (all.gauges[which] != value) pthread_cond_wait(&all.changed, &all.lock);
    pthread_mutex_unlock(&all.lock);
}
