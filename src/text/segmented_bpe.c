/* SPDX-License-Identifier: Apache-2.0
 * segmented_bpe.c - see segmented_bpe.h. The pipeline that tokenizer_config.json declares:
 *
 *     {"segmenter": "jieba", "segmenter_mode": "precise", "segmenter_hmm": false, "dictionary": "dict.txt",
 *      "subword": "bpe", "codes": "bpe.codes", "separator": "@@"}
 *
 * dict.txt is a dictionary of words with frequencies (segment.h); bpe.codes has one merge a line, "</w>" ending a word,
 * as rsennrich/subword-nmt writes them ("Neural Machine Translation of Rare Words with Subword Units", arXiv
 * 1508.07909); vocab.json gives the id of each piece. White space separates words and is none. What another such
 * configuration says is refused by name.
 *
 * Merges work on ids of an inner vocabulary, whose pieces end in "</w>" where a word ends; `outer` says which id of
 * vocab.json each of them is. Threads: encoding only reads the tokenizer. */
#include "text/segmented_bpe.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "text/bpe.h"

typedef struct {
    tokenizer base;
    segmenter *words;
    vocab *inner;
    bpe *merges;
    int32_t *outer; /* [inner] */
    int32_t unknown, unknown_inner;
} segmented_bpe;

static const char mark[] = "</w>", goes_on[] = "@@";
enum { MARK = 4, GOES_ON = 2, MAX_PIECE = 1024 };

/* ---- encoding ---- */

static int32_t inner_id(const segmented_bpe *t, const char *character, size_t len, bool last)
{
    char piece[4 + MARK];
    memcpy(piece, character, len);
    if (last) memcpy(piece + len, mark, MARK);
    const int32_t id = vocab_find(t->inner, piece, len + (last ? MARK : 0));
    return id < 0 ? t->unknown_inner : id;
}

static simile_status put_word(const segmented_bpe *t, const char *word, size_t len, id_list *out, simile_error *err)
{
    int32_t *ids = mem_array(len, sizeof *ids);
    size_t n = 0;
    if (!ids) return err_nomem(err);
    for (size_t at = 0; at < len;) {
        const size_t begin = at;
        utf8_next(word, len, &at);
        ids[n++] = inner_id(t, word + begin, at - begin, at == len);
    }
    simile_status status = bpe_merge(t->merges, ids, &n, err);
    for (size_t i = 0; i < n; i++) ids[i] = ids[i] == t->unknown_inner ? t->unknown : t->outer[ids[i]];
    if (!status) status = id_list_put(out, ids, n, err);
    mem_free(ids);
    return status;
}

static simile_status encode(const tokenizer *base, const char *text, size_t len, id_list *out, simile_error *err)
{
    const segmented_bpe *t = (const segmented_bpe *)base;
    segment_list words;
    segment_list_init(&words);
    simile_status status = segmenter_cut(t->words, text, len, SEGMENT_PRECISE, false, &words, err);
    for (size_t i = 0; i < words.n && !status && !out->full; i++) {
        size_t n;
        const char *word = segment_list_at(&words, i, &n);
        if (!segment_is_blank(word, n)) status = put_word(t, word, n, out, err);
    }
    segment_list_release(&words);
    return status;
}

/* "dogs in the snow@@ man" -> "dogs in the snowman" */
static void decode_piece(const tokenizer *base, const char *piece, buf *out)
{
    const size_t len = strlen(piece);
    (void)base;
    if (len >= GOES_ON && !memcmp(piece + len - GOES_ON, goes_on, GOES_ON)) {
        buf_append(out, piece, len - GOES_ON);
        return;
    }
    buf_text(out, piece);
    buf_byte(out, ' ');
}

/* ---- building ---- */

static void segmented_bpe_free(tokenizer *base)
{
    segmented_bpe *t = (segmented_bpe *)base;
    vocab_free(base->vocab);
    vocab_free(t->inner);
    bpe_free(t->merges);
    segmenter_free(t->words);
    mem_free(t->outer);
    mem_free(t);
}

static const tokenizer_ops ops = {
    .name = "segmented-bpe", .free = segmented_bpe_free, .encode = encode, .decode_piece = decode_piece};

