/* SPDX-License-Identifier: Apache-2.0
 * thumbs.h - thumbnails beside a catalogue: an SQLite file of its own, in which small pictures are named by the hash of
 * the large ones. It is derived from them and can be thrown away at any time.
 *
 * A thumbs is one connection and belongs to one thread at a time. The file is hostile input, as a catalogue's is: the
 * tables must be exactly ours, and what is no WebP of a believable size counts as not there. */
#ifndef SIMILE_STORE_THUMBS_H
#define SIMILE_STORE_THUMBS_H

#include "base/digest.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct thumbs thumbs;

enum { THUMBS_BYTES_MAX = 1 << 18 }; /* of one thumbnail */

/* Opens, creating as needed unless must_exist (NOT_FOUND then, and for an empty file that is only to be read). FORMAT:
 * not SQLite, or not ours; CORRUPT: ours, but damaged; VERSION: newer than this library. */
simile_status thumbs_open(const char *path, bool read_only, bool must_exist, thumbs **out, simile_error *err);
void thumbs_close(thumbs *t);
/* Deletes such a file; one that is not ours stays. */
void thumbs_remove_file(const char *path);

/* *bytes for mem_free; NULL: there is none. */
simile_status thumbs_get(thumbs *t, const uint8_t hash[DIGEST_SIZE], void **bytes, size_t *len, simile_error *err);

/* Writes: between begin and commit (or rollback). */
simile_status thumbs_begin(thumbs *t, simile_error *err);
simile_status thumbs_commit(thumbs *t, simile_error *err);
void thumbs_rollback(thumbs *t);
/* Replaces what is there. ARG: not a WebP of at most THUMBS_BYTES_MAX. */
simile_status thumbs_put(thumbs *t, const uint8_t hash[DIGEST_SIZE], const void *bytes, size_t len, simile_error *err);
simile_status thumbs_delete(thumbs *t, const uint8_t hash[DIGEST_SIZE], simile_error *err); /* fine if there is none */

/* The hashes of all, in their order; fn non-zero stops. fn must not write. */
typedef int (*thumbs_hash_fn)(void *user, const uint8_t hash[DIGEST_SIZE]);
simile_status thumbs_each(thumbs *t, thumbs_hash_fn fn, void *user, simile_error *err);

/* The database and every row; problem is called once a finding. Damage is no failure of the check. */
typedef void (*thumbs_problem_fn)(void *user, const char *problem);
simile_status thumbs_check(thumbs *t, thumbs_problem_fn problem, void *user, simile_error *err);

#endif
