/* SPDX-License-Identifier: Apache-2.0
 * test_groups.c - groups of rows that are alike, against comparing every pair by hand. */
#include "base/mem.h"
#include "index/groups.h"
#include "index/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>

#include <cmocka.h>

static simile_error err;
static uint32_t seed = 1;

static float drawn(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / (1 << 24) - 0.5f;
}

/* Rows around a few centres, each unit long; some centres are near to one another, so that chains come to be. */
static float *draw_rows(size_t n, size_t dim, size_t stride, size_t centres, float spread)
{
    float *rows = mem_zero_array(n * stride, sizeof *rows), *middle = mem_array(centres * dim, sizeof *middle);
    const scan_kernels *k = scan_kernels_best();
    for (size_t i = 0; i < centres * dim; i++) middle[i] = drawn();
    for (size_t row = 0; row < n; row++) {
        float *at = rows + row * stride;
        const float *from = middle + row * 7 % centres * dim;
        for (size_t i = 0; i < dim; i++) at[i] = from[i] + spread * drawn();
        const float length = sqrtf(k->dot(at, at, dim));
        for (size_t i = 0; i < dim; i++) at[i] /= length;
    }
    mem_free(middle);
    return rows;
}

static bool is_allowed(const groups_set *s, size_t row)
{
    return !s->allow || (s->allow[row / 64] >> row % 64 & 1);
}

/* The smallest row of each row's group: labels are spread until nothing changes. */
static size_t *label_by_hand(const groups_set *s)
{
    const scan_kernels *k = scan_kernels_best();
    size_t *label = mem_array(s->n, sizeof *label);
    for (size_t i = 0; i < s->n; i++) label[i] = i;
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < s->n; i++)
            for (size_t j = i + 1; j < s->n; j++) {
                if (label[i] == label[j] || !is_allowed(s, i) || !is_allowed(s, j)) continue;
                if (!(k->dot(s->rows + j * s->stride, s->rows + i * s->stride, s->dim) >= s->min_score)) continue;
                label[i] = label[j] = label[i] < label[j] ? label[i] : label[j];
                changed = true;
            }
    }
    return label;
}

static void assert_as_by_hand(const groups_set *s, pool *threads, size_t *together)
{
    groups *g;
    int64_t done = 0;
    size_t *label = label_by_hand(s);
    if (groups_new(s, &g, &err)) fail_msg("%s", err.message);
    for (size_t step = groups_steps(g); step-- > 0;) groups_step(g, step, threads, &done);
    assert_int_equal(done, groups_pairs(g));
    *together = 0;
    for (size_t row = 0; row < s->n; row++) {
        assert_int_equal(groups_of(g, row), label[row]);
        *together += label[row] != row;
    }
    groups_free(g);
    mem_free(label);
}

static void groups_are_those_of_every_pair(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 63, 127, 128, 129, 256, 400};
    pool *threads;
    assert_int_equal(pool_new(3, &threads, &err), SIMILE_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const size_t n = sizes[i], dim = 5 + i * 3, stride = 32;
        float *rows = draw_rows(n, dim, stride, 40, 0.2f);
        groups_set s = {.rows = rows, .n = n, .dim = dim, .stride = stride, .min_score = 0.96f};
        size_t alone, with;
        assert_as_by_hand(&s, NULL, &alone);
        assert_as_by_hand(&s, threads, &with);
        assert_int_equal(alone, with);
        if (n >= 256) assert_true(alone > 10 && alone < n - 5); /* something is together, and something apart */
        s.min_score = 2;
        assert_as_by_hand(&s, threads, &with);
        assert_int_equal(with, 0);
        s.min_score = -2;
        assert_as_by_hand(&s, threads, &with);
        assert_int_equal(with, n ? n - 1 : 0);
        mem_free(rows);
    }
    pool_free(threads);
}

static void rows_that_are_not_allowed_stay_alone(void **state)
{
    enum { N = 300 };
    uint64_t allow[N / 64 + 1] = {0};
    float *rows = draw_rows(N, 16, 16, 10, 0.2f);
    groups_set s = {.rows = rows, .n = N, .dim = 16, .stride = 16, .allow = allow, .min_score = 0.9f};
    size_t together;
    assert_as_by_hand(&s, NULL, &together);
    assert_int_equal(together, 0);
    for (size_t row = 0; row < N; row++)
        if (row % 3 != 1 && (row < 100 || row > 180)) allow[row / 64] |= UINT64_C(1) << row % 64;
    assert_as_by_hand(&s, NULL, &together);
    assert_true(together > 50);
    mem_free(rows);
}

static void rows_that_are_no_numbers_are_in_no_group(void **state)
{
    float rows[4 * 4] = {1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0};
    rows[8] = __builtin_nanf("");
    const groups_set s = {.rows = rows, .n = 4, .dim = 4, .stride = 4, .min_score = 0.5f};
    size_t together;
    assert_as_by_hand(&s, NULL, &together);
    assert_int_equal(together, 2);
    groups *g;
    const groups_set wrong = {.rows = rows, .n = 4, .dim = 4, .stride = 3};
    assert_int_equal(groups_new(&wrong, &g, &err), SIMILE_E_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_those_of_every_pair),
        cmocka_unit_test(rows_that_are_not_allowed_stay_alone),
        cmocka_unit_test(rows_that_are_no_numbers_are_in_no_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
