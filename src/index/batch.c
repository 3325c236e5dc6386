/* SPDX-License-Identifier: Apache-2.0
 * batch.c - many searches of one set of rows at once: see batch.h, and cascade.c for why bounds are bounds.
 *
 * One query alone is bound by reading, so it reads few bits of a row first and more of the rows that are left. With
 * many queries a row is read once for all of them, and what counts is the products: they take as long with numbers of
 * 8 bits as with any fewer. So the codes of a tile of rows are joined to 8 bits a number, and multiplied by those of up
 * to BATCH_QUERIES queries, head and rest: as a product of matrices, which a processor does many times as fast as
 * products of vectors. The ending of the product makes the upper bound of each pair and holds it against the query's
 * bar, its k-th best score so far. The few pairs that are not below are scored by the dot product of scan_top(), so
 * answers are those of scan_top(), bit for bit. The bounds are those of the cascade's last layer.
 *
 * A tile is made of the rows that the filter of at least one query lets pass; each pair is held against its own.
 * Without codes, or without a kernel that is worth it, floats are read instead: a tile of rows that stays in the second
 * cache, for all queries. Queries that cannot be coded, or that want a large part of all rows, go by themselves.
 *
 * Threads: blocks of rows are shared out. Each worker keeps a heap for each query; bars are shared by atomics, and one
 * that is behind only costs work. */
#include "index/batch.h"

#include "base/cpu.h"
#include "base/mem.h"
#include "index/best.h"
#include "index/layers.h"
#include "index/products.h"

#include <math.h>
#include <stdatomic.h>

enum {
    TILE_ROWS = 96,  /* a multiple of BATCH_STEP */
    FLOAT_ROWS = 32, /* of a tile of floats */
    MANY = PANEL     /* queries of which a product is worth it whatever the rows are */
};

/* ---- kernels ---- */