const segmenter *segmented_bpe_segmenter(const tokenizer *t)
{
    return t->ops == &ops ? ((const segmented_bpe *)t)->words : NULL;
}

bool segmented_bpe_is(const tokenizer_files *files)
{
    const text_file *config = &files->tokenizer_config;
    json_t *root;
    if (!config->data || json_parse_object(config->data, config->len, config->path, &root, NULL)) return false;
    const bool is = json_object_get(root, "segmenter") != NULL;
    json_decref(root);
    return is;
}

static simile_status check_config(const tokenizer_files *files, simile_error *err)
{
    static const char *const known[][2] = {{"segmenter", "jieba"},     {"segmenter_mode", "precise"},
                                           {"dictionary", "dict.txt"}, {"subword", "bpe"},
                                           {"codes", "bpe.codes"},     {"separator", "@@"}};
    json_t *root;
    bool hmm = false;
    const text_file *config = &files->tokenizer_config;
    RETURN_IF_ERROR(json_parse_object(config->data, config->len, config->path, &root, err));
    const json_from from = {root, config->path};
    simile_status status = json_get_bool(from, "segmenter_hmm", &hmm, err);
    if (!status && hmm)
        status =
            err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': \"segmenter_hmm\" is not supported", config->path);
    for (size_t i = 0; i < sizeof known / sizeof *known && !status; i++) {
        const char *value = known[i][1];
        status = json_get_string(from, known[i][0], &value, err);
        if (!status && strcmp(value, known[i][1]) != 0)
            status = err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': \"%s\" is '%s', only '%s' is supported",
                             config->path, known[i][0], value, known[i][1]);
    }
    json_decref(root);
    return status;
}

typedef struct {
    segmented_bpe *t;
    const char *path;
    size_t line;
    simile_error *err;
} builder;

/* The inner id of a piece, which is new to it or not. */
static simile_status add_inner(const builder *b, const char *piece, size_t len, int32_t *out)
{
    char copy[MAX_PIECE];
    *out = vocab_find(b->t->inner, piece, len);
    if (*out >= 0) return SIMILE_OK;
    if (len >= sizeof copy || memchr(piece, 0, len))
        return err_set(b->err, SIMILE_E_FORMAT, "cannot read '%s': line %zu has too long a piece", b->path, b->line);
    memcpy(copy, piece, len);
    copy[len] = 0;
    const size_t id = vocab_size(b->t->inner);
    RETURN_IF_ERROR(vocab_add(b->t->inner, (int64_t)id, copy, b->path, b->err));
    *out = (int32_t)id;
    return SIMILE_OK;
}

static simile_status add_merge(const builder *b, const char *line, size_t len)
{
    const char *space = memchr(line, ' ', len);
    const size_t left = space ? (size_t)(space - line) : 0, right = space ? len - left - 1 : 0;
    char joined[2 * MAX_PIECE];
    int32_t ids[3];
    if (!left || !right || memchr(space + 1, ' ', right) || left + right >= sizeof joined)
        return err_set(b->err, SIMILE_E_FORMAT, "cannot read '%s': line %zu is not two pieces with a space between",
                       b->path, b->line);
    memcpy(joined, line, left);
    memcpy(joined + left, space + 1, right);
    RETURN_IF_ERROR(add_inner(b, line, left, &ids[0]));
    RETURN_IF_ERROR(add_inner(b, space + 1, right, &ids[1]));
    RETURN_IF_ERROR(add_inner(b, joined, left + right, &ids[2]));
    return bpe_add(b->t->merges, ids[0], ids[1], ids[2], b->err);
}

static simile_status read_merges(builder *b, const text_file *file)
{
    for (size_t at = 0; at < file->len;) {
        const char *line = file->data + at, *end = memchr(line, '\n', file->len - at);
        const size_t n = end ? (size_t)(end - line) : file->len - at;
        at += n + 1;
        b->line++;
        if (n == 0 || (b->line == 1 && *line == '#')) continue;
        RETURN_IF_ERROR(add_merge(b, line, n));
    }
    return SIMILE_OK;
}

