/* SPDX-License-Identifier: Apache-2.0
 * fuzz_pickle.c - any bytes as a pickle, of torch and of numpy: refused, or values of which each refers to others that
 * exist; and as a layer of numpy. */
#include "base/mem.h"
#include "model/pickle.h"
#include "model/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_values(pickle_of of, const uint8_t *data, size_t size)
{
    pickle p;
    simile_error err;
    size_t used;
    if (pickle_read(of, data, size, "fuzz", &p, &used, &err)) return;
    volatile uint32_t sink = p.values[p.root].kind;
    for (uint32_t i = 0; i < p.n_values; i++) {
        const pickle_value *v = &p.values[i];
        const bool holds = v->kind == PICKLE_TUPLE || v->kind == PICKLE_LIST || v->kind == PICKLE_DICT ||
                           v->kind == PICKLE_ARRAY || v->kind == PICKLE_DTYPE;
        for (uint32_t k = 0; holds && k < v->n; k++) sink = sink + p.values[v->items[k]].kind;
        if ((v->kind == PICKLE_TEXT || v->kind == PICKLE_BYTES) && v->n) sink = sink + (uint8_t)v->text[v->n - 1];
        if (v->kind == PICKLE_TENSOR) sink = sink + p.storages[p.tensors[v->index].storage].key;
    }
    pickle_release(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weight_table t;
    simile_error err;
    read_values(PICKLE_OF_TORCH, data, size);
    read_values(PICKLE_OF_NUMPY, data, size);
    if (!numpy_pickle_read(data, size, "fuzz", &t, &err)) {
        volatile float sink = 0;
        for (size_t i = 0; i < t.n; i++) {
            const float *f = t.entries[i].tensor.data;
            for (uint64_t k = 0; k < t.entries[i].end / sizeof *f; k++) sink = sink + f[k];
        }
        weight_table_release(&t);
    }
    return 0;
}
