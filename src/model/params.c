/* SPDX-License-Identifier: Apache-2.0
 * params.c - see params.h. */
#include "model/params.h"

#include <stdio.h>

void param_list_release(param_list *list)
{
    for (size_t i = 0; i < list->n; i++) mem_free(list->items[i].name);
    mem_free(list->items);
    *list = (param_list){0};
}

static bool param_list_add(param_list *list, const char *name, const nn_tensor *tensor, const weights *from)
{
    if (list->n == list->capacity) {
        const size_t capacity = list->capacity ? list->capacity * 2 : 128;
        param *items = mem_grow(list->items, capacity, sizeof *items);
        if (!items) return false;
        list->items = items;
        list->capacity = capacity;
    }
    char *copy = mem_strdup(name);
    if (!copy) return false;
    list->items[list->n++] = (param){.name = copy, .tensor = *tensor, .from = from};
    return true;
}

nn_tensor loader_get(loader *l, const char *prefix, const char *name, int rank, const int64_t *dim)
{
    nn_tensor t = {0};
    char whole[256];
    if (l->status) return t;
    snprintf(whole, sizeof whole, "%s%s", prefix, name);
    l->status = weights_get(l->files, whole, rank, dim, &t, l->err);
    if (!l->status && !param_list_add(l->list, whole, &t, l->files)) l->status = err_nomem(l->err);
    return t;
}

nn_tensor loader_vector(loader *l, const char *prefix, const char *name, int64_t n)
{
    return loader_get(l, prefix, name, 1, &n);
}

nn_tensor loader_matrix(loader *l, const char *prefix, const char *name, int64_t rows, int64_t cols)
{
    const int64_t dim[2] = {rows, cols};
    return loader_get(l, prefix, name, 2, dim);
}

nn_tensor loader_statistic(loader *l, const char *prefix, const char *name, int64_t n)
{
    const nn_tensor t = loader_vector(l, prefix, name, n);
    if (!l->status) l->list->items[l->list->n - 1].statistic = true;
    return t;
}

float loader_number(loader *l, const char *name)
{
    const weight_entry *e = weights_find(l->files, name);
    const int64_t one = 1;
    float value = 0;
    const nn_tensor t = loader_get(l, "", name, e && e->tensor.rank == 1 ? 1 : 0, &one);
    if (!l->status) nn_tensor_to_f32(&t, 0, 1, &value);
    return value;
}

float loader_number_of_one(loader *l, const char *name)
{
    const float value = loader_number(l, name);
    if (l->status) return value;
    nn_tensor *t = &l->list->items[l->list->n - 1].tensor;
    t->rank = 1;
    t->dim[0] = 1;
    return value;
}

float *tensor_floats(const nn_tensor *t)
{
    const int64_t n = nn_tensor_count(t);
    float *out = mem_array((size_t)n, sizeof *out);
    if (out) nn_tensor_to_f32(t, 0, n, out);
    return out;
}

norm norm_load(loader *l, const char *prefix, const char *name, int64_t dim)
{
    char part[128];
    norm n = {0};
    snprintf(part, sizeof part, "%s.weight", name);
    n.weight_view = loader_vector(l, prefix, part, dim);
    snprintf(part, sizeof part, "%s.bias", name);
    n.bias_view = loader_vector(l, prefix, part, dim);
    return n;
}

bool norm_pack(norm *n, packer *how)
{
    n->weight = packer_floats(how, &n->weight_view);
    n->bias = packer_floats(how, &n->bias_view);
    return n->weight && n->bias;
}

void norm_release(norm *n)
{
    mem_free(n->weight);
    mem_free(n->bias);
    n->weight = n->bias = NULL;
}
