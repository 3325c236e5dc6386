/* SPDX-License-Identifier: Apache-2.0
 * nn.h - the operations of which the networks are made. Knows no model.
 *
 * Products of matrices are our own where we have kernels for the processor and the precision (gemm.h). Convolutions,
 * and products in float32 elsewhere, are oneDNN's, through one file for its 2.x and one for its 3.x interface (dnnl2.c,
 * dnnl3.c) behind dnnl.h. Everything between them is small kernels of our own behind the table in kernels.h.
 *
 * nn_matrix is immutable once made and may be used from any number of contexts at once. nn_context belongs to one
 * thread at a time: it holds the stream, the cache of primitives, the scratch memory and the thread count.
 * Activations are float32, row-major, rows contiguous. Storage types of weights and the type in which a product is
 * computed are separate things: `nn_dtype` and `nn_precision`.
 * Results do not depend on the number of rows computed together, nor on the thread count (tests/unit: within 1e-6). */
#ifndef SIMILE_NN_NN_H
#define SIMILE_NN_NN_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- tensors as they lie in a weight file ---- */

/* NN_I8: integers with a factor for each row. The last five hold 32 values a block with a scale of their own (ggml's
 * formats, see tensor.c). */
typedef enum { NN_F32, NN_F16, NN_BF16, NN_I64, NN_I8, NN_Q4_0, NN_Q4_1, NN_Q5_0, NN_Q5_1, NN_Q8_0 } nn_dtype;
enum { NN_BLOCK = 32 };
size_t nn_dtype_size(nn_dtype dtype);      /* of one element, or of one block */
int64_t nn_dtype_block(nn_dtype dtype);    /* elements that are stored together: 1 or NN_BLOCK */
const char *nn_dtype_name(nn_dtype dtype); /* "F32", as the files spell it */

enum { NN_MAX_RANK = 8 };
typedef struct { /* a borrowed view; data need not be aligned */
    const void *data;
    nn_dtype dtype;
    int rank;
    int64_t dim[NN_MAX_RANK];
    /* Of NN_I8 alone: value j of row i is integer x scale[i] / columns[j], all in float32; columns NULL: all 1. */
    const float *scale;   /* [dim[0]] */
    const float *columns; /* [the numbers of a row] */
} nn_tensor;

int64_t nn_tensor_count(const nn_tensor *t);
/* Widens count elements, from element `first` on, to float32. Exact for F32, F16 and BF16; a value out of a block is
 * one product, and one sum where the block has a minimum, in float32. */
void nn_tensor_to_f32(const nn_tensor *t, int64_t first, int64_t count, float *out);

/* What became of numbers that were narrowed: of several, the worst. */
typedef enum { NN_EXACT, NN_ROUNDED, NN_OVERFLOWED /* a finite number became infinite */ } nn_narrowing;
/* count float32 as F32, F16 or BF16, to the nearest and to even between two; NaN stays NaN. out need not be aligned. */
nn_narrowing nn_tensor_from_f32(nn_dtype dtype, const float *in, int64_t count, void *out);

/* ---- contexts ---- */

typedef struct nn_context nn_context;
simile_status nn_context_new(int threads, nn_context **out, simile_error *err);
void nn_context_free(nn_context *ctx);
int nn_context_threads(const nn_context *ctx);

/* ---- products ---- */

typedef enum {
    NN_ACT_NONE,
    NN_ACT_GELU /* 0.5x(1+erf(x/sqrt 2)) */,
    NN_ACT_GELU_TANH,
    NN_ACT_QUICK_GELU /* x sigmoid(1.702x) */,
    NN_ACT_RELU,
    NN_ACT_SWISH /* x sigmoid(x) */
} nn_act;
/* What a product is computed in; it takes and gives float32 all the same.
 *   F32   float32 throughout
 *   BF16  weights and x rounded to bfloat16 (to nearest even, subnormal numbers to 0), sums in float32 as
 *         AVX512-BF16 forms them
 *   INT8  weights as 8-bit integers with one factor for each of the n channels, x as 8-bit integers with a factor and
 *         a zero point for each row, found when it is multiplied; sums are exact. A row of x that holds a number that
 *         is not finite gives NaN. k is at most NN_INT8_MOST_COLS. */
typedef enum { NN_COMPUTE_F32, NN_COMPUTE_BF16, NN_COMPUTE_INT8 } nn_precision;
enum { NN_PRECISIONS = NN_COMPUTE_INT8 + 1, NN_INT8_MOST_COLS = 65536 };
const char *nn_precision_name(nn_precision precision); /* "f32", "bf16", "int8" */
/* This processor has instructions for it. Each precision runs everywhere, but without them slowly. */
bool nn_precision_native(nn_precision precision);

