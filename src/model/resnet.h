/* SPDX-License-Identifier: Apache-2.0
 * resnet.h - CLIP's ModifiedResNet ("Learning Transferable Visual Models", arXiv 2103.00020, section 2.4): RN50, RN101,
 * RN50x4, ...
 *
 *     bn(x) = (x - mean) / sqrt(variance + 1e-5) * weight + bias         with the statistics of the training
 *     x     = relu(bn(conv3x3(pixels))), twice more, pool 2x2            [W, R/4, R/4], the first with stride 2
 *     block = relu( bn(conv1x1( pool( relu(bn(conv3x3( relu(bn(conv1x1(x))) ))) ))) + shortcut(x) )
 *     x     = blocks(x)                                                  [32W, R/32, R/32]
 *     t     = [mean of the pixels; pixels] + position                    [N+1, 32W]   N pixels row by row
 *     out   = attention_pool(t, asked with its first row)                [E]
 *
 * `pool` is there in the first block of layers 2, 3 and 4: what would have stride 2 elsewhere takes means of 2 x 2
 * instead. The shortcut is x, and in the first block of each layer bn(conv1x1(pool(x))). */
#ifndef SIMILE_MODEL_RESNET_H
#define SIMILE_MODEL_RESNET_H

#include "model/config.h"
#include "model/params.h"
#include "model/tower.h"

enum { RESNET_LAYERS = 4, RESNET_REDUCTION = 32 }; /* of height and width, and the growth of the channels */

typedef struct {
    int64_t width; /* W: channels behind the stem */
    int64_t blocks[RESNET_LAYERS];
    int64_t heads; /* of the pool, over 32 W */
    int64_t image_size;
} resnet_config;

/* Sizes that a network can have and that no computation of ours overflows on. */
bool resnet_config_fits(const resnet_config *c);

simile_status resnet_new(loader *l, const resnet_config *c, int64_t dim, tower **out);

#endif
