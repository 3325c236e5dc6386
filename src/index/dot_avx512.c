/* SPDX-License-Identifier: Apache-2.0
 * dot_avx512.c - the dot product with AVX-512F. As dot_avx2.c, with sixteen lanes and mask registers for the tail. */
#include "index/kernels.h"

#include <immintrin.h>

static inline float dot_inline(const float *a, const float *b, size_t dim)
{
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + 64 <= dim; i += 64) {
        s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), s0);
        s1 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16), s1);
        s2 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 32), _mm512_loadu_ps(b + i + 32), s2);
        s3 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 48), _mm512_loadu_ps(b + i + 48), s3);
    }
    for (; i + 16 <= dim; i += 16) s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), s0);
    if (i < dim) {
        const __mmask16 mask = (__mmask16)((1u << (dim - i)) - 1);
        s1 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i), s1);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
}

static float dot(const float *a, const float *b, size_t dim)
{
    return dot_inline(a, b, dim);
}

static void dots(const float *rows, size_t n, size_t stride, size_t dim, const float *query, float *scores)
{
    for (size_t i = 0; i < n; i++) scores[i] = dot_inline(rows + i * stride, query, dim);
}

const scan_kernels kernels_avx512 = {.name = "avx512", .dot = dot, .dots = dots};
