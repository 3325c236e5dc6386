/* SPDX-License-Identifier: Apache-2.0
 * clip_bpe.c - see clip_bpe.h.
 *
 * The chain of the fast CLIPTokenizer of the Hugging Face libraries, id for id:
 *     1. added tokens that are looked for in the raw text are cut out
 *     2. the rest is cleaned piece by piece: normalization form C, a run of white space to one space, lower case
 *     3. added tokens that are looked for in the cleaned text are cut out
 *     4. what is left falls into words by the pattern
 *            's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
 *        from left to right, the first alternative that matches; white space is dropped. Newer files put the two
 * special tokens in front of the alternatives: see clip_bpe.special_words.
 *     5. each word's bytes become ids, the last byte in the form that ends a word, and are merged (bpe.c)
 * The pattern needs one character of look-ahead, so a loop over character classes does the work of a regular
 * expression.
 *
 * The vocabulary writes a byte as a visible character: see clip_bpe.h.
 *
 * Threads: encoding only reads the tokenizer. */
#include "text/clip_bpe.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "text/unicode.h"

/* ---- words ---- */

typedef struct {
    const clip_bpe *t;
    id_list *out;
    simile_error *err;
} encoder;

enum { SHORT_WORD = 128 };

/* ids: room for one id a byte. Returns how many were written. */
static size_t bytes_to_ids(const clip_bpe *t, const char *word, size_t len, int32_t *ids)
{
    size_t n = 0;
    bool after_unknown = false;
    for (size_t i = 0; i < len; i++) {
        const int32_t id = (i + 1 == len ? t->last : t->inner)[(uint8_t)word[i]];
        if (id >= 0)
            ids[n++] = id;
        else if (t->unknown >= 0 && !(t->fuse_unknown && after_unknown))
            ids[n++] = t->unknown;
        /* A dropped byte does not come between two unknown ones. */
        after_unknown = id < 0;
    }
    return n;
}

static simile_status put_word(encoder *e, const char *word, size_t len)
{
    int32_t room[SHORT_WORD];
    int32_t *ids = len <= SHORT_WORD ? room : mem_array(len, sizeof *ids);
    if (!ids) return err_nomem(e->err);
    size_t n = bytes_to_ids(e->t, word, len, ids);
    simile_status status = bpe_merge(e->t->merges, ids, &n, e->err);
    if (!status) status = id_list_put(e->out, ids, n, e->err);
    if (ids != room) mem_free(ids);
    return status;
}

static const char *const special_words[] = {"<|startoftext|>", "<|endoftext|>"};

/* The length of a special token's name at the start of the text, or 0. */
static size_t special_word(const char *text, size_t len)
{
    for (size_t i = 0; i < sizeof special_words / sizeof *special_words; i++) {
        const size_t n = strlen(special_words[i]);
        if (len >= n && memcmp(text, special_words[i], n) == 0) return n;
    }
    return 0;
}

/* "<|name|>" is cut into "<|", "name" and "|>". */
static simile_status put_special_word(encoder *e, const char *word, size_t len)
{
    if (!e->t->byte_words) return put_word(e, word, len);
    RETURN_IF_ERROR(put_word(e, word, 2));
    RETURN_IF_ERROR(put_word(e, word + 2, len - 4));
    return put_word(e, word + len - 2, 2);
}

/* The length of 's 't 're 've 'm 'll 'd at the start of the text, or 0. */
static size_t contraction(const char *text, size_t len)
{
    if (len < 2 || text[0] != '\'') return 0;
    switch (text[1]) {
    case 's':
    case 't':
    case 'm':
    case 'd': return 2;
    case 'r':
    case 'v': return len > 2 && text[2] == 'e' ? 3 : 0;
    case 'l': return len > 2 && text[2] == 'l' ? 3 : 0;
    default: return 0;
    }
}

static inline char_class ascii_class(uint32_t c)
{
    if ((c | 0x20) - 'a' < 26) return CLASS_LETTER;
    if (c - '0' < 10) return CLASS_NUMBER;
    return c == ' ' || c - '\t' < 5 ? CLASS_SPACE : CLASS_OTHER;
}

