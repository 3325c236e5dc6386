/* SPDX-License-Identifier: Apache-2.0
 * check.c - is a catalogue whole? SQLite's own checks first, then every row: its columns, its vector's presence, size,
 * checksum and length. Damage is reported through the callback and is no failure of the check; only what keeps the
 * check from running (memory, the disk) is. */
#include "base/mem.h"
#include "store/internal.h"

#include <math.h>

typedef struct {
    catalog_problem_fn fn;
    void *user;
    int32_t dim;
    float *vector; /* [dim] */
} checker;

/* A unit vector of float32 is within 1e-6 of length 1; what is off by more than this was not written by simile. */
static const double max_length_error = 1e-4;

static bool is_damage(simile_status status)
{
    return status == SIMILE_E_CORRUPT || status == SIMILE_E_FORMAT || status == SIMILE_E_LIMIT;
}

/* Runs a pragma whose rows are problems. integrity_check says "ok" when there are none. */
static simile_status check_pragma(catalog *c, const char *sql, const char *prefix, const checker *k, simile_error *err)
{
    sqlite3_stmt *statement = NULL;
    const int code = sqlite3_prepare_v2(c->db, sql, -1, &statement, NULL);
    simile_status status = code ? store_error(c, code, "read", err) : SIMILE_OK;
    bool row = true;
    while (!status && row) {
        status = store_step(c, statement, &row, err);
        const char *text = !status && row ? (const char *)sqlite3_column_text(statement, 0) : NULL;
        if (!text || !strcmp(text, "ok")) continue;
        char problem[300];
        sqlite3_snprintf(sizeof problem, problem, "%s%s", prefix, text);
        k->fn(k->user, 0, NULL, problem);
    }
    sqlite3_finalize(statement);
    return status;
}

static const char *vector_problem(const checker *k, sqlite3_stmt *statement)
{
    const int data_at = ITEM_COLUMN_COUNT, sum_at = ITEM_COLUMN_COUNT + 1;
    const void *data = sqlite3_column_blob(statement, data_at);
    const size_t bytes = (size_t)sqlite3_column_bytes(statement, data_at);
    if (sqlite3_column_type(statement, data_at) != SQLITE_BLOB || !data || bytes != (size_t)k->dim * sizeof(float))
        return "its vector has another size";
    if (sqlite3_column_type(statement, sum_at) != SQLITE_INTEGER ||
        sqlite3_column_int64(statement, sum_at) != vector_checksum(data, bytes))
        return "the checksum of its vector is wrong";
    catalog_vector_decode(data, k->dim, k->vector);
    double sum = 0;
    for (int32_t i = 0; i < k->dim; i++) sum += (double)k->vector[i] * (double)k->vector[i];
    return fabs(sqrt(sum) - 1) <= max_length_error ? NULL : "its vector is not a unit vector";
}

static const char *text_problem(const catalog_item *item)
{
    uint8_t hash[DIGEST_SIZE];
    if (!item->text) return NULL;
    digest_bytes(item->text, strlen(item->text), hash);
    return item->has_hash && !memcmp(hash, item->hash, DIGEST_SIZE) ? NULL : "its hash is not that of its text";
}

static void check_row(const checker *k, sqlite3_stmt *statement)
{
    catalog_item item;
    const char *problem = item_read(statement, &item);
    if (problem) {
        k->fn(k->user, item.id, NULL, problem);
        return;
    }
    const bool has_vector = sqlite3_column_type(statement, ITEM_COLUMN_COUNT) != SQLITE_NULL;
    if (item.status == SIMILE_ITEM_OK)
        problem = has_vector ? vector_problem(k, statement) : "its vector is missing";
    else if (has_vector)
        problem = "it is quarantined and has a vector";
    if (problem) k->fn(k->user, item.id, item.path, problem);
    problem = text_problem(&item);
    if (problem) k->fn(k->user, item.id, item.path, problem);
}

static simile_status check_rows(catalog *c, const checker *k, int64_t *items, simile_error *err)
{
    sqlite3_stmt *statement;
    bool row = true;
    RETURN_IF_ERROR(store_statement(c, SQL_CHECK_ITEMS, &statement, err));
    simile_status status = SIMILE_OK;
    while (!status && row) {
        status = store_step(c, statement, &row, err);
        if (status || !row) break;
        check_row(k, statement);
        ++*items;
        if (sqlite3_errcode(c->db) == SQLITE_NOMEM) status = err_nomem(err);
    }
    sqlite3_reset(statement);
    return status;
}

/* Damage found while reading becomes a problem of the whole catalogue. */
static simile_status as_problem(const checker *k, simile_status status, const simile_error *why, simile_error *err)
{
    if (is_damage(status)) {
        k->fn(k->user, 0, NULL, why->message);
        return SIMILE_OK;
    }
    if (status && err) *err = *why;
    return status;
}

simile_status store_check_pages(catalog *c, catalog_problem_fn problem, void *user, simile_error *err)
{
    simile_error why = {0};
    const checker k = {.fn = problem, .user = user};
    return as_problem(&k, check_pragma(c, "PRAGMA integrity_check", "", &k, &why), &why, err);
}

simile_status catalog_check(catalog *c, catalog_problem_fn problem, void *user, int64_t *items, simile_error *err)
{
    catalog_model model;
    simile_error why = {0};
    checker k = {.fn = problem, .user = user};
    *items = 0;
    simile_status status = as_problem(&k, catalog_get_model(c, &model, &why), &why, err);
    if (status) return status;
    k.dim = model.dim;
    k.vector = mem_array((size_t)k.dim, sizeof *k.vector);
    if (!k.vector) return err_nomem(err);
    status = store_check_pages(c, problem, user, err);
    if (!status) {
        const char *sql = "SELECT \"table\" || ' ' || rowid FROM pragma_foreign_key_check()";
        status = as_problem(&k, check_pragma(c, sql, "a reference leads nowhere: ", &k, &why), &why, err);
    }
    if (!status) status = as_problem(&k, check_rows(c, &k, items, &why), &why, err);
    mem_free(k.vector);
    return status;
}
