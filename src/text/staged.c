/* SPDX-License-Identifier: Apache-2.0
 * staged.c - see staged.h.
 *
 * As in the tokenizers library: the added tokens that are looked for in the raw text are cut out, each piece between
 * them is cleaned by itself, the added tokens that are looked for in cleaned text are cut out of that, and what is left
 * goes to the kind's own words().
 *
 * Threads: encoding only reads the tokenizer. */
#include "text/staged.h"

#include "base/mem.h"

enum { CLEANED_MAX = 16 * TEXT_MAX };

simile_status staged_init(staged *t, const tokenizer_ops *ops)
{
    t->base = (tokenizer){.ops = ops, .vocab = vocab_new(), .start_id = -1, .end_id = -1};
    return t->base.vocab ? SIMILE_OK : SIMILE_E_NOMEM;
}

void staged_release(staged *t)
{
    vocab_free(t->base.vocab);
    added_release(&t->raw);
    added_release(&t->normalized);
    normalizer_release(&t->clean);
}

/* ---- encoding ---- */

typedef struct {
    const staged *t;
    id_list *out;
    simile_error *err;
} encoder;

typedef simile_status (*piece_fn)(encoder *e, const char *text, size_t len, bool first);

static simile_status put_words(encoder *e, const char *text, size_t len, bool first)
{
    return e->t->words(e->t, text, len, first, e->out, e->err);
}

/* Gives the added tokens to the output and what lies between them to fn. */
static simile_status split(encoder *e, const added_set *set, const char *text, size_t len, bool first, piece_fn fn)
{
    size_t from = 0, floor = 0;
    added_match m;
    while (!e->out->full && added_find(set, text, len, from, floor, &m)) {
        if (m.start > floor) RETURN_IF_ERROR(fn(e, text + floor, m.start - floor, first && floor == 0));
        RETURN_IF_ERROR(id_list_put(e->out, &m.token->id, 1, e->err));
        from = m.resume;
        floor = m.end;
    }
    if (e->out->full || floor >= len) return SIMILE_OK;
    return fn(e, text + floor, len - floor, first && floor == 0);
}

/* first: NULL, or true where the text is the beginning of the whole; false then if cleaning has changed that. */
static simile_status clean(const staged *t, const char *text, size_t len, buf *out, bool *first, simile_error *err)
{
    return t->own_clean ? t->own_clean(t, text, len, out, err) : normalizer_run(&t->clean, text, len, out, first, err);
}

static simile_status put_raw(encoder *e, const char *text, size_t len, bool first)
{
    buf cleaned;
    buf_init(&cleaned, CLEANED_MAX);
    simile_status status = clean(e->t, text, len, &cleaned, e->t->wants_first && first ? &first : NULL, e->err);
    if (!status && cleaned.len > 0) status = split(e, &e->t->normalized, cleaned.data, cleaned.len, first, put_words);
    buf_release(&cleaned);
    return status;
}

simile_status staged_encode(const tokenizer *base, const char *text, size_t len, id_list *out, simile_error *err)
{
    const staged *t = (const staged *)base;
    encoder e = {.t = t, .out = out, .err = err};
    return split(&e, &t->raw, text, len, true, put_raw);
}

/* A chain that lowers somewhere stays as it is, as in sentence-transformers (Transformer, do_lower_case). */
simile_status staged_lower_case(staged *t, simile_error *err)
{
    normalizer *z = &t->clean;
    for (size_t i = 0; i < z->n; i++) {
        if (z->steps[i].kind == NORM_LOWER) return SIMILE_OK;
    }
    RETURN_IF_ERROR(normalizer_add_kind(z, NORM_LOWER, "tokenizer", err));
    const norm_step lower = z->steps[z->n - 1];
    memmove(z->steps + 1, z->steps, (z->n - 1) * sizeof lower);
    z->steps[0] = lower;
    return SIMILE_OK;
}

/* ---- added tokens ---- */

simile_status staged_add_token(staged *t, const added_token *token, bool normalized, const char *subject,
                               simile_error *err)
{
    RETURN_IF_ERROR(vocab_add(t->base.vocab, token->id, token->content, subject, err));
    if (!normalized) return added_put(&t->raw, token, err);
    buf cleaned;
    buf_init(&cleaned, TEXT_FILE_MAX);
    simile_status status = clean(t, token->content, token->len, &cleaned, NULL, err);
    if (!status) {
        added_token copy = *token;
        copy.content = cleaned.data;
        copy.len = cleaned.len;
        status = added_put(&t->normalized, &copy, err);
    }
    buf_release(&cleaned);
    return status;
}

void staged_finish(staged *t)
{
    added_sort(&t->raw);
    added_sort(&t->normalized);
}

/* ---- tokenizer.json ---- */

static simile_status wrong(const char *path, const char *what, simile_error *err)
{
    return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': %s", path, what);
}

simile_status staged_read_token(const json_t *object, const char *path, added_token *out, bool *normalized,
                                simile_error *err)
{
    const char *content = NULL;
    const json_from f = {.object = object, .subject = path};
    if (!json_is_object(object)) return wrong(path, "an added token is not an object", err);
    RETURN_IF_ERROR(json_get_string(f, "content", &content, err));
    if (!content) return wrong(path, "an added token has no content", err);
    *out = (added_token){.content = (char *)(uintptr_t)content, .len = strlen(content)};
    RETURN_IF_ERROR(json_get_bool(f, "single_word", &out->single_word, err));
    RETURN_IF_ERROR(json_get_bool(f, "lstrip", &out->lstrip, err));
    RETURN_IF_ERROR(json_get_bool(f, "rstrip", &out->rstrip, err));
    return json_get_bool(f, "normalized", normalized, err);
}

