/* SPDX-License-Identifier: Apache-2.0
 * sums_avx512vnni.c - sums of products of small numbers with AVX-512 VNNI: vpdpbusd multiplies unsigned bytes by signed
 * ones and adds fours of them to 32 bits. Four rows at a time share the loads of the
 * query; what comes AHEAD bytes later is asked for meanwhile, as the processor's own prefetching stops at each page. */
#include "index/kernels.h"

#include <immintrin.h>
#include <string.h>

enum { ROWS = 4, AHEAD = 4096, LATER = 16, LINES_LATER = 40 }; /* bytes; rows, of several lines and of one */

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

/* ---- heads ---- */

static void heads(const uint8_t *rows, size_t n, size_t width, const int8_t *query, int32_t *out)
{
    const __m512i q = _mm512_load_si512(query), zero = _mm512_setzero_si512();
    const __mmask64 mask = width == 64 ? ~(__mmask64)0 : ((__mmask64)1 << width) - 1;
    size_t i = 0;
    for (; i + ROWS <= n; i += ROWS, rows += ROWS * width) {
        for (size_t at = 0; at < ROWS * width; at += 64) __builtin_prefetch(rows + at + AHEAD);
        const __m512i a = _mm512_dpbusd_epi32(zero, _mm512_maskz_loadu_epi8(mask, rows), q);
        const __m512i b = _mm512_dpbusd_epi32(zero, _mm512_maskz_loadu_epi8(mask, rows + width), q);
        const __m512i c = _mm512_dpbusd_epi32(zero, _mm512_maskz_loadu_epi8(mask, rows + 2 * width), q);
        const __m512i d = _mm512_dpbusd_epi32(zero, _mm512_maskz_loadu_epi8(mask, rows + 3 * width), q);
        _mm_storeu_si128((__m128i *)(void *)(out + i), sums_of(a, b, c, d));
    }
    for (; i < n; i++, rows += width)
        out[i] = _mm512_reduce_add_epi32(_mm512_dpbusd_epi32(zero, _mm512_maskz_loadu_epi8(mask, rows), q));
}

/* ---- signs ---- */

/* As in sums_avx2.c, for all 64 rows. */
typedef struct {
    __m512i all, odd;
} byte_sums;

enum { STEPS = 128 };

static inline void add_bytes(byte_sums *s, __m512i x)
{
    s->all = _mm512_add_epi16(s->all, x);
    s->odd = _mm512_add_epi16(s->odd, _mm512_srli_epi16(x, 8));
}

static inline __m512i table_of(const uint8_t *table)
{
    return _mm512_broadcast_i32x4(_mm_load_si128((const __m128i *)(const void *)table));
}

/* To 32 bits. */
static inline void spread(const byte_sums *s, int32_t *out)
{
    uint16_t even[SIGN_ROWS / 2], odd[SIGN_ROWS / 2];
    _mm512_storeu_si512(even, _mm512_sub_epi16(s->all, _mm512_slli_epi16(s->odd, 8)));
    _mm512_storeu_si512(odd, s->odd);
    for (int i = 0; i < SIGN_ROWS / 2; i++) {
        out[2 * i] += even[i];
        out[2 * i + 1] += odd[i];
    }
}

static void signs(const uint8_t *block, size_t bytes, const uint8_t (*tables)[16], int32_t *out)
{
    const __m512i low = _mm512_set1_epi8(15);
    for (size_t i = 0; i < SIGN_ROWS; i += 16) _mm512_storeu_si512(out + i, _mm512_setzero_si512());
    for (size_t first = 0; first < bytes; first += STEPS) {
        const size_t end = bytes - first < STEPS ? bytes : first + STEPS;
        const __m512i zero = _mm512_setzero_si512();
        byte_sums s = {zero, zero}, t = {zero, zero};
        for (size_t j = first; j < end; j++) {
            const uint8_t *at = block + j * SIGN_ROWS;
            __builtin_prefetch(at + AHEAD);
            const __m512i x = _mm512_loadu_si512(at);
            add_bytes(&s, _mm512_shuffle_epi8(table_of(tables[2 * j]), _mm512_and_si512(x, low)));
            add_bytes(&t,
                      _mm512_shuffle_epi8(table_of(tables[2 * j + 1]), _mm512_and_si512(_mm512_srli_epi16(x, 4), low)));
        }
        spread(&s, out);
        spread(&t, out);
    }
}

/* ---- numbers of 4 bits ---- */

static void four_rows(const uint8_t *const rows[ROWS], size_t groups, const int8_t *query, int32_t *out)
{
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
    for (size_t at = 0; at < groups * CODE_GROUP; at += CODE_GROUP, query += 2 * CODE_GROUP) {
        const __m512i q_low = _mm512_load_si512(query), q_high = _mm512_load_si512(query + CODE_GROUP);
        a = add_group(a, rows[0] + at, q_low, q_high);
        b = add_group(b, rows[1] + at, q_low, q_high);
        c = add_group(c, rows[2] + at, q_low, q_high);
        d = add_group(d, rows[3] + at, q_low, q_high);
    }
    _mm_storeu_si128((__m128i *)(void *)out, sums_of(a, b, c, d));
}

