/* SPDX-License-Identifier: Apache-2.0
 * test_library.c - catalogues through simile.h: opening, texts, facts, listing, forgetting, verifying. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "help.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sqlite3.h>

static simile_library *open_filled(void)
{
    simile_library *library = open_library();
    const char *const texts[2] = {"two dogs", "a cat"};
    make_folder(in_pictures("sub"));
    draw(in_pictures("a.ppm"), 1, 1000);
    draw(in_pictures("b.ppm"), 2, 2000);
    draw(in_pictures("sub/c.ppm"), 3, 3000);
    write_bytes(in_pictures("bad.png"), "bad", 3, 1);
    add_all(library);
    assert_ok(simile_library_add_texts(library, lab.encoder, texts, 2, NULL, NULL, &err));
    return library;
}

static void a_catalogue_is_opened_created_or_refused(void **state)
{
    simile_library *library;
    const simile_library_options reading = {.struct_size = sizeof reading, .read_only = 1};
    assert_fails(simile_library_open(lab.catalog, NULL, &reading, &library, &err), SIMILE_E_NOT_FOUND);
    assert_null(library);
    assert_fails(simile_library_open("", NULL, NULL, &library, &err), SIMILE_E_ARG);
    assert_fails(simile_library_open("/nonexistent/c.simile", NULL, NULL, &library, &err), SIMILE_E_NOT_FOUND);
    write_bytes(lab.catalog, "this is not a database, but long enough to be looked at as one", 62, 1);
    assert_fails(simile_library_open(lab.catalog, NULL, NULL, &library, &err), SIMILE_E_FORMAT);
    unlink(lab.catalog);
    assert_ok(simile_library_open(lab.catalog, NULL, NULL, &library, &err));
    simile_stats stats;
    assert_ok(simile_library_get_stats(library, &stats, &err));
    assert_int_equal(stats.images + stats.texts + stats.quarantined, 0);
    assert_int_equal(stats.dim, 0);
    assert_string_equal(stats.model_digest, "");
    simile_library_close(library);
    assert_ok(simile_library_open(lab.catalog, lab.model, &reading, &library, &err));
    const char *path = lab.pictures;
    assert_fails(simile_library_add(library, lab.encoder, &path, 1, NULL, NULL, &err), SIMILE_E_ARG);
    assert_fails(simile_library_remove(library, path, NULL, &err), SIMILE_E_ARG);
    simile_library_close(library);
}

static void nothing_but_the_catalogue_stays_behind(void **state)
{
    char other[128];
    simile_library_close(open_filled());
    static const char *const endings[] = {"-wal", "-shm", "-lock"};
    for (int i = 0; i < 3; i++) {
        snprintf(other, sizeof other, "%s%s", lab.catalog, endings[i]);
        assert_int_not_equal(access(other, F_OK), 0);
    }
}

static void the_facts_are_those_of_the_catalogue(void **state)
{
    simile_library *library = open_filled();
    simile_stats stats;
    char digest_text[65];
    assert_ok(simile_library_get_stats(library, &stats, &err));
    assert_int_equal(stats.images, 3);
    assert_int_equal(stats.texts, 2);
    assert_int_equal(stats.quarantined, 1);
    assert_int_equal(stats.dim, simile_model_get_info(lab.model)->dim);
    assert_string_equal(stats.model_name, "tiny-quick");
    assert_ok(simile_model_digest(lab.model, digest_text, &err));
    assert_string_equal(stats.model_digest, digest_text);
    assert_int_equal(stats.schema, 2);
    assert_true(stats.bytes > 0);
    simile_library_close(library);
}

typedef struct {
    char text[2048];
    int left;
} listing;

static int list_item(void *user, const simile_item *item)
{
    listing *l = user;
    const char *name = item->path ? strrchr(item->path, '/') + 1 : item->text;
    const size_t n = strlen(l->text);
    assert_int_equal(strlen(item->hash), 64);
    assert_int_equal(!item->path, item->kind == SIMILE_KIND_TEXT);
    assert_int_equal(!item->reason, item->status == SIMILE_ITEM_OK);
    if (item->path && item->status == SIMILE_ITEM_OK) assert_true(item->width == 40 && item->height == 30);
    snprintf(l->text + n, sizeof l->text - n, "%d:%s%s ", (int)item->id, name, item->status ? "!" : "");
    return --l->left == 0;
}

static void items_are_listed_by_id(void **state)
{
    simile_library *library = open_filled();
    listing l = {0};
    assert_ok(simile_library_each(library, list_item, &l, &err));
    assert_string_equal(l.text, "1:a.ppm 2:b.ppm 3:bad.png! 4:c.ppm 5:two dogs 6:a cat ");
    l = (listing){.left = 2};
    assert_ok(simile_library_each(library, list_item, &l, &err));
    assert_string_equal(l.text, "1:a.ppm 2:b.ppm ");
    simile_library_close(library);
}

static void texts_are_there_once(void **state)
{
    simile_library *library = open_filled();
    const char *const texts[5] = {"a bird", "two dogs", "a bird", "\xff\xfe odd bytes", "a fish"};
    const simile_add_options options = {.struct_size = sizeof options, .batch = 2};
    simile_add_report report;
    assert_ok(simile_library_add_texts(library, lab.encoder, texts, 5, &options, &report, &err));
    assert_int_equal(report.found, 5);
    assert_int_equal(report.added, 3);
    assert_int_equal(report.unchanged, 2);
    assert_ok(simile_library_add_texts(library, lab.encoder, texts, 5, &options, &report, &err));
    assert_int_equal(report.unchanged, 5);
    const char *const empty[1] = {""};
    assert_fails(simile_library_add_texts(library, lab.encoder, empty, 1, NULL, &report, &err), SIMILE_E_ARG);
    simile_verify_report verified;
    assert_ok(simile_library_verify(library, 1, NULL, NULL, NULL, &verified, &err));
    assert_int_equal(verified.problems, 1 - 1);
    assert_int_equal(verified.items, 9);
    simile_library_close(library);
}

static void forgetting_takes_a_picture_a_folder_or_a_glob(void **state)
{
    simile_library *library = open_filled();
    int64_t removed = -1;
    assert_fails(simile_library_remove(library, in_pictures("none.ppm"), &removed, &err), SIMILE_E_NOT_FOUND);
    assert_int_equal(removed, 0);
    assert_ok(simile_library_remove(library, in_pictures("a.ppm"), &removed, &err));
    assert_int_equal(removed, 1);
    assert_ok(simile_library_remove(library, "*.png", &removed, &err));
    assert_int_equal(removed, 1);
    assert_ok(simile_library_remove(library, in_pictures("sub/"), &removed, &err));
    assert_int_equal(removed, 1);
    assert_int_equal(item_id(library, "sub/c.ppm"), 0);
    assert_int_equal(item_id(library, "b.ppm"), 2);
    assert_ok(simile_library_remove_text(library, "a cat", &removed, &err));
    assert_int_equal(removed, 1);
    assert_fails(simile_library_remove_text(library, "a cat", &removed, &err), SIMILE_E_NOT_FOUND);
    assert_fails(simile_library_remove(library, "", &removed, &err), SIMILE_E_ARG);
    assert_int_equal(access(in_pictures("a.ppm"), F_OK), 0);
    simile_library_close(library);
}

/* ---- verifying ---- */

