/* SPDX-License-Identifier: Apache-2.0
 * test_store.c - src/store: what is written is what is read, and what a file may do to us. */
#include "base/file.h"
#include "base/mem.h"
#include "store/catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

enum { DIM = 4 };

static char folder[64], file[80];
static simile_error err;

static int make_folder(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/simile-store-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(file, sizeof file, "%s/c.simile", folder);
    return 0;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"c.simile", "c.simile-wal", "c.simile-shm", "c.simile-lock", "other"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static catalog *open_ok(bool read_only)
{
    catalog *c;
    if (catalog_open(file, read_only, &c, &err)) fail_msg("%s", err.message);
    return c;
}

#define assert_ok(expression)                                                                                          \
    do {                                                                                                               \
        if (expression) fail_msg("%s: %s", #expression, err.message);                                                  \
    } while (0)

static const char *const digest_a = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char *const digest_b = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

static catalog_model model_named(const char *hex, const char *name)
{
    catalog_model model = {.dim = DIM};
    snprintf(model.digest, sizeof model.digest, "%s", hex);
    snprintf(model.name, sizeof model.name, "%s", name);
    return model;
}

static const float unit_vector[DIM] = {0.5f, -0.5f, 0.5f, 0.5f};

static catalog_item picture(const char *path, int64_t mtime_s)
{
    catalog_item item = {.path = path,
                         .has_hash = true,
                         .size = 123,
                         .mtime_ns = mtime_s * 1000000000 + 5,
                         .taken = CATALOG_NO_DATE,
                         .width = 640,
                         .height = 480};
    digest_bytes(path, strlen(path), item.hash);
    return item;
}

static int64_t put_picture(catalog *c, const char *path, int64_t mtime_s)
{
    catalog_item item = picture(path, mtime_s);
    assert_ok(catalog_put(c, &item, unit_vector, DIM, false, &err));
    return item.id;
}

/* Paths in byte order: /a, /p/1.jpg, /p/2.png, /p/q/3.jpg, /p0/4.jpg, and the text "two dogs". */
static catalog *open_filled(void)
{
    catalog *c = open_ok(false);
    const catalog_model model = model_named(digest_a, "toy");
    assert_ok(catalog_begin(c, &err));
    assert_ok(catalog_claim_model(c, &model, &err));
    put_picture(c, "/p/1.jpg", 1000);
    put_picture(c, "/p/2.png", 2000);
    put_picture(c, "/p/q/3.jpg", 3000);
    put_picture(c, "/p0/4.jpg", 4000);
    put_picture(c, "/a", -1);
    catalog_item text = {
        .kind = SIMILE_KIND_TEXT, .text = "two dogs", .has_hash = true, .size = 8, .taken = CATALOG_NO_DATE};
    digest_bytes("two dogs", 8, text.hash);
    assert_ok(catalog_put(c, &text, unit_vector, DIM, false, &err));
    catalog_item bad = picture("/p/bad.jpg", 9);
    bad.status = SIMILE_ITEM_QUARANTINED;
    bad.reason = "not a picture";
    bad.has_hash = false;
    assert_ok(catalog_put(c, &bad, NULL, 0, false, &err));
    assert_ok(catalog_commit(c, &err));
    return c;
}

/* ---- items ---- */

static void what_is_put_is_found(void **state)
{
    catalog_close(open_filled());
    catalog *c = open_ok(true);
    catalog_item item;
    bool found;
    assert_ok(catalog_find_path(c, "/p/2.png", &item, &found, &err));
    assert_true(found);
    assert_int_equal(item.id, 2);
    assert_int_equal(item.kind, SIMILE_KIND_IMAGE);
    assert_string_equal(item.path, "/p/2.png");
    assert_null(item.text);
    assert_null(item.reason);
    assert_int_equal(item.size, 123);
    assert_int_equal(item.mtime_ns, 2000000000005);
    assert_true(item.taken == CATALOG_NO_DATE);
    assert_int_equal(item.width, 640);
    assert_int_equal(item.height, 480);
    assert_true(item.has_hash);

    assert_ok(catalog_find_text(c, "two dogs", &item, &found, &err));
    assert_true(found);
    assert_string_equal(item.text, "two dogs");
    assert_ok(catalog_find_text(c, "two cats", &item, &found, &err));
    assert_false(found);
    assert_ok(catalog_find_id(c, 7, &item, &found, &err));
    assert_true(found);
    assert_int_equal(item.status, SIMILE_ITEM_QUARANTINED);
    assert_string_equal(item.reason, "not a picture");
    assert_false(item.has_hash);
    assert_ok(catalog_find_id(c, 8, &item, &found, &err));
    assert_false(found);

    float vector[DIM];
    assert_ok(catalog_get_vector(c, 2, vector, DIM, &err));
    assert_memory_equal(vector, unit_vector, sizeof vector);
    assert_int_equal(catalog_get_vector(c, 7, vector, DIM, NULL), SIMILE_E_NOT_FOUND);
    assert_int_equal(catalog_get_vector(c, 2, vector, DIM - 1, NULL), SIMILE_E_CORRUPT);
    catalog_counts counts;
    assert_ok(catalog_count(c, &counts, &err));
    assert_int_equal(counts.images, 5);
    assert_int_equal(counts.texts, 1);
    assert_int_equal(counts.quarantined, 1);
    assert_int_equal(counts.schema, CATALOG_SCHEMA);
    assert_true(counts.bytes > 0);
    catalog_close(c);
}

static int join_paths(void *user, const catalog_item *item)
{
    char *list = user;
    strcat(list, item->path ? item->path : item->text);
    strcat(list, " ");
    return 0;
}

static int stop_at_once(void *user, const catalog_item *item)
{
    ++*(int *)user;
    return 1;
}

static void listings_are_ordered_and_bounded(void **state)
{
    catalog *c = open_filled();
    char list[512] = "";
    assert_ok(catalog_each_below(c, "/p", join_paths, list, &err));
    assert_string_equal(list, "/p/1.jpg /p/2.png /p/bad.jpg /p/q/3.jpg ");
    list[0] = 0;
    assert_ok(catalog_each_below(c, "/a", join_paths, list, &err));
    assert_string_equal(list, "/a ");
    list[0] = 0;
    assert_ok(catalog_each_below(c, "/", join_paths, list, &err));
    assert_string_equal(list, "/a /p/1.jpg /p/2.png /p/bad.jpg /p/q/3.jpg /p0/4.jpg ");
    list[0] = 0;
    assert_ok(catalog_each(c, join_paths, list, &err));
    assert_string_equal(list, "/p/1.jpg /p/2.png /p/q/3.jpg /p0/4.jpg /a two dogs /p/bad.jpg ");
    int calls = 0;
    assert_ok(catalog_each(c, stop_at_once, &calls, &err));
    assert_int_equal(calls, 1);
    catalog_close(c);
}

static void globs_mean_what_they_say(void **state)
{
    static const char *const cases[][2] = {
        {"*.png", "/p/2.png "},
        {"1.jpg", "/p/1.jpg "},
        {"/p/?.*", "/p/1.jpg /p/2.png "},
        {"p/*.jpg", "/p/1.jpg /p/bad.jpg /p/q/3.jpg "},
        {"[12].*", "/p/1.jpg /p/2.png "},
        {"/p/[^12]*", "/p/bad.jpg /p/q/3.jpg "},
        {"*.JPG", ""},
        {"[", ""},
    };
    catalog *c = open_filled();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char list[512] = "";
        assert_ok(catalog_each_glob(c, cases[i][0], join_paths, list, &err));
        assert_string_equal(list, cases[i][1]);
    }
    char long_glob[5000];
    memset(long_glob, '*', sizeof long_glob - 1);
    long_glob[sizeof long_glob - 1] = 0;
    assert_int_equal(catalog_each_glob(c, long_glob, join_paths, NULL, NULL), SIMILE_E_LIMIT);
    catalog_close(c);
}

static void the_same_bytes_are_found_by_hash(void **state)
{
    catalog *c = open_filled();
    catalog_item twin = picture("/p/1.jpg", 1);
    twin.path = "/twin.jpg";
    assert_ok(catalog_begin(c, &err));
    assert_ok(catalog_put(c, &twin, unit_vector, DIM, false, &err));
    assert_ok(catalog_commit(c, &err));
    char list[128] = "";
    assert_ok(catalog_each_hash(c, twin.hash, join_paths, list, &err));
    assert_string_equal(list, "/p/1.jpg /twin.jpg ");
    catalog_close(c);
}

static void a_path_and_a_text_are_there_once(void **state)
{
    catalog *c = open_filled();
    catalog_item again = picture("/a", 1);
    catalog_item text = {.kind = SIMILE_KIND_TEXT, .text = "two dogs", .has_hash = true, .taken = CATALOG_NO_DATE};
    digest_bytes("two dogs", 8, text.hash);
    assert_ok(catalog_begin(c, &err));
    assert_int_equal(catalog_put(c, &again, unit_vector, DIM, false, NULL), SIMILE_E_EXISTS);
    assert_int_equal(catalog_put(c, &text, unit_vector, DIM, false, NULL), SIMILE_E_EXISTS);
    assert_ok(catalog_commit(c, &err));
    catalog_close(c);
}

static void a_move_keeps_the_vector_and_a_quarantine_drops_it(void **state)
{
    catalog *c = open_filled();
    catalog_item item = picture("/p/1.jpg", 1000);
    float vector[DIM];
    bool found;
    item.id = 1;
    item.path = "/elsewhere.jpg";
    assert_ok(catalog_begin(c, &err));
    assert_ok(catalog_put(c, &item, NULL, 0, true, &err));
    assert_ok(catalog_commit(c, &err));
    assert_ok(catalog_get_vector(c, 1, vector, DIM, &err));
    item.status = SIMILE_ITEM_QUARANTINED;
    item.reason = "gone bad";
    assert_ok(catalog_begin(c, &err));
    assert_ok(catalog_put(c, &item, NULL, 0, false, &err));
    assert_ok(catalog_commit(c, &err));
    assert_int_equal(catalog_get_vector(c, 1, vector, DIM, NULL), SIMILE_E_NOT_FOUND);
    assert_ok(catalog_find_path(c, "/elsewhere.jpg", &item, &found, &err));
    assert_true(found);
    assert_int_equal(item.id, 1);
    item.id = 99;
    assert_ok(catalog_begin(c, &err));
    assert_int_equal(catalog_put(c, &item, NULL, 0, true, NULL), SIMILE_E_NOT_FOUND);
    assert_int_equal(catalog_delete(c, 99, NULL), SIMILE_E_NOT_FOUND);
    catalog_rollback(c);
    catalog_close(c);
}

static void ids_are_never_used_twice(void **state)
{
    catalog *c = open_filled();
    assert_ok(catalog_begin(c, &err));
    assert_ok(catalog_delete(c, 7, &err));
    assert_ok(catalog_commit(c, &err));
    assert_ok(catalog_begin(c, &err));
    assert_int_equal(put_picture(c, "/new.jpg", 1), 8);
    catalog_rollback(c);
    assert_ok(catalog_begin(c, &err));
    assert_int_equal(put_picture(c, "/newer.jpg", 1), 8); /* what was rolled back was never there */
    assert_ok(catalog_commit(c, &err));
    catalog_close(c);
}

static void writing_needs_a_transaction(void **state)
{
    catalog *c = open_filled();
    catalog_item item = picture("/x", 1);
    assert_int_equal(catalog_put(c, &item, unit_vector, DIM, false, NULL), SIMILE_E_INTERNAL);
    assert_int_equal(catalog_delete(c, 1, NULL), SIMILE_E_INTERNAL);
    catalog_close(c);
    c = open_ok(true);
    assert_int_equal(catalog_begin(c, NULL), SIMILE_E_ARG);
    assert_int_equal(catalog_lock(c, NULL), SIMILE_E_ARG);
    catalog_close(c);
}

/* ---- filters ---- */

static int join_ids(void *user, int64_t id)
{
    char *list = user;
    snprintf(list + strlen(list), 8, "%d ", (int)id);
    return 0;
}

static void filters_select_by_path_and_date(void **state)
{
    const struct {
        catalog_filter filter;
        const char *ids;
    } cases[] = {
        {{0}, "1 2 3 4 5 "},
        {{.glob = "*.jpg"}, "1 3 4 "},
        {{.has_after = true, .after = 2000}, "2 3 4 "},
        {{.has_before = true, .before = 2000}, "1 5 "},
        {{.has_after = true, .after = 1001, .has_before = true, .before = 3001}, "2 3 "},
        {{.has_after = true, .after = -1, .has_before = true, .before = 0}, "5 "},
        {{.glob = "/p/*", .has_after = true, .after = 2000}, "2 3 "},
        {{.has_after = true, .after = INT64_MAX}, ""},
        {{.has_before = true, .before = INT64_MIN}, ""},
        {{.folder = "/p"}, "1 2 3 "},
        {{.folder = "/p/q"}, "3 "},
        {{.folder = "/p/2.png"}, "2 "},
        {{.folder = "/"}, "1 2 3 4 5 "},
        {{.folder = "/p", .glob = "*.jpg", .has_before = true, .before = 3000}, "1 "},
        {{.folder = "/P"}, ""},
        {{.folder = "/p", .status = SIMILE_ITEM_QUARANTINED}, "7 "},
        {{.folder = "/p", .status = SIMILE_ANY}, "1 2 3 7 "},
        {{.kind = SIMILE_KIND_TEXT}, "6 "},
        {{.kind = SIMILE_KIND_TEXT, .folder = "/"}, ""},
        {{.kind = SIMILE_ANY, .status = SIMILE_ANY}, "1 2 3 4 5 6 7 "},
    };
    catalog *c = open_filled();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char list[64] = "";
        assert_ok(catalog_each_match(c, &cases[i].filter, join_ids, list, &err));
        assert_string_equal(list, cases[i].ids);
        int64_t n, in_list = 0;
        assert_ok(catalog_count_match(c, &cases[i].filter, &n, &err));
        for (const char *at = list; *at; at++) in_list += *at == ' ';
        assert_int_equal(n, in_list);
    }
    catalog_close(c);
}

