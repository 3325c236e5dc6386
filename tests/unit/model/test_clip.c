/* SPDX-License-Identifier: Apache-2.0
 * test_clip.c - whole models against the reference library's vectors (tools/fixtures/model_fixtures.py).
 *
 *     test_clip                 the committed tiny models: every component within 2e-5
 *     test_clip --full DIR      one model at full size with its expected.json: cosine at least 0.99999 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/model.h"

#include <math.h>
#include <stdio.h>

static const char *const tiny[] = {"tiny-quick", "tiny-gelu", "tiny-sharded", "tiny-f16", "tiny-bf16"};
enum { TINY = sizeof tiny / sizeof tiny[0], MAX_DIM = 1024 };

static char *fixture(const char *name)
{
    return mem_printf("%s/models/%s", SIMILE_FIXTURES, name);
}

static model *open_model(const char *directory)
{
    model *m;
    simile_error err;
    if (model_open(directory, NULL, &m, &err)) fail_msg("%s", err.message);
    return m;
}

static model_encoder *new_encoder(const model *m, int threads)
{
    model_encoder *e;
    simile_error err;
    if (model_encoder_new(m, threads, &e, &err)) fail_msg("%s", err.message);
    return e;
}

static void normalize(float *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)v[i] * (double)v[i];
    for (size_t i = 0; i < n; i++) v[i] = (float)(v[i] / sqrt(sum));
}

static void encode_text(model_encoder *e, const char *text, float *out)
{
    const model *m = model_encoder_model(e);
    token_list tokens;
    simile_error err;
    const size_t context = (size_t)model_info(m)->context;
    if (tokenizer_encode(model_tokenizer(m), text, strlen(text), context, &tokens, &err) ||
        model_encode_tokens(e, &tokens, 1, out, &err))
        fail_msg("'%s': %s", text, err.message);
    mem_free(tokens.ids);
    normalize(out, (size_t)model_info(m)->dim);
}

/* pixels: [3, R, R] */
static void load_pixels(const model *m, const char *folder, const char *file, float *pixels)
{
    char *path = mem_printf("%s/../pictures/%s", folder, file);
    image img;
    simile_error err;
    if (image_open(path, NULL, &img, &err) || image_prepare(&img, model_image_spec(m), pixels, &err))
        fail_msg("%s", err.message);
    image_release(&img);
    mem_free(path);
}

typedef struct {
    double largest_difference, lowest_cosine;
} distance;

static void compare(distance *d, const json_t *expected, const float *got, size_t dim)
{
    double dot = 0;
    assert_int_equal(json_array_size(expected), dim);
    for (size_t i = 0; i < dim; i++) {
        const double want = json_number_value(json_array_get(expected, i));
        d->largest_difference = fmax(d->largest_difference, fabs(want - (double)got[i]));
        dot += want * (double)got[i];
    }
    d->lowest_cosine = fmin(d->lowest_cosine, dot);
}

static json_t *expected_of(const char *directory)
{
    char *path = path_join(directory, "expected.json");
    json_t *root;
    simile_error err;
    if (json_read_object(path, 16 << 20, &root, &err)) fail_msg("%s", err.message);
    mem_free(path);
    return root;
}

static distance check_model(const char *directory, int threads)
{
    model *m = open_model(directory);
    model_encoder *e = new_encoder(m, threads);
    json_t *root = expected_of(directory), *item;
    distance d = {0, 2};
    float out[MAX_DIM];
    size_t i;
    const size_t dim = (size_t)model_info(m)->dim, size = (size_t)model_info(m)->image_size;
    float *pixels = mem_array(3 * size * size, sizeof *pixels);
    json_array_foreach(json_object_get(root, "texts"), i, item)
    {
        encode_text(e, json_string_value(json_object_get(item, "text")), out);
        compare(&d, json_object_get(item, "vector"), out, dim);
    }
    assert_true(i > 5);
    json_array_foreach(json_object_get(root, "images"), i, item)
    {
        simile_error err;
        load_pixels(m, directory, json_string_value(json_object_get(item, "file")), pixels);
        if (model_encode_pixels(e, pixels, 1, out, &err)) fail_msg("%s", err.message);
        normalize(out, dim);
        compare(&d, json_object_get(item, "vector"), out, dim);
    }
    assert_true(i >= 3);
    mem_free(pixels);
    json_decref(root);
    model_encoder_free(e);
    model_close(m);
    return d;
}

