/* SPDX-License-Identifier: Apache-2.0
 * marian.h - encoder-decoder transformer in the layout of Marian models ("Marian: Fast Neural Machine Translation in
 * C++", arXiv 1804.00344; "Attention Is All You Need", arXiv 1706.03762).
 *
 *     x      = E[source] sqrt(D) + P[0..]                                [T, D]   sqrt(D) if scale_embedding
 *     x      = encoder blocks(x)                                                  norms behind their parts
 *     y      = E[last token] sqrt(D) + P[step]                           [R, D]   R hypotheses, one token each
 *     y      = norm(y + out(attention(q(y), k, v of its own tokens)))             for each decoder block
 *     y      = norm(y + out(attention(q(y), k, v of its source)))
 *     y      = norm(y + fc2(act(fc1 y)))
 *     logits = y E^T + final_logits_bias                                 [R, V]
 *     P[p]   = sin(p / 10000^(2i/D)) for the first half of the columns, cos of the same for the second
 *
 * Reference: transformers, models/marian/modeling_marian.py and configuration_marian.py. */
#ifndef SIMILE_MODEL_MARIAN_H
#define SIMILE_MODEL_MARIAN_H

#include "model/config.h"
#include "model/packer.h"
#include "model/params.h"

typedef struct {
    tower_config encoder, decoder; /* of one width */
    int64_t vocab, places;
    int32_t pad, eos, start, forced_eos; /* forced_eos: what a text of full length ends with; -1: nothing is forced */
    bool scale_embedding;
    bool bans_pad;          /* bad_words_ids: the padding token is never said */
    bool renormalize;       /* what is left after banning sums up to 1 again */
    bool early;             /* early_stopping: as many ended texts as beams are enough */
    int64_t beams, longest; /* max_length, the start token included */
    double length_penalty;
} marian_config;

/* config.json of model_type "marian", and generation_config.json (NULL: absent), which wins where it speaks. */
simile_status marian_config_read(json_from config, const json_from *generation, marian_config *out, simile_error *err);

typedef struct marian marian;
simile_status marian_new(loader *l, const marian_config *c, marian **out); /* *out is the caller's even on failure */
void marian_free(marian *m);
const marian_config *marian_get_config(const marian *m);
simile_status marian_pack(marian *m, packer *how, simile_error *err); /* once, before the first run */
void marian_unpack(marian *m);

/* ---- one run: some sources, and hypotheses about them that grow token by token ---- */

typedef struct marian_run marian_run;
/* Encodes the sources: tokens of source s are ids[starts[s]] .. ids[starts[s + 1] - 1]. */
simile_status marian_run_new(const marian *m, nn_context *ctx, const int32_t *ids, const int32_t *starts, int32_t n,
                             marian_run **out, simile_error *err);
void marian_run_free(marian_run *r);
/* Encoder states, [starts[n], D]; for tests. */
const float *marian_run_states(const marian_run *r);

/* A hypothesis to go on with: its last token, and where its keys and values lie: the row that each of its tokens but
 * the last got from marian_step(). */
typedef struct {
    int32_t source, token;
    const int32_t *rows; /* [place] */
    int32_t place;       /* of the last token: 0 for the start token */
} marian_query;

/* logits: [n, vocab], borrowed until the next step. Hypothesis i's last token gets the row *first + i. */
simile_status marian_step(marian_run *r, const marian_query *queries, int32_t n, const float **logits, int32_t *first,
                          simile_error *err);

#endif
