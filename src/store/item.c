/* SPDX-License-Identifier: Apache-2.0
 * item.c - the rows of the table "item": writing, finding, listing, counting.
 *
 * Rows are read through item_read(), which trusts no column: wrong types, negative sizes, texts with NUL bytes and the
 * like make SIMILE_E_CORRUPT. */
#include "base/mem.h"
#include "store/internal.h"

int64_t catalog_date_of(int64_t taken, int64_t mtime_ns)
{
    if (taken != CATALOG_NO_DATE) return taken;
    return mtime_ns / 1000000000 - (mtime_ns % 1000000000 < 0);
}

/* ---- reading rows ---- */

/* *out: NULL when the column is NULL. False: it is something else than a text without NUL bytes. */
static bool read_text(sqlite3_stmt *statement, int column, const char **out)
{
    *out = NULL;
    const int type = sqlite3_column_type(statement, column);
    if (type == SQLITE_NULL) return true;
    if (type != SQLITE_TEXT) return false;
    *out = (const char *)sqlite3_column_text(statement, column);
    return *out && strlen(*out) == (size_t)sqlite3_column_bytes(statement, column);
}

static bool read_number(sqlite3_stmt *statement, int column, int64_t min, int64_t max, int64_t *out)
{
    *out = sqlite3_column_int64(statement, column);
    return sqlite3_column_type(statement, column) == SQLITE_INTEGER && *out >= min && *out <= max;
}

static bool read_hash(sqlite3_stmt *statement, int column, catalog_item *out)
{
    const int type = sqlite3_column_type(statement, column);
    out->has_hash = type == SQLITE_BLOB;
    memset(out->hash, 0, sizeof out->hash);
    if (type == SQLITE_NULL) return true;
    const void *bytes = sqlite3_column_blob(statement, column);
    if (type != SQLITE_BLOB || !bytes || sqlite3_column_bytes(statement, column) != DIGEST_SIZE) return false;
    memcpy(out->hash, bytes, DIGEST_SIZE);
    return true;
}

static const char *read_numbers(sqlite3_stmt *statement, catalog_item *out)
{
    int64_t width, height;
    if (!read_number(statement, 7, 0, INT64_MAX, &out->size)) return "its size is not a size";
    if (!read_number(statement, 8, INT64_MIN, INT64_MAX, &out->mtime_ns)) return "its time is not a time";
    out->taken = CATALOG_NO_DATE;
    if (sqlite3_column_type(statement, 9) != SQLITE_NULL &&
        !read_number(statement, 9, INT64_MIN + 1, INT64_MAX, &out->taken))
        return "the date on which it was taken is not a date";
    if (!read_number(statement, 10, 0, INT32_MAX, &width) || !read_number(statement, 11, 0, INT32_MAX, &height))
        return "its width and height are not lengths";
    out->width = (int32_t)width;
    out->height = (int32_t)height;
    if (!read_number(statement, 12, INT64_MIN, INT64_MAX, &out->date) ||
        out->date != catalog_date_of(out->taken, out->mtime_ns))
        return "its date does not follow from its times";
    return NULL;
}

const char *item_read(sqlite3_stmt *statement, catalog_item *out)
{
    int64_t kind, status;
    *out = (catalog_item){0};
    if (!read_number(statement, 0, 1, INT64_MAX, &out->id)) return "its id is not a positive number";
    if (!read_number(statement, 1, SIMILE_KIND_IMAGE, SIMILE_KIND_TEXT, &kind)) return "its kind is unknown";
    if (!read_number(statement, 2, SIMILE_ITEM_OK, SIMILE_ITEM_QUARANTINED, &status)) return "its status is unknown";
    out->kind = (int32_t)kind;
    out->status = (int32_t)status;
    if (!read_text(statement, 3, &out->path) || !out->path != (kind == SIMILE_KIND_TEXT) ||
        (out->path && out->path[0] != '/'))
        return "its path is not an absolute path";
    if (!read_text(statement, 4, &out->text) || !out->text != (kind == SIMILE_KIND_IMAGE))
        return "its text is not a text";
    if (!read_text(statement, 5, &out->reason) || !out->reason != (status == SIMILE_ITEM_OK))
        return "its reason for quarantine does not go with its status";
    if (!read_hash(statement, 6, out) || (!out->has_hash && status == SIMILE_ITEM_OK)) return "its hash is not a hash";
    return read_numbers(statement, out);
}

