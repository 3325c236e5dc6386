/* SPDX-License-Identifier: Apache-2.0
 * test_encode.c - src/engine without a catalogue: models by name, pictures, tokens, vectors, scores, labels. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "help.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_DIM = 256 };

static int32_t dim_of(void)
{
    return simile_model_get_info(lab.model)->dim;
}

static void assert_close(const float *a, const float *c, double bound)
{
    for (int32_t i = 0; i < dim_of(); i++) assert_true(fabs((double)a[i] - (double)c[i]) <= bound);
}

/* ---- models ---- */

static void a_bare_name_is_looked_for(void **state)
{
    char models[512];
    simile_model *model;
    snprintf(models, sizeof models, "/nowhere::%s/models", SIMILE_FIXTURES);
    const simile_model_options options = {.struct_size = sizeof options, .search_path = models};
    assert_ok(simile_model_open("tiny-f16", &options, &model, &err));
    assert_string_equal(simile_model_get_info(model)->name, "tiny-f16");
    simile_model_close(model);
    setenv("SIMILE_MODELS", models, 1);
    assert_ok(simile_model_open("tiny-f16", NULL, &model, &err));
    simile_model_close(model);
    unsetenv("SIMILE_MODELS");
    setenv("XDG_DATA_HOME", lab.folder, 1);
    assert_fails(simile_model_open("tiny-f16", NULL, &model, &err), SIMILE_E_NOT_FOUND);
    assert_null(model);
    assert_non_null(strstr(err.message, "cannot find the model 'tiny-f16'"));
    assert_fails(simile_model_open("", NULL, &model, &err), SIMILE_E_ARG);
    assert_fails(simile_model_open(NULL, NULL, &model, &err), SIMILE_E_ARG);
    assert_fails(simile_model_open("./tiny-f16", &options, &model, &err), SIMILE_E_NOT_FOUND);
    assert_fails(simile_model_open(lab.folder, NULL, &model, &err), SIMILE_E_NOT_FOUND);
}

static void options_of_other_versions_are_understood(void **state)
{
    struct {
        simile_encoder_options known;
        int64_t unknown;
    } newer = {.known = {.struct_size = sizeof newer, .threads = 1}};
    const size_t older = sizeof older;
    simile_encoder *encoder;
    assert_ok(simile_encoder_new(lab.model, &newer.known, &encoder, &err));
    simile_encoder_free(encoder);
    newer.unknown = 1;
    assert_fails(simile_encoder_new(lab.model, &newer.known, &encoder, &err), SIMILE_E_UNSUPPORTED);
    assert_null(encoder);
    assert_ok(simile_encoder_new(lab.model, (const void *)&older, &encoder, &err));
    simile_encoder_free(encoder);
    newer.known.struct_size = 0;
    assert_fails(simile_encoder_new(lab.model, &newer.known, &encoder, &err), SIMILE_E_ARG);
}

static void the_digest_is_that_of_the_files(void **state)
{
    char a[65], again[65], other[65];
    simile_model *model;
    assert_ok(simile_model_digest(lab.model, a, &err));
    assert_ok(simile_model_digest(lab.model, again, &err));
    assert_string_equal(a, again);
    assert_int_equal(strspn(a, "0123456789abcdef"), 64);
    assert_ok(simile_model_open(bench_model_path("tiny-gelu"), NULL, &model, &err));
    assert_ok(simile_model_digest(model, other, &err));
    assert_string_not_equal(a, other);
    simile_model_close(model);
}

/* A model folder that is large on paper: a hole of 70 MB lies beside the weights. */
static void large_copy_of_the_model(const char *folder, const char *name)
{
    char command[1024];
    snprintf(command, sizeof command, "cp -r '%s' '%s' && truncate -s 70000000 '%s/hole'", bench_model_path(name),
             folder, folder);
    assert_int_equal(system(command), 0);
}

static void digest_of(const char *folder, char out[65])
{
    simile_model *model;
    assert_ok(simile_model_open(folder, NULL, &model, &err));
    assert_ok(simile_model_digest(model, out, &err));
    simile_model_close(model);
}

