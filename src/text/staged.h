/* SPDX-License-Identifier: Apache-2.0
 * staged.h - what all kinds share: added tokens, cleaning, and how tokenizer.json writes both. */
#ifndef SIMILE_TEXT_STAGED_H
#define SIMILE_TEXT_STAGED_H

#include "text/added.h"
#include "text/kind.h"
#include "text/normalizer.h"

/* The first member of each kind's own struct. */
typedef struct staged staged;
struct staged {
    tokenizer base;
    added_set raw, normalized; /* looked for before cleaning, after it */
    normalizer clean;
    /* Cleans in the place of `clean`, into an empty buffer. NULL: that does. */
    simile_status (*own_clean)(const staged *t, const char *text, size_t len, buf *out, simile_error *err);
    bool wants_first; /* words() looks at `first` */
    /* The ids of cleaned text without added tokens; first: it stands at the beginning of the whole text. */
    simile_status (*words)(const staged *t, const char *text, size_t len, bool first, id_list *out, simile_error *err);
};

simile_status staged_init(staged *t, const tokenizer_ops *ops); /* SIMILE_E_NOMEM: nothing is to be released */
void staged_release(staged *t);                                 /* all but the struct itself */

/* tokenizer_ops.encode of all of them. */
simile_status staged_encode(const tokenizer *base, const char *text, size_t len, id_list *out, simile_error *err);

/* tokenizer_lower_case() */
simile_status staged_lower_case(staged *t, simile_error *err);

/* Into the vocabulary if need be, and into the set where it is looked for. The cleaning must be known. */
simile_status staged_add_token(staged *t, const added_token *token, bool normalized, const char *subject,
                               simile_error *err);
/* Sorts the sets; the last call of building. */
void staged_finish(staged *t);

/* {"content": ..., "lstrip": ..., "normalized": ...} without its id; the content is borrowed. */
simile_status staged_read_token(const json_t *object, const char *path, added_token *out, bool *normalized,
                                simile_error *err);
/* "added_tokens" of tokenizer.json. */
simile_status staged_read_added(staged *t, const json_t *root, const char *path, simile_error *err);
/* "post_processor" of tokenizer.json: the tokens around the text, each of which may be missing. */
simile_status staged_read_processor(staged *t, const json_t *part, const char *path, simile_error *err);
/* "Sequence" with its array under `key`, or one part; NULL or null gives no parts. Returns how many there are. */
size_t staged_parts(const json_t *part, const char *key);
const json_t *staged_part(const json_t *part, const char *key, size_t i);

#endif
