/* SPDX-License-Identifier: Apache-2.0
 * json.c - see json.h. */
#include "base/json.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* How many bytes of a number, or of what looks like one, the text begins with. */
static size_t number_length(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len && ((text[n] >= '0' && text[n] <= '9') || (text[n] && strchr("+-.eE", text[n])))) n++;
    return n;
}

static bool is_whole(const char *text, size_t len)
{
    return !memchr(text, '.', len) && !memchr(text, 'e', len) && !memchr(text, 'E', len);
}

/* Appends the text with ".0" behind whole numbers of more than 18 digits. */
static void widen(const char *text, size_t len, buf *out)
{
    enum { SAFE_DIGITS = 18 };
    bool quoted = false;
    for (size_t at = 0, n; at < len; at += n) {
        const size_t number = quoted ? 0 : number_length(text + at, len - at);
        n = number ? number : quoted && text[at] == '\\' && at + 1 < len ? 2 : 1;
        if (text[at] == '"') quoted = !quoted;
        buf_append(out, text + at, n);
        if (number > SAFE_DIGITS && is_whole(text + at, n)) buf_text(out, ".0");
    }
}

/* jansson knows integers of 64 bits alone. */
static json_t *parse_wide(const char *text, size_t len, json_error_t *why, simile_status *status, simile_error *err)
{
    buf wide;
    buf_init(&wide, 2 * len);
    widen(text, len, &wide);
    json_t *root = buf_ok(&wide) ? json_loadb(wide.data, wide.len, JSON_REJECT_DUPLICATES, why) : NULL;
    if (!buf_ok(&wide)) *status = err_nomem(err);
    buf_release(&wide);
    return root;
}

static simile_status parse(const char *text, size_t len, json_type type, const char *subject, json_t **out,
                           simile_error *err)
{
    json_error_t why;
    simile_status status = SIMILE_OK;
    *out = NULL;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (!root && json_error_code(&why) == json_error_numeric_overflow) root = parse_wide(text, len, &why, &status, err);
    if (status) return status;
    if (!root && json_error_code(&why) == json_error_out_of_memory) return err_nomem(err);
    if (!root)
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': not JSON: %s at byte %d", subject, why.text,
                       why.position);
    if (json_typeof(root) != type) {
        json_decref(root);
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': not a JSON %s", subject,
                       type == JSON_OBJECT ? "object" : "array");
    }
    *out = root;
    return SIMILE_OK;
}

simile_status json_parse_object(const char *text, size_t len, const char *subject, json_t **out, simile_error *err)
{
    return parse(text, len, JSON_OBJECT, subject, out, err);
}

static simile_status read_root(const char *path, size_t max, json_type type, json_t **out, simile_error *err)
{
    char *text;
    size_t len;
    *out = NULL;
    RETURN_IF_ERROR(file_read(path, max, &text, &len, err));
    const simile_status status = parse(text, len, type, path, out, err);
    mem_free(text);
    return status;
}

simile_status json_read_object(const char *path, size_t max, json_t **out, simile_error *err)
{
    return read_root(path, max, JSON_OBJECT, out, err);
}

simile_status json_read_array(const char *path, size_t max, json_t **out, simile_error *err)
{
    return read_root(path, max, JSON_ARRAY, out, err);
}

static simile_status wrong(json_from from, const char *key, const char *expected, simile_error *err)
{
    return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': \"%s\" is not %s", from.subject, key, expected);
}

/* An explicit null counts as absent: Hugging Face's files hold many. */
static const json_t *find(json_from from, const char *key)
{
    const json_t *value = from.object ? json_object_get(from.object, key) : NULL;
    return json_is_null(value) ? NULL : value;
}

simile_status json_get_int(json_from from, const char *key, int64_t min, int64_t max, int64_t *out, simile_error *err)
{
    const json_t *value = find(from, key);
    if (!value) return SIMILE_OK;
    if (!json_is_integer(value)) return wrong(from, key, "a whole number", err);
    const int64_t n = json_integer_value(value);
    if (n < min || n > max)
        return err_set(err, SIMILE_E_FORMAT,
                       "cannot read '%s': \"%s\" is %" PRId64 ", not between %" PRId64 " and %" PRId64, from.subject,
                       key, n, min, max);
    *out = n;
    return SIMILE_OK;
}

simile_status json_get_double(json_from from, const char *key, double *out, simile_error *err)
{
    const json_t *value = find(from, key);
    if (!value) return SIMILE_OK;
    if (!json_is_number(value)) return wrong(from, key, "a number", err);
    *out = json_number_value(value);
    return SIMILE_OK;
}

simile_status json_get_bool(json_from from, const char *key, bool *out, simile_error *err)
{
    const json_t *value = find(from, key);
    if (!value) return SIMILE_OK;
    if (!json_is_boolean(value)) return wrong(from, key, "true or false", err);
    *out = json_is_true(value);
    return SIMILE_OK;
}

