/* SPDX-License-Identifier: Apache-2.0
 * tokenizer.c - see tokenizer.h.
 *
 * Reads whatever tokenizer files a directory holds and lets the first kind that they describe open them. As in the
 * Hugging Face libraries, tokenizer.json goes before the older files, and what it says is done to the letter
 * or refused by name.
 *
 * Encoding: each maximal ill-formed part of the text becomes U+FFFD, as with Python's errors="replace"; the kind gives
 * the ids; the start token goes before them, the end token behind, and what does not fit between is cut off.
 *
 * Threads: a tokenizer does not change once it is open. */
#include "text/tokenizer.h"

#include "base/file.h"
#include "base/jscan.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "text/clip_bpe.h"
#include "text/gemma_bpe.h"
#include "text/kind.h"
#include "text/segmented_bpe.h"
#include "text/sentencepiece.h"
#include "text/staged.h"
#include "text/wordpiece.h"

/* ---- opening ---- */

static simile_status read_optional(const char *directory, const char *name, text_file *out, simile_error *err)
{
    char *path = path_join(directory, name);
    if (!path) return err_nomem(err);
    *out = (text_file){.path = path};
    if (!file_exists(path)) return SIMILE_OK;
    return file_read(path, TEXT_FILE_MAX, &out->data, &out->len, err);
}

static void release(text_file *file)
{
    char *path = (char *)(uintptr_t)file->path;
    mem_free(path);
    mem_free(file->data);
    *file = (text_file){0};
}

/* ---- tokenizer.json ----
 * Nine tenths of it are the vocabulary and the merges, and a tree of them takes ten times as long to make as the tables
 * that are wanted. So the tree is made of the rest, with {} and [] in their places. */

/* The end of an array or object whose brackets balance; 0: they do not. Whether it is JSON shows when it is read. */
static size_t balanced(const char *text, size_t len, size_t at)
{
    size_t depth = 0;
    for (; at < len; at++) {
        const char c = text[at];
        if (c == '{' || c == '[') depth++;
        if ((c == '}' || c == ']') && --depth == 0) return at + 1;
        if (c != '"') continue;
        for (at++; at < len && text[at] != '"'; at++) at += text[at] == '\\';
    }
    return 0;
}

/* Passes over a part and remembers it. */
static bool leave_out(jscan *s, json_part *part)
{
    const size_t end = balanced(s->text, s->len, s->at);
    if (!end || part->text) return false;
    *part = (json_part){s->text + s->at, end - s->at};
    s->at = end;
    return true;
}

/* Both parts, if the file has a model with them; what is damaged is for the tree to complain about. */
static bool find_parts(text_file *file)
{
    jscan s;
    buf key;
    bool good = true, found = false;
    jscan_init(&s, file->data, file->len);
    buf_init(&key, file->len);
    good = jscan_object(&s);
    while (good && !found && jscan_key(&s, &key)) {
        found = !strcmp(key.data, "model") && jscan_peek(&s) == '{';
        if (!found) good = jscan_skip(&s);
    }
    good = good && found && jscan_object(&s);
    while (good && jscan_key(&s, &key)) {
        if (!strcmp(key.data, "vocab") && jscan_peek(&s) == '{')
            good = leave_out(&s, &file->vocab);
        else if (!strcmp(key.data, "merges") && jscan_peek(&s) == '[')
            good = leave_out(&s, &file->merges);
        else
            good = jscan_skip(&s);
    }
    buf_release(&key);
    return good && !s.problem && file->vocab.text;
}

static bool put_rest(const text_file *file, buf *out)
{
    const json_part *first = &file->vocab, *second = &file->merges;
    if (second->text && second->text < first->text) first = &file->merges, second = &file->vocab;
    const char *at = file->data;
    for (const json_part *p = first; p && p->text; p = p == first ? second : NULL) {
        buf_append(out, at, (size_t)(p->text - at));
        buf_text(out, p == &file->vocab ? "{}" : "[]");
        at = p->text + p->len;
    }
    return buf_append(out, at, file->len - (size_t)(at - file->data));
}

static simile_status parse_whole(text_file *file, json_t **out, simile_error *err)
{
    file->vocab = file->merges = (json_part){0};
    return json_parse_object(file->data, file->len, file->path, out, err);
}

static simile_status parse_tree(text_file *file, json_t **out, simile_error *err)
{
    if (!find_parts(file)) return parse_whole(file, out, err);
    buf rest;
    buf_init(&rest, file->len);
    const simile_status status =
        put_rest(file, &rest) ? json_parse_object(rest.data, rest.len, file->path, out, err) : err_nomem(err);
    buf_release(&rest);
    return status;
}

