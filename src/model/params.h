/* SPDX-License-Identifier: Apache-2.0
 * params.h - the parameters of a network: asked for by canonical name, checked, and kept in the order of asking.
 *
 * A network asks for each tensor once, when a model is opened: names and shapes are checked then and nothing is copied.
 * The list is what the model's identity is computed over and what a conversion writes. */
#ifndef SIMILE_MODEL_PARAMS_H
#define SIMILE_MODEL_PARAMS_H

#include "base/mem.h"
#include "model/packer.h"
#include "model/weights.h"

typedef struct {
    char *name; /* canonical: the Hugging Face name, whatever the file calls it */
    nn_tensor tensor;
    bool statistic; /* measured in training, not learned: no parameter when these are counted */
    const weights *from;
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

/* dim: [rank]. */
nn_tensor loader_get(loader *l, const char *prefix, const char *name, int rank, const int64_t *dim);
nn_tensor loader_vector(loader *l, const char *prefix, const char *name, int64_t n);
nn_tensor loader_matrix(loader *l, const char *prefix, const char *name, int64_t rows, int64_t cols);
/* A vector of what training measured: means and variances of batch norms. */
nn_tensor loader_statistic(loader *l, const char *prefix, const char *name, int64_t n);
/* One number, stored with the shape [] or [1]; the list has it as it is stored. */
float loader_number(loader *l, const char *name);
/* The same; the list has it as [1]. */
float loader_number_of_one(loader *l, const char *name);

/* The whole tensor as float32, for mem_free; NULL when memory is short. */
float *tensor_floats(const nn_tensor *t);

/* ---- layer norm: a weight and a bias ---- */

typedef struct {
    nn_tensor weight_view, bias_view;
    float *weight, *bias; /* [D], once packed */
} norm;

norm norm_load(loader *l, const char *prefix, const char *name, int64_t dim);
bool norm_pack(norm *n, packer *how); /* false: out of memory, or not what is in the packer's file */
void norm_release(norm *n);

#endif
