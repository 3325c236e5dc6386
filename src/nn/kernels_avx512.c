/* SPDX-License-Identifier: Apache-2.0
 * kernels_avx512.c - kernels_simd.h over 16 float32. Compiled with -mavx512f/bw/dq/vl; entered only where the
 * processor has them (kernels.c). */
#include "nn/kernels_avx512.h"

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

const nn_kernels *nn_kernels_avx512(void)
{
    static const nn_kernels table = {"avx512", layer_norm, attention_scratch, attention, exp2_row, extent, quantise};
    return &table;
}
