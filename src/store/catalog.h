/* SPDX-License-Identifier: Apache-2.0
 * catalog.h - the catalogue file: an SQLite database in WAL mode, the one source of truth, vectors included. All SQL
 * of the project lives in src/store/.
 *
 * A catalog is one connection and belongs to one thread at a time. Any number of connections may read while one
 * writes; a second writer gets SIMILE_E_BUSY.
 *
 * What a crash leaves: transactions are atomic and kill -9 loses none that was committed. With synchronous=NORMAL a
 * power cut may undo the last few of them, but never damages the file. The file is hostile input: the tables must be
 * exactly the ones that the migrations make, and every column is checked for type and size where it is read
 * (SIMILE_E_CORRUPT). */
#ifndef SIMILE_STORE_CATALOG_H
#define SIMILE_STORE_CATALOG_H

#include "base/digest.h"
#include "base/err.h"
#include "base/space.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct catalog catalog;

enum { CATALOG_SCHEMA = 2 };
#define CATALOG_NO_DATE INT64_MIN

/* Opens, creating and migrating as needed unless read_only: then older tables are read as they are. SIMILE_E_FORMAT:
 * not SQLite, or not ours; SIMILE_E_VERSION: tables newer than this library's. Read-only opening also works where
 * nothing can be written beside the file, as long as no unfinished write-ahead log lies there. */
simile_status catalog_open(const char *path, bool read_only, catalog **out, simile_error *err);
void catalog_close(catalog *c);

/* ---- whose vectors these are ---- */

typedef struct {
    char digest[DIGEST_HEX]; /* "" while the catalogue has no vectors yet */
    char name[128];
    char space[SPACE_WORD]; /* what the model calls the space of its vectors; "": nothing, or tables of version 1 */
    int32_t dim;
} catalog_model;
simile_status catalog_get_model(catalog *c, catalog_model *out, simile_error *err);
/* Sets it in an empty catalogue. Where it is there already, it succeeds and takes over what the model now calls its
 * space; SIMILE_E_VERSION when it is another. */
simile_status catalog_claim_model(catalog *c, const catalog_model *model, simile_error *err);

/* ---- items ---- */

typedef struct {
    int64_t id;                /* 0 in a new one */
    int32_t kind;              /* SIMILE_KIND_* */
    int32_t status;            /* SIMILE_ITEM_* */
    const char *path;          /* absolute; NULL for a text */
    const char *text;          /* NULL for a picture */
    const char *reason;        /* why quarantined, or NULL */
    uint8_t hash[DIGEST_SIZE]; /* SHA-256 of the file's bytes, or of the text */
    bool has_hash;             /* false: the file could not even be read */
    int64_t size, mtime_ns, taken;
    int64_t date; /* as filtered by, in seconds: taken, else mtime rounded down. Set by reading, ignored by writing */
    int32_t width, height;
} catalog_item;

/* The date of an item with these times: taken, else mtime in seconds. */
int64_t catalog_date_of(int64_t taken, int64_t mtime_ns);

/* Writes: between begin and commit (or rollback). begin takes the write lock at once: SIMILE_E_BUSY if another has it
 * for longer than a few seconds. */
simile_status catalog_begin(catalog *c, simile_error *err);
simile_status catalog_commit(catalog *c, simile_error *err);
void catalog_rollback(catalog *c);

/* The right to write for longer than a transaction: an advisory lock on "<catalogue>-lock" beside the file, which goes
 * with the process that holds it. SIMILE_E_BUSY at once when another holds it. */
simile_status catalog_lock(catalog *c, simile_error *err);
void catalog_unlock(catalog *c);

/* Between these two, everything read is of one moment, whatever others commit meanwhile. */
simile_status catalog_read_begin(catalog *c, simile_error *err);
void catalog_read_end(catalog *c);

/* Inserts (id 0, set on return) or replaces all columns of the item with that id. vector: [dim] unit, or NULL for a
 * quarantined item; keep_vector leaves the stored one alone (a moved file). */
simile_status catalog_put(catalog *c, catalog_item *item, const float *vector, int32_t dim, bool keep_vector,
                          simile_error *err);
simile_status catalog_delete(catalog *c, int64_t id, simile_error *err);

/* Looks one up; *found says whether it is there. Strings are borrowed until the next find on this connection. */
simile_status catalog_find_path(catalog *c, const char *path, catalog_item *out, bool *found, simile_error *err);
simile_status catalog_find_text(catalog *c, const char *text, catalog_item *out, bool *found, simile_error *err);
simile_status catalog_find_id(catalog *c, int64_t id, catalog_item *out, bool *found, simile_error *err);
/* Pictures with these bytes, by id; fn non-zero stops. */
typedef int (*catalog_item_fn)(void *user, const catalog_item *item);
simile_status catalog_each_hash(catalog *c, const uint8_t hash[DIGEST_SIZE], catalog_item_fn fn, void *user,
                                simile_error *err);
