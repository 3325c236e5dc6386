/* SPDX-License-Identifier: Apache-2.0
 * bpe.c - see bpe.h.
 *
 * The merges lie in an open hash table from the pair of ids to rank and merged id: multiplicative hashing (Knuth,
 * TAOCP 3, 6.4) by a random odd number, linear probing, at most half full.
 *
 * Words of up to SHORT ids, nearly all, are merged in place: the rank of every pair of neighbours is kept beside it,
 * each step takes the lowest and looks up only the two pairs that the merge made. Longer words keep their ids in a
 * linked list and the pairs in a binary heap ordered by rank and place, so that n ids take O(n log n) steps. An entry
 * of the heap is stale when an id it spoke of was merged meanwhile; it is known by the pair's merged id, which cannot
 * be that of the entry any more.
 *
 * Threads: bpe_merge() only reads the table. */
#include "text/bpe.h"

#include "base/mem.h"

#include <sys/random.h>

enum { SHORT = 48, FIRST_SLOTS = 1024 };

#define NO_RANK  UINT32_MAX
#define NO_PLACE SIZE_MAX

typedef struct {
    uint64_t pair; /* left << 32 | right */
    uint32_t rank; /* NO_RANK: the slot is free */
    int32_t merged;
} merge;

struct bpe {
    merge *slots; /* [1 << bits] */
    int bits;
    size_t n;
    uint32_t next_rank;
    uint64_t factor;
};

static const merge no_merge = {.rank = NO_RANK, .merged = -1};

static inline uint64_t pair_of(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

/* Folding first lets the left id's bits reach the top of the product as well as the right one's. */
static inline size_t first_slot(const bpe *b, uint64_t pair)
{
    return (size_t)(((pair ^ pair >> 29) * b->factor) >> (64 - b->bits));
}

static inline size_t slot_of(const bpe *b, uint64_t pair)
{
    const size_t mask = ((size_t)1 << b->bits) - 1;
    size_t i = first_slot(b, pair);
    while (b->slots[i].rank != NO_RANK && b->slots[i].pair != pair) i = (i + 1) & mask;
    return i;
}

static inline merge look_up(const bpe *b, int32_t left, int32_t right)
{
    return b->slots[slot_of(b, pair_of(left, right))];
}

static bool make_slots(bpe *b, int bits)
{
    merge *old = b->slots;
    const size_t n_old = old ? (size_t)1 << b->bits : 0;
    merge *slots = mem_array((size_t)1 << bits, sizeof *slots);
    if (!slots) return false;
    for (size_t i = 0; i < (size_t)1 << bits; i++) slots[i] = no_merge;
    b->slots = slots;
    b->bits = bits;
    for (size_t i = 0; i < n_old; i++) {
        if (old[i].rank != NO_RANK) b->slots[slot_of(b, old[i].pair)] = old[i];
    }
    mem_free(old);
    return true;
}

bpe *bpe_new(void)
{
    bpe *b = mem_new(bpe);
    if (!b) return NULL;
    if (getrandom(&b->factor, sizeof b->factor, GRND_NONBLOCK) != (ssize_t)sizeof b->factor)
        b->factor = 0x9e3779b97f4a7c15u;
    b->factor |= 1;
    if (!make_slots(b, __builtin_ctz(FIRST_SLOTS))) {
        bpe_free(b);
        return NULL;
    }
    return b;
}

void bpe_free(bpe *b)
{
    if (!b) return;
    mem_free(b->slots);
    mem_free(b);
}

void bpe_expect(const bpe *b, int32_t left, int32_t right)
{
    __builtin_prefetch(&b->slots[first_slot(b, pair_of(left, right))], 1);
}

void bpe_clear(bpe *b)
{
    for (size_t i = 0; i < (size_t)1 << b->bits; i++) b->slots[i] = no_merge;
    b->n = 0;
    b->next_rank = 0;
}

simile_status bpe_reserve(bpe *b, size_t n, simile_error *err)
{
    int bits = b->bits;
    if (n > BPE_MERGES_MAX) n = BPE_MERGES_MAX;
    while ((size_t)1 << bits < 2 * (b->n + n)) bits++;
    return bits == b->bits || make_slots(b, bits) ? SIMILE_OK : err_nomem(err);
}

simile_status bpe_add(bpe *b, int32_t left, int32_t right, int32_t merged, simile_error *err)
{
    if (2 * (b->n + 1) > (size_t)1 << b->bits && !make_slots(b, b->bits + 1)) return err_nomem(err);
    merge *slot = &b->slots[slot_of(b, pair_of(left, right))];
    if (slot->rank == NO_RANK) b->n++;
    *slot = (merge){.pair = pair_of(left, right), .rank = b->next_rank++, .merged = merged};
    return SIMILE_OK;
}

bpe_pair *bpe_list(const bpe *b, size_t *n)
{
    bpe_pair *by_rank = mem_array((size_t)b->next_rank + 1, sizeof *by_rank);
    *n = 0;
    if (!by_rank) return NULL;
    for (size_t i = 0; i < b->next_rank; i++) by_rank[i] = (bpe_pair){-1, -1};
    for (size_t i = 0; i < (size_t)1 << b->bits; i++) {
        const merge *m = &b->slots[i];
        if (m->rank != NO_RANK) by_rank[m->rank] = (bpe_pair){(int32_t)(m->pair >> 32), (int32_t)(uint32_t)m->pair};
    }
    for (size_t i = 0; i < b->next_rank; i++) { /* a pair that was added again left its first rank empty */
        if (by_rank[i].left >= 0) by_rank[(*n)++] = by_rank[i];
    }
    return by_rank;
}

/* ---- short words ---- */

static size_t lowest(const merge *pairs, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        if (pairs[i].rank < pairs[best].rank) best = i;
    }
    return best;
}

