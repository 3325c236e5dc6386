/* SPDX-License-Identifier: Apache-2.0
 * dot_plain.c - the dot product in plain C: the definition that the other kernels are tested against, and what runs on
 * processors without AVX2.
 *
 * Sixteen partial sums, element i going to sum i mod 16, then a fixed tree over them: a fixed order of additions, and
 * one that a compiler may turn into vectors without being allowed to reorder anything. */
#include "index/kernels.h"

enum { LANES = 16 };

static float dot(const float *a, const float *b, size_t dim)
{
    float sum[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= dim; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++) sum[lane] += a[i + lane] * b[i + lane];
    for (size_t lane = 0; i < dim; i++, lane++) sum[lane] += a[i] * b[i];
    for (size_t half = LANES / 2; half; half /= 2)
        for (size_t lane = 0; lane < half; lane++) sum[lane] += sum[lane + half];
    return sum[0];
}

static void dots(const float *rows, size_t n, size_t stride, size_t dim, const float *query, float *scores)
{
    for (size_t i = 0; i < n; i++) scores[i] = dot(rows + i * stride, query, dim);
}

const scan_kernels kernels_plain = {.name = "plain", .dot = dot, .dots = dots};
