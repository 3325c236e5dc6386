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

INLINE void scale_rows(const int rows, const gemm_tile *t, target to, const y_form form, vec_sum sum[][VECS])
{
    const float *scale = t->w->scale + t->column, *x_scale = t->x_scale;
    const vec s0 = _mm512_load_ps(scale), s1 = _mm512_load_ps(scale + LANES);
    vec b[VECS];
    bias_of(t, b);
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++, next_row(&to)) {
        const vec xs = set(x_scale[r]);
        const vec v0 = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[r][0]), _mm512_mul_ps(xs, s0));
        const vec v1 = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[r][1]), _mm512_mul_ps(xs, s1));
        y_store(&to, form, _mm512_add_ps(v0, b[0]), _mm512_add_ps(v1, b[1]));
    }
}

/* The same, on top of y. */
INLINE void scale_and_add_rows(const int rows, const gemm_tile *t, target to, vec_sum sum[][VECS])
{
    const float *scale = t->w->scale + t->column, *x_scale = t->x_scale;
    const vec s0 = _mm512_load_ps(scale), s1 = _mm512_load_ps(scale + LANES);
    target from = target_of(t);
    vec b[VECS];
    bias_of(t, b);
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++, next_row(&to), next_row(&from)) {
        const vec xs = set(x_scale[r]);
        const vec v0 = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[r][0]), _mm512_mul_ps(xs, s0));
        const vec v1 = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[r][1]), _mm512_mul_ps(xs, s1));
        y_store(&to, to.form, _mm512_add_ps(v0, _mm512_add_ps(b[0], y_load(&from, from.form, 0))),
                _mm512_add_ps(v1, _mm512_add_ps(b[1], y_load(&from, from.form, 1))));
    }
}

INLINE void end(const int rows, const gemm_tile *t, target to, vec_sum sum[][VECS])
{
    if (t->accumulate)
        scale_and_add_rows(rows, t, to, sum);
    else if (to.form == WHOLE)
        scale_rows(rows, t, to, WHOLE, sum);
    else if (to.form == WHOLE_HALVES)
        scale_rows(rows, t, to, WHOLE_HALVES, sum);
    else
        scale_rows(rows, t, to, PART, sum);
}

/* ---- x ---- */

enum { RUN = 4 * LANES }; /* numbers that become one vector of 8-bit integers */

/* inverse: NULL, or what columns are multiplied by. */
INLINE vec column(const float *x, const float *inverse, int64_t i)
{
    const vec v = _mm512_loadu_ps(x + i);
    return inverse ? _mm512_mul_ps(v, _mm512_loadu_ps(inverse + i)) : v;
}

INLINE vec last_column(const float *x, const float *inverse, int64_t i, __mmask16 there)
{
    const vec v = _mm512_maskz_loadu_ps(there, x + i);
    return inverse ? _mm512_mul_ps(v, _mm512_maskz_loadu_ps(there, inverse + i)) : v;
}

typedef struct {
    vec low, high, finite;
} extent;

INLINE void extend(extent *e, vec v)
{
    e->low = _mm512_min_ps(v, e->low); /* the second where one is NaN */
    e->high = _mm512_max_ps(v, e->high);
    e->finite = _mm512_fmadd_ps(v, set(0), e->finite);
}

INLINE gemm_range range_of(int64_t k, const float *x, const float *inverse)
{
    extent e[2] = {{set(0), set(0), set(0)}, {set(0), set(0), set(0)}};
    int64_t i = 0;
    for (; i + 2 * LANES <= k; i += 2 * LANES) {
        extend(&e[0], column(x, inverse, i));
        extend(&e[1], column(x, inverse, i + LANES));
    }
    for (; i < k; i += LANES) extend(&e[0], last_column(x, inverse, i, lanes(k - i)));
    return gemm_range_of(_mm512_reduce_min_ps(_mm512_min_ps(e[0].low, e[1].low)),
                         _mm512_reduce_max_ps(_mm512_max_ps(e[0].high, e[1].high)),
                         _mm512_reduce_add_ps(_mm512_add_ps(e[0].finite, e[1].finite)));
}

INLINE void round_row(int64_t k, const float *x, const float *inverse, const gemm_range *range, uint8_t *out)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i shift = _mm512_set1_epi32(range->zero), shift16 = _mm512_set1_epi16((short)range->zero);
    const vec factor = set(range->inverse);
    int64_t i = 0;
    for (; i + RUN <= k; i += RUN) {
        __m512i q[4];
        for (int p = 0; p < 4; p++) q[p] = _mm512_cvtps_epi32(_mm512_mul_ps(column(x, inverse, i + p * LANES), factor));
        const __m512i a = _mm512_add_epi16(_mm512_packs_epi32(q[0], q[1]), shift16);
        const __m512i b = _mm512_add_epi16(_mm512_packs_epi32(q[2], q[3]), shift16);
        _mm512_storeu_si512(out + i, _mm512_permutexvar_epi32(order, _mm512_packus_epi16(a, b)));
    }
    for (; i < k; i += LANES) { /* and what fills up the last group */
        const __mmask16 there = lanes(k - i);
        const __m512i q = _mm512_cvtps_epi32(_mm512_mul_ps(last_column(x, inverse, i, there), factor));
        const __m512i shifted = _mm512_maskz_add_epi32(there, q, shift);
        _mm_storeu_si128((__m128i *)(void *)(out + i), _mm512_cvtusepi32_epi8(shifted));
    }
}

static void narrow(const gemm_weights *w, int64_t rows, const float *x, uint8_t *out, int64_t stride, float *scale,
                   int32_t *zero)
{
    for (int64_t r = 0; r < rows; r++, x += w->k, out += stride) {
        const gemm_range range = w->inverse ? range_of(w->k, x, w->inverse) : range_of(w->k, x, NULL);
        scale[r] = range.scale;
        zero[r] = range.zero;
        if (w->inverse)
            round_row(w->k, x, w->inverse, &range, out);
        else
            round_row(w->k, x, NULL, &range, out);
    }
}

const gemm_kernels *gemm_avx512_int8(void)
{
    static const gemm_kernels table = {"avx512", narrow, tile, true};
    return &table;
}
