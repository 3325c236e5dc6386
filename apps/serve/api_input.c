/* SPDX-License-Identifier: Apache-2.0
 *
 * api_input.c - what a request says, read strictly: a key that nobody knows is refused by its name, and so is a value
 * of another kind or out of range. A query string and a JSON body go through the same functions; of a query string all
 * values are words. Threads: none of its own. */
#include "base/mem.h"
#include "dates.h"
#include "reading.h"
#include "serve/api.h"
#include "serve/folders.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

enum { FOLDER_NAME = 128, GLOB_BYTES = 4000, LANGUAGE_BYTES = 15 };

/* ---- opening ---- */

simile_status input_check_keys(const json_t *object, const char *const *keys, simile_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        size_t i = 0;
        while (keys[i] && strcmp(keys[i], key) != 0) i++;
        if (!keys[i]) return err_set(err, SIMILE_E_ARG, "unknown key '%.80s'", key);
    }
    return SIMILE_OK;
}

static simile_status open_words(input *in, simile_error *err)
{
    const char *key;
    in->words = true;
    in->json = json_object();
    if (!in->json) return err_nomem(err);
    for (size_t i = 0; (key = request_query_key(in->request, i)); i++) {
        const char *value = request_query(in->request, key);
        if (json_object_get(in->json, key)) continue;
        if (json_object_set_new(in->json, key, json_string(value))) return err_nomem(err);
    }
    return SIMILE_OK;
}

/* The route lets longer bodies in for the sake of pictures; JSON becomes many times its length in memory. */
static simile_status read_json(input *in, const char *text, size_t len, simile_error *err)
{
    if (len > LIMIT_JSON_BYTES)
        return err_set(err, SIMILE_E_LIMIT, "the JSON has more than %d bytes: send pictures as parts of a form",
                       LIMIT_JSON_BYTES);
    return json_body(text, len, &in->json, err);
}

static simile_status open_parts(input *in, simile_error *err)
{
    const request *q = in->request;
    RETURN_IF_ERROR(parts_read(q->content_type, q->body, q->body_len, &in->parts, err));
    const part *p = parts_find(&in->parts, "query");
    return p ? read_json(in, p->data, p->len, err) : read_json(in, "{}", 2, err);
}

/* Is it this media type, whatever its parameters? */
static bool is_type(const char *content_type, const char *type)
{
    const size_t n = strlen(type);
    return !strncasecmp(content_type, type, n) && (!content_type[n] || strchr("; \t", content_type[n]));
}

static simile_status open_body(int kind, reply *r, input *in, simile_error *err)
{
    const request *q = in->request;
    const bool takes_parts = kind == INPUT_JSON_OR_PARTS;
    const char *key = request_query_key(q, 0);
    if (key) return err_set(err, SIMILE_E_ARG, "unknown key '%.80s': the query belongs into the body", key);
    if (takes_parts && is_type(q->content_type, "multipart/form-data")) return open_parts(in, err);
    if (!*q->content_type || is_type(q->content_type, "application/json"))
        return read_json(in, q->body, q->body_len, err);
    r->status = 415;
    return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read a body of type '%.80s': application/json%s is needed",
                   q->content_type, takes_parts ? " or multipart/form-data" : "");
}

simile_status input_open(const request *q, int kind, const char *const *keys, reply *r, input *out, simile_error *err)
{
    *out = (input){.request = q};
    RETURN_IF_ERROR(kind == INPUT_QUERY ? open_words(out, err) : open_body(kind, r, out, err));
    return input_check_keys(out->json, keys, err);
}

void input_close(input *in)
{
    json_decref(in->json);
    parts_release(&in->parts);
    in->json = NULL;
}

/* ---- values ---- */

simile_status input_string(const input *in, const char *key, size_t max, const char **out, simile_error *err)
{
    const json_t *value = json_object_get(in->json, key);
    if (!value) return SIMILE_OK;
    if (!json_is_string(value)) return err_set(err, SIMILE_E_ARG, "'%s' is no string", key);
    if (!json_string_length(value)) return err_set(err, SIMILE_E_ARG, "'%s' is empty", key);
    if (json_string_length(value) > max)
        return err_set(err, max < LIMIT_TEXT_BYTES ? SIMILE_E_ARG : SIMILE_E_LIMIT, "'%s' has more than %zu bytes", key,
                       max);
    *out = json_string_value(value);
    return SIMILE_OK;
}

