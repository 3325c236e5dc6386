/* SPDX-License-Identifier: Apache-2.0
 * file.h - mapping, reading, atomic replacing, walking; paths. */
#ifndef SIMILE_BASE_FILE_H
#define SIMILE_BASE_FILE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* A file mapped read-only. An empty file has len 0 and data "". */
typedef struct {
    const uint8_t *data;
    size_t len;
    bool mapped;
} file_map;
simile_status file_map_open(const char *path, file_map *out, simile_error *err);
void file_map_close(file_map *map);
/* A hint: of this part of a mapped file only a few places will be read. From a disk, a place is then a page and not
 * what the system thinks will be wanted next. */
void file_map_scattered(const void *at, size_t len);
/* What was read of it need not stay in this process' memory: it is fetched again when it is looked at again. */
void file_map_forget(const file_map *map);

/* Opens a regular file for reading: its descriptor and its length, or -1. Pipes and devices are refused: they could
 * block for ever. */
int file_open_regular(const char *path, size_t *len, simile_error *err);

/* Reads a whole regular file, at most max bytes (SIMILE_E_LIMIT). *out is NUL-terminated, freed with mem_free. */
simile_status file_read(const char *path, size_t max, char **out, size_t *len, simile_error *err);

/* Writes beside the target, syncs, renames over it: the target is the old file or the new one, never a part. What is
 * there must be a regular file: devices, folders and links are refused. */
simile_status file_replace(const char *path, const void *data, size_t len, simile_error *err);

typedef struct {
    int64_t size, mtime_ns;
    int64_t ctime_ns, inode; /* what identifies a version of a file */
    bool is_directory, is_regular;
} file_facts;
/* Follows links. */
simile_status file_stat(const char *path, file_facts *out, simile_error *err);
bool file_exists(const char *path);
bool file_is_folder(const char *path); /* follows links */

/* What was renamed or made in a folder survives a crash from now on. */
simile_status file_sync_folder(const char *folder, simile_error *err);
/* Bytes that may still be written to the disk of a folder. */
simile_status file_room(const char *folder, uint64_t *out, simile_error *err);

/* Calls fn for each regular file below a folder, in byte order of the names (so two runs agree), links to files
 * followed, links to folders and hidden entries (".*") not. An unreadable folder is reported through `unreadable` (may
 * be NULL) and passed over. Stops when a callback returns non-zero and returns SIMILE_E_CANCELLED. */
typedef int (*file_walk_fn)(void *user, const char *path, const file_facts *facts);
typedef void (*file_walk_error_fn)(void *user, const char *path, const simile_error *why);
simile_status file_walk(const char *folder, file_walk_fn fn, file_walk_error_fn unreadable, void *user,
                        simile_error *err);

/* The name of something that lies in a folder, and is not hidden: no slash, no dot in front. */
bool path_is_plain_name(const char *name);

/* All return memory for mem_free, NULL when it is short. */
char *path_join(const char *folder, const char *name);
char *path_absolute(const char *path); /* without "." and "..", links left as they are; nothing need exist */
char *path_name(const char *path);     /* the last part, without trailing slashes */
char *path_folder(const char *path);   /* all but the last part; "." when there is none */
simile_status path_make_folders(const char *folder, simile_error *err);    /* mkdir -p */
simile_status path_make_folder_above(const char *path, simile_error *err); /* the one that the path lies in */

/* $XDG_<KIND>_HOME/simile or its default below $HOME, as the XDG base directory specification says; NULL when memory
 * is short or neither variable is set to an absolute path. */
char *path_data_home(void);  /* ~/.local/share/simile */
char *path_cache_home(void); /* ~/.cache/simile */

#endif