static void equals_the_reference(void **state)
{
    for (int i = 0; i < TINY; i++) {
        char *directory = fixture(tiny[i]);
        for (int threads = 1; threads <= 2; threads++) {
            const distance d = check_model(directory, threads);
            print_message("%-13s %d threads: largest difference %.2g, lowest cosine %.8f\n", tiny[i], threads,
                          d.largest_difference, d.lowest_cosine);
            assert_true(d.largest_difference <= 2e-5);
        }
        mem_free(directory);
    }
}

/* The same text alone, amid others, and on two threads. */
static void batches_and_threads_change_nothing(void **state)
{
    static const char *const texts[] = {"two dogs in the snow", "", "a",
                                        "a photo of a very long day in London at night"};
    enum { N = 4, COPIES = 40 };
    for (int k = 0; k < TINY; k++) {
        char *directory = fixture(tiny[k]);
        model *m = open_model(directory);
        const size_t dim = (size_t)model_info(m)->dim;
        token_list list[N * COPIES];
        float alone[N][MAX_DIM], *together = mem_array(N * COPIES * dim, sizeof *together);
        for (int threads = 1; threads <= 2; threads++) {
            model_encoder *e = new_encoder(m, threads);
            if (threads == 1) {
                for (int i = 0; i < N; i++) encode_text(e, texts[i], alone[i]);
            }
            for (int i = 0; i < N * COPIES; i++)
                assert_int_equal(tokenizer_encode(model_tokenizer(m), texts[i % N], strlen(texts[i % N]),
                                                  (size_t)model_info(m)->context, &list[i], NULL),
                                 0);
            assert_int_equal(model_encode_tokens(e, list, N * COPIES, together, NULL), 0);
            for (size_t i = 0; i < N * COPIES; i++) {
                normalize(together + i * dim, dim);
                for (size_t c = 0; c < dim; c++) assert_float_equal(together[i * dim + c], alone[i % N][c], 1e-6);
                mem_free(list[i].ids);
            }
            model_encoder_free(e);
        }
        mem_free(together);
        model_close(m);
        mem_free(directory);
    }
}

static void picture_batches_change_nothing(void **state)
{
    static const char *const files[] = {"wide.png", "tall.png", "square.png"};
    enum { N = 150 };
    for (int k = 0; k < TINY; k++) {
        char *directory = fixture(tiny[k]);
        model *m = open_model(directory);
        const size_t dim = (size_t)model_info(m)->dim, size = (size_t)model_info(m)->image_size;
        const size_t each = 3 * size * size;
        float *pixels = mem_array(N * each, sizeof *pixels), *out = mem_array(N * dim, sizeof *out), alone[3][MAX_DIM];
        for (size_t i = 0; i < N; i++) load_pixels(m, directory, files[i % 3], pixels + i * each);
        for (int threads = 1; threads <= 2; threads++) {
            model_encoder *e = new_encoder(m, threads);
            for (size_t i = 0; threads == 1 && i < 3; i++) {
                assert_int_equal(model_encode_pixels(e, pixels + i * each, 1, alone[i], NULL), 0);
                normalize(alone[i], dim);
            }
            assert_int_equal(model_encode_pixels(e, pixels, N, out, NULL), 0);
            for (size_t i = 0; i < N; i++) {
                normalize(out + i * dim, dim);
                for (size_t c = 0; c < dim; c++) assert_float_equal(out[i * dim + c], alone[i % 3][c], 1e-6);
            }
            model_encoder_free(e);
        }
        mem_free(pixels);
        mem_free(out);
        model_close(m);
        mem_free(directory);
    }
}