/* A number as words say it: 17, -0.5. No white space, no "inf", no hexadecimal. */
static bool word_number(const char *text, double *out)
{
    char *end;
    if (!*text || text[strspn(text, "0123456789+-.eE")]) return false;
    errno = 0;
    *out = strtod(text, &end);
    return !*end && isfinite(*out);
}

static bool take_number(const input *in, const json_t *value, double *out)
{
    if (in->words) return word_number(json_string_value(value), out);
    *out = json_number_value(value);
    return json_is_number(value) && isfinite(*out);
}

static bool take_int(const input *in, const json_t *value, int64_t *out)
{
    double number;
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return true;
    }
    if (!take_number(in, value, &number) || fabs(number) > 9007199254740992.0 || floor(number) != number) return false;
    *out = (int64_t)number;
    return true;
}

simile_status input_int(const input *in, const char *key, int64_t min, int64_t max, int64_t *out, simile_error *err)
{
    const json_t *value = json_object_get(in->json, key);
    int64_t number;
    if (!value) return SIMILE_OK;
    if (!take_int(in, value, &number) || number < min || number > max)
        return err_set(err, SIMILE_E_ARG, "'%s' is no whole number from %" PRId64 " to %" PRId64, key, min, max);
    *out = number;
    return SIMILE_OK;
}

simile_status input_number(const input *in, const char *key, double min, double max, float *out, simile_error *err)
{
    const json_t *value = json_object_get(in->json, key);
    double number;
    if (!value) return SIMILE_OK;
    if (!take_number(in, value, &number) || number < min || number > max)
        return err_set(err, SIMILE_E_ARG, "'%s' is no number from %g to %g", key, min, max);
    *out = (float)number;
    return SIMILE_OK;
}

simile_status input_bool(const input *in, const char *key, bool *out, simile_error *err)
{
    const json_t *value = json_object_get(in->json, key);
    if (!value) return SIMILE_OK;
    if (!json_is_boolean(value)) return err_set(err, SIMILE_E_ARG, "'%s' is neither true nor false", key);
    *out = json_is_true(value);
    return SIMILE_OK;
}

static void list_names(const char *const *names, int32_t n, buf *out)
{
    for (int32_t i = 0; i < n; i++) {
        if (i) buf_text(out, i + 1 < n ? ", " : " or ");
        buf_text(out, names[i]);
    }
}

simile_status input_choice(const input *in, const char *key, const char *const *names, int32_t n, int32_t *out,
                           simile_error *err)
{
    const char *text = NULL;
    RETURN_IF_ERROR(input_string(in, key, 64, &text, err));
    if (!text) return SIMILE_OK;
    for (int32_t i = 0; i < n; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = i;
            return SIMILE_OK;
        }
    }
    buf list;
    buf_init(&list, 200);
    list_names(names, n, &list);
    const simile_status status =
        err_set(err, SIMILE_E_ARG, "'%s' is none of those known as '%s': %s", text, key, list.data ? list.data : "");
    buf_release(&list);
    return status;
}

simile_status input_moment(const input *in, const char *key, int32_t *has, int64_t *out, simile_error *err)
{
    const json_t *value = json_object_get(in->json, key);
    if (!value) return SIMILE_OK;
    const bool good = json_is_string(value) ? moment_parse(json_string_value(value), out)
                                            : take_int(in, value, out) && moment_in_range(*out);
    if (!good) return err_set(err, SIMILE_E_ARG, "'%s' is no date of ISO 8601, and no seconds since 1970", key);
    *has = 1;
    return SIMILE_OK;
}

