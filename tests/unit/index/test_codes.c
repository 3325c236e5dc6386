/* SPDX-License-Identifier: Apache-2.0
 * test_codes.c - the scan over codes against the scan over floats: equal ids and equal scores, bit for bit, on data
 * that is easy, hard or hostile, with each table of kernels. With SIMILE_TEST_SMALL, as where a processor is emulated,
 * each case is tried on fewer rows, or fewer times. */
#include "rows.h"

#include "index/codes.h"
#include "index/kernels.h"

static const char *const kernel_names[] = {"plain", "avx2", "avx512vnni", "neon", "dotprod"};
enum { KERNELS = sizeof kernel_names / sizeof *kernel_names };

static size_t of_size(size_t usual, size_t small)
{
    return getenv("SIMILE_TEST_SMALL") ? small : usual;
}

/* ---- kernels ---- */

static void fill_numbers(uint8_t *rows, size_t n_rows, int8_t *query, size_t n_query, int kind)
{
    for (size_t i = 0; i < n_rows; i++) rows[i] = kind ? 0xff : (uint8_t)next_random();
    for (size_t i = 0; i < n_query; i++)
        query[i] = (int8_t)(kind == 1 ? 127 : kind == 2 ? -127 : (int)(next_random() % 255) - 127);
}

static void every_table_of_sums_equals_the_plain_one(void **state)
{
    enum { MOST_ROWS = 11 };
    const size_t group_counts[] = {1, 2, 3, 4, 6, 9, 128};
    size_t tried = 0;
    for (size_t k = 0; k < KERNELS; k++) {
        const code_kernels *kernels = code_kernels_named(kernel_names[k]);
        if (!kernels) continue;
        tried++;
        assert_string_equal(kernels->name, kernel_names[k]);
        for (size_t i = 0; i < 3 * 7 * MOST_ROWS; i++) {
            const size_t groups = group_counts[i / 3 % 7], n = i / 21 + 1, bytes = MOST_ROWS * groups * CODE_GROUP;
            uint16_t places[MOST_ROWS];
            int32_t expected[MOST_ROWS], got[MOST_ROWS + 1];
            uint8_t *rows = mem_aligned(bytes);
            int8_t *query = mem_aligned(2 * groups * CODE_GROUP);
            fill_numbers(rows, bytes, query, 2 * groups * CODE_GROUP, (int)(i % 3));
            got[n] = 77;
            for (size_t j = 0; j < n; j++) places[j] = (uint16_t)(next_random() % MOST_ROWS);
            code_kernels_plain.sums(rows, places, n, groups, query, expected);
            kernels->sums(rows, places, n, groups, query, got);
            assert_memory_equal(got, expected, n * sizeof *got);
            assert_int_equal(got[n], 77);
            if (i % 3 == 1) assert_int_equal(got[0], (int32_t)(2 * groups * CODE_GROUP) * 15 * 127);
            mem_free(rows);
            mem_free(query);
        }
    }
    assert_true(tried >= 1);
    assert_null(code_kernels_named("abacus"));
    assert_non_null(code_kernels_best());
}

static void every_table_of_heads_equals_the_plain_one(void **state)
{
    enum { MOST_ROWS = 11 };
    uint8_t rows[MOST_ROWS * HEAD_MOST];
    int8_t *query = mem_aligned(HEAD_MOST);
    for (size_t i = 0; i < 3 * 4 * MOST_ROWS; i++) {
        const size_t width = (i % 4 + 1) * HEAD_STEP, n = i / 12 + 1;
        int32_t expected[MOST_ROWS], got[MOST_ROWS + 1];
        fill_numbers(rows, sizeof rows, query, HEAD_MOST, (int)(i / 4 % 3));
        for (size_t j = 0; j < sizeof rows; j++) rows[j] &= 127;
        memset(query + width, 0, HEAD_MOST - width);
        code_kernels_plain.heads(rows, n, width, query, expected);
        if (i / 4 % 3 == 2) assert_int_equal(expected[0], -(int32_t)width * 127 * 127);
        for (size_t k = 0; k < KERNELS; k++) {
            const code_kernels *kernels = code_kernels_named(kernel_names[k]);
            if (!kernels) continue;
            got[n] = 77;
            kernels->heads(rows, n, width, query, got);
            assert_memory_equal(got, expected, n * sizeof *got);
            assert_int_equal(got[n], 77);
        }
    }
    mem_free(query);
}