static int join_items(void *user, const catalog_item *item)
{
    return join_ids(user, item->id);
}

static void lists_have_an_order_and_pages(void **state)
{
    const catalog_filter all = {.kind = SIMILE_ANY, .status = SIMILE_ANY}, in_p = {.folder = "/p"};
    const struct {
        const catalog_filter *filter;
        int32_t order;
        int64_t limit, offset;
        const char *ids;
    } cases[] = {
        {&all, SIMILE_ORDER_ID, 0, 0, "1 2 3 4 5 6 7 "},
        {&all, SIMILE_ORDER_ID, 2, 3, "4 5 "},
        {&all, SIMILE_ORDER_ID, 3, 6, "7 "},
        {&all, SIMILE_ORDER_ID, 3, 7, ""},
        {&all, SIMILE_ORDER_NEWEST, 0, 0, "4 3 2 1 7 6 5 "},
        {&all, SIMILE_ORDER_OLDEST, 0, 0, "5 6 7 1 2 3 4 "},
        {&all, SIMILE_ORDER_PATH, 0, 0, "6 5 1 2 7 3 4 "},
        {&in_p, SIMILE_ORDER_NEWEST, 2, 0, "3 2 "},
        {&in_p, SIMILE_ORDER_NEWEST, 2, 2, "1 "},
    };
    catalog *c = open_filled();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char list[64] = "";
        assert_ok(
            catalog_list(c, cases[i].filter, cases[i].order, cases[i].limit, cases[i].offset, join_items, list, &err));
        assert_string_equal(list, cases[i].ids);
    }
    catalog_close(c);
}

