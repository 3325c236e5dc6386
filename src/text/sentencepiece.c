/* SPDX-License-Identifier: Apache-2.0
 * sentencepiece.c - SentencePiece unigram models from their own files. See sentencepiece.h.
 *
 * Text is normalized as google/sentencepiece, src/normalizer.cc does: at each place a user-defined symbol stays as it
 * is, else the longest key of the model's map is replaced, else the character stays; runs of spaces become one and
 * those at the ends go; a space is put in front; each space is written U+2581. Then unigram.c cuts the whole.
 *
 * Around the model lie the ids of the family that uses it:
 *     XLM-R    id + 1, with <s> 0, <pad> 1, </s> 2, <unk> 3 in front and <mask> behind (fairseq's order); <s> ... </s>
 *     SigLIP   the model's ids; lower case, no ASCII punctuation, white space made single before it all; ... </s>
 *     Marian   the piece's id in vocab.json, <unk> for one that is not there; ... </s>
 * Names of special tokens in a text are text. Lower case is that of each character by itself.
 *
 * Threads: encoding only reads the tokenizer. */
#include "text/sentencepiece.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "text/charsmap.h"
#include "text/spm_model.h"
#include "text/staged.h"
#include "text/unigram.h"

#include <float.h>

typedef struct {
    staged base;
    unigram model;
    charsmap map;
    trie *symbols; /* user-defined */
    bool dummy_prefix, remove_extra, escape, suffix;
} sentencepiece;

#define WS "\xe2\x96\x81"
enum { WS_LEN = 3 };

/* ---- normalization ---- */

/* What stands for the beginning of the text, and how much of it that is. */
static const char *next_part(const sentencepiece *t, const char *text, size_t len, size_t *part_len, size_t *taken)
{
    *taken = 0;
    if (trie_longest(t->symbols, text, len, taken) >= 0) {
        *part_len = *taken;
        return text;
    }
    const char *to = charsmap_find(&t->map, text, len, true, taken);
    if (to) {
        *part_len = strlen(to);
        return to;
    }
    /* A key may have ended within a character: what is left of that is as good as an invalid byte. */
    *taken = 0;
    *part_len = 3;
    if (utf8_next(text, len, taken) == 0xfffd) return "\xef\xbf\xbd";
    *part_len = *taken;
    return text;
}

static void put_space(const sentencepiece *t, buf *out)
{
    buf_text(out, t->escape ? WS : " ");
}

static void put_part(const sentencepiece *t, const char *part, size_t len, buf *out)
{
    for (size_t i = 0; i < len; i++) {
        if (part[i] == ' ')
            put_space(t, out);
        else
            buf_byte(out, part[i]);
    }
}

static void drop_last_spaces(const sentencepiece *t, buf *out)
{
    const char *space = t->escape ? WS : " ";
    const size_t n = strlen(space);
    while (buf_ok(out) && out->len >= n && memcmp(out->data + out->len - n, space, n) == 0) out->len -= n;
}

static void normalize(const sentencepiece *t, const char *text, size_t len, buf *out)
{
    size_t at = 0, part_len, taken;
    const char *part;
    while (t->remove_extra && at < len) {
        part = next_part(t, text + at, len - at, &part_len, &taken);
        if (part_len != 1 || *part != ' ') break;
        at += taken;
    }
    if (at == len) return;
    if (!t->suffix && t->dummy_prefix) put_space(t, out);
    bool after_space = t->remove_extra;
    while (at < len && buf_ok(out)) {
        part = next_part(t, text + at, len - at, &part_len, &taken);
        for (; after_space && part_len > 0 && *part == ' '; part_len--) part++;
        put_part(t, part, part_len, out);
        if (part_len > 0) after_space = t->remove_extra && part[part_len - 1] == ' ';
        at += taken;
    }
    if (t->remove_extra) drop_last_spaces(t, out);
    if (t->suffix && t->dummy_prefix) put_space(t, out);
}

static simile_status put_words(const staged *base, const char *text, size_t len, bool first, id_list *out,
                               simile_error *err)
{
    const sentencepiece *t = (const sentencepiece *)base;
    buf normalized;
    (void)first;
    buf_init(&normalized, 16 * (size_t)TEXT_MAX);
    normalize(t, text, len, &normalized);
    simile_status status = buf_ok(&normalized) ? SIMILE_OK : err_nomem(err);
    if (!status) status = unigram_put(&t->model, normalized.data, normalized.len, out, err);
    buf_release(&normalized);
    return status;
}

