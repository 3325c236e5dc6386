/* SPDX-License-Identifier: Apache-2.0
 * fetch.c - one file: from the cache of the Hugging Face libraries or from the server, resumed where an earlier attempt
 * ended, and renamed to its name only when its length and checksum are right.
 *
 * What lies in FILE.part is hashed again before more is added to it. The server is asked to go on only if the file is
 * still the one with the ETag of the first part (If-Range); whatever it answers, the checksum decides in the end. The
 * checksum of a file in LFS is the SHA-256 of its content, that of any other git's: SHA-1 of "blob
 * <length>\0<content>". */
#include "base/digest.h"
#include "base/file.h"
#include "base/mem.h"
#include "hub/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha1.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 1 << 20, SUBJECT = 400, GIT_HEX = 40 };

typedef struct {
    pull *p;
    hub_file *f;
    char *part, *whole; /* paths */
    char subject[SUBJECT];
    int fd;
    int64_t length; /* as the server announces it, -1 unknown; that of the list where the list has one */
    digest sha256;
    struct sha1_ctx sha1;
} transfer;

/* ---- checksums ---- */

static void sums_begin(transfer *t)
{
    char head[40];
    const int n = snprintf(head, sizeof head, "blob %lld", (long long)t->f->size);
    digest_init(&t->sha256);
    sha1_init(&t->sha1);
    sha1_update(&t->sha1, (size_t)n + 1, (const uint8_t *)head);
}

static void sums_add(transfer *t, const void *bytes, size_t len)
{
    if (strlen(t->f->oid) == GIT_HEX)
        sha1_update(&t->sha1, len, bytes);
    else
        digest_add(&t->sha256, bytes, len);
}

static bool sums_agree(transfer *t)
{
    uint8_t sum[DIGEST_SIZE] = {0};
    char hex[DIGEST_HEX];
    if (!t->f->oid[0]) return true; /* a file in the cache that is no link to its checksum */
    if (strlen(t->f->oid) == GIT_HEX) {
        sha1_digest(&t->sha1, SHA1_DIGEST_SIZE, sum);
        digest_hex(sum, hex);
        hex[GIT_HEX] = 0;
    } else {
        digest_end(&t->sha256, sum);
        digest_hex(sum, hex);
    }
    return strcmp(hex, t->f->oid) == 0;
}

/* ---- the part ---- */

static simile_status start_over(transfer *t, simile_error *err)
{
    if (ftruncate(t->fd, 0) || lseek(t->fd, 0, SEEK_SET) < 0) return err_errno(err, "cannot write '%s'", t->part);
    t->p->have = 0;
    sums_begin(t);
    return SIMILE_OK;
}

static simile_status write_all(transfer *t, const char *bytes, size_t len, simile_error *err)
{
    while (len) {
        const ssize_t n = write(t->fd, bytes, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return err_errno(err, "cannot write '%s'", t->part);
        sums_add(t, bytes, (size_t)n);
        bytes += n;
        len -= (size_t)n;
        t->p->have += n;
    }
    return SIMILE_OK;
}

/* Hashes what is in the part already. */
static simile_status take_up(transfer *t, simile_error *err)
{
    char *block = mem_alloc(BLOCK);
    if (!block) return err_nomem(err);
    simile_status status = SIMILE_OK;
    sums_begin(t);
    t->p->have = 0;
    for (;;) {
        const ssize_t n = read(t->fd, block, BLOCK);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) status = err_errno(err, "cannot read '%s'", t->part);
        if (!status && pull_wants_stop(t->p)) status = pull_cancelled(t->p, err);
        if (n <= 0 || status) break;
        sums_add(t, block, (size_t)n);
        t->p->have += n;
    }
    mem_free(block);
    if (!status && t->f->size >= 0 && t->p->have > t->f->size) status = start_over(t, err);
    return status;
}

