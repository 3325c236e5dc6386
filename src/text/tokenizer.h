/* SPDX-License-Identifier: Apache-2.0
 * tokenizer.h - text to token ids: one interface, the kind chosen by the model's files.
 *
 * Immutable once opened: any number of threads may encode with it at once. */
#ifndef SIMILE_TEXT_TOKENIZER_H
#define SIMILE_TEXT_TOKENIZER_H

#include "base/buf.h"
#include "base/err.h"
#include "text/segment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tokenizer tokenizer;

/* Opens whatever tokenizer the directory holds: tokenizer.json, or vocab.json + merges.txt, or OpenAI's
 * bpe_simple_vocab_16e6.txt.gz (or without .gz), or a SentencePiece model (sentencepiece.bpe.model, spiece.model,
 * source.spm + vocab.json), or vocab.txt. */
simile_status tokenizer_open(const char *directory, tokenizer **out, simile_error *err);

/* A CLIP tokenizer from its tokens alone, in the order of their ids: the merges follow from them (clip_merges.c). They
 * need not outlive the call. UNSUPPORTED: the tokens of something else. */
typedef struct {
    const char *text; /* UTF-8, as vocab.json writes it */
    size_t len;
} token_text;
simile_status tokenizer_from_tokens(const token_text *tokens, size_t n, const char *subject, tokenizer **out,
                                    simile_error *err);

void tokenizer_close(tokenizer *t);

/* From now on texts are in lower case before anything else is done to them, as a model may want it whatever its
 * tokenizer's own files say. Before the first text. */
simile_status tokenizer_lower_case(tokenizer *t, simile_error *err);

typedef struct {
    int32_t *ids; /* owned; the special tokens included */
    size_t n;
    bool truncated; /* the text was longer than max_len */
} token_list;

/* Ids of a text, at most max_len of them (>= 2) with the special tokens; a longer text loses its end, never the
 * end-of-text token. len bytes of UTF-8, NUL bytes are characters like any other. Released with mem_free(out->ids). */
simile_status tokenizer_encode(const tokenizer *t, const char *text, size_t len, size_t max_len, token_list *out,
                               simile_error *err);

/* What OpenCLIP does to a text before its tokenizer sees it. */
typedef enum {
    TOKENIZER_CLEAN_SPACES,   /* white space to single spaces */
    TOKENIZER_CLEAN_LOWER,    /* and lower case */
    TOKENIZER_CLEAN_CANONICAL /* and '_' a space, no other ASCII punctuation */
} tokenizer_cleaning;
/* At most once, before anyone else uses the tokenizer. */
simile_status tokenizer_clean_first(tokenizer *t, tokenizer_cleaning how, simile_error *err);

/* Appends what vocab.json and merges.txt would hold. UNSUPPORTED for a kind that these two do not describe. */
simile_status tokenizer_write(const tokenizer *t, buf *vocab_json, buf *merges_txt, simile_error *err);

/* The text that the ids stand for, without special tokens; *out is for mem_free. UNSUPPORTED for kinds that only
 * encode. */
simile_status tokenizer_decode(const tokenizer *t, const int32_t *ids, size_t n, char **out, simile_error *err);
/* What cuts texts into words before they become pieces; NULL: nothing does. */
const segmenter *tokenizer_segmenter(const tokenizer *t);

size_t tokenizer_vocab_size(const tokenizer *t); /* largest id + 1 */
int32_t tokenizer_end_id(const tokenizer *t);    /* of the end-of-text token, -1 when there is none */
/* "clip-bpe", "wordpiece", "sentencepiece-unigram", "sentencepiece-bpe" or "segmented-bpe" */
const char *tokenizer_kind(const tokenizer *t);
/* The bytes of a token as its vocabulary writes it, NULL when there is no such id; borrowed. */
const char *tokenizer_piece(const tokenizer *t, int32_t id);
int32_t tokenizer_find(const tokenizer *t, const char *piece); /* its id; -1: not in the vocabulary */

#endif
