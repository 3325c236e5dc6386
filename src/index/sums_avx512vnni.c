/* SPDX-License-Identifier: Apache-2.0
 * sums_avx512vnni.c - sums of products of 4-bit numbers with AVX-512 VNNI: vpdpbusd multiplies unsigned bytes by signed
 * ones and adds fours of them to 32 bits. Four rows at a time share the loads of the query; what comes AHEAD bytes
 * later is asked for meanwhile, as the processor's own prefetching stops at each page. */
#include "index/kernels.h"

#include <immintrin.h>

enum { ROWS = 4, AHEAD = 4096 };

/* Adds one group of a row to its sum. */
static inline __m512i add_group(__m512i sum, const uint8_t *bytes, __m512i q_low, __m512i q_high)
{
    const __m512i mask = _mm512_set1_epi8(15), both = _mm512_loadu_si512(bytes);
    sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(both, mask), q_low);
    return _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi16(both, 4), mask), q_high);
}

static inline __m256i halves(__m512i v)
{
    return _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
}

/* The four sums of four vectors. */
static inline __m128i sums_of(__m512i a, __m512i b, __m512i c, __m512i d)
{
    const __m256i ab = _mm256_hadd_epi32(halves(a), halves(b)), cd = _mm256_hadd_epi32(halves(c), halves(d));
    const __m256i all = _mm256_hadd_epi32(ab, cd);
    return _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

static void four_rows(const uint8_t *rows, size_t groups, const int8_t *query, int32_t *out)
{
    const size_t stride = groups * CODE_GROUP;
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
    for (size_t g = 0; g < groups; g++, rows += CODE_GROUP, query += 2 * CODE_GROUP) {
        for (size_t r = 0; r < ROWS; r++) __builtin_prefetch(rows + r * stride + AHEAD);
        const __m512i q_low = _mm512_load_si512(query), q_high = _mm512_load_si512(query + CODE_GROUP);
        a = add_group(a, rows, q_low, q_high);
        b = add_group(b, rows + stride, q_low, q_high);
        c = add_group(c, rows + 2 * stride, q_low, q_high);
        d = add_group(d, rows + 3 * stride, q_low, q_high);
    }
    _mm_storeu_si128((__m128i *)(void *)out, sums_of(a, b, c, d));
}

static void sums(const uint8_t *rows, size_t n, size_t groups, const int8_t *query, int32_t *out)
{
    size_t i = 0;
    for (; i + ROWS <= n; i += ROWS) four_rows(rows + i * groups * CODE_GROUP, groups, query, out + i);
    for (; i < n; i++) {
        const uint8_t *row = rows + i * groups * CODE_GROUP;
        __m512i sum = _mm512_setzero_si512();
        for (size_t g = 0; g < groups; g++)
            sum = add_group(sum, row + g * CODE_GROUP, _mm512_load_si512(query + 2 * g * CODE_GROUP),
                            _mm512_load_si512(query + (2 * g + 1) * CODE_GROUP));
        out[i] = _mm512_reduce_add_epi32(sum);
    }
}

static uint64_t bounds(const code_bounds *b, const int32_t *sums, size_t first, size_t n, float bar, float *most)
{
    const __m512 factor = _mm512_set1_ps(b->factor), of_error = _mm512_set1_ps(b->of_error);
    const __m512 of_reach = _mm512_set1_ps(b->of_reach), bars = _mm512_set1_ps(bar);
    uint64_t mask = 0;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m512i twice = _mm512_slli_epi32(_mm512_loadu_si512(sums + i), 1);
        const __m512 sum = _mm512_cvtepi32_ps(_mm512_sub_epi32(twice, _mm512_set1_epi32(b->less)));
        const __m512 error = _mm512_loadu_ps(b->error + first + i), norm = _mm512_loadu_ps(b->norm + first + i);
        const __m512 score = _mm512_mul_ps(_mm512_mul_ps(sum, _mm512_loadu_ps(b->scale + first + i)), factor);
        const __m512 off =
            _mm512_add_ps(_mm512_mul_ps(of_error, error), _mm512_mul_ps(of_reach, _mm512_add_ps(norm, error)));
        const __m512 up = _mm512_add_ps(score, off);
        _mm512_storeu_ps(most + i, up);
        mask |= (uint64_t)_mm512_cmp_ps_mask(up, bars, _CMP_NLT_UQ) << i;
    }
    if (i < n) mask |= code_kernels_plain.bounds(b, sums + i, first + i, n - i, bar, most + i) << i;
    return mask;
}

const code_kernels code_kernels_avx512vnni = {.name = "avx512vnni", .sums = sums, .bounds = bounds};