static void every_table_of_signs_equals_the_plain_one(void **state)
{
    enum { MOST_BYTES = 2048 };
    const size_t sizes[] = {8, 16, 64, 96, 128, 136, 256, 264, MOST_BYTES};
    uint8_t *block = mem_aligned((size_t)MOST_BYTES * SIGN_ROWS);
    uint8_t(*tables)[16] = mem_aligned((size_t)MOST_BYTES * 2 * sizeof *tables);
    for (size_t i = 0; i < 2 * 9; i++) {
        int32_t expected[SIGN_ROWS], got[SIGN_ROWS + 1];
        const size_t bytes = sizes[i % 9];
        for (size_t j = 0; j < bytes * SIGN_ROWS; j++) block[j] = (uint8_t)next_random();
        for (size_t j = 0; j < bytes * 32; j++) ((uint8_t *)tables)[j] = i < 9 ? (uint8_t)(next_random() % 253) : 252;
        code_kernels_plain.signs(block, bytes, (const uint8_t(*)[16])tables, expected);
        if (i >= 9) assert_int_equal(expected[7], (int32_t)bytes * 2 * 252);
        for (size_t k = 0; k < KERNELS; k++) {
            const code_kernels *kernels = code_kernels_named(kernel_names[k]);
            if (!kernels) continue;
            got[SIGN_ROWS] = 77;
            kernels->signs(block, bytes, (const uint8_t(*)[16])tables, got);
            assert_memory_equal(got, expected, sizeof expected);
            assert_int_equal(got[SIGN_ROWS], 77);
        }
    }
    mem_free(block);
    mem_free(tables);
}

static void every_table_of_bits_equals_the_plain_one(void **state)
{
    enum { MOST_ROWS = 11, MOST_BYTES = 2048 };
    const size_t sizes[] = {8, 16, 64, 96, 128, 136, MOST_BYTES};
    uint8_t *rows = mem_aligned((size_t)MOST_ROWS * MOST_BYTES);
    int8_t *query = mem_aligned((size_t)8 * MOST_BYTES);
    for (size_t i = 0; i < 3 * 7 * MOST_ROWS; i++) {
        const size_t bytes = sizes[i / 3 % 7], n = i / 21 + 1;
        int32_t expected[MOST_ROWS], got[MOST_ROWS + 1];
        uint16_t places[MOST_ROWS];
        fill_numbers(rows, MOST_ROWS * bytes, query, 8 * bytes, (int)(i % 3));
        for (size_t j = 0; j < n; j++) places[j] = (uint16_t)(next_random() % MOST_ROWS);
        code_kernels_plain.bits(rows, places, n, bytes, query, expected);
        if (i % 3 == 2) assert_int_equal(expected[0], -(int32_t)bytes * 8 * 127);
        for (size_t k = 0; k < KERNELS; k++) {
            const code_kernels *kernels = code_kernels_named(kernel_names[k]);
            if (!kernels) continue;
            got[n] = 77;
            kernels->bits(rows, places, n, bytes, query, got);
            assert_memory_equal(got, expected, n * sizeof *got);
            assert_int_equal(got[n], 77);
        }
    }
    mem_free(rows);
    mem_free(query);
}

static uint16_t random_half(void)
{
    const float value = next_random() % 40 ? random_float() : next_random() % 2 ? INFINITY : NAN;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)(bits >> 16);
}

static void assert_equal_floats(const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++) assert_true(!memcmp(a + i, b + i, sizeof *a) || (isnan(a[i]) && isnan(b[i])));
}

static void every_table_of_bounds_equals_the_plain_one(void **state)
{
    uint16_t scale[200], reach[200], error[200];
    float base[64], expected[2][64], got[2][65];
    int32_t sums[64];
    code_bounds b = {.scale = scale, .reach = reach, .error = error, .of_error = 1.01f, .of_reach = 0.0071f};
    const int rounds = (int)of_size(3000, 400);
    for (int round = 0; round < rounds; round++) {
        const size_t n = next_random() % 65, first = next_random() % 130;
        for (size_t i = 0; i < 200; i++) {
            scale[i] = random_half();
            reach[i] = random_half();
            error[i] = random_half();
        }
        for (size_t i = 0; i < 64; i++) {
            sums[i] = (int32_t)(next_random() % 2000000) - 1000000;
            base[i] = random_float();
        }
        b.less = (int32_t)(next_random() % 20000);
        b.factor = 1e-6f * random_float();
        b.of_scale = random_float();
        const float bar = round % 50 ? random_float() : round % 100 ? -INFINITY : NAN;
        const uint64_t mask = code_kernels_plain.bounds(&b, base, sums, first, n, bar, expected[0], expected[1]);
        for (size_t i = 0; i < n; i++) assert_int_equal(mask >> i & 1, !(expected[1][i] < bar));
        for (size_t k = 0; k < KERNELS; k++) {
            const code_kernels *kernels = code_kernels_named(kernel_names[k]);
            if (!kernels) continue;
            got[0][n] = got[1][n] = 77;
            assert_true(kernels->bounds(&b, base, sums, first, n, bar, got[0], got[1]) == mask);
            assert_equal_floats(got[0], expected[0], n);
            assert_equal_floats(got[1], expected[1], n);
            assert_true(got[0][n] == 77 && got[1][n] == 77);
            memcpy(got[0], base, sizeof base); /* in place */
            assert_true(kernels->bounds(&b, got[0], sums, first, n, bar, got[0], got[1]) == mask);
            assert_equal_floats(got[0], expected[0], n);
        }
    }
}