const batch_kernels *batch_kernels_named(const char *name)
{
    if (!strcmp(name, "plain")) return &batch_kernels_plain;
#ifdef __x86_64__
    __builtin_cpu_init();
    if (!strcmp(name, "avx2") && __builtin_cpu_supports("avx2")) return &batch_kernels_avx2;
    if (!strcmp(name, "avx512vnni") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vnni"))
        return &batch_kernels_avx512vnni;
#endif
    return NULL;
}

const batch_kernels *batch_kernels_best(void)
{
    static const char *const best_first[] = {"avx512vnni", "avx2"};
    for (size_t i = 0; i < sizeof best_first / sizeof *best_first; i++) {
        const batch_kernels *k = batch_kernels_named(best_first[i]);
        if (k) return k;
    }
    return NULL;
}

/* ---- the queries ---- */

/* Puts the numbers of a query into its place in a panel. */
static void put_in_panel(const int8_t *v, size_t n, size_t place, int8_t *panel)
{
    for (size_t j = 0; j < n; j++) panel[j / 4 * 4 * PANEL + 4 * place + j % 4] = v[j];
}

typedef struct {
    const codes *c;
    double *head, *left;  /* [HEAD_MOST], [dim] */
    int8_t *v, *v_head;   /* [width], [HEAD_MOST] */
    int8_t *heads, *rest; /* of batch_queries */
} coder;

static void code_request(const coder *with, const float *query, size_t at, batch_queries *q)
{
    const frame *f = &with->c->f;
    coded head = {.v = with->v_head}, left = {.v = with->v};
    double square = 0;
    memset(head.v, 0, HEAD_MOST);
    memset(left.v, 0, q->width);
    for (size_t i = 0; i < f->dim; i++) square += (double)query[i] * (double)query[i];
    const double mean = query_split(f, query, with->head, with->left);
    query_code(with->head, f->head, 127, &head);
    query_code(with->left, f->dim, 127, &left);
    put_in_panel(head.v, q->head, at % PANEL, with->heads + at / PANEL * q->head * PANEL);
    put_in_panel(left.v, q->width, at % PANEL, with->rest + at / PANEL * q->width * PANEL);
    q->base[at] = (float)(mean + query_slack(f->dim) * sqrt(square));
    q->head_sum[at] = head.sum;
    q->head_less[at] = 127 * head.sum;
    q->head_factor[at] = head.t / 2;
    q->of_head_scale[at] = (float)(head.off * 63.5 * sqrt((double)f->head));
    q->of_head_error[at] = (float)head.norm;
    q->sum[at] = left.sum;
    q->less[at] = 255 * left.sum;
    q->factor[at] = left.t / 2;
    q->of_length[at] = (float)left.off;
    q->of_error[at] = (float)(left.norm + left.off);
}

/* ---- one batch of at most BATCH_QUERIES ---- */

/* Of one worker. */
typedef struct {
    uint8_t *heads, *numbers;    /* of a tile */
    float *most;                 /* [TILE_ROWS, BATCH_QUERIES] */
    uint32_t rows[ROWS_AT_ONCE]; /* of a block, those that some query lets pass */
    row_facts facts[TILE_ROWS];
    uint64_t masks[TILE_ROWS];
    float bars[BATCH_QUERIES];
    batch_work work;
} desk;

typedef struct {
    const scan_set *set;
    const codes *c;
    const habit *h;          /* or NULL */
    const batch_kernels *by; /* NULL: floats */
    const scan_kernels *kernels;
    batch_request *requests[BATCH_QUERIES];
    size_t n;
    bool every_row; /* one at least has no filter */
    batch_queries *queries;
    best kept[BATCH_QUERIES];
    desk *desks;
    uint8_t *room;
    _Atomic float bars[BATCH_QUERIES];
} batch;

/* The rows of a block that at least one query lets pass, counted from the first of all. */
static size_t list_rows(const batch *b, size_t block, uint32_t *rows)
{
    const size_t first = block * ROWS_AT_ONCE;
    const size_t n = b->set->n - first < ROWS_AT_ONCE ? b->set->n - first : ROWS_AT_ONCE;
    size_t listed = 0;
    for (size_t at = 0; at < n; at += WORD) {
        uint64_t word = b->every_row ? UINT64_MAX : 0;
        for (size_t j = 0; j < b->n && !b->every_row; j++) word |= b->requests[j]->allow[(first + at) / WORD];
        if (n - at < WORD) word &= (UINT64_C(1) << (n - at)) - 1;
        for (; word; word &= word - 1) rows[listed++] = (uint32_t)(at + (size_t)__builtin_ctzll(word));
    }
    return listed;
}

static bool lets_pass(const batch_request *r, size_t row)
{
    return !r->allow || (r->allow[row / WORD] >> row % WORD & 1);
}

/* Whatever the worker's bars say, those of the others may be higher. */
static void load_bars(const batch *b, float *bars)
{
    for (size_t j = 0; j < b->n; j++) bars[j] = atomic_load_explicit(&b->bars[j], memory_order_relaxed);
}

static void raise_bar(batch *b, size_t j, float bar)
{
    float there = atomic_load_explicit(&b->bars[j], memory_order_relaxed);
    while (there < bar && !atomic_compare_exchange_weak_explicit(&b->bars[j], &there, bar, memory_order_relaxed,
                                                                 memory_order_relaxed)) {
    }
}

/* A score that is no number never becomes a hit. */
static void offer(batch *b, desk *d, size_t worker, size_t j, size_t row)
{
    const scan_set *set = b->set;
    heap *h = &b->kept[j].heaps[worker];
    const float score = b->kernels->dot(set->rows + row * set->stride, b->requests[j]->query, set->dim);
    d->work.in_floats++;
    if (!(score >= b->requests[j]->min_score)) return;
    heap_offer(h, (scan_hit){.id = set->ids[row], .score = score});
    if (h->n < h->k || !(h->hits[0].score > d->bars[j])) return;
    d->bars[j] = h->hits[0].score;
    raise_bar(b, j, d->bars[j]);
}

/* ---- by codes ---- */

static float fact(const codes *c, size_t layer, size_t row)
{
    return widen_half(((const uint16_t *)c->layers[layer])[row]);
}

/* Row `row` as row i of the tile. */
static void take_row(const batch *b, desk *d, size_t i, size_t row)
{
    const codes *c = b->c;
    const size_t head = c->f.head, stride = c->groups * CODE_GROUP;
    if (head) memcpy(d->heads + i * head, (const uint8_t *)c->layers[LAYER_HEAD] + row * head, head);
    b->by->join((const uint8_t *)c->layers[LAYER_HIGH] + row * stride,
                (const uint8_t *)c->layers[LAYER_LOW] + row * stride, c->groups, d->numbers + i * 2 * stride);
    d->facts[i] = (row_facts){.head_scale = fact(c, LAYER_HEAD_SCALE, row),
                              .head_error = fact(c, LAYER_HEAD_ERROR, row),
                              .scale = fact(c, LAYER_SCALE, row),
                              .length = fact(c, LAYER_LENGTH, row),
                              .error = fact(c, LAYER_ERROR_8, row)};
}

/* Asks for the rows that will be scored. */
static void ask_for_rows(const batch *b, const desk *d, size_t first, const uint32_t *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *row = (const char *)(b->set->rows + (first + rows[i]) * b->set->stride);
        for (size_t at = 0; d->masks[i] && at < b->set->dim * sizeof(float); at += 64) __builtin_prefetch(row + at);
    }
}

