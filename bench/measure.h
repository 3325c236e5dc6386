/* SPDX-License-Identifier: Apache-2.0
 * measure.h - the clock and the median of all benchmarks. */
#ifndef SIMILE_BENCH_MEASURE_H
#define SIMILE_BENCH_MEASURE_H

double bench_now(void);                     /* seconds */
double bench_median(double *values, int n); /* sorts them */

#endif
