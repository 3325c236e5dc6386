/* SPDX-License-Identifier: Apache-2.0
 * test_survey.c - files before they are indexed: simile_library_scan, and adding a period or the newest first. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "help.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdio.h>
#include <unistd.h>

enum { DAY = 86400 };
static const int64_t o1_date = 1614556798, o2_date = 1582934401; /* of the fixtures o1.jpg and o2.jpg */

static void copy_fixture(const char *name, const char *to, long mtime_s)
{
    char path[512], *bytes;
    size_t len;
    snprintf(path, sizeof path, "%s/image/%s", SIMILE_FIXTURES, name);
    assert_ok(file_read(path, 1 << 20, &bytes, &len, &err));
    write_bytes(in_pictures(to), bytes, len, mtime_s);
    mem_free(bytes);
}

static void draw_some(void)
{
    make_folder(in_pictures("sub"));
    draw(in_pictures("a.ppm"), 1, 10 * DAY);
    draw(in_pictures("b.ppm"), 2, 30 * DAY);
    copy_fixture("o1.jpg", "c.jpg", 5);
    copy_fixture("o2.jpg", "sub/d.jpg", 6);
    draw(in_pictures("sub/e.ppm"), 3, 20 * DAY);
    write_bytes(in_pictures("sub/f.png"), "no picture", 10, 40 * DAY);
    write_bytes(in_pictures("sub/notes.txt"), "notes", 5, 7);
}

typedef struct {
    char text[1024];
    int left; /* calls until it ends the scan; 0: never */
} written;

static int write_file(void *user, const simile_scanned *file)
{
    written *w = user;
    const size_t n = strlen(w->text);
    assert_memory_equal(file->path, lab.pictures, strlen(lab.pictures));
    assert_true(file->size > 0);
    snprintf(w->text + n, sizeof w->text - n, "%s%s%s ", file->path + strlen(lab.pictures) + 1, file->known ? "+" : "",
             file->status ? "!" : "");
    return --w->left == 0;
}

static const char *scanned(simile_library *library, simile_scan_options options)
{
    static written w;
    const char *path = lab.pictures;
    w = (written){0};
    options.struct_size = sizeof options;
    assert_ok(simile_library_scan(library, &path, 1, &options, write_file, &w, &err));
    return w.text;
}

static void a_scan_tells_what_is_known(void **state)
{
    simile_library *library = open_library();
    draw_some();
    assert_string_equal(scanned(library, (simile_scan_options){0}), "a.ppm b.ppm c.jpg sub/d.jpg sub/e.ppm sub/f.png ");
    simile_stats stats;
    assert_ok(simile_library_get_stats(library, &stats, &err));
    assert_int_equal(stats.images + stats.quarantined, 0);
    add_all(library);
    draw(in_pictures("new.ppm"), 7, 8);
    draw(in_pictures("b.ppm"), 2, 31 * DAY);
    unlink(in_pictures("a.ppm"));
    assert_string_equal(scanned(library, (simile_scan_options){0}),
                        "b.ppm c.jpg+ new.ppm sub/d.jpg+ sub/e.ppm+ sub/f.png+! ");
    simile_library_close(library);
}

typedef struct {
    int64_t dates[8];
    int n;
} dates;

static int note_date(void *user, const simile_scanned *file)
{
    dates *d = user;
    d->dates[d->n++] = file->date;
    return 0;
}

static int compare_date(void *user, const simile_item *item)
{
    dates *d = user;
    assert_true(d->dates[d->n++] == item->date);
    return 0;
}

static void dates_are_the_same_before_and_afterwards(void **state)
{
    simile_library *library = open_library();
    dates before = {0}, after = {0};
    const char *path = lab.pictures;
    draw_some();
    assert_ok(simile_library_scan(library, &path, 1, NULL, note_date, &before, &err));
    assert_int_equal(before.n, 6);
    assert_true(before.dates[0] == 10 * DAY && before.dates[2] == o1_date && before.dates[3] == o2_date);
    add_all(library);
    assert_ok(simile_library_scan(library, &path, 1, NULL, note_date, &after, &err));
    assert_memory_equal(&before, &after, sizeof before);
    const simile_filter all = {.struct_size = sizeof all, .status = SIMILE_ANY, .order = SIMILE_ORDER_PATH};
    before.n = 0;
    assert_ok(simile_library_list(library, &all, compare_date, &before, NULL, &err));
    assert_int_equal(before.n, 6);
    simile_library_close(library);
}

