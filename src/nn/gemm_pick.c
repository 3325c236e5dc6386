/* SPDX-License-Identifier: Apache-2.0
 * gemm_pick.c - picking the kernels of own products for the processor at hand.
 *
 * As in kernels.c the answer is computed on every call from what the processor says; a context keeps it. */
#include "nn/gemm.h"

#ifdef SIMILE_NN_X86
static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
}

static const gemm_kernels *find_avx512(nn_precision precision)
{
    if (!has_avx512()) return NULL;
    if (precision == NN_COMPUTE_F32) return gemm_avx512_f32();
    if (precision == NN_COMPUTE_BF16) return __builtin_cpu_supports("avx512bf16") ? gemm_avx512_bf16() : NULL;
    return __builtin_cpu_supports("avx512vnni") ? gemm_avx512_int8() : NULL;
}
#else
static const gemm_kernels *find_avx512(nn_precision precision)
{
    (void)precision;
    return NULL;
}
#endif

const gemm_kernels *gemm_find(const char *name, nn_precision precision)
{
    if (!strcmp(name, "avx512")) return find_avx512(precision);
    return strcmp(name, "plain") ? NULL : gemm_plain(precision);
}

const gemm_kernels *gemm_pick(nn_precision precision)
{
    const gemm_kernels *wide = find_avx512(precision);
    return wide ? wide : gemm_plain(precision);
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
