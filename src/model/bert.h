/* SPDX-License-Identifier: Apache-2.0
 * bert.h - bidirectional text encoder with its norms behind its parts: BERT, RoBERTa, XLM-RoBERTa, DistilBERT.
 *
 *     x   = norm(word[ids] + position[place] + type[0])     [T, D]   place: 0, 1, 2..; in RoBERTa it begins at pad + 1
 *     x   = blocks(x), each row seeing all of its text                of types only the first is used, or there are
 * none p   = first row | mean of the rows | largest of each column | tanh(dense(first row))          [D] out = p | W p
 * | W p + b | W2 gelu(W1 p)                [E]
 *
 * References: arXiv 1810.04805 (BERT), 1907.11692 (RoBERTa), 1910.01108 (DistilBERT), 1911.02116 (XLM-R); transformers,
 * models/bert/modeling_bert.py, models/roberta/modeling_roberta.py, models/distilbert/modeling_distilbert.py.
 *
 * Canonical names are "text_model." and BERT's own, "text_projection.weight" (and .bias) for the linear projection,
 * "text_projection.0.weight" and "text_projection.2.weight" for the one of two layers. */
#ifndef SIMILE_MODEL_BERT_H
#define SIMILE_MODEL_BERT_H

#include "model/config.h"
#include "model/names.h"
#include "model/params.h"
#include "model/tower.h"

typedef enum { BERT_POOL_FIRST, BERT_POOL_MEAN, BERT_POOL_MAX, BERT_POOL_DENSE } bert_pooling;
typedef enum { BERT_PROJECT_NONE, BERT_PROJECT_LINEAR, BERT_PROJECT_BIASED, BERT_PROJECT_MLP } bert_projection;

typedef struct {
    tower_config tower;
    int64_t vocab, places, types; /* rows of the three tables; types 0: no such table */
    int64_t first_place;          /* of the first token: 0, or RoBERTa's padding id + 1 */
    int64_t pad;                  /* id of the padding token, which takes no place in RoBERTa; -1: none */
    bool hides_pad;  /* a padding token within a text is seen by nobody: the reference masks it by its id */
    int64_t context; /* longest text, at most places - first_place */
    bert_pooling pooling;
    bert_projection projection;
    int64_t hidden; /* of BERT_PROJECT_MLP */
    bool tanh;      /* behind the linear projection */
} bert_config;

/* Sizes that a network can have and that no computation of ours overflows on. */
bool bert_config_fits(const bert_config *c);

/* head: where the tensors of the projection are, NULL: beside the others. dim: of BERT_PROJECT_NONE, the width. */
simile_status bert_new(loader *l, const bert_config *c, const weights *head, int64_t dim, tower **out);

/* ---- bert_config.c ---- */

/* config.json of the model_type "bert", "roberta", "xlm-roberta" or "distilbert", or the part of one that describes
 * such an encoder; type: which, when the part does not say it itself (NULL: it has to). Pooling, projection and
 * hides_pad keep their values; the context is all that the places allow. */
simile_status bert_config_read(json_from from, const char *type, bert_config *out, simile_error *err);
/* An encoder of which only the name on the hub is known ("xlm-roberta-base"): its sizes from the shapes of its tensors.
 * Names of networks that have heads of another width than 64, or that are not known, are refused. */
simile_status bert_config_named(const weights *w, const char *name, const char *subject, bert_config *out,
                                simile_error *err);
/* The sizes alone, with heads of 64. */
void bert_config_measure(const weights *w, bert_config *out);

/* ---- bert_names.c ---- */

/* How else such encoders are stored: with "bert.", "roberta.", "distilbert.", "transformer.", "text.transformer." or
 * nothing before BERT's names or DistilBERT's. */
extern const name_layout bert_layouts[];

#endif
