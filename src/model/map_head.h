/* SPDX-License-Identifier: Apache-2.0
 * map_head.h - pooling by attention with a learned query, "multihead attention pooling" (Set Transformer, arXiv
 * 1810.00825; as in Scaling Vision Transformers, arXiv 2106.04560, and SigLIP, arXiv 2303.15343).
 *
 *     h   = out(attention(q(probe), k(rows), v(rows)))      [D]      of the N rows of a picture
 *     out = h + fc2(act(fc1(norm(h))))                      [D] */
#ifndef SIMILE_MODEL_MAP_HEAD_H
#define SIMILE_MODEL_MAP_HEAD_H

#include "model/attention_pool.h"
#include "model/block.h"

typedef struct {
    nn_tensor probe_view, in_weight, in_bias; /* q, k and v are thirds of the last two */
    attention_pool pool;
    norm norm;
    nn_tensor weight[2], bias[2]; /* views of fc1 and fc2 */
    float *probe;                 /* [D], once packed */
    nn_matrix *fc1, *fc2;         /* [F, D], [D, F], once packed */
} map_head;

/* The tensors below "vision_model.head."; width, heads, mlp, activation and epsilon are those of the blocks. */
void map_head_load(loader *l, const tower_config *c, map_head *h);
simile_status map_head_pack(map_head *h, packer *how, simile_error *err);
void map_head_release(map_head *h);
/* Arena bytes of a run over n pictures of `rows` rows. */
size_t map_head_memory(const map_head *h, int64_t n, int64_t rows);

/* y of the run holds the rows of all sequences, of which each has as many; x and h are overwritten. out: [sequences,
 * D]. */
simile_status map_head_forward(const map_head *h, const block_run *r, arena *memory, float *out, simile_error *err);

#endif