static void a_scan_is_of_a_period_or_ended(void **state)
{
    simile_library *library = open_library();
    written w = {.left = 2};
    const char *path = lab.pictures, *twice[2] = {NULL, lab.pictures}, *missing = "/nonexistent/x";
    char sub[128];
    draw_some();
    snprintf(sub, sizeof sub, "%s", in_pictures("sub"));
    twice[0] = sub;
    assert_string_equal(scanned(library, (simile_scan_options){.has_before = 1, .before = 20 * DAY}), "a.ppm ");
    assert_string_equal(scanned(library, (simile_scan_options){.has_after = 1, .after = o2_date}), "c.jpg sub/d.jpg ");
    assert_string_equal(
        scanned(library, (simile_scan_options){.has_after = 1, .after = 20 * DAY, .has_before = 1, .before = 30 * DAY}),
        "sub/e.ppm ");
    assert_ok(simile_library_scan(library, &path, 1, NULL, write_file, &w, &err));
    assert_string_equal(w.text, "a.ppm b.ppm ");
    w = (written){0};
    assert_ok(simile_library_scan(library, twice, 2, NULL, write_file, &w, &err));
    assert_string_equal(w.text, "a.ppm b.ppm c.jpg sub/d.jpg sub/e.ppm sub/f.png ");
    assert_fails(simile_library_scan(library, &missing, 1, NULL, write_file, &w, &err), SIMILE_E_NOT_FOUND);
    assert_fails(simile_library_scan(library, &path, 0, NULL, write_file, &w, &err), SIMILE_E_ARG);
    assert_fails(simile_library_scan(library, &path, 1, NULL, NULL, NULL, &err), SIMILE_E_ARG);
    simile_library_close(library);
}

static int stop_at(void *user, int64_t done, int64_t total, const char *subject)
{
    int *left = user;
    return (*left)-- == 0;
}

static void a_scan_can_be_cancelled(void **state)
{
    simile_library *library = open_library();
    const char *path = lab.pictures;
    written w = {0};
    int left = 0;
    const simile_scan_options options = {.struct_size = sizeof options, .progress = stop_at, .user = &left};
    draw_some();
    assert_fails(simile_library_scan(library, &path, 1, &options, write_file, &w, &err), SIMILE_E_CANCELLED);
    left = 1; /* not while folders are looked through, but then */
    assert_fails(simile_library_scan(library, &path, 1, &options, write_file, &w, &err), SIMILE_E_CANCELLED);
    assert_string_equal(w.text, "");
    simile_library_close(library);
}

/* ---- adding ---- */

static int write_item(void *user, const simile_item *item)
{
    written *w = user;
    const size_t n = strlen(w->text);
    snprintf(w->text + n, sizeof w->text - n, "%d:%s ", (int)item->id, strrchr(item->path, '/') + 1);
    return 0;
}

static void assert_items(simile_library *library, const char *expected)
{
    written w = {0};
    assert_ok(simile_library_each(library, write_item, &w, &err));
    assert_string_equal(w.text, expected);
}

static void the_newest_can_come_first(void **state)
{
    simile_library *library = open_library();
    const simile_add_options options = {.struct_size = sizeof options, .newest_first = 1, .batch = 2};
    draw_some();
    draw(in_pictures("sub/z.ppm"), 9, 10 * DAY); /* as old as a.ppm: then by path */
    const simile_add_report report = add_with(library, &options);
    assert_int_equal(report.found, 7);
    assert_int_equal(report.added, 6);
    assert_items(library, "1:c.jpg 2:d.jpg 3:f.png 4:b.ppm 5:e.ppm 6:a.ppm 7:z.ppm ");
    assert_int_equal(add_with(library, &options).unchanged, 7);
    simile_library_close(library);
}

static void a_period_leaves_the_rest_as_it_is(void **state)
{
    simile_library *library = open_library();
    const simile_add_options all = {.struct_size = sizeof all};
    simile_add_options options = {
        .struct_size = sizeof options, .has_after = 1, .after = 20 * DAY, .has_before = 1, .before = 31 * DAY};
    draw_some();
    simile_add_report report = add_with(library, &options);
    assert_int_equal(report.found, 2);
    assert_int_equal(report.added, 2);
    assert_items(library, "1:b.ppm 2:e.ppm ");
    assert_int_equal(add_with(library, &all).added, 3);
    assert_items(library, "1:b.ppm 2:e.ppm 3:a.ppm 4:c.jpg 5:d.jpg 6:f.png ");
    /* Outside: a changed file is not read, one that is there is not missed; one that is gone is forgotten. */
    draw(in_pictures("a.ppm"), 77, 11 * DAY);
    unlink(in_pictures("c.jpg"));
    report = add_with(library, &options);
    assert_int_equal(report.found, 2);
    assert_int_equal(report.unchanged, 2);
    assert_int_equal(report.updated, 0);
    assert_int_equal(report.removed, 1);
    assert_items(library, "1:b.ppm 2:e.ppm 3:a.ppm 5:d.jpg 6:f.png ");
    options.has_before = 0;
    options.after = INT64_MAX;
    report = add_with(library, &options);
    assert_int_equal(report.found + report.removed, 0);
    simile_library_close(library);
}

#define survey_test(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        survey_test(a_scan_tells_what_is_known),     survey_test(dates_are_the_same_before_and_afterwards),
        survey_test(a_scan_is_of_a_period_or_ended), survey_test(a_scan_can_be_cancelled),
        survey_test(the_newest_can_come_first),      survey_test(a_period_leaves_the_rest_as_it_is),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bench_forget_model();
    return failed;
}
