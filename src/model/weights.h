/* SPDX-License-Identifier: Apache-2.0
 * weights.h - named tensors of a checkpoint, wherever its files keep them.
 *
 * weights.c finds the files of a directory and looks names up; safetensors.c reads one file's table. Every tensor is a
 * borrowed view into a mapping that lives as long as the weights. */
#ifndef SIMILE_MODEL_WEIGHTS_H
#define SIMILE_MODEL_WEIGHTS_H

#include "base/file.h"
#include "nn/nn.h"

typedef struct {
    char *name; /* owned by the table */
    nn_tensor tensor;
    uint64_t begin, end; /* byte range behind the header of its file */
    bool usable;         /* its dtype is one that networks use */
    char dtype[12];      /* as the file spells it */
} weight_entry;

typedef struct {
    weight_entry *entries; /* sorted by name */
    size_t n, capacity;
} weight_table;

void weight_table_release(weight_table *t);

/* Parses the bytes of one safetensors file and appends its tensors, which point into `data`. Enforces every rule of the
 * format (github.com/huggingface/safetensors, safetensors/src/tensor.rs): see safetensors.c. */
simile_status safetensors_read(const uint8_t *data, size_t len, const char *subject, weight_table *out,
                               simile_error *err);

typedef struct weights weights;

/* model.safetensors, or the shards that model.safetensors.index.json names. */
simile_status weights_open(const char *directory, weights **out, simile_error *err);
void weights_close(weights *w);

const weight_entry *weights_find(const weights *w, const char *name); /* NULL: not there */

/* The tensor of that name and exactly that shape (rank dims), F32, F16 or BF16; an error names what is wrong with it.
 */
simile_status weights_get(const weights *w, const char *name, int rank, const int64_t *dim, nn_tensor *out,
                          simile_error *err);
bool weights_has(const weights *w, const char *name);
const char *weights_dtype(const weights *w); /* of the largest part: "F32", "F16", "BF16" or "mixed" */
const char *weights_directory(const weights *w);

#endif
