/* SPDX-License-Identifier: Apache-2.0
 * test_image.c - src/image: decoding and EXIF, against what Pillow and transformers gave (tests/fixtures/image, made by
 * tools/fixtures/image_fixtures.py), and against damaged and hostile files. Resizing: test_resample.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "manifest.h"
#include "samples.h"

#include "base/file.h"
#include "base/mem.h"
#include "image/parts.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static const char *fixtures(void)
{
    const char *folder = getenv("SIMILE_FIXTURES");
    assert_non_null(folder);
    return folder;
}

static char *fixture(const char *name)
{
    char *path = path_join(fixtures(), name);
    assert_non_null(path);
    return path;
}

/* ---- against the references ---- */

static void check_picture(void *user, const manifest_line *line, const manifest_result *r)
{
    int *bad = user;
    const bool equal = r->facts && r->upright && r->stored && r->clip && r->squash;
    const bool ok = r->near ? r->facts && !r->problem[0] && r->max_difference >= 0 : equal;
    if (!ok) {
        print_error("%s: facts %d, upright %d, stored %d, tensors %d %d, difference %d %s\n", line->file, r->facts,
                    r->upright, r->stored, r->clip, r->squash, r->max_difference, r->problem);
        ++*bad;
    }
    /* Another libjpeg or libwebp may round otherwise; another picture would be far away. */
    if (r->near && r->mean_difference > (strstr(line->file, ".avif") ? 16.0 : 1.5)) {
        print_error("%s: mean difference %g\n", line->file, r->mean_difference);
        ++*bad;
    }
}

static void test_every_fixture_equals_pillow_and_transformers(void **state)
{
    int bad = 0;
    assert_true(manifest_each(fixtures(), check_picture, &bad) > 100);
    assert_int_equal(bad, 0);
}

static char *read_fixture(const char *name, size_t *len)
{
    char *path = fixture(name), *bytes = NULL;
    assert_int_equal(file_read(path, 1 << 20, &bytes, len, NULL), SIMILE_OK);
    mem_free(path);
    return bytes;
}

/* ---- pictures that are decoded at a part of their size ---- */

enum { SMALL = 8, HALF = 15 }; /* of fixtures whose shorter side is 31 pixels, a half has 15 */

/* Both must show the same: an orientation or a shift that was lost would be far away. */
static void check_reduced(const char *bytes, size_t len, const image *whole, const char *name)
{
    const image_prepare_spec spec = spec_of(0, IMAGE_FILTER_BICUBIC, SMALL, SMALL);
    const image_options options = {.enough = HALF};
    float a[3 * SMALL * SMALL], b[3 * SMALL * SMALL];
    double sum = 0;
    image img;
    assert_int_equal(image_decode(bytes, len, name, &options, &img, NULL), SIMILE_OK);
    assert_int_equal(img.shrink, 2);
    assert_int_equal(img.width, whole->width / 2);
    assert_int_equal(img.height, whole->height / 2);
    assert_int_equal(img.full_width, whole->width);
    assert_int_equal(img.full_height, whole->height);
    assert_int_equal(img.orientation, whole->orientation);
    assert_int_equal(img.taken, whole->taken);
    assert_int_equal(image_prepare(whole, &spec, a, NULL), SIMILE_OK);
    assert_int_equal(image_prepare(&img, &spec, b, NULL), SIMILE_OK);
    for (size_t i = 0; i < sizeof a / sizeof *a; i++) sum += a[i] > b[i] ? a[i] - b[i] : b[i] - a[i];
    if (sum / (sizeof a / sizeof *a) > 0.05) fail_msg("%s: mean difference %g", name, sum / (sizeof a / sizeof *a));
    image_release(&img);
}

static void reduce_picture(void *user, const manifest_line *line, const manifest_result *r)
{
    size_t len;
    image whole;
    if (strcmp(line->file + strlen(line->file) - 4, ".jpg") != 0) return;
    char *bytes = read_fixture(line->file, &len);
    assert_int_equal(image_decode(bytes, len, line->file, NULL, &whole, NULL), SIMILE_OK);
    const int32_t shorter = whole.width < whole.height ? whole.width : whole.height;
    if (shorter / 2 >= HALF && shorter / 4 < HALF) {
        check_reduced(bytes, len, &whole, line->file);
        ++*(int *)user;
    }
    image_release(&whole);
    mem_free(bytes);
}

