/* SPDX-License-Identifier: Apache-2.0
 * textnet.h - causal text transformer, the row of the end-of-text token (CLIP, arXiv 2103.00020).
 *
 *     x   = token[ids] + position[0 .. t]      [t+1, D]   t: place of the end-of-text token; what follows cannot matter
 *     x   = blocks(x), each row seeing itself and those before it
 *     out = projection(final_norm(x[t]))       [E] */
#ifndef SIMILE_MODEL_TEXTNET_H
#define SIMILE_MODEL_TEXTNET_H

#include "model/config.h"
#include "model/params.h"
#include "model/tower.h"

typedef struct {
    tower_config tower;
    int64_t vocab, context;
    int64_t eos; /* pooling: the first token with this id; 2: the first largest id (old configurations) */
} textnet_config;

bool textnet_config_fits(const textnet_config *c);

simile_status textnet_new(loader *l, const textnet_config *c, int64_t dim, tower **out);

#endif
