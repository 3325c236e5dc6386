/* SPDX-License-Identifier: Apache-2.0
 * test_thumbnails.c - small pictures of items: made with the index, made again, forgotten, and never a reason to fail.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "help.h"

#include "base/file.h"
#include "base/mem.h"
#include "store/thumbs.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char thumbs_path[96];

static int open_bench(void **state)
{
    if (bench_open(state)) return -1;
    snprintf(thumbs_path, sizeof thumbs_path, "%s-thumbs", lab.catalog);
    return 0;
}

/* A picture of any size: bands of grey, each 20 pixels wide. */
static void draw_sized(const char *name, int width, int height, long mtime_s)
{
    const size_t pixels = (size_t)width * (size_t)height * 3;
    char *bytes = mem_alloc(pixels + 32);
    const int head = snprintf(bytes, 32, "P6\n%d %d\n255\n", width, height);
    for (size_t i = 0; i < pixels; i++) bytes[(size_t)head + i] = (char)(i / 3 % (size_t)width / 20 * 37);
    write_bytes(in_pictures(name), bytes, (size_t)head + pixels, mtime_s);
    mem_free(bytes);
}

/* Asks for one, decodes it, and frees it. */
static simile_image_info thumbnail_of(simile_library *library, const char *name, size_t *len)
{
    void *bytes;
    size_t n;
    simile_image *picture;
    assert_ok(simile_library_thumbnail(library, item_id(library, name), &bytes, &n, &err));
    assert_ok(simile_image_decode(bytes, n, NULL, &picture, &err));
    const simile_image_info info = *simile_image_get_info(picture);
    assert_string_equal(info.format, "webp");
    simile_image_free(picture);
    simile_free(bytes);
    if (len) *len = n;
    return (simile_image_info){.width = info.width, .height = info.height};
}

static void assert_size(simile_library *library, const char *name, int width, int height)
{
    const simile_image_info info = thumbnail_of(library, name, NULL);
    assert_int_equal(info.width, width);
    assert_int_equal(info.height, height);
}

/* How many the file holds; -1: there is no file. */
static int count_hash(void *user, const uint8_t hash[DIGEST_SIZE])
{
    ++*(int *)user;
    return 0;
}

static int kept(void)
{
    thumbs *t;
    int n = 0;
    if (!file_exists(thumbs_path)) return -1;
    assert_ok(thumbs_open(thumbs_path, true, true, &t, &err));
    assert_ok(thumbs_each(t, count_hash, &n, &err));
    thumbs_close(t);
    return n;
}

static void indexing_makes_them(void **state)
{
    simile_library *library = open_library();
    draw_sized("wide.ppm", 640, 100, 1);
    draw_sized("tall.ppm", 300, 900, 2);
    draw_sized("small.ppm", 33, 21, 3);
    draw_sized("thread.ppm", 2000, 1, 4);
    draw_sized("twin.ppm", 640, 100, 5);
    write_bytes(in_pictures("bad.png"), "bad", 3, 1);
    add_all(library);
    assert_int_equal(kept(), 4); /* the twins share one */
    struct stat facts;
    assert_int_equal(stat(thumbs_path, &facts), 0);
    for (int i = 0; i < 2; i++) { /* the second time without the files */
        assert_size(library, "wide.ppm", 320, 50);
        assert_size(library, "twin.ppm", 320, 50);
        assert_size(library, "tall.ppm", 107, 320);
        assert_size(library, "small.ppm", 33, 21);
        assert_size(library, "thread.ppm", 320, 1);
        if (!i) remove_tree(lab.pictures);
    }
    simile_library_close(library);
}

static void noise_stays_small(void **state)
{
    enum { WIDTH = 800, HEIGHT = 800 };
    simile_library *library = open_library();
    char *bytes = mem_alloc(WIDTH * HEIGHT * 3 + 32);
    const int head = snprintf(bytes, 32, "P6\n%d %d\n255\n", WIDTH, HEIGHT);
    unsigned seed = 1;
    size_t len;
    for (size_t i = 0; i < WIDTH * HEIGHT * 3; i++)
        bytes[(size_t)head + i] = (char)((seed = seed * 1664525u + 1013904223u) >> 24);
    write_bytes(in_pictures("noise.ppm"), bytes, (size_t)head + WIDTH * HEIGHT * 3, 1);
    mem_free(bytes);
    add_all(library);
    thumbnail_of(library, "noise.ppm", &len);
    assert_true(len < 48 << 10);
    simile_library_close(library);
}

