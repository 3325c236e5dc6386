/* SPDX-License-Identifier: Apache-2.0
 * block.h - one pre-norm transformer block, and where networks get their tensors from.
 *
 *     x = x + out(attention(qkv(norm1(x))))          D width, F mlp, H heads, T rows of all sequences together
 *     x = x + fc2(act(fc1(norm2(x))))
 *
 * Reference: transformers, models/clip/modeling_clip.py (CLIPEncoderLayer); "Attention Is All You Need", arXiv
 * 1706.03762, in the pre-norm form of GPT-2. */
#ifndef SIMILE_MODEL_BLOCK_H
#define SIMILE_MODEL_BLOCK_H

#include "base/mem.h"
#include "model/config.h"
#include "model/weights.h"

/* ---- parameters as they were found in the files: checked at open, used when a tower is packed, digested ---- */

typedef struct {
    char *name; /* canonical: the Hugging Face name, whatever the file calls it */
    nn_tensor tensor;
} param;

typedef struct {
    param *items;
    size_t n, capacity;
} param_list;

void param_list_release(param_list *list);

/* Gets tensors by canonical name and keeps a list of them. The first failure sticks in `status`. */
typedef struct {
    const weights *files;
    param_list *list;
    simile_status status;
    simile_error *err;
} loader;

/* Shapes of rank 0 to 4; ends at the first negative size. */
nn_tensor loader_get(loader *l, const char *prefix, const char *name, int rank, const int64_t *dim);
nn_tensor loader_vector(loader *l, const char *prefix, const char *name, int64_t n);
nn_tensor loader_matrix(loader *l, const char *prefix, const char *name, int64_t rows, int64_t cols);

/* The whole tensor as float32, for mem_free; NULL when memory is short. */
float *tensor_floats(const nn_tensor *t);

/* ---- layer norm ---- */

typedef struct {
    nn_tensor weight_view, bias_view;
    float *weight, *bias; /* [D], once packed */
} norm;

norm norm_load(loader *l, const char *prefix, const char *name, int64_t dim);
bool norm_pack(norm *n); /* false: out of memory */
void norm_release(norm *n);

/* ---- the block ---- */

enum { LINEAR_Q, LINEAR_K, LINEAR_V, LINEAR_OUT, LINEAR_FC1, LINEAR_FC2, BLOCK_LINEARS };

typedef struct {
    norm norm1, norm2;
    nn_tensor weight[BLOCK_LINEARS], bias[BLOCK_LINEARS]; /* views */
    nn_matrix *qkv, *out, *fc1, *fc2;                     /* [3D, D], [D, D], [F, D], [D, F], once packed */
} block;

void block_load(loader *l, const char *prefix, const tower_config *c, block *out);
simile_status block_pack(block *b, nn_precision precision, simile_error *err);
void block_release(block *b);

/* Rows of packed sequences and the memory to work in. */
typedef struct {
    nn_context *ctx;
    const tower_config *config;
    const int32_t *starts; /* [sequences + 1]: sequence s owns rows starts[s] .. starts[s+1]-1 */
    int32_t sequences;
    bool causal;
    float *x; /* [T, D]: in and out */
    float *y; /* [T, D] scratch */
    float *h; /* [T, max(3D, F)] scratch */
} block_run;

simile_status block_forward(const block_run *r, const block *b, simile_error *err);
/* The last block where one row of each sequence is wanted: only those rows go past the attention. rows: [sequences],
 * absolute; on return x[s] (contiguous, [sequences, D]) is the row of sequence s. */
simile_status block_forward_rows(const block_run *r, const block *b, const int32_t *rows, simile_error *err);

/* Bytes that x, y and h take together for T rows. */
size_t block_run_bytes(const tower_config *c, int64_t rows);
bool block_run_place(block_run *r, arena *memory, int64_t rows);

#endif
