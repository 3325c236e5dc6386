/* SPDX-License-Identifier: Apache-2.0
 * test_mapped.c - rows and codes in a file: written, appended to, read; by one at a time; refused when in doubt. */
#include "base/file.h"
#include "base/mem.h"
#include "index/mapped.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { DIM = 40, N = 3000, TOP = 5 };

static simile_error err;
static char path[64];

static float number(size_t row, size_t j)
{
    uint64_t x = (row * DIM + j + 1) * UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 31) * UINT64_C(0xBF58476D1CE4E5B9);
    return (float)(int64_t)x * 0x1p-63f / 4;
}

static mapped_facts facts_for(size_t n)
{
    return (mapped_facts){.owner = "somebody",
                          .dim = DIM,
                          .generation = (int64_t)n,
                          .rewrites = 3,
                          .last_id = 2 * (int64_t)n + 1,
                          .n = n};
}

static void fill(mapped *m, size_t first, size_t end)
{
    for (size_t row = first; row < end; row++) {
        mapped_ids(m)[row] = 2 * (int64_t)row + 3;
        for (size_t j = 0; j < mapped_stride(m); j++)
            mapped_rows(m)[row * mapped_stride(m) + j] = j < DIM ? number(row, j) : 0;
    }
}

static void make(size_t n, size_t capacity)
{
    mapped *m;
    const mapped_facts facts = facts_for(n);
    assert_int_equal(mapped_create(path, &facts, capacity, &m, &err), SIMILE_OK);
    fill(m, 0, n);
    assert_int_equal(mapped_code(m, n, NULL, &err), SIMILE_OK);
    assert_int_equal(mapped_commit(m, &facts, &err), SIMILE_OK);
    mapped_close(m);
}

static void assert_holds(mapped *m, size_t n)
{
    scan_hit expected[TOP], got[TOP];
    size_t found, same;
    float query[DIM];
    const mapped_facts wanted = facts_for(n);
    assert_memory_equal(mapped_facts_of(m), &wanted, sizeof wanted);
    for (size_t j = 0; j < DIM; j++) query[j] = number(77777, j);
    const scan_set set = {.rows = mapped_rows(m),
                          .ids = mapped_ids(m),
                          .n = n,
                          .dim = DIM,
                          .stride = mapped_stride(m),
                          .min_score = -INFINITY};
    for (size_t row = 0; row < n; row += 97) assert_true(mapped_rows(m)[row * mapped_stride(m) + 7] == number(row, 7));
    assert_int_equal(scan_top(&set, query, TOP, NULL, expected, &found, &err), SIMILE_OK);
    assert_int_equal(codes_top(&set, mapped_codes(m), NULL, query, TOP, NULL, got, &same, NULL, &err), SIMILE_OK);
    assert_int_equal(found, same);
    assert_memory_equal(got, expected, found * sizeof *got);
}

static void what_is_written_is_read(void **state)
{
    mapped *m, *reader, *other;
    make(N, N + 500);
    assert_int_equal(mapped_open(path, &reader, &err), SIMILE_OK);
    assert_holds(reader, N);
    assert_int_equal(mapped_capacity(reader), N + 500);
    assert_int_equal(mapped_extend(path, &m, &err), SIMILE_OK);
    assert_int_equal(mapped_extend(path, &other, &err), SIMILE_E_BUSY);
    for (size_t n = N; n < N + 500; n += 250) {
        const mapped_facts facts = facts_for(n + 250);
        fill(m, n, n + 250);
        for (size_t row = n; row < n + 250; row++)
            codes_put(mapped_codes(m), row, mapped_rows(m) + row * mapped_stride(m));
        assert_int_equal(mapped_commit(m, &facts, &err), SIMILE_OK);
        assert_int_equal(mapped_open(path, &other, &err), SIMILE_OK);
        assert_holds(other, n + 250);
        mapped_close(other);
    }
    mapped_close(m);
    assert_holds(reader, N); /* what it saw is as it was */
    mapped_close(reader);
}

