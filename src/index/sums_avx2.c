/* SPDX-License-Identifier: Apache-2.0
 * sums_avx2.c - sums of products of 4-bit numbers with AVX2.
 *
 * vpmaddubsw saturates at 16 bits, but never here: two products are at most 2 x 15 x 127 = 3810, and the four pairs
 * that a group adds up in one lane at most 15240. After each group the lanes are widened to 32 bits. */
#include "index/kernels.h"

#include <immintrin.h>

static inline __m256i load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

/* 32 bytes: 32 numbers against q, and 32 against the ones of a whole group later. */
static inline __m256i products(const uint8_t *bytes, const int8_t *q)
{
    const __m256i mask = _mm256_set1_epi8(15), both = load(bytes);
    const __m256i low = _mm256_and_si256(both, mask), high = _mm256_and_si256(_mm256_srli_epi16(both, 4), mask);
    return _mm256_add_epi16(_mm256_maddubs_epi16(low, load(q)), _mm256_maddubs_epi16(high, load(q + CODE_GROUP)));
}

static inline int32_t sum_of(__m256i v)
{
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

static void sums(const uint8_t *rows, size_t n, size_t groups, const int8_t *query, int32_t *out)
{
    const __m256i ones = _mm256_set1_epi16(1);
    for (size_t i = 0; i < n; i++) {
        __m256i sum = _mm256_setzero_si256();
        const int8_t *q = query;
        for (size_t g = 0; g < groups; g++, rows += CODE_GROUP, q += 2 * CODE_GROUP) {
            const __m256i pairs = _mm256_add_epi16(products(rows, q), products(rows + 32, q + 32));
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
        }
        out[i] = sum_of(sum);
    }
}

static uint64_t bounds(const code_bounds *b, const int32_t *sums, size_t first, size_t n, float bar, float *most)
{
    const __m256 factor = _mm256_set1_ps(b->factor), of_error = _mm256_set1_ps(b->of_error);
    const __m256 of_reach = _mm256_set1_ps(b->of_reach), bars = _mm256_set1_ps(bar);
    uint64_t mask = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256i sum = _mm256_sub_epi32(_mm256_slli_epi32(load(sums + i), 1), _mm256_set1_epi32(b->less));
        const __m256 error = _mm256_loadu_ps(b->error + first + i), norm = _mm256_loadu_ps(b->norm + first + i);
        const __m256 score =
            _mm256_mul_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_loadu_ps(b->scale + first + i)), factor);
        const __m256 off =
            _mm256_add_ps(_mm256_mul_ps(of_error, error), _mm256_mul_ps(of_reach, _mm256_add_ps(norm, error)));
        const __m256 up = _mm256_add_ps(score, off);
        _mm256_storeu_ps(most + i, up);
        mask |= (uint64_t)(uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(up, bars, _CMP_NLT_UQ)) << i;
    }
    if (i < n) mask |= code_kernels_plain.bounds(b, sums + i, first + i, n - i, bar, most + i) << i;
    return mask;
}

const code_kernels code_kernels_avx2 = {.name = "avx2", .sums = sums, .bounds = bounds};
