/* SPDX-License-Identifier: Apache-2.0
 * gemma_bpe.c - see gemma_bpe.h.
 *
 * Cleaned text (lower case, each space U+2581) becomes the ids of its characters; a character without one becomes its
 * bytes <0x00>...<0xFF>, or the unknown token, once for a run when fuse_unk is set; then neighbours are merged by rank.
 * A word is whatever lies between added tokens: the pre-tokenizer cuts behind each space, and the normalizer has left
 * none.
 *
 * SigLIP 2 was trained on lower-case text, and its first files do not say so, so text is always lower-cased. It ends
 * with <eos> and has nothing in front, unless the file's post-processor says otherwise.
 *
 * Threads: encoding only reads the tokenizer. */
#include "text/gemma_bpe.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "text/bpe.h"
#include "text/merges.h"
#include "text/staged.h"

#include <stdio.h>

typedef struct {
    staged base;
    bpe *merges;
    int32_t unknown; /* -1: dropped */
    bool fuse_unknown, byte_fallback, cut_behind_spaces;
    int32_t bytes[256]; /* -1: not in the vocabulary */
} gemma_bpe;

/* ---- encoding ---- */

/* The bytes of a character without an id of its own; false when one of them has none. */
static bool put_bytes(const gemma_bpe *t, const char *bytes, size_t len, int32_t *ids)
{
    if (!t->byte_fallback) return false;
    for (size_t i = 0; i < len; i++) {
        if (t->bytes[(uint8_t)bytes[i]] < 0) return false;
        ids[i] = t->bytes[(uint8_t)bytes[i]];
    }
    return true;
}

/* ids: room for one a byte. An unknown token waits for the next known character or the end, as in the tokenizers
 * library: bytes that stand between go before it. */
static size_t chars_to_ids(const gemma_bpe *t, const char *text, size_t len, int32_t *ids)
{
    size_t n = 0;
    bool waiting = false;
    for (size_t at = 0; at < len;) {
        const size_t start = at;
        utf8_next(text, len, &at);
        const int32_t id = vocab_find(t->base.base.vocab, text + start, at - start);
        if (id < 0 && put_bytes(t, text + start, at - start, ids + n)) {
            n += at - start;
            continue;
        }
        if (waiting && (id >= 0 || !t->fuse_unknown)) ids[n++] = t->unknown;
        waiting = id < 0 && t->unknown >= 0;
        if (id >= 0) ids[n++] = id;
    }
    if (waiting) ids[n++] = t->unknown;
    return n;
}

static simile_status put_word(const gemma_bpe *t, const char *word, size_t len, id_list *out, simile_error *err)
{
    int32_t *ids = mem_array(len, sizeof *ids);
    if (!ids) return err_nomem(err);
    size_t n = chars_to_ids(t, word, len, ids);
    simile_status status = bpe_merge(t->merges, ids, &n, err);
    if (!status) status = id_list_put(out, ids, n, err);
    mem_free(ids);
    return status;
}

static simile_status put_words(const staged *base, const char *text, size_t len, bool first, id_list *out,
                               simile_error *err)
{
    const gemma_bpe *t = (const gemma_bpe *)base;
    (void)first;
    for (size_t at = 0; at < len && !out->full;) {
        const char *space = t->cut_behind_spaces ? memchr(text + at, ' ', len - at) : NULL;
        const size_t end = space ? (size_t)(space - text) + 1 : len;
        RETURN_IF_ERROR(put_word(t, text + at, end - at, out, err));
        at = end;
    }
    return SIMILE_OK;
}

/* ---- building ---- */

static void gemma_free(tokenizer *base)
{
    gemma_bpe *t = (gemma_bpe *)base;
    bpe_free(t->merges);
    staged_release(&t->base);
    mem_free(t);
}

static const tokenizer_ops ops = {.name = "sentencepiece-bpe", .free = gemma_free, .encode = staged_encode};

typedef struct {
    gemma_bpe *t;
    const char *path;
    simile_error *err;
} reader;

static simile_status wrong(const reader *r, const char *what)
{
    return err_set(r->err, SIMILE_E_FORMAT, "cannot read '%s': %s", r->path, what);
}

static simile_status refuse(const reader *r, const char *part, const char *name)
{
    return err_set(r->err, SIMILE_E_UNSUPPORTED, "cannot read '%s': %s '%s' is not supported", r->path, part, name);
}

bool gemma_bpe_is(const json_t *model)
{
    const char *type = json_string_value(json_object_get(model, "type"));
    const json_t *suffix = json_object_get(model, "end_of_word_suffix"); /* CLIP's pieces have one */
    return type && strcmp(type, "BPE") == 0 && json_is_true(json_object_get(model, "byte_fallback")) &&
           (!suffix || json_is_null(suffix) || json_string_length(suffix) == 0);
}

/* Lower case first, then what the file says. */
static simile_status read_normalizer(const reader *r, const json_t *part)
{
    normalizer *z = &r->t->base.clean;
    const json_t *first = staged_parts(part, "normalizers") ? staged_part(part, "normalizers", 0) : NULL;
    const char *type = json_string_value(json_object_get(first, "type"));
    if (!type || strcmp(type, "Lowercase") != 0) RETURN_IF_ERROR(normalizer_add_kind(z, NORM_LOWER, r->path, r->err));
    return normalizer_from_json(z, part, r->path, r->err);
}

