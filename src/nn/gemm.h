/* SPDX-License-Identifier: Apache-2.0
 * gemm.h - own products of matrices: y [rows, n] = x [rows, k] x W [n, k] transposed. Private to nn/.
 *
 * Numbers of k that one instruction multiplies and adds up lie side by side, 4 bytes in all: a group. It is one
 * float32, two bfloat16 or four 8-bit integers, so one text serves all precisions. W is packed in panels of GEMM_PANEL
 * columns of y: [panels, groups, GEMM_PANEL, group]. Filled up with zeros; so is the last group of k.
 * The layout is the same for every set of kernels.
 *
 * A tile is at most GEMM_TILE rows times one panel: its sums stay in registers. Each number of y is one chain of sums
 * in the order of k that begins with the bias (and y, where that is accumulated), so it does not depend on how the
 * product is cut into tiles, blocks of k or parts for threads. Sums of 8-bit integers are exact, and bias and y are
 * added to their product with both factors.
 *
 * gemm_plain.c is the definition of correct. Kernels run on one thread and touch nothing but their arguments. */
#ifndef SIMILE_NN_GEMM_H
#define SIMILE_NN_GEMM_H

#include "nn/dnnl.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { GEMM_PANEL = 32, GEMM_TILE = 14, GEMM_GROUP_BYTES = 4 };

/* Views into one image: everything is at multiples of 64 bytes. */
typedef struct {
    int64_t n, k, groups;
    nn_precision precision;
    const uint8_t *panels;
    const float *bias;    /* NULL or [panels x GEMM_PANEL] */
    const float *scale;   /* int8: [panels x GEMM_PANEL] */
    const int32_t *sum;   /* int8: of each column of W, [panels x GEMM_PANEL] */
    const float *inverse; /* int8: NULL or [groups x 4]: what columns of x are multiplied by */
} gemm_weights;

/* Rows of x as a tile reads them: groups, `stride` bytes from row to row. int8: x = scale (u8 - zero). */
typedef struct {
    const uint8_t *data;
    int64_t stride;
    const float *scale;
    const int32_t *zero;
} gemm_rows;

typedef struct {
    const gemm_weights *w;
    const uint8_t *x, *panel; /* at the first group */
    int64_t x_stride, groups;
    const float *x_scale; /* int8 */
    const int32_t *x_zero;
    float *y;
    int64_t y_stride, column; /* of y, where the panel begins */
    int rows, columns;
    nn_act act;
    bool half; /* y points to bfloat16, where kernels write that; then there is one block of k and no accumulating */
    bool accumulate, first, last; /* the first, the last block of k */
    bool far;                     /* y is large: better fetched early */
    const uint8_t *next;          /* what is read after this panel: `next_step` bytes of it for every 4 groups */
    int64_t next_step;
} gemm_tile;

typedef struct {
    const char *name;
    /* `rows` rows of x into the form that tiles read; NULL for float32. scale and zero: int8 only. What fills
     * up the last group is 0; up to 30 bytes after it may be written. Of w it needs k and inverse. */
    void (*narrow)(const gemm_weights *w, int64_t rows, const float *x, uint8_t *out, int64_t stride, float *scale,
                   int32_t *zero);
    void (*tile)(const gemm_tile *t);
    bool halves; /* tiles write bfloat16; of 8-bit integers only where the processor has instructions for it */
} gemm_kernels;

const gemm_kernels *gemm_plain(nn_precision precision);
/* Call only where gemm_find() finds them. */
const gemm_kernels *gemm_avx2_int8(void);
const gemm_kernels *gemm_avx512_f32(void);
const gemm_kernels *gemm_avx512_bf16(void);
const gemm_kernels *gemm_avx512_int8(void);
const gemm_kernels *gemm_neon_f32(void);     /* on arm64 */
const gemm_kernels *gemm_dotprod_int8(void); /* where gemm_find("dotprod", ...) finds it */

/* The best that this processor can run. */
const gemm_kernels *gemm_pick(nn_precision precision);
/* "plain", ...; NULL when this processor or this build does not have it. */
const gemm_kernels *gemm_find(const char *name, nn_precision precision);

/* Numbers in a group. */
static inline int64_t gemm_group(nn_precision precision)
{
    return precision == NN_COMPUTE_F32 ? 1 : precision == NN_COMPUTE_BF16 ? 2 : 4;
}

static inline int64_t gemm_divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* To the nearest bfloat16 and to even between two; subnormal numbers to 0, as the instructions do it. */
static inline uint16_t gemm_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t size = bits & 0x7fffffff;
    if (size > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
    if (size < 0x00800000) return (uint16_t)(bits >> 16 & 0x8000);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* How a row between low <= 0 and high >= 0 becomes 8-bit integers: u8 = round(x inverse) + zero, within 0 .. 255.
 * finite: 0, or NaN where the row holds a number that is not. */
typedef struct {
    float scale, inverse;
    int32_t zero;
} gemm_range;
static inline gemm_range gemm_range_of(float low, float high, float finite)
{
    const float part = 1.0f / 255.0f, scale = high * part - low * part;
    if (finite != 0.0f) return (gemm_range){finite, 0.0f, 0};
    if (scale < FLT_MIN) return (gemm_range){0.0f, 0.0f, 0};
    const float inverse = 1.0f / scale;
    return (gemm_range){scale, inverse, (int32_t)rintf(-low * inverse)};
}

/* Weights as float32 rows, through dnnl.h's callback. column_scale: as in nn_matrix_spec. */
typedef struct gemm_matrix gemm_matrix;
simile_status gemm_matrix_new(const product_shape *shape, product_fill_fn fill, void *user, const float *bias,
                              const float *column_scale, gemm_matrix **out, simile_error *err);
/* The same in a store, unless that is NULL. */
simile_status gemm_matrix_new_in(nn_store *store, const product_shape *shape, product_fill_fn fill, void *user,
                                 const float *bias, const float *column_scale, gemm_matrix **out, simile_error *err);
void gemm_matrix_free(gemm_matrix *m);
size_t gemm_matrix_bytes(const gemm_matrix *m); /* of the image */
const void *gemm_matrix_image(const gemm_matrix *m);
/* Of an image that was saved: checked, not copied; it is at a multiple of 64 bytes and outlives the matrix. */
simile_status gemm_matrix_adopt(const void *image, size_t bytes, gemm_matrix **out, simile_error *err);
/* Of the layout: another one has another id. */
uint64_t gemm_packing_id(nn_precision precision);
const gemm_weights *gemm_matrix_view(const gemm_matrix *m);
/* Rows first .. first+n-1 of W, where they lie; the whole outlives the part. NULL in *out: not at ends of panels. */
simile_status gemm_matrix_part(const gemm_matrix *m, int64_t first, int64_t n, gemm_matrix **out, simile_error *err);

/* Of all ways to cut rows and panels among the team, the one that gives its slowest member the least: into how many
 * parts the panels are cut. */
int gemm_parts_of_panels(int64_t rows, int64_t panels, int workers);

/* From row to row, in bytes, so that rows of `bytes` lie well in the caches. */
static inline int64_t gemm_row_stride(int64_t bytes)
{
    return (gemm_divide_up(bytes, 64) | 1) * 64;
}

/* p's product with m instead of p->w, by these kernels; a norm not in float32. */
struct nn_context;
simile_status gemm_run(struct nn_context *ctx, const gemm_kernels *kernels, const gemm_matrix *m, const nn_product *p,
                       simile_error *err);

#endif
