/* SPDX-License-Identifier: Apache-2.0
 * bench_search.c - exact top-10 over random unit vectors, beside what merely reading them takes.
 *
 *     bench_search [--json] [--rounds N] [--dim N] [--threads N] [ROWS...]
 *
 * A scan cannot be faster than memory is: in each round the same bytes are once summed up as plain numbers and once
 * searched, by the same threads, and the medians of both are shown. ROWS: 100000 and 1000000 unless given. */
#include "base/mem.h"
#include "base/pool.h"
#include "index/scan.h"
#include "measure.h"

#include <math.h>
#include <stdio.h>

enum { MOST_ROUNDS = 1000, MOST_SIZES = 16, TOP = 10, BLOCK = 1 << 18 };

typedef struct {
    bool json;
    int rounds, dim, threads, n_sizes;
    long sizes[MOST_SIZES];
} settings;

/* ---- work ---- */

typedef struct {
    float *rows;
    size_t n, dim;
    uint64_t sink[256]; /* one a worker */
} vectors;

/* Uniform numbers made unit: cheap, and the values do not matter to a scan. */
static void fill_block(void *user, size_t block, int worker)
{
    vectors *v = user;
    const size_t first = block * 1024, end = first + 1024 < v->n ? first + 1024 : v->n;
    uint64_t state = block * UINT64_C(0x9E3779B97F4A7C15) + 1;
    for (size_t row = first; row < end; row++) {
        float *at = v->rows + row * v->dim;
        double sum = 0;
        for (size_t i = 0; i < v->dim; i++) {
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            at[i] = (float)(state >> 40) / (float)(1 << 23) - 1.0f;
            sum += (double)at[i] * (double)at[i];
        }
        for (size_t i = 0; i < v->dim; i++) at[i] /= (float)sqrt(sum);
    }
    v->sink[worker] += state;
}

/* Eight independent sums of 64-bit words: nothing but loads. */
static void read_block(void *user, size_t block, int worker)
{
    vectors *v = user;
    const size_t total = v->n * v->dim / 2, first = block * BLOCK;
    const size_t end = first + BLOCK < total ? first + BLOCK : total;
    const uint64_t *words = (const uint64_t *)(const void *)v->rows;
    uint64_t sum[8] = {0};
    size_t i = first;
    for (; i + 8 <= end; i += 8)
        for (size_t k = 0; k < 8; k++) sum[k] += words[i + k];
    for (size_t k = 1; k < 8; k++) sum[0] += sum[k];
    v->sink[worker] += sum[0];
}

static double read_once(vectors *v, pool *p)
{
    const double start = bench_now();
    pool_run(p, (v->n * v->dim / 2 + BLOCK - 1) / BLOCK, read_block, v);
    return 1e3 * (bench_now() - start);
}

static double search_once(const vectors *v, const int64_t *ids, pool *p, size_t query)
{
    const scan_set set = {
        .rows = v->rows, .ids = ids, .n = v->n, .dim = v->dim, .stride = v->dim, .min_score = -INFINITY};
    scan_hit hits[TOP];
    size_t found = 0;
    const double start = bench_now();
    const simile_status status = scan_top(&set, v->rows + query * v->dim, TOP, p, hits, &found, NULL);
    const double ms = 1e3 * (bench_now() - start);
    if (status || !found || hits[0].id != (int64_t)query) {
        fprintf(stderr, "bench_search: a vector does not find itself\n");
        exit(1);
    }
    return ms;
}

/* ---- one size ---- */

static void show(const settings *s, size_t n, double search_ms, double read_ms, bool first)
{
    const double gb = (double)n * s->dim * 4 / 1e9;
    const double search = gb / search_ms * 1e3, read = gb / read_ms * 1e3;
    if (s->json)
        printf("%s{\"rows\":%zu,\"dim\":%d,\"threads\":%d,\"kernel\":\"%s\",\"ms\":%.3f,\"gb_per_s\":%.2f,"
               "\"read_gb_per_s\":%.2f}",
               first ? "[" : ",\n ", n, s->dim, s->threads, scan_kernels_best()->name, search_ms, search, read);
    else
        printf("%9zu x %d, %d threads, %s: %9.3f ms a query, %6.2f GB/s; reading alone %6.2f GB/s (%.0f%%)\n", n,
               s->dim, s->threads, scan_kernels_best()->name, search_ms, search, read, 100 * search / read);
    fflush(stdout);
}

static int measure(const settings *s, size_t n, pool *p, bool first)
{
    vectors v = {.n = n, .dim = (size_t)s->dim};
    double search_ms[MOST_ROUNDS], read_ms[MOST_ROUNDS];
    size_t bytes;
    int64_t *ids = mem_array(n, sizeof *ids);
    if (mem_mul(n, v.dim * sizeof *v.rows, &bytes)) v.rows = mem_aligned(bytes);
    if (!v.rows || !ids) {
        fprintf(stderr, "bench_search: not enough memory for %zu rows\n", n);
        mem_free(v.rows);
        mem_free(ids);
        return 1;
    }
    for (size_t i = 0; i < n; i++) ids[i] = (int64_t)i;
    pool_run(p, (n + 1023) / 1024, fill_block, &v);
    for (int round = -1; round < s->rounds; round++) { /* the first is a rehearsal */
        const double read = read_once(&v, p), search = search_once(&v, ids, p, (size_t)(round + 1) * 7919 % n);
        if (round < 0) continue;
        read_ms[round] = read;
        search_ms[round] = search;
    }
    show(s, n, bench_median(search_ms, s->rounds), bench_median(read_ms, s->rounds), first);
    mem_free(v.rows);
    mem_free(ids);
    return 0;
}

static int clamp(const char *text, int low, int high)
{
    const int value = atoi(text);
    return value < low ? low : value > high ? high : value;
}

static bool read_arguments(settings *s, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(argv[i], "--json"))
            s->json = true;
        else if (!strcmp(argv[i], "--rounds") && value)
            s->rounds = clamp(argv[++i], 1, MOST_ROUNDS);
        else if (!strcmp(argv[i], "--dim") && value)
            s->dim = clamp(argv[++i], 8, 65536) / 2 * 2;
        else if (!strcmp(argv[i], "--threads") && value)
            s->threads = clamp(argv[++i], 1, 256);
        else if (atol(argv[i]) > 0 && s->n_sizes < MOST_SIZES)
            s->sizes[s->n_sizes++] = atol(argv[i]);
        else
            return false;
    }
    if (!s->n_sizes) {
        s->sizes[s->n_sizes++] = 100000;
        s->sizes[s->n_sizes++] = 1000000;
    }
    return true;
}

int main(int argc, char **argv)
{
    settings s = {.rounds = 15, .dim = 512, .threads = cpu_count()};
    simile_error err;
    pool *p;
    if (!read_arguments(&s, argc, argv)) {
        fprintf(stderr, "usage: bench_search [--json] [--rounds N] [--dim N] [--threads N] [ROWS...]\n");
        return 2;
    }
    if (pool_new(s.threads, &p, &err)) {
        fprintf(stderr, "bench_search: %s\n", err.message);
        return 1;
    }
    int failed = 0;
    for (int i = 0; i < s.n_sizes && !failed; i++) failed = measure(&s, (size_t)s.sizes[i], p, i == 0);
    if (s.json && !failed) printf("]\n");
    pool_free(p);
    return failed;
}