static simile_status read_added_token(staged *t, const json_t *item, const char *path, simile_error *err)
{
    added_token token;
    bool normalized = false;
    int64_t id = -1;
    RETURN_IF_ERROR(staged_read_token(item, path, &token, &normalized, err));
    RETURN_IF_ERROR(json_get_int((json_from){.object = item, .subject = path}, "id", 0, VOCAB_MAX - 1, &id, err));
    if (id < 0) return wrong(path, "an added token has no id", err);
    token.id = (int32_t)id;
    return staged_add_token(t, &token, normalized, path, err);
}

simile_status staged_read_added(staged *t, const json_t *root, const char *path, simile_error *err)
{
    const json_t *added = json_object_get(root, "added_tokens");
    if (!added || json_is_null(added)) return SIMILE_OK;
    if (!json_is_array(added)) return wrong(path, "\"added_tokens\" is not an array", err);
    for (size_t i = 0; i < json_array_size(added); i++)
        RETURN_IF_ERROR(read_added_token(t, json_array_get(added, i), path, err));
    return SIMILE_OK;
}

size_t staged_parts(const json_t *part, const char *key)
{
    if (!part || json_is_null(part)) return 0;
    const json_t *list = json_object_get(part, key);
    return json_is_array(list) ? json_array_size(list) : 1;
}

const json_t *staged_part(const json_t *part, const char *key, size_t i)
{
    const json_t *list = json_object_get(part, key);
    return json_is_array(list) ? json_array_get(list, i) : part;
}

typedef struct {
    staged *t;
    const char *path;
    simile_error *err;
} reader;

static simile_status refuse(const reader *r, const char *name)
{
    return err_set(r->err, SIMILE_E_UNSUPPORTED, "cannot read '%s': the post-processor '%s' is not supported", r->path,
                   name);
}

static simile_status set_id(const reader *r, const json_t *id, int32_t *out)
{
    if (!json_is_integer(id)) return wrong(r->path, "the id of a special token is not a whole number", r->err);
    const json_int_t value = json_integer_value(id);
    if (value < 0 || value >= VOCAB_MAX || !vocab_piece(r->t->base.vocab, (int32_t)value))
        return wrong(r->path, "a special token around the text is not in the vocabulary", r->err);
    *out = (int32_t)value;
    return SIMILE_OK;
}

/* {"sep": ["[SEP]", 102], "cls": ["[CLS]", 101]} */
static simile_status read_pair(const reader *r, const json_t *part)
{
    RETURN_IF_ERROR(set_id(r, json_array_get(json_object_get(part, "cls"), 1), &r->t->base.start_id));
    return set_id(r, json_array_get(json_object_get(part, "sep"), 1), &r->t->base.end_id);
}

/* {"single": [special token, sequence A, special token], "special_tokens": {name: {"ids": [id]}}} */
static simile_status read_template(const reader *r, const json_t *part)
{
    const json_t *single = json_object_get(part, "single");
    bool behind = false;
    if (json_array_size(single) == 0) return refuse(r, "TemplateProcessing in another form");
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *item = json_array_get(single, i);
        const char *sequence = json_string_value(json_object_get(json_object_get(item, "Sequence"), "id"));
        const char *name = json_string_value(json_object_get(json_object_get(item, "SpecialToken"), "id"));
        int32_t *place = behind ? &r->t->base.end_id : &r->t->base.start_id;
        const json_t *ids =
            name ? json_object_get(json_object_get(json_object_get(part, "special_tokens"), name), "ids") : NULL;
        if (sequence ? behind || strcmp(sequence, "A") != 0 : *place >= 0 || json_array_size(ids) != 1)
            return refuse(r, "TemplateProcessing in another form");
        if (!sequence) RETURN_IF_ERROR(set_id(r, json_array_get(ids, 0), place));
        behind = behind || sequence;
    }
    return behind ? SIMILE_OK : refuse(r, "TemplateProcessing in another form");
}

static simile_status read_processor(const reader *r, const json_t *part)
{
    const char *type = json_string_value(json_object_get(part, "type"));
    if (!type) return wrong(r->path, "a post-processor has no type", r->err);
    if (strcmp(type, "ByteLevel") == 0) return SIMILE_OK; /* moves offsets, not ids */
    if (r->t->base.end_id >= 0 || r->t->base.start_id >= 0) return refuse(r, type);
    if (strcmp(type, "RobertaProcessing") == 0 || strcmp(type, "BertProcessing") == 0) return read_pair(r, part);
    if (strcmp(type, "TemplateProcessing") == 0) return read_template(r, part);
    return refuse(r, type);
}

simile_status staged_read_processor(staged *t, const json_t *part, const char *path, simile_error *err)
{
    const reader r = {.t = t, .path = path, .err = err};
    for (size_t i = 0; i < staged_parts(part, "processors"); i++)
        RETURN_IF_ERROR(read_processor(&r, staged_part(part, "processors", i)));
    return SIMILE_OK;
}