/* ---- data ---- */

typedef struct {
    scan_set set;
    float *rows, *query;
    int64_t *ids;
    uint64_t *allow;
    codes *c;
    habit *h; /* of queries like its own; of the first half of the rows at times */
} sample;

/* Queries lean the way of this one, more or less. */
static void sample_lean(sample *s)
{
    double *mean = mem_array(s->set.dim, sizeof *mean);
    scan_set some = s->set;
    if (next_random() % 2) some.n /= 2;
    for (size_t j = 0; j < s->set.dim; j++) mean[j] = (double)s->query[j] + 0.2 * (double)random_float();
    habit_free(s->h);
    s->h = habit_new(s->c, &some, mean, NULL);
    mem_free(mean);
}

static sample sample_make(size_t n, size_t dim, data_kind kind)
{
    sample s = {.rows = mem_array((n + 1) * (dim + 1), sizeof *s.rows), .query = mem_array(dim, sizeof *s.query)};
    s.ids = mem_array(n + 1, sizeof *s.ids);
    s.allow = mem_zero_array(n / 64 + 1, sizeof *s.allow);
    for (size_t i = 0; i < n; i++) {
        fill_row(s.rows, dim + 1, i, dim, kind);
        s.rows[i * (dim + 1) + dim] = NAN; /* padding */
        s.ids[i] = (int64_t)((i * 7919) % 1000003);
    }
    s.c = codes_new(s.rows, dim + 1, n, n + 3, dim);
    assert_non_null(s.c);
    assert_true(codes_bytes(s.c) >= n * dim);
    if (kind == FEW_DIRECTIONS && n > 1000 && dim >= 64) assert_true(codes_head(s.c) > 0);
    for (size_t i = 0; i < n; i++) codes_put(s.c, i, s.rows + i * (dim + 1));
    for (size_t j = 0; j < dim; j++) s.query[j] = random_float();
    if (n && kind != MAGNITUDES && kind != DENORMALS && next_random() % 2)
        memcpy(s.query, s.rows + next_random() % n * (dim + 1), dim * sizeof *s.query);
    s.set = (scan_set){.rows = s.rows, .ids = s.ids, .n = n, .dim = dim, .stride = dim + 1, .min_score = -INFINITY};
    sample_lean(&s);
    return s;
}

static void sample_release(sample *s)
{
    mem_free(s->rows);
    mem_free(s->query);
    mem_free(s->ids);
    mem_free(s->allow);
    codes_free(s->c);
    habit_free(s->h);
}

/* ---- equal to the scan over floats ---- */

static void assert_equal_scans(const sample *s, const float *query, size_t k)
{
    scan_hit *expected = mem_array(s->set.n + 1, sizeof *expected), *got = mem_array(s->set.n + 1, sizeof *got);
    size_t n;
    assert_int_equal(scan_top(&s->set, query, k, NULL, expected, &n, &err), SIMILE_OK);
    for (int way = 0; way < 2 * KERNELS; way++) {
        const code_kernels *kernels = code_kernels_named(kernel_names[way / 2]);
        size_t found = 99;
        codes_work work;
        if (!kernels) continue;
        codes_use(s->c, kernels);
        pool *threads = way % 2 ? some_threads : NULL;
        assert_int_equal(codes_top(&s->set, s->c, way % 3 ? s->h : NULL, query, k, threads, got, &found, &work, &err),
                         SIMILE_OK);
        assert_int_equal(found, n);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(got[i].id, expected[i].id);
            assert_memory_equal(&got[i].score, &expected[i].score, sizeof(float));
        }
        assert_true(work.in_floats <= s->set.n && work.in_8_bits <= work.in_4_bits && work.in_4_bits <= s->set.n);
    }
    mem_free(expected);
    mem_free(got);
}