typedef struct {
    char text[512];
    int left; /* calls until it ends the listing; 0: never */
} written;

static int write_period(void *user, int32_t year, int32_t month, int64_t count)
{
    written *w = user;
    const size_t n = strlen(w->text);
    snprintf(w->text + n, sizeof w->text - n, "%d-%02d:%d ", year, month, (int)count);
    return --w->left == 0;
}

static int write_folder(void *user, const char *name, int64_t count)
{
    written *w = user;
    const size_t n = strlen(w->text);
    snprintf(w->text + n, sizeof w->text - n, "%s:%d ", name, (int)count);
    return --w->left == 0;
}

/* The days around which months end, leap years among them, and times before 1970 and far away. */
static void months_are_those_of_the_calendar(void **state)
{
    static const int64_t days[] = {0, -1, 58, 59, 789, 790, 11015, 11016, 11017, 47540, 47541, -719468, 19722};
    catalog *c = open_ok(false);
    const catalog_model model = model_named(digest_a, "toy");
    assert_ok(catalog_begin(c, &err));
    assert_ok(catalog_claim_model(c, &model, &err));
    for (size_t i = 0; i < 2 * (sizeof days / sizeof *days); i++) {
        char path[32];
        snprintf(path, sizeof path, "/%zu.jpg", i);
        catalog_item item = picture(path, 0);
        item.taken = days[i / 2] * 86400 + (i % 2 ? 86399 : 0);
        assert_ok(catalog_put(c, &item, unit_vector, DIM, false, &err));
    }
    catalog_item far = picture("/far.jpg", 0);
    far.taken = INT64_MAX;
    assert_ok(catalog_put(c, &far, unit_vector, DIM, false, &err));
    assert_ok(catalog_commit(c, &err));
    written w = {0};
    assert_ok(catalog_each_period(c, &(catalog_filter){0}, write_period, &w, &err));
    assert_string_equal(w.text, "2147483647-12:1 2100-03:2 2100-02:2 2023-12:2 2000-03:2 2000-02:4 1972-03:2 1972-02:2 "
                                "1970-03:2 1970-02:2 1970-01:2 1969-12:2 0-03:2 ");
    w = (written){.left = 2};
    assert_ok(catalog_each_period(c, &(catalog_filter){0}, write_period, &w, &err));
    assert_string_equal(w.text, "2147483647-12:1 2100-03:2 ");
    w = (written){0};
    assert_ok(catalog_each_period(c, &(catalog_filter){.has_before = true}, write_period, &w, &err));
    assert_string_equal(w.text, "1969-12:2 0-03:2 ");
    catalog_close(c);
}

