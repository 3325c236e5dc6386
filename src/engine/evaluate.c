/* SPDX-License-Identifier: Apache-2.0
 * evaluate.c - at which rank the right answer of a query stands.
 *
 * Each query is scored against blocks of candidates, with the dot product of a search, so that equal vectors get equal
 * scores bit for bit and a tie is a tie. First the score of the best right answer is found, then everything that is not
 * below it is counted, and the right ones among that are taken off again. What compares as "not below" is written so
 * that a score that is not a number stands before the right answer: a broken model must not look like a good one.
 *
 * Threads: a pool shares out the queries of a batch; each writes its own rank. Between batches the caller is asked. */
#include "base/mem.h"
#include "engine/internal.h"
#include "index/scan.h"

#include <math.h>
#include <stdlib.h>

enum { QUERIES_AT_ONCE = 256, BLOCK = 1024 };

/* The vectors of several things: row i is that of thing i, or rows starts[i] to starts[i + 1] - 1 are. */
typedef struct {
    float *rows; /* unit */
    const int64_t *starts;
    size_t n, n_rows;
} side;

typedef struct {
    const scan_kernels *kernels;
    side queries, candidates;
    simile_match *matches; /* sorted, each once */
    size_t n_matches, dim;
    size_t first; /* query of the batch */
    int64_t *ranks;
} ranking;

static int by_query(const void *a, const void *b)
{
    const simile_match *x = a, *y = b;
    if (x->query != y->query) return x->query < y->query ? -1 : 1;
    return (x->candidate > y->candidate) - (x->candidate < y->candidate);
}

