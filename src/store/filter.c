/* SPDX-License-Identifier: Apache-2.0
 * filter.c - which items pass a filter: their ids, themselves in some order, their number, their months and folders.
 *
 * A filter becomes one SELECT that holds only the conditions it needs, so that SQLite can take the index that fits:
 * that of dates, or, where a folder is asked for, that of paths (the plus signs keep it from the other one then).
 * Values are always bound. The statement lives for one listing.
 *
 * Months and folders are counted while rows pass by: dates come in order out of the index, and folder_of() is a
 * function of ours that a schema cannot call. Calendar arithmetic after Howard Hinnant, "chrono-compatible low-level
 * date algorithms": the year begins in March, 400 years have 146097 days. */
#include "base/mem.h"
#include "store/internal.h"

enum { SQL_MAX = 2048, GLOB_MAX = 4000 };

/* The parameters of every statement here. */
enum { AT_KIND = 1, AT_STATUS, AT_AFTER, AT_LAST, AT_FOLDER, AT_FIRST_PATH, AT_END_PATH, AT_GLOB, AT_LIMIT, AT_OFFSET };

simile_status store_glob_pattern(const char *glob, char **out, simile_error *err)
{
    *out = NULL;
    if (strlen(glob) > GLOB_MAX) return err_set(err, SIMILE_E_LIMIT, "the pattern is longer than %d bytes", GLOB_MAX);
    *out = mem_printf("%s%s", glob[0] == '/' || glob[0] == '*' ? "" : "*/", glob);
    return *out ? SIMILE_OK : err_nomem(err);
}

int store_bind_below(sqlite3_stmt *statement, int at, const char *folder)
{
    /* Everything below "/a" lies between "/a/" and "/a0": '0' follows '/'. */
    char *first = mem_printf("%s/", folder), *end = mem_printf("%s0", folder);
    int code = first && end ? SQLITE_OK : SQLITE_NOMEM;
    if (!code) code = sqlite3_bind_text(statement, at, folder, -1, SQLITE_TRANSIENT);
    if (!code) code = sqlite3_bind_text(statement, at + 1, first, -1, SQLITE_TRANSIENT);
    if (!code) code = sqlite3_bind_text(statement, at + 2, end, -1, SQLITE_TRANSIENT);
    mem_free(first);
    mem_free(end);
    return code;
}

/* ---- the statement ---- */

/* "/" is no condition: every path begins with it. */
static bool has_folder(const catalog_filter *f)
{
    return f->folder && strcmp(f->folder, "/") != 0;
}

static void add_choice(buf *sql, const char *column, int at, int32_t wanted)
{
    if (wanted == SIMILE_ANY)
        buf_printf(sql, "%s IN (0, 1)", column);
    else
        buf_printf(sql, "%s = ?%d", column, at);
}

/* Is something else than the index of dates wanted? by_date: of the order; true where the order does not matter. */
static bool avoids_dates(const catalog_filter *f, bool by_date)
{
    const bool few = f->kind == SIMILE_KIND_TEXT || f->status == SIMILE_ITEM_QUARANTINED; /* that index finds them */
    return has_folder(f) || (!by_date && !f->has_after && !f->has_before && !few);
}

static void add_conditions(buf *sql, const catalog_filter *f, bool by_date)
{
    const bool avoid = avoids_dates(f, by_date);
    buf_text(sql, " FROM item WHERE ");
    add_choice(sql, avoid ? "+kind" : "kind", AT_KIND, f->kind);
    buf_text(sql, " AND ");
    add_choice(sql, avoid ? "+status" : "status", AT_STATUS, f->status);
    buf_printf(sql, " AND %sdate BETWEEN ?%d AND ?%d", avoid ? "+" : "", AT_AFTER, AT_LAST);
    if (has_folder(f))
        buf_printf(sql, " AND (path = ?%d OR (path >= ?%d AND path < ?%d))", AT_FOLDER, AT_FIRST_PATH, AT_END_PATH);
    else if (f->folder)
        buf_text(sql, " AND path IS NOT NULL");
    if (f->glob) buf_printf(sql, " AND path GLOB ?%d", AT_GLOB);
}

