/* SPDX-License-Identifier: Apache-2.0
 * catalog.c - opening a catalogue, its transactions, the model it belongs to: see catalog.h.
 *
 * A connection trusts nothing that the file declares: schema functions are untrusted, triggers and views switched off,
 * writes to the schema refused (defensive), cell sizes checked, lengths bounded, and schema.c compares the tables.
 *
 * Opening for reading. SQLite wants to make a shared-memory file beside a WAL database even to read it. Where it
 * cannot, and no write-ahead log with content lies there, the file is opened as immutable; should it change or a log
 * appear later, the next read is refused with SIMILE_E_BUSY rather than answered from half of a change. */
#include "store/internal.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
    BUSY_TIMEOUT_MS = 5000,
    PAGE_SIZE_BYTES = 16384,
    MAX_VALUE_BYTES = 16 << 20, /* of one text or vector */
    MAX_GLOB_BYTES = 4096
};

/* meta.rewrites: a mark for each kind, and above them the counter, which begins anew when it is full. */
enum { MARKS_BITS = 2 * CATALOG_MARK_BITS };
static const int64_t MARK_MOST = ((int64_t)1 << CATALOG_MARK_BITS) - 1;
static const int64_t ONE_REWRITE = (int64_t)1 << MARKS_BITS;

static const char *const sql_texts[SQL_STATEMENTS] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_BEGIN_READ] = "BEGIN DEFERRED",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_META] = "SELECT model_digest, model_name, dim, generation, rewrites, space.name FROM meta "
                 "JOIN space ON space.id = meta.id WHERE meta.id = 1",
    [SQL_META_1] = "SELECT model_digest, model_name, dim, generation, rewrites, '' FROM meta WHERE id = 1",
    [SQL_SET_MODEL] = "UPDATE meta SET model_digest = ?1, model_name = ?2, dim = ?3 WHERE id = 1",
    [SQL_SET_SPACE] = "UPDATE space SET name = ?1 WHERE id = 1",
    [SQL_TOUCH] = "UPDATE meta SET generation = generation + 1, rewrites = (rewrites + ?1) & 0x7fffffffffffffff "
                  "WHERE id = 1",
    [SQL_MARK] = "UPDATE meta SET rewrites = (rewrites & ~?1) | ?2 WHERE id = 1",
    [SQL_ANY_VECTOR] = "SELECT EXISTS (SELECT 1 FROM vector)",
    [SQL_INSERT] =
        "INSERT INTO item (id, kind, status, path, text, reason, hash, size, mtime_ns, taken, width, height, "
        "date) VALUES (NULL, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    [SQL_UPDATE] = "UPDATE item SET kind = ?2, status = ?3, path = ?4, text = ?5, reason = ?6, hash = ?7, size = ?8, "
                   "mtime_ns = ?9, taken = ?10, width = ?11, height = ?12, date = ?13 WHERE id = ?1",
    [SQL_DELETE] = "DELETE FROM item WHERE id = ?1",
    [SQL_FIND_PATH] = "SELECT " ITEM_COLUMNS " FROM item WHERE path = ?1",
    [SQL_FIND_TEXT] = "SELECT " ITEM_COLUMNS " FROM item WHERE kind = 1 AND hash = ?1 AND text = ?2",
    [SQL_FIND_ID] = "SELECT " ITEM_COLUMNS " FROM item WHERE id = ?1",
    [SQL_EACH_HASH] = "SELECT " ITEM_COLUMNS " FROM item WHERE kind = 0 AND hash = ?1 ORDER BY id",
    [SQL_EACH_BELOW] = "SELECT " ITEM_COLUMNS " FROM item WHERE path = ?1 OR (path >= ?2 AND path < ?3) ORDER BY path",
    [SQL_EACH_IMAGE] = "SELECT " ITEM_COLUMNS " FROM item WHERE path IS NOT NULL ORDER BY path",
    [SQL_EACH_GLOB] = "SELECT " ITEM_COLUMNS " FROM item WHERE path GLOB ?1 ORDER BY path",
    [SQL_EACH] = "SELECT " ITEM_COLUMNS " FROM item ORDER BY id",
    [SQL_PUT_VECTOR] = "INSERT OR REPLACE INTO vector (item, data, checksum) VALUES (?1, ?2, ?3)",
    [SQL_DELETE_VECTOR] = "DELETE FROM vector WHERE item = ?1",
    [SQL_GET_VECTOR] = "SELECT data, checksum FROM vector WHERE item = ?1",
    [SQL_EACH_VECTOR] = "SELECT item.id, vector.data FROM item JOIN vector ON vector.item = item.id "
                        "WHERE item.id > ?2 AND +item.kind = ?1 AND +item.status = 0 ORDER BY item.id",
    [SQL_COUNT] = "SELECT kind, status, count(*) FROM item GROUP BY kind, status",
    [SQL_PAGES] = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    [SQL_CHECK_ITEMS] = "SELECT " ITEM_COLUMNS ", vector.data, vector.checksum FROM item "
                        "LEFT JOIN vector ON vector.item = item.id ORDER BY item.id",
    [SQL_THUMB_GET] = "SELECT image FROM thumb WHERE hash = ?1",
    [SQL_THUMB_EACH] = "SELECT hash FROM thumb ORDER BY hash",
    [SQL_THUMB_CHECK] = "SELECT image, hash FROM thumb",
    [SQL_THUMB_PUT] = "INSERT OR REPLACE INTO thumb (hash, image) VALUES (?1, ?2)",
    [SQL_THUMB_DELETE] = "DELETE FROM thumb WHERE hash = ?1",
};