static simile_status open_part(transfer *t, simile_error *err)
{
    RETURN_IF_ERROR(path_make_folder_above(t->part, err));
    t->fd = open(t->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (t->fd < 0) return err_errno(err, "cannot write '%s'", t->part);
    return SIMILE_OK;
}

/* Syncs it and gives it its name. */
static simile_status finish(transfer *t, simile_error *err)
{
    if (fsync(t->fd) || rename(t->part, t->whole)) return err_errno(err, "cannot write '%s'", t->whole);
    return SIMILE_OK;
}

static simile_status wrong_sum(transfer *t, simile_error *err)
{
    RETURN_IF_ERROR(start_over(t, err));
    return err_set(err, SIMILE_E_CORRUPT,
                   "cannot fetch '%s': what came does not have its checksum, and was thrown away", t->subject);
}

/* ---- from the server ---- */

/* What the record knows of the part's origin; a part of another file counts for nothing. */
static const char *known_etag(const transfer *t)
{
    const hub_record *r = &t->p->record;
    return r->partial && r->etag && strcmp(r->partial, t->f->path) == 0 ? r->etag : "";
}

static simile_status remember_etag(transfer *t, const char *etag, simile_error *err)
{
    hub_record *r = &t->p->record;
    char *partial = mem_strdup(t->f->path), *copy = mem_strdup(etag);
    if (!partial || !copy) {
        mem_free(partial);
        mem_free(copy);
        return err_nomem(err);
    }
    mem_free(r->partial);
    mem_free(r->etag);
    r->partial = partial;
    r->etag = copy;
    return pull_save_state(t->p, err);
}

static simile_status on_prepare(void *user, int64_t *from, const char **etag, simile_error *err)
{
    transfer *t = user;
    if (t->p->have && t->p->have == t->f->size) RETURN_IF_ERROR(start_over(t, err)); /* its checksum was wrong */
    *from = t->p->have;
    *etag = known_etag(t);
    return SIMILE_OK;
}

static simile_status on_forget(void *user, simile_error *err)
{
    return start_over(user, err);
}

/* 206: is it the piece that was asked for, of the same file? */
static simile_status check_piece(transfer *t, const http_head *head, bool *again, simile_error *err)
{
    const char *etag = known_etag(t);
    const bool other = *etag && head->etag[0] && strcmp(etag, head->etag) != 0;
    const bool fits =
        head->range_first == t->p->have && (head->range_total < 0 || t->f->size < 0 || head->range_total == t->f->size);
    if (fits && !other) {
        t->length = t->f->size >= 0 ? t->f->size : head->range_total;
        return SIMILE_OK;
    }
    RETURN_IF_ERROR(start_over(t, err));
    *again = true;
    if (other) return err_set(err, SIMILE_E_VERSION, "cannot fetch '%s': it changes while it is fetched", t->subject);
    return err_set(err, SIMILE_E_CORRUPT, "cannot fetch '%s': the server sends another piece than was asked for",
                   t->subject);
}

static simile_status on_begin(void *user, const http_head *head, bool *again, simile_error *err)
{
    transfer *t = user;
    RETURN_IF_ERROR(refuse_page(head, t->subject, err));
    if (head->status == 206) {
        RETURN_IF_ERROR(check_piece(t, head, again, err));
    } else {
        if (t->p->have) RETURN_IF_ERROR(start_over(t, err));
        if (t->f->size >= 0 && head->content_length >= 0 && head->content_length != t->f->size)
            return err_set(err, SIMILE_E_CORRUPT, "cannot fetch '%s': %lld bytes are listed, %lld would come",
                           t->subject, (long long)t->f->size, (long long)head->content_length);
        t->length = t->f->size >= 0 ? t->f->size : head->content_length;
    }
    if (t->length > HUB_MAX_FILE_SIZE) return err_set(err, SIMILE_E_LIMIT, "'%s' is too large", t->subject);
    if (t->f->size < 0 && t->length >= 0) t->p->total = t->p->done + t->length;
    return remember_etag(t, head->etag, err);
}

static simile_status on_data(void *user, const void *bytes, size_t len, simile_error *err)
{
    transfer *t = user;
    const int64_t most = t->length >= 0 ? t->length : HUB_MAX_FILE_SIZE;
    if ((int64_t)len > most - t->p->have)
        return err_set(err, SIMILE_E_CORRUPT, "cannot fetch '%s': more comes than was announced", t->subject);
    t->p->report->fetched += (int64_t)len;
    return write_all(t, bytes, len, err);
}

static simile_status on_end(void *user, bool *again, simile_error *err)
{
    transfer *t = user;
    if (t->length >= 0 && t->p->have < t->length) {
        *again = true;
        return err_set(err, SIMILE_E_CORRUPT, "cannot fetch '%s': it ended after %lld of %lld bytes", t->subject,
                       (long long)t->p->have, (long long)t->length);
    }
    return SIMILE_OK;
}

/* The path with all but the usual characters as %XX. */
static char *file_url(const pull *p, const char *path)
{
    buf out;
    if (p->url) return mem_strdup(pull_url_of(p, path));
    buf_init(&out, HTTP_URL);
    buf_printf(&out, "%s/%s/resolve/%s/", p->endpoint, p->repo, p->commit);
    for (const char *c = path; *c; c++) {
        if (strchr(" +=@,", *c))
            buf_printf(&out, "%%%02X", (unsigned char)*c);
        else
            buf_byte(&out, *c);
    }
    return buf_take(&out, NULL);
}

static simile_status download(transfer *t, simile_error *err)
{
    const http_ask ask = {.subject = t->subject,
                          .user = t,
                          .prepare = on_prepare,
                          .begin = on_begin,
                          .data = on_data,
                          .end = on_end,
                          .forget = on_forget};
    char *url = file_url(t->p, t->f->path);
    http_head *head = mem_new(http_head);
    simile_status status = url && head ? http_get(t->p->h, url, &ask, head, err) : err_nomem(err);
    mem_free(url);
    mem_free(head);
    if (!status && !sums_agree(t)) status = wrong_sum(t, err);
    if (!status) t->f->size = t->p->have;
    return status;
}

/* The part of an earlier attempt, if it is the file that is wanted now; it may even be all of it. */
static simile_status resume(transfer *t, bool *whole, simile_error *err)
{
    *whole = false;
    RETURN_IF_ERROR(take_up(t, err));
    t->p->report->resumed += t->p->have;
    if (!t->p->have || t->p->have != t->f->size) return SIMILE_OK;
    *whole = sums_agree(t);
    if (*whole) return SIMILE_OK;
    t->p->report->resumed -= t->p->have;
    return start_over(t, err);
}

static simile_status from_server(transfer *t, simile_error *err)
{
    bool whole;
    RETURN_IF_ERROR(open_part(t, err));
    RETURN_IF_ERROR(resume(t, &whole, err));
    if (!whole) RETURN_IF_ERROR(download(t, err));
    return finish(t, err);
}

/* ---- from the cache ---- */

static simile_status copy_in(transfer *t, int from, simile_error *err)
{
    char *block = mem_alloc(BLOCK);
    if (!block) return err_nomem(err);
    simile_status status = SIMILE_OK;
    while (!status) {
        const ssize_t n = read(from, block, BLOCK);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) status = err_errno(err, "cannot read the cached '%s'", t->subject);
        if (n <= 0) break;
        if (t->p->have + n > t->f->size) break; /* it grows */
        status = write_all(t, block, (size_t)n, err);
        if (!status && pull_wants_stop(t->p)) status = pull_cancelled(t->p, err);
    }
    mem_free(block);
    return status;
}

