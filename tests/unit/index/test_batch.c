/* SPDX-License-Identifier: Apache-2.0
 * test_batch.c - many searches at once against each of them alone over floats: equal ids and equal scores, bit for bit,
 * on data that is easy, hard or hostile, with each table of kernels, without codes, on one thread and on several. With
 * SIMILE_TEST_SMALL, as where a processor is emulated, each case is tried on fewer rows. */
#include "rows.h"

#include "index/kernels.h"
#include "index/products.h"

static const char *const kernel_names[] = {"plain", "avx2", "avx512vnni", "dotprod"};
enum { KERNELS = sizeof kernel_names / sizeof *kernel_names };

static bool is_small(void)
{
    return getenv("SIMILE_TEST_SMALL") != NULL;
}

/* ---- kernels ---- */

static void fill(void *bytes, size_t n, uint8_t mask)
{
    for (size_t i = 0; i < n; i++) ((uint8_t *)bytes)[i] = (uint8_t)next_random() & mask;
}

static void every_table_joins_halves(void **state)
{
    enum { MOST = 9 };
    uint8_t *high = mem_aligned(MOST * CODE_GROUP), *low = mem_aligned(MOST * CODE_GROUP);
    uint8_t *expected = mem_aligned(2 * MOST * CODE_GROUP), *got = mem_aligned(2 * MOST * CODE_GROUP);
    for (size_t groups = 1; groups <= MOST; groups++) {
        fill(high, MOST * CODE_GROUP, 0xff);
        fill(low, MOST * CODE_GROUP, 0xff);
        batch_kernels_plain.join(high, low, groups, expected);
        assert_int_equal(expected[3], (high[3] & 15) * 16 + (low[3] & 15));
        assert_int_equal(expected[CODE_GROUP + 3], (high[3] >> 4) * 16 + (low[3] >> 4));
        for (size_t k = 0; k < KERNELS; k++) {
            const batch_kernels *kernels = batch_kernels_named(kernel_names[k]);
            if (!kernels) continue;
            assert_string_equal(kernels->name, kernel_names[k]);
            memset(got, 77, 2 * MOST * CODE_GROUP);
            kernels->join(high, low, groups, got);
            assert_memory_equal(got, expected, 2 * groups * CODE_GROUP);
            for (size_t i = 2 * groups * CODE_GROUP; i < 2 * MOST * CODE_GROUP; i++) assert_int_equal(got[i], 77);
        }
    }
    assert_null(batch_kernels_named("abacus"));
    mem_free(high);
    mem_free(low);
    mem_free(expected);
    mem_free(got);
}

enum { TABLE_ROWS = 48, MOST_WIDTH = 16384 };

typedef struct {
    batch_queries *q;
    uint8_t *heads, *numbers;
    int8_t *query_heads, *query_numbers;
    row_facts facts[TABLE_ROWS];
    float bars[BATCH_QUERIES], *most[2];
    uint64_t masks[2][TABLE_ROWS];
} table_case;

static void fill_floats(float *x, size_t n, float factor)
{
    for (size_t i = 0; i < n; i++) x[i] = factor * random_float();
}

/* kind 1 and 2: the largest and the smallest sums that there are. */
static void fill_case(table_case *t, size_t head, size_t width, size_t panels, int kind)
{
    batch_queries *q = t->q;
    *q = (batch_queries){.panels = panels, .head = head, .width = width};
    q->heads = t->query_heads;
    q->numbers = t->query_numbers;
    fill(t->heads, TABLE_ROWS * head, 127);
    fill(t->numbers, TABLE_ROWS * width, 0xff);
    if (kind) memset(t->numbers, 0xff, TABLE_ROWS * width);
    for (size_t i = 0; i < panels * PANEL * (head + width); i++) {
        const int8_t v = (int8_t)(kind == 1 ? 127 : kind == 2 ? -127 : (int)(next_random() % 255) - 127);
        *(i < panels * PANEL * head ? t->query_heads + i : t->query_numbers + (i - panels * PANEL * head)) = v;
    }
    for (size_t j = 0; j < panels * PANEL; j++) { /* as they lie in a panel */
        for (size_t i = 0; i < head; i++)
            q->head_sum[j] += t->query_heads[(j / PANEL * head + i / 4 * 4) * PANEL + 4 * (j % PANEL) + i % 4];
        for (size_t i = 0; i < width; i++)
            q->sum[j] += t->query_numbers[(j / PANEL * width + i / 4 * 4) * PANEL + 4 * (j % PANEL) + i % 4];
        q->head_less[j] = 127 * q->head_sum[j];
        q->less[j] = 255 * q->sum[j];
    }
    fill_floats(q->base, BATCH_QUERIES, 1);
    fill_floats(q->head_factor, BATCH_QUERIES, 1e-4f);
    fill_floats(q->of_head_scale, BATCH_QUERIES, 1);
    fill_floats(q->of_head_error, BATCH_QUERIES, 1);
    fill_floats(q->factor, BATCH_QUERIES, 1e-5f);
    fill_floats(q->of_length, BATCH_QUERIES, 1);
    fill_floats(q->of_error, BATCH_QUERIES, 1);
    fill_floats(t->bars, BATCH_QUERIES, 2);
    t->bars[3] = NAN;
    t->bars[5] = -INFINITY;
    for (size_t i = 0; i < TABLE_ROWS; i++) fill_floats(&t->facts[i].head_scale, sizeof t->facts[i] / sizeof(float), 1);
    t->facts[1].error = INFINITY;
    t->facts[2].length = NAN;
}

