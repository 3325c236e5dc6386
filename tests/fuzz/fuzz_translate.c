/* SPDX-License-Identifier: Apache-2.0
 * fuzz_translate.c - what a translator reads: foreign config.json, tokenizer_config.json, bpe.codes, dict.txt and
 * vocab.json with a NUL between them, and then a text. What opens must encode to ids of its vocabulary, decode them
 * again, and make UTF-8 of any ids; a configuration that is taken must be within its own bounds. */
#include "base/mem.h"
#include "base/utf8.h"
#include "model/marian.h"
#include "text/kind.h"

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

static void read_config(const text_file *file)
{
    json_t *root;
    marian_config c;
    if (json_parse_object(file->data ? file->data : "", file->len, "config.json", &root, NULL)) return;
    const json_from from = {root, "config.json"};
    if (!marian_config_read(from, &from, &c, NULL)) {
        const bool ids = c.pad >= 0 && c.pad < c.vocab && c.eos >= 0 && c.eos < c.vocab && c.start >= 0 &&
                         c.start < c.vocab && c.forced_eos >= -1 && c.forced_eos < c.vocab;
        if (!ids || c.longest > c.places || c.longest < 2 || c.beams < 1 || c.encoder.width % c.encoder.heads ||
            c.decoder.width % c.decoder.heads || c.encoder.width != c.decoder.width)
            abort();
    }
    json_decref(root);
}

static void encode(const tokenizer *t, const text_file *text)
{
    token_list out;
    char *again = NULL;
    if (tokenizer_encode(t, text->data, text->len, 64, &out, NULL)) abort();
    if (!out.n || out.n > 64 || out.ids[out.n - 1] != tokenizer_end_id(t)) abort();
    for (size_t i = 0; i < out.n; i++) {
        if (!tokenizer_piece(t, out.ids[i])) abort();
    }
    if (!tokenizer_decode(t, out.ids, out.n, &again, NULL) && !again) abort();
    mem_free(again);
    mem_free(out.ids);
}

/* Whatever tokens a network says, in whatever order, become text. */
static void decode_anything(const tokenizer *t)
{
    int32_t ids[128];
    const size_t all = tokenizer_vocab_size(t), n = all < 128 ? all : 128;
    for (int turn = 0; turn < 2; turn++) {
        char *text = NULL;
        for (size_t i = 0; i < n; i++) ids[i] = (int32_t)(turn ? all - 1 - i : i);
        if (!tokenizer_decode(t, ids, n, &text, NULL) && (!text || !utf8_valid(text, strlen(text)))) abort();
        mem_free(text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tokenizer_files files = {.directory = "d",
                             .tokenizer_config.path = "d/tokenizer_config.json",
                             .codes.path = "d/bpe.codes",
                             .dictionary.path = "d/dict.txt",
                             .vocab_json.path = "d/vocab.json"};
    text_file config = {0}, text = {0};
    const uint8_t *at = data, *end = data + size;
    text_file *const parts[] = {&config,           &files.tokenizer_config, &files.codes,
                                &files.dictionary, &files.vocab_json,       &text};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) take(&at, end, parts[i]);
    read_config(&config);
    tokenizer *t;
    simile_error err;
    if (tokenizer_from_files(&files, &t, &err) == SIMILE_OK) {
        encode(t, &text);
        decode_anything(t);
        tokenizer_close(t);
    } else if (!err.message[0]) {
        abort();
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) mem_free(parts[i]->data);
    return 0;
}
