/* SPDX-License-Identifier: Apache-2.0
 * segment_dict.h - the two tables behind segment.h: words with their frequencies, and the hidden Markov model. */
#ifndef SIMILE_TEXT_SEGMENT_DICT_H
#define SIMILE_TEXT_SEGMENT_DICT_H

#include "text/segment.h"

enum { SEGMENT_FILE_MAX = 256 << 20, SEGMENT_TEXT_MAX = 64 << 20 };

/* ---- words: a trie over characters, all its edges in one hash table ---- */

typedef struct {
    uint64_t key; /* 0: free */
    uint32_t child;
    uint32_t word; /* 1: the child is a word, said here too so that nobody has to look at it for that */
} word_edge;

typedef struct {
    uint64_t frequency;   /* 0: only the beginning of words */
    double log_frequency; /* of max(frequency, 1) */
    bool split;           /* the user forbade it */
} word_node;

typedef struct {
    word_edge *edges;
    size_t n_edges, edge_room; /* room is a power of two */
    word_node *nodes;          /* [0]: the empty word */
    size_t n_nodes, node_room, n_words;
    uint64_t total;
    double log_total;
} word_table;

enum { NO_NODE = UINT32_MAX };

simile_status words_init(word_table *w, simile_error *err);
void words_release(word_table *w);
/* Reads a dictionary into an empty table. */
simile_status words_parse(word_table *w, const char *text, size_t len, const char *subject, simile_error *err);
/* Takes the white space off both ends of a line. */
void words_trim(const char *text, size_t *begin, size_t *end);
static inline uint64_t words_edge_key(uint32_t node, uint32_t character)
{
    return ((uint64_t)node << 21 | character) + 1;
}

/* Where the key is, or where it would go. */
static inline word_edge *words_edge_slot(word_edge *edges, size_t room, uint64_t key)
{
    size_t i = (size_t)(key * 0x9e3779b97f4a7c15u >> 20) & (room - 1);
    while (edges[i].key && edges[i].key != key) i = (i + 1) & (room - 1);
    return &edges[i];
}

/* The node behind `node` and a character, or NO_NODE. *word: is it a word? */
static inline uint32_t words_next(const word_table *w, uint32_t node, uint32_t character, bool *word)
{
    const word_edge *e = words_edge_slot(w->edges, w->edge_room, words_edge_key(node, character));
    *word = e->word != 0;
    return e->key ? e->child : NO_NODE;
}

static inline uint32_t words_step(const word_table *w, uint32_t node, uint32_t character)
{
    bool word;
    return words_next(w, node, character, &word);
}

/* The node of a whole string, or NO_NODE. */
uint32_t words_find(const word_table *w, const uint32_t *characters, size_t n);
/* Sets a frequency, and makes the string's beginnings known, as jieba's add_word does. */
simile_status words_add(word_table *w, const uint32_t *characters, size_t n, uint64_t frequency, simile_error *err);

/* ---- the hidden Markov model: log probabilities ---- */

enum { HMM_B, HMM_E, HMM_M, HMM_S, HMM_STATES }; /* by letter: of equals, the larger one wins */
enum { HMM_CHARACTERS = 0x10000 };
#define HMM_NEVER -3.14e100

typedef struct {
    double start[HMM_STATES], move[HMM_STATES][HMM_STATES]; /* from, to */
    double (*emit)[HMM_STATES];                             /* [HMM_CHARACTERS] */
} hmm_table;

typedef enum { HMM_START, HMM_TRANS, HMM_EMIT } hmm_part;

simile_status hmm_init(hmm_table *h, simile_error *err);
void hmm_release(hmm_table *h);
/* Reads one of jieba's three tables: Python's text of a dictionary, {"B": number, ...} or {"B": {"c": number, ...}}. */
simile_status hmm_parse(hmm_table *h, hmm_part part, const char *text, size_t len, const char *subject,
                        simile_error *err);
/* states: [n], the most probable way through n characters. */
simile_status hmm_best(const hmm_table *h, const uint32_t *characters, size_t n, uint8_t *states, simile_error *err);

#endif
