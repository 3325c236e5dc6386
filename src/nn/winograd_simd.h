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

/* d: six of a line, `step` apart; so are the results. */
INLINE void take_line(const vec *d, int step, vec *out)
{
    const vec d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step];
    const vec p_even = d4 - Q * Q * d2, p_odd = P * d3 - P * Q * Q * d1;
    const vec q_even = d4 - P * P * d2, q_odd = Q * d3 - Q * P * P * d1;
    out[0] = (PRODUCT * d[0] - SUM * d2) + d4;
    out[step] = p_even + p_odd;
    out[2 * step] = p_even - p_odd;
    out[3 * step] = q_even + q_odd;
    out[4 * step] = q_even - q_odd;
    out[5 * step] = (PRODUCT * d1 - SUM * d3) + d[5 * step];
}

static void take(const float *const pixel[WINOGRAD_PLACES], int64_t in, float *out, int64_t step)
{
    for (int64_t c = 0; c < in; c += LANES) {
        vec d[WINOGRAD_PLACES], half[WINOGRAD_PLACES];
        for (int i = 0; i < WINOGRAD_IN; i++) {
            for (int k = 0; k < WINOGRAD_IN; k++) d[k * WINOGRAD_IN + i] = load(pixel[k * WINOGRAD_IN + i] + c);
            take_line(d + i, WINOGRAD_IN, half + i);
        }
        for (int i = 0; i < WINOGRAD_IN; i++) {
            take_line(half + i * WINOGRAD_IN, 1, d);
            for (int k = 0; k < WINOGRAD_IN; k++) store(out + (i * WINOGRAD_IN + k) * step + c, d[k]);
        }
    }
}

/* m: six of a line, `step` apart; y: four, as far apart. */
INLINE void give_line(const vec *m, int step, vec *y)
{
    const vec p_even = m[step] + m[2 * step], p_odd = m[step] - m[2 * step];
    const vec q_even = m[3 * step] + m[4 * step], q_odd = m[3 * step] - m[4 * step];
    y[0] = m[0] + (p_even + q_even);
    y[step] = P * p_odd + Q * q_odd;
    y[2 * step] = P * P * p_even + Q * Q * q_even;
    y[3 * step] = (P * P * P * p_odd + Q * Q * Q * q_odd) + m[5 * step];
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
        vec m[WINOGRAD_PLACES], half[WINOGRAD_OUT * WINOGRAD_IN], y[WINOGRAD_OUT];
        for (int i = 0; i < WINOGRAD_IN; i++) {
            for (int k = 0; k < WINOGRAD_IN; k++)
                m[k * WINOGRAD_IN + i] = load(s->sums + (k * WINOGRAD_IN + i) * s->step + c);
            give_line(m + i, WINOGRAD_IN, half + i);
        }
        for (int i = 0; i < WINOGRAD_OUT; i++) {
            give_line(half + i * WINOGRAD_IN, 1, y);
            for (int k = 0; k < WINOGRAD_OUT; k++) give_pixel(s, i * WINOGRAD_OUT + k, c, y[k]);
        }
    }
}
