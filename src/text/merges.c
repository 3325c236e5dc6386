/* SPDX-License-Identifier: Apache-2.0
 * merges.c - see merges.h. Every piece that a merge names or makes must be in the vocabulary: the tables that training
 * writes are complete, so a gap means that the two files do not belong together. */
#include "text/merges.h"

#include "base/jscan.h"
#include "base/mem.h"
#include "text/kind.h"

static simile_status wrong(const merge_reader *m, const char *what, simile_error *err)
{
    return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': %s %zu %s", m->path, m->unit, m->number, what);
}

/* A token that nothing has made before gets the next id. */
static simile_status add_joined(merge_reader *m, int32_t *id, simile_error *err)
{
    if (*id >= 0) return wrong(m, "makes a token that is there already", err);
    *id = (int32_t)vocab_size(m->grows);
    return vocab_add(m->grows, *id, m->joined.data, m->path, err);
}

/* A merge of two pieces whose ids have been looked up. */
static simile_status add_merge(merge_reader *m, const vocab_text pair[2], const int32_t ids[2], simile_error *err)
{
    if (++m->n > BPE_MERGES_MAX)
        return err_set(err, SIMILE_E_LIMIT, "cannot read '%s': more than %d merges", m->path, BPE_MERGES_MAX);
    if (ids[0] < 0 || ids[1] < 0) return wrong(m, "names a token that is not in the vocabulary", err);
    int32_t merged = m->last + 1; /* training gives ids in the order of the merges */
    if (m->grows || !vocab_is_joined(m->vocab, merged, pair[0].text, pair[0].len, pair[1].text, pair[1].len)) {
        buf_clear(&m->joined);
        buf_append(&m->joined, pair[0].text, pair[0].len);
        if (!buf_append(&m->joined, pair[1].text, pair[1].len)) return err_nomem(err);
        merged = vocab_find(m->vocab, m->joined.data, m->joined.len);
    }
    if (m->grows) RETURN_IF_ERROR(add_joined(m, &merged, err));
    if (merged < 0) return wrong(m, "merges into a token that is not in the vocabulary", err);
    m->last = merged;
    return bpe_add(m->merges, ids[0], ids[1], merged, err);
}

simile_status merge_pair(merge_reader *m, const char *left, size_t left_len, const char *right, size_t right_len,
                         simile_error *err)
{
    const vocab_text pair[2] = {{left, left_len}, {right, right_len}};
    const int32_t ids[2] = {vocab_find(m->vocab, left, left_len), vocab_find(m->vocab, right, right_len)};
    return add_merge(m, pair, ids, err);
}

static bool split_line(const char *line, size_t len, vocab_text pair[2])
{
    const char *space = memchr(line, ' ', len);
    if (!space) return false;
    const size_t left = (size_t)(space - line), right = len - left - 1;
    pair[0] = (vocab_text){line, left};
    pair[1] = (vocab_text){space + 1, right};
    return left > 0 && right > 0 && !memchr(space + 1, ' ', right);
}

simile_status merge_line(merge_reader *m, const char *line, size_t len, simile_error *err)
{
    vocab_text pair[2];
    if (!split_line(line, len, pair)) return wrong(m, "is not two tokens with a space between", err);
    return merge_pair(m, pair[0].text, pair[0].len, pair[1].text, pair[1].len, err);
}

bool merge_next_line(const char *text, size_t len, size_t *at, const char **line, size_t *n)
{
    if (*at >= len) return false;
    *line = text + *at;
    const char *end = memchr(*line, '\n', len - *at);
    *n = end ? (size_t)(end - *line) : len - *at;
    *at += *n + 1;
    if (*n > 0 && (*line)[*n - 1] == '\r') --*n;
    return true;
}

/* Lines that are looked up together. */
typedef struct {
    vocab_text pairs[VOCAB_AT_ONCE];
    size_t numbers[VOCAB_AT_ONCE / 2], n;
} batch;

static simile_status add_batch(merge_reader *m, batch *b, simile_error *err)
{
    int32_t ids[VOCAB_AT_ONCE];
    simile_status status = SIMILE_OK;
    vocab_find_all(m->vocab, b->pairs, 2 * b->n, ids);
    for (size_t i = 0; i < b->n; i++) bpe_expect(m->merges, ids[2 * i], ids[2 * i + 1]);
    for (size_t i = 0; i < b->n && !status; i++) {
        m->number = b->numbers[i];
        status = add_merge(m, &b->pairs[2 * i], &ids[2 * i], err);
    }
    b->n = 0;
    return status;
}

