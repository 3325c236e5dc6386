/* SPDX-License-Identifier: Apache-2.0
 * full.c - see full.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "full.h"

#include "base/file.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

const char *const full_pictures[FULL_PICTURES] = {
    "a-red-car-on-the-road-1.jpg", "a-blue-boat-on-the-sea-at-night-1.jpg", "a-forest-1.jpg",
    "a-red-bus-in-london-1.jpg",   "a-brown-dog-in-a-room-1.jpg",           "a-city-at-night-1.jpg",
    "a-rainbow-on-the-sea-1.jpg",  "a-blue-truck-on-the-road-1.jpg",
};
const char *const full_texts[FULL_TEXTS] = {"a red car on the road", "a forest"};

static simile_error err;

static void check(simile_status status)
{
    if (status) fail_msg("%s: %s", simile_status_name(status), err.message);
}

/* ---- the library ---- */

static char *path_of(const char *picture)
{
    char *path = path_join(SIMILE_GALLERY, picture);
    assert_non_null(path);
    return path;
}

static void open_models(full_server *f)
{
    const simile_model_options one = {.struct_size = sizeof one, .search_path = SIMILE_MODELS_FOLDER};
    simile_model_options two = one;
    two.text_model = "simile-languages";
    check(simile_model_open("simile-scenes", &one, &f->model, &err));
    check(simile_model_open("simile-scenes", &two, &f->pair, &err));
    check(simile_encoder_new(f->model, NULL, &f->encoder, &err));
    check(simile_encoder_new(f->pair, NULL, &f->pair_encoder, &err));
    f->dim = simile_model_get_info(f->model)->dim;
}

static void fill_library(full_server *f)
{
    char *catalogue = path_join(f->folder, "catalogue"), *paths[FULL_PICTURES];
    assert_non_null(catalogue);
    for (size_t i = 0; i < FULL_PICTURES; i++) paths[i] = path_of(full_pictures[i]);
    check(simile_library_open(catalogue, f->model, NULL, &f->s.library, &err));
    check(simile_library_add(f->s.library, f->encoder, (const char *const *)paths, FULL_PICTURES, NULL, NULL, &err));
    check(simile_library_add_texts(f->s.library, f->encoder, full_texts, FULL_TEXTS, NULL, NULL, &err));
    for (size_t i = 0; i < FULL_PICTURES; i++) mem_free(paths[i]);
    mem_free(catalogue);
}

void full_text(const full_server *f, const char *text, bool raw, float *out)
{
    check(simile_encode_texts(f->encoder, &text, 1, out, NULL, &err));
    if (!raw) simile_normalize(out, f->dim);
}

void full_pair_text(const full_server *f, const char *text, float *out)
{
    check(simile_encode_texts(f->pair_encoder, &text, 1, out, NULL, &err));
    simile_normalize(out, f->dim);
}

void full_picture(const full_server *f, const char *picture, bool raw, float *out)
{
    const simile_image_options o = {.struct_size = sizeof o, .ignore_orientation = 1};
    simile_image *image;
    char *path = path_of(picture);
    check(simile_image_open(path, &o, &image, &err));
    check(simile_encode_images(f->encoder, (const simile_image *const *)&image, 1, out, &err));
    if (!raw) simile_normalize(out, f->dim);
    simile_image_free(image);
    mem_free(path);
}

/* ---- files ---- */

char *full_bytes(const char *picture, size_t *len)
{
    char *path = path_of(picture), *bytes;
    check(file_read(path, 1 << 24, &bytes, len, &err));
    mem_free(path);
    return bytes;
}

char *full_base64(const char *picture, const char *prefix)
{
    size_t len;
    buf text;
    char *bytes = full_bytes(picture, &len);
    buf_init(&text, 1 << 24);
    buf_text(&text, prefix);
    assert_true(base64_append(&text, bytes, len));
    mem_free(bytes);
    return buf_take(&text, &len);
}

void full_same(const json_t *array, const float *expected, size_t n)
{
    assert_true(json_is_array(array));
    assert_int_equal(json_array_size(array), n);
    for (size_t i = 0; i < n; i++) {
        const double got = json_number_value(json_array_get(array, i));
        if (!(fabs(got - (double)expected[i]) <= 1e-6)) fail_msg("number %zu: %g, not %g", i, got, (double)expected[i]);
    }
}

/* ---- the server ---- */

void full_start(full_server *f, const serve_options *options)
{
    static const char *const aliases[] = {"ViT-B-32__openai=simile-scenes",
                                          "XLM-Roberta-Large-Vit-B-32=simile-scenes+simile-languages"};
    const towers_options o = {.search_path = SIMILE_MODELS_FOLDER,
                              .model = "simile-scenes",
                              .aliases = aliases,
                              .n_aliases = 2,
                              .threads = 1,
                              .any_installed = true};
    *f = (full_server){.s.options = options ? *options : (serve_options){.workers = 2, .threads = 1}};
    f->s.started = time(NULL);
    snprintf(f->folder, sizeof f->folder, "/tmp/simile-full.XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    open_models(f);
    fill_library(f);
    check(events_new(&f->s.events, &err));
    check(metrics_new(&f->s.metrics, &err));
    check(towers_new(&o, f->s.metrics, &f->s.towers, &err));
    check(http_start(&f->s, NULL, &f->http, &err));
    f->port = http_port(f->http);
}

static void remove_file(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    if (path) unlink(path);
    mem_free(path);
}

void full_stop(full_server *f)
{
    http_stop(f->http);
    towers_free(f->s.towers);
    simile_library_close(f->s.library);
    metrics_free(f->s.metrics);
    events_free(f->s.events);
    simile_encoder_free(f->encoder);
    simile_encoder_free(f->pair_encoder);
    simile_model_close(f->model);
    simile_model_close(f->pair);
    static const char *const endings[] = {"", "-wal", "-shm", "-thumbs", "-thumbs-wal", "-thumbs-shm"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char name[64];
        snprintf(name, sizeof name, "catalogue%s", endings[i]);
        remove_file(f->folder, name);
    }
    rmdir(f->folder);
}
