/* SPDX-License-Identifier: Apache-2.0
 * clip_merges.c - a CLIP tokenizer from half of what it consists of: from the merges alone, which are OpenAI's own file
 * bpe_simple_vocab_16e6.txt.gz, or from the tokens alone, which clip.cpp writes into its GGUF files.
 *
 * In OpenAI's vocabulary (openai/CLIP: clip/simple_tokenizer.py) the ids follow from the merges: the characters of the
 * 256 bytes, the same at the end of a word, one token for each merge in their order, the two special tokens. The file's
 * first line is a heading, and of the others only the first 48,894 count.
 *
 * The other way round: a token of several characters was made by the merge of two tokens that were there before it.
 * Which two is not written down, but follows. Training (Sennrich et al., 2016) cuts all words by the merges so far and
 * joins the most frequent pair. No merge so far went across the borders of this pair's two tokens, or they would not
 * stand there; so what happened to the characters between the borders did not depend on the rest of the word, and
 * happens again when the earlier merges are applied to the characters of the new token alone: what is left are the two.
 * It follows, too, that no token is made twice. A token of which anything else is left came about in another way, and
 * then its vocabulary is refused.
 *
 * Threads: none of its own; everything happens while a tokenizer opens. */
#include "text/clip_bpe.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "text/gunzip.h"
#include "text/merges.h"

enum { MERGES = 49152 - 256 - 2, UNPACKED_MAX = 16 << 20 };

static const char start_token[] = "<|startoftext|>", end_token[] = "<|endoftext|>", word_end[] = "</w>";

static simile_status add_special(clip_bpe *t, const char *content, int32_t id, const char *path, simile_error *err)
{
    const added_token token = {.content = (char *)(uintptr_t)content, .len = strlen(content), .id = id};
    return staged_add_token(&t->base, &token, false, path, err);
}

/* The last step of both: the special tokens, which are looked for in the raw text. */
static simile_status add_specials(clip_bpe *t, int32_t start, int32_t end, const char *path, simile_error *err)
{
    RETURN_IF_ERROR(add_special(t, start_token, start, path, err));
    RETURN_IF_ERROR(add_special(t, end_token, end, path, err));
    t->base.base.start_id = start;
    t->base.base.end_id = t->unknown = end;
    return clip_bpe_finish(t, word_end, err);
}

/* ---- merges ---- */

static simile_status add_bytes(clip_bpe *t, const char *suffix, const char *path, simile_error *err)
{
    for (unsigned c = 0; c < CLIP_BPE_CHARS_END; c++) {
        char piece[4 + sizeof word_end];
        if (c < CLIP_BPE_HIDDEN && !clip_bpe_is_visible(c)) continue;
        memcpy(piece + utf8_put(piece, c), suffix, strlen(suffix) + 1);
        RETURN_IF_ERROR(vocab_add(t->base.base.vocab, (int64_t)vocab_size(t->base.base.vocab), piece, path, err));
    }
    return SIMILE_OK;
}

static simile_status add_lines(merge_reader *m, const char *text, size_t len, simile_error *err)
{
    const char *line;
    size_t n, at = 0;
    m->number = 1;
    if (!merge_next_line(text, len, &at, &line, &n) || !memmem(line, n, "#version", 8))
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': its first line is not the heading of CLIP's merges",
                       m->path);
    while (m->n < MERGES && merge_next_line(text, len, &at, &line, &n)) {
        m->number++;
        if (n > 0 || at < len) RETURN_IF_ERROR(merge_line(m, line, n, err));
    }
    return SIMILE_OK;
}

static simile_status read_merges(clip_bpe *t, const char *text, size_t len, const char *path, simile_error *err)
{
    vocab *v = t->base.base.vocab;
    merge_reader m = {.vocab = v, .grows = v, .merges = t->merges, .path = path, .unit = "line"};
    RETURN_IF_ERROR(add_bytes(t, "", path, err));
    RETURN_IF_ERROR(add_bytes(t, word_end, path, err));
    buf_init(&m.joined, TEXT_FILE_MAX);
    const simile_status status = add_lines(&m, text, len, err);
    buf_release(&m.joined);
    RETURN_IF_ERROR(status);
    const int32_t next = (int32_t)vocab_size(v);
    return add_specials(t, next, next + 1, path, err);
}

static simile_status unpack_and_read(clip_bpe *t, const text_file *file, simile_error *err)
{
    buf text;
    if (!gunzip_is(file->data, file->len)) return read_merges(t, file->data, file->len, file->path, err);
    buf_init(&text, UNPACKED_MAX);
    simile_status status = gunzip(file->data, file->len, file->path, &text, err);
    if (!status) status = read_merges(t, text.data, text.len, file->path, err);
    buf_release(&text);
    return status;
}

