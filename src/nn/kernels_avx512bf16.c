/* SPDX-License-Identifier: Apache-2.0
 * kernels_avx512bf16.c - attention_simd.h over 16 pairs of bfloat16. Compiled with AVX512-BF16's flags; entered only
 * where the processor has it (kernels.c). */
#include "nn/kernels_avx512.h"

enum { GROUP = 2 };
/* 32 numbers, the n first of them from memory and 0 for the others, as 16 pairs */
static inline vec v_load_groups(const float *p, int64_t n)
{
    const vec low = n >= LANES ? v_load(p) : v_load_first(p, (int)n);
    const vec high = n >= 2 * LANES ? v_load(p + LANES)
                     : n > LANES    ? v_load_first(p + LANES, (int)n - LANES)
                                    : v_set(0);
    return (vec)_mm512_cvtne2ps_pbh(high, low);
}
static inline vec v_dot(vec a, vec b, vec sum)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}
/* lane i: a[i], b[i] */
static inline vec v_pair(vec a, vec b)
{
    const __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(a));
    const __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(b));
    return _mm512_castsi512_ps(_mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
}
/* the numbers of a, then those of b, as pairs of neighbours */
static inline vec v_narrow(vec a, vec b)
{
    return (vec)_mm512_cvtne2ps_pbh(b, a);
}

/* The same of numbers that are bfloat16 in memory; n of them are there. */
#define HALVES
static inline vec v_load_half_groups(const uint16_t *p, int64_t n)
{
    if (n >= 2 * LANES) return (vec)_mm512_loadu_si512(p);
    return (vec)_mm512_maskz_loadu_epi16((__mmask32)((1u << n) - 1), p);
}
/* lane i: p[i], next[i]; next NULL: 0 */
static inline vec v_pair_halves(const uint16_t *p, const uint16_t *next, int n)
{
    const __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first_lanes(n), p));
    if (!next) return _mm512_castsi512_ps(low);
    const __m512i high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first_lanes(n), next));
    return _mm512_castsi512_ps(_mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
}
static inline void v_store_halves(uint16_t *p, vec a, int n)
{
    _mm256_mask_storeu_epi16(p, first_lanes(n), (__m256i)_mm512_cvtneps_pbh(a));
}

#include "nn/vector_exp.h"

#include "nn/attention_simd.h"

const nn_attention_kernels *nn_attention_avx512bf16(void)
{
    static const nn_attention_kernels table = {"avx512bf16", attention_scratch, attention};
    return &table;
}
