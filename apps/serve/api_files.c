/* SPDX-License-Identifier: Apache-2.0
 *
 * api_files.c - GET /v1/items/ID/thumbnail and /v1/items/ID/original: bytes of pictures.
 *
 * A thumbnail is named by the content of its picture; under the name that stands in an item (?v=) it never changes.
 *
 * An original is a file, and may by now be something else than the picture that was indexed. So it is opened without
 * waiting (a pipe in its place blocks nobody) and must be a regular file; and unless its first bytes are those of a
 * picture, it is given only where size and time are those of the catalogue. A browser gets to see it as a picture, of a
 * type from a short list and in a sandbox, or as a download, never as a document. Threads: one request each. */
#include "serve/api.h"
#include "serve/conditional.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ETAG_TEXT = 72, HEAD_BYTES = 64 };

/* What the catalogue says of an item. */
typedef struct {
    bool is_image;
    char hash[65];
    char path[4096]; /* "": longer than any that can be opened */
    int64_t size, mtime_ns;
} facts;

static int keep_facts(void *user, const simile_item *item)
{
    facts *f = user;
    *f = (facts){.is_image = item->kind == SIMILE_KIND_IMAGE, .size = item->size, .mtime_ns = item->mtime_ns};
    memcpy(f->hash, item->hash, strnlen(item->hash, sizeof f->hash - 1));
    if (item->path && strlen(item->path) < sizeof f->path) memcpy(f->path, item->path, strlen(item->path));
    return 0;
}

static simile_status find_picture(server *s, const request *q, int64_t *id, facts *f, simile_error *err)
{
    RETURN_IF_ERROR(api_id(q, "item", id, err));
    RETURN_IF_ERROR(simile_library_find(s->library, *id, keep_facts, f, err));
    if (f->is_image) return SIMILE_OK;
    return err_set(err, SIMILE_E_NOT_FOUND, "item %" PRId64 " is no picture", *id);
}

/* ---- thumbnails ---- */

static void describe_thumbnail(const facts *f, const char *version, const char *etag, reply *r)
{
    const bool fixed = version && *version && !strncmp(f->hash, version, strlen(version));
    reply_header(r, "ETag", etag);
    reply_header(r, "Cache-Control", fixed ? "private, max-age=31536000, immutable" : "private, no-cache");
}

static simile_status make_thumbnail(server *s, int64_t id, reply *r, simile_error *err)
{
    void *bytes;
    size_t len;
    const simile_status status = simile_library_thumbnail(s->library, id, &bytes, &len, err);
    if (status) { /* the client did nothing wrong, whatever the file is */
        const bool unreadable = status == SIMILE_E_FORMAT || status == SIMILE_E_CORRUPT ||
                                status == SIMILE_E_UNSUPPORTED || status == SIMILE_E_LIMIT || status == SIMILE_E_IO;
        if (unreadable) r->status = 404;
        return status;
    }
    const bool copied = buf_append(&r->body, bytes, len);
    simile_free(bytes);
    return copied ? SIMILE_OK : err_nomem(err);
}

static simile_status answer_thumbnail(server *s, const request *q, reply *r, simile_error *err)
{
    static const char *const keys[] = {"v", NULL};
    facts f;
    int64_t id;
    char etag[ETAG_TEXT];
    const char *version = NULL;
    input in;
    simile_status status = input_open(q, INPUT_QUERY, keys, r, &in, err);
    if (!status) status = input_string(&in, "v", 64, &version, err);
    if (!status) status = find_picture(s, q, &id, &f, err);
    if (!status) {
        snprintf(etag, sizeof etag, "\"%s\"", f.hash);
        const bool known = *f.hash && etag_listed(request_header(q, "If-None-Match"), etag);
        if (known)
            r->status = 304;
        else
            status = make_thumbnail(s, id, r, err);
        if (!status) {
            describe_thumbnail(&f, version, etag, r);
            r->type = "image/webp";
        }
    }
    input_close(&in);
    return status;
}

void api_thumbnail(server *s, const request *q, reply *r)
{
    simile_error err;
    api_end(r, answer_thumbnail(s, q, r, &err), &err);
}

/* ---- originals ---- */

typedef struct {
    int fd;
    struct stat st;
    const char *type; /* NULL: no picture that browsers show */
    char etag[ETAG_TEXT];
} original;

/* Types that no browser takes for a document. */
static const char *type_of(const char *format)
{
    static const char *const table[][2] = {
        {"jpeg", "image/jpeg"}, {"png", "image/png"},   {"webp", "image/webp"}, {"gif", "image/gif"},
        {"avif", "image/avif"}, {"heif", "image/heic"}, {"tiff", "image/tiff"}, {"bmp", "image/bmp"},
    };
    for (size_t i = 0; format && i < sizeof table / sizeof *table; i++)
        if (!strcmp(format, table[i][0])) return table[i][1];
    return NULL;
}

static simile_status open_regular(const char *path, original *o, simile_error *err)
{
    o->fd = *path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
    if (o->fd < 0) {
        if (!*path) errno = ENAMETOOLONG;
        return err_errno(err, "cannot read '%s'", path);
    }
    if (fstat(o->fd, &o->st)) return err_errno(err, "cannot read '%s'", path);
    if (S_ISREG(o->st.st_mode)) return SIMILE_OK;
    return err_set(err, SIMILE_E_NOT_FOUND, "cannot read '%s': no regular file", path);
}