static bool same(float a, float b)
{
    return !memcmp(&a, &b, sizeof a) || (isnan(a) && isnan(b));
}

static void run_case(table_case *t, const batch_kernels *kernels, size_t n, int which)
{
    for (size_t i = 0; i < TABLE_ROWS * BATCH_QUERIES; i++) t->most[which][i] = 77;
    for (size_t i = 0; i < TABLE_ROWS; i++) t->masks[which][i] = 77;
    const batch_tile tile = {.q = t->q,
                             .heads = t->heads,
                             .numbers = t->numbers,
                             .facts = t->facts,
                             .n = n,
                             .bars = t->bars,
                             .most = t->most[which],
                             .masks = t->masks[which],
                             .soon = {t->numbers, t->numbers}};
    kernels->bounds(&tile);
}

static void every_table_of_bounds_equals_the_plain_one(void **state)
{
    const size_t widths[] = {128, 256, 512, 640, 1024, MOST_WIDTH}, counts[] = {1, 5, 12, 23, 24};
    table_case t = {.q = mem_aligned(sizeof *t.q),
                    .heads = mem_aligned(TABLE_ROWS * HEAD_MOST),
                    .numbers = mem_aligned(TABLE_ROWS * MOST_WIDTH),
                    .query_heads = mem_aligned((size_t)BATCH_QUERIES * HEAD_MOST),
                    .query_numbers = mem_aligned((size_t)BATCH_QUERIES * MOST_WIDTH)};
    for (int i = 0; i < 2; i++) t.most[i] = mem_aligned(TABLE_ROWS * BATCH_QUERIES * sizeof(float));
    for (size_t round = 0; round < (is_small() ? 15 : 90); round++) {
        const size_t head = round * 7 % 5 * HEAD_STEP, panels = round % 4 + 1, n = counts[round % 5];
        fill_case(&t, head, widths[round % 6], panels, (int)(round / 4 % 3));
        run_case(&t, &batch_kernels_plain, n, 0);
        for (size_t k = 0; k < KERNELS; k++) {
            const batch_kernels *kernels = batch_kernels_named(kernel_names[k]);
            if (!kernels) continue;
            run_case(&t, kernels, n, 1);
            for (size_t i = 0; i < n; i++) {
                assert_true(t.masks[0][i] == t.masks[1][i]);
                for (size_t j = 0; j < panels * PANEL; j++)
                    assert_true(same(t.most[0][i * BATCH_QUERIES + j], t.most[1][i * BATCH_QUERIES + j]));
            }
            for (size_t i = BATCH_STEP; i < TABLE_ROWS; i++) assert_int_equal(t.masks[1][i], 77);
            for (size_t i = BATCH_STEP * BATCH_QUERIES; i < TABLE_ROWS * BATCH_QUERIES; i++)
                assert_true(t.most[1][i] == 77);
        }
    }
    mem_free(t.q);
    mem_free(t.heads);
    mem_free(t.numbers);
    mem_free(t.query_heads);
    mem_free(t.query_numbers);
    mem_free(t.most[0]);
    mem_free(t.most[1]);
}

/* ---- data ---- */

enum { QUERIES = 70 };

typedef struct {
    scan_set set;
    float *rows, *queries; /* queries: [QUERIES, dim] */
    int64_t *ids;
    uint64_t *allow[3];
    codes *c;
    habit *h; /* or NULL */
} sample;

/* Rows, random ones, and now and then one that cannot be coded. */
static void fill_queries(sample *s, data_kind kind)
{
    const bool ordinary = kind != MAGNITUDES && kind != DENORMALS;
    for (size_t i = 0; i < QUERIES; i++) {
        float *q = s->queries + i * s->set.dim;
        for (size_t j = 0; j < s->set.dim; j++) q[j] = random_float();
        if (s->set.n && ordinary && i % 2)
            memcpy(q, s->rows + next_random() % s->set.n * s->set.stride, s->set.dim * sizeof *q);
        if (i % 31 == 7) memset(q, 0, s->set.dim * sizeof *q);
        if (i % 31 == 11) q[0] = NAN;
        if (i % 31 == 17) q[0] = 0x1p90f;
    }
}

