/* SPDX-License-Identifier: Apache-2.0
 * fuzz_sentencepiece.c - foreign SentencePiece models.
 *
 * Input: one byte that chooses the family, the model. What opens must encode, and only to ids of its vocabulary. */
#include "base/mem.h"
#include "text/kind.h"
#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const paths[] = {"d/sentencepiece.bpe.model", "d/spiece.model", "d/source.spm"};

static void encode(const tokenizer *t)
{
    static const char text[] =
        " A  photo \xef\xbc\xa1\xe2\x91\xa0 e\xcc\x81 \xff dogs\xe2\x96\x81zz \x7f\xf0\x9f\x98\x80\xe2\x96\x81 ";
    token_list out;
    if (tokenizer_encode(t, text, sizeof text - 1, 10000, &out, NULL)) return;
    if (out.n < 1 || out.ids[out.n - 1] != tokenizer_end_id(t)) abort();
    for (size_t i = 0; i < out.n; i++) {
        if (!tokenizer_piece(t, out.ids[i])) abort();
    }
    mem_free(out.ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char names[] = "{\"</s>\":0,\"<unk>\":1,\"\xe2\x96\x81\":2,\"a\":3}";
    if (size == 0) return 0;
    char *copy = mem_alloc(size);
    if (!copy) return 0;
    memcpy(copy, data + 1, size - 1);
    const tokenizer_files files = {.directory = "d",
                                   .vocab_json = {"d/vocab.json", names, sizeof names - 1},
                                   .spm = {paths[data[0] % 3], copy, size - 1}};
    tokenizer *t;
    simile_error err;
    if (tokenizer_from_files(&files, &t, &err) == SIMILE_OK) {
        encode(t);
        tokenizer_close(t);
    } else if (!err.message[0]) {
        abort();
    }
    mem_free(copy);
    return 0;
}
