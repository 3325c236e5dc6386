/* SPDX-License-Identifier: Apache-2.0
 * internal.h - what the files of src/store/ share: the connection, its cached statements, SQLite's results as ours. */
#ifndef SIMILE_STORE_INTERNAL_H
#define SIMILE_STORE_INTERNAL_H

#include "base/buf.h"
#include "base/file.h"
#include "store/catalog.h"

#include <sqlite3.h>

/* The columns of an item in the order that item_read() expects. */
#define ITEM_COLUMNS                                                                                                   \
    "item.id, item.kind, item.status, item.path, item.text, item.reason, item.hash, item.size, item.mtime_ns, "        \
    "item.taken, item.width, item.height, item.date"
enum { ITEM_COLUMN_COUNT = 13 };

typedef enum {
    SQL_BEGIN,
    SQL_BEGIN_READ,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_META,
    SQL_META_1,
    SQL_SET_MODEL,
    SQL_SET_SPACE,
    SQL_TOUCH,
    SQL_MARK,
    SQL_ANY_VECTOR,
    SQL_INSERT,
    SQL_UPDATE,
    SQL_DELETE,
    SQL_FIND_PATH,
    SQL_FIND_TEXT,
    SQL_FIND_ID,
    SQL_EACH_HASH,
    SQL_EACH_BELOW,
    SQL_EACH_IMAGE,
    SQL_EACH_GLOB,
    SQL_EACH,
    SQL_PUT_VECTOR,
    SQL_DELETE_VECTOR,
    SQL_GET_VECTOR,
    SQL_EACH_VECTOR,
    SQL_COUNT,
    SQL_PAGES,
    SQL_CHECK_ITEMS,
    SQL_THUMB_GET,
    SQL_THUMB_EACH,
    SQL_THUMB_CHECK,
    SQL_THUMB_PUT,
    SQL_THUMB_DELETE,
    SQL_STATEMENTS
} sql_id;

/* What tables a file of ours has, and how they came to be: lists of statements, one a version, which end with NULL. */
typedef struct {
    const char *name, *kind; /* "the catalogue", "a catalogue" */
    int32_t application_id;
    int32_t versions;
    const char *const *const *migrations;
    bool derived; /* a file without tables, as whoever was stopped while making it leaves one, counts as not there */
} schema;
extern const schema schema_of_catalogs;

struct catalog {
    sqlite3 *db;
    const schema *schema;
    char *path;                               /* absolute */
    sqlite3_stmt *statements[SQL_STATEMENTS]; /* prepared at first use */
    buf strings;                              /* of the item that was found last */
    bool read_only, immutable;
    int32_t version;      /* of the tables */
    file_facts opened_as; /* of an immutable file: it must stay so */
    bool writing, reading;
    bool touched, rewrote; /* by the transaction in progress */
    int32_t dim;           /* of the claimed model, 0 while unknown */
    int lock;              /* descriptor, -1: not held */
    char *lock_path;
};

/* SQLite's result code as a status and a sentence. action: "read", "write", "open". */
simile_status store_error(const catalog *c, int code, const char *action, simile_error *err);
simile_status store_damaged(const catalog *c, int64_t id, const char *problem, simile_error *err);

/* A cached statement, reset and without bindings. One that is still being stepped is refused. */
simile_status store_statement(catalog *c, sql_id id, sqlite3_stmt **out, simile_error *err);
/* *row: a row is there. The caller resets the statement when done. */
simile_status store_step(catalog *c, sqlite3_stmt *statement, bool *row, simile_error *err);
/* Steps a statement that gives no rows, and resets it. */
simile_status store_run(catalog *c, sqlite3_stmt *statement, simile_error *err);
/* Runs one SQL text, ignoring rows. */
simile_status store_execute(catalog *c, const char *sql, simile_error *err);
/* A single whole number. */
simile_status store_number(catalog *c, const char *sql, int64_t *out, simile_error *err);

/* catalog.c: connects, trusting nothing that the file declares; closes what was connected. */
simile_status store_connect(catalog *c, const char *name, int flags, simile_error *err);
void store_disconnect(catalog *c);
/* catalog.c: is the file ours and its tables right? *version: of the tables, 0 when there are none yet. */
simile_status store_check_tables(catalog *c, int64_t *version, simile_error *err);

/* schema.c: brings the tables from one version (0: nothing is there yet) up to another. */
simile_status schema_migrate(catalog *c, int64_t version, int64_t wanted, simile_error *err);
/* schema.c: are the tables exactly those that the migrations up to the connection's version make? */
simile_status schema_check(catalog *c, simile_error *err);

/* item.c: fills *out from a row that starts with ITEM_COLUMNS; strings are borrowed from the statement. Returns what
 * is wrong with the row, or NULL. */
const char *item_read(sqlite3_stmt *statement, catalog_item *out);

/* item.c: runs a statement whose rows start with ITEM_COLUMNS, and resets it. bound: SQLite's result of binding. */
simile_status store_each_item(catalog *c, sqlite3_stmt *statement, int bound, catalog_item_fn fn, void *user,
                              simile_error *err);

/* filter.c: the pattern for SQLite's GLOB, for mem_free; see catalog_each_glob. */
simile_status store_glob_pattern(const char *glob, char **out, simile_error *err);
/* filter.c: the three parameters from `at` on of "path = ? OR (path >= ? AND path < ?)": a folder and all below. */
int store_bind_below(sqlite3_stmt *statement, int at, const char *folder);
/* filter.c: the functions that its statements call. */
int filter_register(sqlite3 *db);

/* check.c: PRAGMA integrity_check; what keeps it from reading on is a problem too, with id 0 and no path. */
simile_status store_check_pages(catalog *c, catalog_problem_fn problem, void *user, simile_error *err);

/* vector.c */
int64_t vector_checksum(const void *bytes, size_t len);

#endif