static simile_status hand_out(clip_bpe *t, simile_status status, tokenizer **out)
{
    *out = status ? NULL : &t->base.base;
    if (status) clip_bpe_free(t);
    return status;
}

simile_status clip_bpe_from_merges(const text_file *file, tokenizer **out, simile_error *err)
{
    *out = NULL;
    clip_bpe *t = clip_bpe_new();
    if (!t) return err_nomem(err);
    return hand_out(t, unpack_and_read(t, file, err), out);
}

/* ---- tokens ---- */

typedef struct {
    clip_bpe *t;
    const char *path;
    int32_t *ids; /* of a token's characters */
    size_t capacity;
    simile_error *err;
} reader;

static simile_status add_tokens(const reader *r, const token_text *tokens, size_t n)
{
    simile_status status = SIMILE_OK;
    buf piece;
    buf_init(&piece, TEXT_FILE_MAX);
    for (size_t id = 0; !status && id < n; id++) {
        buf_clear(&piece);
        if (tokens[id].len == 0 || memchr(tokens[id].text, 0, tokens[id].len))
            status = err_set(r->err, SIMILE_E_CORRUPT, "cannot read '%s': its token %zu is no text", r->path, id);
        else if (!buf_append(&piece, tokens[id].text, tokens[id].len))
            status = err_nomem(r->err);
        else
            status = vocab_add(r->t->base.base.vocab, (int64_t)id, piece.data, r->path, r->err);
    }
    buf_release(&piece);
    return status;
}

/* The ids of a token's characters, the last with the end of the word where it has one; -1 for one that is not there. */
static simile_status cut(reader *r, const token_text *token, size_t *n)
{
    const size_t ending = sizeof word_end - 1;
    const bool last = token->len > ending && memcmp(token->text + token->len - ending, word_end, ending) == 0;
    const size_t len = last ? token->len - ending : token->len;
    if (len > r->capacity) {
        int32_t *grown = mem_grow(r->ids, len, sizeof *grown);
        if (!grown) return err_nomem(r->err);
        r->ids = grown;
        r->capacity = len;
    }
    *n = 0;
    for (size_t at = 0; at < len;) {
        const char *from = token->text + at;
        utf8_next(token->text, len, &at);
        const char *to = at == len ? token->text + token->len : token->text + at;
        r->ids[(*n)++] = vocab_find(r->t->base.base.vocab, from, (size_t)(to - from));
    }
    return SIMILE_OK;
}

static simile_status add_merge(reader *r, const token_text *token, int32_t id)
{
    size_t n;
    RETURN_IF_ERROR(cut(r, token, &n));
    if (n == 1) return SIMILE_OK; /* one character was there from the beginning */
    RETURN_IF_ERROR(bpe_merge(r->t->merges, r->ids, &n, r->err));
    if (n != 2 || r->ids[0] < 0 || r->ids[1] < 0)
        return err_set(r->err, SIMILE_E_UNSUPPORTED,
                       "cannot read '%s': no merge of the tokens before it makes its token '%s'", r->path,
                       vocab_piece(r->t->base.base.vocab, id));
    return bpe_add(r->t->merges, r->ids[0], r->ids[1], id, r->err);
}

static simile_status read_tokens(reader *r, const token_text *tokens, size_t n)
{
    RETURN_IF_ERROR(add_tokens(r, tokens, n));
    const int32_t start = vocab_find(r->t->base.base.vocab, start_token, sizeof start_token - 1);
    const int32_t end = vocab_find(r->t->base.base.vocab, end_token, sizeof end_token - 1);
    if (start < 0 || end < 0)
        return err_set(r->err, SIMILE_E_UNSUPPORTED, "cannot read '%s': its tokens are not those of a CLIP", r->path);
    for (size_t id = 0; id < n; id++)
        if ((int32_t)id != start && (int32_t)id != end) RETURN_IF_ERROR(add_merge(r, &tokens[id], (int32_t)id));
    return add_specials(r->t, start, end, r->path, r->err);
}

simile_status tokenizer_from_tokens(const token_text *tokens, size_t n, const char *subject, tokenizer **out,
                                    simile_error *err)
{
    reader r = {.t = clip_bpe_new(), .path = subject, .err = err};
    *out = NULL;
    if (!r.t) return err_nomem(err);
    const simile_status status = read_tokens(&r, tokens, n);
    mem_free(r.ids);
    return hand_out(r.t, status, out);
}