/* ---- SQLite's results ---- */

static simile_status status_of(int code)
{
    if (code == SQLITE_IOERR_NOMEM) return SIMILE_E_NOMEM;
    switch (code & 0xff) {
    case SQLITE_OK: return SIMILE_OK;
    case SQLITE_NOMEM: return SIMILE_E_NOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return SIMILE_E_BUSY;
    case SQLITE_NOTADB: return SIMILE_E_FORMAT;
    case SQLITE_CORRUPT: return SIMILE_E_CORRUPT;
    case SQLITE_TOOBIG: return SIMILE_E_LIMIT;
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY: return SIMILE_E_IO;
    default: return SIMILE_E_INTERNAL;
    }
}

simile_status store_error(const catalog *c, int code, const char *action, simile_error *err)
{
    simile_status status = status_of(code);
    const char *name = c->schema->name;
    if (status == SIMILE_E_FORMAT && c->version) status = SIMILE_E_CORRUPT; /* it was ours when it was opened */
    if (status == SIMILE_E_NOMEM) return err_nomem(err);
    if (status == SIMILE_E_BUSY)
        return err_set(err, status, "cannot %s %s '%s': another program is writing to it", action, name, c->path);
    if (status == SIMILE_E_FORMAT)
        return err_set(err, status, "cannot %s '%s': not %s", action, c->path, c->schema->kind);
    const int cause = c->db && status == SIMILE_E_IO ? sqlite3_system_errno(c->db) : 0;
    if (cause) {
        errno = cause;
        return err_errno(err, "cannot %s %s '%s'", action, name, c->path);
    }
    return err_set(err, status, "cannot %s %s '%s': %s", action, name, c->path,
                   c->db ? sqlite3_errmsg(c->db) : sqlite3_errstr(code));
}

simile_status store_damaged(const catalog *c, int64_t id, const char *problem, simile_error *err)
{
    return err_set(err, SIMILE_E_CORRUPT, "cannot read item %lld of %s '%s': %s", (long long)id, c->schema->name,
                   c->path, problem);
}

simile_status store_statement(catalog *c, sql_id id, sqlite3_stmt **out, simile_error *err)
{
    sqlite3_stmt *statement = c->statements[id];
    *out = NULL;
    if (!statement) {
        const int code =
            sqlite3_prepare_v3(c->db, sql_texts[id], -1, SQLITE_PREPARE_PERSISTENT, &c->statements[id], NULL);
        if (code) return store_error(c, code, "read", err);
        statement = c->statements[id];
    }
    if (sqlite3_stmt_busy(statement))
        return err_set(err, SIMILE_E_INTERNAL, "cannot read the catalogue '%s': one listing within another", c->path);
    sqlite3_clear_bindings(statement);
    *out = statement;
    return SIMILE_OK;
}

simile_status store_step(catalog *c, sqlite3_stmt *statement, bool *row, simile_error *err)
{
    const int code = sqlite3_step(statement);
    *row = code == SQLITE_ROW;
    if (code == SQLITE_ROW || code == SQLITE_DONE) return SIMILE_OK;
    return store_error(c, code, sqlite3_stmt_readonly(statement) ? "read" : "write", err);
}