static void folders_hold_pictures_directly(void **state)
{
    catalog *c = open_filled();
    written w = {0};
    assert_ok(catalog_each_folder(c, &(catalog_filter){.status = SIMILE_ANY}, write_folder, &w, &err));
    assert_string_equal(w.text, "/:1 /p:3 /p/q:1 /p0:1 ");
    w = (written){.left = 2};
    assert_ok(catalog_each_folder(c, &(catalog_filter){.kind = SIMILE_KIND_TEXT}, write_folder, &w, &err));
    assert_string_equal(w.text, "/:1 /p:2 ");
    w = (written){0};
    assert_ok(catalog_each_folder(c, &(catalog_filter){.folder = "/p", .glob = "*.jpg"}, write_folder, &w, &err));
    assert_string_equal(w.text, "/p:1 /p/q:1 ");
    catalog_close(c);
}

static void the_date_taken_wins_over_the_files(void **state)
{
    catalog *c = open_filled();
    catalog_item item = picture("/p/1.jpg", 1000);
    char list[64] = "";
    item.id = 1;
    item.taken = 5000;
    assert_ok(catalog_begin(c, &err));
    assert_ok(catalog_put(c, &item, NULL, 0, true, &err));
    assert_ok(catalog_commit(c, &err));
    const catalog_filter filter = {.has_after = true, .after = 4000};
    assert_ok(catalog_each_match(c, &filter, join_ids, list, &err));
    assert_string_equal(list, "1 4 ");
    catalog_close(c);
}

/* ---- model, generation, transactions ---- */

static void a_catalogue_belongs_to_one_model(void **state)
{
    catalog *c = open_ok(false);
    catalog_model a = model_named(digest_a, "a"), b = model_named(digest_b, "b"), got;
    assert_ok(catalog_get_model(c, &got, &err));
    assert_string_equal(got.digest, "");
    assert_ok(catalog_claim_model(c, &a, &err));
    assert_ok(catalog_claim_model(c, &b, &err)); /* no vectors yet */
    assert_ok(catalog_claim_model(c, &a, &err));
    assert_ok(catalog_begin(c, &err));
    const int64_t id = put_picture(c, "/x", 1);
    assert_ok(catalog_commit(c, &err));
    assert_int_equal(catalog_claim_model(c, &b, &err), SIMILE_E_VERSION);
    assert_non_null(strstr(err.message, "'a'"));
    assert_ok(catalog_claim_model(c, &a, &err));
    assert_ok(catalog_get_model(c, &got, &err));
    assert_string_equal(got.digest, digest_a);
    assert_string_equal(got.name, "a");
    assert_int_equal(got.dim, DIM);
    assert_ok(catalog_begin(c, &err));
    catalog_item item = picture("/y", 1);
    assert_int_equal(catalog_put(c, &item, unit_vector, DIM - 1, false, NULL), SIMILE_E_INTERNAL);
    assert_ok(catalog_delete(c, id, &err));
    assert_ok(catalog_commit(c, &err));
    assert_ok(catalog_claim_model(c, &b, &err)); /* empty again */
    catalog_close(c);
}

