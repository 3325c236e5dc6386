/* SPDX-License-Identifier: Apache-2.0
 * kernels.c - picking the kernels for the processor at hand.
 *
 * The answer is computed on every call from what the processor says, so that there is no state to initialise; a
 * context keeps it. __builtin_cpu_supports() also asks whether the operating system saves the wide registers. */
#include "nn/kernels.h"

#include <string.h>

#ifdef SIMILE_NN_X86
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

const nn_kernels *nn_kernels_pick(void)
{
    if (has_avx512()) return nn_kernels_avx512();
    return has_avx2() ? nn_kernels_avx2() : nn_kernels_plain();
}

const nn_kernels *nn_kernels_find(const char *name)
{
    if (!strcmp(name, "avx512")) return has_avx512() ? nn_kernels_avx512() : NULL;
    if (!strcmp(name, "avx2")) return has_avx2() ? nn_kernels_avx2() : NULL;
    return strcmp(name, "plain") ? NULL : nn_kernels_plain();
}

const nn_attention_kernels *nn_attention_bf16(void)
{
    return has_avx512() && __builtin_cpu_supports("avx512bf16") ? nn_attention_avx512bf16() : NULL;
}
#elif defined(SIMILE_NN_ARM)
const nn_attention_kernels *nn_attention_bf16(void)
{
    return NULL;
}

const nn_kernels *nn_kernels_pick(void)
{
    return nn_kernels_neon();
}

const nn_kernels *nn_kernels_find(const char *name)
{
    if (!strcmp(name, "neon")) return nn_kernels_neon();
    return strcmp(name, "plain") ? NULL : nn_kernels_plain();
}
#else
const nn_attention_kernels *nn_attention_bf16(void)
{
    return NULL;
}

const nn_kernels *nn_kernels_pick(void)
{
    return nn_kernels_plain();
}

const nn_kernels *nn_kernels_find(const char *name)
{
    return strcmp(name, "plain") ? NULL : nn_kernels_plain();
}
#endif