/* The row as an item, or why not: memory, damage. */
static simile_status read_row(const catalog *c, sqlite3_stmt *statement, catalog_item *out, simile_error *err)
{
    const char *problem = item_read(statement, out);
    if (!problem) return SIMILE_OK;
    if (sqlite3_errcode(c->db) == SQLITE_NOMEM) return err_nomem(err);
    return store_damaged(c, out->id, problem, err);
}

/* Copies a borrowed string behind those that are in c->strings already; *at is its offset, as the memory may move. */
static bool keep_string(catalog *c, const char *text, size_t *at)
{
    *at = c->strings.len;
    return !text || buf_append(&c->strings, text, strlen(text) + 1);
}

/* Makes the strings of a found item independent of the statement, which is reset at once: a statement that stays open
 * would hold its snapshot of the database. */
static simile_status keep_strings(catalog *c, catalog_item *item, simile_error *err)
{
    size_t path, text, reason;
    buf_clear(&c->strings);
    if (!keep_string(c, item->path, &path) || !keep_string(c, item->text, &text) ||
        !keep_string(c, item->reason, &reason)) {
        *item = (catalog_item){0};
        return err_nomem(err);
    }
    if (item->path) item->path = c->strings.data + path;
    if (item->text) item->text = c->strings.data + text;
    if (item->reason) item->reason = c->strings.data + reason;
    return SIMILE_OK;
}

/* Runs a bound statement that gives one item or none. */
static simile_status find(catalog *c, sqlite3_stmt *statement, int bound, catalog_item *out, bool *found,
                          simile_error *err)
{
    *out = (catalog_item){0};
    *found = false;
    bool row = false;
    simile_status status = bound ? store_error(c, bound, "read", err) : store_step(c, statement, &row, err);
    if (!status && row) status = read_row(c, statement, out, err);
    if (!status && row) status = keep_strings(c, out, err);
    *found = !status && row;
    if (!*found) *out = (catalog_item){0};
    sqlite3_reset(statement);
    return status;
}

simile_status store_each_item(catalog *c, sqlite3_stmt *statement, int bound, catalog_item_fn fn, void *user,
                              simile_error *err)
{
    bool row = true, stop = false;
    simile_status status = bound ? store_error(c, bound, "read", err) : SIMILE_OK;
    while (!status && row && !stop) {
        catalog_item item;
        status = store_step(c, statement, &row, err);
        if (!status && row) status = read_row(c, statement, &item, err);
        if (!status && row) stop = fn(user, &item) != 0;
    }
    sqlite3_reset(statement);
    return status;
}

/* ---- finding and listing ---- */

simile_status catalog_find_path(catalog *c, const char *path, catalog_item *out, bool *found, simile_error *err)
{
    sqlite3_stmt *statement;
    *found = false;
    RETURN_IF_ERROR(store_statement(c, SQL_FIND_PATH, &statement, err));
    return find(c, statement, sqlite3_bind_text(statement, 1, path, -1, SQLITE_STATIC), out, found, err);
}

simile_status catalog_find_text(catalog *c, const char *text, catalog_item *out, bool *found, simile_error *err)
{
    sqlite3_stmt *statement;
    uint8_t hash[DIGEST_SIZE];
    *found = false;
    RETURN_IF_ERROR(store_statement(c, SQL_FIND_TEXT, &statement, err));
    digest_bytes(text, strlen(text), hash);
    int bound = sqlite3_bind_blob(statement, 1, hash, DIGEST_SIZE, SQLITE_STATIC);
    if (!bound) bound = sqlite3_bind_text(statement, 2, text, -1, SQLITE_STATIC);
    const simile_status status = find(c, statement, bound, out, found, err);
    sqlite3_clear_bindings(statement);
    return status;
}

simile_status catalog_find_id(catalog *c, int64_t id, catalog_item *out, bool *found, simile_error *err)
{
    sqlite3_stmt *statement;
    *found = false;
    RETURN_IF_ERROR(store_statement(c, SQL_FIND_ID, &statement, err));
    return find(c, statement, sqlite3_bind_int64(statement, 1, id), out, found, err);
}

