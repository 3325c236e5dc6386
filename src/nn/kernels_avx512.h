/* SPDX-License-Identifier: Apache-2.0
 * kernels_avx512.h - a vector of 16 float32, for kernels_simd.h and attention_simd.h. Private to kernels_avx512*.c.
 *
 * A tile of 6 x 4 vectors takes 24 of the 32 registers, four hold the row of B and one the number of A: 24 fused
 * multiply-adds for 10 loads. */
#include <immintrin.h>

#include <stdint.h>

#define TILE_VECS  4
#define WHOLE_VECS 6
#define WHOLE_ROWS                                                                                                     \
    {                                                                                                                  \
        0, 12, 8, 8, 6, 5, 4                                                                                           \
    }
enum { LANES = 16, TILE_ROWS = 6 };
typedef __m512 vec;

static inline vec v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline void v_store(float *p, vec a)
{
    _mm512_storeu_ps(p, a);
}
static inline vec v_set(float a)
{
    return _mm512_set1_ps(a);
}
static inline vec v_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}
static inline vec v_sub(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}
static inline vec v_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}
static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}
static inline vec v_max(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}
static inline vec v_round(vec a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* a x 2^n, right down to subnormal results */
static inline vec v_scale2(vec a, vec n)
{
    return _mm512_scalef_ps(a, n);
}
/* What keeps 2^x from overflowing its parts: nothing is needed, scalef saturates. */
static inline vec v_bound(vec a)
{
    return a;
}
static inline __mmask16 first_lanes(int n)
{
    return (__mmask16)((1u << n) - 1);
}
/* the first n lanes from memory, 0 in the others */
static inline vec v_load_first(const float *p, int n)
{
    return _mm512_maskz_loadu_ps(first_lanes(n), p);
}
static inline void v_store_first(float *p, vec a, int n)
{
    _mm512_mask_storeu_ps(p, first_lanes(n), a);
}
/* the first n lanes of a, the others from rest */
static inline vec v_first(vec a, int n, vec rest)
{
    return _mm512_mask_mov_ps(rest, first_lanes(n), a);
}
static inline float v_sum(vec a)
{
    return _mm512_reduce_add_ps(a);
}
static inline float v_max_across(vec a)
{
    return _mm512_reduce_max_ps(a);
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
/* r[i] lane j becomes r[j] lane i: pairs of rows, fours of rows, then quarters. */
static inline void v_transpose(vec r[LANES])
{
    vec t[LANES];
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i += 4) {
        r[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
        r[i + 4] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
        r[i + 12] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xdd);
    }
}