static void sums(const uint8_t *rows, const uint16_t *places, size_t n, size_t groups, const int8_t *query,
                 int32_t *out)
{
    const size_t stride = groups * CODE_GROUP;
    size_t i = 0;
    for (; i + ROWS <= n; i += ROWS) {
        const uint8_t *four[ROWS];
        for (size_t r = 0; r < ROWS; r++) {
            four[r] = rows + places[i + r] * stride;
            const uint8_t *later = i + r + LATER < n ? rows + places[i + r + LATER] * stride : four[r] + AHEAD;
            for (size_t at = 0; at < stride; at += 64) __builtin_prefetch(later + at);
        }
        four_rows(four, groups, query, out + i);
    }
    for (; i < n; i++) {
        const uint8_t *row = rows + places[i] * stride;
        __m512i sum = _mm512_setzero_si512();
        for (size_t g = 0; g < groups; g++)
            sum = add_group(sum, row + g * CODE_GROUP, _mm512_load_si512(query + 2 * g * CODE_GROUP),
                            _mm512_load_si512(query + (2 * g + 1) * CODE_GROUP));
        out[i] = _mm512_reduce_add_epi32(sum);
    }
}

/* ---- bits ---- */

/* Adds what is set in up to 64 bytes, whose k-th bits are of the numbers q[k]. */
static inline __m512i add_bits(__m512i sum, __m512i x, const __m512i q[8])
{
    const __m512i one = _mm512_set1_epi8(1);
    sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(x, one), q[0]);
    sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi16(x, 1), one), q[1]);
    sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi16(x, 2), one), q[2]);
    sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi16(x, 3), one), q[3]);
    sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi16(x, 4), one), q[4]);
    sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi16(x, 5), one), q[5]);
    sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi16(x, 6), one), q[6]);
    return _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi16(x, 7), one), q[7]);
}

/* The sums of a part of at most 64 bytes, ROWS rows at once. */
static void bits_of_part(const uint8_t *rows, const uint16_t *places, size_t n, size_t stride, size_t bytes,
                         const int8_t *query, int32_t *out)
{
    const __mmask64 mask = bytes == 64 ? ~(__mmask64)0 : ((__mmask64)1 << bytes) - 1;
    const __m512i zero = _mm512_setzero_si512();
    __m512i q[8];
    for (size_t k = 0; k < 8; k++) q[k] = _mm512_maskz_loadu_epi8(mask, query + k * bytes);
    for (size_t i = 0; i < n; i += ROWS) {
        const uint8_t *row[ROWS];
        int32_t four[ROWS];
        for (size_t r = 0; r < ROWS; r++) { /* behind the last, that once more */
            row[r] = rows + places[i + r < n ? i + r : n - 1] * stride;
            __builtin_prefetch(rows + places[i + r + LINES_LATER < n ? i + r + LINES_LATER : n - 1] * stride);
        }
        const __m512i a = add_bits(zero, _mm512_maskz_loadu_epi8(mask, row[0]), q);
        const __m512i b = add_bits(zero, _mm512_maskz_loadu_epi8(mask, row[1]), q);
        const __m512i c = add_bits(zero, _mm512_maskz_loadu_epi8(mask, row[2]), q);
        const __m512i d = add_bits(zero, _mm512_maskz_loadu_epi8(mask, row[3]), q);
        _mm_storeu_si128((__m128i *)(void *)four, sums_of(a, b, c, d));
        for (size_t r = 0; r < ROWS && i + r < n; r++) out[i + r] += four[r];
    }
}

static void bits(const uint8_t *rows, const uint16_t *places, size_t n, size_t bytes, const int8_t *query, int32_t *out)
{
    for (size_t i = 0; i < n; i++) out[i] = 0;
    for (size_t part = 0; part < bytes; part += BIT_GROUP)
        bits_of_part(rows + part, places, n, bytes, bytes - part < BIT_GROUP ? bytes - part : BIT_GROUP,
                     query + 8 * part, out);
}

/* ---- bounds ---- */

static inline __m512 widen(const uint16_t *halves)
{
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)halves));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

static uint64_t bounds(const code_bounds *b, const float *base, const int32_t *sums, size_t first, size_t n, float bar,
                       float *known, float *most)
{
    const __m512 factor = _mm512_set1_ps(b->factor), of_scale = _mm512_set1_ps(b->of_scale);
    const __m512 of_reach = _mm512_set1_ps(b->of_reach), of_error = _mm512_set1_ps(b->of_error);
    const __m512 bars = _mm512_set1_ps(bar);
    const __m512i less = _mm512_set1_epi32(b->less);
    uint64_t mask = 0;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m512i twice = _mm512_slli_epi32(_mm512_loadu_si512(sums + i), 1);
        const __m512 whole = _mm512_cvtepi32_ps(_mm512_sub_epi32(twice, less));
        const __m512 sum = _mm512_add_ps(_mm512_mul_ps(whole, factor), of_scale);
        const __m512 reach = _mm512_mul_ps(of_reach, widen(b->reach + first + i));
        const __m512 more = _mm512_add_ps(_mm512_mul_ps(sum, widen(b->scale + first + i)), reach);
        const __m512 sure = _mm512_add_ps(_mm512_loadu_ps(base + i), more);
        const __m512 up = _mm512_add_ps(sure, _mm512_mul_ps(of_error, widen(b->error + first + i)));
        _mm512_storeu_ps(known + i, sure);
        _mm512_storeu_ps(most + i, up);
        mask |= (uint64_t)_mm512_cmp_ps_mask(up, bars, _CMP_NLT_UQ) << i;
    }
    if (i < n)
        mask |= code_kernels_plain.bounds(b, base + i, sums + i, first + i, n - i, bar, known + i, most + i) << i;
    return mask;
}

const code_kernels code_kernels_avx512vnni = {
    .name = "avx512vnni", .heads = heads, .signs = signs, .sums = sums, .bits = bits, .bounds = bounds};
