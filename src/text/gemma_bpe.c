/* SPDX-License-Identifier: Apache-2.0
 * gemma_bpe.c - see gemma_bpe.h.
 *
 * Cleaned text (lower case, each space U+2581) becomes the ids of its characters; a character without one becomes its
 * bytes <0x00>...<0xFF>, or the unknown token, once for a run when fuse_unk is set; then neighbours are merged by rank.
 * A word is whatever lies between added tokens: the pre-tokenizer cuts behind each space, and the normalizer has left
 * none. When no merge joins anything with a U+2581 behind it, as where pieces were learnt from single words, such a
 * text falls apart in front of each run of U+2581 all the same: what lies on the two sides never meets, so the parts
 * can be merged one by one, which is much faster.
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
    bool cut_at_marks;  /* nothing is ever merged with a U+2581 behind it */
    int32_t bytes[256]; /* -1: not in the vocabulary */
    int32_t ascii[128]; /* characters by themselves; -1: not in the vocabulary */
} gemma_bpe;

static const char space_mark[] = "\xe2\x96\x81";
enum { MARK_LEN = 3, SHORT_WORD = 128 };

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

/* The id of the character at *at, or -1. */
static inline int32_t next_id(const gemma_bpe *t, const char *text, size_t len, size_t *at)
{
    const size_t start = *at;
    if ((uint8_t)text[start] < 0x80) return t->ascii[(uint8_t)text[(*at)++]];
    utf8_next(text, len, at);
    return vocab_find(t->base.base.vocab, text + start, *at - start);
}

/* ids: room for one a byte. An unknown token waits for the next known character or the end, as in the tokenizers
 * library: bytes that stand between go before it. */
static size_t chars_to_ids(const gemma_bpe *t, const char *text, size_t len, int32_t *ids)
{
    size_t n = 0;
    bool waiting = false;
    for (size_t at = 0; at < len;) {
        const size_t start = at;
        const int32_t id = next_id(t, text, len, &at);
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
    int32_t room[SHORT_WORD];
    int32_t *ids = len <= SHORT_WORD ? room : mem_array(len, sizeof *ids);
    if (!ids) return err_nomem(err);
    size_t n = chars_to_ids(t, word, len, ids);
    simile_status status = bpe_merge(t->merges, ids, &n, err);
    if (!status) status = id_list_put(out, ids, n, err);
    if (ids != room) mem_free(ids);
    return status;
}

static bool is_mark(const char *text, size_t len)
{
    return len >= MARK_LEN && memcmp(text, space_mark, MARK_LEN) == 0;
}

/* The length of the marks at the start of the text and of what follows up to the next ones. */
static size_t part_len(const char *text, size_t len)
{
    size_t at = 0;
    while (is_mark(text + at, len - at)) at += MARK_LEN;
    for (; at < len; at++) {
        const char *hit = memchr(text + at, space_mark[0], len - at);
        if (!hit) return len;
        at = (size_t)(hit - text);
        if (is_mark(hit, len - at)) return at;
    }
    return len;
}

static simile_status put_words(const staged *base, const char *text, size_t len, bool first, id_list *out,
                               simile_error *err)
{
    const gemma_bpe *t = (const gemma_bpe *)base;
    (void)first;
    for (size_t at = 0; at < len && !out->full;) {
        const char *space = t->cut_behind_spaces ? memchr(text + at, ' ', len - at) : NULL;
        size_t end = space ? (size_t)(space - text) + 1 : len;
        if (t->cut_at_marks) end = at + part_len(text + at, end - at);
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
    const text_file *file;
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
    return merge_part(&m, r->file->merges, merges, r->err);
}

/* Whether the two sides of "x U+2581" never become one: no merge does that, and U+2581 is a character with an id. */
static simile_status find_cuts(gemma_bpe *t, simile_error *err)
{
    const vocab *v = t->base.base.vocab;
    size_t n;
    bpe_pair *pairs = bpe_list(t->merges, &n);
    if (!pairs) return err_nomem(err);
    t->cut_at_marks = vocab_find(v, space_mark, MARK_LEN) >= 0;
    for (size_t i = 0; i < n && t->cut_at_marks; i++) {
        const char *left = vocab_piece(v, pairs[i].left), *right = vocab_piece(v, pairs[i].right);
        const size_t len = strlen(left);
        const bool after_mark = len >= MARK_LEN && is_mark(left + len - MARK_LEN, MARK_LEN);
        t->cut_at_marks = after_mark || !is_mark(right, strlen(right));
    }
    mem_free(pairs);
    return SIMILE_OK;
}

static void find_characters(gemma_bpe *t)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char piece[8];
        snprintf(piece, sizeof piece, "<0x%02X>", byte);
        t->bytes[byte] = vocab_find(t->base.base.vocab, piece, strlen(piece));
    }
    for (unsigned i = 0; i < 128; i++) {
        const char c = (char)i;
        t->ascii[i] = vocab_find(t->base.base.vocab, &c, 1);
    }
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
    RETURN_IF_ERROR(vocab_read_part(v, r->file->vocab, pieces, r->path, r->err));
    RETURN_IF_ERROR(json_get_string(f, "unk_token", &unknown, r->err));
    RETURN_IF_ERROR(json_get_bool(f, "fuse_unk", &r->t->fuse_unknown, r->err));
    RETURN_IF_ERROR(json_get_bool(f, "byte_fallback", &r->t->byte_fallback, r->err));
    if (unknown) r->t->unknown = vocab_find(v, unknown, strlen(unknown));
    if (unknown && r->t->unknown < 0) return wrong(r, "its unknown token is not in the vocabulary");
    find_characters(r->t);
    RETURN_IF_ERROR(read_merges(r, json_object_get(model, "merges")));
    return find_cuts(r->t, r->err);
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
    const reader r = {.t = mem_new(gemma_bpe), .file = tokenizer_json, .path = tokenizer_json->path, .err = err};
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
