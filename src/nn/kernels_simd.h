/* SPDX-License-Identifier: Apache-2.0
 * kernels_simd.h - layer norm, 2^x and (attention_simd.h) attention over vectors of any width. Private to
 * kernels_avx*.c and kernels_neon.c, which define the vector and the tiles first (vec, LANES, v_*, TILE_ROWS,
 * TILE_VECS, WHOLE_VECS, WHOLE_ROWS) and then include this text once. */
#include "nn/kernels_narrow.h"
#include "nn/vector_exp.h"

/* ---- layer norm ---- */

/* The sum of (x - shift)^power, power 1 or 2: four partial vectors hide the latency of the additions. */
INLINE float sum_shifted(const int power, int64_t n, const float *x, float shift)
{
    const vec s = v_set(shift);
    vec part[4] = {v_set(0), v_set(0), v_set(0), v_set(0)};
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES)
        for (int p = 0; p < 4; p++) {
            const vec d = v_sub(v_load(x + i + p * LANES), s);
            part[p] = power == 2 ? v_fma(d, d, part[p]) : v_add(part[p], d);
        }
    for (; i < n; i += LANES) {
        const int left = n - i < LANES ? (int)(n - i) : LANES;
        const vec d = v_first(v_sub(v_load_first(x + i, left), s), left, v_set(0));
        part[0] = power == 2 ? v_fma(d, d, part[0]) : v_add(part[0], d);
    }
    return v_sum(v_add(v_add(part[0], part[1]), v_add(part[2], part[3])));
}

static void norm_row(int64_t dim, const float *x, const float *weight, const float *bias, float eps, float *y)
{
    const float mean = sum_shifted(1, dim, x, 0.0f) / (float)dim;
    const float variance = sum_shifted(2, dim, x, mean) / (float)dim;
    const vec m = v_set(mean), factor = v_set(1.0f / v_sqrt1(variance + eps));
    int64_t i = 0;
    for (; i + LANES <= dim; i += LANES) {
        const vec z = v_mul(v_sub(v_load(x + i), m), factor);
        v_store(y + i, v_fma(z, v_load(weight + i), v_load(bias + i)));
    }
    const int left = (int)(dim - i);
    if (left == 0) return;
    const vec z = v_mul(v_sub(v_load_first(x + i, left), m), factor);
    v_store_first(y + i, v_fma(z, v_load_first(weight + i, left), v_load_first(bias + i, left)), left);
}

static void layer_norm(int64_t rows, int64_t dim, const float *x, const float *weight, const float *bias, float eps,
                       float *y)
{
    for (int64_t r = 0; r < rows; r++) norm_row(dim, x + r * dim, weight, bias, eps, y + r * dim);
}

/* ---- 2^x ---- */

static void exp2_row(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        const int left = n - i < LANES ? (int)(n - i) : LANES;
        v_store_first(x + i, exp2_vec(v_bound(v_load_first(x + i, left))), left);
    }
}

#include "nn/attention_simd.h"