static sample sample_make(size_t n, size_t dim, data_kind kind)
{
    sample s = {.rows = mem_array((n + 1) * (dim + 1), sizeof *s.rows), .ids = mem_array(n + 1, sizeof *s.ids)};
    s.queries = mem_array(QUERIES, dim * sizeof *s.queries);
    s.set = (scan_set){.rows = s.rows, .ids = s.ids, .n = n, .dim = dim, .stride = dim + 1, .min_score = NAN};
    for (size_t i = 0; i < n; i++) {
        fill_row(s.rows, dim + 1, i, dim, kind);
        s.rows[i * (dim + 1) + dim] = NAN; /* padding */
        s.ids[i] = (int64_t)((i * 7919) % 1000003);
    }
    fill_queries(&s, kind);
    for (size_t a = 0; a < 3; a++) { /* half of the rows, a few, none */
        s.allow[a] = mem_zero_array(n / 64 + 1, sizeof *s.allow[a]);
        for (size_t i = 0; i < n; i++) let_some_pass(s.allow[a], i, a ? a == 1 ? 3 : 0 : 50);
        if (n % 64) s.allow[a][n / 64] |= UINT64_MAX << n % 64; /* bits behind the last row */
    }
    s.c = codes_new(s.rows, dim + 1, n, n + 3, dim);
    assert_non_null(s.c);
    codes_put_rows(s.c, s.rows, dim + 1, 0, n, NULL);
    if (kind == FEW_DIRECTIONS && n > 1000 && dim >= 64) assert_true(codes_head(s.c) > 0);
    double *mean = mem_array(dim, sizeof *mean);
    for (size_t j = 0; j < dim; j++) mean[j] = (double)s.queries[j];
    s.h = habit_new(s.c, &s.set, mean, NULL);
    mem_free(mean);
    return s;
}

static void sample_release(sample *s)
{
    mem_free(s->rows);
    mem_free(s->queries);
    mem_free(s->ids);
    for (size_t a = 0; a < 3; a++) mem_free(s->allow[a]);
    codes_free(s->c);
    habit_free(s->h);
}

/* ---- equal to one after the other ---- */

typedef struct {
    batch_request requests[QUERIES];
    scan_hit *expected[QUERIES];
    size_t n_expected[QUERIES], n;
} questions;

/* filters: 0 none, 1 half of the rows for all, 2 each its own or none, 3 few or no rows for each. */
static void ask(const sample *s, size_t n, size_t k, int filters, questions *out)
{
    out->n = n;
    for (size_t i = 0; i < n; i++) {
        const uint64_t *const by_kind[] = {NULL, s->allow[0], i % 4 < 3 ? s->allow[i % 4] : NULL, s->allow[1 + i % 2]};
        scan_set one = s->set;
        batch_request *r = &out->requests[i];
        *r = (batch_request){.query = s->queries + i * s->set.dim, .allow = by_kind[filters], .k = k, .found = 99};
        r->min_score = i % 9 == 4 ? 0.1f : i % 29 == 5 ? NAN : -INFINITY;
        if (k && i % 13 == 6) r->k = s->set.n + 3;
        if (k && i % 13 == 9) r->k = 1 + i;
        r->hits = mem_array(s->set.n + 1, sizeof *r->hits);
        out->expected[i] = mem_array(s->set.n + 1, sizeof *out->expected[i]);
        one.allow = r->allow;
        one.min_score = r->min_score;
        assert_int_equal(scan_top(&one, r->query, r->k, NULL, out->expected[i], &out->n_expected[i], &err), SIMILE_OK);
    }
}

static void assert_answered(questions *q)
{
    for (size_t i = 0; i < q->n; i++) {
        assert_int_equal(q->requests[i].found, q->n_expected[i]);
        for (size_t j = 0; j < q->n_expected[i]; j++) {
            assert_int_equal(q->requests[i].hits[j].id, q->expected[i][j].id);
            assert_memory_equal(&q->requests[i].hits[j].score, &q->expected[i][j].score, sizeof(float));
        }
        q->requests[i].found = 99;
    }
}

static void questions_release(questions *q)
{
    for (size_t i = 0; i < q->n; i++) {
        mem_free(q->requests[i].hits);
        mem_free(q->expected[i]);
    }
}

