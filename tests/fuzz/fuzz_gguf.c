/* SPDX-License-Identifier: Apache-2.0
 * fuzz_gguf.c - any bytes as a GGUF file: refused, or every tensor lies within the bytes and can be widened, and the
 * tokens make a tokenizer or none. */
#include "base/mem.h"
#include "model/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VOCABULARY = 1000 }; /* of the network, which can have no more tokens */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weight_table t;
    gguf_facts facts;
    simile_error err;
    tokenizer *words;
    if (gguf_read(data, size, "fuzz", &t, &facts, &err)) return 0;
    const simile_status status = names_canonical(&(named_table){&t, "fuzz", size}, 1, &err);
    for (size_t i = 0; !status && i < t.n; i++) {
        const nn_tensor *tensor = &t.entries[i].tensor;
        float values[4096];
        if (nn_tensor_count(tensor) <= 4096) nn_tensor_to_f32(tensor, 0, nn_tensor_count(tensor), values);
    }
    if (facts.tokens.n <= VOCABULARY) {
        gguf_tokenizer(&facts, "fuzz", &words, &err);
        tokenizer_close(words);
    }
    weight_table_release(&t);
    return 0;
}
