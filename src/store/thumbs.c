/* SPDX-License-Identifier: Apache-2.0
 * thumbs.c - thumbnails beside a catalogue: see thumbs.h.
 *
 *     thumb   hash   SHA-256 of the large picture's bytes
 *             image  the small one: a WebP
 *
 * The connection is that of a catalogue with other tables (schema.c): it trusts nothing that the file declares. Unlike
 * a catalogue it keeps a rollback journal, so that one file is all there is and it can be read where nothing can be
 * written; and it gives pages back when rows are deleted. */
#include "store/thumbs.h"

#include "base/mem.h"
#include "store/internal.h"

#include <unistd.h>

static const char *const version_1[] = {
    "CREATE TABLE thumb (\n"
    "  id INTEGER PRIMARY KEY,\n"
    "  hash BLOB NOT NULL CHECK (length(hash) = 32),\n"
    "  image BLOB NOT NULL\n"
    ") STRICT",
    "CREATE UNIQUE INDEX thumb_hash ON thumb (hash)",
    NULL,
};
static const char *const *const migrations[] = {version_1};

static const schema schema_of_thumbs = {.name = "the thumbnails",
                                        .kind = "a file of thumbnails",
                                        .application_id = 0x53494d54, /* "SIMT" */
                                        .versions = 1,
                                        .migrations = migrations,
                                        .derived = true};

struct thumbs {
    catalog c; /* a connection, with nothing else of a catalogue */
};

/* ---- opening ---- */

static simile_status prepare(catalog *c, int64_t version, simile_error *err)
{
    if (c->read_only) return SIMILE_OK;
    if (!version) RETURN_IF_ERROR(store_execute(c, "PRAGMA page_size = 4096; PRAGMA auto_vacuum = FULL", err));
    RETURN_IF_ERROR(store_execute(c, "PRAGMA journal_mode = DELETE; PRAGMA synchronous = NORMAL", err));
    return schema_migrate(c, version, c->schema->versions, err);
}

static simile_status open_at(catalog *c, bool must_exist, simile_error *err)
{
    int64_t version = 0;
    file_facts facts;
    if (must_exist) RETURN_IF_ERROR(file_stat(c->path, &facts, err));
    const int flags = c->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    RETURN_IF_ERROR(store_connect(c, c->path, flags, err));
    RETURN_IF_ERROR(store_check_tables(c, &version, err));
    RETURN_IF_ERROR(prepare(c, version, err));
    c->version = (int32_t)c->schema->versions;
    return SIMILE_OK;
}

simile_status thumbs_open(const char *path, bool read_only, bool must_exist, thumbs **out, simile_error *err)
{
    *out = NULL;
    thumbs *t = mem_new(thumbs);
    if (!t) return err_nomem(err);
    t->c.lock = -1;
    t->c.read_only = read_only;
    t->c.schema = &schema_of_thumbs;
    t->c.path = path_absolute(path);
    const simile_status status = t->c.path ? open_at(&t->c, must_exist || read_only, err) : err_nomem(err);
    if (status) {
        thumbs_close(t);
        return status;
    }
    *out = t;
    return SIMILE_OK;
}

void thumbs_close(thumbs *t)
{
    if (!t) return;
    store_disconnect(&t->c);
    mem_free(t->c.path);
    mem_free(t);
}

void thumbs_remove_file(const char *path)
{
    int64_t application = 0;
    catalog c = {.lock = -1, .read_only = true, .schema = &schema_of_thumbs, .path = path_absolute(path)};
    bool ours = c.path && !store_connect(&c, c.path, SQLITE_OPEN_READONLY, NULL);
    ours = ours && !store_number(&c, "PRAGMA application_id", &application, NULL);
    ours = ours && application == schema_of_thumbs.application_id;
    store_disconnect(&c);
    if (ours) {
        char *journal = mem_printf("%s-journal", c.path);
        if (!unlink(c.path) && journal) unlink(journal);
        mem_free(journal);
    }
    mem_free(c.path);
}

/* ---- reading ---- */

/* The head of a WebP: "RIFF", the length of what follows, "WEBP". */
static bool is_webp(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    if (len < 16 || len > THUMBS_BYTES_MAX || memcmp(p, "RIFF", 4) != 0 || memcmp(p + 8, "WEBP", 4) != 0) return false;
    const size_t said = (size_t)p[4] | (size_t)p[5] << 8 | (size_t)p[6] << 16 | (size_t)p[7] << 24;
    return said == len - 8;
}

static simile_status copy_image(const catalog *c, sqlite3_stmt *statement, void **bytes, size_t *len, simile_error *err)
{
    const void *image = sqlite3_column_blob(statement, 0);
    const size_t n = (size_t)sqlite3_column_bytes(statement, 0);
    if (!image && sqlite3_errcode(c->db) == SQLITE_NOMEM) return err_nomem(err);
    if (sqlite3_column_type(statement, 0) != SQLITE_BLOB || !image || !is_webp(image, n)) return SIMILE_OK;
    void *copy = mem_alloc(n);
    if (!copy) return err_nomem(err);
    memcpy(copy, image, n);
    *bytes = copy;
    *len = n;
    return SIMILE_OK;
}

