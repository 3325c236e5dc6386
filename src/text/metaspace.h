/* SPDX-License-Identifier: Apache-2.0
 * metaspace.h - the pre-tokenizer of SentencePiece models in tokenizer.json: spaces become a visible character. */
#ifndef SIMILE_TEXT_METASPACE_H
#define SIMILE_TEXT_METASPACE_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum { PREPEND_ALWAYS, PREPEND_FIRST, PREPEND_NEVER } metaspace_prepend;

typedef struct {
    bool split_white; /* at white space first, which is dropped */
    bool replace;     /* each ' ' becomes the mark; without this nothing below happens */
    bool split;       /* before each mark */
    metaspace_prepend prepend;
    char mark[8]; /* "\u2581" */
    size_t mark_len;
} metaspace;

/* "pre_tokenizer": Metaspace, WhitespaceSplit, both in a Sequence, or none. */
simile_status metaspace_from_json(metaspace *m, const json_t *part, const char *path, simile_error *err);

/* Calls fn for each word of the text. */
typedef simile_status (*metaspace_word_fn)(void *user, const char *word, size_t len);
simile_status metaspace_run(const metaspace *m, const char *text, size_t len, bool first, metaspace_word_fn fn,
                            void *user, simile_error *err);

#endif
