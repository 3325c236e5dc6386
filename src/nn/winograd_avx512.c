/* SPDX-License-Identifier: Apache-2.0
 * winograd_avx512.c - winograd_simd.h over 16 float32. Compiled with -mavx512f/bw/dq/vl; entered only where the
 * processor has them (winograd.c). */
#include <immintrin.h>

typedef float vec __attribute__((vector_size(64)));
typedef float loose_vec __attribute__((vector_size(64), aligned(4), may_alias));
enum { LANES = 16 };

/* NaN stays NaN. */
static inline vec relu(vec x)
{
    return (vec)_mm512_max_ps(_mm512_setzero_ps(), (__m512)x);
}

#include "nn/winograd_simd.h"

const winograd_kernels *winograd_avx512(void)
{
    static const winograd_kernels table = {take, give};
    return &table;
}
