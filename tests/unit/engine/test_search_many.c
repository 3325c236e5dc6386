/* SPDX-License-Identifier: Apache-2.0
 * test_search_many.c - simile_search_many against simile_search: equal ids, similarities and paths for each query,
 * whatever the others are; with codes and without, several callers at once, and one query that fails. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "many.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>

enum { MANY = 80 };

static const char *const words[] = {"two dogs in the snow", "a cat on a table", "london at night", "a red car", ""};

typedef struct {
    float vectors[MANY][DIM];
    simile_term terms[MANY][2];
    simile_query queries[MANY];
    const simile_query *pointers[MANY];
    size_t n;
} questions;

static void point(questions *q, size_t n)
{
    q->n = n;
    for (size_t i = 0; i < n; i++) {
        q->queries[i].struct_size = sizeof q->queries[i];
        q->queries[i].terms = q->terms[i];
        q->pointers[i] = &q->queries[i];
    }
}

static void assert_same(const simile_results *a, const simile_results *b)
{
    assert_int_equal(simile_results_count(a), simile_results_count(b));
    for (size_t i = 0; i < simile_results_count(a); i++) {
        const simile_hit *x = simile_results_at(a, i), *y = simile_results_at(b, i);
        assert_int_equal(x->id, y->id);
        assert_memory_equal(&x->similarity, &y->similarity, sizeof x->similarity);
        assert_true(!x->path == !y->path && !x->text == !y->text);
        if (x->path) assert_string_equal(x->path, y->path);
        if (x->text) assert_string_equal(x->text, y->text);
        assert_int_equal(simile_results_candidate(a, i), simile_results_candidate(b, i));
    }
}

static void assert_like_one_each(simile_library *library, simile_encoder *encoder, const questions *q)
{
    simile_results *together[MANY], *alone;
    simile_error mine;
    if (simile_search_many(library, encoder, q->pointers, q->n, together, &mine)) fail_msg("%s", mine.message);
    for (size_t i = 0; i < q->n; i++) {
        if (simile_search(library, encoder, q->pointers[i], &alone, &mine)) fail_msg("%s", mine.message);
        assert_same(together[i], alone);
        simile_results_free(together[i]);
        simile_results_free(alone);
    }
}

/* ---- thousands of items ---- */

static void ask_vectors(questions *q, size_t n, int seed)
{
    *q = (questions){0};
    for (size_t i = 0; i < n; i++) {
        query_of((int)i * 7 + seed, q->vectors[i]);
        q->terms[i][0] = (simile_term){.kind = SIMILE_TERM_VECTOR, .vector = q->vectors[i], .weight = 1};
        q->terms[i][1] = (simile_term){.kind = SIMILE_TERM_ITEM, .id = (int64_t)i * 31 + 1, .weight = 0.5f};
        q->queries[i] = (simile_query){.n_terms = 1 + i % 2, .limit = i % 17 == 5 ? 20000 : (int32_t)(i % 13)};
        q->queries[i].offset = i % 5 == 3 ? 4 : 0;
        q->queries[i].folder = i % 3 == 1 ? "/p/third" : NULL;
        q->queries[i].glob = i % 7 == 2 ? "*7.jpg" : i % 7 == 4 ? "*nothing*" : NULL;
        q->queries[i].exclude_terms = i % 4 == 1;
        q->queries[i].min_similarity = i % 11 == 6 ? 15.0f : 0;
    }
    point(q, n);
}

static void each_answer_is_that_of_one_alone(void **state)
{
    static questions q;
    simile_library *library = open_library();
    change(0, FIRST, 0);
    for (size_t n = 0; n <= MANY; n += n < 4 ? 1 : 19) { /* the first ones without codes */
        ask_vectors(&q, n, 1000003 + (int)n);
        simile_results *none[MANY];
        assert_ok(simile_search_many(library, NULL, q.pointers, n, none, &err));
        for (size_t i = 0; i < n; i++) simile_results_free(none[i]);
        assert_like_one_each(library, NULL, &q);
    }
    change(FIRST, FIRST + MORE, 0);
    ask_vectors(&q, MANY, 5);
    assert_like_one_each(library, NULL, &q);
    simile_library_close(library);
    assert_ok(simile_library_open(lab.catalog, NULL, NULL, &library, &err)); /* many at once in the first call */
    assert_like_one_each(library, NULL, &q);
    simile_library_close(library);
}

