/* SPDX-License-Identifier: Apache-2.0
 * test_system.c - memory, buffers, files, paths, walking, digests, the pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/digest.h"
#include "base/documents.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/pool.h"

#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

static char *scratch(void)
{
    const char *base = getenv("TMPDIR");
    char *folder = mem_printf("%s/simile-test-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    return folder;
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char *path = path_join(folder, name);
    simile_error err;
    if (file_replace(path, text, strlen(text), &err)) fail_msg("%s", err.message);
    mem_free(path);
}

static void arithmetic_is_checked(void **state)
{
    size_t out;
    assert_false(mem_mul(SIZE_MAX, 2, &out));
    assert_false(mem_add(SIZE_MAX, 1, &out));
    assert_null(mem_array(SIZE_MAX / 2, 3));
    assert_null(mem_zero_array(SIZE_MAX, SIZE_MAX));
    assert_null(mem_grow(NULL, SIZE_MAX / 4, 8));
}

static void faults_strike_where_they_are_told(void **state)
{
    mem_fault_after(2, false);
    void *a = mem_alloc(1), *b = mem_alloc(1), *c = mem_alloc(1);
    assert_true(a && !b && c);
    assert_true(mem_fault_hit());
    mem_fault_after(1, true);
    assert_null(mem_strdup("x"));
    assert_null(mem_printf("%d", 1));
    assert_null(mem_aligned(64));
    mem_fault_after(0, false);
    mem_free(a);
    mem_free(c);
}

static void arenas_hand_out_aligned_pieces(void **state)
{
    arena a;
    assert_true(arena_init(&a, 1000));
    void *p = arena_take(&a, 1);
    void *q = arena_take(&a, 100);
    assert_int_equal((uintptr_t)p % 64, 0);
    assert_int_equal((uint8_t *)q - (uint8_t *)p, 64);
    const size_t mark = arena_mark(&a);
    assert_null(arena_take(&a, 1000));
    assert_null(arena_take(&a, SIZE_MAX));
    assert_non_null(arena_take(&a, 500));
    arena_reset(&a, mark);
    assert_non_null(arena_take(&a, 500));
    arena_release(&a);
}

static void buffers_stop_at_their_maximum(void **state)
{
    buf b;
    buf_init(&b, 10);
    assert_true(buf_text(&b, "12345"));
    assert_true(buf_printf(&b, "%d", 67890));
    assert_string_equal(b.data, "1234567890");
    assert_false(buf_byte(&b, 'x'));
    assert_null(b.data);
    assert_false(buf_text(&b, "y")); /* failed for good */
    assert_null(buf_take(&b, NULL));
    buf_clear(&b);
    assert_true(buf_text(&b, "again"));
    size_t len;
    char *taken = buf_take(&b, &len);
    assert_string_equal(taken, "again");
    assert_int_equal(len, 5);
    mem_free(taken);
    taken = buf_take(&b, &len);
    assert_string_equal(taken, "");
    mem_free(taken);
    buf_release(&b);
}

static void files_are_replaced_whole(void **state)
{
    char *folder = scratch(), *path = path_join(folder, "x"), *text;
    size_t len;
    simile_error err;
    write_file(folder, "x", "one");
    write_file(folder, "x", "second");
    assert_int_equal(file_read(path, 100, &text, &len, &err), SIMILE_OK);
    assert_string_equal(text, "second");
    mem_free(text);
    assert_int_equal(file_read(path, 5, &text, &len, &err), SIMILE_E_LIMIT);
    assert_null(text);
    file_map map;
    assert_int_equal(file_map_open(path, &map, &err), SIMILE_OK);
    assert_memory_equal(map.data, "second", 6);
    file_map_close(&map);
    assert_int_equal(file_map_open(folder, &map, &err), SIMILE_E_IO);
    assert_non_null(strstr(err.message, "it is a folder"));
    char *absent = path_join(folder, "absent");
    assert_int_equal(file_map_open(absent, &map, &err), SIMILE_E_NOT_FOUND);
    assert_int_equal(file_read(absent, 9, &text, &len, NULL), SIMILE_E_NOT_FOUND);
    char *below = path_join(absent, "y");
    assert_int_equal(file_replace(below, "", 0, &err), SIMILE_E_NOT_FOUND);
    write_file(folder, "empty", "");
    char *empty = path_join(folder, "empty");
    assert_int_equal(file_map_open(empty, &map, &err), SIMILE_OK);
    assert_int_equal(map.len, 0);
    file_map_close(&map);
    char *link = path_join(folder, "link");
    assert_int_equal(symlink("x", link), 0);
    assert_int_equal(file_replace(link, "third", 5, &err), SIMILE_E_IO);
    assert_int_equal(file_replace("/dev/null", "", 0, &err), SIMILE_E_IO);
    unlink(link);
    mem_free(link);
    unlink(path);
    unlink(empty);
    assert_int_equal(rmdir(folder), 0); /* nothing half-written was left behind */
    mem_free(folder);
    mem_free(path);
    mem_free(absent);
    mem_free(below);
    mem_free(empty);
}

