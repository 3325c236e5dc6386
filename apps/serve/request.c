/* SPDX-License-Identifier: Apache-2.0
 *
 * request.c - what a handler may ask of a request, see http.h.
 *
 * Headers are read from MHD's connection, which is suspended while a handler runs: nobody writes there. Threads: that
 * of the handler. */
#include "serve/exchange.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <errno.h>

static const exchange *inside(const request *q)
{
    return q->inside;
}

/* ---- target ---- */

static simile_status bad_path(simile_error *err)
{
    return err_set(err, SIMILE_E_FORMAT, "cannot read the path of the request");
}

/* No "." and "..", no backslash, no line ends, nothing else that a terminal obeys (U+0080 to U+009F too): such a path
 * is no name of anything here. */
static bool is_plain(const char *path)
{
    for (const char *at = path; *at; at++) {
        if (*at == '\\' || (unsigned char)*at < 0x20) return false;
        if ((unsigned char)*at == 0xc2 && (unsigned char)at[1] < 0xa0) return false;
        if (*at != '/') continue;
        const size_t n = strcspn(at + 1, "/");
        if ((n == 1 && at[1] == '.') || (n == 2 && at[1] == '.' && at[2] == '.')) return false;
    }
    return true;
}

simile_status exchange_read_target(exchange *ex, simile_error *err)
{
    char *path = ex->target;
    if (path[0] != '/') return bad_path(err);
    const size_t len = strcspn(path, "?#");
    char *query = path[len] == '?' ? path + len + 1 : NULL;
    if (query) query[strcspn(query, "#")] = 0;
    path[len] = 0;
    RETURN_IF_ERROR(query_string_read(query, &ex->query, err));
    const size_t decoded = percent_decode(path, len, false);
    if (decoded == SIZE_MAX || !is_plain(path)) return bad_path(err);
    ex->q.path = path;
    ex->stars = mem_strdup(path);
    return ex->stars ? SIMILE_OK : err_nomem(err);
}

/* ---- headers and query ---- */

const char *request_header(const request *q, const char *name)
{
    return MHD_lookup_connection_value(inside(q)->connection, MHD_HEADER_KIND, name);
}

const char *request_query(const request *q, const char *key)
{
    return query_string_find(&inside(q)->query, key);
}

const char *request_query_key(const request *q, size_t i)
{
    const query_string *query = &inside(q)->query;
    return i < query->count ? query->keys[i] : NULL;
}

/* Digits, and a minus in front of them. */
static bool whole_number(const char *text, int64_t *out)
{
    const char *digits = text + (*text == '-');
    char *end;
    if (*digits < '0' || *digits > '9') return false;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return !errno && !*end;
}

bool request_query_int(const request *q, const char *key, int64_t min, int64_t max, int64_t *out)
{
    const char *text = request_query(q, key);
    int64_t n;
    if (!text) return true;
    if (!whole_number(text, &n) || n < min || n > max) return false;
    *out = n;
    return true;
}

bool request_star_int(const request *q, int star, int64_t *out)
{
    const char *text = q->stars[star];
    return text && whole_number(text, out) && *out >= 1;
}

/* ---- bodies ---- */

/* jansson calls itself for each level, and takes 250 bytes for an empty object: what is nested too deep, or has too
 * many values, never gets there. */
static simile_status check_shape(const char *text, size_t len, simile_error *err)
{
    int depth = 0, values = 1;
    bool quoted = false;
    for (size_t at = 0; at < len; at++) {
        const char c = text[at];
        if (c == '"') quoted = !quoted;
        if (quoted) {
            at += c == '\\';
            continue;
        }
        depth += (c == '{' || c == '[') - ((c == '}' || c == ']') && depth > 0);
        values += c == '{' || c == '[' || c == ',';
        if (depth > LIMIT_JSON_DEPTH)
            return err_set(err, SIMILE_E_FORMAT, "cannot read the body: JSON that is nested more than %d deep",
                           LIMIT_JSON_DEPTH);
        if (values > LIMIT_JSON_VALUES)
            return err_set(err, SIMILE_E_LIMIT, "cannot read the body: JSON of more than %d values", LIMIT_JSON_VALUES);
    }
    return SIMILE_OK;
}

simile_status json_body(const char *text, size_t len, json_t **out, simile_error *err)
{
    *out = NULL;
    if (!len) return err_set(err, SIMILE_E_FORMAT, "cannot read the body: it is empty, and should be a JSON object");
    RETURN_IF_ERROR(check_shape(text, len, err));
    return json_parse_object(text, len, "body", out, err);
}

simile_status request_json(const request *q, json_t **out, simile_error *err)
{
    return json_body(q->body, q->body_len, out, err);
}

simile_status picture_status(simile_status status, simile_error *err)
{
    if (status != SIMILE_E_CORRUPT) return status;
    if (err) err->status = SIMILE_E_FORMAT;
    return SIMILE_E_FORMAT;
}

simile_status picture_decode(const void *bytes, size_t len, bool ignore_orientation, simile_image **out,
                             simile_error *err)
{
    const simile_image_options options = {
        .struct_size = sizeof options, .ignore_orientation = ignore_orientation, .max_pixels = LIMIT_PIXELS};
    return picture_status(simile_image_decode(bytes, len, &options, out, err), err);
}
