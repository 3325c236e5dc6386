/* SPDX-License-Identifier: Apache-2.0
 *
 * page.c - the page: files that lie in the program itself, see page.h.
 *
 * routes_page has one row a file, and "/" is index.html, so that there is no path to which a request could lead outside
 * of them. A browser keeps a file and asks whether it is still the same one: its ETag is its SHA-256. Threads: any. */
#include "serve/page.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *ending, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".webp", "image/webp"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".txt", "text/plain; charset=utf-8"},
};

static const char *type_of(const char *path)
{
    const char *ending = strrchr(path, '.');
    for (size_t i = 0; ending && i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].ending, ending) == 0) return types[i].type;
    }
    return "application/octet-stream";
}

static const page_file *find(const char *path)
{
    if (strcmp(path, "/") == 0) path = "/index.html";
    for (const page_file *f = page_files; f->path; f++) {
        if (strcmp(f->path, path) == 0) return f;
    }
    return NULL;
}

void page_serve(server *s, const request *q, reply *r)
{
    const page_file *f = find(q->path);
    const char *known = request_header(q, "If-None-Match");
    char tag[80];
    (void)s;
    if (!f) {
        reply_errorf(r, 404, "not_found", "there is nothing at this path");
        return;
    }
    snprintf(tag, sizeof tag, "\"%s\"", f->digest);
    reply_header(r, "ETag", tag);
    reply_header(r, "Cache-Control", "no-cache");
    r->type = type_of(f->path);
    if (known && strstr(known, tag)) {
        r->status = 304;
        return;
    }
    r->fixed = f->bytes;
    r->fixed_len = (size_t)(f->end - f->bytes);
}
