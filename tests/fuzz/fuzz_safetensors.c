/* SPDX-License-Identifier: Apache-2.0
 * fuzz_safetensors.c - any bytes as a weight file: refused, or every tensor lies within the bytes. */
#include "base/mem.h"
#include "model/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weight_table t;
    simile_error err;
    if (safetensors_read(data, size, "fuzz", &t, &err)) return 0;
    t.copy_max = size + COPY_ROOM;
    if (quantised_read(&t, "fuzz", &err)) {
        weight_table_release(&t);
        return 0;
    }
    volatile uint8_t sink = 0;
    for (size_t i = 0; i < t.n; i++) {
        const weight_entry *e = &t.entries[i];
        const uint8_t *bytes = e->tensor.data;
        if (e->end > e->begin) sink = (uint8_t)(sink + bytes[0] + bytes[e->end - e->begin - 1]);
        if (!e->usable || e->tensor.dtype == NN_I64 || nn_tensor_count(&e->tensor) > 4096) continue;
        float values[4096];
        nn_tensor_to_f32(&e->tensor, 0, nn_tensor_count(&e->tensor), values);
    }
    weight_table_release(&t);
    return 0;
}
