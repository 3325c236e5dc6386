/* SPDX-License-Identifier: Apache-2.0
 *
 * conditional.c - see conditional.h. A server may ignore a Range header, and does so with all that it does not
 * understand; numbers that do not fit into 64 bits are as good as the end of the file. Threads: pure. */
#include "serve/conditional.h"

#include <string.h>
#include <strings.h>

/* Digits; false: there is none. */
static bool take_number(const char **at, int64_t *out)
{
    const char *first = *at;
    *out = 0;
    for (; **at >= '0' && **at <= '9'; ++*at) {
        if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, **at - '0', out)) *out = INT64_MAX;
    }
    return *at != first;
}

static int take_suffix(const char *at, int64_t len, int64_t *from, int64_t *part_len)
{
    int64_t n;
    if (!take_number(&at, &n) || at[strspn(at, " \t")]) return RANGE_ALL;
    if (!n || !len) return RANGE_BEYOND;
    *part_len = n < len ? n : len;
    *from = len - *part_len;
    return RANGE_PART;
}

int range_parse(const char *header, int64_t len, int64_t *from, int64_t *part_len)
{
    int64_t first, last = INT64_MAX;
    *from = 0;
    *part_len = len;
    if (!header || strncasecmp(header, "bytes=", 6) != 0) return RANGE_ALL;
    header += 6;
    header += strspn(header, " \t");
    if (*header == '-') return take_suffix(header + 1, len, from, part_len);
    if (!take_number(&header, &first) || *header++ != '-') return RANGE_ALL;
    const bool open = !take_number(&header, &last);
    if (open) last = INT64_MAX;
    if (header[strspn(header, " \t")] || last < first) return RANGE_ALL;
    if (first >= len) return RANGE_BEYOND;
    *from = first;
    *part_len = (last < len ? last + 1 : len) - first;
    return RANGE_PART;
}

bool etag_listed(const char *header, const char *etag)
{
    const size_t n = strlen(etag);
    if (!header) return false;
    header += strspn(header, " \t");
    if (*header == '*') return true;
    while (*header) {
        if (!strncmp(header, "W/", 2)) header += 2;
        if (*header != '"') return false;
        const size_t tag = strcspn(header + 1, "\"") + 1;
        if (header[tag] != '"') return false;
        if (tag + 1 == n && !memcmp(header, etag, n)) return true;
        header += tag + 1;
        header += strspn(header, " \t,");
    }
    return false;
}
