/* SPDX-License-Identifier: Apache-2.0
 * test_read.c - texts in other languages: the way that each takes, what candidates are together, searches with them.
 *
 * The models are the tiny ones with random weights: a translation means nothing, but what is made of it can be computed
 * again from simile_translate and simile_encode_texts. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "help.h"

#include <math.h>
#include <stdio.h>

enum { DIM = 16, BEST = 4 };
static const char *const translator_path = SIMILE_FIXTURES "/translate/swish";
static const char *const chinese = "在雪地里有两条狗";

static simile_reader *open_reader(const char *translator, const char *tower, int32_t forced)
{
    const simile_reader_options options = {.struct_size = sizeof options,
                                           .translator = translator,
                                           .text_model = tower,
                                           .force_pairing = forced,
                                           .threads = 1};
    simile_reader *reader;
    assert_ok(simile_reader_new(lab.encoder, &options, &reader, &err));
    return reader;
}

static simile_status try_read(simile_reader *reader, const char *text, int32_t via, int32_t fuse, simile_readings **out)
{
    const simile_read_options options = {.struct_size = sizeof options, .via = via, .fuse = fuse, .candidates = BEST};
    return simile_read(reader, &text, 1, &options, out, &err);
}

static simile_readings *read_one(simile_reader *reader, const char *text, int32_t via, int32_t fuse)
{
    simile_readings *all;
    assert_ok(try_read(reader, text, via, fuse, &all));
    assert_int_equal(simile_readings_count(all), 1);
    assert_null(simile_readings_at(all, 1));
    assert_string_equal(simile_readings_at(all, 0)->text, text);
    return all;
}

static void encode(simile_encoder *encoder, const char *text, float out[DIM], bool unit)
{
    assert_ok(simile_encode_texts(encoder, &text, 1, out, NULL, &err));
    if (unit) simile_normalize(out, DIM);
}

static void close_to(const float *a, const float *b, double bound)
{
    for (int i = 0; i < DIM; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= bound)) fail_msg("number %d: %g and %g", i, a[i], b[i]);
}

static void test_direct(void **state)
{
    (void)state;
    simile_reader *reader = open_reader(NULL, "/nowhere", 0);
    const char *const texts[] = {"two dogs", chinese, "", "две собаки"};
    const int32_t scripts[] = {SIMILE_SCRIPT_LATIN, SIMILE_SCRIPT_HAN, SIMILE_SCRIPT_NONE, SIMILE_SCRIPT_CYRILLIC};
    const simile_read_options options = {.struct_size = sizeof options, .via = SIMILE_VIA_DIRECT};
    float alone[4 * DIM];
    simile_readings *all;
    assert_ok(simile_read(reader, texts, 4, &options, &all, &err));
    assert_ok(simile_encode_texts(lab.encoder, texts, 4, alone, NULL, &err));
    for (size_t i = 0; i < 4; i++) {
        const simile_reading *r = simile_readings_at(all, i);
        int32_t candidate = 7;
        assert_int_equal(r->script, scripts[i]);
        assert_int_equal(r->via, SIMILE_VIA_DIRECT);
        assert_null(r->translation);
        assert_int_equal(r->n_vectors, 1);
        assert_int_equal(r->dim, DIM);
        assert_string_equal(r->text_model, "tiny-quick");
        assert_memory_equal(r->vectors, alone + i * DIM, DIM * sizeof(float));
        assert_float_equal(simile_reading_similarity(r, alone + i * DIM, &candidate), 100, 1e-3);
        assert_int_equal(candidate, -1);
    }
    simile_readings_free(all);
    simile_reader_free(reader);
}

/* What test_fusions expects, from the candidates themselves. */
static void expected_mix(const simile_translation *t, bool weighted, float out[DIM])
{
    double sum = 0, mixed[DIM] = {0};
    for (size_t k = 0; k < t->n_candidates; k++) sum += weighted ? exp((double)t->candidates[k].score) : 1;
    for (size_t k = 0; k < t->n_candidates; k++) {
        float v[DIM];
        encode(lab.encoder, t->candidates[k].text, v, true);
        const double w = (weighted ? exp((double)t->candidates[k].score) : 1) / sum;
        for (int i = 0; i < DIM; i++) mixed[i] += w * (double)v[i];
    }
    for (int i = 0; i < DIM; i++) out[i] = (float)mixed[i];
    simile_normalize(out, DIM);
}

