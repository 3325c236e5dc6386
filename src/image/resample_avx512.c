/* SPDX-License-Identifier: Apache-2.0
 * resample_avx512.c - the sums of resample.c with AVX-512BW. Built with -mavx512bw; called only where it exists.
 *
 * across as in resample_avx2.c, with sixteen pixels (48 bytes) in four lanes. down is the AVX2 kernel: it is a small
 * part of the time. */
#include "image/resample.h"

#include <immintrin.h>
#include <string.h>

typedef struct {
    __m512i low, high;
} sums;

static inline void add(sums *s, __m512i pairs, __m512i low, __m512i high)
{
    s->low = _mm512_add_epi32(s->low, _mm512_madd_epi16(pairs, low));
    s->high = _mm512_add_epi32(s->high, _mm512_madd_epi16(pairs, high));
}

static inline void store_pixel(sums s, uint8_t *out)
{
    const __m512i four = _mm512_add_epi32(_mm512_slli_epi32(s.high, RESAMPLE_LOW_BITS), s.low);
    const __m256i two = _mm256_add_epi32(_mm512_castsi512_si256(four), _mm512_extracti64x4_epi64(four, 1));
    __m128i v = _mm_add_epi32(_mm256_castsi256_si128(two), _mm256_extracti128_si256(two, 1));
    v = _mm_srai_epi32(_mm_add_epi32(v, _mm_set1_epi32(RESAMPLE_ROUND)), RESAMPLE_BITS);
    v = _mm_packs_epi32(v, v);
    const uint32_t pixel = (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(v, v));
    memcpy(out, &pixel, 3);
}

static inline __m512i weights16(const int16_t *p)
{
    return _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

static void avx512_across(const resample_taps *taps, const uint8_t *const *rows, uint8_t *const *out)
{
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11, 12);
    const __m512i first =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
    const __m512i second =
        _mm512_broadcast_i32x4(_mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
    const __m512i even = _mm512_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2, 4, 4, 4, 4, 6, 6, 6, 6);
    const __m512i odd = _mm512_setr_epi32(1, 1, 1, 1, 3, 3, 3, 3, 5, 5, 5, 5, 7, 7, 7, 7);
    for (size_t i = 0; i < taps->n; i++) {
        const int16_t *low = taps->low + i * taps->stride, *high = taps->high + i * taps->stride;
        const size_t start = (size_t)taps->start[i] * 3, count = (size_t)taps->count[i];
        sums s[RESAMPLE_ROWS];
        for (size_t r = 0; r < RESAMPLE_ROWS; r++) s[r].low = s[r].high = _mm512_setzero_si512();
        for (size_t t = 0; t < count; t += 16) {
            const __m512i l = weights16(low + t), h = weights16(high + t);
            const __m512i l0 = _mm512_permutexvar_epi32(even, l), l1 = _mm512_permutexvar_epi32(odd, l);
            const __m512i h0 = _mm512_permutexvar_epi32(even, h), h1 = _mm512_permutexvar_epi32(odd, h);
            for (size_t r = 0; r < RESAMPLE_ROWS; r++) {
                const __m512i p = _mm512_permutexvar_epi32(lanes, _mm512_loadu_si512(rows[r] + start + t * 3));
                add(&s[r], _mm512_shuffle_epi8(p, first), l0, h0);
                add(&s[r], _mm512_shuffle_epi8(p, second), l1, h1);
            }
        }
        for (size_t r = 0; r < RESAMPLE_ROWS; r++) store_pixel(s[r], out[r] + i * 3);
    }
}

static void avx512_down(const uint8_t *src, size_t stride, size_t n, const int16_t *low, const int16_t *high,
                        size_t bytes, uint8_t *out)
{
    resample_avx2.down(src, stride, n, low, high, bytes, out);
}

const resample_kernels resample_avx512 = {"avx512", avx512_across, avx512_down};
