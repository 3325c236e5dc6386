/* SPDX-License-Identifier: Apache-2.0
 * test_search.c - simile_search against computing every similarity by hand, its filters, its errors, and many searches
 * at once while a writer is at work. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "help.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_DIM = 256, PICTURES = 24 };

static int32_t dim_of(void)
{
    return simile_model_get_info(lab.model)->dim;
}

/* Pictures 00.ppm ... 23.ppm, changed at second 1000 x number, those from 12 on in "late/"; three texts. */
static simile_library *open_filled(void)
{
    simile_library *library = open_library();
    const char *const texts[3] = {"two dogs in the snow", "a cat on a table", "london at night"};
    char name[32];
    make_folder(in_pictures("late"));
    for (unsigned i = 0; i < PICTURES; i++) {
        snprintf(name, sizeof name, "%s%02u.ppm", i < 12 ? "" : "late/", i);
        draw(in_pictures(name), i, 1000 * (long)i);
    }
    add_all(library);
    assert_ok(simile_library_add_texts(library, lab.encoder, texts, 3, NULL, NULL, &err));
    return library;
}

static simile_results *ask(simile_library *library, simile_query *query)
{
    simile_results *results;
    query->struct_size = sizeof *query;
    assert_ok(simile_search(library, lab.encoder, query, &results, &err));
    return results;
}

static void assert_refused(simile_library *library, simile_query query, simile_status expected)
{
    simile_results *results;
    query.struct_size = sizeof query;
    assert_fails(simile_search(library, lab.encoder, &query, &results, &err), expected);
    assert_null(results);
}

/* ---- against the slow truth ---- */

typedef struct {
    int64_t id;
    float similarity;
} truth;

