/* SPDX-License-Identifier: Apache-2.0
 * test_codes.c - searches in a catalogue large enough for codes (snapshot.c): the answer never shows whether there are
 * some, while items are added and deleted and many search at once. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "many.h"

#include "base/mem.h"

#include <pthread.h>

static void codes_never_show_in_an_answer(void **state)
{
    simile_library *library = open_library();
    change(0, FIRST, 0);
    assert_searches(library, FIRST, 0); /* the first without codes, the others with */
    change(FIRST, FIRST + 10, 0);
    assert_searches(library, FIRST + 10, 0);
    change(FIRST + 10, FIRST + MORE, 0); /* beyond the memory of the first ones */
    assert_searches(library, FIRST + MORE, 0);
    change(FIRST + MORE, FIRST + MORE, 5); /* read again, without codes at first */
    assert_searches(library, FIRST + MORE, 5);
    simile_library_close(library);
}

typedef struct {
    simile_library *library;
    float query[DIM];
    scan_hit expected[LIMIT];
    size_t found;
} searcher;

static void *search_often(void *user)
{
    const searcher *s = user;
    for (int i = 0; i < 20; i++) assert_search(s->library, s->query, false, s->expected, s->found);
    return NULL;
}

static void many_search_while_codes_are_made(void **state)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    searcher s = {.library = open_library()};
    change(0, FIRST, 0);
    query_of(77, s.query);
    s.found = slow_top(FIRST, 0, false, s.query, s.expected);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, search_often, &s), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    simile_library_close(s.library);
}

/* Wherever memory runs out, a search fails and says so, or its answer is right. */
static void without_memory_for_codes_it_goes_on(void **state)
{
    simile_library *library = open_library();
    float query[DIM];
    scan_hit expected[LIMIT];
    change(0, FIRST, 0);
    query_of(4242, query);
    const size_t found = slow_top(FIRST, 0, false, query, expected);
    assert_search(library, query, false, expected, found);
    for (long n = 1; n < 40; n++) {
        const simile_term term = {.kind = SIMILE_TERM_VECTOR, .vector = query, .weight = 1};
        const simile_query q = {.struct_size = sizeof q, .terms = &term, .n_terms = 1, .limit = LIMIT};
        simile_results *results;
        mem_fault_after(n, false);
        const simile_status status = simile_search(library, NULL, &q, &results, &err);
        mem_fault_after(0, false);
        if (status) assert_int_equal(status, SIMILE_E_NOMEM);
        if (!status) assert_int_equal(simile_results_at(results, 0)->id, expected[0].id);
        simile_results_free(results);
        assert_search(library, query, false, expected, found);
    }
    simile_library_close(library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(codes_never_show_in_an_answer, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(many_search_while_codes_are_made, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(without_memory_for_codes_it_goes_on, bench_open, bench_close),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bench_forget_model();
    return failed;
}
