/* SPDX-License-Identifier: Apache-2.0
 * towers.h - the two halves of a CLIP: vit.c sees, textnet.c reads.
 *
 * A tower is loaded (names and shapes checked, nothing copied), packed once before its first use, and then immutable.
 * The forward functions take their working memory from the caller's arena and leave its mark as they found it. */
#ifndef SIMILE_MODEL_TOWERS_H
#define SIMILE_MODEL_TOWERS_H

#include "model/block.h"
#include "text/tokenizer.h"

/* ---- image: vision transformer ("An Image is Worth 16x16 Words", arXiv 2010.11929, as in CLIP, arXiv 2103.00020) ----
 *     p   = patch(pixels)                      [N, D]   N patches row by row, no bias
 *     x   = pre_norm([class; p] + position)    [N+1, D]
 *     x   = blocks(x)
 *     out = projection(post_norm(x[0]))        [E] */
typedef struct {
    vision_config config;
    int64_t dim, grid, tokens; /* E, patches a side, N + 1 */
    nn_tensor class_view, patch_view, position_view, projection_view;
    norm pre_norm, post_norm;
    block *blocks;
    float *class_embedding, *position; /* [D], [N+1, D], once packed */
    nn_matrix *patch, *projection;     /* [D, 3PP], [E, D], once packed */
} vit;

simile_status vit_load(loader *l, const vision_config *c, int64_t dim, vit *out);
simile_status vit_pack(vit *v, nn_precision precision, simile_error *err);
void vit_unpack(vit *v); /* gives up what packing made, also after a packing that failed half-way */
void vit_release(vit *v);
int64_t vit_chunk(const vit *v); /* pictures that are best encoded together */
size_t vit_memory(const vit *v); /* arena bytes for one chunk */
/* pixels: [n, 3, R, R], out: [n, E], n <= vit_chunk(). */
simile_status vit_forward(const vit *v, nn_context *ctx, arena *memory, const float *pixels, int64_t n, float *out,
                          simile_error *err);

/* ---- text: causal transformer, the row of the end-of-text token ----
 *     x   = token[ids] + position[0 .. t]      [t+1, D]   t: place of the end-of-text token; what follows cannot matter
 *     x   = blocks(x), each row seeing itself and those before it
 *     out = projection(final_norm(x[t]))       [E] */
typedef struct {
    text_config config;
    int64_t dim;
    nn_tensor token_view, position_view, projection_view;
    norm final_norm;
    block *blocks;
    float *position; /* [C, D], once packed; tokens are widened row by row from the mapping */
    nn_matrix *projection;
} textnet;

simile_status textnet_load(loader *l, const text_config *c, int64_t dim, textnet *out);
simile_status textnet_pack(textnet *t, nn_precision precision, simile_error *err);
void textnet_unpack(textnet *t);
void textnet_release(textnet *t);
size_t textnet_memory(const textnet *t);
/* out: [n, E]. Any n: texts are taken together as long as their tokens fit the arena. */
simile_status textnet_forward(const textnet *t, nn_context *ctx, arena *memory, const token_list *texts, size_t n,
                              float *out, simile_error *err);

#endif
