/* SPDX-License-Identifier: Apache-2.0
 * kernels_neon.c - kernels_simd.h over 4 float32, with NEON, which every arm64 has.
 *
 * A tile of 6 x 4 vectors takes 24 of the 32 registers, four hold the row of B and one the number of A.
 * Whole rows of scores are those of at most four queries (as many as a vector has lanes) with 24 keys: 24 registers. */
#include <arm_neon.h>
#include <stdint.h>

#define TILE_VECS  4
#define WHOLE_VECS 6
#define WHOLE_ROWS                                                                                                     \
    {                                                                                                                  \
        0, 4, 4, 4, 4, 4, 4                                                                                            \
    }
enum { LANES = 4, TILE_ROWS = 6 };
typedef float32x4_t vec;

static inline vec v_load(const float *p)
{
    return vld1q_f32(p);
}
static inline void v_store(float *p, vec a)
{
    vst1q_f32(p, a);
}
static inline vec v_set(float a)
{
    return vdupq_n_f32(a);
}
static inline vec v_add(vec a, vec b)
{
    return vaddq_f32(a, b);
}
static inline vec v_sub(vec a, vec b)
{
    return vsubq_f32(a, b);
}
static inline vec v_mul(vec a, vec b)
{
    return vmulq_f32(a, b);
}
static inline vec v_fma(vec a, vec b, vec c)
{
    return vfmaq_f32(c, a, b);
}
static inline vec v_max(vec a, vec b)
{
    return vmaxq_f32(a, b);
}
static inline vec v_round(vec a)
{
    return vrndnq_f32(a);
}
/* a x 2^n by adding n to the exponent: a in [1/2, 2), n >= -126 */
static inline vec v_scale2(vec a, vec n)
{
    const int32x4_t exponent = vshlq_n_s32(vcvtq_s32_f32(n), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(a), exponent));
}
/* -125, so that a x 2^n stays a normal number; NaN where a is */
static inline vec v_bound(vec a)
{
    return vmaxq_f32(vdupq_n_f32(-125.0f), a);
}
static inline uint32x4_t first_lanes(int n)
{
    static const int32_t lanes[4] = {0, 1, 2, 3};
    return vcgtq_s32(vdupq_n_s32(n), vld1q_s32(lanes));
}
/* the first n lanes from memory, 0 in the others */
static inline vec v_load_first(const float *p, int n)
{
    if (n == LANES) return v_load(p);
    float four[LANES] = {0};
    for (int i = 0; i < n; i++) four[i] = p[i];
    return v_load(four);
}
static inline void v_store_first(float *p, vec a, int n)
{
    if (n == LANES) {
        v_store(p, a);
        return;
    }
    float four[LANES];
    v_store(four, a);
    for (int i = 0; i < n; i++) p[i] = four[i];
}
/* the first n lanes of a, the others from rest */
static inline vec v_first(vec a, int n, vec rest)
{
    return vbslq_f32(first_lanes(n), a, rest);
}
static inline float v_sum(vec a)
{
    return vaddvq_f32(a);
}
static inline float v_max_across(vec a)
{
    return vmaxvq_f32(a);
}
static inline float v_sqrt1(float a)
{
    return vget_lane_f32(vsqrt_f32(vdup_n_f32(a)), 0);
}

/* As in kernels_avx2.c, not the builtin. */
static inline void v_prefetch(const float *p)
{
    __asm__ volatile("prfm pldl1keep, %0" : : "Q"(*p));
}
static inline void v_prefetch_to_write(float *p)
{
    __asm__ volatile("prfm pstl1keep, %0" : : "Q"(*p));
}
/* r[i] lane j becomes r[j] lane i */
static inline void v_transpose(vec r[LANES])
{
    const vec a = vtrn1q_f32(r[0], r[1]), b = vtrn2q_f32(r[0], r[1]);
    const vec c = vtrn1q_f32(r[2], r[3]), d = vtrn2q_f32(r[2], r[3]);
    r[0] = vcombine_f32(vget_low_f32(a), vget_low_f32(c));
    r[1] = vcombine_f32(vget_low_f32(b), vget_low_f32(d));
    r[2] = vcombine_f32(vget_high_f32(a), vget_high_f32(c));
    r[3] = vcombine_f32(vget_high_f32(b), vget_high_f32(d));
}

enum { GROUP = 1 };
static inline vec v_load_groups(const float *p, int64_t n)
{
    return n >= LANES ? v_load(p) : v_load_first(p, (int)n);
}
static inline vec v_dot(vec a, vec b, vec sum)
{
    return v_fma(a, b, sum);
}
static inline vec v_pair(vec a, vec b)
{
    (void)b;
    return a;
}
static inline vec v_narrow(vec a, vec b)
{
    (void)b;
    return a;
}

#include "nn/kernels_simd.h"

const nn_kernels *nn_kernels_neon(void)
{
    static const nn_kernels table = {"neon", layer_norm, attention_scratch, attention, exp2_row, extent, quantise};
    return &table;
}
