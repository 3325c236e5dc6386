/* SPDX-License-Identifier: Apache-2.0
 * winograd_plain.c - winograd_simd.h over 4 float32, which every processor and compiler can do: the definition of
 * correct, and what arm64 takes. */
typedef float vec __attribute__((vector_size(16)));
typedef float loose_vec __attribute__((vector_size(16), aligned(4), may_alias));
enum { LANES = 4 };

/* NaN stays NaN. */
static inline vec relu(vec x)
{
    for (int i = 0; i < LANES; i++) x[i] = x[i] < 0.0f ? 0.0f : x[i];
    return x;
}

#include "nn/winograd_simd.h"

const winograd_kernels *winograd_plain(void)
{
    static const winograd_kernels table = {take, give};
    return &table;
}
