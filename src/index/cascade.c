/* SPDX-License-Identifier: Apache-2.0
 * cascade.c - an exact scan that reads a bit a number and little else: see codes.h, and layers.h for what is read.
 *
 * A query q is split like a row: the shares w = basis q of the main directions and what is left, s = q - basis' w. Then
 *
 *     q.x = q.mean + w.h' + s.r + w.(basis r)
 *
 * whatever the basis is. w and the turned s are coded as whole numbers, w' and s', and by Cauchy and Schwarz, for any
 * code r' of r,
 *
 *     |q.x - q.mean - w'.h' - s'.r'| <= |w - w'| |h'| + |w| |basis r| + |s| |r - r'| + |s - s'| |r'|.
 *
 * The lengths on the right are stored with each row, so this is an upper bound of the row's score. That the head and
 * the rest are bounded apart is worth much: pictures differ mostly in few directions, and texts lie far from them in
 * directions in which pictures hardly differ.
 *
 * While rows are gone through, the k-th best score so far is a lower bound of the k-th best of all (`bar`): a row whose
 * upper bound is below it is ruled out: by its head alone, r' = 0; by a bit a number; by 2; by 4; by 8. What is left is
 * scored by the dot product of scan_top(), so the answer is that of scan_top(), bit for bit. Equal scores are never
 * ruled out, hence ties go by id as there.
 *
 * Where the share of r along one direction is known (habit.c), that is taken off s and added as it is.
 *
 * Where there are heads, those of all rows are read before all else, and the rows that they tell to be the best are
 * scored for a bar. Then rows are gone through twice. The first pass reads signs of all, scores at once what these say
 * is among the best so far, which nearly always includes the best of all, and lists what it cannot rule out; of that it
 * reads second bits, a block later, when what was asked for is there. So the second pass, which reads more bits of the
 * rows on the lists, has its final bar from the start. Where signs rule out next to nothing they are passed over for a
 * while, each time for twice as long, and the first pass reads 4 bits a number instead. What heads and lengths tell
 * together is looked at before signs, for as long as it spares enough of them.
 *
 * That scores and bounds are float32 is in the bound. A score is off by rounding_of(dim) |q||x|, with |x| <=
 * LONGEST_ROW as longer rows are always scored. A bound is some twenty roundings: of the shares of mean, habit, head
 * and rest, each of which is at most |q| times a length of at most 8, and four of sums of these. 2^-15 |q| covers
 * them. Queries are at least 2^-40 long here, and no longer than 2^40, so that numbers that are flushed to zero do not
 * matter; others go to scan_top().
 *
 * Threads: blocks of rows are shared out; the bar is shared by an atomic, and one that is behind only costs work. */
#include "base/clock.h"
#include "base/mem.h"
#include "index/best.h"
#include "index/layers.h"

#include <math.h>
#include <stdatomic.h>

enum {
    LIKELY = 48,                   /* rows more than wanted that are kept as likely */
    FEW = 24,                      /* rows of a word that are read one by one */
    TRIED = 1 << 14,               /* rows by which signs are judged */
    LIST_ROOM = ROWS_AT_ONCE + 48, /* not to be in the same places of a cache for each block */
    PASSED_OVER = 16,              /* blocks, until they are tried again */
    LENGTHS_OFF = 16               /* the same of lengths, where they spared less than an eighth of the signs */
};

/* In place of a sum that is not there: larger than any, so that bounds are some. */
static const int32_t NO_SUM = 1 << 27;

/* ---- the query ---- */

/* What is left of a query, in all the ways that rows are coded. */
typedef struct {
    coded left;
    coded rough;      /* as numbers of -63..63, for bits */
    sign_query signs; /* the same in tables */
    float base;       /* q.mean, and what floats and the habit may be off by */
} coded_rest;

/* Rows whose share along the habit is known are bounded by that and by the rest of the query; others by all of it. */
enum { ALL, BESIDE, WAYS };

typedef struct {
    coded head;
    coded_rest rest[WAYS]; /* those that are needed */
    double along;          /* share along the habit; 0: it is not used */
} coded_query;

static double length(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i] * x[i];
    return sqrt(sum);
}

void query_code(const double *x, size_t n, int most_v, coded *out)
{
    double most = 0, square = 0;
    for (size_t i = 0; i < n; i++) most = fabs(x[i]) > most ? fabs(x[i]) : most;
    out->t = (float)(most / most_v);
    out->norm = length(x, n) * (1 + 0x1p-20);
    for (size_t i = 0; i < n && out->t > 0; i++) {
        const double v = rint(x[i] / (double)out->t);
        out->v[i] = (int8_t)(v > most_v ? most_v : v < -most_v ? -most_v : v);
        out->sum += out->v[i];
    }
    for (size_t i = 0; i < n; i++) {
        const double off = x[i] - (double)out->t * (double)out->v[i];
        square += off * off;
    }
    out->off = sqrt(square) * (1 + 0x1p-20) + 0x1p-100;
}

