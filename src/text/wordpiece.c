/* SPDX-License-Identifier: Apache-2.0
 * wordpiece.c - see wordpiece.h.
 *
 * Cleaned text falls into words at white space, and each punctuation character is a word of its own. A word becomes
 * the longest piece of the vocabulary that begins it, then the longest "##" piece that continues it, and so on (Wu et
 * al., 2016; google-research/bert, tokenization.py). When some rest has no piece, or the word is too long, the whole
 * word is the unknown token. The ids are those of the tokenizers library.
 *
 * vocab.txt has one piece a line; its number is the id. Lines end at "\n" alone, because pieces may be other line
 * separators of Unicode. tokenizer_config.json may say do_lower_case (default: true), tokenize_chinese_chars (true),
 * strip_accents (as do_lower_case) and name the special tokens; those are looked for in the text.
 *
 * Threads: encoding only reads the tokenizer. */
#include "text/wordpiece.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "text/staged.h"
#include "text/unicode.h"

enum { PREFIX_MAX = 64, WORD_MAX = 10000, WORD_BYTES_MAX = 4 * WORD_MAX };

typedef struct {
    staged base;
    char prefix[PREFIX_MAX]; /* of pieces within a word: "##" */
    size_t prefix_len;
    size_t word_max; /* characters */
    size_t longest;  /* bytes of the longest piece */
    int32_t unknown;
} wordpiece;

/* ---- words ---- */

/* The longest piece that begins `rest`; its bytes in *len. A piece that ends within a character cannot match, because
 * pieces are valid UTF-8. */
static int32_t longest_piece(const wordpiece *t, const char *rest, size_t *len)
{
    size_t n = *len < t->longest ? *len : t->longest;
    for (; n > 0; n--) {
        if (n < *len && ((uint8_t)rest[n] & 0xc0) == 0x80) continue;
        const int32_t id = vocab_find(t->base.base.vocab, rest, n);
        if (id >= 0) {
            *len = n;
            return id;
        }
    }
    return -1;
}

/* As longest_piece() for a rest within a word. scratch: prefix_len + len bytes that begin with the prefix. */
static int32_t longest_inner(const wordpiece *t, char *scratch, const char *rest, size_t *len)
{
    memcpy(scratch + t->prefix_len, rest, *len);
    for (size_t n = *len; n > 0; n--) {
        if ((n < *len && ((uint8_t)rest[n] & 0xc0) == 0x80) || t->prefix_len + n > t->longest) continue;
        const int32_t id = vocab_find(t->base.base.vocab, scratch, t->prefix_len + n);
        if (id >= 0) {
            *len = n;
            return id;
        }
    }
    return -1;
}

static size_t count_chars(const char *word, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) n += ((uint8_t)word[i] & 0xc0) != 0x80;
    return n;
}

/* ids: room for one id a byte; scratch: room for prefix and word. Returns how many ids, 0 when the word is unknown. */
static size_t cut_word(const wordpiece *t, const char *word, size_t len, int32_t *ids, char *scratch)
{
    size_t n = 0;
    memcpy(scratch, t->prefix, t->prefix_len);
    for (size_t at = 0; at < len; n++) {
        size_t taken = len - at;
        ids[n] = at == 0 ? longest_piece(t, word, &taken) : longest_inner(t, scratch, word + at, &taken);
        if (ids[n] < 0) return 0;
        at += taken;
    }
    return n;
}

static simile_status put_word(const wordpiece *t, const char *word, size_t len, id_list *out, simile_error *err)
{
    enum { SHORT = 128 };
    int32_t ids_room[SHORT];
    char scratch_room[SHORT + PREFIX_MAX];
    if (count_chars(word, len) > t->word_max) return id_list_put(out, &t->unknown, 1, err);
    int32_t *ids = ids_room;
    char *scratch = scratch_room;
    simile_status status = SIMILE_OK;
    if (len > SHORT) {
        ids = mem_array(len, sizeof *ids);
        scratch = mem_alloc(len + PREFIX_MAX);
        if (!ids || !scratch) status = err_nomem(err);
    }
    if (!status) {
        const size_t n = cut_word(t, word, len, ids, scratch);
        status = n ? id_list_put(out, ids, n, err) : id_list_put(out, &t->unknown, 1, err);
    }
    if (ids != ids_room) mem_free(ids);
    if (scratch != scratch_room) mem_free(scratch);
    return status;
}

static simile_status put_words(const staged *base, const char *text, size_t len, bool first, id_list *out,
                               simile_error *err)
{
    const wordpiece *t = (const wordpiece *)base;
    size_t start = 0;
    (void)first;
    for (size_t at = 0; at < len && !out->full;) {
        const size_t here = at;
        const uint32_t c = utf8_next(text, len, &at);
        if ((c | 0x20) - 'a' < 26) continue;
        const bool punctuation = unicode_is_punctuation(c);
        if (!punctuation && unicode_class(c) != CLASS_SPACE) continue;
        if (here > start) RETURN_IF_ERROR(put_word(t, text + start, here - start, out, err));
        if (punctuation) RETURN_IF_ERROR(put_word(t, text + here, at - here, out, err));
        start = at;
    }
    return start < len && !out->full ? put_word(t, text + start, len - start, out, err) : SIMILE_OK;
}

