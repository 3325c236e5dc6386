/* SPDX-License-Identifier: Apache-2.0
 *
 * query_string.c - "text=two+dogs&limit=40" to keys and values (WHATWG URL, application/x-www-form-urlencoded).
 *
 * Stricter than browsers are: a percent sign without two hex digits, text that is no UTF-8 and control characters but
 * for tab and line ends are refused, so that nothing behind this file has to think of them. Threads: any. */
#include "serve/query_string.h"

#include "base/mem.h"
#include "base/utf8.h"

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_control(unsigned char c)
{
    return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
}

size_t percent_decode(char *text, size_t len, bool plus_is_blank)
{
    size_t to = 0;
    for (size_t at = 0; at < len; at++) {
        char c = text[at];
        if (c == '%') {
            const int high = at + 2 < len ? hex(text[at + 1]) : -1, low = at + 2 < len ? hex(text[at + 2]) : -1;
            if (high < 0 || low < 0) return SIZE_MAX;
            c = (char)(high * 16 + low);
            at += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        if (is_control((unsigned char)c)) return SIZE_MAX;
        text[to++] = c;
    }
    text[to] = 0;
    return utf8_valid(text, to) ? to : SIZE_MAX;
}

/* One "key=value" at `at`, which ends before `end`; what lies between is overwritten. */
static simile_status read_pair(query_string *q, char *at, char *end, simile_error *err)
{
    char *equals = memchr(at, '=', (size_t)(end - at));
    char *key_end = equals ? equals : end, *value = equals ? equals + 1 : end;
    if (q->count == QUERY_KEYS)
        return err_set(err, SIMILE_E_LIMIT, "cannot read the query string: more than %d keys", QUERY_KEYS);
    *end = 0; /* the '&', or the NUL */
    if (percent_decode(value, (size_t)(end - value), true) == SIZE_MAX ||
        percent_decode(at, (size_t)(key_end - at), true) == SIZE_MAX)
        return err_set(err, SIMILE_E_FORMAT, "cannot read the query string: not percent-encoded UTF-8 text");
    q->keys[q->count] = at;
    q->values[q->count++] = value;
    return SIMILE_OK;
}

simile_status query_string_read(const char *text, query_string *out, simile_error *err)
{
    out->count = 0;
    out->memory = NULL;
    if (!text || !*text) return SIMILE_OK;
    out->memory = mem_strdup(text);
    if (!out->memory) return err_nomem(err);
    for (char *at = out->memory, *last = at + strlen(at);;) {
        char *end = memchr(at, '&', (size_t)(last - at));
        if (!end) end = last;
        if (end > at) RETURN_IF_ERROR(read_pair(out, at, end, err));
        if (end == last) return SIMILE_OK;
        at = end + 1;
    }
}

const char *query_string_find(const query_string *q, const char *key)
{
    for (size_t i = 0; i < q->count; i++) {
        if (strcmp(q->keys[i], key) == 0) return q->values[i];
    }
    return NULL;
}

void query_string_release(query_string *q)
{
    mem_free(q->memory);
    q->memory = NULL;
    q->count = 0;
}
