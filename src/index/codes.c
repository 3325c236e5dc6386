/* SPDX-License-Identifier: Apache-2.0
 * codes.c - an exact scan that reads 4 bits a number: see codes.h.
 *
 * A row x is coded with 8 bits a number, x8 = s (u - 127.5) with u in 0..255 and one s for the row. The upper halves of
 * all u lie in a plane of their own, and alone they are a code of 4 bits: x4 = 16 s (u / 16 - 7.5). Beside them are
 * kept the norm of x and those of what the codes leave out, |x - x8| and |x - x4|. A query q is coded as q' = t v with
 * whole numbers v in -127..127. Then, by Cauchy and Schwarz, for x' either code,
 *
 *     |q.x - q'.x'| <= |q| |x - x'| + |q - q'| |x'|,
 *
 * which gives an upper bound of the score. While rows are gone through, the k-th best score so far is a lower bound of
 * the k-th best of all (`bar`): a row whose upper bound is below it is ruled out, first by 4 bits, then by 8. What is
 * left is scored by the dot product of scan_top(), so the answer is that of scan_top(), bit for bit. Equal scores are
 * never ruled out, hence ties go by id as there.
 *
 * That a score is itself rounded is in the bound. A float32 sum of n products in any order, fused or not, is off by at
 * most g |q||x|, g = n u / (1 - n u), u = 2^-24 (Higham, "Accuracy and Stability of Numerical Algorithms", 3.1). The
 * bound is computed in float32 too, with fewer than eight roundings of values no larger than (|q| + |q - q'|) (|x| +
 * |x - x'|); 2^-20 of that covers them. Numbers below 2^-126, which some programs flush to zero, are covered by 2^-60
 * that is added to each |x - x'| and 2^-100 to |q - q'|: queries are at least 2^-40 long here, and no longer than 2^40,
 * like rows; other rows are always scored, and other queries go to scan_top().
 *
 * Threads: blocks of rows are shared out; the bar is shared by an atomic, and one that is behind only costs work. */
#include "index/codes.h"

#include "base/cpu.h"
#include "base/mem.h"
#include "index/best.h"
#include "index/kernels.h"

#include <math.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum {
    BLOCK_ROWS = 1024,              /* of a task */
    WORD = 64,                      /* rows that are looked at together: a word of the bitmap */
    GROUP_NUMBERS = 2 * CODE_GROUP, /* numbers in a group */
    FEW = 16,                       /* rows of a word that are read one by one */
    LARGEST_PART = 8                /* where more than an eighth of the rows is wanted, floats are as fast */
};

static const float LEAST = 0x1p-60f, MOST = 0x1p40f, ROUNDED = 1 + 0x1p-20f;

struct codes {
    uint8_t *high, *low;                   /* [capacity, groups, CODE_GROUP]: upper and lower halves of u */
    float *scale, *norm, *error4, *error8; /* [capacity]: s, |x|, |x - x4|, |x - x8|; all but s rounded up */
    size_t capacity, dim, groups;
    const code_kernels *kernels;
};

/* ---- kernels ---- */

