/* SPDX-License-Identifier: Apache-2.0
 * test_duplicates.c - simile_library_duplicates on drawn pictures and on vectors written by hand. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "help.h"

#include "base/digest.h"
#include "base/mem.h"
#include "store/catalog.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

typedef struct {
    char text[512];
    int left; /* calls until it ends the listing; 0: never */
} written;

static int write_group(void *user, const simile_group *group)
{
    written *w = user;
    assert_true(group->n >= 2);
    assert_true(group->similarity[0] == 100);
    for (size_t i = 0; i < group->n; i++) {
        const size_t n = strlen(w->text);
        snprintf(w->text + n, sizeof w->text - n, "%s%d:%.0f", i ? " " : "", (int)group->ids[i],
                 (double)group->similarity[i]);
        if (i > 1) assert_true(group->similarity[i] <= group->similarity[i - 1]);
    }
    strcat(w->text, " | ");
    return --w->left == 0;
}

static const char *grouped(simile_library *library, simile_duplicates_options options)
{
    static written w;
    w = (written){0};
    options.struct_size = sizeof options;
    assert_ok(simile_library_duplicates(library, &options, write_group, &w, &err));
    return w.text;
}

/* Pictures whose vectors lie on a circle, at these degrees: 1 at 0, 2 at 5, ... Width is 100, or as said. */
static const struct {
    const char *path;
    double degrees;
    int width;
} circle[] = {
    {"/p/a.jpg", 0, 100},   {"/p/b.jpg", 10, 200}, {"/p/c.jpg", 20, 100}, {"/q/d.jpg", 90, 100}, {"/q/e.jpg", 91, 100},
    {"/p/f.jpg", 180, 100}, {"/q/g.jpg", 30, 100}, {"/q/h.jpg", 270, 50}, {"/q/i.jpg", 270, 50},
};

static void write_circle(void)
{
    const int32_t dim = simile_model_get_info(lab.model)->dim;
    float *vector = mem_zero_array((size_t)dim, sizeof *vector);
    catalog *c;
    catalog_model model = {.dim = dim, .name = "m"};
    assert_ok(simile_model_digest(lab.model, model.digest, &err));
    assert_ok(catalog_open(lab.catalog, false, &c, &err));
    assert_ok(catalog_begin(c, &err));
    assert_ok(catalog_claim_model(c, &model, &err));
    for (size_t i = 0; i < sizeof circle / sizeof *circle; i++) {
        catalog_item item = {.path = circle[i].path,
                             .has_hash = true,
                             .size = 100 + (int64_t)i,
                             .taken = CATALOG_NO_DATE,
                             .width = circle[i].width,
                             .height = 100};
        vector[0] = (float)cos(circle[i].degrees * M_PI / 180);
        vector[1] = (float)sin(circle[i].degrees * M_PI / 180);
        digest_bytes(circle[i].path, strlen(circle[i].path), item.hash);
        assert_ok(catalog_put(c, &item, vector, dim, false, &err));
    }
    assert_ok(catalog_commit(c, &err));
    catalog_close(c);
    mem_free(vector);
}

static void groups_are_chains_of_what_is_alike(void **state)
{
    write_circle();
    simile_library *library = open_library();
    /* cos 10 = 0.985: 1-2-3-7 is a chain; 2 has the most pixels. 9 is the larger file of 8 and 9. */
    assert_string_equal(grouped(library, (simile_duplicates_options){.similarity = 98}),
                        "2:100 1:98 3:98 7:94 | 5:100 4:100 | 9:100 8:100 | ");
    assert_string_equal(grouped(library, (simile_duplicates_options){.similarity = 99}),
                        "5:100 4:100 | 9:100 8:100 | ");
    assert_string_equal(grouped(library, (simile_duplicates_options){.similarity = 100}), "9:100 8:100 | ");
    assert_string_equal(grouped(library, (simile_duplicates_options){0}), /* 96 */
                        "2:100 1:98 3:98 7:94 | 5:100 4:100 | 9:100 8:100 | ");
    simile_library_close(library);
}