static simile_status bind_conditions(const catalog *c, sqlite3_stmt *statement, const catalog_filter *f,
                                     simile_error *err)
{
    char *pattern = NULL;
    if (f->glob) RETURN_IF_ERROR(store_glob_pattern(f->glob, &pattern, err));
    int code = SQLITE_OK;
    if (f->kind != SIMILE_ANY) code = sqlite3_bind_int(statement, AT_KIND, f->kind);
    if (!code && f->status != SIMILE_ANY) code = sqlite3_bind_int(statement, AT_STATUS, f->status);
    if (!code) code = sqlite3_bind_int64(statement, AT_AFTER, f->has_after ? f->after : INT64_MIN);
    if (!code) code = sqlite3_bind_int64(statement, AT_LAST, f->has_before ? f->before - 1 : INT64_MAX);
    if (!code && has_folder(f)) code = store_bind_below(statement, AT_FOLDER, f->folder);
    if (!code && pattern) code = sqlite3_bind_text(statement, AT_GLOB, pattern, -1, SQLITE_TRANSIENT);
    mem_free(pattern);
    return code ? store_error(c, code, "read", err) : SIMILE_OK;
}

/* select: what stands before FROM; order: what stands behind WHERE. *out is for sqlite3_finalize, also on failure. */
static simile_status prepare(const catalog *c, const char *select, const catalog_filter *f, const char *order,
                             bool by_date, sqlite3_stmt **out, simile_error *err)
{
    buf sql;
    *out = NULL;
    buf_init(&sql, SQL_MAX);
    buf_printf(&sql, "SELECT %s", select);
    add_conditions(&sql, f, by_date);
    buf_text(&sql, order);
    const int code = buf_ok(&sql) ? sqlite3_prepare_v2(c->db, sql.data, -1, out, NULL) : SQLITE_NOMEM;
    buf_release(&sql);
    if (code) return store_error(c, code, "read", err);
    return bind_conditions(c, *out, f, err);
}

/* No date lies before the first one there is. */
static bool is_empty(const catalog_filter *f)
{
    return f->has_before && f->before == INT64_MIN;
}

/* Calls row() for each row; non-NULL is what is wrong with it. *stop ends it. */
typedef const char *(*row_fn)(void *user, sqlite3_stmt *statement, bool *stop);

static simile_status each_row(catalog *c, const char *select, const catalog_filter *f, const char *order, bool by_date,
                              row_fn row, void *user, simile_error *err)
{
    sqlite3_stmt *statement;
    bool there = true, stop = false;
    if (is_empty(f)) return SIMILE_OK;
    simile_status status = prepare(c, select, f, order, by_date, &statement, err);
    while (!status && there && !stop) {
        status = store_step(c, statement, &there, err);
        const char *problem = !status && there ? row(user, statement, &stop) : NULL;
        if (problem)
            status = sqlite3_errcode(c->db) == SQLITE_NOMEM ? err_nomem(err) : store_damaged(c, 0, problem, err);
    }
    sqlite3_finalize(statement);
    return status;
}

/* ---- ids, items, their number ---- */

typedef struct {
    catalog_id_fn fn;
    void *user;
} id_listing;

static const char *list_id(void *user, sqlite3_stmt *statement, bool *stop)
{
    const id_listing *l = user;
    *stop = l->fn(l->user, sqlite3_column_int64(statement, 0)) != 0;
    return NULL;
}

simile_status catalog_each_match(catalog *c, const catalog_filter *filter, catalog_id_fn fn, void *user,
                                 simile_error *err)
{
    id_listing l = {.fn = fn, .user = user};
    return each_row(c, "id", filter, " ORDER BY id", false, list_id, &l, err);
}

static const char *read_count(void *user, sqlite3_stmt *statement, bool *stop)
{
    *(int64_t *)user = sqlite3_column_int64(statement, 0);
    return NULL;
}

simile_status catalog_count_match(catalog *c, const catalog_filter *filter, int64_t *out, simile_error *err)
{
    *out = 0;
    return each_row(c, "count(*)", filter, "", true, read_count, out, err);
}

simile_status catalog_list(catalog *c, const catalog_filter *filter, int32_t order, int64_t limit, int64_t offset,
                           catalog_item_fn fn, void *user, simile_error *err)
{
    static const char *const orders[] = {
        [SIMILE_ORDER_ID] = " ORDER BY id LIMIT ?9 OFFSET ?10",
        [SIMILE_ORDER_NEWEST] = " ORDER BY date DESC, id DESC LIMIT ?9 OFFSET ?10",
        [SIMILE_ORDER_OLDEST] = " ORDER BY date, id LIMIT ?9 OFFSET ?10",
        [SIMILE_ORDER_PATH] = " ORDER BY path, id LIMIT ?9 OFFSET ?10",
    };
    sqlite3_stmt *statement;
    if (is_empty(filter)) return SIMILE_OK;
    const bool by_date = order == SIMILE_ORDER_NEWEST || order == SIMILE_ORDER_OLDEST;
    simile_status status = prepare(c, ITEM_COLUMNS, filter, orders[order], by_date, &statement, err);
    if (!status) {
        int bound = sqlite3_bind_int64(statement, AT_LIMIT, limit ? limit : -1);
        if (!bound) bound = sqlite3_bind_int64(statement, AT_OFFSET, offset);
        status = store_each_item(c, statement, bound, fn, user, err);
    }
    sqlite3_finalize(statement);
    return status;
}

