/* SPDX-License-Identifier: Apache-2.0
 * kernels_simd.h - layer norm and attention over vectors of any width. Private to kernels_avx*.c, which define the
 * vector first (vec, LANES, v_*, TILE_ROWS, TILE_VECS) and then include this text once.
 *
 * Attention, per head: keys are packed transposed and values as they are, both in panels of PANEL columns, so that
 * one small matrix product, `tile`, serves scores (queries x keys) and the weighted sum (weights x values):
 *     C [rows, vecs x LANES] = A [rows, depth] x B [depth, PANEL]
 * A is read one number at a time and spread over a vector, B is read in order, C stays in registers. A block of at most
 * TILE_ROWS queries is finished before the next one starts: its scores stay in the first cache, the packed head in the
 * second. The softmax is over whole rows; its weights are left unnormalised and the sum divides the result.
 * Every number of C is one chain of fused multiply-adds in the order of `depth`, whatever the tile's size: this is why
 * a query's result does not depend on its neighbours.
 *
 * 2^x: x = n + f with n the nearest integer, 2^f by a polynomial of degree 6 (least maximal relative error on
 * [-1/2, 1/2] with constant term 1: 1.6e-8 with coefficients rounded to float32), times 2^n exactly. */
#include "nn/kernels.h"

#include <assert.h>

enum { PANEL = TILE_VECS * LANES };

#define INLINE static inline __attribute__((always_inline))

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

INLINE vec exp2_vec(vec x)
{
    const vec n = v_round(x), f = v_sub(x, n);
    vec p = v_set(0x1.41fbbcp-13f);
    p = v_fma(p, f, v_set(0x1.5f3e52p-10f));
    p = v_fma(p, f, v_set(0x1.3b2d4cp-7f));
    p = v_fma(p, f, v_set(0x1.c6aee8p-5f));
    p = v_fma(p, f, v_set(0x1.ebfbdcp-3f));
    p = v_fma(p, f, v_set(0x1.62e430p-1f));
    p = v_fma(p, f, v_set(1.0f));
    return v_scale2(p, n);
}

static void exp2_row(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        const int left = n - i < LANES ? (int)(n - i) : LANES;
        v_store_first(x + i, exp2_vec(v_bound(v_load_first(x + i, left))), left);
    }
}

/* ---- attention: packing ---- */

static int64_t panels(int64_t columns)
{
    return (columns + PANEL - 1) / PANEL;
}