static void check_absolute(const char *in, const char *wanted)
{
    char *out = path_absolute(in);
    assert_string_equal(out, wanted);
    mem_free(out);
}

static void paths_are_made_absolute(void **state)
{
    check_absolute("/", "/");
    check_absolute("//a//b/", "/a/b");
    check_absolute("/a/./b/../c", "/a/c");
    check_absolute("/../..", "/");
    check_absolute("/a/..b/...", "/a/..b/...");
    check_absolute("/a/b/../../..", "/");
    assert_int_equal(chdir("/"), 0);
    check_absolute("x/../y", "/y");
    check_absolute(".", "/");
    char *s = path_name("/a/b//");
    assert_string_equal(s, "b");
    mem_free(s);
    s = path_folder("/a/b//");
    assert_string_equal(s, "/a");
    mem_free(s);
    s = path_folder("/a");
    assert_string_equal(s, "/");
    mem_free(s);
    s = path_folder("a");
    assert_string_equal(s, ".");
    mem_free(s);
}

typedef struct {
    char seen[1000];
    int stop_after, unreadable;
} walk_log;

static int note_file(void *user, const char *path, const file_facts *facts)
{
    walk_log *log = user;
    assert_true(facts->is_regular);
    strcat(log->seen, strrchr(path, '/'));
    return --log->stop_after == 0;
}

static void note_unreadable(void *user, const char *path, const simile_error *why)
{
    ((walk_log *)user)->unreadable++;
}

