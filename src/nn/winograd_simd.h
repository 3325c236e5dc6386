/* SPDX-License-Identifier: Apache-2.0
 * winograd_simd.h - the turning of squares (winograd.h) over vectors of the compiler's. Private to nn/. The file that
 * includes this text once has defined
 *     LANES, a divisor of WINOGRAD_STEP, vec: LANES float32, and loose_vec: the same at any address */
#include "nn/winograd.h"

#define INLINE static inline __attribute__((always_inline))

#define P       0.625f
#define Q       1.5f
#define SUM     (P * P + Q * Q)
#define PRODUCT (P * P * Q * Q)

INLINE vec load(const float *p)
{
    return *(const loose_vec *)(const void *)p;
}

INLINE void store(float *p, vec v)
{
    *(loose_vec *)(void *)p = v;
}

/* d: six of a line; the results are `step` apart. */
INLINE void take_line(const vec d[WINOGRAD_IN], vec *out, int step)
{
    const vec p_even = d[4] - Q * Q * d[2], p_odd = P * d[3] - P * Q * Q * d[1];
    const vec q_even = d[4] - P * P * d[2], q_odd = Q * d[3] - Q * P * P * d[1];
    out[0] = (PRODUCT * d[0] - SUM * d[2]) + d[4];
    out[step] = p_even + p_odd;
    out[2 * step] = p_even - p_odd;
    out[3 * step] = q_even + q_odd;
    out[4 * step] = q_even - q_odd;
    out[5 * step] = (PRODUCT * d[1] - SUM * d[3]) + d[5];
}

static void take(const float *const pixel[WINOGRAD_PLACES], int64_t in, float *out, int64_t step)
{
    for (int64_t c = 0; c < in; c += LANES) {
        vec half[WINOGRAD_PLACES]; /* columns turned, as rows */
#pragma GCC unroll 6
        for (int i = 0; i < WINOGRAD_IN; i++) {
            vec d[WINOGRAD_IN];
#pragma GCC unroll 6
            for (int k = 0; k < WINOGRAD_IN; k++) d[k] = load(pixel[k * WINOGRAD_IN + i] + c);
            take_line(d, half + i, WINOGRAD_IN);
        }
        float *to = out + c;
#pragma GCC unroll 6
        for (int i = 0; i < WINOGRAD_IN; i++) {
            vec d[WINOGRAD_IN];
            take_line(half + i * WINOGRAD_IN, d, 1);
#pragma GCC unroll 6
            for (int k = 0; k < WINOGRAD_IN; k++, to += step) store(to, d[k]);
        }
    }
}

/* m: six of a line; the four results are `step` apart. */
INLINE void give_line(const vec m[WINOGRAD_IN], vec *y, int step)
{
    const vec p_even = m[1] + m[2], p_odd = m[1] - m[2], q_even = m[3] + m[4], q_odd = m[3] - m[4];
    y[0] = m[0] + (p_even + q_even);
    y[step] = P * p_odd + Q * q_odd;
    y[2 * step] = P * P * p_even + Q * Q * q_even;
    y[3 * step] = (P * P * P * p_odd + Q * Q * Q * q_odd) + m[5];
}

INLINE void give_pixel(const winograd_square *s, int pixel, int column, vec y)
{
    float *to = s->pixel[pixel];
    if (!to) return;
    y += load(s->bias + column);
    if (s->accumulate) y += load(to + column);
    store(to + column, s->relu ? relu(y) : y);
}

static void give(const winograd_square *s)
{
    for (int c = 0; c < s->columns; c += LANES) {
        const float *from = s->sums + c;
        vec half[WINOGRAD_OUT * WINOGRAD_IN]; /* rows turned, as columns */
#pragma GCC unroll 6
        for (int i = 0; i < WINOGRAD_IN; i++) {
            vec m[WINOGRAD_IN];
#pragma GCC unroll 6
            for (int k = 0; k < WINOGRAD_IN; k++, from += s->step) m[k] = load(from);
            give_line(m, half + i, WINOGRAD_IN);
        }
        for (int i = 0; i < WINOGRAD_OUT; i++) {
            vec y[WINOGRAD_OUT];
            give_line(half + i * WINOGRAD_IN, y, 1);
            for (int k = 0; k < WINOGRAD_OUT; k++) give_pixel(s, k * WINOGRAD_OUT + i, c, y[k]);
        }
    }
}