static void test_a_jpeg_may_be_decoded_at_a_part_of_its_size(void **state)
{
    int n = 0;
    assert_true(manifest_each(fixtures(), reduce_picture, &n) > 100);
    assert_true(n >= 8);
}

static void test_only_what_is_enough_is_left(void **state)
{
    size_t len;
    char *bytes = read_fixture("q75-s0-b-45x31.jpg", &len);
    static const int expected[][2] = {{0, 1}, {1, 8}, {3, 8}, {4, 4}, {7, 4}, {8, 2}, {15, 2}, {16, 1}, {1000, 1}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const image_options options = {.enough = expected[i][0]};
        image img;
        assert_int_equal(image_decode(bytes, len, "x", &options, &img, NULL), SIMILE_OK);
        assert_int_equal(img.shrink > 1 ? img.shrink : 1, expected[i][1]);
        assert_int_equal(img.width, 45 / expected[i][1]);
        image_release(&img);
    }
    mem_free(bytes);
}

/* The limit is one of the file, however little of it is decoded. */
static void test_the_limit_is_of_the_whole_picture(void **state)
{
    size_t len;
    char *bytes = read_fixture("q75-s0-b-45x31.jpg", &len);
    const image_options options = {.enough = 4, .max_pixels = 45 * 31 - 1};
    image img;
    assert_int_equal(image_decode(bytes, len, "x", &options, &img, NULL), SIMILE_E_LIMIT);
    mem_free(bytes);
}

static void cost_of_picture(void *user, const manifest_line *line, const manifest_result *r)
{
    size_t len;
    image img;
    if (!strcmp(line->file, "over-edge.gif")) return; /* its frame is larger than the screen that its header tells */
    char *bytes = read_fixture(line->file, &len);
    assert_int_equal(image_decode(bytes, len, line->file, NULL, &img, NULL), SIMILE_OK);
    const size_t cost = image_cost(bytes, len, NULL), pixels = (size_t)img.width * (size_t)img.height;
    if (cost < 3 * pixels) fail_msg("%s: %zu bytes for %zu pixels", line->file, cost, pixels);
    image_release(&img);
    mem_free(bytes);
}

static void test_what_a_picture_takes_is_known_before(void **state)
{
    assert_true(manifest_each(fixtures(), cost_of_picture, NULL) > 100);
    assert_int_equal(image_cost("hello", 5, NULL), 0);
    size_t len;
    char *plain = read_fixture("q75-s2-b-45x31.jpg", &len);
    const image_options enough = {.enough = 7};
    assert_true(image_cost(plain, len, &enough) < 3 * 45 * 31 / 8);
    mem_free(plain);
    char *whole = read_fixture("q75-s2-p-45x31.jpg", &len);
    assert_true(image_cost(whole, len, &enough) >= 3 * 45 * 31); /* it holds all frequencies */
    for (size_t i = 0; i + 1 < len; i++)
        if ((uint8_t)whole[i] == 0xff && (uint8_t)whole[i + 1] == 0xc2) whole[i + 1] = (char)0xca;
    assert_true(image_cost(whole, len, &enough) >= 3 * 45 * 31); /* so does one of arithmetic coding */
    mem_free(whole);
}

/* ---- damaged, hostile and foreign files ---- */

static simile_status decode(const void *bytes, size_t len, int64_t max_pixels, simile_error *err)
{
    const image_options options = {.max_pixels = max_pixels};
    image img;
    const simile_status status = image_decode(bytes, len, "x", &options, &img, err);
    if (status) assert_null(img.rgb);
    image_release(&img);
    return status;
}

static void test_what_is_no_picture_says_so(void **state)
{
    static const char *const texts[] = {
        "", "P", "P7\n", "hello", "<?xml version='1.0'?><svg/>", "1,2,3\n4,5,6\n", "BM", "II*", "# not an image\n"};
    simile_error err;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(decode(texts[i], strlen(texts[i]), 0, &err), SIMILE_E_FORMAT);
        assert_string_equal(err.message, "cannot read 'x': not a picture");
    }
    assert_int_equal(decode("%PDF-1.4", 8, 0, &err), SIMILE_E_UNSUPPORTED);
    assert_string_equal(err.message, "cannot read 'x': PDF files are not supported");
    assert_int_equal(decode("\xff\x0a\0\0", 4, 0, &err), SIMILE_E_UNSUPPORTED);
}