/* Pictures at or below a folder (or all, folder NULL), by path. fn must not write. */
simile_status catalog_each_below(catalog *c, const char *folder, catalog_item_fn fn, void *user, simile_error *err);
/* Pictures whose path matches a glob, by path. A glob is SQLite's: '*' any bytes, '?' any one character, "[a-c]" and
 * "[^a-c]" sets; '*' and '?' match '/' too, and case counts. It is held against the absolute path as a whole; one that
 * starts with neither '/' nor '*' gets a star and a slash in front, so that "*.png", "IMG_*" and "holiday/" + "*" mean
 * what they say. */
simile_status catalog_each_glob(catalog *c, const char *glob, catalog_item_fn fn, void *user, simile_error *err);
/* Every item by id. */
simile_status catalog_each(catalog *c, catalog_item_fn fn, void *user, simile_error *err);

/* ---- vectors ---- */

/* *out: [dim], copied. SIMILE_E_NOT_FOUND if the item has none, SIMILE_E_CORRUPT if its checksum is wrong. */
simile_status catalog_get_vector(catalog *c, int64_t id, float *out, int32_t dim, simile_error *err);
/* OK items of a kind with a larger id than after_id, by id. vector is as stored (catalog_vector_decode), may be
 * unaligned and is borrowed for the call. Checksums are not compared here: catalog_check does. */
typedef int (*catalog_vector_fn)(void *user, int64_t id, const void *vector, size_t bytes);
simile_status catalog_each_vector(catalog *c, int32_t kind, int64_t after_id, catalog_vector_fn fn, void *user,
                                  simile_error *err);
void catalog_vector_decode(const void *vector, int32_t dim, float *out); /* little-endian float32 to float */
/* generation changes whenever any connection commits a write: a cached copy of the vectors is stale when it differs.
 * As long as rewrites (may be NULL) is the same, vectors were only added, with ids larger than all before. */
simile_status catalog_generation(catalog *c, int64_t *generation, int64_t *rewrites, simile_error *err);
/* A number drawn at random by who keeps a copy of a kind's vectors outside, noted there as well; 0: none was. A
 * catalogue that bears a copy's mark comes from the one that it was made of, as that was then; one that was restored
 * from a backup, or is another one, bears another. Neither generation nor rewrites change. */
enum { CATALOG_MARK_BITS = 20 }; /* a mark is less than 2 to the power of this */
simile_status catalog_get_mark(catalog *c, int32_t kind, int64_t *mark, simile_error *err);
simile_status catalog_new_mark(catalog *c, int32_t kind, int64_t *mark, simile_error *err);

/* ---- filters, counts, checks ---- */

typedef struct {
    int32_t kind, status; /* SIMILE_KIND_*, SIMILE_ITEM_*, or SIMILE_ANY */
    const char *folder;   /* absolute, without a slash at its end: itself and below; NULL: anywhere */
    const char *glob;     /* as in catalog_each_glob; NULL: any path */
    bool has_after, has_before;
    int64_t after, before; /* seconds; date = taken, else mtime */
} catalog_filter;
/* The ids of the items that pass, ascending. */
typedef int (*catalog_id_fn)(void *user, int64_t id);
simile_status catalog_each_match(catalog *c, const catalog_filter *filter, catalog_id_fn fn, void *user,
                                 simile_error *err);
simile_status catalog_count_match(catalog *c, const catalog_filter *filter, int64_t *out, simile_error *err);
/* The items themselves; order: SIMILE_ORDER_*; limit 0: all. */
simile_status catalog_list(catalog *c, const catalog_filter *filter, int32_t order, int64_t limit, int64_t offset,
                           catalog_item_fn fn, void *user, simile_error *err);
/* Months (UTC) in which dates of items that pass lie, newest first. */
typedef int (*catalog_period_fn)(void *user, int32_t year, int32_t month, int64_t count);
simile_status catalog_each_period(catalog *c, const catalog_filter *filter, catalog_period_fn fn, void *user,
                                  simile_error *err);
/* Folders in which pictures that pass lie directly, by the bytes of their path. */
typedef int (*catalog_folder_fn)(void *user, const char *folder, int64_t count);
simile_status catalog_each_folder(catalog *c, const catalog_filter *filter, catalog_folder_fn fn, void *user,
                                  simile_error *err);

typedef struct {
    int64_t images, texts; /* that are OK */
    int64_t quarantined, bytes;
    int32_t schema;
} catalog_counts;
simile_status catalog_count(catalog *c, catalog_counts *out, simile_error *err);

/* PRAGMA integrity_check and foreign_key_check, every vector's presence, size, checksum and norm, every item's
 * columns. problem is called once a finding. */
typedef void (*catalog_problem_fn)(void *user, int64_t id, const char *path, const char *problem);
simile_status catalog_check(catalog *c, catalog_problem_fn problem, void *user, int64_t *items, simile_error *err);

#endif