static size_t merge_short(const bpe *b, int32_t *ids, size_t n)
{
    merge pairs[SHORT];
    for (size_t i = 0; i + 1 < n; i++) pairs[i] = look_up(b, ids[i], ids[i + 1]);
    while (n > 1) {
        const size_t i = lowest(pairs, n - 1);
        if (pairs[i].rank == NO_RANK) break;
        ids[i] = pairs[i].merged;
        n--;
        for (size_t k = i + 1; k < n; k++) ids[k] = ids[k + 1];
        for (size_t k = i; k + 1 < n; k++) pairs[k] = pairs[k + 1];
        if (i > 0) pairs[i - 1] = look_up(b, ids[i - 1], ids[i]);
        if (i + 1 < n) pairs[i] = look_up(b, ids[i], ids[i + 1]);
    }
    return n;
}

/* ---- long words ---- */

typedef struct {
    uint64_t order; /* rank << 32 | place: unique, the lowest first */
    int32_t merged;
} candidate;

typedef struct {
    const bpe *table;
    int32_t *ids;
    size_t *next, *previous; /* [n], NO_PLACE at the ends; an id that was merged away is -1 */
    candidate *heap;         /* [3 n]: n - 1 pairs, and two for each of at most n - 1 merges */
    size_t n_heap;
} long_word;

static void push(long_word *w, size_t place)
{
    const size_t next = w->next[place];
    if (next == NO_PLACE) return;
    const merge m = look_up(w->table, w->ids[place], w->ids[next]);
    if (m.rank == NO_RANK) return;
    const candidate c = {.order = (uint64_t)m.rank << 32 | (uint32_t)place, .merged = m.merged};
    size_t i = w->n_heap++;
    while (i > 0 && w->heap[(i - 1) / 2].order > c.order) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = c;
}

static candidate pop(long_word *w)
{
    const candidate top = w->heap[0], last = w->heap[--w->n_heap];
    size_t i = 0;
    for (size_t child = 1; child < w->n_heap; child = 2 * i + 1) {
        if (child + 1 < w->n_heap && w->heap[child + 1].order < w->heap[child].order) child++;
        if (w->heap[child].order >= last.order) break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

static void join(long_word *w, candidate c)
{
    const size_t place = (uint32_t)c.order, gone = w->next[place];
    if (gone == NO_PLACE) return;
    /* An id that was merged away is -1, which no pair in the table has. */
    if (look_up(w->table, w->ids[place], w->ids[gone]).merged != c.merged) return;
    w->ids[place] = c.merged;
    w->ids[gone] = -1;
    w->next[place] = w->next[gone];
    if (w->next[gone] != NO_PLACE) w->previous[w->next[gone]] = place;
    if (w->previous[place] != NO_PLACE) push(w, w->previous[place]);
    push(w, place);
}

static simile_status merge_long(const bpe *b, int32_t *ids, size_t *n, simile_error *err)
{
    if (*n > INT32_MAX)
        return err_set(err, SIMILE_E_LIMIT, "cannot tokenize: a word has more than %d bytes", INT32_MAX);
    long_word w = {.table = b, .ids = ids};
    w.next = mem_array(*n, 2 * sizeof *w.next);
    w.heap = mem_array(*n, 3 * sizeof *w.heap);
    if (!w.next || !w.heap) {
        mem_free(w.next);
        mem_free(w.heap);
        return err_nomem(err);
    }
    w.previous = w.next + *n;
    for (size_t i = 0; i < *n; i++) {
        w.next[i] = i + 1 < *n ? i + 1 : NO_PLACE;
        w.previous[i] = i > 0 ? i - 1 : NO_PLACE;
    }
    for (size_t i = 0; i + 1 < *n; i++) push(&w, i);
    while (w.n_heap > 0) join(&w, pop(&w));
    size_t left = 0;
    for (size_t i = 0; i != NO_PLACE; i = w.next[i]) ids[left++] = ids[i];
    *n = left;
    mem_free(w.next);
    mem_free(w.heap);
    return SIMILE_OK;
}

simile_status bpe_merge(const bpe *b, int32_t *ids, size_t *n, simile_error *err)
{
    if (*n > SHORT) return merge_long(b, ids, n, err);
    *n = merge_short(b, ids, *n);
    return SIMILE_OK;
}
