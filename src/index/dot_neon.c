/* SPDX-License-Identifier: Apache-2.0
 * dot_neon.c - the dot product with NEON, which every arm64 has. As dot_avx2.c, with eight accumulators of four lanes;
 * what is left over is loaded number by number, so nothing is read beyond `dim`. */
#include "index/kernels.h"

#include <arm_neon.h>

enum { PARTS = 8, STEP = 4 * PARTS };

static inline float32x4_t load_first(const float *p, size_t n)
{
    float four[4] = {0};
    for (size_t i = 0; i < n; i++) four[i] = p[i];
    return vld1q_f32(four);
}

static inline float dot_inline(const float *a, const float *b, size_t dim)
{
    float32x4_t sum[PARTS];
    for (int p = 0; p < PARTS; p++) sum[p] = vdupq_n_f32(0);
    size_t i = 0;
    for (; i + STEP <= dim; i += STEP)
        for (size_t p = 0; p < PARTS; p++)
            sum[p] = vfmaq_f32(sum[p], vld1q_f32(a + i + 4 * p), vld1q_f32(b + i + 4 * p));
    for (; i + 4 <= dim; i += 4) sum[0] = vfmaq_f32(sum[0], vld1q_f32(a + i), vld1q_f32(b + i));
    if (i < dim) sum[1] = vfmaq_f32(sum[1], load_first(a + i, dim - i), load_first(b + i, dim - i));
    for (int half = PARTS / 2; half; half /= 2)
        for (int p = 0; p < half; p++) sum[p] = vaddq_f32(sum[p], sum[p + half]);
    return vaddvq_f32(sum[0]);
}

static float dot(const float *a, const float *b, size_t dim)
{
    return dot_inline(a, b, dim);
}

static void dots(const float *rows, size_t n, size_t stride, size_t dim, const float *query, float *scores)
{
    for (size_t i = 0; i < n; i++) scores[i] = dot_inline(rows + i * stride, query, dim);
}

const scan_kernels kernels_neon = {.name = "neon", .dot = dot, .dots = dots};
