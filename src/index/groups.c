/* SPDX-License-Identifier: Apache-2.0
 * groups.c - rows that are alike, as groups: see groups.h.
 *
 * The rows that are allowed are listed first; places in that list are cut into blocks of BLOCK. A step compares one
 * block with itself and all later ones; its tasks are those pairs of blocks. Within a task, a row of one block is held
 * against all rows of the other: a block has a size that stays in the second-level cache, so memory is read once a
 * task, not once a pair.
 *
 * Groups grow in a disjoint-set forest without locks, after Anderson and Woll, "Wait-free parallel algorithms for the
 * union-find problem" (STOC 1991): a root points to itself, and is linked by one compare-and-swap below a root with a
 * smaller number. So parents only ever become smaller, there are no cycles, and the root of a group is its smallest row
 * whatever the threads did.
 *
 * Threads: one step at a time, which uses the pool. */
#include "index/groups.h"

#include "base/mem.h"
#include "index/scan.h"

#include <stdatomic.h>

enum { BLOCK = 128 };

struct groups {
    groups_set set;
    const scan_kernels *kernels;
    size_t *rows; /* [n]: those that are allowed */
    size_t n, blocks;
    _Atomic size_t *parents; /* [set.n] */
};

simile_status groups_new(const groups_set *set, groups **out, simile_error *err)
{
    *out = NULL;
    if (set->stride < set->dim) return err_set(err, SIMILE_E_INTERNAL, "rows are longer than their stride");
    groups *g = mem_new(groups);
    if (!g) return err_nomem(err);
    g->set = *set;
    g->kernels = scan_kernels_best();
    g->rows = mem_array(set->n, sizeof *g->rows);
    g->parents = mem_array(set->n, sizeof *g->parents);
    if (!g->rows || !g->parents) {
        groups_free(g);
        return err_nomem(err);
    }
    for (size_t row = 0; row < set->n; row++) {
        atomic_init(&g->parents[row], row);
        if (!set->allow || set->allow[row / 64] >> row % 64 & 1) g->rows[g->n++] = row;
    }
    g->blocks = (g->n + BLOCK - 1) / BLOCK;
    *out = g;
    return SIMILE_OK;
}

void groups_free(groups *g)
{
    if (!g) return;
    mem_free(g->rows);
    mem_free(g->parents);
    mem_free(g);
}

size_t groups_steps(const groups *g)
{
    return (g->blocks + 1) / 2;
}

int64_t groups_pairs(const groups *g)
{
    return (int64_t)g->n * ((int64_t)g->n - 1) / 2;
}

/* ---- the forest ---- */

/* Halves the path on its way: each row that it passes comes to point to its grandparent. */
static size_t root_of(groups *g, size_t row)
{
    for (;;) {
        size_t parent = atomic_load_explicit(&g->parents[row], memory_order_relaxed);
        if (parent == row) return row;
        const size_t above = atomic_load_explicit(&g->parents[parent], memory_order_relaxed);
        if (above != parent)
            atomic_compare_exchange_weak_explicit(&g->parents[row], &parent, above, memory_order_relaxed,
                                                  memory_order_relaxed);
        row = above;
    }
}

static void join(groups *g, size_t a, size_t b)
{
    for (;;) {
        a = root_of(g, a);
        b = root_of(g, b);
        if (a == b) return;
        size_t larger = a > b ? a : b;
        const size_t smaller = a > b ? b : a;
        if (atomic_compare_exchange_strong_explicit(&g->parents[larger], &larger, smaller, memory_order_relaxed,
                                                    memory_order_relaxed))
            return;
    }
}

size_t groups_of(groups *g, size_t row)
{
    return root_of(g, row);
}

/* ---- comparing ---- */

/* Where the rows from `at` on lie behind one another, how many of them, at most to `end`. */
static size_t run_length(const groups *g, size_t at, size_t end)
{
    size_t n = 1;
    while (at + n < end && g->rows[at + n] == g->rows[at] + n) n++;
    return n;
}

/* Row `one` against the places first..end-1. */
static void compare_row(groups *g, size_t one, size_t first, size_t end)
{
    const groups_set *s = &g->set;
    const float *query = s->rows + one * s->stride;
    float scores[BLOCK];
    while (first < end) {
        const size_t n = run_length(g, first, end), row = g->rows[first];
        g->kernels->dots(s->rows + row * s->stride, n, s->stride, s->dim, query, scores);
        for (size_t i = 0; i < n; i++)
            if (scores[i] >= s->min_score) join(g, one, row + i);
        first += n;
    }
}

/* Two blocks, or one with itself. */
static void compare_blocks(groups *g, size_t a, size_t b)
{
    const size_t a_end = a * BLOCK + BLOCK < g->n ? a * BLOCK + BLOCK : g->n;
    const size_t b_end = b * BLOCK + BLOCK < g->n ? b * BLOCK + BLOCK : g->n;
    for (size_t at = a * BLOCK; at < a_end; at++) compare_row(g, g->rows[at], a == b ? at + 1 : b * BLOCK, b_end);
}

typedef struct {
    groups *g;
    size_t low, high; /* blocks of this step; the same one when it is in the middle */
} step_work;

/* Block `low` has blocks-low partners, then block `high` has its own: together always about blocks+1. */
static void compare_task(void *user, size_t task, int worker)
{
    const step_work *w = user;
    const size_t of_low = w->g->blocks - w->low;
    if (task < of_low)
        compare_blocks(w->g, w->low, w->low + task);
    else
        compare_blocks(w->g, w->high, w->high + (task - of_low));
}

static int64_t pairs_of_block(const groups *g, size_t block)
{
    const size_t first = block * BLOCK, end = first + BLOCK < g->n ? first + BLOCK : g->n;
    const int64_t own = (int64_t)(end - first);
    return own * (own - 1) / 2 + own * (int64_t)(g->n - end);
}

void groups_step(groups *g, size_t step, pool *threads, int64_t *done)
{
    step_work w = {.g = g, .low = step, .high = g->blocks - 1 - step};
    const bool middle = w.low == w.high;
    const size_t tasks = g->blocks - w.low + (middle ? 0 : g->blocks - w.high);
    if (threads)
        pool_run(threads, tasks, compare_task, &w);
    else
        for (size_t task = 0; task < tasks; task++) compare_task(&w, task, 0);
    *done += pairs_of_block(g, w.low) + (middle ? 0 : pairs_of_block(g, w.high));
}