/* Merges of other models are read by nobody, who would see whether they are JSON. */
static bool has_merges(const json_t *root)
{
    const char *type = json_string_value(json_object_get(json_object_get(root, "model"), "type"));
    return !type || (strcmp(type, "WordPiece") != 0 && strcmp(type, "Unigram") != 0);
}

static simile_status from_json(const text_file *given, tokenizer **out, simile_error *err)
{
    json_t *root;
    text_file parts = *given, *file = &parts;
    RETURN_IF_ERROR(parse_tree(file, &root, err));
    if (file->merges.text && !has_merges(root)) {
        json_decref(root);
        RETURN_IF_ERROR(parse_whole(file, &root, err));
    }
    const json_t *model = json_object_get(root, "model");
    const char *type = json_string_value(json_object_get(model, "type"));
    simile_status status = SIMILE_OK;
    if (type && strcmp(type, "WordPiece") == 0)
        status = wordpiece_from_json(file, root, out, err);
    else if (type && strcmp(type, "Unigram") == 0)
        status = unigram_from_json(file, root, out, err);
    else if (gemma_bpe_is(model))
        status = gemma_bpe_from_json(file, root, out, err);
    else
        status = clip_bpe_from_json(file, root, out, err);
    json_decref(root);
    return status;
}

/* Which family uses the SentencePiece model, by its name. */
enum { SPM_NAMES = 3 };
static const char *const spm_names[SPM_NAMES] = {"sentencepiece.bpe.model", "spiece.model", "source.spm"};
static const spm_wrapper spm_wrappers[SPM_NAMES] = {SPM_XLMR, SPM_SIGLIP, SPM_MARIAN};

static bool ends_with(const char *path, const char *name)
{
    const size_t len = strlen(path), n = strlen(name);
    return len > n && path[len - n - 1] == '/' && strcmp(path + len - n, name) == 0;
}

/* Other families use the same names for other ids: T5 has a spiece.model, CamemBERT a sentencepiece.bpe.model. */
static simile_status check_class(const tokenizer_files *files, spm_wrapper wrapper, simile_error *err)
{
    static const char *const classes[] = {
        [SPM_XLMR] = "XLMRobertaTokenizer", [SPM_SIGLIP] = "SiglipTokenizer", [SPM_MARIAN] = "MarianTokenizer"};
    const text_file *config = &files->tokenizer_config;
    const char *name = classes[wrapper];
    json_t *root = NULL;
    if (!config->data) return SIMILE_OK;
    RETURN_IF_ERROR(json_parse_object(config->data, config->len, config->path, &root, err));
    simile_status status =
        json_get_string((json_from){.object = root, .subject = config->path}, "tokenizer_class", &name, err);
    const size_t n = strlen(classes[wrapper]);
    if (!status && (strncmp(name, classes[wrapper], n) != 0 || (name[n] && strcmp(name + n, "Fast") != 0)))
        status = err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': a tokenizer of class '%s' is not supported",
                         config->path, name);
    json_decref(root);
    return status;
}

static simile_status from_spm(const tokenizer_files *files, tokenizer **out, simile_error *err)
{
    spm_wrapper wrapper = SPM_XLMR;
    for (size_t i = 0; i < SPM_NAMES; i++) {
        if (ends_with(files->spm.path, spm_names[i])) wrapper = spm_wrappers[i];
    }
    RETURN_IF_ERROR(check_class(files, wrapper, err));
    if (wrapper == SPM_MARIAN && !files->vocab_json.data)
        return err_set(err, SIMILE_E_NOT_FOUND,
                       "cannot open the tokenizer in '%s': source.spm is there, vocab.json is not", files->directory);
    return sentencepiece_from_model(files, wrapper, out, err);
}

simile_status tokenizer_from_files(const tokenizer_files *files, tokenizer **out, simile_error *err)
{
    *out = NULL;
    if (files->tokenizer_json.data) return from_json(&files->tokenizer_json, out, err);
    if (segmented_bpe_is(files)) return segmented_bpe_from_files(files, out, err);
    if (files->vocab_json.data && files->merges_txt.data) return clip_bpe_from_vocab(files, out, err);
    if (files->clip_merges.data) return clip_bpe_from_merges(&files->clip_merges, out, err);
    if (files->spm.data) return from_spm(files, out, err);
    if (files->vocab_txt.data) return wordpiece_from_vocab(files, out, err);
    return err_set(err, SIMILE_E_NOT_FOUND,
                   "cannot open the tokenizer in '%s': neither tokenizer.json nor vocab.json and merges.txt nor "
                   "bpe_simple_vocab_16e6.txt.gz nor vocab.txt nor a SentencePiece model is there",
                   files->directory);
}

