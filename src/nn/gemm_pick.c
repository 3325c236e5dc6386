/* SPDX-License-Identifier: Apache-2.0
 * gemm_pick.c - picking the kernels of own products for the processor at hand.
 *
 * As in kernels.c the answer is computed on every call from what the processor says; a context keeps it. */
#include "nn/gemm.h"

#include "base/cpu.h"

/* What there is for this processor, best first; each for some precisions. */
static const char *const NAMES[] = {"avx512", "avx2", "dotprod", "neon"};

#if defined(SIMILE_NN_X86)
static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static const gemm_kernels *find(const char *name, nn_precision precision)
{
    if (!strcmp(name, "avx2")) return precision == NN_COMPUTE_INT8 && has_avx2() ? gemm_avx2_int8() : NULL;
    if (strcmp(name, "avx512") != 0 || !has_avx512()) return NULL;
    if (precision == NN_COMPUTE_F32) return gemm_avx512_f32();
    if (precision == NN_COMPUTE_BF16) return __builtin_cpu_supports("avx512bf16") ? gemm_avx512_bf16() : NULL;
    return __builtin_cpu_supports("avx512vnni") ? gemm_avx512_int8() : NULL;
}
#elif defined(SIMILE_NN_ARM)
static const gemm_kernels *find(const char *name, nn_precision precision)
{
    if (!strcmp(name, "neon") && precision == NN_COMPUTE_F32) return gemm_neon_f32();
    if (!strcmp(name, "dotprod") && precision == NN_COMPUTE_INT8 && cpu_has_dotprod()) return gemm_dotprod_int8();
    return NULL;
}
#else
static const gemm_kernels *find(const char *name, nn_precision precision)
{
    (void)name;
    (void)precision;
    return NULL;
}
#endif

const gemm_kernels *gemm_find(const char *name, nn_precision precision)
{
    return strcmp(name, "plain") ? find(name, precision) : gemm_plain(precision);
}

const gemm_kernels *gemm_pick(nn_precision precision)
{
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        const gemm_kernels *kernels = find(NAMES[i], precision);
        if (kernels) return kernels;
    }
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
