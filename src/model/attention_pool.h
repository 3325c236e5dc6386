/* SPDX-License-Identifier: Apache-2.0
 * attention_pool.h - many rows to one by attention with a single query: how CLIP's ResNets and SigLIP end.
 *
 *     q   = Wq query + bq                             [D]   one for each picture
 *     K   = Wk t + bk,  V = Wv t + bv                 [D]   for each of its N rows t
 *     out = Wo concat_h( sum_j softmax_j(q_h K_jh / sqrt(D / heads)) V_jh ) + bo     [E]
 *
 * What the query is, the caller knows: a ResNet asks with the mean of the rows, SigLIP with a row that was learned.
 *
 * With one query neither K nor V need be formed, the products of all rows with two matrices:
 *     q_h K_jh = (q_h Wk_h) t_j + q_h bk_h              the second is the same for all j, and falls out of the softmax
 *     sum_j a_j V_jh = Wv_h (sum_j a_j t_j) + bv_h      as the a_j add up to 1
 * so each matrix meets one row a picture, and rows meet D numbers a head: for RN50 a twentieth of the work. */
#ifndef SIMILE_MODEL_ATTENTION_POOL_H
#define SIMILE_MODEL_ATTENTION_POOL_H

#include "base/mem.h"
#include "model/packer.h"

enum { POOL_Q, POOL_K, POOL_V, POOL_OUT, POOL_LINEARS };

typedef struct {
    nn_tensor weight[POOL_LINEARS], bias[POOL_LINEARS]; /* views; q, k, v: [D, D], out: [E, D] */
    int64_t heads;
    nn_matrix *q, *out; /* once packed */
    nn_matrix **k, **v; /* of each head: [D, D / heads], turned round, and [D / heads, D] */
} attention_pool;

/* sizes: [D], how large the columns of rows and queries get, or NULL. */
simile_status attention_pool_pack(attention_pool *p, nn_precision precision, const float *sizes, packer *how,
                                  simile_error *err);
void attention_pool_unpack(attention_pool *p); /* also after a packing that failed half-way */
/* Arena bytes of a run over n pictures of N rows. */
size_t attention_pool_memory(const attention_pool *p, int64_t n, int64_t rows);
/* queries: [n, D], x: [n, N, D], out: [n, E]; leaves the arena's mark as it was. */
simile_status attention_pool_run(const attention_pool *p, nn_context *ctx, arena *memory, int64_t n, int64_t rows,
                                 const float *queries, const float *x, float *out, simile_error *err);

#endif
