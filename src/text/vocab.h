/* SPDX-License-Identifier: Apache-2.0
 * vocab.h - the pieces of a vocabulary by id, and the ids by piece. */
#ifndef SIMILE_TEXT_VOCAB_H
#define SIMILE_TEXT_VOCAB_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VOCAB_MAX = 2000000 }; /* ids are below it */

typedef struct vocab vocab;

vocab *vocab_new(void); /* NULL: out of memory */
void vocab_free(vocab *v);

/* Copies a piece without NUL bytes in. A piece that is there already with this id is left alone; another id for it, or
 * another piece for the id, is an error about `subject`. */
simile_status vocab_add(vocab *v, int64_t id, const char *piece, const char *subject, simile_error *err);
/* All of {"piece": id, ...}; an empty object is an error. */
simile_status vocab_add_json(vocab *v, const json_t *object, const char *subject, simile_error *err);
/* A piece of JSON that was left out of a tree: an empty object or array stands in its place. text NULL: it was not. */
typedef struct {
    const char *text;
    size_t len;
} json_part;
/* vocab_read_json() of the part, or vocab_add_json() of the object where there is none. */
simile_status vocab_read_part(vocab *v, json_part part, const json_t *object, const char *subject, simile_error *err);
/* The same from a file's bytes, into an empty vocabulary. */
simile_status vocab_read_json(vocab *v, const char *text, size_t len, const char *subject, simile_error *err);

int32_t vocab_find(const vocab *v, const char *piece, size_t len); /* -1: not there */
/* The same for n pieces at once, which takes less than half the time: the memory is asked for all of them together. */
typedef struct {
    const char *text;
    size_t len;
} vocab_text;
enum { VOCAB_AT_ONCE = 64 };
void vocab_find_all(const vocab *v, const vocab_text *pieces, size_t n, int32_t *ids); /* n: at most VOCAB_AT_ONCE */
const char *vocab_piece(const vocab *v, int32_t id); /* NULL: no such id; valid until the next add */
size_t vocab_size(const vocab *v);                   /* largest id + 1 */
/* Is the piece with this id those two, one behind the other? */
bool vocab_is_joined(const vocab *v, int32_t id, const char *left, size_t left_len, const char *right,
                     size_t right_len);

#endif