simile_status store_run(catalog *c, sqlite3_stmt *statement, simile_error *err)
{
    bool row;
    const simile_status status = store_step(c, statement, &row, err);
    sqlite3_reset(statement);
    return status;
}

simile_status store_execute(catalog *c, const char *sql, simile_error *err)
{
    const int code = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
    return code ? store_error(c, code, "open", err) : SIMILE_OK;
}

simile_status store_number(catalog *c, const char *sql, int64_t *out, simile_error *err)
{
    sqlite3_stmt *statement = NULL;
    const int code = sqlite3_prepare_v2(c->db, sql, -1, &statement, NULL);
    bool row = false;
    simile_status status = code ? store_error(c, code, "open", err) : store_step(c, statement, &row, err);
    if (!status) *out = row ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return status;
}

/* ---- opening ---- */

void store_disconnect(catalog *c)
{
    for (int i = 0; i < SQL_STATEMENTS; i++) {
        sqlite3_finalize(c->statements[i]);
        c->statements[i] = NULL;
    }
    sqlite3_close_v2(c->db);
    c->db = NULL;
}

void catalog_close(catalog *c)
{
    if (!c) return;
    store_disconnect(c);
    catalog_unlock(c);
    buf_release(&c->strings);
    mem_free(c->path);
    mem_free(c);
}

static void limit_connection(sqlite3 *db)
{
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES);
    sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, 1 << 16);
    sqlite3_limit(db, SQLITE_LIMIT_COLUMN, 64);
    sqlite3_limit(db, SQLITE_LIMIT_EXPR_DEPTH, 64);
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, MAX_GLOB_BYTES);
    sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, 0);
    sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
}

/* "file:" and the path with all but letters, digits and "/-_.~" escaped, for SQLite's own reading of URIs. */
static char *immutable_uri(const char *path)
{
    static const char hex[] = "0123456789abcdef";
    buf uri;
    buf_init(&uri, 8 * 4096 + 64);
    buf_text(&uri, "file:");
    for (const char *p = path; *p; p++) {
        const unsigned char b = (unsigned char)*p;
        const bool plain = (b >= '0' && b <= '9') || ((b | 32) >= 'a' && (b | 32) <= 'z') || strchr("/-_.~", b);
        if (!plain) {
            buf_byte(&uri, '%');
            buf_byte(&uri, hex[b >> 4]);
        }
        buf_byte(&uri, plain ? *p : hex[b & 15]);
    }
    buf_text(&uri, "?immutable=1");
    return buf_take(&uri, NULL);
}