static void the_generation_tells_of_every_commit(void **state)
{
    catalog *c = open_filled(), *reader = open_ok(true);
    int64_t before, after, rewrites, rewrites_after;
    assert_ok(catalog_generation(reader, &before, &rewrites, &err));
    assert_ok(catalog_begin(c, &err));
    assert_ok(catalog_commit(c, &err));
    assert_ok(catalog_generation(reader, &after, NULL, &err));
    assert_int_equal(after, before); /* nothing was written */
    assert_ok(catalog_begin(c, &err));
    put_picture(c, "/added.jpg", 1);
    assert_ok(catalog_commit(c, &err));
    assert_ok(catalog_generation(reader, &after, &rewrites_after, &err));
    assert_true(after != before);
    assert_int_equal(rewrites_after, rewrites); /* only added */
    assert_ok(catalog_begin(c, &err));
    assert_ok(catalog_delete(c, 1, &err));
    assert_ok(catalog_commit(c, &err));
    assert_ok(catalog_generation(reader, &after, &rewrites_after, &err));
    assert_true(rewrites_after != rewrites);
    catalog_close(reader);
    catalog_close(c);
}

static void a_mark_is_one_kinds_and_no_change(void **state)
{
    catalog *c = open_filled(), *reader = open_ok(true);
    int64_t before, after, rewrites, same, mark, other;
    assert_ok(catalog_generation(reader, &before, &rewrites, &err));
    assert_ok(catalog_get_mark(reader, SIMILE_KIND_IMAGE, &mark, &err));
    assert_int_equal(mark, 0);
    for (int kind = 0; kind < 2; kind++)
        for (int i = 0; i < 3; i++) {
            assert_ok(catalog_new_mark(c, kind, &mark, &err));
            assert_ok(catalog_get_mark(reader, kind, &other, &err));
            assert_true(mark > 0 && mark < 1 << 20 && other == mark);
        }
    assert_ok(catalog_begin(c, &err));
    assert_ok(catalog_delete(c, 1, &err));
    assert_ok(catalog_commit(c, &err));
    assert_ok(catalog_get_mark(reader, SIMILE_KIND_TEXT, &other, &err));
    assert_int_equal(other, mark); /* it stays */
    assert_ok(catalog_generation(reader, &after, &same, &err));
    assert_int_equal(after, before + 1);
    assert_int_equal(same, rewrites + 1);
    assert_int_equal(catalog_new_mark(reader, SIMILE_KIND_IMAGE, &mark, &err), SIMILE_E_ARG);
    catalog_close(reader);
    catalog_close(c);
}

static int join_vectors(void *user, int64_t id, const void *vector, size_t bytes)
{
    assert_int_equal(bytes, sizeof unit_vector);
    assert_memory_equal(vector, unit_vector, bytes);
    return join_ids(user, id);
}

static void vectors_are_listed_by_id(void **state)
{
    catalog *c = open_filled();
    char list[64] = "";
    assert_ok(catalog_each_vector(c, SIMILE_KIND_IMAGE, 0, join_vectors, list, &err));
    assert_string_equal(list, "1 2 3 4 5 ");
    list[0] = 0;
    assert_ok(catalog_each_vector(c, SIMILE_KIND_IMAGE, 3, join_vectors, list, &err));
    assert_string_equal(list, "4 5 ");
    list[0] = 0;
    assert_ok(catalog_each_vector(c, SIMILE_KIND_TEXT, 0, join_vectors, list, &err));
    assert_string_equal(list, "6 ");
    catalog_close(c);
}

static void a_read_sees_one_moment(void **state)
{
    catalog *c = open_filled(), *reader = open_ok(true);
    bool found;
    catalog_item item;
    assert_ok(catalog_read_begin(reader, &err));
    assert_ok(catalog_begin(c, &err));
    assert_ok(catalog_delete(c, 1, &err));
    assert_ok(catalog_commit(c, &err));
    assert_ok(catalog_find_id(reader, 1, &item, &found, &err));
    assert_true(found);
    catalog_read_end(reader);
    assert_ok(catalog_find_id(reader, 1, &item, &found, &err));
    assert_false(found);
    catalog_close(reader);
    catalog_close(c);
}

static void one_writer_at_a_time(void **state)
{
    catalog *a = open_filled(), *b = open_ok(false);
    assert_ok(catalog_lock(a, &err));
    assert_int_equal(catalog_lock(a, &err), SIMILE_E_BUSY);
    assert_int_equal(catalog_lock(b, &err), SIMILE_E_BUSY);
    assert_non_null(strstr(err.message, "another program is writing"));
    catalog_unlock(a);
    assert_ok(catalog_lock(b, &err));
    assert_int_equal(catalog_lock(a, NULL), SIMILE_E_BUSY);
    catalog_close(b);
    assert_ok(catalog_lock(a, &err));
    catalog_close(a);
}

/* A writer that commits one picture, writes another and is killed before it commits that. */
static void run_killed_writer(void)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
        catalog *c;
        catalog_model model;
        if (catalog_open(file, false, &c, NULL) || catalog_lock(c, NULL) || catalog_begin(c, NULL)) _exit(1);
        catalog_item item = picture("/committed.jpg", 1);
        if (catalog_get_model(c, &model, NULL) || catalog_put(c, &item, unit_vector, DIM, false, NULL)) _exit(1);
        if (catalog_commit(c, NULL) || catalog_begin(c, NULL)) _exit(1);
        item = picture("/lost.jpg", 1);
        if (catalog_put(c, &item, unit_vector, DIM, false, NULL) || write(ready[1], "x", 1) != 1) _exit(1);
        for (;;) pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void a_killed_writer_blocks_nobody_and_leaves_whole_batches(void **state)
{
    catalog_item item;
    bool found;
    catalog_close(open_filled());
    run_killed_writer();
    catalog *c = open_ok(false);
    assert_ok(catalog_lock(c, &err));
    assert_ok(catalog_find_path(c, "/committed.jpg", &item, &found, &err));
    assert_true(found);
    assert_ok(catalog_find_path(c, "/lost.jpg", &item, &found, &err));
    assert_false(found);
    catalog_close(c);
}

