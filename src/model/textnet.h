/* SPDX-License-Identifier: Apache-2.0
 * textnet.h - text transformer whose vector is that of one row.
 *
 * As in CLIP (arXiv 2103.00020), the row of the end-of-text token:
 *
 *     x   = token[ids] + position[0 .. t]      [t+1, D]   t: place of the end-of-text token; what follows cannot matter
 *     x   = blocks(x), each row seeing itself and those before it
 *     out = projection(final_norm(x[t]))       [E]
 *
 * As in SigLIP (arXiv 2303.15343), the last of C rows, of which each sees all; a shorter text is filled up:
 *
 *     x   = token[ids, pad, pad ...] + position           [C, D]
 *     x   = blocks(x)
 *     out = projection(final_norm(x[C-1])) + bias         [E] */
#ifndef SIMILE_MODEL_TEXTNET_H
#define SIMILE_MODEL_TEXTNET_H

#include "model/config.h"
#include "model/params.h"
#include "model/tower.h"

/* All false, and no name, is CLIP. */
typedef struct {
    tower_config tower;
    int64_t vocab, context;
    int64_t eos;      /* pooling: the first token with this id; 2: the first largest id (old configurations) */
    bool pool_last;   /* pooling: the last row instead */
    bool sees_all;    /* each row sees those behind it too */
    bool padded;      /* texts are filled up to the context... */
    int64_t pad;      /* ...with this token, which is seen like any other */
    const char *head; /* static: the projection's name; NULL: "text_projection" */
    bool head_has_bias;
} textnet_config;

bool textnet_config_fits(const textnet_config *c);

simile_status textnet_new(loader *l, const textnet_config *c, int64_t dim, tower **out);

#endif
