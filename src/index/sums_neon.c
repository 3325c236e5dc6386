/* SPDX-License-Identifier: Apache-2.0
 * sums_neon.c - sums of products of small numbers with NEON, and bounds by them for this and sums_dotprod.c.
 *
 * Products are added up in 16 bits as long as they fit: two of a head, at most 2 x 127 x 127 = 32258; sixteen of
 * numbers of 4 bits, a group, at most 16 x 15 x 127 = 30480; what tables say of signs, at most 64 x 510. Then
 * lanes are widened to 32 bits. */
#include "index/sums_neon.h"

static void heads(const uint8_t *rows, size_t n, size_t width, const int8_t *query, int32_t *out)
{
    for (size_t i = 0; i < n; i++, rows += width) {
        int32x4_t sum = vdupq_n_s32(0);
        for (size_t j = 0; j < width; j += 16) {
            const int8x16_t x = vreinterpretq_s8_u8(vld1q_u8(rows + j)), q = vld1q_s8(query + j);
            const int16x8_t low = vmull_s8(vget_low_s8(x), vget_low_s8(q));
            sum = vpadalq_s16(sum, vmlal_high_s8(low, x, q));
        }
        out[i] = vaddvq_s32(sum);
    }
}

/* Bytes of 16 rows: what both tables say, in sums of 16 bits. */
static inline void look_up(uint8x16_t bytes, uint8x16_t low, uint8x16_t high, uint16x8_t sum[2])
{
    const uint8x16_t a = vqtbl1q_u8(low, vandq_u8(bytes, vdupq_n_u8(15))), b = vqtbl1q_u8(high, vshrq_n_u8(bytes, 4));
    sum[0] = vaddq_u16(sum[0], vaddl_u8(vget_low_u8(a), vget_low_u8(b)));
    sum[1] = vaddq_u16(sum[1], vaddl_high_u8(a, b));
}

static inline void add_wide(uint16x8_t sum, int32_t *to)
{
    vst1q_s32(to, vaddq_s32(vld1q_s32(to), vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(sum)))));
    vst1q_s32(to + 4, vaddq_s32(vld1q_s32(to + 4), vreinterpretq_s32_u32(vmovl_high_u16(sum))));
}

void code_signs_neon(const uint8_t *block, size_t bytes, const uint8_t (*tables)[16], int32_t *out)
{
    enum { AT_ONCE = 64 }; /* of at most 510 each */
    for (size_t i = 0; i < SIGN_ROWS; i++) out[i] = 0;
    for (size_t first = 0; first < bytes; first += AT_ONCE) {
        const size_t end = bytes - first < AT_ONCE ? bytes : first + AT_ONCE;
        uint16x8_t sum[SIGN_ROWS / 16][2];
        for (size_t r = 0; r < SIGN_ROWS / 16; r++) sum[r][0] = sum[r][1] = vdupq_n_u16(0);
        for (size_t j = first; j < end; j++, block += SIGN_ROWS) {
            const uint8x16_t low = vld1q_u8(tables[2 * j]), high = vld1q_u8(tables[2 * j + 1]);
            for (size_t r = 0; r < SIGN_ROWS / 16; r++) look_up(vld1q_u8(block + 16 * r), low, high, sum[r]);
        }
        for (size_t r = 0; r < SIGN_ROWS / 16; r++) {
            add_wide(sum[r][0], out + 16 * r);
            add_wide(sum[r][1], out + 16 * r + 8);
        }
    }
}

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

static void sums(const uint8_t *rows, const uint16_t *places, size_t n, size_t groups, const int8_t *query,
                 int32_t *out)
{
    for (size_t i = 0; i < n; i++) {
        int32x4_t sum = vdupq_n_s32(0);
        const uint8_t *row = rows + places[i] * groups * CODE_GROUP;
        const int8_t *q = query;
        for (size_t g = 0; g < groups; g++, row += CODE_GROUP, q += 2 * CODE_GROUP) {
            int16x8_t group = vdupq_n_s16(0);
            for (int part = 0; part < CODE_GROUP; part += 16) group = add_products(group, row + part, q + part);
            sum = vpadalq_s16(sum, group);
        }
        out[i] = vaddvq_s32(sum);
    }
}

void code_bits_neon(const uint8_t *rows, const uint16_t *places, size_t n, size_t bytes, const int8_t *query,
                    int32_t *out)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t *row = rows + places[i] * bytes;
        int32x4_t sum = vdupq_n_s32(0);
        for (size_t at = 0; at < bytes; at += 8) {
            const size_t part = at / BIT_GROUP * BIT_GROUP, left = bytes - part;
            const int8_t *q = query + 8 * part + at % BIT_GROUP;
            const uint8x8_t x = vld1_u8(row + at);
            int16x8_t pairs = vdupq_n_s16(0); /* of at most 8 x 127 */
            for (int k = 0; k < 8; k++, q += left < BIT_GROUP ? left : BIT_GROUP) {
                const uint8x8_t is_set = vtst_u8(x, vdup_n_u8((uint8_t)(1 << k)));
                pairs = vaddw_s8(pairs, vand_s8(vreinterpret_s8_u8(is_set), vld1_s8(q)));
            }
            sum = vpadalq_s16(sum, pairs);
        }
        out[i] = vaddvq_s32(sum);
    }
}

static inline float32x4_t widen(const uint16_t *halves)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(halves), 16));
}

uint64_t code_bounds_neon(const code_bounds *b, const float *base, const int32_t *sums, size_t first, size_t n,
                          float bar, float *known, float *most)
{
    static const uint32_t bits[4] = {1, 2, 4, 8};
    const float32x4_t factor = vdupq_n_f32(b->factor), of_scale = vdupq_n_f32(b->of_scale);
    const float32x4_t of_reach = vdupq_n_f32(b->of_reach), of_error = vdupq_n_f32(b->of_error);
    uint64_t mask = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const int32x4_t whole = vsubq_s32(vshlq_n_s32(vld1q_s32(sums + i), 1), vdupq_n_s32(b->less));
        const float32x4_t sum = vaddq_f32(vmulq_f32(vcvtq_f32_s32(whole), factor), of_scale);
        const float32x4_t reach = vmulq_f32(of_reach, widen(b->reach + first + i));
        const float32x4_t more = vaddq_f32(vmulq_f32(sum, widen(b->scale + first + i)), reach);
        const float32x4_t sure = vaddq_f32(vld1q_f32(base + i), more);
        const float32x4_t up = vaddq_f32(sure, vmulq_f32(of_error, widen(b->error + first + i)));
        vst1q_f32(known + i, sure);
        vst1q_f32(most + i, up);
        const uint32x4_t stays = vmvnq_u32(vcltq_f32(up, vdupq_n_f32(bar)));
        mask |= (uint64_t)vaddvq_u32(vandq_u32(stays, vld1q_u32(bits))) << i;
    }
    if (i < n)
        mask |= code_kernels_plain.bounds(b, base + i, sums + i, first + i, n - i, bar, known + i, most + i) << i;
    return mask;
}

const code_kernels code_kernels_neon = {.name = "neon",
                                        .heads = heads,
                                        .signs = code_signs_neon,
                                        .sums = sums,
                                        .bits = code_bits_neon,
                                        .bounds = code_bounds_neon};
