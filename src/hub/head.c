/* SPDX-License-Identifier: Apache-2.0
 * head.c - reading response headers, and telling private addresses from public ones: see http.h.
 *
 * Header lines are foreign bytes of any length and content. Whatever does not parse is passed over as if it had not
 * been sent: the checks that matter (length, checksum) are made on the content. Addresses: RFC 6890 and its registries;
 * an IPv4 address inside an IPv6 one (mapped, compatible, NAT64, 6to4) counts as the IPv4 address; Teredo's are private
 * whatever is in them. */
#include "hub/http.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/socket.h>

void http_head_init(http_head *head)
{
    memset(head, 0, sizeof *head);
    head->content_length = head->range_first = head->range_total = head->retry_after = -1;
}

/* A part of the line. */
typedef struct {
    const char *at;
    size_t len;
} span;

static span trimmed(span s)
{
    while (s.len && (*s.at == ' ' || *s.at == '\t')) s.at++, s.len--;
    while (s.len && strchr(" \t\r\n", s.at[s.len - 1])) s.len--;
    return s;
}

static bool same_word(span s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.at, word, s.len) == 0;
}

/* Digits from the start of the span; -1 when there are none or too many. */
static int64_t number(span *s)
{
    int64_t value = 0;
    size_t n = 0;
    for (; n < s->len && s->at[n] >= '0' && s->at[n] <= '9'; n++) {
        if (n == 18) return -1;
        value = value * 10 + (s->at[n] - '0');
    }
    s->at += n;
    s->len -= n;
    return n ? value : -1;
}

/* Printable ASCII alone is kept: what a header says may go into another request or into a message. */
static void keep(char *out, size_t size, span s)
{
    out[0] = 0;
    if (s.len >= size) return;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < 0x20 || s.at[i] > 0x7e) {
            out[0] = 0;
            return;
        }
        out[i] = s.at[i];
    }
    out[s.len] = 0;
}

static void status_line(http_head *head, span s)
{
    http_head_init(head);
    while (s.len && *s.at != ' ') s.at++, s.len--;
    s = trimmed(s);
    const int64_t status = number(&s);
    head->status = status >= 100 && status <= 999 ? (long)status : 0;
}

/* "bytes 0-9/100", "bytes 0-9/ *" */
static void content_range(http_head *head, span s)
{
    if (s.len < 6 || strncasecmp(s.at, "bytes ", 6) != 0) return;
    s = trimmed((span){s.at + 6, s.len - 6});
    const int64_t first = number(&s);
    const char *slash = s.len ? memchr(s.at, '/', s.len) : NULL;
    if (first < 0 || !slash) return;
    span total = {slash + 1, s.len - (size_t)(slash + 1 - s.at)};
    head->range_first = first;
    head->range_total = number(&total);
}

static void content_type(http_head *head, span s)
{
    const char *end = s.len ? memchr(s.at, ';', s.len) : NULL;
    if (end) s.len = (size_t)(end - s.at);
    keep(head->type, sizeof head->type, trimmed(s));
    for (char *p = head->type; *p; p++)
        if (*p >= 'A' && *p <= 'Z') *p = (char)(*p - 'A' + 'a');
}

/* A weak validator cannot say that bytes are the same (RFC 9110, 13.1.5): it is as good as none. */
static void entity_tag(http_head *head, span s)
{
    head->etag[0] = 0;
    if (s.len >= 2 && s.at[0] == '"' && s.at[s.len - 1] == '"') keep(head->etag, sizeof head->etag, s);
}

/* <URL>; rel="next" among others. */
static void link_header(http_head *head, span s)
{
    while (s.len) {
        const char *open = memchr(s.at, '<', s.len);
        if (!open) return;
        s.len -= (size_t)(open + 1 - s.at);
        s.at = open + 1;
        const char *close = s.len ? memchr(s.at, '>', s.len) : NULL;
        if (!close) return;
        const span url = {s.at, (size_t)(close - s.at)};
        s.len -= (size_t)(close + 1 - s.at);
        s.at = close + 1;
        const char *comma = s.len ? memchr(s.at, ',', s.len) : NULL;
        const span rest = {s.at, comma ? (size_t)(comma - s.at) : s.len};
        if (rest.len && memmem(rest.at, rest.len, "rel=\"next\"", 10)) keep(head->next, sizeof head->next, url);
    }
}

void http_head_line(http_head *head, const char *line, size_t len)
{
    span s = {line, len};
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        status_line(head, s);
        return;
    }
    const char *colon = len ? memchr(line, ':', len) : NULL;
    if (!colon) return;
    const span name = {line, (size_t)(colon - line)};
    span value = trimmed((span){colon + 1, len - (size_t)(colon + 1 - line)});
    if (same_word(name, "content-length"))
        head->content_length = number(&value);
    else if (same_word(name, "content-range"))
        content_range(head, value);
    else if (same_word(name, "content-type"))
        content_type(head, value);
    else if (same_word(name, "etag"))
        entity_tag(head, value);
    else if (same_word(name, "retry-after"))
        head->retry_after = number(&value); /* the other form, a date, is not worth its parser */
    else if (same_word(name, "location"))
        keep(head->location, sizeof head->location, value);
    else if (same_word(name, "x-error-code"))
        keep(head->code, sizeof head->code, value);
    else if (same_word(name, "link"))
        link_header(head, value);
}

/* ---- addresses ---- */

static bool in_net(uint32_t a, uint32_t net, int bits)
{
    return a >> (32 - bits) == net >> (32 - bits);
}

static bool private4(uint32_t a)
{
    static const struct {
        uint32_t net;
        int bits;
    } nets[] = {
        {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
        {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0a80000, 16}, {0xc6120000, 15},
        {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 4},  {0xf0000000, 4},
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++)
        if (in_net(a, nets[i].net, nets[i].bits)) return true;
    return false;
}

static uint32_t word_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool private6(const uint8_t a[16])
{
    static const uint8_t zeros[12] = {0}, mapped[12] = {[10] = 0xff, [11] = 0xff}, nat64[12] = {0, 0x64, 0xff, 0x9b, 0};
    if (memcmp(a, zeros, 12) == 0 || memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
        return private4(word_at(a + 12));                              /* "::" and "::1" lie in 0.0.0.0/8 here */
    if (a[0] == 0x20 && a[1] == 0x02) return private4(word_at(a + 2)); /* 6to4 */
    if (a[0] == 0x20 && a[1] == 0x01) {                                /* of protocols (Teredo holds an IPv4 address) */
        if (a[2] < 2 || (a[2] == 0x0d && a[3] == 0xb8)) return true;   /* 2001::/23; documentation */
    }
    if (a[0] == 0x3f && a[1] == 0xff && a[2] < 0x10) return true; /* documentation: 3fff::/20 */
    return (a[0] & 0xe0) != 0x20;                                 /* all that is global is in 2000::/3 */
}

bool http_address_is_private(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return private4(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, address, sizeof in);
        return private6(in.sin6_addr.s6_addr);
    }
    return true; /* a kind that nobody expects here */
}
