/* SPDX-License-Identifier: Apache-2.0
 * json.h - reading foreign JSON (jansson behind it) with messages that name the file and the key, and writing our own.
 *
 * Reading: duplicate keys, trailing bytes, NUL bytes in strings and nesting beyond jansson's 2,048 are errors. Whole
 * numbers beyond 64 bits, which Python writes for "no limit", become reals. The
 * getters return false only when the key is present with a wrong kind or out of range (err says so); an absent key
 * leaves *out as it was, so the caller sets the default first. */
#ifndef SIMILE_BASE_JSON_H
#define SIMILE_BASE_JSON_H

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The root must be an object. *out is released with json_decref. subject names it in messages. */
simile_status json_parse_object(const char *text, size_t len, const char *subject, json_t **out, simile_error *err);
simile_status json_read_object(const char *path, size_t max, json_t **out, simile_error *err);
/* The same for a file whose root is an array. */
simile_status json_read_array(const char *path, size_t max, json_t **out, simile_error *err);

typedef struct {
    const json_t *object; /* may be NULL: every key is absent */
    const char *subject;  /* for messages: the path of the file */
} json_from;

simile_status json_get_int(json_from from, const char *key, int64_t min, int64_t max, int64_t *out, simile_error *err);
simile_status json_get_double(json_from from, const char *key, double *out, simile_error *err);
simile_status json_get_bool(json_from from, const char *key, bool *out, simile_error *err);
simile_status json_get_string(json_from from, const char *key, const char **out, simile_error *err); /* borrowed */
simile_status json_get_object(json_from from, const char *key, const json_t **out, simile_error *err);
simile_status json_get_floats(json_from from, const char *key, size_t n, float *out, simile_error *err);

/* ---- writing into a buf ----
 * Commas are put where they belong. Numbers: the shortest text that reads back as the same float (or double); NaN and
 * infinities become null. Strings: invalid UTF-8 as U+FFFD. */
typedef struct {
    buf *out;
    int depth;
    uint64_t has_item; /* bit d: level d has an item already */
    bool after_key;
} json_writer;

void jw_init(json_writer *w, buf *out);
void jw_object(json_writer *w);
void jw_object_end(json_writer *w);
void jw_array(json_writer *w);
void jw_array_end(json_writer *w);
void jw_key(json_writer *w, const char *key);
void jw_string(json_writer *w, const char *text);
void jw_string_n(json_writer *w, const char *text, size_t len);
void jw_int(json_writer *w, int64_t value);
void jw_float(json_writer *w, float value);
void jw_double(json_writer *w, double value);
void jw_bool(json_writer *w, bool value);
void jw_null(json_writer *w);
void jw_floats(json_writer *w, const float *values, size_t n);

/* The shortest decimal that reads back as the same float; returns its length. */
int float_text(char out[32], float value);

#endif
