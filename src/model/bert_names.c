/* SPDX-License-Identifier: Apache-2.0
 * bert_names.c - names of the tensors of BERT-like encoders in files: see bert.h for the canonical ones.
 *
 * Older files call the parameters of a layer norm gamma and beta. Chinese-CLIP's training with FlashAttention keeps q,
 * k and v in one tensor (OFA-Sys/Chinese-CLIP, cn_clip/clip/model.py: convert_state_dict). Heads for masked words and
 * the like may be left in a file; nothing here has a use for them. */
#include "model/bert.h"

#define LAYER(from, to)                                                                                                \
    {                                                                                                                  \
        "encoder.layer.#." from, "text_model.encoder.layer.#." to, NAME_KEEP                                           \
    }
#define DISTILL(from, to)                                                                                              \
    {                                                                                                                  \
        "transformer.layer.#." from ".*", "text_model.encoder.layer.#." to ".*", NAME_KEEP                             \
    }

static const name_rule rules[] = {
    {"embeddings.position_ids", NULL, NAME_IGNORE},
    {"embeddings.token_type_ids", NULL, NAME_IGNORE},
    {"embeddings.LayerNorm.gamma", "text_model.embeddings.LayerNorm.weight", NAME_KEEP},
    {"embeddings.LayerNorm.beta", "text_model.embeddings.LayerNorm.bias", NAME_KEEP},
    {"embeddings.*", "text_model.embeddings.*", NAME_KEEP},
    {"encoder.layer.#.attention.self.Wqkv.*", "text_model.encoder.layer.#.attention.self.@.*", NAME_SPLIT},
    LAYER("attention.self.out_proj.*", "attention.output.dense.*"),
    LAYER("attention.output.LayerNorm.gamma", "attention.output.LayerNorm.weight"),
    LAYER("attention.output.LayerNorm.beta", "attention.output.LayerNorm.bias"),
    LAYER("output.LayerNorm.gamma", "output.LayerNorm.weight"),
    LAYER("output.LayerNorm.beta", "output.LayerNorm.bias"),
    LAYER("*", "*"),
    DISTILL("attention.q_lin", "attention.self.query"),
    DISTILL("attention.k_lin", "attention.self.key"),
    DISTILL("attention.v_lin", "attention.self.value"),
    DISTILL("attention.out_lin", "attention.output.dense"),
    DISTILL("sa_layer_norm", "attention.output.LayerNorm"),
    DISTILL("ffn.lin1", "intermediate.dense"),
    DISTILL("ffn.lin2", "output.dense"),
    DISTILL("output_layer_norm", "output.LayerNorm"),
    {"pooler.*", "text_model.pooler.*", NAME_KEEP},
    {"cls.*", NULL, NAME_IGNORE},
    {"lm_head.*", NULL, NAME_IGNORE},
    {"vocab_transform.*", NULL, NAME_IGNORE},
    {"vocab_layer_norm.*", NULL, NAME_IGNORE},
    {"vocab_projector.*", NULL, NAME_IGNORE},
    {NULL, NULL, NAME_KEEP},
};

const name_layout bert_layouts[] = {
    {"embeddings.word_embeddings.weight", NULL, rules, false},
    {"bert.embeddings.word_embeddings.weight", "bert.", rules, false},
    {"roberta.embeddings.word_embeddings.weight", "roberta.", rules, false},
    {"distilbert.embeddings.word_embeddings.weight", "distilbert.", rules, false},
    {"transformer.embeddings.word_embeddings.weight", "transformer.", rules, false},
    {"text.transformer.embeddings.word_embeddings.weight", "text.transformer.", rules, false},
    {"text_model.embeddings.word_embeddings.weight", "text_model.", rules, false},
    {NULL, NULL, NULL, false},
};
