/* SPDX-License-Identifier: Apache-2.0
 * query_attention.h - attention of single queries, each over rows of its own.
 *
 *     out[p] = sum over i of softmax over i (q[p] . k[p, i] / sqrt(head)) v[p, i]      each head by itself
 *
 * What lies around it, projections and what comes after, belongs to the network that uses it. */
#ifndef SIMILE_MODEL_QUERY_ATTENTION_H
#define SIMILE_MODEL_QUERY_ATTENTION_H

#include "nn/nn.h"

/* The rows that one query sees, where they do not lie in order: kv + index[i] x 2 x width. */
typedef struct {
    const float *kv;
    const int32_t *index; /* [rows]; NULL: 0, 1, 2, ... */
    int64_t rows;         /* at least 1 */
} attention_keys;

typedef struct {
    const float *q;  /* [n, width], projected */
    const float *kv; /* [n, rows, 2 x width], projected: k | v */
    float *out;      /* [n, width] */
    int64_t n;       /* queries; all sizes at least 1 */
    int64_t rows, width, heads;
    int64_t q_stride;           /* floats from one query to the next; 0: width */
    const attention_keys *keys; /* [n], in place of kv and rows; NULL: these */
    const int32_t *first;       /* [n + 1]: a query sees the rows first[i] .. first[i+1]-1 of kv; NULL: see rows */
    const int32_t *last;        /* [n]: and none behind last[i]; NULL: all of them */
} query_attention_args;

void query_attention(nn_context *ctx, const query_attention_args *a);

#endif
