/* SPDX-License-Identifier: Apache-2.0
 * test_search_file.c - the file of vectors beside a catalogue (search_file.c): searches that use it answer as those
 * that do not, whatever became of the catalogue or of the file. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "many.h"

#include "base/file.h"
#include "base/mem.h"
#include "engine/search_file.h"
#include "store/catalog.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static simile_library *open_it(void)
{
    simile_library *library;
    const simile_library_options options = {.struct_size = sizeof options, .threads = 2};
    assert_ok(simile_library_open(lab.catalog, NULL, &options, &library, &err));
    return library;
}

static char *search_path(void)
{
    char *path = mem_printf("%s-search", lab.catalog);
    assert_non_null(path);
    return path;
}

static void update(void)
{
    simile_library *library = open_it();
    catalog *c;
    assert_ok(writer_take(library, &c, &err));
    search_file_update(library, SIMILE_KIND_IMAGE, c, NULL);
    writer_give(library);
    simile_library_close(library);
}

/* How many rows a search would find in the file; 0: it would not use it. */
static size_t rows_of_file(void)
{
    simile_library *library = open_it();
    catalog *c;
    assert_ok(reader_take(library, &c, &err));
    mapped *m = search_file_open(library, SIMILE_KIND_IMAGE, c);
    const size_t n = m ? mapped_facts_of(m)->n : 0;
    mapped_close(m);
    reader_give(library, c, true);
    simile_library_close(library);
    return n;
}

static void assert_fresh_searches(int n, int64_t gone)
{
    simile_library *library = open_it();
    assert_searches(library, n, gone);
    simile_library_close(library);
}

static ino_t inode_of(const char *path)
{
    struct stat facts;
    assert_int_equal(stat(path, &facts), 0);
    return facts.st_ino;
}

static void it_follows_the_catalogue(void **state)
{
    char *path = search_path();
    change(0, FIRST, 0);
    assert_int_equal(rows_of_file(), 0);
    update();
    assert_int_equal(rows_of_file(), FIRST);
    assert_fresh_searches(FIRST, 0);
    const ino_t first = inode_of(path);
    change(FIRST, FIRST + 10, 0); /* a search reads these ten from the catalogue */
    assert_int_equal(rows_of_file(), FIRST);
    assert_fresh_searches(FIRST + 10, 0);
    update(); /* and now they are appended */
    update();
    assert_int_equal(rows_of_file(), FIRST + 10);
    assert_true(inode_of(path) == first);
    assert_fresh_searches(FIRST + 10, 0);
    change(FIRST + 10, FIRST + 6000, 0); /* more than there is room for */
    assert_fresh_searches(FIRST + 6000, 0);
    update();
    assert_int_equal(rows_of_file(), FIRST + 6000);
    assert_true(inode_of(path) != first);
    assert_fresh_searches(FIRST + 6000, 0);
    change(0, 0, 5); /* one is deleted */
    assert_int_equal(rows_of_file(), 0);
    assert_fresh_searches(FIRST + 6000, 5);
    update();
    assert_int_equal(rows_of_file(), FIRST + 6000 - 1);
    assert_fresh_searches(FIRST + 6000, 5);
    mem_free(path);
}

static void one_library_goes_on_from_it(void **state)
{
    simile_library *library = open_it();
    change(0, FIRST, 0);
    update();
    assert_searches(library, FIRST, 0);
    change(FIRST, FIRST + 2000, 0); /* room in the file, and codes for them as they come */
    assert_searches(library, FIRST + 2000, 0);
    update(); /* another process appends what this one has in its own pages */
    assert_searches(library, FIRST + 2000, 0);
    change(FIRST + 2000, FIRST + 6000, 0); /* beyond the room: to memory */
    assert_searches(library, FIRST + 6000, 0);
    simile_library_close(library);
}

static void another_catalogues_file_is_not_used(void **state)
{
    char *path = search_path(), *kept = mem_printf("%s.kept", lab.catalog);
    change(7, 7 + FIRST, 0); /* other vectors under the same ids, by as many writes */
    update();
    assert_int_equal(rename(path, kept), 0);
    assert_int_equal(unlink(lab.catalog), 0);
    change(0, FIRST, 0);
    assert_int_equal(rename(kept, path), 0);
    assert_int_equal(rows_of_file(), 0);
    assert_fresh_searches(FIRST, 0);
    mem_free(path);
    mem_free(kept);
}

static void copy_file(const char *from, const char *to)
{
    char *bytes = NULL;
    size_t len;
    assert_ok(file_read(from, SIZE_MAX / 2, &bytes, &len, &err));
    assert_ok(file_replace(to, bytes, len, &err));
    mem_free(bytes);
}