double query_split(const frame *f, const float *query, double *head, double *left)
{
    double mean = 0;
    for (size_t i = 0; i < f->dim; i++) {
        left[i] = (double)query[i];
        mean += left[i] * (double)f->mean[i];
    }
    for (size_t j = 0; j < f->head; j++) {
        const float *basis = f->basis + j * f->dim;
        head[j] = 0;
        for (size_t i = 0; i < f->dim; i++) head[j] += (double)query[i] * (double)basis[i];
    }
    for (size_t j = 0; j < f->head; j++) {
        const float *basis = f->basis + j * f->dim;
        for (size_t i = 0; i < f->dim; i++) left[i] -= head[j] * (double)basis[i];
    }
    frame_turn_doubles(f, left);
    return mean;
}

bool query_is_codable(const float *query, size_t dim)
{
    double square = 0;
    for (size_t i = 0; i < dim; i++) square += (double)query[i] * (double)query[i];
    return square >= 0x1p-80 && square <= 0x1p80; /* what is no number is not */
}

bool sign_query_init(sign_query *q, const int8_t *v, size_t words)
{
    *q = (sign_query){.tables = mem_aligned(words * 16 * sizeof *q->tables)};
    if (!q->tables) return false;
    for (size_t at = 0; at < words * 16; at++, v += 4) {
        int32_t least = 0;
        for (int j = 0; j < 4; j++) {
            least += v[j] < 0 ? v[j] : 0;
            q->sum += v[j];
        }
        for (int bits = 0; bits < 16; bits++) {
            int32_t sum = -least;
            for (int j = 0; j < 4; j++) sum += bits >> j & 1 ? v[j] : 0;
            q->tables[at][bits] = (uint8_t)sum; /* at most 4 x 63 */
        }
        q->least += least;
    }
    return true;
}

static void query_release(coded_query *q)
{
    mem_free(q->head.v);
    for (size_t way = 0; way < WAYS; way++) {
        mem_free(q->rest[way].left.v);
        mem_free(q->rest[way].rough.v);
        mem_free(q->rest[way].signs.tables);
    }
}

/* False: out of memory. */
static bool code_rest(const double *left, const codes *c, double base, coded_rest *to)
{
    const size_t numbers = c->groups * GROUP_NUMBERS;
    to->left.v = mem_aligned(numbers);
    to->rough.v = mem_aligned(numbers);
    to->base = (float)base;
    if (!to->left.v || !to->rough.v) return false;
    memset(to->left.v, 0, numbers);
    memset(to->rough.v, 0, numbers);
    query_code(left, c->f.dim, 127, &to->left);
    query_code(left, c->f.dim, 63, &to->rough);
    return sign_query_init(&to->signs, to->rough.v, c->words);
}

/* The share along the habit. Where it is little, it is not worth its bytes: 0. */
static double share_along(const habit *h, const double *left, size_t dim)
{
    double along = 0;
    const double norm = length(left, dim);
    for (size_t i = 0; h && i < dim; i++) along += left[i] * h->direction[i];
    return along * along < 0.1 * norm * norm ? 0 : along;
}

/* n: of the rows that are searched. False: out of memory. */
static bool code_query(const float *query, const codes *c, const habit *h, size_t n, coded_query *q)
{
    const size_t dim = c->f.dim;
    double head[HEAD_MOST], norm = 0;
    double *left = mem_array(dim, sizeof *left);
    *q = (coded_query){0};
    q->head.v = mem_aligned(HEAD_MOST);
    bool done = left && q->head.v;
    if (done) {
        memset(q->head.v, 0, HEAD_MOST);
        for (size_t i = 0; i < dim; i++) norm += (double)query[i] * (double)query[i];
        norm = sqrt(norm);
        const double mean = query_split(&c->f, query, head, left);
        const double base = mean + norm * query_slack(dim);
        query_code(head, c->f.head, 127, &q->head);
        q->along = share_along(h, left, dim);
        if (q->along == 0 || h->n < n) done = code_rest(left, c, base, &q->rest[ALL]);
        if (done && q->along != 0) {
            for (size_t i = 0; i < dim; i++) left[i] -= q->along * h->direction[i];
            done = code_rest(left, c, base + h->off * fabs(q->along), &q->rest[BESIDE]);
        }
    }
    mem_free(left);
    return done;
}

/* ---- the bounds of a layer ---- */

/* What is known by heads, no more. */
static code_bounds of_head(const codes *c, const coded_query *q)
{
    const double largest = 63.5 * sqrt((double)c->f.head); /* of h', in its scale */
    return (code_bounds){.scale = c->layers[LAYER_HEAD_SCALE],
                         .reach = c->layers[LAYER_HEAD_ERROR],
                         .error = c->layers[LAYER_HEAD_ERROR],
                         .less = 127 * q->head.sum,
                         .factor = q->head.t / 2,
                         .of_scale = (float)(q->head.off * largest),
                         .of_reach = (float)q->head.norm};
}

/* Of what heads leave nothing but that is known: no sums, r' = 0. */
static code_bounds of_length(const codes *c, const coded_rest *q)
{
    const uint16_t *length = c->layers[LAYER_LENGTH];
    return (code_bounds){.scale = length, .reach = length, .error = length, .of_error = (float)q->left.norm};
}