static void test_fusions(void **state)
{
    (void)state;
    simile_reader *reader = open_reader(translator_path, NULL, 0);
    float expected[DIM], picture[DIM];
    encode(lab.encoder, "anything", picture, false);
    for (int32_t fuse = SIMILE_FUSE_FIRST; fuse <= SIMILE_FUSE_WEIGHTED; fuse++) {
        simile_readings *all = read_one(reader, chinese, SIMILE_VIA_TRANSLATE, fuse);
        const simile_reading *r = simile_readings_at(all, 0);
        const simile_translation *t = r->translation;
        int32_t candidate;
        assert_int_equal(r->via, SIMILE_VIA_TRANSLATE);
        assert_string_equal(r->translator, "swish");
        assert_int_equal(t->n_candidates, BEST);
        assert_int_equal(r->n_vectors, fuse == SIMILE_FUSE_MAX ? BEST : 1);
        const float similarity = simile_reading_similarity(r, picture, &candidate);
        if (fuse == SIMILE_FUSE_FIRST) {
            encode(lab.encoder, t->candidates[0].text, expected, false);
            close_to(r->vectors, expected, 1e-5);
            assert_int_equal(candidate, 0);
        } else if (fuse == SIMILE_FUSE_MAX) {
            float best = -101;
            int32_t which = -1;
            for (int32_t k = 0; k < BEST; k++) {
                encode(lab.encoder, t->candidates[k].text, expected, false);
                close_to(r->vectors + k * DIM, expected, 1e-5);
                const float x = simile_similarity(r->vectors + k * DIM, picture, DIM);
                if (x > best) best = x, which = k;
            }
            assert_int_equal(candidate, which);
            assert_float_equal(similarity, best, 1e-4);
            assert_int_equal(r->candidate, -1);
        } else {
            expected_mix(t, fuse == SIMILE_FUSE_WEIGHTED, expected);
            close_to(r->vectors, expected, 1e-5);
            assert_int_equal(candidate, -1);
        }
        simile_readings_free(all);
    }
    simile_reader_free(reader);
}

/* Slices, and slices of slices, outlive the handle that they were cut from. */
static void test_slices(void **state)
{
    (void)state;
    const char *const texts[] = {"two dogs", "snow", "a red car"};
    simile_reader *reader = open_reader(NULL, NULL, 0);
    simile_readings *all, *tail, *one, *none;
    assert_ok(simile_read(reader, texts, 3, NULL, &all, &err));
    assert_ok(simile_readings_slice(all, 1, 2, &tail, &err));
    assert_ok(simile_readings_slice(tail, 1, 1, &one, &err));
    assert_ok(simile_readings_slice(all, 3, 0, &none, &err));
    assert_int_equal(simile_readings_count(tail), 2);
    assert_int_equal(simile_readings_count(none), 0);
    assert_ptr_equal(simile_readings_at(tail, 0), simile_readings_at(all, 1));
    assert_null(simile_readings_at(tail, 2));
    simile_readings_free(all);
    simile_readings_free(none);
    simile_readings_free(tail);
    float expected[DIM];
    encode(lab.encoder, texts[2], expected, false);
    assert_string_equal(simile_readings_at(one, 0)->text, texts[2]);
    assert_memory_equal(simile_readings_at(one, 0)->vectors, expected, sizeof expected);
    assert_int_equal(simile_readings_slice(one, 0, 2, &none, &err), SIMILE_E_ARG);
    assert_null(none);
    assert_int_equal(simile_readings_slice(one, SIZE_MAX, 1, &none, &err), SIMILE_E_ARG);
    assert_int_equal(simile_readings_slice(NULL, 0, 0, &none, &err), SIMILE_E_ARG);
    simile_readings_free(one);
    simile_reader_free(reader);
}

static void test_nothing_to_translate(void **state)
{
    (void)state;
    simile_reader *reader = open_reader(translator_path, NULL, 0);
    simile_readings *all = read_one(reader, " ", SIMILE_VIA_TRANSLATE, SIMILE_FUSE_MEAN);
    const simile_reading *r = simile_readings_at(all, 0);
    float expected[DIM];
    encode(lab.encoder, " ", expected, false);
    assert_int_equal(r->via, SIMILE_VIA_DIRECT);
    assert_null(r->translation);
    assert_null(r->translator);
    assert_memory_equal(r->vectors, expected, sizeof expected);
    simile_readings_free(all);
    simile_reader_free(reader);
}

