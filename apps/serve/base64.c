/* SPDX-License-Identifier: Apache-2.0
 *
 * base64.c - base64 (RFC 4648, sections 4 and 5) as clients send it, bare or in a data: URL (RFC 2397).
 *
 * Both alphabets, with or without padding, with white space anywhere (some encoders break lines). What is left over at
 * the end must be no half byte, and its unused bits must be zero, so that no two texts mean the same bytes. The text of
 * a data: URL may be percent-encoded where it is not base64's own: only %2B, %2F and %3D occur, and are read.
 * Threads: any. */
#include "serve/http.h"

#include "base/mem.h"

#include <strings.h>

enum { BLANK = 64, PAD = 65, BAD = 66 };

static int value_of(unsigned char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    switch (c) {
    case '+':
    case '-': return 62;
    case '/':
    case '_': return 63;
    case '=': return PAD;
    case ' ':
    case '\t':
    case '\r':
    case '\n': return BLANK;
    default: return BAD;
    }
}

/* The value at *at, which moves behind it. */
static int next_value(const char *text, size_t len, size_t *at)
{
    if (text[*at] == '%' && len - *at >= 3) {
        const char *escape = text + *at;
        *at += 3;
        if (strncasecmp(escape, "%2B", 3) == 0) return 62;
        if (strncasecmp(escape, "%2F", 3) == 0) return 63;
        return strncasecmp(escape, "%3D", 3) == 0 ? PAD : BAD;
    }
    return value_of((unsigned char)text[(*at)++]);
}

static simile_status damaged(simile_error *err)
{
    return err_set(err, SIMILE_E_FORMAT, "cannot read base64: it is damaged");
}

/* *to: room for 3/4 of len. */
static simile_status decode(const char *text, size_t len, unsigned char *to, size_t *out_len, simile_error *err)
{
    uint32_t bits = 0;
    int n = 0, padding = 0;
    *out_len = 0;
    for (size_t at = 0; at < len;) {
        const int v = next_value(text, len, &at);
        if (v == BLANK) continue;
        if (v == PAD && ++padding <= 2) continue;
        if (v >= BLANK || padding) return damaged(err);
        bits = bits << 6 | (uint32_t)v;
        if (++n < 4) continue;
        to[(*out_len)++] = (unsigned char)(bits >> 16);
        to[(*out_len)++] = (unsigned char)(bits >> 8);
        to[(*out_len)++] = (unsigned char)bits;
        bits = 0;
        n = 0;
    }
    if (n == 1 || (padding && n + padding != 4)) return damaged(err);
    if ((n == 2 && bits & 0xf) || (n == 3 && bits & 0x3)) return damaged(err);
    if (n == 2) to[(*out_len)++] = (unsigned char)(bits >> 4);
    if (n == 3) to[(*out_len)++] = (unsigned char)(bits >> 10), to[(*out_len)++] = (unsigned char)(bits >> 2);
    return SIMILE_OK;
}

/* Passes over "data:image/png;base64,". */
static simile_status skip_header(const char **text, size_t *len, simile_error *err)
{
    if (*len < 5 || strncasecmp(*text, "data:", 5) != 0) return SIMILE_OK;
    const char *comma = memchr(*text, ',', *len);
    static const char marker[] = ";base64";
    const size_t n = sizeof marker - 1;
    if (!comma || (size_t)(comma - *text) < 5 + n || strncasecmp(comma - n, marker, n) != 0)
        return err_set(err, SIMILE_E_FORMAT, "cannot read a data: URL: it is not base64");
    *len -= (size_t)(comma + 1 - *text);
    *text = comma + 1;
    return SIMILE_OK;
}

simile_status base64_decode(const char *text, size_t len, unsigned char **out, size_t *out_len, simile_error *err)
{
    *out = NULL;
    *out_len = 0;
    RETURN_IF_ERROR(skip_header(&text, &len, err));
    unsigned char *to = mem_alloc(len / 4 * 3 + 4);
    if (!to) return err_nomem(err);
    const simile_status status = decode(text, len, to, out_len, err);
    if (status) {
        mem_free(to);
        *out_len = 0;
        return status;
    }
    *out = to;
    return SIMILE_OK;
}

bool base64_append(buf *out, const void *bytes, size_t len)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *from = bytes;
    size_t need;
    if (!mem_mul(len / 3 + 1, 4, &need) || !buf_reserve(out, len ? (len + 2) / 3 * 4 : 0)) return false;
    for (size_t at = 0; at < len; at += 3) {
        const size_t n = len - at < 3 ? len - at : 3;
        const uint32_t bits =
            (uint32_t)from[at] << 16 | (n > 1 ? (uint32_t)from[at + 1] << 8 : 0) | (n > 2 ? (uint32_t)from[at + 2] : 0);
        const char four[4] = {letters[bits >> 18], letters[bits >> 12 & 63], n > 1 ? letters[bits >> 6 & 63] : '=',
                              n > 2 ? letters[bits & 63] : '='};
        buf_append(out, four, 4);
    }
    return buf_ok(out);
}
