/* SPDX-License-Identifier: Apache-2.0
 * check_model.c - see check_model.h. */
#include "check_model.h"

#include <math.h>
#include <stdio.h>

char *fixture(const char *name)
{
    return mem_printf("%s/models/%s", SIMILE_FIXTURES, name);
}

model *open_at(const char *directory, int64_t image_size)
{
    model *m;
    simile_error err;
    const model_options options = {.image_size = image_size, .compute = SIMILE_COMPUTE_F32};
    if (model_open(directory, &options, &m, &err)) fail_msg("%s", err.message);
    return m;
}

model *open_model(const char *directory)
{
    return open_at(directory, 0);
}

model_encoder *new_encoder(const model *m, int threads)
{
    model_encoder *e;
    simile_error err;
    if (model_encoder_new(m, threads, &e, &err)) fail_msg("%s", err.message);
    return e;
}

void normalize(float *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)v[i] * (double)v[i];
    for (size_t i = 0; i < n; i++) v[i] = (float)(v[i] / sqrt(sum));
}

static token_list tokenize(const model *m, const char *text)
{
    token_list tokens;
    simile_error err;
    const size_t context = (size_t)model_info(m)->context;
    if (tokenizer_encode(model_tokenizer(m), text, strlen(text), context, &tokens, &err))
        fail_msg("'%s': %s", text, err.message);
    return tokens;
}

void encode_text(model_encoder *e, const char *text, float *out)
{
    const model *m = model_encoder_model(e);
    token_list tokens = tokenize(m, text);
    simile_error err;
    if (model_encode_tokens(e, &tokens, 1, out, &err)) fail_msg("'%s': %s", text, err.message);
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

/* ---- against the reference ---- */

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

static json_t *read_beside(const char *directory, const char *name)
{
    char *path = path_join(directory, name);
    json_t *root;
    simile_error err;
    if (json_read_object(path, 16 << 20, &root, &err)) fail_msg("%s", err.message);
    mem_free(path);
    return root;
}

static void compare_ids(const model *m, const json_t *item)
{
    const char *text = json_string_value(json_object_get(item, "text"));
    const json_t *ids = json_object_get(item, "ids");
    token_list got = tokenize(m, text);
    if (got.n != json_array_size(ids)) fail_msg("'%s': %zu tokens, not %zu", text, got.n, json_array_size(ids));
    for (size_t i = 0; i < got.n; i++) assert_int_equal(got.ids[i], json_integer_value(json_array_get(ids, i)));
    mem_free(got.ids);
}

static void check_texts(model_encoder *e, const json_t *texts, distance *d)
{
    const model *m = model_encoder_model(e);
    float out[MAX_DIM];
    json_t *item;
    size_t i;
    assert_true(json_array_size(texts) > 5);
    json_array_foreach(texts, i, item)
    {
        compare_ids(m, item);
        encode_text(e, json_string_value(json_object_get(item, "text")), out);
        compare(d, json_object_get(item, "vector"), out, (size_t)model_info(m)->dim);
    }
}

static void check_pictures(model_encoder *e, const char *directory, const json_t *pictures, distance *d)
{
    const model *m = model_encoder_model(e);
    const size_t dim = (size_t)model_info(m)->dim, size = (size_t)model_info(m)->image_size;
    float *pixels = mem_array(3 * size * size, sizeof *pixels), out[MAX_DIM];
    json_t *item;
    size_t i;
    assert_true(json_array_size(pictures) >= 3);
    json_array_foreach(pictures, i, item)
    {
        simile_error err;
        load_pixels(m, directory, json_string_value(json_object_get(item, "file")), pixels);
        if (model_encode_pixels(e, pixels, 1, out, &err)) fail_msg("%s", err.message);
        normalize(out, dim);
        compare(d, json_object_get(item, "vector"), out, dim);
    }
    mem_free(pixels);
}

distance check_model(const char *directory, int threads)
{
    model *m = open_model(directory);
    model_encoder *e = new_encoder(m, threads);
    json_t *root = read_beside(directory, "expected.json");
    distance d = {0, 2};
    check_texts(e, json_object_get(root, "texts"), &d);
    if (model_image_spec(m)) check_pictures(e, directory, json_object_get(root, "images"), &d);
    json_decref(root);
    model_encoder_free(e);
    model_close(m);
    return d;
}

void check_fixtures(const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *directory = fixture(names[i]);
        for (int threads = 1; threads <= 2; threads++) {
            const distance d = check_model(directory, threads);
            print_message("%-20s %d threads: largest difference %.2g, lowest cosine %.8f\n", names[i], threads,
                          d.largest_difference, d.lowest_cosine);
            assert_true(d.largest_difference <= 2e-5);
        }
        mem_free(directory);
    }
}

/* ---- at other resolutions ---- */