simile_status json_get_string(json_from from, const char *key, const char **out, simile_error *err)
{
    const json_t *value = find(from, key);
    if (!value) return SIMILE_OK;
    if (!json_is_string(value)) return wrong(from, key, "a string", err);
    *out = json_string_value(value);
    return SIMILE_OK;
}

simile_status json_get_object(json_from from, const char *key, const json_t **out, simile_error *err)
{
    const json_t *value = find(from, key);
    if (!value) return SIMILE_OK;
    if (!json_is_object(value)) return wrong(from, key, "an object", err);
    *out = value;
    return SIMILE_OK;
}

simile_status json_get_floats(json_from from, const char *key, size_t n, float *out, simile_error *err)
{
    const json_t *value = find(from, key);
    if (!value) return SIMILE_OK;
    if (!json_is_array(value) || json_array_size(value) != n) return wrong(from, key, "an array of numbers", err);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(value, i);
        if (!json_is_number(item)) return wrong(from, key, "an array of numbers", err);
        out[i] = (float)json_number_value(item);
    }
    return SIMILE_OK;
}

/* ---- writing ---- */

void jw_init(json_writer *w, buf *out)
{
    *w = (json_writer){.out = out};
}

static void before_item(json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    const uint64_t bit = (uint64_t)1 << (w->depth & 63);
    if (w->has_item & bit) buf_byte(w->out, ',');
    w->has_item |= bit;
}

static void open_level(json_writer *w, char bracket)
{
    before_item(w);
    buf_byte(w->out, bracket);
    w->depth++;
    w->has_item &= ~((uint64_t)1 << (w->depth & 63));
}

static void close_level(json_writer *w, char bracket)
{
    w->depth--;
    buf_byte(w->out, bracket);
}

void jw_object(json_writer *w)
{
    open_level(w, '{');
}

void jw_object_end(json_writer *w)
{
    close_level(w, '}');
}

void jw_array(json_writer *w)
{
    open_level(w, '[');
}

void jw_array_end(json_writer *w)
{
    close_level(w, ']');
}

static void put_string(json_writer *w, const char *text, size_t len)
{
    buf_byte(w->out, '"');
    for (size_t at = 0; at < len;) {
        const uint32_t c = utf8_next(text, len, &at);
        char piece[4];
        if (c == '"' || c == '\\') {
            buf_printf(w->out, "\\%c", (char)c);
        } else if (c == '\n') {
            buf_text(w->out, "\\n");
        } else if (c == '\t') {
            buf_text(w->out, "\\t");
        } else if (c < 0x20 || c == 0x7f) {
            buf_printf(w->out, "\\u%04x", (unsigned)c);
        } else {
            buf_append(w->out, piece, utf8_put(piece, c));
        }
    }
    buf_byte(w->out, '"');
}

void jw_key(json_writer *w, const char *key)
{
    before_item(w);
    put_string(w, key, strlen(key));
    buf_byte(w->out, ':');
    w->after_key = true;
}

void jw_string_n(json_writer *w, const char *text, size_t len)
{
    before_item(w);
    put_string(w, text, len);
}

void jw_string(json_writer *w, const char *text)
{
    if (text)
        jw_string_n(w, text, strlen(text));
    else
        jw_null(w);
}

void jw_int(json_writer *w, int64_t value)
{
    before_item(w);
    buf_printf(w->out, "%" PRId64, value);
}

int float_text(char out[32], float value)
{
    int len = 0;
    for (int digits = 6; digits <= 9; digits++) {
        len = snprintf(out, 32, "%.*g", digits, (double)value);
        if (strtof(out, NULL) == value) break;
    }
    return len;
}

void jw_float(json_writer *w, float value)
{
    char text[32];
    if (!isfinite(value)) {
        jw_null(w);
        return;
    }
    before_item(w);
    buf_append(w->out, text, (size_t)float_text(text, value));
}

void jw_double(json_writer *w, double value)
{
    if (!isfinite(value)) {
        jw_null(w);
        return;
    }
    char text[40];
    int len = 0;
    for (int digits = 15; digits <= 17; digits++) {
        len = snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    before_item(w);
    buf_append(w->out, text, (size_t)len);
}

void jw_bool(json_writer *w, bool value)
{
    before_item(w);
    buf_text(w->out, value ? "true" : "false");
}

void jw_null(json_writer *w)
{
    before_item(w);
    buf_text(w->out, "null");
}

void jw_floats(json_writer *w, const float *values, size_t n)
{
    jw_array(w);
    for (size_t i = 0; i < n; i++) jw_float(w, values[i]);
    jw_array_end(w);
}
