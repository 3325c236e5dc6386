/* SPDX-License-Identifier: Apache-2.0
 * vit.h - vision transformer ("An Image is Worth 16x16 Words", arXiv 2010.11929, as in CLIP, arXiv 2103.00020).
 *
 *     p   = patch(pixels)                      [N, D]   N patches row by row
 *     x   = pre_norm([class; p] + position)    [N+1, D]
 *     x   = blocks(x)
 *     out = projection(post_norm(x[0]))        [E]
 *
 * and as in SigLIP (arXiv 2303.15343), without a class token and a norm before the blocks, with a bias in the patches:
 *
 *     x   = blocks(patch(pixels) + position)   [N, D]
 *     out = map_head(post_norm(x))             [D]      map_head.h */
#ifndef SIMILE_MODEL_VIT_H
#define SIMILE_MODEL_VIT_H

#include "model/config.h"
#include "model/params.h"
#include "model/tower.h"

typedef enum { VIT_POOL_CLASS /* the class token's row, projected */, VIT_POOL_MAP /* map_head */ } vit_pooling;

/* All flags false is CLIP. */
typedef struct {
    tower_config tower;
    int64_t image_size, patch; /* grid = image_size / patch, rounded down */
    int64_t trained_size;      /* image_size of the table of positions; 0: the same */
    bool no_class, no_pre_norm, patch_bias;
    vit_pooling pooling;
} vit_config;

/* Sizes that a network can have and that no computation of ours overflows on. */
bool vit_config_fits(const vit_config *c);

/* dim: E; it is D with VIT_POOL_MAP. */
simile_status vit_new(loader *l, const vit_config *c, int64_t dim, tower **out);

#endif