/* Memory that the packed weights of one network share, so that they lie in large pages: a processor remembers too few
 * small ones for a network (8-bit integers, ViT-B/32, one picture: 11.2 ms instead of 12.8). Matrices that were made
 * with a store keep what they need of it. Making them is for one thread at a time. */
typedef struct nn_store nn_store;
simile_status nn_store_new(nn_store **out, simile_error *err);
void nn_store_free(nn_store *s);

/* Weights [n, k] packed once in the layout that the product likes best, with an optional bias [n]. */
typedef struct nn_matrix nn_matrix;

typedef struct {
    const nn_tensor
        *weights; /* n_parts tensors [n_i, k] (or [k, n_i] when transposed), stacked along n: q, k, v in one */
    const nn_tensor *biases; /* n_parts tensors [n_i], or NULL */
    int n_parts;
    bool transposed;
    nn_precision precision;
    const float *scale; /* row i of the stack is packed times scale[i]; NULL: as it is. Biases are not scaled. */
    /* [k], all positive, or NULL: before they become 8-bit integers, column j of x is divided and of the weights
     * multiplied by column_scale[j]. Other precisions ignore it. */
    const float *column_scale;
    nn_store *store; /* NULL: memory of its own */
} nn_matrix_spec;
simile_status nn_matrix_new(const nn_matrix_spec *spec, nn_matrix **out, simile_error *err);
void nn_matrix_free(nn_matrix *m);
int64_t nn_matrix_rows(const nn_matrix *m); /* n */
int64_t nn_matrix_cols(const nn_matrix *m); /* k */
nn_precision nn_matrix_precision(const nn_matrix *m);
size_t nn_matrix_bytes(const nn_matrix *m); /* of packed weights */

/* Packed weights can be saved as an image, bias included, and used again where it lies. nn_packing_id() names the
 * layout that nn_matrix_new() would choose on this processor; 0, and an image of 0 bytes, where it cannot be saved. An
 * image is at a multiple of 64 bytes and outlives the matrix that adopted it. It may be a foreign file: sizes are
 * checked, and whatever the numbers are, nothing but the results depends on them. */
uint64_t nn_packing_id(nn_precision precision);
size_t nn_matrix_image_bytes(const nn_matrix *m);
void nn_matrix_image_write(const nn_matrix *m, void *out);
simile_status nn_matrix_adopt(const void *image, size_t bytes, nn_matrix **out, simile_error *err);

/* Rows first .. first+n-1 of a matrix as one of their own, which gives the same numbers. Nothing is copied: the whole
 * outlives it. NULL in *out without an error: as the whole is packed, it cannot be cut there. */
simile_status nn_matrix_part(const nn_matrix *whole, int64_t first, int64_t n, nn_matrix **out, simile_error *err);

/* y = act(x W^T + b)        x: [rows, k], y: [rows, n]; with `accumulate`, y = act(y + x W^T + b). */
simile_status nn_linear(nn_context *ctx, const nn_matrix *w, int64_t rows, const float *x, float *y, nn_act act,
                        bool accumulate, simile_error *err);

/* y = act(norm(x) W^T + b), norm(x) as nn_layer_norm() gives it. normed: room for rows x k numbers; what it holds
 * afterwards is undefined, because a product that narrows its rows normalises them on the way. */
typedef struct {
    const float *weight, *bias;
    float eps;
} nn_norm;
simile_status nn_linear_normed(nn_context *ctx, const nn_matrix *w, int64_t rows, const nn_norm *norm, const float *x,
                               float *normed, float *y, nn_act act, simile_error *err);

/* Rows as they lie in memory between two operations, `stride` numbers apart. bfloat16: what the second of the two would
 * make of them anyway, so that its results are the same. */
typedef enum { NN_ROWS_F32, NN_ROWS_BF16 } nn_row_type;
typedef struct {
    void *data;
    int64_t stride;
    nn_row_type type;
} nn_rows;
/* What a product with `from` may write and one with `to` likes to read; from NULL: written by someone else, as float32.
 * Rows that lie a large power of two apart drive each other out of the cache: in memory there is room for k +
 * NN_ROW_SLACK float32 a row. */
enum { NN_ROW_SLACK = 32 };
nn_rows nn_rows_between(const nn_context *ctx, const nn_matrix *from, const nn_matrix *to, void *memory);

/* As nn_linear() and, with a norm, nn_linear_normed(), of rows as nn_rows_between() and the two below place
 * them, or contiguous ones; with a norm those of x are. Without one `normed` is not used. */
