/* SPDX-License-Identifier: Apache-2.0
 * sums_neon.c - sums of products of 4-bit numbers with NEON, and bounds by them for this and sums_dotprod.c.
 *
 * Products are added up in 16 bits, sixteen of a group in a lane: at most 16 x 15 x 127 = 30480. After each group the
 * lanes are widened to 32 bits. */
#include "index/kernels.h"

#include <arm_neon.h>

/* 16 bytes: 16 numbers against q, and 16 against the ones of a whole group later. */
static inline int16x8_t add_products(int16x8_t sum, const uint8_t *bytes, const int8_t *q)
{
    const uint8x16_t both = vld1q_u8(bytes);
    const int8x16_t low = vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15)));
    const int8x16_t high = vreinterpretq_s8_u8(vshrq_n_u8(both, 4));
    const int8x16_t q_low = vld1q_s8(q), q_high = vld1q_s8(q + CODE_GROUP);
    sum = vmlal_s8(sum, vget_low_s8(low), vget_low_s8(q_low));
    sum = vmlal_high_s8(sum, low, q_low);
    sum = vmlal_s8(sum, vget_low_s8(high), vget_low_s8(q_high));
    return vmlal_high_s8(sum, high, q_high);
}

static void sums(const uint8_t *rows, size_t n, size_t groups, const int8_t *query, int32_t *out)
{
    for (size_t i = 0; i < n; i++) {
        int32x4_t sum = vdupq_n_s32(0);
        const int8_t *q = query;
        for (size_t g = 0; g < groups; g++, rows += CODE_GROUP, q += 2 * CODE_GROUP) {
            int16x8_t group = vdupq_n_s16(0);
            for (int part = 0; part < CODE_GROUP; part += 16) group = add_products(group, rows + part, q + part);
            sum = vpadalq_s16(sum, group);
        }
        out[i] = vaddvq_s32(sum);
    }
}

uint64_t code_bounds_neon(const code_bounds *b, const int32_t *sums, size_t first, size_t n, float bar, float *most)
{
    static const uint32_t bits[4] = {1, 2, 4, 8};
    const float32x4_t factor = vdupq_n_f32(b->factor), bars = vdupq_n_f32(bar);
    const float32x4_t of_error = vdupq_n_f32(b->of_error), of_reach = vdupq_n_f32(b->of_reach);
    uint64_t mask = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const int32x4_t sum = vsubq_s32(vshlq_n_s32(vld1q_s32(sums + i), 1), vdupq_n_s32(b->less));
        const float32x4_t error = vld1q_f32(b->error + first + i), norm = vld1q_f32(b->norm + first + i);
        const float32x4_t score = vmulq_f32(vmulq_f32(vcvtq_f32_s32(sum), vld1q_f32(b->scale + first + i)), factor);
        const float32x4_t off = vaddq_f32(vmulq_f32(of_error, error), vmulq_f32(of_reach, vaddq_f32(norm, error)));
        const float32x4_t up = vaddq_f32(score, off);
        vst1q_f32(most + i, up);
        const uint32x4_t stays = vmvnq_u32(vcltq_f32(up, bars));
        mask |= (uint64_t)vaddvq_u32(vandq_u32(stays, vld1q_u32(bits))) << i;
    }
    if (i < n) mask |= code_kernels_plain.bounds(b, sums + i, first + i, n - i, bar, most + i) << i;
    return mask;
}

const code_kernels code_kernels_neon = {.name = "neon", .sums = sums, .bounds = code_bounds_neon};
