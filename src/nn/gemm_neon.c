/* SPDX-License-Identifier: Apache-2.0
 * gemm_neon.c - own products in float32 with NEON, which every arm64 has. */
#include <arm_neon.h>

typedef float32x4_t vec_sum, vec_x, vec_w;
#define DOT vfmaq_laneq_f32

#include "nn/gemm_neon.h"

INLINE vec_x load_x(const uint8_t *x)
{
    return vld1q_f32((const float *)(const void *)x);
}

INLINE vec_x spread_x(const uint8_t *x)
{
    return vld1q_dup_f32((const float *)(const void *)x);
}

INLINE vec_w load_w(const uint8_t *w)
{
    return vld1q_f32((const float *)(const void *)w);
}

INLINE void begin(const int rows, const block *b, vec_sum sum[][VECS])
{
#pragma GCC unroll 5
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < VECS; v++) sum[r][v] = start_of(b, r, v);
}

INLINE void end(const int rows, const block *b, vec_sum sum[][VECS])
{
#pragma GCC unroll 5
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < VECS; v++) y_store(b, r, v, sum[r][v]);
}

const gemm_kernels *gemm_neon_f32(void)
{
    static const gemm_kernels table = {"neon", NULL, tile, false};
    return &table;
}