/* As who copies a file that has never been written to in places leaves it. */
static void make_sparse(void)
{
    char *bytes = NULL, name[80];
    size_t len;
    static const char none[4096];
    snprintf(name, sizeof name, "%s.sparse", path);
    assert_int_equal(file_read(path, SIZE_MAX / 2, &bytes, &len, &err), SIMILE_OK);
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    for (size_t at = 0; at < len; at += sizeof none) {
        if (!memcmp(bytes + at, none, sizeof none)) continue;
        assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
        assert_int_equal(fwrite(bytes + at, 1, sizeof none, file), sizeof none);
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(truncate(name, (off_t)len), 0);
    assert_int_equal(rename(name, path), 0);
    mem_free(bytes);
}

static void room_for_more_is_reserved_before_it_is_written_to(void **state)
{
    mapped *m;
    struct stat before, after;
    make(N, 8 * N);
    make_sparse();
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(mapped_extend(path, &m, &err), SIMILE_OK);
    assert_holds(m, N);
    mapped_close(m);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    assert_true(before.st_blocks * 512 < before.st_size && after.st_blocks * 512 >= after.st_size);
}

static void one_at_a_time_makes_it(void **state)
{
    mapped *m, *other;
    const mapped_facts facts = facts_for(N);
    char name[80];
    snprintf(name, sizeof name, "%s-new", path);
    assert_int_equal(mapped_create(path, &facts, N, &m, &err), SIMILE_OK);
    assert_int_equal(mapped_create(path, &facts, N, &other, &err), SIMILE_E_BUSY);
    assert_true(file_exists(name));
    mapped_close(m); /* without a commit nothing is left */
    assert_false(file_exists(name));
    assert_int_equal(mapped_open(path, &m, &err), SIMILE_E_FORMAT);
    assert_int_equal(mapped_extend(path, &m, &err), SIMILE_E_NOT_FOUND);
    assert_int_equal(mapped_create(path, &facts, N, &m, &err), SIMILE_OK);
    fill(m, 0, N);
    assert_int_equal(mapped_code(m, N, NULL, &err), SIMILE_OK);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(mapped_commit(m, &facts, &err), SIMILE_E_IO);
    mapped_close(m);
    assert_false(file_exists(name)); /* nor with one that cannot take its place */
    assert_int_equal(rmdir(path), 0);
    const mapped_facts none = {.dim = 0}, many = {.dim = CODES_MOST_DIM + 1};
    assert_int_equal(mapped_create(path, &none, 1, &m, &err), SIMILE_E_UNSUPPORTED);
    assert_int_equal(mapped_create(path, &many, 1, &m, &err), SIMILE_E_UNSUPPORTED);
    assert_int_equal(mapped_create(path, &facts, SIZE_MAX / 8, &m, &err), SIMILE_E_NOMEM);
    assert_int_equal(mapped_create("/nowhere/at/all", &facts, N, &m, &err), SIMILE_E_NOT_FOUND);
}

/* A crash between rows and slot: the slot before is in force. */
static void an_unfinished_append_is_not_seen(void **state)
{
    mapped *m;
    make(N, N + 500);
    assert_int_equal(mapped_extend(path, &m, &err), SIMILE_OK);
    fill(m, N, N + 100);
    for (size_t row = N; row < N + 100; row++) codes_put(mapped_codes(m), row, mapped_rows(m) + row * mapped_stride(m));
    mapped_close(m);
    assert_int_equal(mapped_open(path, &m, &err), SIMILE_OK);
    assert_holds(m, N);
    mapped_close(m);
}

static void every_byte_of_the_head_counts(void **state)
{
    mapped *m;
    char *bytes;
    size_t len;
    make(100, 100);
    assert_int_equal(file_read(path, 1 << 24, &bytes, &len, &err), SIMILE_OK);
    uint8_t *copy = mem_aligned(len);
    memcpy(copy, bytes, len);
    assert_int_equal(mapped_read(copy, len, true, &m, &err), SIMILE_OK);
    assert_holds(m, 100);
    mapped_close(m);
    for (size_t at = 0; at < 168; at++) {
        copy[at] ^= 0x41;
        if (!mapped_read(copy, len, true, &m, &err)) fail_msg("byte %zu does not matter", at);
        copy[at] ^= 0x41;
    }
    for (size_t cut = 1; cut < len; cut += 4099)
        assert_int_equal(mapped_read(copy, len - cut, true, &m, &err), SIMILE_E_FORMAT);
    mem_free(copy);
    mem_free(bytes);
}

static int forget(void **state)
{
    unlink(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_is_written_is_read, forget),
        cmocka_unit_test_teardown(room_for_more_is_reserved_before_it_is_written_to, forget),
        cmocka_unit_test_teardown(one_at_a_time_makes_it, forget),
        cmocka_unit_test_teardown(an_unfinished_append_is_not_seen, forget),
        cmocka_unit_test_teardown(every_byte_of_the_head_counts, forget),
    };
    snprintf(path, sizeof path, "/tmp/simile-test-mapped-%ld", (long)getpid());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
