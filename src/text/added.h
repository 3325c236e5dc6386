/* SPDX-License-Identifier: Apache-2.0
 * added.h - added tokens: strings that become one id wherever they stand in a text, before it is split into words. */
#ifndef SIMILE_TEXT_ADDED_H
#define SIMILE_TEXT_ADDED_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    char *content;
    size_t len;
    int32_t id;
    bool single_word;    /* only where no word character stands beside it */
    bool lstrip, rstrip; /* takes the white space before it, behind it */
    size_t order;        /* set by added_put() */
} added_token;

/* Filled with added_put(), then sorted once. */
typedef struct {
    added_token *tokens;
    size_t n, capacity;
    bool starts[256]; /* bytes with which a token starts */
} added_set;

void added_release(added_set *set);
/* Copies the content; an empty one is ignored; of equal ones the first counts. */
simile_status added_put(added_set *set, const added_token *token, simile_error *err);
void added_sort(added_set *set);

typedef struct {
    size_t start, end; /* of what it takes from the text, white space included */
    size_t resume;     /* where the next search begins */
    const added_token *token;
} added_match;

/* The first match at or behind `from`, the longest one there; white space before `floor` is taken already. */
bool added_find(const added_set *set, const char *text, size_t len, size_t from, size_t floor, added_match *out);

#endif