/* By its first bytes; NULL: not a picture that simile reads. */
static const char *format_of(int fd)
{
    uint8_t head[HEAD_BYTES];
    const ssize_t n = pread(fd, head, sizeof head, 0);
    return n > 0 ? simile_image_sniff(head, (size_t)n) : NULL;
}

const char *api_format(const char *path)
{
    original o = {.fd = -1};
    const char *format = open_regular(path, &o, NULL) ? NULL : format_of(o.fd);
    if (o.fd >= 0) close(o.fd);
    return format;
}

static bool is_as_indexed(const struct stat *st, const facts *f)
{
    const int64_t mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    return st->st_size == f->size && mtime_ns == f->mtime_ns;
}

static simile_status open_original(const facts *f, original *o, simile_error *err)
{
    RETURN_IF_ERROR(open_regular(f->path, o, err));
    const char *format = format_of(o->fd);
    if (!format && !is_as_indexed(&o->st, f))
        return err_set(err, SIMILE_E_NOT_FOUND, "cannot read '%s': it is no longer the picture that was indexed",
                       f->path);
    o->type = type_of(format);
    snprintf(o->etag, sizeof o->etag, "\"%" PRIx64 "-%" PRIx64 ".%" PRIx64 "\"", (uint64_t)o->st.st_size,
             (uint64_t)o->st.st_mtim.tv_sec, (uint64_t)o->st.st_mtim.tv_nsec);
    return SIMILE_OK;
}

/* attachment; filename*=UTF-8''... (RFC 8187), without the name where that does not fit into a header. */
static void disposition(const char *path, bool shown, reply *r)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    const char *slash = strrchr(path, '/'), *how = shown ? "inline" : "attachment";
    buf text;
    buf_init(&text, sizeof r->headers[0].value);
    buf_printf(&text, "%s; filename*=UTF-8''", how);
    for (const char *c = slash ? slash + 1 : path; *c; c++) {
        if (strchr(plain, *c))
            buf_byte(&text, *c);
        else
            buf_printf(&text, "%%%02X", (unsigned)(unsigned char)*c);
    }
    reply_header(r, "Content-Disposition", buf_ok(&text) && text.len < sizeof r->headers[0].value ? text.data : how);
    buf_release(&text);
}

static void describe_original(const original *o, const facts *f, bool download, reply *r)
{
    const bool shown = o->type && !download;
    r->type = o->type ? o->type : "application/octet-stream";
    reply_header(r, "ETag", o->etag);
    reply_header(r, "Cache-Control", "private, no-cache");
    reply_header(r, "Accept-Ranges", "bytes");
    reply_header(r, "Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'");
    disposition(f->path, shown, r);
}

/* The file or a part of it goes into the reply, which then closes it. */
static simile_status give(original *o, const request *q, reply *r, simile_error *err)
{
    char text[96];
    int64_t from, len;
    const char *only_if = request_header(q, "If-Range");
    const bool whole = only_if && strcmp(only_if, o->etag) != 0;
    const int range = range_parse(whole ? NULL : request_header(q, "Range"), o->st.st_size, &from, &len);
    if (range == RANGE_BEYOND) {
        snprintf(text, sizeof text, "bytes */%" PRId64, (int64_t)o->st.st_size);
        reply_header(r, "Content-Range", text);
        r->status = 416;
        return err_set(err, SIMILE_E_ARG, "the file has only %" PRId64 " bytes", (int64_t)o->st.st_size);
    }
    if (range == RANGE_PART) {
        snprintf(text, sizeof text, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, from, from + len - 1,
                 (int64_t)o->st.st_size);
        reply_header(r, "Content-Range", text);
        r->status = 206;
    }
    r->file = true;
    r->fd = o->fd;
    r->file_at = from;
    r->file_len = len;
    o->fd = -1;
    return SIMILE_OK;
}

static simile_status answer_original(server *s, const request *q, reply *r, simile_error *err)
{
    static const char *const keys[] = {"download", NULL}, *const choices[] = {"0", "1"};
    original o = {.fd = -1};
    facts f;
    int64_t id;
    int32_t download = 0;
    input in;
    simile_status status = input_open(q, INPUT_QUERY, keys, r, &in, err);
    if (!status) status = input_choice(&in, "download", choices, 2, &download, err);
    if (!status) status = find_picture(s, q, &id, &f, err);
    if (!status) {
        status = open_original(&f, &o, err);
        if (status == SIMILE_E_IO) r->status = 404; /* there, but not for this server */
    }
    if (!status && etag_listed(request_header(q, "If-None-Match"), o.etag))
        r->status = 304;
    else if (!status)
        status = give(&o, q, r, err);
    if (!status) describe_original(&o, &f, download, r);
    if (o.fd >= 0) close(o.fd);
    input_close(&in);
    return status;
}

void api_original(server *s, const request *q, reply *r)
{
    simile_error err;
    api_end(r, answer_original(s, q, r, &err), &err);
}
