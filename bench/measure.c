/* SPDX-License-Identifier: Apache-2.0
 * measure.c - see measure.h. */
#include "measure.h"

#include "base/mem.h"
#include "simile.h"

#include <stdint.h>
#include <time.h>

double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, by_value);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double bench_read_rate(void)
{
    enum { BYTES = 96 << 20, WORDS = BYTES / 8 };
    static uint64_t *block, sink;
    if (!block) {
        block = mem_alloc(BYTES);
        if (!block) return 0;
        for (size_t i = 0; i < WORDS; i++) block[i] = i;
    }
    uint64_t sum[8] = {sink};
    const double start = bench_now();
    for (size_t i = 0; i < WORDS; i += 8)
        for (size_t k = 0; k < 8; k++) sum[k] += block[i + k];
    const double seconds = bench_now() - start;
    for (size_t k = 0; k < 8; k++) sink += sum[k];
    return BYTES / seconds;
}

int bench_compute(const char *name)
{
    static const char *const names[] = {[SIMILE_COMPUTE_AUTO] = "auto",
                                        [SIMILE_COMPUTE_F32] = "f32",
                                        [SIMILE_COMPUTE_BF16] = "bf16",
                                        [SIMILE_COMPUTE_INT8] = "int8"};
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
        if (!strcmp(names[i], name)) return i;
    return -1;
}
