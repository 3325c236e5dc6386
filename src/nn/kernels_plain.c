/* SPDX-License-Identifier: Apache-2.0
 * kernels_plain.c - the kernels in plain C: the definition of correct, and what runs where nothing faster can.
 *
 * Sums of layer norm are in double. Attention takes one query at a time: scores, softmax over the row (Vaswani et al.
 * 2017, section 3.2.1, with the row's maximum subtracted), weighted sum of values. */
#include "nn/kernels_narrow.h"

#include <math.h>

static void norm_row(int64_t dim, const float *x, const float *weight, const float *bias, double eps, float *y)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < dim; i++) sum += (double)x[i];
    const double mean = sum / (double)dim;
    for (int64_t i = 0; i < dim; i++) squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    const double factor = 1.0 / sqrt(squares / (double)dim + eps);
    for (int64_t i = 0; i < dim; i++) y[i] = (float)(((double)x[i] - mean) * factor) * weight[i] + bias[i];
}

static void layer_norm(int64_t rows, int64_t dim, const float *x, const float *weight, const float *bias, float eps,
                       float *y)
{
    for (int64_t r = 0; r < rows; r++) norm_row(dim, x + r * dim, weight, bias, (double)eps, y + r * dim);
}

/* The weights of the visible keys, summing to 1. */
static void softmax(float *score, int64_t n)
{
    float max = score[0], sum = 0;
    for (int64_t j = 1; j < n; j++)
        if (score[j] > max) max = score[j];
    for (int64_t j = 0; j < n; j++) {
        score[j] = expf(score[j] - max);
        sum += score[j];
    }
    for (int64_t j = 0; j < n; j++) score[j] /= sum;
}

static size_t attention_scratch(int64_t tokens, int64_t head_dim)
{
    (void)head_dim;
    return (size_t)tokens;
}

static void attention(const nn_attention_head *a, float *scratch)
{
    for (int64_t i = 0; i < a->tokens; i++) {
        const int64_t visible = a->causal ? i + 1 : a->tokens;
        const float *q = (const float *)a->q + i * a->stride;
        float *out = (float *)a->out + i * a->out_stride;
        for (int64_t j = 0; j < visible; j++) {
            const float *k = (const float *)a->k + j * a->stride;
            float dot = 0;
            for (int64_t d = 0; d < a->head_dim; d++) dot += q[d] * k[d];
            scratch[j] = dot * a->scale;
        }
        softmax(scratch, visible);
        for (int64_t d = 0; d < a->head_dim; d++) out[d] = 0;
        for (int64_t j = 0; j < visible; j++) {
            const float *v = (const float *)a->v + j * a->stride;
            for (int64_t d = 0; d < a->head_dim; d++) out[d] += scratch[j] * v[d];
        }
    }
}

static void exp2_row(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = exp2f(x[i]);
}

const nn_kernels *nn_kernels_plain(void)
{
    static const nn_kernels table = {"plain", layer_norm, attention_scratch, attention, exp2_row, extent, quantise};
    return &table;
}
