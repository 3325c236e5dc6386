/* SPDX-License-Identifier: Apache-2.0
 * digest_cache.c - remembers the digests of large models between runs.
 *
 * A digest reads every weight: half a second and more for a model of a few hundred megabytes, which would be most of
 * the time that one search takes. $XDG_CACHE_HOME/simile/digests/<stamp> holds the digest of the files that the stamp
 * describes: path, size, time of change of content and of inode, and inode number of each file in the model's folder,
 * and the resolution at which it was opened.
 * Whatever changes a file changes its ctime, so a stale answer is never found. The stamp is taken when a model is
 * opened, and kept: its digest may be asked for hours later, when other files have taken their place.
 * What the folder declares of its space is no part of the digest and not of the stamp either, so that a declaration
 * costs no second reading. Everything here is a convenience: where it fails the digest is computed. Small models do not
 * come here.
 *
 * The digest is what files of packed weights are kept by (model/packed.h, $XDG_CACHE_HOME/simile/packed), so those are
 * used from when it is known. */
#include "base/file.h"
#include "base/mem.h"
#include "engine/internal.h"

#include <stdio.h>
#include <unistd.h>

enum { MAX_FILES = 1000 };
#define SMALL_MODEL ((int64_t)16 << 20) /* bytes of files: below, hashing and packing take no time worth saving */

typedef struct {
    digest d;
    int64_t bytes;
    int files;
} stamp;

static int add_file(void *user, const char *path, const file_facts *facts)
{
    stamp *s = user;
    const size_t len = strlen(path), end = strlen("/" SPACE_FILE);
    if (len > end && !strcmp(path + len - end, "/" SPACE_FILE)) return 0;
    const int64_t numbers[4] = {facts->size, facts->mtime_ns, facts->ctime_ns, facts->inode};
    digest_add_part(&s->d, path, strlen(path));
    digest_add_part(&s->d, numbers, sizeof numbers);
    s->bytes += facts->size;
    return ++s->files > MAX_FILES;
}

/* The cache file for this model's files as they are, or NULL: small, not a folder, no cache folder, no memory. */
static char *cache_path(const simile_model_info *info)
{
    stamp s = {0};
    uint8_t bytes[DIGEST_SIZE];
    char hex[DIGEST_HEX];
    digest_init(&s.d);
    digest_add_part(&s.d, &info->image_size, sizeof info->image_size);
    if (file_walk(info->directory, add_file, NULL, &s, NULL) || s.bytes < SMALL_MODEL) return NULL;
    digest_end(&s.d, bytes);
    digest_hex(bytes, hex);
    char *home = path_cache_home();
    char *path = home ? mem_printf("%s/digests/%s", home, hex) : NULL;
    mem_free(home);
    return path;
}

static bool read_cache(const char *path, char out[DIGEST_HEX])
{
    char *text;
    size_t len;
    if (file_read(path, DIGEST_HEX, &text, &len, NULL)) return false;
    const bool whole = len == DIGEST_HEX && text[len - 1] == '\n' && strspn(text, "0123456789abcdef") == len - 1;
    if (whole) {
        memcpy(out, text, len - 1);
        out[len - 1] = 0;
    }
    mem_free(text);
    return whole;
}

static void write_cache(const char *path, const char *digest_text)
{
    char line[DIGEST_HEX + 1];
    char *folder = path_folder(path);
    snprintf(line, sizeof line, "%s\n", digest_text);
    if (folder && !path_make_folders(folder, NULL)) file_replace(path, line, strlen(line), NULL);
    mem_free(folder);
}

/* The folder for packed weights, for mem_free, or NULL. */
static char *packed_folder(void)
{
    char *home = path_cache_home(), *folder = home ? path_join(home, "packed") : NULL;
    mem_free(home);
    return folder;
}

static void keep_packed(const model *m, const char *digest_text)
{
    char *folder = packed_folder();
    if (folder) model_keep_packed(m, folder, digest_text);
    mem_free(folder);
}

char *digest_place(const model *m)
{
    return cache_path(model_info(m));
}

char *remembered_digest(const model *m, char out[DIGEST_HEX])
{
    char *path = digest_place(m);
    if (path && read_cache(path, out)) return path;
    mem_free(path);
    return NULL;
}

bool recall_model_digest(const model *m, const char *place, char out[DIGEST_HEX])
{
    if (!place || !read_cache(place, out)) return false;
    keep_packed(m, out);
    return true;
}

simile_status cached_model_digest(const model *m, const char *place, char out[DIGEST_HEX], simile_error *err)
{
    if (recall_model_digest(m, place, out)) return SIMILE_OK;
    const simile_status status = model_digest(m, out, err);
    if (!status && place) {
        write_cache(place, out);
        keep_packed(m, out);
    }
    return status;
}

int64_t simile_model_cache_bytes(const simile_model *handle)
{
    char hex[DIGEST_HEX] = "";
    if (!handle || simile_model_digest(handle, hex, NULL)) return 0;
    char *folder = packed_folder();
    const uint64_t bytes = folder ? model_kept_size(folder, hex) : 0;
    mem_free(folder);
    return (int64_t)bytes;
}

int64_t forget_model(const char *remembered, const char *digest_text)
{
    char *folder = packed_folder();
    const uint64_t bytes = folder ? model_kept_remove(folder, digest_text) : 0;
    unlink(remembered);
    mem_free(folder);
    return (int64_t)bytes;
}