static void a_picture_on_its_side_stands_upright(void **state)
{
    char path[512], *bytes;
    size_t len;
    simile_library *library = open_library();
    const simile_add_options stored = {.struct_size = sizeof stored, .ignore_orientation = 1};
    snprintf(path, sizeof path, "%s/image/o6.jpg", SIMILE_FIXTURES);
    assert_ok(file_read(path, 1 << 20, &bytes, &len, &err));
    write_bytes(in_pictures("o6.jpg"), bytes, len, 1);
    add_with(library, &stored);
    assert_int_equal(kept(), -1);
    assert_size(library, "o6.jpg", 48, 64);
    assert_ok(simile_library_remove(library, in_pictures("o6.jpg"), NULL, &err));
    add_all(library);
    assert_size(library, "o6.jpg", 48, 64);
    mem_free(bytes);
    simile_library_close(library);
}

static void one_that_is_missing_is_made_again(void **state)
{
    simile_library *library = open_library();
    const simile_add_options none = {.struct_size = sizeof none, .no_thumbnails = 1};
    draw_sized("a.ppm", 400, 200, 1);
    draw_sized("b.ppm", 200, 400, 2);
    add_with(library, &none);
    assert_int_equal(kept(), -1);
    assert_size(library, "a.ppm", 320, 160);
    assert_int_equal(kept(), 1);
    simile_library_close(library);
    unlink(thumbs_path);
    library = open_library();
    assert_size(library, "b.ppm", 160, 320);
    assert_int_equal(kept(), 1);
    simile_library_close(library);
    /* Read-only: made, but not kept. */
    const simile_library_options reading = {.struct_size = sizeof reading, .read_only = 1};
    assert_ok(simile_library_open(lab.catalog, NULL, &reading, &library, &err));
    assert_size(library, "a.ppm", 320, 160);
    assert_size(library, "b.ppm", 160, 320);
    assert_int_equal(kept(), 1);
    simile_library_close(library);
}

static void what_has_none_says_so(void **state)
{
    simile_library *library = open_library();
    const simile_add_options none = {.struct_size = sizeof none, .no_thumbnails = 1};
    const char *text = "two dogs";
    void *bytes = &bytes;
    size_t len;
    draw_sized("a.ppm", 400, 200, 1);
    draw_sized("b.ppm", 400, 201, 1);
    write_bytes(in_pictures("bad.png"), "bad", 3, 1);
    add_with(library, &none);
    assert_ok(simile_library_add_texts(library, lab.encoder, &text, 1, NULL, NULL, &err));
    assert_fails(simile_library_thumbnail(library, 99, &bytes, &len, &err), SIMILE_E_NOT_FOUND);
    assert_null(bytes);
    assert_fails(simile_library_thumbnail(library, 4, &bytes, &len, &err), SIMILE_E_NOT_FOUND);
    assert_fails(simile_library_thumbnail(library, item_id(library, "bad.png"), &bytes, &len, &err), SIMILE_E_FORMAT);
    unlink(in_pictures("a.ppm"));
    assert_fails(simile_library_thumbnail(library, item_id(library, "a.ppm"), &bytes, &len, &err), SIMILE_E_NOT_FOUND);
    draw_sized("b.ppm", 10, 10, 1);
    assert_fails(simile_library_thumbnail(library, item_id(library, "b.ppm"), &bytes, &len, &err), SIMILE_E_NOT_FOUND);
    assert_fails(simile_library_thumbnail(NULL, 1, &bytes, &len, &err), SIMILE_E_ARG);
    assert_fails(simile_library_thumbnail(library, 1, NULL, &len, &err), SIMILE_E_ARG);
    assert_int_equal(kept(), -1);
    simile_library_close(library);
}

