/* SPDX-License-Identifier: Apache-2.0
 * utf8.c - see utf8.h. */
#include "base/utf8.h"

static int continuation(const char *text, size_t len, size_t at, uint8_t low, uint8_t high)
{
    if (at >= len) return 0;
    const uint8_t c = (uint8_t)text[at];
    return c >= low && c <= high;
}

uint32_t utf8_next(const char *text, size_t len, size_t *at)
{
    const size_t i = *at;
    const uint8_t c = (uint8_t)text[i];
    *at = i + 1;
    if (c < 0x80) return c;
    if (c < 0xc2 || c > 0xf4) return 0xfffd;
    /* The second byte's range excludes overlong forms, surrogates and values above U+10FFFF (Unicode, table 3-7). */
    const uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    const size_t extra = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    uint32_t value = c & (0x3fu >> extra);
    for (size_t k = 1; k <= extra; k++) {
        if (!continuation(text, len, i + k, k == 1 ? low : 0x80, k == 1 ? high : 0xbf)) return 0xfffd;
        value = value << 6 | ((uint8_t)text[i + k] & 0x3fu);
        *at = i + k + 1;
    }
    return value;
}

size_t utf8_put(char out[4], uint32_t c)
{
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) c = 0xfffd;
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

bool utf8_valid(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        const size_t start = at;
        const uint32_t c = utf8_next(text, len, &at);
        if (c == 0xfffd && !(at - start == 3 && (uint8_t)text[start] == 0xef)) return false;
    }
    return true;
}
