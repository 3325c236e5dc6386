/* SPDX-License-Identifier: Apache-2.0
 * fuzz_pickle.c - any bytes as a pickle: refused, or values of which each refers to others that exist. */
#include "base/mem.h"
#include "model/pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pickle p;
    simile_error err;
    size_t used;
    if (pickle_read(data, size, "fuzz", &p, &used, &err)) return 0;
    volatile uint32_t sink = p.values[p.root].kind;
    for (uint32_t i = 0; i < p.n_values; i++) {
        const pickle_value *v = &p.values[i];
        const bool holds = v->kind == PICKLE_TUPLE || v->kind == PICKLE_LIST || v->kind == PICKLE_DICT;
        for (uint32_t k = 0; holds && k < v->n; k++) sink = sink + p.values[v->items[k]].kind;
        if (v->kind == PICKLE_TEXT && v->n) sink = sink + (uint8_t)v->text[v->n - 1];
        if (v->kind == PICKLE_TENSOR) sink = sink + p.storages[p.tensors[v->index].storage].key;
    }
    pickle_release(&p);
    return 0;
}