/* The first of the names that is there. */
static simile_status read_first(const char *directory, const char *const *names, size_t n, text_file *out,
                                simile_error *err)
{
    for (size_t i = 0; i < n && !out->data; i++) {
        release(out);
        RETURN_IF_ERROR(read_optional(directory, names[i], out, err));
    }
    return SIMILE_OK;
}

/* The files that matter without tokenizer.json. */
static simile_status read_others(const char *directory, tokenizer_files *files, simile_error *err)
{
    const struct {
        const char *name;
        text_file *file;
    } others[] = {{"vocab.json", &files->vocab_json},
                  {"merges.txt", &files->merges_txt},
                  {"vocab.txt", &files->vocab_txt},
                  {"bpe.codes", &files->codes},
                  {"dict.txt", &files->dictionary},
                  {"tokenizer_config.json", &files->tokenizer_config},
                  {"special_tokens_map.json", &files->special_tokens_map}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        RETURN_IF_ERROR(read_optional(directory, others[i].name, others[i].file, err));
    static const char *const merges_names[] = {"bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt"};
    RETURN_IF_ERROR(read_first(directory, merges_names, 2, &files->clip_merges, err));
    return read_first(directory, spm_names, SPM_NAMES, &files->spm, err);
}

simile_status tokenizer_open(const char *directory, tokenizer **out, simile_error *err)
{
    *out = NULL;
    tokenizer_files files = {.directory = directory};
    simile_status status = read_optional(directory, "tokenizer.json", &files.tokenizer_json, err);
    if (!status && !files.tokenizer_json.data) status = read_others(directory, &files, err);
    if (!status) status = tokenizer_from_files(&files, out, err);
    release(&files.tokenizer_json);
    release(&files.vocab_json);
    release(&files.merges_txt);
    release(&files.vocab_txt);
    release(&files.tokenizer_config);
    release(&files.special_tokens_map);
    release(&files.clip_merges);
    release(&files.spm);
    release(&files.codes);
    release(&files.dictionary);
    return status;
}

static void free_normalizer(normalizer *z)
{
    if (z) normalizer_release(z);
    mem_free(z);
}

void tokenizer_close(tokenizer *t)
{
    if (!t) return;
    free_normalizer(t->before);
    t->ops->free(t);
}

simile_status tokenizer_clean_first(tokenizer *t, tokenizer_cleaning how, simile_error *err)
{
    static const char subject[] = "a tokenizer"; /* of messages that cannot come: the steps are few */
    normalizer *z = mem_new(normalizer);
    if (!z) return err_nomem(err);
    simile_status status = SIMILE_OK;
    if (how == TOKENIZER_CLEAN_CANONICAL)
        status = normalizer_add_canonical(z, (canonical_text){.underscores = true, .lower = true}, subject, err);
    else
        status = normalizer_add_spaces(z, subject, err);
    if (!status && how == TOKENIZER_CLEAN_LOWER) status = normalizer_add_kind(z, NORM_LOWER, subject, err);
    if (status) {
        free_normalizer(z);
        return status;
    }
    t->before = z;
    return SIMILE_OK;
}

/* CLIP's own does so anyway; all others are staged. */
simile_status tokenizer_lower_case(tokenizer *t, simile_error *err)
{
    return t->ops->encode == staged_encode ? staged_lower_case((staged *)t, err) : SIMILE_OK;
}

/* ---- encoding ---- */

simile_status id_list_put(id_list *list, const int32_t *ids, size_t n, simile_error *err)
{
    const size_t room = list->max - list->n;
    if (n > room) {
        n = room;
        list->full = true;
    }
    if (n > list->capacity - list->n) {
        size_t capacity = list->capacity ? list->capacity : 64;
        while (capacity - list->n < n) {
            if (!mem_mul(capacity, 2, &capacity)) return err_nomem(err);
        }
        int32_t *grown = mem_grow(list->ids, capacity, sizeof *grown);
        if (!grown) return err_nomem(err);
        list->ids = grown;
        list->capacity = capacity;
    }
    if (n > 0) memcpy(list->ids + list->n, ids, n * sizeof *ids);
    list->n += n;
    return SIMILE_OK;
}

/* The text with U+FFFD for what is ill-formed. */
static simile_status repair(const char *text, size_t len, buf *out, simile_error *err)
{
    for (size_t at = 0; at < len;) {
        char piece[4];
        buf_append(out, piece, utf8_put(piece, utf8_next(text, len, &at)));
    }
    return buf_ok(out) ? SIMILE_OK : err_nomem(err);
}

/* As utf8_valid(), eight ASCII bytes at a time. */
static bool is_valid(const char *text, size_t len)
{
    size_t at = 0;
    for (uint64_t word; at + sizeof word <= len; at += sizeof word) {
        memcpy(&word, text + at, sizeof word);
        if (word & 0x8080808080808080u) break;
    }
    return utf8_valid(text + at, len - at);
}

static simile_status encode_between(const tokenizer *t, const char *text, size_t len, size_t max_len, id_list *list,
                                    simile_error *err)
{
    if (t->start_id >= 0) RETURN_IF_ERROR(id_list_put(list, &t->start_id, 1, err));
    list->max = max_len - (t->end_id >= 0);
    RETURN_IF_ERROR(t->ops->encode(t, text, len, list, err));
    list->max = max_len;
    return t->end_id >= 0 ? id_list_put(list, &t->end_id, 1, err) : SIMILE_OK;
}

/* Valid text, cleaned first if that is wanted. */
static simile_status encode_valid(const tokenizer *t, const char *text, size_t len, size_t max_len, id_list *list,
                                  simile_error *err)
{
    if (!t->before) return encode_between(t, text, len, max_len, list, err);
    buf cleaned;
    buf_init(&cleaned, 16 * (size_t)TEXT_MAX);
    simile_status status = normalizer_run(t->before, text, len, &cleaned, NULL, err);
    if (!status) status = encode_between(t, cleaned.len ? cleaned.data : "", cleaned.len, max_len, list, err);
    buf_release(&cleaned);
    return status;
}

simile_status tokenizer_encode(const tokenizer *t, const char *text, size_t len, size_t max_len, token_list *out,
                               simile_error *err)
{
    *out = (token_list){0};
    if (max_len < 2) return err_set(err, SIMILE_E_ARG, "cannot tokenize: room for fewer than two tokens");
    if (len > TEXT_MAX)
        return err_set(err, SIMILE_E_LIMIT, "cannot tokenize: the text has %zu bytes, more than %d", len, TEXT_MAX);
    if (!text) text = "";
    buf repaired;
    buf_init(&repaired, 3 * (size_t)TEXT_MAX);
    id_list list = {.max = max_len};
    simile_status status = SIMILE_OK;
    if (!is_valid(text, len)) {
        status = repair(text, len, &repaired, err);
        if (status) goto done;
        text = repaired.data;
        len = repaired.len;
    }
    status = encode_valid(t, text, len, max_len, &list, err);
    if (status) goto done;
    *out = (token_list){.ids = list.ids, .n = list.n, .truncated = list.full};
    list.ids = NULL;
done:
    mem_free(list.ids);
    buf_release(&repaired);
    return status;
}

simile_status tokenizer_write(const tokenizer *t, buf *vocab_json, buf *merges_txt, simile_error *err)
{
    if (t->ops->write) return t->ops->write(t, vocab_json, merges_txt, err);
    return err_set(err, SIMILE_E_UNSUPPORTED, "a tokenizer of the kind '%s' is not written", t->ops->name);
}

/* ---- decoding ---- */

static bool is_special(const char *piece)
{
    static const char *const specials[] = {"<s>", "</s>", "<pad>", "<unk>"};
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
        if (!strcmp(piece, specials[i])) return true;
    }
    return false;
}