static inline char_class next_class(const char *text, size_t len, size_t *at)
{
    const uint8_t byte = (uint8_t)text[*at];
    if (byte < 0x80) {
        ++*at;
        return ascii_class(byte);
    }
    return unicode_class(utf8_next(text, len, at));
}

/* The end of the run of characters of this class; `at` lies behind its first. */
static size_t run_end(const char *text, size_t len, size_t at, char_class class)
{
    while (at < len) {
        size_t next = at;
        if (next_class(text, len, &next) != class) break;
        at = next;
    }
    return at;
}

static simile_status put_words(const staged *base, const char *text, size_t len, bool first, id_list *out,
                               simile_error *err)
{
    encoder e = {.t = (const clip_bpe *)base, .out = out, .err = err};
    for (size_t at = 0; at < len && !out->full;) {
        const char *word = text + at;
        const size_t left = len - at;
        const size_t special = e.t->special_words && *word == '<' ? special_word(word, left) : 0;
        if (special) {
            RETURN_IF_ERROR(put_special_word(&e, word, special));
            at += special;
            continue;
        }
        size_t end = at + contraction(word, left);
        if (end == at) {
            const char_class class = next_class(text, len, &end);
            if (class == CLASS_LETTER || class == CLASS_OTHER) end = run_end(text, len, end, class);
            if (class == CLASS_SPACE) {
                at = end;
                continue;
            }
        }
        RETURN_IF_ERROR(put_word(&e, word, end - at));
        at = end;
    }
    return SIMILE_OK;
}

/* ---- cleaning ---- */

/* One character that is no space, lower-cased if need be; returns its bytes, at most twice as many as it had. */
static size_t put_lower(const clip_bpe *t, uint32_t c, char *out)
{
    uint32_t lower[2] = {c, 0};
    const size_t n = t->lower ? unicode_lower(c, lower) : 1;
    const size_t bytes = utf8_put(out, lower[0]);
    return n == 2 ? bytes + utf8_put(out + bytes, lower[1]) : bytes;
}

static bool lower_and_space(const clip_bpe *t, const char *text, size_t len, buf *out)
{
    bool after_space = false;
    if (!buf_reserve(out, 2 * len + 8)) return false;
    char *to = out->data + out->len;
    for (size_t at = 0; at < len;) {
        const uint8_t byte = (uint8_t)text[at];
        const uint32_t c = byte < 0x80 ? (at++, byte) : utf8_next(text, len, &at);
        const bool space = t->one_space && (c < 0x80 ? ascii_class(c) : unicode_class(c)) == CLASS_SPACE;
        if (space && !after_space)
            *to++ = ' ';
        else if (!space && c < 0x80)
            *to++ = (char)(t->lower && c - 'A' < 26 ? c | 0x20 : c);
        else if (!space)
            to += put_lower(t, c, to);
        after_space = space;
    }
    *to = 0;
    out->len = (size_t)(to - out->data);
    return true;
}

static simile_status clean(const staged *base, const char *text, size_t len, buf *out, simile_error *err)
{
    const clip_bpe *t = (const clip_bpe *)base;
    buf composed;
    buf_init(&composed, 16 * (size_t)TEXT_MAX);
    if (t->nfc && !unicode_is_nfc(text, len)) {
        unicode_nfc(text, len, &composed);
        if (!buf_ok(&composed)) return err_nomem(err);
        text = composed.data;
        len = composed.len;
    }
    const bool ok = lower_and_space(t, text, len, out);
    buf_release(&composed);
    return ok ? SIMILE_OK : err_nomem(err);
}

/* ---- building ---- */

static void free_base(tokenizer *base)
{
    clip_bpe_free((clip_bpe *)base);
}

/* ---- writing ---- */

static bool is_piece(const tokenizer *base, int32_t id, const char *wanted)
{
    const char *piece = id < 0 ? NULL : vocab_piece(base->vocab, id);
    return piece && !strcmp(piece, wanted);
}

/* What the two files leave unsaid is what the class does. */
static bool is_of_the_class(const tokenizer *base)
{
    const clip_bpe *t = (const clip_bpe *)base;
    return t->nfc && t->one_space && t->lower && t->special_words && t->byte_words && !t->fuse_unknown &&
           t->unknown == base->end_id && is_piece(base, base->start_id, special_words[0]) &&
           is_piece(base, base->end_id, special_words[1]);
}

