/* SPDX-License-Identifier: Apache-2.0
 * fuzz_torch.c - any bytes as a torch archive, or as a file of its older format: refused, or every tensor lies within
 * the bytes or in memory of the table's own, also once it has its canonical name. */
#include "base/mem.h"
#include "model/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weight_table t;
    simile_error err;
    bool script;
    const bool legacy = size && data[0] == 0x80;
    if (legacy ? torch_legacy_read(data, size, "fuzz", &t, &err)
               : torch_zip_read(data, size, "fuzz", &t, &script, &err))
        return 0;
    if (!names_canonical(&(named_table){&t, "fuzz", size}, 1, &err)) {
        volatile uint8_t sink = 0;
        for (size_t i = 0; i < t.n; i++) {
            const weight_entry *e = &t.entries[i];
            const uint8_t *bytes = e->tensor.data;
            if (e->end > e->begin) sink = (uint8_t)(sink + bytes[0] + bytes[e->end - e->begin - 1]);
        }
    }
    weight_table_release(&t);
    return 0;
}