static void digests_of_large_models_are_remembered(void **state)
{
    char folder[256], first[65], again[65], command[1024];
    setenv("XDG_CACHE_HOME", lab.folder, 1);
    snprintf(folder, sizeof folder, "%s/large", lab.folder);
    large_copy_of_the_model(folder, "tiny-f16");
    digest_of(bench_model_path("tiny-f16"), again); /* small: not remembered */
    snprintf(command, sizeof command, "test ! -e '%s/simile'", lab.folder);
    assert_int_equal(system(command), 0);
    digest_of(folder, first);
    assert_string_equal(first, again);
    /* What is remembered is what is answered ... */
    snprintf(command, sizeof command, "sed -i 's/.*/%064d/' '%s'/simile/digests/*", 7, lab.folder);
    assert_int_equal(system(command), 0);
    digest_of(folder, again);
    assert_string_not_equal(again, first);
    assert_string_equal(again + 60, "0007");
    snprintf(command, sizeof command, "echo '{}' >'%s/simile.json'", folder); /* is no part of it */
    assert_int_equal(system(command), 0);
    digest_of(folder, again);
    assert_string_equal(again + 60, "0007");
    /* ... unless it is damaged, or a file of the model changed. */
    snprintf(command, sizeof command, "sed -i 's/0007/007/' '%s'/simile/digests/*", lab.folder);
    assert_int_equal(system(command), 0);
    digest_of(folder, again);
    assert_string_equal(again, first);
    snprintf(command, sizeof command, "sed -i 's/.*/%064d/' '%s'/simile/digests/* && touch '%s/config.json'", 7,
             lab.folder, folder);
    assert_int_equal(system(command), 0);
    digest_of(folder, again);
    assert_string_equal(again, first);
    unsetenv("XDG_CACHE_HOME");
}

/* What was open is not what lies there now, though both see pictures of one size: its digest, asked for late, is not
 * remembered for the new files. */
static void replaced_files_are_another_model(void **state)
{
    char folder[256], old[256], before[65], late[65], after[65];
    simile_model *model;
    setenv("XDG_CACHE_HOME", lab.folder, 1);
    snprintf(folder, sizeof folder, "%s/replaced", lab.folder);
    snprintf(old, sizeof old, "%s/gone", lab.folder);
    digest_of(bench_model_path("tiny-f16"), before);
    large_copy_of_the_model(folder, "tiny-f16");
    assert_ok(simile_model_open(folder, NULL, &model, &err));
    assert_int_equal(rename(folder, old), 0);
    large_copy_of_the_model(folder, "tiny-quick");
    assert_ok(simile_model_digest(model, late, &err));
    simile_model_close(model);
    assert_string_equal(late, before);
    digest_of(folder, after);
    assert_string_not_equal(after, before);
    unsetenv("XDG_CACHE_HOME");
}

static void tokens_are_counted_even_without_room(void **state)
{
    int32_t ids[512], few[2] = {-1, -1};
    size_t n, again;
    int truncated = 7;
    assert_ok(simile_tokenize(lab.model, "a cat", 5, ids, 512, &n, &truncated, &err));
    assert_int_equal(truncated, 0);
    assert_true(n > 2);
    assert_ok(simile_tokenize(lab.model, "a cat", 5, few, 2, &again, NULL, &err));
    assert_int_equal(again, n);
    assert_memory_equal(few, ids, sizeof few);
    char text[4000];
    memset(text, 'a', sizeof text);
    for (size_t i = 1; i < sizeof text; i += 2) text[i] = ' ';
    assert_ok(simile_tokenize(lab.model, text, sizeof text, ids, 512, &n, &truncated, &err));
    assert_int_equal(truncated, 1);
    assert_int_equal(n, simile_model_get_info(lab.model)->context);
    assert_ok(simile_tokenize(lab.model, NULL, 0, ids, 512, &n, NULL, &err));
    assert_int_equal(n, 2);
}

/* ---- pictures ---- */

static simile_image *picture(unsigned seed)
{
    simile_image *image;
    draw(in_pictures("x.ppm"), seed, 1);
    assert_ok(simile_image_open(in_pictures("x.ppm"), NULL, &image, &err));
    return image;
}

