/* SPDX-License-Identifier: Apache-2.0
 * winograd.h - convolutions of windows of 3 x 3 pixels with a quarter of the products. Private to nn/.
 *
 * 4 x 4 pixels of a result, a square, see 6 x 6 of the picture. Lavin and Gray (arXiv:1509.09308) call what follows
 * F(4x4, 3x3): the square's 36 pixels and the window's 9 weights are each turned into 36 numbers, of which each place's
 * are multiplied and summed over the channels, 36 products of matrices; these 36 sums are turned into the 16 pixels.
 * In one direction, with the points 0, +-p, +-q and infinity:
 *     square  s = p^2 + q^2, t = p^2 q^2:  (t d0 - s d2 + d4,   (d4 - q^2 d2) +- p (d3 - q^2 d1),
 *                                           (d4 - p^2 d2) +- q (d3 - p^2 d1),   t d1 - s d3 + d5)
 *     window  (g0 / t,   (g0 +- p g1 + p^2 g2) / (2 p^2 (p^2 - q^2)),   (g0 +- q g1 + q^2 g2) / (2 q^2 (q^2 - p^2)),
 *              g2)
 *     result  y_i = [i = 0] m0 + p^i (m1 + (-1)^i m2) + q^i (m3 + (-1)^i m4) + [i = 3] m5
 * p = 5/8 and q = 3/2 lose less to rounding than 1 and 2, and all these factors are exact in float32.
 *
 * Everything is float32, and faster than bfloat16 by its own instructions. Each number is one chain of operations, so
 * it does not depend on what is computed beside it. A number that is not finite spoils its whole square. */
#ifndef SIMILE_NN_WINOGRAD_H
#define SIMILE_NN_WINOGRAD_H

#include "nn/nn.h"

enum { WINOGRAD_OUT = 4, WINOGRAD_IN = 6, WINOGRAD_PLACES = WINOGRAD_IN * WINOGRAD_IN, WINOGRAD_STEP = 16 };

typedef struct winograd winograd; /* immutable: any thread */

/* Whether a convolution can be computed so: 3 x 3, stride 1, one pixel around, channels in steps of WINOGRAD_STEP. */
bool winograd_can(const nn_conv_spec *spec);
/* And whether that is faster here, for pictures of the size that spec names. */
bool winograd_pays(const nn_conv_spec *spec);
/* As nn_conv_new() and what follows it; spec was checked. */
simile_status winograd_new(const nn_conv_spec *spec, winograd **out, simile_error *err);
void winograd_free(winograd *c);
size_t winograd_bytes(const winograd *c);
/* act: NN_ACT_NONE or NN_ACT_RELU. */
simile_status winograd_run(nn_context *ctx, const winograd *c, const nn_pictures *size, const float *x, float *y,
                           nn_act act, bool accumulate, simile_error *err);

/* ---- what is not a product ---- */

/* Where a square's sums go: a place's are `step` numbers behind those of the place before. */
typedef struct {
    const float *sums;
    int64_t step;
    int columns; /* a multiple of WINOGRAD_STEP */
    const float *bias;
    float *pixel[WINOGRAD_OUT * WINOGRAD_OUT]; /* of y; NULL: outside of the picture */
    bool relu, accumulate;
} winograd_square;

typedef struct {
    /* pixel: of x, row by row, [in] each. What becomes of them goes to out, `step` numbers from place to place. */
    void (*take)(const float *const pixel[WINOGRAD_PLACES], int64_t in, float *out, int64_t step);
    void (*give)(const winograd_square *s);
} winograd_kernels;

const winograd_kernels *winograd_plain(void);
const winograd_kernels *winograd_avx512(void);

#endif