/* The backup is from before; what was done since is done again, but not the same, with as many writes. */
static void a_restored_catalogue_doubts_the_file_of_its_future(void **state)
{
    char *backup = mem_printf("%s.backup", lab.catalog);
    change(0, FIRST, 0);
    update();
    copy_file(lab.catalog, backup);
    change(0, 0, 5);
    update();
    assert_int_equal(rows_of_file(), FIRST - 1);
    copy_file(backup, lab.catalog);
    change(0, 0, 7);
    assert_fresh_searches(FIRST, 7);
    assert_int_equal(rows_of_file(), 0);
    update();
    assert_int_equal(rows_of_file(), FIRST - 1);
    copy_file(lab.catalog, backup);
    change(0, 0, 9);
    copy_file(backup, lab.catalog); /* the file is of just this moment */
    assert_int_equal(rows_of_file(), FIRST - 1);
    change(FIRST, FIRST + 20, 0);
    update();
    copy_file(backup, lab.catalog);
    change(FIRST + 20, FIRST + 39, 0); /* other pictures under the same ids; the last one is the same */
    change(FIRST + 19, FIRST + 20, 0);
    assert_int_equal(rows_of_file(), 0);
    mem_free(backup);
}

static void flip(const char *path, long at, size_t len)
{
    uint8_t bytes[64];
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_equal(fread(bytes, 1, len, file), len);
    for (size_t i = 0; i < len; i++) bytes[i] ^= 0x5a;
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void a_damaged_file_is_doubted_and_made_anew(void **state)
{
    /* the head and its slot; the mean; sums; ids; bits of the layers */
    const long places[] = {0, 9, 17, 40, 130, 4096, 4096 + 4096 * 9, 50000, 100000, 150000, 250000, 1170000};
    char *path = search_path();
    change(0, FIRST, 0);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        update();
        assert_int_equal(rows_of_file(), FIRST);
        flip(path, places[i], 8);
        if (rows_of_file()) fail_msg("what is damaged at %ld is trusted", places[i]);
        assert_fresh_searches(FIRST, 0);
        if (places[i] < 8) assert_int_equal(unlink(path), 0); /* it is not known as ours any more, and left alone */
    }
    assert_int_equal(truncate(path, 300000), 0);
    assert_int_equal(rows_of_file(), 0);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(rows_of_file(), 0);
    update();
    assert_int_equal(rows_of_file(), 0);
    assert_fresh_searches(FIRST, 0);
    mem_free(path);
}

static void another_file_of_that_name_stays(void **state)
{
    char *path = search_path(), *text = NULL;
    size_t len;
    change(0, FIRST, 0);
    assert_ok(file_replace(path, "a letter", 8, &err));
    update();
    assert_fresh_searches(FIRST, 0);
    assert_ok(file_read(path, 100, &text, &len, &err));
    assert_string_equal(text, "a letter");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0777), 0);
    update();
    assert_fresh_searches(FIRST, 0);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("/dev/null", path), 0);
    update();
    assert_fresh_searches(FIRST, 0);
    assert_int_equal(unlink(path), 0);
    mem_free(text);
    mem_free(path);
}

static void small_catalogues_have_none(void **state)
{
    char *path = search_path();
    change(0, 100, 0);
    update();
    assert_false(file_exists(path));
    assert_fresh_searches(100, 0);
    mem_free(path);
}

/* Wherever memory runs out: no file, or a right one; and a right answer, or a sentence. */
static void without_memory_nothing_wrong_is_left(void **state)
{
    float query[DIM];
    scan_hit expected[LIMIT];
    change(0, FIRST, 0);
    query_of(4242, query);
    const size_t found = slow_top(FIRST, 0, false, query, expected);
    for (long n = 1; n < 60; n += 3) {
        simile_library *library = open_it();
        catalog *c;
        assert_ok(writer_take(library, &c, &err));
        mem_fault_after(n, false);
        search_file_update(library, SIMILE_KIND_IMAGE, c, NULL);
        mem_fault_after(0, false);
        writer_give(library);
        assert_search(library, query, false, expected, found);
        simile_library_close(library);
        if (n % 2) {
            char *path = search_path();
            unlink(path);
            mem_free(path);
        }
    }
    update();
    assert_int_equal(rows_of_file(), FIRST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_follows_the_catalogue, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(one_library_goes_on_from_it, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(another_catalogues_file_is_not_used, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(a_restored_catalogue_doubts_the_file_of_its_future, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(a_damaged_file_is_doubted_and_made_anew, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(another_file_of_that_name_stays, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(small_catalogues_have_none, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(without_memory_nothing_wrong_is_left, bench_open, bench_close),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bench_forget_model();
    return failed;
}