simile_status catalog_each_hash(catalog *c, const uint8_t hash[DIGEST_SIZE], catalog_item_fn fn, void *user,
                                simile_error *err)
{
    sqlite3_stmt *statement;
    RETURN_IF_ERROR(store_statement(c, SQL_EACH_HASH, &statement, err));
    return store_each_item(c, statement, sqlite3_bind_blob(statement, 1, hash, DIGEST_SIZE, SQLITE_STATIC), fn, user,
                           err);
}

simile_status catalog_each_below(catalog *c, const char *folder, catalog_item_fn fn, void *user, simile_error *err)
{
    sqlite3_stmt *statement;
    if (!folder || !strcmp(folder, "/")) {
        RETURN_IF_ERROR(store_statement(c, SQL_EACH_IMAGE, &statement, err));
        return store_each_item(c, statement, 0, fn, user, err);
    }
    RETURN_IF_ERROR(store_statement(c, SQL_EACH_BELOW, &statement, err));
    const int bound = store_bind_below(statement, 1, folder);
    const simile_status status = store_each_item(c, statement, bound, fn, user, err);
    sqlite3_clear_bindings(statement);
    return status;
}

simile_status catalog_each_glob(catalog *c, const char *glob, catalog_item_fn fn, void *user, simile_error *err)
{
    sqlite3_stmt *statement;
    char *pattern;
    RETURN_IF_ERROR(store_statement(c, SQL_EACH_GLOB, &statement, err));
    RETURN_IF_ERROR(store_glob_pattern(glob, &pattern, err));
    const int bound = sqlite3_bind_text(statement, 1, pattern, -1, SQLITE_STATIC);
    const simile_status status = store_each_item(c, statement, bound, fn, user, err);
    sqlite3_clear_bindings(statement);
    mem_free(pattern);
    return status;
}

simile_status catalog_each(catalog *c, catalog_item_fn fn, void *user, simile_error *err)
{
    sqlite3_stmt *statement;
    RETURN_IF_ERROR(store_statement(c, SQL_EACH, &statement, err));
    return store_each_item(c, statement, 0, fn, user, err);
}

/* ---- writing ---- */

static int bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    return text ? sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC) : sqlite3_bind_null(statement, at);
}

static int bind_item(sqlite3_stmt *statement, const catalog_item *item)
{
    int code = sqlite3_bind_int(statement, 2, item->kind);
    if (item->id && !code) code = sqlite3_bind_int64(statement, 1, item->id);
    if (!code) code = sqlite3_bind_int(statement, 3, item->status);
    if (!code) code = bind_text(statement, 4, item->path);
    if (!code) code = bind_text(statement, 5, item->text);
    if (!code) code = bind_text(statement, 6, item->reason);
    if (!code && item->has_hash) code = sqlite3_bind_blob(statement, 7, item->hash, DIGEST_SIZE, SQLITE_STATIC);
    if (!code) code = sqlite3_bind_int64(statement, 8, item->size);
    if (!code) code = sqlite3_bind_int64(statement, 9, item->mtime_ns);
    if (!code && item->taken != CATALOG_NO_DATE) code = sqlite3_bind_int64(statement, 10, item->taken);
    if (!code) code = sqlite3_bind_int(statement, 11, item->width);
    if (!code) code = sqlite3_bind_int(statement, 12, item->height);
    if (!code) code = sqlite3_bind_int64(statement, 13, catalog_date_of(item->taken, item->mtime_ns));
    return code;
}

static simile_status put_item(catalog *c, catalog_item *item, simile_error *err)
{
    sqlite3_stmt *statement;
    RETURN_IF_ERROR(store_statement(c, item->id ? SQL_UPDATE : SQL_INSERT, &statement, err));
    int code = bind_item(statement, item);
    if (!code) code = sqlite3_step(statement);
    simile_status status = SIMILE_OK;
    if (code == SQLITE_CONSTRAINT_UNIQUE)
        status = err_set(err, SIMILE_E_EXISTS, "cannot write the catalogue '%s': '%.200s' is there already", c->path,
                         item->path ? item->path : item->text);
    else if (code != SQLITE_DONE)
        status = store_error(c, code, "write", err);
    else if (!item->id)
        item->id = sqlite3_last_insert_rowid(c->db);
    else if (!sqlite3_changes(c->db))
        status = err_set(err, SIMILE_E_NOT_FOUND, "no item %lld in the catalogue '%s'", (long long)item->id, c->path);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return status;
}