static void digests_tell_models_apart(void **state)
{
    char digests[TINY][DIGEST_HEX], again[DIGEST_HEX];
    for (int i = 0; i < TINY; i++) {
        char *directory = fixture(tiny[i]);
        model *m = open_model(directory);
        assert_int_equal(model_digest(m, digests[i], NULL), 0);
        assert_int_equal(model_digest(m, again, NULL), 0);
        assert_string_equal(digests[i], again);
        assert_int_equal(strlen(digests[i]), 64);
        for (int j = 0; j < i; j++) assert_string_not_equal(digests[i], digests[j]);
        model_close(m);
        mem_free(directory);
    }
}

static void refuses_tokens_that_do_not_fit(void **state)
{
    char *directory = fixture("tiny-quick");
    model *m = open_model(directory);
    model_encoder *e = new_encoder(m, 1);
    float out[MAX_DIM];
    int32_t ids[100] = {0};
    token_list list = {.ids = ids, .n = 100};
    assert_int_equal(model_encode_tokens(e, &list, 1, out, NULL), SIMILE_E_ARG);
    list.n = 0;
    assert_int_equal(model_encode_tokens(e, &list, 1, out, NULL), SIMILE_E_ARG);
    list.n = 2;
    ids[1] = 1000000;
    assert_int_equal(model_encode_tokens(e, &list, 1, out, NULL), SIMILE_E_FORMAT);
    ids[1] = -1;
    assert_int_equal(model_encode_tokens(e, &list, 1, out, NULL), SIMILE_E_FORMAT);
    model_encoder_free(e);
    model_close(m);
    mem_free(directory);
}

static void says_what_a_directory_lacks(void **state)
{
    model *m;
    simile_error err = {0};
    assert_int_equal(model_open("/nonexistent/model", NULL, &m, &err), SIMILE_E_NOT_FOUND);
    assert_null(m);
    assert_non_null(strstr(err.message, "config.json"));
}

static void survives_short_memory(void **state)
{
    char *directory = fixture("tiny-sharded");
    bool done = false;
    for (long n = 1; !done; n++) {
        model *m = NULL;
        model_encoder *e = NULL;
        float out[MAX_DIM];
        int32_t ids[2] = {1, 2};
        const token_list list = {.ids = ids, .n = 2};
        mem_fault_after(n, true);
        simile_error err = {0};
        simile_status status = model_open(directory, NULL, &m, &err);
        if (!status) status = model_encoder_new(m, 1, &e, &err);
        if (!status) status = model_encode_tokens(e, &list, 1, out, &err);
        const bool hit = mem_fault_hit();
        mem_fault_after(0, false);
        if (hit != (status == SIMILE_E_NOMEM)) fail_msg("allocation %ld: status %d: %s", n, status, err.message);
        done = !hit;
        model_encoder_free(e);
        model_close(m);
        assert_true(n < 20000);
    }
    mem_free(directory);
}

static int run_full(const char *directory)
{
    const distance d = check_model(directory, 2);
    printf("%s: largest difference %.3g, lowest cosine %.8f\n", directory, d.largest_difference, d.lowest_cosine);
    return d.lowest_cosine >= 0.99999 ? 0 : 1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_reference),           cmocka_unit_test(batches_and_threads_change_nothing),
        cmocka_unit_test(picture_batches_change_nothing), cmocka_unit_test(digests_tell_models_apart),
        cmocka_unit_test(refuses_tokens_that_do_not_fit), cmocka_unit_test(says_what_a_directory_lacks),
        cmocka_unit_test(survives_short_memory),
    };
    if (argc == 3 && !strcmp(argv[1], "--full")) return run_full(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
