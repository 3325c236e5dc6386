/* SPDX-License-Identifier: Apache-2.0
 * sums_dotprod.c - sums of products of small numbers with the dot products of ARMv8.2: sdot adds fours of products of
 * signed bytes to 32 bits. Four rows at a time share the loads of the query, as in sums_avx512vnni.c. */
#include "index/sums_neon.h"

enum { ROWS = 4 };

static void heads(const uint8_t *rows, size_t n, size_t width, const int8_t *query, int32_t *out)
{
    for (size_t i = 0; i < n; i++, rows += width) {
        int32x4_t sum = vdupq_n_s32(0);
        for (size_t j = 0; j < width; j += 16)
            sum = vdotq_s32(sum, vreinterpretq_s8_u8(vld1q_u8(rows + j)), vld1q_s8(query + j));
        out[i] = vaddvq_s32(sum);
    }
}

/* ---- numbers of 4 bits ---- */

/* Adds 16 bytes of a row, 32 numbers, to its sum. */
static inline int32x4_t add_bytes(int32x4_t sum, const uint8_t *bytes, int8x16_t q_low, int8x16_t q_high)
{
    const uint8x16_t both = vld1q_u8(bytes);
    sum = vdotq_s32(sum, vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15))), q_low);
    return vdotq_s32(sum, vreinterpretq_s8_u8(vshrq_n_u8(both, 4)), q_high);
}

static void four_rows(const uint8_t *const rows[ROWS], size_t groups, const int8_t *query, int32_t *out)
{
    int32x4_t a = vdupq_n_s32(0), b = a, c = a, d = a;
    for (size_t at = 0; at < groups * CODE_GROUP; at += 16) {
        const int8_t *q = query + at / CODE_GROUP * 2 * CODE_GROUP + at % CODE_GROUP;
        const int8x16_t q_low = vld1q_s8(q), q_high = vld1q_s8(q + CODE_GROUP);
        a = add_bytes(a, rows[0] + at, q_low, q_high);
        b = add_bytes(b, rows[1] + at, q_low, q_high);
        c = add_bytes(c, rows[2] + at, q_low, q_high);
        d = add_bytes(d, rows[3] + at, q_low, q_high);
    }
    vst1q_s32(out, vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)));
}

static int32_t one_row(const uint8_t *row, size_t groups, const int8_t *query)
{
    int32x4_t sum[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
    for (size_t g = 0; g < groups; g++, row += CODE_GROUP, query += 2 * CODE_GROUP)
        for (int p = 0; p < 4; p++)
            sum[p] = add_bytes(sum[p], row + 16 * p, vld1q_s8(query + 16 * p), vld1q_s8(query + CODE_GROUP + 16 * p));
    return vaddvq_s32(vaddq_s32(vaddq_s32(sum[0], sum[1]), vaddq_s32(sum[2], sum[3])));
}

static void sums(const uint8_t *rows, const uint16_t *places, size_t n, size_t groups, const int8_t *query,
                 int32_t *out)
{
    const size_t stride = groups * CODE_GROUP;
    size_t i = 0;
    for (; i + ROWS <= n; i += ROWS) {
        const uint8_t *four[ROWS];
        for (size_t r = 0; r < ROWS; r++) four[r] = rows + places[i + r] * stride;
        four_rows(four, groups, query, out + i);
    }
    for (; i < n; i++) out[i] = one_row(rows + places[i] * stride, groups, query);
}

const code_kernels code_kernels_dotprod = {.name = "dotprod",
                                           .heads = heads,
                                           .signs = code_signs_neon,
                                           .sums = sums,
                                           .bits = code_bits_neon,
                                           .bounds = code_bounds_neon};