typedef struct {
    simile_library *library;
    questions *q;
} caller;

static void *search_often(void *user)
{
    const caller *c = user;
    for (int i = 0; i < 3; i++) assert_like_one_each(c->library, NULL, c->q);
    return NULL;
}

static void several_call_at_once(void **state)
{
    enum { THREADS = 4 };
    static questions q;
    pthread_t threads[THREADS];
    caller c = {.library = open_library(), .q = &q};
    change(0, FIRST, 0);
    ask_vectors(&q, 40, 11);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, search_often, &c), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    simile_library_close(c.library);
}

/* More callers of one search each than a library works for at once: they are gathered. */
enum { CALLERS = 12, ROUNDS = 25 };

typedef struct {
    simile_library *library;
    questions *q;
    simile_results **expected;
    size_t first;
    bool may_fail;
} single;

static void *search_alone(void *user)
{
    const single *c = user;
    for (size_t i = 0; i < ROUNDS; i++) {
        const size_t at = (c->first + i) % c->q->n;
        simile_results *results;
        simile_error mine;
        const simile_status status = simile_search(c->library, NULL, c->q->pointers[at], &results, &mine);
        if (status && (!c->may_fail || status != SIMILE_E_NOMEM)) fail_msg("%s", mine.message);
        if (!status) assert_same(results, c->expected[at]);
        simile_results_free(results);
    }
    return NULL;
}

static void call_from_all_sides(single *callers)
{
    pthread_t threads[CALLERS];
    for (int i = 0; i < CALLERS; i++) assert_int_equal(pthread_create(&threads[i], NULL, search_alone, &callers[i]), 0);
    for (long n = 1; callers->may_fail && n < 60; n++) mem_fault_after(n % 23, false);
    for (int i = 0; i < CALLERS; i++) pthread_join(threads[i], NULL);
    mem_fault_after(0, false);
}

static void callers_of_one_each_are_gathered(void **state)
{
    static questions q;
    simile_results *expected[MANY];
    single callers[CALLERS];
    const simile_library_options options = {.struct_size = sizeof options, .threads = 1};
    simile_library *library;
    change(0, FIRST, 0);
    assert_ok(simile_library_open(lab.catalog, NULL, &options, &library, &err));
    ask_vectors(&q, MANY, 17);
    for (size_t i = 0; i < MANY; i++) assert_ok(simile_search(library, NULL, q.pointers[i], &expected[i], &err));
    for (size_t i = 0; i < CALLERS; i++)
        callers[i] = (single){.library = library, .q = &q, .expected = expected, .first = i * 7};
    call_from_all_sides(callers);
    for (size_t i = 0; i < CALLERS; i++) callers[i].may_fail = true;
    call_from_all_sides(callers);
    for (size_t i = 0; i < MANY; i++) simile_results_free(expected[i]);
    simile_library_close(library);
}

/* Wherever memory runs out, all fail or all are right. */
static void without_memory_none_has_results(void **state)
{
    static questions q;
    simile_results *results[MANY];
    simile_library *library = open_library();
    change(0, FIRST, 0);
    ask_vectors(&q, 20, 3);
    assert_like_one_each(library, NULL, &q);
    for (long n = 1; n < 400; n += n < 100 ? 1 : 13) {
        mem_fault_after(n, false);
        const simile_status status = simile_search_many(library, NULL, q.pointers, q.n, results, &err);
        mem_fault_after(0, false);
        if (status) assert_int_equal(status, SIMILE_E_NOMEM);
        for (size_t i = 0; i < q.n; i++) {
            assert_true(!results[i] == (status != SIMILE_OK));
            simile_results_free(results[i]);
        }
    }
    assert_like_one_each(library, NULL, &q);
    simile_library_close(library);
}

/* ---- texts, pictures and items ---- */

