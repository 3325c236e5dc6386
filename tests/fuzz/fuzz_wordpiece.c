/* SPDX-License-Identifier: Apache-2.0
 * fuzz_wordpiece.c - foreign vocab.txt and tokenizer_config.json, with a NUL between them, and then a text. What opens
 * must encode, and only to ids of its vocabulary. */
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

static void encode(const tokenizer *t, const text_file *text)
{
    token_list out;
    if (tokenizer_encode(t, text->data, text->len, SIZE_MAX, &out, NULL)) abort();
    if (out.n < 2 || out.ids[out.n - 1] != tokenizer_end_id(t)) abort();
    for (size_t i = 0; i < out.n; i++) {
        if (!tokenizer_piece(t, out.ids[i])) abort();
    }
    mem_free(out.ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tokenizer_files files = {
        .directory = "d", .vocab_txt.path = "d/vocab.txt", .tokenizer_config.path = "d/tokenizer_config.json"};
    text_file text = {0};
    const uint8_t *at = data, *end = data + size;
    take(&at, end, &files.vocab_txt);
    take(&at, end, &files.tokenizer_config);
    take(&at, end, &text);
    tokenizer *t;
    simile_error err;
    if (tokenizer_from_files(&files, &t, &err) == SIMILE_OK) {
        encode(t, &text);
        tokenizer_close(t);
    } else if (!err.message[0]) {
        abort();
    }
    mem_free(files.vocab_txt.data);
    mem_free(files.tokenizer_config.data);
    mem_free(text.data);
    return 0;
}