static code_bounds of_signs(const codes *c, const coded_rest *q)
{
    const double step = step_of(SIGN_STEP, c->f.dim);
    return (code_bounds){.scale = c->layers[LAYER_LENGTH],
                         .reach = c->layers[LAYER_LENGTH],
                         .error = c->layers[LAYER_SIGN_ERROR],
                         .less = q->signs.sum - 2 * q->signs.least,
                         .factor = (float)(step * (double)q->rough.t),
                         .of_scale = (float)(step * q->rough.off * sqrt((double)c->f.dim)),
                         .of_error = (float)q->rough.norm};
}

/* Of twice the sums of signs and those of second bits; no number of r2 is larger than 1.5 steps. */
static code_bounds of_second(const codes *c, const coded_rest *q)
{
    const double step = step_of(SECOND_STEP, c->f.dim);
    return (code_bounds){.scale = c->layers[LAYER_LENGTH],
                         .reach = c->layers[LAYER_LENGTH],
                         .error = c->layers[LAYER_SECOND_ERROR],
                         .less = 3 * q->signs.sum - 4 * q->signs.least,
                         .factor = (float)(step * (double)q->rough.t / 2),
                         .of_scale = (float)(1.5 * step * q->rough.off * sqrt((double)c->f.dim)),
                         .of_error = (float)q->rough.norm};
}

/* |r'| is at most |r| and its error. */
static code_bounds of_numbers(const codes *c, const coded_rest *q, size_t error, int32_t offset, float factor)
{
    return (code_bounds){.scale = c->layers[LAYER_SCALE],
                         .reach = c->layers[LAYER_LENGTH],
                         .error = c->layers[error],
                         .less = offset * q->left.sum,
                         .factor = factor * q->left.t,
                         .of_reach = (float)q->left.off,
                         .of_error = (float)(q->left.norm + q->left.off)};
}

/* How rows are bounded. */
typedef struct {
    const coded_rest *rest;
    const uint16_t *along; /* of all rows, or NULL */
    float of_along;
    code_bounds head, length, signs, second, by_4, by_8;
} bound_way;

static bound_way way_of(const codes *c, const coded_query *q, size_t way, const uint16_t *along)
{
    const coded_rest *rest = &q->rest[way];
    return (bound_way){.rest = rest,
                       .along = along,
                       .of_along = (float)q->along,
                       .head = of_head(c, q),
                       .length = of_length(c, rest),
                       .signs = of_signs(c, rest),
                       .second = of_second(c, rest),
                       .by_4 = of_numbers(c, rest, LAYER_ERROR_4, 15, 8),
                       .by_8 = of_numbers(c, rest, LAYER_ERROR_8, 255, 0.5f)};
}

/* ---- the scan ---- */

/* Of one worker. */
typedef struct {
    codes_work work;
    size_t tried, kept; /* rows that came to the signs, and that they kept, lately */
    size_t passing;     /* blocks in which signs are still passed over */
    size_t span;        /* blocks in which they were last, doubled each time */
    size_t waiting;     /* 1 + the block whose list waits for what it asked for; 0: none */
    size_t lengths_off; /* blocks in which lengths are still passed over */
} tally;

/* The rows of a block that are left, by their places in it. */
typedef struct {
    uint16_t *places;    /* ascending */
    float *known, *most; /* scores as far as heads tell; upper bounds */
    int32_t *sums;       /* of the products with their upper halves, where `summed`; else those that signs gave */
    size_t n;
    bool summed;
} row_list;

typedef struct {
    const scan_set *set;
    const codes *c;
    const float *query;
    coded_query coded;
    bound_way ways[WAYS];
    size_t n_along; /* rows of the habit, if it is used */
    const scan_kernels *kernels;
    heap *heaps;          /* one a worker */
    heap *first, *likely; /* one a worker, of the first pass: best scores; rows by their scores as codes tell them */
    float *known;         /* [blocks x ROWS_AT_ONCE]: scores as far as heads tell; NULL: there are none */
    scan_hit *told;       /* [k + LIKELY]: the rows, as ids, that by these are best */
    float least_told;     /* the worst of them; less is not likely */
    uint8_t *room;        /* what follows lies in it, and `known` */
    row_list all;         /* room for [blocks x LIST_ROOM] */
    row_list *lists;      /* of each block: a part of that */
    tally *tallies;       /* one a worker */
    _Atomic float bar;
} codes_job;

/* A block of rows, on its way. */
typedef struct {
    const codes_job *job;
    tally *t;
    const bound_way *way;
    row_list *left;
    size_t first, n;
    bool by_lengths; /* rows are held against what heads and lengths tell */
} block_scan;

/* A word of it: which rows remain, a bit each, and what is known of them. */
typedef struct {
    size_t at, n;
    uint64_t mask;
    float *known;                 /* of the job, or room */
    float told[WORD], most[WORD]; /* told: scores as codes tell them */
    int32_t sums[WORD];
    float room[WORD];
} word_scan;

typedef void (*sum_fn)(const uint8_t *rows, size_t n, size_t width, const int8_t *query, int32_t *sums);

