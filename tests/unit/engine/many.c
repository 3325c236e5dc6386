/* SPDX-License-Identifier: Apache-2.0
 * many.c - see many.h. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "many.h"

#include "base/mem.h"
#include "store/catalog.h"

#include <math.h>
#include <stdio.h>

enum { SEARCHES = 6 };

static uint64_t random_state;

static float random_float(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (float)(random_state >> 40) / (float)(1 << 23) - 1;
}

/* That of an item or a query; every fifth equals an earlier one. */
static void vector_of(int number, float *x)
{
    double sum = 0;
    random_state = (uint64_t)(number % 5 ? number : number / 10) + 1;
    for (int i = 0; i < DIM; i++) {
        x[i] = random_float();
        sum += (double)x[i] * (double)x[i];
    }
    for (int i = 0; i < DIM; i++) x[i] /= (float)sqrt(sum);
}

static void put_items(catalog *c, int first, int end)
{
    char path[64];
    float vector[DIM];
    for (int i = first; i < end; i++) {
        snprintf(path, sizeof path, "/p/%s/%06d.jpg", i % 3 ? "even" : "third", i);
        catalog_item item = {.path = path, .kind = SIMILE_KIND_IMAGE, .size = 1, .width = 1, .height = 1};
        item.hash[0] = (uint8_t)i;
        item.has_hash = true;
        vector_of(i, vector);
        assert_ok(catalog_put(c, &item, vector, DIM, false, &err));
    }
}

void change(int first, int end, int64_t gone)
{
    catalog *c;
    catalog_model model = {.dim = DIM, .name = "m"};
    memset(model.digest, 'a', DIGEST_HEX - 1);
    assert_ok(catalog_open(lab.catalog, false, &c, &err));
    assert_ok(catalog_begin(c, &err));
    assert_ok(catalog_claim_model(c, &model, &err));
    put_items(c, first, end);
    if (gone) assert_ok(catalog_delete(c, gone, &err));
    assert_ok(catalog_commit(c, &err));
    catalog_close(c);
}

size_t slow_top(int n, int64_t gone, bool third, const float *query, scan_hit *out)
{
    float *rows = mem_aligned((size_t)n * DIM * sizeof *rows);
    int64_t *ids = mem_array((size_t)n, sizeof *ids);
    size_t kept = 0, found;
    for (int i = 0; i < n; i++) {
        if (i + 1 == gone || (third && i % 3)) continue;
        vector_of(i, rows + kept * DIM);
        ids[kept++] = i + 1;
    }
    const scan_set set = {.rows = rows, .ids = ids, .n = kept, .dim = DIM, .stride = DIM, .min_score = -INFINITY};
    assert_ok(scan_top(&set, query, LIMIT, NULL, out, &found, &err));
    mem_free(rows);
    mem_free(ids);
    return found;
}

void assert_search(simile_library *library, const float *vector, bool third, const scan_hit *expected, size_t n)
{
    simile_results *results;
    const simile_term term = {.kind = SIMILE_TERM_VECTOR, .vector = vector, .weight = 1};
    const simile_query query = {
        .struct_size = sizeof query, .terms = &term, .n_terms = 1, .limit = LIMIT, .folder = third ? "/p/third" : NULL};
    simile_error mine;
    if (simile_search(library, NULL, &query, &results, &mine)) fail_msg("%s", mine.message);
    assert_int_equal(simile_results_count(results), n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(simile_results_at(results, i)->id, expected[i].id);
        assert_true(simile_results_at(results, i)->similarity == 100 * expected[i].score);
    }
    simile_results_free(results);
}

void query_of(int number, float *x)
{
    double sum = 0;
    vector_of(number, x);
    for (int i = 0; i < DIM; i++) sum += (double)x[i] * (double)x[i];
    for (int i = 0; i < DIM; i++) x[i] = (float)((double)x[i] / sqrt(sum));
}

void assert_searches(simile_library *library, int n, int64_t gone)
{
    for (int i = 0; i < SEARCHES; i++) {
        float query[DIM];
        scan_hit expected[LIMIT];
        query_of(1000003 + 7 * i, query);
        const size_t found = slow_top(n, gone, i % 2, query, expected);
        assert_search(library, query, i % 2, expected, found);
    }
}
