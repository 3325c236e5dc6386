/* SPDX-License-Identifier: Apache-2.0
 * balance.h - which columns of a product's input are large, told from the weights alone.
 *
 * In a product of 8-bit integers all numbers of a row of x share one factor. Trained networks have a few columns that
 * are tens or hundreds of times as large as the others (LLM.int8(), arXiv 2208.07339; "Massive activations in large
 * language models", arXiv 2402.17762), and the others then get what is left of 255 steps. Dividing column j of x by
 * s[j] and multiplying column j of the weights by it changes no product, and moves the unevenness to where it can be
 * borne (SmoothQuant, arXiv 2211.10438):
 *
 *     s[j] = sqrt(largest |x[j]| / largest |W[., j]|), to the nearest power of two
 *
 * SmoothQuant measures x on samples. Here it is derived, so that it needs no samples, runs no network and is the same
 * on every machine: what a layer norm gives is taken as normal with its bias as mean and its gain as deviation, for
 * each column by itself; of y = W n + b then follow mean and deviation of each column, and "largest" is four deviations
 * beyond the mean. Means of rows with weights, as attention makes, are no larger. */
#ifndef SIMILE_MODEL_BALANCE_H
#define SIMILE_MODEL_BALANCE_H

#include "nn/nn.h"

typedef struct {
    const float *sizes;               /* [k]: how large x gets, where that is known; else NULL, and: */
    const float *gain, *bias;         /* [d]: of the layer norm in front */
    const nn_tensor *weight, *offset; /* [k, d] and [k]: x = act(weight n + offset); NULL: x is what the norm gives */
    nn_act act;
} balance_input;

/* [k] factors for spec->column_scale, for mem_free; NULL when memory is short. */
float *balance_columns(const balance_input *x, const nn_matrix_spec *spec);

#endif
