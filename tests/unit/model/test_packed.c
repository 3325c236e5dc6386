/* SPDX-License-Identifier: Apache-2.0
 * test_packed.c - files of packed weights: what was written is read again, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "model/packed.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCKS = 4 };
static const size_t sizes[BLOCKS] = {1, 0, 4096, 777};
static const char identity[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

typedef struct {
    char folder[64];
    packed_key key;
    char *path;
} place;

static size_t size_of(const void *user, size_t i)
{
    return sizes[i];
}

static void make(const void *user, size_t i, void *out)
{
    assert_int_equal((uintptr_t)out % 64, 0);
    for (size_t k = 0; k < sizes[i]; k++) ((uint8_t *)out)[k] = (uint8_t)(3 * k + i);
}

static const packed_blocks blocks = {BLOCKS, size_of, make, NULL};

static void begin(place *p)
{
    *p = (place){.folder = "/tmp/simile-packed-XXXXXX"};
    assert_non_null(mkdtemp(p->folder));
    memcpy(p->key.model, identity, sizeof identity);
    p->key.tower = "text";
    p->key.packing = 7;
    p->path = packed_path(p->folder, &p->key);
    assert_non_null(p->path);
}

static void end(place *p)
{
    packed_remove(p->folder, NULL);
    assert_int_equal(rmdir(p->folder), 0);
    mem_free(p->path);
}

static void write_it(const place *p)
{
    simile_error err;
    if (packed_write(p->path, &p->key, &blocks, 1 << 20, &err)) fail_msg("%s", err.message);
}

static void reads_what_was_written(void **state)
{
    place p;
    packed *file;
    begin(&p);
    write_it(&p);
    assert_int_equal(packed_open(p.path, &p.key, &file, NULL), SIMILE_OK);
    assert_int_equal(packed_count(file), BLOCKS);
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t bytes;
        const uint8_t *block = packed_block(file, i, &bytes);
        assert_int_equal(bytes, sizes[i]);
        assert_int_equal((uintptr_t)block % 64, 0);
        for (size_t k = 0; k < bytes; k++) assert_int_equal(block[k], (uint8_t)(3 * k + i));
    }
    packed_close(file);
    end(&p);
}

static void refuses_another_key(void **state)
{
    place p;
    packed *file;
    begin(&p);
    write_it(&p);
    packed_key other[4] = {p.key, p.key, p.key, p.key};
    other[0].model[5] = 'f';
    other[1].tower = "image";
    other[2].packing = 8;
    other[3].precision = NN_COMPUTE_INT8;
    for (int i = 0; i < 4; i++) assert_int_equal(packed_open(p.path, &other[i], &file, NULL), SIMILE_E_VERSION);
    end(&p);
}

/* Changes one byte, with the file's time as it was unless `later`. */
static void damage(const char *path, off_t at, bool later)
{
    struct stat st;
    uint8_t byte;
    const int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    fstat(fd, &st);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    const struct timespec times[2] = {st.st_atim, {st.st_mtim.tv_sec + later, st.st_mtim.tv_nsec}};
    futimens(fd, times);
    close(fd);
}

static void refuses_a_damaged_head_always(void **state)
{
    place p;
    packed *file;
    begin(&p);
    const off_t end_of_head = 160 + 16 * BLOCKS + DIGEST_SIZE;
    for (off_t at = 0; at < end_of_head; at += 3) {
        write_it(&p);
        damage(p.path, at, false);
        assert_int_not_equal(packed_open(p.path, &p.key, &file, NULL), SIMILE_OK);
    }
    end(&p);
}

static void refuses_damaged_blocks_of_a_file_that_was_written_to(void **state)
{
    place p;
    packed *file;
    begin(&p);
    write_it(&p);
    damage(p.path, 4096 + 64 + 100, true);
    assert_int_equal(packed_open(p.path, &p.key, &file, NULL), SIMILE_E_CORRUPT);
    end(&p);
}

static void believes_a_copy_whose_blocks_are_right(void **state)
{
    place p;
    packed *file;
    begin(&p);
    write_it(&p);
    assert_int_equal(utimensat(AT_FDCWD, p.path, NULL, 0), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(packed_open(p.path, &p.key, &file, NULL), SIMILE_OK);
        packed_close(file);
    }
    end(&p);
}