static void walks_in_order(void **state)
{
    char *folder = scratch();
    static const char *const folders[] = {"b", "b/c", "a", ".hidden"};
    for (int i = 0; i < 4; i++) {
        char *p = path_join(folder, folders[i]);
        assert_int_equal(path_make_folders(p, NULL), SIMILE_OK);
        assert_int_equal(path_make_folders(p, NULL), SIMILE_OK);
        mem_free(p);
    }
    static const char *const files[] = {"z", "b/2", "b/1", "b/c/3", "a/4", ".hidden/no", ".no"};
    for (int i = 0; i < 7; i++) write_file(folder, files[i], "");
    char *link = path_join(folder, "y"), *loop = path_join(folder, "loop"), *dangling = path_join(folder, "x");
    assert_int_equal(symlink("z", link) | symlink(".", loop) | symlink("nowhere", dangling), 0);
    walk_log log = {0};
    assert_int_equal(file_walk(folder, note_file, note_unreadable, &log, NULL), SIMILE_OK);
    assert_string_equal(log.seen, "/y/z/4/1/2/3");
    log = (walk_log){.stop_after = 2};
    assert_int_equal(file_walk(folder, note_file, NULL, &log, NULL), SIMILE_E_CANCELLED);
    assert_string_equal(log.seen, "/y/z");
    log = (walk_log){0};
    char *absent = path_join(folder, "absent");
    assert_int_equal(file_walk(absent, note_file, note_unreadable, &log, NULL), SIMILE_OK);
    assert_int_equal(log.unreadable, 1);
    char *command = mem_printf("rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
    mem_free(command);
    mem_free(absent);
    mem_free(link);
    mem_free(loop);
    mem_free(dangling);
    mem_free(folder);
}

static void xdg_folders_follow_the_variables(void **state)
{
    setenv("XDG_DATA_HOME", "/data", 1);
    char *p = path_data_home();
    assert_string_equal(p, "/data/simile");
    mem_free(p);
    setenv("XDG_DATA_HOME", "relative", 1);
    setenv("HOME", "/home/me", 1);
    p = path_data_home();
    assert_string_equal(p, "/home/me/.local/share/simile");
    mem_free(p);
    unsetenv("XDG_DATA_HOME");
    unsetenv("HOME");
    assert_null(path_data_home());
}

static void digests_are_sha256(void **state)
{
    uint8_t out[DIGEST_SIZE];
    char hex[DIGEST_HEX];
    digest_bytes("abc", 3, out); /* FIPS 180-2, appendix B.1 */
    digest_hex(out, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

typedef struct {
    atomic_int done[1000];
    atomic_int workers[8];
} pool_log;

static void mark_item(void *user, size_t item, int worker)
{
    pool_log *log = user;
    atomic_fetch_add(&log->done[item], 1);
    atomic_fetch_add(&log->workers[worker], 1);
}

static void pools_do_each_item_once(void **state)
{
    for (int threads = 1; threads <= 4; threads++) {
        pool *p;
        static pool_log log;
        assert_int_equal(pool_new(threads, &p, NULL), SIMILE_OK);
        assert_int_equal(pool_threads(p), threads);
        for (int round = 1; round <= 200; round++) {
            memset(&log, 0, sizeof log);
            pool_run(p, (size_t)(round * 5), mark_item, &log);
            for (int i = 0; i < 1000; i++) assert_int_equal(log.done[i], i < round * 5);
            for (int w = threads; w < 8; w++) assert_int_equal(log.workers[w], 0);
        }
        pool_run(p, 0, mark_item, &log);
        pool_free(p);
    }
    assert_true(cpu_count() >= 1);
}

static void documents_are_known_by_name(void **state)
{
    size_t n = 0;
    for (; document_at(n); n++) {
        assert_true(document_kind_of(document_at(n)) != DOCUMENT_NONE);
        for (size_t i = 0; i < n; i++) assert_string_not_equal(document_at(i), document_at(n));
    }
    assert_true(n > 10);
    assert_int_equal(document_kind_of("vocab.txt"), DOCUMENT_TOKENIZER);
    assert_int_equal(document_kind_of("config.json"), DOCUMENT_NETWORK);
    assert_int_equal(document_kind_of("model.safetensors"), DOCUMENT_NONE);
    assert_int_equal(document_kind_of("model.safetensors.index.json"), DOCUMENT_NONE);
    assert_true(document_in_module("x") && document_in_module("2_Dense/x") && document_in_module("0_/x"));
    assert_false(document_in_module("onnx/x") || document_in_module("_Dense/x") || document_in_module("2_Dense/x/y"));
    assert_false(document_in_module("../x") || document_in_module("/x"));
}

static void room_is_that_of_the_disk(void **state)
{
    char *folder = scratch();
    uint64_t room = 0;
    simile_error err;
    assert_int_equal(file_room(folder, &room, &err), SIMILE_OK);
    assert_true(room > 0);
    assert_int_equal(file_sync_folder(folder, &err), SIMILE_OK);
    rmdir(folder);
    assert_int_equal(file_room(folder, &room, &err), SIMILE_E_NOT_FOUND);
    assert_int_equal(file_sync_folder(folder, &err), SIMILE_E_NOT_FOUND);
    mem_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic_is_checked),
        cmocka_unit_test(faults_strike_where_they_are_told),
        cmocka_unit_test(arenas_hand_out_aligned_pieces),
        cmocka_unit_test(buffers_stop_at_their_maximum),
        cmocka_unit_test(files_are_replaced_whole),
        cmocka_unit_test(paths_are_made_absolute),
        cmocka_unit_test(walks_in_order),
        cmocka_unit_test(xdg_folders_follow_the_variables),
        cmocka_unit_test(digests_are_sha256),
        cmocka_unit_test(documents_are_known_by_name),
        cmocka_unit_test(room_is_that_of_the_disk),
        cmocka_unit_test(pools_do_each_item_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
