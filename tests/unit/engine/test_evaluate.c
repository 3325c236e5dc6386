/* SPDX-License-Identifier: Apache-2.0
 * test_evaluate.c - ranks of right answers: a case computed by hand with ties and several right answers, every rank of
 * a larger one against a plain double loop, and what is refused. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "help.h"

#include <math.h>
#include <stdlib.h>

/* Candidates at 0, 90, 0 (longer), 180 and 45 degrees. */
static const float candidates[5][2] = {{1, 0}, {0, 1}, {3, 0}, {-1, 0}, {1, 1}};

static simile_evaluation of(const float *queries, size_t n, const simile_match *matches, size_t n_matches)
{
    return (simile_evaluation){.struct_size = sizeof(simile_evaluation),
                               .queries = queries,
                               .candidates = candidates[0],
                               .n_queries = n,
                               .n_candidates = 5,
                               .matches = matches,
                               .n_matches = n_matches,
                               .dim = 2,
                               .threads = 2};
}

static void test_by_hand(void **state)
{
    (void)state;
    static const float queries[][2] = {
        {2, 0},  /* right 0, tie with 2: 2 stands in its way */
        {2, 0},  /* right 0 and 2: nobody does */
        {2, 0},  /* right 4: behind 0 and 2 */
        {0, 5},  /* right 1, said twice */
        {0, 5},  /* right 3 and 0, which tie at cosine 0 with 2: behind 1, 4 and 2 */
        {0, 0},  /* right 1: all scores are 0, so four wrong ones tie */
        {1, 0},  /* nothing is right */
        {-1, 0}, /* right 2: last, with 0 beside it */
    };
    static const simile_match matches[] = {{7, 2}, {0, 0}, {1, 2}, {1, 0}, {2, 4},
                                           {3, 1}, {3, 1}, {4, 3}, {4, 0}, {5, 1}};
    static const int64_t wanted[] = {2, 1, 3, 1, 4, 5, 0, 5};
    int64_t ranks[8] = {-1, -1, -1, -1, -1, -1, -1, -1};
    const simile_evaluation e = of(queries[0], 8, matches, sizeof matches / sizeof *matches);
    assert_ok(simile_evaluate(&e, ranks, &err));
    for (int i = 0; i < 8; i++)
        if (ranks[i] != wanted[i]) fail_msg("query %d: rank %d, not %d", i, (int)ranks[i], (int)wanted[i]);
}

static void test_not_a_number_is_not_right(void **state)
{
    (void)state;
    static const float queries[][2] = {{NAN, 1}};
    static const simile_match matches[] = {{0, 1}};
    int64_t rank = 0;
    const simile_evaluation e = of(queries[0], 1, matches, 1);
    assert_ok(simile_evaluate(&e, &rank, &err));
    assert_true(rank >= 5);
}

enum { N = 700, M = 2300, DIM = 3 }; /* more than a batch, more than a block, neither a multiple */

/* Vectors of few values, so that many are equal. */
static void fill(float *rows, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        rows[i] = (float)(seed >> 30) - 1;
    }
}

static float plain(const float *a, const float *b)
{
    float u[DIM], v[DIM], sum = 0;
    memcpy(u, a, sizeof u);
    memcpy(v, b, sizeof v);
    simile_normalize(u, DIM);
    simile_normalize(v, DIM);
    for (int i = 0; i < DIM; i++) sum += u[i] * v[i];
    return sum;
}

static void test_against_a_plain_loop(void **state)
{
    (void)state;
    static float queries[N * DIM], answers[M * DIM];
    static simile_match matches[N];
    static int64_t ranks[N], again[N];
    fill(queries, N * DIM, 1);
    fill(answers, M * DIM, 2);
    for (int i = 0; i < N; i++) matches[i] = (simile_match){N - 1 - i, (i * 977) % M};
    simile_evaluation e = of(queries, N, matches, N);
    e.candidates = answers, e.n_candidates = M, e.dim = DIM;
    assert_ok(simile_evaluate(&e, ranks, &err));
    e.threads = 1;
    assert_ok(simile_evaluate(&e, again, &err));
    assert_memory_equal(ranks, again, sizeof ranks);
    for (int i = 0; i < N; i++) {
        const float *q = queries + matches[i].query * DIM, bar = plain(answers + matches[i].candidate * DIM, q);
        int64_t least = 1, most = 0; /* rounding may move what is nearly equal, nothing else */
        for (int j = 0; j < M; j++) {
            const float score = plain(answers + j * DIM, q);
            least += score > bar + 1e-5f;
            most += score > bar - 1e-5f;
        }
        const int64_t rank = ranks[matches[i].query];
        if (rank < least || rank > most) fail_msg("query %d: rank %d", (int)matches[i].query, (int)rank);
    }
}