static void texts_and_targets_may_differ(void **state)
{
    enum { PICTURES = 9, N = 24 };
    static questions q;
    char name[32];
    simile_library *library = open_library();
    for (unsigned i = 0; i < PICTURES; i++) {
        snprintf(name, sizeof name, "%02u.ppm", i);
        draw(in_pictures(name), i, 1000 * (long)i);
    }
    add_all(library);
    assert_ok(simile_library_add_texts(library, lab.encoder, words, 3, NULL, NULL, &err));
    q = (questions){0};
    snprintf(name, sizeof name, "03.ppm");
    for (size_t i = 0; i < N; i++) {
        q.terms[i][0] = (simile_term){.kind = SIMILE_TERM_TEXT, .text = words[i % 5], .weight = 1};
        q.terms[i][1] = (simile_term){.kind = SIMILE_TERM_ITEM, .id = (int64_t)(i % PICTURES) + 1, .weight = 0.25f};
        if (i % 6 == 4) q.terms[i][1] = (simile_term){.kind = SIMILE_TERM_TEXT, .text = words[3], .weight = -0.5f};
        if (i % 6 == 5)
            q.terms[i][1] = (simile_term){.kind = SIMILE_TERM_PATH, .text = in_pictures(name), .weight = 0.5f};
        q.queries[i] =
            (simile_query){.n_terms = 1 + i % 2, .target = (int32_t)(i % 3 == 2), .exclude_terms = i % 4 < 2};
        q.queries[i].has_after = i % 5 == 3;
        q.queries[i].after = 4000;
    }
    point(&q, N);
    assert_like_one_each(library, lab.encoder, &q);
    simile_library_close(library);
}

static void assert_all_refused(simile_library *library, simile_encoder *encoder, const questions *q,
                               simile_status expected)
{
    simile_results *results[MANY];
    memset(results, 77, sizeof results);
    assert_fails(simile_search_many(library, encoder, q->pointers, q->n, results, &err), expected);
    for (size_t i = 0; i < q->n; i++) assert_null(results[i]);
}

static void one_that_fails_fails_all(void **state)
{
    static questions q;
    simile_library *library = open_library();
    change(0, 200, 0);
    ask_vectors(&q, 5, 1);
    assert_like_one_each(library, NULL, &q);
    q.terms[3][1].id = 4711;
    assert_all_refused(library, NULL, &q, SIMILE_E_NOT_FOUND);
    assert_int_equal(strncmp(err.message, "query 4: ", 9), 0);
    q.terms[3][1].id = 1;
    q.queries[4].limit = -1;
    assert_all_refused(library, NULL, &q, SIMILE_E_ARG);
    q.queries[4].limit = 0;
    q.pointers[2] = NULL;
    assert_all_refused(library, NULL, &q, SIMILE_E_ARG);
    q.pointers[2] = &q.queries[2];
    q.terms[0][0] = (simile_term){.kind = SIMILE_TERM_TEXT, .text = "no encoder", .weight = 1};
    q.terms[1][0] = q.terms[0][0];
    assert_all_refused(library, NULL, &q, SIMILE_E_ARG);
    assert_all_refused(NULL, NULL, &q, SIMILE_E_ARG);
    assert_ok(simile_search_many(library, NULL, NULL, 0, NULL, &err));
    assert_fails(simile_search_many(library, NULL, q.pointers, 1, NULL, &err), SIMILE_E_ARG);
    simile_library_close(library);
}

/* Long ones are cut where a message ends, not before, and between characters. */
static void an_error_is_whole(void **state)
{
    static questions q;
    char path[240];
    simile_library *library = open_library();
    draw(in_pictures("00.ppm"), 0, 0);
    add_all(library);
    q = (questions){0};
    for (size_t i = 0; i < 3; i++) {
        q.terms[i][0] = (simile_term){.kind = SIMILE_TERM_ITEM, .id = 1, .weight = 1};
        q.queries[i].n_terms = 1;
    }
    point(&q, 3);
    assert_like_one_each(library, lab.encoder, &q);
    for (size_t i = 0; i + 2 < sizeof path; i += 2) memcpy(path + i, "\xc3\xa9", 3);
    q.terms[1][0] = (simile_term){.kind = SIMILE_TERM_PATH, .text = path, .weight = 1};
    assert_all_refused(library, lab.encoder, &q, SIMILE_E_NOT_FOUND);
    assert_int_equal(strncmp(err.message, "query 2: ", 9), 0);
    assert_true(strlen(err.message) >= sizeof err.message - 4);
    assert_null(strstr(err.message, "\xef\xbf\xbd"));
    simile_library_close(library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_answer_is_that_of_one_alone, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(several_call_at_once, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(callers_of_one_each_are_gathered, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(without_memory_none_has_results, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(texts_and_targets_may_differ, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(one_that_fails_fails_all, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(an_error_is_whole, bench_open, bench_close),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bench_forget_model();
    return failed;
}