static char problems[2048];

static void note_problem(void *user, int64_t id, const char *path, const char *problem)
{
    const size_t n = strlen(problems);
    assert_true(id >= *(int64_t *)user);
    *(int64_t *)user = id;
    snprintf(problems + n, sizeof problems - n, "%d %s; ", (int)id, problem);
}

static void run_sql(const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(lab.catalog, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int64_t verify(simile_library *library, int check_files)
{
    simile_verify_report report;
    int64_t last = 0;
    problems[0] = 0;
    assert_ok(simile_library_verify(library, check_files, note_problem, NULL, &last, &report, &err));
    assert_int_equal(report.items, 6);
    return report.problems;
}

static void problems_are_told_in_order_of_id(void **state)
{
    simile_library *library = open_filled();
    assert_int_equal(verify(library, 1), 0);
    draw(in_pictures("a.ppm"), 99, 1000);
    unlink(in_pictures("sub/c.ppm"));
    assert_int_equal(verify(library, 0), 0);
    simile_library_close(library);
    run_sql("UPDATE vector SET checksum = 1 WHERE item IN (2, 4, 6)");
    library = open_library();
    assert_int_equal(verify(library, 0), 3);
    assert_int_equal(verify(library, 1), 5);
    assert_string_equal(problems, "1 its file changed since it was indexed; 2 the checksum of its vector is wrong; "
                                  "4 the checksum of its vector is wrong; 4 its file is gone; "
                                  "6 the checksum of its vector is wrong; ");
    simile_library_close(library);
}

static int cancel(void *user, int64_t done, int64_t total, const char *subject)
{
    return done >= *(int64_t *)user;
}

static void verifying_can_be_cancelled(void **state)
{
    simile_library *library = open_filled();
    int64_t at = 0;
    assert_fails(simile_library_verify(library, 0, NULL, cancel, &at, NULL, &err), SIMILE_E_CANCELLED);
    at = 2;
    assert_fails(simile_library_verify(library, 1, NULL, cancel, &at, NULL, &err), SIMILE_E_CANCELLED);
    at = 100;
    assert_ok(simile_library_verify(library, 1, NULL, cancel, &at, NULL, &err));
    simile_library_close(library);
}

#define library_test(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        library_test(a_catalogue_is_opened_created_or_refused),
        library_test(nothing_but_the_catalogue_stays_behind),
        library_test(the_facts_are_those_of_the_catalogue),
        library_test(items_are_listed_by_id),
        library_test(texts_are_there_once),
        library_test(forgetting_takes_a_picture_a_folder_or_a_glob),
        library_test(problems_are_told_in_order_of_id),
        library_test(verifying_can_be_cancelled),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bench_forget_model();
    return failed;
}
