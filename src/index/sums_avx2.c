/* SPDX-License-Identifier: Apache-2.0
 * sums_avx2.c - sums of products of small numbers with AVX2.
 *
 * vpmaddubsw saturates at 16 bits, but never here. Two products of a head are at most 2 x 127 x 127 = 32258. Two of
 * numbers of 4 bits are at most 2 x 15 x 127 = 3810, and the four pairs that a group adds up in one lane 15240. Then
 * lanes are widened to 32 bits. */
#include "index/kernels.h"

#include <immintrin.h>
#include <string.h>

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

/* ---- heads ---- */

static void heads(const uint8_t *rows, size_t n, size_t width, const int8_t *query, int32_t *out)
{
    const __m128i ones = _mm_set1_epi16(1);
    for (size_t i = 0; i < n; i++, rows += width) {
        __m128i sum = _mm_setzero_si128();
        for (size_t j = 0; j < width; j += 16) {
            const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(rows + j));
            const __m128i q = _mm_load_si128((const __m128i *)(const void *)(query + j));
            sum = _mm_add_epi32(sum, _mm_madd_epi16(_mm_maddubs_epi16(x, q), ones));
        }
        out[i] = sum_of(_mm256_zextsi128_si256(sum));
    }
}

/* ---- signs ---- */

/* Lanes of 16 bits in which even and odd bytes are added up: no more than STEPS bytes of two tables each, or they
 * overflow. `all` has the odd ones at 256 times their value, which is taken off at the end. */
typedef struct {
    __m256i all, odd;
} byte_sums;

enum { STEPS = 128 };

static inline void add_bytes(byte_sums *s, __m256i x)
{
    s->all = _mm256_add_epi16(s->all, x);
    s->odd = _mm256_add_epi16(s->odd, _mm256_srli_epi16(x, 8));
}

static inline __m256i table_of(const uint8_t *table)
{
    return _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(const void *)table));
}

/* 32 rows, to 32 bits. */
static inline void spread(const byte_sums *s, int32_t *out)
{
    const __m256i even = _mm256_sub_epi16(s->all, _mm256_slli_epi16(s->odd, 8));
    const __m256i low = _mm256_unpacklo_epi16(even, s->odd), high = _mm256_unpackhi_epi16(even, s->odd);
    const __m256i parts[4] = {_mm256_cvtepu16_epi32(_mm256_castsi256_si128(low)),
                              _mm256_cvtepu16_epi32(_mm256_castsi256_si128(high)),
                              _mm256_cvtepu16_epi32(_mm256_extracti128_si256(low, 1)),
                              _mm256_cvtepu16_epi32(_mm256_extracti128_si256(high, 1))};
    for (int i = 0; i < 4; i++) {
        __m256i *to = (__m256i *)(void *)(out + 8 * i);
        _mm256_storeu_si256(to, _mm256_add_epi32(_mm256_loadu_si256(to), parts[i]));
    }
}

static void signs(const uint8_t *block, size_t bytes, const uint8_t (*tables)[16], int32_t *out)
{
    const __m256i low = _mm256_set1_epi8(15);
    memset(out, 0, SIGN_ROWS * sizeof *out);
    for (size_t half = 0; half < SIGN_ROWS; half += 32)
        for (size_t first = 0; first < bytes; first += STEPS) {
            const size_t end = bytes - first < STEPS ? bytes : first + STEPS;
            byte_sums s = {_mm256_setzero_si256(), _mm256_setzero_si256()};
            for (size_t j = first; j < end; j++) {
                const __m256i x = load(block + j * SIGN_ROWS + half);
                add_bytes(&s, _mm256_shuffle_epi8(table_of(tables[2 * j]), _mm256_and_si256(x, low)));
                add_bytes(&s, _mm256_shuffle_epi8(table_of(tables[2 * j + 1]),
                                                  _mm256_and_si256(_mm256_srli_epi16(x, 4), low)));
            }
            spread(&s, out + half);
        }
}

