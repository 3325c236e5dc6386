/* SPDX-License-Identifier: Apache-2.0
 * bpe.h - byte-pair encoding on ids: the table of merges and its application to one word. */
#ifndef SIMILE_TEXT_BPE_H
#define SIMILE_TEXT_BPE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { BPE_MERGES_MAX = 2000000 };

typedef struct bpe bpe;

bpe *bpe_new(void); /* NULL: out of memory */
void bpe_free(bpe *b);

/* The pair (left, right) becomes `merged`. Each call has a rank one above that of the call before, and the lowest rank
 * goes first; a pair that is added again gets the later rank. */
simile_status bpe_add(bpe *b, int32_t left, int32_t right, int32_t merged, simile_error *err);

void bpe_clear(bpe *b); /* of all pairs */
/* The next bpe_add() will be of this pair, or one soon. */
void bpe_expect(const bpe *b, int32_t left, int32_t right);
/* Room for n pairs more, so that the table need not grow by and by. */
simile_status bpe_reserve(bpe *b, size_t n, simile_error *err);

/* All pairs in the order of their ranks, for mem_free; NULL when memory is short. *n: how many. */
typedef struct {
    int32_t left, right;
} bpe_pair;
bpe_pair *bpe_list(const bpe *b, size_t *n);

/* Merges within ids[0 .. *n) until no pair of neighbours is in the table: always the pair of lowest rank, the leftmost
 * of equal ones. */
simile_status bpe_merge(const bpe *b, int32_t *ids, size_t *n, simile_error *err);

#endif
