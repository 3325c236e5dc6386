/* SPDX-License-Identifier: Apache-2.0
 * resample_neon.c - the sums of resample.c with NEON, which every arm64 has.
 *
 * across: eight pixels are loaded as eight reds, greens and blues, so that one multiply-add serves four taps of a
 * channel; the lanes of a sum are added up at the end. down: sixteen bytes of a row times the row's weight. */
#include "image/resample.h"

#include <arm_neon.h>
#include <string.h>

typedef struct {
    int32x4_t low, high;
} sums;

static inline sums no_sums(void)
{
    return (sums){vdupq_n_s32(0), vdupq_n_s32(0)};
}

static inline int32x4_t total(sums s)
{
    return vaddq_s32(vshlq_n_s32(s.high, RESAMPLE_LOW_BITS), s.low);
}

/* 22-bit sums to whole numbers, below 0 to 0 */
static inline uint16x4_t finish(int32x4_t sum)
{
    return vqmovun_s32(vshrq_n_s32(vaddq_s32(sum, vdupq_n_s32(RESAMPLE_ROUND)), RESAMPLE_BITS));
}

/* Eight taps of one channel. */
static inline void add_taps(sums *s, uint8x8_t bytes, int16x8_t low, int16x8_t high)
{
    const int16x8_t p = vreinterpretq_s16_u16(vmovl_u8(bytes));
    s->low = vmlal_high_s16(vmlal_s16(s->low, vget_low_s16(p), vget_low_s16(low)), p, low);
    s->high = vmlal_high_s16(vmlal_s16(s->high, vget_low_s16(p), vget_low_s16(high)), p, high);
}

static inline void store_pixel(const sums channels[3], uint8_t *out)
{
    const int32x4_t red_green = vpaddq_s32(total(channels[0]), total(channels[1]));
    const int32x4_t blue = total(channels[2]), all = vpaddq_s32(red_green, vpaddq_s32(blue, blue));
    const uint16x4_t words = finish(all);
    uint8_t pixel[8];
    vst1_u8(pixel, vqmovn_u16(vcombine_u16(words, words)));
    memcpy(out, pixel, 3);
}

static void neon_across(const resample_taps *taps, const uint8_t *const *rows, uint8_t *const *out)
{
    for (size_t i = 0; i < taps->n; i++) {
        const int16_t *low = taps->low + i * taps->stride, *high = taps->high + i * taps->stride;
        const size_t start = (size_t)taps->start[i] * 3, count = (size_t)taps->count[i];
        sums s[RESAMPLE_ROWS][3];
        for (size_t r = 0; r < RESAMPLE_ROWS; r++) s[r][0] = s[r][1] = s[r][2] = no_sums();
        for (size_t t = 0; t < count; t += 8) {
            const int16x8_t l = vld1q_s16(low + t), h = vld1q_s16(high + t);
            for (size_t r = 0; r < RESAMPLE_ROWS; r++) {
                const uint8x8x3_t p = vld3_u8(rows[r] + start + t * 3);
                for (int c = 0; c < 3; c++) add_taps(&s[r][c], p.val[c], l, h);
            }
        }
        for (size_t r = 0; r < RESAMPLE_ROWS; r++) store_pixel(s[r], out[r] + i * 3);
    }
}

/* Four bytes of a row times its weight. */
static inline void add_weighted(sums *s, int16x4_t bytes, int16_t low, int16_t high)
{
    s->low = vmlal_n_s16(s->low, bytes, low);
    s->high = vmlal_n_s16(s->high, bytes, high);
}

static void neon_down(const uint8_t *src, size_t stride, size_t n, const int16_t *low, const int16_t *high,
                      size_t bytes, uint8_t *out)
{
    size_t i = 0;
    for (; i + 16 <= bytes; i += 16) {
        sums s[4] = {no_sums(), no_sums(), no_sums(), no_sums()};
        for (size_t t = 0; t < n; t++) {
            const uint8x16_t p = vld1q_u8(src + t * stride + i);
            const int16x8_t left = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(p)));
            const int16x8_t right = vreinterpretq_s16_u16(vmovl_high_u8(p));
            add_weighted(&s[0], vget_low_s16(left), low[t], high[t]);
            add_weighted(&s[1], vget_high_s16(left), low[t], high[t]);
            add_weighted(&s[2], vget_low_s16(right), low[t], high[t]);
            add_weighted(&s[3], vget_high_s16(right), low[t], high[t]);
        }
        const uint16x8_t left = vcombine_u16(finish(total(s[0])), finish(total(s[1])));
        const uint16x8_t right = vcombine_u16(finish(total(s[2])), finish(total(s[3])));
        vst1q_u8(out + i, vcombine_u8(vqmovn_u16(left), vqmovn_u16(right)));
    }
    if (i < bytes) resample_plain.down(src + i, stride, n, low, high, bytes - i, out + i);
}

const resample_kernels resample_neon = {"neon", neon_across, neon_down};
