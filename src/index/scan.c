/* SPDX-License-Identifier: Apache-2.0
 * scan.c - exact nearest rows: see scan.h.
 *
 * Rows are handed to the threads in blocks. Each thread keeps the best k of what it has seen (best.h). A scan reads
 * every row once and is bound by memory: at 512 numbers a row the arithmetic of one AVX2 core keeps ahead of what that
 * core can load (bench/bench_search.c measures both).
 *
 * With a bitmap, blocks in which no row is allowed are not read at all, and in partly allowed ones each allowed row is
 * scored alone: the same kernel, hence the same score.
 *
 * Threads: scan_top() only reads the set; any number of calls may run at once, each with a pool of its own or none. */
#include "index/scan.h"

#include "index/best.h"
#include "index/kernels.h"

#include <string.h>

enum { BLOCK_ROWS = 1024 }; /* a multiple of 64: a block owns whole words of the bitmap */

const scan_kernels *scan_kernels_named(const char *name)
{
    if (!strcmp(name, "plain")) return &kernels_plain;
#ifdef __x86_64__
    __builtin_cpu_init();
    if (!strcmp(name, "avx2") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &kernels_avx2;
    if (!strcmp(name, "avx512") && __builtin_cpu_supports("avx512f")) return &kernels_avx512;
#endif
#ifdef __aarch64__
    if (!strcmp(name, "neon")) return &kernels_neon;
#endif
    return NULL;
}

const scan_kernels *scan_kernels_best(void)
{
    static const char *const best_first[] = {"avx512", "avx2", "neon"};
    for (size_t i = 0; i < sizeof best_first / sizeof *best_first; i++) {
        const scan_kernels *kernels = scan_kernels_named(best_first[i]);
        if (kernels) return kernels;
    }
    return &kernels_plain;
}

/* ---- the scan ---- */

typedef struct {
    const scan_set *set;
    const float *query;
    const scan_kernels *kernels;
    heap *heaps; /* one a worker */
} scan_job;

/* A NaN fails the comparison, so that it never becomes a hit. */
static inline void offer(const scan_job *job, heap *h, size_t row, float score)
{
    if (score >= job->set->min_score) heap_offer(h, (scan_hit){.id = job->set->ids[row], .score = score});
}

static bool all_allowed(const scan_set *set, size_t first, size_t end)
{
    if (!set->allow) return true;
    for (size_t row = first; row < end; row += 64) {
        const size_t left = end - row;
        const uint64_t whole = left >= 64 ? UINT64_MAX : (UINT64_C(1) << left) - 1;
        if ((set->allow[row / 64] & whole) != whole) return false;
    }
    return true;
}

static void scan_whole(const scan_job *job, heap *h, size_t first, size_t end)
{
    const scan_set *set = job->set;
    float scores[BLOCK_ROWS];
    job->kernels->dots(set->rows + first * set->stride, end - first, set->stride, set->dim, job->query, scores);
    for (size_t row = first; row < end; row++) offer(job, h, row, scores[row - first]);
}

static void scan_allowed(const scan_job *job, heap *h, size_t first, size_t end)
{
    const scan_set *set = job->set;
    for (size_t base = first; base < end; base += 64) {
        uint64_t word = set->allow[base / 64];
        if (end - base < 64) word &= (UINT64_C(1) << (end - base)) - 1;
        for (; word; word &= word - 1) {
            const size_t row = base + (size_t)__builtin_ctzll(word);
            offer(job, h, row, job->kernels->dot(set->rows + row * set->stride, job->query, set->dim));
        }
    }
}

static void scan_block(void *user, size_t block, int worker)
{
    const scan_job *job = user;
    const size_t first = block * BLOCK_ROWS;
    const size_t end = job->set->n - first < BLOCK_ROWS ? job->set->n : first + BLOCK_ROWS;
    heap *h = &job->heaps[worker];
    if (all_allowed(job->set, first, end))
        scan_whole(job, h, first, end);
    else
        scan_allowed(job, h, first, end);
}

simile_status scan_top(const scan_set *set, const float *query, size_t k, pool *threads, scan_hit *out, size_t *found,
                       simile_error *err)
{
    *found = 0;
    if (set->stride < set->dim)
        return err_set(err, SIMILE_E_INTERNAL, "cannot scan rows of %zu numbers at a stride of %zu", set->dim,
                       set->stride);
    if (k > set->n) k = set->n;
    if (!k) return SIMILE_OK;

    const size_t blocks = (set->n - 1) / BLOCK_ROWS + 1;
    if (blocks == 1) threads = NULL;
    const size_t workers = threads ? (size_t)pool_threads(threads) : 1;
    best kept;
    if (!best_init(&kept, workers, k)) return err_nomem(err);
    scan_job job = {.set = set, .query = query, .kernels = scan_kernels_best(), .heaps = kept.heaps};
    if (threads)
        pool_run(threads, blocks, scan_block, &job);
    else
        for (size_t block = 0; block < blocks; block++) scan_block(&job, block, 0);
    *found = best_merge(&kept, out);
    best_release(&kept);
    return SIMILE_OK;
}
