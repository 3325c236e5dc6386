/* SPDX-License-Identifier: Apache-2.0
 * resample_avx2.c - the sums of resample.c with AVX2. Built with -mavx2; called only where the processor has it.
 *
 * As resample_sse4.c, with the four pixels of each 128-bit lane next to one another in memory: one load and one
 * permutation of 32-bit words bring eight pixels (24 bytes) into the two lanes. */
#include "image/resample.h"

#include <immintrin.h>
#include <string.h>

typedef struct {
    __m256i low, high;
} sums;

static inline __m256i load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

static inline void add(sums *s, __m256i pairs, __m256i low, __m256i high)
{
    s->low = _mm256_add_epi32(s->low, _mm256_madd_epi16(pairs, low));
    s->high = _mm256_add_epi32(s->high, _mm256_madd_epi16(pairs, high));
}

static inline __m256i total(sums s)
{
    return _mm256_add_epi32(_mm256_slli_epi32(s.high, RESAMPLE_LOW_BITS), s.low);
}

static inline void store_pixel(sums s, uint8_t *out)
{
    const __m256i both = total(s);
    __m128i v = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    v = _mm_srai_epi32(_mm_add_epi32(v, _mm_set1_epi32(RESAMPLE_ROUND)), RESAMPLE_BITS);
    v = _mm_packs_epi32(v, v);
    const uint32_t pixel = (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(v, v));
    memcpy(out, &pixel, 3);
}

static inline __m256i weights8(const int16_t *p)
{
    return _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)p));
}

static void avx2_across(const resample_taps *taps, const uint8_t *const *rows, uint8_t *const *out)
{
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 3, 4, 5, 6);
    const __m256i first =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
    const __m256i second =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
    const __m256i pair02 = _mm256_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2);
    const __m256i pair13 = _mm256_setr_epi32(1, 1, 1, 1, 3, 3, 3, 3);
    for (size_t i = 0; i < taps->n; i++) {
        const int16_t *low = taps->low + i * taps->stride, *high = taps->high + i * taps->stride;
        const size_t start = (size_t)taps->start[i] * 3, count = (size_t)taps->count[i];
        sums s[RESAMPLE_ROWS];
        for (size_t r = 0; r < RESAMPLE_ROWS; r++) s[r].low = s[r].high = _mm256_setzero_si256();
        for (size_t t = 0; t < count; t += 8) {
            const __m256i l = weights8(low + t), h = weights8(high + t);
            const __m256i l0 = _mm256_permutevar8x32_epi32(l, pair02), l1 = _mm256_permutevar8x32_epi32(l, pair13);
            const __m256i h0 = _mm256_permutevar8x32_epi32(h, pair02), h1 = _mm256_permutevar8x32_epi32(h, pair13);
            for (size_t r = 0; r < RESAMPLE_ROWS; r++) {
                const __m256i p = _mm256_permutevar8x32_epi32(load(rows[r] + start + t * 3), lanes);
                add(&s[r], _mm256_shuffle_epi8(p, first), l0, h0);
                add(&s[r], _mm256_shuffle_epi8(p, second), l1, h1);
            }
        }
        for (size_t r = 0; r < RESAMPLE_ROWS; r++) store_pixel(s[r], out[r] + i * 3);
    }
}

static inline __m256i pair_of(const int16_t *weights)
{
    int32_t pair;
    memcpy(&pair, weights, sizeof pair);
    return _mm256_set1_epi32(pair);
}

static inline __m256i finish(sums s)
{
    return _mm256_srai_epi32(_mm256_add_epi32(total(s), _mm256_set1_epi32(RESAMPLE_ROUND)), RESAMPLE_BITS);
}

static void avx2_down(const uint8_t *src, size_t stride, size_t n, const int16_t *low, const int16_t *high,
                      size_t bytes, uint8_t *out)
{
    size_t i = 0;
    for (; i + 16 <= bytes; i += 16) {
        sums s[2] = {{_mm256_setzero_si256(), _mm256_setzero_si256()},
                     {_mm256_setzero_si256(), _mm256_setzero_si256()}};
        for (size_t t = 0; t < n; t += 2) {
            const uint8_t *row = src + t * stride + i;
            const __m128i a = _mm_loadu_si128((const __m128i *)(const void *)row);
            const __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(t + 1 < n ? row + stride : row));
            const __m256i l = pair_of(low + t), h = pair_of(high + t);
            add(&s[0], _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b)), l, h);
            add(&s[1], _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b)), l, h);
        }
        /* packs works within lanes: words 0-3 8-11 | 4-7 12-15, put in order by the permutation */
        const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(finish(s[0]), finish(s[1])), 0xd8);
        const __m128i packed = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        _mm_storeu_si128((__m128i *)(void *)(out + i), packed);
    }
    if (i < bytes) resample_plain.down(src + i, stride, n, low, high, bytes - i, out + i);
}

const resample_kernels resample_avx2 = {"avx2", avx2_across, avx2_down};
