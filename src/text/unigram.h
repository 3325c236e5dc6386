/* SPDX-License-Identifier: Apache-2.0
 * unigram.h - the segmentation of SentencePiece's unigram language model: the pieces whose scores add up to most. */
#ifndef SIMILE_TEXT_UNIGRAM_H
#define SIMILE_TEXT_UNIGRAM_H

#include "base/err.h"
#include "text/kind.h"
#include "text/trie.h"

typedef struct {
    trie *pieces;
    double *scores; /* [n], by the id in the trie */
    int32_t *ids;   /* [n], what the vocabulary calls it */
    size_t n, capacity;
    double unknown_score;
    int32_t unknown;
    bool byte_fallback; /* an unknown character becomes its bytes */
    int32_t bytes[256]; /* ids of <0x00>...; -1: not there */
    bool single;        /* sums are kept in single precision, as SentencePiece does; else in double */
} unigram;

simile_status unigram_init(unigram *u); /* SIMILE_E_NOMEM: nothing is to be released */
void unigram_release(unigram *u);

/* The bytes of the piece are borrowed until unigram_finish(). */
simile_status unigram_add(unigram *u, const char *piece, size_t len, double score, int32_t id, simile_error *err);
/* Finds the byte pieces in the vocabulary and makes the trie. */
simile_status unigram_finish(unigram *u, const vocab *v, const char *subject, simile_error *err);

/* The ids of normalized text, valid UTF-8; a run of unknown characters is one unknown id. */
simile_status unigram_put(const unigram *u, const char *text, size_t len, id_list *out, simile_error *err);

#endif
