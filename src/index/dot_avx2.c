/* SPDX-License-Identifier: Apache-2.0
 * dot_avx2.c - the dot product with AVX2 and FMA.
 *
 * Four accumulators of eight lanes hide the latency of the FMA (4 cycles at two a cycle would take eight, but a scan
 * waits for memory, not for arithmetic). The tail is loaded with a mask, so nothing is read beyond `dim`. */
#include "index/kernels.h"

#include <immintrin.h>

static inline __m256i tail_mask(size_t left)
{
    static const int32_t bits[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
    return _mm256_loadu_si256((const __m256i *)(const void *)(bits + 8 - left));
}

static inline float sum_of(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

static inline float dot_inline(const float *a, const float *b, size_t dim)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + 32 <= dim; i += 32) {
        s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
        s1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), s1);
        s2 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 16), _mm256_loadu_ps(b + i + 16), s2);
        s3 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 24), _mm256_loadu_ps(b + i + 24), s3);
    }
    for (; i + 8 <= dim; i += 8) s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
    if (i < dim) {
        const __m256i mask = tail_mask(dim - i);
        s1 = _mm256_fmadd_ps(_mm256_maskload_ps(a + i, mask), _mm256_maskload_ps(b + i, mask), s1);
    }
    return sum_of(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)));
}

static float dot(const float *a, const float *b, size_t dim)
{
    return dot_inline(a, b, dim);
}

static void dots(const float *rows, size_t n, size_t stride, size_t dim, const float *query, float *scores)
{
    for (size_t i = 0; i < n; i++) scores[i] = dot_inline(rows + i * stride, query, dim);
}

const scan_kernels kernels_avx2 = {.name = "avx2", .dot = dot, .dots = dots};