static simile_status put_vector(catalog *c, int64_t id, const float *vector, int32_t dim, simile_error *err)
{
    sqlite3_stmt *statement;
    RETURN_IF_ERROR(store_statement(c, SQL_PUT_VECTOR, &statement, err));
    const size_t bytes = (size_t)dim * sizeof(float);
    float *stored = mem_alloc(bytes);
    if (!stored) return err_nomem(err);
    catalog_vector_decode(vector, dim, stored); /* swaps where the processor is big-endian: its own inverse */
    int code = sqlite3_bind_int64(statement, 1, id);
    if (!code) code = sqlite3_bind_blob64(statement, 2, stored, bytes, SQLITE_STATIC);
    if (!code) code = sqlite3_bind_int64(statement, 3, vector_checksum(stored, bytes));
    const simile_status status = code ? store_error(c, code, "write", err) : store_run(c, statement, err);
    sqlite3_clear_bindings(statement);
    mem_free(stored);
    return status;
}

static simile_status run_with_id(catalog *c, sql_id sql, int64_t id, simile_error *err)
{
    sqlite3_stmt *statement;
    RETURN_IF_ERROR(store_statement(c, sql, &statement, err));
    const int code = sqlite3_bind_int64(statement, 1, id);
    return code ? store_error(c, code, "write", err) : store_run(c, statement, err);
}

static simile_status check_writing(const catalog *c, simile_error *err)
{
    if (c->writing) return SIMILE_OK;
    return err_set(err, SIMILE_E_INTERNAL, "cannot write the catalogue '%s': no transaction was begun", c->path);
}

simile_status catalog_put(catalog *c, catalog_item *item, const float *vector, int32_t dim, bool keep_vector,
                          simile_error *err)
{
    RETURN_IF_ERROR(check_writing(c, err));
    if (vector && dim != c->dim)
        return err_set(err, SIMILE_E_INTERNAL, "cannot write the catalogue '%s': a vector of %d numbers instead of %d",
                       c->path, dim, c->dim);
    const bool is_new = item->id == 0;
    c->touched = true;
    if (!is_new && !keep_vector) c->rewrote = true;
    RETURN_IF_ERROR(put_item(c, item, err));
    if (vector) return put_vector(c, item->id, vector, dim, err);
    return is_new || keep_vector ? SIMILE_OK : run_with_id(c, SQL_DELETE_VECTOR, item->id, err);
}

simile_status catalog_delete(catalog *c, int64_t id, simile_error *err)
{
    RETURN_IF_ERROR(check_writing(c, err));
    c->touched = c->rewrote = true;
    RETURN_IF_ERROR(run_with_id(c, SQL_DELETE_VECTOR, id, err));
    RETURN_IF_ERROR(run_with_id(c, SQL_DELETE, id, err));
    if (sqlite3_changes(c->db)) return SIMILE_OK;
    return err_set(err, SIMILE_E_NOT_FOUND, "no item %lld in the catalogue '%s'", (long long)id, c->path);
}

/* ---- counts ---- */

static void add_count(sqlite3_stmt *statement, catalog_counts *out)
{
    const int64_t n = sqlite3_column_int64(statement, 2);
    if (sqlite3_column_int64(statement, 1) != SIMILE_ITEM_OK)
        out->quarantined += n;
    else if (sqlite3_column_int64(statement, 0) == SIMILE_KIND_IMAGE)
        out->images += n;
    else
        out->texts += n;
}

simile_status catalog_count(catalog *c, catalog_counts *out, simile_error *err)
{
    sqlite3_stmt *statement;
    bool row = true;
    *out = (catalog_counts){.schema = c->version};
    RETURN_IF_ERROR(store_statement(c, SQL_COUNT, &statement, err));
    simile_status status = SIMILE_OK;
    while (!status && row) {
        status = store_step(c, statement, &row, err);
        if (!status && row) add_count(statement, out);
    }
    sqlite3_reset(statement);
    if (status) return status;
    RETURN_IF_ERROR(store_statement(c, SQL_PAGES, &statement, err));
    status = store_step(c, statement, &row, err);
    if (!status && row) out->bytes = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return status;
}