/* One row of resized.json: a picture seen at a size of its own. */
static void compare_resized(const char *directory, json_t *row, distance *d)
{
    float out[MAX_DIM];
    simile_error err;
    const int64_t size = json_integer_value(json_object_get(row, "size"));
    model *m = open_at(directory, size);
    model_encoder *e = new_encoder(m, 1);
    float *pixels = mem_array((size_t)(3 * size * size), sizeof *pixels);
    assert_int_equal(model_info(m)->image_size, size);
    load_pixels(m, directory, json_string_value(json_object_get(row, "file")), pixels);
    if (model_encode_pixels(e, pixels, 1, out, &err)) fail_msg("%s", err.message);
    normalize(out, (size_t)model_info(m)->dim);
    compare(d, json_object_get(row, "vector"), out, (size_t)model_info(m)->dim);
    mem_free(pixels);
    model_encoder_free(e);
    model_close(m);
}

void check_resized(const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *directory = fixture(names[i]);
        json_t *root = read_beside(directory, "resized.json"), *row;
        distance d = {0, 2};
        size_t k;
        json_array_foreach(json_object_get(root, "images"), k, row) compare_resized(directory, row, &d);
        print_message("%-20s at other sizes: largest difference %.2g, lowest cosine %.8f\n", names[i],
                      d.largest_difference, d.lowest_cosine);
        assert_true(k >= 6);
        assert_true(d.largest_difference <= 2e-5);
        json_decref(root);
        mem_free(directory);
    }
}

int run_full(const char *directory)
{
    const distance d = check_model(directory, 2);
    printf("%s: largest difference %.3g, lowest cosine %.8f\n", directory, d.largest_difference, d.lowest_cosine);
    return d.lowest_cosine >= 0.99999 ? 0 : 1;
}

/* ---- alone and together ---- */

/* got: [n, dim], normalised here; row i has to be alone[i % kinds]. */
static void compare_rows(float *got, size_t n, size_t dim, float alone[][MAX_DIM], size_t kinds)
{
    for (size_t i = 0; i < n; i++) {
        normalize(got + i * dim, dim);
        for (size_t c = 0; c < dim; c++) assert_float_equal(got[i * dim + c], alone[i % kinds][c], 1e-6);
    }
}

static void check_texts_of(const char *name)
{
    static const char *const texts[] = {"two dogs in the snow", "", "a",
                                        "a photo of a very long day in London at night"};
    enum { N = 4, COPIES = 40 };
    char *directory = fixture(name);
    model *m = open_model(directory);
    const size_t dim = (size_t)model_info(m)->dim;
    token_list list[N * COPIES];
    float alone[N][MAX_DIM], *together = mem_array(N * COPIES * dim, sizeof *together);
    for (int i = 0; i < N * COPIES; i++) list[i] = tokenize(m, texts[i % N]);
    for (int threads = 1; threads <= 2; threads++) {
        model_encoder *e = new_encoder(m, threads);
        for (int i = 0; threads == 1 && i < N; i++) encode_text(e, texts[i], alone[i]);
        assert_int_equal(model_encode_tokens(e, list, N * COPIES, together, NULL), 0);
        compare_rows(together, N * COPIES, dim, alone, N);
        model_encoder_free(e);
    }
    for (int i = 0; i < N * COPIES; i++) mem_free(list[i].ids);
    mem_free(together);
    model_close(m);
    mem_free(directory);
}

void check_text_batches(const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) check_texts_of(names[i]);
}

static void check_pictures_of(const char *name)
{
    static const char *const files[] = {"wide.png", "tall.png", "square.png"};
    enum { N = 150 };
    char *directory = fixture(name);
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
        compare_rows(out, N, dim, alone, 3);
        model_encoder_free(e);
    }
    mem_free(pixels);
    mem_free(out);
    model_close(m);
    mem_free(directory);
}

void check_picture_batches(const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) check_pictures_of(names[i]);
}

/* ---- identity, memory ---- */

void check_digests_differ(const char *const *names, size_t n)
{
    enum { MOST = 16 };
    char digests[MOST][DIGEST_HEX], again[DIGEST_HEX];
    assert_true(n <= MOST);
    for (size_t i = 0; i < n; i++) {
        char *directory = fixture(names[i]);
        model *m = open_model(directory);
        assert_int_equal(model_digest(m, digests[i], NULL), 0);
        assert_int_equal(model_digest(m, again, NULL), 0);
        assert_string_equal(digests[i], again);
        assert_int_equal(strlen(digests[i]), 64);
        for (size_t j = 0; j < i; j++) assert_string_not_equal(digests[i], digests[j]);
        model_close(m);
        mem_free(directory);
    }
}

void check_short_memory(const char *name)
{
    enum { MOST_PIXELS = 3 * 64 * 64 };
    static const float pixels[MOST_PIXELS];
    char *directory = fixture(name);
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
        if (!status && model_image_spec(m)) status = model_encode_pixels(e, pixels, 1, out, &err);
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
