/* SPDX-License-Identifier: Apache-2.0
 * query_string.h - the part of a URL behind the '?', and what percent signs stand for. */
#ifndef SIMILE_SERVE_QUERY_STRING_H
#define SIMILE_SERVE_QUERY_STRING_H

#include "base/err.h"

#include <stdbool.h>

enum { QUERY_KEYS = 64 };

typedef struct {
    const char *keys[QUERY_KEYS], *values[QUERY_KEYS];
    size_t count;
    char *memory; /* owned */
} query_string;

/* text: without the '?'. FORMAT: what is no percent sign's two hex digits, no UTF-8 or holds a control character that
 * no text has; LIMIT: too many keys. query_string_release() always. */
simile_status query_string_read(const char *text, query_string *out, simile_error *err);
const char *query_string_find(const query_string *q, const char *key); /* the first; NULL */
void query_string_release(query_string *q);

/* Decodes in place up to `len`, gives the new length and puts a NUL behind it; SIZE_MAX: it is damaged as above. */
size_t percent_decode(char *text, size_t len, bool plus_is_blank);

#endif
