/* SPDX-License-Identifier: Apache-2.0
 * gemm_avx512.c - own products in float32 for AVX-512. Compiled with -mavx512f/bw/dq/vl; entered only where the
 * processor has them (gemm_pick.c). */
#include <immintrin.h>

typedef __m512 vec_sum;

#include "nn/gemm_avx512.h"

INLINE vec_sum dot(vec_sum sum, __m512i x, __m512i w)
{
    __asm__ volatile("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
    return sum;
}

INLINE void begin(const int rows, const gemm_tile *t, vec_sum sum[][VECS])
{
    begin_float(rows, t, sum);
}

INLINE void end(const int rows, const gemm_tile *t, target to, vec_sum sum[][VECS])
{
    (void)t;
    end_float(rows, to, sum);
}

const gemm_kernels *gemm_avx512_f32(void)
{
    static const gemm_kernels table = {"avx512", NULL, tile, false};
    return &table;
}