static void pixels_and_files_make_the_same_picture(void **state)
{
    uint8_t rgb[5 * 16] = {0};
    simile_image *image;
    for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (uint8_t)(i * 37);
    assert_ok(simile_image_from_pixels(rgb, 4, 5, 16, &image, &err)); /* 4 bytes a row too many */
    const simile_image_info *info = simile_image_get_info(image);
    assert_int_equal(info->width, 4);
    assert_int_equal(info->height, 5);
    assert_int_equal(info->orientation, 1);
    assert_true(info->taken == INT64_MIN);
    assert_string_equal(info->format, "pixels");

    char file[16 + 60] = "P6 4 5 255\n";
    const size_t head = strlen(file);
    assert_string_equal(simile_image_sniff(file, head), "pnm");
    assert_string_equal(simile_image_sniff("\x89PNG\r\n\x1a\n", 8), "png");
    assert_null(simile_image_sniff("\x89PNG", 4));
    assert_null(simile_image_sniff("%PDF-1.4", 8)); /* known, and refused */
    assert_null(simile_image_sniff(NULL, 8));
    for (size_t y = 0; y < 5; y++) memcpy(file + head + 12 * y, rgb + 16 * y, 12);
    simile_image *decoded;
    assert_ok(simile_image_decode(file, head + 60, NULL, &decoded, &err));
    const size_t n =
        3 * (size_t)simile_model_get_info(lab.model)->image_size * (size_t)simile_model_get_info(lab.model)->image_size;
    float *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y);
    assert_ok(simile_preprocess(lab.model, image, x, n, &err));
    assert_ok(simile_preprocess(lab.model, decoded, y, n, &err));
    assert_memory_equal(x, y, n * sizeof *x);
    assert_fails(simile_preprocess(lab.model, image, x, n - 1, &err), SIMILE_E_ARG);
    free(x);
    free(y);
    simile_image_free(image);
    simile_image_free(decoded);
}

static void impossible_pictures_are_refused(void **state)
{
    uint8_t rgb[12] = {0};
    simile_image *image;
    const simile_image_options small = {.struct_size = sizeof small, .max_pixels = 100};
    assert_fails(simile_image_from_pixels(rgb, 0, 1, 3, &image, &err), SIMILE_E_ARG);
    assert_fails(simile_image_from_pixels(rgb, 4, 1, 11, &image, &err), SIMILE_E_ARG);
    assert_fails(simile_image_from_pixels(NULL, 1, 1, 3, &image, &err), SIMILE_E_ARG);
    assert_fails(simile_image_decode("nonsense", 8, NULL, &image, &err), SIMILE_E_FORMAT);
    assert_null(image);
    assert_fails(simile_image_open(in_pictures("none.png"), NULL, &image, &err), SIMILE_E_NOT_FOUND);
    draw(in_pictures("x.ppm"), 1, 1);
    assert_fails(simile_image_open(in_pictures("x.ppm"), &small, &image, &err), SIMILE_E_LIMIT);
}

/* ---- vectors ---- */

static void vectors_do_not_depend_on_their_neighbours(void **state)
{
    enum { N = 37 };
    const char *texts[N];
    char lines[N][64];
    simile_image *images[N];
    float *all = malloc(N * MAX_DIM * sizeof *all), one[MAX_DIM];
    uint8_t truncated[N];
    const size_t dim = (size_t)dim_of();
    for (size_t i = 0; i < N; i++) {
        snprintf(lines[i], sizeof lines[i], "%.*s %zu", (int)(i % 9) * 3, "a cat a dog a bird and a fish", i);
        texts[i] = lines[i];
        images[i] = picture((unsigned)i);
    }
    assert_ok(simile_encode_texts(lab.encoder, texts, N, all, truncated, &err));
    for (size_t i = 0; i < N; i += 5) {
        assert_ok(simile_encode_texts(lab.encoder, &texts[i], 1, one, NULL, &err));
        simile_normalize(one, dim_of());
        simile_normalize(all + i * dim, dim_of());
        assert_close(one, all + i * dim, 1e-6);
        assert_int_equal(truncated[i], 0);
    }
    assert_ok(simile_encode_images(lab.encoder, (const simile_image *const *)images, N, all, &err));
    for (size_t i = 0; i < N; i += 5) {
        assert_ok(simile_encode_images(lab.encoder, (const simile_image *const *)&images[i], 1, one, &err));
        simile_normalize(one, dim_of());
        simile_normalize(all + i * dim, dim_of());
        assert_close(one, all + i * dim, 1e-6);
    }
    assert_ok(simile_encode_texts(lab.encoder, NULL, 0, NULL, NULL, &err));
    texts[3] = NULL;
    assert_fails(simile_encode_texts(lab.encoder, texts, N, all, NULL, &err), SIMILE_E_ARG);
    for (size_t i = 0; i < N; i++) simile_image_free(images[i]);
    free(all);
}

/* ---- scores ---- */

static void similarity_is_a_hundred_times_the_cosine(void **state)
{
    const float a[3] = {3, 0, 4}, c[3] = {0, 5, 0}, zero[3] = {0};
    float d[3] = {-6, 0, -8};
    assert_true(simile_similarity(a, a, 3) == 100);
    assert_true(simile_similarity(a, c, 3) == 0);
    assert_true(simile_similarity(a, d, 3) == -100);
    assert_true(simile_similarity(a, zero, 3) == 0);
    simile_normalize(d, 3);
    assert_true(fabsf(d[0] + 0.6f) < 1e-7f && fabsf(d[2] + 0.8f) < 1e-7f);
    float huge[2] = {3e38f, 3e38f}, nothing[2] = {0};
    simile_normalize(huge, 2);
    assert_true(fabsf(huge[0] - 0.70710678f) < 1e-6f);
    simile_normalize(nothing, 2);
    assert_true(nothing[0] == 0 && nothing[1] == 0);
}