/* Groups of one to three vectors on both sides: as if the best score of each pair had been computed first. */
static void test_several_vectors_each(void **state)
{
    (void)state;
    enum { QUERIES = 300, ANSWERS = 1150 };
    static float queries[N * DIM], answers[M * DIM];
    static int64_t query_starts[QUERIES + 1], answer_starts[ANSWERS + 1], ranks[QUERIES];
    static simile_match matches[QUERIES];
    fill(queries, N * DIM, 3);
    fill(answers, M * DIM, 4);
    for (int i = 0; i < QUERIES; i++) query_starts[i + 1] = query_starts[i] + 1 + i % 3;
    for (int i = 0; i < ANSWERS; i++) answer_starts[i + 1] = answer_starts[i] + 1 + (i * 7) % 3;
    assert_true(query_starts[QUERIES] <= N && answer_starts[ANSWERS] <= M);
    for (int i = 0; i < QUERIES; i++) matches[i] = (simile_match){i, (i * 977) % ANSWERS};
    simile_evaluation e = of(queries, QUERIES, matches, QUERIES);
    e.candidates = answers, e.n_candidates = ANSWERS, e.dim = DIM;
    e.query_starts = query_starts, e.candidate_starts = answer_starts;
    assert_ok(simile_evaluate(&e, ranks, &err));
    for (int i = 0; i < QUERIES; i++) {
        static float best[ANSWERS];
        for (int j = 0; j < ANSWERS; j++) {
            best[j] = -INFINITY;
            for (int64_t q = query_starts[i]; q < query_starts[i + 1]; q++)
                for (int64_t a = answer_starts[j]; a < answer_starts[j + 1]; a++)
                    best[j] = fmaxf(best[j], plain(answers + a * DIM, queries + q * DIM));
        }
        const float bar = best[matches[i].candidate];
        int64_t least = 1, most = 0;
        for (int j = 0; j < ANSWERS; j++) least += best[j] > bar + 1e-5f, most += best[j] > bar - 1e-5f;
        if (ranks[i] < least || ranks[i] > most) fail_msg("query %d: rank %d", i, (int)ranks[i]);
    }
    answer_starts[5] = answer_starts[4];
    assert_fails(simile_evaluate(&e, ranks, &err), SIMILE_E_ARG);
}

static int stop(void *user, int64_t done, int64_t total, const char *subject)
{
    (void)total, (void)subject;
    *(int64_t *)user = done;
    return 1;
}

static void test_what_is_refused(void **state)
{
    (void)state;
    static const float queries[][2] = {{1, 0}};
    static const simile_match beyond[] = {{0, 5}}, before[] = {{-1, 0}}, good[] = {{0, 0}};
    int64_t rank = 0, done = 0;
    simile_evaluation e = of(queries[0], 1, beyond, 1);
    assert_fails(simile_evaluate(&e, &rank, &err), SIMILE_E_ARG);
    e.matches = before;
    assert_fails(simile_evaluate(&e, &rank, &err), SIMILE_E_ARG);
    e.matches = good;
    assert_fails(simile_evaluate(&e, NULL, &err), SIMILE_E_ARG);
    assert_fails(simile_evaluate(NULL, &rank, &err), SIMILE_E_ARG);
    e.dim = 0;
    assert_fails(simile_evaluate(&e, &rank, &err), SIMILE_E_ARG);
    e.dim = 2, e.progress = stop, e.user = &done;
    assert_fails(simile_evaluate(&e, &rank, &err), SIMILE_E_CANCELLED);
    assert_int_equal(done, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_not_a_number_is_not_right),
        cmocka_unit_test(test_against_a_plain_loop),
        cmocka_unit_test(test_several_vectors_each),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
