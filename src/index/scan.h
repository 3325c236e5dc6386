/* SPDX-License-Identifier: Apache-2.0
 * scan.h - exact nearest rows by scanning all of them. Knows vectors only.
 *
 * The slow truth: unit vectors, so score = dot product, larger is better; equal scores are ordered by smaller id, so
 * the answer depends neither on the number of threads nor on the order of the rows. */
#ifndef SIMILE_INDEX_SCAN_H
#define SIMILE_INDEX_SCAN_H

#include "base/err.h"
#include "base/pool.h"

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int64_t id;
    float score;
} scan_hit;

typedef struct {
    const float *rows;  /* [n, stride], dim used */
    const int64_t *ids; /* [n] */
    size_t n, dim, stride;
    const uint64_t *allow; /* bitmap over rows, or NULL: all */
    float min_score;       /* rows below are left out; -INFINITY: no bound */
} scan_set;

/* Writes the best min(k, allowed rows) hits, best first, to out and their number to *found. pool may be NULL. */
simile_status scan_top(const scan_set *set, const float *query, size_t k, pool *threads, scan_hit *out, size_t *found,
                       simile_error *err);

/* The dot product that was picked at run time, and the plain one that defines it. dim any. The order of additions is
 * fixed for each kernel, so the same pair always gives the same score. */
typedef float (*scan_dot_fn)(const float *a, const float *b, size_t dim);
typedef struct {
    const char *name; /* "avx512", "avx2", "plain" */
    scan_dot_fn dot;
    /* scores[i] = dot(rows + i x stride, query), i < n: equal to dot() bit for bit */
    void (*dots)(const float *rows, size_t n, size_t stride, size_t dim, const float *query, float *scores);
} scan_kernels;
const scan_kernels *scan_kernels_best(void);
const scan_kernels *scan_kernels_named(const char *name); /* NULL when this processor lacks it */

#endif