/* Similarities and probabilities of the samples that this library took over from. */
static void confidence_is_the_softmax_of_the_similarities(void **state)
{
    const float similarity[3] = {30.857948f, 10.379046f, 14.382527f};
    const double expected[3] = {0.9999999, 1.2768101e-9, 6.995442e-8};
    float p[3];
    simile_softmax(similarity, 3, 100, p);
    for (int i = 0; i < 3; i++) assert_true(fabs((double)p[i] - expected[i]) <= 1e-6 * expected[i]);
    float same[2] = {5, 5};
    simile_softmax(same, 2, 1, same);
    assert_true(same[0] == 0.5f && same[1] == 0.5f);
    const float far[2] = {1e30f, -1e30f};
    simile_softmax(far, 2, 100, p);
    assert_true(p[0] == 1 && p[1] == 0);
    simile_softmax(far, 1, 100, p);
    assert_true(p[0] == 1);
}

/* The first two logits are those that transformers' tests expect of google/siglip-base-patch16-224; the others, with a
 * scale and a bias of that size, were computed in double by Python. */
static void a_sigmoid_judges_each_similarity_by_itself(void **state)
{
    const float logits[2] = {-0.7567f, -10.3354f}, similarity[4] = {30.857948f, 10.379046f, 14.382527f, -5.25f};
    const double published[2] = {0.31936316031478185, 3.246225712269606e-05};
    const double expected[4] = {0.9999999999219311, 0.31981494287734413, 0.9809731209197968, 5.108795889222988e-09};
    float p[4], alone;
    simile_sigmoid(logits, 2, 100, 0, p);
    for (int i = 0; i < 2; i++) assert_true(fabs((double)p[i] - published[i]) <= 2e-6 * published[i]);
    simile_sigmoid(similarity, 4, 117.330765f, -12.932437f, p);
    for (int i = 0; i < 4; i++) {
        assert_true(fabs((double)p[i] - expected[i]) <= 2e-6 * expected[i]);
        simile_sigmoid(similarity + i, 1, 117.330765f, -12.932437f, &alone);
        assert_true(alone == p[i]);
    }
    float far[2] = {1e30f, -1e30f};
    simile_sigmoid(far, 2, 100, -10, far);
    assert_true(far[0] == 1 && far[1] == 0);
}

static void a_model_says_how_sure_it_is(void **state)
{
    const simile_model_info *info = simile_model_get_info(lab.model);
    const float similarity[3] = {30, 10, 14};
    float p[3], expected[3];
    assert_int_equal(info->score, SIMILE_SCORE_SOFTMAX);
    assert_true(info->logit_bias == 0);
    simile_softmax(similarity, 3, info->logit_scale, expected);
    simile_confidence(lab.model, similarity, 3, p);
    assert_memory_equal(p, expected, sizeof p);

    simile_model *model;
    assert_ok(simile_model_open(bench_model_path("tiny-siglip"), NULL, &model, &err));
    info = simile_model_get_info(model);
    assert_int_equal(info->score, SIMILE_SCORE_SIGMOID);
    assert_true(info->logit_bias == -9.5f);
    simile_sigmoid(similarity, 3, info->logit_scale, -9.5f, expected);
    simile_confidence(model, similarity, 3, p);
    assert_memory_equal(p, expected, sizeof p);
    simile_model_close(model);
}

/* ---- labels ---- */

static void labels_are_ensembles_of_prompts(void **state)
{
    const char *const labels[3] = {"cat", "dog", "bird"};
    const char *const templates[2] = {"a photo of a {}.", "{} and {}"};
    const char *const prompts[2] = {"a photo of a dog.", "dog and dog"};
    float rows[3 * MAX_DIM], parts[2 * MAX_DIM], mean[MAX_DIM];
    const int32_t dim = dim_of();
    assert_ok(simile_label_vectors(lab.encoder, labels, 3, templates, 2, rows, &err));
    assert_ok(simile_encode_texts(lab.encoder, prompts, 2, parts, NULL, &err));
    simile_normalize(parts, dim);
    simile_normalize(parts + dim, dim);
    for (int32_t i = 0; i < dim; i++) mean[i] = (parts[i] + parts[dim + i]) / 2;
    simile_normalize(mean, dim);
    assert_close(mean, rows + dim, 2e-6);

    assert_ok(simile_label_vectors(lab.encoder, labels, 3, NULL, 0, rows, &err)); /* the default template */
    assert_close(parts, rows + dim, 2e-6);
    const char *const placeless[1] = {"a photo"};
    assert_fails(simile_label_vectors(lab.encoder, labels, 3, placeless, 1, rows, &err), SIMILE_E_ARG);
}