static simile_status with_hash(catalog *c, sql_id sql, const uint8_t hash[DIGEST_SIZE], sqlite3_stmt **out,
                               simile_error *err)
{
    RETURN_IF_ERROR(store_statement(c, sql, out, err));
    const int code = sqlite3_bind_blob(*out, 1, hash, DIGEST_SIZE, SQLITE_STATIC);
    return code ? store_error(c, code, "read", err) : SIMILE_OK;
}

simile_status thumbs_get(thumbs *t, const uint8_t hash[DIGEST_SIZE], void **bytes, size_t *len, simile_error *err)
{
    sqlite3_stmt *statement;
    bool row = false;
    *bytes = NULL;
    *len = 0;
    RETURN_IF_ERROR(with_hash(&t->c, SQL_THUMB_GET, hash, &statement, err));
    simile_status status = store_step(&t->c, statement, &row, err);
    if (!status && row) status = copy_image(&t->c, statement, bytes, len, err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return status;
}

simile_status thumbs_each(thumbs *t, thumbs_hash_fn fn, void *user, simile_error *err)
{
    sqlite3_stmt *statement;
    bool row = true, stop = false;
    RETURN_IF_ERROR(store_statement(&t->c, SQL_THUMB_EACH, &statement, err));
    simile_status status = SIMILE_OK;
    while (!status && row && !stop) {
        status = store_step(&t->c, statement, &row, err);
        if (status || !row) break;
        const void *hash = sqlite3_column_blob(statement, 0);
        if (!hash && sqlite3_errcode(t->c.db) == SQLITE_NOMEM)
            status = err_nomem(err);
        else if (!hash || sqlite3_column_bytes(statement, 0) != DIGEST_SIZE)
            status = store_damaged(&t->c, 0, "its hash is not a hash", err);
        else
            stop = fn(user, hash) != 0;
    }
    sqlite3_reset(statement);
    return status;
}

/* ---- checking ---- */

typedef struct {
    thumbs_problem_fn fn;
    void *user;
    int64_t n;
} finding;

static void tell(void *user, int64_t id, const char *path, const char *problem)
{
    finding *f = user;
    (void)id;
    (void)path;
    f->n++;
    f->fn(f->user, problem);
}

static const char *problem_of(sqlite3_stmt *statement)
{
    if (sqlite3_column_type(statement, 1) != SQLITE_BLOB || sqlite3_column_bytes(statement, 1) != DIGEST_SIZE)
        return "the hash of a thumbnail is not a hash";
    const void *image = sqlite3_column_blob(statement, 0);
    const size_t n = (size_t)sqlite3_column_bytes(statement, 0);
    const bool is_blob = sqlite3_column_type(statement, 0) == SQLITE_BLOB;
    return is_blob && image && is_webp(image, n) ? NULL : "a thumbnail is not a WebP";
}

static simile_status check_rows(thumbs *t, finding *f, simile_error *err)
{
    sqlite3_stmt *statement;
    bool row = true;
    RETURN_IF_ERROR(store_statement(&t->c, SQL_THUMB_CHECK, &statement, err));
    simile_status status = SIMILE_OK;
    while (!status && row) {
        status = store_step(&t->c, statement, &row, err);
        if (status || !row) break;
        const char *problem = problem_of(statement);
        if (sqlite3_errcode(t->c.db) == SQLITE_NOMEM)
            status = err_nomem(err);
        else if (problem)
            tell(f, 0, NULL, problem);
    }
    sqlite3_reset(statement);
    return status;
}

simile_status thumbs_check(thumbs *t, thumbs_problem_fn problem, void *user, simile_error *err)
{
    finding f = {.fn = problem, .user = user};
    RETURN_IF_ERROR(store_check_pages(&t->c, tell, &f, err));
    return f.n ? SIMILE_OK : check_rows(t, &f, err); /* of a damaged file enough is said */
}

/* ---- writing ---- */

simile_status thumbs_begin(thumbs *t, simile_error *err)
{
    return catalog_begin(&t->c, err);
}

simile_status thumbs_commit(thumbs *t, simile_error *err)
{
    return catalog_commit(&t->c, err);
}

void thumbs_rollback(thumbs *t)
{
    catalog_rollback(&t->c);
}

simile_status thumbs_put(thumbs *t, const uint8_t hash[DIGEST_SIZE], const void *bytes, size_t len, simile_error *err)
{
    sqlite3_stmt *statement;
    if (!is_webp(bytes, len)) return err_set(err, SIMILE_E_ARG, "a thumbnail of %zu bytes is no small WebP", len);
    RETURN_IF_ERROR(with_hash(&t->c, SQL_THUMB_PUT, hash, &statement, err));
    const int code = sqlite3_bind_blob64(statement, 2, bytes, len, SQLITE_STATIC);
    const simile_status status = code ? store_error(&t->c, code, "write", err) : store_run(&t->c, statement, err);
    sqlite3_clear_bindings(statement);
    return status;
}

simile_status thumbs_delete(thumbs *t, const uint8_t hash[DIGEST_SIZE], simile_error *err)
{
    sqlite3_stmt *statement;
    RETURN_IF_ERROR(with_hash(&t->c, SQL_THUMB_DELETE, hash, &statement, err));
    const simile_status status = store_run(&t->c, statement, err);
    sqlite3_clear_bindings(statement);
    return status;
}
