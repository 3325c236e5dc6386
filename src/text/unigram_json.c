/* SPDX-License-Identifier: Apache-2.0
 * unigram_json.c - unigram models from tokenizer.json. See sentencepiece.h.
 *
 * The chain of the tokenizers library: added tokens, the normalizer's steps, spaces to U+2581 (metaspace.c), and each
 * word by itself to unigram.c. All of the vocabulary may match, special tokens too, and all of it counts for the score
 * of the unknown token.
 *
 * Threads: encoding only reads the tokenizer. */
#include "text/sentencepiece.h"

#include "base/mem.h"
#include "text/metaspace.h"
#include "text/staged.h"
#include "text/unigram.h"

#include <math.h>

typedef struct {
    staged base;
    unigram model;
    metaspace spaces;
} unigram_tokenizer;

typedef struct {
    const unigram *model;
    id_list *out;
    simile_error *err;
} encoder;

static simile_status put_word(void *user, const char *word, size_t len)
{
    const encoder *e = user;
    if (e->out->full) return SIMILE_OK;
    return unigram_put(e->model, word, len, e->out, e->err);
}

static simile_status put_words(const staged *base, const char *text, size_t len, bool first, id_list *out,
                               simile_error *err)
{
    const unigram_tokenizer *t = (const unigram_tokenizer *)base;
    encoder e = {.model = &t->model, .out = out, .err = err};
    return metaspace_run(&t->spaces, text, len, first, put_word, &e, err);
}

static void unigram_free(tokenizer *base)
{
    unigram_tokenizer *t = (unigram_tokenizer *)base;
    unigram_release(&t->model);
    staged_release(&t->base);
    mem_free(t);
}

static const tokenizer_ops ops = {.name = "sentencepiece-unigram", .free = unigram_free, .encode = staged_encode};

typedef struct {
    unigram_tokenizer *t;
    const char *path;
    simile_error *err;
} reader;

static simile_status wrong(const reader *r, const char *what)
{
    return err_set(r->err, SIMILE_E_FORMAT, "cannot read '%s': %s", r->path, what);
}

/* [["<unk>", 0.0], ["\u2581a", -3.5], ...] */
static simile_status read_pieces(const reader *r, const json_t *pieces)
{
    double lowest = INFINITY;
    for (size_t i = 0; i < json_array_size(pieces); i++) {
        const json_t *item = json_array_get(pieces, i), *piece = json_array_get(item, 0);
        const double score = json_number_value(json_array_get(item, 1));
        if (!json_is_string(piece) || !json_is_number(json_array_get(item, 1)) || !isfinite(score))
            return wrong(r, "a piece of the vocabulary is not a string and a number");
        if (score < lowest) lowest = score;
        RETURN_IF_ERROR(vocab_add(r->t->base.base.vocab, (int64_t)i, json_string_value(piece), r->path, r->err));
        RETURN_IF_ERROR(
            unigram_add(&r->t->model, json_string_value(piece), json_string_length(piece), score, (int32_t)i, r->err));
    }
    r->t->model.unknown_score = lowest - 10.0;
    return unigram_finish(&r->t->model, r->t->base.base.vocab, r->path, r->err);
}

static simile_status read_model(const reader *r, const json_t *model)
{
    const json_t *pieces = json_object_get(model, "vocab");
    const json_from f = {.object = model, .subject = r->path};
    int64_t unknown = -1;
    if (!json_is_array(pieces) || json_array_size(pieces) == 0) return wrong(r, "the model has no vocabulary");
    RETURN_IF_ERROR(json_get_int(f, "unk_id", 0, (int64_t)json_array_size(pieces) - 1, &unknown, r->err));
    RETURN_IF_ERROR(json_get_bool(f, "byte_fallback", &r->t->model.byte_fallback, r->err));
    if (unknown < 0) return wrong(r, "the model has no unknown token");
    r->t->model.unknown = (int32_t)unknown;
    return read_pieces(r, pieces);
}

static simile_status read_all(const reader *r, const json_t *root)
{
    staged *base = &r->t->base;
    RETURN_IF_ERROR(normalizer_from_json(&base->clean, json_object_get(root, "normalizer"), r->path, r->err));
    RETURN_IF_ERROR(metaspace_from_json(&r->t->spaces, json_object_get(root, "pre_tokenizer"), r->path, r->err));
    base->wants_first = r->t->spaces.prepend == PREPEND_FIRST;
    RETURN_IF_ERROR(read_model(r, json_object_get(root, "model")));
    RETURN_IF_ERROR(staged_read_added(base, root, r->path, r->err));
    return staged_read_processor(base, json_object_get(root, "post_processor"), r->path, r->err);
}

simile_status unigram_from_json(const text_file *tokenizer_json, const json_t *root, tokenizer **out, simile_error *err)
{
    *out = NULL;
    const reader r = {.t = mem_new(unigram_tokenizer), .path = tokenizer_json->path, .err = err};
    if (!r.t) return err_nomem(err);
    r.t->base.words = put_words;
    simile_status status = staged_init(&r.t->base, &ops) || unigram_init(&r.t->model) ? err_nomem(err) : SIMILE_OK;
    if (!status) status = read_all(&r, root);
    if (status) {
        unigram_free(&r.t->base.base);
        return status;
    }
    staged_finish(&r.t->base);
    *out = &r.t->base.base;
    return SIMILE_OK;
}
