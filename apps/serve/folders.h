/* SPDX-License-Identifier: Apache-2.0
 * folders.h - folders that clients may name: the roots of `simile serve --root`, what lies below them, and folders that
 * hold pictures of the catalogue.
 *
 * A client never sends a path. It sends an id that it was given before: hex digits, made from the path by SHA-256, the
 * same after a restart. An id that was not handed out names nothing. Hidden folders are left out, and no symbolic link
 * below a root is followed, neither when a folder is listed nor when it is used later on.
 *
 * Threads: any. Memory: FOLDERS_REMEMBERED paths; those that nobody asked for lately are forgotten first. */
#ifndef SIMILE_SERVE_FOLDERS_H
#define SIMILE_SERVE_FOLDERS_H

#include "serve/serve.h"

enum { FOLDER_ID = 33, FOLDERS_REMEMBERED = 16384, FOLDERS_LISTED = 10000 }; /* bytes of an id, with its NUL */

/* n_roots 0: the user's pictures folder, where there is one. A root must be a folder (NOT_FOUND, ARG). */
simile_status folders_new(const char *const *roots, size_t n_roots, folders **out, simile_error *err);
void folders_free(folders *f);

typedef struct {
    const char *id, *name;
    const char *path; /* to be shown */
    bool has_children;
} folder_info;
typedef int (*folder_fn)(void *user, const folder_info *one); /* non-zero ends it */

/* parent NULL: the roots. Otherwise the folders right below that one, by name, at most FOLDERS_LISTED. Errors:
 * NOT_FOUND (no such id, or the folder is gone), IO, NOMEM. */
simile_status folders_list(folders *f, const char *parent, folder_fn fn, void *user, simile_error *err);
/* The absolute path of an id; *out is freed with mem_free. For filters and for showing: nobody looks whether the folder
 * is still there. NOT_FOUND. */
simile_status folders_path(folders *f, const char *id, char **out, simile_error *err);
/* The same for use: it is a folder, and below its root without a symbolic link on the way. NOT_FOUND, IO. */
simile_status folders_open(folders *f, const char *id, char **out, simile_error *err);
/* Hands out the id of a folder whose path came from the catalogue, never from a client. */
simile_status folders_id(folders *f, const char *path, char out[FOLDER_ID], simile_error *err);
/* Hands out the ids of all folders that hold pictures of the catalogue: done at the start, so that ids of an earlier
 * run are known again. */
simile_status folders_remember(folders *f, simile_library *library, simile_error *err);

/* Is the path the folder itself, or does it lie below it? By their bytes. */
bool folder_holds(const char *folder, const char *path);

#endif