/* Split by ' ', merged with the previous part; the only one that these files have. */
static simile_status read_pre_tokenizer(const reader *r, const json_t *part)
{
    if (!part || json_is_null(part)) return SIMILE_OK;
    const char *type = json_string_value(json_object_get(part, "type"));
    const char *at = json_string_value(json_object_get(json_object_get(part, "pattern"), "String"));
    const char *behavior = json_string_value(json_object_get(part, "behavior"));
    if (!type || strcmp(type, "Split") != 0 || !at || strcmp(at, " ") != 0 || !behavior ||
        strcmp(behavior, "MergedWithPrevious") != 0 || json_is_true(json_object_get(part, "invert")))
        return refuse(r, "the pre-tokenizer", type ? type : "without a type");
    r->t->cut_behind_spaces = true;
    return SIMILE_OK;
}

/* Parameters that change ids and that these files do not use. */
static simile_status check_model(const reader *r, const json_t *model)
{
    const char *prefix = "";
    double dropout = 0;
    bool ignore_merges = false;
    const json_from f = {.object = model, .subject = r->path};
    RETURN_IF_ERROR(json_get_string(f, "continuing_subword_prefix", &prefix, r->err));
    RETURN_IF_ERROR(json_get_double(f, "dropout", &dropout, r->err));
    RETURN_IF_ERROR(json_get_bool(f, "ignore_merges", &ignore_merges, r->err));
    if (*prefix) return refuse(r, "the model", "BPE with continuing_subword_prefix");
    if (dropout != 0) return refuse(r, "the model", "BPE with dropout");
    if (ignore_merges) return refuse(r, "the model", "BPE with ignore_merges");
    return SIMILE_OK;
}

static simile_status read_merges(const reader *r, const json_t *merges)
{
    merge_reader m = {.vocab = r->t->base.base.vocab, .merges = r->t->merges, .path = r->path, .unit = "merge"};
    return merge_json(&m, merges, r->err);
}

static simile_status read_model(const reader *r, const json_t *model)
{
    const json_t *pieces = NULL;
    const char *unknown = NULL;
    vocab *v = r->t->base.base.vocab;
    const json_from f = {.object = model, .subject = r->path};
    RETURN_IF_ERROR(check_model(r, model));
    RETURN_IF_ERROR(json_get_object(f, "vocab", &pieces, r->err));
    if (!pieces) return wrong(r, "the model has no vocabulary");
    RETURN_IF_ERROR(vocab_add_json(v, pieces, r->path, r->err));
    RETURN_IF_ERROR(json_get_string(f, "unk_token", &unknown, r->err));
    RETURN_IF_ERROR(json_get_bool(f, "fuse_unk", &r->t->fuse_unknown, r->err));
    RETURN_IF_ERROR(json_get_bool(f, "byte_fallback", &r->t->byte_fallback, r->err));
    if (unknown) r->t->unknown = vocab_find(v, unknown, strlen(unknown));
    if (unknown && r->t->unknown < 0) return wrong(r, "its unknown token is not in the vocabulary");
    for (unsigned byte = 0; byte < 256; byte++) {
        char piece[8];
        snprintf(piece, sizeof piece, "<0x%02X>", byte);
        r->t->bytes[byte] = vocab_find(v, piece, strlen(piece));
    }
    return read_merges(r, json_object_get(model, "merges"));
}

static simile_status read_all(const reader *r, const json_t *root)
{
    staged *base = &r->t->base;
    RETURN_IF_ERROR(read_normalizer(r, json_object_get(root, "normalizer")));
    RETURN_IF_ERROR(read_pre_tokenizer(r, json_object_get(root, "pre_tokenizer")));
    RETURN_IF_ERROR(read_model(r, json_object_get(root, "model")));
    RETURN_IF_ERROR(staged_read_added(base, root, r->path, r->err));
    RETURN_IF_ERROR(staged_read_processor(base, json_object_get(root, "post_processor"), r->path, r->err));
    if (base->base.end_id < 0) base->base.end_id = vocab_find(base->base.vocab, "<eos>", 5);
    return base->base.end_id >= 0 ? SIMILE_OK : wrong(r, "nothing says which token ends a text");
}

simile_status gemma_bpe_from_json(const text_file *tokenizer_json, const json_t *root, tokenizer **out,
                                  simile_error *err)
{
    *out = NULL;
    const reader r = {.t = mem_new(gemma_bpe), .path = tokenizer_json->path, .err = err};
    if (!r.t) return err_nomem(err);
    r.t->base.words = put_words;
    r.t->unknown = -1;
    r.t->merges = bpe_new();
    simile_status status = staged_init(&r.t->base, &ops) || !r.t->merges ? err_nomem(err) : SIMILE_OK;
    if (!status) status = read_all(&r, root);
    if (status) {
        gemma_free(&r.t->base.base);
        return status;
    }
    staged_finish(&r.t->base);
    *out = &r.t->base.base;
    return SIMILE_OK;
}
