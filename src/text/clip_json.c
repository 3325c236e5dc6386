/* SPDX-License-Identifier: Apache-2.0
 * clip_json.c - a CLIP tokenizer from tokenizer.json, the tokenizers library's own form.
 *
 * The file describes a pipeline of interchangeable parts. This reader accepts the parts that CLIP's tokenizers are made
 * of, with every parameter that changes ids, and refuses all others by name rather than give ids that are nearly
 * right. "truncation", "padding" and "decoder" do not change ids and are not looked at.
 *
 * Threads: none of its own; everything happens while a tokenizer opens. */
#include "text/clip_bpe.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "text/merges.h"

typedef struct {
    clip_bpe *t;
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

static json_from from(const reader *r, const json_t *object)
{
    return (json_from){.object = object, .subject = r->path};
}

/* "type" of a part, an error when it has none. */
static simile_status type_of(const reader *r, const json_t *part, const char *what, const char **out)
{
    *out = json_string_value(json_object_get(part, "type"));
    if (*out) return SIMILE_OK;
    return err_set(r->err, SIMILE_E_FORMAT, "cannot read '%s': %s has no type", r->path, what);
}

/* ---- normalizer ---- */

/* The steps must come in the order in which they are done; *done counts those behind us. */
static simile_status normalizer_step(const reader *r, const json_t *step, int *done)
{
    const char *type;
    RETURN_IF_ERROR(type_of(r, step, "a normalizer", &type));
    int place = 0;
    if (strcmp(type, "NFC") == 0) {
        place = 1;
        r->t->nfc = true;
    } else if (strcmp(type, "Replace") == 0) {
        const char *regex = json_string_value(json_object_get(json_object_get(step, "pattern"), "Regex"));
        const char *content = json_string_value(json_object_get(step, "content"));
        if (!regex || strcmp(regex, "\\s+") != 0 || !content || strcmp(content, " ") != 0)
            return refuse(r, "the normalizer", "Replace of anything but \\s+ by a space");
        place = 2;
        r->t->one_space = true;
    } else if (strcmp(type, "Lowercase") == 0) {
        place = 3;
        r->t->lower = true;
    }
    if (place == 0) return refuse(r, "the normalizer", type);
    if (place <= *done) return refuse(r, "the order of normalizers with", type);
    *done = place;
    return SIMILE_OK;
}

static simile_status read_normalizer(const reader *r, const json_t *part)
{
    r->t->nfc = r->t->one_space = r->t->lower = false;
    if (!part || json_is_null(part)) return SIMILE_OK;
    const char *type;
    int done = 0;
    RETURN_IF_ERROR(type_of(r, part, "the normalizer", &type));
    if (strcmp(type, "Sequence") != 0) return normalizer_step(r, part, &done);
    const json_t *steps = json_object_get(part, "normalizers");
    if (!json_is_array(steps)) return wrong(r, "its sequence of normalizers is not an array");
    for (size_t i = 0; i < json_array_size(steps); i++)
        RETURN_IF_ERROR(normalizer_step(r, json_array_get(steps, i), &done));
    return SIMILE_OK;
}

/* ---- pre-tokenizer ---- */

#define WORDS "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"

static simile_status read_split(const reader *r, const json_t *part)
{
    const char *regex = json_string_value(json_object_get(json_object_get(part, "pattern"), "Regex"));
    if (!regex) return refuse(r, "the pre-tokenizer", "Split by a plain string");
    r->t->special_words = strcmp(regex, "<\\|startoftext\\|>|<\\|endoftext\\|>|" WORDS) == 0;
    if (!r->t->special_words && strcmp(regex, WORDS) != 0) return refuse(r, "the pattern of words", regex);
    const char *behavior = json_string_value(json_object_get(part, "behavior"));
    if (!behavior || strcmp(behavior, "Removed") != 0 || !json_is_true(json_object_get(part, "invert")))
        return refuse(r, "the pre-tokenizer", "Split with another behavior than inverted Removed");
    return SIMILE_OK;
}

static simile_status read_byte_level(const reader *r, const json_t *part)
{
    bool prefix = true; /* the library's default */
    RETURN_IF_ERROR(json_get_bool(from(r, part), "add_prefix_space", &prefix, r->err));
    if (prefix) return refuse(r, "the pre-tokenizer", "ByteLevel with add_prefix_space");
    return json_get_bool(from(r, part), "use_regex", &r->t->byte_words, r->err);
}

static simile_status read_pre_tokenizer(const reader *r, const json_t *part)
{
    static const char *const expected[] = {"Split", "ByteLevel"};
    if (!part || json_is_null(part)) return wrong(r, "it has no pre-tokenizer");
    const char *type;
    RETURN_IF_ERROR(type_of(r, part, "the pre-tokenizer", &type));
    if (strcmp(type, "Sequence") != 0) return refuse(r, "the pre-tokenizer", type);
    const json_t *steps = json_object_get(part, "pretokenizers");
    if (!json_is_array(steps)) return wrong(r, "its sequence of pre-tokenizers is not an array");
    for (size_t i = 0; i < json_array_size(steps); i++) {
        RETURN_IF_ERROR(type_of(r, json_array_get(steps, i), "a pre-tokenizer", &type));
        if (i >= 2 || strcmp(type, expected[i]) != 0) return refuse(r, "at its place the pre-tokenizer", type);
    }
    if (json_array_size(steps) != 2) return wrong(r, "its pre-tokenizers are not Split and ByteLevel");
    RETURN_IF_ERROR(read_split(r, json_array_get(steps, 0)));
    return read_byte_level(r, json_array_get(steps, 1));
}

/* ---- model ---- */

/* Parameters that change ids and that CLIP does not use. */
static simile_status check_model(const reader *r, const json_t *model)
{
    const char *type = "BPE"; /* older files leave it out */
    const char *prefix = "";
    double dropout = 0;
    bool byte_fallback = false, ignore_merges = false;
    const json_from f = from(r, model);
    RETURN_IF_ERROR(json_get_string(f, "type", &type, r->err));
    if (strcmp(type, "BPE") != 0) return refuse(r, "the model", type);
    RETURN_IF_ERROR(json_get_string(f, "continuing_subword_prefix", &prefix, r->err));
    RETURN_IF_ERROR(json_get_double(f, "dropout", &dropout, r->err));
    RETURN_IF_ERROR(json_get_bool(f, "byte_fallback", &byte_fallback, r->err));
    RETURN_IF_ERROR(json_get_bool(f, "ignore_merges", &ignore_merges, r->err));
    if (*prefix) return refuse(r, "the model", "BPE with continuing_subword_prefix");
    if (dropout != 0) return refuse(r, "the model", "BPE with dropout");
    if (byte_fallback) return refuse(r, "the model", "BPE with byte_fallback");
    if (ignore_merges) return refuse(r, "the model", "BPE with ignore_merges");
    return SIMILE_OK;
}

static simile_status read_merges(const reader *r, const json_t *merges)
{
    merge_reader m = {.vocab = r->t->base.base.vocab, .merges = r->t->merges, .path = r->path, .unit = "merge"};
    return merge_part(&m, r->file->merges, merges, r->err);
}

static simile_status read_model(const reader *r, const json_t *root, const json_t *model)
{
    const json_t *pieces = NULL;
    const char *unknown = NULL;
    RETURN_IF_ERROR(json_get_object(from(r, model), "vocab", &pieces, r->err));
    if (!pieces) return wrong(r, "the model has no vocabulary");
    RETURN_IF_ERROR(vocab_read_part(r->t->base.base.vocab, r->file->vocab, pieces, r->path, r->err));
    RETURN_IF_ERROR(json_get_string(from(r, model), "unk_token", &unknown, r->err));
    RETURN_IF_ERROR(json_get_bool(from(r, model), "fuse_unk", &r->t->fuse_unknown, r->err));
    if (unknown) r->t->unknown = vocab_find(r->t->base.base.vocab, unknown, strlen(unknown));
    if (unknown && r->t->unknown < 0) return wrong(r, "its unknown token is not in the vocabulary");
    RETURN_IF_ERROR(read_merges(r, json_object_get(model, "merges")));
    return staged_read_added(&r->t->base, root, r->path, r->err);
}

static simile_status read_all(const reader *r, const json_t *root)
{
    const json_t *model = NULL;
    const char *suffix = "";
    RETURN_IF_ERROR(json_get_object(from(r, root), "model", &model, r->err));
    if (!model) return wrong(r, "it has no model");
    RETURN_IF_ERROR(check_model(r, model));
    RETURN_IF_ERROR(read_normalizer(r, json_object_get(root, "normalizer")));
    RETURN_IF_ERROR(read_pre_tokenizer(r, json_object_get(root, "pre_tokenizer")));
    RETURN_IF_ERROR(json_get_string(from(r, model), "end_of_word_suffix", &suffix, r->err));
    RETURN_IF_ERROR(read_model(r, root, model));
    RETURN_IF_ERROR(staged_read_processor(&r->t->base, json_object_get(root, "post_processor"), r->path, r->err));
    if (r->t->base.base.end_id < 0) return wrong(r, "no post-processor puts an end token behind the text");
    return clip_bpe_finish(r->t, suffix, r->err);
}

simile_status clip_bpe_from_json(const text_file *tokenizer_json, const json_t *root, tokenizer **out,
                                 simile_error *err)
{
    *out = NULL;
    const reader r = {.t = clip_bpe_new(), .file = tokenizer_json, .path = tokenizer_json->path, .err = err};
    if (!r.t) return err_nomem(err);
    const simile_status status = read_all(&r, root);
    if (status)
        clip_bpe_free(r.t);
    else
        *out = &r.t->base.base;
    return status;
}