static const uint8_t *layer_rows(const block_scan *b, size_t layer, size_t at)
{
    const size_t stride = codes_layer_bytes(layer, b->job->c->f.dim, b->job->c->f.head);
    return (const uint8_t *)b->job->c->layers[layer] + (b->first + at) * stride;
}

static size_t count_of(uint64_t mask)
{
    return (size_t)__builtin_popcountll(mask);
}

/* The same word of the next block: the processor does not follow so many small layers at once. */
static void ask_for_next(const block_scan *b, const uint16_t *of_rows, size_t at)
{
    const size_t next = b->first + ROWS_AT_ONCE + at;
    if (next + WORD > b->job->set->n) return;
    __builtin_prefetch(of_rows + next);
    __builtin_prefetch(of_rows + next + 32);
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

static block_scan block_of(const codes_job *job, size_t block, int worker)
{
    const size_t first = block * ROWS_AT_ONCE;
    const size_t n = job->set->n - first < ROWS_AT_ONCE ? job->set->n - first : ROWS_AT_ONCE;
    return (block_scan){.job = job,
                        .t = &job->tallies[worker],
                        .way = &job->ways[first + n <= job->n_along ? BESIDE : ALL],
                        .left = &job->lists[block],
                        .first = first,
                        .n = n};
}

/* ---- heads ---- */

/* What is known of rows before any code is looked at. */
static void begin_with(const block_scan *b, word_scan *w)
{
    const bound_way *way = b->way;
    const uint16_t *along = way->along ? way->along + b->first + w->at : NULL;
    const float base = way->rest->base, of_along = way->of_along;
    float *known = w->known;
    const size_t n = along ? w->n : 0;
    for (size_t i = 0; i < n; i++) known[i] = base + of_along * widen_half(along[i]);
    for (size_t i = n; i < WORD; i++) known[i] = base;
}

/* The rows of a word that the filter lets pass. */
static void begin_word(const block_scan *b, size_t at, word_scan *w)
{
    const uint64_t *allow = b->job->set->allow;
    w->at = at;
    w->n = b->n - at < WORD ? b->n - at : WORD;
    w->mask = allow ? allow[(b->first + at) / WORD] : UINT64_MAX;
    if (w->n < WORD) w->mask &= (UINT64_C(1) << w->n) - 1;
    w->known = b->job->known ? b->job->known + b->first + at : w->room;
}

/* What heads tell: of all of the word at once unless there are few. Returns which rows are told to be at least that
 * good. */
static uint64_t by_heads(const block_scan *b, word_scan *w, float least)
{
    const codes *c = b->job->c;
    const size_t width = c->f.head, count = count_of(w->mask);
    const uint8_t *rows = layer_rows(b, LAYER_HEAD, w->at);
    b->t->work.bytes += (count >= FEW ? w->n : count) * width + (b->way->along ? 6 : 4) * w->n;
    if (count >= FEW) {
        c->kernels->heads(rows, w->n, width, b->job->coded.head.v, w->sums);
    } else {
        memset(w->sums, 0, sizeof w->sums);
        for (uint64_t mask = w->mask; mask; mask &= mask - 1) {
            const size_t row = (size_t)__builtin_ctzll(mask);
            c->kernels->heads(rows + row * width, 1, width, b->job->coded.head.v, w->sums + row);
        }
    }
    return w->mask &
           c->kernels->bounds(&b->way->head, w->known, w->sums, b->first + w->at, w->n, least, w->known, w->most);
}

/* What heads tell of all rows, and which of them are best by that. */
static void tell_block(void *user, size_t block, int worker)
{
    codes_job *job = user;
    const codes *c = job->c;
    heap *likely = &job->likely[worker];
    const block_scan b = block_of(job, block, worker);
    for (size_t at = 0; at < b.n; at += WORD) {
        word_scan w;
        begin_word(&b, at, &w);
        ask_for_next(&b, c->layers[LAYER_HEAD_SCALE], at);
        ask_for_next(&b, c->layers[LAYER_HEAD_ERROR], at);
        if (b.way->along && b.first + 2 * (size_t)ROWS_AT_ONCE <= job->n_along) ask_for_next(&b, b.way->along, at);
        if (!w.mask) continue;
        begin_with(&b, &w);
        const bool full = likely->n == likely->k;
        for (uint64_t mask = by_heads(&b, &w, full ? likely->hits[0].score : -INFINITY); mask; mask &= mask - 1) {
            const size_t i = (size_t)__builtin_ctzll(mask);
            heap_offer(likely, (scan_hit){.id = (int64_t)(b.first + at + i), .score = w.known[i]});
        }
    }
}

/* Scores those that are best as told, for a bar. first: a heap that is empty before and after. */
static void score_told(codes_job *job, best *likely, heap *first)
{
    const scan_set *set = job->set;
    const size_t n = best_merge(likely, job->told);
    for (size_t i = 0; i < n; i++) {
        const size_t row = (size_t)job->told[i].id;
        const float score = job->kernels->dot(set->rows + row * set->stride, job->query, set->dim);
        if (score >= set->min_score) heap_offer(first, (scan_hit){.id = set->ids[row], .score = score});
    }
    job->tallies->work.bytes += n * set->dim * sizeof(float);
    if (first->n == first->k) share_bar(job, first->hits[0].score);
    if (n == likely->k) job->least_told = job->told[n - 1].score;
    first->n = 0;
}

/* ---- the first pass ---- */

/* Rules out rows of a word. from: what is known before, into: after. */
static void keep(const block_scan *b, const code_bounds *by, word_scan *w, const float *from, float bar, float *into)
{
    w->mask &= b->job->c->kernels->bounds(by, from, w->sums, b->first + w->at, w->n, bar, into, w->most);
}

/* Scores the rows that seem to be among the best so far, for a bar. Returns how many rows might be among them. */
static size_t score_likely(const block_scan *b, const word_scan *w, heap *first, heap *likely)
{
    const scan_set *set = b->job->set;
    size_t might = 0;
    for (uint64_t mask = w->mask; mask; mask &= mask - 1) {
        const size_t i = (size_t)__builtin_ctzll(mask), row = b->first + w->at + i;
        const float worst = likely->n == likely->k ? likely->hits[0].score : -INFINITY;
        const float least = worst > b->job->least_told ? worst : b->job->least_told;
        might += !(w->most[i] < least);
        if (!(w->told[i] > least)) continue;
        heap_offer(likely, (scan_hit){.id = set->ids[row], .score = w->told[i]});
        const float score = b->job->kernels->dot(set->rows + row * set->stride, b->job->query, set->dim);
        b->t->work.bytes += set->dim * sizeof(float);
        if (score >= set->min_score) heap_offer(first, (scan_hit){.id = set->ids[row], .score = score});
    }
    return might;
}

/* By what heads and lengths tell. */
static void by_lengths(const block_scan *b, word_scan *w, float bar)
{
    memset(w->sums, 0, sizeof w->sums);
    keep(b, &b->way->length, w, w->known, bar, w->told);
    b->t->work.bytes += 2 * w->n;
}

/* Not of few rows: theirs are spread over as many bytes as those of all. */
static void by_signs(const block_scan *b, word_scan *w, float bar, heap *first, heap *likely)
{
    const codes *c = b->job->c;
    const size_t came = count_of(w->mask);
    if (came < FEW) {
        for (size_t i = 0; i < WORD; i++) w->sums[i] = NO_SUM;
        if (!b->by_lengths)
            for (size_t i = 0; i < WORD; i++) w->most[i] = INFINITY;
        return;
    }
    c->kernels->signs(layer_rows(b, LAYER_SIGNS, w->at), c->words * 8, (const uint8_t(*)[16])b->way->rest->signs.tables,
                      w->sums);
    keep(b, &b->way->signs, w, w->known, bar, w->told);
    b->t->work.in_signs += came;
    b->t->work.bytes += (b->by_lengths ? 2 : 4) * w->n + c->words * 8 * SIGN_ROWS;
    b->t->tried += came;
    b->t->kept += score_likely(b, w, first, likely);
}

/* Instead of signs, by 4 bits. */
static void by_4_bits(const block_scan *b, word_scan *w, float bar, heap *first, heap *likely)
{
    const codes *c = b->job->c;
    const size_t count = count_of(w->mask);
    uint16_t places[WORD];
    int32_t sums[WORD];
    size_t n = 0;
    for (uint64_t mask = w->mask; mask; mask &= mask - 1) places[n++] = (uint16_t)__builtin_ctzll(mask);
    c->kernels->sums(layer_rows(b, LAYER_HIGH, w->at), places, n, c->groups, b->way->rest->left.v, sums);
    memset(w->sums, 0, sizeof w->sums);
    for (size_t i = 0; i < n; i++) w->sums[places[i]] = sums[i];
    b->t->work.in_4_bits += count;
    b->t->work.bytes += count * c->groups * CODE_GROUP + 6 * w->n;
    keep(b, &b->way->by_4, w, w->known, bar, w->told);
    score_likely(b, w, first, likely);
}

static void add_to_list(row_list *to, const word_scan *w)
{
    size_t n = to->n;
    for (uint64_t mask = w->mask; mask; mask &= mask - 1, n++) {
        const size_t i = (size_t)__builtin_ctzll(mask);
        to->places[n] = (uint16_t)(w->at + i);
        to->known[n] = w->known[i];
        to->most[n] = w->most[i];
        to->sums[n] = w->sums[i];
    }
    to->n = n;
}

/* Whether signs are worth it, as the last rows have told. */
static void judge_signs(tally *t)
{
    if (t->passing) {
        t->passing--;
    } else if (t->tried >= TRIED) {
        t->span = t->kept > t->tried / 8 * 7 ? t->span ? 2 * t->span : PASSED_OVER : 0;
        t->passing = t->span;
        t->tried = t->kept = 0;
    }
}

/* The same of lengths, by the words of a block that came with as many rows as signs are read for, and those of them
 * that were spared that. */
static void judge_lengths(const block_scan *b, size_t came, size_t spared)
{
    if (b->t->lengths_off)
        b->t->lengths_off--;
    else if (b->by_lengths && 8 * spared < came)
        b->t->lengths_off = LENGTHS_OFF;
}

static row_list list_of(const codes_job *job, size_t block)
{
    const size_t first = block * LIST_ROOM;
    return (row_list){.places = job->all.places + first,
                      .known = job->all.known + first,
                      .most = job->all.most + first,
                      .sums = job->all.sums + first};
}

/* ---- lists ---- */

/* Moves row number i of a list to its new end, n. */
static inline void move_row(row_list *l, size_t n, size_t i)
{
    l->places[n] = l->places[i];
    l->known[n] = l->known[i];
    l->most[n] = l->most[i];
    l->sums[n] = l->sums[i];
}

/* The rows that a higher bar leaves. */
static void keep_most(row_list *l, float bar)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++) {
        const bool stays = !(l->most[i] < bar);
        move_row(l, n, i);
        n += stays;
    }
    l->n = n;
}

