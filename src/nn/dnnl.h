/* SPDX-License-Identifier: Apache-2.0
 * dnnl.h - what linear.c needs of the product library, without the library's types. Private to nn/.
 *
 * Three things: the weights of one matrix, packed and immutable; a plan, the compiled product for one shape of
 * weights, one number of rows and one ending; and `products`, what one context needs to run plans. A plan is not tied
 * to one matrix: the twelve blocks of a tower share theirs. Another precision is another case of product_shape, another
 * kind of product (a convolution) another pair of *_new functions beside these. */
#ifndef SIMILE_NN_DNNL_H
#define SIMILE_NN_DNNL_H

#include "nn/nn.h"

typedef struct products products;               /* one thread at a time */
typedef struct product_weights product_weights; /* immutable: any thread */
typedef struct product_plan product_plan;       /* belongs to the products that made it */

typedef struct {
    int64_t n, k; /* weights are [n, k] */
    bool bias;
    nn_precision precision;
} product_shape;

typedef struct {
    product_shape weights;
    int64_t rows;
    nn_act act;
    bool accumulate;
} product_key;

/* Writes the rows first .. first+count-1 of the weights, float32 [count, k], to out. */
typedef void (*product_fill_fn)(void *user, int64_t first, int64_t count, float *out);

simile_status products_new(products **out, simile_error *err);
void products_free(products *p);

/* bias: [n] or NULL, as shape->bias says; copied. */
simile_status product_weights_new(const product_shape *shape, product_fill_fn fill, void *user, const float *bias,
                                  product_weights **out, simile_error *err);
void product_weights_free(product_weights *w);
size_t product_weights_bytes(const product_weights *w);

/* `like` is any matrix of the key's shape. The number of threads is the calling thread's at this moment. */
simile_status product_plan_new(products *p, const product_weights *like, const product_key *key, product_plan **out,
                               simile_error *err);
void product_plan_free(product_plan *plan);
const char *product_plan_name(const product_plan *plan); /* the library's name of the code it picked */

/* x: [rows, k], y: [rows, n]. Must run with as many threads as the plan was made with. */
simile_status product_run(products *p, const product_plan *plan, const product_weights *w, const float *x, float *y,
                          simile_error *err);

const char *products_name(void);

#endif