/* A line of merges.txt is two pieces with a blank between, and one that begins like the heading is passed over. */
static bool fits_a_line(const char *left, const char *right)
{
    return !left[strcspn(left, " \t\r\n")] && !right[strcspn(right, " \t\r\n")] && utf8_valid(left, strlen(left)) &&
           utf8_valid(right, strlen(right)) && strncmp(left, "#version", 8) != 0;
}

/* NOMEM, or UNSUPPORTED for what no file can hold. */
static simile_status write_merges(const clip_bpe *t, buf *out, simile_error *err)
{
    const vocab *v = t->base.base.vocab;
    size_t n;
    bpe_pair *pairs = bpe_list(t->merges, &n);
    bool fits = true;
    if (!pairs) return err_nomem(err);
    buf_text(out, "#version: 0.2\n");
    for (size_t i = 0; i < n && fits; i++) {
        const char *left = vocab_piece(v, pairs[i].left), *right = vocab_piece(v, pairs[i].right);
        fits = fits_a_line(left, right);
        if (fits) buf_printf(out, "%s %s\n", left, right);
    }
    mem_free(pairs);
    return fits ? SIMILE_OK : err_set(err, SIMILE_E_UNSUPPORTED, "a tokenizer with such tokens is not written");
}

static simile_status write_files(const tokenizer *base, buf *vocab_json, buf *merges_txt, simile_error *err)
{
    json_writer w;
    if (!is_of_the_class(base))
        return err_set(err, SIMILE_E_UNSUPPORTED, "a tokenizer with options of its own is not written");
    jw_init(&w, vocab_json);
    jw_object(&w);
    for (size_t id = 0; id < vocab_size(base->vocab); id++) {
        const char *piece = vocab_piece(base->vocab, (int32_t)id);
        if (!piece) continue;
        jw_key(&w, piece);
        jw_int(&w, (int64_t)id);
    }
    jw_object_end(&w);
    RETURN_IF_ERROR(write_merges((const clip_bpe *)base, merges_txt, err));
    return buf_ok(vocab_json) && buf_ok(merges_txt) ? SIMILE_OK : err_nomem(err);
}

static const tokenizer_ops ops = {.name = "clip-bpe", .free = free_base, .write = write_files, .encode = staged_encode};

clip_bpe *clip_bpe_new(void)
{
    clip_bpe *t = mem_new(clip_bpe);
    if (!t) return NULL;
    t->merges = bpe_new();
    if (!t->merges || staged_init(&t->base, &ops)) {
        bpe_free(t->merges);
        mem_free(t);
        return NULL;
    }
    t->base.words = put_words;
    t->base.own_clean = clean;
    t->nfc = t->one_space = t->lower = t->special_words = t->byte_words = true;
    t->unknown = -1;
    return t;
}

void clip_bpe_free(clip_bpe *t)
{
    if (!t) return;
    staged_release(&t->base);
    bpe_free(t->merges);
    mem_free(t);
}

static uint32_t visible(unsigned byte, unsigned *hidden)
{
    return clip_bpe_is_visible(byte) ? byte : CLIP_BPE_HIDDEN + (*hidden)++;
}

simile_status clip_bpe_finish(clip_bpe *t, const char *suffix, simile_error *err)
{
    unsigned hidden = 0;
    buf piece;
    buf_init(&piece, TEXT_FILE_MAX);
    for (unsigned byte = 0; byte < 256; byte++) {
        char utf8[4];
        const size_t len = utf8_put(utf8, visible(byte, &hidden));
        buf_clear(&piece);
        buf_append(&piece, utf8, len);
        buf_text(&piece, suffix);
        if (!buf_ok(&piece)) return err_nomem(err);
        t->inner[byte] = vocab_find(t->base.base.vocab, utf8, len);
        t->last[byte] = vocab_find(t->base.base.vocab, piece.data, piece.len);
    }
    buf_release(&piece);
    staged_finish(&t->base);
    return SIMILE_OK;
}
