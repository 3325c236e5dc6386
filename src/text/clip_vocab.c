/* SPDX-License-Identifier: Apache-2.0
 * clip_vocab.c - a CLIP tokenizer from vocab.json + merges.txt, with what tokenizer_config.json and
 * special_tokens_map.json say about its special tokens.
 *
 * The rules are those of transformers 5: the steps and the pattern are the class's own. The special tokens are
 * <|startoftext|> and <|endoftext|> unless the two small files say otherwise; they are looked for in the raw text
 * unless an entry asks for "normalized". Of several entries for one string the last counts, in the order bos, eos, unk,
 * pad, except that tokenizer_config.json's "added_tokens_decoder" goes before all, and then special_tokens_map.json is
 * not looked at.
 *
 * Threads: none of its own; everything happens while a tokenizer opens. */
#include "text/clip_bpe.h"

#include "base/mem.h"
#include "text/merges.h"

enum { BOS = 0, EOS = 1, UNK = 2, PAD = 3, SPECIALS = 4 };
static const char *const special_keys[SPECIALS] = {"bos_token", "eos_token", "unk_token", "pad_token"};

typedef struct {
    added_token token; /* content borrowed, NULL: none */
    bool normalized;
} special;

typedef struct {
    clip_bpe *t;
    const tokenizer_files *files;
    json_t *config, *map; /* the files' contents, or NULL */
    special specials[SPECIALS];
    simile_error *err;
} reader;

static simile_status wrong(const reader *r, const char *path, const char *key, const char *what)
{
    return err_set(r->err, SIMILE_E_FORMAT, "cannot read '%s': \"%s\" %s", path, key, what);
}

static simile_status parse(const text_file *file, json_t **out, simile_error *err)
{
    return file->data ? json_parse_object(file->data, file->len, file->path, out, err) : SIMILE_OK;
}

static void set_content(special *s, const char *content)
{
    *s = (special){.token = {.content = (char *)(uintptr_t)content, .len = strlen(content)}};
}

static simile_status read_special(const reader *r, const json_t *object, const char *path, const char *key,
                                  special *out)
{
    const json_t *value = json_object_get(object, key);
    if (!value || json_is_null(value)) return SIMILE_OK;
    if (!json_is_string(value) && !json_is_object(value))
        return wrong(r, path, key, "is neither a string nor an object");
    *out = (special){0};
    if (json_is_object(value)) return staged_read_token(value, path, &out->token, &out->normalized, r->err);
    set_content(out, json_string_value(value));
    return SIMILE_OK;
}

static simile_status read_specials(reader *r)
{
    const bool decoder = json_is_object(json_object_get(r->config, "added_tokens_decoder"));
    for (int i = 0; i < SPECIALS; i++) {
        set_content(&r->specials[i], i == BOS ? "<|startoftext|>" : "<|endoftext|>");
        RETURN_IF_ERROR(read_special(r, r->config, r->files->tokenizer_config.path, special_keys[i], &r->specials[i]));
        if (decoder) continue;
        RETURN_IF_ERROR(read_special(r, r->map, r->files->special_tokens_map.path, special_keys[i], &r->specials[i]));
    }
    return SIMILE_OK;
}

static bool same_content(const special *a, const special *b)
{
    return a->token.len == b->token.len && memcmp(a->token.content, b->token.content, a->token.len) == 0;
}

/* "added_tokens_decoder": {"49406": {"content": ...}, ...}. Sets taken[i] where special i is among them. */
static simile_status add_decoder(reader *r, bool taken[SPECIALS])
{
    const char *path = r->files->tokenizer_config.path;
    json_t *decoder = json_object_get(r->config, "added_tokens_decoder");
    for (void *at = json_object_iter(decoder); at; at = json_object_iter_next(decoder, at)) {
        const char *key = json_object_iter_key(at);
        char *end;
        special s = {0};
        const long long id = strtoll(key, &end, 10);
        if (*key < '0' || *key > '9' || *end || id >= VOCAB_MAX) return wrong(r, path, key, "is not the id of a token");
        RETURN_IF_ERROR(staged_read_token(json_object_iter_value(at), path, &s.token, &s.normalized, r->err));
        s.token.id = (int32_t)id;
        RETURN_IF_ERROR(staged_add_token(&r->t->base, &s.token, s.normalized, path, r->err));
        for (int i = 0; i < SPECIALS; i++) taken[i] = taken[i] || same_content(&s, &r->specials[i]);
    }
    return SIMILE_OK;
}

/* The other special tokens. One that the vocabulary lacks can only matter when it stands around the text. */
static simile_status add_specials(reader *r)
{
    bool taken[SPECIALS] = {false};
    RETURN_IF_ERROR(add_decoder(r, taken));
    for (int i = SPECIALS - 1; i >= 0; i--) {
        special *s = &r->specials[i];
        s->token.id = vocab_find(r->t->base.base.vocab, s->token.content, s->token.len);
        if (s->token.id < 0 && i <= EOS)
            return err_set(r->err, SIMILE_E_CORRUPT, "cannot read '%s': no token '%s' is in the vocabulary",
                           r->files->vocab_json.path, s->token.content);
        for (int k = i + 1; k < SPECIALS; k++) taken[i] = taken[i] || same_content(s, &r->specials[k]);
        if (taken[i] || s->token.id < 0) continue;
        RETURN_IF_ERROR(staged_add_token(&r->t->base, &s->token, s->normalized, r->files->vocab_json.path, r->err));
    }
    r->t->base.base.start_id = r->specials[BOS].token.id;
    r->t->base.base.end_id = r->specials[EOS].token.id;
    r->t->unknown = r->specials[UNK].token.id;
    return SIMILE_OK;
}

static simile_status read_merges(reader *r)
{
    const text_file *file = &r->files->merges_txt;
    merge_reader m = {.vocab = r->t->base.base.vocab, .merges = r->t->merges, .path = file->path, .unit = "line"};
    buf_init(&m.joined, TEXT_FILE_MAX);
    const simile_status status = merge_file(&m, file->data, file->len, r->err);
    buf_release(&m.joined);
    return status;
}

static simile_status read_all(reader *r)
{
    RETURN_IF_ERROR(parse(&r->files->tokenizer_config, &r->config, r->err));
    RETURN_IF_ERROR(parse(&r->files->special_tokens_map, &r->map, r->err));
    const text_file *const pieces = &r->files->vocab_json;
    RETURN_IF_ERROR(vocab_read_json(r->t->base.base.vocab, pieces->data, pieces->len, pieces->path, r->err));
    RETURN_IF_ERROR(read_merges(r));
    RETURN_IF_ERROR(read_specials(r));
    RETURN_IF_ERROR(add_specials(r));
    return clip_bpe_finish(r->t, "</w>", r->err);
}

simile_status clip_bpe_from_vocab(const tokenizer_files *files, tokenizer **out, simile_error *err)
{
    *out = NULL;
    reader r = {.t = clip_bpe_new(), .files = files, .err = err};
    if (!r.t) return err_nomem(err);
    const simile_status status = read_all(&r);
    json_decref(r.config);
    json_decref(r.map);
    if (status)
        clip_bpe_free(r.t);
    else
        *out = &r.t->base.base;
    return status;
}
