/* SPDX-License-Identifier: Apache-2.0
 * vector.c - the rows of the table "vector", as they lie on disk and in memory.
 *
 *     data      dim x float32, little-endian
 *     checksum  the first eight bytes of SHA-256(data), as a little-endian number */
#include "base/mem.h"
#include "store/internal.h"

int64_t vector_checksum(const void *bytes, size_t len)
{
    uint8_t hash[DIGEST_SIZE];
    uint64_t sum = 0;
    digest_bytes(bytes, len, hash);
    for (int i = 0; i < 8; i++) sum |= (uint64_t)hash[i] << (8 * i);
    return (int64_t)sum;
}

void catalog_vector_decode(const void *vector, int32_t dim, float *out)
{
    memcpy(out, vector, (size_t)dim * sizeof *out);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    for (int32_t i = 0; i < dim; i++) {
        uint32_t bits;
        memcpy(&bits, &out[i], sizeof bits);
        bits = __builtin_bswap32(bits);
        memcpy(&out[i], &bits, sizeof bits);
    }
#endif
}

static simile_status copy_vector(const catalog *c, sqlite3_stmt *statement, int64_t id, float *out, int32_t dim,
                                 simile_error *err)
{
    const size_t bytes = (size_t)dim * sizeof *out;
    const void *data = sqlite3_column_blob(statement, 0);
    if (!data && sqlite3_errcode(c->db) == SQLITE_NOMEM) return err_nomem(err);
    if (!data || sqlite3_column_type(statement, 0) != SQLITE_BLOB ||
        (size_t)sqlite3_column_bytes(statement, 0) != bytes)
        return store_damaged(c, id, "its vector has another size", err);
    if (sqlite3_column_type(statement, 1) != SQLITE_INTEGER ||
        sqlite3_column_int64(statement, 1) != vector_checksum(data, bytes))
        return store_damaged(c, id, "the checksum of its vector is wrong", err);
    catalog_vector_decode(data, dim, out);
    return SIMILE_OK;
}

simile_status catalog_get_vector(catalog *c, int64_t id, float *out, int32_t dim, simile_error *err)
{
    sqlite3_stmt *statement;
    bool row = false;
    RETURN_IF_ERROR(store_statement(c, SQL_GET_VECTOR, &statement, err));
    const int code = sqlite3_bind_int64(statement, 1, id);
    simile_status status = code ? store_error(c, code, "read", err) : store_step(c, statement, &row, err);
    if (!status && !row)
        status =
            err_set(err, SIMILE_E_NOT_FOUND, "item %lld of the catalogue '%s' has no vector", (long long)id, c->path);
    if (!status) status = copy_vector(c, statement, id, out, dim, err);
    sqlite3_reset(statement);
    return status;
}

simile_status catalog_each_vector(catalog *c, int32_t kind, int64_t after_id, catalog_vector_fn fn, void *user,
                                  simile_error *err)
{
    sqlite3_stmt *statement;
    bool row = true, stop = false;
    RETURN_IF_ERROR(store_statement(c, SQL_EACH_VECTOR, &statement, err));
    int code = sqlite3_bind_int(statement, 1, kind);
    if (!code) code = sqlite3_bind_int64(statement, 2, after_id);
    simile_status status = code ? store_error(c, code, "read", err) : SIMILE_OK;
    while (!status && row && !stop) {
        status = store_step(c, statement, &row, err);
        if (status || !row) break;
        const void *data = sqlite3_column_blob(statement, 1);
        const int bytes = sqlite3_column_bytes(statement, 1);
        if (!data && sqlite3_errcode(c->db) == SQLITE_NOMEM)
            status = err_nomem(err);
        else
            stop = fn(user, sqlite3_column_int64(statement, 0), data ? data : "", data ? (size_t)bytes : 0) != 0;
    }
    sqlite3_reset(statement);
    return status;
}