/* Of some rows that lie apart, what a bound needs, side by side. */
typedef struct {
    uint16_t scale[WORD], reach[WORD], error[WORD];
} some_rows;

static void gather(const code_bounds *by, size_t first, const uint16_t *places, size_t n, some_rows *to)
{
    const uint16_t *scale = by->scale + first, *reach = by->reach + first, *error = by->error + first;
    for (size_t i = 0; i < n; i++) {
        const size_t at = places[i];
        to->scale[i] = scale[at];
        to->reach[i] = reach[at];
        to->error[i] = error[at];
    }
}

/* Rules out rows of a list by such sums. */
static void keep_rows(const block_scan *b, row_list *l, const code_bounds *by, const int32_t *sums, float bar)
{
    some_rows rows;
    code_bounds of_some = *by;
    float unused[WORD], most[WORD];
    size_t n = 0;
    of_some.scale = rows.scale;
    of_some.reach = rows.reach;
    of_some.error = rows.error;
    for (size_t at = 0; at < l->n; at += WORD) {
        const size_t some = l->n - at < WORD ? l->n - at : WORD;
        gather(by, b->first, l->places + at, some, &rows);
        uint64_t mask = b->job->c->kernels->bounds(&of_some, l->known + at, sums + at, 0, some, bar, unused, most);
        for (; mask; mask &= mask - 1) {
            const size_t i = (size_t)__builtin_ctzll(mask);
            move_row(l, n, at + i);
            l->sums[n] = sums[at + i];
            l->most[n++] = most[i];
        }
    }
    l->n = n;
}

