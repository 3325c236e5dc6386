/* SPDX-License-Identifier: Apache-2.0
 * resample_sse4.c - the sums of resample.c with SSE4.1. Built with -msse4.1; called only where the processor has it.
 *
 * across: four pixels (12 bytes) are shuffled into 16-bit pairs, first two then last two of them:
 *     [R0 R1 G0 G1 B0 B1 . .]  [R2 R3 G2 G3 B2 B3 . .]
 * so that one multiply-add with a pair of weights in every place adds two taps of all three channels.
 * down: two rows are interleaved, which makes the same kind of pairs. */
#include "image/resample.h"

#include <smmintrin.h>
#include <string.h>

typedef struct {
    __m128i low, high;
} sums;

static inline __m128i load(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

static inline void add(sums *s, __m128i pairs, __m128i low, __m128i high)
{
    s->low = _mm_add_epi32(s->low, _mm_madd_epi16(pairs, low));
    s->high = _mm_add_epi32(s->high, _mm_madd_epi16(pairs, high));
}

/* 22-bit sums to whole numbers, not clamped yet */
static inline __m128i finish(sums s)
{
    const __m128i sum = _mm_add_epi32(_mm_slli_epi32(s.high, RESAMPLE_LOW_BITS), s.low);
    return _mm_srai_epi32(_mm_add_epi32(sum, _mm_set1_epi32(RESAMPLE_ROUND)), RESAMPLE_BITS);
}

static inline void store_pixel(__m128i v, uint8_t *out)
{
    v = _mm_packs_epi32(v, v);
    const uint32_t pixel = (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(v, v));
    memcpy(out, &pixel, 3);
}

static void sse4_across(const resample_taps *taps, const uint8_t *const *rows, uint8_t *const *out)
{
    const __m128i first = _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
    const __m128i second = _mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    for (size_t i = 0; i < taps->n; i++) {
        const int16_t *low = taps->low + i * taps->stride, *high = taps->high + i * taps->stride;
        const size_t start = (size_t)taps->start[i] * 3, count = (size_t)taps->count[i];
        sums s[RESAMPLE_ROWS];
        for (size_t r = 0; r < RESAMPLE_ROWS; r++) s[r].low = s[r].high = _mm_setzero_si128();
        for (size_t t = 0; t < count; t += 4) {
            const __m128i l = _mm_loadl_epi64((const __m128i *)(const void *)(low + t));
            const __m128i h = _mm_loadl_epi64((const __m128i *)(const void *)(high + t));
            const __m128i l0 = _mm_shuffle_epi32(l, 0x00), l1 = _mm_shuffle_epi32(l, 0x55);
            const __m128i h0 = _mm_shuffle_epi32(h, 0x00), h1 = _mm_shuffle_epi32(h, 0x55);
            for (size_t r = 0; r < RESAMPLE_ROWS; r++) {
                const __m128i p = load(rows[r] + start + t * 3);
                add(&s[r], _mm_shuffle_epi8(p, first), l0, h0);
                add(&s[r], _mm_shuffle_epi8(p, second), l1, h1);
            }
        }
        for (size_t r = 0; r < RESAMPLE_ROWS; r++) store_pixel(finish(s[r]), out[r] + i * 3);
    }
}

/* Weights t and t+1 side by side in every 32-bit place. */
static inline __m128i pair_of(const int16_t *weights)
{
    int32_t pair;
    memcpy(&pair, weights, sizeof pair);
    return _mm_set1_epi32(pair);
}

static void sse4_down(const uint8_t *src, size_t stride, size_t n, const int16_t *low, const int16_t *high,
                      size_t bytes, uint8_t *out)
{
    const __m128i zero = _mm_setzero_si128();
    size_t i = 0;
    for (; i + 16 <= bytes; i += 16) {
        sums s[4];
        for (int q = 0; q < 4; q++) s[q].low = s[q].high = zero;
        for (size_t t = 0; t < n; t += 2) {
            const uint8_t *row = src + t * stride + i;
            const __m128i a = load(row), b = load(t + 1 < n ? row + stride : row); /* its weight is 0 then */
            const __m128i l = pair_of(low + t), h = pair_of(high + t);
            const __m128i left = _mm_unpacklo_epi8(a, b), right = _mm_unpackhi_epi8(a, b);
            add(&s[0], _mm_unpacklo_epi8(left, zero), l, h);
            add(&s[1], _mm_unpackhi_epi8(left, zero), l, h);
            add(&s[2], _mm_unpacklo_epi8(right, zero), l, h);
            add(&s[3], _mm_unpackhi_epi8(right, zero), l, h);
        }
        const __m128i left = _mm_packs_epi32(finish(s[0]), finish(s[1]));
        const __m128i right = _mm_packs_epi32(finish(s[2]), finish(s[3]));
        _mm_storeu_si128((__m128i *)(void *)(out + i), _mm_packus_epi16(left, right));
    }
    if (i < bytes) resample_plain.down(src + i, stride, n, low, high, bytes - i, out + i);
}

const resample_kernels resample_sse4 = {"sse4", sse4_across, sse4_down};