static void they_go_with_the_last_item_that_needs_them(void **state)
{
    char moved[128];
    simile_library *library = open_library();
    draw_sized("a.ppm", 400, 200, 1);
    draw_sized("twin.ppm", 400, 200, 1);
    draw_sized("b.ppm", 30, 20, 1);
    draw_sized("c.ppm", 20, 20, 1);
    draw_sized("d.ppm", 10, 20, 1);
    add_all(library);
    assert_int_equal(kept(), 4);
    assert_ok(simile_library_remove(library, in_pictures("a.ppm"), NULL, &err));
    assert_int_equal(kept(), 4);
    assert_ok(simile_library_remove_id(library, item_id(library, "twin.ppm"), &err));
    assert_int_equal(kept(), 3);
    unlink(in_pictures("a.ppm"));
    unlink(in_pictures("twin.ppm"));
    unlink(in_pictures("b.ppm"));   /* gone */
    draw_sized("c.ppm", 21, 21, 2); /* changed */
    snprintf(moved, sizeof moved, "%s", in_pictures("e.ppm"));
    assert_int_equal(rename(in_pictures("d.ppm"), moved), 0); /* moved */
    const simile_add_report report = add_all(library);
    assert_int_equal(report.removed, 1);
    assert_int_equal(report.updated, 1);
    assert_int_equal(report.moved, 1);
    assert_int_equal(kept(), 2);
    assert_ok(simile_library_remove(library, lab.pictures, NULL, &err));
    assert_int_equal(kept(), 0);
    simile_library_close(library);
}

/* ---- a file that cannot be used ---- */

static void a_file_of_somebody_else_is_left_alone(void **state)
{
    static const char words[] = "these are my notes about thumbs, and nobody else's; please leave them as they are";
    simile_library *library = open_library();
    char *bytes;
    size_t len;
    write_bytes(thumbs_path, words, sizeof words, 1);
    draw_sized("a.ppm", 400, 200, 1);
    assert_int_equal(add_all(library).added, 1);
    assert_size(library, "a.ppm", 320, 160);
    assert_ok(simile_library_remove(library, lab.pictures, NULL, &err));
    simile_library_close(library);
    assert_ok(file_read(thumbs_path, 1 << 20, &bytes, &len, &err));
    assert_int_equal(len, sizeof words);
    assert_memory_equal(bytes, words, len);
    mem_free(bytes);
}

static void a_damaged_file_is_begun_anew(void **state)
{
    simile_library *library = open_library();
    char *bytes;
    size_t len;
    char name[32];
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "%02d.ppm", i);
        draw_sized(name, 300 + i, 200, i);
    }
    add_all(library);
    assert_int_equal(kept(), 12);
    simile_library_close(library);
    assert_ok(file_read(thumbs_path, 1 << 22, &bytes, &len, &err));
    memset(bytes + 200, 0x55, len - 200); /* the first page with the tables, and all others */
    write_bytes(thumbs_path, bytes, len, 1);
    mem_free(bytes);
    library = open_library();
    draw_sized("new.ppm", 500, 500, 50);
    assert_int_equal(add_all(library).added, 1);
    assert_size(library, "new.ppm", 320, 320);
    assert_size(library, "03.ppm", 303, 200);
    assert_int_equal(kept(), 2);
    simile_library_close(library);
}

/* The head is whole, the rows are not: it shows when one is read. */
static void damage_that_shows_late_is_thrown_away_too(void **state)
{
    simile_library *library = open_library();
    char *bytes;
    size_t len;
    char name[32];
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "%02d.ppm", i);
        draw_sized(name, 300 + i, 200, i);
    }
    add_all(library);
    simile_library_close(library);
    assert_ok(file_read(thumbs_path, 1 << 22, &bytes, &len, &err));
    memset(bytes + 4096, 0xff, len - 4096);
    write_bytes(thumbs_path, bytes, len, 1);
    mem_free(bytes);
    library = open_library();
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "%02d.ppm", i);
        assert_size(library, name, 300 + i, 200);
    }
    assert_int_equal(kept(), 12);
    simile_library_close(library);
}