static void test_a_missing_file_and_a_folder_are_told_apart(void **state)
{
    simile_error err;
    image img;
    assert_int_equal(image_open("/nonexistent/x.jpg", NULL, &img, &err), SIMILE_E_NOT_FOUND);
    assert_int_equal(image_open(fixtures(), NULL, &img, &err), SIMILE_E_IO);
    assert_null(img.rgb);
}

/* Every format: half of it is refused or, at most, gives a picture; nothing crashes, whatever the cut. */
static void cut_picture(void *user, const manifest_line *line, const manifest_result *r)
{
    size_t len;
    simile_error err;
    char *bytes = read_fixture(line->file, &len);
    const size_t step = len / 12 + 1;
    for (size_t n = 0; n < len; n += step) {
        char *exact = mem_alloc(n); /* so that a read beyond the end is seen */
        memcpy(exact, bytes, n);
        decode(exact, n, 0, &err);
        mem_free(exact);
    }
    if (strncmp(line->file, "moving", 6) && line->width > 8) assert_true(decode(bytes, len / 2, 0, &err));
    mem_free(bytes);
}

static void test_truncated_pictures_are_refused(void **state)
{
    assert_true(manifest_each(fixtures(), cut_picture, NULL) > 100);
}

static void flip_picture(void *user, const manifest_line *line, const manifest_result *r)
{
    if (strstr(line->file, ".avif")) return; /* the decoders behind libheif leak on damaged data: not ours to test */
    size_t len;
    char *bytes = read_fixture(line->file, &len);
    uint32_t seed = (uint32_t)len;
    for (int round = 0; round < 16; round++) {
        seed = seed * 1664525U + 1013904223U;
        const size_t at = round < 12 ? (seed >> 8) % (len < 96 ? len : 96) : (seed >> 8) % len;
        const char old = bytes[at];
        bytes[at] = (char)(seed >> 24);
        decode(bytes, len, 1 << 20, NULL);
        bytes[at] = old;
    }
    mem_free(bytes);
}

static void test_flipped_bytes_do_no_harm(void **state)
{
    assert_true(manifest_each(fixtures(), flip_picture, NULL) > 100);
}

static void test_the_limit_is_checked_before_the_pixels(void **state)
{
    static const uint8_t huge_png[] = {0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d,
                                       0x49, 0x48, 0x44, 0x52, 0x00, 0x01, 0x38, 0x80, 0x00, 0x01, 0x38, 0x80,
                                       0x08, 0x02, 0x00, 0x00, 0x00, 0x12, 0x76, 0xfb, 0x01, 0x00, 0x00, 0x00,
                                       0x00, 0x49, 0x44, 0x41, 0x54, 0x35, 0xaf, 0x06, 0x1e}; /* 80,000 x 80,000 */
    static const char huge_pnm[] = "P6 100000 100000 255\n",
                      huge_gif[] = "GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08";
    simile_error err;
    assert_int_equal(decode(huge_png, sizeof huge_png, 0, &err), SIMILE_E_LIMIT);
    assert_int_equal(decode(huge_pnm, sizeof huge_pnm - 1, 0, &err), SIMILE_E_LIMIT);
    assert_string_equal(err.message, "cannot read 'x': 100000 x 100000 pixels, more than the limit of 268435456");
    assert_int_equal(decode(huge_gif, sizeof huge_gif - 1, 0, &err), SIMILE_E_LIMIT);
    size_t len;
    char *bytes = read_fixture("RGB.png", &len);
    assert_int_equal(decode(bytes, len, 100, &err), SIMILE_E_LIMIT);
    assert_int_equal(decode(bytes, len, 26 * 35, &err), SIMILE_OK);
    assert_int_equal(decode(bytes, len, 26 * 35 - 1, &err), SIMILE_E_LIMIT);
    mem_free(bytes);
}