/* By signs and second bits. */
static void by_second(const block_scan *b, row_list *l, float bar)
{
    const codes *c = b->job->c;
    const size_t bytes = c->words * 8;
    int32_t second[ROWS_AT_ONCE];
    if (l->n > b->n / 8 * 7) return; /* then these would keep most, too */
    c->kernels->bits(layer_rows(b, LAYER_SECOND, 0), l->places, l->n, bytes, b->way->rest->rough.v, second);
    for (size_t i = 0; i < l->n; i++) second[i] += 2 * l->sums[i];
    b->t->work.in_2_bits += l->n;
    b->t->work.bytes += l->n * (bytes + 6);
    keep_rows(b, l, &b->way->second, second, bar);
}

/* Of the rows of a list. */
static void ask_for_list(const block_scan *b, size_t layer)
{
    const size_t stride = codes_layer_bytes(layer, b->job->c->f.dim, b->job->c->f.head);
    const uint8_t *rows = layer_rows(b, layer, 0);
    for (size_t i = 0; i < b->left->n; i++)
        for (size_t at = 0; at < stride; at += 64) __builtin_prefetch(rows + b->left->places[i] * stride + at);
}

static void ask_for_second(const block_scan *b)
{
    const uint16_t *errors = b->way->second.error + b->first;
    ask_for_list(b, LAYER_SECOND);
    for (size_t at = 0; at < b->n; at += 32) __builtin_prefetch(errors + at);
}

static void second_of_waiting(codes_job *job, int worker, float bar)
{
    tally *t = &job->tallies[worker];
    if (!t->waiting) return;
    const block_scan b = block_of(job, t->waiting - 1, worker);
    by_second(&b, b.left, bar);
    t->waiting = 0;
}

/* ---- the first pass over a block ---- */

