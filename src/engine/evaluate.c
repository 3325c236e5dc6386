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

typedef struct {
    const scan_kernels *kernels;
    float *queries, *candidates; /* unit */
    simile_match *matches;       /* sorted, each once */
    size_t n_candidates, n_matches, dim;
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

/* Candidates that are not below `bar`. */
static int64_t count_not_below(const ranking *r, const float *query, float bar)
{
    float scores[BLOCK];
    int64_t count = 0;
    for (size_t at = 0; at < r->n_candidates; at += BLOCK) {
        const size_t n = r->n_candidates - at < BLOCK ? r->n_candidates - at : BLOCK;
        r->kernels->dots(r->candidates + at * r->dim, n, r->dim, r->dim, query, scores);
        for (size_t i = 0; i < n; i++) count += !(scores[i] < bar);
    }
    return count;
}

static void rank_query(void *user, size_t item, int worker)
{
    (void)worker;
    ranking *r = user;
    const size_t q = r->first + item;
    const float *query = r->queries + q * r->dim;
    const size_t begin = first_match(r, (int64_t)q), end = first_match(r, (int64_t)q + 1);
    float best = -INFINITY;
    r->ranks[q] = 0;
    if (begin == end) return;
    for (size_t i = begin; i < end; i++) {
        const float score = r->kernels->dot(r->candidates + (size_t)r->matches[i].candidate * r->dim, query, r->dim);
        if (score > best) best = score;
    }
    int64_t count = count_not_below(r, query, best);
    for (size_t i = begin; i < end; i++)
        count -= !(r->kernels->dot(r->candidates + (size_t)r->matches[i].candidate * r->dim, query, r->dim) < best);
    r->ranks[q] = count + 1;
}

/* ---- preparation ---- */

static simile_status unit_copy(const float *rows, size_t n, int32_t dim, float **out, simile_error *err)
{
    size_t numbers;
    *out = mem_mul(n, (size_t)dim, &numbers) ? mem_array(numbers, sizeof **out) : NULL;
    if (!*out) return err_nomem(err);
    if (numbers) memcpy(*out, rows, numbers * sizeof **out);
    for (size_t i = 0; i < n; i++) simile_normalize(*out + i * (size_t)dim, dim);
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
    RETURN_IF_ERROR(unit_copy(e->queries, e->n_queries, e->dim, &r->queries, err));
    RETURN_IF_ERROR(unit_copy(e->candidates, e->n_candidates, e->dim, &r->candidates, err));
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
    ranking r = {.kernels = scan_kernels_best(), .n_candidates = e.n_candidates, .dim = (size_t)e.dim, .ranks = ranks};
    simile_status status = prepare(&e, &r, &team, err);
    for (r.first = 0; r.first < e.n_queries && !status; r.first += QUERIES_AT_ONCE) {
        const size_t left = e.n_queries - r.first, n = left < QUERIES_AT_ONCE ? left : QUERIES_AT_ONCE;
        pool_run(team, n, rank_query, &r);
        if (e.progress && e.progress(e.user, (int64_t)(r.first + n), (int64_t)e.n_queries, NULL))
            status = err_set(err, SIMILE_E_CANCELLED, "interrupted");
    }
    pool_free(team);
    mem_free(r.queries);
    mem_free(r.candidates);
    mem_free(r.matches);
    return status;
}