static void test_a_wrong_ending_does_not_matter(void **state)
{
    size_t len;
    image img;
    char *bytes = read_fixture("RGB.png", &len);
    assert_int_equal(image_decode(bytes, len, "really.jpg", NULL, &img, NULL), SIMILE_OK);
    assert_string_equal(img.format, "png");
    image_release(&img);
    mem_free(bytes);
}

static void *decode_often(void *failed)
{
    static const char *const names[] = {"o6.jpg", "o3.png", "lossless-23x17.webp", "cmyk-raw-23x17.tif"};
    for (int i = 0; i < 24; i++) {
        char *path = path_join(fixtures(), names[i % 4]);
        image img;
        if (image_open(path, NULL, &img, NULL)) *(bool *)failed = true;
        image_release(&img);
        mem_free(path);
        if (!decode("\x89PNG\r\n\x1a\n", 8, 0, NULL)) *(bool *)failed = true;
    }
    return NULL;
}

static void test_many_threads_decode_at_once(void **state)
{
    pthread_t threads[4];
    bool failed[4] = {false};
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(threads + i, NULL, decode_often, failed + i), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_false(failed[i]);
    }
}

static void test_each_failing_allocation_is_reported(void **state)
{
    static const char *const names[] = {"RGB.png", "o6.jpg", "moving-23x17.gif", "rle8.bmp", "grey16-23x17.pgm"};
    const image_prepare_spec spec = spec_of(24, IMAGE_FILTER_BICUBIC, 24, 24);
    float tensor[3 * 24 * 24];
    for (size_t f = 0; f < sizeof names / sizeof *names; f++)
        for (long n = 1;; n++) {
            size_t len;
            image img = {0};
            char *bytes = read_fixture(names[f], &len);
            mem_fault_after(n, false);
            simile_status status = image_decode(bytes, len, "x", NULL, &img, NULL);
            if (!status) status = image_prepare(&img, &spec, tensor, NULL);
            const bool hit = mem_fault_hit();
            mem_fault_after(0, false);
            assert_int_equal(status, hit ? SIMILE_E_NOMEM : SIMILE_OK);
            image_release(&img);
            mem_free(bytes);
            if (!hit) break;
        }
}

/* ---- EXIF and names ---- */

static void test_dates(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } table[] = {{"1970:01:01 00:00:00", 0},          {"2000:02:29 12:34:56", 951827696},
                 {"2021-03-04T05:06:07", 1614834367}, {"1969:12:31 23:59:59", -1},
                 {"2016:12:31 23:59:60", 1483228800}, {"0000:00:00 00:00:00", INT64_MIN},
                 {"    :  :     :  :  ", INT64_MIN},  {"2021:02:29 00:00:00", INT64_MIN},
                 {"2021:13:01 00:00:00", INT64_MIN},  {"2021:01:01 24:00:00", INT64_MIN},
                 {"2021:01:01", INT64_MIN},           {"yesterday, at half past", INT64_MIN}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_int_equal(exif_date(table[i].text, strlen(table[i].text)), table[i].seconds);
}

static void test_nonsense_exif_is_absent(void **state)
{
    /* big-endian, one entry: orientation 9; and a directory that points outside */
    static const uint8_t nine[] = "Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\x09\0\0\0\0\0\0";
    static const uint8_t outside[] = "II*\0\xf0\xff\xff\xff\xff\xff";
    assert_int_equal(exif_read(nine, sizeof nine - 1).orientation, 1);
    for (size_t n = 0; n < sizeof nine; n++) exif_read(nine, n);
    const exif_facts facts = exif_read(outside, sizeof outside - 1);
    assert_int_equal(facts.orientation, 1);
    assert_true(facts.taken == INT64_MIN);
}

static int compare_dates(void *user, const char *path, const file_facts *facts)
{
    int *dated = user;
    image img;
    const int64_t taken = image_taken(path);
    if (image_open(path, NULL, &img, NULL)) return 0;
    if (taken != img.taken) fail_msg("%s: %lld, not %lld", path, (long long)taken, (long long)img.taken);
    *dated += taken != INT64_MIN;
    image_release(&img);
    return 0;
}

