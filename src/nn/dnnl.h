/* SPDX-License-Identifier: Apache-2.0
 * dnnl.h - what linear.c needs of the product library, without the library's types. Private to nn/.
 *
 * Three things: the weights of one matrix, packed and immutable; a plan, the compiled product for one shape of
 * weights, one number of rows and one ending; and `products`, what one context needs to run plans. A plan is not tied
 * to one matrix: the twelve blocks of a tower share theirs. Another precision is another case of product_shape.
 * A convolution is a product too: of windows of a picture with weights of the same number. */
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
    int64_t window, stride, pad; /* window > 0: a convolution with weights [n, k, window, window] */
} product_shape;

typedef struct {
    product_shape weights;
    int64_t rows; /* of a convolution: pictures */
    nn_act act;
    bool accumulate;
    int64_t height, width; /* of a convolution's pictures */
} product_key;

/* Numbers in one row of the weights, and how far a convolution reaches across `size` pixels. */
static inline int64_t product_row(const product_shape *shape)
{
    return shape->window ? shape->k * shape->window * shape->window : shape->k;
}
static inline int64_t product_steps(const product_shape *shape, int64_t size)
{
    return (size + 2 * shape->pad - shape->window) / shape->stride + 1;
}

/* Writes the rows first .. first+count-1 of the weights, float32 [count, product_row()], to out. */
typedef void (*product_fill_fn)(void *user, int64_t first, int64_t count, float *out);

simile_status products_new(products **out, simile_error *err);
void products_free(products *p);

/* typical: the product for which the layout is chosen. bias: [n] or NULL, as the shape says; copied. */
simile_status product_weights_new(const product_key *typical, product_fill_fn fill, void *user, const float *bias,
                                  product_weights **out, simile_error *err);
void product_weights_free(product_weights *w);
size_t product_weights_bytes(const product_weights *w);

/* `like` is any matrix of the key's shape. The number of threads is the calling thread's at this moment. */
simile_status product_plan_new(products *p, const product_weights *like, const product_key *key, product_plan **out,
                               simile_error *err);
void product_plan_free(product_plan *plan);
const char *product_plan_name(const product_plan *plan); /* the library's name of the code it picked */

/* x: [rows, k], y: [rows, n]; of a convolution [rows, height, width, k], [rows, height', width', n]. Must run with as
 * many threads as the plan was made with. */
simile_status product_run(products *p, const product_plan *plan, const product_weights *w, const float *x, float *y,
                          simile_error *err);

const char *products_name(void);

#endif