simile_status input_strings(const input *in, const char *key, size_t min, size_t max, const char ***out, size_t *n,
                            simile_error *err)
{
    const json_t *value = json_object_get(in->json, key);
    *out = NULL;
    *n = 0;
    if (!value && !min) return SIMILE_OK;
    if (!json_is_array(value)) return err_set(err, SIMILE_E_ARG, "'%s' is no array of strings", key);
    const size_t count = json_array_size(value);
    if (count > max) return err_set(err, SIMILE_E_LIMIT, "'%s' has more than %zu entries", key, max);
    if (count < min) return err_set(err, SIMILE_E_ARG, "'%s' is empty", key);
    *out = mem_array(count + 1, sizeof **out);
    if (!*out) return err_nomem(err);
    for (*n = 0; *n < count; ++*n) {
        const json_t *one = json_array_get(value, *n);
        if (!json_is_string(one) || !json_string_length(one))
            return err_set(err, SIMILE_E_ARG, "entry %zu of '%s' is no string, or empty", *n, key);
        if (json_string_length(one) > LIMIT_TEXT_BYTES)
            return err_set(err, SIMILE_E_LIMIT, "entry %zu of '%s' has more than %d bytes", *n, key, LIMIT_TEXT_BYTES);
        (*out)[*n] = json_string_value(one);
    }
    return SIMILE_OK;
}

/* ---- what several requests have ---- */

simile_status input_reading(const input *in, simile_read_options *out, simile_error *err)
{
    static const char code[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    int64_t candidates = 0;
    *out = (simile_read_options){.struct_size = sizeof *out};
    RETURN_IF_ERROR(input_choice(in, "via", reading_ways, READING_CHOICES, &out->via, err));
    RETURN_IF_ERROR(input_choice(in, "fuse", reading_fusions, READING_CHOICES, &out->fuse, err));
    RETURN_IF_ERROR(input_int(in, "candidates", 1, 64, &candidates, err));
    out->candidates = (int32_t)candidates;
    RETURN_IF_ERROR(input_string(in, "language", LANGUAGE_BYTES, &out->language, err));
    if (!out->language || !out->language[strspn(out->language, code)]) return SIMILE_OK;
    return err_set(err, SIMILE_E_ARG, "'language' is no code of a language, such as zh or pt-br");
}

simile_status input_folder(const input *in, server *s, const char *key, char **out, simile_error *err)
{
    const char *id = NULL;
    *out = NULL;
    RETURN_IF_ERROR(input_string(in, key, FOLDER_NAME, &id, err));
    return id ? folders_path(s->folders, id, out, err) : SIMILE_OK;
}

static simile_status decode(const void *bytes, size_t len, simile_image **out, simile_error *err)
{
    if (!len) return err_set(err, SIMILE_E_FORMAT, "cannot read a picture: it has no bytes");
    return picture_decode(bytes, len, false, out, err);
}

simile_status input_picture(const input *in, const char *base64, const char *part_name, simile_image **out,
                            simile_error *err)
{
    unsigned char *bytes;
    size_t len;
    *out = NULL;
    if (!base64) {
        const part *p = parts_find(&in->parts, part_name);
        if (!p) return err_set(err, SIMILE_E_ARG, "the body has no part '%.80s'", part_name);
        return decode(p->data, p->len, out, err);
    }
    RETURN_IF_ERROR(base64_decode(base64, strlen(base64), &bytes, &len, err));
    const simile_status status = decode(bytes, len, out, err);
    mem_free(bytes);
    return status;
}

simile_status selection_read(const input *in, server *s, selection *out, simile_error *err)
{
    simile_filter *f = &out->filter;
    *out = (selection){.filter = {.struct_size = sizeof out->filter}};
    RETURN_IF_ERROR(input_moment(in, "after", &f->has_after, &f->after, err));
    RETURN_IF_ERROR(input_moment(in, "before", &f->has_before, &f->before, err));
    RETURN_IF_ERROR(input_string(in, "glob", GLOB_BYTES, &f->glob, err));
    RETURN_IF_ERROR(input_folder(in, s, "folder", &out->folder, err));
    f->folder = out->folder;
    return SIMILE_OK;
}

void selection_release(selection *l)
{
    mem_free(l->folder);
    l->folder = NULL;
}