static void test_the_date_in_a_files_head_is_that_of_the_picture(void **state)
{
    int dated = 0;
    assert_int_equal(file_walk(fixtures(), compare_dates, NULL, &dated, NULL), SIMILE_OK);
    assert_true(dated >= 8 * 4 + 1); /* JPEG, PNG, WebP and TIFF in eight orientations, AVIF */
    assert_true(image_taken("/nonexistent.jpg") == INT64_MIN);
    assert_true(image_taken(fixtures()) == INT64_MIN);
}

/* The date of bytes that lie in a file of their own. */
static int64_t taken_of(const void *bytes, size_t len)
{
    char path[] = "/tmp/simile-image-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    close(fd);
    const int64_t taken = image_taken(path);
    unlink(path);
    return taken;
}

static void test_damaged_heads_have_another_date_or_none(void **state)
{
    static const char *const names[] = {"o1.jpg", "o1.png", "o1.webp", "o1.tif", "dated.avif"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = fixture(names[i]), *bytes;
        size_t len;
        assert_int_equal(file_read(path, 1 << 20, &bytes, &len, NULL), SIMILE_OK);
        const int64_t whole = taken_of(bytes, len);
        assert_true(whole != INT64_MIN);
        for (size_t n = 0; n < len; n += 1 + n / 64) {
            const int64_t cut = taken_of(bytes, n);
            assert_true(cut == INT64_MIN || cut == whole || cut == 1582934401); /* DateTime stands first */
        }
        for (size_t at = 0; at < len && at < 400; at++) {
            bytes[at] = (char)~bytes[at];
            taken_of(bytes, len);
            bytes[at] = (char)~bytes[at];
        }
        mem_free(bytes);
        mem_free(path);
    }
}

static void test_known_endings(void **state)
{
    static const char *const yes[] = {"a.jpg", "/x/y.JPEG", "a.b.Png", "x.webp", "x.gif",
                                      "x.TIF", "x.heic",    "x.avif",  "x.bmp",  "x.pgm"};
    static const char *const no[] = {"a", "jpg", ".jpg", "/x.jpg/y", "a.jpg.txt", "a.svg", "a.pdf", "a.jp", "a.", ""};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) assert_true(image_has_known_ending(yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) assert_false(image_has_known_ending(no[i]));
}

/* ---- photographs that lie beside the checkout on some machines ---- */

static int try_photo(void *user, const char *path, const file_facts *facts)
{
    int *n = user;
    image img;
    simile_error err;
    const simile_status status = image_open(path, NULL, &img, &err);
    if (strstr(path, ".txt"))
        assert_int_equal(status, SIMILE_E_FORMAT);
    else if (status)
        fail_msg("%s", err.message);
    image_release(&img);
    ++*n;
    return 0;
}

static void test_local_photographs_are_read(void **state)
{
    const char *folder = getenv("SIMILE_PICTURES");
    int n = 0;
    if (!folder || !file_exists(folder)) {
        print_message("no photographs on this machine: skipped\n");
        skip();
    }
    assert_int_equal(file_walk(folder, try_photo, NULL, &n, NULL), SIMILE_OK);
    assert_true(n > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_fixture_equals_pillow_and_transformers),
        cmocka_unit_test(test_a_jpeg_may_be_decoded_at_a_part_of_its_size),
        cmocka_unit_test(test_only_what_is_enough_is_left),
        cmocka_unit_test(test_the_limit_is_of_the_whole_picture),
        cmocka_unit_test(test_what_a_picture_takes_is_known_before),
        cmocka_unit_test(test_what_is_no_picture_says_so),
        cmocka_unit_test(test_a_missing_file_and_a_folder_are_told_apart),
        cmocka_unit_test(test_truncated_pictures_are_refused),
        cmocka_unit_test(test_flipped_bytes_do_no_harm),
        cmocka_unit_test(test_the_limit_is_checked_before_the_pixels),
        cmocka_unit_test(test_a_wrong_ending_does_not_matter),
        cmocka_unit_test(test_many_threads_decode_at_once),
        cmocka_unit_test(test_each_failing_allocation_is_reported),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_nonsense_exif_is_absent),
        cmocka_unit_test(test_the_date_in_a_files_head_is_that_of_the_picture),
        cmocka_unit_test(test_damaged_heads_have_another_date_or_none),
        cmocka_unit_test(test_known_endings),
        cmocka_unit_test(test_local_photographs_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
