/* SPDX-License-Identifier: Apache-2.0
 * gemm_avx512vnni.c - own products in 8-bit integers for AVX512-VNNI. Compiled with its flags; entered only where the
 * processor has it (gemm_pick.c).
 *
 * Rows of x are read twice: for their range, and to be rounded. */
#include <immintrin.h>

typedef __m512i vec_sum;

#include "nn/gemm_avx512.h"

INLINE vec_sum dot(vec_sum sum, __m512i x, __m512i w)
{
    __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
    return sum;
}

/* Less what the zero point adds to each product: zero times the sum of the column of W. */
INLINE void begin(const int rows, const gemm_tile *t, vec_sum sum[][VECS])
{
    const int32_t *of_column = t->w->sum + t->column;
    const __m512i s0 = _mm512_load_si512(of_column), s1 = _mm512_load_si512(of_column + LANES);
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++) {
        const __m512i less = _mm512_set1_epi32(-t->x_zero[r]);
        sum[r][0] = _mm512_mullo_epi32(s0, less);
        sum[r][1] = _mm512_mullo_epi32(s1, less);
    }
}

INLINE void scale_rows(const int rows, const gemm_tile *t, const bool whole, const bool add, vec_sum sum[][VECS])
{
    target to = target_of(t);
    const float *scale = t->w->scale + t->column, *x_scale = t->x_scale;
    const vec s0 = _mm512_load_ps(scale), s1 = _mm512_load_ps(scale + LANES);
    vec b[VECS];
    bias_of(t, b);
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++, next_row(&to)) {
        const vec xs = set(x_scale[r]);
        const vec b0 = add ? _mm512_add_ps(b[0], y_load(&to, whole, 0)) : b[0];
        const vec b1 = add ? _mm512_add_ps(b[1], y_load(&to, whole, 1)) : b[1];
        const vec v0 = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[r][0]), _mm512_mul_ps(xs, s0));
        const vec v1 = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[r][1]), _mm512_mul_ps(xs, s1));
        y_store(&to, whole, 0, _mm512_add_ps(v0, b0));
        y_store(&to, whole, 1, _mm512_add_ps(v1, b1));
    }
}

INLINE void end(const int rows, const gemm_tile *t, vec_sum sum[][VECS])
{
    const bool whole = t->columns == GEMM_PANEL;
    if (whole && t->accumulate)
        scale_rows(rows, t, true, true, sum);
    else if (whole)
        scale_rows(rows, t, true, false, sum);
    else
        scale_rows(rows, t, false, t->accumulate, sum);
}

/* ---- x ---- */

INLINE vec scaled(const gemm_weights *w, const float *x, int64_t i, __mmask16 there)
{
    const vec v = _mm512_maskz_loadu_ps(there, x + i);
    return w->inverse ? _mm512_mul_ps(v, _mm512_maskz_loadu_ps(there, w->inverse + i)) : v;
}

static gemm_range range_of(const gemm_weights *w, const float *x)
{
    vec low[2] = {set(0), set(0)}, high[2] = {set(0), set(0)}, finite[2] = {set(0), set(0)};
    for (int64_t i = 0; i < w->k; i += 2 * LANES)
        for (int p = 0; p < 2; p++) {
            const int64_t at = i + p * LANES;
            if (at >= w->k) break;
            const vec v = scaled(w, x, at, lanes(w->k - at));
            low[p] = _mm512_min_ps(v, low[p]); /* the second where one is NaN */
            high[p] = _mm512_max_ps(v, high[p]);
            finite[p] = _mm512_fmadd_ps(v, set(0), finite[p]);
        }
    return gemm_range_of(_mm512_reduce_min_ps(_mm512_min_ps(low[0], low[1])),
                         _mm512_reduce_max_ps(_mm512_max_ps(high[0], high[1])),
                         _mm512_reduce_add_ps(_mm512_add_ps(finite[0], finite[1])));
}

static void narrow(const gemm_weights *w, int64_t rows, const float *x, uint8_t *out, int64_t stride, float *scale,
                   int32_t *zero)
{
    for (int64_t r = 0; r < rows; r++, x += w->k, out += stride) {
        const gemm_range range = range_of(w, x);
        scale[r] = range.scale;
        zero[r] = range.zero;
        const vec inverse = set(range.inverse);
        const __m512i shift = _mm512_set1_epi32(range.zero);
        for (int64_t i = 0; i < stride; i += LANES) {
            const __mmask16 there = lanes(w->k - i);
            const vec v = i < w->k ? scaled(w, x, i, there) : set(0);
            const __m512i q = _mm512_add_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(v, inverse)), shift);
            _mm_storeu_si128((__m128i *)(void *)(out + i), _mm512_cvtusepi32_epi8(_mm512_maskz_mov_epi32(there, q)));
        }
    }
}

const gemm_kernels *gemm_avx512_int8(void)
{
    static const gemm_kernels table = {"avx512", narrow, tile};
    return &table;
}