/* ---- files that are not what they should be ---- */

static void write_file(const char *path, const void *data, size_t len)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(data, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
}

static void run_sql(const char *sql)
{
    sqlite3 *db;
    char *why = NULL;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    sqlite3_exec(db, "PRAGMA ignore_check_constraints = ON", NULL, NULL, NULL);
    if (sqlite3_exec(db, sql, NULL, NULL, &why)) fail_msg("%s: %s", sql, why);
    sqlite3_close(db);
}

static void assert_open_fails(bool read_only, simile_status expected)
{
    catalog *c;
    const simile_status status = catalog_open(file, read_only, &c, &err);
    if (status != expected) fail_msg("%d instead of %d: %s", status, expected, err.message);
    assert_int_equal(err.status, status);
    assert_null(c);
}

static void foreign_files_are_refused(void **state)
{
    assert_open_fails(true, SIMILE_E_NOT_FOUND);
    write_file(file, "", 0);
    assert_open_fails(true, SIMILE_E_FORMAT);
    char noise[5000];
    memset(noise, 'x', sizeof noise);
    write_file(file, noise, sizeof noise);
    assert_open_fails(true, SIMILE_E_FORMAT);
    assert_open_fails(false, SIMILE_E_FORMAT);
    unlink(file);
    run_sql("CREATE TABLE notes (x)");
    assert_open_fails(true, SIMILE_E_FORMAT);
    assert_open_fails(false, SIMILE_E_FORMAT);
    unlink(file);
    assert_int_equal(mkdir(file, 0700), 0);
    assert_open_fails(true, SIMILE_E_IO);
    assert_open_fails(false, SIMILE_E_IO);
    rmdir(file);
    catalog *c;
    assert_int_equal(catalog_open("/nonexistent/folder/c.simile", false, &c, NULL), SIMILE_E_NOT_FOUND);
}

static void newer_tables_are_refused(void **state)
{
    catalog_close(open_filled());
    run_sql("PRAGMA user_version = 3");
    assert_open_fails(true, SIMILE_E_VERSION);
    assert_open_fails(false, SIMILE_E_VERSION);
    run_sql("PRAGMA user_version = -1");
    assert_open_fails(false, SIMILE_E_CORRUPT);
}

/* What the first migration alone makes. */
static void make_version_1(void)
{
    catalog_close(open_filled());
    run_sql("DROP TABLE space; PRAGMA user_version = 1");
}

static void assert_space(catalog *c, int32_t schema, const char *name)
{
    catalog_model model;
    catalog_counts counts;
    assert_ok(catalog_get_model(c, &model, &err));
    assert_string_equal(model.digest, digest_a);
    assert_string_equal(model.name, "toy");
    assert_string_equal(model.space, name);
    assert_ok(catalog_count(c, &counts, &err));
    assert_int_equal(counts.schema, schema);
    assert_int_equal(counts.images, 5);
}

static void older_tables_are_read_as_they_are_and_migrated_by_a_writer(void **state)
{
    char *before, *after;
    size_t n, m;
    float vector[DIM];
    make_version_1();
    assert_ok(file_read(file, 1 << 24, &before, &n, &err));
    catalog *reader = open_ok(true);
    assert_space(reader, 1, "");
    assert_ok(file_read(file, 1 << 24, &after, &m, &err));
    assert_int_equal(n, m);
    assert_memory_equal(before, after, n);
    mem_free(before);
    mem_free(after);
    catalog *writer = open_ok(false);
    assert_space(writer, 2, "");
    assert_space(reader, 1, ""); /* it goes on */
    assert_ok(catalog_get_vector(reader, 2, vector, DIM, &err));
    assert_memory_equal(vector, unit_vector, sizeof vector);
    catalog_close(reader);
    catalog_close(writer);
    reader = open_ok(true);
    assert_space(reader, 2, "");
    catalog_close(reader);
}

static void what_claims_to_be_older_must_be(void **state)
{
    catalog_close(open_filled());
    run_sql("PRAGMA user_version = 1");
    assert_open_fails(true, SIMILE_E_CORRUPT);
    assert_open_fails(false, SIMILE_E_CORRUPT);
    unlink(file);
    make_version_1();
    run_sql("ALTER TABLE meta ADD COLUMN x TEXT");
    assert_open_fails(true, SIMILE_E_CORRUPT);
    assert_open_fails(false, SIMILE_E_CORRUPT);
}

static void a_space_is_named_by_the_model_that_made_it(void **state)
{
    catalog_model model = model_named(digest_a, "toy"), other = model_named(digest_b, "other");
    int64_t before, after;
    make_version_1();
    catalog *c = open_ok(false);
    assert_ok(catalog_claim_model(c, &model, &err));
    assert_space(c, 2, "");
    snprintf(model.space, sizeof model.space, "toys/one");
    snprintf(other.space, sizeof other.space, "toys/two");
    assert_ok(catalog_generation(c, &before, NULL, &err));
    assert_ok(catalog_claim_model(c, &model, &err));
    assert_space(c, 2, "toys/one");
    assert_ok(catalog_generation(c, &after, NULL, &err));
    assert_int_equal(after, before + 1);
    assert_int_equal(catalog_claim_model(c, &other, &err), SIMILE_E_VERSION);
    assert_space(c, 2, "toys/one");
    model.space[0] = 0; /* what is not said any more is not forgotten */
    assert_ok(catalog_claim_model(c, &model, &err));
    assert_space(c, 2, "toys/one");
    snprintf(model.space, sizeof model.space, "toys/three");
    assert_ok(catalog_claim_model(c, &model, &err));
    catalog_close(c);
    c = open_ok(true);
    assert_space(c, 2, "toys/three");
    catalog_close(c);
}

