/* SPDX-License-Identifier: Apache-2.0
 * segment.h - Chinese text to words, by the algorithm of jieba (fxsjy/jieba 0.42.1: jieba/__init__.py and finalseg).
 *
 * A dictionary gives every word a frequency. Of all ways to cut a sentence into words of the dictionary the most
 * probable one is taken, words being independent; runs of single characters that are no words are cut by a hidden
 * Markov model over the states begin, middle, end, single. Both are the user's: dict.txt and the folder finalseg as
 * jieba ships them, or files in their formats.
 *
 * A segmenter is immutable once it is made: any number of threads may cut with it. */
#ifndef SIMILE_TEXT_SEGMENT_H
#define SIMILE_TEXT_SEGMENT_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

typedef struct segmenter segmenter;

typedef struct {
    const char *dictionary; /* lines "word frequency tag", the tag may be missing */
    const char *user;       /* lines "word [frequency] [tag]", a frequency of 0 forbids the word; NULL: none */
    const char *hmm;        /* a folder with prob_start.py, prob_trans.py, prob_emit.py; NULL: none */
} segmenter_files;

/* Errors: NOT_FOUND, IO, FORMAT (the line is named), LIMIT, NOMEM. */
simile_status segmenter_open(const segmenter_files *files, segmenter **out, simile_error *err);
/* The same from a dictionary in memory, and words of a user added to it (before it is shared): doors for fuzz targets.
 */
simile_status segmenter_from_words(const char *text, size_t len, const char *subject, segmenter **out,
                                   simile_error *err);
simile_status segmenter_add_words(segmenter *s, const char *text, size_t len, const char *subject, simile_error *err);
void segmenter_free(segmenter *s);
bool segmenter_has_hmm(const segmenter *s);
size_t segmenter_words(const segmenter *s); /* in the dictionary */

typedef enum {
    SEGMENT_PRECISE, /* the most probable cut */
    SEGMENT_FULL,    /* every word that can be read, overlapping ones too */
    SEGMENT_SEARCH   /* precise, and the words of two and three characters within longer ones */
} segment_mode;

/* Words one behind another; word i is bytes ends[i-1] .. ends[i] - 1. */
typedef struct {
    buf bytes;
    size_t *ends, n, capacity;
    bool failed; /* memory is short */
} segment_list;

void segment_list_init(segment_list *list);
void segment_list_release(segment_list *list);
const char *segment_list_at(const segment_list *list, size_t i, size_t *len);
/* Is a word of a segmenter white space, or a control character? */
bool segment_is_blank(const char *word, size_t len);

/* Appends the words of len bytes to *out; white space and punctuation are words as well, as jieba has them (but for
 * the empty ones that its full mode gives). hmm: use the model, if there is one. Bytes that are not UTF-8 count as
 * U+FFFD. */
simile_status segmenter_cut(const segmenter *s, const char *text, size_t len, segment_mode mode, bool hmm,
                            segment_list *out, simile_error *err);

#endif
