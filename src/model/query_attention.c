/* SPDX-License-Identifier: Apache-2.0
 * query_attention.c - see query_attention.h.
 *
 * One pass over the rows: weights are kept relative to the largest score so far, and what was summed is scaled down
 * when a larger one comes ("Online normalizer calculation for softmax", arXiv 1805.02867). So there is no place for
 * the scores to be kept, and the result does not depend on which queries are computed together.
 * Threads: each head of each query is one item. */
#include "model/query_attention.h"

#include <math.h>

/* Out of line of the loop below, so that the sum of each lane keeps its order whatever the compiler unrolls. */
static float dot(const float *a, const float *b, int64_t n)
{
    enum { LANES = 8 };
    float lane[LANES] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int64_t k = 0; k < LANES; k++) lane[k] += a[i + k] * b[i + k];
    }
    for (; i < n; i++) sum += a[i] * b[i];
    for (int64_t k = 0; k < LANES; k++) sum += lane[k];
    return sum;
}

/* The rows that a query sees. */
static attention_keys keys_of(const query_attention_args *a, int64_t query)
{
    if (a->keys) return a->keys[query];
    if (!a->first) return (attention_keys){a->kv + query * a->rows * 2 * a->width, NULL, a->rows};
    const int64_t first = a->first[query], end = a->last ? a->last[query] + 1 : a->first[query + 1];
    return (attention_keys){a->kv + first * 2 * a->width, NULL, end - first};
}

/* Item: query x heads + head. */
static void attend(void *user, int64_t item)
{
    const query_attention_args *a = user;
    const int64_t dim = a->width / a->heads, query = item / a->heads, at = item % a->heads * dim;
    const int64_t stride = a->q_stride ? a->q_stride : a->width;
    const float *q = a->q + query * stride + at;
    const attention_keys keys = keys_of(a, query);
    const float scale = 1.0f / sqrtf((float)dim);
    float *out = a->out + query * a->width + at;
    float largest = -INFINITY, total = 0;
    for (int64_t i = 0; i < dim; i++) out[i] = 0;
    for (int64_t row = 0; row < keys.rows; row++) {
        const float *k = keys.kv + (keys.index ? keys.index[row] : row) * 2 * a->width + at, *v = k + a->width;
        const float score = scale * dot(q, k, dim);
        if (score > largest) {
            const float shrink = expf(largest - score);
            for (int64_t i = 0; i < dim; i++) out[i] *= shrink;
            total *= shrink;
            largest = score;
        }
        const float weight = expf(score - largest);
        for (int64_t i = 0; i < dim; i++) out[i] += weight * v[i];
        total += weight;
    }
    for (int64_t i = 0; i < dim; i++) out[i] /= total;
}

/* Multiply-adds of all items. */
static int64_t cost_of(const query_attention_args *a)
{
    int64_t rows = 0;
    for (int64_t i = 0; i < a->n; i++) rows += keys_of(a, i).rows;
    return 2 * rows * a->width;
}

void query_attention(nn_context *ctx, const query_attention_args *a)
{
    enum { ALONE = 1 << 17 }; /* 10 to 20 microseconds: less than it takes to wake the others and wait for them */
    query_attention_args args = *a;
    const int64_t items = a->n * a->heads;
    if (cost_of(a) > ALONE)
        nn_parallel(ctx, items, attend, &args);
    else
        for (int64_t i = 0; i < items; i++) attend(&args, i);
}
