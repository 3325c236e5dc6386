/* SPDX-License-Identifier: Apache-2.0
 * test_index.c - src/index: every kernel against double arithmetic, the scan against sorting everything. */
#include "base/mem.h"
#include "index/scan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static uint64_t random_state;

static uint64_t next_random(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return random_state >> 33;
}

static float random_float(void)
{
    return (float)next_random() / (float)(UINT64_C(1) << 30) - 1.0f;
}

/* [n, stride], unit vectors in the first dim columns, NaN in the padding, which must never be read into a score. */
static float *random_rows(size_t n, size_t dim, size_t stride)
{
    float *rows = mem_array(n * stride, sizeof *rows);
    assert_non_null(rows);
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t j = 0; j < stride; j++) rows[i * stride + j] = j < dim ? random_float() : NAN;
        for (size_t j = 0; j < dim; j++) sum += (double)rows[i * stride + j] * (double)rows[i * stride + j];
        for (size_t j = 0; j < dim; j++) rows[i * stride + j] /= (float)sqrt(sum);
    }
    return rows;
}

static double dot_double(const float *a, const float *b, size_t dim)
{
    double sum = 0;
    for (size_t i = 0; i < dim; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

static const char *const kernel_names[] = {"plain", "avx2", "avx512", "neon"};

static void every_kernel_is_close_to_double_arithmetic(void **state)
{
    size_t tried = 0;
    for (size_t k = 0; k < 3; k++) {
        const scan_kernels *kernels = scan_kernels_named(kernel_names[k]);
        if (!kernels) continue;
        tried++;
        assert_string_equal(kernels->name, kernel_names[k]);
        for (size_t dim = 0; dim <= 200; dim++) {
            /* One number off the start: rows need not be aligned. The end is the end of the allocation, so that the
             * address sanitizer sees a kernel that reads beyond dim. */
            float *a = mem_array(dim + 1, sizeof *a), *b = mem_array(dim + 1, sizeof *b);
            assert_non_null(a);
            assert_non_null(b);
            for (size_t i = 0; i <= dim; i++) {
                a[i] = random_float();
                b[i] = random_float();
            }
            const double expected = dot_double(a + 1, b + 1, dim);
            const float got = kernels->dot(a + 1, b + 1, dim);
            assert_true(fabs((double)got - expected) <= 1e-6 * (double)(dim + 1));
            mem_free(a);
            mem_free(b);
        }
    }
    assert_true(tried >= 1);
    assert_null(scan_kernels_named("abacus"));
    assert_non_null(scan_kernels_best());
}

static void dots_equal_dot_bit_for_bit(void **state)
{
    const size_t dims[] = {1, 7, 31, 64, 96, 512, 770};
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
        const size_t dim = dims[d], n = 37, stride = dim + 3;
        float *rows = random_rows(n, dim, stride), *query = random_rows(1, dim, dim);
        for (size_t k = 0; k < 3; k++) {
            const scan_kernels *kernels = scan_kernels_named(kernel_names[k]);
            float scores[37];
            if (!kernels) continue;
            kernels->dots(rows, n, stride, dim, query, scores);
            for (size_t i = 0; i < n; i++) {
                const float one = kernels->dot(rows + i * stride, query, dim);
                assert_memory_equal(&one, &scores[i], sizeof one);
            }
        }
        mem_free(rows);
        mem_free(query);
    }
}

/* ---- the slow truth ---- */

static int best_first(const void *a, const void *b)
{
    const scan_hit *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static size_t slow_top(const scan_set *set, const float *query, size_t k, scan_hit *out)
{
    scan_hit *all = mem_array(set->n + 1, sizeof *all);
    size_t n = 0;
    assert_non_null(all);
    for (size_t i = 0; i < set->n; i++) {
        const float score = scan_kernels_best()->dot(set->rows + i * set->stride, query, set->dim);
        if (set->allow && !(set->allow[i / 64] >> i % 64 & 1)) continue;
        if (isnan(score) || score < set->min_score) continue;
        all[n++] = (scan_hit){.id = set->ids[i], .score = score};
    }
    qsort(all, n, sizeof *all, best_first);
    if (n > k) n = k;
    memcpy(out, all, n * sizeof *out);
    mem_free(all);
    return n;
}

static void assert_scan_is_right(const scan_set *set, const float *query, size_t k)
{
    scan_hit *expected = mem_array(set->n + k + 1, sizeof *expected), *got = mem_array(k + 1, sizeof *got);
    assert_non_null(expected);
    assert_non_null(got);
    const size_t n = slow_top(set, query, k, expected);
    for (int threads = 0; threads <= 5; threads++) {
        pool *p = NULL;
        size_t found = 99;
        if (threads) assert_int_equal(pool_new(threads, &p, NULL), SIMILE_OK);
        assert_int_equal(scan_top(set, query, k, p, got, &found, NULL), SIMILE_OK);
        assert_int_equal(found, n);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(got[i].id, expected[i].id);
            assert_memory_equal(&got[i].score, &expected[i].score, sizeof(float));
        }
        pool_free(p);
    }
    mem_free(expected);
    mem_free(got);
}

typedef struct {
    scan_set set;
    float *rows, *query;
    int64_t *ids;
    uint64_t *allow;
} sample;

/* n rows with many equal ones, ids in no order, three rows of NaN. */
static sample sample_make(size_t n, size_t dim, unsigned allowed_percent)
{
    sample s = {.rows = random_rows(n + 1, dim, dim + 1), .query = random_rows(1, dim, dim)};
    s.ids = mem_array(n + 1, sizeof *s.ids);
    s.allow = mem_zero_array(n / 64 + 1, sizeof *s.allow);
    assert_non_null(s.ids);
    assert_non_null(s.allow);
    for (size_t i = 0; i < n; i++) {
        s.ids[i] = (int64_t)((i * 7919) % 1000003);
        if (next_random() % 100 < allowed_percent) s.allow[i / 64] |= UINT64_C(1) << i % 64;
        if (i >= 10 && i % 5 == 0) memcpy(s.rows + i * (dim + 1), s.rows + (i % 10) * (dim + 1), dim * sizeof(float));
        if (n > 100 && i % (n / 3) == 50) s.rows[i * (dim + 1) + dim / 2] = NAN;
    }
    s.set = (scan_set){.rows = s.rows, .ids = s.ids, .n = n, .dim = dim, .stride = dim + 1, .min_score = -INFINITY};
    return s;
}

static void sample_release(sample *s)
{
    mem_free(s->rows);
    mem_free(s->query);
    mem_free(s->ids);
    mem_free(s->allow);
}

static void the_scan_equals_sorting_everything(void **state)
{
    const size_t sizes[] = {0, 1, 2, 63, 64, 65, 1023, 1024, 1025, 5000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        sample s = sample_make(sizes[i], 24, 50);
        const size_t ks[] = {0, 1, 10, 700, sizes[i], sizes[i] + 5};
        for (size_t j = 0; j < sizeof ks / sizeof *ks; j++) assert_scan_is_right(&s.set, s.query, ks[j]);
        sample_release(&s);
    }
}

static void a_bitmap_never_costs_a_result(void **state)
{
    const unsigned percents[] = {0, 1, 50, 99, 100};
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
        sample s = sample_make(3000, 16, percents[i]);
        s.set.allow = s.allow;
        assert_scan_is_right(&s.set, s.query, 10);
        assert_scan_is_right(&s.set, s.query, 3000);
        memset(s.allow, 0xff, 2048 / 8); /* two blocks wholly allowed, bits beyond n set too */
        s.allow[3000 / 64] = UINT64_MAX;
        assert_scan_is_right(&s.set, s.query, 100);
        sample_release(&s);
    }
}

