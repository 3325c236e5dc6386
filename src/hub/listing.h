/* SPDX-License-Identifier: Apache-2.0
 * listing.h - the files of a repository, and which of them a model needs. */
#ifndef SIMILE_HUB_LISTING_H
#define SIMILE_HUB_LISTING_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HUB_OID = 65,
    HUB_MAX_FILES = 20000, /* of a listing */
    HUB_MAX_CHOSEN = 256,
    HUB_MAX_PATH = 255
};
#define HUB_MAX_FILE_SIZE ((int64_t)1 << 40)

/* A file as the hub lists it. */
typedef struct {
    char *path;        /* below the repository; checked: safe to create below a folder */
    int64_t size;      /* -1: not known before it comes */
    char oid[HUB_OID]; /* 64 hex digits: SHA-256 of the content; 40: the blob's id in git; "": unknown */
} hub_file;

typedef struct {
    hub_file *items;
    size_t n, capacity;
} hub_files;

simile_status hub_files_add(hub_files *files, const char *path, int64_t size, const char *oid, simile_error *err);
const hub_file *hub_files_find(const hub_files *files, const char *path);
void hub_files_release(hub_files *files);

/* Relative, of ordinary characters, without "..", empty or hidden parts: nothing else ever becomes a file here. */
bool hub_path_is_safe(const char *path);
/* A name that can be a folder below the models folder. */
bool hub_name_is_safe(const char *name);
bool hub_is_hex(const char *text, size_t digits); /* exactly so many, in lower case */

/* Adds the files of one page of /api/models/REPO/tree/REVISION. A name that tries to leave its folder is an error. */
simile_status hub_tree_parse(const void *json, size_t len, const char *subject, hub_files *files, simile_error *err);
/* The commit of /api/models/REPO/revision/REVISION. */
simile_status hub_revision_parse(const void *json, size_t len, const char *subject, char commit[HUB_OID],
                                 simile_error *err);

/* What a model needs of all files: configurations, tokenizers and one set of weights a folder; safetensors are
 * preferred, the layout of transformers before that of OpenCLIP. weights: this file and no other weights; may be NULL.
 */
simile_status hub_choose(const hub_files *all, const char *weights, const char *subject, hub_files *chosen,
                         simile_error *err);

#endif