static char *cached_path(const transfer *t, const char *kind)
{
    const pull *p = t->p;
    if (strcmp(kind, "blobs") == 0) return mem_printf("%s/blobs/%s", p->cache, t->f->oid);
    return mem_printf("%s/snapshots/%s/%s", p->cache, p->commit, t->f->path);
}

/* *found: it is in staging now. A file of another length or content is as if it were not there. */
static simile_status from_cache(transfer *t, const char *kind, bool *found, simile_error *err)
{
    struct stat st;
    char *path = cached_path(t, kind);
    *found = false;
    if (!path) return err_nomem(err);
    const int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    mem_free(path);
    if (from < 0) return SIMILE_OK;
    simile_status status = SIMILE_OK;
    if (!fstat(from, &st) && S_ISREG(st.st_mode) && st.st_size == t->f->size) {
        status = open_part(t, err);
        if (!status) status = start_over(t, err);
        if (!status) status = copy_in(t, from, err);
        *found = !status && t->p->have == t->f->size && sums_agree(t);
        if (*found) {
            t->p->report->cached += t->p->have;
            status = finish(t, err);
        } else if (!status) {
            status = start_over(t, err);
        }
        close(t->fd);
        t->fd = -1;
    }
    close(from);
    return status;
}

/* ---- */

static simile_status bring(transfer *t, simile_error *err)
{
    bool found = false;
    const bool begun = file_exists(t->part); /* then some of it is here already: the rest is what is missing */
    if (t->p->cache && t->f->oid[0] && !begun) RETURN_IF_ERROR(from_cache(t, "blobs", &found, err));
    if (t->p->cache && t->p->offline && !found) RETURN_IF_ERROR(from_cache(t, "snapshots", &found, err));
    if (found) return SIMILE_OK;
    if (t->p->offline)
        return err_set(err, SIMILE_E_CORRUPT,
                       "cannot pull '%s': HF_HUB_OFFLINE is set, and the cache's copy is damaged", t->subject);
    return from_server(t, err);
}

simile_status pull_file(pull *p, hub_file *f, simile_error *err)
{
    transfer t = {.p = p, .f = f, .fd = -1, .length = -1};
    p->current = f->path;
    p->have = 0;
    if (p->url)
        snprintf(t.subject, sizeof t.subject, "%s", f->path);
    else
        snprintf(t.subject, sizeof t.subject, "%s/%s", p->repo, f->path);
    t.part = pull_path(p, f->path, ".part");
    t.whole = pull_path(p, f->path, "");
    simile_status status = t.part && t.whole ? bring(&t, err) : err_nomem(err);
    if (t.fd >= 0) close(t.fd);
    mem_free(t.part);
    mem_free(t.whole);
    if (!status) p->done += p->have;
    p->have = 0;
    return status;
}
