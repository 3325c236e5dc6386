/* SPDX-License-Identifier: Apache-2.0
 * normalizer.h - the steps that clean a text before it is cut into words, as tokenizer.json's "normalizer" names them.
 */
#ifndef SIMILE_TEXT_NORMALIZER_H
#define SIMILE_TEXT_NORMALIZER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "text/charsmap.h"

#include <stdbool.h>
#include <stddef.h>

enum { NORMALIZER_STEPS_MAX = 16 };

typedef enum {
    NORM_NFC,
    NORM_NFD,
    NORM_LOWER,
    NORM_CLEAN,      /* BERT: controls removed, white space to ' ' */
    NORM_SPACE_HAN,  /* BERT: spaces around ideographs */
    NORM_NONSPACING, /* category Mn removed */
    NORM_STRIP,      /* white space at the ends */
    NORM_PREPEND,    /* `to` in front of a text that is not empty */
    NORM_REPLACE,    /* each `from` by `to` */
    NORM_RUNS,       /* each run of characters of a set by `to` */
    NORM_CHARSMAP,   /* SentencePiece's precompiled map */
} norm_kind;

typedef struct {
    norm_kind kind;
    bool left, right; /* NORM_STRIP */
    char *from, *to;  /* owned */
    size_t from_len, to_len;
    bool set[128], spaces; /* NORM_RUNS: ASCII characters; all white space */
    size_t least;          /* a shorter run stays... */
    bool many;             /* ...and without this a run ends at `least` */
    charsmap map;          /* NORM_CHARSMAP */
} norm_step;

typedef struct {
    norm_step steps[NORMALIZER_STEPS_MAX];
    size_t n;
} normalizer;

void normalizer_release(normalizer *z);
/* Appends a step and takes what it owns, also when it fails. */
simile_status normalizer_add(normalizer *z, norm_step step, const char *subject, simile_error *err);
simile_status normalizer_add_kind(normalizer *z, norm_kind kind, const char *subject, simile_error *err);
/* BertNormalizer: cleaning in its own order. */
typedef struct {
    bool clean, space_han, strip_accents, lower;
} bert_cleaning;
simile_status normalizer_add_bert(normalizer *z, bert_cleaning flags, const char *subject, simile_error *err);

/* White space to single spaces, and none at the ends, as " ".join(text.split()) of Python. */
simile_status normalizer_add_spaces(normalizer *z, const char *subject, simile_error *err);
/* The texts of SigLIP: no ASCII punctuation, single spaces. */
typedef struct {
    bool underscores; /* become spaces; otherwise they go like the rest */
    bool lower;
} canonical_text;
simile_status normalizer_add_canonical(normalizer *z, canonical_text flags, const char *subject, simile_error *err);

/* The steps of tokenizer.json's "normalizer", which may be absent or null; an unknown one is refused by name. */
simile_status normalizer_from_json(normalizer *z, const json_t *part, const char *subject, simile_error *err);

/* Appends the cleaned text, valid UTF-8 in and out, to an empty buffer. front, unless NULL: becomes false when the
 * first character was removed. */
simile_status normalizer_run(const normalizer *z, const char *text, size_t len, buf *out, bool *front,
                             simile_error *err);

#endif