/* ---- checking ---- */

static void note_problem(void *user, int64_t id, const char *path, const char *problem)
{
    assert_int_equal(id, 0);
    assert_non_null(path);
    assert_true(strlen(path) > 7 && !strcmp(path + strlen(path) - 7, "-thumbs"));
    assert_true(strlen(problem) > 10);
    ++*(int *)user;
}

static int64_t problems(void)
{
    simile_library *library = open_library();
    simile_verify_report report;
    int told = 0;
    assert_ok(simile_library_verify(library, 0, note_problem, NULL, &told, &report, &err));
    simile_library_close(library);
    assert_int_equal(told, report.problems);
    return report.problems;
}

/* Overwrites bytes of the file from `at` on. */
static void spoil(size_t at, size_t most)
{
    char *bytes;
    size_t len;
    assert_ok(file_read(thumbs_path, 1 << 22, &bytes, &len, &err));
    memset(bytes + at, 0x55, len - at < most ? len - at : most);
    write_bytes(thumbs_path, bytes, len, 1);
    mem_free(bytes);
}

static void verifying_looks_at_them(void **state)
{
    static const char words[] = "some other file, which is nobody's thumbnails";
    simile_library *library = open_library();
    char name[32];
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "%02d.ppm", i);
        draw_sized(name, 300 + i, 200, i);
    }
    add_all(library);
    assert_int_equal(problems(), 0); /* while another one has them open */
    simile_library_close(library);
    thumbs *t;
    uint8_t hash[DIGEST_SIZE] = {7};
    uint8_t image[300] = "RIFF\x24\x01\0\0WEBP";
    assert_ok(thumbs_open(thumbs_path, false, true, &t, &err));
    assert_ok(thumbs_begin(t, &err));
    assert_ok(thumbs_put(t, hash, image, sizeof image, &err));
    assert_ok(thumbs_commit(t, &err));
    thumbs_close(t);
    assert_int_equal(problems(), 0);
    spoil(4096, SIZE_MAX); /* the rows */
    assert_true(problems() > 0);
    spoil(200, SIZE_MAX); /* and the tables */
    assert_int_equal(problems(), 1);
    write_bytes(thumbs_path, words, sizeof words, 1);
    assert_int_equal(problems(), 1);
    write_bytes(thumbs_path, words, 0, 1); /* made, and not yet begun */
    assert_int_equal(problems(), 0);
    assert_int_equal(unlink(thumbs_path), 0);
    assert_int_equal(problems(), 0);
}

/* ---- many at once ---- */

static void *ask_for_all(void *user)
{
    simile_library *library = user;
    for (int64_t id = 1; id <= 6; id++) {
        void *bytes;
        size_t len;
        if (simile_library_thumbnail(library, id, &bytes, &len, NULL)) return library;
        simile_free(bytes);
    }
    return NULL;
}

static void any_number_of_threads_may_ask(void **state)
{
    simile_library *library = open_library();
    const simile_add_options none = {.struct_size = sizeof none, .no_thumbnails = 1};
    pthread_t threads[4];
    char name[32];
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "%d.ppm", i);
        draw_sized(name, 330 + i, 200, i);
    }
    add_with(library, &none);
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, ask_for_all, library), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(kept(), 6);
    simile_library_close(library);
}

#define thumbnail_test(name) cmocka_unit_test_setup_teardown(name, open_bench, bench_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        thumbnail_test(indexing_makes_them),
        thumbnail_test(noise_stays_small),
        thumbnail_test(a_picture_on_its_side_stands_upright),
        thumbnail_test(one_that_is_missing_is_made_again),
        thumbnail_test(what_has_none_says_so),
        thumbnail_test(they_go_with_the_last_item_that_needs_them),
        thumbnail_test(a_file_of_somebody_else_is_left_alone),
        thumbnail_test(a_damaged_file_is_begun_anew),
        thumbnail_test(damage_that_shows_late_is_thrown_away_too),
        thumbnail_test(verifying_looks_at_them),
        thumbnail_test(any_number_of_threads_may_ask),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bench_forget_model();
    return failed;
}
