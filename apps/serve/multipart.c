/* SPDX-License-Identifier: Apache-2.0
 *
 * multipart.c - multipart/form-data (RFC 7578, RFC 2046) over a body that arrived whole.
 *
 * The content of a part stays where it is in the body. Two passes: where the parts lie, then what their headers say;
 * in between, the memory for all names is known. A name is given back as browsers escape it undone ("%22" for '"', a
 * backslash before '"'); a file's name is for people alone. Boundaries must stand at the beginning of a line, lines may
 * end with CR LF or LF, what stands before the first boundary and behind the last is passed over, and a body without
 * its last boundary is damaged: it was cut. Threads: any. */
#include "serve/http.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <strings.h>

enum { BOUNDARY_MAX = 200, HEADERS_MAX = 8 * 1024 };

typedef struct {
    const char *at, *end;
} range;

static simile_status damaged(const char *why, simile_error *err)
{
    return err_set(err, SIMILE_E_FORMAT, "cannot read the multipart body: %s", why);
}

/* ---- parameters of a header: form-data; name="a"; filename="b" ---- */

static range trim(range r)
{
    while (r.at < r.end && (*r.at == ' ' || *r.at == '\t')) r.at++;
    while (r.end > r.at && (r.end[-1] == ' ' || r.end[-1] == '\t' || r.end[-1] == '\r')) r.end--;
    return r;
}

/* The end of a parameter: the next ';' outside quotes. */
static const char *parameter_end(range r)
{
    bool quoted = false;
    const char *at = r.at;
    for (; at < r.end && (quoted || *at != ';'); at++) {
        if (quoted && *at == '\\' && at + 1 < r.end)
            at++;
        else if (*at == '"')
            quoted = !quoted;
    }
    return at;
}

/* The value of a parameter, quotes and all. */
static bool find_parameter(range line, const char *name, range *out)
{
    const size_t len = strlen(name);
    for (const char *at = parameter_end(line); at < line.end;) {
        const range rest = {at + 1, line.end};
        at = parameter_end(rest);
        const range one = trim((range){rest.at, at});
        if ((size_t)(one.end - one.at) > len && strncasecmp(one.at, name, len) == 0 && one.at[len] == '=') {
            *out = (range){one.at + len + 1, one.end};
            return true;
        }
    }
    return false;
}

/* Writes a value without its quotes to `to`, with a NUL; gives what is behind it. */
static char *copy_value(range v, char *to)
{
    const bool quoted = v.end - v.at >= 2 && *v.at == '"' && v.end[-1] == '"';
    if (quoted) v = (range){v.at + 1, v.end - 1};
    for (const char *at = v.at; at < v.end; at++) {
        if (quoted && *at == '\\' && at + 1 < v.end && (at[1] == '"' || at[1] == '\\')) {
            *to++ = *++at;
        } else if (quoted && v.end - at >= 3 && memcmp(at, "%22", 3) == 0) {
            *to++ = '"';
            at += 2;
        } else {
            *to++ = *at;
        }
    }
    *to = 0;
    return to + 1;
}

/* ---- where the parts lie ---- */

static simile_status read_boundary(const char *content_type, char out[BOUNDARY_MAX + 5], size_t *len, simile_error *err)
{
    static const char type[] = "multipart/form-data";
    const range line = {content_type, content_type + strlen(content_type)};
    range value;
    if (strncasecmp(content_type, type, sizeof type - 1) != 0)
        return err_set(err, SIMILE_E_ARG, "cannot read the body: its type is not multipart/form-data");
    if (!find_parameter(line, "boundary", &value) || value.end == value.at)
        return damaged("its type names no boundary", err);
    if (value.end - value.at > BOUNDARY_MAX) return damaged("its boundary is too long", err);
    out[0] = out[1] = '-';
    const char *end = copy_value(value, out + 2);
    *len = (size_t)(end - out) - 1;
    return *len > 2 ? SIMILE_OK : damaged("its type names no boundary", err);
}

/* Does the line of a boundary end as it should? *after: behind it; NULL: it was the last one. */
static bool ends_line(const char *rest, const char *end, const char **after)
{
    *after = NULL;
    if (end - rest >= 2 && rest[0] == '-' && rest[1] == '-') return true;
    while (rest < end && (*rest == ' ' || *rest == '\t')) rest++;
    if (rest < end && *rest == '\r') rest++;
    if (rest >= end || *rest != '\n') return false; /* the beginning of another word */
    *after = rest + 1;
    return true;
}

static const char *next_line(const char *at, const char *end)
{
    const char *line_end = memchr(at, '\n', (size_t)(end - at));
    return line_end ? line_end + 1 : end;
}

/* The next boundary at the beginning of a line; NULL: there is none. *after: behind its line; NULL: it was the last.
 * in: begins with a line. What looks like a boundary elsewhere costs its whole line, not one byte: in a long line of
 * dashes there is one at each. */
