/* SPDX-License-Identifier: Apache-2.0
 * counters.h - a stand-in for metrics.h's counters that a test can read, and with which it can stop the encoders: a
 * thread that tells how long a batch took waits there while the gate is closed. */
#ifndef SIMILE_TESTS_COUNTERS_H
#define SIMILE_TESTS_COUNTERS_H

#include "serve/metrics.h"

void counters_forget(void);
int64_t counters_count(count_name which);
int64_t counters_gauge(gauge_name which);
int64_t counters_observed(histogram_name which); /* how often */
double counters_most(histogram_name which);      /* the largest value */

void gate_close(void);
void gate_open(void);
void gate_wait_for(int threads); /* until so many stand before it */

/* Until the gauge has this value, whatever time it takes. */
void gauge_wait_for(gauge_name which, int64_t value);

/* What the parts under test are given; nothing is behind it. */
extern metrics *const no_metrics;

#endif