typedef struct {
    const nn_matrix *w;
    int64_t rows;
    nn_rows x, y;
    const nn_norm *norm; /* NULL: none */
    float *normed;
    nn_act act;
    bool accumulate; /* y is float32 */
} nn_product;
simile_status nn_product_run(nn_context *ctx, const nn_product *p, simile_error *err);

/* ---- convolutions: of pictures whose channels come last, so that a pixel is a row ---- */

typedef struct {
    int64_t n, height, width;
} nn_pictures;

enum { NN_MAX_WINDOW = 64 };
/* Weights [out, in, size, size], packed once; immutable as a matrix is. */
typedef struct nn_conv nn_conv;

typedef struct {
    nn_tensor weights;
    const float *scale;        /* [out]: what weights are multiplied by; NULL: 1 */
    const float *bias;         /* [out], added as it is; NULL: 0 */
    int64_t stride, pad;       /* in both directions; pad: zeros on each side */
    int64_t height, width;     /* of the pictures to come: what the layout is chosen for; others are only slower */
    nn_precision precision;    /* windows of 3 x 3 pixels of large pictures: or float32, where that is faster */
    const float *column_scale; /* [in], of windows of one pixel: as of a matrix; others ignore it */
} nn_conv_spec;
simile_status nn_conv_new(const nn_conv_spec *spec, nn_conv **out, simile_error *err);
void nn_conv_free(nn_conv *c);
size_t nn_conv_bytes(const nn_conv *c); /* of packed weights */

/* Of the pictures that a convolution makes from x. */
nn_pictures nn_conv_size(const nn_conv *c, const nn_pictures *x);

/* act: NN_ACT_NONE or NN_ACT_RELU.
 * y = act(conv(x) + b)      x: [n, height, width, in], y: [n, height', width', out] as nn_conv_size() says; with
 * `accumulate`, y = act(y + conv(x) + b). */
simile_status nn_conv_run(nn_context *ctx, const nn_conv *c, const nn_pictures *size, const float *x, float *y,
                          nn_act act, bool accumulate, simile_error *err);

/* ---- the rest: own kernels, run on the context's threads ---- */

/* y[r] = (x[r] - mean) / sqrt(variance + eps) * weight + bias, population variance; x, y: [rows, dim], may be equal. */
void nn_layer_norm(nn_context *ctx, int64_t rows, int64_t dim, const float *x, const float *weight, const float *bias,
                   float eps, float *y);

/* Multi-head attention over packed sequences. qkv: [tokens, 3 x heads x head_dim] (q | k | v); sequence s owns the rows
 * starts[s] .. starts[s+1]-1; out: [tokens, heads x head_dim]. scale is head_dim^-0.5 as a rule. With `causal`, row i
 * of a sequence sees rows 0..i of it. */
typedef struct {
    const void *qkv;
    void *out;
    const int32_t *starts; /* [sequences + 1] */
    int32_t sequences, heads, head_dim;
    float scale;
    bool causal;
    nn_precision precision; /* other than float32: products may be of bfloat16, where the processor is faster at it */
    int64_t qkv_stride, out_stride; /* numbers; 0: contiguous */
    nn_row_type qkv_type, out_type; /* bfloat16 only as the two below say */
} nn_attention_args;
/* What nn_attention() likes to read from a product with `from`, and what it may write for one with `to`: as
 * nn_rows_between(). */
nn_rows nn_rows_to_attention(const nn_context *ctx, const nn_matrix *from, int64_t head_dim, void *memory);
nn_rows nn_rows_from_attention(const nn_context *ctx, const nn_matrix *to, void *memory);
simile_status nn_attention(nn_context *ctx, const nn_attention_args *a, simile_error *err);

/* Means of k x k pixels. x: [n, height, width, channels], y: [n, height / k, width / k, channels]; what is left over at
 * the right and below is left out. */
void nn_avg_pool(nn_context *ctx, const nn_pictures *size, int64_t channels, int64_t k, const float *x, float *y);

/* out[r] = log of the sum over i of exp(x[r, i]); x: [rows, dim]. */
void nn_log_sum_exp(nn_context *ctx, int64_t rows, int64_t dim, const float *x, float *out);

/* fn(user, item) for each item, shared out over the context's threads in contiguous runs. The only place in nn/ that
 * starts parallel work; each item must write only what is its own. */
typedef void (*nn_parallel_fn)(void *user, int64_t item);
void nn_parallel(nn_context *ctx, int64_t items, nn_parallel_fn fn, void *user);

/* The kernels that were picked ("avx512", "avx2", "plain"), and the product library ("oneDNN 2.6.3 ..."). */
const char *nn_kernels_name(void);
const char *nn_products_name(void);

#endif