static void score_tile(batch *b, desk *d, size_t worker, size_t first, const uint32_t *rows, size_t n)
{
    const uint64_t asked = b->n < WORD ? (UINT64_C(1) << b->n) - 1 : UINT64_MAX;
    for (size_t i = 0; i < n; i++) d->masks[i] &= asked;
    ask_for_rows(b, d, first, rows, n);
    for (size_t i = 0; i < n; i++)
        for (uint64_t mask = d->masks[i]; mask; mask &= mask - 1) {
            const size_t j = (size_t)__builtin_ctzll(mask), row = first + rows[i];
            if (!(d->most[i * BATCH_QUERIES + j] < d->bars[j]) && lets_pass(b->requests[j], row))
                offer(b, d, worker, j, row);
        }
}

/* Rows first + rows[0..n-1], the first ones of those that are left in the block. */
static void look_at_tile(batch *b, desk *d, size_t worker, size_t first, const uint32_t *rows, size_t n)
{
    const codes *c = b->c;
    const size_t next = (first + rows[n - 1] + 1) * c->groups * CODE_GROUP;
    for (size_t i = 0; i < n; i++) take_row(b, d, i, first + rows[i]);
    load_bars(b, d->bars);
    const batch_tile t = {
        .q = b->queries,
        .heads = d->heads,
        .numbers = d->numbers,
        .facts = d->facts,
        .n = n,
        .bars = d->bars,
        .most = d->most,
        .masks = d->masks,
        .soon = {(const uint8_t *)c->layers[LAYER_HIGH] + next, (const uint8_t *)c->layers[LAYER_LOW] + next}};
    b->by->bounds(&t);
    d->work.pairs += n * b->n;
    score_tile(b, d, worker, first, rows, n);
}

static void block_by_codes(void *user, size_t block, int worker)
{
    batch *b = user;
    desk *d = &b->desks[worker];
    const size_t n = list_rows(b, block, d->rows);
    for (size_t at = 0; at < n; at += TILE_ROWS)
        look_at_tile(b, d, (size_t)worker, block * ROWS_AT_ONCE, d->rows + at, n - at < TILE_ROWS ? n - at : TILE_ROWS);
}

/* ---- by floats ---- */

static void block_by_floats(void *user, size_t block, int worker)
{
    batch *b = user;
    desk *d = &b->desks[worker];
    const size_t first = block * ROWS_AT_ONCE, n = list_rows(b, block, d->rows);
    load_bars(b, d->bars);
    for (size_t at = 0; at < n; at += FLOAT_ROWS)
        for (size_t j = 0; j < b->n; j++)
            for (size_t i = at; i < n && i < at + FLOAT_ROWS; i++)
                if (lets_pass(b->requests[j], first + d->rows[i])) offer(b, d, (size_t)worker, j, first + d->rows[i]);
    d->work.pairs += n * b->n;
}