const code_kernels *code_kernels_named(const char *name)
{
    if (!strcmp(name, "plain")) return &code_kernels_plain;
#ifdef __x86_64__
    __builtin_cpu_init();
    if (!strcmp(name, "avx2") && __builtin_cpu_supports("avx2")) return &code_kernels_avx2;
    if (!strcmp(name, "avx512vnni") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vnni"))
        return &code_kernels_avx512vnni;
#endif
#ifdef __aarch64__
    if (!strcmp(name, "neon")) return &code_kernels_neon;
    if (!strcmp(name, "dotprod") && cpu_has_dotprod()) return &code_kernels_dotprod;
#endif
    return NULL;
}

const code_kernels *code_kernels_best(void)
{
    static const char *const best_first[] = {"avx512vnni", "avx2", "dotprod", "neon"};
    for (size_t i = 0; i < sizeof best_first / sizeof *best_first; i++) {
        const code_kernels *k = code_kernels_named(best_first[i]);
        if (k) return k;
    }
    return &code_kernels_plain;
}

void codes_use(codes *c, const code_kernels *kernels)
{
    c->kernels = kernels;
}

/* ---- coding ---- */

/* Asks for pages of 2 MiB: rows that are looked at again lie all over a plane, and so many small pages are more than
 * the processor's tables of them hold. */
static void *plane_new(size_t bytes)
{
    enum { PAGE = 1 << 21 };
    void *plane = mem_aligned(bytes);
    const uintptr_t at = (uintptr_t)plane, first = (at + PAGE - 1) / PAGE * PAGE, end = (at + bytes) / PAGE * PAGE;
    if (plane && end > first) (void)madvise((uint8_t *)plane + (first - at), end - first, MADV_HUGEPAGE);
    return plane;
}

codes *codes_new(size_t capacity, size_t dim)
{
    codes *c = dim <= CODES_MOST_DIM ? mem_new(codes) : NULL;
    size_t bytes;
    if (!c) return NULL;
    *c = (codes){.capacity = capacity, .dim = dim, .kernels = code_kernels_best()};
    c->groups = (dim + GROUP_NUMBERS - 1) / GROUP_NUMBERS;
    if (!mem_mul(capacity, c->groups * CODE_GROUP, &bytes)) {
        mem_free(c);
        return NULL;
    }
    c->high = plane_new(bytes);
    c->low = plane_new(bytes);
    c->scale = mem_array(capacity, sizeof *c->scale);
    c->norm = mem_array(capacity, sizeof *c->norm);
    c->error4 = mem_array(capacity, sizeof *c->error4);
    c->error8 = mem_array(capacity, sizeof *c->error8);
    if (c->high && c->low && c->scale && c->norm && c->error4 && c->error8) return c;
    codes_free(c);
    return NULL;
}

void codes_free(codes *c)
{
    if (!c) return;
    mem_free(c->high);
    mem_free(c->low);
    mem_free(c->scale);
    mem_free(c->norm);
    mem_free(c->error4);
    mem_free(c->error8);
    mem_free(c);
}

size_t codes_bytes(const codes *c)
{
    return c->capacity * (2 * c->groups * CODE_GROUP + 4 * sizeof(float));
}

void codes_copy(codes *to, const codes *from, size_t n)
{
    const size_t bytes = n * from->groups * CODE_GROUP;
    memcpy(to->high, from->high, bytes);
    memcpy(to->low, from->low, bytes);
    memcpy(to->scale, from->scale, n * sizeof *to->scale);
    memcpy(to->norm, from->norm, n * sizeof *to->norm);
    memcpy(to->error4, from->error4, n * sizeof *to->error4);
    memcpy(to->error8, from->error8, n * sizeof *to->error8);
}

/* The largest absolute value, and the norm. A maximum over the bits of floats is one over their absolute values, with
 * what is no number above all. */
static float measure(const float *x, size_t dim, double *norm)
{
    enum { LANES = 8 };
    uint32_t most = 0;
    double sum[LANES] = {0};
    size_t i = 0;
    for (size_t j = 0; j < dim; j++) {
        uint32_t bits;
        memcpy(&bits, x + j, sizeof bits);
        bits &= 0x7fffffff;
        most = bits > most ? bits : most;
    }
    for (; i + LANES <= dim; i += LANES)
        for (size_t j = 0; j < LANES; j++) sum[j] += (double)x[i + j] * (double)x[i + j];
    for (; i < dim; i++) sum[0] += (double)x[i] * (double)x[i];
    for (size_t j = 1; j < LANES; j++) sum[0] += sum[j];
    *norm = sqrt(sum[0]);
    float largest;
    memcpy(&largest, &most, sizeof largest);
    return largest;
}

/* Codes n <= GROUP_NUMBERS numbers: u, 0 behind the last. Adds to the squares of what the codes leave out. */
static void code_numbers(const float *x, size_t n, float scale, uint8_t *u, double *square4, double *square8)
{
    enum { LANES = 4 };
    const float inverse = 1 / scale;
    const double s = (double)scale;
    double four[LANES] = {0}, eight[LANES] = {0};
    memset(u, 0, GROUP_NUMBERS);
    for (size_t i = 0; i < n; i++) {
        const int32_t code = (int32_t)(x[i] * inverse + 128);
        u[i] = (uint8_t)(code > 255 ? 255 : code);
    }
    for (size_t i = 0; i < n; i++) {
        const double left8 = (double)x[i] - s * ((double)u[i] - 127.5);
        const double left4 = (double)x[i] - s * ((double)(u[i] & 0xf0) - 120);
        eight[i % LANES] += left8 * left8;
        four[i % LANES] += left4 * left4;
    }
    *square4 += four[0] + four[1] + four[2] + four[3];
    *square8 += eight[0] + eight[1] + eight[2] + eight[3];
}

static void pack(const uint8_t *u, uint8_t *high, uint8_t *low)
{
    for (size_t j = 0; j < CODE_GROUP; j++) {
        high[j] = (uint8_t)(u[j] >> 4 | (u[CODE_GROUP + j] & 0xf0));
        low[j] = (uint8_t)((u[j] & 15) | u[CODE_GROUP + j] << 4);
    }
}

/* A float not below a sum of squares' root, with the 2^-60 of the bound. */
static float round_up(double value)
{
    return (float)(value * (double)ROUNDED) + LEAST;
}

void codes_put(codes *c, size_t row, const float *x)
{
    const size_t stride = c->groups * CODE_GROUP;
    uint8_t *high = c->high + row * stride, *low = c->low + row * stride;
    double norm, square4 = 0, square8 = 0;
    const float largest = measure(x, c->dim, &norm);
    const bool codable = largest >= LEAST && norm <= (double)MOST; /* a NaN is not */
    const float scale = codable ? largest / 128 : 0;
    for (size_t g = 0; codable && g < c->groups; g++) {
        uint8_t u[GROUP_NUMBERS];
        const size_t at = g * GROUP_NUMBERS, n = c->dim - at < GROUP_NUMBERS ? c->dim - at : GROUP_NUMBERS;
        code_numbers(x + at, n, scale, u, &square4, &square8);
        pack(u, high + g * CODE_GROUP, low + g * CODE_GROUP);
    }
    if (!codable) {
        memset(high, 0, stride);
        memset(low, 0, stride);
        square4 = square8 = largest < LEAST ? norm * norm : INFINITY;
    }
    c->scale[row] = scale;
    c->norm[row] = norm <= (double)MOST ? round_up(norm) : 0;
    c->error4[row] = round_up(sqrt(square4));
    c->error8[row] = round_up(sqrt(square8));
}

typedef struct {
    codes *c;
    const float *rows;
    size_t stride, first, end;
} put_job;

static void put_block(void *user, size_t block, int worker)
{
    const put_job *job = user;
    const size_t first = job->first + block * BLOCK_ROWS;
    const size_t end = job->end - first < BLOCK_ROWS ? job->end : first + BLOCK_ROWS;
    for (size_t row = first; row < end; row++) codes_put(job->c, row, job->rows + row * job->stride);
}

void codes_put_rows(codes *c, const float *rows, size_t stride, size_t first, size_t end, pool *threads)
{
    put_job job = {.c = c, .rows = rows, .stride = stride, .first = first, .end = end};
    const size_t blocks = (end - first + BLOCK_ROWS - 1) / BLOCK_ROWS;
    if (threads)
        pool_run(threads, blocks, put_block, &job);
    else
        for (size_t block = 0; block < blocks; block++) put_block(&job, block, 0);
}

/* ---- the query ---- */

/* A score is at most code.code + of_error x |x - x'| + of_reach x (|x| + |x - x'|). */
typedef struct {
    int8_t *v;     /* [groups, GROUP_NUMBERS], 0 behind the last */
    float t;       /* q' = t v */
    int32_t sum_v; /* of all v */
    float of_error, of_reach;
} coded_query;

/* What the query's code and all roundings come to, for one length of x. */
static float reach_factor(double norm, double error, size_t dim)
{
    const double u = 0x1p-24 * (double)(dim + 8), g = u / (1 - u);
    return (float)((error + norm * g + (norm + error) * 0x1p-20 + 0x1p-100) * (double)ROUNDED);
}

/* False: not a query for codes. Without memory q->v is NULL. */
static bool code_query(const float *query, const codes *c, coded_query *q)
{
    double norm, square = 0;
    const float largest = measure(query, c->dim, &norm);
    *q = (coded_query){.t = largest / 127};
    if (!(largest >= 0x1p-40f && norm <= (double)MOST)) return false;
    q->v = mem_aligned(c->groups * GROUP_NUMBERS);
    if (!q->v) return true;
    memset(q->v, 0, c->groups * GROUP_NUMBERS);
    for (size_t i = 0; i < c->dim; i++) {
        const float v = rintf(query[i] / q->t);
        q->v[i] = (int8_t)(v > 127 ? 127 : v < -127 ? -127 : v);
        q->sum_v += q->v[i];
        const double left = (double)query[i] - (double)q->t * (double)q->v[i];
        square += left * left;
    }
    q->of_error = (float)(norm * (double)ROUNDED);
    q->of_reach = reach_factor(norm, sqrt(square) * (double)ROUNDED, c->dim);
    return true;
}

/* With x' = 2 f s (u - o/2): q'.x' = (2 sum of u v - o sum of v) s f t. */
static code_bounds bounds_of(const codes *c, const coded_query *q, const float *error, int32_t offset, float factor)
{
    return (code_bounds){.scale = c->scale,
                         .norm = c->norm,
                         .error = error,
                         .less = offset * q->sum_v,
                         .factor = factor * q->t,
                         .of_error = q->of_error,
                         .of_reach = q->of_reach};
}

/* ---- the scan ---- */

typedef struct {
    const scan_set *set;
    const codes *c;
    const float *query;
    coded_query coded;
    code_bounds by_4, by_8;
    const scan_kernels *kernels;
    heap *heaps;      /* one a worker */
    codes_work *work; /* one a worker */
    _Atomic float bar;
} codes_job;

/* The rows of a word, as bits of a mask. */
typedef struct {
    const codes_job *job;
    size_t first;
    int32_t sums[WORD]; /* of products with the query, of the rows in the mask */
    float most[WORD];   /* upper bounds of their scores */
} word_scan;

/* Sums over one plane for the rows in the mask: all n of the word at once unless there are few. */
static void sum_plane(const word_scan *w, const uint8_t *plane, size_t n, uint64_t mask, int32_t *sums)
{
    const codes *c = w->job->c;
    const size_t stride = c->groups * CODE_GROUP;
    plane += w->first * stride;
    if (__builtin_popcountll(mask) >= FEW) {
        c->kernels->sums(plane, n, c->groups, w->job->coded.v, sums);
        return;
    }
    memset(sums, 0, n * sizeof *sums);
    for (uint64_t left = mask; left; left &= left - 1)
        for (size_t at = 0, row = (size_t)__builtin_ctzll(left); at < stride; at += 64)
            __builtin_prefetch(plane + row * stride + at);
    for (; mask; mask &= mask - 1) {
        const size_t row = (size_t)__builtin_ctzll(mask);
        c->kernels->sums(plane + row * stride, 1, c->groups, w->job->coded.v, sums + row);
    }
}

/* By 4 bits: which rows remain. */
static uint64_t by_4_bits(word_scan *w, size_t n, uint64_t mask, float bar)
{
    const codes *c = w->job->c;
    sum_plane(w, c->high, n, mask, w->sums);
    return mask & c->kernels->bounds(&w->job->by_4, w->sums, w->first, n, bar, w->most);
}

/* The same by all 8 bits. */
static uint64_t by_8_bits(word_scan *w, size_t n, uint64_t mask, float bar)
{
    const codes *c = w->job->c;
    int32_t low[WORD];
    sum_plane(w, c->low, n, mask, low);
    for (size_t i = 0; i < n; i++) w->sums[i] = 16 * w->sums[i] + low[i];
    return mask & c->kernels->bounds(&w->job->by_8, w->sums, w->first, n, bar, w->most);
}

/* Scores what is left; the bar rises while it does. */
static float by_floats(const word_scan *w, heap *h, codes_work *work, uint64_t mask, float bar)
{
    const scan_set *set = w->job->set;
    for (; mask; mask &= mask - 1) {
        const size_t i = (size_t)__builtin_ctzll(mask), row = w->first + i;
        if (w->most[i] < bar) continue;
        const float score = w->job->kernels->dot(set->rows + row * set->stride, w->job->query, set->dim);
        work->in_floats++;
        if (score >= set->min_score) heap_offer(h, (scan_hit){.id = set->ids[row], .score = score});
        if (h->n == h->k && h->hits[0].score > bar) bar = h->hits[0].score;
    }
    return bar;
}

static uint64_t narrow(word_scan *w, size_t n, uint64_t mask, float bar, codes_work *work)
{
    mask = by_4_bits(w, n, mask, bar);
    if (!mask) return 0;
    work->in_8_bits += (size_t)__builtin_popcountll(mask);
    return by_8_bits(w, n, mask, bar);
}

/* The higher of the two bars becomes both. */
static float share_bar(codes_job *job, float bar)
{
    float there = atomic_load_explicit(&job->bar, memory_order_relaxed);
    while (there < bar)
        if (atomic_compare_exchange_weak_explicit(&job->bar, &there, bar, memory_order_relaxed, memory_order_relaxed))
            return bar;
    return there;
}

static void scan_block(void *user, size_t block, int worker)
{
    codes_job *job = user;
    const size_t first = block * BLOCK_ROWS;
    const size_t end = job->set->n - first < BLOCK_ROWS ? job->set->n : first + BLOCK_ROWS;
    codes_work work = {0};
    float bar = share_bar(job, -INFINITY);
    word_scan w = {.job = job};
    for (size_t i = 0; i < WORD; i++) w.most[i] = INFINITY; /* until there is a bar, every row is scored */
    for (w.first = first; w.first < end; w.first += WORD) {
        const size_t n = end - w.first < WORD ? end - w.first : WORD;
        uint64_t mask = job->set->allow ? job->set->allow[w.first / WORD] : UINT64_MAX;
        if (n < WORD) mask &= (UINT64_C(1) << n) - 1;
        if (mask && bar > -INFINITY) mask = narrow(&w, n, mask, bar, &work);
        if (mask) bar = share_bar(job, by_floats(&w, &job->heaps[worker], &work, mask, bar));
    }
    job->work[worker].in_8_bits += work.in_8_bits;
    job->work[worker].in_floats += work.in_floats;
}

static simile_status scan_codes(codes_job *job, size_t k, pool *threads, scan_hit *out, size_t *found, codes_work *work,
                                simile_error *err)
{
    const size_t blocks = (job->set->n - 1) / BLOCK_ROWS + 1;
    if (blocks == 1) threads = NULL;
    const size_t workers = threads ? (size_t)pool_threads(threads) : 1;
    best kept;
    job->work = mem_zero_array(workers, sizeof *job->work);
    if (!job->work || !best_init(&kept, workers, k)) return err_nomem(err);
    job->heaps = kept.heaps;
    if (threads)
        pool_run(threads, blocks, scan_block, job);
    else
        for (size_t block = 0; block < blocks; block++) scan_block(job, block, 0);
    *found = best_merge(&kept, out);
    best_release(&kept);
    for (size_t w = 0; work && w < workers; w++) {
        work->in_8_bits += job->work[w].in_8_bits;
        work->in_floats += job->work[w].in_floats;
    }
    return SIMILE_OK;
}

simile_status codes_top(const scan_set *set, const codes *c, const float *query, size_t k, pool *threads, scan_hit *out,
                        size_t *found, codes_work *work, simile_error *err)
{
    codes_job job = {.set = set, .c = c, .query = query, .kernels = scan_kernels_best()};
    if (work) *work = (codes_work){0};
    *found = 0;
    if (k > set->n) k = set->n;
    if (set->dim != c->dim || set->n > c->capacity || set->stride < set->dim)
        return err_set(err, SIMILE_E_INTERNAL, "these are not the codes of these rows");
    if (!k) return SIMILE_OK;
    if (k > set->n / LARGEST_PART) return scan_top(set, query, k, threads, out, found, err);
    if (!code_query(query, c, &job.coded)) return scan_top(set, query, k, threads, out, found, err);
    if (!job.coded.v) return err_nomem(err);
    job.by_4 = bounds_of(c, &job.coded, c->error4, 15, 8);
    job.by_8 = bounds_of(c, &job.coded, c->error8, 255, 0.5f);
    atomic_init(&job.bar, set->min_score);
    const simile_status status = scan_codes(&job, k, threads, out, found, work, err);
    mem_free(job.work);
    mem_free(job.coded.v);
    return status;
}
