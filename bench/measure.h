/* SPDX-License-Identifier: Apache-2.0
 * measure.h - what all benchmarks share: the clock, the median, and how fast memory is read. */
#ifndef SIMILE_BENCH_MEASURE_H
#define SIMILE_BENCH_MEASURE_H

double bench_now(void);                     /* seconds */
double bench_median(double *values, int n); /* sorts them */
/* Bytes a second that this thread reads of memory: one pass over a block far larger than a core's caches, which is
 * kept from call to call; 0 when there is no memory for it. From one thread only. */
double bench_read_rate(void);
/* SIMILE_COMPUTE_... of "f32", "bf16", "int8" or "auto"; -1: none of them. */
int bench_compute(const char *name);

#endif
