/* SPDX-License-Identifier: Apache-2.0
 *
 * guard.c - who may ask, see guard.h.
 *
 * Host: a page can point its own name at this machine, but cannot make a browser send another name than the one in its
 * URL. IP addresses are no names and are let through; of names, localhost and those that were configured.
 * Origin, Sec-Fetch-Site (Fetch Metadata, W3C): a browser says whose page asks. What says nothing is no browser, or an
 * old one that at least names the Origin where something is changed. A link that somebody follows here (a navigation)
 * is no request by a page.
 * Keys are compared by their SHA-256, all bytes of it, so that the time tells nothing. Threads: any. */
#include "serve/guard.h"

#include "base/digest.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <nettle/memops.h>
#include <strings.h>

struct guard {
    const serve_options *options;
    bool keyed;
    uint8_t key[DIGEST_SIZE]; /* SHA-256 of it */
};

/* ---- making ---- */

bool guard_is_loopback(const char *address)
{
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, address, &four) == 1) return ntohl(four.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, address, &six) != 1) return strcmp(address, "localhost") == 0;
    return IN6_IS_ADDR_LOOPBACK(&six) || (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127);
}

/* "https://photos.example:8443": a scheme and a host, nothing behind them. */
static bool is_origin(const char *text)
{
    const char *host = strstr(text, "://");
    return host && host > text && host[3] && !strpbrk(host + 3, "/?# ");
}

simile_status guard_check(const serve_options *o, simile_error *err)
{
    const char *address = o->address ? o->address : "127.0.0.1";
    if (o->api_key && !*o->api_key) return err_set(err, SIMILE_E_ARG, "the API key is empty");
    if (!guard_is_loopback(address) && !o->api_key && !o->open)
        return err_set(err, SIMILE_E_ARG,
                       "'%s' can be reached by other machines: give an API key, or say --open if everybody may ask",
                       address);
    for (size_t i = 0; i < o->n_origins; i++) {
        if (!is_origin(o->origins[i]))
            return err_set(err, SIMILE_E_ARG, "'%s' is no origin: https://photos.example is one", o->origins[i]);
    }
    return SIMILE_OK;
}

simile_status guard_new(const serve_options *options, guard **out, simile_error *err)
{
    *out = NULL;
    RETURN_IF_ERROR(guard_check(options, err));
    guard *g = mem_new(guard);
    if (!g) return err_nomem(err);
    g->options = options;
    g->keyed = options->api_key != NULL;
    if (g->keyed) digest_bytes(options->api_key, strlen(options->api_key), g->key);
    *out = g;
    return SIMILE_OK;
}

void guard_free(guard *g)
{
    if (!g) return;
    memset(g, 0, sizeof *g);
    mem_free(g);
}

/* ---- Host ---- */

/* Is this an IP address as a URL has it: "127.0.0.1", "[::1]"? */
static bool is_address(const char *host, size_t len)
{
    char text[INET6_ADDRSTRLEN + 1];
    unsigned char bytes[sizeof(struct in6_addr)];
    const bool six = len > 2 && host[0] == '[' && host[len - 1] == ']';
    if (six) host++, len -= 2;
    if (len >= sizeof text) return false;
    memcpy(text, host, len);
    text[len] = 0;
    return inet_pton(six ? AF_INET6 : AF_INET, text, bytes) == 1;
}

static bool same_text(const char *a, size_t len, const char *b)
{
    return strlen(b) == len && strncasecmp(a, b, len) == 0;
}

/* The host without its port; 0: damaged. */
static size_t host_length(const char *host)
{
    const char *bracket = *host == '[' ? strchr(host, ']') : NULL;
    const size_t len = bracket ? (size_t)(bracket + 1 - host) : strcspn(host, ":");
    if (!host[len]) return len;
    const char *port = host + len + 1;
    return host[len] == ':' && *port && strspn(port, "0123456789") == strlen(port) ? len : 0;
}

