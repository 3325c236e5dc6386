/* SPDX-License-Identifier: Apache-2.0
 * products_bound.h - the time that the product library alone needs for an image tower, transformer or convolutions:
 * what a forward pass can at best take with it. Measured in the same run as the tower, because machines are shared and
 * clocks vary.
 *
 * Each product of the tower is executed bare (no bias, activation or accumulation), on weights of its own, packed as
 * the library likes them, all inputs and outputs allocated beforehand; nothing else happens in between. A run makes two
 * passes, with all rows of a product at once and in the pieces that nn_linear() uses, and gives the quicker one. */
#ifndef SIMILE_BENCH_PRODUCTS_BOUND_H
#define SIMILE_BENCH_PRODUCTS_BOUND_H

#include "base/err.h"
#include "measure.h"

#include <stdint.h>

typedef struct {
    int64_t batch, width, layers, mlp, heads;
    int64_t tokens;     /* patches and one class token */
    int64_t patch;      /* numbers in a patch: 3 x side x side */
    int64_t projection; /* length of the vector */
} tower_shape;

typedef struct products_bound products_bound;
simile_status products_bound_new(const tower_shape *shape, int threads, products_bound **out, simile_error *err);

/* The same of any list: rows x [n, k], or with a window the convolution of so many pictures with channels last. */
typedef struct {
    int64_t rows, n, k;
    int64_t window, stride, pad, height, width;
} bound_product;
simile_status products_bound_of(const bound_product *list, int64_t count, int threads, products_bound **out,
                                simile_error *err);
void products_bound_free(products_bound *b);
simile_status products_bound_run(products_bound *b, double *seconds, simile_error *err);
double products_bound_flop(const tower_shape *shape); /* of one pass */

#endif
