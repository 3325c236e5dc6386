/* SPDX-License-Identifier: Apache-2.0
 * vector_exp.h - 2^x over vectors of any width. Private to the files of kernels, which define the vector first.
 *
 * 2^x: x = n + f with n the nearest integer, 2^f by a polynomial of degree 6 (least maximal relative error on
 * [-1/2, 1/2] with constant term 1: 1.6e-8 with coefficients rounded to float32), times 2^n exactly. */
#define INLINE static inline __attribute__((always_inline))

INLINE vec exp2_vec(vec x)
{
    const vec n = v_round(x), f = v_sub(x, n);
    vec p = v_set(0x1.41fbbcp-13f);
    p = v_fma(p, f, v_set(0x1.5f3e52p-10f));
    p = v_fma(p, f, v_set(0x1.3b2d4cp-7f));
    p = v_fma(p, f, v_set(0x1.c6aee8p-5f));
    p = v_fma(p, f, v_set(0x1.ebfbdcp-3f));
    p = v_fma(p, f, v_set(0x1.62e430p-1f));
    p = v_fma(p, f, v_set(1.0f));
    return v_scale2(p, n);
}