/* ---- a batch ---- */

static bool room_for_queries(batch *b)
{
    const codes *c = b->c;
    const size_t panels = (b->n + PANEL - 1) / PANEL, width = c->groups * GROUP_NUMBERS, head = c->f.head;
    const size_t heads = panels * head * PANEL, numbers = panels * width * PANEL;
    coder with = {.c = c};
    b->queries = mem_aligned(sizeof *b->queries);
    int8_t *v = mem_aligned(heads + numbers + HEAD_MOST + width);
    with.head = mem_array(HEAD_MOST + c->f.dim, sizeof *with.head);
    b->room = (uint8_t *)v;
    if (!b->queries || !v || !with.head) {
        mem_free(with.head);
        return false;
    }
    memset(v, 0, heads + numbers);
    with.left = with.head + HEAD_MOST;
    with.heads = v;
    with.rest = v + heads;
    with.v_head = with.rest + numbers;
    with.v = with.v_head + HEAD_MOST;
    *b->queries = (batch_queries){.panels = panels, .head = head, .width = width, .heads = v, .numbers = with.rest};
    for (size_t j = 0; j < b->n; j++) code_request(&with, b->requests[j]->query, j, b->queries);
    mem_free(with.head);
    return true;
}

static bool room_for_tiles(batch *b, size_t workers)
{
    const size_t head = b->by ? b->c->f.head : 0, width = b->by ? b->c->groups * GROUP_NUMBERS : 0;
    b->desks = mem_zero_array(workers, sizeof *b->desks);
    for (size_t w = 0; b->desks && b->by && w < workers; w++) {
        desk *d = &b->desks[w];
        d->most = mem_aligned(TILE_ROWS * (BATCH_QUERIES * sizeof *d->most + width + head));
        if (!d->most) return false;
        memset(d->most, 0, TILE_ROWS * (BATCH_QUERIES * sizeof *d->most + width + head));
        d->numbers = (uint8_t *)(d->most + TILE_ROWS * BATCH_QUERIES);
        d->heads = d->numbers + TILE_ROWS * width;
    }
    return b->desks;
}

static bool room_for_hits(batch *b, size_t workers)
{
    for (size_t j = 0; j < b->n; j++) {
        const batch_request *r = b->requests[j];
        if (!best_init(&b->kept[j], workers, r->k < b->set->n ? r->k : b->set->n)) return false;
        atomic_init(&b->bars[j], r->min_score);
        b->every_row |= !r->allow;
    }
    return true;
}

static void batch_release(batch *b, size_t workers)
{
    for (size_t j = 0; j < b->n; j++) best_release(&b->kept[j]);
    for (size_t w = 0; b->desks && w < workers; w++) mem_free(b->desks[w].most);
    mem_free(b->desks);
    mem_free(b->room);
    mem_free(b->queries);
}

static simile_status run_batch(batch *b, pool *threads, batch_work *work, simile_error *err)
{
    const size_t blocks = (b->set->n - 1) / ROWS_AT_ONCE + 1;
    void (*const one)(void *, size_t, int) = b->by ? block_by_codes : block_by_floats;
    if (blocks == 1) threads = NULL;
    const size_t workers = threads ? (size_t)pool_threads(threads) : 1;
    const bool ready = room_for_hits(b, workers) && room_for_tiles(b, workers) && (!b->by || room_for_queries(b));
    if (ready && threads) pool_run(threads, blocks, one, b);
    for (size_t block = 0; ready && !threads && block < blocks; block++) one(b, block, 0);
    for (size_t j = 0; ready && j < b->n; j++) b->requests[j]->found = best_merge(&b->kept[j], b->requests[j]->hits);
    for (size_t w = 0; ready && work && w < workers; w++) {
        work->pairs += b->desks[w].work.pairs;
        work->in_floats += b->desks[w].work.in_floats;
    }
    batch_release(b, workers);
    return ready ? SIMILE_OK : err_nomem(err);
}

