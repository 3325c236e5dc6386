/* SPDX-License-Identifier: Apache-2.0
 * test_listing.c - what is in a catalogue through simile.h: filters, orders, months, folders, one item, its vector. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "help.h"

#include "base/mem.h"

#include <stdio.h>
#include <sys/stat.h>

enum { DAY = 86400 };

/* 1 a.ppm 2 b.ppm 3 bad.png! 4 sub/c.ppm 5 sub/deep/d.ppm; texts 6 and 7. */
static simile_library *open_filled(void)
{
    simile_library *library = open_library();
    const char *const texts[2] = {"two dogs", "a cat"};
    make_folder(in_pictures("sub"));
    make_folder(in_pictures("sub/deep"));
    draw(in_pictures("a.ppm"), 1, 40 * DAY);
    draw(in_pictures("b.ppm"), 2, 20 * DAY);
    draw(in_pictures("sub/c.ppm"), 3, 41 * DAY);
    draw(in_pictures("sub/deep/d.ppm"), 4, 400 * DAY);
    write_bytes(in_pictures("bad.png"), "bad", 3, DAY);
    add_all(library);
    assert_ok(simile_library_add_texts(library, lab.encoder, texts, 2, NULL, NULL, &err));
    return library;
}

typedef struct {
    char text[512];
    int left; /* calls until it ends the listing; 0: never */
    simile_library *library;
} written;

static int write_item(void *user, const simile_item *item)
{
    written *w = user;
    const size_t n = strlen(w->text);
    const char *name = item->path ? strrchr(item->path, '/') + 1 : item->text;
    snprintf(w->text + n, sizeof w->text - n, "%d:%s ", (int)item->id, name);
    if (item->path) assert_int_equal(item->date, item->mtime_ns / 1000000000);
    return --w->left == 0;
}

static const char *listed(simile_library *library, simile_filter filter, int64_t total)
{
    static written w;
    int64_t counted = -1;
    w = (written){0};
    filter.struct_size = sizeof filter;
    assert_ok(simile_library_list(library, &filter, write_item, &w, &counted, &err));
    assert_int_equal(counted, total);
    return w.text;
}

static void a_filter_chooses_and_orders(void **state)
{
    simile_library *library = open_filled();
    char below[128];
    snprintf(below, sizeof below, "%s/../p/sub/", lab.pictures);
    assert_string_equal(listed(library, (simile_filter){0}, 4), "1:a.ppm 2:b.ppm 4:c.ppm 5:d.ppm ");
    assert_string_equal(listed(library, (simile_filter){.order = SIMILE_ORDER_NEWEST}, 4),
                        "5:d.ppm 4:c.ppm 1:a.ppm 2:b.ppm ");
    assert_string_equal(listed(library, (simile_filter){.order = SIMILE_ORDER_OLDEST, .limit = 2, .offset = 1}, 4),
                        "1:a.ppm 4:c.ppm ");
    assert_string_equal(listed(library, (simile_filter){.folder = below}, 2), "4:c.ppm 5:d.ppm ");
    assert_string_equal(listed(library, (simile_filter){.glob = "[ab].ppm", .has_after = 1, .after = 30 * DAY}, 1),
                        "1:a.ppm ");
    assert_string_equal(listed(library, (simile_filter){.has_before = 1, .before = 40 * DAY}, 1), "2:b.ppm ");
    assert_string_equal(listed(library, (simile_filter){.status = SIMILE_ITEM_QUARANTINED}, 1), "3:bad.png ");
    assert_string_equal(listed(library, (simile_filter){.kind = SIMILE_KIND_TEXT}, 2), "6:two dogs 7:a cat ");
    assert_string_equal(
        listed(library, (simile_filter){.kind = SIMILE_ANY, .status = SIMILE_ANY, .order = SIMILE_ORDER_PATH}, 7),
        "6:two dogs 7:a cat 1:a.ppm 2:b.ppm 3:bad.png 4:c.ppm 5:d.ppm ");
    assert_string_equal(listed(library, (simile_filter){.folder = "/nowhere"}, 0), "");
    simile_library_close(library);
}

