/* SPDX-License-Identifier: Apache-2.0
 * kernels_avx2.c - kernels_simd.h over 8 float32. Compiled with -mavx2 -mfma; entered only where the processor has
 * them (kernels.c).
 *
 * A tile of 6 x 2 vectors takes 12 of the 16 registers, two hold the row of B and one the number of A. */
#include <immintrin.h>

#define TILE_VECS  2
#define WHOLE_VECS 2
#define WHOLE_ROWS                                                                                                     \
    {                                                                                                                  \
        0, 6, 6                                                                                                        \
    }
enum { LANES = 8, TILE_ROWS = 6 };
typedef __m256 vec;

static inline vec v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline void v_store(float *p, vec a)
{
    _mm256_storeu_ps(p, a);
}
static inline vec v_set(float a)
{
    return _mm256_set1_ps(a);
}
static inline vec v_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}
static inline vec v_sub(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}
static inline vec v_mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}
static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}
static inline vec v_max(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}
static inline vec v_round(vec a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* a x 2^n by adding n to the exponent: a in [1/2, 2), n >= -126 */
static inline vec v_scale2(vec a, vec n)
{
    const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), exponent));
}
/* -125, so that a x 2^n stays a normal number; of two operands one of which is NaN, max gives the second */
static inline vec v_bound(vec a)
{
    return _mm256_max_ps(_mm256_set1_ps(-125.0f), a);
}
static inline __m256i first_lanes(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
/* the first n lanes from memory, 0 in the others */
static inline vec v_load_first(const float *p, int n)
{
    return _mm256_maskload_ps(p, first_lanes(n));
}
static inline void v_store_first(float *p, vec a, int n)
{
    _mm256_maskstore_ps(p, first_lanes(n), a);
}
/* the first n lanes of a, the others from rest */
static inline vec v_first(vec a, int n, vec rest)
{
    return _mm256_blendv_ps(rest, a, _mm256_castsi256_ps(first_lanes(n)));
}
static inline float v_sum(vec a)
{
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
static inline float v_max_across(vec a)
{
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}
static inline float v_sqrt1(float a)
{
    return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(a)));
}
/* Not the intrinsic: compilers take a function that does nothing else for one without effect, and leave it out. */
static inline void v_prefetch(const float *p)
{
    __asm__ volatile("prefetcht0 %0" : : "m"(*p));
}
static inline void v_prefetch_to_write(float *p)
{
    __asm__ volatile("prefetchw %0" : : "m"(*p));
}
/* r[i] lane j becomes r[j] lane i */
static inline void v_transpose(vec r[LANES])
{
    vec t[LANES];
    for (int i = 0; i < LANES; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < LANES; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
        t[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
    }
    for (int i = 0; i < LANES; i++) r[i] = t[i];
}

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

const nn_kernels *nn_kernels_avx2(void)
{
    static const nn_kernels table = {"avx2", layer_norm, attention_scratch, attention, exp2_row, extent, quantise};
    return &table;
}
