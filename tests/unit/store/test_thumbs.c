/* SPDX-License-Identifier: Apache-2.0
 * test_thumbs.c - src/store/thumbs: what is put is got, what is foreign or damaged does no harm. */
#include "base/file.h"
#include "base/mem.h"
#include "store/catalog.h"
#include "store/thumbs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

static char folder[64], file[80];
static simile_error err;

#define assert_ok(expression)                                                                                          \
    do {                                                                                                               \
        if (expression) fail_msg("%s: %s", #expression, err.message);                                                  \
    } while (0)

static int make_folder(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/simile-thumbs-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(file, sizeof file, "%s/c-thumbs", folder);
    return 0;
}

static int remove_folder(void **state)
{
    static const char *const endings[] = {"", "-journal", "-wal", "-shm", "-lock"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s%s", file, endings[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static thumbs *open_ok(bool read_only)
{
    thumbs *t;
    if (thumbs_open(file, read_only, false, &t, &err)) fail_msg("%s", err.message);
    return t;
}

static void hash_of(const char *name, uint8_t out[DIGEST_SIZE])
{
    digest_bytes(name, strlen(name), out);
}

/* Bytes that begin as a WebP does, and say how long they are. */
static void make_webp(uint8_t *out, size_t len, uint8_t fill)
{
    memset(out, fill, len);
    memcpy(out, "RIFF", 4);
    for (int i = 0; i < 4; i++) out[4 + i] = (uint8_t)((len - 8) >> (8 * i));
    memcpy(out + 8, "WEBP", 4);
}

static void put(thumbs *t, const char *name, size_t len, uint8_t fill)
{
    uint8_t hash[DIGEST_SIZE], *bytes = mem_alloc(len);
    hash_of(name, hash);
    make_webp(bytes, len, fill);
    assert_ok(thumbs_begin(t, &err));
    assert_ok(thumbs_put(t, hash, bytes, len, &err));
    assert_ok(thumbs_commit(t, &err));
    mem_free(bytes);
}

/* The length of what is there, 0: nothing; its last byte is `fill`. */
static size_t got(thumbs *t, const char *name, uint8_t fill)
{
    uint8_t hash[DIGEST_SIZE];
    void *bytes;
    size_t len;
    hash_of(name, hash);
    assert_ok(thumbs_get(t, hash, &bytes, &len, &err));
    if (bytes) assert_int_equal(((uint8_t *)bytes)[len - 1], fill);
    if (!bytes) assert_int_equal(len, 0);
    mem_free(bytes);
    return len;
}

static void what_is_put_is_got(void **state)
{
    thumbs *t = open_ok(false);
    put(t, "a", 5000, 1);
    put(t, "b", THUMBS_BYTES_MAX, 2);
    put(t, "c", 16, 3);
    put(t, "c", 400, 4);
    assert_int_equal(got(t, "a", 1), 5000);
    assert_int_equal(got(t, "d", 0), 0);
    thumbs_close(t);
    t = open_ok(true);
    assert_int_equal(got(t, "a", 1), 5000);
    assert_int_equal(got(t, "b", 2), THUMBS_BYTES_MAX);
    assert_int_equal(got(t, "c", 4), 400);
    assert_int_equal(thumbs_begin(t, &err), SIMILE_E_ARG);
    thumbs_close(t);
}

static void what_is_no_small_webp_is_not_put(void **state)
{
    static uint8_t bytes[THUMBS_BYTES_MAX + 1];
    thumbs *t = open_ok(false);
    uint8_t hash[DIGEST_SIZE];
    hash_of("a", hash);
    assert_ok(thumbs_begin(t, &err));
    make_webp(bytes, sizeof bytes, 0);
    assert_int_equal(thumbs_put(t, hash, bytes, sizeof bytes, &err), SIMILE_E_ARG);
    make_webp(bytes, 100, 0);
    assert_int_equal(thumbs_put(t, hash, bytes, 99, &err), SIMILE_E_ARG);
    assert_int_equal(thumbs_put(t, hash, bytes, 12, &err), SIMILE_E_ARG);
    bytes[0] = 'X';
    assert_int_equal(thumbs_put(t, hash, bytes, 100, &err), SIMILE_E_ARG);
    thumbs_rollback(t);
    assert_int_equal(got(t, "a", 0), 0);
    thumbs_close(t);
}

static int count_hashes(void *user, const uint8_t hash[DIGEST_SIZE])
{
    return ++*(int *)user == 10;
}

static void what_is_deleted_gives_its_room_back(void **state)
{
    thumbs *t = open_ok(false);
    file_facts full, empty;
    char name[16];
    int n = 0;
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "%d", i);
        put(t, name, 10000, (uint8_t)i);
    }
    assert_ok(thumbs_each(t, count_hashes, &n, &err));
    assert_int_equal(n, 10);
    assert_ok(file_stat(file, &full, &err));
    assert_ok(thumbs_begin(t, &err));
    for (int i = 0; i < 19; i++) {
        uint8_t hash[DIGEST_SIZE];
        snprintf(name, sizeof name, "%d", i);
        hash_of(name, hash);
        assert_ok(thumbs_delete(t, hash, &err));
        assert_ok(thumbs_delete(t, hash, &err));
    }
    assert_ok(thumbs_commit(t, &err));
    assert_int_equal(got(t, "3", 0), 0);
    assert_int_equal(got(t, "19", 19), 10000);
    assert_ok(file_stat(file, &empty, &err));
    assert_true(full.size > 200000 && empty.size < 40000);
    thumbs_close(t);
}

/* ---- files of others, and damaged ones ---- */

static void run_sql(const char *sql)
{
    sqlite3 *db;
    char *why = NULL;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why)) fail_msg("%s: %s", sql, why);
    sqlite3_close(db);
}