static void smuggled_tables_are_refused(void **state)
{
    static const char *const sql[] = {
        "CREATE TABLE extra (x)",    "CREATE TRIGGER t AFTER INSERT ON item BEGIN DELETE FROM item; END",
        "CREATE VIEW v AS SELECT 1", "CREATE INDEX i ON item (abs(size))",
        "DROP INDEX item_path",      "ALTER TABLE item ADD COLUMN x TEXT",
    };
    for (size_t i = 0; i < sizeof sql / sizeof *sql; i++) {
        catalog_close(open_filled());
        run_sql(sql[i]);
        assert_open_fails(true, SIMILE_E_CORRUPT);
        assert_open_fails(false, SIMILE_E_CORRUPT);
        unlink(file);
    }
}

static char problems[2000];

static void note_problem(void *user, int64_t id, const char *path, const char *problem)
{
    const size_t n = strlen(problems);
    snprintf(problems + n, sizeof problems - n, "%d %s\n", (int)id, problem);
}

static void assert_problem(const char *sql, const char *expected)
{
    int64_t items;
    catalog_close(open_filled());
    if (sql) run_sql(sql);
    catalog *c = open_ok(true);
    problems[0] = 0;
    assert_ok(catalog_check(c, note_problem, NULL, &items, &err));
    if (expected ? !strstr(problems, expected) : problems[0]) fail_msg("%s: problems: %s", sql, problems);
    catalog_close(c);
    unlink(file);
}

static void the_check_finds_every_damage(void **state)
{
    assert_problem(NULL, NULL);
    assert_problem("UPDATE vector SET data = zeroblob(16) WHERE item = 2", "2 the checksum of its vector is wrong");
    assert_problem("UPDATE vector SET checksum = checksum + 1 WHERE item = 3", "3 the checksum");
    assert_problem("UPDATE vector SET data = zeroblob(12) WHERE item = 2", "2 its vector has another size");
    assert_problem("DELETE FROM vector WHERE item = 4", "4 its vector is missing");
    assert_problem("INSERT INTO vector VALUES (7, zeroblob(16), 0)", "7 it is quarantined and has a vector");
    assert_problem("INSERT INTO vector VALUES (70, zeroblob(16), 0)", "0 a reference leads nowhere: vector 70");
    assert_problem("UPDATE item SET path = 'relative' WHERE id = 1", "1 its path");
    assert_problem("UPDATE item SET path = NULL WHERE id = 1", "1 its path");
    assert_problem("UPDATE item SET path = '/a' || char(0) || 'b' WHERE id = 1", "1 its path");
    assert_problem("UPDATE item SET kind = 5 WHERE id = 1", "1 its kind is unknown");
    assert_problem("UPDATE item SET status = -1 WHERE id = 1", "1 its status is unknown");
    assert_problem("UPDATE item SET hash = zeroblob(31) WHERE id = 1", "1 its hash");
    assert_problem("UPDATE item SET hash = NULL WHERE id = 1", "1 its hash");
    assert_problem("UPDATE item SET hash = zeroblob(32) WHERE id = 6", "6 its hash is not that of its text");
    assert_problem("UPDATE item SET width = -1 WHERE id = 1", "1 its width and height");
    assert_problem("UPDATE item SET height = 1 << 40 WHERE id = 1", "1 its width and height");
    assert_problem("UPDATE item SET size = -1 WHERE id = 1", "1 its size");
    assert_problem("UPDATE item SET date = 5 WHERE id = 1", "1 its date");
    assert_problem("UPDATE item SET reason = 'why' WHERE id = 1", "1 its reason");
    assert_problem("UPDATE meta SET dim = -1", "its model is not described");
    assert_problem("UPDATE meta SET model_digest = 'abc'", "its model is not described");
    assert_problem("DELETE FROM meta", "its head is missing");
    assert_problem("DELETE FROM space", "its head is missing");
    assert_problem("UPDATE space SET name = 'a b'", "its space has an impossible name");
    assert_problem("UPDATE space SET name = 'a' || char(0) || 'b'", "its space has an impossible name");
    assert_problem("UPDATE space SET name = hex(zeroblob(80))", "its space has an impossible name");
}

static void damaged_rows_are_errors_when_read(void **state)
{
    catalog_close(open_filled());
    run_sql("UPDATE item SET size = -1 WHERE id = 1");
    run_sql("UPDATE vector SET checksum = 0 WHERE item = 2");
    catalog *c = open_ok(true);
    catalog_item item;
    bool found;
    float vector[DIM];
    char list[512] = "";
    assert_int_equal(catalog_find_id(c, 1, &item, &found, NULL), SIMILE_E_CORRUPT);
    assert_false(found);
    assert_int_equal(catalog_each(c, join_paths, list, NULL), SIMILE_E_CORRUPT);
    assert_int_equal(catalog_get_vector(c, 2, vector, DIM, NULL), SIMILE_E_CORRUPT);
    catalog_close(c);
}

static int look_at_vector(void *user, int64_t id, const void *vector, size_t bytes)
{
    *(unsigned char *)user ^= bytes ? *(const unsigned char *)vector : 0;
    return 0;
}

static int look_at_item(void *user, const catalog_item *item)
{
    *(unsigned char *)user ^= (unsigned char)(item->path ? item->path[0] : item->text[0]);
    return 0;
}