static void rows_below_the_bound_are_left_out(void **state)
{
    sample s = sample_make(2500, 16, 50);
    scan_hit hits[2500];
    size_t found;
    s.set.min_score = 0.3f;
    assert_scan_is_right(&s.set, s.query, 2500);
    assert_int_equal(scan_top(&s.set, s.query, 2500, NULL, hits, &found, NULL), SIMILE_OK);
    assert_true(found > 0 && found < 2500);
    assert_true(hits[found - 1].score >= 0.3f);
    s.set.min_score = 2;
    assert_int_equal(scan_top(&s.set, s.query, 2500, NULL, hits, &found, NULL), SIMILE_OK);
    assert_int_equal(found, 0);
    sample_release(&s);
}

static void equal_scores_come_by_smaller_id(void **state)
{
    float rows[3000], query = 1;
    int64_t ids[3000];
    for (int i = 0; i < 3000; i++) {
        rows[i] = 0.5f;
        ids[i] = 3000 - i;
    }
    const scan_set set = {.rows = rows, .ids = ids, .n = 3000, .dim = 1, .stride = 1, .min_score = -INFINITY};
    pool *p;
    scan_hit hits[20];
    size_t found;
    assert_int_equal(pool_new(4, &p, NULL), SIMILE_OK);
    for (int round = 0; round < 50; round++) {
        assert_int_equal(scan_top(&set, &query, 20, p, hits, &found, NULL), SIMILE_OK);
        assert_int_equal(found, 20);
        for (int i = 0; i < 20; i++) assert_int_equal(hits[i].id, i + 1);
    }
    pool_free(p);
}

static void a_row_of_nan_never_wins(void **state)
{
    float rows[4] = {NAN, 0.1f, NAN, -0.5f}, query = 1;
    const int64_t ids[4] = {1, 2, 3, 4};
    const scan_set set = {.rows = rows, .ids = ids, .n = 4, .dim = 1, .stride = 1, .min_score = -INFINITY};
    scan_hit hits[4];
    size_t found;
    assert_int_equal(scan_top(&set, &query, 4, NULL, hits, &found, NULL), SIMILE_OK);
    assert_int_equal(found, 2);
    assert_int_equal(hits[0].id, 2);
    assert_int_equal(hits[1].id, 4);
    query = NAN;
    assert_int_equal(scan_top(&set, &query, 4, NULL, hits, &found, NULL), SIMILE_OK);
    assert_int_equal(found, 0);
}

static void no_memory_and_a_wrong_stride_are_errors(void **state)
{
    sample s = sample_make(2000, 8, 50);
    scan_hit hits[10];
    size_t found = 7;
    simile_error err;
    for (long n = 1; n <= 2; n++) {
        mem_fault_after(n, false);
        assert_int_equal(scan_top(&s.set, s.query, 10, NULL, hits, &found, &err), SIMILE_E_NOMEM);
        assert_int_equal(found, 0);
    }
    mem_fault_after(0, false);
    s.set.stride = 7;
    assert_int_equal(scan_top(&s.set, s.query, 10, NULL, hits, &found, &err), SIMILE_E_INTERNAL);
    sample_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_is_close_to_double_arithmetic),
        cmocka_unit_test(dots_equal_dot_bit_for_bit),
        cmocka_unit_test(the_scan_equals_sorting_everything),
        cmocka_unit_test(a_bitmap_never_costs_a_result),
        cmocka_unit_test(rows_below_the_bound_are_left_out),
        cmocka_unit_test(equal_scores_come_by_smaller_id),
        cmocka_unit_test(a_row_of_nan_never_wins),
        cmocka_unit_test(no_memory_and_a_wrong_stride_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
