/* SPDX-License-Identifier: Apache-2.0
 * fuzz_tokenizer_files.c - foreign tokenizer files.
 *
 * Input: 'j' and the bytes of a tokenizer.json; 'o' and those of OpenAI's merges, packed or not; 't' and tokens with a
 * NUL between them; or any other byte and vocab.json, merges.txt, tokenizer_config.json and special_tokens_map.json
 * with a NUL between them. What opens must also encode. */
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

static simile_status open_tokens(const uint8_t *at, const uint8_t *end, tokenizer **out, simile_error *err)
{
    enum { MOST = 4096 };
    token_text tokens[MOST] = {0};
    text_file parts[MOST] = {0};
    size_t n = 0;
    for (; at <= end && n < MOST; n++) {
        take(&at, end, &parts[n]);
        tokens[n] = (token_text){parts[n].data, parts[n].len};
    }
    const simile_status status = tokenizer_from_tokens(tokens, n, "d", out, err);
    for (size_t i = 0; i < n; i++) mem_free(parts[i].data);
    return status;
}

static simile_status open_files(const uint8_t *at, const uint8_t *end, char kind, tokenizer **out, simile_error *err)
{
    tokenizer_files files = {.directory = "d",
                             .tokenizer_json.path = "d/tokenizer.json",
                             .vocab_json.path = "d/vocab.json",
                             .merges_txt.path = "d/merges.txt",
                             .clip_merges.path = "d/merges.gz",
                             .tokenizer_config.path = "d/tokenizer_config.json",
                             .special_tokens_map.path = "d/special_tokens_map.json"};
    text_file *const several[] = {&files.vocab_json, &files.merges_txt, &files.tokenizer_config,
                                  &files.special_tokens_map};
    text_file *const one = kind == 'j' ? &files.tokenizer_json : &files.clip_merges;
    const bool single = kind == 'j' || kind == 'o';
    if (single) {
        one->len = (size_t)(end - at);
        one->data = mem_alloc(one->len);
        memcpy(one->data, at, one->len);
    }
    for (size_t i = 0; i < 4 && !single; i++) take(&at, end, several[i]);
    const simile_status status = tokenizer_from_files(&files, out, err);
    mem_free(one->data);
    for (size_t i = 0; i < 4; i++) mem_free(several[i]->data);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    const uint8_t *at = data + 1, *end = data + size;
    tokenizer *t;
    simile_error err;
    const simile_status status =
        data[0] == 't' ? open_tokens(at, end, &t, &err) : open_files(at, end, (char)data[0], &t, &err);
    if (status == SIMILE_OK) {
        try_encoding(t);
        tokenizer_close(t);
    } else if (!err.message[0]) {
        abort();
    }
    return 0;
}