/* Whatever a flipped byte does, reading ends, with or without an error. */
static void flipped_bytes_never_crash(void **state)
{
    char *data;
    size_t len;
    unsigned char sink = 0;
    catalog_close(open_filled());
    assert_ok(file_read(file, 1 << 24, &data, &len, &err));
    uint32_t random = 1;
    for (int i = 0; i < 400; i++) {
        random = random * 1664525 + 1013904223;
        const size_t at = i < 100 ? (size_t)i : (random >> 3) % len;
        const char was = data[at];
        data[at] = (char)(was ^ (1 << (random >> 29)));
        write_file(file, data, len);
        data[at] = was;
        catalog *c;
        int64_t items;
        if (catalog_open(file, true, &c, NULL)) continue;
        problems[0] = 0;
        catalog_check(c, note_problem, NULL, &items, NULL);
        catalog_each(c, look_at_item, &sink, NULL);
        catalog_each_below(c, "/p", look_at_item, &sink, NULL);
        catalog_each_vector(c, SIMILE_KIND_IMAGE, 0, look_at_vector, &sink, NULL);
        catalog_close(c);
    }
    mem_free(data);
}

/* As another user, in a folder that is not his. */
static int read_as_nobody(simile_status expected)
{
    const pid_t child = fork();
    if (child == 0) {
        catalog *c;
        catalog_item item;
        bool found = false;
        if (geteuid() == 0 && (setgid(65534) || setuid(65534))) _exit(2);
        const simile_status status = catalog_open(file, true, &c, &err);
        if (status != expected) fprintf(stderr, "%d: %s\n", status, err.message);
        if (status != expected) _exit(1);
        if (status) _exit(0);
        if (catalog_find_id(c, 3, &item, &found, NULL) || !found) _exit(3);
        catalog_close(c);
        _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_folder_that_cannot_be_written_can_be_read(void **state)
{
    char shm[128];
    if (geteuid() != 0) skip();
    catalog_close(open_filled());
    chmod(folder, 0555);
    assert_int_equal(read_as_nobody(SIMILE_OK), 0);
    /* A log with content that SQLite cannot read there must not be missed. */
    run_killed_writer();
    snprintf(shm, sizeof shm, "%s-shm", file);
    unlink(shm);
    assert_int_equal(read_as_nobody(SIMILE_E_IO), 0);
    catalog_close(open_ok(false));
    assert_int_equal(read_as_nobody(SIMILE_OK), 0);
    chmod(folder, 0755);
}

static void an_immutable_file_that_changes_is_noticed(void **state)
{
    if (geteuid() != 0) skip();
    catalog_close(open_filled());
    chmod(folder, 0555);
    int opened[2], changed[2];
    char byte = 'x';
    assert_int_equal(pipe(opened) | pipe(changed), 0);
    const pid_t child = fork();
    if (child == 0) {
        catalog *c;
        if (setgid(65534) || setuid(65534) || catalog_open(file, true, &c, NULL)) _exit(1);
        if (catalog_read_begin(c, NULL)) _exit(2);
        catalog_read_end(c);
        if (write(opened[1], &byte, 1) != 1 || read(changed[0], &byte, 1) != 1) _exit(3);
        _exit(catalog_read_begin(c, NULL) == SIMILE_E_BUSY ? 0 : 4);
    }
    assert_int_equal(read(opened[0], &byte, 1), 1);
    catalog *c = open_ok(false);
    assert_ok(catalog_begin(c, &err));
    assert_ok(catalog_delete(c, 1, &err));
    assert_ok(catalog_commit(c, &err));
    assert_int_equal(write(changed[1], &byte, 1), 1);
    int status = -1;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    catalog_close(c);
    close(opened[0]), close(opened[1]), close(changed[0]), close(changed[1]);
    chmod(folder, 0755);
}

#define store_test(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(what_is_put_is_found),
        store_test(listings_are_ordered_and_bounded),
        store_test(globs_mean_what_they_say),
        store_test(the_same_bytes_are_found_by_hash),
        store_test(a_path_and_a_text_are_there_once),
        store_test(a_move_keeps_the_vector_and_a_quarantine_drops_it),
        store_test(ids_are_never_used_twice),
        store_test(writing_needs_a_transaction),
        store_test(filters_select_by_path_and_date),
        store_test(lists_have_an_order_and_pages),
        store_test(months_are_those_of_the_calendar),
        store_test(folders_hold_pictures_directly),
        store_test(the_date_taken_wins_over_the_files),
        store_test(a_catalogue_belongs_to_one_model),
        store_test(the_generation_tells_of_every_commit),
        store_test(a_mark_is_one_kinds_and_no_change),
        store_test(vectors_are_listed_by_id),
        store_test(a_read_sees_one_moment),
        store_test(one_writer_at_a_time),
        store_test(a_killed_writer_blocks_nobody_and_leaves_whole_batches),
        store_test(foreign_files_are_refused),
        store_test(newer_tables_are_refused),
        store_test(older_tables_are_read_as_they_are_and_migrated_by_a_writer),
        store_test(what_claims_to_be_older_must_be),
        store_test(a_space_is_named_by_the_model_that_made_it),
        store_test(smuggled_tables_are_refused),
        store_test(the_check_finds_every_damage),
        store_test(damaged_rows_are_errors_when_read),
        store_test(flipped_bytes_never_crash),
        store_test(a_folder_that_cannot_be_written_can_be_read),
        store_test(an_immutable_file_that_changes_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