static void the_answer_is_that_of_floats(void **state)
{
    const size_t sizes[] = {0, 1, 63, 64, 65, 1023, 1025, of_size(2600, 2050)}, dims[] = {1, 7, 64, 127, 128, 129, 512};
    for (int kind = 0; kind < KINDS; kind++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            sample s = sample_make(sizes[i], dims[(i + (size_t)kind) % 7], (data_kind)kind);
            const size_t ks[] = {0, 1, 10, 300, sizes[i], sizes[i] + 5};
            for (size_t j = 0; j < sizeof ks / sizeof *ks; j++) assert_equal_scans(&s, s.query, ks[j]);
            sample_release(&s);
        }
}

static void filters_and_a_least_score_change_nothing(void **state)
{
    const size_t rows = of_size(3000, 1100);
    const unsigned percents[] = {0, 1, 20, 50, 99, 100};
    for (int kind = 0; kind < KINDS; kind++) {
        sample s = sample_make(rows, 96, (data_kind)kind);
        for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
            memset(s.allow, 0, (rows / 64 + 1) * sizeof *s.allow);
            for (size_t row = 0; row < rows; row++) let_some_pass(s.allow, row, percents[i]);
            if (percents[i] == 99) s.allow[rows / 64] = UINT64_MAX; /* bits behind the last row */
            s.set.allow = s.allow;
            s.set.min_score = -INFINITY;
            assert_equal_scans(&s, s.query, 10);
            assert_equal_scans(&s, s.query, rows);
            s.set.min_score = 0.1f;
            assert_equal_scans(&s, s.query, rows * 2 / 3);
        }
        s.set.allow = NULL;
        s.set.min_score = NAN;
        assert_equal_scans(&s, s.query, 10);
        s.set.min_score = INFINITY;
        assert_equal_scans(&s, s.query, 10);
        sample_release(&s);
    }
}

/* So many rows that what spares nothing is passed over for a while, and tried again; filters that leave few and many of
 * a word. */
static void what_is_passed_over_changes_nothing(void **state)
{
    static const unsigned percents[] = {100, 30, 38, 20, 60};
    const size_t rows = of_size(24 << 10, 5 << 10);
    for (int kind = FEW_DIRECTIONS; kind <= WIDE_RESTS; kind++) {
        sample s = sample_make(rows, 64, (data_kind)kind);
        assert_true(codes_head(s.c) > 0);
        for (size_t row = 0; row < rows; row++) let_some_pass(s.allow, row, percents[row / 1024 % 5]);
        for (int filtered = 0; filtered < 2; filtered++) {
            s.set.allow = filtered ? s.allow : NULL;
            for (int query = 0; query < 3; query++) {
                for (size_t j = 0; query && j < 64; j++) s.query[j] = random_float();
                assert_equal_scans(&s, s.query, 10);
                assert_equal_scans(&s, s.query, 300);
            }
        }
        sample_release(&s);
    }
}

static void queries_of_any_kind_are_answered(void **state)
{
    const float factors[] = {0, -1, 1e-45f, 0x1p-60f, 0x1p-39f, 0x1p-20f, 1000, 0x1p39f, 0x1p60f, INFINITY, NAN};
    for (int kind = 0; kind < KINDS; kind++) {
        sample s = sample_make(of_size(1500, 400), 40, (data_kind)kind);
        for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
            float query[40];
            for (size_t j = 0; j < 40; j++) query[j] = s.query[j] * factors[i];
            assert_equal_scans(&s, query, 10);
            for (size_t j = 1; j < 40; j++) query[j] = 0;
            assert_equal_scans(&s, query, 10);
        }
        sample_release(&s);
    }
}

/* A bound that were no bound would pass where nothing is ruled out: here most is, and the rest barely. */
static void most_rows_are_ruled_out(void **state)
{
    const data_kind kinds[] = {UNIFORM, CLUSTERED, FEW_DIRECTIONS};
    const int rounds = (int)of_size(21, 3);
    for (int round = 0; round < rounds; round++) {
        const data_kind kind = kinds[round % 3];
        sample s = sample_make(20000, 128, kind);
        scan_hit hits[10];
        codes_work work;
        size_t found;
        memcpy(s.query, s.rows + 19000 * 129, 128 * sizeof *s.query);
        assert_int_equal(codes_top(&s.set, s.c, NULL, s.query, 10, NULL, hits, &found, &work, &err), SIMILE_OK);
        assert_int_equal(found, 10);
        assert_true(work.in_floats >= 10 && work.in_floats < 4000);
        if (kind == UNIFORM) assert_true(work.in_8_bits < 16000);
        if (kind == CLUSTERED) assert_true(work.in_4_bits < 4000);
        if (kind == FEW_DIRECTIONS) assert_true(work.in_signs < 2000);
        assert_equal_scans(&s, s.query, 10);
        sample_release(&s);
    }
}