/* U+2581 is a space. */
static void decode_piece(const tokenizer *base, const char *piece, buf *out)
{
    (void)base;
    for (const char *ws = strstr(piece, WS); ws; ws = strstr(piece, WS)) {
        buf_append(out, piece, (size_t)(ws - piece));
        buf_byte(out, ' ');
        piece = ws + WS_LEN;
    }
    buf_text(out, piece);
}

/* ---- building ---- */

static void sentencepiece_free(tokenizer *base)
{
    sentencepiece *t = (sentencepiece *)base;
    unigram_release(&t->model);
    charsmap_release(&t->map);
    trie_free(t->symbols);
    staged_release(&t->base);
    mem_free(t);
}

static const tokenizer_ops ops = {
    .name = "sentencepiece-unigram", .free = sentencepiece_free, .encode = staged_encode, .decode_piece = decode_piece};

static sentencepiece *sentencepiece_new(void)
{
    sentencepiece *t = mem_new(sentencepiece);
    if (!t) return NULL;
    const bool ok = !staged_init(&t->base, &ops) && !unigram_init(&t->model);
    t->symbols = trie_new();
    t->base.words = put_words;
    t->model.single = true;
    if (ok && t->symbols) return t;
    sentencepiece_free(&t->base.base);
    return NULL;
}

typedef struct {
    sentencepiece *t;
    const text_file *file;
    spm_model model;
    spm_wrapper wrapper;
    simile_error *err;
} builder;

static simile_status name_piece(const builder *b, int64_t id, const char *piece, size_t len)
{
    char *copy = mem_strndup(piece, len);
    if (!copy) return err_nomem(b->err);
    const simile_status status = vocab_add(b->t->base.base.vocab, id, copy, b->file->path, b->err);
    mem_free(copy);
    return status;
}

/* fairseq's vocabulary: its own four tokens, then the model's pieces from the fourth on, then the mask. */
static simile_status name_xlmr(const builder *b)
{
    static const char *const tokens[] = {"<s>", "<pad>", "</s>", "<unk>"};
    for (int64_t i = 0; i < 4; i++) RETURN_IF_ERROR(name_piece(b, i, tokens[i], strlen(tokens[i])));
    for (size_t i = 3; i < b->model.n; i++)
        RETURN_IF_ERROR(name_piece(b, (int64_t)i + 1, b->model.pieces[i].piece, b->model.pieces[i].len));
    return name_piece(b, (int64_t)b->model.n + 1, "<mask>", 6);
}

static simile_status name_pieces(const builder *b, const text_file *vocab_json)
{
    if (b->wrapper == SPM_XLMR) return name_xlmr(b);
    if (b->wrapper == SPM_MARIAN) {
        json_t *root;
        RETURN_IF_ERROR(json_parse_object(vocab_json->data, vocab_json->len, vocab_json->path, &root, b->err));
        const simile_status status = vocab_add_json(b->t->base.base.vocab, root, vocab_json->path, b->err);
        json_decref(root);
        return status;
    }
    for (size_t i = 0; i < b->model.n; i++)
        RETURN_IF_ERROR(name_piece(b, (int64_t)i, b->model.pieces[i].piece, b->model.pieces[i].len));
    return SIMILE_OK;
}

/* What the family calls piece i. */
static int32_t id_of(const builder *b, size_t i)
{
    const spm_piece *p = &b->model.pieces[i];
    if (b->wrapper == SPM_SIGLIP) return (int32_t)i;
    if (b->wrapper == SPM_XLMR) return i < 3 ? 3 : (int32_t)i + 1;
    const int32_t id = vocab_find(b->t->base.base.vocab, p->piece, p->len);
    return id >= 0 ? id : b->t->model.unknown;
}

static simile_status find_token(const builder *b, const char *token, int32_t *out)
{
    *out = vocab_find(b->t->base.base.vocab, token, strlen(token));
    if (*out >= 0) return SIMILE_OK;
    return err_set(b->err, SIMILE_E_CORRUPT, "cannot read '%s': no token '%s' is in the vocabulary", b->file->path,
                   token);
}

static simile_status find_specials(const builder *b)
{
    tokenizer *base = &b->t->base.base;
    if (b->wrapper == SPM_XLMR) RETURN_IF_ERROR(find_token(b, "<s>", &base->start_id));
    RETURN_IF_ERROR(find_token(b, "</s>", &base->end_id));
    if (b->wrapper != SPM_SIGLIP) return find_token(b, "<unk>", &b->t->model.unknown);
    b->t->model.unknown = (int32_t)b->model.unknown;
    return SIMILE_OK;
}