static int best_first(const void *a, const void *c)
{
    const truth *x = a, *y = c;
    if (x->similarity != y->similarity) return x->similarity > y->similarity ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* All items with ids first..last by falling similarity to query. */
static size_t rank_all(int64_t first, int64_t last, const float *query, truth *out)
{
    float vector[MAX_DIM];
    size_t n = 0;
    for (int64_t id = first; id <= last; id++)
        if (item_vector(lab.catalog, id, vector))
            out[n++] = (truth){.id = id, .similarity = simile_similarity(vector, query, dim_of())};
    qsort(out, n, sizeof *out, best_first);
    return n;
}

static void assert_ranking(const simile_results *results, const truth *expected, size_t n)
{
    assert_int_equal(simile_results_count(results), n);
    for (size_t i = 0; i < n; i++) {
        const simile_hit *hit = simile_results_at(results, i);
        assert_true(fabsf(hit->similarity - expected[i].similarity) < 1e-3f);
        if (hit->id != expected[i].id) {
            /* Only where rounding may decide. */
            float vector[MAX_DIM];
            assert_true(item_vector(lab.catalog, hit->id, vector));
            assert_true(i + 1 == n || fabsf(expected[i].similarity - expected[i + 1].similarity) < 1e-3f ||
                        (i && fabsf(expected[i].similarity - expected[i - 1].similarity) < 1e-3f));
        }
    }
    assert_null(simile_results_at(results, n));
}

static void the_ranking_is_that_of_the_similarities(void **state)
{
    simile_library *library = open_filled();
    const char *text = "two dogs";
    float query[MAX_DIM];
    truth expected[PICTURES];
    assert_ok(simile_encode_texts(lab.encoder, &text, 1, query, NULL, &err));
    const simile_term term = {.kind = SIMILE_TERM_TEXT, .text = text, .weight = 1};
    simile_query q = {.terms = &term, .n_terms = 1, .limit = 100};
    simile_results *results = ask(library, &q);
    assert_int_equal(rank_all(1, PICTURES, query, expected), PICTURES);
    assert_ranking(results, expected, PICTURES);
    const simile_hit *hit = simile_results_at(results, 0);
    assert_true(hit->width == 40 && hit->height == 30 && hit->path && !hit->text);
    assert_int_equal(hit->date, 1000 * (hit->id - 1));
    simile_results_free(results);

    q.limit = 0; /* the default */
    results = ask(library, &q);
    assert_ranking(results, expected, 10);
    simile_results_free(results);
    for (int page = 0; page < 3; page++) {
        q.limit = 7;
        q.offset = 9 * page;
        results = ask(library, &q);
        assert_ranking(results, expected + q.offset, q.offset + 7 > PICTURES ? PICTURES - (size_t)q.offset : 7);
        simile_results_free(results);
    }
    q.offset = 1000;
    q.limit = INT32_MAX;
    results = ask(library, &q);
    assert_int_equal(simile_results_count(results), 0);
    simile_results_free(results);

    q = (simile_query){.terms = &term, .n_terms = 1, .target = SIMILE_KIND_TEXT};
    results = ask(library, &q);
    assert_int_equal(rank_all(PICTURES + 1, PICTURES + 3, query, expected), 3);
    assert_ranking(results, expected, 3);
    assert_null(simile_results_at(results, 0)->path);
    assert_non_null(simile_results_at(results, 0)->text);
    simile_results_free(results);
    simile_library_close(library);
}

static void weights_and_negatives_are_added_up(void **state)
{
    simile_library *library = open_filled();
    const char *texts[2] = {"two dogs", "people"};
    float parts[2 * MAX_DIM], item[MAX_DIM], query[MAX_DIM];
    const int32_t dim = dim_of();
    truth expected[PICTURES];
    assert_ok(simile_encode_texts(lab.encoder, texts, 2, parts, NULL, &err));
    assert_true(item_vector(lab.catalog, 5, item));
    for (int i = 0; i < 2; i++) simile_normalize(parts + i * dim, dim);
    for (int32_t i = 0; i < dim; i++) query[i] = parts[i] + 0.5f * item[i] - 0.7f * parts[dim + i];
    rank_all(1, PICTURES, query, expected);
    const simile_term terms[3] = {{.kind = SIMILE_TERM_TEXT, .text = texts[0], .weight = 1},
                                  {.kind = SIMILE_TERM_ITEM, .id = 5, .weight = 0.5f},
                                  {.kind = SIMILE_TERM_TEXT, .text = texts[1], .weight = -0.7f}};
    simile_query q = {.terms = terms, .n_terms = 3, .limit = 24};
    simile_results *results = ask(library, &q);
    assert_ranking(results, expected, PICTURES);
    simile_results_free(results);
    simile_library_close(library);
}

static void a_picture_finds_itself_in_every_way(void **state)
{
    simile_library *library = open_filled();
    float vector[MAX_DIM];
    simile_image *image;
    char path[512];
    snprintf(path, sizeof path, "%s/../p/07.ppm", lab.pictures);
    assert_ok(simile_image_open(path, NULL, &image, &err));
    assert_true(item_vector(lab.catalog, 8, vector));
    for (int32_t i = 0; i < dim_of(); i++) vector[i] *= 3; /* raw or unit, it does not matter */
    const simile_term terms[4] = {{.kind = SIMILE_TERM_PATH, .text = path, .weight = 1},
                                  {.kind = SIMILE_TERM_IMAGE, .image = image, .weight = 1},
                                  {.kind = SIMILE_TERM_ITEM, .id = 8, .weight = 2},
                                  {.kind = SIMILE_TERM_VECTOR, .vector = vector, .weight = 1}};
    for (int i = 0; i < 4; i++) {
        simile_query q = {.terms = &terms[i], .n_terms = 1, .limit = 3};
        simile_results *results = ask(library, &q);
        assert_int_equal(simile_results_count(results), 3);
        assert_int_equal(simile_results_at(results, 0)->id, 8);
        assert_true(simile_results_at(results, 0)->similarity > 99.99f);
        simile_results_free(results);
        q.exclude_terms = 1;
        results = ask(library, &q);
        assert_int_equal(simile_results_count(results), 3);
        const bool named = terms[i].kind == SIMILE_TERM_PATH || terms[i].kind == SIMILE_TERM_ITEM;
        assert_int_equal(simile_results_at(results, 0)->id == 8, !named);
        simile_results_free(results);
    }
    simile_image_free(image);
    simile_library_close(library);
}

static void a_path_is_decoded_when_the_catalogue_does_not_have_it(void **state)
{
    simile_library *library = open_filled();
    draw(in_pictures("later.ppm"), 7, 1); /* the bytes of 07.ppm, but not an item */
    const simile_term later = {.kind = SIMILE_TERM_PATH, .text = in_pictures("later.ppm"), .weight = 1};
    simile_query q = {.terms = &later, .n_terms = 1, .limit = 1, .exclude_terms = 1};
    simile_results *results = ask(library, &q);
    assert_int_equal(simile_results_at(results, 0)->id, 8);
    simile_results_free(results);

    char path[512];
    snprintf(path, sizeof path, "%s", in_pictures("03.ppm"));
    const simile_term changed = {.kind = SIMILE_TERM_PATH, .text = path, .weight = 1};
    draw(path, 7, 99); /* changed since it was indexed: its own item no longer tells what it shows */
    q.terms = &changed;
    q.exclude_terms = 0;
    results = ask(library, &q);
    assert_int_equal(simile_results_at(results, 0)->id, 8);
    simile_results_free(results);
    unlink(path); /* gone, but the catalogue remembers it */
    results = ask(library, &q);
    assert_int_equal(simile_results_at(results, 0)->id, 4);
    simile_results_free(results);
    const simile_term none = {.kind = SIMILE_TERM_PATH, .text = "/nonexistent.png", .weight = 1};
    q.terms = &none;
    assert_refused(library, q, SIMILE_E_NOT_FOUND);
    simile_library_close(library);
}

/* ---- filters ---- */

static size_t count_hits(simile_library *library, simile_query *q)
{
    simile_results *results = ask(library, q);
    const size_t n = simile_results_count(results);
    for (size_t i = 0; i < n; i++) {
        const simile_hit *hit = simile_results_at(results, i);
        if (q->has_after) assert_true(hit->date >= q->after);
        if (q->has_before) assert_true(hit->date < q->before);
        if (q->glob && strstr(q->glob, "late")) assert_non_null(strstr(hit->path, "/late/"));
        if (i) assert_true(simile_results_at(results, i - 1)->similarity >= hit->similarity);
    }
    simile_results_free(results);
    return n;
}

static void filters_never_cost_a_hit(void **state)
{
    simile_library *library = open_filled();
    const simile_term term = {.kind = SIMILE_TERM_ITEM, .id = 3, .weight = 1};
    const simile_query base = {.terms = &term, .n_terms = 1, .limit = 10};
    simile_query q = base;
    q.glob = "late/*";
    assert_int_equal(count_hits(library, &q), 10);
    q.limit = 100;
    assert_int_equal(count_hits(library, &q), 12);
    q.has_after = 1;
    q.after = 20000;
    assert_int_equal(count_hits(library, &q), 4);
    q = base;
    q.has_before = 1;
    q.before = 5000;
    assert_int_equal(count_hits(library, &q), 5);
    q.exclude_terms = 1;
    assert_int_equal(count_hits(library, &q), 4);
    q.glob = "*.png";
    assert_int_equal(count_hits(library, &q), 0);
    q = base;
    char late[128];
    snprintf(late, sizeof late, "%s", in_pictures("late"));
    q.folder = late;
    q.limit = 100;
    assert_int_equal(count_hits(library, &q), 12);
    q.glob = "*/1[0-3].ppm";
    assert_int_equal(count_hits(library, &q), 2);
    q.glob = NULL;
    late[strlen(late) - 1] = 0; /* "/lat" is not "/late" */
    assert_int_equal(count_hits(library, &q), 0);
    q.folder = lab.pictures;
    assert_int_equal(count_hits(library, &q), PICTURES);
    q.folder = "late";
    assert_refused(library, q, SIMILE_E_ARG);
    q = base;
    q.limit = 100;
    q.min_similarity = 99.9f;
    assert_int_equal(count_hits(library, &q), 1);
    q.min_similarity = -100;
    assert_int_equal(count_hits(library, &q), PICTURES);
    simile_library_close(library);
}

static void a_text_that_is_a_term_can_be_left_out(void **state)
{
    simile_library *library = open_filled();
    const simile_term term = {.kind = SIMILE_TERM_TEXT, .text = "a cat on a table", .weight = 1};
    simile_query q = {.terms = &term, .n_terms = 1, .target = SIMILE_KIND_TEXT};
    simile_results *results = ask(library, &q);
    assert_int_equal(simile_results_count(results), 3);
    assert_string_equal(simile_results_at(results, 0)->text, "a cat on a table");
    simile_results_free(results);
    q.exclude_terms = 1;
    results = ask(library, &q);
    assert_int_equal(simile_results_count(results), 2);
    simile_results_free(results);
    simile_library_close(library);
}

/* ---- errors ---- */

static void impossible_queries_are_refused(void **state)
{
    simile_library *library = open_filled();
    float zero[MAX_DIM] = {0}, nan_vector[MAX_DIM] = {NAN};
    const simile_term good = {.kind = SIMILE_TERM_ITEM, .id = 1, .weight = 1};
    const simile_term bad[] = {
        {.kind = 9, .weight = 1},
        {.kind = SIMILE_TERM_TEXT, .weight = 1},
        {.kind = SIMILE_TERM_PATH, .weight = 1},
        {.kind = SIMILE_TERM_IMAGE, .weight = 1},
        {.kind = SIMILE_TERM_VECTOR, .weight = 1},
        {.kind = SIMILE_TERM_VECTOR, .vector = zero, .weight = 1},
        {.kind = SIMILE_TERM_VECTOR, .vector = nan_vector, .weight = 1},
        {.kind = SIMILE_TERM_ITEM, .id = 1, .weight = 0},
        {.kind = SIMILE_TERM_ITEM, .id = 1, .weight = NAN},
        {.kind = SIMILE_TERM_ITEM, .id = 1, .weight = INFINITY},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused(library, (simile_query){.terms = &bad[i], .n_terms = 1}, SIMILE_E_ARG);
    const simile_term unknown = {.kind = SIMILE_TERM_ITEM, .id = 999, .weight = 1};
    assert_refused(library, (simile_query){.terms = &unknown, .n_terms = 1}, SIMILE_E_NOT_FOUND);
    assert_refused(library, (simile_query){0}, SIMILE_E_ARG);
    assert_refused(library, (simile_query){.terms = &good, .n_terms = 1, .limit = -1}, SIMILE_E_ARG);
    assert_refused(library, (simile_query){.terms = &good, .n_terms = 1, .offset = -1}, SIMILE_E_ARG);
    assert_refused(library, (simile_query){.terms = &good, .n_terms = 1, .target = 2}, SIMILE_E_ARG);
    assert_refused(library, (simile_query){.terms = &good, .n_terms = 1, .min_similarity = NAN}, SIMILE_E_ARG);
    const simile_term opposite[2] = {good, {.kind = SIMILE_TERM_ITEM, .id = 1, .weight = -1}};
    assert_refused(library, (simile_query){.terms = opposite, .n_terms = 2}, SIMILE_E_ARG);
    assert_string_equal(err.message, "the terms of the query cancel each other out");

    const simile_term text = {.kind = SIMILE_TERM_TEXT, .text = "x", .weight = 1};
    simile_results *results;
    simile_query q = {.struct_size = sizeof q, .terms = &text, .n_terms = 1};
    assert_fails(simile_search(library, NULL, &q, &results, &err), SIMILE_E_ARG);
    q.terms = &good;
    assert_ok(simile_search(library, NULL, &q, &results, &err)); /* needs none */
    simile_results_free(results);
    simile_library_close(library);
}

/* ---- freshness ---- */

static void results_outlive_the_catalogue(void **state)
{
    simile_library *library = open_filled();
    const simile_term term = {.kind = SIMILE_TERM_ITEM, .id = 1, .weight = 1};
    simile_query q = {.terms = &term, .n_terms = 1, .limit = 5};
    simile_results *results = ask(library, &q);
    simile_library_close(library);
    assert_string_equal(simile_results_at(results, 0)->path, in_pictures("00.ppm"));
    simile_results_free(results);
}

static void every_search_sees_the_latest_commit(void **state)
{
    simile_library *library = open_filled(), *writer = open_library();
    const simile_term term = {.kind = SIMILE_TERM_ITEM, .id = 2, .weight = 1};
    simile_query q = {.terms = &term, .n_terms = 1, .limit = 1000};
    assert_int_equal(count_hits(library, &q), PICTURES);
    char name[32];
    for (unsigned i = 0; i < 40; i++) { /* more than the rows that are held in reserve */
        snprintf(name, sizeof name, "new%02u.ppm", i);
        draw(in_pictures(name), 100 + i, 5);
        if (i % 10 != 9) continue;
        add_all(writer);
        assert_int_equal(count_hits(library, &q), PICTURES + i + 1);
    }
    assert_ok(simile_library_remove(writer, in_pictures("00.ppm"), NULL, &err));
    assert_int_equal(count_hits(library, &q), PICTURES + 39);
    /* A changed picture: the old vector must no longer be found. */
    draw(in_pictures("05.ppm"), 1, 77777);
    add_all(writer);
    simile_results *results = ask(library, &q);
    assert_true(simile_results_at(results, 1)->similarity > 99.99f); /* 05.ppm has the bytes of item 2 now */
    assert_int_equal(simile_results_at(results, 1)->id, 6);
    simile_results_free(results);
    simile_library_close(writer);
    simile_library_close(library);
}

typedef struct {
    simile_library *library;
    atomic_bool stop;
    atomic_int failures, searches;
    bool with_text;
} crowd;

static void *search_on(void *user)
{
    crowd *c = user;
    simile_encoder *encoder = NULL;
    const simile_encoder_options options = {.struct_size = sizeof options, .threads = 1};
    if (c->with_text && simile_encoder_new(lab.model, &options, &encoder, NULL)) atomic_fetch_add(&c->failures, 1);
    const simile_term terms[2] = {{.kind = SIMILE_TERM_ITEM, .id = 2, .weight = 1},
                                  {.kind = SIMILE_TERM_TEXT, .text = "a dog", .weight = 1}};
    while (!atomic_load(&c->stop)) {
        const simile_query q = {
            .struct_size = sizeof q, .terms = terms, .n_terms = encoder ? 2 : 1, .limit = 1000, .glob = "*.ppm"};
        simile_results *results;
        simile_error why = {0};
        if (simile_search(c->library, encoder, &q, &results, &why)) {
            fprintf(stderr, "%s\n", why.message);
            atomic_fetch_add(&c->failures, 1);
            break;
        }
        /* Every batch is one transaction: what is seen is a whole number of them. */
        if ((simile_results_count(results) - PICTURES) % 4) atomic_fetch_add(&c->failures, 1);
        simile_results_free(results);
        atomic_fetch_add(&c->searches, 1);
    }
    simile_encoder_free(encoder);
    return NULL;
}

static void many_search_while_one_writes(void **state)
{
    enum { THREADS = 4 };
    crowd plain = {.library = open_filled()}, texts = {.library = plain.library, .with_text = true};
    pthread_t threads[THREADS];
    char name[32];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, search_on, i % 2 ? &texts : &plain), 0);
    for (unsigned i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "new%02u.ppm", i);
        draw(in_pictures(name), 100 + i, 5);
    }
    const simile_add_options options = {.struct_size = sizeof options, .batch = 4};
    add_with(plain.library, &options);
    while (atomic_load(&plain.searches) < 20 && !atomic_load(&plain.failures)) usleep(1000);
    atomic_store(&plain.stop, true);
    atomic_store(&texts.stop, true);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&plain.failures), 0);
    assert_int_equal(atomic_load(&texts.failures), 0);
    simile_library_close(plain.library);
}

#define search_test(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        search_test(the_ranking_is_that_of_the_similarities),
        search_test(weights_and_negatives_are_added_up),
        search_test(a_picture_finds_itself_in_every_way),
        search_test(a_path_is_decoded_when_the_catalogue_does_not_have_it),
        search_test(filters_never_cost_a_hit),
        search_test(a_text_that_is_a_term_can_be_left_out),
        search_test(impossible_queries_are_refused),
        search_test(results_outlive_the_catalogue),
        search_test(every_search_sees_the_latest_commit),
        search_test(many_search_while_one_writes),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bench_forget_model();
    return failed;
}