simile_status tokenizer_decode(const tokenizer *t, const int32_t *ids, size_t n, char **out, simile_error *err)
{
    buf text;
    *out = NULL;
    if (!t->ops->decode_piece)
        return err_set(err, SIMILE_E_UNSUPPORTED, "tokens of the kind '%s' cannot be made text again", t->ops->name);
    buf_init(&text, TEXT_FILE_MAX);
    buf_text(&text, "");
    for (size_t i = 0; i < n; i++) {
        const char *piece = vocab_piece(t->vocab, ids[i]);
        if (piece && !is_special(piece)) t->ops->decode_piece(t, piece, &text);
    }
    size_t begin = 0;
    while (text.len && text.data[text.len - 1] == ' ') text.len--;
    while (begin < text.len && text.data[begin] == ' ') begin++;
    *out = buf_ok(&text) ? mem_strndup(text.data ? text.data + begin : "", text.len - begin) : NULL;
    buf_release(&text);
    return *out ? SIMILE_OK : err_nomem(err);
}

const segmenter *tokenizer_segmenter(const tokenizer *t)
{
    return segmented_bpe_segmenter(t);
}

/* ---- facts ---- */

size_t tokenizer_vocab_size(const tokenizer *t)
{
    return vocab_size(t->vocab);
}

int32_t tokenizer_end_id(const tokenizer *t)
{
    return t->end_id;
}

const char *tokenizer_kind(const tokenizer *t)
{
    return t->ops->name;
}

const char *tokenizer_piece(const tokenizer *t, int32_t id)
{
    return vocab_piece(t->vocab, id);
}

int32_t tokenizer_find(const tokenizer *t, const char *piece)
{
    return vocab_find(t->vocab, piece, strlen(piece));
}
