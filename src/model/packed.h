/* SPDX-License-Identifier: Apache-2.0
 * packed.h - a file of what a tower packs its weights into, so that the next process maps them instead of packing.
 *
 * One file holds what one tower of one model, in one precision, for one kind of processor takes: a list of blocks of
 * bytes in the order in which the tower asks for them. The key says all that, and is in the file's name and in the
 * file. A file is written beside its place and renamed there, so any number of processes may make the same one at once.
 *
 *     0  "simile packed 1\n"
 *    16  u64 length of the file          24  u64 packing      32  u32 precision      36  u32 blocks n
 *    40  i64 when it was written: the file's own time in nanoseconds
 *    48  32 bytes: SHA-256 of everything behind the table
 *    80  64 hex digits: the model       144  16 bytes: the tower's name, NULs behind it
 *   160  n x { u64 where it begins, u64 its bytes }
 *        32 bytes: SHA-256 of everything before it
 *        the blocks, each at a multiple of 64, the first at a multiple of 4,096
 *
 * Numbers are in the machine's order: packed bytes mean something only to the machine that made them.
 *
 * The file is derived and may be foreign, damaged or half written by a machine that lost its power. Its head is checked
 * whenever it is opened. Its blocks are, against their digest, whenever there is a doubt: when the file does not have
 * the time that it was given, which every later write changes. One that belongs to another user than oneself or the
 * superuser, or that others may write to, is refused. */
#ifndef SIMILE_MODEL_PACKED_H
#define SIMILE_MODEL_PACKED_H

#include "base/digest.h"
#include "nn/nn.h"

typedef struct {
    char model[DIGEST_HEX]; /* its identity */
    const char *tower;      /* "text": at most 15 bytes */
    nn_precision precision;
    uint64_t packing; /* which layouts this processor and this version use */
} packed_key;

/* Where the file of this key lies in a folder; for mem_free, NULL when memory is short. */
char *packed_path(const char *folder, const packed_key *key);

typedef struct packed packed;

/* CORRUPT, or VERSION for another key; IO, NOT_FOUND as ever. */
simile_status packed_open(const char *path, const packed_key *key, packed **out, simile_error *err);
void packed_close(packed *p); /* NULL is accepted */
size_t packed_count(const packed *p);
const void *packed_block(const packed *p, size_t i, size_t *bytes); /* 64-byte aligned, until packed_close() */

/* What is written: n blocks, each of which is made in memory of its own. */
typedef struct {
    size_t n;
    size_t (*bytes)(const void *user, size_t i);
    void (*make)(const void *user, size_t i, void *out); /* out: 64-byte aligned */
    const void *user;
} packed_blocks;

/* Makes the folder if need be, and afterwards removes from it the files that were not used for the longest time until
 * they take no more than `limit` bytes together. LIMIT: it would take more than half of that, or of the disk's room. */
simile_status packed_write(const char *path, const packed_key *key, const packed_blocks *blocks, uint64_t limit,
                           simile_error *err);

/* The check of bytes in memory, as of a file that nobody doubts: for the fuzzer too. */
simile_status packed_check(const void *bytes, size_t len, const packed_key *key, const char *subject,
                           simile_error *err);

/* Removes those of one model, and all when NULL. Returns how many bytes they took. */
uint64_t packed_remove(const char *folder, const char *model);
/* How many bytes they take. */
uint64_t packed_size(const char *folder, const char *model);

#endif