/* Single characters that vocab.json has, alone or going on, are pieces too though no merge names them. */
static simile_status add_characters(const builder *b)
{
    for (size_t id = 0; id < vocab_size(b->t->base.vocab); id++) {
        const char *piece = vocab_piece(b->t->base.vocab, (int32_t)id);
        size_t len = piece ? strlen(piece) : 0, at = 0;
        const bool on = len > GOES_ON && !memcmp(piece + len - GOES_ON, goes_on, GOES_ON);
        char inner[4 + MARK];
        int32_t unused;
        if (on) len -= GOES_ON;
        if (len == 0 || len > 4) continue;
        utf8_next(piece, len, &at);
        if (at != len) continue;
        memcpy(inner, piece, len);
        memcpy(inner + len, mark, MARK);
        RETURN_IF_ERROR(add_inner(b, inner, on ? len : len + MARK, &unused));
    }
    return SIMILE_OK;
}

/* vocab.json's name for an inner piece. */
static int32_t outer_id(const segmented_bpe *t, const char *piece)
{
    const size_t len = strlen(piece);
    char name[MAX_PIECE + GOES_ON];
    int32_t id;
    if (len > MARK && !memcmp(piece + len - MARK, mark, MARK)) {
        id = vocab_find(t->base.vocab, piece, len - MARK);
    } else {
        memcpy(name, piece, len);
        memcpy(name + len, goes_on, GOES_ON);
        id = vocab_find(t->base.vocab, name, len + GOES_ON);
    }
    return id < 0 ? t->unknown : id;
}

static simile_status find_outer(const builder *b)
{
    segmented_bpe *t = b->t;
    const size_t n = vocab_size(t->inner);
    t->unknown_inner = (int32_t)n;
    t->outer = mem_array(n + 1, sizeof *t->outer);
    if (!t->outer) return err_nomem(b->err);
    for (size_t i = 0; i < n; i++) t->outer[i] = outer_id(t, vocab_piece(t->inner, (int32_t)i));
    return SIMILE_OK;
}

static simile_status build(segmented_bpe *t, const tokenizer_files *files, simile_error *err)
{
    builder b = {.t = t, .path = files->codes.path, .err = err};
    json_t *root;
    RETURN_IF_ERROR(check_config(files, err));
    if (!files->vocab_json.data || !files->codes.data || !files->dictionary.data)
        return err_set(err, SIMILE_E_NOT_FOUND,
                       "cannot open the tokenizer in '%s': vocab.json, bpe.codes and dict.txt belong together",
                       files->directory);
    const text_file *v = &files->vocab_json;
    RETURN_IF_ERROR(json_parse_object(v->data, v->len, v->path, &root, err));
    const simile_status status = vocab_add_json(t->base.vocab, root, v->path, err);
    json_decref(root);
    if (status) return status;
    t->base.end_id = vocab_find(t->base.vocab, "</s>", 4);
    t->unknown = vocab_find(t->base.vocab, "<unk>", 5);
    if (t->base.end_id < 0 || t->unknown < 0)
        return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': no token '</s>' or '<unk>' is in the vocabulary",
                       v->path);
    RETURN_IF_ERROR(
        segmenter_from_words(files->dictionary.data, files->dictionary.len, files->dictionary.path, &t->words, err));
    RETURN_IF_ERROR(read_merges(&b, &files->codes));
    RETURN_IF_ERROR(add_characters(&b));
    return find_outer(&b);
}

simile_status segmented_bpe_from_files(const tokenizer_files *files, tokenizer **out, simile_error *err)
{
    *out = NULL;
    segmented_bpe *t = mem_new(segmented_bpe);
    if (!t) return err_nomem(err);
    t->base = (tokenizer){.ops = &ops, .vocab = vocab_new(), .start_id = -1, .end_id = -1};
    t->inner = vocab_new();
    t->merges = bpe_new();
    const simile_status status = t->base.vocab && t->inner && t->merges ? build(t, files, err) : err_nomem(err);
    if (status) {
        segmented_bpe_free(&t->base);
        return status;
    }
    *out = &t->base;
    return SIMILE_OK;
}