/* The first match of this query or of one behind it. */
static size_t first_match(const ranking *r, int64_t query)
{
    size_t low = 0, high = r->n_matches;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (r->matches[middle].query < query)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t start_of(const side *s, size_t i)
{
    return s->starts ? (size_t)s->starts[i] : i;
}

/* Marks those of n candidate rows whose score with any of the query's vectors is not below `bar`. */
static void mark_not_below(const ranking *r, size_t query, size_t first, size_t n, float bar, bool *out)
{
    float scores[BLOCK];
    memset(out, 0, n * sizeof *out);
    for (size_t q = start_of(&r->queries, query); q < start_of(&r->queries, query + 1); q++) {
        r->kernels->dots(r->candidates.rows + first * r->dim, n, r->dim, r->dim, r->queries.rows + q * r->dim, scores);
        for (size_t i = 0; i < n; i++) out[i] |= !(scores[i] < bar);
    }
}

/* Candidates that are not below `bar`. */
static int64_t count_not_below(const ranking *r, size_t query, float bar)
{
    const side *c = &r->candidates;
    bool marks[BLOCK];
    int64_t count = 0;
    size_t group = 0; /* the candidate whose rows are looked at */
    bool counted = false;
    for (size_t at = 0; at < c->n_rows; at += BLOCK) {
        const size_t n = c->n_rows - at < BLOCK ? c->n_rows - at : BLOCK;
        mark_not_below(r, query, at, n, bar, marks);
        for (size_t i = 0; i < n; i++) {
            if (at + i == start_of(c, group + 1)) group++, counted = false;
            if (marks[i] && !counted) count++, counted = true;
        }
    }
    return count;
}

/* Of a query and an answer: the best score of any of their vectors; -infinity if none compares. */
static float best_score(const ranking *r, size_t query, size_t answer)
{
    float best = -INFINITY;
    for (size_t q = start_of(&r->queries, query); q < start_of(&r->queries, query + 1); q++) {
        for (size_t c = start_of(&r->candidates, answer); c < start_of(&r->candidates, answer + 1); c++) {
            const float score = r->kernels->dot(r->candidates.rows + c * r->dim, r->queries.rows + q * r->dim, r->dim);
            if (score > best) best = score;
        }
    }
    return best;
}

static bool not_below(const ranking *r, size_t query, size_t answer, float bar)
{
    bool marks[BLOCK];
    const size_t end = start_of(&r->candidates, answer + 1);
    for (size_t at = start_of(&r->candidates, answer); at < end; at += BLOCK) {
        const size_t n = end - at < BLOCK ? end - at : BLOCK;
        mark_not_below(r, query, at, n, bar, marks);
        for (size_t i = 0; i < n; i++)
            if (marks[i]) return true;
    }
    return false;
}

static void rank_query(void *user, size_t item, int worker)
{
    (void)worker;
    ranking *r = user;
    const size_t q = r->first + item;
    const size_t begin = first_match(r, (int64_t)q), end = first_match(r, (int64_t)q + 1);
    float best = -INFINITY;
    r->ranks[q] = 0;
    if (begin == end) return;
    for (size_t i = begin; i < end; i++) {
        const float score = best_score(r, q, (size_t)r->matches[i].candidate);
        if (score > best) best = score;
    }
    int64_t count = count_not_below(r, q, best);
    for (size_t i = begin; i < end; i++) count -= not_below(r, q, (size_t)r->matches[i].candidate, best);
    r->ranks[q] = count + 1;
}

/* ---- preparation ---- */

static simile_status unit_copy(const float *rows, size_t n, const int64_t *starts, int32_t dim, side *out,
                               simile_error *err)
{
    size_t numbers;
    *out = (side){.starts = starts, .n = n, .n_rows = n};
    for (size_t i = 0; starts && i < n; i++)
        if (starts[0] != 0 || starts[i + 1] <= starts[i])
            return err_set(err, SIMILE_E_ARG, "the starts of the vectors do not rise from 0");
    if (starts) out->n_rows = n ? (size_t)starts[n] : 0;
    out->rows = mem_mul(out->n_rows, (size_t)dim, &numbers) ? mem_array(numbers, sizeof *out->rows) : NULL;
    if (!out->rows) return err_nomem(err);
    if (numbers) memcpy(out->rows, rows, numbers * sizeof *out->rows);
    for (size_t i = 0; i < out->n_rows; i++) simile_normalize(out->rows + i * (size_t)dim, dim);
    return SIMILE_OK;
}

static simile_status sort_matches(const simile_evaluation *e, ranking *r, simile_error *err)
{
    for (size_t i = 0; i < e->n_matches; i++) {
        const simile_match m = e->matches[i];
        if (m.query < 0 || m.candidate < 0 || (uint64_t)m.query >= e->n_queries ||
            (uint64_t)m.candidate >= e->n_candidates)
            return err_set(err, SIMILE_E_ARG, "match %zu names a row that is not there", i);
    }
    r->matches = mem_array(e->n_matches, sizeof *r->matches);
    if (!r->matches) return err_nomem(err);
    if (!e->n_matches) return SIMILE_OK;
    memcpy(r->matches, e->matches, e->n_matches * sizeof *r->matches);
    qsort(r->matches, e->n_matches, sizeof *r->matches, by_query);
    for (size_t i = 0; i < e->n_matches; i++)
        if (!i || by_query(&r->matches[i], &r->matches[i - 1])) r->matches[r->n_matches++] = r->matches[i];
    return SIMILE_OK;
}

static simile_status prepare(const simile_evaluation *e, ranking *r, pool **team, simile_error *err)
{
    RETURN_IF_ERROR(sort_matches(e, r, err));
    RETURN_IF_ERROR(unit_copy(e->queries, e->n_queries, e->query_starts, e->dim, &r->queries, err));
    RETURN_IF_ERROR(unit_copy(e->candidates, e->n_candidates, e->candidate_starts, e->dim, &r->candidates, err));
    return pool_new(threads_or_default(e->threads), team, err);
}

simile_status simile_evaluate(const simile_evaluation *evaluation, int64_t *ranks, simile_error *err)
{
    simile_evaluation e;
    pool *team = NULL;
    RETURN_IF_ERROR(options_copy(&e, sizeof e, evaluation, err));
    if (!ranks || e.dim < 1 || (e.n_queries && !e.queries) || (e.n_candidates && !e.candidates) ||
        (e.n_matches && !e.matches))
        return err_set(err, SIMILE_E_ARG, "an evaluation needs vectors, matches and a place for the ranks");
    ranking r = {.kernels = scan_kernels_best(), .dim = (size_t)e.dim, .ranks = ranks};
    simile_status status = prepare(&e, &r, &team, err);
    for (r.first = 0; r.first < e.n_queries && !status; r.first += QUERIES_AT_ONCE) {
        const size_t left = e.n_queries - r.first, n = left < QUERIES_AT_ONCE ? left : QUERIES_AT_ONCE;
        pool_run(team, n, rank_query, &r);
        if (e.progress && e.progress(e.user, (int64_t)(r.first + n), (int64_t)e.n_queries, NULL))
            status = err_set(err, SIMILE_E_CANCELLED, "interrupted");
    }
    pool_free(team);
    mem_free(r.queries.rows);
    mem_free(r.candidates.rows);
    mem_free(r.matches);
    return status;
}
