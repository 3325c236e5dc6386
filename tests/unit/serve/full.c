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

full_library full;
static simile_error err;

static void check(simile_status status)
{
    if (status) fail_msg("%s: %s", simile_status_name(status), err.message);
}

/* ---- the library ---- */

static char *path_of(const char *picture)
{
    char *path = *picture == '/' ? mem_strdup(picture) : path_join(SIMILE_GALLERY, picture);
    assert_non_null(path);
    return path;
}

static simile_status open_models(void)
{
    const simile_model_options one = {.struct_size = sizeof one, .search_path = SIMILE_MODELS_FOLDER};
    simile_model_options two = one;
    two.text_model = "simile-languages";
    RETURN_IF_ERROR(simile_model_open("simile-scenes", &one, &full.model, &err));
    RETURN_IF_ERROR(simile_model_open("simile-scenes", &two, &full.pair, &err));
    RETURN_IF_ERROR(simile_encoder_new(full.model, NULL, &full.encoder, &err));
    RETURN_IF_ERROR(simile_encoder_new(full.pair, NULL, &full.pair_encoder, &err));
    full.dim = simile_model_get_info(full.model)->dim;
    full.expected = mem_array((size_t)full.dim, sizeof *full.expected);
    full.other = mem_array((size_t)full.dim, sizeof *full.other);
    return full.expected && full.other ? SIMILE_OK : err_nomem(&err);
}

int full_set_up(void **state)
{
    if (whole_set_up(state)) return 1;
    if (!open_models()) return 0;
    print_error("no models: %s\n", err.message);
    return 1;
}

int full_tear_down(void **state)
{
    simile_encoder_free(full.encoder);
    simile_encoder_free(full.pair_encoder);
    simile_model_close(full.model);
    simile_model_close(full.pair);
    mem_free(full.expected);
    mem_free(full.other);
    return whole_tear_down(state);
}

void full_text(const char *text, bool raw, float *out)
{
    check(simile_encode_texts(full.encoder, &text, 1, out, NULL, &err));
    if (!raw) simile_normalize(out, full.dim);
}

void full_pair_text(const char *text, float *out)
{
    check(simile_encode_texts(full.pair_encoder, &text, 1, out, NULL, &err));
    simile_normalize(out, full.dim);
}

void full_picture(const char *picture, bool raw, float *out)
{
    const simile_image_options o = {.struct_size = sizeof o, .ignore_orientation = 1};
    simile_image *image;
    char *path = path_of(picture);
    check(simile_image_open(path, &o, &image, &err));
    check(simile_encode_images(full.encoder, (const simile_image *const *)&image, 1, out, &err));
    if (!raw) simile_normalize(out, full.dim);
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