static void write_bytes(const char *bytes, size_t len)
{
    FILE *out = fopen(file, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
}

static void assert_refused(simile_status expected)
{
    thumbs *t;
    assert_int_equal(thumbs_open(file, false, false, &t, &err), expected);
    assert_null(t);
    assert_true(err.message[0]);
}

static void foreign_files_are_refused_and_stay(void **state)
{
    thumbs *t;
    catalog *c;
    assert_int_equal(thumbs_open(file, false, true, &t, &err), SIMILE_E_NOT_FOUND);
    assert_int_equal(thumbs_open(file, true, false, &t, &err), SIMILE_E_NOT_FOUND);
    write_bytes("this is not a database, but long enough to be looked at as one", 62);
    assert_refused(SIMILE_E_FORMAT);
    thumbs_remove_file(file);
    assert_true(file_exists(file));
    unlink(file);
    assert_ok(catalog_open(file, false, &c, &err));
    catalog_close(c);
    assert_refused(SIMILE_E_FORMAT);
    thumbs_remove_file(file);
    assert_true(file_exists(file));
    unlink(file);
    thumbs_remove_file(file); /* there is none: fine */
}

static void other_tables_are_refused_before_a_row_is_read(void **state)
{
    static const char *const changes[] = {
        "CREATE TABLE other (x)",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TRIGGER t AFTER INSERT ON thumb BEGIN DELETE FROM thumb; END",
        "DROP INDEX thumb_hash",
        "ALTER TABLE thumb ADD COLUMN more TEXT",
        "CREATE INDEX i ON thumb (length(image))",
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        thumbs_close(open_ok(false));
        run_sql(changes[i]);
        assert_refused(SIMILE_E_CORRUPT);
        thumbs_remove_file(file); /* it is ours */
        assert_false(file_exists(file));
    }
    thumbs_close(open_ok(false));
    run_sql("PRAGMA user_version = 2");
    assert_refused(SIMILE_E_VERSION);
}

static void rows_that_are_no_pictures_are_not_there(void **state)
{
    static const char *const changes[] = {
        "UPDATE thumb SET image = zeroblob(100)",
        "UPDATE thumb SET image = x'52494646'",
        "UPDATE thumb SET image = x''",
        "UPDATE thumb SET image = zeroblob(2000000)",
        "UPDATE thumb SET image = substr(image, 1, 300)",
        "UPDATE thumb SET image = CAST(image || x'00' AS BLOB)",
        "UPDATE thumb SET hash = zeroblob(32)",
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        thumbs *t = open_ok(false);
        put(t, "a", 400, 1);
        assert_int_equal(got(t, "a", 1), 400);
        thumbs_close(t);
        run_sql(changes[i]);
        t = open_ok(false);
        assert_int_equal(got(t, "a", 1), 0);
        put(t, "a", 500, 2);
        assert_int_equal(got(t, "a", 2), 500);
        thumbs_close(t);
    }
}

/* Whatever byte is wrong: an error or an answer, and what is ours can be thrown away. */
static void spoilt_files_do_no_harm(void **state)
{
    thumbs *t = open_ok(false);
    char *bytes;
    size_t len;
    for (int i = 0; i < 8; i++) put(t, (const char[]){(char)('a' + i), 0}, 3000, (uint8_t)i);
    thumbs_close(t);
    assert_ok(file_read(file, 1 << 20, &bytes, &len, &err));
    for (size_t at = 0; at < len; at += at < 200 ? 1 : 97) {
        uint8_t hash[DIGEST_SIZE];
        void *image;
        size_t n;
        int count = -1000;
        bytes[at] = (char)~bytes[at];
        write_bytes(bytes, len);
        bytes[at] = (char)~bytes[at];
        if (thumbs_open(file, false, false, &t, NULL)) continue;
        hash_of("c", hash);
        if (!thumbs_get(t, hash, &image, &n, NULL)) mem_free(image);
        thumbs_each(t, count_hashes, &count, NULL);
        if (!thumbs_begin(t, NULL)) {
            thumbs_delete(t, hash, NULL);
            thumbs_commit(t, NULL);
            thumbs_rollback(t);
        }
        thumbs_close(t);
    }
    for (size_t n = 0; n < len; n += 1000) {
        write_bytes(bytes, n);
        if (!thumbs_open(file, false, false, &t, NULL)) thumbs_close(t);
    }
    mem_free(bytes);
}

#define thumbs_test(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        thumbs_test(what_is_put_is_got),
        thumbs_test(what_is_no_small_webp_is_not_put),
        thumbs_test(what_is_deleted_gives_its_room_back),
        thumbs_test(foreign_files_are_refused_and_stay),
        thumbs_test(other_tables_are_refused_before_a_row_is_read),
        thumbs_test(rows_that_are_no_pictures_are_not_there),
        thumbs_test(spoilt_files_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
