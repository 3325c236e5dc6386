/* SPDX-License-Identifier: Apache-2.0
 * merges.c - see merges.h. Every piece that a merge names or makes must be in the vocabulary: the tables that training
 * writes are complete, so a gap means that the two files do not belong together. */
#include "text/merges.h"

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

simile_status merge_pair(merge_reader *m, const char *left, size_t left_len, const char *right, size_t right_len,
                         simile_error *err)
{
    if (++m->n > BPE_MERGES_MAX)
        return err_set(err, SIMILE_E_LIMIT, "cannot read '%s': more than %d merges", m->path, BPE_MERGES_MAX);
    const int32_t left_id = vocab_find(m->vocab, left, left_len);
    const int32_t right_id = vocab_find(m->vocab, right, right_len);
    if (left_id < 0 || right_id < 0) return wrong(m, "names a token that is not in the vocabulary", err);
    buf_clear(&m->joined);
    buf_append(&m->joined, left, left_len);
    if (!buf_append(&m->joined, right, right_len)) return err_nomem(err);
    int32_t merged = vocab_find(m->vocab, m->joined.data, m->joined.len);
    if (m->grows) RETURN_IF_ERROR(add_joined(m, &merged, err));
    if (merged < 0) return wrong(m, "merges into a token that is not in the vocabulary", err);
    return bpe_add(m->merges, left_id, right_id, merged, err);
}

simile_status merge_line(merge_reader *m, const char *line, size_t len, simile_error *err)
{
    const char *space = memchr(line, ' ', len);
    if (!space) return wrong(m, "is not two tokens with a space between", err);
    const size_t left = (size_t)(space - line), right = len - left - 1;
    if (left == 0 || right == 0 || memchr(space + 1, ' ', right))
        return wrong(m, "is not two tokens with a space between", err);
    return merge_pair(m, line, left, space + 1, right, err);
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

simile_status merge_file(merge_reader *m, const char *text, size_t len, simile_error *err)
{
    static const char version[] = "#version";
    const char *line;
    size_t n, at = 0;
    for (m->number = 1; merge_next_line(text, len, &at, &line, &n); m->number++) {
        if (n >= sizeof version - 1 && memcmp(line, version, sizeof version - 1) == 0) continue;
        if (n == 0 && at >= len) continue;
        RETURN_IF_ERROR(merge_line(m, line, n, err));
    }
    return SIMILE_OK;
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
