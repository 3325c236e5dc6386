/* SPDX-License-Identifier: Apache-2.0
 * pairs.c - see pairs.h. */
#include "pairs.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdio.h>

/* A line without its newline; false at the end of the text. */
static bool next_line(const char **at, const char *end, const char **line, size_t *len)
{
    if (*at >= end) return false;
    const char *newline = memchr(*at, '\n', (size_t)(end - *at));
    *line = *at;
    *len = (size_t)((newline ? newline : end) - *at);
    *at = newline ? newline + 1 : end;
    return true;
}

/* In place; returns the new length. */
static size_t unescape(char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '\\' && i + 1 < len) {
            c = text[++i];
            c = c == 'n' ? '\n' : c == 'r' ? '\r' : c == '0' ? '\0' : c;
        }
        text[n++] = c;
    }
    return n;
}

static void describe(pair_report *out, const char *expected, size_t len, const token_list *got)
{
    int n = snprintf(out->detail, sizeof out->detail, "expected %.*s, got", (int)(len < 200 ? len : 200), expected);
    for (size_t i = 0; i < got->n && n > 0 && (size_t)n < sizeof out->detail - 16; i++)
        n += snprintf(out->detail + n, sizeof out->detail - (size_t)n, " %d", (int)got->ids[i]);
}

static bool same_ids(const token_list *got, const char *ids, size_t len)
{
    const char *at = ids, *end = ids + len;
    for (size_t i = 0; i < got->n; i++) {
        char *behind;
        while (at < end && *at == ' ') at++;
        if (at == end || strtol(at, &behind, 10) != got->ids[i]) return false;
        at = behind;
    }
    return at == end;
}

static int compare_line(const tokenizer *t, char *text, size_t len, const char *ids, size_t ids_len, pair_report *out)
{
    token_list got;
    simile_error err;
    len = unescape(text, len);
    if (tokenizer_encode(t, text, len, SIZE_MAX, &got, &err)) {
        snprintf(out->detail, sizeof out->detail, "line %zu: %s", out->lines + 1, err.message);
        return -1;
    }
    out->lines++;
    out->bytes += len;
    if (!got.truncated && same_ids(&got, ids, ids_len)) {
        out->equal++;
    } else if (!out->first_bad) {
        out->first_bad = out->lines;
        describe(out, ids, ids_len, &got);
    }
    mem_free(got.ids);
    return 0;
}

int pairs_compare(const tokenizer *t, const char *texts_path, const char *ids_path, pair_report *out)
{
    char *texts = NULL, *ids = NULL;
    size_t texts_len = 0, ids_len = 0, len, n;
    simile_error err;
    int result = -1;
    *out = (pair_report){0};
    if (file_read(texts_path, 1 << 30, &texts, &texts_len, &err) ||
        file_read(ids_path, 1 << 30, &ids, &ids_len, &err)) {
        snprintf(out->detail, sizeof out->detail, "%s", err.message);
        goto done;
    }
    const char *text_at = texts, *ids_at = ids, *text, *id_line;
    while (next_line(&text_at, texts + texts_len, &text, &len)) {
        if (!next_line(&ids_at, ids + ids_len, &id_line, &n)) {
            snprintf(out->detail, sizeof out->detail, "fewer lines of ids than texts");
            goto done;
        }
        if (compare_line(t, texts + (text - texts), len, id_line, n, out)) goto done;
    }
    result = 0;
done:
    mem_free(texts);
    mem_free(ids);
    return result;
}

simile_status pairs_from_tokens(const tokenizer *t, tokenizer **out, simile_error *err)
{
    const size_t n = tokenizer_vocab_size(t);
    token_text *tokens = mem_array(n, sizeof *tokens);
    if (!tokens) return err_nomem(err);
    for (size_t id = 0; id < n; id++) {
        const char *piece = tokenizer_piece(t, (int32_t)id);
        tokens[id] = (token_text){piece, piece ? strlen(piece) : 0};
    }
    const simile_status status = tokenizer_from_tokens(tokens, n, "its tokens", out, err);
    mem_free(tokens);
    return status;
}
