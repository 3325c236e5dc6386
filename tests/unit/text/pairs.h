/* SPDX-License-Identifier: Apache-2.0
 * pairs.h - texts with the ids that the reference library gives, one pair a line in two files.
 *
 * Texts: backslash, newline, carriage return and NUL are written \\ \n \r \0, all other bytes as they are.
 * Ids: decimal numbers with a space between. */
#ifndef TEST_TEXT_PAIRS_H
#define TEST_TEXT_PAIRS_H

#include "text/tokenizer.h"

typedef struct {
    size_t lines, equal, bytes;
    size_t first_bad; /* number of the first line that differs, from 1; 0: none */
    char detail[512]; /* what was expected there and what came */
} pair_report;

/* 0, or -1 when a file cannot be read or the files do not fit together (detail says why). */
int pairs_compare(const tokenizer *t, const char *texts_path, const char *ids_path, pair_report *out);

/* A tokenizer from what another has as its tokens, all of which must have a text. */
simile_status pairs_from_tokens(const tokenizer *t, tokenizer **out, simile_error *err);

#endif