static void assert_equal_to_floats(const sample *s, size_t n, size_t k, int filters)
{
    static questions q;
    ask(s, n, k, filters, &q);
    for (int way = 0; way < 2; way++) {
        pool *threads = way ? some_threads : NULL;
        batch_work work;
        for (size_t i = 0; i < KERNELS; i++) {
            const batch_kernels *kernels = batch_kernels_named(kernel_names[i]);
            if (!kernels) continue;
            assert_int_equal(batch_top_with(kernels, &s->set, s->c, s->h, q.requests, n, threads, &work, &err),
                             SIMILE_OK);
            assert_answered(&q);
            assert_true(work.in_floats <= work.pairs && work.pairs <= n * s->set.n);
        }
        assert_int_equal(batch_top(&s->set, s->c, s->h, q.requests, n, threads, NULL, &err), SIMILE_OK);
        assert_answered(&q);
        assert_int_equal(batch_top(&s->set, NULL, NULL, q.requests, n, threads, &work, &err), SIMILE_OK);
        assert_answered(&q);
    }
    questions_release(&q);
}

static void each_answer_is_that_of_floats(void **state)
{
    const size_t sizes[] = {0, 1, 63, 96, 97, 1023, 1025, is_small() ? 1200 : 2600};
    const size_t dims[] = {1, 7, 64, 127, 128, 129, 512}, counts[] = {0, 1, 2, 3, 8, 16, 17, 33, 49, 64, 65, QUERIES};
    for (int kind = 0; kind < KINDS; kind++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            sample s = sample_make(sizes[i], dims[(i + (size_t)kind) % 7], (data_kind)kind);
            const size_t ks[] = {0, 1, 10, sizes[i] + 5};
            for (size_t j = 0; j < sizeof ks / sizeof *ks; j++)
                assert_equal_to_floats(&s, counts[(i * 5 + j * 7 + (size_t)kind) % 12], ks[j], 0);
            sample_release(&s);
        }
}

static void each_query_has_its_filter(void **state)
{
    for (int kind = 0; kind < KINDS; kind++) {
        sample s = sample_make(is_small() ? 1100 : 3000, 96, (data_kind)kind);
        for (int filters = 0; filters < 4; filters++)
            assert_equal_to_floats(&s, filters % 2 ? QUERIES : 5, 10, filters);
        sample_release(&s);
    }
}

/* A bound that were none would pass where nothing is ruled out: here nearly all is. */
static void nearly_all_pairs_are_ruled_out(void **state)
{
    const data_kind kinds[] = {UNIFORM, CLUSTERED, FEW_DIRECTIONS};
    for (int i = 0; i < 3; i++) {
        static questions q;
        sample s = sample_make(20000, 128, kinds[i]);
        batch_work work;
        for (size_t j = 0; j < QUERIES; j++)
            memcpy(s.queries + j * 128, s.rows + j * 211 * s.set.stride, 128 * sizeof(float));
        ask(&s, 48, 10, 0, &q);
        for (size_t j = 0; j < q.n; j++) q.requests[j].k = 10, q.requests[j].min_score = -INFINITY;
        assert_int_equal(batch_top_with(&batch_kernels_plain, &s.set, s.c, s.h, q.requests, q.n, NULL, &work, &err),
                         SIMILE_OK);
        assert_int_equal(work.pairs, 48 * 20000);
        assert_true(work.in_floats >= 48 * 10 && work.in_floats < work.pairs / (kinds[i] == CLUSTERED ? 5 : 50));
        questions_release(&q);
        assert_equal_to_floats(&s, 64, 10, 0);
        sample_release(&s);
    }
}

static void no_memory_and_foreign_codes_are_errors(void **state)
{
    static questions q;
    sample s = sample_make(2000, 8, UNIFORM);
    ask(&s, 20, 10, 2, &q);
    for (int with = 0; with < 2; with++) {
        simile_status status = SIMILE_E_NOMEM;
        for (long n = 1; n < 200 && status; n++) {
            mem_fault_after(n, false);
            status =
                batch_top_with(&batch_kernels_plain, &s.set, with ? s.c : NULL, NULL, q.requests, 20, NULL, NULL, &err);
            const bool refused = mem_fault_hit();
            mem_fault_after(0, false);
            assert_int_equal(status, refused ? SIMILE_E_NOMEM : SIMILE_OK);
            for (size_t i = 0; i < 20 && status; i++) assert_int_equal(q.requests[i].found, 0);
        }
        assert_int_equal(status, SIMILE_OK);
        assert_answered(&q);
    }
    s.set.n = 5000;
    assert_int_equal(batch_top_with(&batch_kernels_plain, &s.set, s.c, s.h, q.requests, 20, NULL, NULL, &err),
                     SIMILE_E_INTERNAL);
    s.set.n = 2000;
    questions_release(&q);
    sample_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_joins_halves),       cmocka_unit_test(every_table_of_bounds_equals_the_plain_one),
        cmocka_unit_test(each_answer_is_that_of_floats),  cmocka_unit_test(each_query_has_its_filter),
        cmocka_unit_test(nearly_all_pairs_are_ruled_out), cmocka_unit_test(no_memory_and_foreign_codes_are_errors),
    };
    return cmocka_run_group_tests(tests, start_threads, stop_threads);
}