/* ---- months ---- */

typedef struct {
    catalog_period_fn fn;
    void *user;
    int32_t year, month;
    int64_t count; /* of the month at hand; 0: none yet */
    bool stopped;
} period_listing;

/* The month in which a second lies, UTC. Years beyond 32 bits, which no clock has, count as the last one. */
static void month_of(int64_t second, int32_t *year, int32_t *month)
{
    const int64_t day = second / 86400 - (second % 86400 < 0) + 719468; /* since 0000-03-01 */
    const int64_t era = day / 146097 - (day % 146097 < 0), of_era = day - era * 146097;
    const int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t march = (5 * of_year + 2) / 153; /* months since March */
    const int64_t y = era * 400 + year_of_era + (march >= 10);
    *month = (int32_t)(march < 10 ? march + 3 : march - 9);
    *year = y < INT32_MIN ? INT32_MIN : y > INT32_MAX ? INT32_MAX : (int32_t)y;
}

static void end_period(period_listing *l)
{
    if (l->count && !l->stopped) l->stopped = l->fn(l->user, l->year, l->month, l->count) != 0;
    l->count = 0;
}

static const char *count_date(void *user, sqlite3_stmt *statement, bool *stop)
{
    period_listing *l = user;
    int32_t year, month;
    if (sqlite3_column_type(statement, 0) != SQLITE_INTEGER) return "its date is not a date";
    month_of(sqlite3_column_int64(statement, 0), &year, &month);
    if (l->count && (year != l->year || month != l->month)) end_period(l);
    l->year = year;
    l->month = month;
    l->count++;
    *stop = l->stopped;
    return NULL;
}

simile_status catalog_each_period(catalog *c, const catalog_filter *filter, catalog_period_fn fn, void *user,
                                  simile_error *err)
{
    period_listing l = {.fn = fn, .user = user};
    RETURN_IF_ERROR(each_row(c, "date", filter, " ORDER BY date DESC", true, count_date, &l, err));
    end_period(&l);
    return SIMILE_OK;
}

/* ---- folders ---- */

/* SQL: the folder in which a path lies, NULL for what is no path. */
static void folder_of(sqlite3_context *context, int n, sqlite3_value **values)
{
    if (sqlite3_value_type(values[0]) != SQLITE_TEXT) return;
    const char *path = (const char *)sqlite3_value_text(values[0]);
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (path && (*path != '/' || strlen(path) != (size_t)sqlite3_value_bytes(values[0]))) return;
    if (slash)
        sqlite3_result_text(context, path, slash == path ? 1 : (int)(slash - path), SQLITE_TRANSIENT);
    else if (!path)
        sqlite3_result_error_nomem(context);
}

int filter_register(sqlite3 *db)
{
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY;
    return sqlite3_create_function_v2(db, "folder_of", 1, flags, NULL, folder_of, NULL, NULL, NULL);
}

typedef struct {
    catalog_folder_fn fn;
    void *user;
} folder_listing;

static const char *list_folder(void *user, sqlite3_stmt *statement, bool *stop)
{
    const folder_listing *l = user;
    const char *folder = (const char *)sqlite3_column_text(statement, 0);
    if (!folder) return "its path is not an absolute path";
    *stop = l->fn(l->user, folder, sqlite3_column_int64(statement, 1)) != 0;
    return NULL;
}

simile_status catalog_each_folder(catalog *c, const catalog_filter *filter, catalog_folder_fn fn, void *user,
                                  simile_error *err)
{
    folder_listing l = {.fn = fn, .user = user};
    catalog_filter pictures = *filter;
    pictures.kind = SIMILE_KIND_IMAGE;
    return each_row(c, "folder_of(path) AS folder, count(*)", &pictures, " GROUP BY folder ORDER BY folder", true,
                    list_folder, &l, err);
}