/* Eight keys, `left` of them real, from key j of a panel on: 8 x 8 transposes, the rest of head_dim one by one. */
static void pack_eight_keys(const nn_attention_head *a, const float *k, int left, float *panel)
{
    int64_t d = 0;
    for (; d + 8 <= a->head_dim; d += 8) {
        __m256 r[8];
        for (int i = 0; i < 8; i++) r[i] = i < left ? _mm256_loadu_ps(k + i * a->stride + d) : _mm256_setzero_ps();
        __m256 t[8];
        for (int i = 0; i < 8; i += 2) {
            t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
            t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
        }
        for (int i = 0; i < 8; i += 4) {
            r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
            r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
            r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
            r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
        }
        for (int i = 0; i < 4; i++) {
            _mm256_storeu_ps(panel + (d + i) * PANEL, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
            _mm256_storeu_ps(panel + (d + i + 4) * PANEL, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
        }
    }
    for (; d < a->head_dim; d++)
        for (int i = 0; i < 8; i++) panel[d * PANEL + i] = i < left ? k[i * a->stride + d] : 0.0f;
}

/* packed: [panels(tokens), head_dim, PANEL]; columns beyond the last key, up to a whole vector, are 0. */
static void pack_keys(const nn_attention_head *a, float *packed)
{
    const int64_t end = (a->tokens + LANES - 1) / LANES * LANES;
    for (int64_t j = 0; j < end; j += 8) {
        const int64_t left = a->tokens - j;
        float *panel = packed + j / PANEL * PANEL * a->head_dim + j % PANEL;
        pack_eight_keys(a, a->k + j * a->stride, left >= 8 ? 8 : left > 0 ? (int)left : 0, panel);
    }
}

/* packed: [panels(head_dim), tokens, PANEL] */
static void pack_values(const nn_attention_head *a, float *packed)
{
    for (int64_t j = 0; j < a->tokens; j++) {
        const float *v = a->v + j * a->stride;
        for (int64_t d = 0; d < a->head_dim; d += LANES) {
            const int left = a->head_dim - d < LANES ? (int)(a->head_dim - d) : LANES;
            float *to = packed + (d / PANEL * a->tokens + j) * PANEL + d % PANEL;
            v_store(to, left == LANES ? v_load(v + d) : v_load_first(v + d, left));
        }
    }
}

/* ---- attention: products ---- */

/* Where a tile's result goes: rows `stride` floats apart, each multiplied by its factor; the last vector has only
 * `last` numbers. */
typedef struct {
    float *c;
    int64_t stride;
    const float *factor;
    int last;
} target;

INLINE void tile(const int rows, const int vecs, int64_t depth, const float *a, int64_t a_stride, const float *b,
                 const target *to)
{
    vec acc[TILE_ROWS][TILE_VECS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < vecs; v++) acc[r][v] = v_set(0);
    for (int64_t d = 0; d < depth; d++, b += PANEL) {
        vec row[TILE_VECS];
#pragma GCC unroll 8
        for (int v = 0; v < vecs; v++) row[v] = v_load(b + v * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            const vec x = v_set(a[r * a_stride + d]);
#pragma GCC unroll 8
            for (int v = 0; v < vecs; v++) acc[r][v] = v_fma(x, row[v], acc[r][v]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        const vec factor = v_set(to->factor[r]);
        float *c = to->c + r * to->stride;
#pragma GCC unroll 8
        for (int v = 0; v + 1 < vecs; v++) v_store(c + v * LANES, v_mul(acc[r][v], factor));
        v_store_first(c + (vecs - 1) * LANES, v_mul(acc[r][vecs - 1], factor), to->last);
    }
}

#define TILE_CASE(r, v)                                                                                                \
    case (r)*8 + (v):                                                                                                  \
        tile(r, v, depth, a, a_stride, b, to);                                                                         \
        break;
#define TILE_CASES(v) TILE_CASE(1, v) TILE_CASE(2, v) TILE_CASE(3, v) TILE_CASE(4, v) TILE_CASE(5, v) TILE_CASE(6, v)

static void product(int rows, int vecs, int64_t depth, const float *a, int64_t a_stride, const float *b,
                    const target *to)
{
    switch (rows * 8 + vecs) {
        TILE_CASES(1)
        TILE_CASES(2)
#if TILE_VECS == 4
        TILE_CASES(3)
        TILE_CASES(4)
#endif
    default: assert(0);
    }
}

static int vectors(int64_t columns)
{
    return columns >= PANEL ? TILE_VECS : (int)((columns + LANES - 1) / LANES);
}

/* Scores of one block of queries with the first `keys` keys. score: rows `stride` apart. */
static void scores(const nn_attention_head *a, const float *q, int rows, int64_t keys, const float *packed_keys,
                   float *score, int64_t stride)
{
    static const float ones[TILE_ROWS] = {1, 1, 1, 1, 1, 1};
    for (int64_t j = 0; j < keys; j += PANEL) {
        const target to = {score + j, stride, ones, LANES};
        product(rows, vectors(keys - j), a->head_dim, q, a->stride, packed_keys + j * a->head_dim, &to);
    }
}

/* Turns a row of scores into 2^(c (score - max)) for the visible ones and 0 up to `keys`; the sum's inverse. */
static float soften(float *score, int64_t visible, int64_t keys, float c)
{
    const vec lowest = v_set(-__builtin_inff());
    vec max0 = lowest, max1 = lowest;
    int64_t j = 0;
    for (; j + 2 * LANES <= visible; j += 2 * LANES) {
        max0 = v_max(max0, v_load(score + j));
        max1 = v_max(max1, v_load(score + j + LANES));
    }
    for (; j < visible; j += LANES) {
        const int left = visible - j < LANES ? (int)(visible - j) : LANES;
        max0 = v_max(max0, v_first(v_load(score + j), left, lowest));
    }
    const vec factor = v_set(c), shift = v_set(-c * v_max_across(v_max(max0, max1)));
    vec sum = v_set(0);
    for (j = 0; j + LANES <= visible; j += LANES) {
        const vec p = exp2_vec(v_bound(v_fma(v_load(score + j), factor, shift)));
        sum = v_add(sum, p);
        v_store(score + j, p);
    }
    if (j < visible) {
        const vec p = exp2_vec(v_bound(v_fma(v_load(score + j), factor, shift)));
        const vec real = v_first(p, (int)(visible - j), v_set(0));
        sum = v_add(sum, real);
        v_store(score + j, real);
        j += LANES;
    }
    for (; j < keys; j += LANES) v_store(score + j, v_set(0));
    return 1.0f / v_sum(sum);
}

static void weighted_sum(const nn_attention_head *a, int rows, int64_t keys, const float *weights, int64_t stride,
                         const float *packed_values, const float *factor, float *out)
{
    for (int64_t d = 0; d < a->head_dim; d += PANEL) {
        const int64_t left = a->head_dim - d;
        const int last = left >= PANEL || left % LANES == 0 ? LANES : (int)(left % LANES);
        const target to = {out + d, a->out_stride, factor, last};
        product(rows, vectors(left), keys, weights, stride, packed_values + d * a->tokens, &to);
    }
}

static size_t attention_scratch(int64_t tokens, int64_t head_dim)
{
    const int64_t keys = panels(tokens) * PANEL;
    return (size_t)(keys * head_dim) + (size_t)(panels(head_dim) * PANEL * tokens) + (size_t)(TILE_ROWS * keys);
}

static void attention(const nn_attention_head *a, float *scratch)
{
    const int64_t stride = panels(a->tokens) * PANEL;
    float *packed_keys = scratch;
    float *packed_values = packed_keys + stride * a->head_dim;
    float *score = packed_values + panels(a->head_dim) * PANEL * a->tokens;
    const float c = a->scale * 0x1.715476p+0f; /* log2(e) */
    pack_keys(a, packed_keys);
    pack_values(a, packed_values);
    const int64_t blocks = (a->tokens + TILE_ROWS - 1) / TILE_ROWS;
    for (int64_t b = 0, first = 0; b < blocks; b++) {
        const int rows = (int)((a->tokens - first + blocks - b - 1) / (blocks - b)); /* even blocks, not a thin last */
        const int64_t keys = a->causal ? first + rows : a->tokens;
        float factor[TILE_ROWS];
        scores(a, a->q + first * a->stride, rows, keys, packed_keys, score, stride);
        for (int r = 0; r < rows; r++)
            factor[r] = soften(score + r * stride, a->causal ? first + r + 1 : keys, keys, c);
        weighted_sum(a, rows, keys, score, stride, packed_values, factor, a->out + first * a->out_stride);
        first += rows;
    }
}
