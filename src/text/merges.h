/* SPDX-License-Identifier: Apache-2.0
 * merges.h - merges written as pairs of pieces, into a table of merges of ids. */
#ifndef SIMILE_TEXT_MERGES_H
#define SIMILE_TEXT_MERGES_H

#include "base/buf.h"
#include "base/json.h"
#include "text/bpe.h"
#include "text/vocab.h"

typedef struct {
    const vocab *vocab;
    bpe *merges;
    const char *path, *unit; /* for messages: '<path>': <unit> <number> ... */
    size_t number;
    vocab *grows; /* the vocabulary again, if each merge adds its token to it; or NULL */
    size_t n;     /* merges so far */
    int32_t last; /* the token that the merge before this one made */
    buf joined;   /* scratch */
} merge_reader;

simile_status merge_pair(merge_reader *m, const char *left, size_t left_len, const char *right, size_t right_len,
                         simile_error *err);
/* "left right" */
simile_status merge_line(merge_reader *m, const char *line, size_t len, simile_error *err);
/* The line at *at, without its end; false behind the last one. */
bool merge_next_line(const char *text, size_t len, size_t *at, const char **line, size_t *n);
/* A file of such lines. Lines that begin with "#version" and an empty last one are passed over. Not with `grows`:
 * several lines are looked up together. */
simile_status merge_file(merge_reader *m, const char *text, size_t len, simile_error *err);
/* "merges" of a tokenizer.json: an array of "left right", or of ["left", "right"] in files since 2024. Makes and
 * releases `joined` itself. */
simile_status merge_json(merge_reader *m, const json_t *merges, simile_error *err);
/* The same of the part, or of the array where there is none. */
simile_status merge_part(merge_reader *m, json_part part, const json_t *merges, simile_error *err);

#endif