static void test_multilingual(void **state)
{
    (void)state;
    const char *path = bench_model_path("tiny-reader");
    simile_model *model;
    simile_encoder *encoder;
    simile_readings *all;
    float expected[DIM];
    assert_ok(simile_model_open(path, NULL, &model, &err));
    assert_ok(simile_encoder_new(model, NULL, &encoder, &err));
    encode(encoder, chinese, expected, false);
    simile_encoder_free(encoder);
    simile_model_close(model);

    simile_reader *reader = open_reader(NULL, path, 1);
    for (int32_t via = SIMILE_VIA_MULTILINGUAL; via >= SIMILE_VIA_AUTO; via -= SIMILE_VIA_MULTILINGUAL) {
        all = read_one(reader, chinese, via, SIMILE_FUSE_FIRST);
        assert_int_equal(simile_readings_at(all, 0)->via, SIMILE_VIA_MULTILINGUAL);
        assert_string_equal(simile_readings_at(all, 0)->text_model, "tiny-reader");
        close_to(simile_readings_at(all, 0)->vectors, expected, 1e-5);
        simile_readings_free(all);
    }
    all = read_one(reader, "two dogs", SIMILE_VIA_AUTO, SIMILE_FUSE_FIRST);
    assert_int_equal(simile_readings_at(all, 0)->via, SIMILE_VIA_DIRECT);
    simile_readings_free(all);
    simile_reader_free(reader);

    /* nothing declares that it belongs there: an error where it was named */
    reader = open_reader(NULL, path, 0);
    assert_fails(try_read(reader, chinese, SIMILE_VIA_MULTILINGUAL, 0, &all), SIMILE_E_VERSION);
    assert_null(all);
    assert_fails(try_read(reader, chinese, SIMILE_VIA_AUTO, 0, &all), SIMILE_E_VERSION);
    simile_reader_free(reader);
}

static void test_language(void **state)
{
    (void)state;
    simile_reader *reader = open_reader(translator_path, bench_model_path("tiny-reader"), 1);
    const char *const texts[] = {"zwei Hunde", chinese};
    simile_read_options options = {.struct_size = sizeof options, .language = "de"};
    simile_readings *all;
    assert_ok(simile_read(reader, texts, 2, &options, &all, &err));
    assert_int_equal(simile_readings_at(all, 0)->via, SIMILE_VIA_MULTILINGUAL);
    assert_int_equal(simile_readings_at(all, 1)->via, SIMILE_VIA_MULTILINGUAL);
    simile_readings_free(all);
    options.language = "en";
    assert_ok(simile_read(reader, texts, 2, &options, &all, &err));
    assert_int_equal(simile_readings_at(all, 0)->via, SIMILE_VIA_DIRECT);
    assert_int_equal(simile_readings_at(all, 1)->via, SIMILE_VIA_DIRECT);
    simile_readings_free(all);
    simile_reader_free(reader);
}

/* Labels: translated first and put into the template then. */
static void test_templates(void **state)
{
    (void)state;
    simile_reader *reader = open_reader(translator_path, NULL, 0);
    const char *const template = "a drawing of {}";
    const simile_read_options options = {.struct_size = sizeof options,
                                         .via = SIMILE_VIA_TRANSLATE,
                                         .candidates = BEST,
                                         .templates = &template,
                                         .n_templates = 1};
    simile_readings *all;
    float expected[DIM];
    assert_ok(simile_read(reader, &chinese, 1, &options, &all, &err));
    const simile_reading *r = simile_readings_at(all, 0);
    assert_ok(simile_label_vectors(lab.encoder, &r->translation->candidates[0].text, 1, &template, 1, expected, &err));
    assert_memory_equal(r->vectors, expected, sizeof expected);
    simile_readings_free(all);
    simile_reader_free(reader);
}

/* ---- searches ---- */

static simile_results *search_for(simile_library *library, const simile_term *terms, size_t n, int32_t offset)
{
    const simile_query query = {
        .struct_size = sizeof query, .terms = terms, .n_terms = n, .limit = 4, .offset = offset};
    simile_results *results;
    assert_ok(simile_search(library, lab.encoder, &query, &results, &err));
    return results;
}

