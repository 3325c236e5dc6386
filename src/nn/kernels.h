/* SPDX-License-Identifier: Apache-2.0
 * kernels.h - the table of own kernels, one per instruction set. Private to nn/.
 *
 * kernels_plain.c is the definition of correct. kernels_avx2.c, kernels_avx512.c and kernels_neon.c are the same text
 * (kernels_simd.h) over different vectors, each compiled with its own flags and entered only on processors that have
 * the instructions. Kernels run on one thread and touch nothing but their arguments.
 * One query's result depends only on its own row and the keys it sees, never on which queries are computed beside
 * it. */
#ifndef SIMILE_NN_KERNELS_H
#define SIMILE_NN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One head of one sequence. q, k, v: [tokens, head_dim], rows `stride` numbers apart; out: rows `out_stride` apart.
 * Numbers are float32, or bfloat16 for nn_attention_kernels that are told so; then head_dim is even. */
typedef struct {
    const void *q, *k, *v;
    const void *next; /* q of the head that comes next, as long as this one, and its out; NULL: none. Only a hint. */
    int64_t stride;
    void *out, *next_out;
    bool half, out_half;
    int64_t out_stride, tokens, head_dim;
    float scale;
    bool causal;
} nn_attention_head;

/* How far numbers reach below and above 0; finite: 0, or NaN where one is not. */
typedef struct {
    float low, high, finite;
} nn_extent;

typedef struct {
    const char *name;
    /* As nn_layer_norm(). */
    void (*layer_norm)(int64_t rows, int64_t dim, const float *x, const float *weight, const float *bias, float eps,
                       float *y);
    /* Floats of 64-byte aligned scratch memory that `attention` needs. */
    size_t (*attention_scratch)(int64_t tokens, int64_t head_dim);
    void (*attention)(const nn_attention_head *a, float *scratch);
    /* x[i] = 2^x[i] in place, for x <= 0: relative error below 1.5e-7 down to -126, below that 0 .. 2^-126. The
     * exponential that `attention` uses, for its tests. */
    void (*exp2)(float *x, int64_t n);
    nn_extent (*extent)(int64_t n, const float *x);
    /* out[i] = round(x[i] inverse) + zero, within 0 .. 255 (gemm_range) */
    void (*quantise)(int64_t n, const float *x, float inverse, int32_t zero, uint8_t *out);
} nn_kernels;

/* Attention whose products are of bfloat16; the rest, sums included, is as exact as in float32. */
typedef struct {
    const char *name;
    size_t (*scratch)(int64_t tokens, int64_t head_dim);
    void (*attention)(const nn_attention_head *a, float *scratch);
} nn_attention_kernels;
const nn_attention_kernels *nn_attention_avx512bf16(void); /* call only where nn_attention_bf16() finds it */
/* NULL where the processor has no instructions for it: then float32 is faster, and used. */
const nn_attention_kernels *nn_attention_bf16(void);

const nn_kernels *nn_kernels_plain(void);
const nn_kernels *nn_kernels_avx2(void);   /* call only where nn_kernels_find("avx2") finds it */
const nn_kernels *nn_kernels_avx512(void); /* likewise */
const nn_kernels *nn_kernels_neon(void);   /* on arm64 */

/* The best that this processor can run. */
const nn_kernels *nn_kernels_pick(void);
/* "plain", "avx2", "avx512" or "neon"; NULL when this processor or this build does not have it. */
const nn_kernels *nn_kernels_find(const char *name);

#endif