static void many_labels_cross_the_pieces(void **state)
{
    enum { LABELS = 50, TEMPLATES = 3 };
    char names[LABELS][16];
    const char *labels[LABELS];
    const char *const templates[TEMPLATES] = {"a {}", "the {}", "my {}"};
    float *rows = malloc(LABELS * MAX_DIM * sizeof *rows), one[MAX_DIM];
    for (int i = 0; i < LABELS; i++) {
        snprintf(names[i], sizeof names[i], "thing %d", i);
        labels[i] = names[i];
    }
    assert_ok(simile_label_vectors(lab.encoder, labels, LABELS, templates, TEMPLATES, rows, &err));
    for (int i = 0; i < LABELS; i += 7) {
        assert_ok(simile_label_vectors(lab.encoder, &labels[i], 1, templates, TEMPLATES, one, &err));
        assert_close(one, rows + i * dim_of(), 2e-6);
    }
    free(rows);
}

static void nothing_passed_in_is_no_crash(void **state)
{
    simile_model_close(NULL);
    simile_encoder_free(NULL);
    simile_image_free(NULL);
    simile_library_close(NULL);
    simile_results_free(NULL);
    assert_null(simile_model_get_info(NULL));
    assert_null(simile_image_get_info(NULL));
    assert_null(simile_results_at(NULL, 0));
    assert_int_equal(simile_results_count(NULL), 0);
    assert_int_equal(simile_model_open(NULL, NULL, NULL, NULL), SIMILE_E_ARG);
    assert_int_equal(simile_encoder_new(NULL, NULL, NULL, NULL), SIMILE_E_ARG);
    assert_int_equal(simile_encode_texts(NULL, NULL, 0, NULL, NULL, NULL), SIMILE_E_ARG);
    assert_int_equal(simile_encode_images(NULL, NULL, 0, NULL, NULL), SIMILE_E_ARG);
    assert_int_equal(simile_tokenize(NULL, NULL, 0, NULL, 0, NULL, NULL, NULL), SIMILE_E_ARG);
    assert_int_equal(simile_preprocess(NULL, NULL, NULL, 0, NULL), SIMILE_E_ARG);
    assert_int_equal(simile_label_vectors(NULL, NULL, 0, NULL, 0, NULL, NULL), SIMILE_E_ARG);
    assert_int_equal(simile_library_open(NULL, NULL, NULL, NULL, NULL), SIMILE_E_ARG);
    assert_int_equal(simile_library_add(NULL, NULL, NULL, 0, NULL, NULL, NULL), SIMILE_E_ARG);
    assert_int_equal(simile_library_verify(NULL, 0, NULL, NULL, NULL, NULL, NULL), SIMILE_E_ARG);
    assert_int_equal(simile_search(NULL, NULL, NULL, NULL, NULL), SIMILE_E_ARG);
    assert_int_equal(simile_version_number(), SIMILE_VERSION_NUMBER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bare_name_is_looked_for),
        cmocka_unit_test(options_of_other_versions_are_understood),
        cmocka_unit_test(the_digest_is_that_of_the_files),
        cmocka_unit_test(digests_of_large_models_are_remembered),
        cmocka_unit_test(replaced_files_are_another_model),
        cmocka_unit_test(tokens_are_counted_even_without_room),
        cmocka_unit_test(pixels_and_files_make_the_same_picture),
        cmocka_unit_test(impossible_pictures_are_refused),
        cmocka_unit_test(vectors_do_not_depend_on_their_neighbours),
        cmocka_unit_test(similarity_is_a_hundred_times_the_cosine),
        cmocka_unit_test(confidence_is_the_softmax_of_the_similarities),
        cmocka_unit_test(a_sigmoid_judges_each_similarity_by_itself),
        cmocka_unit_test(a_model_says_how_sure_it_is),
        cmocka_unit_test(labels_are_ensembles_of_prompts),
        cmocka_unit_test(many_labels_cross_the_pieces),
        cmocka_unit_test(nothing_passed_in_is_no_crash),
    };
    const int failed = cmocka_run_group_tests(tests, bench_open, bench_close);
    bench_forget_model();
    return failed;
}