/* The best of several queries, item by item, is what a reading with several vectors finds. */
static void test_search(void **state)
{
    (void)state;
    char name[16];
    for (unsigned i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "%u.ppm", i);
        draw(in_pictures(name), i + 1, 1000);
    }
    simile_library *library = open_library();
    add_all(library);
    simile_reader *reader = open_reader(translator_path, NULL, 0);
    simile_readings *all = read_one(reader, chinese, SIMILE_VIA_TRANSLATE, SIMILE_FUSE_MAX);
    const simile_reading *r = simile_readings_at(all, 0);
    simile_term terms[2] = {{.kind = SIMILE_TERM_READING, .weight = 0.7f, .reading = r},
                            {.kind = SIMILE_TERM_TEXT, .weight = -0.5f, .text = "a cat"}};
    for (int32_t offset = 0; offset < 12; offset += 4) {
        terms[0] = (simile_term){.kind = SIMILE_TERM_READING, .weight = 0.7f, .reading = r};
        simile_results *found = search_for(library, terms, 2, offset);
        assert_int_equal(simile_results_count(found), 4);
        for (size_t i = 0; i < 4; i++) {
            const simile_hit *hit = simile_results_at(found, i);
            float best = -101, own = -101;
            if (i) assert_true(simile_results_at(found, i - 1)->similarity >= hit->similarity);
            for (size_t k = 0; k < r->n_vectors; k++) {
                terms[0] = (simile_term){.kind = SIMILE_TERM_VECTOR, .weight = 0.7f, .vector = r->vectors + k * DIM};
                const simile_query query = {.struct_size = sizeof query, .terms = terms, .n_terms = 2, .limit = 12};
                simile_results *one;
                assert_ok(simile_search(library, lab.encoder, &query, &one, &err));
                for (size_t j = 0; j < simile_results_count(one); j++) {
                    const simile_hit *h = simile_results_at(one, j);
                    if (h->id != hit->id) continue;
                    best = fmaxf(best, h->similarity);
                    if ((int32_t)k == simile_results_candidate(found, i)) own = h->similarity;
                }
                simile_results_free(one);
            }
            assert_float_equal(hit->similarity, best, 1e-4);
            assert_float_equal(own, best, 1e-4);
        }
        simile_results_free(found);
    }
    /* what was read needs no encoder */
    terms[0] = (simile_term){.kind = SIMILE_TERM_READING, .weight = 1, .reading = r};
    const simile_query alone = {.struct_size = sizeof alone, .terms = terms, .n_terms = 1, .limit = 12};
    simile_results *with, *without;
    assert_ok(simile_search(library, lab.encoder, &alone, &with, &err));
    assert_ok(simile_search(library, NULL, &alone, &without, &err));
    for (size_t i = 0; i < 12; i++) assert_int_equal(simile_results_at(with, i)->id, simile_results_at(without, i)->id);
    simile_results_free(with);
    simile_results_free(without);
    /* two with several vectors would be as many queries as their product */
    terms[0] = terms[1] = (simile_term){.kind = SIMILE_TERM_READING, .weight = 1, .reading = r};
    const simile_query query = {.struct_size = sizeof query, .terms = terms, .n_terms = 2};
    simile_results *none;
    assert_fails(simile_search(library, lab.encoder, &query, &none, &err), SIMILE_E_ARG);
    simile_readings_free(all);
    simile_reader_free(reader);
    simile_library_close(library);
}

static void test_arguments(void **state)
{
    (void)state;
    simile_reader *reader = open_reader("/nowhere/at/all", NULL, 0);
    const char *text = NULL;
    simile_readings *all;
    assert_fails(try_read(reader, chinese, SIMILE_VIA_TRANSLATE, 0, &all), SIMILE_E_NOT_FOUND);
    assert_fails(try_read(reader, chinese, 9, 0, &all), SIMILE_E_ARG);
    assert_fails(try_read(reader, chinese, 0, -1, &all), SIMILE_E_ARG);
    assert_fails(simile_read(reader, &text, 1, NULL, &all, &err), SIMILE_E_ARG);
    assert_fails(simile_read(NULL, &chinese, 1, NULL, &all, &err), SIMILE_E_ARG);
    assert_ok(simile_read(reader, NULL, 0, NULL, &all, &err));
    assert_int_equal(simile_readings_count(all), 0);
    simile_readings_free(all);
    assert_string_equal(simile_script_name(SIMILE_SCRIPT_HAN), "han");
    assert_string_equal(simile_script_name(-5), "other");
    assert_int_equal(simile_script(chinese, strlen(chinese)), SIMILE_SCRIPT_HAN);
    simile_readings_free(NULL);
    simile_reader_free(NULL);
    simile_reader_free(reader);
}

static int forget(void **state)
{
    (void)state;
    bench_forget_model();
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bench_open, bench_close)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_direct),    TEST(test_fusions),      TEST(test_nothing_to_translate),
                                       TEST(test_slices),    TEST(test_multilingual), TEST(test_language),
                                       TEST(test_templates), TEST(test_search),       TEST(test_arguments)};
    return cmocka_run_group_tests(tests, NULL, forget);
}