/* ---- all of them ---- */

static simile_status alone(const scan_set *set, const codes *c, const habit *h, batch_request *r, pool *threads,
                           codes_work *work, simile_error *err)
{
    scan_set one = *set;
    one.allow = r->allow;
    one.min_score = r->min_score;
    if (c) return codes_top(&one, c, h, r->query, r->k, threads, r->hits, &r->found, work, err);
    return scan_top(&one, r->query, r->k, threads, r->hits, &r->found, err);
}

static bool goes_alone(const scan_set *set, const batch_request *r)
{
    return !r->k || r->k > set->n / LARGEST_PART || !query_is_codable(r->query, set->dim);
}

static simile_status run_all(batch *b, batch_request *requests, size_t n, pool *threads, batch_work *work,
                             simile_error *err)
{
    simile_status status = SIMILE_OK;
    for (size_t i = 0; i < n && !status; i++) {
        if (goes_alone(b->set, &requests[i]))
            status = alone(b->set, b->c, b->h, &requests[i], threads, NULL, err);
        else
            b->requests[b->n++] = &requests[i];
        if (status || !b->n || (b->n < BATCH_QUERIES && i + 1 < n)) continue;
        status = run_batch(b, threads, work, err);
        *b = (batch){.set = b->set, .c = b->c, .h = b->h, .by = b->by, .kernels = b->kernels};
    }
    return status;
}

simile_status batch_top_with(const batch_kernels *kernels, const scan_set *set, const codes *c, const habit *h,
                             batch_request *requests, size_t n, pool *threads, batch_work *work, simile_error *err)
{
    batch *b = mem_new(batch);
    if (work) *work = (batch_work){0};
    for (size_t i = 0; i < n; i++) requests[i].found = 0;
    if (!b) return err_nomem(err);
    simile_status status = SIMILE_OK;
    if (set->stride < set->dim || (c && (set->dim != c->f.dim || set->n > c->capacity)))
        status = err_set(err, SIMILE_E_INTERNAL, "these are not the codes of these rows");
    *b = (batch){.set = set, .c = c, .h = h, .by = c ? kernels : NULL, .kernels = scan_kernels_best()};
    if (!status && set->n) status = run_all(b, requests, n, threads, work, err);
    for (size_t i = 0; status && i < n; i++) requests[i].found = 0;
    mem_free(b);
    return status;
}

static size_t fewer(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* With few queries it depends on the rows: where the first codes rule out nearly all of them, queries alone are
 * quicker. What the first query reads of some of the rows tells. */
static bool is_worth_it(const batch_kernels *by, const scan_set *set, const codes *c, const habit *h,
                        batch_request *requests, size_t n)
{
    enum { PART = 16, LEAST_ROWS = 4096 };
    scan_set some = *set;
    codes_work work = {0};
    if (n < 3 || n >= MANY) return n >= MANY;
    some.n = fewer(set->n, set->n / PART > LEAST_ROWS ? set->n / PART : LEAST_ROWS);
    const simile_status status = alone(&some, c, h, &requests[0], NULL, &work, NULL);
    return !status && work.bytes * n > by->row_bytes * some.n;
}

simile_status batch_top(const scan_set *set, const codes *c, const habit *h, batch_request *requests, size_t n,
                        pool *threads, batch_work *work, simile_error *err)
{
    const batch_kernels *kernels = batch_kernels_best();
    if (c ? kernels && is_worth_it(kernels, set, c, h, requests, n) : n > 1)
        return batch_top_with(kernels, set, c, h, requests, n, threads, work, err);
    simile_status status = SIMILE_OK;
    if (work) *work = (batch_work){0};
    for (size_t i = 0; i < n; i++) requests[i].found = 0;
    for (size_t i = 0; i < n && !status; i++) status = alone(set, c, h, &requests[i], threads, NULL, err);
    for (size_t i = 0; status && i < n; i++) requests[i].found = 0;
    return status;
}
