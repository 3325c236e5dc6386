/* SPDX-License-Identifier: Apache-2.0
 * gemm_dotprod.c - own products in 8-bit integers with the dot products of ARMv8.2. Compiled with their flag; entered
 * only where the processor has them (gemm_pick.c).
 *
 * sdot wants both factors signed: x is read as u8 - 128, and 128 times the sum of each column of W added again,
 * together with what the zero point subtracts. */
#include <arm_neon.h>

typedef int32x4_t vec_sum;
typedef int8x16_t vec_x, vec_w;
#define DOT vdotq_laneq_s32

#include "nn/gemm_neon.h"

INLINE vec_x less_128(uint8x16_t x)
{
    return vreinterpretq_s8_u8(veorq_u8(x, vdupq_n_u8(128)));
}

INLINE vec_x load_x(const uint8_t *x)
{
    return less_128(vld1q_u8(x));
}

INLINE vec_x spread_x(const uint8_t *x)
{
    return less_128(vreinterpretq_u8_u32(vld1q_dup_u32((const uint32_t *)(const void *)x)));
}

INLINE vec_w load_w(const uint8_t *w)
{
    return vld1q_s8((const int8_t *)w);
}

INLINE void begin(const int rows, const block *b, vec_sum sum[][VECS])
{
    const int32_t *of_column = b->t->w->sum + b->t->column + b->column;
#pragma GCC unroll 5
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < VECS; v++)
            sum[r][v] = vmulq_n_s32(vld1q_s32(of_column + v * LANES), 128 - b->t->x_zero[b->row + r]);
}

INLINE void end(const int rows, const block *b, vec_sum sum[][VECS])
{
    const float *scale = b->t->w->scale + b->t->column + b->column;
#pragma GCC unroll 5
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < VECS; v++) {
            const vec factor = vmulq_f32(set(b->t->x_scale[b->row + r]), vld1q_f32(scale + v * LANES));
            y_store(b, r, v, vaddq_f32(vmulq_f32(vcvtq_f32_s32(sum[r][v]), factor), start_of(b, r, v)));
        }
}

/* ---- x ---- */

/* Four numbers from i on, 0 where the row has no more. */
INLINE vec scaled(const gemm_weights *w, const float *x, int64_t i)
{
    if (i + LANES <= w->k) {
        const vec v = vld1q_f32(x + i);
        return w->inverse ? vmulq_f32(v, vld1q_f32(w->inverse + i)) : v;
    }
    float four[LANES] = {0};
    for (int64_t j = i; j < w->k; j++) four[j - i] = w->inverse ? x[j] * w->inverse[j] : x[j];
    return vld1q_f32(four);
}

static gemm_range range_of(const gemm_weights *w, const float *x)
{
    vec low = set(0), high = set(0), finite = set(0);
    for (int64_t i = 0; i < w->k; i += LANES) {
        const vec v = scaled(w, x, i);
        low = vminq_f32(low, v);
        high = vmaxq_f32(high, v);
        finite = vfmaq_f32(finite, v, set(0)); /* NaN where v is none or infinite */
    }
    return gemm_range_of(vminvq_f32(low), vmaxvq_f32(high), vaddvq_f32(finite));
}

INLINE uint16x4_t rounded(vec v, const gemm_range *range)
{
    return vqmovun_s32(vaddq_s32(vcvtnq_s32_f32(vmulq_n_f32(v, range->inverse)), vdupq_n_s32(range->zero)));
}

static void narrow(const gemm_weights *w, int64_t rows, const float *x, uint8_t *out, int64_t stride, float *scale,
                   int32_t *zero)
{
    for (int64_t r = 0; r < rows; r++, x += w->k, out += stride) {
        const gemm_range range = range_of(w, x);
        scale[r] = range.scale;
        zero[r] = range.zero;
        for (int64_t i = 0; i < w->k; i += 8) /* a row has room for whole vectors */
            vst1_u8(out + i, vqmovn_u16(vcombine_u16(rounded(scaled(w, x, i), &range),
                                                     rounded(scaled(w, x, i + LANES), &range))));
        memset(out + w->k, 0, (size_t)(stride - w->k));
    }
}

const gemm_kernels *gemm_dotprod_int8(void)
{
    static const gemm_kernels table = {"dotprod", narrow, tile, false};
    return &table;
}