/* A user-defined symbol gains over almost everything: see google/sentencepiece, src/unigram_model.cc. */
static double score_of(const spm_piece *p, float highest)
{
    return p->type == SPM_USER_DEFINED ? (double)((float)p->len * highest) - 0.1 : (double)p->score;
}

/* Each byte has an id, were it the unknown one where vocab.json lacks the piece. */
static simile_status add_bytes(const builder *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->model.n; i++) n += b->model.pieces[i].type == SPM_BYTE;
    if (b->model.byte_fallback && n < 256)
        return err_set(b->err, SIMILE_E_CORRUPT, "cannot read '%s': it has %zu of 256 bytes to fall back to",
                       b->file->path, n);
    for (size_t i = 0; i < 256; i++) {
        if (b->t->model.bytes[i] < 0) b->t->model.bytes[i] = b->t->model.unknown;
    }
    return SIMILE_OK;
}

static simile_status add_pieces(const builder *b)
{
    float lowest = FLT_MAX, highest = FLT_MIN;
    for (size_t i = 0; i < b->model.n; i++) {
        const spm_piece *p = &b->model.pieces[i];
        if (p->type != SPM_NORMAL) continue;
        if (p->score < lowest) lowest = p->score;
        if (p->score > highest) highest = p->score;
    }
    b->t->model.unknown_score = (double)(float)((double)lowest - 10.0);
    for (size_t i = 0; i < b->model.n; i++) {
        const spm_piece *p = &b->model.pieces[i];
        if (p->type != SPM_NORMAL && p->type != SPM_USER_DEFINED) continue;
        RETURN_IF_ERROR(unigram_add(&b->t->model, p->piece, p->len, score_of(p, highest), id_of(b, i), b->err));
        if (p->type == SPM_USER_DEFINED) RETURN_IF_ERROR(trie_put(b->t->symbols, p->piece, p->len, (int32_t)i, b->err));
    }
    RETURN_IF_ERROR(unigram_finish(&b->t->model, b->t->base.base.vocab, b->file->path, b->err));
    RETURN_IF_ERROR(add_bytes(b));
    return trie_finish(b->t->symbols, b->file->path, b->err);
}

/* SigLIP's cleaning. */
static simile_status add_cleaning(const builder *b, const text_file *config)
{
    canonical_text flags = {.lower = true};
    if (config->data) {
        json_t *root;
        RETURN_IF_ERROR(json_parse_object(config->data, config->len, config->path, &root, b->err));
        const simile_status status =
            json_get_bool((json_from){.object = root, .subject = config->path}, "do_lower_case", &flags.lower, b->err);
        json_decref(root);
        if (status) return status;
    }
    return normalizer_add_canonical(&b->t->base.clean, flags, b->file->path, b->err);
}

static simile_status build(builder *b, const tokenizer_files *files)
{
    const spm_model *m = &b->model;
    if (m->model_type != SPM_UNIGRAM)
        return err_set(b->err, SIMILE_E_UNSUPPORTED, "cannot read '%s': a model of type %llu is not supported",
                       b->file->path, (unsigned long long)m->model_type);
    b->t->dummy_prefix = m->dummy_prefix;
    b->t->remove_extra = m->remove_extra;
    b->t->escape = m->escape;
    b->t->suffix = m->suffix;
    b->t->model.byte_fallback = m->byte_fallback;
    RETURN_IF_ERROR(charsmap_init(&b->t->map, m->charsmap, m->charsmap_len, b->file->path, b->err));
    RETURN_IF_ERROR(name_pieces(b, &files->vocab_json));
    RETURN_IF_ERROR(find_specials(b));
    RETURN_IF_ERROR(add_pieces(b));
    return b->wrapper == SPM_SIGLIP ? add_cleaning(b, &files->tokenizer_config) : SIMILE_OK;
}

simile_status sentencepiece_from_model(const tokenizer_files *files, spm_wrapper wrapper, tokenizer **out,
                                       simile_error *err)
{
    *out = NULL;
    builder b = {.file = &files->spm, .wrapper = wrapper, .err = err};
    RETURN_IF_ERROR(spm_model_read(b.file, &b.model, err));
    b.t = sentencepiece_new();
    const simile_status status = b.t ? build(&b, files) : err_nomem(err);
    spm_model_release(&b.model);
    if (status) {
        if (b.t) sentencepiece_free(&b.t->base.base);
        return status;
    }
    staged_finish(&b.t->base);
    *out = &b.t->base.base;
    return SIMILE_OK;
}