/* Heads and signs of all rows, and a bar. */
static void look_at_block(void *user, size_t block, int worker)
{
    codes_job *job = user;
    heap *first = &job->first[worker], *likely = &job->likely[worker];
    job->lists[block] = list_of(job, block);
    block_scan b = block_of(job, block, worker);
    float bar = share_bar(job, -INFINITY);
    size_t came = 0, spared = 0;
    judge_signs(b.t);
    b.left->summed = b.t->passing > 0;
    b.by_lengths = job->known && (b.left->summed || !b.t->lengths_off);
    for (size_t at = 0; at < b.n; at += WORD) {
        word_scan w;
        begin_word(&b, at, &w);
        ask_for_next(&b, job->c->layers[LAYER_LENGTH], at);
        ask_for_next(&b, job->c->layers[LAYER_SIGN_ERROR], at);
        b.t->work.rows += count_of(w.mask);
        if (w.mask && !job->known) begin_with(&b, &w);
        if (w.mask && b.by_lengths) {
            const bool many = count_of(w.mask) >= FEW;
            by_lengths(&b, &w, bar);
            came += many;
            spared += many && count_of(w.mask) < FEW;
        }
        if (!w.mask) continue;
        if (b.left->summed)
            by_4_bits(&b, &w, bar, first, likely);
        else
            by_signs(&b, &w, bar, first, likely);
        add_to_list(b.left, &w);
        if (first->n == first->k && first->hits[0].score > bar) bar = first->hits[0].score;
    }
    judge_lengths(&b, came, spared);
    bar = share_bar(job, bar);
    if (!b.left->summed) ask_for_second(&b);
    second_of_waiting(job, worker, bar);
    b.t->waiting = b.left->summed ? 0 : 1 + block;
}

/* ---- the second pass ---- */

static void sum_list(const block_scan *b, size_t layer, int32_t *sums)
{
    const codes *c = b->job->c;
    c->kernels->sums(layer_rows(b, layer, 0), b->left->places, b->left->n, c->groups, b->way->rest->left.v, sums);
    b->t->work.bytes += b->left->n * c->groups * CODE_GROUP;
}

/* Rules out rows by one layer of codes after the other. */
static void narrow(const block_scan *b, float bar)
{
    row_list *l = b->left;
    int32_t low[ROWS_AT_ONCE];
    if (!l->summed) {
        b->t->work.in_4_bits += l->n;
        b->t->work.bytes += 6 * l->n;
        sum_list(b, LAYER_HIGH, l->sums);
        keep_rows(b, l, &b->way->by_4, l->sums, bar);
    }
    b->t->work.in_8_bits += l->n;
    b->t->work.bytes += 2 * l->n;
    sum_list(b, LAYER_LOW, low);
    for (size_t i = 0; i < l->n; i++) l->sums[i] = 16 * l->sums[i] + low[i];
    keep_rows(b, l, &b->way->by_8, l->sums, bar);
}

/* Scores row number i of a list. Returns the bar, which may rise. */
static float score_row(const block_scan *b, size_t i, heap *h, float bar)
{
    const scan_set *set = b->job->set;
    const size_t row = b->first + b->left->places[i];
    const float score = b->job->kernels->dot(set->rows + row * set->stride, b->job->query, set->dim);
    b->t->work.in_floats++;
    b->t->work.bytes += set->dim * sizeof(float);
    if (score >= set->min_score) heap_offer(h, (scan_hit){.id = set->ids[row], .score = score});
    return h->n == h->k && h->hits[0].score > bar ? h->hits[0].score : bar;
}

static void ask_for_rows(const block_scan *b)
{
    const scan_set *set = b->job->set;
    for (size_t i = 0; i < b->left->n; i++) {
        const float *row = set->rows + (b->first + b->left->places[i]) * set->stride;
        for (size_t at = 0; at < set->dim; at += 16) __builtin_prefetch(row + at);
    }
}

/* All that is left of the block that waits. */
static void finish_waiting(codes_job *job, int worker)
{
    tally *t = &job->tallies[worker];
    heap *h = &job->heaps[worker];
    if (!t->waiting) return;
    block_scan b = block_of(job, t->waiting - 1, worker);
    row_list *l = b.left;
    float bar = share_bar(job, -INFINITY);
    size_t scored = 0;
    while (bar == -INFINITY && scored < l->n) bar = score_row(&b, scored++, h, bar); /* without one nothing goes */
    for (size_t i = scored; i < l->n; i++) move_row(l, i - scored, i);
    l->n -= scored;
    if (l->n) narrow(&b, bar);
    ask_for_rows(&b);
    for (size_t i = 0; i < l->n; i++)
        if (!(l->most[i] < bar)) bar = score_row(&b, i, h, bar);
    share_bar(job, bar);
    t->waiting = 0;
}

/* What a block needs is asked for, and the one before it is finished in the meantime. */
static void scan_block(void *user, size_t block, int worker)
{
    codes_job *job = user;
    const block_scan b = block_of(job, block, worker);
    keep_most(b.left, share_bar(job, -INFINITY));
    if (!b.left->n) return;
    ask_for_list(&b, b.left->summed ? LAYER_LOW : LAYER_HIGH);
    finish_waiting(job, worker);
    b.t->waiting = 1 + block;
}

static void add_work(codes_work *to, const codes_work *from)
{
    to->rows += from->rows;
    to->in_signs += from->in_signs;
    to->in_2_bits += from->in_2_bits;
    to->in_4_bits += from->in_4_bits;
    to->in_8_bits += from->in_8_bits;
    to->in_floats += from->in_floats;
    to->bytes += from->bytes;
}

static void run_pass(codes_job *job, size_t blocks, pool *threads, void (*pass)(void *, size_t, int))
{
    if (threads)
        pool_run(threads, blocks, pass, job);
    else
        for (size_t block = 0; block < blocks; block++) pass(job, block, 0);
}