/* All that the query's code leaves out points the way of the best row, and its code makes nothing of it: only the
 * bound's second term keeps that row. */
static void what_the_query_loses_is_in_the_bound(void **state)
{
    enum { DIM = 512, N = 200 };
    sample s = sample_make(N, DIM, ZEROS);
    for (size_t j = 0; j < DIM; j++) {
        const float v = j ? (float)(j % 2 ? 1 : -1) * (float)((j + 1) / 2 % 20) : 127;
        s.query[j] = j ? v + 0.49f : v;
        s.rows[j] = j ? 0.96f : 0;
        s.rows[100 * (DIM + 1) + j] = j ? 1 : 0;
    }
    codes_put_rows(s.c, s.rows, DIM + 1, 0, N, NULL);
    assert_equal_scans(&s, s.query, 1);
    assert_equal_scans(&s, s.query, 2);
    sample_release(&s);
}

static void codes_move_and_are_made_by_threads(void **state)
{
    sample s = sample_make(2500, 70, CLUSTERED);
    codes *alone = s.c, *other = codes_new(s.rows, 71, 2500, 2500, 70);
    codes_put_rows(other, s.rows, 71, 0, 100, NULL);
    codes_put_rows(other, s.rows, 71, 100, 2500, some_threads);
    s.c = other;
    assert_equal_scans(&s, s.query, 10);
    s.c = codes_larger(other, 4000, 2000);
    codes_put_rows(s.c, s.rows, 71, 2000, 2500, some_threads);
    assert_equal_scans(&s, s.query, 10);
    codes_free(alone);
    codes_free(other);
    sample_release(&s);
}

static void no_memory_and_foreign_codes_are_errors(void **state)
{
    sample s = sample_make(2000, 8, UNIFORM);
    scan_hit hits[10];
    size_t found = 7;
    for (long n = 1; n <= 8; n++) {
        mem_fault_after(n, false);
        assert_int_equal(codes_top(&s.set, s.c, NULL, s.query, 10, NULL, hits, &found, NULL, &err), SIMILE_E_NOMEM);
        assert_int_equal(found, 0);
    }
    for (long n = 1; n <= 20; n++) {
        mem_fault_after(n, false);
        assert_null(codes_new(s.rows, 9, 2000, 10, 8));
        mem_fault_after(n, false);
        if (n < 18) assert_null(codes_larger(s.c, 10, 5));
    }
    mem_fault_after(0, false);
    assert_null(codes_new(NULL, 0, 0, 10, CODES_MOST_DIM + 1));
    assert_null(codes_new(NULL, 0, 0, SIZE_MAX / 8, 100));
    s.set.dim = 7;
    assert_int_equal(codes_top(&s.set, s.c, NULL, s.query, 10, NULL, hits, &found, NULL, &err), SIMILE_E_INTERNAL);
    s.set.dim = 8;
    s.set.n = 5000;
    assert_int_equal(codes_top(&s.set, s.c, NULL, s.query, 10, NULL, hits, &found, NULL, &err), SIMILE_E_INTERNAL);
    sample_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_of_sums_equals_the_plain_one),
        cmocka_unit_test(every_table_of_heads_equals_the_plain_one),
        cmocka_unit_test(every_table_of_signs_equals_the_plain_one),
        cmocka_unit_test(every_table_of_bits_equals_the_plain_one),
        cmocka_unit_test(every_table_of_bounds_equals_the_plain_one),
        cmocka_unit_test(the_answer_is_that_of_floats),
        cmocka_unit_test(filters_and_a_least_score_change_nothing),
        cmocka_unit_test(what_is_passed_over_changes_nothing),
        cmocka_unit_test(queries_of_any_kind_are_answered),
        cmocka_unit_test(most_rows_are_ruled_out),
        cmocka_unit_test(what_the_query_loses_is_in_the_bound),
        cmocka_unit_test(codes_move_and_are_made_by_threads),
        cmocka_unit_test(no_memory_and_foreign_codes_are_errors),
    };
    return cmocka_run_group_tests(tests, start_threads, stop_threads);
}
