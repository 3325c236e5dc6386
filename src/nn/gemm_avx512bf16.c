/* SPDX-License-Identifier: Apache-2.0
 * gemm_avx512bf16.c - own products in bfloat16 for AVX512-BF16. Compiled with its flags; entered only where the
 * processor has it (gemm_pick.c). */
#include <immintrin.h>

typedef __m512 vec_sum;

#include "nn/gemm_avx512.h"

INLINE vec_sum dot(vec_sum sum, __m512i x, __m512i w)
{
    __asm__ volatile("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
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

static void narrow(const gemm_weights *w, int64_t rows, const float *x, uint8_t *out, int64_t stride, float *scale,
                   int32_t *zero)
{
    (void)scale, (void)zero;
    const int64_t k = w->k;
    for (int64_t r = 0; r < rows; r++, x += k, out += stride) {
        int64_t i = 0;
        for (; i + 2 * LANES <= k; i += 2 * LANES)
            _mm512_storeu_si512(out + 2 * i,
                                (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + i + LANES), _mm512_loadu_ps(x + i)));
        for (; i < k; i += LANES) /* and what fills up the last group */
            _mm256_storeu_si256((__m256i *)(void *)(out + 2 * i),
                                (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(lanes(k - i), x + i)));
    }
}

const gemm_kernels *gemm_avx512_bf16(void)
{
    static const gemm_kernels table = {"avx512", narrow, tile, true};
    return &table;
}
