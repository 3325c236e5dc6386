/* SPDX-License-Identifier: Apache-2.0
 * best.c - the best k hits of a scan: see best.h.
 *
 * Each worker keeps the best k of what it has seen in a binary heap whose root is the worst of them; the heaps are
 * merged by one sort.
 *
 * Threads: each worker touches its own heap alone; the merge comes when all are done. */
#include "index/best.h"

#include "base/mem.h"

static void sift_up(scan_hit *hits, size_t at)
{
    const scan_hit moving = hits[at];
    while (at && is_worse(moving, hits[(at - 1) / 2])) {
        hits[at] = hits[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    hits[at] = moving;
}

static void sift_down(scan_hit *hits, size_t n)
{
    const scan_hit moving = hits[0];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= n) break;
        if (child + 1 < n && is_worse(hits[child + 1], hits[child])) child++;
        if (!is_worse(hits[child], moving)) break;
        hits[at] = hits[child];
        at = child;
    }
    hits[at] = moving;
}

void heap_push(heap *h, scan_hit hit)
{
    h->hits[h->n] = hit;
    sift_up(h->hits, h->n++);
}

void heap_replace(heap *h, scan_hit hit)
{
    h->hits[0] = hit;
    sift_down(h->hits, h->n);
}

static int best_first(const void *a, const void *b)
{
    const scan_hit x = *(const scan_hit *)a, y = *(const scan_hit *)b;
    return is_worse(x, y) - is_worse(y, x);
}

bool best_init(best *b, size_t workers, size_t k)
{
    size_t slots;
    *b = (best){.workers = workers, .k = k};
    b->hits = mem_mul(workers, k, &slots) ? mem_array(slots, sizeof *b->hits) : NULL;
    b->heaps = mem_zero_array(workers, sizeof *b->heaps);
    if (!b->hits || !b->heaps) {
        best_release(b);
        return false;
    }
    for (size_t w = 0; w < workers; w++) b->heaps[w] = (heap){.hits = b->hits + w * k, .k = k};
    return true;
}

void best_release(best *b)
{
    mem_free(b->hits);
    mem_free(b->heaps);
    *b = (best){0};
}

size_t best_merge(best *b, scan_hit *out)
{
    size_t n = 0;
    for (size_t w = 0; w < b->workers; w++) {
        memmove(b->hits + n, b->heaps[w].hits, b->heaps[w].n * sizeof *b->hits);
        n += b->heaps[w].n;
        b->heaps[w].n = 0;
    }
    if (n) qsort(b->hits, n, sizeof *b->hits, best_first);
    if (n > b->k) n = b->k;
    if (n) memcpy(out, b->hits, n * sizeof *out);
    return n;
}