static void a_listing_is_ended_counted_or_refused(void **state)
{
    simile_library *library = open_filled();
    simile_filter filter = {.struct_size = sizeof filter};
    written w = {.left = 2};
    int64_t total;
    assert_ok(simile_library_list(library, NULL, write_item, &w, NULL, &err));
    assert_string_equal(w.text, "1:a.ppm 2:b.ppm ");
    assert_ok(simile_library_list(library, NULL, NULL, NULL, &total, &err));
    assert_int_equal(total, 4);
    assert_fails(simile_library_list(library, NULL, NULL, NULL, NULL, &err), SIMILE_E_ARG);
    assert_fails(simile_library_list(NULL, NULL, write_item, &w, NULL, &err), SIMILE_E_ARG);
    static const simile_filter wrong[] = {{.kind = 2},   {.status = -2}, {.order = 4},
                                          {.limit = -1}, {.offset = -1}, {.folder = "relative"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        filter = wrong[i];
        filter.struct_size = sizeof filter;
        assert_fails(simile_library_list(library, &filter, write_item, &w, &total, &err), SIMILE_E_ARG);
        assert_int_equal(total, 0);
    }
    char longest[4096];
    memset(longest, '*', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    filter = (simile_filter){.struct_size = sizeof filter, .glob = longest};
    assert_fails(simile_library_list(library, &filter, write_item, &w, NULL, &err), SIMILE_E_LIMIT);
    simile_library_close(library);
}

/* What a callback asks for is answered, and what it forgets is still told: the listing is of one moment. */
static int find_and_forget(void *user, const simile_item *item)
{
    written *w = user;
    written one = {0};
    assert_ok(simile_library_find(w->library, item->id, write_item, &one, &err));
    strcat(w->text, one.text);
    if (item->id == 1) assert_ok(simile_library_remove_id(w->library, 2, &err));
    if (item->id == 2) strcat(w->text, "(gone) ");
    return item->id == 1 || item->id == 2 ? 0 : 1;
}

static int only_count(void *user, const simile_item *item)
{
    ++*(int *)user;
    return 0;
}

static void a_callback_may_call_the_library(void **state)
{
    simile_library *library = open_filled();
    written w = {.library = library};
    const simile_filter filter = {.struct_size = sizeof filter, .glob = "[a].ppm"};
    int n = 0;
    assert_ok(simile_library_list(library, &filter, find_and_forget, &w, NULL, &err));
    assert_string_equal(w.text, "1:a.ppm ");
    assert_ok(simile_library_list(library, NULL, only_count, &n, NULL, &err));
    assert_int_equal(n, 3);
    assert_fails(simile_library_find(library, 2, write_item, &w, &err), SIMILE_E_NOT_FOUND);
    simile_library_close(library);
}

static void one_item_is_found_or_forgotten_by_its_id(void **state)
{
    simile_library *library = open_filled();
    written w = {0};
    assert_ok(simile_library_find(library, 7, write_item, &w, &err));
    assert_ok(simile_library_find(library, 3, write_item, &w, &err));
    assert_string_equal(w.text, "7:a cat 3:bad.png ");
    assert_fails(simile_library_find(library, 8, write_item, &w, &err), SIMILE_E_NOT_FOUND);
    assert_fails(simile_library_find(library, -1, write_item, &w, &err), SIMILE_E_NOT_FOUND);
    assert_fails(simile_library_find(library, 1, NULL, NULL, &err), SIMILE_E_ARG);
    assert_ok(simile_library_remove_id(library, 7, &err));
    assert_fails(simile_library_remove_id(library, 7, &err), SIMILE_E_NOT_FOUND);
    assert_fails(simile_library_find(library, 7, write_item, &w, &err), SIMILE_E_NOT_FOUND);
    assert_fails(simile_library_remove_id(NULL, 1, &err), SIMILE_E_ARG);
    struct stat facts;
    assert_ok(simile_library_remove_id(library, 1, &err));
    assert_int_equal(stat(in_pictures("a.ppm"), &facts), 0);
    simile_library_close(library);
}

static int write_period(void *user, int32_t year, int32_t month, int64_t count)
{
    written *w = user;
    const size_t n = strlen(w->text);
    snprintf(w->text + n, sizeof w->text - n, "%d-%02d:%d ", year, month, (int)count);
    return --w->left == 0;
}

static int write_folder(void *user, const char *folder, int64_t count)
{
    written *w = user;
    const size_t n = strlen(w->text);
    assert_memory_equal(folder, lab.pictures, strlen(lab.pictures));
    snprintf(w->text + n, sizeof w->text - n, "%s:%d ", folder + strlen(lab.pictures), (int)count);
    return --w->left == 0;
}

static void months_and_folders_are_counted(void **state)
{
    simile_library *library = open_filled();
    written w = {0};
    assert_ok(simile_library_periods(library, NULL, write_period, &w, &err));
    assert_string_equal(w.text, "1971-02:1 1970-02:2 1970-01:1 ");
    const simile_filter below = {.struct_size = sizeof below, .folder = in_pictures("sub")};
    w = (written){.left = 1};
    assert_ok(simile_library_periods(library, &below, write_period, &w, &err));
    assert_string_equal(w.text, "1971-02:1 ");
    w = (written){0};
    assert_ok(simile_library_folders(library, NULL, write_folder, &w, &err));
    assert_string_equal(w.text, ":2 /sub:1 /sub/deep:1 ");
    const simile_filter february = {
        .struct_size = sizeof february, .has_after = 1, .after = 31 * DAY, .has_before = 1, .before = 59 * DAY};
    w = (written){0};
    assert_ok(simile_library_folders(library, &february, write_folder, &w, &err));
    assert_string_equal(w.text, ":1 /sub:1 ");
    assert_fails(simile_library_periods(library, NULL, NULL, NULL, &err), SIMILE_E_ARG);
    assert_fails(simile_library_folders(library, NULL, NULL, NULL, &err), SIMILE_E_ARG);
    simile_library_close(library);
}

static void a_vector_is_the_stored_one(void **state)
{
    simile_library *library = open_filled();
    const int32_t dim = simile_model_get_info(lab.model)->dim;
    float *stored = mem_array((size_t)dim, sizeof *stored), *got = mem_array((size_t)dim + 1, sizeof *got);
    assert_true(item_vector(lab.catalog, 4, stored));
    assert_ok(simile_library_get_vector(library, 4, got, dim, &err));
    assert_memory_equal(got, stored, (size_t)dim * sizeof *got);
    assert_fails(simile_library_get_vector(library, 4, got, dim + 1, &err), SIMILE_E_ARG);
    assert_fails(simile_library_get_vector(library, 4, got, 0, &err), SIMILE_E_ARG);
    assert_fails(simile_library_get_vector(library, 3, got, dim, &err), SIMILE_E_NOT_FOUND);
    assert_fails(simile_library_get_vector(library, 99, got, dim, &err), SIMILE_E_NOT_FOUND);
    assert_fails(simile_library_get_vector(library, 4, NULL, dim, &err), SIMILE_E_ARG);
    mem_free(stored);
    mem_free(got);
    simile_library_close(library);
}

#define listing_test(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        listing_test(a_filter_chooses_and_orders),     listing_test(a_listing_is_ended_counted_or_refused),
        listing_test(a_callback_may_call_the_library), listing_test(one_item_is_found_or_forgotten_by_its_id),
        listing_test(months_and_folders_are_counted),  listing_test(a_vector_is_the_stored_one),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bench_forget_model();
    return failed;
}