static bool knows_host(const guard *g, const char *host)
{
    size_t len = host_length(host);
    if (!len) return false;
    if (is_address(host, len)) return true;
    if (host[len - 1] == '.') len--;
    if (same_text(host, len, "localhost")) return true;
    if (len > 10 && strncasecmp(host + len - 10, ".localhost", 10) == 0) return true;
    for (size_t i = 0; i < g->options->n_hosts; i++) {
        if (same_text(host, len, g->options->hosts[i])) return true;
    }
    return false;
}

/* ---- Origin ---- */

/* Does the origin name the very host that the request is for? Of the scheme a proxy may know more than this server. */
static bool is_own_origin(const char *origin, const char *host)
{
    const char *rest = strncasecmp(origin, "http://", 7) == 0    ? origin + 7
                       : strncasecmp(origin, "https://", 8) == 0 ? origin + 8
                                                                 : NULL;
    return rest && strcasecmp(rest, host) == 0;
}

static const char *listed_origin(const guard *g, const char *origin)
{
    for (size_t i = 0; i < g->options->n_origins; i++) {
        if (strcasecmp(g->options->origins[i], origin) == 0) return g->options->origins[i];
    }
    return NULL;
}

static bool is(const char *value, const char *word)
{
    return value && strcmp(value, word) == 0;
}

static bool is_reading(const char *method)
{
    return is(method, "GET") || is(method, "HEAD");
}

/* Without an Origin: does the browser say that a page of another site asks? */
static bool is_foreign(const guard_facts *f)
{
    if (!f->site || is(f->site, "none") || is(f->site, "same-origin")) return false;
    return !(is_reading(f->method) && is(f->mode, "navigate") && is(f->dest, "document"));
}

/* ---- key ---- */

static bool is_key(const guard *g, const char *text)
{
    uint8_t d[DIGEST_SIZE];
    digest_bytes(text, strlen(text), d);
    return memeql_sec(d, g->key, DIGEST_SIZE);
}

static bool has_key(const guard *g, const guard_facts *f)
{
    bool right = false;
    if (f->authorization && strncasecmp(f->authorization, "Bearer ", 7) == 0)
        right |= is_key(g, f->authorization + 7 + strspn(f->authorization + 7, " "));
    if (f->api_key) right |= is_key(g, f->api_key);
    return right;
}

/* ---- all of it ---- */

static verdict refuse(int status, const char *code, const char *message)
{
    return (verdict){.status = status, .code = code, .message = message};
}

verdict guard_judge(const guard *g, const guard_facts *f, int flags)
{
    verdict v = {.allow_origin = flags & ROUTE_ANY_ORIGIN ? "*" : NULL};
    if (!f->host || !*f->host) return refuse(400, "bad_request", "the request names no host");
    if (!knows_host(g, f->host))
        return refuse(403, "forbidden_host", "this server does not go by that name: start it with --host NAME");
    if (f->origin && !is_own_origin(f->origin, f->host)) {
        const char *listed = listed_origin(g, f->origin);
        if (listed) v.allow_origin = listed;
        if (!v.allow_origin)
            return refuse(403, "forbidden_origin", "pages of that origin may not ask: start with --origin ORIGIN");
    }
    if (!f->origin && !v.allow_origin && is_foreign(f))
        return refuse(403, "forbidden_origin", "a page of another site may not ask");
    const bool free_of_key = flags & ROUTE_PUBLIC || is(f->method, "OPTIONS");
    if (g->keyed && !free_of_key && !has_key(g, f)) {
        const char *readers = v.allow_origin;
        v = refuse(401, "unauthorized", "an API key is needed: Authorization: Bearer KEY");
        v.allow_origin = readers;
        return v;
    }
    if (g->options->read_only && flags & ROUTE_CHANGES)
        return refuse(403, "read_only", "this server changes nothing: it was started with --read-only");
    return v;
}
