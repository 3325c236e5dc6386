/* SPDX-License-Identifier: Apache-2.0
 * test_resample.c - src/image: resizing and preparing, against what Pillow and transformers gave (tests/fixtures/image,
 * made by tools/fixtures/image_fixtures.py), in every set of kernels. Needs no decoder, hence no libvips. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "samples.h"

#include "base/file.h"
#include "base/mem.h"
#include "image/resample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *fixture(const char *name)
{
    const char *folder = getenv("SIMILE_FIXTURES");
    assert_non_null(folder);
    char *path = path_join(folder, name);
    assert_non_null(path);
    return path;
}

/* ---- against the references ---- */

static void check_resize(const char *expected, int w, int h, int filter, int ow, int oh)
{
    char hash[65];
    uint8_t *in = noise_new(w, h), *out = mem_array((size_t)ow * (size_t)oh, 3);
    assert_non_null(in);
    assert_non_null(out);
    assert_int_equal(image_resize(in, w, h, (image_filter)filter, ow, oh, out, NULL), SIMILE_OK);
    hash_of(out, (size_t)ow * (size_t)oh * 3, hash);
    if (strcmp(hash, expected)) fail_msg("%d x %d to %d x %d, filter %d", w, h, ow, oh, filter);
    mem_free(in);
    mem_free(out);
}

static void test_resize_equals_pillow_for_every_filter(void **state)
{
    char *path = fixture("resize.txt"), expected[65];
    int w, h, filter, ow, oh, n = 0;
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    for (; fscanf(f, "%d %d %d %d %d %64s", &w, &h, &filter, &ow, &oh, expected) == 6; n++)
        check_resize(expected, w, h, filter, ow, oh);
    fclose(f);
    mem_free(path);
    assert_true(n >= 80);
}

static void test_prepare_equals_transformers(void **state)
{
    char *path = fixture("prepare.txt"), expected[65], hash[65];
    int w, h, edge, filter, cw, ch, n = 0;
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    for (; fscanf(f, "%d %d %d %d %d %d %64s", &w, &h, &edge, &filter, &cw, &ch, expected) == 7; n++) {
        const image_prepare_spec spec = spec_of(edge, filter, cw, ch);
        const size_t count = (size_t)cw * (size_t)ch * 3;
        image img = {.rgb = noise_new(w, h), .width = w, .height = h};
        float *out = mem_array(count, sizeof *out);
        assert_non_null(out);
        assert_int_equal(image_prepare(&img, &spec, out, NULL), SIMILE_OK);
        hash_of(out, count * sizeof *out, hash);
        if (strcmp(hash, expected)) fail_msg("%d x %d, edge %d, filter %d, %d x %d", w, h, edge, filter, cw, ch);
        mem_free(out);
        mem_free(img.rgb);
    }
    fclose(f);
    mem_free(path);
    assert_true(n >= 60);
}

/* ---- kernels ---- */

static void compare_kernels(const image *from, image_filter filter, int ow, int oh, const resample_kernels *kernels)
{
    const resample_window all = {0, 0, ow, oh};
    const size_t n = (size_t)ow * (size_t)oh * 3;
    uint8_t *a = mem_alloc(n), *b = mem_alloc(n);
    assert_int_equal(resample(from, filter, ow, oh, &all, &resample_plain, a, NULL), SIMILE_OK);
    assert_int_equal(resample(from, filter, ow, oh, &all, kernels, b, NULL), SIMILE_OK);
    if (memcmp(a, b, n)) fail_msg("%s: %d x %d to %d x %d", kernels->name, from->width, from->height, ow, oh);
    mem_free(a);
    mem_free(b);
}

static void test_every_kernel_equals_plain_c(void **state)
{
    static const int sizes[][4] = {{1, 1, 3, 2},     {2, 3, 17, 9},    {5, 40, 6, 3},     {40, 5, 3, 7},
                                   {63, 21, 64, 22}, {300, 7, 11, 5},  {7, 800, 5, 11},   {129, 65, 40, 40},
                                   {33, 31, 99, 31}, {31, 33, 31, 99}, {1000, 30, 7, 30}, {19, 23, 5, 5}};
    for (int level = 1; level < RESAMPLE_LEVELS; level++) {
        const resample_kernels *kernels = resample_kernels_at(level);
        if (!kernels) {
            print_message("kernels of level %d: not on this processor, skipped\n", level);
            continue;
        }
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            image from = {.rgb = noise_new(sizes[i][0], sizes[i][1]), .width = sizes[i][0], .height = sizes[i][1]};
            assert_non_null(from.rgb);
            for (int filter = 1; filter <= IMAGE_FILTER_HAMMING; filter++)
                compare_kernels(&from, (image_filter)filter, sizes[i][2], sizes[i][3], kernels);
            mem_free(from.rgb);
        }
    }
}

static void test_extreme_pixels_saturate_in_every_kernel(void **state)
{
    image from = {.rgb = noise_new(64, 64), .width = 64, .height = 64};
    assert_non_null(from.rgb);
    for (size_t i = 0; i < 64 * 64 * 3; i++) from.rgb[i] = from.rgb[i] & 128 ? 255 : 0;
    for (int level = 1; level < RESAMPLE_LEVELS; level++)
        for (int filter = 1; resample_kernels_at(level) && filter <= IMAGE_FILTER_HAMMING; filter++) {
            compare_kernels(&from, (image_filter)filter, 61, 67, resample_kernels_at(level));
            compare_kernels(&from, (image_filter)filter, 200, 10, resample_kernels_at(level));
        }
    mem_free(from.rgb);
}

