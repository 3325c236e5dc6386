/* SPDX-License-Identifier: Apache-2.0
 * windows.h - own convolutions of windows larger than a pixel, made of own products (gemm.h). Private to nn/.
 *
 * In pictures whose channels come last, the pixels under one row of a window lie side by side, and those under the next
 * window begin `stride` pixels further on: a row of windows is a product whose rows overlap in memory. So a convolution
 * is as many products as its window has rows, one added to the other, and nothing is copied but the pictures' lines
 * into a border of zeros, narrowed on the way.
 *
 * int8: a picture has one range of numbers, so that its result does not depend on what is computed beside it. */
#ifndef SIMILE_NN_WINDOWS_H
#define SIMILE_NN_WINDOWS_H

#include "nn/nn.h"

typedef struct windows windows; /* immutable: any thread */

/* As nn_conv_new() and what follows it; spec was checked. */
simile_status windows_new(const nn_conv_spec *spec, windows **out, simile_error *err);
void windows_free(windows *c);
size_t windows_bytes(const windows *c);
nn_pictures windows_size(const windows *c, const nn_pictures *x);
simile_status windows_run(nn_context *ctx, const windows *c, const nn_pictures *size, const float *x, float *y,
                          nn_act act, bool accumulate, simile_error *err);

#endif