static void groups_are_limited_to_a_folder_and_a_number(void **state)
{
    write_circle();
    simile_library *library = open_library();
    written w = {.left = 2};
    assert_string_equal(grouped(library, (simile_duplicates_options){.folder = "/p"}), "2:100 1:98 3:98 | ");
    assert_string_equal(grouped(library, (simile_duplicates_options){.folder = "/q/"}), "5:100 4:100 | 9:100 8:100 | ");
    assert_string_equal(grouped(library, (simile_duplicates_options){.folder = "/r"}), "");
    assert_string_equal(grouped(library, (simile_duplicates_options){.limit = 2}),
                        "2:100 1:98 3:98 7:94 | 5:100 4:100 | ");
    assert_ok(simile_library_duplicates(library, NULL, write_group, &w, &err));
    assert_string_equal(w.text, "2:100 1:98 3:98 7:94 | 5:100 4:100 | ");
    assert_ok(simile_library_remove_id(library, 2, &err));
    assert_string_equal(grouped(library, (simile_duplicates_options){.similarity = 98}),
                        "7:100 3:98 | 5:100 4:100 | 9:100 8:100 | ");
    simile_library_close(library);
}

static void equal_pictures_are_found_and_quarantined_ones_are_not(void **state)
{
    simile_library *library = open_library();
    assert_string_equal(grouped(library, (simile_duplicates_options){0}), "");
    draw(in_pictures("a.ppm"), 1, 1);
    draw(in_pictures("b.ppm"), 1, 2);
    write_bytes(in_pictures("c.png"), "bad", 3, 3);
    write_bytes(in_pictures("d.png"), "bad", 3, 3);
    add_all(library);
    assert_string_equal(grouped(library, (simile_duplicates_options){.similarity = 100}), "1:100 2:100 | ");
    simile_library_close(library);
}

typedef struct {
    int64_t done, total;
    int left;
} progress;

static int note_progress(void *user, int64_t done, int64_t total, const char *subject)
{
    progress *p = user;
    assert_true(done >= p->done);
    p->done = done;
    p->total = total;
    return --p->left == 0;
}

static void it_tells_its_progress_and_is_cancelled_or_refused(void **state)
{
    write_circle();
    simile_library *library = open_library();
    progress p = {0};
    written w = {0};
    simile_duplicates_options o = {.struct_size = sizeof o, .progress = note_progress, .user = &p};
    assert_ok(simile_library_duplicates(library, &o, write_group, &w, &err));
    assert_int_equal(p.done, 36);
    assert_int_equal(p.total, 36);
    for (int n = 1; n <= 2; n++) {
        p = (progress){.left = n};
        w = (written){0};
        assert_fails(simile_library_duplicates(library, &o, write_group, &w, &err), SIMILE_E_CANCELLED);
        assert_string_equal(w.text, "");
    }
    static const simile_duplicates_options wrong[] = {
        {.similarity = -1}, {.similarity = 100.5f}, {.limit = -1}, {.folder = "p"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        o = wrong[i];
        o.struct_size = sizeof o;
        assert_fails(simile_library_duplicates(library, &o, write_group, &w, &err), SIMILE_E_ARG);
    }
    assert_fails(simile_library_duplicates(library, NULL, NULL, NULL, &err), SIMILE_E_ARG);
    simile_library_close(library);
}

#define duplicates_test(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        duplicates_test(groups_are_chains_of_what_is_alike),
        duplicates_test(groups_are_limited_to_a_folder_and_a_number),
        duplicates_test(equal_pictures_are_found_and_quarantined_ones_are_not),
        duplicates_test(it_tells_its_progress_and_is_cancelled_or_refused),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bench_forget_model();
    return failed;
}
