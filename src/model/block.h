/* SPDX-License-Identifier: Apache-2.0
 * block.h - one transformer block, with its norms before its parts (GPT-2, CLIP) or behind them (BERT).
 *
 *     x = x + out(attention(qkv(norm1(x))))          D width, F mlp, H heads, T rows of all sequences together
 *     x = x + fc2(act(fc1(norm2(x))))
 *
 *     x = norm1(x + out(attention(qkv(x))))          post_norm
 *     x = norm2(x + fc2(act(fc1(x))))
 *
 * Reference: transformers, models/clip/modeling_clip.py (CLIPEncoderLayer) and models/bert/modeling_bert.py
 * (BertLayer); "Attention Is All You Need", arXiv 1706.03762. */
#ifndef SIMILE_MODEL_BLOCK_H
#define SIMILE_MODEL_BLOCK_H

#include "base/digest.h"
#include "model/config.h"
#include "model/packer.h"
#include "model/params.h"

enum { LINEAR_Q, LINEAR_K, LINEAR_V, LINEAR_OUT, LINEAR_FC1, LINEAR_FC2, BLOCK_LINEARS };

typedef struct {
    norm norm1, norm2;
    nn_tensor weight[BLOCK_LINEARS], bias[BLOCK_LINEARS]; /* views */
    nn_matrix *qkv, *out, *fc1, *fc2;                     /* [3D, D], [D, D], [F, D], [D, F], once packed */
    nn_matrix *q, *kv; /* parts of qkv, in the last block alone; NULL where it cannot be cut */
    nn_precision precision;
} block;

/* What a network calls the parts of a block. */
typedef struct {
    const char *norm1, *linear[BLOCK_LINEARS], *norm2;
} block_names;

/* The blocks PREFIX0. to PREFIX(layers - 1), with CLIP's names and with others. */
void blocks_load(loader *l, const char *prefix, const tower_config *c, block *out);
void blocks_load_named(loader *l, const char *prefix, const block_names *names, const tower_config *c, block *out);
/* before: the norm in front of the first block, packed, when the blocks' own stand behind their parts; else NULL. */
simile_status blocks_pack(block *blocks, const tower_config *c, const norm *before, packer *how, simile_error *err);
void blocks_release(block *blocks, int64_t layers); /* blocks may be NULL */

/* Heads, activation and epsilon: what the tensors do not say. */
void tower_config_identify(const tower_config *c, digest *d);

/* Rows of packed sequences and the memory to work in. */
typedef struct {
    nn_context *ctx;
    const tower_config *config;
    const int32_t *starts; /* [sequences + 1]: sequence s owns rows starts[s] .. starts[s+1]-1 */
    int32_t sequences;
    bool causal, post_norm;
    float *x; /* [T, D]: in and out */
    float *y; /* [T, D + NN_ROW_SLACK] scratch */
    float *h; /* [T, max(3D, F) + NN_ROW_SLACK] scratch */
} block_run;

simile_status block_forward(const block_run *r, const block *b, simile_error *err);
/* The last block where one row of each sequence is wanted: of the others, keys and values alone are computed. rows:
 * [sequences], absolute; on return x[s] (contiguous, [sequences, D]) is the row of sequence s. */
simile_status block_forward_rows(const block_run *r, const block *b, const int32_t *rows, simile_error *err);

/* Bytes that x, y and h take together for T rows. */
size_t block_run_bytes(const tower_config *c, int64_t rows);
bool block_run_place(block_run *r, arena *memory, int64_t rows);

#endif