/* ---- building ---- */

static void wordpiece_free(tokenizer *base)
{
    staged_release((staged *)base);
    mem_free(base);
}

static const tokenizer_ops ops = {.name = "wordpiece", .free = wordpiece_free, .encode = staged_encode};

static wordpiece *wordpiece_new(void)
{
    wordpiece *t = mem_new(wordpiece);
    if (!t) return NULL;
    if (staged_init(&t->base, &ops)) {
        mem_free(t);
        return NULL;
    }
    t->base.words = put_words;
    memcpy(t->prefix, "##", 3);
    t->prefix_len = 2;
    t->word_max = 100;
    return t;
}

static simile_status set_unknown(wordpiece *t, const char *token, const char *path, simile_error *err)
{
    const vocab *v = t->base.base.vocab;
    t->unknown = vocab_find(v, token, strlen(token));
    if (t->unknown < 0)
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': its unknown token '%s' is not in the vocabulary", path,
                       token);
    for (size_t id = 0; id < vocab_size(v); id++) {
        const char *piece = vocab_piece(v, (int32_t)id);
        const size_t len = piece ? strlen(piece) : 0;
        if (len > t->longest) t->longest = len;
    }
    if (t->longest > WORD_BYTES_MAX) t->longest = WORD_BYTES_MAX;
    return SIMILE_OK;
}

static simile_status finish(simile_status status, wordpiece *t, tokenizer **out)
{
    if (status) {
        wordpiece_free(&t->base.base);
        return status;
    }
    staged_finish(&t->base);
    *out = &t->base.base;
    return SIMILE_OK;
}

/* ---- tokenizer.json ---- */

static simile_status read_model(wordpiece *t, const json_t *model, const text_file *file, simile_error *err)
{
    const char *const path = file->path;
    const json_from f = {.object = model, .subject = path};
    const json_t *pieces = NULL;
    const char *prefix = t->prefix, *unknown = "[UNK]";
    int64_t word_max = (int64_t)t->word_max;
    RETURN_IF_ERROR(json_get_object(f, "vocab", &pieces, err));
    if (!pieces) return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': the model has no vocabulary", path);
    RETURN_IF_ERROR(json_get_string(f, "continuing_subword_prefix", &prefix, err));
    RETURN_IF_ERROR(json_get_string(f, "unk_token", &unknown, err));
    RETURN_IF_ERROR(json_get_int(f, "max_input_chars_per_word", 0, WORD_MAX, &word_max, err));
    if (strlen(prefix) >= PREFIX_MAX)
        return err_set(err, SIMILE_E_LIMIT, "cannot read '%s': the prefix of pieces within a word is too long", path);
    memmove(t->prefix, prefix, strlen(prefix) + 1);
    t->prefix_len = strlen(t->prefix);
    t->word_max = (size_t)word_max;
    RETURN_IF_ERROR(vocab_read_part(t->base.base.vocab, file->vocab, pieces, path, err));
    return set_unknown(t, unknown, path, err);
}

static simile_status check_pre_tokenizer(const json_t *part, const char *path, simile_error *err)
{
    const char *type = json_string_value(json_object_get(part, "type"));
    if (type && strcmp(type, "BertPreTokenizer") == 0) return SIMILE_OK;
    return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': the pre-tokenizer '%s' is not supported", path,
                   type ? type : "null");
}

static simile_status read_json(wordpiece *t, const json_t *root, const text_file *file, simile_error *err)
{
    const char *const path = file->path;
    RETURN_IF_ERROR(normalizer_from_json(&t->base.clean, json_object_get(root, "normalizer"), path, err));
    RETURN_IF_ERROR(check_pre_tokenizer(json_object_get(root, "pre_tokenizer"), path, err));
    RETURN_IF_ERROR(read_model(t, json_object_get(root, "model"), file, err));
    RETURN_IF_ERROR(staged_read_added(&t->base, root, path, err));
    return staged_read_processor(&t->base, json_object_get(root, "post_processor"), path, err);
}

simile_status wordpiece_from_json(const text_file *tokenizer_json, const json_t *root, tokenizer **out,
                                  simile_error *err)
{
    *out = NULL;
    wordpiece *t = wordpiece_new();
    if (!t) return err_nomem(err);
    return finish(read_json(t, root, tokenizer_json, err), t, out);
}

/* ---- vocab.txt ---- */