static const char *find_boundary(range in, const char *boundary, size_t len, const char **after)
{
    for (const char *at = in.at; at < in.end; at = next_line(at, in.end)) {
        at = memmem(at, (size_t)(in.end - at), boundary, len);
        if (!at) return NULL;
        if ((at == in.at || at[-1] == '\n') && ends_line(at + len, in.end, after)) return at;
    }
    return NULL;
}

/* The end of the headers: a line without anything on it. */
static const char *headers_end(range in)
{
    for (const char *line = in.at; line < in.end;) {
        const char *end = memchr(line, '\n', (size_t)(in.end - line));
        if (!end) return NULL;
        if (end == line || (end == line + 1 && *line == '\r')) return end + 1;
        line = end + 1;
    }
    return NULL;
}

/* Takes the line end off that belongs to the boundary. */
static size_t content_length(const char *data, const char *boundary)
{
    if (boundary > data && boundary[-1] == '\n') boundary--;
    if (boundary > data && boundary[-1] == '\r') boundary--;
    return (size_t)(boundary - data);
}

static simile_status locate(const char *boundary, size_t boundary_len, const char *body, size_t len, parts *out,
                            range headers[LIMIT_PARTS], simile_error *err)
{
    const char *end = body + len, *at;
    if (!find_boundary((range){body, end}, boundary, boundary_len, &at))
        return damaged("its boundary is not in it", err);
    while (at) {
        if (out->count == LIMIT_PARTS)
            return err_set(err, SIMILE_E_LIMIT, "cannot read the multipart body: more than %d parts", LIMIT_PARTS);
        const char *data = headers_end((range){at, end - at > HEADERS_MAX ? at + HEADERS_MAX : end});
        if (!data) return damaged("a part has no end of its headers", err);
        headers[out->count] = (range){at, data};
        const char *next = find_boundary((range){data, end}, boundary, boundary_len, &at);
        if (!next) return damaged("it ends before its last boundary", err);
        out->items[out->count++] = (part){.data = data, .len = content_length(data, next)};
    }
    return SIMILE_OK;
}

/* ---- what the headers say ---- */

/* The value of a header line; false: it is another one. */
static bool header_value(range line, const char *name, range *out)
{
    const size_t len = strlen(name);
    if ((size_t)(line.end - line.at) <= len || strncasecmp(line.at, name, len) != 0 || line.at[len] != ':')
        return false;
    *out = trim((range){line.at + len + 1, line.end});
    return true;
}

static char *keep(range value, char *to, const char **out)
{
    *out = to;
    return copy_value(value, to);
}

/* to: room for all of the headers and three NULs. Gives what is behind what was written. */
static char *describe(range headers, part *p, char *to)
{
    for (const char *at = headers.at; at < headers.end;) {
        const char *end = memchr(at, '\n', (size_t)(headers.end - at));
        const range line = {at, end};
        range value, found;
        if (!p->name && header_value(line, "Content-Disposition", &value)) {
            if (find_parameter(value, "name", &found)) to = keep(found, to, &p->name);
            if (find_parameter(value, "filename", &found)) to = keep(found, to, &p->filename);
        } else if (!p->type && header_value(line, "Content-Type", &value)) {
            to = keep(value, to, &p->type);
        }
        at = end + 1;
    }
    return to;
}

static bool is_text(const char *text)
{
    return !text || utf8_valid(text, strlen(text));
}

static simile_status describe_all(const range headers[LIMIT_PARTS], parts *out, simile_error *err)
{
    size_t room = 1;
    for (size_t i = 0; i < out->count; i++) room += (size_t)(headers[i].end - headers[i].at) + 3;
    out->names = mem_alloc(room);
    if (!out->names) return err_nomem(err);
    char *to = out->names;
    for (size_t i = 0; i < out->count; i++) {
        part *p = &out->items[i];
        to = describe(headers[i], p, to);
        if (!p->name) return damaged("a part has no name", err);
        if (!is_text(p->name) || !is_text(p->filename)) return damaged("a name is not UTF-8", err);
    }
    return SIMILE_OK;
}

simile_status parts_read(const char *content_type, const char *body, size_t len, parts *out, simile_error *err)
{
    char boundary[BOUNDARY_MAX + 5];
    size_t boundary_len = 0;
    range headers[LIMIT_PARTS];
    out->count = 0;
    out->names = NULL;
    RETURN_IF_ERROR(read_boundary(content_type, boundary, &boundary_len, err));
    RETURN_IF_ERROR(locate(boundary, boundary_len, body, len, out, headers, err));
    return describe_all(headers, out, err);
}

const part *parts_find(const parts *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++) {
        if (strcmp(p->items[i].name, name) == 0) return &p->items[i];
    }
    return NULL;
}

void parts_release(parts *p)
{
    mem_free(p->names);
    p->names = NULL;
    p->count = 0;
}