/* ---- numbers of 4 bits ---- */

static void sums(const uint8_t *rows, const uint16_t *places, size_t n, size_t groups, const int8_t *query,
                 int32_t *out)
{
    const __m256i ones = _mm256_set1_epi16(1);
    for (size_t i = 0; i < n; i++) {
        __m256i sum = _mm256_setzero_si256();
        const uint8_t *row = rows + places[i] * groups * CODE_GROUP;
        const int8_t *q = query;
        for (size_t g = 0; g < groups; g++, row += CODE_GROUP, q += 2 * CODE_GROUP) {
            const __m256i pairs = _mm256_add_epi16(products(row, q), products(row + 32, q + 32));
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
        }
        out[i] = sum_of(sum);
    }
}

/* ---- bits ---- */

/* Adds the numbers of `query` whose bits are set in 32 bytes of a part of n, at q those of their first bits. */
static inline __m256i add_bits(__m256i sum, const uint8_t *bytes, const int8_t *q, size_t n)
{
    const __m256i one = _mm256_set1_epi8(1), x = load(bytes);
    __m256i pairs = _mm256_setzero_si256(); /* of at most 8 x 254 */
    for (int k = 0; k < 8; k++) {
        const __m256i bits = _mm256_and_si256(_mm256_srl_epi16(x, _mm_cvtsi32_si128(k)), one);
        pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(bits, load(q + (size_t)k * n)));
    }
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

static void bits(const uint8_t *rows, const uint16_t *places, size_t n, size_t bytes, const int8_t *query, int32_t *out)
{
    if (bytes % 32) {
        code_kernels_plain.bits(rows, places, n, bytes, query, out);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const uint8_t *row = rows + places[i] * bytes;
        __m256i sum = _mm256_setzero_si256();
        for (size_t at = 0; at < bytes; at += 32) {
            const size_t part = at / BIT_GROUP * BIT_GROUP;
            sum = add_bits(sum, row + at, query + 8 * part + at % BIT_GROUP,
                           bytes - part < BIT_GROUP ? bytes - part : BIT_GROUP);
        }
        out[i] = sum_of(sum);
    }
}

/* ---- bounds ---- */

static inline __m256 widen(const uint16_t *halves)
{
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)halves));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

static uint64_t bounds(const code_bounds *b, const float *base, const int32_t *sums, size_t first, size_t n, float bar,
                       float *known, float *most)
{
    const __m256 factor = _mm256_set1_ps(b->factor), of_scale = _mm256_set1_ps(b->of_scale);
    const __m256 of_reach = _mm256_set1_ps(b->of_reach), of_error = _mm256_set1_ps(b->of_error);
    const __m256 bars = _mm256_set1_ps(bar);
    uint64_t mask = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256i whole = _mm256_sub_epi32(_mm256_slli_epi32(load(sums + i), 1), _mm256_set1_epi32(b->less));
        const __m256 sum = _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(whole), factor), of_scale);
        const __m256 reach = _mm256_mul_ps(of_reach, widen(b->reach + first + i));
        const __m256 more = _mm256_add_ps(_mm256_mul_ps(sum, widen(b->scale + first + i)), reach);
        const __m256 sure = _mm256_add_ps(_mm256_loadu_ps(base + i), more);
        const __m256 up = _mm256_add_ps(sure, _mm256_mul_ps(of_error, widen(b->error + first + i)));
        _mm256_storeu_ps(known + i, sure);
        _mm256_storeu_ps(most + i, up);
        mask |= (uint64_t)(uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(up, bars, _CMP_NLT_UQ)) << i;
    }
    if (i < n)
        mask |= code_kernels_plain.bounds(b, base + i, sums + i, first + i, n - i, bar, known + i, most + i) << i;
    return mask;
}

const code_kernels code_kernels_avx2 = {
    .name = "avx2", .heads = heads, .signs = signs, .sums = sums, .bits = bits, .bounds = bounds};