simile_status store_connect(catalog *c, const char *name, int flags, simile_error *err)
{
    const int code = sqlite3_open_v2(name, &c->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (code) return store_error(c, code, "open", err);
    limit_connection(c->db);
    const int registered = filter_register(c->db);
    if (registered) return store_error(c, registered, "open", err);
    int64_t ignored; /* the first read: here a file that is not SQLite's shows */
    RETURN_IF_ERROR(store_execute(c, "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0", err));
    return store_number(c, "PRAGMA schema_version", &ignored, err);
}

/* 1: a write-ahead log with content lies beside the file. */
static bool has_log(const catalog *c)
{
    file_facts facts;
    char *log = mem_printf("%s-wal", c->path);
    const bool found = !log || (!file_stat(log, &facts, NULL) && facts.size > 0);
    mem_free(log);
    return found;
}

static bool folder_is_writable(const catalog *c)
{
    char *folder = path_folder(c->path);
    const bool writable = !folder || euidaccess(folder, W_OK) == 0;
    mem_free(folder);
    return writable;
}

static simile_status connect_immutable(catalog *c, simile_error *err)
{
    char *uri = immutable_uri(c->path);
    if (!uri) return err_nomem(err);
    c->immutable = true;
    simile_status status = file_stat(c->path, &c->opened_as, err);
    if (!status) status = store_connect(c, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err);
    mem_free(uri);
    return status;
}

static simile_status connect_to_read(catalog *c, simile_error *err)
{
    simile_error why = {0};
    simile_status status = store_connect(c, c->path, SQLITE_OPEN_READONLY, &why);
    if ((status == SIMILE_E_IO || status == SIMILE_E_NOT_FOUND) && !folder_is_writable(c)) {
        if (has_log(c))
            return err_set(
                err, SIMILE_E_IO,
                "cannot read the catalogue '%s': it has an unfinished log and its folder cannot be written to",
                c->path);
        store_disconnect(c);
        return connect_immutable(c, err);
    }
    if (status && err) *err = why;
    return status;
}

static simile_status connect_to_write(catalog *c, const char *name, simile_error *err)
{
    RETURN_IF_ERROR(store_connect(c, name, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err));
    if (sqlite3_db_readonly(c->db, "main"))
        return err_set(err, SIMILE_E_IO, "cannot write the catalogue '%s': it is read-only", c->path);
    return SIMILE_OK;
}

/* Is this ours, empty, or something else? *version: of its tables, 0 when there are none yet. */
static simile_status identify(catalog *c, int64_t *version, simile_error *err)
{
    int64_t application = 0, tables = 0, utf8 = 0;
    RETURN_IF_ERROR(store_number(c, "PRAGMA application_id", &application, err));
    RETURN_IF_ERROR(store_number(c, "PRAGMA user_version", version, err));
    RETURN_IF_ERROR(store_number(c, "SELECT count(*) FROM sqlite_schema", &tables, err));
    RETURN_IF_ERROR(store_number(c, "SELECT encoding = 'UTF-8' FROM pragma_encoding()", &utf8, err));
    const bool empty = application == 0 && *version == 0 && tables == 0;
    if (empty && c->read_only && c->schema->derived)
        return err_set(err, SIMILE_E_NOT_FOUND, "'%s' has no tables yet", c->path);
    if (!utf8 || (empty && c->read_only) || (!empty && application != c->schema->application_id))
        return err_set(err, SIMILE_E_FORMAT, "cannot open '%s': not %s", c->path, c->schema->kind);
    if (*version > c->schema->versions)
        return err_set(err, SIMILE_E_VERSION,
                       "cannot open '%s': its tables are of version %lld, newer than the %d that this simile knows",
                       c->path, (long long)*version, (int)c->schema->versions);
    if (!empty && *version < 1)
        return err_set(err, SIMILE_E_CORRUPT, "cannot open '%s': its tables have no version", c->path);
    return SIMILE_OK;
}

static simile_status prepare_to_write(catalog *c, int64_t version, simile_error *err)
{
    char page_size[64];
    sqlite3_snprintf(sizeof page_size, page_size, "PRAGMA page_size = %d", PAGE_SIZE_BYTES);
    if (version == 0) RETURN_IF_ERROR(store_execute(c, page_size, err));
    RETURN_IF_ERROR(store_execute(c, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL", err));
    return schema_migrate(c, version, CATALOG_SCHEMA, err);
}

static simile_status make_tables(catalog *c, const char *name, simile_error *err)
{
    simile_status status = connect_to_write(c, name, err);
    if (!status) status = prepare_to_write(c, 0, err);
    store_disconnect(c);
    return status;
}

/* Gives the finished file its name. That another process was quicker is just as well; where there are no hard links,
 * its catalogue, which is as empty as ours, is replaced. */
static simile_status give_name(const catalog *c, const char *made, simile_error *err)
{
    if (!link(made, c->path) || errno == EEXIST || !rename(made, c->path)) return SIMILE_OK;
    return err_errno(err, "cannot write the catalogue '%s'", c->path);
}

/* A new catalogue is made under another name, so that a crash leaves none rather than half of one. */
static simile_status create(catalog *c, simile_error *err)
{
    char *made = mem_printf("%s-new-%ld-%p", c->path, (long)getpid(), (void *)c);
    if (!made) return err_nomem(err);
    simile_status status = make_tables(c, made, err);
    if (!status) status = give_name(c, made, err);
    unlink(made);
    mem_free(made);
    return status;
}

/* In one transaction: a writer that migrates meanwhile must not change the tables between the two looks. */
simile_status store_check_tables(catalog *c, int64_t *version, simile_error *err)
{
    RETURN_IF_ERROR(store_execute(c, "BEGIN DEFERRED", err));
    simile_status status = identify(c, version, err);
    c->version = (int32_t)*version;
    if (!status && *version) status = schema_check(c, err);
    const simile_status ended = store_execute(c, "ROLLBACK", status ? NULL : err);
    return status ? status : ended;
}

static simile_status check_opened(catalog *c, simile_error *err)
{
    int64_t version = 0;
    RETURN_IF_ERROR(store_check_tables(c, &version, err));
    if (c->read_only) return SIMILE_OK;
    RETURN_IF_ERROR(prepare_to_write(c, version, err));
    if (version == CATALOG_SCHEMA) return SIMILE_OK;
    c->version = CATALOG_SCHEMA;
    return schema_check(c, err);
}

static simile_status open_at(catalog *c, simile_error *err)
{
    file_facts facts;
    const bool there = !file_stat(c->path, &facts, NULL);
    if (!there && !c->read_only) RETURN_IF_ERROR(create(c, err));
    if (there && facts.is_directory)
        return err_set(err, SIMILE_E_IO, "cannot open the catalogue '%s': it is a folder", c->path);
    if (!there && c->read_only)
        return err_set(err, SIMILE_E_NOT_FOUND, "cannot open the catalogue '%s': no such file", c->path);
    RETURN_IF_ERROR(c->read_only ? connect_to_read(c, err) : connect_to_write(c, c->path, err));
    return check_opened(c, err);
}

simile_status catalog_open(const char *path, bool read_only, catalog **out, simile_error *err)
{
    *out = NULL;
    catalog *c = mem_new(catalog);
    if (!c) return err_nomem(err);
    c->lock = -1;
    c->read_only = read_only;
    c->schema = &schema_of_catalogs;
    buf_init(&c->strings, 4 * (size_t)MAX_VALUE_BYTES);
    c->path = path_absolute(path);
    const simile_status status = c->path ? open_at(c, err) : err_nomem(err);
    if (status) {
        catalog_close(c);
        return status;
    }
    *out = c;
    return SIMILE_OK;
}

/* ---- transactions ---- */

/* An immutable file that changes after all must not be read: SQLite would take no notice. */
static simile_status check_immutable(const catalog *c, simile_error *err)
{
    if (!c->immutable) return SIMILE_OK;
    file_facts now;
    RETURN_IF_ERROR(file_stat(c->path, &now, err));
    if (has_log(c) || now.size != c->opened_as.size || now.mtime_ns != c->opened_as.mtime_ns)
        return err_set(err, SIMILE_E_BUSY, "cannot read the catalogue '%s': it changed since it was opened", c->path);
    return SIMILE_OK;
}

static simile_status run(catalog *c, sql_id id, simile_error *err)
{
    sqlite3_stmt *statement;
    RETURN_IF_ERROR(store_statement(c, id, &statement, err));
    return store_run(c, statement, err);
}

simile_status catalog_begin(catalog *c, simile_error *err)
{
    if (c->read_only)
        return err_set(err, SIMILE_E_ARG, "cannot write the catalogue '%s': it was opened for reading only", c->path);
    if (c->writing || c->reading)
        return err_set(err, SIMILE_E_INTERNAL, "cannot write the catalogue '%s': one transaction within another",
                       c->path);
    RETURN_IF_ERROR(run(c, SQL_BEGIN, err));
    c->writing = true;
    c->touched = c->rewrote = false;
    return SIMILE_OK;
}

static simile_status touch(catalog *c, simile_error *err)
{
    sqlite3_stmt *statement;
    RETURN_IF_ERROR(store_statement(c, SQL_TOUCH, &statement, err));
    sqlite3_bind_int64(statement, 1, c->rewrote ? ONE_REWRITE : 0);
    return store_run(c, statement, err);
}

simile_status catalog_commit(catalog *c, simile_error *err)
{
    simile_status status = c->touched ? touch(c, err) : SIMILE_OK;
    if (!status) status = run(c, SQL_COMMIT, err);
    if (!status) c->writing = false;
    return status;
}

void catalog_rollback(catalog *c)
{
    if (!c->writing) return;
    /* SQLite may have rolled back by itself; without memory for the cached statement, sqlite3_exec is no better. */
    if (!sqlite3_get_autocommit(c->db) && run(c, SQL_ROLLBACK, NULL)) store_execute(c, "ROLLBACK", NULL);
    c->writing = false;
}

simile_status catalog_read_begin(catalog *c, simile_error *err)
{
    if (c->writing || c->reading)
        return err_set(err, SIMILE_E_INTERNAL, "cannot read the catalogue '%s': one transaction within another",
                       c->path);
    RETURN_IF_ERROR(check_immutable(c, err));
    RETURN_IF_ERROR(run(c, SQL_BEGIN_READ, err));
    c->reading = true;
    int64_t ignored; /* BEGIN DEFERRED takes no snapshot before the first read */
    const simile_status status = catalog_generation(c, &ignored, NULL, err);
    if (status) catalog_read_end(c);
    return status;
}

void catalog_read_end(catalog *c)
{
    if (!c->reading) return;
    if (!sqlite3_get_autocommit(c->db) && run(c, SQL_ROLLBACK, NULL)) store_execute(c, "ROLLBACK", NULL);
    c->reading = false;
}

/* ---- meta ---- */

typedef struct {
    catalog_model model;
    int64_t generation, rewrites; /* with the marks */
} meta;

static bool is_digest(const char *text, int bytes)
{
    return bytes == 0 || (bytes == DIGEST_HEX - 1 && digest_is_hex(text));
}

static simile_status read_meta_row(const catalog *c, sqlite3_stmt *statement, meta *out, simile_error *err)
{
    const char *digest_text = (const char *)sqlite3_column_text(statement, 0);
    const char *name = (const char *)sqlite3_column_text(statement, 1);
    const char *space = (const char *)sqlite3_column_text(statement, 5);
    if (!digest_text || !name || !space) return store_error(c, sqlite3_errcode(c->db), "read", err);
    const int digest_bytes = sqlite3_column_bytes(statement, 0), name_bytes = sqlite3_column_bytes(statement, 1);
    const int64_t dim = sqlite3_column_int64(statement, 2);
    if (!is_digest(digest_text, digest_bytes) || name_bytes >= (int)sizeof out->model.name ||
        strlen(name) != (size_t)name_bytes || dim < 0 || dim > MAX_VALUE_BYTES / 4 || !digest_bytes != !dim)
        return store_damaged(c, 0, "its model is not described as it should be", err);
    if (*space && (!space_is_name(space) || strlen(space) != (size_t)sqlite3_column_bytes(statement, 5)))
        return store_damaged(c, 0, "its space has an impossible name", err);
    memcpy(out->model.digest, digest_text, (size_t)digest_bytes + 1);
    memcpy(out->model.name, name, (size_t)name_bytes + 1);
    memcpy(out->model.space, space, strlen(space) + 1);
    out->model.dim = (int32_t)dim;
    out->generation = sqlite3_column_int64(statement, 3);
    out->rewrites = sqlite3_column_int64(statement, 4);
    return SIMILE_OK;
}

static simile_status read_meta(catalog *c, meta *out, simile_error *err)
{
    sqlite3_stmt *statement;
    bool row = false;
    *out = (meta){0};
    RETURN_IF_ERROR(store_statement(c, c->version < 2 ? SQL_META_1 : SQL_META, &statement, err));
    simile_status status = store_step(c, statement, &row, err);
    if (!status) status = row ? read_meta_row(c, statement, out, err) : store_damaged(c, 0, "its head is missing", err);
    sqlite3_reset(statement);
    if (!status) c->dim = out->model.dim;
    return status;
}

simile_status catalog_get_model(catalog *c, catalog_model *out, simile_error *err)
{
    meta m;
    *out = (catalog_model){0};
    RETURN_IF_ERROR(read_meta(c, &m, err));
    *out = m.model;
    return SIMILE_OK;
}

simile_status catalog_generation(catalog *c, int64_t *generation, int64_t *rewrites, simile_error *err)
{
    meta m;
    RETURN_IF_ERROR(check_immutable(c, err));
    RETURN_IF_ERROR(read_meta(c, &m, err));
    *generation = m.generation;
    if (rewrites) *rewrites = m.rewrites >> MARKS_BITS;
    return SIMILE_OK;
}

static int mark_shift(int32_t kind)
{
    return kind == SIMILE_KIND_IMAGE ? 0 : CATALOG_MARK_BITS;
}

simile_status catalog_get_mark(catalog *c, int32_t kind, int64_t *mark, simile_error *err)
{
    meta m;
    RETURN_IF_ERROR(read_meta(c, &m, err));
    *mark = m.rewrites >> mark_shift(kind) & MARK_MOST;
    return SIMILE_OK;
}

static int64_t draw_mark(void)
{
    uint64_t drawn = 0;
    if (getrandom(&drawn, sizeof drawn, GRND_NONBLOCK) != (ssize_t)sizeof drawn) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        drawn = ((uint64_t)now.tv_sec * 1000000007 + (uint64_t)now.tv_nsec) * UINT64_C(0x9E3779B97F4A7C15) >> 20;
    }
    return (int64_t)(drawn % (uint64_t)MARK_MOST) + 1;
}

static simile_status set_mark(catalog *c, int32_t kind, int64_t mark, simile_error *err)
{
    sqlite3_stmt *statement;
    RETURN_IF_ERROR(store_statement(c, SQL_MARK, &statement, err));
    sqlite3_bind_int64(statement, 1, MARK_MOST << mark_shift(kind));
    sqlite3_bind_int64(statement, 2, mark << mark_shift(kind));
    return store_run(c, statement, err);
}

simile_status catalog_new_mark(catalog *c, int32_t kind, int64_t *mark, simile_error *err)
{
    int64_t before;
    RETURN_IF_ERROR(catalog_begin(c, err));
    simile_status status = catalog_get_mark(c, kind, &before, err);
    do *mark = draw_mark();
    while (!status && *mark == before);
    if (!status) status = set_mark(c, kind, *mark, err);
    if (!status) status = catalog_commit(c, err);
    if (status) catalog_rollback(c);
    return status;
}

static simile_status has_vectors(catalog *c, bool *out, simile_error *err)
{
    sqlite3_stmt *statement;
    bool row = false;
    RETURN_IF_ERROR(store_statement(c, SQL_ANY_VECTOR, &statement, err));
    const simile_status status = store_step(c, statement, &row, err);
    *out = !status && row && sqlite3_column_int(statement, 0);
    sqlite3_reset(statement);
    return status;
}

static simile_status set_space(catalog *c, const char *name, simile_error *err)
{
    sqlite3_stmt *statement;
    RETURN_IF_ERROR(store_statement(c, SQL_SET_SPACE, &statement, err));
    const int code = sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    if (code) return store_error(c, code, "write", err);
    RETURN_IF_ERROR(store_run(c, statement, err));
    c->touched = true;
    return SIMILE_OK;
}

static simile_status set_model(catalog *c, const catalog_model *model, simile_error *err)
{
    sqlite3_stmt *statement;
    RETURN_IF_ERROR(store_statement(c, SQL_SET_MODEL, &statement, err));
    int code = sqlite3_bind_text(statement, 1, model->digest, -1, SQLITE_STATIC);
    if (!code) code = sqlite3_bind_text(statement, 2, model->name, -1, SQLITE_STATIC);
    if (!code) code = sqlite3_bind_int(statement, 3, model->dim);
    if (code) return store_error(c, code, "write", err);
    RETURN_IF_ERROR(store_run(c, statement, err));
    c->dim = model->dim;
    c->touched = c->rewrote = true;
    return set_space(c, model->space, err);
}

/* Within a transaction: keeps the model that is there, or takes the new one when there is no vector of another. */
static simile_status claim(catalog *c, const catalog_model *model, simile_error *err)
{
    meta m;
    bool vectors;
    RETURN_IF_ERROR(read_meta(c, &m, err));
    if (!strcmp(m.model.digest, model->digest) && m.model.dim == model->dim) {
        const bool renamed = *model->space && strcmp(m.model.space, model->space) != 0;
        return renamed ? set_space(c, model->space, err) : SIMILE_OK;
    }
    RETURN_IF_ERROR(has_vectors(c, &vectors, err));
    if (vectors)
        return err_set(err, SIMILE_E_VERSION,
                       "the vectors in the catalogue '%s' are those of the model '%s', not of '%s'", c->path,
                       m.model.name, model->name);
    return set_model(c, model, err);
}

simile_status catalog_claim_model(catalog *c, const catalog_model *model, simile_error *err)
{
    if (strlen(model->digest) != DIGEST_HEX - 1 || model->dim < 1 || model->dim > MAX_VALUE_BYTES / 4)
        return err_set(err, SIMILE_E_INTERNAL, "cannot write the catalogue '%s': not a model", c->path);
    if (c->writing) return claim(c, model, err);
    RETURN_IF_ERROR(catalog_begin(c, err));
    simile_status status = claim(c, model, err);
    if (!status) status = catalog_commit(c, err);
    if (status) catalog_rollback(c);
    return status;
}
