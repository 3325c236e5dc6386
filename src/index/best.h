/* SPDX-License-Identifier: Apache-2.0
 * best.h - the best k hits of a scan, one heap a worker. Private to index/.
 *
 * Hits are totally ordered (score, then smaller id), so that neither the workers nor the order of the rows can show in
 * what is kept. */
#ifndef SIMILE_INDEX_BEST_H
#define SIMILE_INDEX_BEST_H

#include "index/scan.h"

#include <stdbool.h>

typedef struct {
    scan_hit *hits; /* a binary heap, the worst at [0] */
    size_t n, k;
} heap;

static inline bool is_worse(scan_hit a, scan_hit b)
{
    return a.score < b.score || (a.score == b.score && a.id > b.id);
}

void heap_push(heap *h, scan_hit hit);    /* n < k */
void heap_replace(heap *h, scan_hit hit); /* for the worst */

static inline void heap_offer(heap *h, scan_hit hit)
{
    if (h->n < h->k)
        heap_push(h, hit);
    else if (is_worse(h->hits[0], hit))
        heap_replace(h, hit);
}

typedef struct {
    scan_hit *hits; /* [workers, k] */
    heap *heaps;    /* [workers] */
    size_t workers, k;
} best;

bool best_init(best *b, size_t workers, size_t k); /* k > 0; false: out of memory */
void best_release(best *b);
/* The best k of all workers, best first; how many there are. Empties the heaps. */
size_t best_merge(best *b, scan_hit *out);

#endif