static simile_status read_lines(vocab *v, const text_file *file, simile_error *err)
{
    buf line;
    int64_t id = 0;
    simile_status status = SIMILE_OK;
    buf_init(&line, TEXT_FILE_MAX);
    for (size_t at = 0; at < file->len && !status; id++) {
        const char *start = file->data + at, *end = memchr(start, '\n', file->len - at);
        size_t len = end ? (size_t)(end - start) : file->len - at;
        at += len + 1;
        if (len > 0 && start[len - 1] == '\r') len--;
        if (len == 0) continue; /* the number counts all the same */
        buf_clear(&line);
        if (memchr(start, 0, len) || !utf8_valid(start, len))
            status = err_set(err, SIMILE_E_FORMAT, "cannot read '%s': line %lld is not a text", file->path,
                             (long long)id + 1);
        else if (!buf_append(&line, start, len))
            status = err_nomem(err);
        else
            status = vocab_add(v, id, line.data, file->path, err);
    }
    buf_release(&line);
    return status;
}

enum { UNK = 0, SEP = 1, PAD = 2, CLS = 3, MASK = 4, SPECIALS = 5 };
static const struct {
    const char *key, *content;
} specials[SPECIALS] = {{"unk_token", "[UNK]"},
                        {"sep_token", "[SEP]"},
                        {"pad_token", "[PAD]"},
                        {"cls_token", "[CLS]"},
                        {"mask_token", "[MASK]"}};

typedef struct {
    wordpiece *t;
    const tokenizer_files *files;
    json_t *config, *map; /* the files' contents, NULL: absent */
    simile_error *err;
} reader;

/* The entry for a special token: a string or an object, in tokenizer_config.json before special_tokens_map.json. */
static simile_status read_special(const reader *r, int which, added_token *out, bool *normalized)
{
    const char *path = r->files->tokenizer_config.path;
    const json_t *entry = json_object_get(r->config, specials[which].key);
    if (!entry || json_is_null(entry)) {
        entry = json_object_get(r->map, specials[which].key);
        path = r->files->special_tokens_map.path;
    }
    if (json_is_object(entry)) return staged_read_token(entry, path, out, normalized, r->err);
    if (entry && !json_is_null(entry) && !json_is_string(entry))
        return err_set(r->err, SIMILE_E_FORMAT, "cannot read '%s': \"%s\" is neither a string nor an object", path,
                       specials[which].key);
    const char *content = json_is_string(entry) ? json_string_value(entry) : specials[which].content;
    *out = (added_token){.content = (char *)(uintptr_t)content, .len = strlen(content)};
    return SIMILE_OK;
}

static simile_status add_specials(const reader *r)
{
    const char *path = r->files->vocab_txt.path;
    tokenizer *base = &r->t->base.base;
    for (int i = 0; i < SPECIALS; i++) {
        added_token token;
        bool normalized = false;
        RETURN_IF_ERROR(read_special(r, i, &token, &normalized));
        token.id = vocab_find(base->vocab, token.content, token.len);
        if (i == UNK) RETURN_IF_ERROR(set_unknown(r->t, token.content, path, r->err));
        if (token.id < 0 && (i == PAD || i == MASK)) continue;
        if (token.id < 0)
            return err_set(r->err, SIMILE_E_CORRUPT, "cannot read '%s': no token '%s' is in the vocabulary", path,
                           token.content);
        if (i == CLS) base->start_id = token.id;
        if (i == SEP) base->end_id = token.id;
        RETURN_IF_ERROR(staged_add_token(&r->t->base, &token, normalized, path, r->err));
    }
    return SIMILE_OK;
}

static simile_status read_cleaning(const reader *r)
{
    bert_cleaning flags = {.clean = true, .space_han = true, .lower = true};
    const char *path = r->files->tokenizer_config.path;
    const json_from f = {.object = r->config, .subject = path};
    RETURN_IF_ERROR(json_get_bool(f, "do_lower_case", &flags.lower, r->err));
    RETURN_IF_ERROR(json_get_bool(f, "tokenize_chinese_chars", &flags.space_han, r->err));
    flags.strip_accents = flags.lower;
    if (!json_is_null(json_object_get(r->config, "strip_accents")))
        RETURN_IF_ERROR(json_get_bool(f, "strip_accents", &flags.strip_accents, r->err));
    return normalizer_add_bert(&r->t->base.clean, flags, path, r->err);
}

static simile_status read_vocab(reader *r)
{
    const text_file *config = &r->files->tokenizer_config, *map = &r->files->special_tokens_map;
    if (config->data) RETURN_IF_ERROR(json_parse_object(config->data, config->len, config->path, &r->config, r->err));
    if (map->data) RETURN_IF_ERROR(json_parse_object(map->data, map->len, map->path, &r->map, r->err));
    RETURN_IF_ERROR(read_lines(r->t->base.base.vocab, &r->files->vocab_txt, r->err));
    RETURN_IF_ERROR(read_cleaning(r));
    return add_specials(r);
}

simile_status wordpiece_from_vocab(const tokenizer_files *files, tokenizer **out, simile_error *err)
{
    *out = NULL;
    reader r = {.t = wordpiece_new(), .files = files, .err = err};
    if (!r.t) return err_nomem(err);
    const simile_status status = read_vocab(&r);
    json_decref(r.config);
    json_decref(r.map);
    return finish(status, r.t, out);
}