static void test_a_window_is_a_part_of_the_whole(void **state)
{
    const image from = {.rgb = noise_new(90, 70), .width = 90, .height = 70};
    uint8_t whole[50 * 40 * 3], part[13 * 9 * 3];
    const resample_window window = {21, 17, 13, 9}, all = {0, 0, 50, 40};
    for (int filter = 0; filter <= IMAGE_FILTER_HAMMING; filter++) {
        const resample_kernels *kernels = resample_kernels_best();
        assert_int_equal(resample(&from, (image_filter)filter, 50, 40, &all, kernels, whole, NULL), SIMILE_OK);
        assert_int_equal(resample(&from, (image_filter)filter, 50, 40, &window, kernels, part, NULL), SIMILE_OK);
        for (size_t y = 0; y < 9; y++) assert_memory_equal(part + y * 13 * 3, whole + ((17 + y) * 50 + 21) * 3, 13 * 3);
    }
    mem_free(from.rgb);
}

static void test_constant_pictures_stay_constant(void **state)
{
    uint8_t in[37 * 29 * 3], out[64 * 64 * 3];
    for (int value = 0; value < 256; value += 51) {
        memset(in, value, sizeof in);
        for (int filter = 0; filter <= IMAGE_FILTER_HAMMING; filter++)
            for (int n = 1; n <= 64; n += 7) {
                assert_int_equal(image_resize(in, 37, 29, (image_filter)filter, n, 65 - n, out, NULL), SIMILE_OK);
                for (int i = 0; i < n * (65 - n) * 3; i++) assert_int_equal(out[i], value);
            }
    }
}

static void test_impossible_sizes_are_refused(void **state)
{
    simile_error err;
    uint8_t pixel[3] = {1, 2, 3}, out[3];
    assert_int_equal(image_resize(pixel, 0, 1, IMAGE_FILTER_BICUBIC, 1, 1, out, &err), SIMILE_E_ARG);
    assert_int_equal(image_resize(pixel, 1, 1, IMAGE_FILTER_BICUBIC, 1, 0, out, &err), SIMILE_E_ARG);
    assert_int_equal(image_resize(pixel, 1, 1, (image_filter)6, 1, 1, out, &err), SIMILE_E_ARG);
    assert_int_equal(image_resize(pixel, 1, 1, (image_filter)-1, 1, 1, out, &err), SIMILE_E_ARG);
    assert_string_equal(err.message, "cannot resize 1 x 1 pixels to 1 x 1 with filter -1");
}

/* ---- prepare ---- */

static void test_prepare_without_resize_crops_and_pads_with_zeros(void **state)
{
    image img = {.rgb = noise_new(5, 9), .width = 5, .height = 9};
    const image_prepare_spec spec = {
        .fit = IMAGE_FIT_NONE, .filter = IMAGE_FILTER_BICUBIC, .width = 8, .height = 4, .crop = true};
    float out[3 * 8 * 4];
    assert_int_equal(image_prepare(&img, &spec, out, NULL), SIMILE_OK);
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < 4; y++)
            for (int x = 0; x < 8; x++) { /* columns: ceil(3 / 2) before; rows: floor(5 / 2) cut off */
                const bool inside = x >= 2 && x < 7;
                const float wanted = inside ? (float)img.rgb[((y + 2) * 5 + x - 2) * 3 + c] : 0.0F;
                assert_true(out[(c * 4 + y) * 8 + x] == wanted);
            }
    mem_free(img.rgb);
}

static void test_prepare_refuses_what_cannot_fit(void **state)
{
    simile_error err;
    float out[3 * 16];
    image img = {.rgb = noise_new(5, 9), .width = 5, .height = 9};
    image_prepare_spec spec = {
        .fit = IMAGE_FIT_SHORTEST, .filter = IMAGE_FILTER_BICUBIC, .resize_short = 4, .width = 4, .height = 4};
    assert_int_equal(image_prepare(&img, &spec, out, &err), SIMILE_E_ARG);
    assert_string_equal(err.message, "cannot prepare a picture of 4 x 7 for 4 x 4 without a crop");
    spec.resize_short = 0;
    assert_int_equal(image_prepare(&img, &spec, out, &err), SIMILE_E_ARG);
    mem_free(img.rgb);
}

static void test_prepare_of_a_thread_of_pixels_needs_little_memory(void **state)
{
    const image_prepare_spec spec = spec_of(224, IMAGE_FILTER_BICUBIC, 224, 224);
    image img = {.rgb = mem_zero(3 * 100000), .width = 100000, .height = 1};
    float *out = mem_array(3 * 224 * 224, sizeof *out);
    assert_non_null(out);
    assert_int_equal(image_prepare(&img, &spec, out, NULL), SIMILE_OK);
    img.width = 1;
    img.height = 100000;
    assert_int_equal(image_prepare(&img, &spec, out, NULL), SIMILE_OK);
    mem_free(out);
    mem_free(img.rgb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resize_equals_pillow_for_every_filter),
        cmocka_unit_test(test_prepare_equals_transformers),
        cmocka_unit_test(test_every_kernel_equals_plain_c),
        cmocka_unit_test(test_extreme_pixels_saturate_in_every_kernel),
        cmocka_unit_test(test_a_window_is_a_part_of_the_whole),
        cmocka_unit_test(test_constant_pictures_stay_constant),
        cmocka_unit_test(test_impossible_sizes_are_refused),
        cmocka_unit_test(test_prepare_without_resize_crops_and_pads_with_zeros),
        cmocka_unit_test(test_prepare_refuses_what_cannot_fit),
        cmocka_unit_test(test_prepare_of_a_thread_of_pixels_needs_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
