/* SPDX-License-Identifier: Apache-2.0
 * schema.c - the tables of a catalogue and how they came to be.
 *
 *     meta    one row: whose vectors these are, and two counters that tell caches when they are stale. The lower bits
 *             of `rewrites` are marks of copies that are kept outside (catalog_new_mark)
 *     space   one row: what that model calls the space of its vectors ("": nothing); since version 2
 *     item    one row a picture or text; ids are never used twice (AUTOINCREMENT). date = taken, else mtime in seconds,
 *             kept in a column of its own so that a range of dates is a range of an index
 *     vector  the unit vector of an item as dim x float32, little-endian, with the first eight bytes of its SHA-256
 *
 * Migration n brings version n-1 to n and is never edited once released. It makes new tables rather than change one:
 * what ALTER TABLE leaves in the schema is SQLite's text, not ours. A file's tables are right when they are, text
 * for text, what the migrations make in an empty database: a file that smuggles in a trigger, a view, a generated
 * column or an index on an expression is refused before any of its rows is read.
 *
 * Pages hold 16 KiB: with SQLite's usual 4 KiB one vector of 512 numbers would fill a page and leave half of it empty.
 */
#include "base/mem.h"
#include "store/internal.h"

static const char *const version_1[] = {
    "CREATE TABLE meta (\n"
    "  id INTEGER PRIMARY KEY CHECK (id = 1),\n"
    "  model_digest TEXT NOT NULL,\n"
    "  model_name TEXT NOT NULL,\n"
    "  dim INTEGER NOT NULL,\n"
    "  generation INTEGER NOT NULL,\n"
    "  rewrites INTEGER NOT NULL\n"
    ") STRICT",
    "INSERT INTO meta VALUES (1, '', '', 0, 0, 0)",
    "CREATE TABLE item (\n"
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "  kind INTEGER NOT NULL CHECK (kind IN (0, 1)),\n"
    "  status INTEGER NOT NULL CHECK (status IN (0, 1)),\n"
    "  path TEXT CHECK ((path IS NULL) = (kind = 1)),\n"
    "  text TEXT CHECK ((text IS NULL) = (kind = 0)),\n"
    "  reason TEXT,\n"
    "  hash BLOB CHECK (hash IS NULL OR length(hash) = 32),\n"
    "  size INTEGER NOT NULL,\n"
    "  mtime_ns INTEGER NOT NULL,\n"
    "  taken INTEGER,\n"
    "  width INTEGER NOT NULL,\n"
    "  height INTEGER NOT NULL,\n"
    "  date INTEGER NOT NULL\n"
    ") STRICT",
    "CREATE UNIQUE INDEX item_path ON item (path)",
    "CREATE UNIQUE INDEX item_text ON item (hash) WHERE kind = 1",
    "CREATE INDEX item_hash ON item (hash) WHERE kind = 0",
    "CREATE INDEX item_date ON item (kind, status, date)",
    "CREATE TABLE vector (\n"
    "  item INTEGER PRIMARY KEY REFERENCES item (id) ON DELETE CASCADE,\n"
    "  data BLOB NOT NULL,\n"
    "  checksum INTEGER NOT NULL\n"
    ") STRICT",
    NULL,
};

static const char *const version_2[] = {
    "CREATE TABLE space (\n"
    "  id INTEGER PRIMARY KEY CHECK (id = 1),\n"
    "  name TEXT NOT NULL\n"
    ") STRICT",
    "INSERT INTO space VALUES (1, '')",
    NULL,
};

static const char *const *const migrations[CATALOG_SCHEMA] = {version_1, version_2};

const schema schema_of_catalogs = {.name = "the catalogue",
                                   .kind = "a catalogue",
                                   .application_id = 0x53494d4c, /* "SIML" */
                                   .versions = CATALOG_SCHEMA,
                                   .migrations = migrations};

static simile_status migrate_one(catalog *c, int64_t version, simile_error *err)
{
    for (const char *const *sql = c->schema->migrations[version]; *sql; sql++)
        RETURN_IF_ERROR(store_execute(c, *sql, err));
    char pragmas[96];
    sqlite3_snprintf(sizeof pragmas, pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %d",
                     (int)c->schema->application_id, (int)version + 1);
    return store_execute(c, pragmas, err);
}

simile_status schema_migrate(catalog *c, int64_t version, int64_t wanted, simile_error *err)
{
    for (; version < wanted; version++) {
        RETURN_IF_ERROR(store_execute(c, "BEGIN IMMEDIATE", err));
        int64_t now = 0; /* another process may have been quicker */
        simile_status status = store_number(c, "PRAGMA user_version", &now, err);
        if (!status && now == version) status = migrate_one(c, version, err);
        if (!status) status = store_execute(c, "COMMIT", err);
        if (status) {
            store_execute(c, "ROLLBACK", NULL);
            return status;
        }
    }
    return SIMILE_OK;
}

enum { SCHEMA_TEXT_MAX = 1 << 16 };

static simile_status foreign_tables(const catalog *c, simile_error *err)
{
    return err_set(err, SIMILE_E_CORRUPT, "cannot open '%s': its tables are not those of %s", c->path, c->schema->kind);
}

/* Everything that the database declares, as one text. */
static simile_status describe(catalog *c, buf *out, simile_error *err)
{
    sqlite3_stmt *statement = NULL;
    const int code = sqlite3_prepare_v2(
        c->db, "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name", -1, &statement,
        NULL);
    simile_status status = code ? store_error(c, code, "open", err) : SIMILE_OK;
    bool row = !status;
    while (!status && row) {
        status = store_step(c, statement, &row, err);
        for (int column = 0; !status && row && column < 4; column++) {
            const void *text = sqlite3_column_text(statement, column);
            const size_t len = (size_t)sqlite3_column_bytes(statement, column);
            if (len > out->max - out->len - 2) /* so that below only memory can be short */
                status = foreign_tables(c, err);
            else if (!text || !buf_append(out, text, len) || !buf_byte(out, '\n'))
                status = err_nomem(err);
        }
    }
    sqlite3_finalize(statement);
    return status;
}

/* The same text for a database that the migrations up to this one's version have just made. */
static simile_status describe_expected(const catalog *c, buf *out, simile_error *err)
{
    catalog fresh = {.schema = c->schema, .path = c->path, .lock = -1};
    const int code =
        sqlite3_open_v2(":memory:", &fresh.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    simile_status status = code ? store_error(&fresh, code, "open", err) : SIMILE_OK;
    if (!status) status = schema_migrate(&fresh, 0, c->version, err);
    if (!status) status = describe(&fresh, out, err);
    sqlite3_close_v2(fresh.db);
    return status;
}

simile_status schema_check(catalog *c, simile_error *err)
{
    buf found, expected;
    buf_init(&found, SCHEMA_TEXT_MAX);
    buf_init(&expected, SCHEMA_TEXT_MAX);
    simile_status status = describe(c, &found, err);
    if (!status) status = describe_expected(c, &expected, err);
    if (!status && (!found.data || found.len != expected.len || memcmp(found.data, expected.data, found.len)))
        status = foreign_tables(c, err);
    buf_release(&found);
    buf_release(&expected);
    return status;
}
