/* SPDX-License-Identifier: Apache-2.0
 * mapped.h - the rows of a catalogue and their codes in a file that is mapped: a cache, never the truth.
 *
 * Rows are only ever appended; what a reader saw stays as it is. One process writes at a time (an advisory lock on the
 * file); a file appears, or takes another one's place, by a rename. A file of which anything is in doubt is refused,
 * and made anew by whoever may. */
#ifndef SIMILE_INDEX_MAPPED_H
#define SIMILE_INDEX_MAPPED_H

#include "index/codes.h"

#include <stdbool.h>

enum { MAPPED_OWNER = 64 };

/* Whose vectors these are, and as of when. */
typedef struct {
    char owner[MAPPED_OWNER]; /* the digest of their model */
    int32_t kind, dim;
    int64_t generation, rewrites, last_id;
    size_t n; /* rows */
} mapped_facts;

typedef struct mapped mapped;

/* The rows, to be read. They may be written behind the last one, which then are this process' own. FORMAT: doubted. */
simile_status mapped_open(const char *path, mapped **out, simile_error *err);
/* A new file with room for `capacity` rows of these, of which none is there yet; mapped_commit() puts it in its place.
 * BUSY: somebody else is at it. */
simile_status mapped_create(const char *path, const mapped_facts *facts, size_t capacity, mapped **out,
                            simile_error *err);
/* The file, to be appended to. BUSY as above, FORMAT: doubted. */
simile_status mapped_extend(const char *path, mapped **out, simile_error *err);
void mapped_close(mapped *m);

const mapped_facts *mapped_facts_of(const mapped *m);
size_t mapped_capacity(const mapped *m);
size_t mapped_stride(const mapped *m); /* of rows, in numbers */
float *mapped_rows(mapped *m);         /* [capacity, stride], at a multiple of 64 */
int64_t *mapped_ids(mapped *m);        /* [capacity] */
codes *mapped_codes(mapped *m);        /* NULL: they are yet to be made */

/* Makes codes for the first n rows of a new file. */
simile_status mapped_code(mapped *m, size_t n, pool *threads, simile_error *err);
/* From now on the file holds the rows and codes as these facts tell. */
simile_status mapped_commit(mapped *m, const mapped_facts *facts, simile_error *err);

/* Reads a file's bytes, at a multiple of 64; the codes are over them. *out is for mapped_close(). For the fuzzer, which
 * would never guess a checksum: not `summed`, they may be wrong. */
simile_status mapped_read(void *bytes, size_t len, bool summed, mapped **out, simile_error *err);

#endif
