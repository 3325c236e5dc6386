/* SPDX-License-Identifier: Apache-2.0
 * digest_cache.c - remembers the digests of large models between runs.
 *
 * A digest reads every weight: half a second and more for a model of a few hundred megabytes, which would be most of
 * the time that one search takes. $XDG_CACHE_HOME/simile/digests/<stamp> holds the digest of the files that the stamp
 * describes: path, size, time of change of content and of inode, and inode number of each file in the model's folder,
 * and the resolution at which it was opened.
 * Whatever changes a file changes its ctime, so a stale answer is never found. What the folder declares of its space is
 * no part of the digest and not of the stamp either, so that a declaration costs no second reading. Everything here is
 * a convenience: where it fails the digest is computed. Small models do not come here. */
#include "base/file.h"
#include "base/mem.h"
#include "engine/internal.h"

#include <stdio.h>

enum { MAX_FILES = 1000 };
#define SMALL_MODEL ((int64_t)64 << 20) /* bytes of files: below, hashing takes no time worth saving */

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

simile_status cached_model_digest(const model *m, char out[DIGEST_HEX], simile_error *err)
{
    char *path = cache_path(model_info(m));
    if (path && read_cache(path, out)) {
        mem_free(path);
        return SIMILE_OK;
    }
    const simile_status status = model_digest(m, out, err);
    if (!status && path) write_cache(path, out);
    mem_free(path);
    return status;
}