static void refuses_other_lengths(void **state)
{
    place p;
    packed *file;
    file_facts facts;
    begin(&p);
    write_it(&p);
    assert_int_equal(file_stat(p.path, &facts, NULL), SIMILE_OK);
    for (off_t len = 0; len < facts.size; len += 61) {
        assert_int_equal(truncate(p.path, len), 0);
        assert_int_equal(packed_open(p.path, &p.key, &file, NULL), SIMILE_E_CORRUPT);
        write_it(&p);
    }
    assert_int_equal(truncate(p.path, facts.size + 64), 0);
    assert_int_equal(packed_open(p.path, &p.key, &file, NULL), SIMILE_E_CORRUPT);
    end(&p);
}

static void refuses_what_others_may_write_to(void **state)
{
    place p;
    packed *file;
    begin(&p);
    write_it(&p);
    assert_int_equal(chmod(p.path, 0622), 0);
    assert_int_equal(packed_open(p.path, &p.key, &file, NULL), SIMILE_E_IO);
    end(&p);
}

static void goes_without_where_nothing_can_be_written(void **state)
{
    place p;
    simile_error err;
    begin(&p);
    char *below_a_file = mem_printf("%s/file/packed/x", p.folder), *file = path_join(p.folder, "file");
    assert_int_equal(file_replace(file, "x", 1, NULL), SIMILE_OK);
    assert_int_not_equal(packed_write(below_a_file, &p.key, &blocks, 1 << 20, &err), SIMILE_OK);
    assert_int_equal(packed_write(p.path, &p.key, &blocks, 8192, &err), SIMILE_E_LIMIT);
    assert_false(file_exists(p.path));
    unlink(file);
    mem_free(file);
    mem_free(below_a_file);
    end(&p);
}

static void keeps_to_its_limit_and_gives_up_the_oldest(void **state)
{
    place p;
    begin(&p);
    char *paths[3];
    for (int i = 0; i < 3; i++) {
        p.key.packing = (uint64_t)i;
        paths[i] = packed_path(p.folder, &p.key);
        if (packed_write(paths[i], &p.key, &blocks, 2 * 9152, NULL)) fail_msg("not written");
        const struct timespec times[2] = {{.tv_sec = 1000 - i}, {.tv_nsec = UTIME_OMIT}};
        if (i < 2) utimensat(AT_FDCWD, paths[i], times, 0);
    }
    assert_true(file_exists(paths[0]));
    assert_false(file_exists(paths[1]));
    assert_true(file_exists(paths[2]));
    assert_true(packed_size(p.folder, NULL) <= 2 * 9152);
    assert_int_equal(packed_size(p.folder, "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"), 0);
    const uint64_t size = packed_size(p.folder, identity);
    assert_true(size > 0);
    assert_int_equal(packed_remove(p.folder, identity), size);
    for (int i = 0; i < 3; i++) mem_free(paths[i]);
    end(&p);
}

static void survives_every_failing_allocation(void **state)
{
    place p;
    packed *file;
    begin(&p);
    simile_status status = SIMILE_E_NOMEM;
    for (long n = 1; status && n < 100; n++) {
        mem_fault_after(n, true);
        status = packed_write(p.path, &p.key, &blocks, 1 << 20, NULL);
        mem_fault_after(0, false);
        if (status) assert_int_equal(packed_open(p.path, &p.key, &file, NULL), SIMILE_E_NOT_FOUND);
    }
    assert_int_equal(status, SIMILE_OK);
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_was_written),
        cmocka_unit_test(refuses_another_key),
        cmocka_unit_test(refuses_a_damaged_head_always),
        cmocka_unit_test(refuses_damaged_blocks_of_a_file_that_was_written_to),
        cmocka_unit_test(believes_a_copy_whose_blocks_are_right),
        cmocka_unit_test(refuses_other_lengths),
        cmocka_unit_test(refuses_what_others_may_write_to),
        cmocka_unit_test(goes_without_where_nothing_can_be_written),
        cmocka_unit_test(keeps_to_its_limit_and_gives_up_the_oldest),
        cmocka_unit_test(survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
