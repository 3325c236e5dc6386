/* SPDX-License-Identifier: Apache-2.0
 * fuzz_tokenizer_files.c - foreign tokenizer files.
 *
 * Input: 'j' and the bytes of a tokenizer.json, or any other byte and vocab.json, merges.txt, tokenizer_config.json and
 * special_tokens_map.json with a NUL between them. What opens must also encode. */
#include "base/mem.h"
#include "text/kind.h"
#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The part up to the next NUL, or to the end; copied, as files are. */
static void take(const uint8_t **at, const uint8_t *end, text_file *file)
{
    if (*at > end) return;
    const uint8_t *nul = memchr(*at, 0, (size_t)(end - *at));
    file->len = (size_t)((nul ? nul : end) - *at);
    file->data = mem_strndup((const char *)*at, file->len);
    *at += file->len + 1;
}

static void try_encoding(const tokenizer *t)
{
    static const char text[] = "A ph\xc3\xb6to's o\xcc\x88"
                               "f 2 <|endoftext|> \xff dogs!";
    token_list out;
    if (tokenizer_encode(t, text, sizeof text - 1, 1000, &out, NULL)) return;
    const int32_t end = tokenizer_end_id(t);
    if (end >= 0 && (out.n == 0 || out.ids[out.n - 1] != end)) abort();
    for (size_t i = 0; i < out.n; i++) {
        if (out.ids[i] < 0 || (size_t)out.ids[i] >= tokenizer_vocab_size(t)) abort();
        if (!tokenizer_piece(t, out.ids[i])) abort();
    }
    mem_free(out.ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    tokenizer_files files = {.directory = "d",
                             .tokenizer_json.path = "d/tokenizer.json",
                             .vocab_json.path = "d/vocab.json",
                             .merges_txt.path = "d/merges.txt",
                             .tokenizer_config.path = "d/tokenizer_config.json",
                             .special_tokens_map.path = "d/special_tokens_map.json"};
    const uint8_t *at = data + 1, *end = data + size;
    if (data[0] == 'j') {
        take(&at, end, &files.tokenizer_json);
    } else {
        take(&at, end, &files.vocab_json);
        take(&at, end, &files.merges_txt);
        take(&at, end, &files.tokenizer_config);
        take(&at, end, &files.special_tokens_map);
    }
    tokenizer *t;
    simile_error err;
    if (tokenizer_from_files(&files, &t, &err) == SIMILE_OK) {
        try_encoding(t);
        tokenizer_close(t);
    } else if (!err.message[0]) {
        abort();
    }
    mem_free(files.tokenizer_json.data);
    mem_free(files.vocab_json.data);
    mem_free(files.merges_txt.data);
    mem_free(files.tokenizer_config.data);
    mem_free(files.special_tokens_map.data);
    return 0;
}
