/* SPDX-License-Identifier: Apache-2.0
 * gemm_pick.c - picking the kernels of own products for the processor at hand.
 *
 * As in kernels.c the answer is computed on every call from what the processor says; a context keeps it. */
#include "nn/gemm.h"

const gemm_kernels *gemm_find(const char *name, nn_precision precision)
{
    return strcmp(name, "plain") ? NULL : gemm_plain(precision);
}

const gemm_kernels *gemm_pick(nn_precision precision)
{
    return gemm_plain(precision);
}

bool nn_precision_native(nn_precision precision)
{
    return precision == NN_COMPUTE_F32 || gemm_pick(precision) != gemm_plain(precision);
}

const char *nn_precision_name(nn_precision precision)
{
    static const char *const names[NN_PRECISIONS] = {"f32", "bf16", "int8"};
    return names[precision];
}