simile_status merge_file(merge_reader *m, const char *text, size_t len, simile_error *err)
{
    static const char version[] = "#version";
    const char *line;
    size_t n, at = 0, lines = 0;
    batch b = {.n = 0};
    for (size_t i = 0; i < len; i++) lines += text[i] == '\n';
    RETURN_IF_ERROR(bpe_reserve(m->merges, lines, err));
    for (size_t number = 1; merge_next_line(text, len, &at, &line, &n); number++) {
        if (n >= sizeof version - 1 && memcmp(line, version, sizeof version - 1) == 0) continue;
        if (n == 0 && at >= len) continue;
        if (2 * (b.n + 1) > VOCAB_AT_ONCE) RETURN_IF_ERROR(add_batch(m, &b, err));
        b.numbers[b.n] = number;
        if (!split_line(line, n, &b.pairs[2 * b.n])) {
            RETURN_IF_ERROR(add_batch(m, &b, err));
            m->number = number;
            return wrong(m, "is not two tokens with a space between", err);
        }
        b.n++;
    }
    return add_batch(m, &b, err);
}

static simile_status merge_item(merge_reader *m, const json_t *item, simile_error *err)
{
    const json_t *left = json_array_get(item, 0), *right = json_array_get(item, 1);
    if (json_is_string(item)) return merge_line(m, json_string_value(item), json_string_length(item), err);
    if (json_array_size(item) != 2 || !json_is_string(left) || !json_is_string(right))
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': a merge is not a pair of tokens", m->path);
    return merge_pair(m, json_string_value(left), json_string_length(left), json_string_value(right),
                      json_string_length(right), err);
}

simile_status merge_json(merge_reader *m, const json_t *merges, simile_error *err)
{
    if (!json_is_array(merges))
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': \"merges\" is not an array", m->path);
    simile_status status = SIMILE_OK;
    buf_init(&m->joined, TEXT_FILE_MAX);
    for (m->number = 0; m->number < json_array_size(merges) && !status; m->number++)
        status = merge_item(m, json_array_get(merges, m->number), err);
    buf_release(&m->joined);
    return status;
}

/* ---- the quick way: see vocab.c ---- */

/* Puts the decoded string into the room and takes it off. */
static bool quick_string(jscan *s, buf *decoded, char **room, size_t *left, vocab_text *out)
{
    if (!jscan_string(s, decoded) || decoded->len > *left) return false;
    memcpy(*room, decoded->data ? decoded->data : "", decoded->len);
    *out = (vocab_text){*room, decoded->len};
    *room += decoded->len;
    *left -= decoded->len;
    return true;
}

/* "left right" or ["left", "right"]. */
static bool quick_merge(jscan *s, buf *decoded, char **room, size_t *left, vocab_text pair[2])
{
    vocab_text whole;
    if (jscan_peek(s) != '[')
        return quick_string(s, decoded, room, left, &whole) && split_line(whole.text, whole.len, pair);
    return jscan_array(s) && jscan_item(s) && quick_string(s, decoded, room, left, &pair[0]) && jscan_item(s) &&
           quick_string(s, decoded, room, left, &pair[1]) && !jscan_item(s) && !s->problem;
}

static bool quick_array(merge_reader *m, jscan *s, buf *decoded)
{
    enum { ROOM = 16384, LONGEST = 256 };
    char memory[ROOM], *room = memory;
    size_t left = ROOM;
    batch b = {.n = 0};
    if (!jscan_array(s)) return false;
    while (jscan_item(s)) {
        if (2 * (b.n + 1) > VOCAB_AT_ONCE || left < LONGEST) {
            if (add_batch(m, &b, NULL)) return false;
            room = memory;
            left = ROOM;
        }
        if (!quick_merge(s, decoded, &room, &left, &b.pairs[2 * b.n])) return false;
        b.n++;
    }
    return jscan_end(s) && !add_batch(m, &b, NULL);
}

/* An array in an object, because that is what is parsed. */
static simile_status slow_part(merge_reader *m, json_part part, simile_error *err)
{
    buf text;
    json_t *root = NULL;
    buf_init(&text, TEXT_FILE_MAX);
    buf_text(&text, "{\"merges\":");
    buf_append(&text, part.text, part.len);
    buf_byte(&text, '}');
    simile_status status = buf_ok(&text) ? json_parse_object(text.data, text.len, m->path, &root, err) : err_nomem(err);
    buf_release(&text);
    if (!status) status = merge_json(m, json_object_get(root, "merges"), err);
    json_decref(root);
    return status;
}

simile_status merge_part(merge_reader *m, json_part part, const json_t *merges, simile_error *err)
{
    if (!part.text) return merge_json(m, merges, err);
    jscan s;
    buf decoded;
    size_t commas = 0;
    for (size_t i = 0; i < part.len; i++) commas += part.text[i] == ',';
    RETURN_IF_ERROR(bpe_reserve(m->merges, commas / (memchr(part.text + 1, '[', part.len - 1) ? 2 : 1), err));
    jscan_init(&s, part.text, part.len);
    buf_init(&decoded, part.len);
    buf_init(&m->joined, TEXT_FILE_MAX);
    const bool whole = quick_array(m, &s, &decoded);
    buf_release(&m->joined);
    buf_release(&decoded);
    if (whole) return SIMILE_OK;
    bpe_clear(m->merges);
    m->n = 0;
    m->last = 0;
    return slow_part(m, part, err);
}
