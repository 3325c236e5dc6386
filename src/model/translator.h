/* SPDX-License-Identifier: Apache-2.0
 * translator.h - from one language to another: the second door from model/ upward, beside model.h.
 *
 * A translator is a directory in the layout of Marian models (config.json of model_type "marian", weights in any format
 * that weights.h reads), with SentencePiece's source.spm and target.spm, or with words cut by a dictionary and then by
 * byte-pair encoding, as its tokenizer_config.json says (text/segmented_bpe.c). It is immutable and shared; a session
 * belongs to one thread at a time. */
#ifndef SIMILE_MODEL_TRANSLATOR_H
#define SIMILE_MODEL_TRANSLATOR_H

#include "model/beam.h"
#include "text/tokenizer.h"

typedef struct translator translator;
typedef struct translator_session translator_session;

simile_status translator_open(const char *directory, translator **out, simile_error *err);
void translator_close(translator *t);
const char *translator_directory(const translator *t);
const tokenizer *translator_words(const translator *t);
const marian_config *translator_config(const translator *t);
marian *translator_network(translator *t); /* packed; for tests */

simile_status translator_session_new(const translator *t, int threads, translator_session **out, simile_error *err);
void translator_session_free(translator_session *s);

typedef struct {
    char *text;  /* owned */
    float score; /* mean log probability of its tokens, by the length penalty */
} translation;

typedef struct {
    translation *items; /* best first */
    size_t n;
    bool truncated; /* the text was longer than the translator reads */
} translations;

void translations_release(translations *t);

/* out: [n], each with at most `best` candidates, for translations_release() even on failure. beams 0: the translator's
 * own number, or `best` if that is more. A text's candidates do not depend on the other texts. */
simile_status translator_run(translator_session *s, const char *const *texts, size_t n, int32_t best, int32_t beams,
                             translations *out, simile_error *err);

#endif