/* The pass that comes first, and what it reads in what time. */
static void run_and_time(codes_job *job, size_t blocks, pool *threads, size_t workers, codes_work *work)
{
    const double begin = clock_seconds();
    run_pass(job, blocks, threads, job->known ? tell_block : look_at_block);
    if (!work) return;
    work->scan_ms = 1e3 * (clock_seconds() - begin);
    for (size_t w = 0; w < workers; w++) work->scan_bytes += job->tallies[w].work.bytes;
}

/* Of this many bytes, or more, at a multiple of 64; the first 64 are not the caller's. NULL: out of memory. */
static uint8_t *take_room(spare_room *from, size_t bytes)
{
    void *room = atomic_exchange(&from->idle, NULL);
    size_t there = 0;
    if (room) memcpy(&there, room, sizeof there);
    if (there >= bytes) return room;
    mem_free(room);
    room = mem_aligned(bytes);
    if (room) memcpy(room, &bytes, sizeof bytes);
    return room;
}

static bool make_room(codes_job *job, size_t blocks, size_t workers, size_t k)
{
    enum { EACH = 3 * sizeof(float) + sizeof(uint16_t) };
    row_list *all = &job->all;
    const size_t listed = blocks * LIST_ROOM, known = job->c->f.head ? blocks * ROWS_AT_ONCE : 0;
    job->tallies = mem_zero_array(workers, sizeof *job->tallies);
    job->lists = mem_array(blocks, sizeof *job->lists);
    job->told = mem_array(k + LIKELY, sizeof *job->told);
    job->room = take_room(job->c->room, 64 + listed * EACH + known * sizeof(float));
    if (!job->tallies || !job->lists || !job->told || !job->room) return false;
    float *at = (float *)(void *)(job->room + 64);
    all->known = at;
    all->most = all->known + listed;
    all->sums = (int32_t *)(void *)(all->most + listed);
    job->known = known ? all->most + 2 * listed : NULL;
    all->places = (uint16_t *)(void *)(all->most + 2 * listed + known);
    return true;
}

static void release_room(codes_job *job)
{
    mem_free(job->tallies);
    mem_free(job->lists);
    mem_free(job->told);
    if (job->room) mem_free(atomic_exchange(&job->c->room->idle, job->room));
}

static simile_status scan_codes(codes_job *job, size_t k, pool *threads, scan_hit *out, size_t *found, codes_work *work,
                                simile_error *err)
{
    const size_t blocks = (job->set->n - 1) / ROWS_AT_ONCE + 1;
    if (blocks == 1) threads = NULL;
    const size_t workers = threads ? (size_t)pool_threads(threads) : 1;
    best kept = {0}, first = {0}, likely = {0};
    const bool ready = make_room(job, blocks, workers, k) && best_init(&kept, workers, k) &&
                       best_init(&first, workers, k) && best_init(&likely, workers, k + LIKELY);
    if (ready) {
        job->heaps = kept.heaps;
        job->first = first.heaps;
        job->likely = likely.heaps;
        job->least_told = -INFINITY;
        run_and_time(job, blocks, threads, workers, work);
        if (job->known) {
            score_told(job, &likely, first.heaps);
            run_pass(job, blocks, threads, look_at_block);
        }
        for (size_t w = 0; w < workers; w++) second_of_waiting(job, (int)w, share_bar(job, -INFINITY));
        run_pass(job, blocks, threads, scan_block);
        for (size_t w = 0; w < workers; w++) finish_waiting(job, (int)w);
        *found = best_merge(&kept, out);
    }
    best_release(&kept);
    best_release(&first);
    best_release(&likely);
    for (size_t w = 0; ready && work && w < workers; w++) add_work(work, &job->tallies[w].work);
    return ready ? SIMILE_OK : err_nomem(err);
}

simile_status codes_top(const scan_set *set, const codes *c, const habit *h, const float *query, size_t k,
                        pool *threads, scan_hit *out, size_t *found, codes_work *work, simile_error *err)
{
    codes_job job = {.set = set, .c = c, .query = query, .kernels = scan_kernels_best()};
    if (work) *work = (codes_work){0};
    *found = 0;
    if (k > set->n) k = set->n;
    if (set->dim != c->f.dim || set->n > c->capacity || set->stride < set->dim)
        return err_set(err, SIMILE_E_INTERNAL, "these are not the codes of these rows");
    if (!k) return SIMILE_OK;
    if (k > set->n / LARGEST_PART || !query_is_codable(query, set->dim))
        return scan_top(set, query, k, threads, out, found, err);
    simile_status status = SIMILE_OK;
    if (!code_query(query, c, h, set->n, &job.coded)) status = err_nomem(err);
    job.ways[ALL] = way_of(c, &job.coded, ALL, NULL);
    if (job.coded.along != 0) {
        job.ways[BESIDE] = way_of(c, &job.coded, BESIDE, h->along);
        job.n_along = h->n;
    }
    atomic_init(&job.bar, set->min_score);
    if (!status) status = scan_codes(&job, k, threads, out, found, work, err);
    release_room(&job);
    query_release(&job.coded);
    return status;
}
